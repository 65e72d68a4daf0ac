"""A test's own metrics compared with stored values: what the pytest fixture `harness_check` does.

Values are stored as JSON, one file a check; direction, kind and bounds are declared by the test.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import shlex
import typing

import numpy as np

from harness.data.cache import machine_lock
from harness.errors import BaselineError
from harness.judging import baselines
from harness.judging.gate import comparable, rules, trials, verdicts
from harness.judging.gate.comparable import Candidate
from harness.judging.statistics import spread
from harness.machine import environment, variables
from harness.records import BaselineMetric, Direction, Judgement, Kind, finite
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.records import Cause, Verdict

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
    """The test that they belong to, as pytest calls it."""


def declare(metrics: Mapping[str, float | Sequence[float] | Check]) -> dict[str, Check]:
    """Give plain numbers their direction and kind, by the words of their names.

    Raises
    ------
    BaselineError
        If a name tells no direction, there is no metric, a metric has no value, or a declaration cannot be.
    """
    if not metrics:
        raise BaselineError("a check needs at least one metric with a value", "Give e.g. accuracy=0.97")
    found = {}
    for name, item in metrics.items():
        check = item if isinstance(item, Check) else _by_name(name, item)
        if wrong := next(_wrong(check), ""):
            raise BaselineError(f"metric '{name}' of the check {wrong}", "See harness.judging.checks.Check")
        found[name] = check
    return found


def _wrong(check: Check) -> Iterator[str]:
    """Yield what of a declaration cannot be, before it is stored."""
    try:
        numbers = np.asarray(check.value, np.float64)
    except (TypeError, ValueError):
        yield "is no number and no sequence of numbers"
        return
    if numbers.ndim > 1:
        yield "has more than one dimension: give one number a seed"
    if not numbers.size:
        yield "has no value"
    for word, value, known in (
        ("better", check.better, typing.get_args(Direction)),
        ("kind", check.kind, _KINDS),
    ):
        if value not in known:
            yield f"has {word}='{value}', not one of {', '.join(known)}"
    if not all(finite(bound) and bound >= 0 for bound in (check.abs, check.rel) if bound is not None):
        yield "has a bound that is negative or not finite"


def _by_name(name: str, value: float | Sequence[float]) -> Check:
    for word in reversed(re.split(r"[_.]", name)):
        if word in _WORDS:
            return Check(value, *_WORDS[word])
    step = f"Give {name}=Check(value, better='higher') from harness.judging.checks"
    raise BaselineError(f"the name '{name}' does not tell which direction is better", step)


def path_of(folder: Path, name: str) -> Path:
    """Return the file of a check.

    Raises
    ------
    BaselineError
        If the name would leave the folder or is no file name.
    """
    if not _NAME.fullmatch(name):
        step = "Use letters, digits, '_', '-', '.', '[', ']', and '/'"
        raise BaselineError(f"'{name}' cannot name a check", step)
    return folder / f"{name}.json"


def load(path: Path) -> Stored | None:
    """Read a check's file; None if there is none.

    Raises
    ------
    BaselineError
        If it is damaged, of a newer schema, or holds values that cannot be.
    """
    if not path.exists():
        return None
    stored = baselines.decode(path, Stored, SCHEMA, str(path))
    if not all(metric.values and all(map(finite, metric.values)) for metric in stored.metrics.values()):
        what = f"{path} holds a metric without a value, or one that is not finite"
        raise BaselineError(what, "Restore it from version control")
    return stored


def here() -> dict[str, str]:
    """Describe this process as far as memory depends on it."""
    inherited = variables.recorded(os.environ) | environment.tracing()
    return environment.machine() | environment.loaded_libraries() | inherited


def judge(path: Path, stored: Stored | None, checks: Mapping[str, Check], test: str = "") -> list[Judgement]:
    """Compare every metric of a check, and every stored one, with what is stored: by a gate's looks, as one that can have no fresh runs.

    `test` is what pytest calls the test, for the next command.
    """
    prepared = [_prepared(path, name, check, stored) for name, check in checks.items()]
    looks = [
        (item.judgement.kind, way, look)
        for item in prepared
        if isinstance(item, Candidate)
        for way, look in trials.both_ways(
            item, np.asarray(item.judgement.reference_runs), np.asarray(checks[item.judgement.metric].values)
        )
    ]
    decided = verdicts.verdicts(trials.single(trials.grouped(("check", path.stem, "smoke"), looks)))
    judged = [
        verdicts.judged(item.judgement, decided, "too few stored values")
        if isinstance(item, Candidate)
        else item
        for item in prepared
    ]
    for name, metric in (stored.metrics if stored else {}).items():
        if name not in checks:
            gone = _blank(path, name, metric.kind, metric.unit, "missing")
            judged.append(dataclasses.replace(gone, reason="stored, but the test does not give it"))
    return [_with_next_step(item, test) for item in judged]


def _blank(path: Path, name: str, kind: Kind, unit: str, cause: Cause) -> Judgement:
    return Judgement(
        against="baseline", metric=name, verdict="ERROR", cause=cause, kind=kind, unit=unit, place=str(path),
        gated=kind != "runtime",
    )  # fmt: skip


def _with_next_step(judgement: Judgement, test: str) -> Judgement:
    """Add what to type next: new values are offered only where a person has something to approve."""
    if judgement.verdict in SETTLED:
        return judgement
    again = shlex.join(["pytest", *([test] if test else [])])
    step = f"look at what changed, then: {again}"
    if judgement.verdict in {"IMPROVED", "NO_BASELINE"} or judgement.cause in {"missing", "redefined"}:
        step = f"{again} --harness-update, if the new values are right"
    return dataclasses.replace(judgement, next_step=step)


def _prepared(path: Path, name: str, check: Check, stored: Stored | None) -> Judgement | Candidate:
    """Prepare a metric for the looks; equality, bounds that the test gives, and what cannot be compared need none."""
    values = np.asarray(check.values, np.float64)  # (values,)
    blank = dataclasses.replace(_blank(path, name, check.kind, check.unit, "not_finite"), n=len(values))

    def refused(cause: Cause, reason: str, verdict: Verdict = "ERROR") -> Judgement:
        return dataclasses.replace(blank, verdict=verdict, cause=cause, reason=reason)

    if not np.isfinite(values).all():
        return refused("not_finite", "it is not finite")
    blank = dataclasses.replace(blank, value=float(values.mean()), spread=spread(values))
    if check.kind == "runtime":
        return refused("shown", "runtime is stored, never judged here", "NOT_JUDGED")
    if stored is None or name not in stored.metrics:
        return refused("no_reference", "nothing is stored for it", "NO_BASELINE")
    theirs = stored.metrics[name]
    if changed := comparable.redefined(check, theirs):
        return refused("redefined", "; ".join(reason for _, reason in changed))
    other = environment.differences("memory", here(), stored.environment) if check.kind == "memory" else []
    if other:
        return refused("environment", "; ".join(other), "INCOMPARABLE")
    base = np.asarray(theirs.values, np.float64)  # (stored values,)
    middle = float(base.mean())
    blank = dataclasses.replace(blank, reference=middle, reference_runs=tuple(theirs.values))
    floor, shared = rules.smallest(check.kind, check.unit, middle), "equality but for rounding"
    if check.abs is not None or check.rel is not None:
        floor = max(check.abs or 0.0, (check.rel or 0.0) * abs(middle))
        shared = "bounds given by the test"
    elif len(base) >= VALUES_FOR_A_SPREAD and np.ptp(base) > 0:
        return Candidate(blank, check.better, floor)
    return comparable.constant(blank, check.better, values.mean(keepdims=True), middle, floor, shared)


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
    # of two workers of pytest-xdist, the second one sees what the first has stored
    with machine_lock("checks.lock"):
        stored = load(path)
        refuse_other_test(path, stored, test)
        kept = {}
        for name, check in checks.items():
            if not all(map(math.isfinite, check.values)):
                raise BaselineError(f"metric '{name}' is not finite and is not stored", "Look at the test")
            new = BaselineMetric(values=check.values, unit=check.unit, kind=check.kind, better=check.better)
            kept[name] = stored.metrics.get(name, new) if stored and name in passing else new
        files.write_json(path, Stored(schema=SCHEMA, environment=here(), metrics=kept, test=test))


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
