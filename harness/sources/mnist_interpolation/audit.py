"""Checks of 'Exploring Compression and Interpolation in Deep Image Classification'."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import typing

from harness.sources.auditing import declared
from harness.sources.auditing.findings import AuditFinding
from harness.sources.auditing.intervals import Number, exact, printed, rounds_to, show
from harness.sources.auditing.significance import Sample, welch_p
from harness.sources.mnist_interpolation.published import (
    ACCURACIES,
    BOUND,
    CASES,
    EXPECTATIONS,
    PREDICTIONS,
    PUBLIC,
    ROUGHLY,
    RUNS,
    SIZE,
    SOURCE,
)

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Expectation
    from harness.sources.mnist_interpolation.published import Case

WHOLE_PERCENT = 0.005
FOURTH_DIGIT = 0.00005
LEVEL = 0.01
PNG_RATIO = 10
"""Section I: JPEG or PNG reduce the size on disk 'by nearly an order of magnitude'."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A rounded quantity of Section I and the product it stands for."""

    claim: str
    """As printed."""
    product: int
    """Exact, in units of one."""
    shown: float
    """Printed number, in millions."""
    word: typing.Literal["more than", "around", "almost"]
    """How it is put."""


FRAME, FRAME_4K, CHANNELS, FLOAT_BYTES = 1080 * 1920, 3840 * 2160, 3, 4
INTRODUCTION = (
    Said(
        claim="a single 1080 x 1920 RGB image contains more than 6.2 million pixels",
        product=FRAME,
        shown=6.2,
        word="more than",
    ),
    Said(
        claim="(the same, counted in bytes) more than 6.2 million",
        product=FRAME * CHANNELS,
        shown=6.2,
        word="more than",
    ),
    Said(
        claim="upcast to single precision, more than 24.8 million bytes",
        product=FRAME * CHANNELS * FLOAT_BYTES,
        shown=24.8,
        word="more than",
    ),
    Said(
        claim="3840 x 2160 x 3 pixels, or around 24.8 million bytes",
        product=FRAME_4K * CHANNELS,
        shown=24.8,
        word="around",
    ),
    Said(
        claim="almost 100 million bytes when upcast to single precision",
        product=FRAME_4K * CHANNELS * FLOAT_BYTES,
        shown=100.0,
        word="almost",
    ),
)

_finding = functools.partial(AuditFinding, source=SOURCE.slug)


def audit() -> list[AuditFinding]:
    """Check sizes of stored images, the introduction's arithmetic, and 'roughly 97%' against the author's predictions."""
    return [
        *(million(said) for said in INTRODUCTION),
        *(
            finding
            for name, case in CASES.items()
            for finding in (side(name, case), pixels(name, case), share(name, case))
        ),
        split(declared.number(_fact("train_share")), declared.number(_fact("test_share"))),
        compression_ratio(CASES["case2"].share),
        bytes_stored(CASES["case2"]),
        *(roughly(name, row[2]) for name, row in PREDICTIONS.items()),
        *(run_accuracies(name, runs, PREDICTIONS[name]) for name, runs in ACCURACIES.items()),
        variation(PREDICTIONS),
        *declared.repeats(SOURCE.slug, [expected for expected in EXPECTATIONS if expected.place != PUBLIC]),
    ]


def _fact(metric: str) -> Expectation:
    return declared.find(EXPECTATIONS, metric, variant="baseline")


def million(said: Said) -> AuditFinding:
    """Hold a number of millions against its product: above, below, or rounded to the digit printed; else 'around' leaves it open."""
    found = exact(said.product) / 10**6
    shown = exact(said.shown)
    around = True if rounds_to(found, said.shown, 0.05) else None
    holds = {"more than": found > shown, "almost": found < shown, "around": around}[said.word]
    return _finding(
        place="Section I",
        claim=said.claim,
        check="product of the sizes printed",
        found=f"{show(found)} million",
        consistent=holds,
    )


def side(name: str, case: Case) -> AuditFinding:
    """Compute the side that pooling without padding leaves."""
    left = (SIZE - case.window) // case.step + 1
    return _finding(
        place=case.section,
        claim=f"{name}: {SIZE} down to {case.side}",
        check=f"(28 - window) // step + 1 with {case.window}, {case.step}",
        found=str(left),
        consistent=left == case.side,
    )


