"""Judgements, numbers and runs in plain words: what a terminal, a JUnit file and a failing pytest item all say."""

from __future__ import annotations

import typing

from harness.records.metrics import is_share

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from harness.records import Judgement, Place, RunRequest, Value, Why


def sentence(key: str, judgement: Judgement) -> str:
    """Say of `key`, such as ``scenario:variant``: verdict, value, reference, bounds, reason, place, test and next command."""
    value, reference = (quantity(number, judgement.unit) for number in (judgement.value, judgement.reference))
    values = value if judgement.reference is None else f"{value} against {reference}"
    row = f", {judgement.row}" if judgement.row else ""
    within = bounds(judgement.lower, judgement.upper, lambda bound: quantity(bound, judgement.unit))
    if judgement.lower is not None and judgement.upper is not None:
        within = f"bounds {within}"
    parts = [
        f"{judgement.verdict} {key} {judgement.metric}:",
        f"{', '.join(filter(None, (values, within)))}.",
        f"{judgement.reason}.",
        f"[{judgement.place}{row}]" if judgement.place else "",
        f"Test: {judgement.test}." if judgement.test else "",
        f"Next: {judgement.next_step}" if judgement.next_step else "",
    ]
    return " ".join(part for part in parts if part)


def bounds(lower: float | None, upper: float | None, write: Callable[[float], str]) -> str:
    """Say between what a value must lie, of which either end may be open; empty without both."""
    if lower is None:
        return "" if upper is None else f"at most {write(upper)}"
    return f"at least {write(lower)}" if upper is None else f"{write(lower)} to {write(upper)}"


def short(value: Value | None) -> str:
    """Print a number with five digits; an array by its length."""
    if value is None:
        return "nothing"
    return f"an array of {len(value)}" if isinstance(value, list) else f"{value:.5g}"


def quantity(value: Value | None, unit: str, *, share: bool = False) -> str:
    """Print a number with its unit; bytes in MiB from half of one on, a share in percent."""
    if value is None:
        return short(value)
    if isinstance(value, float | int) and share:
        return percent(value)
    if isinstance(value, float | int) and unit == "B" and abs(value) >= 2**19:
        return f"{value / 2**20:,.2f} MiB"
    return f"{short(value)} {unit}".rstrip()


def percent(share: float) -> str:
    """Print a share in percent, as published accuracies are."""
    return f"{100 * share:.2f}%"


def seconds(value: float) -> str:
    """Print seconds with three digits, whole ones from 100 on."""
    return f"{value:.0f} s" if value >= 100 else f"{value:.3g} s"


def mebibytes(value: float) -> str:
    """Print bytes in whole MiB, with a decimal below ten."""
    return f"{value / 2**20:.{0 if value >= 10 * 2**20 else 1}f} MiB"


def change(after: Value | None, before: Value | None, *, share: bool = False) -> str:
    """Print a signed difference, of shares in percentage points; empty where a side has no number."""
    if not isinstance(after, float | int) or not isinstance(before, float | int):
        return ""
    return f"{100 * (after - before):+.2f} points" if share else f"{after - before:+.3g}"


def finding(key: str, judgement: Judgement) -> str:
    """Say what happened to which metric of `key`, such as ``scenario:variant``, and by how much: ``accuracy of a:b fell 2.1 points``."""
    verdict = judgement.verdict
    if judgement.against == "identity":
        state = {"REGRESSED": "is violated", "PASS": "holds"}.get(verdict, "could not be judged")
        return f"identity {judgement.metric} of {key} {state}"
    if verdict == "NO_BASELINE":
        return f"{key} has no baseline yet"
    # the harness's own times and peaks in words, of a stage with its name
    stage, _, what = judgement.metric.rpartition(".")
    metric = judgement.metric
    if judgement.kind in {"runtime", "memory"} and what in _WHAT:
        metric = _WHAT[what] if stage == "total" else f"{stage} {_WHAT[what]}"
    amount = _amount(judgement)
    if verdict in {"BELOW", "ABOVE"}:
        return f"{metric} of {key} is {f'{amount} {verdict.lower()}'.strip()} the published value"
    if verdict in {"REGRESSED", "IMPROVED", "WAIVED"} and amount:
        rose = typing.cast("float", judgement.value) > typing.cast("float", judgement.reference)
        return f"{metric} of {key} {'rose' if rose else 'fell'} {amount}" + ", waived" * (verdict == "WAIVED")
    return f"{metric} of {key} {_STATES.get(verdict, 'is as before')}"


