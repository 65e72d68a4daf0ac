"""What the pages of two sides share: run a job once, keep it packed, compare by `harness compare`, write rows of the tables."""

from __future__ import annotations

import argparse
import functools
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
from harness.judging import equivalence, jobs
from harness.judging.statistics import runs_for_tost
from harness.records import Compared
from harness.store import files
from harness.store.stored import PACKED

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
SCORES_TEXT = (
    "B less A, the 90% interval that two one-sided Welch tests of 5% leave, and the margin: 2 standard deviations of A's runs, the",
    "spread over seeds. The last column says how many runs a side would show agreement within half a point, with 90% power,",
    "if there is no difference.",
)
LABEL_COLUMNS = ("images", "runs", "labels", "changed", "right on A alone", "right on B alone")
LABELS_TEXT = (
    "B predicted the test images with A's weights too. What is left of the difference between two trainings is then how they compute:",
    "labels that differ, over all images and runs.",
)
_WORDS = {
    "seconds": "time", "first_step_seconds": "first step", "step_seconds": "a later step", "above_imports_bytes": "memory above imports",
}  # fmt: skip


Pair = tuple[str, str]
Found = dict[Pair, Compared]


def parser(name: str, *, tier: str, seeds: int) -> argparse.ArgumentParser:
    """Return the options that both programs have; `name` is that of the program and of its folders."""
    options = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    options.add_argument("--tier", default=tier)
    options.add_argument("--seeds", type=int, default=seeds)
    options.add_argument("--runs", type=Path, default=Path("reports", name), help="where runs are kept")
    options.add_argument("--reference", type=Path, default=Path("reports", "reference", name))
    options.add_argument("--markdown", type=Path, help="file to write the page to")
    options.set_defaults(name=name)
    return options


def measure(
    options: argparse.Namespace, runs: Mapping[str, Sequence[str]], pairs: Mapping[Pair, Sequence[str]],
    page: Callable[[Found, list[Job]], str],
) -> int:  # fmt: skip
    """Run what is missing, compare each pair, store, write the page; 0, or 2 if something could not be measured.

    Parameters
    ----------
    options : Namespace
        Of `parser`.
    runs : mapping
        Name of a job -> what follows ``harness run``. A job that is whole is left, one that was stopped goes on.
    pairs : mapping
        Names of two sides -> what follows ``harness compare``.
    page : callable
        Lays out what was found in these jobs.
    """
    shared = ["--tier", options.tier, "--seeds", str(options.seeds), "--no-count"]
    try:
        for name, words in runs.items():
            folder = options.runs / name
            if not (folder / "run.json").is_file():
                begun = ["--resume", str(folder)] if (folder / "plan.json").is_file() else None
                _typed(["harness", "run", *(begun or [*words, *shared, "--out", str(folder)])], {0})
        # when every job has run, for this makes the checkout differ from its commit
        for name in runs:
            _keep(options.runs / name, options.reference / name)
        found = {}
        for pair, words in pairs.items():
            folder = options.reference / "-".join(pair)
            _typed(["harness", "compare", *words, "--margin", "spread", "--out", str(folder)], {0, 1})
            # only the page is kept next to the jobs, which give the record again
            record = folder / "compare.json"
            found[pair] = files.decode(record.read_bytes(), Compared, str(record))
            record.unlink()
        text = page(found, [jobs.read(options.reference / name) for name in runs])
        if options.markdown:
            files.write_text(options.markdown, text)
        else:
            print(text)
    except HarnessError as error:
        print(f"benchmarks.{options.name}: {error}", file=sys.stderr)
        return 2
    return 0


def _keep(folder: Path, kept: Path) -> None:
    """Keep a job packed in a folder of the checkout."""
    content = json.dumps(json.loads((folder / "run.json").read_bytes()))
    kept.mkdir(parents=True, exist_ok=True)
    # where the checkout lies is nobody's business; without a time of day in it the same job gives the same file
    below = content.replace(f"{Path.cwd()}/", "")
    (kept / PACKED).write_bytes(gzip.compress(below.encode(), mtime=0))


def _typed(command: Sequence[str], good: Iterable[int]) -> None:
    code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
    if code not in good:
        raise HarnessError(f"'{shlex.join(command)}' ended with code {code}", "See what it printed")


# -- the page -------------------------------------------------------------------------------------


def page(
    head: Sequence[str], found: Found, ran: Sequence[Job], wanted: Iterable[tuple[str, str]], *, named: bool, about: Sequence[str] = (),
    steps: str, labels: bool = False,
) -> str:  # fmt: skip
    """Lay out what was found, and what was typed for it, as a docs page.

    Parameters
    ----------
    head : sequence of str
        Title and first lines.
    wanted : iterable of (stage, metric)
        Times and memory that are shown; ``compare.html`` has all.
    named : bool
        Whether rows begin with the variant, where a pair has several.
    about : sequence of str
        Lines below the commands.
    steps : str
        What is said of first and later steps.
    labels : bool
        Whether to show what was predicted with the same weights.
    """
    columns = ("variant", "A", "B") if named else ("A", "B")
    variants = [
        ((variant.title, *pair) if named else pair, variant)
        for pair, side in found.items()
        for variant in side.variants
    ]
    sides = {
        name: side
        for pair, compared in found.items()
        for variant in compared.variants
        for name, side in zip(pair, variant.sides, strict=True)
        if side.disturbed
    }

    def rows(names: Sequence[str], make: Callable[[VariantSides], Iterable[tuple[str, ...]]]) -> list[str]:
        lines = ((*first, *row) for first, variant in variants for row in make(variant))
        return table((*columns, *names), len(columns) + 1, lines)

    commands = [*(job.command for job in ran), *(side.command for side in found.values())]
    return "\n".join(
        [
            *head,
            "",
            "```console",
            *(f"$ {command}" for command in commands),
            "```",
            "",
            *about,
            "## Scores",
            "",
            *SCORES_TEXT,
            "",
            *rows(SCORE_COLUMNS, scores),
            "",
            *(["## Same weights", "", *LABELS_TEXT, "", *rows(LABEL_COLUMNS, label_rows), ""] if labels else []),
            "## Times and memory",
            "",
            *disturbed(sides),
            f"B over A with the interval of the median of all ratios. {steps}",
            "",
            *rows(CONTRAST_COLUMNS, functools.partial(contrasts, wanted=list(wanted))),
            "",
        ]
    )  # fmt: skip


def machine(*ran: Job) -> str:
    """Say where and when jobs ran on one machine, and of which commits; a changed checkout is said."""
    found = ran[0].environment
    commits = dict.fromkeys(
        (job.commit.removesuffix("+dirty")[:10] or "none")
        + ("+dirty" if job.commit.endswith("+dirty") else "")
        for job in ran
    )
    where = f"{found['cpu']}, {found['cores']} cores, {found['ram_gib']} GiB, Python {found['python']}, {found['os']}"
    return f"runs of {ran[0].created[:10]}: {where};\ncommit {', '.join(commits)}"


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


def label_rows(variant: VariantSides) -> Iterator[tuple[str, ...]]:
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
    if not sides:
        return []
    loud = ", ".join(f"{side.disturbed} of {len(side.seeds)} on {name}" for name, side in sides.items())
    return [f"**Other work ran beside**: disturbed were {loud} of a variant's runs. Times of such runs are not claimed.", ""]  # fmt: skip


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
