"""The page over all jobs of a folder, newest first: it works from disk, offline and without scripts, and is written in one step.

Jobs are read one after the other, and of each only its row is kept, so memory does not grow with results. Nothing is judged: the
verdict is the one that is stored.
"""

from __future__ import annotations

import collections
import itertools
import shlex
import typing
import urllib.parse

from harness.errors import HarnessError, StorageError
from harness.judging import answer, jobs
from harness.report import linking, sections, verdicts
from harness.report.templating import Anchors, commit, constants, environment
from harness.report.verdicts import Sign
from harness.running import plans
from harness.store import files, locks, stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.records import Job
    from harness.report.verdicts import Headline, Tone

MOST_LISTED = 1000
"""Jobs that the page lists, the newest; the others are counted."""
MOST_LEFT = 200
"""Folders without a job that are named; the others are counted."""
MOST_TRENDS = 50
"""Variants whose score over the jobs is drawn, those with the most jobs."""
MOST_NAMES = 8
"""Variants that a row names; the others are counted."""
MOST_TEXT = 300
"""Characters of a command that a row shows."""
NAME = "index.html"
SIGNS: Mapping[Tone, Sign] = {
    "bad": Sign("worse", "✕", "bad", "An identity is violated, a metric regressed, or a run failed."),
    "warn": Sign("could not measure", "!", "warn", "Something is inconclusive or interrupted, or differs from a published value."),
    "decide": Sign("a person must approve", "?", "decide", "Nothing broke, and a person must approve or compare something."),
    "good": Sign("passed", "✓", "good", "Everything that could be judged holds."),
    "quiet": Sign("nothing judged", "·", "quiet", "Nothing was judged."),
}  # fmt: skip
"""What a whole job came to, worst first, in a word."""


class Score(typing.NamedTuple):
    """What one variant scored in one job."""

    name: str  # ``scenario:variant``, tier, and metric where it is not the accuracy
    mean: float
    text: str  # the mean, written out
    sign: Sign


class Row(typing.NamedTuple):
    """One stored job."""

    folder: str
    link: str  # address of its page, relative to the index; empty if there is none
    created: str  # when it began, UTC, ISO 8601; in files of schema 1, when it was judged
    command: str  # cut where it is very long
    commit: str  # in twelve characters, with ``+dirty`` where it was; empty if unknown
    gate: bool
    tiers: tuple[str, ...]
    scenarios: tuple[str, ...]
    parts: tuple[tuple[str, str], ...]  # first variants, addresses of their sections
    variants: int  # how many variants and tiers there are
    runs: int
    headline: Headline
    scores: tuple[Score, ...]


class Page(typing.NamedTuple):
    """Another page that lies there: a comparison, a history, a ledger, an index further down."""

    name: str  # its path below the folder
    link: str
    known: linking.Known


class Left(typing.NamedTuple):
    """A folder that is not listed."""

    folder: str
    reason: str  # with the next step
    damaged: bool  # whether something is wrong with it; False if it is simply no job


class Index(typing.NamedTuple):
    """Everything directly below one folder."""

    rows: tuple[Row, ...]  # jobs, the newest first
    pages: tuple[Page, ...]  # other pages of ours, by name
    left: tuple[Left, ...]  # folders that are not listed, by name


def collect(folder: Path) -> Index:
    """Read every job directly below a folder, one after the other; hidden folders are passed over.

    Raises
    ------
    StorageError
        If `folder` cannot be read itself. Whatever is wrong with a folder below it is in the result.
    """
    try:
        folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise files.storage_error(folder, error, "list") from error
    rows: list[Row] = []
    left: list[Left] = []
    pages = list(_pages(folder, "", {NAME}))
    for path in folders:
        read = _read(path)
        others = list(_pages(path, f"{path.name}/", {NAME} if isinstance(read, Row) else set()))
        pages += others
        if isinstance(read, Row):
            rows.append(read)
        elif read.damaged or not others:
            left.append(read)
    rows.sort(key=lambda row: (row.created, row.folder), reverse=True)
    return Index(tuple(rows), tuple(pages), tuple(left))


def _read(path: Path) -> Row | Left:
    """Read one folder; whatever is wrong with it becomes a reason."""
    try:
        if (path / "run.json").is_file() or (path / stored.PACKED).is_file():
            return row(jobs.read(path), path)
        if (path / "run.json").exists():
            return Left(path.name, "its run.json is no file", damaged=True)
        if (path / "plan.json").exists():
            step = f"Type: {plans.go_on(path)}, or harness judge {shlex.quote(str(path))}"
            return Left(path.name, f"a job that has not ended. {step}", damaged=True)
    except HarnessError as error:
        return Left(path.name, str(error), damaged=True)
    except OSError as error:
        return Left(path.name, f"it cannot be read: {error.strerror}", damaged=True)
    return Left(path.name, "it holds no run.json", damaged=False)


