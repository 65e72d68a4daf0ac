"""The arithmetic of a verdict in words: every look at one metric, with its numbers, tests, levels and what followed."""

from __future__ import annotations

import typing

from harness.errors import unknown
from harness.judging import trajectories
from harness.judging.gate.rules import beyond

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.records import Job, Judgement, Look, Trial

SHOWN = 12
"""Values of a side that are printed."""


def explain(job: Job, metric: str) -> str:
    """Print how a verdict on ``METRIC`` or ``SCENARIO:VARIANT/METRIC`` came about, for every variant that has it.

    Raises
    ------
    UnknownNameError
        If no such metric was judged.
    """
    place, _, name = metric.rpartition("/")
    parts = []
    known: set[str] = set()
    for comparison in job.comparisons:
        key = f"{comparison.scenario}:{comparison.variant}"
        judged = [judgement for judgement in comparison.judgements if judgement.against == "baseline"]
        known |= {judgement.metric for judgement in judged}
        parts += [
            _one(key, judgement, comparison.trials)
            for judgement in judged
            if judgement.metric == name and place in {"", key, comparison.scenario}
        ]
    if not parts:
        raise unknown("metric of this job", name, known)
    return "\n\n".join(parts)


def _one(key: str, judgement: Judgement, trials: Iterable[Trial]) -> str:
    """Explain one metric's judgement by every look at its groups."""
    lines = [f"{key} {judgement.metric}: {judgement.verdict}", f"  {judgement.reason}"]
    if judgement.place:
        lines.append(f"  reference: {judgement.place}")
    own = [trial for trial in trials if trial.holds(judgement.metric)]
    for trial in own:
        # a follower has no look of its own: its group's is shown
        looks = [look for look in trial.screen if look.metric == judgement.metric] or list(trial.screen)
        lines += [f"  {trial.direction}?", *(line for look in looks for line in _look(trial, look))]
        if trial.flagged:
            leads = f"{trial.metric} leads, and alone is confirmed"
            if trial.by_images:
                leads = "the weights are the same, so that its images decide without a confirm round"
            elif trial.metric == judgement.metric:
                leads = "it leads"
            lines.append(f"    the group ({trial.kind}, {trial.direction}) is flagged; {leads}")
            lines += [line for look in trial.confirm for line in _look(trial, look)]
            if trial.ratio is not None:
                single = bool(trial.confirm) and trial.confirm[0].round == "single"
                who = "the variant's looks share" if single else "Holm allows"
                allowed = f"{who} 1 / {trial.divisor} = {1 / trial.divisor:.3g}"
                lines.append(
                    f"    smallest p / level = {trial.ratio:.3g}; {allowed}: {_step(trial, trial.ratio)}"
                )
        lines.append(f"    {trial.verdict}: {trial.reason}")
    if judgement.kind == "trajectory":
        rows = trajectories.steps(judgement)
        lines += [f"  {judgement.test}", *("".join(cell.rjust(13) for cell in row) for row in rows)]
    elif not own:
        lines.append(f"  no test was needed or possible: {judgement.test or judgement.reason}")
    return "\n".join(lines)


def _step(trial: Trial, ratio: float) -> str:
    """Say what Holm's step made of a group; a step that fails ends them all."""
    if trial.verdict in {"REGRESSED", "IMPROVED"}:
        return "confirms"
    if ratio * trial.divisor <= 1 + 1e-9:
        return "within it, yet not confirmed: Holm's steps ended at a group with a smaller p / level"
    return "does not confirm"


def _look(trial: Trial, look: Look) -> list[str]:
    divisor = trial.divisor_of(look)
    share = f" / {divisor}" if divisor > 1 else ""
    found = "beyond" if beyond(look) else "within"
    return [
        f"    {look.round}, {len(look.head)} against {len(look.base)}",
        f"      reference {_values(look.base)}",
        f"      runs      {_values(look.head)}",
        f"      estimate {look.estimate:.6g} (99% {look.lower:.6g} to {look.upper:.6g}), {found} the floor {look.floor:.6g}",
        f"      {look.tests}; p = {look.p:.3g} against {look.level:.3g}{share}: {trial.ended(look)}",
    ]


def _values(values: list[float]) -> str:
    shown = " ".join(f"{value:.6g}" for value in values[:SHOWN])
    return shown + (f" and {len(values) - SHOWN} more" if len(values) > SHOWN else "")
