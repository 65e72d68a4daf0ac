"""Every number of 'Exploring Compression and Interpolation in Deep Image Classification' (L. Buell).

The text gives one result for all five cases ('roughly 97%'); the author's per-run predictions are public and finer: their averages are declared too,
with the place `PUBLIC`. Figures 6 to 12 are images.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import typing

from harness.records import Expectation, Source
from harness.sources.published import ACROSS

if typing.TYPE_CHECKING:
    from harness.records import Direction, Tier

SOURCE = Source(
    slug="mnist_interpolation",
    title="Exploring Compression and Interpolation in Deep Image Classification",
    authors="Landon Buell",
    note="Figures 6 to 12 are images. The text's one result is 'roughly 97%'; averages of the author's public predictions stand beside it.",
)
PUBLIC = "author's public predictions"
ALL_TIERS: tuple[Tier, ...] = ("paper", "short", "smoke")
RUNS = 10
TEST_IMAGES = 14000
SIZE = 28
ROUGHLY = 0.97


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the text prints of one case study."""

    section: str
    """Where."""
    window: int
    """Side of the pooling window, pixels."""
    step: int
    """Step of the pooling window, pixels."""
    side: int
    """Side of the stored image, pixels."""
    pixels: int
    """Pixels of the stored image."""
    share: float
    """Its share of the original's pixels."""
    said: str
    """How the share is put."""


CASES: dict[str, Case] = {
    "case1": Case(section="Section V.B", window=2, step=1, side=27, pixels=729, share=0.92, said="92% as large as the base image"),
    "case2": Case(section="Section V.C", window=2, step=2, side=14, pixels=196, share=0.25, said="25% of the original size"),
    "case3": Case(section="Section V.D", window=3, step=1, side=26, pixels=676, share=0.86, said="about 86% of the original size"),
    "case4": Case(section="Section V.E", window=3, step=2, side=13, pixels=169, share=0.22, said="less than 22% of their original size"),
}  # fmt: skip
BOUND = "case4"
"""The case whose share is printed as an upper bound."""

SCORES = ("precision", "recall", "f1")
PREDICTIONS: dict[str, tuple[float, float, float, float]] = {
    "baseline": (0.9744, 0.9739, 0.9738, 0.0026),
    "case1": (0.9764, 0.9761, 0.9761, 0.0034),
    "case2": (0.9749, 0.9745, 0.9746, 0.0034),
    "case3": (0.9756, 0.9753, 0.9753, 0.0042),
    "case4": (0.9733, 0.9729, 0.9729, 0.0042),
}
"""From the author's predictions: macro precision, recall and F1, each the mean of ten runs, and their standard deviation over runs."""
ACCURACIES: dict[str, tuple[float, ...]] = {
    "baseline": (0.978, 0.9767, 0.9751, 0.9726, 0.9738, 0.9689, 0.9736, 0.973, 0.976, 0.9717),
    "case4": (0.9726, 0.9741, 0.9758, 0.9673, 0.9757, 0.9726, 0.97, 0.9668, 0.9746, 0.9809),
}
"""From the author's predictions: accuracy of each of the ten runs."""

_mean = functools.partial(Expectation, unit="", rule="mean", runs=RUNS, test_images=TEST_IMAGES)
_fact = functools.partial(
    Expectation, unit="", rule="exact", tiers=ALL_TIERS, needs_complete=False, fact=True
)
_memory = functools.partial(_fact, fact=False)
"""How small the stored images are: the result that the source is about."""


def _averages(variant: str) -> tuple[Expectation, ...]:
    """Return what the text says of one variant, and the averages over the author's ten runs.

    The mean of ten printed accuracies is rounded as finely as each of them.
    """
    said = "all average to roughly 97% precision, recall and F1"
    public = functools.partial(
        _mean, variant=variant, half_width=0.00005, source_sd=PREDICTIONS[variant][3], place=PUBLIC
    )
    roughly = [
        _mean(
            metric=f"{score}_macro", variant=variant, value=ROUGHLY, half_width=0.005, tolerance=0.01, tolerance_reason="'roughly': a point",
            place="Section VI", row=f"{said}: {score} of {variant}", claim=(score, variant) == ("f1", "case4"),
        )
        for score in SCORES
    ]  # fmt: skip
    macro = [
        public(metric=f"{score}_macro", value=value, row=f"macro {score} of {variant}, mean of 10 runs")
        for score, value in zip(SCORES, PREDICTIONS[variant], strict=False)
    ]
    listed = ", ".join(f"{value:g}" for value in ACCURACIES.get(variant, ()))
    row = f"mean of the accuracies of 10 runs of {variant}: {listed}"
    single = (
        [public(metric="accuracy", value=statistics.fmean(ACCURACIES[variant]), row=row)] if listed else []
    )
    return (*roughly, *macro, *single)


