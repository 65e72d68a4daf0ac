"""Text from files and logs as a terminal may get it: nothing in it moves the cursor, colours, or hides what follows."""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
)  # full width too: some spreadsheets read them alike


def visible(text: str) -> str:
    r"""Write control characters, changes of direction and bytes that are no text as ``\x1b``, ``\u202e``; keep tabs and new lines."""
    return _CONTROLS.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def harmless(cell: object) -> object:
    """Return a cell of a CSV file: a text that a spreadsheet would take for a formula gets an apostrophe in front, a number stays one."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def marked(text: str) -> str:
    """Return text for a place where Rich reads markup: shown as it is, never obeyed."""
    from rich.markup import escape

    return escape(visible(text))
