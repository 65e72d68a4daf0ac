"""The smoke scenarios under asv: one run of the harness for each feeds all its metrics, scores, memory and stage seconds alike.

A run is the harness's own worker process; asv's processes only read what it left. asv takes lower as better for everything: error
rate and loss, never accuracy. Variants and stages are written out here because asv asks for them before anything runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

from benchmarks import proof

SECONDS = 900.0
"""What the runs of one scenario may take."""
FOREIGN_CPU = 0.1
"""Cores that other processes may use: above it a run is disturbed, and its times are not shown."""
NOTHING = float("nan")
"""What asv shows as n/a."""

Results = dict[str, dict[str, typing.Any]]
"""Results as ``run.json`` has them, by variant."""


def measure(scenario: str, *variants: str) -> Results:
    """Run variants in the smoke tier, once each, with the harness that this process imports.

    Raises
    ------
    RuntimeError
        If the harness could not start the job; a single failed run is left to whoever reads it.
    """
    names = [f"{scenario}:{variant}" for variant in variants]
    root = str(proof.folder())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        done = subprocess.run(
            [sys.executable, "-P", "-m", "harness", "run", *names, "--tier", "smoke", "--out", str(out)],
            env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
        if not (out / "run.json").is_file():
            message = (
                f"harness run {' '.join(names)} exited with code {done.returncode}: {done.stderr.strip()}"
            )
            raise RuntimeError(message)
        found = json.loads((out / "run.json").read_text())["results"]
    return {result["request"]["variant"]: result for result in found}


def value(result: dict[str, typing.Any], metric: str) -> float:
    """Return a metric of a run; not a number (asv: n/a) if this commit's scenario has none, or if a time was disturbed.

    Raises
    ------
    RuntimeError
        If the run failed.
    """
    if result["status"] != "ok":
        raise RuntimeError(result["error"])
    found = result["metrics"].get(metric)
    if found is None or (found["kind"] == "runtime" and result["measurement"]["foreign_cpu"] > FOREIGN_CPU):
        return NOTHING
    return float(found["value"])


class _Scores:
    """What a whole run gives."""

    timeout = 60.0
    params: tuple[list[str], ...]
    param_names = ("variant",)

    def track_error_rate(self, results: Results, variant: str) -> float:
        """Share of test images that got a wrong label."""
        return 1 - value(results[variant], "accuracy")

    def track_loss(self, results: Results, variant: str) -> float:
        """Loss on the test images."""
        return value(results[variant], "loss")

    def track_peak_bytes(self, results: Results, variant: str) -> float:
        """Highest resident memory of the run."""
        return value(results[variant], "total.peak_bytes")

    def track_above_imports_bytes(self, results: Results, variant: str) -> float:
        """Highest resident memory above what the imports took."""
        return value(results[variant], "total.above_imports_bytes")

    def track_seconds(self, results: Results, variant: str) -> float:
        """Wall time of all stages."""
        return value(results[variant], "total.seconds")

    track_error_rate.unit = "share"  # type: ignore[attr-defined]
    track_loss.unit = "nat"  # type: ignore[attr-defined]
    track_peak_bytes.unit = track_above_imports_bytes.unit = "bytes"  # type: ignore[attr-defined]
    track_seconds.unit = "seconds"  # type: ignore[attr-defined]


class _Stages:
    """What each stage of a run gives."""

    timeout = 60.0
    params: tuple[list[str], ...]
    param_names = ("variant", "stage")

    def track_seconds(self, results: Results, variant: str, stage: str) -> float:
        """Wall time of a stage."""
        return value(results[variant], f"{stage}.seconds")

    def track_above_imports_bytes(self, results: Results, variant: str, stage: str) -> float:
        """Highest resident memory of a stage above what the imports took."""
        return value(results[variant], f"{stage}.above_imports_bytes")

    track_seconds.unit = "seconds"  # type: ignore[attr-defined]
    track_above_imports_bytes.unit = "bytes"  # type: ignore[attr-defined]


# asv knows a setup_cache by the line it begins in: each scenario has a function of its own, and both of its classes share it


def _kmnist_svd_logreg() -> Results:
    return measure("kmnist_svd_logreg", "o-ma", "su-ma")


def _tinyconvnet_svd() -> Results:
    return measure("tinyconvnet_svd", "default")


def _mnist_autoencoder() -> Results:
    return measure("mnist_autoencoder", "default")


def _mnist_interpolation() -> Results:
    return measure("mnist_interpolation", "case4")


def _digits1000_cnn() -> Results:
    return measure("digits1000_cnn", "final")


_SVD = [f"{model}_{step}" for model in ("svd", "uncompressed") for step in ("prepare", "train", "test")]
_AUTOENCODER = ["autoencoder", "reconstruct", "features", "head", "finetune", "test_head", "test"]
for _name, _measured, _variants, _stages in (
    ("KmnistSvdLogreg", _kmnist_svd_logreg, ["o-ma", "su-ma"], ["svd_compress", *_SVD]),
    ("TinyConvNetSvd", _tinyconvnet_svd, ["default"], ["train", "analyse"]),
    ("MnistAutoencoder", _mnist_autoencoder, ["default"], _AUTOENCODER),
    ("MnistInterpolation", _mnist_interpolation, ["case4"], ["resample", "prepare", "train", "test"]),
    ("Digits1000Cnn", _digits1000_cnn, ["final"], ["load", "read", "train", "test", "save", "predict_files"]),
):
    _measured.timeout = SECONDS  # type: ignore[attr-defined]
    _shared = {"__module__": __name__, "setup_cache": staticmethod(_measured)}
    globals()[_name] = type(_name, (_Scores,), {**_shared, "params": (_variants,)})
    globals()[f"{_name}Stages"] = type(
        f"{_name}Stages", (_Stages,), {**_shared, "params": (_variants, _stages)}
    )