def pixels(name: str, case: Case) -> AuditFinding:
    """Square the side."""
    return _finding(
        place=case.section,
        claim=f"{name}: {case.pixels} pixels",
        check=f"{case.side} × {case.side}",
        found=str(case.side**2),
        consistent=case.side**2 == case.pixels,
    )


def share(name: str, case: Case) -> AuditFinding:
    """Divide stored by original pixels; the share of the smallest case is printed as a bound."""
    found = exact(case.pixels) / SIZE**2
    fits = found < exact(case.share) if name == BOUND else rounds_to(found, case.share, WHOLE_PERCENT)
    return _finding(
        place=case.section,
        claim=f"{name}: {case.said}",
        check=f"{case.pixels} of {SIZE**2} pixels",
        found=f"{float(found):.2%}",
        consistent=fits,
    )


def split(train: Number, test: Number) -> AuditFinding:
    """Add the shares of the split."""
    return _finding(
        place="Section V",
        claim="80% to train, 20% to test",
        check="shares add up to one",
        found=show(train + test),
        consistent=train + test == 1,
    )


def compression_ratio(kept: float) -> AuditFinding:
    """Set case 2's ratio beside what Section I says of PNG."""
    return _finding(
        place="Section V.C",
        claim="25% is comparable to the compression ratio of PNG images",
        check="Section I: JPEG or PNG reduce size by nearly an order of magnitude",
        found=f"{1 / kept:g} to 1 against nearly {PNG_RATIO} to 1",
        consistent=None,
    )


def bytes_stored(case: Case) -> AuditFinding:
    """Compute what case 2 takes on disk as bytes and as floats; the text does not say how pooled means are stored."""
    original = SIZE**2
    shares = {
        kind: case.pixels * size / original
        for kind, size in (("bytes", 1), ("single precision", FLOAT_BYTES))
    }
    return _finding(
        place="Section VII",
        claim="shrink the size of a data base down to 25%",
        check="bytes stored over bytes of the original",
        found="; ".join(f"stored as {kind} {value:.0%}" for kind, value in shares.items()),
        consistent=None,
    )


def roughly(name: str, f1: float) -> AuditFinding:
    """Hold 'roughly 97%' against the author's public predictions: True if they round to it, else 'roughly' leaves it open."""
    agrees = printed(ROUGHLY, WHOLE_PERCENT).overlaps(printed(f1, FOURTH_DIGIT))
    return _finding(
        place="Section VI",
        claim=f"{name} averages to roughly {ROUGHLY:.0%} F1",
        check=f"{PUBLIC}: macro F1 over {RUNS} runs",
        found=f"{f1:.2%} rounds to {f1:.0%}",
        consistent=True if agrees else None,
    )


def run_accuracies(
    name: str, runs: Sequence[float], averages: tuple[float, float, float, float]
) -> AuditFinding:
    """Set mean and deviation of single accuracies beside macro recall and its deviation; they are related, not equal."""
    mean, deviation = statistics.fmean(runs), statistics.stdev(runs)
    return _finding(
        place=PUBLIC,
        claim=f"{name}: macro recall {averages[1]:.4f}, deviation {averages[3]:.4f}",
        check=f"accuracies of the {len(runs)} single runs",
        found=f"mean {mean:.4f}, deviation {deviation:.4f}",
        consistent=True if rounds_to(deviation, averages[3], FOURTH_DIGIT) else None,
    )


def variation(rows: Mapping[str, tuple[float, float, float, float]]) -> AuditFinding:
    """Test the largest difference of mean F1 between two variants by Welch's t, Bonferroni over all pairs."""
    best, worst = max(rows, key=lambda name: rows[name][2]), min(rows, key=lambda name: rows[name][2])
    pairs = math.comb(len(rows), 2)
    tested = welch_p(*(Sample(rows[name][2], rows[name][3], RUNS) for name in (best, worst)))
    p = min(1.0, tested * pairs)
    return _finding(
        place="Section VI",
        claim="very little variation between the experiments",
        check=f"{PUBLIC}: largest of {pairs} differences of F1, Welch's t with Bonferroni",
        found=f"{best} {rows[best][2]:.4f} against {worst} {rows[worst][2]:.4f}: p = {p:.2f}",
        consistent=p > LEVEL,
    )
