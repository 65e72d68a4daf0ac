"""Text from files and logs as a terminal may get it: nothing in it moves the cursor, colours, or hides what follows."""

from __future__ import annotations

import re
import typing

if typing.TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NARROW = 60
"""Columns below which a table is printed as a list."""

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


def say(console: Console, line: object, **options: typing.Any) -> None:  # noqa: ANN401 - Rich's
    """Print a line of markup whole, however narrow the terminal is."""
    console.print(line, highlight=False, soft_wrap=True, **options)


def print_table(console: Console, table: Table) -> None:
    """Print a table; where the terminal is too narrow for its columns, print one line for each cell, under the row's first cell."""
    if console.width >= NARROW:
        console.print(table)
        return
    headings = [column.header for column in table.columns]
    lines = [table.title] if table.title else []
    for first, *cells in zip(*(column.cells for column in table.columns), strict=True):
        named = zip(headings[1:], cells, strict=True)
        lines += [first, *(f"  {heading}: {cell}" for heading, cell in named if cell)]
    lines += [table.caption] if table.caption else []
    for line in lines:
        say(console, line)
