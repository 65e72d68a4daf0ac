"""Checks of 'Exploring Compression and Interpolation in Deep Image Classification'."""

from __future__ import annotations

import functools
import math
import statistics
import typing

from harness.sources.auditing import AuditFinding, exact, find, number, printed, repeats, rounds_to, show
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
    from collections.abc import Iterator, Mapping

    from harness.sources.mnist_interpolation.published import Case

WHOLE_PERCENT, FOURTH_DIGIT, LEVEL = 0.005, 0.00005, 0.01
PNG_RATIO = 10
"""Section I: JPEG or PNG reduce the size on disk 'by nearly an order of magnitude'."""
FRAME, FRAME_4K, CHANNELS, FLOAT_BYTES = 1080 * 1920, 3840 * 2160, 3, 4
INTRODUCTION = (
    ("a single 1080 x 1920 RGB image contains more than 6.2 million pixels", FRAME, "more than", 6.2),
    ("(the same, counted in bytes) more than 6.2 million", FRAME * CHANNELS, "more than", 6.2),
    (
        "upcast to single precision, more than 24.8 million bytes",
        FRAME * CHANNELS * FLOAT_BYTES,
        "more than",
        24.8,
    ),
    ("3840 x 2160 x 3 pixels, or around 24.8 million bytes", FRAME_4K * CHANNELS, "around", 24.8),
    (
        "almost 100 million bytes when upcast to single precision",
        FRAME_4K * CHANNELS * FLOAT_BYTES,
        "almost",
        100.0,
    ),
)
"""Rounded quantities of Section I: as printed, the product they stand for, how the number is put, and the number in millions."""

_finding = functools.partial(AuditFinding, SOURCE.slug)


def audit(
    cases: Mapping[str, Case] = CASES,
    predictions: Mapping[str, tuple[float, float, float, float]] = PREDICTIONS,
) -> list[AuditFinding]:
    """Check sizes of stored images, the introduction's arithmetic, and 'roughly 97%' against the author's predictions."""
    train, test = (
        number(find(EXPECTATIONS, name, variant="baseline")) for name in ("train_share", "test_share")
    )
    case = cases["case2"]
    shares = [
        f"stored as {kind} {case.pixels * size / SIZE**2:.0%}"
        for kind, size in (("bytes", 1), ("single precision", FLOAT_BYTES))
    ]
    return [
        *_introduction(),
        *(finding for name, case in cases.items() for finding in _sizes(name, case)),
        _finding(
            "Section V",
            "80% to train, 20% to test",
            "shares add up to one",
            show(train + test),
            train + test == 1,
        ),
        _finding(
            "Section V.C",
            "25% is comparable to the compression ratio of PNG images",
            "Section I: JPEG or PNG reduce size by nearly an order of magnitude",
            f"{1 / case.share:g} to 1 against nearly {PNG_RATIO} to 1",
            None,
        ),
        # the text does not say how pooled means are stored
        _finding(
            "Section VII",
            "shrink the size of a data base down to 25%",
            "bytes stored over bytes of the original",
            "; ".join(shares),
            None,
        ),
        *_author(predictions),
        *repeats(SOURCE.slug, [expected for expected in EXPECTATIONS if expected.place != PUBLIC]),
    ]


def _introduction() -> Iterator[AuditFinding]:
    for claim, product, word, shown in INTRODUCTION:
        millions = exact(product) / 10**6
        # 'around' holds of a number that rounds to the printed digit, and is open of any other
        around = True if rounds_to(millions, shown, 0.05) else None
        holds = {"more than": millions > exact(shown), "almost": millions < exact(shown), "around": around}[
            word
        ]
        yield _finding("Section I", claim, "product of the sizes printed", f"{show(millions)} million", holds)


def _sizes(name: str, case: Case) -> Iterator[AuditFinding]:
    """Compute side, pixels and share of stored images; the share of the smallest case is printed as a bound."""
    side, share = (SIZE - case.window) // case.step + 1, exact(case.pixels) / SIZE**2
    check = f"(28 - window) // step + 1 with {case.window}, {case.step}"
    yield _finding(case.section, f"{name}: {SIZE} down to {case.side}", check, str(side), side == case.side)
    square, claim = case.side**2, f"{name}: {case.pixels} pixels"
    yield _finding(case.section, claim, f"{case.side} × {case.side}", str(square), square == case.pixels)
    fits = share < exact(case.share) if name == BOUND else rounds_to(share, case.share, WHOLE_PERCENT)
    check = f"{case.pixels} of {SIZE**2} pixels"
    yield _finding(case.section, f"{name}: {case.said}", check, f"{float(share):.2%}", fits)


def _author(predictions: Mapping[str, tuple[float, float, float, float]]) -> Iterator[AuditFinding]:
    """Compare the text with the author's public predictions: macro precision, recall, F1, and their deviation over runs."""
    from scipy.stats import ttest_ind_from_stats

    for name, (_, _, f1, _) in predictions.items():
        claim, check = f"{name} averages to roughly {ROUGHLY:.0%} F1", f"{PUBLIC}: macro F1 over {RUNS} runs"
        # 'roughly' leaves open what does not round to it
        agrees = printed(ROUGHLY, WHOLE_PERCENT).overlaps(printed(f1, FOURTH_DIGIT)) or None
        yield _finding("Section VI", claim, check, f"{f1:.2%} rounds to {f1:.0%}", agrees)
    for name, runs in ACCURACIES.items():
        # accuracy and macro recall are related, not equal
        mean, deviation, (_, recall, _, said) = (
            statistics.fmean(runs),
            statistics.stdev(runs),
            predictions[name],
        )
        claim = f"{name}: macro recall {recall:.4f}, deviation {said:.4f}"
        check, found = (
            f"accuracies of the {len(runs)} single runs",
            f"mean {mean:.4f}, deviation {deviation:.4f}",
        )
        yield _finding(PUBLIC, claim, check, found, rounds_to(deviation, said, FOURTH_DIGIT) or None)
    best, worst = (pick(predictions, key=lambda name: predictions[name][2]) for pick in (max, min))
    pairs = math.comb(len(predictions), 2)
    (high, high_sd), (low, low_sd) = predictions[best][2:], predictions[worst][2:]
    tested = ttest_ind_from_stats(high, high_sd, RUNS, low, low_sd, RUNS, equal_var=False)
    p = min(1.0, float(tested.pvalue) * pairs)
    claim = "very little variation between the experiments"
    check = f"{PUBLIC}: largest of {pairs} differences of F1, Welch's t with Bonferroni"
    found = f"{best} {high:.4f} against {worst} {low:.4f}: p = {p:.2f}"
    yield _finding("Section VI", claim, check, found, p > LEVEL)
