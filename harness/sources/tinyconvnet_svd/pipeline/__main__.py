"""Train, take apart, print and draw: ``python -m harness.sources.tinyconvnet_svd.pipeline --data DIR --out DIR``."""

from __future__ import annotations

import argparse
import gzip
import math
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline import analyse, plots, save_weights, train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.sources.tinyconvnet_svd.pipeline.results import Analysis, Bytes, Training


def main(argv: Sequence[str] | None = None) -> int:
    """Run all eight phases; 0, or 2 with one line if the data or the device are unusable."""
    args = _parse(argv)
    try:
        return _run(args)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _run(args: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(args.threads)
    data = [
        read_idx(args.data, name) for name in ("train-images", "train-labels", "t10k-images", "t10k-labels")
    ]
    training = train(*data, epochs=args.epochs, seed=args.seed, device=args.device, on_epoch=_tell)
    analysis = analyse(training.weights, data[2], data[3], seed=args.seed, device=args.device)
    paths = plots.save_figures(plots.figures(training, analysis, data[3]), args.out)
    save_weights(args.out / "weights.npz", training.weights)
    sys.stdout.write(
        summary(training, analysis, data[3]) + f"{len(paths)} figures and weights.npz in {args.out}\n"
    )
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tinyconvnet_svd", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with MNIST's four IDX files, .gz or not"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for figures and weights")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of torch")
    return parser.parse_args(argv)


def _tell(epoch: int, loss: float) -> None:
    sys.stderr.write(f"epoch {epoch}: training loss {loss:.4f}\n")


def read_idx(folder: Path, name: str) -> Bytes:
    """Return one of MNIST's four files, ``name`` such as ``"train-images"``, as uint8 (n, 28, 28) or (n,).

    Raises
    ------
    FileNotFoundError
        If `folder` has the file neither plain nor gzipped.
    ValueError
        If the file's length is not what its header says, or it is no IDX file of bytes.
    """
    stem = f"{name}-idx{3 if name.endswith('images') else 1}-ubyte"
    path = next((p for p in (folder / stem, folder / f"{stem}.gz") if p.is_file()), None)
    if path is None:
        msg = f"No file {stem} or {stem}.gz in '{folder}'; name the folder of MNIST's four files."
        raise FileNotFoundError(msg)
    dimensions = int(stem[-7])
    raw, header = _read(path), 4 + 4 * dimensions
    shape = [int.from_bytes(raw[i : i + 4], "big") for i in range(4, header, 4)]
    if raw[:4] != bytes((0, 0, 8, dimensions)) or len(raw) != header + math.prod(shape):
        msg = f"'{path}' is no complete IDX file of {dimensions} dimensions; fetch it again."
        raise ValueError(msg)
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)  # (n, 28, 28) or (n,)


def _read(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, zlib.error) as error:
        msg = f"'{path}' is a damaged gzip file ({error}); fetch it again."
        raise ValueError(msg) from error


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
    lines.append(
        f"ReLU masks: {len(analysis.regions.counts)} of 256 on {len(analysis.regions.masks)} patches"
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