def row(job: Job, path: Path) -> Row:
    """Return what the index shows of one job; `path` is its folder."""
    keys = sections.keys(job)
    page = _address(f"{path.name}/{NAME}") if (path / NAME).is_file() else ""
    anchors = Anchors()
    parts = [
        (f"{key[0]}:{key[1]}", page and f"{page}#{anchors.claim(sections.wanted_anchor(key))}")
        for key in itertools.islice(keys, MOST_NAMES)
    ]
    command = job.command if len(job.command) <= MOST_TEXT else job.command[:MOST_TEXT] + " …"
    return Row(
        folder=path.name, link=page, created=job.created, command=command, gate=job.gate is not None,
        commit=commit(job.commit), parts=tuple(parts), variants=len(keys), runs=len(job.results),
        tiers=tuple(dict.fromkeys(key[2] for key in keys)),
        scenarios=tuple(dict.fromkeys(key[0] for key in keys)), headline=verdicts.headline(job),
        scores=tuple(_scores(job)),
    )  # fmt: skip


def _scores(job: Job) -> Iterator[Score]:
    for line in answer.lines(job):
        if line.values:
            metric = "" if line.metric == answer.SCORE else f" {line.metric}"
            name = f"{line.scenario}:{line.variant} {line.tier}{metric}"
            sign = verdicts.SIGNS[line.verdict or "NOT_JUDGED"]
            yield Score(name, sum(line.values) / len(line.values), line.score, sign)


def _pages(folder: Path, before: str, passed_over: set[str]) -> Iterator[Page]:
    """Yield the pages of ours that lie in a folder; one that cannot be listed is named by `_read`."""
    try:
        paths = sorted(path for path in folder.glob("*.html") if path.name not in passed_over)
    except OSError:
        return
    for path in paths:
        known = linking.known(path)
        if known is not None:
            yield Page(before + path.name, _address(before + path.name), known)


def _address(path: str) -> str:
    """Write a path below the index as an address that nothing in it can turn into another."""
    return "./" + urllib.parse.quote(path, errors="surrogateescape")


def render(index: Index, name: str) -> str:
    """Write the page over what `collect` read; `name` is that of the folder. Same input, same text.

    There is no link to an index above: that one lists this, and a folder may travel alone.
    """
    counted = collections.Counter(row.headline.tone for row in index.rows)
    shown = index.rows[:MOST_LISTED]
    return environment().get_template("index.html.j2").render(
        name=name, rows=shown, pages=index.pages, left=index.left[:MOST_LEFT], signs=SIGNS, jobs=len(index.rows),
        trends=list(_trends(shown)), older=len(index.rows) - len(shown), more_left=max(0, len(index.left) - MOST_LEFT),
        damaged=sum(left.damaged for left in index.left), tallies=[(sign, counted[tone]) for tone, sign in SIGNS.items() if counted[tone]],
        scenarios=list(dict.fromkeys(scenario for row in shown for scenario in row.scenarios)),
        tiers=list(dict.fromkeys(tier for row in shown for tier in row.tiers)), **constants(script=True),
    )  # fmt: skip


class Trend(typing.NamedTuple):
    """One variant's score over the listed jobs."""

    name: str  # variant, tier and metric
    jobs: int
    first: str  # score of the oldest
    last: str  # score of the newest
    sign: Sign  # verdict of the newest
    points: str  # the line, oldest first


def _trends(rows: Sequence[Row]) -> Iterator[Trend]:
    """Yield the scores of each variant over the jobs, newest first in `rows`, the most often run first."""
    by_name: dict[str, list[Score]] = {}
    for row in reversed(rows):
        for score in row.scores:
            by_name.setdefault(score.name, []).append(score)
    for name, scores in sorted(by_name.items(), key=lambda item: -len(item[1]))[:MOST_TRENDS]:
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

    Two that do so at once take turns, and whoever comes last has read every job that ended before: none is lost.

    Parameters
    ----------
    folder : Path
        The folder.
    passed_over : dict, optional
        Gets every folder that is damaged, with the reason; the page names them too.

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
    with locks.held(folder / ".index.lock"):
        index = collect(folder)
        if passed_over is not None:
            passed_over.update({folder / left.folder: left.reason for left in index.left if left.damaged})
        files.write_text(page, render(index, folder.resolve().name))
    return page


def is_index(folder: Path) -> bool:
    """Return whether a folder has an index."""
    known = linking.known(folder / NAME)
    return known is not None and known.kind == linking.INDEX


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
