"""Lines over jobs, their change points in both directions, and what the command shows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import subprocess
import sys
import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import files, history, history_table
from harness.records import Job, Measured, Measurement, RunRequest, RunResult

if typing.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Harness

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def job(day: int, *, version: int = 1, foreign_cpu: float = 0.0, **values: float) -> Job:
    """Make a job of one run on a day, with the metrics given."""
    kinds = {"seconds": ("runtime", "lower", "s"), "accuracy": ("accuracy", "higher", "")}
    metrics = {}
    for name, value in values.items():
        kind, better, unit = kinds[name]
        metrics[name] = Measured(value=value, unit=unit, kind=kind, better=better)  # type: ignore[arg-type]
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    measurement = Measurement(
        request=request, scenario_version=version, options={}, metrics=metrics, stages=(), identities=(), predictions=(),
        figures=(), datasets=(), environment={}, foreign_cpu=foreign_cpu,
    )  # fmt: skip
    result = RunResult(
        request=request, status="ok", started="", wall_seconds=1.0, metrics=metrics, measurement=measurement
    )
    return Job(
        schema=1, created=(START + dt.timedelta(days=day)).isoformat(), command="", version="", commit=f"{day:040d}",
        environment={}, results=(result,), comparisons=(),
    )  # fmt: skip


def noisy(levels: Sequence[float], count: int, spread: float) -> np.typing.NDArray[np.float64]:
    """Give each level `count` values with normal noise."""
    generator = np.random.default_rng(7)
    return np.repeat(levels, count) + generator.normal(scale=spread, size=count * len(levels))


def test_both_directions_are_found_with_their_commits() -> None:
    """A loss and its repair are one worse and one better change, each named by the first commit of the new level."""
    values = noisy([0.95, 0.90, 0.95], 15, 0.004)
    (line,) = history.lines([job(day, accuracy=float(value)) for day, value in enumerate(values)])
    assert [(change.index, change.direction) for change in line.changes] == [(15, "worse"), (30, "better")]
    told = history_table.sentence(line, line.changes[0])
    assert f"from {15:040d}"[:13] in told
    assert "(2026-01-16), after" in told


def test_slower_is_worse() -> None:
    """The direction is the metric's own: more seconds are worse."""
    values = noisy([1.0, 2.0], 12, 0.05)
    (line,) = history.lines([job(day, seconds=float(value)) for day, value in enumerate(values)])
    assert [(change.index, change.direction) for change in line.changes] == [(12, "worse")]


def test_order_is_by_time_and_versions_are_apart() -> None:
    """Jobs come in any order; another version of the scenario is another line."""
    jobs = [job(2, accuracy=0.3), job(0, accuracy=0.1), job(1, accuracy=0.2), job(3, version=2, accuracy=0.9)]
    first, second = history.lines(jobs)
    assert [point.value for point in first.points] == [0.1, 0.2, 0.3]
    assert (second.version, len(second.points)) == (2, 1)


def test_disturbed_times_are_left_out() -> None:
    """A time measured beside other work is no point; the accuracy of the same run is."""
    found = history.lines([job(0, foreign_cpu=0.5, accuracy=0.9, seconds=1.0)])
    assert [line.metric for line in found] == ["accuracy"]


@pytest.mark.slow
def test_false_changes_are_rare() -> None:
    """Without a change at most one sequence in twelve shows one; the page says at most one in twenty, measured on more."""
    generator = np.random.default_rng(11)
    for count in (6, 12, 30):
        found = [bool(history.change_points(generator.normal(size=count))) for _ in range(300)]
        assert np.mean(found) < 1 / 12, count


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.floats(0.001, 1000))
def test_the_unit_changes_nothing(values: list[float], factor: float) -> None:
    """Change points are positions inside the sequence, in order, at least two apart, and the same in another unit."""
    sequence = np.asarray(values, np.float64)
    found = history.change_points(sequence)
    edges = [0, *found, len(values)]
    assert all(b - a >= 2 for a, b in itertools.pairwise(edges)) or not found
    if len(values) >= 6 and np.ptp(np.round(sequence)) > 0:
        rounded = np.round(sequence)  # exact in another unit that is a power of two
        assert history.change_points(rounded) == history.change_points(
            rounded * 2.0 ** round(np.log2(factor))
        )


