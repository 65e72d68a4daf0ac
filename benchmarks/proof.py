"""Whose `harness` a benchmark measures: under `benchmarks.history` every process refuses any but the commit's own."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HARNESS_BENCHMARKED"
"""Folder that `harness` must come from; unset where whatever is imported is measured."""


def folder() -> Path:
    """Return the folder that this process imports `harness` from."""
    import harness

    return Path(harness.__file__).resolve().parent.parent


def refuse_elsewhere() -> None:
    """See that `harness` comes from the folder that `VARIABLE` names, if it names one.

    Raises
    ------
    ImportError
        If it comes from elsewhere.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted and folder() != Path(wanted).resolve():
        message = f"harness was imported from '{folder()}', not from the commit's worktree '{wanted}'"
        raise ImportError(message)
