"""Benchmark and regression-test harness for published image-classification results.

A scenario file needs no more than the names exported here; `sklearn_scenario` and its like
make a whole scenario in one call; `run`, `gate`, `read`, `judge`, `compare` and `frame` are the command line's steps for
Python programs (docs/python.md).
"""

from __future__ import annotations

import typing

from harness.records import Expectation, IdentityCheck, Metric, Scenario, Source, Value, Variant
from harness.records.version import __version__

if typing.TYPE_CHECKING:
    from harness.measure.callbacks import keras_callback, lightning_callback
    from harness.measure.run import Run
    from harness.session.api import compare, frame, gate, judge, read, run
    from harness.sources.wrappers import (
        keras_scenario,
        predictions_scenario,
        sklearn_scenario,
        torch_scenario,
    )

__all__ = [
    "Expectation",
    "IdentityCheck",
    "Metric",
    "Run",
    "Scenario",
    "Source",
    "Value",
    "Variant",
    "__version__",
    "compare",
    "frame",
    "gate",
    "judge",
    "keras_callback",
    "keras_scenario",
    "lightning_callback",
    "predictions_scenario",
    "read",
    "run",
    "sklearn_scenario",
    "torch_scenario",
]
_LATE = {
    "Run": "harness.measure.run",
    **dict.fromkeys(("keras_callback", "lightning_callback"), "harness.measure.callbacks"),
    **dict.fromkeys(("compare", "frame", "gate", "judge", "read", "run"), "harness.session.api"),
    **dict.fromkeys(
        ("keras_scenario", "predictions_scenario", "sklearn_scenario", "torch_scenario"),
        "harness.sources.wrappers",
    ),
}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for: these bring NumPy, which listing scenarios does not need."""
    if name in _LATE:
        import importlib

        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
