"""Pages know one another by a mark in their head: what kind each is, and where the index above it lies."""

from __future__ import annotations

import html
import re
import typing

from harness.errors import StorageError
from harness.store import files

if typing.TYPE_CHECKING:
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


class Known(typing.NamedTuple):
    """What a page of ours says of itself."""

    kind: str  # report, compare, history, ledger or index
    title: str
    sentence: str  # what it came to; empty if it says nothing


def known(path: Path) -> Known | None:
    """Return what a page says of itself; None if it is missing, cannot be read, or is none of ours."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return None  # whoever lists pages names folders that cannot be read; a link up is an extra
    said = {name: html.unescape(match[1]) for name, form in _FIELDS.items() if (match := form.search(head))}
    return Known(said["kind"], said.get("title", ""), said.get("sentence", "")) if "kind" in said else None


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
    if there is None or there.kind != kind:
        other = f"of another kind ({there.kind}: {there.title})" if there else "that harness did not write"
        step = "Name another place or move it away, or replace it with --force"
        raise StorageError(f"{page} is a page {other}", step)


def up(page: Path) -> str:
    """Return the address, relative to a page, of the index that lies beside or above it; empty without one."""
    here = page.resolve()
    for link, path in (
        ("index.html", here.with_name("index.html")),
        ("../index.html", here.parent.with_name("index.html")),
    ):
        there = known(path) if path != here else None
        if there is not None and there.kind == INDEX:
            return link
    return ""