def test_a_constant_that_steps_once() -> None:
    """Where nothing varies, the smallest lasting step is found exactly; rounding is none."""
    assert history.change_points(np.asarray([0.9] * 10 + [0.901] * 10)) == [10]
    assert history.change_points(np.asarray([0.9] * 10 + [0.9 + 1e-12] * 10)) == []
    assert history.change_points(np.asarray([0.9] * 3 + [0.1] * 2)) == []  # five points tell nothing
    assert (
        history.change_points(np.asarray([0.0] * 5 + [5e-324] * 5)) == []
    )  # no division by a noise of nothing


def test_sparklines() -> None:
    """The lowest is the lowest block, the highest the highest, a constant flat; only the newest are drawn."""
    assert history.sparkline([1, 2, 3, 4, 5, 6, 7, 8]) == history.SPARKS
    assert history.sparkline([5.0, 5.0]) == "▁▁"
    assert history.sparkline([]) == ""
    assert len(history.sparkline(range(100))) == history.SPARKLINE_WIDTH


def test_the_command_shows_stored_runs(harness: Harness) -> None:
    """By default every run below reports/ is read; a pattern chooses metrics; --html writes the page; without runs the next step is named."""
    none = harness("history")
    assert none.code == 2
    assert "Type: harness run" in none.err
    scenario = harness.scenario("SCENARIO = declare(guess)")
    for name in ("a", "b"):
        out = f"reports/{name}"
        assert harness("run", "probe", "--scenarios", scenario, "--out", out).code == 0
    shown = harness("history")
    assert shown.code == 0, shown.err
    assert "probe:default smoke numpy cpu (version 1)" in shown.out
    assert "▁▁" in shown.out
    assert "f1_macro" not in shown.out
    assert "f1_macro" in harness("history", "--metric", "f1_*").out
    assert harness("history", "reports/a", "reports/a", "--metric", "accuracy").out.count(" 1 │") == 1
    written = harness("history", "--html", "history.html")
    assert written.code == 0, written.err
    assert "Page: history.html" in written.out
    page = (harness.folder / "history.html").read_text()
    assert "accuracy" in page
    assert "metrics without a change are not shown" in page
    missing = harness("history", "reports/none")
    assert missing.code == 2
    assert "reports/none" in missing.err


def test_changes_are_listed_whatever_is_shown() -> None:
    """A metric that is not among the shown ones appears once it changes."""
    quiet = history.lines([job(day, seconds=1.0) for day in range(8)])
    assert history_table.select(quiet, ()) == []
    (line,) = quiet
    changed = dataclasses.replace(line, changes=(history.Change(4, 1.0, 2.0, "worse"),))
    assert history_table.select([changed], ()) == [changed]


@pytest.mark.parametrize("module", ["harness.history", "harness.history_table"])
def test_ruptures_is_imported_late(module: str) -> None:
    """Reading the history's code brings neither ruptures nor SciPy."""
    code = f"import sys, {module}; sys.exit(bool({{'ruptures', 'scipy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_the_page_brings_the_report(tmp_path: Path) -> None:
    """The command that writes no page imports no template, and none of the report."""
    (tmp_path / "one").mkdir()
    files.write_json(tmp_path / "one" / "run.json", job(0, accuracy=0.9))
    code = (
        "import sys; from harness import cli; "
        f"code = cli.main(['history', {str(tmp_path / 'one')!r}]); "
        "sys.exit(code or bool({'jinja2', 'harness.report', 'ruptures', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
