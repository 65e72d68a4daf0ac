"""A test's own metrics held against stored values: what the pytest fixture `harness_check` does.

Values are stored as JSON, one file a check; direction, kind and bounds are declared by the test.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import typing

import msgspec
import numpy as np

from harness import environment, files, variables
from harness.compare import (
    LEVEL_BOUND,
    MEMORY_FLOOR_BYTES,
    MEMORY_FLOOR_SHARE,
    ROUNDING,
    redefined,
)
from harness.errors import BaselineError
from harness.records import BaselineMetric, Direction, Judgement, Kind, finite
from harness.statistics import spread, t_quantile

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.records import Verdict

SCHEMA = 1
VALUES_FOR_A_BOUND = 3
"""Fewer stored values have no spread worth the name: only rounding is then allowed, unless the test gives a bound."""
SETTLED = ("PASS", "NOT_JUDGED")
FAILING = ("REGRESSED", "IMPROVED", "ERROR", "NO_BASELINE")
_NAME = re.compile(r"(?!\.)[\w.\-\[\]]+(/(?!\.)[\w.\-\[\]]+)*")
_WORDS: dict[str, tuple[Direction, Kind, str]] = {
    **dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc"), ("higher", "accuracy", "")),
    **dict.fromkeys(("loss", "error", "errors"), ("lower", "accuracy", "")),
    "seconds": ("lower", "runtime", "s"),
    "bytes": ("lower", "memory", "B"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One metric of a test, with its direction, kind and bounds."""

    value: float | Sequence[float]
    """Number, or one a seed, in `unit`."""
    better: Direction = "none"
    """Direction of improvement; with ``none`` a change either way fails."""
    kind: Kind = "accuracy"
    """Kind of metric; runtime is stored and never judged."""
    unit: str = ""
    """Unit."""
    abs: float | None = None
    """Allowed difference of the means, in `unit`."""
    rel: float | None = None
    """Allowed difference of the means as a share of the stored mean; with `abs` the larger of the two counts."""

    @property
    def values(self) -> list[float]:
        """All values."""
        return [float(item) for item in np.atleast_1d(np.asarray(self.value, np.float64))]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The content of a check's file."""

    schema: int
    """Schema version of the file."""
    environment: dict[str, str]
    """Environment that the values were measured in."""
    metrics: dict[str, BaselineMetric]
    """Raw values by metric name."""


def declare(metrics: Mapping[str, float | Sequence[float] | Check]) -> dict[str, Check]:
    """Give plain numbers their direction and kind, by the words of their names.

    Raises
    ------
    BaselineError
        If a name tells no direction, there is no metric, or a metric has no value.
    """
    found = {
        name: item if isinstance(item, Check) else _by_name(name, item) for name, item in metrics.items()
    }
    if not found or not all(check.values for check in found.values()):
        raise BaselineError("a check needs at least one metric with a value", "Give e.g. accuracy=0.97")
    return found


def _by_name(name: str, value: float | Sequence[float]) -> Check:
    for word in reversed(re.split(r"[_.]", name)):
        if word in _WORDS:
            better, kind, unit = _WORDS[word]
            return Check(value, better, kind, unit)
    raise BaselineError(
        f"the name '{name}' does not tell which direction is better",
        f"Give {name}=Check(value, better='higher') from harness.checks",
    )


def path_of(folder: Path, name: str) -> Path:
    """Return the file of a check.

    Raises
    ------
    BaselineError
        If the name would leave the folder or is no file name.
    """
    if not _NAME.fullmatch(name):
        raise BaselineError(
            f"'{name}' cannot name a check", "Use letters, digits, '_', '-', '.', '[', ']', and '/'"
        )
    return folder / f"{name}.json"


def load(path: Path) -> Stored | None:
    """Read a check's file; None if there is none.

    Raises
    ------
    BaselineError
        If it is damaged, of a newer schema, or holds values that cannot be.
    """
    try:
        stored = msgspec.json.decode(files.read_bytes(path), type=Stored)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BaselineError(f"{path} is damaged: {error}", "Restore it from version control") from error
    if stored.schema > SCHEMA:
        raise BaselineError(
            f"{path} has schema {stored.schema}, this version reads up to {SCHEMA}", "Upgrade report-harness"
        )
    if not all(metric.values and all(map(finite, metric.values)) for metric in stored.metrics.values()):
        raise BaselineError(
            f"{path} holds a metric without a value, or one that is not finite",
            "Restore it from version control",
        )
    return stored


def here() -> dict[str, str]:
    """Describe this process as far as memory depends on it."""
    inherited = variables.recorded(os.environ) | environment.tracing()
    return environment.machine() | environment.loaded_libraries() | inherited


