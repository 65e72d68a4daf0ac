"""Every number of 'Assignment IV, Image Processing and Pattern Recognition' (L. Ravinthiran, J. L. Quinones Gonzalez): a CNN on 1,000 digit images.

The first three confusion matrices and their per-class tables were made from a shuffled iterator: labels and predictions do not belong together. They are
judged on variants that repeat the mistake (`misaligned`, `misaligned-dropout`, `misaligned-augmentation`); loss and accuracy of the same sections on the
variants that do not. Damaged prints are filled in where row sums of 30, recalls and precisions leave one possibility (`reports`; the audit
counts the possibilities), and are declared as unreadable elsewhere. Ranges of the augmentation are not printed.
"""

from __future__ import annotations

import functools
import typing

from harness.records import Expectation, Source
from harness.sources.digits1000_cnn.reports import REPORTS, Report
from harness.sources.published import ACROSS

if typing.TYPE_CHECKING:
    from harness.records import Tier, Value

SOURCE = Source(
    slug="digits1000_cnn",
    title="Assignment IV, Image Processing and Pattern Recognition",
    authors="Leknesh Ravinthiran, Jose Luis Quinones Gonzalez",
    note="Which 1,000 digits were drawn is not printed, nor are the ranges of the augmentation; Table 2 and Figures 3 to 10 are images.",
)
ALL_TIERS: tuple[Tier, ...] = ("paper", "short", "smoke")
REAL_DATA: tuple[Tier, ...] = ("paper", "short")
CLASSES, PER_CLASS_TEST, TEST_IMAGES, TRAIN_IMAGES = 10, 30, 300, 700
SCORES = ("precision", "recall", "f1")

LOGS: dict[str, tuple[float | None, float, float]] = {
    "baseline": (0.9986, 0.4233, 0.8833),
    "augmentation": (0.7186, 0.6886, 0.7700),
    "final": (None, 0.4001, 0.8833),
}
"""Last line of the training log: training accuracy (None where not printed), validation loss, validation accuracy."""
EPOCHS = {"baseline": 8, "dropout": 8, "augmentation": 8, "final": 12}
FILTERS = {"baseline": (32, 64, 128), "dropout": (32, 64, 128), "augmentation": (64, 128, 256)}
CODE_FILTERS = (32, 64, 128)

_share = functools.partial(Expectation, unit="", rule="draw", half_width=0.005, test_images=TEST_IMAGES)
_loss = functools.partial(
    Expectation, metric="loss", unit="nat", rule="draw", half_width=0.00005, source_sd=0.08
)
"""One run on 300 images: over ten runs of this protocol, images drawn anew, the loss has this standard deviation (2026-11-24)."""
_fact = functools.partial(
    Expectation, unit="", rule="exact", tiers=ALL_TIERS, needs_complete=False, fact=True
)


def _log(variant: str, training: float | None, loss: float, accuracy: float) -> tuple[Expectation, ...]:
    place = REPORTS[variant].place
    share = functools.partial(_share, variant=variant, half_width=0.00005, place=place)
    right = f"{round((training or 0) * TRAIN_IMAGES)} of {TRAIN_IMAGES} training images"
    row = f"training accuracy; its label is lost: third from the end of the log line, and {right}"
    train = [share(metric="train_accuracy", value=training, test_images=TRAIN_IMAGES, row=row)]
    return (
        *(train if training is not None else ()),
        _loss(variant=variant, value=loss, place=place, row="val_loss of the last epoch"),
        share(
            metric="accuracy", value=accuracy, row="val_accuracy of the last epoch", claim=variant == "final"
        ),
    )


