"""Benchmark and regression-test harness for published image-classification results."""

__version__ = "0.1.0"
