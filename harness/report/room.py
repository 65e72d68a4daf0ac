"""What fits on one page: sections are shown whole, the worst first, as long as there is room; the others in brief.

A page of 2 MB opens at once and travels in a mail. Nothing is silent in brief: every verdict is counted, and what needs attention is shown
with its numbers; tables of what is fine, figures and recorded metrics wait for a page of their own (``harness report RUN --only``).
"""

from __future__ import annotations

import dataclasses
import typing

from harness.report.verdicts import rank

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.report.figures import Drawing
    from harness.report.rows import JudgementRow
    from harness.report.section import Section

MOST_CARDS = 40
"""Findings with a card of their own, the worst; the others are listed."""
MOST_BYTES = 2_000_000
"""Size that no page of up to 200 results exceeds."""
_KEPT = 0.95 * MOST_BYTES
"""What is given out; the rest covers what the weights below misjudge."""
# bytes, from real pages
_FRAME = 60_000  # style, script, environment
_LINE = 550  # one finding in a list
_HEAD = 3500  # head and foot of a section
_ROW = 900  # one judgement
_CARD = 2600  # the same in what needs attention
_CHECK = 600  # one identity
_METRIC = 300
_STAGE = 500
_ITEM = 40  # one number of an array
_DOT = 14  # one run's value in a drawing


def fitted(sections: Sequence[Section], whole: Callable[[int], Section]) -> list[Section]:
    """Replace sections by whole ones while there is room, the worst first.

    Parameters
    ----------
    sections : sequence of Section
        In brief.
    whole : callable
        Makes a section whole, by its index: this is what costs time.

    Returns
    -------
    list of Section
        In the same order.
    """
    found = list(sections)
    cards = sum(row.urgent for section in sections for row in section.judged)
    left = (
        _KEPT - _FRAME - sum(map(brief_bytes, sections)) - min(cards, 2 * MOST_CARDS) * _CARD - cards * _LINE
    )
    for index in sorted(range(len(found)), key=lambda index: _urgency(found[index])):
        full = whole(index)
        options = (full, dataclasses.replace(full, drawings=tuple(map(_without_data, full.drawings))))
        chosen = next((one for one in options if whole_bytes(one) - brief_bytes(found[index]) <= left), None)
        if chosen is None:
            break  # drawing the others only to find that they do not fit would take long
        left -= whole_bytes(chosen) - brief_bytes(found[index])
        found[index] = chosen
    return found


def _urgency(section: Section) -> int:
    return rank(section.worst.word) if section.worst else len(section.judged) + 1000


def _without_data(drawing: Drawing) -> Drawing:
    return dataclasses.replace(drawing, data=None)


def brief_bytes(section: Section) -> int:
    """Estimate the size of a section in brief."""
    urgent = [row for row in section.judged if row.urgent]
    failed = sum(2 * len(run.log_tail) + len(run.error) for run in (*section.failed, *section.beside))
    return _HEAD + failed + sum(map(_row_bytes, urgent))


def whole_bytes(section: Section) -> int:
    """Estimate the size of a whole section; drawings are known."""
    drawn = sum(map(_drawing_bytes, section.drawings))
    if section.timeline:
        drawn += len(section.timeline.svg) + len(section.timeline.data.address)
    if section.flips:
        drawn += sum(
            len(picture.address) + 500 for gallery in section.flips.galleries for picture in gallery.pictures
        )
    metrics = sum(
        _METRIC + len(row.singles) + _ITEM * len(row.value.items)
        for row in (*section.recorded, *section.sizes)
    )
    classes = sum(len(row) * 60 for table in section.confusions for row in table.rows)
    tables = _STAGE * len(section.stages) + _CHECK * len(section.identities) + metrics + 2 * classes
    return brief_bytes(section) + drawn + tables + sum(map(_row_bytes, section.judged))


def _row_bytes(row: JudgementRow) -> int:
    runs = len(row.strip.dots) if row.strip else 0
    return _ROW + _DOT * runs * 2 + _ITEM * (len(row.value.items) + len(row.reference.items))


def _drawing_bytes(drawing: Drawing) -> int:
    size = 800 + (len(drawing.data.address) if drawing.data else 0)
    for panel in drawing.panels:
        size += len(panel.svg or "")
        size += sum(len(address) + 60 for row in panel.rows for address, _ in row.cells)
    return size
