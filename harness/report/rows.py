"""Rows of the report's tables: records with numbers written out and places on small drawings."""

from __future__ import annotations

import dataclasses
import math
import re
import statistics
from typing import TYPE_CHECKING

from harness.judging.outcome import needs_attention
from harness.records.metrics import VALUE_SCORES
from harness.report import evidence, numbers, spread, strips
from harness.report.verdicts import SIGNS, Sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.records import IdentityCheck, Judgement, Kind, Measured, RunResult, Value
    from harness.report.spread import Spread

_ROUNDING = 1e-12
"""Share of a value below which a spread is what summing equal numbers leaves."""
_MOST_INLINE = 4
"""Numbers of an array that are written in the row; longer ones are folded."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A value as text: one line, and all its numbers if they are many."""

    text: str
    """The number, or what the array is."""
    items: tuple[str, ...] = ()
    """Every number of a long array."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JudgementRow:
    """One judgement of a variant."""

    judgement: Judgement
    """The record."""
    anchor: str
    """Id on the page."""
    sign: Sign
    """How the verdict looks."""
    urgent: bool
    """Whether it needs attention."""
    incomplete: bool
    """Whether the runs read an incomplete data set."""
    value: Shown
    """Mean over the runs, with their standard deviation from two runs on."""
    reference: Shown
    """Published value, baseline mean, or tolerance."""
    bounds: str
    """What the value was held against."""
    resolution: str
    """Smallest difference that could be seen; empty if not stated."""
    tolerance: str
    """Largest difference from a published value that agrees; empty for equality and for what is not published."""
    strip: strips.Strip | None
    """Values of the single runs beside the bounds."""
    strip_text: str
    """Text alternative of `strip`."""
    evidence: str
    """How sure the verdict is, in words; empty for what needs no attention."""
    spread: Spread | None
    """The single runs drawn large, for what needs attention."""

    @property
    def calm_count(self) -> bool:
        """Whether it is a count of work that asks nothing of its own: there are many, so they are folded."""
        counted = self.judgement.kind == "work" and self.judgement.metric.startswith("work.")
        return counted and self.judgement.verdict in {"PASS", "NO_BASELINE", "INCOMPARABLE", "NOT_JUDGED"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRow:
    """The worst check of one identity over all runs."""

    check: IdentityCheck
    """The record."""
    anchor: str
    """Id on the page; empty if it was not judged."""
    sign: Sign
    """PASS or REGRESSED."""
    place: float
    """Error over tolerance on the logarithmic axis, 0 to 100."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric over all runs of a variant."""

    name: str
    """Metric."""
    kind: str
    """Kind of metric."""
    value: Shown
    """Mean over the runs, or the array of the first run."""
    spread: str
    """Standard deviation over the runs; empty below two."""
    singles: str
    """Values of the single runs; empty for arrays."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClassTable:
    """Scores per class of one prediction set, of one run."""

    label: str
    """Prediction set; empty for the test set."""
    columns: tuple[str, ...]
    """Names of the scores."""
    rows: tuple[tuple[str, ...], ...]
    """Scores of each class as text."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionTable:
    """Images by true and predicted class, of one run."""

    label: str
    """Prediction set; empty for the test set."""
    rows: tuple[tuple[tuple[int, float], ...], ...]
    """Count of each cell and its share of the row, the true class."""


def shown(value: Value | None, scale: numbers.Scale) -> Shown:
    """Write a number, a short array, or what a long array is."""
    if not isinstance(value, list):
        return Shown(text=scale.text(value))
    items = numbers.flat(value)
    if len(items) <= _MOST_INLINE:
        return Shown(text=", ".join(map(scale.text, items)))
    ends = f"{scale.text(items[0])} … {scale.text(items[-1])}"
    return Shown(text=f"{numbers.shape(value)} values, {ends}", items=tuple(map(scale.text, items)))


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
    return JudgementRow(
        judgement=j, anchor=anchor, sign=SIGNS[j.verdict], urgent=urgent, incomplete=incomplete,
        value=_with_spread(j.value, j.spread, scale),
        reference=_reference(j, scale),
        bounds=_bounds(j.lower, j.upper, scale),
        resolution="" if j.resolution is None else scale.small(j.resolution),
        tolerance="" if j.tolerance is None else scale.small(j.tolerance),
        strip=strips.strip(dots, j.lower, j.upper, reference, j.reference_runs),
        strip_text="Runs: " + ", ".join(map(scale.text, dots)),
        evidence=evidence.told(j, dots) if urgent else "",
        spread=spread.spread(dots, _base(j), (j.lower, j.upper), reference, scale) if urgent else None,
    )  # fmt: skip


def _base(judgement: Judgement) -> Sequence[float]:
    """Return a baseline's single values; a count has one."""
    single = numbers.number(judgement.reference)
    if (
        judgement.reference_runs
        or judgement.kind != "work"
        or judgement.against != "baseline"
        or single is None
    ):
        return judgement.reference_runs
    return (single,)


def _with_spread(value: Value | None, over_runs: float | None, scale: numbers.Scale) -> Shown:
    single = numbers.number(value)
    if value is None or over_runs is None:
        return shown(value, scale)
    if over_runs < _ROUNDING * max(map(abs, numbers.flat(value)), default=0.0):
        over_runs = 0.0
    if single is None:
        whole = shown(value, scale)
        if not over_runs:
            return whole
        return dataclasses.replace(whole, text=f"{whole.text}, spread up to {scale.small(over_runs)}")
    return Shown(text=f"{scale.bare(single)} ± {scale.small(over_runs)}")


