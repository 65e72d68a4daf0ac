"""What the pages of two sides share: run a job once, keep it packed, compare by `harness compare`, write rows of the tables."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np

from harness.cli.equivalence_table import cells
from harness.errors import HarnessError
from harness.judging import equivalence
from harness.judging.statistics import runs_for_tost
from harness.records import Compared
from harness.store import files
from harness.store.stored import PACKED

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.records import Contrast, Job, Score, SideRuns, VariantSides

SCORE_COLUMNS = (
    "score",
    "A's runs",
    "B's runs",
    "difference",
    "90% interval",
    "margin",
    "verdict",
    "for half a point",
)
CONTRAST_COLUMNS = ("what", "A", "B", "B / A", "interval")
SCORES_TOLD = (
    "B less A, the 90% interval that two one-sided Welch tests of 5% leave, and the margin: 2 standard deviations of A's runs, the",
    "spread over seeds. The last column says how many runs a side would show agreement within half a point, with 90% power,",
    "if there is no difference.",
)
LABEL_COLUMNS = ("images", "runs", "labels", "changed", "right on A alone", "right on B alone")
LABELS_TOLD = (
    "B predicted the test images with A's weights too. What is left of the difference between two trainings is then how they compute:",
    "labels that differ, over all images and runs.",
)
_WORDS = {
    "seconds": "time", "first_step_seconds": "first step", "step_seconds": "a later step", "above_imports_bytes": "memory above imports",
}  # fmt: skip


def ran(command: Sequence[str], folder: Path) -> None:
    """Run a job, go on where it was stopped, or leave what is whole.

    Parameters
    ----------
    command : sequence of str
        ``harness run ... --out folder``.
    folder : Path
        Where the job's runs lie.

    Raises
    ------
    HarnessError
        If the command fails.
    """
    if not (folder / "run.json").is_file():
        begun = (folder / "plan.json").is_file()
        _typed(["harness", "run", "--resume", str(folder)] if begun else command, {0})


def keep(folder: Path, kept: Path) -> None:
    """Keep a job packed in a folder of the checkout; call it when every job has run, for it makes the checkout differ from its commit."""
    content = json.dumps(json.loads((folder / "run.json").read_bytes()))
    kept.mkdir(parents=True, exist_ok=True)
    # where the checkout lies is nobody's business; without a time of day in it the same job gives the same file
    below = content.replace(f"{Path.cwd()}/", "")
    (kept / PACKED).write_bytes(gzip.compress(below.encode(), mtime=0))


def compared(command: Sequence[str], folder: Path) -> Compared:
    """Set two sides beside each other; only the page is kept beside the jobs, which give the record again.

    Parameters
    ----------
    command : sequence of str
        ``harness compare ... --out folder``.

    Raises
    ------
    HarnessError
        If nothing could be compared.
    """
    _typed(command, {0, 1})
    path = folder / "compare.json"
    found = files.decode(path.read_bytes(), Compared, str(path))
    path.unlink()
    return found


def _typed(command: Sequence[str], good: Iterable[int]) -> None:
    code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
    if code not in good:
        raise HarnessError(f"'{shlex.join(command)}' ended with code {code}", "See what it printed")


# -- the page -------------------------------------------------------------------------------------


def machine(*ran: Job) -> str:
    """Say where and when jobs ran on one machine, and of which commits; a changed checkout is said."""
    found = ran[0].environment
    commits = dict.fromkeys(_commit(job) for job in ran)
    where = f"{found['cpu']}, {found['cores']} cores, {found['ram_gib']} GiB, Python {found['python']}, {found['os']}"
    return f"runs of {ran[0].created[:10]}: {where};\ncommit {', '.join(commits)}"


def _commit(job: Job) -> str:
    mark = "+dirty" if job.commit.endswith("+dirty") else ""
    return (job.commit.removesuffix("+dirty")[:10] or "none") + mark


def table(columns: Sequence[str], words: int, rows: Iterable[Sequence[str]]) -> list[str]:
    """Lay out a Markdown table whose first `words` columns are words, the others numbers."""
    rule = ["---" if place < words or name == "verdict" else "---:" for place, name in enumerate(columns)]
    return [f"| {' | '.join(row)} |" for row in (columns, rule, *rows)]


def scores(variant: VariantSides) -> Iterator[tuple[str, ...]]:
    """Write each score of two sides as `SCORE_COLUMNS` name it; shares in percent and points."""
    for score in variant.scores:
        first, other = score.sides
        if first is None or other is None or other.judged is None:
            continue
        judged, factor = other.judged, 100.0 if score.share else 1.0
        means = [
            f"{factor * side.mean:.4g}{'' if side.spread is None else f' ± {factor * side.spread:.2g}'} ({side.runs})"
            for side in (first, other)
        ]
        ends = (
            "—"
            if judged.lower is None or judged.upper is None
            else f"{factor * judged.lower:+.2g} to {factor * judged.upper:+.2g}"
        )
        margin = "—" if judged.margin is None else f"{factor * judged.margin:.2g}"
        name = f"{score.metric}, {'points' if score.share else score.unit or 'number'}"
        yield (
            name,
            *means,
            f"{factor * judged.difference:+.2g}",
            ends,
            margin,
            judged.verdict,
            _half_a_point(score),
        )


def labels(variant: VariantSides) -> Iterator[tuple[str, ...]]:
    """Write each set that both sides predicted with the same weights, as `LABEL_COLUMNS` name it."""
    for found in variant.weights:
        numbers = (found.runs, found.labels, found.changed, found.worse, found.better)
        yield found.title, *(f"{number:,}" for number in numbers)


def _half_a_point(score: Score) -> str:
    known = [side.spread for side in score.sides if side is not None and side.spread is not None]
    if not score.share or not known:
        return "—"
    runs = runs_for_tost(0.0, equivalence.MARGIN_SHARE, float(np.sqrt(np.mean(np.square(known)))))
    return "over 1,000" if runs is None else f"{runs} runs"


def disturbed(sides: Mapping[str, SideRuns]) -> list[str]:
    """Say of which sides, by name, times must not be used."""
    loud = [
        f"{side.disturbed} of {len(side.seeds)} on {name}" for name, side in sides.items() if side.disturbed
    ]
    if not loud:
        return []
    told = ", ".join(loud)
    return [f"**Other work ran beside**: disturbed were {told} of a variant's runs. Times of such runs are not claimed.", ""]  # fmt: skip


def contrasts(variant: VariantSides, wanted: Iterable[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    """Write the wanted stages and metrics that both sides have, as `CONTRAST_COLUMNS` name them."""
    by_name = {(found.stage, found.metric): found for found in variant.contrasts}
    for name in wanted:
        if name in by_name:
            yield f"{name[0]}: {_WORDS[name[1]]}", *_shown(by_name[name])


def _shown(found: Contrast) -> tuple[str, str, str, str]:
    (a, _, _), (b, ratio, interval) = (cells(found, side) for side in found.sides)
    disturbed = any(side is not None and side.disturbed for side in found.sides)
    return (a, b, "disturbed", "—") if disturbed else (a, b, ratio, interval)
