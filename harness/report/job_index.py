"""What an index says of the jobs stored below a folder: one row a job, read one after the other, and what could not be read.

Of each job only its row is kept, so memory does not grow with results. Nothing is judged: the verdict is the one that is stored.
"""

from __future__ import annotations

import dataclasses
import itertools
import shlex
import typing
import urllib.parse

from harness.errors import HarnessError
from harness.judging import answer, jobs
from harness.report import linking, section, sections, verdicts
from harness.report.templating import commit
from harness.running import plans
from harness.store import files, stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.records import Job
    from harness.report.verdicts import Headline, Sign

MOST_NAMES = 8
"""Variants that a row names; their number is said."""
MOST_TEXT = 300
"""Characters of a command that a row shows."""
_PAGE = "index.html"


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One variant that a job ran."""

    name: str
    """``scenario:variant``."""
    link: str
    """Address of its section; empty if the job has no page."""


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """What one variant scored in one job."""

    name: str
    """``scenario:variant``, tier, and metric where it is not the accuracy."""
    mean: float
    """Mean over the runs."""
    text: str
    """The same, written out."""
    sign: Sign
    """How its verdict looks."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored job."""

    folder: str
    """Name of its folder."""
    link: str
    """Address of its page, relative to the index; empty if there is none."""
    created: str
    """When it began, UTC, ISO 8601; in files of schema 1, when it was judged."""
    command: str
    """Command line, cut where it is very long."""
    commit: str
    """Commit in twelve characters, with ``+dirty`` where it was; empty if unknown."""
    gate: bool
    """Whether it was a gate."""
    tiers: tuple[str, ...]
    """Tiers that it ran."""
    scenarios: tuple[str, ...]
    """Scenarios that it ran."""
    parts: tuple[Part, ...]
    """Its first variants."""
    variants: int
    """How many variants and tiers there are."""
    runs: int
    """How many runs."""
    headline: Headline
    """What it came to."""
    scores: tuple[Score, ...]
    """Mean score of each variant that was judged."""


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Another page that lies there: a comparison, a history, a ledger, an index further down."""

    name: str
    """Its path below the folder."""
    link: str
    """Its address."""
    known: linking.Known
    """What it says of itself."""


@dataclasses.dataclass(frozen=True, slots=True)
class Left:
    """A folder that is not listed."""

    folder: str
    """Its name."""
    reason: str
    """Why, with the next step."""
    damaged: bool
    """Whether something is wrong with it; False if it is simply no job."""


@dataclasses.dataclass(frozen=True, slots=True)
class Index:
    """Everything directly below one folder."""

    rows: tuple[Row, ...]
    """Jobs, the newest first."""
    pages: tuple[Page, ...]
    """Other pages of ours, by name."""
    left: tuple[Left, ...]
    """Folders that are not listed, by name."""


def collect(folder: Path) -> Index:
    """Read every job directly below a folder, one after the other.

    Parameters
    ----------
    folder : Path
        Each folder in it that holds a ``run.json`` is a job. Hidden ones are passed over.

    Raises
    ------
    StorageError
        If `folder` cannot be read itself. Whatever is wrong with a folder below it is in the result.
    """
    rows, left, pages = [], [], list(_pages(folder, "", {_PAGE}))
    for path in _folders(folder):
        found = _row(path)
        other = list(_pages(path, f"{path.name}/", {_PAGE} if isinstance(found, Row) else set()))
        pages += other
        if isinstance(found, Row):
            rows.append(found)
        elif found.damaged or not other:
            left.append(found)
    return Index(
        rows=tuple(sorted(rows, key=lambda row: (row.created, row.folder), reverse=True)), pages=tuple(pages), left=tuple(left)
    )  # fmt: skip


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise files.storage_error(folder, error, "list") from error


def _row(path: Path) -> Row | Left:
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
    """Say of one job what the index shows; `path` is its folder."""
    keys = sections.keys(job)
    page = address(f"{path.name}/{_PAGE}") if (path / _PAGE).is_file() else ""
    anchors = section.Anchors()
    parts = [
        Part(f"{key[0]}:{key[1]}", page and f"{page}#{anchors.claim(sections.asked_anchor(key))}")
        for key in itertools.islice(keys, MOST_NAMES)
    ]
    return Row(
        folder=path.name, link=page, created=job.created, command=_cut(job.command), gate=job.gate is not None,
        commit=commit(job.commit), parts=tuple(parts), variants=len(keys), runs=len(job.results),
        tiers=tuple(dict.fromkeys(key[2] for key in keys)),
        scenarios=tuple(dict.fromkeys(key[0] for key in keys)), headline=verdicts.headline(job),
        scores=tuple(_scores(job)),
    )  # fmt: skip


def _scores(job: Job) -> Iterator[Score]:
    for line in answer.lines(job):
        if line.values:
            name = f"{line.scenario}:{line.variant} {line.tier}" + (
                "" if line.metric == answer.SCORE else f" {line.metric}"
            )
            sign = verdicts.SIGNS[line.verdict or "NOT_JUDGED"]
            yield Score(name, sum(line.values) / len(line.values), line.score, sign)


def _pages(folder: Path, before: str, passed_over: set[str]) -> Iterator[Page]:
    """Yield the pages of ours that lie in a folder; one that cannot be listed is told of by `_row`."""
    try:
        found = sorted(path for path in folder.glob("*.html") if path.name not in passed_over)
    except OSError:
        return
    for path in found:
        said = linking.known(path)
        if said is not None:
            yield Page(before + path.name, address(before + path.name), said)


def address(path: str) -> str:
    """Write a path below the index as an address that nothing in it can turn into another."""
    return "./" + urllib.parse.quote(path, errors="surrogateescape")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + " …"
