"""What the terminal says of a job besides its verdicts."""

from __future__ import annotations

import io
import typing
from pathlib import Path

from rich.console import Console

from harness import terminal
from harness.records import Gate, GateSettings, Job, RunRequest, RunResult


def failed(error: str, **changes: typing.Any) -> RunResult:
    """Return a failed run of the probe."""
    asked = RunRequest(**{"scenario": "probe", "variant": "default", "tier": "smoke", "seed": 0, **changes})
    return RunResult(request=asked, status="error", started="", wall_seconds=1.0, error=error)


def shown(job: Job) -> str:
    """Return what is printed."""
    console = Console(file=io.StringIO(), width=200)
    terminal.show(console, job, Path("out", "index.html"))
    return typing.cast("io.StringIO", console.file).getvalue()


def test_failed_runs_are_told_with_their_side() -> None:
    """A base run that failed decides a gate's exit code: it is told as one of base, apart from a run of head that failed alike."""
    gate = Gate(
        settings=GateSettings(against="main"),
        base_results=(failed("it died", side="base"),),
        minutes=1.0,
        exit_code=2,
    )
    job = Job(
        schema=2, created="", command="", version="", commit="", environment={}, results=(failed("it died"),), comparisons=(), gate=gate,
        counted=(failed("it hung", purpose="count"), failed("it hung", purpose="count", side="base")),
    )  # fmt: skip
    told = [line for line in shown(job).splitlines() if line.startswith("ERROR")]
    assert told == [
        "ERROR it died",
        "ERROR base run: it died",
        "ERROR counted run: it hung",
        "ERROR base, counted run: it hung",
    ]
