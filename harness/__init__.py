"""Benchmark and regression-test harness for published image-classification results.

A scenario file needs no more than the names exported here.
"""

from __future__ import annotations

import typing

from harness.records import Expectation, IdentityCheck, Measured, Scenario, Source, Value, Variant

if typing.TYPE_CHECKING:
    from harness.measure.run import Run

__version__ = "0.1.0"
__all__ = [
    "Expectation",
    "IdentityCheck",
    "Measured",
    "Run",
    "Scenario",
    "Source",
    "Value",
    "Variant",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Import `Run` when it is first asked for: it brings NumPy, which listing scenarios does not need."""
    if name == "Run":
        from harness.measure.run import Run

        return Run
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
