"""What a training's first step took is recorded apart from the later ones; no framework is needed for that."""

from __future__ import annotations

import typing

import numpy as np

from harness.measure.accelerators import NoAccelerator
from harness.measure.run import Run
from harness.measure.work import Work
from harness.records import RunRequest, Trajectory
from harness.sources.keras import stages
from harness.sources.keras.metrics import KERAS_METRICS
from harness.sources.keras.steps import Steps

if typing.TYPE_CHECKING:
    from collections.abc import Sequence


def steps(seconds: Sequence[float]) -> Steps:
    """Make a history of steps that took so long."""
    values = np.zeros((len(seconds), 1))
    return Steps(("loss",), values, np.ones(len(seconds), np.int64), np.asarray(seconds), sum(seconds))


def recorded(*histories: Steps) -> dict[str, float]:
    """Record the first step of some epochs."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    run = Run(request, {}, lambda name: name, NoAccelerator(), declared=KERAS_METRICS)
    stages.step_times(run, histories, "head")
    assert all(measured.kind == "runtime" for measured in run.metrics.values())
    assert run.metrics.pop("head.share_outside").value == 0
    return {name: typing.cast("float", measured.value) for name, measured in run.metrics.items()}


def test_the_first_step_of_all_epochs_stands_apart() -> None:
    """First of the first epoch; the median of all others, whichever epoch they belong to."""
    found = recorded(steps([2.0, 0.1, 0.3]), steps([0.2, 0.2]))
    assert found == {"head.first_step_seconds": 2.0, "head.step_seconds": 0.2}


def test_a_single_step_has_no_later_one() -> None:
    """One step in all: only the first is recorded."""
    assert recorded(steps([2.0])) == {"head.first_step_seconds": 2.0}


def test_the_first_losses_are_followed_over_epochs() -> None:
    """Loss by loss, of a run that counts; another training has another name."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0, purpose="count")
    run = Run(request, {}, lambda name: name, NoAccelerator(), Work())
    first, second = (
        Steps(
            ("accuracy", "loss"),
            np.array([[0.5, loss], [0.5, loss / 2]]),
            np.ones(2, np.int64),
            np.ones(2),
            2.0,
        )
        for loss in (2.0, 0.5)
    )
    stages.first_losses(run, [first, second], "head")
    assert run.trajectories.kept == {"head": Trajectory(values=(2.0, 1.0, 0.5, 0.25), dtype="float32")}
