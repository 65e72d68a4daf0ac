"""Made-up records of scenario ``probe``, as small as their types allow: a test says only what it is about."""

from __future__ import annotations

import typing

from harness.records import (
    Baseline,
    BaselineMetric,
    Gate,
    GateSettings,
    Job,
    Measured,
    Measurement,
    RunRequest,
    RunResult,
    Scenario,
    Source,
    Variant,
)

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.conftest import Finished, Harness

MIB = 2.0**20


def scenario(**changes: typing.Any) -> Scenario:
    """Declare a scenario that gates ``accuracy`` and is never run."""
    fields: dict[str, typing.Any] = {
        "name": "probe", "version": 1, "source": Source(slug="probe", title="A probe"), "measure": print,
        "variants": (Variant(name="default"),), "tiers": {"smoke": {}}, "gated": ("accuracy",),
    }  # fmt: skip
    return Scenario(**{**fields, **changes})


def request(seed: int = 0, **changes: typing.Any) -> RunRequest:
    """Ask for a run."""
    return RunRequest(**{"scenario": "probe", "variant": "default", "tier": "smoke", "seed": seed, **changes})


def run(metrics: Mapping[str, Measured], asked: RunRequest | None = None, **changes: typing.Any) -> RunResult:
    """Return a finished run; `changes` are laid over its measurement."""
    asked = asked or request()
    fields: dict[str, typing.Any] = {
        "request": asked, "scenario_version": 1, "options": {}, "metrics": {}, "stages": (), "identities": (),
        "predictions": (), "figures": (), "datasets": (), "environment": {},
    }  # fmt: skip
    return RunResult(
        request=asked, status="ok", started="", wall_seconds=1.0, metrics=dict(metrics),
        measurement=Measurement(**{**fields, **changes}), folder=f"runs/{asked.key}",
    )  # fmt: skip


def failed(asked: RunRequest, error: str = "it died") -> RunResult:
    """Return a run that failed."""
    return RunResult(request=asked, status="error", started="", wall_seconds=1.0, error=error)


def kept(values: Sequence[float], like: Measured) -> BaselineMetric:
    """Return values as a baseline keeps them."""
    return BaselineMetric(values=list(values), unit=like.unit, kind=like.kind, better=like.better)


def baseline(metrics: Mapping[str, BaselineMetric], **changes: typing.Any) -> Baseline:
    """Return a stored baseline, whose seeds count from 0."""
    seeds = tuple(range(len(next(iter(metrics.values())).values))) if metrics else (0,)
    fields: dict[str, typing.Any] = {
        "schema": 1, "scenario": "probe", "scenario_version": 1, "variant": "default", "tier": "smoke", "who": "Zoë",
        "reason": 'the "first" one', "date": "2026-01-01T00:00:00+00:00", "commit": "c0ffee", "seeds": seeds,
        "environment": {}, "datasets": (), "metrics": dict(metrics),
    }  # fmt: skip
    return Baseline(**{**fields, **changes})


def gate(**settings: typing.Any) -> Gate:
    """Return a gate that has decided nothing yet."""
    return Gate(settings=GateSettings(**settings), base_results=(), minutes=0.0, exit_code=0)


def job(results: Sequence[RunResult] = (), **changes: typing.Any) -> Job:
    """Return a job that nobody judged."""
    fields: dict[str, typing.Any] = {
        "schema": 1, "created": "", "command": "", "version": "", "commit": "c0ffee", "environment": {},
        "results": tuple(results), "comparisons": (),
    }  # fmt: skip
    return Job(**{**fields, **changes})


def accepted(harness: Harness, *words: str) -> Finished:
    """Run scenario ``probe`` of file ``probe.py``, and accept what it measured as its baseline."""
    for command in (
        ("run", "probe", "--scenarios", "probe.py", "--out", "first", *words),
        ("baseline", "propose", "first", "--scenarios", "probe.py", "--who", "T", "--reason", "test"),
        ("baseline", "accept", "first"),
    ):
        done = harness(*command)
        assert done.code == 0, done.out + done.err
    return done
