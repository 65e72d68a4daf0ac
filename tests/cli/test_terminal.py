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
from harness.records import Comparison, Gate, GateSettings, Job, Judgement, RunRequest, RunResult
from tests.conftest import TIME_LIMIT

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
    assert list(
        terminal.follow(
            console, [*runs, failed("it died", seed=2)], [run.request for run in (*runs, runs[0])]
        )
    ) == [*runs, failed("it died", seed=2)]
    printed = typing.cast("io.StringIO", console.file).getvalue()
    assert printed.count("done in") == lines
    assert "ERROR" in printed


def test_progress_names_round_and_side() -> None:
    """A gate's fresh runs of its base are told apart from the screen's runs of the code in question."""
    first = failed("").request
    assert terminal._doing(first) == "probe:default seed 0"
    fresh = dataclasses.replace(first, round="confirm", side="base", seed=3)
    assert terminal._doing(fresh) == "confirm, base: probe:default seed 3"


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
        (
            ("judge", "out", "--scenarios", "probe.py"),
            1,
            "REGRESSED identity sum of probe:default is violated",
        ),
        (("ledger", "out", "--scenarios", "probe.py"), 0, "Published values by verdict"),
        (("history", "out"), 0, "accuracy"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "harness", *words], cwd=stored.folder, env=environment, capture_output=True, timeout=TIME_LIMIT, check=False
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (code, b"")
        shown = done.stdout.decode(encoding)
        assert told in shown
        assert "\\u25" not in shown


@pytest.mark.parametrize("stream", ["closed pipe", "/dev/full", "closed"])
def test_a_verdict_outlives_its_output(stored: Harness, stream: str) -> None:
    """Where nobody can read what is said, a verdict that was reached is the exit code all the same."""
    command = [sys.executable, "-m", "harness", "judge", "out", "--scenarios", "probe.py"]
    ending = {"closed pipe": "| true; exit ${PIPESTATUS[0]}", "/dev/full": "> /dev/full", "closed": ">&-"}[
        stream
    ]
    line = " ".join([*command, ending])
    done = subprocess.run(
        ["bash", "-c", line], cwd=stored.folder, env=stored.environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_an_incomplete_list_is_an_error(harness: Harness) -> None:
    """A list that could not be written is exit code 2 with the reason: a script would take it for the whole."""
    line = f"{sys.executable} -m harness list --json > /dev/full"
    done = subprocess.run(
        ["bash", "-c", line], cwd=harness.folder, env=harness.environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        "harness: error: the output cannot be written: No space left on device\n",
    )


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
