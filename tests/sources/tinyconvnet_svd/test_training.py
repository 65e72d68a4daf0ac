"""Phase 1: training on device tensors ends where torchvision and a DataLoader end; bad input is named."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.sources.tinyconvnet_svd.pipeline import train
from harness.sources.tinyconvnet_svd.pipeline.plain import train_plain

if TYPE_CHECKING:
    from harness.sources.tinyconvnet_svd.pipeline import Weights

pytestmark = pytest.mark.torch


def blobs(count: int, seed: int) -> tuple[Any, Any]:
    """Return images whose class is the row band of a bright square on noise, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    images = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 2 : 2 * label + 8, 8:20] = 250
    return images, labels


TRAIN, TEST = blobs(300, 0), blobs(100, 1)


def widest(one: Weights, other: Weights) -> float:
    """Return the largest difference of a weight."""
    fields = ("conv1", "conv2", "fc_weight", "fc_bias")
    return max(float(abs(getattr(one, field) - getattr(other, field)).max()) for field in fields)


def test_training_ends_at_the_bits_of_torchvision_and_a_data_loader() -> None:
    """Same seed: equal in the contiguous layout, with a partial last batch, and to rounding in the faster one."""
    fast = train(*TRAIN, *TEST, epochs=2, seed=5, device="cpu", channels_last=False)
    plain = train_plain(*TRAIN, *TEST, epochs=2, seed=5)
    assert widest(fast.weights, plain.weights) == 0
    for name in ("train_loss", "first_losses", "test_predictions"):
        assert np.array_equal(getattr(fast, name), getattr(plain, name)), name
    assert np.average(fast.first_losses, weights=[64, 64, 64, 64, 44]) == pytest.approx(fast.train_loss[0])
    assert widest(train(*TRAIN, *TEST, epochs=2, seed=5, device="cpu").weights, plain.weights) < 1e-5


def test_the_seed_alone_decides() -> None:
    """The same seed gives the same bits whatever torch's global generator did; another seed does not."""
    import torch

    before = torch.get_rng_state()
    one = train(*TRAIN, *TEST, epochs=1, seed=1, device="cpu")
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    assert widest(one.weights, train(*TRAIN, *TEST, epochs=1, seed=1, device="cpu").weights) == 0
    assert widest(one.weights, train(*TRAIN, *TEST, epochs=1, seed=2, device="cpu").weights) > 1e-3


def test_the_first_step_is_timed_apart() -> None:
    """It is a part of the whole, and so is a later one; an epoch of one step has no later one."""
    begin = time.perf_counter()
    several = train(*TRAIN, *TEST, epochs=2, seed=5, device="cpu")
    taken = time.perf_counter() - begin
    assert several.step_seconds is not None
    assert 0 < several.first_step_seconds < taken
    assert 0 < several.step_seconds < taken
    assert train(*TRAIN, *TEST, epochs=1, seed=5, device="cpu", batch_size=300).step_seconds is None


def test_it_learns_and_reports_every_epoch() -> None:
    """The bands are learnt; losses fall; there is a row of predictions an epoch, the last from the logits."""
    seen: list[tuple[int, float]] = []
    result = train(
        *TRAIN,
        *TEST,
        epochs=8,
        seed=0,
        device="cpu",
        batch_size=16,
        on_epoch=lambda *event: seen.append(event),
    )
    assert (result.test_predictions[-1] == TEST[1]).mean() > 0.95
    assert result.train_loss[-1] < result.train_loss[0] / 2
    assert result.test_loss[-1] < result.test_loss[0]
    assert seen == list(enumerate(result.train_loss.tolist(), 1))
    assert result.test_predictions.shape == (8, 100)
    assert np.array_equal(result.test_logits.argmax(1), result.test_predictions[-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": TRAIN[0] / 255}, r"training images must be uint8 .* float64 \(300, 28, 28\)"),
        ({"test_images": TEST[0][:, 1:]}, r"test images must be uint8 .* \(100, 27, 28\)"),
        ({"test_labels": TEST[1][:-1]}, "test labels must be integers from 0 to 9, one for each of the 100"),
        ({"train_labels": TRAIN[1] + 1}, "training labels must be integers from 0 to 9"),
        ({"train_labels": TRAIN[1] / 1.0}, "training labels must be integers"),
        ({"epochs": 0}, "must be at least 1, not 0 and 64"),
        ({"device": "gpu"}, "'gpu' is no torch device; give 'cpu' or 'cuda'"),
        ({"learning_rate": 1e30}, "are not finite; train again with a smaller learning rate"),
    ],
)
def test_what_cannot_be_trained_is_named(change: dict[str, Any], message: str) -> None:
    """Images, labels, counts, device or learning rate that cannot work: one sentence naming it."""
    names = ("train_images", "train_labels", "test_images", "test_labels")
    arguments = dict(zip(names, (*TRAIN, *TEST), strict=True)) | {"epochs": 1, "seed": 0, "device": "cpu"}
    with pytest.raises(ValueError, match=message):
        train(**(arguments | change))


def test_a_missing_cuda_device_is_named() -> None:
    """Asking for CUDA where there is none names the device and the alternative."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ValueError, match="'cuda' was asked for, but torch finds no CUDA device"):
        train(*TRAIN, *TEST, epochs=1, seed=0, device="cuda")


def test_importing_the_pipeline_loads_no_framework() -> None:
    """Torch and torchvision come with the first call, not with the import."""
    code = "import sys, harness.sources.tinyconvnet_svd.pipeline; print(*{'torch', 'torchvision'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