def _case(name: str, case: Case) -> tuple[Expectation, ...]:
    """Return sizes of one case study."""
    fact = functools.partial(_fact, variant=name, place=case.section)
    cut = "729 of 784 pixels are 93.0%; the print cut the decimals off instead of rounding"
    share = fact(
        fact=False, metric="stored.share", value=case.share, half_width=0.005, row=case.said, gap=cut if name == "case1" else ""
    )  # fmt: skip
    if name == BOUND:
        share = dataclasses.replace(share, rule="at_most", half_width=0.0)
    return (
        fact(metric="pooling.window", value=[float(case.window)] * 2, row=f"{case.window} × {case.window} window"),
        fact(metric="pooling.step", value=[float(case.step)] * 2, row=f"{case.step} × {case.step} step size"),
        fact(metric="stored.side", value=float(case.side), unit="pixels", row=f"from 28 × 28 down to {case.side} × {case.side}"),
        fact(metric="stored.pixels", value=float(case.pixels), unit="pixels", row=f"{case.pixels} pixels"),
        share,
    )  # fmt: skip


CONCLUSION: tuple[Expectation, ...] = (
    _memory(metric="stored.share", variant="case2", value=0.25, half_width=0.005, place="Section VII", row="down to 25% of its original size, in pixels"),
    _memory(metric="stored.byte_share", variant="case4-uint8", value=0.22, rule="at_most", place="Section V.E", row="less than 22% of their original size, in bytes where pooled values are stored as bytes"),
)  # fmt: skip


_of_all = functools.partial(_fact, variant="baseline")
"""Data, split and layers are the same in every case, so they are judged on the baseline."""
NETWORK: tuple[Expectation, ...] = (
    _of_all(metric="data.images", value=70000.0, unit="images", tiers=("paper",), needs_complete=True, place="Section II", row="70,000 unique samples"),
    _of_all(metric="data.classes", value=10.0, place="Section II", row="hand-written digit, 0 through 9"),
    _of_all(metric="data.image_shape", value=[28.0, 28.0], place="Section II", row="28 × 28 gray-scale images"),
    _of_all(metric="data.image_shape", value=[28.0, 28.0], place="Section III", row="q × q pixels, where q = 28"),
    _of_all(metric="stored.pixels", value=784.0, unit="pixels", place="Section II", row="MNIST-784: pixels of an image that is not pooled"),
    _of_all(metric="input_shape", value=[28.0, 28.0], place="Section IV.B", row="a batch of 28 × 28 images"),
    _of_all(metric="output_shape", value=[1.0, 10.0], place="Section IV.B", row="a batch of 1 × 10 vectors"),
    _of_all(metric="filters", value=[32.0, 32.0, 32.0, 32.0], place="Section IV.B", row="four convolutions of 32 filters"),
    _of_all(metric="kernel", value=[3.0, 3.0], place="Section IV.B", row="3 × 3 kernel size"),
    _of_all(metric="pool", value=[2.0, 2.0], place="Section IV.B", row="2 × 2 pool size"),
    _of_all(metric="dense", value=[64.0, 64.0, 32.0, 32.0, 10.0], place="Section IV.B", row="dense layers: neurons"),
    _of_all(metric="train_share", value=0.8, half_width=0.005, place="Section V", row="80% of the samples for training"),
    _of_all(metric="test_share", value=0.2, half_width=0.005, place="Section V", row="20% to test"),
)  # fmt: skip


def _alike(case: str) -> tuple[Expectation, ...]:
    """State that a case and the baseline are alike: neither is worse than the other by more than the tolerance."""
    claims: tuple[tuple[str, Direction, str, float, str], ...] = (
        ("f1_macro", "higher", "very little variation between the experiments on the testing data", 0.005, "half a point"),
        ("training_objective", "lower", "the rate of optimization is consistent across all data sets", 0.018, "10% of the baseline's 0.18 nat"),
    )  # fmt: skip
    return tuple(
        Expectation(
            metric=f"{first} no worse than {second}: {metric}", variant=ACROSS, value=None, unit="", rule="ordering", better=better, tolerance=tolerance, tolerance_reason=why,
            order=(f"{first}.{metric}", f"{second}.{metric}"), place="Section VI", row=f"{row}: {first} against {second}",
        )
        for metric, better, row, tolerance, why in claims
        for first, second in ((case, "baseline"), ("baseline", case))
    )  # fmt: skip


MOST_COMPRESSED = Expectation(
    metric="case4 is the most compressed", variant=ACROSS, value=None, unit="", rule="ordering", better="lower", tiers=ALL_TIERS, needs_complete=False,
    order=(f"{BOUND}.stored.share", *(f"{name}.stored.share" for name in CASES if name != BOUND)), place="Section V.E",
    row="the most compressed variation in the case studies",
)  # fmt: skip

FIGURES = (
    (6, "objective function value as learning progresses"),
    (7, "precision as learning progresses"),
    (8, "recall as learning progresses"),
    (9, "F1-score as learning progresses"),
    (10, "average precision over all classes in the testing data"),
    (11, "average recall over all classes in the testing data"),
    (12, "average F1-score over all classes in the testing data"),
)
UNREADABLE: tuple[Expectation, ...] = tuple(
    Expectation(
        metric=what, variant="baseline", value=None, unit="", place=f"Figure {number}", row=f"{what}, all five cases",
        unreadable="the figure is an image; the text prints none of its values",
    )
    for number, what in FIGURES
)  # fmt: skip

EXPECTATIONS: tuple[Expectation, ...] = (
    *(expected for variant in PREDICTIONS for expected in _averages(variant)),
    *(expected for name, case in CASES.items() for expected in _case(name, case)),
    *CONCLUSION,
    *NETWORK,
    *(expected for case in CASES for expected in _alike(case)),
    MOST_COMPRESSED,
    *UNREADABLE,
)
