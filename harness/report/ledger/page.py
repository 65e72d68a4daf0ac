"""The ledger as one HTML page that works offline and without scripts."""

from __future__ import annotations

import collections
import dataclasses
import typing

from harness.report import claims, numbers, strips
from harness.report.ledger import view
from harness.report.ledger.rows import SORTS
from harness.report.rows import Shown
from harness.report.section import Anchors
from harness.report.templating import constants, environment
from harness.report.verdicts import SIGNS, Headline, Sign

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.records import Job, Scenario, Source, Value
    from harness.report.ledger.rows import Row, Sort
    from harness.report.ledger.view import Body
    from harness.sources.audit import AuditFinding

FOUND = {
    False: Sign("contradictory", "≠", "warn", "The prints cannot all be right, whatever was run."),
    None: Sign("unclear", "·", "quiet", "The prints do not settle it."),
    True: Sign("consistent", "✓", "good", "The prints agree within their digits."),
}
"""What held against each other prints came to, worst first."""
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
    tolerance: str
    """Largest difference that agrees; empty for equality."""
    strip: strips.Strip | None
    """Mean and bounds drawn."""
    strip_text: str
    """Text alternative of `strip`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The statements of one sort of one source."""

    sort: Sort
    """Sort."""
    heading: str
    """The sort in words."""
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
    """Its statements by sort."""
    missed: tuple[Line, ...]
    """Those that runs contradict or leave undecided."""
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
        As for `harness.report.ledger.as_markdown`.
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
        told=told, parts=parts, headline=_headline(told), tallies=_tallies(rows), sorts=view.SORTS, signs=SIGNS,
        columns=[word for word in view.VERDICTS if any(word in count.verdicts for count in told.counts)],
        source_numbers={slug: number for number, slug in enumerate(told.sources)}, sort_numbers={s: number for number, s in enumerate(SORTS)},
        anchors={part.slug: part.anchor for part in parts}, unexplained=view.unexplained, elsewhere=view.elsewhere,
        claims=list(_claims(parts)), most_open=MOST_OPEN, spans=view.spans,
        audit=[(sign, [f for f in findings if f.consistent is state]) for state, sign in FOUND.items()],
        **constants(script=True, up=up),
    )  # fmt: skip


def _claims(parts: Iterable[Part]) -> Iterator[claims.Claim]:
    """Yield what the sources are known for, with the verdicts of the runs."""
    for line in (line for part in parts for block in part.blocks for line in (*block.judged, *block.others)):
        row, judged = line.row, line.row.judgement
        claimed = next((expected for expected in (row.expected, *row.also) if expected.claim), None)
        if claimed is not None and isinstance(claimed.value, float):
            scale = numbers.scale(judged.kind, claimed.unit, [claimed.value])
            yield claims.Claim(
                scenario=row.scenario, variant=claimed.variant, metric=claimed.metric, published=scale.printed(claimed.value),
                measured=claims.mean(judged, line.measured.text) if judged.n else "", data=claims.on_data(row.datasets, row.tier, judged.n),
                sign=line.sign, note=claims.would_be(judged), anchor=line.anchor,
            )  # fmt: skip


def _headline(told: Body) -> Headline:
    """Say how many of the judged results are reproduced, and what became of the others."""
    lead, sentence = view.headline(told.counts)
    contradictions = sum(finding.consistent is False for finding in told.findings)
    if contradictions:
        sentence += (
            f". The prints contradict themselves in {contradictions} place{'s' * (contradictions != 1)}"
        )
    if not lead:
        return Headline("quiet", "·", "No published value is judged yet.", f"{sentence}." if sentence else "")
    sign = SIGNS["BELOW" if told.missed else "REPRODUCED"]
    return Headline(sign.tone, "✓" if sign.tone == "good" else "!", f"{lead}.", f"{sentence}.")


def _tallies(rows: Iterable[Row]) -> tuple[tuple[Sign, int], ...]:
    counted = collections.Counter(row.judgement.verdict for row in rows)
    return tuple((SIGNS[word], counted[word]) for word in view.VERDICTS if counted[word])  # type: ignore[index]


def _part(slug: str, rows: Sequence[Row], source: Source | None, anchors: Anchors) -> Part:
    anchor = anchors.claim(slug)
    lines = [_line(row, anchors) for row in rows]
    steps = (line.row.judgement.next_step for line in lines if line.row.judgement.verdict == "NOT_JUDGED")
    blocks = [_block(sort, [line for line in lines if line.row.sort == sort]) for sort in SORTS]
    return Part(
        anchor=anchor, slug=slug, source=source, blocks=tuple(block for block in blocks if block.judged or block.others),
        missed=tuple(line for line in lines if line.row.missed), tallies=_tallies(rows), commands=tuple(dict.fromkeys(filter(None, steps))),
    )  # fmt: skip


def _block(sort: Sort, lines: Sequence[Line]) -> Block:
    judged = [line for line in lines if line.row.judgement.verdict != "NOT_JUDGED"]
    return Block(
        sort=sort, heading=view.SORTS[sort].capitalize(),
        judged=tuple(sorted(judged, key=lambda line: not line.row.missed)),
        others=tuple(line for line in lines if line.row.judgement.verdict == "NOT_JUDGED"),
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
        tolerance=f"{judged.tolerance:.2g}" if judged.tolerance else "",
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
