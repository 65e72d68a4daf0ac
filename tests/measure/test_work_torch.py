"""Work that torch does: steps of any optimiser, samples of the outermost module, FLOPs by formula."""

from __future__ import annotations

import dataclasses
import threading
import typing

import pytest

from harness.judging import probes
from harness.measure.work_torch import TorchWork
from harness.records import RunRequest
from harness.running import executors
from harness.sources import catalogue
from tests.conftest import HEAD

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.records import RunResult

pytestmark = pytest.mark.torch


def count(action: Callable[[], object], *, paused: bool = False) -> dict[str, int]:
    """Count what an action does."""
    work = TorchWork(lambda: paused)
    try:
        action()
    finally:
        work.close()
    return work.read()


def train(passes: int, batch: int = 7, optimiser: str = "Adam") -> None:
    """Train a small network on some batches, and look at it after each without gradients."""
    import torch

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(2 * 36, 3))
    steps = getattr(torch.optim, optimiser)(network.parameters(), lr=0.01)
    images, labels = torch.ones(batch, 1, 8, 8), torch.zeros(batch, dtype=torch.long)
    loss = torch.nn.CrossEntropyLoss()
    for _ in range(passes):
        steps.zero_grad()
        loss(network(images), labels).backward()
        steps.step()
        with torch.inference_mode():
            network(images)


def test_one_more_pass_shows_in_every_count() -> None:
    """Steps, samples and FLOPs of five passes are five quarters of four's; the same work twice counts the same, with any optimiser.

    Inference without gradients and a loss module are no samples; inner modules count once, with their outermost.
    """
    four, again, five = (
        count(lambda: train(4)), count(lambda: train(4, optimiser="AdamW")), count(lambda: train(5, optimiser="SGD"))
    )  # fmt: skip
    assert four == again
    assert (four["optimiser_steps"], four["samples"]) == (4, 28)
    assert {name: value * 5 for name, value in four.items()} == {
        name: value * 4 for name, value in five.items()
    }
    assert min(four.values()) > 0


def test_flops_are_those_of_the_formulas() -> None:
    """A product of (a, b) and (b, c) takes 2abc, a convolution 2 a place, kernel weight and channel; exp takes none."""
    import torch

    def action() -> None:
        torch.ones(3, 4) @ torch.ones(4, 5)
        torch.nn.functional.conv2d(torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3))
        torch.linalg.svd(torch.ones(3, 4).exp())

    assert count(action)["flops"] == 2 * 3 * 4 * 5 + 2 * 2 * 4 * 6 * 6 * 3 * 3 * 3


@pytest.mark.parametrize("optimiser", ["SGD", "Adam"])
def test_flops_are_those_of_torchs_own_counter(optimiser: str) -> None:
    """Training, inference without gradients, and products that torch makes of others."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    def action() -> None:
        train(3, optimiser=optimiser)
        with torch.inference_mode():
            torch.einsum("ij,jk->ik", torch.ones(3, 4), torch.ones(4, 5)) @ torch.ones(5, 2)
            torch.nn.functional.scaled_dot_product_attention(*(torch.ones(1, 2, 3, 4) for _ in range(3)))

    with FlopCounterMode(display=False) as own:
        action()
    assert count(action)["flops"] == own.get_total_flops() > 0


def test_whose_rows_are_samples() -> None:
    """Those of a network that trains, after one that failed too; not of one in evaluation, frozen, or without parameters.

    A module that is called with keywords only is named among the uncounted.
    """
    import torch

    work, rows = TorchWork(lambda: False), torch.ones(5, 3)
    torch.nn.Linear(3, 2).eval()(rows)
    torch.nn.Linear(3, 2).requires_grad_(requires_grad=False)(rows)
    torch.nn.ReLU()(rows)
    torch.nn.Linear(3, 2)(input=rows)
    assert work.read()["samples"] == 0
    network = torch.nn.Sequential(torch.nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        network(torch.ones(5, 4))
    network(rows)
    work.close()
    assert work.read()["samples"] == 10
    assert any("1 calls of modules in training had no tensor" in line for line in work.uncounted())


def test_threads_have_an_outermost_module_each() -> None:
    """Two threads that train at once see all their samples."""

    def action() -> None:
        threads = [threading.Thread(target=train, args=(3,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = count(action)
    assert (found["optimiser_steps"], found["samples"]) == (6, 42)


def test_nothing_counts_while_keras_does() -> None:
    """Steps and samples that Keras counts for itself are left to it; FLOPs are torch's."""
    found = count(lambda: train(2), paused=True)
    assert (found["optimiser_steps"], found["samples"]) == (0, 0)
    assert found["flops"] > 0


