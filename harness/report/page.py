"""From a job's records to one HTML file that works offline."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from harness.judging import outcome
from harness.report import attention, environments, flipped, gating, room, sections, verdicts
from harness.report.templating import constants, environment
from harness.store import commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.records import Job, Scenario


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
    shown, counted = sections.build(job, folder, scenarios), outcome.counts(job)
    return environment().get_template("report.html.j2").render(
        job=job,
        headline=verdicts.headline(job),
        notes=outcome.notes(job),
        groups=verdicts.GROUPS,
        nouns=verdicts.NOUNS,
        tallies=verdicts.tallies(job),
        signs=verdicts.SIGNS,
        cards=attention.cards(shown),
        most_cards=room.MOST_CARDS,
        folded=attention.folded(shown),
        scenarios=[list(group) for _, group in itertools.groupby(shown, key=lambda part: part.scenario)],
        gate=gating.part(job),
        flipped=flipped.told,
        seeds_named=flipped.seeds,
        environments=environments.table(job.environment, job.results),
        flips_words={
            "heading": "right before and wrong now, or the other way round",
            "same": "Both sides predicted with the same weights: in a gate an exact test of these images decides the accuracy.",
        },
        failed=counted["runs"],
        finished=sum(section.finished for section in shown),
        missing=counted["unfinished"],
        interruption=outcome.interruption(job),
        resume=commands.resume(job),
        **constants(script=True, up=up),
    )  # fmt: skip
