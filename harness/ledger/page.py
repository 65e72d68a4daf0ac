"""The ledger as one HTML page that works offline and without scripts."""

from __future__ import annotations

import collections
import dataclasses
import typing

from harness.ledger import view
from harness.ledger.rows import FORMS
from harness.report import numbers, strips
from harness.report.rows import Shown
from harness.report.section import Anchors
from harness.report.templating import constants, environment
from harness.report.verdicts import SIGNS, Headline, Sign

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.audit import AuditFinding
    from harness.ledger.rows import Form, Row
    from harness.ledger.view import Body
    from harness.records import Job, Scenario, Source, Value

FOUND = {
    False: Sign("CONTRADICTORY", "≠", "warn", "The prints cannot all be right, whatever was run."),
    None: Sign("OPEN", "·", "quiet", "The prints leave it open."),
    True: Sign("CONSISTENT", "✓", "good", "The prints agree within their digits."),
}
"""What held against each other prints came to, worst first."""
_UNJUDGED = ("NOT_JUDGED", "UNREADABLE")
MOST_OPEN = 4
"""Missed values of a source that are told at once; the others are folded."""
_MOST_ITEMS = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One published value."""

    anchor: str
    """Id on the page."""
    row: Row
    """The row."""
    sign: Sign
    """How its verdict looks."""
    published: Shown
    """What is printed."""
    measured: Shown
    """What was measured."""
    resolution: str
    """Smallest difference that the runs could show; empty if not stated."""
    strip: strips.Strip | None
    """Mean and bounds drawn."""
    strip_text: str
    """Text alternative of `strip`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The prints of one form of one source."""

    form: Form
    """Form."""
    heading: str
    """The form in words."""
    judged: tuple[Line, ...]
    """Those with a verdict of runs, misses first."""
    others: tuple[Line, ...]
    """Those without."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One source."""

    anchor: str
    """Id on the page."""
    slug: str
    """Slug."""
    source: Source | None
    """Title and authors; None if no scenario declares it."""
    blocks: tuple[Block, ...]
    """Its prints by form."""
    missed: tuple[Line, ...]
    """Those that runs contradict."""
    tallies: tuple[tuple[Sign, int], ...]
    """Its verdicts, counted."""
    commands: tuple[str, ...]
    """What would judge the others."""


def as_page(
    rows: Sequence[Row], findings: Sequence[AuditFinding], jobs: Iterable[Job], scenarios: Mapping[str, Scenario], up: str = ""
) -> str:  # fmt: skip
    """Write the ledger: verdicts by source on top, what is missed and why, then every published value with its place.

    Parameters
    ----------
    rows, findings, jobs
        As for `harness.ledger.as_markdown`.
    scenarios : mapping
        Scenarios by name, for the titles of the sources.
    up : str
        Address of an index over this page; see `harness.report.linking.up`.

    Returns
    -------
    str
        One self-contained HTML page. Same input, same text.
    """
    told, anchors = view.body(rows, findings, jobs), Anchors()
    sources = {scenario.source.slug: scenario.source for scenario in scenarios.values()}
    parts = [_part(slug, of_source, sources.get(slug), anchors) for slug, of_source in told.sources.items()]
    return environment().get_template("ledger.html.j2").render(
        told=told, parts=parts, headline=_headline(told), tallies=_tallies(rows), forms=view.FORMS, signs=SIGNS,
        columns=[word for word in view.VERDICTS if any(word in count.verdicts for count in told.counts)],
        source_numbers={slug: number for number, slug in enumerate(told.sources)}, form_numbers={f: number for number, f in enumerate(FORMS)},
        anchors={part.slug: part.anchor for part in parts}, unexplained=view.UNEXPLAINED, most_open=MOST_OPEN, spans=view.spans,
        audit=[(sign, [f for f in findings if f.consistent is state]) for state, sign in FOUND.items()],
        **constants(script=True, up=up),
    )  # fmt: skip


