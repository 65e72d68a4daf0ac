"""Every number of 'Image Classification in Practice: High Efficiency and Performance From Singular Value Decomposition' (W. Li).

The 18 rows of Tables 1 and 2 are judged on the grid variants, what the text says of its final models on the pairs' own variants.
"""

from __future__ import annotations

import functools
import itertools
import typing

from harness.records import Expectation, Source, Tier

SOURCE = Source(
    slug="kmnist_svd_logreg",
    title="Image Classification in Practice: High Efficiency and Performance From Singular Value Decomposition",
    authors="Weiyue Li",
    note="Figures 3 and 4 are images: the text prints no value of their loss curves.",
)
PAIRS = {"o-ma": (0, 6), "su-ma": (2, 6)}
TABLES = {"o-ma": "Table 1", "su-ma": "Table 2"}
SECTIONS = {"o-ma": "Section 5.1", "su-ma": "Section 5.2"}
NAMES = {"o-ma": "お and ま", "su-ma": "す and ま"}


class Row(typing.NamedTuple):
    """One row of Table 1 or 2, in the order of its columns."""

    rate: float
    batch: int
    normalisation: str
    k: int
    """Singular value limit."""
    size: float
    """Percent size, a share of the elements."""
    validation: float
    test: float
    percent: float
    """Test accuracy over that of the same model without SVD."""


_PRINTED = {
    "o-ma": (
        (0.001, 32, "min-max", 3, 0.218, 0.981, 0.982, 0.994),
        (0.001, 64, "min-max", 3, 0.218, 0.979, 0.982, 0.995),
        (0.001, 128, "min-max", 3, 0.218, 0.978, 0.980, 0.995),
        (0.1, 32, "min-max", 3, 0.218, 0.986, 0.988, 1.000),
        (0.01, 32, "min-max", 3, 0.218, 0.976, 0.982, 0.994),
        (0.1, 32, "z-score", 3, 0.218, 0.989, 0.985, 0.997),
        (0.1, 32, "z-score", 5, 0.364, 0.988, 0.990, 1.005),
        (0.1, 32, "z-score", 8, 0.582, 0.991, 0.989, 1.001),
        (0.1, 32, "z-score", 13, 0.945, 0.988, 0.986, 0.999),
    ),
    "su-ma": (
        (0.001, 32, "min-max", 3, 0.218, 0.829, 0.862, 0.995),
        (0.001, 64, "min-max", 3, 0.218, 0.830, 0.851, 0.987),
        (0.001, 128, "min-max", 3, 0.218, 0.810, 0.837, 0.984),
        (0.1, 32, "min-max", 3, 0.218, 0.851, 0.869, 0.982),
        (0.01, 32, "min-max", 3, 0.218, 0.851, 0.868, 0.987),
        (0.1, 32, "z-score", 3, 0.218, 0.870, 0.864, 1.003),
        (0.1, 32, "z-score", 5, 0.364, 0.872, 0.861, 0.981),
        (0.1, 32, "z-score", 8, 0.582, 0.888, 0.864, 0.985),
        (0.1, 32, "z-score", 13, 0.945, 0.875, 0.860, 0.978),
    ),
}
ROWS = {pair: tuple(map(Row._make, rows)) for pair, rows in _PRINTED.items()}
ALL_TIERS: tuple[Tier, ...] = ("paper", "short", "smoke")
TEST_IMAGES = 2000
COUNTED_IN_DATA = ("data.train_images", "data.train_per_class", "data.test_images", "data.test_per_class")
"""Facts that incomplete data change; the others hold on any part of them."""

_score = functools.partial(Expectation, unit="", half_width=0.0005, test_images=TEST_IMAGES)
_ratio = functools.partial(
    Expectation, unit="", half_width=0.0005, tolerance=0.005, tolerance_reason="half a percent, as half a point of the accuracies of which it is the ratio"
)  # fmt: skip
_fact = functools.partial(Expectation, unit="", rule="exact", fact=True)


def setting(rate: float, batch: int, normalisation: str, k: int | None) -> str:
    """Name one setting of the grid as its prediction set is called; `k` None is the uncompressed model."""
    return f"lr{rate:g}-b{batch}-{normalisation}-{'full' if k is None else f'k{k}'}"


def _row(pair: str, row: Row) -> tuple[Expectation, ...]:
    rate, batch, normalisation, k, size, validation, test, percent = row
    name, variant = setting(rate, batch, normalisation, k), f"{pair}-grid"
    label = f"{rate:g} | {batch} | {normalisation} | {k}"
    cell = functools.partial(Expectation, unit="", half_width=0.0005, place=TABLES[pair], variant=variant)
    return (
        cell(metric=f"k{k}.percent_size", value=size, rule="exact", tiers=ALL_TIERS, needs_complete=False, row=f"{label}: percent size"),
        cell(metric=f"{name}.validation_accuracy", value=validation, test_images=TEST_IMAGES, row=f"{label}: SVD validation accuracy"),
        cell(metric=f"{name}.accuracy", value=test, test_images=TEST_IMAGES, row=f"{label}: SVD testing accuracy"),
        _ratio(metric=f"{name}.percent_accuracy", value=percent, place=TABLES[pair], variant=variant, row=f"{label}: percent testing accuracy"),
    )  # fmt: skip


