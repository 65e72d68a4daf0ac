"""First losses of a training: what a counting run keeps of them, and what a measured run does not even look at."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from harness.measure.run import Run
from harness.measure.trajectory import FIRST, Trajectories
from harness.measure.work import Work
from harness.records import RunRequest, Trajectory
from tests.measure.test_run import Accelerator, load


def counting() -> Run:
    """Begin a run that counts its work."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0, purpose="count")
    return Run(request, {}, load, Accelerator(), Work())


def test_losses_one_by_one_and_all_at_once_are_the_same() -> None:
    """Eight are kept, of each training by its name."""
    run, losses = counting(), [1.0 / step for step in range(1, 30)]
    for loss in losses:
        run.trajectory(loss)
        run.trajectory(np.float32(loss), "second")
    run.trajectory(np.array(losses[:5]), "third", dtype="float64")
    run.trajectory(losses[5:], "third", dtype="float64")
    kept = run.trajectories.kept
    assert kept["train"] == Trajectory(values=tuple(losses[:FIRST]), dtype="float32")
    assert kept["second"].values == tuple(float(np.float32(loss)) for loss in losses[:FIRST])
    assert kept["third"] == Trajectory(values=tuple(losses[:FIRST]), dtype="float64")


def test_a_measured_run_does_not_look_at_a_loss() -> None:
    """Reading a tensor would wait for the device: a run that is timed never does."""
    run = Run(RunRequest(scenario="p", variant="d", tier="smoke", seed=0), {}, load, Accelerator())
    run.trajectory(typing.cast("float", object()))
    assert not run.trajectories.kept


def test_a_training_that_diverges_ends_its_trajectory() -> None:
    """What is not finite is no number of a file: the losses before stay, and the run says which one was the first."""
    run = counting()
    run.trajectory([2.0, 1.0])
    run.trajectory([float("nan"), 3.0])
    run.trajectory(0.5)
    assert run.trajectories.kept["train"].values == (2.0, 1.0)
    assert run.problems == ["loss 3 of training 'train' is not finite"]


@pytest.mark.parametrize(
    ("loss", "dtype", "told"),
    [
        (1.0, "float8", "dtype 'float8'"),
        (1.0, "float64", "began in float32"),
        ([[1.0, 2.0]], "float32", r"shape \(1, 2\)"),
    ],
)
def test_what_is_no_trajectory_is_refused(loss: typing.Any, dtype: str, told: str) -> None:
    """Unknown precisions, a change of it, and tables of losses are errors that name the trajectory."""
    found = Trajectories()
    found.add("train", 1.0, "float32")
    with pytest.raises(ValueError, match=f"'?train'?.*{told}"):
        found.add("train", loss, dtype)


@pytest.mark.torch
def test_a_tensor_that_wants_a_gradient_is_read() -> None:
    """A loss is given as the training has it, in bfloat16 too."""
    import torch

    run = counting()
    run.trajectory((torch.ones(3, requires_grad=True) * 0.5).sum())
    run.trajectory(torch.tensor([0.25, 0.125], dtype=torch.bfloat16))
    assert run.trajectories.kept["train"].values == (1.5, 0.25, 0.125)
