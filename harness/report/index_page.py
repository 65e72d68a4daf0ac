"""The page over all jobs of a folder, newest first: it works from disk, offline and without scripts, and is written in one step."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import typing

from harness.errors import StorageError
from harness.report import job_index, linking
from harness.report.templating import constants, environment
from harness.report.verdicts import Sign
from harness.store import files, locks, stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.report.job_index import Index, Row, Score
    from harness.report.verdicts import Tone

MOST_LISTED = 1000
"""Jobs that the page lists, the newest; the others are counted and said."""
MOST_LEFT = 200
"""Folders without a job that are named; the others are counted and said."""
MOST_TRENDS = 50
"""Variants whose score over the jobs is drawn, those with the most jobs."""
NAME = "index.html"
SIGNS: Mapping[Tone, Sign] = {
    "bad": Sign("worse", "✕", "bad", "An identity is violated, a metric regressed, or a run failed."),
    "warn": Sign(
        "could not measure",
        "!",
        "warn",
        "Something is inconclusive or interrupted, or differs from a published value.",
    ),
    "decide": Sign(
        "a person must approve",
        "?",
        "decide",
        "Nothing broke, and a person must approve or compare something.",
    ),
    "good": Sign("passed", "✓", "good", "Everything that could be judged holds."),
    "quiet": Sign("nothing judged", "·", "quiet", "Nothing was judged."),
}
"""What a whole job came to, worst first, in a word."""


def render(found: Index, name: str) -> str:
    """Write the page.

    Parameters
    ----------
    found : Index
        From `harness.report.job_index.collect`.
    name : str
        How the folder is called. There is no link to an index above: that one lists this, and a folder may travel alone.

    Returns
    -------
    str
        One self-contained HTML page. Same input, same text.
    """
    counted = collections.Counter(row.headline.tone for row in found.rows)
    shown = found.rows[:MOST_LISTED]
    return environment().get_template("index.html.j2").render(
        name=name, rows=shown, pages=found.pages, left=found.left[:MOST_LEFT], signs=SIGNS, jobs=len(found.rows),
        trends=list(_trends(shown)), older=len(found.rows) - len(shown), more_left=max(0, len(found.left) - MOST_LEFT),
        damaged=sum(left.damaged for left in found.left), tallies=[(sign, counted[tone]) for tone, sign in SIGNS.items() if counted[tone]],
        scenarios=list(dict.fromkeys(scenario for row in shown for scenario in row.scenarios)),
        tiers=list(dict.fromkeys(tier for row in shown for tier in row.tiers)), **constants(script=True),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Trend:
    """One variant's score over the listed jobs."""

    name: str
    """Variant, tier and metric."""
    jobs: int
    """How many jobs."""
    first: str
    """Score of the oldest."""
    last: str
    """Score of the newest."""
    sign: Sign
    """Verdict of the newest."""
    points: str
    """The line, oldest first."""


def _trends(rows: Sequence[Row]) -> Iterator[Trend]:
    """Yield the scores of each variant over the jobs, newest first in `rows`, the most often run first."""
    found: dict[str, list[Score]] = {}
    for row in reversed(rows):
        for score in row.scores:
            found.setdefault(score.name, []).append(score)
    for name, scores in sorted(found.items(), key=lambda item: -len(item[1]))[:MOST_TRENDS]:
        means = [score.mean for score in scores]
        low, span = min(means), max(means) - min(means)
        steps = max(1, len(means) - 1)
        points = " ".join(
            f"{4 + 124 * place / steps:.1f},{19 - 16 * ((mean - low) / span if span else 0.5):.1f}"
            for place, mean in enumerate(means)
        )
        yield Trend(name, len(scores), scores[0].text, scores[-1].text, scores[-1].sign, points)


def write(folder: Path, passed_over: dict[Path, str] | None = None) -> Path:
    """Write ``index.html`` over the jobs of a folder; return its path.

    Parameters
    ----------
    folder : Path
        The folder.
    passed_over : dict, optional
        Gets every folder that is damaged, with the reason; the page names them too.

    Notes
    -----
    Two that do so at once take turns, and whoever comes last has read every job that ended before: none is lost.

    Raises
    ------
    StorageError
        If `folder` is a job itself, holds an ``index.html`` that is no index of ours, or cannot be read or written.
    """
    page = folder / NAME
    if any((folder / name).exists() for name in ("run.json", stored.PACKED, "plan.json")):
        raise StorageError(f"'{folder}' is a job, and its report is {page}", "Name the folder above it")
    if not folder.is_dir():
        raise StorageError(f"there is no folder '{folder}'", "Type: harness run")
    if page.exists() and not is_index(folder):
        raise StorageError(f"{page} is no index that harness wrote", "Move it away or name another folder")
    with _turn(folder):
        found = job_index.collect(folder)
        if passed_over is not None:
            passed_over.update({folder / left.folder: left.reason for left in found.left if left.damaged})
        files.write_text(page, render(found, folder.resolve().name))
    return page


def is_index(folder: Path) -> bool:
    """Return whether a folder has an index."""
    found = linking.known(folder / NAME)
    return found is not None and found.kind == linking.INDEX


def refresh(job: Path) -> Path | None:
    """Write the index over a job anew where there is one; return its path, or None where nobody made one.

    Raises
    ------
    StorageError
        If it cannot be written; the job itself is stored by then.
    """
    named = job.name not in {"", ".."}
    above = job.parent if named else job.resolve().parent
    return write(above) if is_index(above) else None


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Hold the folder's index; whoever else writes it waits."""
    with locks.held(folder / ".index.lock"):
        yield
