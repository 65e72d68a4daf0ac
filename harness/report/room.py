"""What fits on one page: sections are shown whole, the worst first, as long as there is room; the others in brief.

A page of 1.5 MB opens at once and travels in a mail. Nothing is silent in brief: every verdict is counted, and what needs attention is shown
with its numbers; tables of what is fine, figures and recorded metrics wait for a page of their own (``harness report RUN --only``).
"""

from __future__ import annotations

import dataclasses
import typing

from harness.report.verdicts import rank

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.report.section import Section

MOST_CARDS = 8
"""Findings with a card of their own, the worst; the others are listed."""
MOST_BYTES = 1_500_000
"""Size that no page of up to 200 results exceeds."""
MOST_MISSES = 3
"""Sections that are drawn and then do not fit; to try them all would take long."""


def fitted(
    sections: Sequence[Section], whole: Callable[[int], Section], write: Callable[[Section], str], frame: int
) -> tuple[list[Section], list[str]]:
    """Replace sections by whole ones while there is room, the worst first.

    Parameters
    ----------
    sections : sequence of Section
        In brief.
    whole : callable
        Makes a section whole, by its index: this is what costs time.
    write : callable
        Writes a section as HTML.
    frame : int
        Size of the page without its sections, bytes.

    Returns
    -------
    tuple
        Sections and their HTML, in the same order.
    """
    shown, texts = list(sections), [write(section) for section in sections]
    left, missed = MOST_BYTES - frame - sum(map(_size, texts)), 0

    def put(index: int, section: Section) -> bool:
        nonlocal left
        text = write(section)
        more = _size(text) - _size(texts[index])
        if more > left:
            return False
        shown[index], texts[index], left = section, text, left - more
        return True

    with_data: dict[int, Section] = {}
    for index in sorted(range(len(shown)), key=lambda index: _urgency(shown[index])):
        full = whole(index)
        if put(
            index,
            dataclasses.replace(
                full, drawings=tuple(dataclasses.replace(drawing, data=None) for drawing in full.drawings)
            ),
        ):
            with_data[index] = full
        else:
            missed += 1
        if missed > MOST_MISSES:
            break
    for index, full in with_data.items():
        put(index, full)
    return shown, texts


def _size(text: str) -> int:
    return len(text.encode())


def _urgency(section: Section) -> int:
    return rank(section.worst.word) if section.worst else len(section.judged) + 1000
