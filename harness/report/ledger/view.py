"""The ledger as text for a terminal, and as Markdown for the documentation."""

from __future__ import annotations

import collections
import io
import math
import typing

from harness.report import numbers
from harness.report.ledger.rows import Count, Row, counts
from harness.store.visible import print_table, visible

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from harness.records import Job, Value
    from harness.sources.audit import AuditFinding

TEMPLATE = "reproduction.md.j2"
VERDICTS = ("REPRODUCED", "BELOW", "ABOVE", "KNOWN_GAP", "INCONCLUSIVE", "ERROR", "NOT_JUDGED")
"""Verdicts on published values, in the order of the summary's columns."""
SORTS = {"result": "results", "fact": "facts of the protocol", "unreadable": "unreadable prints"}
UNEXPLAINED = "not explained yet"
UNDECIDED = "these runs cannot tell"
_IN_WORDS = {
    "BELOW": "below", "ABOVE": "above", "KNOWN_GAP": "with a known gap", "INCONCLUSIVE": "undecided", "ERROR": "in error",
    "NOT_JUDGED": "not judged",
}  # fmt: skip
REPEATED = 3
"""Rows of a source from which on a remark stands below the table, once."""
_ROUNDING = 1e-9
"""Spread over the largest value below which runs do not differ but by rounding."""
INLINE = 4
"""Numbers of an array that are written out; longer ones show their ends."""


class Body(typing.NamedTuple):
    """What every form of the ledger shows: Markdown, terminal and page."""

    counts: Sequence[Count]  # verdicts by source and sort
    sources: Mapping[str, Sequence[Row]]  # rows by source, in the order declared
    missed: Sequence[Row]  # rows that runs contradict or leave undecided, results before facts


def body(rows: Sequence[Row]) -> Body:
    """Sort rows and count them."""
    sources: dict[str, list[Row]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row)
    missed = [row for row in rows if row.missed]
    missed.sort(key=lambda row: (row.sort != "result", row.judgement.verdict == "INCONCLUSIVE"))
    return Body(counts(rows), sources, missed)


def headline(counted: Iterable[Count]) -> tuple[str, str]:
    """Say how many of the judged results and facts are reproduced, and what becomes of those that wait for complete data."""
    lead, rest = [], []
    for sort, word, of in (("result", "result", ""), ("fact", "fact", " of the protocol")):
        alike = [count for count in counted if count.sort == sort]
        verdicts, would_be = collections.Counter[str](), collections.Counter[str]()
        for count in alike:
            verdicts.update(count.verdicts)
            would_be.update(count.would_be)
        total, printed = verdicts.total(), sum(count.places for count in alike)
        if not total:
            continue
        judged = total - verdicts["NOT_JUDGED"]
        if judged:
            lead.append(
                f"{verdicts['REPRODUCED']:,} of {judged:,} judged {word}{'s' * (judged != 1)}{of} reproduced"
            )
        parts = [
            f"{verdicts[verdict]:,} {words}" for verdict, words in _IN_WORDS.items() if verdicts[verdict]
        ]
        if would_be:
            reproduced = f"{would_be['REPRODUCED']:,} of {would_be.total():,}"
            parts.append(f"{reproduced} that wait for complete training data would be reproduced")
        stated = f"{total:,} {word}{'s' * (total != 1)}{of}" + (
            f" in {printed:,} places" if printed > total else ""
        )
        rest.append(f"{stated}: {', '.join(parts)}" if parts else stated)
    return "; ".join(lead), ". ".join(rest)