def test_closing_takes_every_hook_out() -> None:
    """After the end torch's global hooks are those there were before."""
    from torch.nn.modules import module
    from torch.optim import optimizer

    def hooks() -> list[int]:
        return [
            len(module._global_forward_pre_hooks), len(module._global_forward_hooks),
            len(optimizer._global_optimizer_post_hooks),
        ]  # fmt: skip

    before = hooks()
    work = TorchWork(lambda: False)
    assert hooks() != before
    work.close()
    assert hooks() == before
    train(1)
    assert work.read()["optimiser_steps"] == 0


SCENARIO = """
def measure(run):
    import torch

    with run.stage("train"):
        torch.manual_seed(run.seed)
        network = torch.nn.Linear(4, 10)
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            network(torch.rand(6, 4)).sum().backward()
            optimiser.step()
    with run.stage("test"), torch.no_grad():
        run.predictions([1] * 6, network(torch.rand(6, 4)).argmax(1).numpy())

SCENARIO = declare(measure, needs=NEEDS, backends=("torch",) if NEEDS else ("numpy",))
"""


def counted(folder: Path, body: str, backend: str) -> RunResult:
    """Count a scenario file's work in one worker."""
    path = folder / "probe.py"
    path.write_text(HEAD + body)
    declared = catalogue.load_all([str(path)])
    asked = RunRequest(
        scenario="probe", variant="default", tier="smoke", seed=0, backend=backend, purpose="count",
        scenario_paths=(str(path),), threads=1,
    )  # fmt: skip
    (found,) = executors.run_all(executors.Local(), [asked], declared, folder)
    assert found.status == "ok", found.error
    return found


def test_stages_of_a_torch_scenario(tmp_path: Path) -> None:
    """Training and test are told apart: no step, no sample, but FLOPs in the second."""
    run = counted(tmp_path, SCENARIO.replace("NEEDS", '("torch",)'), "torch")
    found = {name: count.value for name, count in probes.counts(run).items()}
    assert found["work.train.optimiser_steps"] == 3
    assert found["work.train.samples"] == 18
    assert found["work.train.flops"] == 3 * 2 * (2 * 6 * 4 * 10)  # forward and backward for the weights
    assert found["work.test.optimiser_steps"] == found["work.test.samples"] == 0
    assert found["work.test.flops"] == 2 * 6 * 4 * 10
    assert found["work.total.flops"] == 3360
    assert run.metrics["work.total.flops"].unit == "FLOP"


@pytest.mark.slow
def test_a_framework_that_a_stage_imports_counts_from_the_next_stage_on(tmp_path: Path) -> None:
    """Where nobody declared torch, its first stage has no count of it at all, and a sentence says so."""
    body = '    import torch\n\n    with run.stage("train"):\n'
    moved = SCENARIO.replace(body, '    with run.stage("train"):\n        import torch\n\n').replace(
        "NEEDS", "()"
    )
    run = counted(tmp_path, moved, "numpy")
    found = {name: count.value for name, count in probes.counts(run).items()}
    assert not {name for name in found if name.startswith("work.train.")}
    assert found["work.test.flops"] == 2 * 6 * 4 * 10
    assert run.measurement is not None
    assert "torch: not counted in stage 'train', which imported it" in run.measurement.uncounted


@pytest.mark.slow
def test_the_built_in_torch_scenario_counts_its_steps(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A counting run of an epoch of TinyConvNet's smoke tier counts its steps and samples; the planted suite holds two against each other."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    declared = catalogue.load_all()
    asked = RunRequest(scenario="tinyconvnet_svd", variant="one-epoch", tier="paper", seed=0, backend="torch")
    wanted = [dataclasses.replace(one, threads=1) for one in probes.requests([asked], declared)]
    assert [one.tier for one in wanted] == ["smoke", "smoke"]
    (found,) = executors.run_all(executors.Local(), wanted[:1], declared, tmp_path)
    counts = probes.counts(found)
    images, batch = 6000, 32
    assert counts["work.train.optimiser_steps"].value == -(-images // batch)
    assert counts["work.train.samples"].value == images
    assert counts["work.analyse.optimiser_steps"].value == 0
