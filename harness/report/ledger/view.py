"""The ledger as text for a terminal, and as Markdown for the documentation."""

from __future__ import annotations

import collections
import dataclasses
import io
import math
import typing

from harness.report.ledger.rows import counts
from harness.store.visible import print_table, visible

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from harness.records import Job, Value
    from harness.report.ledger.rows import Count, Row
    from harness.sources.audit import AuditFinding

TEMPLATE = "reproduction.md.j2"
VERDICTS = ("REPRODUCED", "BELOW", "ABOVE", "KNOWN_GAP", "INCONCLUSIVE", "ERROR", "NOT_JUDGED")
"""Verdicts on published values, in the order of the summary's columns."""
SORTS = {"result": "results", "fact": "facts of the protocol", "unreadable": "unreadable prints"}
UNEXPLAINED = "not explained yet"
UNDECIDED = "these runs cannot tell"
_SAID = {
    "BELOW": "below",
    "ABOVE": "above",
    "KNOWN_GAP": "with a known gap",
    "INCONCLUSIVE": "undecided",
}
_SAID |= {"ERROR": "in error", "NOT_JUDGED": "not judged"}
REPEATED = 3
"""Rows of a source from which on a remark stands below the table, once."""
_ROUNDING = 1e-9
"""Spread over the largest value below which runs do not differ but by rounding."""
INLINE = 4
"""Numbers of an array that are written out; longer ones show their ends."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What every form of the ledger shows: Markdown, terminal and page."""

    counts: Sequence[Count]
    """Verdicts by source and sort."""
    sources: Mapping[str, Sequence[Row]]
    """Rows by source, in the order declared."""
    missed: Sequence[Row]
    """Rows that runs contradict or leave undecided, results before facts."""
    findings: Sequence[AuditFinding]
    """The prints held against each other."""
    jobs: Iterable[Job]
    """Where the rows come from; read once."""


def body(rows: Sequence[Row], findings: Sequence[AuditFinding], jobs: Iterable[Job] = ()) -> Body:
    """Sort rows and count them; see `as_markdown` for the parameters."""
    missed = sorted(
        (row for row in rows if row.missed),
        key=lambda row: (row.sort != "result", row.judgement.verdict == "INCONCLUSIVE"),
    )
    return Body(counts=counts(rows), sources=by_source(rows), missed=missed, findings=findings, jobs=jobs)


def headline(counted: Iterable[Count]) -> tuple[str, str]:
    """Say how many of the judged results and facts are reproduced, and what becomes of those that wait for complete data."""
    lead, rest = [], []
    for sort, word, of in (("result", "result", ""), ("fact", "fact", " of the protocol")):
        alike = [count for count in counted if count.sort == sort]
        found, would_be = collections.Counter[str](), collections.Counter[str]()
        for count in alike:
            found.update(count.verdicts)
            would_be.update(count.would_be)
        if not found:
            continue
        judged = sum(number for verdict, number in found.items() if verdict != "NOT_JUDGED")
        if judged:
            lead.append(
                f"{found['REPRODUCED']:,} of {judged:,} judged {word}{'s' * (judged != 1)}{of} reproduced"
            )
        parts = [f"{found[verdict]:,} {said}" for verdict, said in _SAID.items() if found[verdict]]
        if would_be:
            parts.append(
                f"{would_be['REPRODUCED']:,} of {would_be.total():,} that wait for complete training data would be reproduced"
            )
        total, printed = found.total(), sum(count.places for count in alike)
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
    told = body(rows, findings, jobs)
    return environment.get_template(TEMPLATE).render(
        **{field.name: getattr(told, field.name) for field in dataclasses.fields(told)},
        verdicts=VERDICTS,
        sorts=SORTS,
        lead=headline(told.counts),
        waiting=[count for count in told.counts if count.would_be],
        explained=_by_explanation(told.missed),
        repeated=_repeated,
        published=published,
        measured=measured,
        elsewhere=elsewhere,
        spans=spans,
    )


def as_text(rows: Sequence[Row], findings: Sequence[AuditFinding], width: int = 120) -> str:
    """Write the ledger for a terminal of `width` characters: summary, what is missed and why, contradictions, every row."""
    from rich.console import Console

    written = io.StringIO()
    console = Console(file=written, width=width, highlight=False, markup=False)
    told = body(rows, findings)
    for source, of_source in told.sources.items():
        _print_source(console, source, of_source)
    _print_missed(console, told.missed)
    _print_audit(console, told.findings)
    _print_counts(console, told.counts)
    return written.getvalue()


def _print_source(console: Console, source: str, rows: Iterable[Row]) -> None:
    from rich.table import Column, Table

    table = Table(
        Column("place, row", min_width=16),
        "published",
        "measured",
        "n",
        "verdict",
        title=source,
        title_justify="left",
        expand=True,
    )
    for row in rows:
        judged = row.judgement
        place = f"{row.expected.place}: {row.expected.row}{elsewhere(row)}"
        verdict = judged.verdict + (f" ±{judged.tolerance:.2g}" if judged.tolerance else "")
        table.add_row(place, published(row), measured(row), str(judged.n or ""), verdict)
    print_table(console, table)


