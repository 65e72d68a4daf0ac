"""Compare backends on this machine and write down what was found: ``python -m benchmarks.backends --markdown docs/backends.md``.

Each backend runs the same variants and seeds by `harness run`, and each pair of them is compared by `harness compare` with a margin of
the first one's spread over seeds. The first backend keeps its weights, and every other predicts with them too: label by label. Runs are kept
below ``--runs``, so that what is there is not run again; ``--reference`` gets what is committed.
"""

from __future__ import annotations

import itertools
import sys
import typing

from benchmarks import beside

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Job

VARIANTS = ["mnist_interpolation:case4", "digits1000_cnn:final"]
BACKENDS = ["tensorflow", "torch", "jax"]
CONTRASTS = (
    ("train", "seconds"),
    ("train", "first_step_seconds"),
    ("train", "step_seconds"),
    ("total", "seconds"),
    ("total", "above_imports_bytes"),
)


def main(argv: Sequence[str]) -> int:
    """Run, compare, write the page."""
    parser = beside.parser("backends", tier="smoke", seeds=10)
    parser.add_argument("--variants", nargs="+", default=VARIANTS, metavar="SCENARIO:VARIANT")
    parser.add_argument(
        "--backends", nargs="+", default=BACKENDS, metavar="BACKEND", help="the first is the reference"
    )
    options = parser.parse_args(argv)
    first = options.backends[0]
    weights = ["--weights", str(options.runs / first)]
    runs = {
        backend: [
            *options.variants,
            "--backend",
            backend,
            *(["--keep-weights"] if backend == first else weights),
        ]
        for backend in options.backends
    }
    pairs = {
        pair: [str(options.runs / backend) for backend in pair]
        for pair in itertools.combinations(options.backends, 2)
    }
    return beside.measure(options, runs, pairs, page)


def page(found: beside.Found, ran: Sequence[Job]) -> str:
    """Lay out what was found as the docs page."""
    head = [
        "# Backends side by side",
        "",
        f"Written by `python -m benchmarks.backends --markdown docs/backends.md` from {beside.machine(*ran)}.",
        "The pages of `harness compare` and the jobs lie in `reports/reference/backends/`.",
    ]
    steps = "The first step compiles or traces; it is no part of a later one."
    left = [f"- {' and '.join(pair)}: {reason}" for pair, side in found.items() for reason in side.left_out]
    text = beside.page(head, found, ran, CONTRASTS, named=True, steps=steps, labels=True)
    return "\n".join([text, "Not compared:", "", *left, ""]) if left else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
