"""A test's own metrics held against stored values: what the pytest fixture `harness_check` does.

Values are stored as JSON, one file a check; direction, kind and bounds are declared by the test.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import shlex
import typing

import msgspec
import numpy as np

from harness.data.cache import machine_lock
from harness.errors import BaselineError
from harness.judging.gate import comparable, floors, trials, verdicts
from harness.judging.gate.comparable import Candidate
from harness.judging.statistics import spread
from harness.machine import environment, variables
from harness.records import BaselineMetric, Direction, Judgement, Kind, finite
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.records import Cause, Tier, Verdict

SCHEMA = 1
VALUES_FOR_A_SPREAD = 3
"""Fewer stored values have no spread worth the name: only rounding is then allowed, unless the test gives a bound."""
SETTLED = ("PASS", "NOT_JUDGED")
FAILING = ("REGRESSED", "IMPROVED", "INCONCLUSIVE", "ERROR", "NO_BASELINE")
_KINDS: tuple[Kind, ...] = ("accuracy", "memory", "runtime", "work", "size")
_NAME = re.compile(r"(?!\.)[\w.\-\[\]]+(/(?!\.)[\w.\-\[\]]+)*")
_WORDS: dict[str, tuple[Direction, Kind, str]] = {
    **dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc", "r2"), ("higher", "accuracy", "")),
    **dict.fromkeys(("loss", "error", "errors", "mae", "mse", "rmse"), ("lower", "accuracy", "")),
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
    test: str = ""
    """The test that they belong to, as pytest calls it; empty in older files."""


def declare(metrics: Mapping[str, float | Sequence[float] | Check]) -> dict[str, Check]:
    """Give plain numbers their direction and kind, by the words of their names.

    Raises
    ------
    BaselineError
        If a name tells no direction, there is no metric, a metric has no value, or a declaration cannot be.
    """
    if not metrics:
        raise BaselineError("a check needs at least one metric with a value", "Give e.g. accuracy=0.97")
    found = {
        name: item if isinstance(item, Check) else _by_name(name, item) for name, item in metrics.items()
    }
    for name, check in found.items():
        wrong = _unsound(check)
        if wrong:
            raise BaselineError(f"metric '{name}' of the check {wrong}", "See harness.judging.checks.Check")
    return found


def _unsound(check: Check) -> str:
    """Say what of a declaration cannot be, before it is stored; empty if it is sound."""
    try:
        numbers = np.asarray(check.value, np.float64)
    except (TypeError, ValueError):
        return "is no number and no sequence of numbers"
    bounds = (bound for bound in (check.abs, check.rel) if bound is not None)
    checks = [
        (numbers.ndim <= 1, "has more than one dimension: give one number a seed"),
        (numbers.size > 0, "has no value"),
        (
            check.better in typing.get_args(Direction),
            f"has better='{check.better}', not one of {', '.join(typing.get_args(Direction))}",
        ),
        (check.kind in _KINDS, f"has kind='{check.kind}', not one of {', '.join(_KINDS)}"),
        (all(finite(bound) and bound >= 0 for bound in bounds), "has a bound that is negative or not finite"),
    ]
    return next((what for holds, what in checks if not holds), "")


def _by_name(name: str, value: float | Sequence[float]) -> Check:
    for word in reversed(re.split(r"[_.]", name)):
        if word in _WORDS:
            better, kind, unit = _WORDS[word]
            return Check(value, better, kind, unit)
    raise BaselineError(
        f"the name '{name}' does not tell which direction is better",
        f"Give {name}=Check(value, better='higher') from harness.judging.checks",
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


def judge(path: Path, stored: Stored | None, checks: Mapping[str, Check], test: str = "") -> list[Judgement]:
    """Hold every metric of a check, and every stored one, against what is stored: by a gate's looks, as one that can have no fresh runs.

    Parameters
    ----------
    path : Path
        The check's file.
    stored : Stored or None
        Its content.
    checks : mapping
        The test's metrics.
    test : str
        What pytest calls the test, for the next command.
    """
    prepared = [_prepared(path, name, check, stored) for name, check in checks.items()]
    name: tuple[str, str, Tier] = ("check", path.stem, "smoke")
    looks = [
        (item.judgement.kind, way, look)
        for item in prepared
        if isinstance(item, Candidate)
        for way, look in trials.both_ways(
            item, np.asarray(item.judgement.reference_runs), np.asarray(checks[item.judgement.metric].values)
        )
    ]
    decided = verdicts.verdicts(trials.single(trials.grouped(name, looks)))
    judged = [
        verdicts.judged(item.judgement, decided, "too few stored values")
        if isinstance(item, Candidate)
        else item
        for item in prepared
    ]
    gone = [
        _blank(path, name, metric.kind, metric.unit, "missing", "stored, but the test does not give it")
        for name, metric in (stored.metrics if stored else {}).items()
        if name not in checks
    ]
    return [_with_next_step(item, test) for item in (*judged, *gone)]


def _blank(
    path: Path, name: str, kind: Kind, unit: str, cause: Cause, reason: str, verdict: Verdict = "ERROR"
) -> Judgement:
    return Judgement(
        against="baseline",
        metric=name,
        verdict=verdict,
        cause=cause,
        kind=kind,
        unit=unit,
        reason=reason,
        place=str(path),
        gated=kind != "runtime",
    )


def _with_next_step(judgement: Judgement, test: str) -> Judgement:
    """Add what to type next: new values are offered only where a person has something to approve."""
    again = shlex.join(["pytest", *([test] if test else [])])
    update = judgement.verdict in {"IMPROVED", "NO_BASELINE"} or judgement.cause in {"missing", "redefined"}
    if judgement.verdict in SETTLED:
        return judgement
    step = (
        f"{again} --harness-update, if the new values are right"
        if update
        else f"look at what changed, then: {again}"
    )
    return dataclasses.replace(judgement, next_step=step)


def _prepared(path: Path, name: str, check: Check, stored: Stored | None) -> Judgement | Candidate:
    """Prepare a metric for the looks; equality, bounds that the test gives, and what cannot be compared need none."""
    values = np.asarray(check.values, np.float64)  # (values,)

    def refused(cause: Cause, reason: str, verdict: Verdict = "ERROR") -> Judgement:
        return dataclasses.replace(blank, verdict=verdict, cause=cause, reason=reason)

    blank = _blank(path, name, check.kind, check.unit, "not_finite", "it is not finite")
    if not np.isfinite(values).all():
        return dataclasses.replace(blank, n=len(values))
    blank = dataclasses.replace(blank, n=len(values), value=float(values.mean()), spread=spread(values))
    if check.kind == "runtime":
        return refused("shown", "runtime is stored, never judged here", "NOT_JUDGED")
    if stored is None or name not in stored.metrics:
        return refused("no_reference", "nothing is stored for it", "NO_BASELINE")
    theirs = stored.metrics[name]
    changed = comparable.redefined(check, theirs)
    if changed:
        return refused("redefined", "; ".join(reason for _, reason in changed))
    other = environment.differences("memory", here(), stored.environment) if check.kind == "memory" else []
    if other:
        return refused("environment", "; ".join(other), "INCOMPARABLE")
    base = np.asarray(theirs.values, np.float64)  # (stored values,)
    middle = float(base.mean())
    blank = dataclasses.replace(blank, reference=middle, reference_runs=tuple(theirs.values))
    if check.abs is not None or check.rel is not None:
        allowed = max(check.abs or 0.0, (check.rel or 0.0) * abs(middle))
        return comparable.constant(
            blank, check.better, values.mean(keepdims=True), middle, allowed, "bounds given by the test"
        )
    floor = floors.smallest(check.kind, check.unit, middle)
    if len(base) < VALUES_FOR_A_SPREAD or np.ptp(base) == 0:
        return comparable.constant(
            blank, check.better, values.mean(keepdims=True), middle, floor, "equality but for rounding"
        )
    return Candidate(blank, check.better, floor)


def update(path: Path, checks: Mapping[str, Check], judged: Iterable[Judgement], test: str) -> None:
    """Store new values: those that pass stay as they are, the others are replaced, and absent ones go.

    Raises
    ------
    BaselineError
        If a value is not finite, or the file has become another test's meanwhile.
    StorageError
        If it cannot be written.
    """
    passing = {judgement.metric for judgement in judged if judgement.verdict == "PASS"}
    with machine_lock(
        "checks.lock"
    ):  # of two workers of pytest-xdist, the second one sees what the first has stored
        stored = load(path)
        refuse_other_test(path, stored, test)
        kept = {
            name: metric for name, metric in (stored.metrics if stored else {}).items() if name in passing
        }
        for name, check in checks.items():
            if not all(math.isfinite(value) for value in check.values):
                raise BaselineError(f"metric '{name}' is not finite and is not stored", "Look at the test")
            if name not in kept:
                kept[name] = BaselineMetric(
                    values=check.values, unit=check.unit, kind=check.kind, better=check.better
                )
        ordered = {name: kept[name] for name in checks}
        files.write_json(path, Stored(schema=SCHEMA, environment=here(), metrics=ordered, test=test))


def refuse_other_test(path: Path, stored: Stored | None, test: str) -> None:
    """Refuse a file that another test has stored: two tests of one name would hold each other's values.

    Raises
    ------
    BaselineError
        Naming that test.
    """
    if stored and stored.test and stored.test != test:
        step = f"Give each test a name of its own; if that test was renamed, remove {path}"
        raise BaselineError(f"check '{path.stem}' is used by {stored.test} too", step)
