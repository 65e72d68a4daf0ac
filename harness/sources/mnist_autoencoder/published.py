"""Every number of 'Image Processing: Handwritten Digit Classification' (V.-M. Panagakis): autoencoder, then a classifier on its encoder.

The sweeps behind Figures 10 to 15 are drawn, not printed: of their settings the text names dense sizes 64 and 128, batch 256 and 100 epochs a fit.
The other settings (`SWEEP_DENSE`, `SWEEP_EPOCHS`, `SWEEP_BATCHES`) are this harness's assumption, as are optimiser and patience. What the text says of time
holds for any number of images, so the short tier is judged against it too; of loss and accuracy only the paper tier is.
"""

from __future__ import annotations

import functools
import itertools
import typing

from harness.records import Expectation, Source

if typing.TYPE_CHECKING:
    from harness.records import Direction, Tier

SOURCE = Source(
    slug="mnist_autoencoder",
    title="Image Processing: Handwritten Digit Classification",
    authors="Vasileios-Marios Panagakis",
    note="Figures 3, 4 and 6 to 15 are images: the text prints none of their values, nor most of the settings swept.",
)
TEST_IMAGES = 10000
ALL_TIERS: tuple[Tier, ...] = ("paper", "short", "smoke")
REAL_DATA: tuple[Tier, ...] = ("paper", "short")

PER_CLASS: tuple[tuple[float, float, float, int], ...] = (
    (0.98, 0.99, 0.99, 980),
    (1.00, 1.00, 1.00, 1135),
    (0.99, 0.98, 0.98, 1032),
    (0.98, 0.99, 0.99, 1010),
    (0.98, 0.99, 0.99, 982),
    (0.99, 0.99, 0.99, 892),
    (0.99, 0.99, 0.99, 958),
    (0.98, 0.98, 0.98, 1028),
    (0.98, 0.98, 0.98, 974),
    (0.98, 0.98, 0.98, 1009),
)
"""Table 2, classes 0 to 9: precision, recall, F1, support."""
SCORES = ("precision", "recall", "f1")
AVERAGES: dict[str, tuple[float, float, float, int]] = {
    "macro": (0.99, 0.99, 0.99, 10000),
    "weighted": (0.99, 0.99, 0.99, 10000),
}
"""Table 2, average rows: precision, recall, F1, support."""
RIGHT, WRONG, ACCURACY = 9867, 133, 0.9867
HEAD_EPOCHS, FINETUNE_EPOCHS, TOTAL_EPOCHS = 100, 21, 121

SWEEP_DENSE = (32, 64, 128, 256)
"""Sizes of the fully connected layer, neurons; 64 and 128 are printed, the others assumed."""
SWEEP_EPOCHS = (1, 5, 20, 100)
"""Epochs of each of the two fits; 100 is printed, the others assumed."""
SWEEP_BATCHES = (64, 128, 256, 512)
"""Images a batch; 256 is printed, the others assumed."""

_of_default = functools.partial(Expectation, variant="default", unit="")
_score = functools.partial(_of_default, half_width=0.005, test_images=TEST_IMAGES)
_count = functools.partial(
    _of_default, unit="images", tolerance=50.0, tolerance_reason="half a point of 10,000 test images"
)
_epochs = functools.partial(
    _of_default, tolerance=2.0, tolerance_reason="10% of the 21 epochs until early stopping"
)
_fact = functools.partial(_of_default, rule="exact", needs_complete=False, fact=True)
_ordering = functools.partial(
    Expectation, variant="sweep", value=None, unit="", rule="ordering", place="Section 4.1"
)
"""No tolerance is declared: the lead must be shown, a tie is no agreement. The curves that these sentences describe are images."""

RESULTS: tuple[Expectation, ...] = (
    _of_default(metric="loss", value=0.0903, unit="nat", half_width=0.00005, place="Table 1", row="test loss"),
    _score(metric="accuracy", value=ACCURACY, half_width=0.00005, place="Table 1", row="test accuracy", claim=True),
    _count(metric="correct", value=float(RIGHT), place="Section 4.3", row="found 9867 correct labels"),
    _count(metric="errors", value=float(WRONG), place="Section 4.3", row="found 133 incorrect labels"),
    _of_default(metric="train_accuracy", value=1.0, half_width=0.005, place="Section 3.2.3", row="the training accuracy reaches 100%"),
    _of_default(metric="validation_accuracy", value=0.98, rule="at_least", half_width=0.005, place="Section 3.2.3", row="validation accuracy between 98 and 99%: lower end"),
    _of_default(metric="validation_accuracy", value=0.99, rule="at_most", half_width=0.005, place="Section 3.2.3", row="validation accuracy between 98 and 99%: upper end"),
)  # fmt: skip


