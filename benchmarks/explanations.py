"""Experiments behind the ledger's explanations: ``python -m benchmarks.explanations [EXPERIMENT ...] [--seeds N]``.

A published value that the runs do not reproduce gets one sentence in `harness.sources.explanations`. Each sentence rests on a run,
and where the declared protocol alone cannot tell, on one of these: the protocol again with one assumption changed.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import typing
from pathlib import Path

import numpy as np

from harness import data as datasets
from harness.sources.digits1000_cnn.pipeline.experiment import Ranges
from harness.sources.mnist_interpolation import pipeline as interpolation
from harness.sources.mnist_interpolation.pipeline.operators import both_sides, operator
from harness.sources.tinyconvnet_svd import pipeline as tiny
from harness.sources.tinyconvnet_svd.pipeline.analysis import verify

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.sources.mnist_interpolation.pipeline.operators import Case
    from harness.sources.tinyconvnet_svd.pipeline.results import Weights

Row = tuple[str, str, list[float]]
"""Setting, quantity, its value of each seed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named experiments, all by default, and print their rows as Markdown tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explanations")
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=", ".join(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    unknown = set(options.experiments) - set(EXPERIMENTS)
    if unknown:
        parser.error(f"unknown experiment {min(unknown)}; known: {', '.join(EXPERIMENTS)}")
    for name in options.experiments or EXPERIMENTS:
        print(f"\n{name}: {(EXPERIMENTS[name].__doc__ or '').splitlines()[0]}\n", flush=True)
        print("| setting | quantity | mean | of each seed |\n| --- | --- | --- | --- |", flush=True)
        for setting, quantity, values in EXPERIMENTS[name](range(options.seeds)):
            each = ", ".join(f"{value:.4g}" for value in values)
            print(f"| {setting} | {quantity} | {np.mean(values):.4g} | {each} |", flush=True)
    return 0


def tinyconvnet_forward(seeds: Sequence[int]) -> Iterator[Row]:
    """Largest difference of the analytical forward pass by how many images it is taken over, and relative to the largest output."""
    images = datasets.load("mnist").test.images
    weights = [_trained(seed) for seed in seeds]
    for count in (1, 8, 64, 512):
        found = [verify(one, images[:count], device="cpu").layers for one in weights]
        for layer in (0, 1):
            differences = [layers[layer].analytical_difference for layers in found]
            sizes = [float(np.abs(layers[layer].network).max()) for layers in found]
            typical = [
                float(np.abs(layers[layer].network - layers[layer].analytical).mean()) for layers in found
            ]
            shares = [one / size for one, size in zip(differences, sizes, strict=True)]
            yield f"{count} images", f"layer{layer + 1}: largest difference", differences
            yield f"{count} images", f"layer{layer + 1}: mean difference", typical
            yield f"{count} images", f"layer{layer + 1}: largest / largest output", shares


def _trained(seed: int) -> Weights:
    """Return the weights of a training as the paper tier has it."""
    data = datasets.load("mnist")
    return tiny.train(
        data.train.images, data.train.labels, data.test.images, data.test.labels, epochs=20, seed=seed, device="cpu"
    ).weights  # fmt: skip


def digits_augmentation(seeds: Sequence[int]) -> Iterator[Row]:
    """Training and test accuracy of the augmented model when the ranges, which the source does not print, are others."""
    from harness.sources.digits1000_cnn.pipeline import experiment, folders
    from harness.sources.keras import steps

    declared = next(one for one in experiment.VARIANTS if one.name == "augmentation")
    data = datasets.load("mnist")
    for degrees, shift in ((10.0, 0.1), (20.0, 0.2), (30.0, 0.2), (40.0, 0.2)):
        ranges = Ranges(flip=True, degrees=degrees, shift=shift)
        found = []
        for seed in seeds:
            with tempfile.TemporaryDirectory() as cache:
                place = folders.write_folders(data.train.images, data.train.labels, Path(cache), seed=seed)
                training, testing = (folders.read_folder(place / part) for part in ("train", "test"))
            rng = steps.seed_everything(seed)
            variant = dataclasses.replace(declared, augmented=ranges)
            found.append(experiment.train(experiment.build(variant), variant, training, testing, rng=rng))
        setting = f"flips, turns to {degrees:g} degrees, shifts to {shift:g} of the side"
        yield setting, "training accuracy, last epoch", [float(one.accuracy[-1]) for one in found]
        yield setting, "test accuracy", [float(one.val_accuracy[-1]) for one in found]


def interpolation_order(seeds: Sequence[int]) -> Iterator[Row]:
    """Training objective and accuracy of two cases when images are scaled before they are pooled, not after they were interpolated."""
    data = datasets.load("mnist")
    images = np.concatenate([data.train.images, data.test.images])
    labels = np.concatenate([data.train.labels, data.test.labels])
    ways: dict[str, Callable[[Case, int], interpolation.Split]] = {
        "scaled last, as declared": lambda case, seed: interpolation.split(
            interpolation.resample(images, case), labels, seed=seed
        ),
        "scaled first": lambda case, seed: _scaled_first(images, labels, case, seed),
    }
    for case in (one for one in interpolation.CASES if one.name in {"baseline", "case2", "case4"}):
        for way, prepare in list(ways.items())[: 1 if case.is_baseline else None]:
            found = [_one_repeat(prepare(case, seed), seed) for seed in seeds]
            for quantity, values in zip(("training objective", "test accuracy"), zip(*found, strict=True), strict=True):  # fmt: skip
                yield f"{case.name}, {way}", quantity, list(values)


def _scaled_first(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], case: Case, seed: int
) -> interpolation.Split:
    """Divide as `split` does, but scale the original images."""
    whole = interpolation.split(images.astype(np.float32), labels, seed=seed)
    matrix = operator(case.window, case.step)
    pooled = both_sides(matrix, whole.images[..., 0])[..., np.newaxis]  # (n, 28, 28, 1)
    return dataclasses.replace(whole, images=pooled.astype(np.float32, copy=False))


def _one_repeat(split: interpolation.Split, seed: int) -> tuple[float, float]:
    """Return the mean objective over the training images and the share of test images that are right."""
    from harness.sources.keras import steps

    rng = steps.seed_everything(seed)
    model = interpolation.build()
    history = interpolation.train(model, split, rng=rng)
    outcome = interpolation.evaluate(model, split, history)
    return history.mean("loss"), float((outcome.predicted == outcome.labels).mean())


EXPERIMENTS: Mapping[str, Callable[[Sequence[int]], Iterator[Row]]] = {
    "tinyconvnet-forward": tinyconvnet_forward,
    "digits-augmentation": digits_augmentation,
    "interpolation-order": interpolation_order,
}

if __name__ == "__main__":
    raise SystemExit(main())
