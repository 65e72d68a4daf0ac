"""Train, take apart and print the source's table 'Results': ``python -m harness.sources.tinyconvnet_svd.pipeline --data DIR``."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline import analyse, train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.sources.tinyconvnet_svd.pipeline.results import Analysis, Bytes, Training


def main(argv: Sequence[str] | None = None) -> int:
    """Train and analyse; 0, or 2 with one line if the data or the device are unusable."""
    parser = argparse.ArgumentParser(prog="tinyconvnet_svd", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST in torchvision's layout")
    parser.add_argument("--weights", type=Path, help="file to write the trained weights to, .npz")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of torch")
    args = parser.parse_args(argv)
    import torch
    from torchvision.datasets import MNIST

    torch.set_num_threads(args.threads)
    try:
        parts = [MNIST(args.data, train=half) for half in (True, False)]
        data = [tensor.numpy() for part in parts for tensor in (part.data, part.targets)]
        training = train(*data, epochs=args.epochs, seed=args.seed, device=args.device, on_epoch=_report)
        analysis = analyse(training.weights, data[2], data[3], seed=args.seed, device=args.device)
        if args.weights:
            np.savez(args.weights, **dataclasses.asdict(training.weights))
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(summary(training, analysis, data[3]))
    return 0


def _report(epoch: int, loss: float) -> None:
    sys.stderr.write(f"epoch {epoch}: training loss {loss:.4f}\n")


def summary(training: Training, analysis: Analysis, labels: Bytes) -> str:
    """Return the rows of the source's table 'Results' as lines."""
    accuracy = 100 * float((training.test_predictions[-1] == labels).mean())
    lines = [f"test accuracy {accuracy:.2f}%"]
    for part, layer in zip(analysis.decompositions, analysis.verification.layers, strict=True):
        ranks = f"{part.effective_rank(0.95)} and {part.effective_rank(0.99)} of {len(part.sigma)}"
        lines += [
            f"{part.name}: max|W - U S Vt| {part.reconstruction_error:.1e}, ||W||^2 {part.squared_norm:.4f}",
            f"{part.name}: singular values {', '.join(f'{value:.3f}' for value in part.sigma)}",
            f"{part.name}: rank for 95% and 99% of the energy: {ranks}",
            f"{part.name}: analytical against torch at most {layer.analytical_difference:.1e}",
        ]
    regions = analysis.regions
    lines.append(f"ReLU masks: {len(regions.counts)} of 256 on {len(regions.masks)} patches")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
