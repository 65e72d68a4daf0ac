"""The ledger as one HTML page that works offline and without scripts."""

from __future__ import annotations

import collections
import typing

from harness.report import claims, numbers, strips
from harness.report.ledger import view
from harness.report.ledger.rows import SORTS
from harness.report.rows import Shown
from harness.report.templating import Anchors, constants, environment
from harness.report.verdicts import SIGNS, Headline, Sign

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.records import Job, Scenario, Source, Value
    from harness.report.ledger.rows import Row, Sort
    from harness.sources.audit import AuditFinding

AUDIT = {
    False: Sign("contradictory", "≠", "warn", "The prints cannot all be right, whatever was run."),
    None: Sign("unclear", "·", "quiet", "The prints do not settle it."),
    True: Sign("consistent", "✓", "good", "The prints agree within their digits."),
}
"""What comparing the prints with each other showed, worst first."""
MOST_OPEN = 4
"""Missed values of a source that are shown at once; the others are folded."""
_MOST_ITEMS = 200


class Line(typing.NamedTuple):
    """One published value."""

    anchor: str  # id on the page
    row: Row
    sign: Sign
    published: Shown
    measured: Shown
    tolerance: str  # largest difference that agrees; empty for equality
    strip: strips.Strip | None  # mean and bounds drawn
    strip_text: str


class Block(typing.NamedTuple):
    """The statements of one sort of one source."""

    sort: Sort
    heading: str
    judged: list[Line]  # misses first
    others: list[Line]


class Part(typing.NamedTuple):
    """One source."""

    anchor: str  # id on the page
    slug: str
    source: Source | None  # None if no scenario declares it
    blocks: list[Block]
    missed: list[Line]  # those that runs contradict or leave undecided
    tallies: list[tuple[Sign, int]]
    commands: list[str]  # what would judge the others


def as_page(
    rows: Sequence[Row], findings: Sequence[AuditFinding], jobs: Iterable[Job], scenarios: Mapping[str, Scenario], up: str = ""
) -> str:  # fmt: skip
    """Write the ledger: verdicts by source on top, what is missed and why, then every published value with its place.

    `rows`, `findings` and `jobs` are those of `harness.report.ledger.as_markdown`; `scenarios` by name give the titles of the sources;
    `up` is the address of an index over this page. Returns one self-contained HTML page. Same input, same text.
    """
    body, anchors = view.body(rows), Anchors()
    sources = {scenario.source.slug: scenario.source for scenario in scenarios.values()}
    parts = [_part(slug, of_source, sources.get(slug), anchors) for slug, of_source in body.sources.items()]
    return environment().get_template("ledger.html.j2").render(
        body=body, jobs=jobs, parts=parts, headline=_headline(body, findings), tallies=_tallies(rows), sorts=view.SORTS, signs=SIGNS,
        columns=[word for word in view.VERDICTS if any(word in count.verdicts for count in body.counts)],
        source_numbers={slug: number for number, slug in enumerate(body.sources)}, sort_numbers={s: number for number, s in enumerate(SORTS)},
        anchors={part.slug: part.anchor for part in parts}, unexplained=view.unexplained, elsewhere=view.elsewhere,
        claims=list(_claims(parts)), most_open=MOST_OPEN, spans=view.spans,
        audit=[(sign, [f for f in findings if f.consistent is state]) for state, sign in AUDIT.items()],
        **constants(script=True, up=up),
    )  # fmt: skip


def _claims(parts: Iterable[Part]) -> Iterator[claims.Claim]:
    """Yield what the sources are known for, with the verdicts of the runs."""
    for line in (line for part in parts for block in part.blocks for line in (*block.judged, *block.others)):
        row = line.row
        claimed = next((expected for expected in (row.expected, *row.also) if expected.claim), None)
        if claimed is not None and isinstance(claimed.value, float):
            published = numbers.scale(row.judgement.kind, claimed.unit, [claimed.value]).printed(
                claimed.value
            )
            yield claims.claim(
                row.scenario, claimed.variant, row.judgement, published, line.measured.text, row.datasets, row.tier, line.sign, line.anchor
            )  # fmt: skip


def _headline(body: view.Body, findings: Iterable[AuditFinding]) -> Headline:
    """Say how many of the judged results are reproduced, and what became of the others."""
    lead, sentence = view.headline(body.counts)
    contradictions = sum(finding.consistent is False for finding in findings)
    if contradictions:
        sentence += (
            f". The prints contradict themselves in {contradictions} place{'s' * (contradictions != 1)}"
        )
    if not lead:
        return Headline("quiet", "·", "No published value is judged yet.", f"{sentence}." if sentence else "")
    sign = SIGNS["BELOW" if body.missed else "REPRODUCED"]
    return Headline(sign.tone, "✓" if sign.tone == "good" else "!", f"{lead}.", f"{sentence}.")


def _tallies(rows: Iterable[Row]) -> list[tuple[Sign, int]]:
    counted = collections.Counter[str](row.judgement.verdict for row in rows)
    return [(SIGNS[word], counted[word]) for word in view.VERDICTS if counted[word]]


def _part(slug: str, rows: Sequence[Row], source: Source | None, anchors: Anchors) -> Part:
    anchor = anchors.claim(slug)
    lines = [_line(row, anchors) for row in rows]
    judged = [line for line in lines if line.row.judgement.verdict != "NOT_JUDGED"]
    others = [line for line in lines if line.row.judgement.verdict == "NOT_JUDGED"]
    blocks = [
        Block(
            sort, view.SORTS[sort].capitalize(),
            sorted((line for line in judged if line.row.sort == sort), key=lambda line: not line.row.missed),
            [line for line in others if line.row.sort == sort],
        )
        for sort in SORTS
    ]  # fmt: skip
    return Part(
        anchor=anchor, slug=slug, source=source, blocks=[block for block in blocks if block.judged or block.others],
        missed=[line for line in lines if line.row.missed], tallies=_tallies(rows),
        commands=list(dict.fromkeys(filter(None, (line.row.judgement.next_step for line in others)))),
    )  # fmt: skip


def _line(row: Row, anchors: Anchors) -> Line:
    expected, judged = row.expected, row.judgement
    published, measured = view.published(row), view.measured(row)
    mean, reference = numbers.number(judged.value), numbers.number(expected.value)
    drawn = None
    if mean is not None and expected.rule != "exact":
        drawn = strips.strip((mean,), judged.lower, judged.upper, reference)
    # an ordering of many names what it orders, which the row cannot
    order = tuple(expected.order) if len(expected.order) >= view.INLINE else ()
    return Line(
        anchor=anchors.claim(f"{row.scenario}--{expected.variant}--{expected.place}--{expected.row}"), row=row,
        sign=SIGNS[judged.verdict], published=Shown(published, order or _items(expected.value)),
        measured=Shown(measured, _items(judged.value)), tolerance=f"{judged.tolerance:.2g}" if judged.tolerance else "",
        strip=drawn, strip_text=f"measured {measured}, published {published}" if drawn else "",
    )  # fmt: skip


def _items(value: Value | None) -> tuple[str, ...]:
    """Write the numbers of a long array, at most `_MOST_ITEMS`."""
    flat = numbers.flat(value)
    more = (f"and {len(flat) - _MOST_ITEMS} more",) if len(flat) > _MOST_ITEMS else ()
    return (*map(view.value, flat[:_MOST_ITEMS]), *more) if len(flat) > view.INLINE else ()
