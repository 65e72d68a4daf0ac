"""What the terminal says of a job besides its verdicts."""

from __future__ import annotations

import dataclasses
import io
import typing
from pathlib import Path

from rich.console import Console

from harness import terminal
from harness.records import Comparison, Gate, GateSettings, Job, Judgement, RunRequest, RunResult


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


def test_memory_of_another_kind_of_machine_takes_one_line() -> None:
    """Every variant's metrics with the same reason share it."""
    blank = Judgement(
        against="baseline",
        metric="",
        verdict="INCOMPARABLE",
        kind="memory",
        n=5,
        reason="cpu_flags: avx2, not avx512f",
        gated=True,
    )
    comparisons = tuple(
        Comparison(
            scenario=name,
            variant="default",
            tier="smoke",
            seeds=(0,),
            failed=(),
            judgements=tuple(
                dataclasses.replace(blank, metric=metric)
                for metric in ("total.left_bytes", "total.above_imports_bytes")
            ),
        )
        for name in ("one", "two")
    )
    job = Job(
        schema=2,
        created="",
        command="",
        version="",
        commit="",
        environment={},
        results=(),
        comparisons=comparisons,
    )
    console = Console(file=io.StringIO(), width=400)
    terminal.show(console, job, Path("out", "index.html"))
    printed = typing.cast("io.StringIO", console.file).getvalue()
    (line,) = [line for line in printed.splitlines() if line.startswith("INCOMPARABLE")]
    assert line.startswith(
        "INCOMPARABLE 4 metrics of memory of one:default, two:default: cpu_flags: avx2, not avx512f. Next: harness gate --against REF"
    )
