"""What every page shares: the template environment, style, script, and how names and times are written."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from harness.report import numbers, palette, spread, strips

if TYPE_CHECKING:
    from collections.abc import Iterable


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of the templates: everything is escaped, and an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"sci": numbers.scientific, "breakable": _breakable, "moment": _moment, "at": _at}
    return made


def constants(*, script: bool) -> dict[str, Any]:
    """Return style and geometry of a page, and its script with the hash that its policy allows; a page without one allows none."""
    text = _text("report.js") if script else ""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    style = _text("report.css")
    style = style.replace("/*light*/", palette.variables(palette.LIGHT))
    return {
        "script": Markup(text),  # noqa: S704 - ours
        "script_hash": f"sha256-{digest}" if script else "none",
        "style": Markup(style.replace("/*dark*/", palette.variables(palette.DARK))),  # noqa: S704 - ours
        "strip_width": strips.WIDTH,
        "spread_width": spread.WIDTH,
        "tolerance_place": strips.TOLERANCE_PLACE,
    }


def _text(name: str) -> str:
    return resources.files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")


def _breakable(name: str) -> Markup:
    """Let a long name break after a point, underscore or slash."""
    return Markup(re.sub(r"(?<=[._/])", "<wbr>", str(escape(name))))  # noqa: S704 - escaped before


def _at(places: Iterable[float], height: float) -> list[tuple[float, float]]:
    """Put places along a line at one height."""
    return [(place, height) for place in places]


def _moment(stamp: str) -> str:
    """Write an ISO 8601 time in UTC as people do."""
    return stamp.replace("T", " ").replace("+00:00", " UTC")
