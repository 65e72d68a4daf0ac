"""Phases 2 to 7 on a network trained on scikit-learn's digits, against independent computations."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure import identities
from harness.sources.tinyconvnet_svd.pipeline import Training, analyse, analysis, train
from harness.sources.tinyconvnet_svd.pipeline.__main__ import main
from harness.sources.tinyconvnet_svd.pipeline.images import im2col, normalise
from harness.sources.tinyconvnet_svd.pipeline.training import full_float32, network_of
from tests.sources import made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.records import IdentityCheck
    from harness.sources.tinyconvnet_svd.pipeline import Analysis

pytestmark = pytest.mark.torch

SEEDS = st.integers(0, 2**32 - 1)
IMAGES, LABELS = made.digits()
HELD_OUT = IMAGES[1500:], LABELS[1500:]


@pytest.fixture(scope="module")
def training() -> Training:
    """Return a network after six epochs."""
    return train(IMAGES[:1500], LABELS[:1500], *HELD_OUT, epochs=6, seed=0, device="cpu")


@pytest.fixture(scope="module")
def analysed(training: Training) -> Analysis:
    """Return its analysis on the held-out digits."""
    return analyse(training.weights, *HELD_OUT, seed=0, device="cpu", verified=16, sample=200)


def identity_checks(analysed: Analysis) -> Iterator[IdentityCheck]:
    """Yield every identity of the source on a real network."""
    for part, layer in zip(analysed.decompositions, analysed.verification.layers, strict=True):
        factors = (part.left, part.sigma, part.right_t)
        yield from identities.svd_checks(part.matrix, *factors, name=part.name)
        for rank in range(1, len(part.sigma) + 1):
            cut = part.truncated(rank)
            yield identities.eckart_young(part.matrix, cut, part.sigma, rank=rank, name=part.name)
        kernels = part.matrix.reshape(len(part.matrix), -1, 3, 3)
        for output in (layer.network, layer.product):
            yield identities.im2col_convolution(layer.inputs, kernels, output, name=part.name)
        patches = im2col(layer.inputs)
        batch = np.broadcast_to(part.matrix, (len(patches), *part.matrix.shape))
        output = layer.analytical.reshape(*layer.analytical.shape[:2], -1)
        yield identities.forward_pass(batch, patches, output, rank=len(part.sigma), name=part.name)
        activated = layer.activated.reshape(output.shape)
        yield identities.relu_mask(batch, patches, activated > 0, activated, name=part.name)
    regions, matrix = analysed.regions, analysed.decompositions[0].matrix
    yield identities.relu_mask(matrix, regions.patches.T, regions.masks.T, regions.after.T, name="regions")


def test_every_identity_of_the_source_holds(analysed: Analysis) -> None:
    """SVD, ranks, im2col, analytical pass and masks of both layers, each within its own tolerance; logits to the source's 1e-4."""
    checks = list(identity_checks(analysed))
    assert len(checks) == 2 * 6 + 8 + 16 + 2 * 4 + 1
    assert [check for check in checks if not check.holds] == []
    assert analysed.verification.logit_difference < 1e-4


def test_a_singular_value_off_by_a_thousandth_breaks_the_network_s_identities(analysed: Analysis) -> None:
    """The same checks fail once conv2's largest singular value is off, so they do look at this network."""
    first, second = analysed.decompositions
    sigma = second.sigma.copy()
    sigma[0] *= 1.001
    wrong = dataclasses.replace(analysed, decompositions=(first, dataclasses.replace(second, sigma=sigma)))
    failed = {check.name.split("[")[0] for check in identity_checks(wrong) if not check.holds}
    assert {"conv2.reconstruction", "conv2.parseval", "conv2.eigenvalues", "conv2.eckart_young"} <= failed
    assert not any(name.startswith("conv1") for name in failed)


def test_the_analytical_network_predicts_what_training_predicted(training: Training) -> None:
    """In SVD coordinates the held-out digits get the logits of the last epoch, and most are right."""
    logits = analysis.analytical_logits(training.weights, normalise(HELD_OUT[0]))
    assert np.allclose(logits, training.test_logits, atol=1e-4)
    assert (training.test_predictions[-1] == HELD_OUT[1]).mean() > 0.7


