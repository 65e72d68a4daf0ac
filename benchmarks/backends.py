"""Compare backends on this machine and write down what was found: ``python -m benchmarks.backends --markdown docs/backends.md``.

Each backend runs the same variants and seeds by `harness run`, and each pair of them is set side by side by `harness compare` with a margin of
the first one's spread over seeds. Runs are kept below ``--runs``, so that what is there is not run again; ``--reference`` gets what is committed.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import shlex
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np

from harness import equivalence, files, jobs
from harness.comparison_table import cells
from harness.errors import HarnessError
from harness.records import SideBySide
from harness.statistics import runs_for_tost
from harness.stored import PACKED

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.records import Contrast, Equivalence, Job, VariantBeside

    Pair = tuple[str, str]

VARIANTS = ("mnist_interpolation:case4", "digits1000_cnn:final")
BACKENDS = ("tensorflow", "torch", "jax")
TIMES = (
    ("train", "seconds"),
    ("train", "first_step_seconds"),
    ("train", "step_seconds"),
    ("total", "seconds"),
)
"""Stage and metric of the times that the page shows; ``compare.html`` has all."""


def main(argv: Sequence[str]) -> int:
    """Run what is missing, compare each pair, store, write the page; 0, or 2 if something could not be measured."""
    options = _parser().parse_args(argv)
    try:
        for backend in options.backends:
            _measured(backend, options)
        found = {pair: _compared(pair, options) for pair in itertools.combinations(options.backends, 2)}
        told = page(found, [jobs.read(options.reference / backend) for backend in options.backends])
        if options.markdown:
            files.write_text(options.markdown, told)
        else:
            print(told)
    except HarnessError as error:
        print(f"benchmarks.backends: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), metavar="SCENARIO:VARIANT")
    parser.add_argument(
        "--backends", nargs="+", default=list(BACKENDS), metavar="BACKEND", help="the first is the reference"
    )
    parser.add_argument("--tier", default="smoke")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--runs", type=Path, default=Path("reports", "backends"), help="where runs are kept")
    parser.add_argument("--reference", type=Path, default=Path("reports", "reference", "backends"))
    parser.add_argument("--markdown", type=Path, help="file to write the page to")
    return parser


def _run(backend: str, options: argparse.Namespace) -> list[str]:
    asked = ["--tier", options.tier, "--seeds", str(options.seeds), "--no-count", "--backend", backend]
    return ["harness", "run", *options.variants, *asked, "--out", str(options.runs / backend)]


def _compare(pair: Pair, options: argparse.Namespace) -> list[str]:
    folders = [str(options.runs / backend) for backend in pair]
    return ["harness", "compare", *folders, "--margin", "spread", "--out", str(_folder(pair, options))]


def _folder(pair: Pair, options: argparse.Namespace) -> Path:
    return Path(options.reference, "-".join(pair))


def _typed(command: list[str], good: Iterable[int]) -> None:
    """Type a command of the harness.

    Raises
    ------
    HarnessError
        If it ends with another code than a good one.
    """
    code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
    if code not in good:
        raise HarnessError(f"'{shlex.join(command)}' ended with code {code}", "See what it printed")


def _measured(backend: str, options: argparse.Namespace) -> None:
    """Run a backend's seeds, go on where it was stopped, or leave what is whole; keep its job, packed."""
    folder = options.runs / backend
    if not (folder / "run.json").is_file():
        begun = (folder / "plan.json").is_file()
        _typed(["harness", "run", "--resume", str(folder)] if begun else _run(backend, options), {0})
    content = (folder / "run.json").read_bytes()
    kept = options.reference / backend / PACKED
    kept.parent.mkdir(parents=True, exist_ok=True)
    # without a time of day in it, so that the same job gives the same file
    kept.write_bytes(gzip.compress(json.dumps(json.loads(content)).encode(), mtime=0))


def _compared(pair: Pair, options: argparse.Namespace) -> SideBySide:
    """Set a pair side by side; only the page is kept beside the jobs, which give the record again."""
    _typed(_compare(pair, options), {0, 1})
    path = _folder(pair, options) / "compare.json"
    found = files.decode(path.read_bytes(), SideBySide, str(path))
    path.unlink()
    return found


# -- the page -------------------------------------------------------------------------------------


