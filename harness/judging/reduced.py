"""Results reduced to what a judgement, or a line of a report, looks at: thousands of runs fit where a few whole ones do. Pure."""

from __future__ import annotations

import dataclasses
import typing

from harness.machine import environment

if typing.TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from harness.records import DatasetUse, IdentityCheck, Measurement, RunResult


@dataclasses.dataclass(slots=True)
class Checks:
    """All checks of one identity, summed up as they come."""

    worst: IdentityCheck
    """The check that fails worst, or comes nearest to it."""
    count: int = 0
    """How many there were."""
    broken: int = 0
    """How many failed."""

    def add(self, check: IdentityCheck) -> None:
        """Count one more."""
        self.worst = max(self.worst, check, key=violation)
        self.count += 1
        self.broken += not check.holds


def violation(check: IdentityCheck) -> tuple[bool, float]:
    """Order checks by how badly they fail; one that fails comes after any that holds."""
    return not check.holds, check.error / check.tolerance if check.tolerance else check.error


@dataclasses.dataclass(frozen=True, slots=True)
class Reduced:
    """All that is judged of the runs of one variant."""

    done: list[RunResult]
    """Finished runs, with the metrics asked for, compared fields of the environment, data and problems."""
    failed: list[str]
    """Errors of the others."""
    checks: dict[str, Checks]
    """Identities by name."""


def reduce(results: Iterable[RunResult], metrics: Collection[str]) -> Reduced:
    """Pass once over results, of which none is kept whole.

    Parameters
    ----------
    results : iterable of RunResult
        Runs of one variant; may be decoded one at a time.
    metrics : collection of str
        Metrics to keep.
    """
    reduced, shared = Reduced([], [], {}), _Shared()
    for result in results:
        if result.status != "ok":
            reduced.failed.append(result.error)
            continue
        for check in result.measurement.identities if result.measurement else ():
            reduced.checks.setdefault(check.name, Checks(check)).add(check)
        reduced.done.append(_light(result, metrics, shared))
    return reduced


class Lighter:
    """Takes from results what no judgement looks at; equal parts of those that passed here are held once."""

    def __init__(self) -> None:
        self._shared = _Shared()

    def __call__(self, result: RunResult, metrics: Collection[str]) -> RunResult:
        """Return a result with the metrics asked for, its identities, and what leads to its predictions."""
        lighter = _light(result, metrics, self._shared)
        found = result.measurement
        if lighter.measurement is None or found is None:
            return lighter
        checks = tuple(map(self._shared.check, found.identities))
        measured = dataclasses.replace(lighter.measurement, identities=checks, predictions=found.predictions)
        return dataclasses.replace(lighter, measurement=measured)

    def to_set_beside(self, result: RunResult) -> RunResult:
        """Return a result with all that is set beside another's: every number, no array, no figure."""
        found, shared = result.measurement, self._shared
        if found is None:
            return result
        measured = dataclasses.replace(
            found, metrics={}, figures=(), imported={}, datasets=shared.datasets(found.datasets),
            identities=tuple(map(shared.check, found.identities)),
            environment={shared.text(name): shared.text(told) for name, told in found.environment.items()},
        )  # fmt: skip
        numbers = {
            shared.text(name): metric
            for name, metric in result.metrics.items()
            if not isinstance(metric.value, list)
        }
        return dataclasses.replace(result, metrics=numbers, measurement=measured)


class _Shared:
    """Equal environments, data uses and sentences of many runs, held once."""

    def __init__(self) -> None:
        self._environments: list[dict[str, str]] = []
        self._texts: dict[str, str] = {}
        self._datasets: dict[tuple[DatasetUse, ...], tuple[DatasetUse, ...]] = {}

    def environment(self, found: dict[str, str]) -> dict[str, str]:
        """Return what is compared of an environment."""
        compared = environment.compared(found)
        if compared not in self._environments:
            self._environments.append(compared)
        return self._environments[self._environments.index(compared)]

    def datasets(self, found: tuple[DatasetUse, ...]) -> tuple[DatasetUse, ...]:
        """Return the uses, the same object for equal ones."""
        return self._datasets.setdefault(found, found)

    def check(self, found: IdentityCheck) -> IdentityCheck:
        """Return a check whose sentences are those of others that say the same."""
        name, formula, detail = map(self.text, (found.name, found.formula, found.detail))
        return dataclasses.replace(found, name=name, formula=formula, detail=detail)

    def text(self, found: str) -> str:
        """Return a text, the same object for equal ones."""
        return self._texts.setdefault(found, found)


def _light(result: RunResult, metrics: Collection[str], shared: _Shared) -> RunResult:
    kept = {name: result.metrics[name] for name in metrics if name in result.metrics}
    found = result.measurement
    return dataclasses.replace(
        result, metrics=kept, measurement=None if found is None else _light_measurement(found, shared)
    )


def _light_measurement(found: Measurement, shared: _Shared) -> Measurement:
    # what was measured of a stage are metrics; what was not, or forbids comparing it, is kept
    kept = tuple(stage for stage in found.stages if stage.peak_bytes is None or stage.threads_changed)
    return dataclasses.replace(
        found,
        options={},
        metrics={},
        stages=kept,
        identities=(),
        predictions=(),
        figures=(),
        imported={},
        datasets=shared.datasets(found.datasets),
        environment=shared.environment(found.environment),
    )


def shell(result: RunResult) -> RunResult:
    """Return a result without its numbers: what a report tells of the run itself."""
    found = result.measurement
    bare = None
    if found is not None:
        bare = dataclasses.replace(
            found, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(), datasets=(), environment={}, imported={},
        )  # fmt: skip
    return dataclasses.replace(result, metrics={}, measurement=bare)
