"""Metrics that every scenario in Keras records; importing it loads no framework."""

from __future__ import annotations

from harness.records import Metric

KERAS_METRICS = (
    Metric("*.first_step_seconds", kind="runtime", unit="s", better="lower"),
    Metric("*.step_seconds", kind="runtime", unit="s", better="lower"),
    Metric("*.share_outside", kind="runtime", better="lower"),
    Metric("optimiser_steps", kind="work", better="lower"),
    Metric("epochs_run", kind="work"),
)