def _reference(judgement: Judgement, scale: numbers.Scale) -> Shown:
    single = numbers.number(judgement.reference)
    if judgement.against == "expectation" and single is not None:
        return Shown(text=scale.printed(single))
    return shown(judgement.reference, scale)


def _singles(judgement: Judgement, results: Sequence[RunResult]) -> list[float]:
    """Return the runs' single values in the judgement's unit; none if they are not numbers in such a unit."""
    found = [result.metrics[judgement.metric] for result in results if judgement.metric in result.metrics]
    if not found and judgement.kind == "work" and judgement.value is not None:
        return numbers.flat(judgement.value)  # counted in a run of its own
    factor = 100.0 if judgement.unit == "%" and all(not measured.unit for measured in found) else 1.0
    if factor == 1.0 and any(measured.unit != judgement.unit for measured in found):
        return []
    values = [numbers.number(measured.value) for measured in found]
    return [value * factor for value in values if value is not None]


def _bounds(lower: float | None, upper: float | None, scale: numbers.Scale) -> str:
    if lower is None and upper is None:
        return numbers.NONE
    if lower is None or upper is None:
        return f"≥ {scale.text(lower)}" if upper is None else f"≤ {scale.text(upper)}"
    return f"{scale.bare(lower)} to {scale.text(upper)}"


def identity_rows(results: Iterable[RunResult], judged: Iterable[JudgementRow]) -> list[IdentityRow]:
    """Return the worst check of each identity, worst first; a judgement overrules the check's own verdict."""
    rows = {row.judgement.metric: row for row in judged if row.judgement.against == "identity"}
    by_name: dict[str, list[IdentityCheck]] = {}
    for result in results:
        for check in result.measurement.identities if result.measurement else ():
            by_name.setdefault(check.name, []).append(check)
    found = [_identity_row(checks, rows.get(name)) for name, checks in by_name.items()]
    return sorted(found, key=lambda row: -row.place)


def _identity_row(checks: list[IdentityCheck], judged: JudgementRow | None) -> IdentityRow:
    worst = max(checks, key=lambda check: strips.ratio_place(check.error, check.tolerance))
    sign = judged.sign if judged else SIGNS["PASS" if worst.holds else "REGRESSED"]
    place = strips.ratio_place(worst.error, worst.tolerance)
    return IdentityRow(check=worst, anchor=judged.anchor if judged else "", sign=sign, place=place)


def metric_rows(results: Sequence[RunResult], names: Iterable[str]) -> list[MetricRow]:
    """Write the named metrics over the runs."""
    return [_metric_row(name, [r.metrics[name] for r in results if name in r.metrics]) for name in names]


def _kind(metric: str, kind: Kind) -> Kind:
    """Return the kind by which a number is written: an error of real values, or R², is no share."""
    return "size" if metric.rpartition(".")[2] in VALUE_SCORES else kind


def _metric_row(name: str, found: list[Measured]) -> MetricRow:
    first = found[0]
    singles = [number for measured in found if (number := numbers.number(measured.value)) is not None]
    spread = statistics.stdev(singles) if len(singles) > 1 and all(map(math.isfinite, singles)) else None
    scale = numbers.scale(_kind(name, first.kind), first.unit, singles or numbers.flat(first.value), spread)
    value: Value = statistics.fmean(singles) if singles else first.value
    return MetricRow(
        name=name, kind=first.kind, value=shown(value, scale),
        spread="" if spread is None else scale.text(spread),
        singles=", ".join(map(scale.bare, singles)) if len(singles) > 1 else "",
    )  # fmt: skip


def scalar_metrics(results: Sequence[RunResult]) -> list[str]:
    """Name every metric of the runs but those with a table of their own, in the order first met."""
    names = dict.fromkeys(name for result in results for name in result.metrics)
    return [name for name in names if not re.search(r"(^|\.)(confusion|\w+_per_class)$", name)]


def class_tables(result: RunResult) -> list[ClassTable]:
    """Gather the metrics ``<score>_per_class`` of each prediction set of one run."""
    sets: dict[str, dict[str, Measured]] = {}
    for name, measured in result.metrics.items():
        match = re.fullmatch(r"(?:(.+)\.)?(\w+)_per_class", name)
        if match and isinstance(measured.value, list):
            sets.setdefault(match[1] or "", {})[match[2]] = measured
    return [_class_table(label, scores) for label, scores in sets.items()]


def _class_table(label: str, scores: dict[str, Measured]) -> ClassTable:
    columns = []
    for measured in scores.values():
        values = numbers.flat(measured.value)
        scale = numbers.scale(
            measured.kind, measured.unit, values, 0.01 if max(values, default=2) <= 1 else None
        )
        columns.append(tuple(map(scale.text, values)))
    size = max(map(len, columns))
    padded = [column + (numbers.NONE,) * (size - len(column)) for column in columns]
    return ClassTable(label=label, columns=tuple(scores), rows=tuple(zip(*padded, strict=True)))


def confusion_tables(result: RunResult) -> list[ConfusionTable]:
    """Gather the confusion matrices of one run."""
    found = []
    for name, measured in result.metrics.items():
        match = re.fullmatch(r"(?:(.+)\.)?confusion", name)
        if (
            match
            and isinstance(measured.value, list)
            and all(isinstance(row, list) for row in measured.value)
        ):
            found.append(
                ConfusionTable(label=match[1] or "", rows=tuple(map(_confusion_row, measured.value)))
            )
    return found


def _confusion_row(row: list[float]) -> tuple[tuple[int, float], ...]:
    total = sum(row) or 1
    return tuple((int(count), round(count / total, 3)) for count in row)
