"""Phases 2 to 8 on a network trained on scikit-learn's digits, against independent computations."""

from __future__ import annotations

import dataclasses
import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure import identities
from harness.sources.tinyconvnet_svd.pipeline import AnalyticalNet, Training, analyse, train
from harness.sources.tinyconvnet_svd.pipeline.__main__ import main, read_idx
from harness.sources.tinyconvnet_svd.pipeline.analytical import max_pool
from harness.sources.tinyconvnet_svd.pipeline.decomposition import decompose, mixing_energy, sweep_ranks
from harness.sources.tinyconvnet_svd.pipeline.images import im2col, normalise
from harness.sources.tinyconvnet_svd.pipeline.network import full_float32, network_of
from harness.sources.tinyconvnet_svd.pipeline.patches import class_structure, patch_directions, relu_regions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.records import IdentityCheck
    from harness.sources.tinyconvnet_svd.pipeline import Analysis

pytestmark = pytest.mark.torch

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    """Return scikit-learn's digits, every pixel thrice and a border of two: (1797, 28, 28), (1797,)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    large = np.kron(found.images, np.ones((1, 3, 3))) * 255 / 16
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).astype(np.uint8), found.target


@pytest.fixture(scope="module")
def held_out(digits: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the last 297 digits."""
    return digits[0][1500:], digits[1][1500:]


@pytest.fixture(scope="module")
def training(digits: tuple[Any, Any], held_out: tuple[Any, Any]) -> Training:
    """Return a network after six epochs."""
    return train(digits[0][:1500], digits[1][:1500], *held_out, epochs=6, seed=0, device="cpu")


@pytest.fixture(scope="module")
def analysis(training: Training, held_out: tuple[Any, Any]) -> Analysis:
    """Return its analysis on the held-out digits."""
    return analyse(training.weights, *held_out, seed=0, device="cpu", verified=16, sample=200)


def identity_checks(analysis: Analysis) -> Iterator[IdentityCheck]:
    """Yield every identity of the source on a real network."""
    for part, layer in zip(analysis.decompositions, analysis.verification.layers, strict=True):
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
    regions = analysis.regions
    yield identities.relu_mask(
        analysis.decompositions[0].matrix, regions.patches.T, regions.masks.T, regions.after.T, name="regions"
    )


def test_every_identity_of_the_source_holds(analysis: Analysis) -> None:
    """SVD, ranks, im2col, analytical pass and masks of both layers, each within its own tolerance."""
    checks = list(identity_checks(analysis))
    assert len(checks) == 2 * 6 + 8 + 16 + 2 * 4 + 1
    assert [check for check in checks if not check.holds] == []


def test_a_singular_value_off_by_a_thousandth_breaks_the_network_s_identities(analysis: Analysis) -> None:
    """The same checks fail once conv2's largest singular value is off, so they do look at this network."""
    first, second = analysis.decompositions
    sigma = second.sigma.copy()
    sigma[0] *= 1.001
    wrong = dataclasses.replace(analysis, decompositions=(first, dataclasses.replace(second, sigma=sigma)))
    failed = {check.name.split("[")[0] for check in identity_checks(wrong) if not check.holds}
    assert {"conv2.reconstruction", "conv2.parseval", "conv2.eigenvalues", "conv2.eckart_young"} <= failed
    assert not any(name.startswith("conv1") for name in failed)


def test_the_analytical_network_is_the_network(analysis: Analysis) -> None:
    """Layers agree with torch below the source's 1e-4, and so do the logits."""
    assert all(layer.analytical_difference < 1e-4 for layer in analysis.verification.layers)
    assert all(layer.product_difference < 1e-4 for layer in analysis.verification.layers)
    assert analysis.verification.logit_difference < 1e-4


def test_the_analytical_network_predicts_what_training_predicted(
    training: Training, held_out: tuple[Any, Any]
) -> None:
    """In SVD coordinates the held-out digits get the classes of the last epoch."""
    logits = AnalyticalNet(training.weights).logits(normalise(held_out[0]))
    assert np.allclose(logits, training.test_logits, atol=1e-4)
    assert (training.test_predictions[-1] == held_out[1]).mean() > 0.7


