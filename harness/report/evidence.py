"""How sure a verdict is, in words: what kind of evidence it rests on, and how the single runs lie."""

from __future__ import annotations

import statistics
import typing

from harness.report import numbers

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Cause, Judgement, Verdict

_FEW = 3
"""Runs below which no test decides."""
_CLEAR = 2.0
"""From so many times the resolution on a gap counts as strong evidence."""
_FIXED: Mapping[Verdict, str] = {
    "ERROR": "None: there is nothing to judge.",
    "NO_BASELINE": "None yet: there is nothing to compare with.",
    "INCOMPARABLE": "None: what differs besides the code could explain any change.",
}
_CERTAIN: tuple[Cause, ...] = ("equal", "unequal", "exact", "repeatable", "not_repeatable")
"""Causes that chance has no part in."""


def told(judgement: Judgement, runs: Sequence[float]) -> str:
    """Say how strong the evidence is.

    Parameters
    ----------
    judgement : Judgement
        What was decided.
    runs : sequence of float
        Single values of the runs, in the judgement's unit; may be empty.
    """
    if judgement.verdict in _FIXED:
        return _FIXED[judgement.verdict]
    if judgement.against == "identity":
        return "Certain: arithmetic decides, not chance."
    if judgement.cause in _CERTAIN:
        return "Certain: nothing that chance moves is compared."
    if judgement.against == "expectation":
        return _published(judgement)
    strength = {"REGRESSED": "Strong", "IMPROVED": "Strong", "INCONCLUSIVE": "Open"}.get(
        judgement.verdict, ""
    )
    if strength == "Strong" and judgement.cause == "confirmed":
        strength = "Strong, and confirmed on fresh runs"
    overlap = _overlap(runs, judgement.reference_runs)
    return ": ".join(part for part in (strength, overlap) if part) + "." if strength or overlap else ""


def _published(judgement: Judgement) -> str:
    """Set the gap in relation to what so many runs and images can show."""
    value, reference = numbers.number(judgement.value), numbers.number(judgement.reference)
    if value is None or reference is None or not judgement.resolution:
        return "The declared rule decides; its test stands beside."
    gap = abs(value - reference) / judgement.resolution
    strength = "Weak" if judgement.n < _FEW else "Strong" if gap >= _CLEAR else "Moderate"
    runs = f"{judgement.n} run{'s' * (judgement.n != 1)}"
    return f"{strength}: the gap is {gap:.1f} times the smallest that {runs} and the test set can show."


def _overlap(runs: Sequence[float], base: Sequence[float]) -> str:
    """Say how many runs lie outside all that the reference's runs ever gave."""
    if not runs or not base:
        return ""
    below = statistics.median(runs) < statistics.median(base)
    beyond = sum(run < min(base) if below else run > max(base) for run in runs)
    side, all_of = "below" if below else "above", f"all {len(base)} baseline runs"
    if len(base) == 1:
        all_of = "the one baseline run"
    if not beyond:
        return f"none of {len(runs)} runs lies {side} {all_of}"
    if beyond == len(runs):
        many = f"all {len(runs)} runs lie" if len(runs) > 1 else "the one run lies"
        return f"{many} {side} {all_of}"
    return f"{beyond} of {len(runs)} runs lie {side} {all_of}"