@given(SEEDS, st.integers(1, 4), st.integers(3, 9), st.integers(3, 9))
def test_pooling_and_im2col_are_torchs(seed: int, channels: int, height: int, width: int) -> None:
    """Odd edges are dropped, and rows and columns come, as in torch."""
    import torch

    features = np.random.default_rng(seed).standard_normal((2, channels, height, width)).astype(np.float32)
    tensor = torch.from_numpy(features)
    assert np.array_equal(analysis.max_pool(features), torch.nn.functional.max_pool2d(tensor, 2).numpy())
    assert np.array_equal(im2col(features), torch.nn.functional.unfold(tensor, 3).numpy())


@given(SEEDS, st.floats(0.01, 1))
def test_the_effective_rank_is_the_smallest_that_holds_the_share(seed: int, share: float) -> None:
    """Its energy reaches the share, one less does not; the last energy is 1."""
    kernels = np.random.default_rng(seed).standard_normal((16, 8, 3, 3)).astype(np.float32)
    part = analysis.decompose(kernels, name="conv2")
    rank = part.effective_rank(share)
    assert part.energy[-1] == 1
    assert part.energy[rank - 1] >= share
    assert rank == 1 or part.energy[rank - 2] < share


def test_zero_and_broken_kernels() -> None:
    """A zero layer has rank 1 for any share and no error; NaN kernels are named."""
    part = analysis.decompose(np.zeros((8, 1, 3, 3), np.float32), name="conv1")
    assert (part.effective_rank(0.99), part.reconstruction_error, part.squared_norm) == (1, 0.0, 0.0)
    with pytest.raises(ValueError, match="kernels of 'conv1' are not finite"):
        analysis.decompose(np.full((8, 1, 3, 3), np.nan, np.float32), name="conv1")


def test_the_sweep_predicts_as_a_network_with_those_weights(training: Training, analysed: Analysis) -> None:
    """Rank k of a layer is the network with that layer replaced, full rank the network itself; errors are the tail's energy."""
    import torch

    weights, pixels = training.weights, torch.from_numpy(normalise(HELD_OUT[0]))
    for part, sweep in zip(analysed.decompositions, analysed.sweeps, strict=True):
        kernels = getattr(weights, part.name)
        assert np.array_equal(sweep.predictions[-1], training.test_predictions[-1])
        assert np.allclose(sweep.relative_error**2 + part.energy, 1, atol=1e-6)
        for rank in (1, 4):
            cut = dataclasses.replace(weights, **{part.name: part.truncated(rank).reshape(kernels.shape)})
            with torch.inference_mode(), full_float32():
                expected = network_of(cut, "cpu")(pixels).argmax(1).numpy()
            assert (sweep.predictions[rank - 1] == expected).mean() > 0.99  # rounding may tip a tie


def test_regions_are_those_of_the_pixels(analysed: Analysis) -> None:
    """Patches are the images' own, and every patch is counted in exactly one mask."""
    regions, pixels = analysed.regions, normalise(HELD_OUT[0])
    for (image, row, column), patch in zip(regions.places, regions.patches, strict=True):
        assert np.array_equal(patch, pixels[image, 0, row : row + 3, column : column + 3].ravel())
    assert regions.masks.shape == (500, 8)
    assert regions.counts.sum() == 500
    assert np.all(np.diff(regions.counts) <= 0)
    for mask, count in zip(regions.unique_masks, regions.counts, strict=True):
        assert (regions.masks == mask).all(1).sum() == count
    left = analysed.decompositions[0].left
    assert np.allclose(regions.after_in_u @ left.T, regions.after, atol=1e-5)


