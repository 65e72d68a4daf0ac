"""First losses of a training against those of a baseline or a base side, step by step: does it still compute the same? Pure."""

from __future__ import annotations

import itertools
import typing

from harness.records import PRECISIONS, Judgement

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Cause, Trajectory, Verdict

PREFIX = "trajectory."
"""What the name of every trajectory begins with where it is judged."""
ROUNDING = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""Distance from 1 to the next larger number, by precision."""
SAME, ELSEWHERE = 8, 64
"""Roundings by which the first loss may differ: in the same environment where equal runs give equal bits, and anywhere else."""
GROWTH, MOST = 16.0, 0.03
"""Factor by which the allowed share grows with each step, as training amplifies rounding, and where that ends."""
ABSOLUTE = 1e-12
"""What rounding leaves of a loss that is zero."""


def tolerance(ours: Trajectory, theirs: Trajectory, *, same: bool) -> float:
    """Return the share by which the first loss may differ: that of the finer precision, so that a coarser one does not excuse itself."""
    finer = min(ours.dtype, theirs.dtype, key=PRECISIONS.index)
    return (SAME if same else ELSEWHERE) * ROUNDING[finer]


def allowed(first: float, step: int, before: Sequence[float]) -> float:
    """Return by how much the loss of a step, from 0, may differ from its reference.

    Parameters
    ----------
    first : float
        Share that is allowed at the first step.
    step : int
        Step, from 0.
    before : sequence of float
        Reference's losses. A loss that has become small carries the rounding of larger ones: the mean of all up to the step counts.
    """
    size = sum(map(abs, before[: step + 1])) / (step + 1)
    share = min(first * GROWTH**step, max(first, MOST))
    return max(share * max(size, abs(before[step])), ABSOLUTE)


def first_step(now: Sequence[float], before: Sequence[float], first: float) -> int | None:
    """Return the first step, from 0, whose losses differ by more than is allowed, or that one side alone has; None if there is none."""
    both = range(min(len(now), len(before)))
    beyond = (step for step in both if abs(now[step] - before[step]) > allowed(first, step, before))
    return next(beyond, None if len(now) == len(before) else len(both))


def unlike(ours: Mapping[str, Trajectory], theirs: Mapping[str, Trajectory]) -> list[str]:
    """Name the trajectories that two equal runs do not share: rounding in another order is no difference."""
    return [
        f"{PREFIX}{name}"
        for name in {**ours, **theirs}
        if _verdict(ours.get(name), theirs.get(name), same=False, hindered=(), loose=False)[0] != "PASS"
    ]


def judge(
    ours: Mapping[str, Trajectory],
    theirs: Mapping[str, Trajectory],
    place: str,
    *,
    same: bool,
    hindered: Sequence[str] = (),
    loose: Sequence[str] = (),
) -> list[Judgement]:
    """Judge the trajectories of a counting run.

    Parameters
    ----------
    ours : mapping
        Of the code in question, by training.
    theirs : mapping
        Of the reference. Without any, as in older baselines, nothing is judged.
    place : str
        Where the reference comes from: the baseline file, or REF.
    same : bool
        Whether both come from one environment in which equal runs give equal bits.
    hindered : sequence of str
        What forbids the comparison: every trajectory is then INCOMPARABLE.
    loose : sequence of str
        Metrics that two equal runs of the code in question do not share, if the reference's may not have shared them either.

    Returns
    -------
    list of Judgement
        One a training: PASS, CHANGED, NO_BASELINE (a new one), ERROR (a lost one), INCOMPARABLE, or NOT_JUDGED.
    """
    judgements = []
    for name in {**theirs, **ours} if theirs else ():
        one, other = ours.get(name), theirs.get(name)
        verdict, cause, reason, first, test = _verdict(
            one, other, same=same, hindered=hindered, loose=f"{PREFIX}{name}" in loose
        )
        value, reference = (list(side.values) if side and side.values else None for side in (one, other))
        judgements.append(
            Judgement(
                against="baseline", metric=f"{PREFIX}{name}", kind="trajectory", verdict=verdict, cause=cause, reason=reason,
                n=1 if one else 0, value=value, reference=reference, tolerance=first, test=test, place=place, gated=True,
            )
        )  # fmt: skip
    return judgements


def _verdict(
    ours: Trajectory | None, theirs: Trajectory | None, *, same: bool, hindered: Sequence[str], loose: bool
) -> tuple[Verdict, Cause, str, float | None, str]:
    """Return verdict, cause, reason, share by which the first loss may differ, and test."""
    if hindered:
        return "INCOMPARABLE", "environment", "; ".join(hindered), None, ""
    if theirs is None:
        return "NO_BASELINE", "new_metric", "the reference followed no training of this name", None, ""
    if ours is None:
        return "ERROR", "uncounted", "the reference followed this training, and this run did not", None, ""
    first = tolerance(ours, theirs, same=same)
    where = "same environment and equal bits" if same else "another environment, or bits that do not repeat"
    test = f"step by step, {where}: {first:.1e} of the loss at step 1, {GROWTH:g} times as much each further step, at most {MOST:.0%}"
    step = first_step(ours.values, theirs.values, first)
    if step is None:
        return "PASS", "equal", f"the first {len(theirs.values)} losses are the reference's", first, test
    if loose:
        reason = "two equal runs differ here: give every generator its seed, and order what threads do"
        return "NOT_JUDGED", "not_repeatable", reason, first, test
    return "CHANGED", "unequal", _difference(ours, theirs, step, first), first, test


def _difference(ours: Trajectory, theirs: Trajectory, step: int, first: float) -> str:
    """Say where two trajectories part, and by how much."""
    now, before = ours.values, theirs.values
    other = f"; computed in {ours.dtype}, not {theirs.dtype}" if ours.dtype != theirs.dtype else ""
    if step == min(len(now), len(before)):
        return f"training has {len(now)} finite first losses, not {len(before)}{other}"
    gap, most = abs(now[step] - before[step]), allowed(first, step, before)
    return (
        f"training computes something else from step {step + 1} of {len(before)} on: loss {now[step]:.6g} instead of {before[step]:.6g}, "
        f"{gap:.1e} apart where {most:.1e} is allowed{other}"
    )


def steps(judgement: Judgement) -> list[tuple[str, str, str, str, str]]:
    """Return a heading and a row a step of a judged trajectory: step, losses of both sides, their difference, what is allowed."""
    rows = [("step", "reference", "loss", "difference", "allowed")]
    now, before = (
        typing.cast("list[float]", losses or []) for losses in (judgement.value, judgement.reference)
    )
    for step, (ours, theirs) in enumerate(itertools.zip_longest(now, before)):
        gap = most = "none"
        if ours is not None and theirs is not None:
            gap = f"{ours - theirs:+.1e}"
            if judgement.tolerance is not None:
                most = f"{allowed(judgement.tolerance, step, before):.1e}"
        reference, loss = ("none" if value is None else f"{value:.8g}" for value in (theirs, ours))
        rows.append((str(step + 1), reference, loss, gap, most))
    return rows