def _print_missed(console: Console, missed: Sequence[Row]) -> None:
    console.print(f"Not reproduced or undecided: {len(missed) or 'none'}")
    for row in missed:
        told = row.explanation or f"{unexplained(row)} ({row.judgement.reason})"
        console.print(
            f"  {row.judgement.verdict} {row.scenario}:{row.expected.variant} {row.expected.metric}: {told}"
        )
    console.print()


def _print_audit(console: Console, findings: Sequence[AuditFinding]) -> None:
    """Print every check of the prints against each other with what it found, contradictions last and thus nearest to the reader."""
    told = {True: "consistent", None: "open", False: "contradictory"}
    for state, word in told.items():
        for finding in findings:
            if finding.consistent is state:
                where = f"{word}: {finding.source}, {finding.place}"
                console.print(f"  {where}: {finding.claim}. {finding.check}: {finding.found}")
    number = {word: sum(finding.consistent is state for finding in findings) for state, word in told.items()}
    console.print("Source audit: " + ", ".join(f"{count} {word}" for word, count in number.items()))
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


def by_source(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Sort rows by their source, in the order met."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.source, []).append(row)
    return found


def _by_explanation(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Sort rows by what explains them, in the order met."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.explanation or unexplained(row).capitalize(), []).append(row)
    return found


def unexplained(row: Row) -> str:
    """Say what stands in the place of an explanation."""
    return UNDECIDED if row.judgement.verdict == "INCONCLUSIVE" else UNEXPLAINED


def elsewhere(row: Row) -> str:
    """Name the other places of a statement; empty if there is none."""
    places = dict.fromkeys(place.place for place in row.also)
    return f" (also: {', '.join(places)})" if places else ""


def _repeated(rows: Iterable[Row]) -> dict[str, str]:
    """Give the remarks that many rows share a number."""
    found = collections.Counter(row.judgement.reason for row in rows if row.judgement.verdict != "REPRODUCED")
    shared = [reason for reason, times in found.items() if reason and times >= REPEATED]
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
    return bound + value(expected.value, _decimals(expected.half_width)) + _unit(expected.unit)


def measured(row: Row) -> str:
    """Write the mean over the runs with their standard deviation; of an ordering the smallest lead."""
    judged = row.judgement
    if judged.value is None:
        return ""
    largest = max((abs(number) for number in _flat([judged.value])), default=0.0)
    varies = judged.spread is not None and judged.spread > _ROUNDING * largest
    spread = f" ± {judged.spread:.2g}" if varies else ""
    lead = "lead " if row.expected.order else ""
    return f"{lead}{value(judged.value)}{spread}{_unit(judged.unit)}"


def value(number: Value | None, decimals: int | None = None) -> str:
    """Write a number with `decimals`, or four significant digits; an array as its size and ends."""
    if number is None:
        return ""
    if not isinstance(number, list):
        return _number(float(number), decimals)
    flat, size = _flat(number), _size(number)
    if len(flat) <= INLINE:
        return ", ".join(_number(one, decimals) for one in flat)
    return f"{size} values, {_number(flat[0], decimals)} … {_number(flat[-1], decimals)}"


def _number(number: float, decimals: int | None) -> str:
    if number and not 1e-3 <= abs(number) < 1e9:
        return f"{number:.2g}"
    if decimals is not None:
        return f"{number:,.{decimals}f}"
    if number == int(number):
        return f"{int(number):,}"
    return f"{number:,.{max(0, 3 - math.floor(math.log10(abs(number))))}f}"


def _decimals(half_width: float) -> int | None:
    """Return how many decimals a print with this rounding shows; None if it is exact."""
    return max(0, round(-math.log10(2 * half_width))) if half_width > 0 else None


def _flat(nested: list[typing.Any]) -> list[float]:
    return [
        number for item in nested for number in (_flat(item) if isinstance(item, list) else [float(item)])
    ]


def _size(nested: typing.Any) -> str:  # noqa: ANN401 - a nested list of any depth
    sizes = []
    while isinstance(nested, list):
        sizes.append(len(nested))
        nested = nested[0] if nested else None
    return " × ".join(map(str, sizes))


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _cell(text: object) -> str:
    """Make text safe within a Markdown table: it ends no cell and opens no tag."""
    plain = visible(str(text)).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace("|", "\\|").replace("\n", " ").strip()


def _verdict(consistent: bool | None) -> str:
    return {True: "consistent", False: "**contradictory**", None: "open"}[consistent]


def spans(job: Job) -> list[str]:
    """Say which runs a job holds: scenario, variant, tier, backend and device, with the number of seeds."""
    found: dict[str, int] = {}
    for result in job.results:
        if result.status == "ok":
            request = result.request
            name = (
                f"{request.scenario}:{request.variant}, {request.tier}, {request.backend} on {request.device}"
            )
            found[name] = found.get(name, 0) + 1
    return [f"{name}: {runs} run{'s' * (runs > 1)}" for name, runs in found.items()]
