"""Rows of the report's tables: records with numbers written out and places on small drawings."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import statistics
import typing

from harness.judging.outcome import needs_attention
from harness.records.metrics import VALUE_SCORES
from harness.report import numbers, spread, strips
from harness.report.verdicts import SIGNS, Sign

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.records import Cause, IdentityCheck, Judgement, Kind, Measured, RunResult, Value, Verdict

_ROUNDING = 1e-12
"""Share of a value below which a spread is what summing equal numbers leaves."""
_MOST_INLINE = 4
"""Numbers of an array that are written in the row; longer ones are folded."""
_FEW = 3
"""Runs below which no test decides."""
_CLEAR = 2.0
"""From so many times the resolution on a gap counts as strong evidence."""
_NO_EVIDENCE: Mapping[Verdict, str] = {
    "ERROR": "None: there is nothing to judge.",
    "NO_BASELINE": "None yet: there is nothing to compare with.",
    "INCOMPARABLE": "None: what differs besides the code could explain any change.",
}
_CERTAIN: tuple[Cause, ...] = ("equal", "unequal", "exact", "repeatable", "not_repeatable")
"""Causes that chance has no part in."""


class Shown(typing.NamedTuple):
    """A value as text."""

    text: str  # the number, or what the array is
    items: tuple[str, ...] = ()  # every number of a long array


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JudgementRow:
    """One judgement of a variant."""

    judgement: Judgement
    anchor: str  # id on the page
    sign: Sign
    urgent: bool  # whether it needs attention
    incomplete: bool  # whether the runs read an incomplete data set
    value: Shown  # mean over the runs, with their standard deviation from two runs on
    reference: Shown  # published value, baseline mean, or tolerance
    bounds: str
    resolution: str  # smallest difference that could be seen; empty if not stated
    tolerance: str  # largest difference from a published value that agrees; empty for equality
    strip: strips.Strip | None  # values of the single runs beside the bounds
    strip_text: str
    evidence: str  # how sure the verdict is; empty for what needs no attention
    spread: spread.Spread | None  # the single runs drawn large, for what needs attention

    @property
    def calm_count(self) -> bool:
        """Whether it is a count of work that needs no attention: there are many, so they are folded."""
        counted = self.judgement.kind == "work" and self.judgement.metric.startswith("work.")
        return counted and self.judgement.verdict in {"PASS", "NO_BASELINE", "INCOMPARABLE", "NOT_JUDGED"}


@dataclasses.dataclass(frozen=True, slots=True)
class IdentityRow:
    """The worst check of one identity over all runs."""

    check: IdentityCheck
    anchor: str  # id on the page; empty if it was not judged
    sign: Sign  # of PASS or REGRESSED
    place: float  # error over tolerance on the logarithmic axis, 0 to 100


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric over all runs of a variant."""

    name: str
    kind: str
    value: Shown  # mean over the runs, or the array of the first run
    spread: str  # standard deviation over the runs; empty below two
    singles: str  # values of the single runs; empty for arrays


class ClassTable(typing.NamedTuple):
    """Scores per class of one prediction set, of one run."""

    label: str  # prediction set; empty for the test set
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class ConfusionTable(typing.NamedTuple):
    """Images by true and predicted class, of one run."""

    label: str  # prediction set; empty for the test set
    rows: tuple[tuple[tuple[int, float], ...], ...]  # count and share of the true class


def shown(value: Value | None, scale: numbers.Scale) -> Shown:
    """Write a number, a short array, or what a long array is."""
    if not isinstance(value, list):
        return Shown(scale.text(value))
    items = [scale.text(number) for number in numbers.flat(value)]
    if len(items) <= _MOST_INLINE:
        return Shown(", ".join(items))
    return Shown(f"{numbers.shape(value)} values, {items[0]} … {items[-1]}", tuple(items))


def judgement_row(
    judgement: Judgement, results: Sequence[RunResult], anchor: str, *, incomplete: bool
) -> JudgementRow:
    """Write one judgement out, with the values of single runs where the runs recorded them as a number."""
    j = judgement
    dots = _singles(j, results)
    near = [number for value in (j.value, j.reference) for number in numbers.flat(value)]
    # a share stays a share where a bound lies beyond what shares can be
    ends = [j.lower, j.upper] if j.unit else []
    scale = numbers.scale(_kind(j.metric, j.kind), j.unit, [*near, *ends], j.resolution or j.spread)
    if j.against == "identity":
        scale = numbers.Scale()
    reference, urgent = numbers.number(j.reference), needs_attention(j)
    published = j.against == "expectation" and reference is not None
    base = j.reference_runs
    if not base and j.kind == "work" and j.against == "baseline" and reference is not None:
        base = (reference,)  # a count is taken once
    return JudgementRow(
        judgement=j, anchor=anchor, sign=SIGNS[j.verdict], urgent=urgent, incomplete=incomplete,
        value=_with_spread(j.value, j.spread, scale),
        reference=Shown(scale.printed(reference)) if published and reference is not None else shown(j.reference, scale),
        bounds=_bounds(j.lower, j.upper, scale),
        resolution="" if j.resolution is None else scale.small(j.resolution),
        tolerance="" if j.tolerance is None else scale.small(j.tolerance),
        strip=strips.strip(dots, j.lower, j.upper, reference, j.reference_runs),
        strip_text="Runs: " + ", ".join(map(scale.text, dots)),
        evidence=evidence(j, dots) if urgent else "",
        spread=spread.spread(dots, base, (j.lower, j.upper), reference, scale) if urgent else None,
    )  # fmt: skip