def _table_2() -> tuple[Expectation, ...]:
    """Return the classification report: a column of ten classes is one array, the rows of averages are numbers."""
    *scores, supports = zip(*PER_CLASS, strict=True)
    images = functools.partial(_fact, unit="images", tiers=("paper",), needs_complete=True, place="Table 2")
    return (
        *(
            _score(
                metric=f"{name}_per_class", value=list(column), place="Table 2", row=f"classes 0 to 9: {name}"
            )
            for name, column in zip(SCORES, scores, strict=True)
        ),
        images(
            metric="support_per_class",
            value=[float(count) for count in supports],
            row="classes 0 to 9: support",
        ),
        _score(metric="accuracy", value=0.99, place="Table 2", row="accuracy"),
        *(
            _score(metric=f"{name}_{average}", value=value, place="Table 2", row=f"{average} avg: {name}")
            for average, row in AVERAGES.items()
            for name, value in zip(SCORES, row, strict=False)
        ),
        *(
            images(metric="test_images", value=10000.0, row=f"{row}: support")
            for row in ("accuracy", "macro avg", "weighted avg")
        ),
    )


SETTINGS: tuple[tuple[str, float, str, str], ...] = (
    ("autoencoder.batch_size", 64.0, "Section 3.1.2", "autoencoder: batch size = 64"),
    ("autoencoder.epochs_run", 40.0, "Section 3.1.2", "autoencoder: epochs = 40"),
    ("batch_size", 256.0, "Section 3.2.3", "classifier: batch size = 256"),
    ("head.epochs_run", float(HEAD_EPOCHS), "Section 3.2.3", "only the fully connected part is trained for 100 epochs"),
    ("batch_size", 256.0, "Section 4.1", "settings of Figures 10 to 13: batch size = 256"),
    ("head.epochs_run", float(HEAD_EPOCHS), "Section 4.1", "settings of Figures 10, 11, 14 and 15: 100 epochs of the first fit"),
    ("finetune.epochs_allowed", 100.0, "Section 4.1", "200 epochs, 100 for every fit"),
)  # fmt: skip
SHAPES: tuple[tuple[str, float | list[float], str, str], ...] = (
    ("autoencoder.filters", [32.0, 32.0, 64.0, 128.0, 256.0], "Section 3.1.2", "hidden layers: sizes of the five convolutions"),
    ("kernel", [3.0, 3.0], "Section 3.1.2", "kernel = 3×3"),
    ("dense_size", 128.0, "Section 3.2.3", "fully connected layer size = 128"),
    ("dense_size", 128.0, "Section 4.1", "settings of Figures 12 to 15: fully connected layer size = 128"),
    ("validation_share", 0.2, "Section 3.1.2", "80-20 split, the smallest part for validation"),
    ("validation_share", 0.2, "Section 3.2.3", "80-20 split, the smallest part for validation"),
    ("shown.right", 9.0, "Figure 16", "the first nine images predicted correctly"),
    ("shown.wrong", 9.0, "Figure 17", "the first nine images predicted incorrectly"),
    ("data.image_shape", [28.0, 28.0], "Section 2", "images of size 28×28"),
    ("data.image_shape", [28.0, 28.0], "Section 3.1.2", "step 2: separate images of 28×28 pixels"),
    ("data.image_shape", [28.0, 28.0], "Section 3.2.3", "step 2: separate images of 28×28 pixels"),
    ("data.classes", 10.0, "Abstract", "one of 10 classes"),
    ("data.classes", 10.0, "Section 2", "handwritten digits (0 through 9)"),
)  # fmt: skip
DATA = (
    ("data.train_images", 60000.0, "Section 2", "60,000 training images"),
    ("data.test_images", 10000.0, "Section 2", "10,000 testing images"),
)
MEASURED = (
    (
        "finetune.epochs_run",
        FINETUNE_EPOCHS,
        "Section 3.2.3",
        "the classifier only needs 21 epochs to converge",
    ),
    ("epochs_run", TOTAL_EPOCHS, "Section 3.2.3", "121 epochs in total"),
    (
        "finetune.epochs_run",
        FINETUNE_EPOCHS,
        "Section 4.1",
        "early stopping in the 21st epoch of the second fit",
    ),
    ("epochs_run", TOTAL_EPOCHS, "Section 4.1", "settings of Figures 10, 11, 14 and 15: 121 epochs in total"),
)
PROTOCOL: tuple[Expectation, ...] = (
    *(_fact(metric=m, value=v, place=place, row=row) for m, v, place, row in SETTINGS),
    *(_fact(metric=m, value=v, place=place, row=row, tiers=ALL_TIERS) for m, v, place, row in SHAPES),
    *(_fact(metric=m, value=v, place=place, row=row, tiers=REAL_DATA, needs_complete=True) for m, v, place, row in DATA),
    *(_epochs(metric=m, value=float(v), place=place, row=row) for m, v, place, row in MEASURED),
)  # fmt: skip
"""Epochs, sizes and counts that the text states."""


