"""Measure what a precision costs and saves: ``python -m benchmarks.precision --markdown docs/precision.md``.

One job runs every variant with the same seeds, and each pair of variants is set side by side by `harness compare` with a margin of the first one's
spread over seeds: float32 features against float16, then float32 training against bfloat16. Runs are kept below ``--runs``, so that what is there is
not run again; ``--reference`` gets what is committed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import typing
from pathlib import Path

from benchmarks import beside
from harness.errors import HarnessError
from harness.judging import jobs
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.records import Compared, Job

    Pair = tuple[str, str]

SCENARIO = "mnist_autoencoder"
PAIRS: tuple[Pair, ...] = (("float32-features", "default"), ("default", "bfloat16"))
"""Reference and what is set beside it: the first pair differs in how features are kept, the second in how is computed."""
STAGES = ("autoencoder", "features", "head", "finetune", "total")
CONTRASTS = tuple(
    (stage, metric) for metric in ("seconds", "step_seconds", "above_imports_bytes") for stage in STAGES
)
"""Stage and metric of what the page shows; ``compare.html`` has all."""


def main(argv: Sequence[str]) -> int:
    """Run what is missing, compare each pair, store, write the page; 0, or 2 if something could not be measured."""
    options = _parser().parse_args(argv)
    try:
        beside.ran(_run(options), options.runs)
        beside.keep(options.runs, options.reference / "runs")
        found = {
            pair: beside.compared(_compare(pair, options), _folder(pair, options)) for pair in options.pairs
        }
        told = page(found, jobs.read(options.runs))
        if options.markdown:
            files.write_text(options.markdown, told)
        else:
            print(told)
    except HarnessError as error:
        print(f"benchmarks.precision: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision")
    parser.add_argument("--scenario", default=SCENARIO)
    parser.add_argument(
        "--pairs", nargs="+", type=_pair, default=PAIRS, metavar="A=B", help="A is the reference"
    )
    parser.add_argument("--tier", default="short")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("reports", "precision"), help="where runs are kept")
    parser.add_argument("--reference", type=Path, default=Path("reports", "reference", "precision"))
    parser.add_argument("--markdown", type=Path, help="file to write the page to")
    return parser


def _pair(text: str) -> Pair:
    first, sign, second = text.partition("=")
    if not (first and sign and second):
        raise argparse.ArgumentTypeError(f"'{text}' is no pair; write two variants as A=B")
    return first, second


def _run(options: argparse.Namespace) -> list[str]:
    variants = dict.fromkeys(name for pair in options.pairs for name in pair)
    asked = ["--tier", options.tier, "--seeds", str(options.seeds), "--no-count", "--out", str(options.runs)]
    return ["harness", "run", *(f"{options.scenario}:{name}" for name in variants), *asked]


def _compare(pair: Pair, options: argparse.Namespace) -> list[str]:
    folder = str(options.runs)
    asked = ["--variants", *pair, "--margin", "spread", "--out", str(_folder(pair, options))]
    return ["harness", "compare", folder, folder, *asked]


def _folder(pair: Pair, options: argparse.Namespace) -> Path:
    return Path(options.reference, "-".join(pair))


def page(found: Mapping[Pair, Compared], ran: Job) -> str:
    """Lay out what was found, and what was typed for it, as the docs page."""
    pairs = [(pair, variant) for pair, side in found.items() for variant in side.variants]
    sides = {name: side for pair, variant in pairs for name, side in zip(pair, variant.sides, strict=True)}
    scores = [(*pair, *row) for pair, variant in pairs for row in beside.scores(variant)]
    contrasts = [(*pair, *row) for pair, variant in pairs for row in beside.contrasts(variant, CONTRASTS)]
    return "\n".join(
        [
            "# What a precision costs and saves",
            "",
            f"Written by `python -m benchmarks.precision --markdown docs/precision.md` from {beside.machine(ran)}.",
            "The pages of `harness compare` and the job lie in `reports/reference/precision/`.",
            "",
            "```console",
            *(f"$ {command}" for command in (ran.command, *(side.command for side in found.values()))),
            "```",
            "",
            "`float32-features` computes and keeps everything in float32, `default` keeps the encoder's features as float16, `bfloat16` computes in",
            "bfloat16 too, with weights in float32.",
            "",
            "## Scores",
            "",
            *beside.SCORES_TOLD,
            "",
            *beside.table(("A", "B", *beside.SCORE_COLUMNS), 3, scores),
            "",
            "## Times and memory",
            "",
            *beside.disturbed(sides),
            "B over A with the interval of the median of all ratios. A later step is no first one, which compiles or traces.",
            "",
            *beside.table(("A", "B", *beside.CONTRAST_COLUMNS), 3, contrasts),
            "",
            "## Bytes stored",
            "",
            "The ratio is to the first variant.",
            "",
            *beside.table(("variant", "what", "mean", "ratio", "runs"), 2, _sizes(ran)),
            "",
        ]
    )  # fmt: skip


def _sizes(ran: Job) -> Iterator[tuple[str, ...]]:
    """Write what each variant stores by its own account, such as the cached features."""
    values: dict[str, dict[str, list[float]]] = {}
    for result in ran.results:
        for name, found in result.metrics.items():
            if found.kind == "size" and found.unit == "B" and isinstance(found.value, float):
                values.setdefault(name, {}).setdefault(result.request.variant, []).append(found.value)
    for name, variants in values.items():
        means = {variant: statistics.fmean(each) for variant, each in variants.items()}
        first = next(iter(means.values()))
        for variant, mean in means.items():
            yield variant, name, f"{mean:,.0f} B", f"{mean / first:.3g}", str(len(variants[variant]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