def together(listed: Iterable[JudgementRow]) -> list[tuple[JudgementRow, list[JudgementRow]]]:
    """Give metrics that say the same one row of a table: each row that leads, with those that share it.

    Scores of one prediction set with the same verdict follow the first of them, as f1 does accuracy; a time or memory of a single
    stage follows the same quantity of the whole run.
    """
    groups: dict[tuple[object, ...], list[JudgementRow]] = {}
    for row in listed:
        judged = row.judgement
        before, _, last = judged.metric.rpartition(".")
        alike = {"accuracy": before, "memory": last, "runtime": last}.get(judged.kind, judged.metric)
        groups.setdefault((judged.kind, alike, judged.verdict, judged.gated), []).append(row)
    table: list[tuple[JudgementRow, list[JudgementRow]]] = []
    for (kind, *_), rows in groups.items():
        lead = (
            rows[0]
            if kind == "accuracy"
            else next((r for r in rows if r.judgement.metric.startswith("total.")), None)
        )
        if lead is None:
            table += [(row, []) for row in rows]
        else:
            table.append((lead, [row for row in rows if row is not lead]))
    return table


def _with_spread(value: Value | None, over_runs: float | None, scale: numbers.Scale) -> Shown:
    if value is None or over_runs is None:
        return shown(value, scale)
    if over_runs < _ROUNDING * max(map(abs, numbers.flat(value)), default=0.0):
        over_runs = 0.0
    if not isinstance(value, list):
        return Shown(f"{scale.bare(float(value))} ± {scale.small(over_runs)}")
    whole = shown(value, scale)
    return whole._replace(text=f"{whole.text}, spread up to {scale.small(over_runs)}") if over_runs else whole


def _singles(judgement: Judgement, results: Sequence[RunResult]) -> list[float]:
    """Return the runs' single values in the judgement's unit; none if they are not numbers in such a unit."""
    recorded = [result.metrics[judgement.metric] for result in results if judgement.metric in result.metrics]
    if not recorded and judgement.kind == "work" and judgement.value is not None:
        return numbers.flat(judgement.value)  # counted in a run of its own
    factor = 100.0 if judgement.unit == "%" and all(not measured.unit for measured in recorded) else 1.0
    if factor == 1.0 and any(measured.unit != judgement.unit for measured in recorded):
        return []
    values = [numbers.number(measured.value) for measured in recorded]
    return [value * factor for value in values if value is not None]


def _bounds(lower: float | None, upper: float | None, scale: numbers.Scale) -> str:
    if lower is None and upper is None:
        return numbers.NONE
    if lower is None or upper is None:
        return f"≥ {scale.text(lower)}" if upper is None else f"≤ {scale.text(upper)}"
    return f"{scale.bare(lower)} to {scale.text(upper)}"


def evidence(judgement: Judgement, runs: Sequence[float]) -> str:
    """Say in words how strong the evidence is: its kind, and how the single runs, in the judgement's unit, lie."""
    if judgement.verdict in _NO_EVIDENCE:
        return _NO_EVIDENCE[judgement.verdict]
    if judgement.against == "identity":
        return "Certain: arithmetic decides, not chance."
    if judgement.cause in _CERTAIN:
        return "Certain: nothing that chance moves is compared."
    if judgement.against == "expectation":
        value, reference = numbers.number(judgement.value), numbers.number(judgement.reference)
        if value is None or reference is None or not judgement.resolution:
            return "The declared rule decides; its test stands beside."
        gap = abs(value - reference) / judgement.resolution
        strength = "Weak" if judgement.n < _FEW else "Strong" if gap >= _CLEAR else "Moderate"
        count = f"{judgement.n} run{'s' * (judgement.n != 1)}"
        return f"{strength}: the gap is {gap:.1f} times the smallest that {count} and the test set can show."
    strength = {"REGRESSED": "Strong", "IMPROVED": "Strong", "INCONCLUSIVE": "Open"}.get(
        judgement.verdict, ""
    )
    if strength == "Strong" and judgement.cause == "confirmed":
        strength = "Strong, and confirmed on fresh runs"
    said = list(filter(None, (strength, _overlap(runs, judgement.reference_runs))))
    return ": ".join(said) + "." if said else ""