@given(SEEDS, st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))
def test_pooling_is_torchs(seed: int, channels: int, height: int, width: int) -> None:
    """Odd edges are dropped as torch drops them."""
    import torch

    features = np.random.default_rng(seed).standard_normal((2, channels, height, width)).astype(np.float32)
    expected = torch.nn.functional.max_pool2d(torch.from_numpy(features), 2).numpy()
    assert np.array_equal(max_pool(features), expected)


@given(SEEDS, st.integers(1, 4), st.integers(3, 7), st.integers(3, 7))
def test_im2col_is_torchs_unfold(seed: int, channels: int, height: int, width: int) -> None:
    """Rows and columns come in torch's order."""
    import torch

    features = np.random.default_rng(seed).standard_normal((2, channels, height, width)).astype(np.float32)
    assert np.array_equal(im2col(features), torch.nn.functional.unfold(torch.from_numpy(features), 3).numpy())


@given(SEEDS, st.floats(0.01, 1))
def test_the_effective_rank_is_the_smallest_that_holds_the_share(seed: int, share: float) -> None:
    """Its energy reaches the share, one less does not; the last energy is 1."""
    kernels = np.random.default_rng(seed).standard_normal((16, 8, 3, 3)).astype(np.float32)
    part = decompose(kernels, name="conv2")
    rank = part.effective_rank(share)
    assert part.energy[-1] == 1
    assert part.energy[rank - 1] >= share
    assert rank == 1 or part.energy[rank - 2] < share


def test_zero_and_broken_kernels() -> None:
    """A zero layer has rank 1 for any share and no error; NaN kernels are named."""
    part = decompose(np.zeros((8, 1, 3, 3), np.float32), name="conv1")
    assert (part.effective_rank(0.99), part.reconstruction_error, part.squared_norm) == (1, 0.0, 0.0)
    with pytest.raises(ValueError, match="kernels of 'conv1' are not finite"):
        decompose(np.full((8, 1, 3, 3), np.nan, np.float32), name="conv1")


def test_the_sweep_predicts_as_a_network_with_those_weights(
    training: Training, held_out: tuple[Any, Any]
) -> None:
    """Rank k of a layer is the network with that layer replaced; full rank is the network itself."""
    import torch

    weights, pixels = training.weights, torch.from_numpy(normalise(held_out[0]))
    for field, sweep in zip(("conv1", "conv2"), sweep_ranks(weights, held_out[0], device="cpu"), strict=True):
        kernels = getattr(weights, field)
        part = decompose(kernels, name=field)
        assert np.array_equal(sweep.predictions[-1], training.test_predictions[-1])
        for rank in (1, 4):
            cut = dataclasses.replace(weights, **{field: part.truncated(rank).reshape(kernels.shape)})
            with torch.inference_mode(), full_float32():
                expected = network_of(cut, "cpu")(pixels).argmax(1).numpy()
            assert (sweep.predictions[rank - 1] == expected).mean() > 0.99  # rounding may tip a tie


def test_the_sweeps_errors_are_the_tail_energy(analysis: Analysis) -> None:
    """Relative error squared plus cumulative energy is 1 at every rank; k(1 + m + n) numbers are stored."""
    for sweep, shape in zip(analysis.sweeps, ((8, 9), (16, 72)), strict=True):
        assert np.allclose(sweep.relative_error**2 + sweep.energy, 1, atol=1e-6)
        assert np.array_equal(sweep.stored_numbers, np.arange(1, shape[0] + 1) * (1 + sum(shape)))


def test_regions_are_those_of_the_pixels(analysis: Analysis, held_out: tuple[Any, Any]) -> None:
    """Patches are the images' own, masks their signs, and every patch is counted in exactly one mask."""
    regions, pixels = analysis.regions, normalise(held_out[0])
    for (image, row, column), patch in zip(regions.places, regions.patches, strict=True):
        assert np.array_equal(patch, pixels[image, 0, row : row + 3, column : column + 3].ravel())
    assert regions.masks.shape == (500, 8)
    assert regions.counts.sum() == 500
    assert np.all(np.diff(regions.counts) <= 0)
    for mask, count in zip(regions.unique_masks, regions.counts, strict=True):
        assert (regions.masks == mask).all(1).sum() == count
    left = analysis.decompositions[0].left
    assert np.allclose(regions.after_in_u @ left.T, regions.after, atol=1e-5)


