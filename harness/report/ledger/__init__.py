"""The ledger: for every published number the best judgement that stored runs allow."""

from __future__ import annotations

from pathlib import Path

from harness.errors import StorageError
from harness.report.ledger.page import as_page
from harness.report.ledger.rows import Count, Row, collect, counts
from harness.report.ledger.view import as_markdown, as_text
from harness.store import files, stored

__all__ = [
    "REFERENCE", "Count", "Row", "as_markdown", "as_page", "as_text", "collect", "counts", "reference_folders",
    "refuse_other",
]  # fmt: skip

_BEGINNING = b"# What is reproduced\n\nWritten by `harness ledger --markdown`"
REFERENCE = Path("reports", "reference")
"""Where committed runs lie."""


def refuse_other(path: Path) -> None:
    """Refuse to replace a Markdown file that is no ledger; see `harness.store.files.refuse_other`."""
    files.refuse_other(path, _BEGINNING, "ledger")


def reference_folders(root: Path = REFERENCE) -> list[Path]:
    """Return every folder below `root` that holds a stored job, packed or not, by name.

    Raises
    ------
    StorageError
        If there is none.
    """
    folders = sorted({path.parent for name in ("run.json", stored.PACKED) for path in root.rglob(name)})
    if not folders:
        raise StorageError(f"there is no run under '{root}'", "Name one: harness ledger RUN")
    return folders
