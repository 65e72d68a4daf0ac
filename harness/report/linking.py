"""Pages know one another by a mark in their head: what kind each is, and where the index above it lies."""

from __future__ import annotations

import dataclasses
import html
import re
from typing import TYPE_CHECKING

from harness.errors import StorageError
from harness.store import files

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "index"
"""Kind of the page over all jobs of a folder."""
PRODUCER = "report-harness"
_HEAD_BYTES = 8 << 10
"""Mark, title and sentence stand before the style, within this."""
_FIELDS = {
    "kind": re.compile(rf'<meta name="generator" content="{PRODUCER} ([a-z]+)">'),
    "title": re.compile(r"<title>(.*?)</title>", re.DOTALL),
    "sentence": re.compile(r'<meta name="description" content="(.*?)">', re.DOTALL),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What a page of ours says of itself."""

    kind: str
    """report, compare, history, ledger or index."""
    title: str
    """Its title."""
    sentence: str
    """What it came to; empty if it says nothing."""


def known(path: Path) -> Known | None:
    """Return what a page says of itself; None if it is missing, cannot be read, or is none of ours."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return None  # whoever lists pages names folders that cannot be read; a link up is an extra
    found = {name: html.unescape(match[1]) for name, form in _FIELDS.items() if (match := form.search(head))}
    return (
        Known(found["kind"], found.get("title", ""), found.get("sentence", "")) if "kind" in found else None
    )


def refuse_other(page: Path, kind: str) -> None:
    """Refuse to replace a page that the harness did not write, or one of another kind.

    Parameters
    ----------
    page : Path
        Where a page is about to be written.
    kind : str
        Its kind, as in `Known`.

    Raises
    ------
    StorageError
        If another page lies there.
    """
    if not page.is_file() or files.is_stream(page) or not page.stat().st_size:
        return
    there = known(page)
    if there is None:
        told = f"{page} is a page that harness did not write"
    elif there.kind != kind:
        told = f"{page} is a page of another kind ({there.kind}: {there.title})"
    else:
        return
    raise StorageError(told, "Name another place or move it away, or replace it with --force")


def up(page: Path) -> str:
    """Return the address, relative to a page, of the index that lies beside or above it; empty without one."""
    here = page.resolve()
    for link, path in (
        ("index.html", here.with_name("index.html")),
        ("../index.html", here.parent.with_name("index.html")),
    ):
        if path != here and (found := known(path)) is not None and found.kind == INDEX:
            return link
    return ""
