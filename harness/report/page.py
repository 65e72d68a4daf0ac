"""From a job's records to one HTML file that works offline."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from harness.report import attention, numbers, palette, sections, strips, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.records import Job, Scenario


def render(job: Job, folder: Path, scenarios: Mapping[str, Scenario]) -> str:
    """Write a job's report: verdicts first, then every variant's numbers and figures.

    Nothing is measured or judged here. A figure whose arrays are missing or damaged says so in its place.

    Parameters
    ----------
    job : Job
        The job as stored in ``run.json``.
    folder : Path
        The job's folder, to which the runs' folders are relative.
    scenarios : mapping
        Scenarios by name, for sources and variants; one that is missing is shown without them.

    Returns
    -------
    str
        One self-contained HTML page: it loads nothing and reads without scripts. Same input, same text.
    """
    shown = sections.build(job, folder, scenarios)
    return _environment().get_template("report.html.j2").render(
        job=job,
        headline=verdicts.headline(job),
        groups=verdicts.GROUPS,
        nouns=verdicts.NOUNS,
        tallies=verdicts.tallies(job),
        signs=verdicts.SIGNS,
        cards=attention.cards(shown),
        folded=attention.folded(shown),
        scenarios=[list(group) for _, group in itertools.groupby(shown, key=lambda part: part.scenario)],
        failed=sum(result.status == "error" for result in job.results),
        **_constants(),
    )  # fmt: skip


def _constants() -> dict[str, Any]:
    script = _text("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = _text("report.css")
    style = style.replace("/*light*/", palette.variables(palette.LIGHT))
    return {
        "script": Markup(script),  # noqa: S704 - ours
        "script_hash": f"sha256-{digest}",
        "style": Markup(style.replace("/*dark*/", palette.variables(palette.DARK))),  # noqa: S704 - ours
        "strip_width": strips.WIDTH,
        "tolerance_place": strips.TOLERANCE_PLACE,
    }


def _text(name: str) -> str:
    return resources.files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"sci": numbers.scientific, "breakable": _breakable, "moment": _moment}
    return environment


def _breakable(name: str) -> Markup:
    """Let a long name break after a point, underscore or slash."""
    return Markup(re.sub(r"(?<=[._/])", "<wbr>", str(escape(name))))  # noqa: S704 - escaped before


def _moment(stamp: str) -> str:
    """Write an ISO 8601 time in UTC as people do."""
    return stamp.replace("T", " ").replace("+00:00", " UTC")
