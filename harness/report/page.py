"""From a job's records to one HTML file that works offline."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness.judging import answer, outcome
from harness.report import answers, attention, claims, environments, flipped, gating, room, sections, verdicts
from harness.report.templating import commit, constants, environment, moment
from harness.store import commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.records import Job, Scenario
    from harness.report.section import Section


def render(job: Job, folder: Path, scenarios: Mapping[str, Scenario], up: str = "") -> str:
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
    up : str
        Address of the index over this job and others; see `harness.report.linking.up`.

    Returns
    -------
    str
        One self-contained HTML page: it loads nothing and reads without scripts. Same input, same text.
    """
    brief, whole = sections.build(job, folder, scenarios)
    counted = outcome.counts(job)
    rows = answers.rows(job, brief)
    shared = {
        "row_of": {row.anchor: row for row in rows},
        "rows": rows,
        "heading": answer.heading([row.line for row in rows]),
        "headline": verdicts.headline(job),
        "facts": list(filter(None, _facts(job))),
        "environments": environments.table(job.environment, job.results),
        "single": len(brief) == 1,
        "gate": gating.part(job),
        "flipped": flipped.told,
        "seeds_named": flipped.seeds,
        "flips_words": {
            "heading": "right before and wrong now, or the other way round",
            "same": "Both sides predicted with the same weights: in a gate an exact test of these images decides the accuracy.",
        },
        **constants(script=True, up=up),
    }  # fmt: skip
    made = environment()

    def write(section: Section) -> str:
        return made.get_template("section.html.j2").render(section=section, **shared)

    def around(shown: Sequence[Section], texts: Sequence[str]) -> str:
        written = [(section, Markup(text)) for section, text in zip(shown, texts, strict=True)]  # noqa: S704 - ours, escaped
        return made.get_template("report.html.j2").render(
            job=job,
            notes=outcome.notes(job),
            claims=claims.of_sections(shown, scenarios),
            tiers={section.tier for section in shown},
            groups=verdicts.GROUPS,
            nouns=verdicts.NOUNS,
            tallies=verdicts.tallies(job),
            signs=verdicts.SIGNS,
            cards=attention.cards(shown),
            most_cards=room.MOST_CARDS,
            folded=attention.folded(shown),
            scenarios=[list(group) for _, group in itertools.groupby(written, key=lambda part: part[0].scenario)],
            failed=counted["runs"],
            finished=sum(section.finished for section in shown),
            missing=counted["unfinished"],
            interruption=outcome.interruption(job),
            resume=commands.resume(job),
            **shared,
        )  # fmt: skip

    # with every finding listed the frame is at its largest
    frame = around([dataclasses.replace(section, brief=False) for section in brief], [""] * len(brief))
    return around(*room.fitted(brief, whole, write, len(frame.encode())))


def _facts(job: Job) -> Iterator[str]:
    """Yield what was compared with what, where and when, in a few words each."""
    code = f"commit {commit(job.commit)}" if job.commit else ""
    if job.gate is None:
        yield code
    else:
        settings = job.gate.settings
        against = (
            f"{settings.against} ({commit(settings.base_commit)})" if settings.against else "stored baselines"
        )
        yield f"gate of {code or 'this code'} against {against}"
    tiers = dict.fromkeys(comparison.tier for comparison in job.comparisons)
    if tiers:
        yield f"{' and '.join(tiers)} tier{'s' * (len(tiers) > 1)}"
    runs = len(job.results) + (len(job.gate.base_results) if job.gate else 0)
    yield f"{runs} run{'s' * (runs != 1)}" + (f" in {job.gate.minutes:.1f} min" if job.gate else "")
    yield (
        f"{job.environment['cores']}-core {job.environment['cpu']}"
        if {"cores", "cpu"} <= job.environment.keys()
        else ""
    )
    yield moment(job.created)
    yield f"harness {job.version}"