def _report(report: Report) -> tuple[Expectation, ...]:
    """Return the matrix (counts over the 30 test images of each class), three columns of ten classes, supports and rows of averages."""
    score = functools.partial(_share, variant=report.variant, place=report.place)
    count = functools.partial(
        _fact, variant=report.variant, unit="images", tiers=REAL_DATA, place=report.place
    )
    shares = [[cell / PER_CLASS_TEST for cell in row] for row in report.matrix]
    row = f"confusion matrix, counts over 30 images a class ({report.state})"
    states = {"accuracy": "", **{f"{average} avg": report.averages_state for average in report.averages}}
    return (
        score(metric="confusion_share", value=shares, half_width=0.0, test_images=PER_CLASS_TEST, row=row),
        *(
            score(
                metric=f"{name}_per_class",
                value=list(column),
                test_images=PER_CLASS_TEST,
                row=f"classes 0 to 9: {name}",
            )
            for name, column in zip(SCORES, zip(*report.classes, strict=True), strict=True)
        ),
        count(
            metric="support_per_class", value=[float(PER_CLASS_TEST)] * CLASSES, row="classes 0 to 9: support"
        ),
        score(metric="accuracy", value=report.accuracy, row="accuracy"),
        *(
            score(
                metric=f"{name}_{average}", value=value, row=f"{average} avg: {name}{report.averages_state}"
            )
            for average, scores in report.averages.items()
            for name, value in zip(SCORES, scores, strict=True)
        ),
        *(
            count(metric="test_images", value=float(TEST_IMAGES), row=f"{row}: support{state}")
            for row, state in states.items()
        ),
    )


NETWORK: tuple[tuple[str, Value], ...] = (
    ("filters", [32.0, 64.0, 128.0]),
    ("kernel", [3.0, 3.0]),
    ("pool", [2.0, 2.0]),
    ("dense_size", 512.0),
    ("data.classes", 10.0),
)
"""Layers that three places print."""
PLACES = {
    "Table 1": ("feature maps of the three convolutions", "3x3 convolution", "2x2 subsampling", "fully connected layer (512 neurons)", "output layer (10 neurons)"),
    "Section 1": ("first 32 feature maps, then 64, finally 128", "2D convolution (3,3)", "max pooling with size (2,2)", "a 512 neurons layer", "a 10 neurons output layer"),
    "Index, code": ("Conv2D(32), Conv2D(64), Conv2D(128)", "Conv2D(..., (3,3))", "MaxPool2D((2,2))", "Dense(512)", "Dense(10)"),
}  # fmt: skip
"""How each of them puts it."""
FACTS: tuple[tuple[str, str, Value, str, str], ...] = (
    *(("final", m, v, place, row) for place, said in PLACES.items() for (m, v), row in zip(NETWORK, said, strict=True)),
    ("final", "image_shape", [28.0, 28.0], "Table 1", "input layer (28x28)"),
    ("final", "image_shape", [28.0, 28.0], "Index, code", "target_size=(28,28)"),
    ("final", "input_shape", [28.0, 28.0, 3.0], "Index, code", "input_shape=(28,28,3)"),
    ("final", "image_shape", [28.0, 28.0], "Index, predictions", "target_size=(28,28)"),
    ("final", "input_shape", [28.0, 28.0, 3.0], "Index, predictions", "reshape(1,28,28,3)"),
    ("final", "data.classes", 10.0, "Index, predictions", "class labels '0' to '9'"),
    ("final", "batch_size", 64.0, "Index, code", "batch_size=64"),
    ("baseline", "filters", [32.0, 64.0, 128.0], "Section 3, baseline", "filters in layers: 32, 64, 128"),
    ("baseline", "dropout_rate", 0.0, "Section 3, baseline", "drop out layer = none"),
    ("dropout", "filters", [32.0, 64.0, 128.0], "Section 3, dropout", "a drop out layer at every filter, 32, 64, 128"),
    ("dropout", "dropout_rate", 0.2, "Section 3, dropout", "a factor of 0.2"),
    ("augmentation", "filters", [64.0, 128.0, 256.0], "Section 3, augmentation", "64, 128, 256 filters"),
)  # fmt: skip
"""Layers and settings; what does not depend on the variant is judged on the final model."""
DATA: tuple[tuple[str, float, str, str], ...] = (
    ("data.images", 1000.0, "Section 2", "a total of 1000 digits"),
    ("data.per_class", 100.0, "Section 2", "100 per class"),
    ("train_share", 0.7, "Section 2", "70% in training data"),
    ("test_share", 0.3, "Section 2", "30% in testing data"),
    ("data.train_per_class", 70.0, "Index, code", "num_of_train_samples = 70"),
    ("data.test_per_class", 30.0, "Index, code", "num_of_test_samples = 30"),
)
RUN: tuple[tuple[str, str, str], ...] = (
    ("baseline", "Section 3, baseline", "number of epochs = 8"),
    *((variant, REPORTS[variant].place, f"Epoch {count}/{count}") for variant, count in EPOCHS.items()),
    ("baseline", "Section 3", "the number of epochs, from 8 to 12: 8"),
    ("final", "Section 3", "the number of epochs, from 8 to 12"),
    ("final", "Index, code", "epochs=12"),
)
PROTOCOL: tuple[Expectation, ...] = (
    *(_fact(metric=m, variant=variant, value=v, place=place, row=row) for variant, m, v, place, row in FACTS),
    *(_fact(metric=m, variant="final", value=v, tiers=REAL_DATA, place=place, row=row) for m, v, place, row in DATA),
    *(
        _fact(metric="epochs_run", variant=variant, value=float(EPOCHS[variant]), tiers=("paper",), place=place, row=row)
        for variant, place, row in RUN
    ),
)  # fmt: skip


