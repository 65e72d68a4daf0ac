"""The ledger: for every published number the best judgement that stored runs allow."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StorageError
from harness.ledger.rows import Count, Row, collect, counts
from harness.ledger.view import as_markdown, as_text

__all__ = ["REFERENCE", "Count", "Row", "as_markdown", "as_text", "collect", "counts", "reference_folders"]

REFERENCE = Path("reports", "reference")
"""Where committed runs lie."""


def reference_folders(root: Path = REFERENCE) -> list[Path]:
    """Return every folder below `root` that holds a ``run.json``, by name.

    Raises
    ------
    StorageError
        If there is none.
    """
    found = sorted(path.parent for path in root.rglob("run.json"))
    if not found:
        raise StorageError(f"there is no run under '{root}'", "Name one: harness ledger RUN")
    return found
