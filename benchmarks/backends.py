"""Compare backends on this machine and write down what was found: ``python -m benchmarks.backends --markdown docs/backends.md``.

Each backend runs the same variants and seeds by `harness run`, and each pair of them is set side by side by `harness compare` with a margin of
the first one's spread over seeds. The first backend keeps its weights, and every other predicts with them too: label by label. Runs are kept
below ``--runs``, so that what is there is not run again; ``--reference`` gets what is committed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import typing
from pathlib import Path

from benchmarks import beside
from harness.errors import HarnessError
from harness.judging import jobs
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Compared, Job

    Pair = tuple[str, str]

VARIANTS = ("mnist_interpolation:case4", "digits1000_cnn:final")
BACKENDS = ("tensorflow", "torch", "jax")
CONTRASTS = (
    ("train", "seconds"),
    ("train", "first_step_seconds"),
    ("train", "step_seconds"),
    ("total", "seconds"),
    ("total", "above_imports_bytes"),
)
"""Stage and metric of what the page shows; ``compare.html`` has all."""


def main(argv: Sequence[str]) -> int:
    """Run what is missing, compare each pair, store, write the page; 0, or 2 if something could not be measured."""
    options = _parser().parse_args(argv)
    try:
        for backend in options.backends:
            beside.ran(_run(backend, options), options.runs / backend)
        for backend in options.backends:
            beside.keep(options.runs / backend, options.reference / backend)
        pairs = itertools.combinations(options.backends, 2)
        found = {pair: beside.compared(_compare(pair, options), _folder(pair, options)) for pair in pairs}
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
    first = options.backends[0]
    asked += ["--keep-weights"] if backend == first else ["--weights", str(options.runs / first)]
    return ["harness", "run", *options.variants, *asked, "--out", str(options.runs / backend)]


def _compare(pair: Pair, options: argparse.Namespace) -> list[str]:
    folders = [str(options.runs / backend) for backend in pair]
    return ["harness", "compare", *folders, "--margin", "spread", "--out", str(_folder(pair, options))]


def _folder(pair: Pair, options: argparse.Namespace) -> Path:
    return Path(options.reference, "-".join(pair))


def page(found: dict[Pair, Compared], ran: Sequence[Job]) -> str:
    """Lay out what was found, and what was typed for it, as the docs page."""
    pairs = [(pair, variant) for pair, side in found.items() for variant in side.variants]
    left = [f"- {' and '.join(pair)}: {reason}" for pair, side in found.items() for reason in side.left_out]
    sides = {side.backend: side for _, variant in pairs for side in variant.sides if side.disturbed}
    scores = [(variant.title, *pair, *row) for pair, variant in pairs for row in beside.scores(variant)]
    contrasts = [
        (variant.title, *pair, *row) for pair, variant in pairs for row in beside.contrasts(variant, CONTRASTS)
    ]  # fmt: skip
    labels = [(variant.title, *pair, *row) for pair, variant in pairs for row in beside.labels(variant)]
    return "\n".join(
        [
            "# Backends side by side",
            "",
            f"Written by `python -m benchmarks.backends --markdown docs/backends.md` from {beside.machine(*ran)}.",
            "The pages of `harness compare` and the jobs lie in `reports/reference/backends/`.",
            "",
            "```console",
            *(f"$ {command}" for command in [*(job.command for job in ran), *(side.command for side in found.values())]),
            "```",
            "",
            "## Scores",
            "",
            *beside.SCORES_TOLD,
            "",
            *beside.table(("variant", "A", "B", *beside.SCORE_COLUMNS), 4, scores),
            "",
            "## Same weights",
            "",
            *beside.LABELS_TOLD,
            "",
            *beside.table(("variant", "A", "B", *beside.LABEL_COLUMNS), 4, labels),
            "",
            "## Times and memory",
            "",
            *beside.disturbed(sides),
            "B over A with the interval of the median of all ratios. The first step compiles or traces; it is no part of a later one.",
            "",
            *beside.table(("variant", "A", "B", *beside.CONTRAST_COLUMNS), 4, contrasts),
            "",
            *(["Not compared:", "", *left, ""] if left else []),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