def _across(first: str, second: str, metric: str, row: str) -> Expectation:
    return Expectation(
        metric=f"{first} at least as good as {second}: {metric}", variant=ACROSS, value=None, unit="", rule="ordering", test_images=TEST_IMAGES if metric == "accuracy" else 0,
        # of losses the lead must be shown
        order=(f"{first}.{metric}", f"{second}.{metric}"), better="lower" if metric == "loss" else "higher", place="Section 3", row=f"{row}: {metric} against {second}",
    )  # fmt: skip


HARDEST = 3
STATEMENTS: tuple[Expectation, ...] = (
    Expectation(
        metric="class 3 is the hardest", variant="final", value=None, unit="", rule="ordering", better="lower", test_images=PER_CLASS_TEST, place="Section 3",
        tolerance=0.033, tolerance_reason="one of the 30 images that the source tested of a class",
        order=(f"recall.class{HARDEST}", *(f"recall.class{other}" for other in range(CLASSES) if other != HARDEST)), row="the class 3 was the most difficult to accurately predict",
    ),
    Expectation(
        metric="accuracy is good while the matrix is not", variant="misaligned", value=None, unit="", rule="ordering", test_images=TEST_IMAGES, place="Section 3, baseline",
        order=("reported_accuracy", "accuracy"), row="most values in the matrix were not predicted correctly, yet accuracy and loss are good enough",
    ),
    _across("baseline", "dropout", "accuracy", "none of the modifications could imitate the baseline"),
    _across("baseline", "augmentation", "accuracy", "none of the modifications could imitate the baseline"),
    _across("final", "baseline", "accuracy", "the final model is the best"),
    _across("final", "baseline", "loss", "the final model is the best"),
    _share(metric="samples.accuracy", variant="final", value=0.9, half_width=0.0, test_images=10, place="Section 4", row="one out of ten values was mistaken"),
)  # fmt: skip


def _unreadable(variant: str, metric: str, place: str, row: str, why: str) -> Expectation:
    return Expectation(
        metric=metric, variant=variant, value=None, unit="", place=place, row=row, unreadable=why
    )


_IMAGE = "it is an image; the text prints none of its values"
_LOST = "the line after 'Epoch 8/8' is lost, and nothing else that is printed determines it"
UNREADABLE: tuple[Expectation, ...] = (
    _unreadable("dropout", "train_accuracy", "Section 3, dropout", "training accuracy of the last epoch", _LOST),
    _unreadable("dropout", "loss", "Section 3, dropout", "val_loss of the last epoch", _LOST),
    _unreadable("dropout", "accuracy", "Section 3, dropout", "val_accuracy of the last epoch", _LOST),
    _unreadable("final", "train_accuracy", "Section 3, final model", "training accuracy of the last epoch", "the log line is cut off before val_loss"),
    _unreadable("final", "layer table", "Table 2", "layout of the implemented model", _IMAGE),
    *(
        _unreadable(variant, "accuracy and loss over epochs", f"Figure {number}", f"accuracy and loss over epochs, {variant}", _IMAGE)
        for number, variant in ((3, "baseline"), (4, "dropout"), (5, "final"))
    ),
    *(_unreadable("final", f"prediction {number - 5}", f"Figure {number}", f"prediction {number - 5} of a single image", _IMAGE) for number in range(6, 11)),
)  # fmt: skip

EXPECTATIONS: tuple[Expectation, ...] = (
    *(expected for variant, log in LOGS.items() for expected in _log(variant, *log)),
    *(expected for report in REPORTS.values() for expected in _report(report)),
    *PROTOCOL,
    *STATEMENTS,
    *UNREADABLE,
)
