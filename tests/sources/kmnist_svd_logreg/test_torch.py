"""The same code on torch tensors: equal to NumPy to rounding, on the tensors' device and dtype."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from harness.sources.kmnist_svd_logreg import pipeline

pytestmark = pytest.mark.torch

CELLS = [
    pipeline.Setting(rate, 32, n, k)
    for k in (3, None)
    for n in ("z-score", "min-max")
    for rate in (0.1, 0.01)
]


def pairs(**where: str) -> tuple[pipeline.Pair, pipeline.Pair]:
    """Give training and test pairs of scikit-learn's digits, on a backend."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = pipeline.to_backend(data.images.astype(np.uint8), **where)
    labels = pipeline.to_backend(data.target, **where)
    pair = pipeline.select_pair(images, labels, 3, 8)
    return pipeline.Pair(pair.images[:250], pair.targets[:250]), pipeline.Pair(
        pair.images[250:], pair.targets[250:]
    )


def devices() -> list[str]:
    """List the CPU, and CUDA where there is one."""
    import torch

    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.mark.parametrize("stopping", ["rise", "fixed"])
def test_the_whole_flow_equals_numpy(stopping: str) -> None:
    """Compression, design, training and prediction in float64 agree to 1e-8, epochs and labels exactly."""
    grid = functools.partial(
        pipeline.grid, seed=1, cells=CELLS, folds=5, epochs=8, stopping=stopping, dtype="float64"
    )
    reference = list(grid(*pairs(backend="numpy")))
    for device in devices():
        for ours, theirs in zip(grid(*pairs(backend="torch", device=device)), reference, strict=True):
            assert ours.epochs_run.tolist() == theirs.epochs_run.tolist()
            np.testing.assert_array_equal(ours.prediction.labels, theirs.prediction.labels)
            np.testing.assert_allclose(ours.prediction.losses, theirs.prediction.losses, atol=1e-8)
            np.testing.assert_allclose(ours.curves.training, theirs.curves.training, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_stay_where_they_are(dtype: str) -> None:
    """Factors, design and weights are tensors of the dtype asked for, on the device of the images."""
    import torch

    for device in devices():
        training, _ = pairs(backend="torch", device=device)
        factors = pipeline.compress(training.images, 3, dtype=dtype)
        design = pipeline.design_matrix(factors.reconstruct(), normalisation="min-max", dtype=dtype)
        schedule = pipeline.Schedule(pipeline.split_folds(250, 5, seed=0), 32, seed=0)
        weights = pipeline.train(design, training.targets, schedule, [0.1], epochs=2).weights
        for tensor in (factors.u, factors.s, factors.vt, design, weights):
            assert isinstance(tensor, torch.Tensor)
            assert tensor.dtype == getattr(torch, dtype)
            assert tensor.device.type == device


def test_bytes_and_int8_codes_equal_numpy() -> None:
    """Stored bytes are counted alike, and the int8 reconstruction agrees to a code step."""
    ours, theirs = (
        pipeline.quantise(pipeline.compress(pairs(backend=backend)[0].images, 3))
        for backend in ("torch", "numpy")
    )
    assert ours.nbytes == theirs.nbytes == 250 * (3 * 17 + 12)
    step = theirs.scales.prod(axis=1).max() * 127 * 127
    np.testing.assert_allclose(pipeline.to_numpy(ours.reconstruct()), theirs.reconstruct(), atol=step)


def test_an_unknown_backend_or_device_is_named() -> None:
    """NumPy has no CUDA, and no other backend exists."""
    with pytest.raises(ValueError, match="CPU only, not on 'cuda'"):
        pipeline.to_backend([1.0], backend="numpy", device="cuda")
    with pytest.raises(ValueError, match="Unknown backend 'jax'"):
        pipeline.to_backend([1.0], backend="jax")