def _headline(told: Body) -> Headline:
    """Say how many of the judged values are reproduced, and what became of the others."""
    found = collections.Counter[str]()
    for count in told.counts:
        found.update(count.verdicts)
    judged = sum(number for word, number in found.items() if word not in _UNJUDGED)
    contradictions = sum(finding.consistent is False for finding in told.findings)
    words = {"BELOW": "below", "ABOVE": "above", "KNOWN_GAP": "known gaps, explained", "ERROR": "in error"}
    words |= {"NOT_JUDGED": "not judged yet", "UNREADABLE": "unreadable in print"}
    others = [f"{found[word]:,} {words[word]}" for word in words if found[word]]
    sentence = (
        f"{found.total():,} published values of {len(told.sources)} source{'s' * (len(told.sources) != 1)}"
    )
    sentence += f": {', '.join(others)}." if others else "."
    if contradictions:
        sentence += (
            f" The prints contradict themselves in {contradictions} place{'s' * (contradictions != 1)}."
        )
    if not judged:
        return Headline("quiet", "·", "No published value is judged yet.", sentence)
    sign = SIGNS["REPRODUCED" if found["REPRODUCED"] == judged else "BELOW"]
    lead = f"{found['REPRODUCED']:,} of {judged:,} judged value{'s' * (judged != 1)} reproduced."
    return Headline(sign.tone, "✓" if sign.tone == "good" else "!", lead, sentence)


def _tallies(rows: Iterable[Row]) -> tuple[tuple[Sign, int], ...]:
    counted = collections.Counter(row.judgement.verdict for row in rows)
    return tuple((SIGNS[word], counted[word]) for word in view.VERDICTS if counted[word])  # type: ignore[index]


def _part(slug: str, rows: Sequence[Row], source: Source | None, anchors: Anchors) -> Part:
    anchor = anchors.claim(slug)
    lines = [_line(row, anchors) for row in rows]
    steps = (line.row.judgement.next_step for line in lines if line.row.judgement.verdict == "NOT_JUDGED")
    blocks = [_block(form, [line for line in lines if line.row.form == form]) for form in FORMS]
    return Part(
        anchor=anchor, slug=slug, source=source, blocks=tuple(block for block in blocks if block.judged or block.others),
        missed=tuple(line for line in lines if line.row.missed), tallies=_tallies(rows), commands=tuple(dict.fromkeys(filter(None, steps))),
    )  # fmt: skip


def _block(form: Form, lines: Sequence[Line]) -> Block:
    judged = [line for line in lines if line.row.judgement.verdict not in _UNJUDGED]
    return Block(
        form=form, heading=view.FORMS[form].capitalize(),
        judged=tuple(sorted(judged, key=lambda line: not line.row.missed)),
        others=tuple(line for line in lines if line.row.judgement.verdict in _UNJUDGED),
    )  # fmt: skip


def _line(row: Row, anchors: Anchors) -> Line:
    expected, judged = row.expected, row.judgement
    told = f"{row.scenario}--{expected.variant}--{expected.place}--{expected.row}"
    published, measured = view.published(row), view.measured(row)
    mean, reference = numbers.number(judged.value), numbers.number(expected.value)
    drawn = (
        None
        if mean is None or expected.rule == "exact"
        else strips.strip((mean,), judged.lower, judged.upper, reference)
    )
    return Line(
        anchor=anchors.claim(told), row=row, sign=SIGNS[judged.verdict],
        published=Shown(text=published, items=_ranked(expected.order) or _items(expected.value)),
        measured=Shown(text=measured, items=_items(judged.value)),
        resolution=f"{judged.resolution:.2g}" if judged.resolution else "",
        strip=drawn, strip_text=f"measured {measured}, published {published}" if drawn else "",
    )  # fmt: skip


def _ranked(order: Sequence[str]) -> tuple[str, ...]:
    """Name what an ordering orders, where the row cannot."""
    return tuple(order) if len(order) >= view.INLINE else ()


def _items(value: Value | None) -> tuple[str, ...]:
    """Write the numbers of a long array, at most `_MOST_ITEMS`."""
    flat = numbers.flat(value) if isinstance(value, list) else []
    more = (f"and {len(flat) - _MOST_ITEMS} more",) if len(flat) > _MOST_ITEMS else ()
    return (*map(view.value, flat[:_MOST_ITEMS]), *more) if len(flat) > view.INLINE else ()
