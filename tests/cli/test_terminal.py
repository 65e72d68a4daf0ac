"""What the terminal says of a job besides its verdicts, and that no terminal keeps it from being said."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import terminal
from harness.records import Gate, GateSettings, Job, RunRequest, RunResult
from tests.conftest import TIME_LIMIT
from tests.export.test_summary import a_job, comparison, judgement

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

PROBE = """
def measure(run):
    guess(run)
    run.identity(IdentityCheck("sum", 1.0, 1e-6, "a + b = b + a", "by hand"))

SCENARIO = declare(measure, deterministic=True)
"""


def failed(error: str, **changes: typing.Any) -> RunResult:
    """Return a failed run of the probe."""
    asked = RunRequest(**{"scenario": "probe", "variant": "default", "tier": "smoke", "seed": 0, **changes})
    return RunResult(request=asked, status="error", started="", wall_seconds=1.0, error=error)


def shown(job: Job, width: int = 200) -> str:
    """Return what is printed."""
    console = Console(file=io.StringIO(), width=width)
    terminal.show(console, job, Path("out", "index.html"))
    return typing.cast("io.StringIO", console.file).getvalue()


def test_failed_runs_are_told_with_their_side() -> None:
    """A base run that failed decides a gate's exit code: it is told as one of base, apart from a run of head that failed alike."""
    base = (failed("it died", side="base"),)
    gate = Gate(settings=GateSettings(against="main"), base_results=base, minutes=1.0, exit_code=2)
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


@pytest.mark.parametrize(
    ("on_terminal", "loud", "lines"), [(True, False, 0), (True, True, 2), (False, False, 2)]
)
def test_a_terminal_shows_progress_and_a_line_a_run_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, *, on_terminal: bool, loud: bool, lines: int
) -> None:
    """Where nobody watches, as in CI, each run has its line; a failed run has one everywhere."""
    monkeypatch.setattr(terminal, "verbose", lambda: loud)
    runs = [dataclasses.replace(failed("", seed=seed), status="ok") for seed in (0, 1)]
    console = Console(file=io.StringIO(), width=120, force_terminal=on_terminal)
    every = [*runs, failed("it died", seed=2)]
    assert list(terminal.follow(console, every, [run.request for run in every])) == every
    printed = typing.cast("io.StringIO", console.file).getvalue()
    assert printed.count("done in") == lines
    assert "ERROR" in printed


@pytest.mark.parametrize("columns", ["0", "", "-3", "abc", "1", "20", "59", "60", "5000"])
def test_any_number_of_columns(stored: Harness, columns: str) -> None:
    """Whatever the terminal says of its width, every name is whole, and the exit code is that of the verdict."""
    done = stored("judge", "out", "--scenarios", "probe.py", COLUMNS=columns)
    assert done.code == 1, done.err
    assert "REGRESSED identity sum of probe:default is violated: 1 against 1e-06" in done.out
    assert done.out.count("probe:default") >= 2
    for words in (
        ("history", "out"),
        ("plan", "probe", "--scenarios", "probe.py"),
        ("ledger", "out", "--scenarios", "probe.py"),
    ):
        shown = stored(*words, COLUMNS=columns)
        assert shown.code == 0, shown.err
        assert "accuracy" in shown.out or "probe:default" in shown.out or "Published values" in shown.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp932"])
def test_any_encoding(stored: Harness, encoding: str) -> None:
    """What an encoding lacks is written in other signs, and changes no exit code."""
    environment = stored.environment | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for words, code, told in (
        ("judge out --scenarios probe.py", 1, "REGRESSED identity sum of probe:default is violated"),
        ("ledger out --scenarios probe.py", 0, "Published values by verdict"),
        ("history out", 0, "accuracy"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "harness", *words.split()], cwd=stored.folder, env=environment,
            capture_output=True, timeout=TIME_LIMIT,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (code, b"")
        shown = done.stdout.decode(encoding)
        assert told in shown
        assert "\\u25" not in shown


JUDGE = "judge out --scenarios probe.py"


@pytest.mark.parametrize(
    ("words", "ending", "code", "error"),
    [
        (JUDGE, "| true; exit ${PIPESTATUS[0]}", 1, ""),
        (JUDGE, "> /dev/full", 1, ""),
        (JUDGE, ">&-", 1, ""),
        # a script would take an incomplete list for the whole
        (
            "list --json",
            "> /dev/full",
            2,
            "harness: error: the output cannot be written: No space left on device\n",
        ),
    ],
)
def test_a_verdict_outlives_its_output(
    stored: Harness, words: str, ending: str, code: int, error: str
) -> None:
    """Where nobody can read what is said, a verdict that was reached is the exit code all the same; anything else is an error."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m harness {words} {ending}"], cwd=stored.folder,
        env=stored.environment, capture_output=True,
        text=True, timeout=TIME_LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not error or done.stderr == error


def test_memory_of_another_kind_of_machine_takes_one_line() -> None:
    """Every variant's metrics with the same reason share it."""
    blank = dataclasses.replace(
        judgement("INCOMPARABLE"), kind="memory", reason="cpu_flags: avx2, not avx512f"
    )
    metrics = [
        dataclasses.replace(blank, metric=metric)
        for metric in ("total.left_bytes", "total.above_imports_bytes")
    ]
    compared = [comparison(*metrics, name=name) for name in ("one", "two")]
    printed = shown(dataclasses.replace(a_job(*compared), gate=None), width=400)
    (line,) = [line for line in printed.splitlines() if line.startswith("INCOMPARABLE")]
    assert line.startswith(
        "INCOMPARABLE 4 metrics of memory of one:default, two:default: cpu_flags: avx2, not avx512f. Next: harness gate --against REF"
    )