def page(found: dict[Pair, SideBySide], ran: Sequence[Job]) -> str:
    """Lay out what was found, and what was typed for it, as the docs page."""
    reference, *_ = ran
    machine = reference.environment
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gib']} GiB, Python {machine['python']}, {machine['os']}"
    beside = [(pair, variant) for pair, side in found.items() for variant in side.variants]
    left = [f"- {' and '.join(pair)}: {reason}" for pair, side in found.items() for reason in side.left_out]
    return "\n".join(
        [
            "# Backends side by side",
            "",
            f"Written by `python -m benchmarks.backends --markdown docs/backends.md` from runs of {reference.created[:10]}: {where};",
            f"commit {reference.commit[:10] or 'none'}. The pages of `harness compare` and the jobs lie in `reports/reference/backends/`.",
            "",
            "```console",
            *(f"$ {command}" for command in [*(job.command for job in ran), *(side.command for side in found.values())]),
            "```",
            "",
            "## Scores",
            "",
            "B less A, the 90% interval that two one-sided Welch tests of 5% leave, and the margin: 2 standard deviations of A's runs, the",
            "spread over seeds. The last column says how many runs a side would show agreement within half a point, with 90% power,",
            "if there is no difference.",
            "",
            "| variant | A | B | score | A's runs | B's runs | difference | 90% interval | margin | verdict | for half a point |",
            "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |",
            *(row for pair, variant in beside for row in _scores(pair, variant)),
            "",
            "## Times and memory",
            "",
            *_disturbed([variant for _, variant in beside]),
            "B over A with the interval of the median of all ratios. The first step compiles or traces; it is no part of a later one.",
            "",
            "| variant | A | B | what | A | B | B / A | interval |",
            "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
            *(row for pair, variant in beside for row in _contrasts(pair, variant)),
            "",
            *(["Not compared:", "", *left, ""] if left else []),
        ]
    )  # fmt: skip


def _scores(pair: Pair, variant: VariantBeside) -> Iterator[str]:
    for judged in variant.equivalences:
        factor = 1.0 if judged.unit else 100.0
        means = [
            f"{factor * mean:.4g}{'' if sd is None else f' ± {factor * sd:.2g}'} ({runs})"
            for mean, sd, runs in zip(judged.mean, judged.spread, judged.runs, strict=True)
        ]
        ends = "—" if judged.lower is None or judged.upper is None else f"{factor * judged.lower:+.2g} to {factor * judged.upper:+.2g}"  # fmt: skip
        margin = "—" if judged.margin is None else f"{factor * judged.margin:.2g}"
        unit = judged.unit or "points"
        cells_ = [
            variant.title, *pair, f"{judged.metric}, {unit}", *means, f"{factor * judged.difference:+.2g}", ends, margin,
            judged.verdict, _half_a_point(judged),
        ]  # fmt: skip
        yield f"| {' | '.join(cells_)} |"


def _half_a_point(judged: Equivalence) -> str:
    known = [sd for sd in judged.spread if sd is not None]
    if judged.unit or not known:
        return "—"
    runs = runs_for_tost(0.0, equivalence.MARGIN_SHARE, float(np.sqrt(np.mean(np.square(known)))))
    return "over 1,000" if runs is None else f"{runs} runs"


def _disturbed(variants: Sequence[VariantBeside]) -> list[str]:
    """Say where times must not be used."""
    sides = {side.backend: side for variant in variants for side in (variant.a, variant.b) if side.disturbed}
    if not sides:
        return []
    told = ", ".join(f"{side.disturbed} of {len(side.seeds)} on {name}" for name, side in sides.items())
    return [
        f"**Other work ran beside**: DISTURBED were {told} of a variant's runs. Times of such runs are not claimed.",
        "",
    ]


def _contrasts(pair: Pair, variant: VariantBeside) -> Iterator[str]:
    by_name = {(found.stage, found.metric): found for found in variant.contrasts}
    for name in (*TIMES, ("total", "above_imports_bytes")):
        if name in by_name:
            yield f"| {' | '.join([variant.title, *pair, _what(name), *_shown(by_name[name])])} |"


def _what(name: tuple[str, str]) -> str:
    words = {
        "seconds": "time", "first_step_seconds": "first step", "step_seconds": "a later step", "above_imports_bytes": "memory above imports",
    }  # fmt: skip
    return f"{name[0]}: {words[name[1]]}"


def _shown(found: Contrast) -> tuple[str, str, str, str]:
    a, b, ratio, interval = cells(found)
    return (a, b, "DISTURBED", "—") if found.disturbed else (a, b, ratio, interval)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
