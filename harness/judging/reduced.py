"""Results without what no judgement, or no line of a report, looks at: thousands of runs fit where a few whole ones do. Pure."""

from __future__ import annotations

import dataclasses
import typing

from harness.machine import environment

if typing.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from harness.records import IdentityCheck, Measured, Measurement, RunResult

T = typing.TypeVar("T")


def violation(check: IdentityCheck) -> tuple[bool, float]:
    """Order checks by how badly they fail; one that fails comes after any that holds."""
    return not check.holds, check.error / check.tolerance if check.tolerance else check.error


class Lighter:
    """Takes from results what no judgement looks at; equal parts of those that passed here are held once."""

    def __init__(self) -> None:
        self._known: dict[typing.Any, typing.Any] = {}

    def __call__(self, result: RunResult, metrics: Collection[str]) -> RunResult:
        """Return a result with the metrics asked for, its identities, and what leads to its predictions."""
        kept = {name: result.metrics[name] for name in metrics if name in result.metrics}
        found = result.measurement
        if found is None:
            return dataclasses.replace(result, metrics=kept)
        # what was measured of a stage are metrics; what was not, or forbids comparing it, is kept
        stages = tuple(stage for stage in found.stages if stage.peak_bytes is None or stage.threads_changed)
        compared = environment.compared(found.environment)
        lighter = dataclasses.replace(found, options={}, stages=stages, environment=compared)
        return self._shared(result, kept, lighter)

    def to_set_beside(self, result: RunResult) -> RunResult:
        """Return a result with all that is compared with another side's: every number, no array, no figure."""
        if result.measurement is None:
            return result
        numbers = {
            self._once(name): metric
            for name, metric in result.metrics.items()
            if not isinstance(metric.value, list)
        }
        return self._shared(result, numbers, result.measurement)

    def _shared(self, result: RunResult, metrics: Mapping[str, Measured], found: Measurement) -> RunResult:
        """Hold environment, data uses and sentences once; leave out figures and what was recorded twice."""
        once = self._once
        named = {once(name): once(value) for name, value in found.environment.items()}
        identities = tuple(
            dataclasses.replace(
                check, name=once(check.name), formula=once(check.formula), detail=once(check.detail)
            )
            for check in found.identities
        )
        measurement = dataclasses.replace(
            found, metrics={}, figures=(), imported={}, datasets=once(found.datasets), identities=identities,
            environment=self._known.setdefault(("environment", *named.items()), named),
        )  # fmt: skip
        return dataclasses.replace(result, metrics=dict(metrics), measurement=measurement)

    def _once(self, value: T) -> T:
        kept: T = self._known.setdefault(value, value)
        return kept


def shell(result: RunResult) -> RunResult:
    """Return a result without its numbers: what a report tells of the run itself."""
    found = result.measurement
    bare = found and dataclasses.replace(
        found, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(), datasets=(), environment={}, imported={},
    )  # fmt: skip
    return dataclasses.replace(result, metrics={}, measurement=bare)
