"""Planted regressions: each is caught by the metric that should catch it, and the unchanged program passes beside it.

No process of a framework: each gate is one of its own, from a changed copy of the project. A group's gates follow one another on one of
two workers: no worker waits for the baseline that the other one makes.
"""

from __future__ import annotations

import os
import typing

import pytest

from tests.planted.faults import BASELINE_SEEDS, DROPOUT, FAULTS, FINAL, KMNIST, Fault
from tests.planted.program import ROOT, Program
from tests.planted.table import Row

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _pytest.mark import ParameterSet

    from tests.planted.program import Gated

pytestmark = [pytest.mark.planted, pytest.mark.timeout(1800)]


def skipped(*, long: bool) -> list[pytest.MarkDecorator]:
    """Return the mark of what takes minutes and was not asked for."""
    if not long or os.environ.get("HARNESS_PLANTED_LONG") == "1":
        return []
    return [pytest.mark.skip(reason="NOT RUN: takes minutes; set HARNESS_PLANTED_LONG=1")]


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(name, marks=[pytest.mark.xdist_group(name), *skipped(long=name in {DROPOUT, FINAL})])
        for name in BASELINE_SEEDS
    ],
)
def test_the_unchanged_program_passes(
    program: Program, baselines: Callable[[str], Path], rows: list[Row], tmp_path: Path, scenario: str
) -> None:
    """Exit 0, no alarm, nothing that could not be judged."""
    same = Program(tmp_path / "same", program.cache, program.folder)
    seeds = "5" if scenario == KMNIST else "1"
    gated = same.gate(scenario, "--seeds", seeds, "--baselines", str(baselines(scenario)))
    assert gated.code == 0, gated.told
    # a baseline from a busy machine has no times, and none are judged against a stored one
    judged = {
        metric: verdict for metric, verdict in gated.verdicts().items() if not metric.endswith("seconds")
    }
    assert set(judged.values()) == {"PASS"}, judged
    assert gated.verdicts()["work.repeatable"] == "PASS"
    rows.append(Row("the unchanged program", f"nothing, in `{scenario}`", "", "PASS", gated))


def grouped() -> Iterator[ParameterSet]:
    """Put each fault into its scenario's group; half of the scenario with most of them are a group of their own."""
    for place, fault in enumerate(FAULTS):
        half = " 2" if fault.scenario == KMNIST and place % 2 else ""
        marks = [pytest.mark.xdist_group(f"{fault.scenario}{half}"), *skipped(long=fault.long)]
        where = f"-{fault.scenario.split(':')[0]}" if fault.committed else ""
        yield pytest.param(fault, id=fault.name.replace(" ", "-") + where, marks=marks)


@pytest.mark.parametrize("fault", list(grouped()))
def test_it_is_caught(
    program: Program, baselines: Callable[[str], Path], rows: list[Row], tmp_path: Path, fault: Fault
) -> None:
    """The metric that should catch it does, with its verdict, and the exit code follows."""
    folder = ROOT / "baselines" if fault.committed else baselines(fault.scenario)
    changed = Program(tmp_path / "changed", program.cache, program.folder).plant(*fault.changes)
    gated = changed.gate(fault.scenario, *fault.options, "--baselines", str(folder))
    verdict = failed(gated, fault.error) if fault.metric == "run" else gated.verdicts().get(fault.metric)
    assert verdict == fault.verdict, gated.told
    assert gated.code in {fault.code, 2 if fault.undecided else fault.code}, gated.told
    if fault.function:
        assert first_named(gated) == fault.function, gated.told
    rows.append(Row(fault.name, fault.told, fault.metric, verdict, gated))


def first_named(gated: Gated) -> str:
    """Return the function that the profiled pair names first; empty where it claims nothing."""
    return next((why["places"][0]["function"] for why in gated.job["gate"]["why"] if why["shown"]), "")


def failed(gated: Gated, told: str) -> str:
    """Return ERROR if a run failed as told, and the gate says so; what it said instead if not."""
    errors = [run["error"] for run in gated.runs if run["status"] == "error"]
    assert errors, gated.told
    assert not [error for error in errors if told not in error], errors
    assert all(run["status"] == "ok" or run["error"] for run in gated.runs)
    return "ERROR" if any(comparison["failed"] for comparison in gated.job["comparisons"]) else "nothing"
