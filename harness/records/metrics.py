"""Metrics are declared: unit, kind and direction of every number stand here or in its scenario, and nowhere else."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable

from harness.records.words import Direction, Kind

LABEL_SCORES = (
    "accuracy",
    "correct",
    "errors",
    *(f"{score}_{mean}" for score in ("precision", "recall", "f1") for mean in ("macro", "weighted")),
)
"""Single numbers that follow from labels and predicted classes alone; the loss does not."""

VALUE_SCORES = ("mean_absolute_error", "root_mean_squared_error", "r2")
"""What the harness scores of real values; the first two are in the unit of the values."""
ROW_COUNTS = ("accuracy", "correct", "errors")
"""Scores that are shares or counts of rows, so that one row more or less is the smallest difference."""

_SHARES = {
    "accuracy", "balanced_accuracy", "top_k_accuracy", "average_precision", "hamming_loss", "roc_auc", "roc_auc_ovr", "roc_auc_ovo",
    *(f"{score}{mean}" for score in ("precision", "recall", "f1", "jaccard") for mean in ("", "_micro", "_macro", "_weighted", "_samples")),
}  # fmt: skip
"""Scores of the harness and of scikit-learn that are shares."""


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """What a number means; a scenario declares those that it records or derives itself.

    Examples
    --------
    >>> Metric("model.bytes", kind="size", unit="B", better="lower", gated=True)
    >>> Metric("layer*.rank90", kind="identity")  # a family: ``*`` stands for any text
    """

    name: str
    """Name, or the pattern of a family."""
    kind: Kind = "accuracy"
    """Kind of metric; a score is an ``accuracy``, whatever its unit."""
    unit: str = ""
    """Unit; empty for a share between 0 and 1 or a count."""
    better: Direction = "none"
    """Direction in which it improves; ``none`` where any change counts."""
    gated: bool = False
    """Whether a gate judges it; not for families."""
    score: str | Callable[..., float] = ""
    """What computes it from the stored predictions, after the run: a score of scikit-learn by name, or a function of labels, predictions
    and, if it has a parameter of that name, probabilities; empty for a metric that is recorded. ``val.cost`` is of the prediction set ``val``."""

    def __post_init__(self) -> None:
        if isinstance(self.score, str) and self.score and self.better == "none":
            object.__setattr__(self, "better", direction(self.score))

    @property
    def family(self) -> bool:
        """Whether the name is a pattern."""
        return "*" in self.name

    def names(self, name: str) -> bool:
        """Whether this declaration is that of the metric called `name`."""
        if not self.family:
            return self.name == name
        return re.fullmatch(".+".join(map(re.escape, self.name.split("*"))), name) is not None


def of_values(score: str) -> bool:
    """Whether a score of scikit-learn is one of real values, and of no classes."""
    name = score.removeprefix("neg_")
    return name.endswith(("_error", "_deviance")) or name in {
        "r2",
        "explained_variance",
        "d2_absolute_error_score",
    }


def direction(score: str) -> Direction:
    """Return the direction of a score of scikit-learn, from its name: an error, a loss or a deviance is better where it is lower."""
    lower = ("_error", "_loss", "_deviance", "brier_score", "negative_likelihood_ratio")
    return "lower" if score.endswith(lower) and not score.startswith(("neg_", "d2_")) else "higher"


SCORES = (
    Metric("accuracy", better="higher"),
    Metric("accuracy_interval"),
    Metric("correct", unit="images", better="higher"),
    Metric("errors", unit="images", better="lower"),
    *(Metric(name, unit="images") for name in ("test_images", "confusion", "support_per_class")),
    Metric("confusion_share"),
    *(
        Metric(f"{score}_{form}", better="higher")
        for score in ("precision", "recall", "f1")
        for form in ("per_class", "macro", "weighted")
    ),
    Metric("loss", unit="nat", better="lower"),
    Metric("hamming_loss", better="lower"),
    *(Metric(score, better=direction(score)) for score in VALUE_SCORES),
)
"""Scores of the prediction set ``test``; another set's have its name and a dot before them."""
OWN = (
    *SCORES,
    # what a counting run counts; fewer steps or samples are another protocol and no improvement
    Metric("work.stored_bytes", kind="work", unit="B", better="lower"),
    Metric("work.*.flops", kind="work", unit="FLOP", better="lower"),
    Metric("work.*", kind="work"),
    # what is measured of each stage, and of the run as ``total``
    *(Metric(f"*.{name}", kind="runtime", unit="s", better="lower") for name in ("seconds", "cpu_seconds")),
    Metric("*.images_per_second", kind="runtime", unit="1/s", better="higher"),
    *(
        Metric(f"*.{name}_bytes", kind="memory", unit="B", better="lower")
        for name in ("peak", "above_imports", "left", "helper", "device_allocated", "device_reserved")
    ),
    *(dataclasses.replace(score, name=f"*.{score.name}") for score in SCORES),
)
"""Every metric that the harness makes itself."""


def facts(*names: str) -> tuple[Metric, ...]:
    """Declare counts and shapes of a protocol: sizes of which any change counts."""
    return tuple(Metric(name, kind="size") for name in names)


def find(declared: Iterable[Metric], name: str) -> Metric | None:
    """Return the declaration of a metric; None if there is none.

    Parameters
    ----------
    declared : iterable of Metric
        A scenario's own. A full name goes before a family, and the scenario's before the harness's.
    name : str
        Metric.
    """
    own = tuple(declared)
    ordered = sorted((*own, *OWN), key=lambda metric: metric.family)  # stable: the scenario's own come first
    return next((metric for metric in ordered if metric.names(name)), None)


def is_share(metric: str, unit: str, values: Iterable[float]) -> bool:
    """Whether values are shares, which people read in percent: a score of the harness that is one, or the unit ``share``.

    A recorded number without a unit may be anything.

    Parameters
    ----------
    metric, unit : str
        What the values are.
    values : iterable of float
        All must lie within 0 and 1.
    """
    named = unit == "share" or (not unit and metric.rpartition(".")[2] in _SHARES)
    return named and all(0 <= value <= 1 for value in values)