def _claims(pair: str, best: float, percent: float) -> tuple[Expectation, ...]:
    """Return what the section on one pair says of the final model (0.1, 32, z-score, 8)."""
    place, rounded = SECTIONS[pair], {"o-ma": 0.99, "su-ma": 0.87}[pair]
    said = f"{rounded:.0%} testing accuracy on {NAMES[pair]} with 40% less memory"
    size = functools.partial(
        _fact, variant=pair, half_width=0.05, tiers=ALL_TIERS, needs_complete=False, fact=False
    )
    saved = functools.partial(size, metric="saved_share", value=0.4)
    final = setting(0.1, 32, "z-score", 8)
    return (
        _score(metric="accuracy", variant=pair, value=rounded, half_width=0.005, place="Abstract", row=said, claim=True),
        saved(place="Abstract", row="40% less memory allocation, in elements (one significant digit)"),
        _score(metric="accuracy", variant=pair, value=rounded, half_width=0.005, place="Section 1", row=said),
        saved(place="Section 1", row="40% less memory allocation, in elements"),
        _score(metric="accuracy", variant=pair, value={"o-ma": 0.98, "su-ma": 0.85}[pair], rule="at_least", half_width=0.0, place="Section 1", row=f"above {0.98 if pair == 'o-ma' else 0.85:.0%} for {NAMES[pair]}"),
        _score(metric=f"{final}.validation_accuracy", variant=f"{pair}-grid", value=best, place=place, row=f"highest SVD validation accuracy ({best:.1%})"),
        _ratio(metric="percent_accuracy", variant=pair, value=percent, place=place, row=f"{percent:.1%} of the performance of the same model without SVD"),
        saved(place=place, row="saving approximately 40% of memory allocation"),
        size(metric="percent_size", value=0.6, place=place, row="the limit that compresses images to 60% of their size"),
        _score(metric="accuracy", variant=pair, value=rounded, half_width=0.005, place="Section 6", row=f"around {rounded:.0%} on SVD processed {NAMES[pair]}"),
    )  # fmt: skip


def _orderings(pair: str) -> tuple[Expectation, ...]:
    """Return the orderings that the section on one pair states of the models with SVD."""
    place, variant = SECTIONS[pair], f"{pair}-grid"
    ordering = functools.partial(
        Expectation, variant=variant, value=None, unit="", rule="ordering", test_images=TEST_IMAGES
    )

    def ranked(metric: str, settings: list[tuple[float, int, str, int]]) -> tuple[str, ...]:
        return tuple(f"{setting(*each)}.{metric}" for each in settings)

    batches: list[tuple[float, int, str, int]] = [(0.001, batch, "min-max", 3) for batch in (32, 64, 128)]
    ranks: list[tuple[float, int, str, int]] = [(0.1, 32, "z-score", k) for k in (8, 3, 5, 13)]
    rates: list[tuple[float, int, str, int]] = [(rate, 32, "z-score", 8) for rate in (0.1, 0.01, 0.001)]
    return (
        ordering(metric="smaller batches do better", order=ranked("validation_accuracy", batches), place=place, row="the smaller the batch size, the better the performance with SVD"),
        ordering(metric="k = 8 is best (validation)", order=ranked("validation_accuracy", ranks), place=place, row="the limit that compresses to 60% has the best performance"),
        ordering(metric="k = 8 is best (test)", order=ranked("accuracy", ranks), place="Section 6", row="best performance roughly when we take 8 components"),
        ordering(metric="larger rates do better with z-score", order=ranked("validation_accuracy", rates), place=place, row="the larger the learning rate with z-score normalization, the better"),
    )  # fmt: skip


def _facts(pair: str) -> tuple[Expectation, ...]:
    """Return counts and sizes that the text states of data and protocol; the same for both pairs, so judged on one."""
    facts = (
        ("data.train_images", 60000.0, "Section 2.1", "60000 samples in total in the training set"),
        ("data.train_per_class", 6000.0, "Section 2.1", "6000 samples per class in the training set"),
        ("data.test_images", 10000.0, "Section 2.1", "10000 samples in total in the test set"),
        ("data.test_per_class", 1000.0, "Section 2.1", "1000 samples per class in the test set"),
        ("data.classes", 10.0, "Section 2.1", "10 classes"),
        ("data.pixels", 784.0, "Section 2.1", "reshaped into arrays of length 784"),
        ("inputs", 785.0, "Section 2.2", "dimension of each input from 784 to 785"),
        ("folds", 10.0, "Section 2.2", "k-fold (k = 10)"),
        ("validation_share", 0.1, "Section 6", "90% training set and 10% validation set on each fold"),
    )
    fixed = _fact(metric="epochs_run", variant=f"{pair}-fixed", value=100.0, needs_complete=False, place="Section 6", row="fixed 100 epochs")  # fmt: skip
    return (
        *(
            _fact(metric=m, variant=pair, value=v, place=place, row=row, needs_complete=m in COUNTED_IN_DATA)
            for m, v, place, row in facts
        ),
        fixed,
    )


def _unreadable(pair: str, figure: int) -> Expectation:
    return Expectation(
        metric="loss curves", variant=pair, value=None, unit="nat", place=f"Figure {figure}",
        row="training and validation loss over 100 epochs with and without SVD",
        unreadable="the figure is an image; the text prints none of its values",
    )  # fmt: skip


EXPECTATIONS: tuple[Expectation, ...] = (
    *itertools.chain.from_iterable(_row(pair, row) for pair, rows in ROWS.items() for row in rows),
    *_claims("o-ma", 0.991, 1.001),
    *_claims("su-ma", 0.888, 0.985),
    *_orderings("o-ma"),
    *_orderings("su-ma"),
    *_facts("o-ma"),
    _unreadable("o-ma", 3),
    _unreadable("su-ma", 4),
    *(
        Expectation(
            metric="SVD is at least as good as the original", variant=pair, value=None, unit="", rule="ordering", test_images=TEST_IMAGES,
            order=("accuracy", "uncompressed.accuracy"), place="Section 6", row="SVD processed images could achieve better performance than the original",
        )
        for pair in PAIRS
    ),
)  # fmt: skip