def test_a_rank_one_layer_has_two_regions() -> None:
    """All channels being multiples of one filter, the masks are a pattern and its opposite."""
    rng = np.random.default_rng(0)
    kernels = np.outer(rng.standard_normal(8), rng.standard_normal(9)).reshape(8, 1, 3, 3).astype(np.float32)
    part = analysis.decompose(kernels, name="conv1")
    regions = analysis.relu_regions(part, HELD_OUT[0], patches=300, seed=3)
    assert len(regions.counts) == 2
    assert np.array_equal(regions.unique_masks[0], ~regions.unique_masks[1])


def test_patch_directions_are_the_covariances(analysed: Analysis) -> None:
    """Cosines are those with the eigenvectors of numpy.cov on all patches, largest variance first."""
    part = analysed.decompositions[0]
    patches = np.moveaxis(im2col(normalise(HELD_OUT[0])), 1, 2).reshape(-1, 9).astype(np.float64)
    _, vectors = np.linalg.eigh(np.cov(patches, rowvar=False, bias=True))
    expected = np.abs(part.right_t @ vectors[:, ::-1])
    np.testing.assert_allclose(analysis.patch_cosines(part, HELD_OUT[0]), expected, atol=1e-6)


def test_class_structure_is_what_single_images_give(training: Training) -> None:
    """Response and scatter equal those computed image by image from W; an absent class has none."""
    few = HELD_OUT[1] < 3
    images, labels = HELD_OUT[0][few][:40], HELD_OUT[1][few][:40]
    found = analysis.class_structure(training.weights, images, labels, sample=100, seed=0)
    part = analysis.decompose(training.weights.conv1, name="conv1")
    energies, means = [], []
    for image in normalise(images):
        y = part.matrix @ im2col(image[None])[0]
        energies.append(((part.left.T @ y) ** 2).mean(1))  # Ut W p = sigma z
        means.append(part.left.T @ np.maximum(y, 0).mean(1))
    for label in range(3):
        assert np.allclose(found.response[label], np.mean(np.array(energies)[labels == label], 0), rtol=1e-3)
    assert np.isnan(found.response[3:]).all()
    order = np.random.default_rng(0).permutation(len(images))
    assert np.array_equal(found.labels, labels[order])
    assert np.allclose(found.scatter1, np.array(means)[order], atol=1e-4)


@settings(max_examples=20)
@given(SEEDS)
def test_mixing_shares_sum_to_one(seed: int) -> None:
    """Any two layers: shares of a row sum to 1; with conv1's U the identity they are energies by channel."""
    rng = np.random.default_rng(seed)
    first, second = (
        analysis.decompose(rng.standard_normal(shape).astype(np.float32), name="conv")
        for shape in ((8, 1, 3, 3), (16, 8, 3, 3))
    )
    assert np.allclose(analysis.mixing_energy(first, second).sum(1), 1, atol=1e-5)
    plain = analysis.mixing_energy(dataclasses.replace(first, left=np.eye(8, dtype=np.float32)), second)
    assert np.allclose(plain, (second.right_t.reshape(16, 8, 9) ** 2).sum(2), atol=1e-6)


def write_mnist(folder: Path, half: str, images: Any, labels: Any) -> None:
    """Write one half of MNIST's IDX files in torchvision's layout."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for array, name in ((images, "images-idx3"), (labels.astype(np.uint8), "labels-idx1")):
        header = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (raw / f"{half}-{name}-ubyte").write_bytes(header + array.tobytes())


def test_the_command_runs_all_phases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From IDX files to weights and the source's table of results; missing data are one line and exit code 2."""
    import torch

    words = ["--data", str(tmp_path), "--weights", str(tmp_path / "weights.npz"), "--epochs", "1"]
    words += ["--threads", str(torch.get_num_threads())]
    assert main(words) == 2
    assert "Dataset not found" in capsys.readouterr().err
    write_mnist(tmp_path, "train", IMAGES[:300], LABELS[:300])
    write_mnist(tmp_path, "t10k", *HELD_OUT)
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "test accuracy" in printed
    assert "of 256 on 500 patches" in printed
    assert set(np.load(tmp_path / "weights.npz")) == {"conv1", "conv2", "fc_weight", "fc_bias"}
