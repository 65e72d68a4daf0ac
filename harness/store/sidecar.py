"""The predictions that a baseline keeps: a compressed ``.npz`` of the same name beside its JSON file.

Arrays: ``<set>/labels`` uint8 (n,), where seeds have other labels ``<set>/labels/<seed>``; ``<set>/differences/<seed>`` int16 (n,),
prediction minus label, mostly 0; ``<set>/weights/<seed>`` uint8 (32,), a SHA-256, where the scenario gave weights. Ten seeds of 10,000
images at 98% take 16 KB, at 70% 52 KB.
"""

from __future__ import annotations

import typing

import numpy as np

from harness.errors import BaselineError, StorageError
from harness.store import files
from harness.store.predictions import Predictions

if typing.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Baseline
    from harness.store.predictions import Sets

    Arrays = dict[str, NDArray[typing.Any]]

_NEXT = "Restore it from version control, or remove it: flipped images are then not found"


def path_of(baseline_file: Path) -> Path:
    """Return the file of predictions beside a baseline's JSON file."""
    return baseline_file.with_suffix(".npz")


def write(kept: Mapping[int, Sets], baseline_file: Path) -> Path | None:
    """Write the predictions of a baseline's seeds (sets by seed) beside it, and return the file; with none, remove those of an earlier one.

    A set that not every seed has is left out.
    """
    path = path_of(baseline_file)
    arrays = _packed(kept)
    if arrays:
        files.write_npz(path, arrays)
        return path
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise files.storage_error(path, error, "remove") from error
    return None


def _packed(kept: Mapping[int, Sets]) -> Arrays:
    every = list(kept.values())
    names = [name for name in (every[0] if every else {}) if all(name in sets for sets in every)]
    arrays: Arrays = {}
    for name in names:
        by_seed = {seed: sets[name] for seed, sets in kept.items()}
        first = next(iter(by_seed.values()))
        shared = all(np.array_equal(found.labels, first.labels) for found in by_seed.values())
        arrays |= {f"{name}/labels": first.labels} if shared else {}
        for seed, found in by_seed.items():
            arrays |= {} if shared else {f"{name}/labels/{seed}": found.labels}
            arrays[f"{name}/differences/{seed}"] = found.predicted.astype(np.int16) - found.labels
            if found.weights:
                weights = np.frombuffer(bytes.fromhex(found.weights), np.uint8)
                arrays[f"{name}/weights/{seed}"] = weights
    return arrays


def load(baseline_file: Path, baseline: Baseline) -> dict[int, dict[str, Predictions]]:
    """Read the predictions beside a baseline, sets by seed; empty if it keeps none, as older ones do.

    Raises
    ------
    BaselineError
        If the file is damaged, or not of this baseline: other seeds, or predictions that do not give its accuracy.
    """
    path = path_of(baseline_file)
    if not path.exists():
        return {}
    try:
        arrays = files.read_npz(path)
        return _unpacked(arrays, baseline)
    except StorageError as error:
        raise BaselineError(f"baseline predictions: {error.what}", _NEXT) from error
    except ValueError as error:
        raise BaselineError(f"baseline predictions {path} {error}", _NEXT) from error


def _unpacked(arrays: Arrays, baseline: Baseline) -> dict[int, dict[str, Predictions]]:
    left = dict(arrays)
    names = {key.rpartition("/differences/")[0] for key in arrays if "/differences/" in key}
    found: dict[int, dict[str, Predictions]] = {seed: {} for seed in baseline.seeds}
    for name in names:
        shared = left.pop(f"{name}/labels", None)
        metric = baseline.metrics.get("accuracy" if name == "test" else f"{name}.accuracy")
        for place, seed in enumerate(baseline.seeds):
            stored = found[seed][name] = _one(left, name, seed, shared)
            if metric is None or metric.kind != "accuracy" or metric.unit:
                continue
            right, wanted = float(np.mean(stored.labels == stored.predicted)), metric.values[place]
            if abs(right - wanted) > 1e-9:  # another baseline's predictions
                what = f"gives accuracy {right:.6g} of set '{name}' for seed {seed}, the baseline says {wanted:.6g}"
                raise ValueError(what)
    if left or not names:
        raise ValueError(
            f"holds '{min(left)}', which is of no seed of it" if left else "holds no predictions"
        )
    return found


def _one(left: Arrays, name: str, seed: int, shared: NDArray[typing.Any] | None) -> Predictions:
    """Take what belongs to one set and seed out of the arrays that are left."""
    labels = left.pop(f"{name}/labels/{seed}", shared)
    differences = left.pop(f"{name}/differences/{seed}", None)
    weights = left.pop(f"{name}/weights/{seed}", None)
    if labels is None or differences is None:
        raise ValueError(f"lacks set '{name}' of seed {seed}")
    of_set = f"of set '{name}', seed {seed}"
    for what, array, dtype in (("labels", labels, np.uint8), ("differences", differences, np.int16)):
        if array.dtype != dtype or array.shape != (labels.size,) or not array.size:
            raise ValueError(f"holds {what} {of_set}, that are {array.dtype} of shape {array.shape}")
    # int16 holds 255 + 255, and wraps below any class on overflow
    predicted = labels.astype(np.int16) + differences
    if predicted.min() < 0 or predicted.max() > 255:
        raise ValueError(f"holds a class outside 0 to 255 in set '{name}', seed {seed}")
    if weights is not None and (weights.dtype != np.uint8 or weights.shape != (32,)):
        raise ValueError(f"holds an invalid hash of weights {of_set}")
    hashed = weights.tobytes().hex() if weights is not None else ""
    return Predictions(labels, predicted.astype(np.uint8), hashed)
