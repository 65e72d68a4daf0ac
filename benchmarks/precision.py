"""Measure what a precision costs and saves: ``python -m benchmarks.precision --markdown docs/precision.md``.

One job runs every variant with the same seeds, and each pair of variants is compared by `harness compare` with a margin of the first one's
spread over seeds: float32 features against float16, then float32 training against bfloat16. Runs are kept below ``--runs``, so that what is there is
not run again; ``--reference`` gets what is committed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import typing

from benchmarks import beside

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.records import Job

SCENARIO = "mnist_autoencoder"
PAIRS: tuple[beside.Pair, ...] = (("float32-features", "default"), ("default", "bfloat16"))
"""Reference and what is compared with it: the first pair differs in how features are kept, the second in how is computed."""
STAGES = ("autoencoder", "features", "head", "finetune", "total")
CONTRASTS = tuple(
    (stage, metric) for metric in ("seconds", "step_seconds", "above_imports_bytes") for stage in STAGES
)


def main(argv: Sequence[str]) -> int:
    """Run, compare, write the page."""
    parser = beside.parser("precision", tier="short", seeds=5)
    parser.add_argument("--scenario", default=SCENARIO)
    parser.add_argument(
        "--pairs", nargs="+", type=_pair, default=PAIRS, metavar="A=B", help="A is the reference"
    )
    options = parser.parse_args(argv)
    variants = dict.fromkeys(f"{options.scenario}:{name}" for pair in options.pairs for name in pair)
    folder = str(options.runs / "runs")
    pairs = {pair: [folder, folder, "--variants", *pair] for pair in options.pairs}
    return beside.measure(options, {"runs": list(variants)}, pairs, page)


def _pair(text: str) -> beside.Pair:
    first, sign, second = text.partition("=")
    if not (first and sign and second):
        raise argparse.ArgumentTypeError(f"'{text}' is no pair; write two variants as A=B")
    return first, second


def page(found: beside.Found, ran: Sequence[Job]) -> str:
    """Lay out what was found as the docs page."""
    (job,) = ran
    head = [
        "# What a precision costs and saves",
        "",
        f"Written by `python -m benchmarks.precision --markdown docs/precision.md` from {beside.machine(job)}.",
        "The pages of `harness compare` and the job lie in `reports/reference/precision/`.",
    ]
    about = [
        "`float32-features` computes and keeps everything in float32, `default` keeps the encoder's features as float16, `bfloat16` computes in",
        "bfloat16 too, with weights in float32.",
        "",
    ]
    steps = "A later step is no first one, which compiles or traces."
    sizes = beside.table(("variant", "what", "mean", "ratio", "runs"), 2, _sizes(job))
    text = beside.page(head, found, ran, CONTRASTS, named=False, about=about, steps=steps)
    return "\n".join([text, "## Bytes stored", "", "The ratio is to the first variant.", "", *sizes, ""])


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