def test_a_rank_one_layer_has_two_regions(held_out: tuple[Any, Any]) -> None:
    """All channels being multiples of one filter, the masks are a pattern and its opposite."""
    rng = np.random.default_rng(0)
    kernels = np.outer(rng.standard_normal(8), rng.standard_normal(9)).reshape(8, 1, 3, 3).astype(np.float32)
    regions = relu_regions(decompose(kernels, name="conv1"), held_out[0], patches=300, seed=3)
    assert len(regions.counts) == 2
    assert np.array_equal(regions.unique_masks[0], ~regions.unique_masks[1])


def test_patch_directions_are_the_covariances(analysis: Analysis, held_out: tuple[Any, Any]) -> None:
    """Variances are numpy.cov's eigenvalues on all patches; directions overlap fully with themselves."""
    found = patch_directions(analysis.decompositions[0], held_out[0])
    patches = np.moveaxis(im2col(normalise(held_out[0])), 1, 2).reshape(-1, 9).astype(np.float64)
    expected = np.linalg.eigvalsh(np.cov(patches, rowvar=False, bias=True))[::-1]
    assert np.allclose(found.variances, expected, rtol=1e-8, atol=1e-10)
    own = dataclasses.replace(analysis.decompositions[0], right_t=found.directions[:8].astype(np.float32))
    assert np.allclose(patch_directions(own, held_out[0]).overlap, 1, atol=1e-5)
    assert np.all(found.overlap <= 1 + 1e-6)


def test_class_structure_is_what_single_images_give(training: Training, held_out: tuple[Any, Any]) -> None:
    """Response and scatter equal those computed image by image from W; an absent class has none."""
    images, labels = held_out[0][held_out[1] < 3][:40], held_out[1][held_out[1] < 3][:40]
    found = class_structure(training.weights, images, labels, sample=100, seed=0)
    part = decompose(training.weights.conv1, name="conv1")
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
    first = decompose(rng.standard_normal((8, 1, 3, 3)).astype(np.float32), name="conv1")
    second = decompose(rng.standard_normal((16, 8, 3, 3)).astype(np.float32), name="conv2")
    assert np.allclose(mixing_energy(first, second).sum(1), 1, atol=1e-5)
    plain = mixing_energy(dataclasses.replace(first, left=np.eye(8, dtype=np.float32)), second)
    assert np.allclose(plain, (second.right_t.reshape(16, 8, 9) ** 2).sum(2), atol=1e-6)


def write_idx(folder: Path, images: Any, labels: Any, name: str) -> None:
    """Write one pair of IDX files, the labels gzipped."""
    header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in images.shape)
    (folder / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
    header = bytes((0, 0, 8, 1)) + len(labels).to_bytes(4, "big")
    (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(header + labels.astype(np.uint8).tobytes())
    )


def test_the_command_runs_all_phases(
    digits: tuple[Any, Any], held_out: tuple[Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From IDX files to eleven figures, weights and the source's table of results."""
    write_idx(tmp_path, digits[0][:300], digits[1][:300], "train")
    write_idx(tmp_path, *held_out, "t10k")
    out = tmp_path / "out"
    import torch

    threads = str(torch.get_num_threads())
    code = main(["--data", str(tmp_path), "--out", str(out), "--epochs", "1", "--threads", threads])
    printed = capsys.readouterr()
    assert code == 0
    assert "test accuracy" in printed.out
    assert "of 256 on 500 patches" in printed.out
    figures = list(out.glob("*.png"))
    assert len(figures) == 11
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
    assert (out / "weights.npz").is_file()


def test_the_command_names_missing_and_damaged_data(
    held_out: tuple[Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, a cut file, a cut gzip file and labels passed off as images: exit code 2 or one sentence."""
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "No file train-images-idx3-ubyte or" in capsys.readouterr().err
    write_idx(tmp_path, *held_out, "train")
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte.gz"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is no complete IDX file of 3 dimensions"):
        read_idx(tmp_path, "train-images")
    images.write_bytes(gzip.decompress(labels.read_bytes()))
    with pytest.raises(ValueError, match="is no complete IDX file of 3 dimensions"):
        read_idx(tmp_path, "train-images")
    labels.write_bytes(labels.read_bytes()[:-9])
    with pytest.raises(ValueError, match="is a damaged gzip file"):
        read_idx(tmp_path, "train-labels")