def as_markdown(rows: Sequence[Row], findings: Sequence[AuditFinding], jobs: Iterable[Job] = ()) -> str:
    """Write the whole ledger with summary, rows by source, explanations, audit and the runs it rests on.

    Parameters
    ----------
    rows : sequence of Row
        From `harness.report.ledger.collect`.
    findings : sequence of AuditFinding
        From `harness.sources.audit.audit`.
    jobs : iterable of Job
        The jobs that `rows` come from, to name them; looked at one after the other.

    Returns
    -------
    str
        Markdown; same input, same text.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report.ledger", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown, not HTML; cells are escaped by `cell`
    )
    environment.filters |= {"cell": _cell, "verdict": _verdict}
    shown = body(rows)
    explained: dict[str, list[Row]] = {}
    for row in shown.missed:
        explained.setdefault(row.explanation or unexplained(row).capitalize(), []).append(row)
    return environment.get_template(TEMPLATE).render(
        **shown._asdict(), findings=findings, jobs=jobs, verdicts=VERDICTS, sorts=SORTS, lead=headline(shown.counts),
        waiting=[count for count in shown.counts if count.would_be], explained=explained, repeated=_repeated,
        published=published, measured=measured, elsewhere=elsewhere, spans=spans,
    )  # fmt: skip


def as_text(rows: Sequence[Row], findings: Sequence[AuditFinding], width: int = 120) -> str:
    """Write the ledger for a terminal of `width` characters: summary, what is missed and why, contradictions, every row."""
    from rich.console import Console
    from rich.table import Column, Table

    written = io.StringIO()
    console = Console(file=written, width=width, highlight=False, markup=False)
    shown = body(rows)
    for source, of_source in shown.sources.items():
        table = Table(
            Column("place, row", min_width=16), "published", "measured", "n", "verdict", title=source, title_justify="left",
            expand=True,
        )  # fmt: skip
        for row in of_source:
            judged = row.judgement
            place = f"{row.expected.place}: {row.expected.row}{elsewhere(row)}"
            verdict = judged.verdict + (f" ±{judged.tolerance:.2g}" if judged.tolerance else "")
            table.add_row(place, published(row), measured(row), str(judged.n or ""), verdict)
        print_table(console, table)
    console.print(f"Not reproduced or undecided: {len(shown.missed) or 'none'}")
    for row in shown.missed:
        why = row.explanation or f"{unexplained(row)} ({row.judgement.reason})"
        name = f"{row.scenario}:{row.expected.variant} {row.expected.metric}"
        console.print(f"  {row.judgement.verdict} {name}: {why}")
    console.print()
    _print_audit(console, findings)
    _print_counts(console, shown.counts)
    return written.getvalue()


def _print_audit(console: Console, findings: Sequence[AuditFinding]) -> None:
    """Print every comparison of the prints with each other, contradictions last and thus nearest to the reader."""
    totals = []
    for state, word in ((True, "consistent"), (None, "open"), (False, "contradictory")):
        alike = [finding for finding in findings if finding.consistent is state]
        for one in alike:
            console.print(f"  {word}: {one.source}, {one.place}: {one.claim}. {one.check}: {one.found}")
        totals.append(f"{len(alike)} {word}")
    console.print("Source audit: " + ", ".join(totals))
    console.print()


def _print_counts(console: Console, counted: Sequence[Count]) -> None:
    """Print the verdicts that occur, so that the names of the sources stay whole in a terminal of 120 columns."""
    from rich.table import Table

    shown = [verdict for verdict in VERDICTS if any(verdict in count.verdicts for count in counted)]
    table = Table(title="Published values by verdict", title_justify="left")
    for heading in ("source", "what", *shown, "all"):
        table.add_column(heading, overflow="fold")
    for count in counted:
        cells = [str(count.verdicts.get(verdict, 0) or "") for verdict in shown]
        table.add_row(count.source, SORTS[count.sort], *cells, str(count.total))
    print_table(console, table)
    console.print("\n".join(f"{part}." for part in headline(counted) if part))


def unexplained(row: Row) -> str:
    """Say what stands in the place of an explanation."""
    return UNDECIDED if row.judgement.verdict == "INCONCLUSIVE" else UNEXPLAINED


def elsewhere(row: Row) -> str:
    """Name the other places of a statement; empty if there is none."""
    places = dict.fromkeys(place.place for place in row.also)
    return f" (also: {', '.join(places)})" if places else ""


def _repeated(rows: Iterable[Row]) -> dict[str, str]:
    """Give the remarks that many rows share a number."""
    reasons = collections.Counter(
        row.judgement.reason for row in rows if row.judgement.verdict != "REPRODUCED"
    )
    shared = [reason for reason, times in reasons.items() if reason and times >= REPEATED]
    return {reason: f"remark {number}" for number, reason in enumerate(shared, start=1)}


# -- cells --------------------------------------------------------------------


def published(row: Row) -> str:
    """Write the published value with its printed digits; an ordering as what is said to lead."""
    expected = row.expected
    if expected.unreadable:
        return "unreadable"
    if expected.order:
        sign = " ≤ " if expected.better == "lower" else " ≥ "
        rest = expected.order[1:] if len(expected.order) < INLINE else (f"{len(expected.order) - 1} others",)
        return expected.order[0] + sign + ", ".join(rest)
    bound = {"at_most": "≤ ", "at_least": "≥ "}.get(expected.rule, "")
    # a print shows as many decimals as its rounding; without one it is exact
    decimals = max(0, round(-math.log10(2 * expected.half_width))) if expected.half_width > 0 else None
    return bound + value(expected.value, decimals) + (f" {expected.unit}" if expected.unit else "")


def measured(row: Row) -> str:
    """Write the mean over the runs with their standard deviation; of an ordering the smallest lead."""
    judged = row.judgement
    if judged.value is None:
        return ""
    largest = max(map(abs, numbers.flat(judged.value)), default=0.0)
    varies = judged.spread is not None and judged.spread > _ROUNDING * largest
    spread = f" ± {judged.spread:.2g}" if varies else ""
    unit = f" {judged.unit}" if judged.unit else ""
    return f"{'lead ' if row.expected.order else ''}{value(judged.value)}{spread}{unit}"


def value(number: Value | None, decimals: int | None = None) -> str:
    """Write a number with `decimals`, or four significant digits; an array as its size and ends."""
    if number is None:
        return ""
    texts = [_number(one, decimals) for one in numbers.flat(number)]
    if not isinstance(number, list) or len(texts) <= INLINE:
        return ", ".join(texts)
    return f"{numbers.shape(number)} values, {texts[0]} … {texts[-1]}"


def _number(number: float, decimals: int | None) -> str:
    if number and not 1e-3 <= abs(number) < 1e9:
        return f"{number:.2g}"
    if decimals is None:
        decimals = 0 if number == int(number) else max(0, 3 - math.floor(math.log10(abs(number))))
    return f"{number:,.{decimals}f}"


def _cell(text: object) -> str:
    """Make text safe within a Markdown table: it ends no cell and opens no tag."""
    plain = visible(str(text)).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace("|", "\\|").replace("\n", " ").strip()


def _verdict(consistent: bool | None) -> str:
    return {True: "consistent", False: "**contradictory**", None: "open"}[consistent]


def spans(job: Job) -> list[str]:
    """Say which runs a job holds: scenario, variant, tier, backend and device, with the number of seeds."""
    requests = (result.request for result in job.results if result.status == "ok")
    runs = collections.Counter(
        f"{r.scenario}:{r.variant}, {r.tier}, {r.backend} on {r.device}" for r in requests
    )
    return [f"{name}: {count} run{'s' * (count > 1)}" for name, count in runs.items()]
