"""Phase 1: training on device tensors ends where torchvision and a DataLoader end; bad input is named."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from harness.sources.tinyconvnet_svd.pipeline import load_weights, save_weights, train
from harness.sources.tinyconvnet_svd.pipeline.plain import train_plain

if TYPE_CHECKING:
    from pathlib import Path

    from harness.sources.tinyconvnet_svd.pipeline import Weights

pytestmark = pytest.mark.torch

FIELDS = ("conv1", "conv2", "fc_weight", "fc_bias")


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
    return max(float(abs(getattr(one, field) - getattr(other, field)).max()) for field in FIELDS)


def test_training_ends_at_the_bits_of_torchvision_and_a_data_loader() -> None:
    """Same seed, contiguous layout: weights, losses and predictions are equal, with a partial last batch."""
    fast = train(*TRAIN, *TEST, epochs=2, seed=5, device="cpu", channels_last=False)
    plain = train_plain(*TRAIN, *TEST, epochs=2, seed=5)
    assert widest(fast.weights, plain.weights) == 0
    assert np.array_equal(fast.train_loss, plain.train_loss)
    assert np.array_equal(fast.first_losses, plain.first_losses)
    assert np.average(fast.first_losses, weights=[64, 64, 64, 64, 44]) == pytest.approx(fast.train_loss[0])
    assert np.array_equal(fast.test_predictions, plain.test_predictions)


def test_the_channels_last_layout_differs_by_rounding_only() -> None:
    """Ten steps in the faster layout stay within 1e-5 of the plain way's weights."""
    fast = train(*TRAIN, *TEST, epochs=2, seed=5, device="cpu")
    assert widest(fast.weights, train_plain(*TRAIN, *TEST, epochs=2, seed=5).weights) < 1e-5


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
        *TRAIN, *TEST, epochs=8, seed=0, device="cpu", batch_size=16, on_epoch=lambda *told: seen.append(told)
    )
    assert (result.test_predictions[-1] == TEST[1]).mean() > 0.95
    assert result.train_loss[-1] < result.train_loss[0] / 2
    assert result.test_loss[-1] < result.test_loss[0]
    assert seen == list(enumerate(result.train_loss.tolist(), 1))
    assert result.test_predictions.shape == (8, 100)
    assert np.array_equal(result.test_logits.argmax(1), result.test_predictions[-1])


def test_fewer_classes_make_a_smaller_last_layer() -> None:
    """Two classes give two logits."""
    chosen = TRAIN[1] < 2
    pair = TRAIN[0][chosen], TRAIN[1][chosen]
    result = train(*pair, *pair, epochs=1, seed=0, device="cpu", classes=2)
    assert result.test_logits.shape == (chosen.sum(), 2)
    assert result.weights.fc_weight.shape == (2, 400)


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"train_images": TRAIN[0] / 255},
        ValueError,
        r"training images must be uint8 .* float64 \(300, 28, 28\)",
    ),
    ({"test_images": TEST[0][:, 1:]}, ValueError, r"test images must be uint8 .* \(100, 27, 28\)"),
    ({"test_labels": TEST[1][:-1]}, ValueError, r"test set has 100 images and labels of shape \(99,\)"),
    ({"train_labels": TRAIN[1] + 1}, ValueError, "training labels run from 1 to 10; with 10 classes"),
    ({"train_labels": TRAIN[1] / 1.0}, TypeError, "training labels must be integers, not float64"),
    ({"epochs": 0}, ValueError, "'epochs' must be at least 1, not 0"),
    ({"batch_size": -1}, ValueError, "'batch_size' must be at least 1, not -1"),
    ({"device": "gpu"}, ValueError, "'gpu' is no torch device; give 'cpu' or 'cuda'"),
    ({"learning_rate": 1e30}, ValueError, "is not finite; train again with a smaller learning rate"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_what_cannot_be_trained_is_named(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Images, labels, counts, device or learning rate that cannot work: one sentence naming it."""
    names = ("train_images", "train_labels", "test_images", "test_labels")
    arguments = dict(zip(names, (*TRAIN, *TEST), strict=True)) | {"epochs": 1, "seed": 0, "device": "cpu"}
    with pytest.raises(error, match=message):
        train(**(arguments | change))


def test_a_missing_cuda_device_is_named() -> None:
    """Asking for CUDA where there is none names the device and the alternative."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ValueError, match="'cuda' was asked for, but torch finds no CUDA device"):
        train(*TRAIN, *TEST, epochs=1, seed=0, device="cuda")


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Return weights after one epoch."""
    return train(*TRAIN, *TEST, epochs=1, seed=0, device="cpu").weights


def test_weights_survive_a_file(weights: Weights, tmp_path: Path) -> None:
    """What is saved loads to the same bits."""
    save_weights(tmp_path / "w.npz", weights)
    assert widest(load_weights(tmp_path / "w.npz"), weights) == 0


def test_a_foreign_or_damaged_weight_file_is_named(weights: Weights, tmp_path: Path) -> None:
    """No archive, a cut one, pickled objects, a missing array, a wrong shape and a NaN are refused."""
    path = tmp_path / "w.npz"
    arrays = {field: getattr(weights, field) for field in FIELDS}
    path.write_text("rubbish")
    with pytest.raises(ValueError, match=r"w\.npz' holds no TinyConvNet weights"):
        load_weights(path)
    save_weights(path, weights)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="holds no TinyConvNet weights"):
        load_weights(path)
    np.savez(path, **(arrays | {"conv1": np.array([{}], dtype=object)}))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load_weights(path)
    np.savez(path, conv1=weights.conv1)
    with pytest.raises(ValueError, match="conv2"):
        load_weights(path)
    save_weights(path, dataclasses.replace(weights, conv2=weights.conv2[:, :4]))
    with pytest.raises(ValueError, match=r"'conv2' in .* is float32 \(16, 4, 3, 3\)"):
        load_weights(path)
    save_weights(path, dataclasses.replace(weights, fc_bias=weights.fc_bias * np.float32(np.nan)))
    with pytest.raises(ValueError, match=r"'fc_bias' in .* is not finite"):
        load_weights(path)


def test_importing_the_pipeline_loads_no_framework() -> None:
    """torch, torchvision and matplotlib come with the first call, not with the import."""
    names = "{'torch', 'torchvision', 'matplotlib'}"
    code = f"import sys, harness.sources.tinyconvnet_svd.pipeline; print(*{names} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
