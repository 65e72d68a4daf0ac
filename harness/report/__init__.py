"""The report: one HTML file of a job that works offline, rendered purely from records and stored arrays."""

from harness.report.page import render

__all__ = ["render"]