def opening(sentence: str) -> str:
    """Begin a sentence: a word gets a capital letter, a name such as ``f1_macro`` keeps its own."""
    return sentence[:1].upper() + sentence[1:] if sentence.partition(" ")[0].isalpha() else sentence


_STATES = {
    "REGRESSED": "is worse", "IMPROVED": "is better", "WAIVED": "is waived", "INCONCLUSIVE": "is undecided",
    "CHANGED": "is another one: training computes something else", "INCOMPARABLE": "cannot be compared here",
    "ERROR": "could not be judged",
}  # fmt: skip
_WHAT = {
    "seconds": "time", "cpu_seconds": "CPU time", "above_imports_bytes": "peak memory", "peak_bytes": "peak memory with imports",
}  # fmt: skip
"""What the harness itself measures of a stage, in words."""


def _amount(judgement: Judgement) -> str:
    """Write how far a value is from its reference, without a sign: shares in points, times in percent, memory in MiB and percent."""
    value, reference = judgement.value, judgement.reference
    if not isinstance(value, float | int) or not isinstance(reference, float | int) or value == reference:
        return ""
    gap = abs(value - reference)
    if is_share(judgement.metric, judgement.unit, [value, reference]):
        return f"{100 * gap:.{1 if gap >= 0.0095 else 2}f} points"
    part = ""
    if reference:
        share = gap / abs(reference)
        part = f"{100 * share:.{0 if share >= 0.0995 else 1}f}%"
    if judgement.kind == "runtime" and part:
        return part
    return quantity(gap, judgement.unit) + (f" ({part})" if part else "")


def whose(request: RunRequest) -> str:
    """Label a run as base, counted or both; empty for an ordinary head run."""
    return ", ".join(["base"] * (request.side == "base") + ["counted"] * (request.purpose == "count"))


def run_name(request: RunRequest) -> str:
    """Name a run within its variant and tier, such as ``run seed 0 (numpy, cpu)``; what is usual is left out."""
    words = [
        request.backend,
        request.device,
        "base" if request.side == "base" else "",
        f"{request.round} round" if request.round != "screen" else "",
        "counted" if request.purpose == "count" else "",
        f"repeat {request.repeat}" if request.repeat else "",
    ]
    return f"run seed {request.seed} ({', '.join(filter(None, words))})"


def why(cause: Why) -> str:
    """Say where a regression comes from, in one paragraph; claim nothing that the profiled pair does not show."""
    if cause.error:
        return f"No profile: {cause.error}"
    if cause.kind not in {"runtime", "memory"}:
        if not cause.differences:
            return "Data, options, settings and libraries are the same on both sides: the difference is in the code"
        return f"Besides the code differ: {'; '.join(cause.differences)}"
    what = f"{'Time' if cause.kind == 'runtime' else 'Memory'} of {cause.stage or 'the whole run'}"
    amount = seconds if cause.kind == "runtime" else mebibytes
    measured = f"the gate measured {amount(cause.change)} more"
    if not cause.shown:
        return f"{what}: {measured}, under a profiler it is {amount(cause.profiled)}: no place stands out"
    first = cause.places[0]
    verb = "takes" if cause.kind == "runtime" else "holds"
    more = f"{what}: {measured}; under a profiler {place(first)} {verb} {amount(first.more)} more"
    return more + (f": {_allocations(first)}" if cause.kind == "memory" else "")


def place(spot: Place) -> str:
    """Name a function with file and line, the library below it, and the commit that changed it."""
    changed = f"changed in {spot.commit}, {spot.subject}" if spot.commit else spot.subject
    parts = [f"{spot.file}:{spot.line}", f"in {spot.library} below it" if spot.library else "", changed]
    return f"{spot.function} ({'; '.join(filter(None, parts))})"


def _allocations(spot: Place) -> str:
    """Tell more allocations from larger ones."""
    if not spot.base_count:
        return f"{spot.head_count} allocations that base does not have"
    if spot.head_count > 1.5 * spot.base_count:
        return f"{spot.head_count} allocations instead of {spot.base_count}"
    return (
        f"about as many allocations as before ({spot.head_count}), {spot.head / spot.base:.1f} times as large"
    )
