"""Every number of 'Linear Algebraic Approaches to Image Classification': TinyConvNet taken apart by SVD.

Spectra, ranks, masks and norms belong to one trained network. No scale of agreement is known for them but how far networks differ, so each declares
as `source_sd` the standard deviation over ten networks of this protocol (2026-11-24). The optimiser and the batch size are not printed: Adam at 0.001 and
batches of 64 are this harness's assumption.
"""

from __future__ import annotations

import functools

from harness.records import Expectation, Source, Tier

SOURCE = Source(
    slug="tinyconvnet_svd",
    title="Linear Algebraic Approaches to Image Classification",
    note="Optimiser, learning rate, batch size and how the 500 patches are drawn are not printed.",
)
ALL_TIERS: tuple[Tier, ...] = ("paper", "short", "smoke")
RESULTS, TEXT, SHAPES = "Results table", "Conclusions", "Network table"

_of_default = functools.partial(Expectation, variant="default")
_spread = functools.partial(_of_default, unit="", place=RESULTS)
_fact = functools.partial(
    _of_default, unit="", rule="exact", tiers=ALL_TIERS, needs_complete=False, fact=True
)
_rounding = functools.partial(
    _spread,
    tolerance=2**-24,
    tolerance_reason="one float32 rounding of a weight near 1: the largest error of all weights moves in such steps",
)
_limit = functools.partial(_of_default, unit="", rule="at_most")

RESULT_ROWS = (
    _rounding(metric="layer1.reconstruction_error", value=8.9e-8, half_width=0.05e-8, row="W = UΣVᵀ identity (Layer 1): max error ~8.9e-8"),
    _rounding(metric="layer2.reconstruction_error", value=1.8e-7, half_width=0.05e-7, row="W = UΣVᵀ identity (Layer 2): max error ~1.8e-7"),
    _spread(metric="accuracy", value=0.9871, half_width=0.00005, test_images=10000, row="test accuracy (20 epochs)", claim=True),
    _spread(metric="layer1.singular_values", value=[2.170, 1.753, 1.496, 1.041, 0.787, 0.623, 0.534, 0.424], half_width=0.0005, source_sd=0.14, row="Layer 1 singular values"),
    _spread(metric="layer1.rank95", value=6.0, source_sd=0.63, row="6 of 8 components capture 95% energy"),
    _spread(metric="layer2.singular_values4", value=[2.895, 2.480, 2.349, 2.070], half_width=0.0005, source_sd=0.15, row="Layer 2 singular values, the four printed of 16"),
    _fact(metric="layer2.singular_count", value=16.0, place=RESULTS, row="16 values"),
    _spread(metric="layer2.rank95", value=13.0, source_sd=0.32, row="13/16 for 95% energy"),
    _spread(metric="layer2.rank99", value=15.0, source_sd=0.42, row="15/16 for 99%"),
    _spread(metric="relu.masks", value=40.0, source_sd=5.1, row="unique activation masks: 40"),
    _fact(metric="relu.masks_possible", value=256.0, place=RESULTS, row="theoretical max 256 (2⁸)"),
    _spread(metric="layer1.energy", value=12.5733, half_width=0.00005, source_sd=1.4, row="‖W‖²_F = Σσᵢ² (Layer 1) = 12.5733"),
    _spread(metric="layer2.energy", value=43.7439, half_width=0.00005, source_sd=5.2, row="‖W‖²_F = Σσᵢ² (Layer 2) = 43.7439"),
    _limit(metric="layer1.forward_difference", value=1e-6, place=RESULTS, row="analytical against CNN forward pass, max difference < 1e-6 (layer 1)"),
    _limit(metric="layer2.forward_difference", value=1e-6, place=RESULTS, row="analytical against CNN forward pass, max difference < 1e-6 (layer 2)"),
)  # fmt: skip

TEXT_ROWS = (
    _spread(metric="accuracy", value=0.9871, half_width=0.00005, test_images=10000, place=TEXT, row="achieves 98.71% test accuracy"),
    _limit(metric="layer1.reconstruction_error", value=1e-7, place=TEXT, row="max error below 10⁻⁷ for both layers (layer 1)"),
    _limit(metric="layer2.reconstruction_error", value=1e-7, place=TEXT, row="max error below 10⁻⁷ for both layers (layer 2; its own table prints 1.8e-7)"),
    _limit(metric="layer1.forward_difference", value=1e-6, place=TEXT, row="agrees with PyTorch's convolution to within 10⁻⁶ (layer 1)"),
    _limit(metric="layer2.forward_difference", value=1e-6, place=TEXT, row="agrees with PyTorch's convolution to within 10⁻⁶ (layer 2)"),
    _spread(metric="relu.masks", value=40.0, source_sd=5.1, place=TEXT, row="only ~40 effective linear regions"),
    _fact(metric="relu.masks_possible", value=256.0, place=TEXT, row="out of 256 theoretical maximum"),
    _limit(metric="layer1.im2col_difference", value=1e-4, place="Pipeline table, phase 4", row="max diff < 1e-4 (layer 1)"),
    _limit(metric="layer2.im2col_difference", value=1e-4, place="Pipeline table, phase 4", row="max diff < 1e-4 (layer 2)"),
    _fact(metric="relu.patches", value=500.0, place="ReLU Subspace Analysis", row="500 MNIST patches"),
    _fact(metric="data.train_images", value=60000.0, place="Dataset", row="60,000 training images", tiers=("paper", "short"), needs_complete=True),
    _fact(metric="data.test_images", value=10000.0, place="Dataset", row="10,000 test images", tiers=("paper", "short"), needs_complete=True),
    _fact(metric="data.classes", value=10.0, place="Dataset", row="10 classes"),
    _fact(metric="epochs_run", value=20.0, place=RESULTS, row="20 epochs", tiers=("paper",)),
)  # fmt: skip

SHAPE_ROWS = tuple(
    _fact(metric=metric, value=[float(size) for size in shape], place=SHAPES, row=row)
    for metric, shape, row in (
        ("shapes.conv1", (8, 26, 26), "conv1: output (B, 8, 26, 26)"),
        ("shapes.pool1", (8, 13, 13), "pool 1: output (B, 8, 13, 13)"),
        ("shapes.conv2", (16, 11, 11), "conv2: output (B, 16, 11, 11)"),
        ("shapes.pool2", (16, 5, 5), "pool 2: output (B, 16, 5, 5)"),
        ("shapes.logits", (10,), "fc: output (B, 10)"),
        ("shapes.weight1", (8, 9), "conv1: weight (8, 9)"),
        ("shapes.weight2", (16, 72), "conv2: weight (16, 72)"),
        ("shapes.weight_fc", (10, 400), "fc: weight (10, 400)"),
    )
)

EXPECTATIONS: tuple[Expectation, ...] = (*RESULT_ROWS, *TEXT_ROWS, *SHAPE_ROWS)