def judge(path: Path, stored: Stored | None, checks: Mapping[str, Check]) -> list[Judgement]:
    """Hold every metric of a check, and every stored one, against its bounds."""
    known = stored.metrics if stored else {}
    judged = [_judge(path, name, check, stored) for name, check in checks.items()]
    gone = [
        _blank(path, name, metric.kind, metric.unit, "ERROR", "stored, but the test does not give it")
        for name, metric in known.items()
        if name not in checks
    ]
    return [*judged, *gone]


def _blank(path: Path, name: str, kind: Kind, unit: str, verdict: Verdict, reason: str) -> Judgement:
    return Judgement(
        against="baseline",
        metric=name,
        verdict=verdict,
        kind=kind,
        unit=unit,
        reason=reason,
        place=str(path),
        next_step="pytest --harness-update, if the new values are right",
        gated=kind != "runtime",
    )


def _judge(path: Path, name: str, check: Check, stored: Stored | None) -> Judgement:
    values = np.asarray(check.values, np.float64)  # (values,)
    blank = dataclasses.replace(
        _blank(path, name, check.kind, check.unit, "ERROR", "it is not finite"),
        n=len(values),
        value=float(values.mean()),
        spread=spread(values),
    )
    if not np.isfinite(values).all():
        return dataclasses.replace(blank, value=None, spread=None, next_step="look at the test")
    if check.kind == "runtime":
        return dataclasses.replace(blank, verdict="NOT_JUDGED", reason="runtime is stored, never judged here")
    if stored is None or name not in stored.metrics:
        return dataclasses.replace(blank, verdict="NO_BASELINE", reason="nothing is stored for it")
    theirs = stored.metrics[name]
    changed = redefined(check, theirs)
    if changed:
        return dataclasses.replace(blank, reason="; ".join(changed))
    other = environment.differences("memory", here(), stored.environment) if check.kind == "memory" else []
    if other:
        return dataclasses.replace(blank, verdict="INCOMPARABLE", reason="; ".join(other))
    return _decide(blank, check, np.asarray(theirs.values, np.float64))


def _decide(blank: Judgement, check: Check, base: np.typing.NDArray[np.float64]) -> Judgement:
    """Judge the difference of the means by the allowed width."""
    middle = float(base.mean())
    width, test = _width(check, base)
    change = typing.cast("float", blank.value) - middle
    gain = {"higher": change, "lower": -change, "none": -abs(change)}[check.better]
    verdict: Verdict = "PASS" if abs(change) <= width else "REGRESSED" if gain < 0 else "IMPROVED"
    words = {"PASS": "within the bounds", "REGRESSED": "worse than the bound allows"}
    reason = words.get(verdict, "better than the bound allows: store it, or look for a leak")
    return dataclasses.replace(
        blank,
        verdict=verdict,
        reference=middle,
        lower=middle - width,
        upper=middle + width,
        resolution=width,
        test=test,
        reason="differs" if verdict == "REGRESSED" and check.better == "none" else reason,
        next_step="" if verdict == "PASS" else blank.next_step,
    )


def _width(check: Check, base: np.typing.NDArray[np.float64]) -> tuple[float, str]:
    """Return the allowed difference of the means and what it comes from."""
    middle = abs(float(base.mean()))
    if check.abs is not None or check.rel is not None:
        return max(check.abs or 0.0, (check.rel or 0.0) * middle), "bounds given by the test"
    if check.kind == "memory":
        return max(MEMORY_FLOOR_SHARE * middle, MEMORY_FLOOR_BYTES), "growth beyond max(3%, 1.5 MiB)"
    if len(base) < VALUES_FOR_A_BOUND:
        return ROUNDING * middle, "equality but for rounding"
    error = float(base.std(ddof=1)) * math.sqrt(1 / len(check.values) + 1 / len(base))
    bound = t_quantile(1 - LEVEL_BOUND, len(base) - 1) * error
    return max(bound, ROUNDING * middle), f"t bound at {LEVEL_BOUND:g} from {len(base)} stored values"


def updated(stored: Stored | None, checks: Mapping[str, Check], judged: Iterable[Judgement]) -> Stored:
    """Return what to store: values that pass stay as they are, the others are replaced, and absent ones go.

    Raises
    ------
    BaselineError
        If a value is not finite.
    """
    passing = {judgement.metric for judgement in judged if judgement.verdict == "PASS"}
    kept = {name: metric for name, metric in (stored.metrics if stored else {}).items() if name in passing}
    for name, check in checks.items():
        if not all(math.isfinite(value) for value in check.values):
            raise BaselineError(f"metric '{name}' is not finite and is not stored", "Look at the test")
        if name not in kept:
            kept[name] = BaselineMetric(
                values=check.values, unit=check.unit, kind=check.kind, better=check.better
            )
    return Stored(schema=SCHEMA, environment=here(), metrics={name: kept[name] for name in checks})


def write(path: Path, stored: Stored) -> None:
    """Write a check's file.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    files.write_json(path, stored)
