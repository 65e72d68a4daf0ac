"""The ledger: for every published number the best judgement that stored runs allow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness import files, jobs, stored
from harness.errors import StorageError
from harness.ledger.page import as_page
from harness.ledger.rows import Count, Row, collect, counts
from harness.ledger.view import as_markdown, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.records import Job

__all__ = [
    "REFERENCE", "Count", "Row", "as_markdown", "as_page", "as_text", "collect", "counts", "reference_folders", "reference_jobs",
    "refuse_other",
]  # fmt: skip

_BEGINNING = b"# What is reproduced\n\nWritten by `harness ledger --markdown`"
REFERENCE = Path("reports", "reference")
"""Where committed runs lie."""


def refuse_other(path: Path) -> None:
    """Refuse to replace a Markdown file that is no ledger; see `harness.files.refuse_other`."""
    files.refuse_other(path, _BEGINNING, "ledger")


def reference_folders(root: Path = REFERENCE) -> list[Path]:
    """Return every folder below `root` that holds a stored job, packed or not, by name.

    Raises
    ------
    StorageError
        If there is none.
    """
    found = sorted({path.parent for name in ("run.json", stored.PACKED) for path in root.rglob(name)})
    if not found:
        raise StorageError(f"there is no run under '{root}'", "Name one: harness ledger RUN")
    return found


def reference_jobs(root: Path = REFERENCE) -> Iterator[Job]:
    """Yield the committed jobs that the ledger rests on: all below `root` but gates, which may have measured what they refused.

    Raises
    ------
    StorageError
        If there is no job at all, or one is damaged.
    """
    return (job for job in map(jobs.read, reference_folders(root)) if job.gate is None)