def _best(
    axis: str, metric: str, first: int, others: tuple[int, ...], better: Direction, row: str
) -> Expectation:
    """State that setting `first` of a sweep is at least as good as each of `others`."""
    order = tuple(f"{axis}{setting}.{metric}" for setting in (first, *others))
    return _ordering(metric=f"{axis}{first} is best ({metric})", order=order, better=better, row=row)


def _falling(
    axis: str,
    metric: str,
    settings: tuple[int, ...],
    row: str,
    *,
    rising: bool = False,
    tiers: tuple[Tier, ...] = ("paper",),
) -> tuple[Expectation, ...]:
    """State that a metric falls (or rises) from setting to setting: one ordering for each step."""
    pairs = [(a, b) if rising else (b, a) for a, b in itertools.pairwise(settings)]
    return tuple(
        _ordering(
            metric=f"{metric}: {axis}{low} below {axis}{high}", order=(f"{axis}{low}.{metric}", f"{axis}{high}.{metric}"), better="lower", row=f"{row}: {low} and {high}", tiers=tiers
        )
        for low, high in pairs
    )  # fmt: skip


ORDERINGS: tuple[Expectation, ...] = (
    _best("dense", "validation_loss", 128, (32, 64, 256), "lower", "smallest validation loss at size 128"),
    _best("dense", "validation_accuracy", 64, (32, 256), "higher", "validation accuracy gets its maximum at 64 or 128: 64"),
    _best("dense", "validation_accuracy", 128, (32, 256), "higher", "validation accuracy gets its maximum at 64 or 128: 128"),
    _best("epochs", "training_loss", SWEEP_EPOCHS[0], SWEEP_EPOCHS[1:], "lower", "the training loss gets its minimum with a small number of epochs"),
    *_falling("epochs", "training_seconds", SWEEP_EPOCHS, "total execution time increases with the number of epochs", rising=True, tiers=REAL_DATA),
    *_falling("epochs", "errors", SWEEP_EPOCHS, "more epochs, fewer incorrectly predicted test images, to an extent"),
    *_falling("batch", "epoch_seconds", SWEEP_BATCHES, "the larger the batch, the shorter an epoch", tiers=REAL_DATA),
    *_falling("batch", "training_loss", SWEEP_BATCHES, "the larger the batch, the higher the training loss", rising=True),
    _best("batch", "validation_loss", 256, (64, 128, 512), "lower", "smallest validation loss at batch 256"),
    _best("batch", "validation_accuracy", 256, (64, 128, 512), "higher", "highest accuracy at batch 256 (Figure 15)"),
)  # fmt: skip

FIGURES: tuple[tuple[int, str, str], ...] = (
    (3, "default", "layers of the encoder"),
    (4, "default", "autoencoder: loss over epochs"),
    (6, "default", "layers of the classifier"),
    (7, "default", "classifier: loss over epochs"),
    (8, "default", "classifier: accuracy over epochs"),
    (9, "default", "layers of the whole network"),
    (10, "sweep", "loss by size of the fully connected layer"),
    (11, "sweep", "accuracy by size of the fully connected layer"),
    (12, "sweep", "loss by epochs"),
    (13, "sweep", "accuracy by epochs"),
    (14, "sweep", "loss by batch size"),
    (15, "sweep", "accuracy by batch size"),
)
UNREADABLE: tuple[Expectation, ...] = tuple(
    Expectation(
        metric=what, variant=variant, value=None, unit="", place=f"Figure {number}", row=what,
        unreadable="the figure is an image; the text prints none of its values",
    )
    for number, variant, what in FIGURES
)  # fmt: skip

EXPECTATIONS: tuple[Expectation, ...] = (*RESULTS, *_table_2(), *PROTOCOL, *ORDERINGS, *UNREADABLE)
