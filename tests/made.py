"""Records for tests: what a test does not name has a plain value."""

from __future__ import annotations

import typing

from harness.records import Job, Measurement, RunRequest, RunResult

if typing.TYPE_CHECKING:
    from harness.records import Measured


def request(seed: int = 0, **changes: typing.Any) -> RunRequest:
    """Ask for a run of the variant ``probe:default`` in the smoke tier."""
    fields: dict[str, typing.Any] = {"scenario": "probe", "variant": "default", "tier": "smoke", "seed": seed}
    return RunRequest(**{**fields, **changes})


def measurement(asked: RunRequest, **changes: typing.Any) -> Measurement:
    """Measure nothing."""
    fields: dict[str, typing.Any] = {
        "scenario_version": 1, "options": {}, "metrics": {}, "stages": (), "identities": (), "predictions": (), "figures": (),
        "datasets": (), "environment": {},
    }  # fmt: skip
    return Measurement(request=asked, **{**fields, **changes})


def run(
    asked: RunRequest,
    metrics: dict[str, Measured] | None = None,
    measured: Measurement | None = None,
    status: typing.Literal["ok", "error"] = "ok",
) -> RunResult:
    """Finish a run."""
    return RunResult(
        request=asked, status=status, started="", wall_seconds=1.0, metrics=metrics or {}, measurement=measured, folder=f"runs/{asked.key}"
    )  # fmt: skip


def job(*results: RunResult, **changes: typing.Any) -> Job:
    """Put runs into a job that is not judged."""
    fields: dict[str, typing.Any] = {
        "schema": 3, "created": "2026-01-01T00:00:00+00:00", "command": "", "version": "", "commit": "", "environment": {},
        "comparisons": (),
    }  # fmt: skip
    return Job(results=results, **{**fields, **changes})