def _overlap(runs: Sequence[float], base: Sequence[float]) -> str:
    """Say how many runs lie outside all that the reference's runs ever gave."""
    if not runs or not base:
        return ""
    below = statistics.median(runs) < statistics.median(base)
    beyond = sum(run < min(base) if below else run > max(base) for run in runs)
    where = f"{'below' if below else 'above'} " + (
        f"all {len(base)} baseline runs" if len(base) > 1 else "the one baseline run"
    )
    if not beyond:
        return f"none of {len(runs)} runs lies {where}"
    if beyond < len(runs):
        return f"{beyond} of {len(runs)} runs lie {where}"
    return f"all {len(runs)} runs lie {where}" if len(runs) > 1 else f"the one run lies {where}"


def identity_rows(results: Iterable[RunResult], judged: Iterable[JudgementRow]) -> list[IdentityRow]:
    """Return the worst check of each identity, worst first; a judgement overrules the check's own verdict."""
    rows = {row.judgement.metric: row for row in judged if row.judgement.against == "identity"}
    worst: dict[str, tuple[float, IdentityCheck]] = {}
    for result in results:
        for check in result.measurement.identities if result.measurement else ():
            place = strips.ratio_place(check.error, check.tolerance)
            if check.name not in worst or place > worst[check.name][0]:
                worst[check.name] = place, check
    table = []
    for name, (place, check) in worst.items():
        row = rows.get(name)
        sign = row.sign if row else SIGNS["PASS" if check.holds else "REGRESSED"]
        table.append(IdentityRow(check, row.anchor if row else "", sign, place))
    return sorted(table, key=lambda row: -row.place)


def metric_rows(results: Sequence[RunResult]) -> list[MetricRow]:
    """Write every metric of the runs but those with a table of their own, in the order first met."""
    names = dict.fromkeys(name for result in results for name in result.metrics)
    wanted = [name for name in names if not re.search(r"(^|\.)(confusion|\w+_per_class)$", name)]
    return [_metric_row(name, [r.metrics[name] for r in results if name in r.metrics]) for name in wanted]


def _kind(metric: str, kind: Kind) -> Kind:
    """Return the kind by which a number is written: an error of real values, or R², is no share."""
    return "size" if metric.rpartition(".")[2] in VALUE_SCORES else kind


def _metric_row(name: str, measured: list[Measured]) -> MetricRow:
    first = measured[0]
    singles = [number for one in measured if (number := numbers.number(one.value)) is not None]
    deviation = statistics.stdev(singles) if len(singles) > 1 and all(map(math.isfinite, singles)) else None
    scale = numbers.scale(
        _kind(name, first.kind), first.unit, singles or numbers.flat(first.value), deviation
    )
    return MetricRow(
        name=name, kind=first.kind, value=shown(statistics.fmean(singles) if singles else first.value, scale),
        spread="" if deviation is None else scale.text(deviation),
        singles=", ".join(map(scale.bare, singles)) if len(singles) > 1 else "",
    )  # fmt: skip


def class_tables(result: RunResult) -> list[ClassTable]:
    """Gather the metrics ``<score>_per_class`` of each prediction set of one run."""
    sets: dict[str, dict[str, list[str]]] = {}
    for name, measured in result.metrics.items():
        match = re.fullmatch(r"(?:(.+)\.)?(\w+)_per_class", name)
        if match and isinstance(measured.value, list):
            values = numbers.flat(measured.value)
            step = 0.01 if max(values, default=2) <= 1 else None
            scale = numbers.scale(measured.kind, measured.unit, values, step)
            sets.setdefault(match[1] or "", {})[match[2]] = list(map(scale.text, values))
    return [
        ClassTable(
            label, tuple(columns), tuple(itertools.zip_longest(*columns.values(), fillvalue=numbers.NONE))
        )
        for label, columns in sets.items()
    ]


def confusion_tables(result: RunResult) -> list[ConfusionTable]:
    """Gather the confusion matrices of one run."""
    tables = []
    for name, measured in result.metrics.items():
        match = re.fullmatch(r"(?:(.+)\.)?confusion", name)
        if match and isinstance(measured.value, list):
            counts = [row for row in measured.value if isinstance(row, list)]
            shares = tuple(tuple((int(n), round(n / (sum(row) or 1), 3)) for n in row) for row in counts)
            tables.append(ConfusionTable(match[1] or "", shares))
    return tables
