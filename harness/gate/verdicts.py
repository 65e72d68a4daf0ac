"""From trials to verdicts, and from verdicts to the judgements that a report shows. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing

import numpy as np

from harness.gate import rules
from harness.statistics import holm, spread

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Comparison, Judgement, Look, Trial, Verdict


def verdicts(trials: Sequence[Trial]) -> list[Trial]:
    """Decide every group: Holm over the flagged ones."""
    ratios: dict[typing.Hashable, float] = {
        index: trial.ratio if trial.ratio is not None else math.inf
        for index, trial in enumerate(trials)
        if trial.flagged
    }
    stepped = holm(ratios)
    return [
        _verdict(trial, *stepped[index]) if trial.flagged else _unflagged(trial)
        for index, trial in enumerate(trials)
    ]


def _unflagged(trial: Trial) -> Trial:
    if trial.by_images:
        told = "too few images flipped with the same weights to decide"
        return dataclasses.replace(trial, verdict="PASS", reason=told)
    last = {look.metric: look for look in trial.screen}
    open_ = [look for look in last.values() if not look.clear]
    if trial.kind != "runtime" or not open_:
        return dataclasses.replace(trial, verdict="PASS", reason="the screen found nothing")
    worst = max(open_, key=lambda look: look.p)
    count = len(worst.head)
    told = f"{worst.metric}: after {count} pairs neither slower nor cleared of being 10% slower"
    return dataclasses.replace(trial, verdict="INCONCLUSIVE", reason=f"{told}; {_would_decide(worst)}")


def _verdict(trial: Trial, divisor: int, confirmed: bool) -> Trial:
    trial = dataclasses.replace(trial, divisor=divisor)
    if trial.by_images:
        return _by_images(trial, confirmed)
    looks = len(trial.confirm)
    runs = len(trial.confirm[-1].head) if looks else 0
    unit = "pairs" if trial.kind == "runtime" else "fresh runs"
    if confirmed:
        share = f" / {divisor} flagged groups left" if divisor > 1 else ""
        best = trial.surest()
        told = f"{trial.direction} in the screen, confirmed on {len(best.head)} {unit} (p = {best.p:.2g}, level {best.level:g}{share})"
        return dataclasses.replace(
            trial, verdict="REGRESSED" if trial.direction == "worse" else "IMPROVED", reason=told
        )
    if looks and trial.confirm[-1].clear:
        return dataclasses.replace(
            trial, verdict="PASS", reason=f"flagged by the screen, not confirmed on {runs} {unit}"
        )
    told = f"flagged by the screen as {trial.direction}, undecided after {runs} {unit}"
    last = trial.confirm[-1] if looks else None
    return dataclasses.replace(trial, verdict="INCONCLUSIVE", reason=f"{told}; {_would_decide(last)}")


def _by_images(trial: Trial, confirmed: bool) -> Trial:
    """Decide a group by its one exact test: all images there are have been seen, so nothing stays open."""
    (look,) = trial.screen
    share = f" / {trial.divisor} groups left" if trial.divisor > 1 else ""
    told = f"with the same weights (p = {look.p:.2g}, level {look.level:g}{share})"
    if confirmed:
        verdict: Verdict = "REGRESSED" if trial.direction == "worse" else "IMPROVED"
        return dataclasses.replace(
            trial, verdict=verdict, reason=f"the flipped images say {trial.direction}, {told}"
        )
    return dataclasses.replace(
        trial, verdict="PASS", reason=f"the flipped images do not say {trial.direction}, {told}"
    )


def _would_decide(look: Look | None) -> str:
    """Estimate how many runs would decide what a look left open."""
    if look is None:
        return f"{min(rules.CONFIRM_LEVELS)} would begin to decide"
    levels = rules.CONFIRM_LEVELS
    if look.round == "screen" or look.floor == rules.SLOWDOWN_FLOOR:
        levels = rules.RUNTIME_SCREEN if look.round == "screen" else rules.RUNTIME_CONFIRM
    count = len(look.head)
    following = rules.next_look(levels, count)
    if following:
        return f"the next look is at {following}"
    # the interval's half width shrinks with the root of the runs; it must come down to the distance that matters
    half = (look.upper - look.lower) / 2
    timed = look.floor == rules.SLOWDOWN_FLOOR
    away = rules.SLOWDOWN_EXCLUDED - look.estimate if timed else look.estimate
    distance = max(abs(away), 0.01 if timed else look.floor)
    return f"about {max(2 * count, math.ceil(count * (half / distance) ** 2))} would decide"


# -- judgements ------------------------------------------------------------------------------


def judged(comparison: Comparison, trials: Sequence[Trial], tested: Mapping[str, str]) -> Comparison:
    """Put the trials' verdicts into the judgements of the metrics that they tested.

    Parameters
    ----------
    comparison : Comparison
        A variant's.
    trials : sequence of Trial
        Its decided groups.
    tested : mapping
        Metrics that tests decide, and what is said of each where no look at it was possible.
    """
    judgements = tuple(
        _one(
            judgement,
            [trial for trial in trials if trial.holds(judgement.metric)],
            tested[judgement.metric],
        )
        if judgement.against == "baseline" and judgement.metric in tested
        else judgement
        for judgement in comparison.judgements
    )
    return dataclasses.replace(comparison, judgements=judgements)


def _one(judgement: Judgement, trials: Sequence[Trial], unlooked: str) -> Judgement:
    """Judge one metric by its groups: the leading metric carries the verdict, others that alarmed follow it."""
    if not trials:
        return dataclasses.replace(judgement, verdict="INCONCLUSIVE", reason=unlooked)
    ranked = sorted(trials, key=lambda trial: _weight(trial, judgement.metric))
    trial = ranked[0]
    verdict, reason = trial.verdict, trial.reason
    if trial.by_images:
        return _told_by_images(judgement, trial)
    if not _touched(trial, judgement.metric):
        verdict, reason = "PASS", "the screen found nothing"
    elif trial.metric != judgement.metric and trial.flagged:
        reason = f"follows {trial.metric} of the same group: {trial.reason}"
    look = trial.decisive(judgement.metric)
    if look is None:
        return dataclasses.replace(judgement, verdict="INCONCLUSIVE", reason=unlooked)
    return _told(judgement, look, trial.divisor_of(look), verdict, reason)


def _told(judgement: Judgement, look: Look, divisor: int, verdict: Verdict, reason: str) -> Judgement:
    """Tell a decision by the look that it rests on: that look's runs, and the bounds that it held them against."""
    head, base = np.asarray(look.head), np.asarray(look.base)
    measure = np.median if judgement.kind in {"memory", "runtime"} else np.mean
    value, reference = float(measure(head)), float(measure(base))
    lower, upper, resolution = _bounds(judgement, look, divisor, reference)
    despite = _despite(look, divisor, value - reference, resolution) if verdict == "PASS" else ""
    level = f"{look.level:.2g}" + (f" / {divisor}" if divisor > 1 else "")
    by = (
        "; the bounds are its floor, ranks have none"
        if judgement.kind in {"memory", "runtime"}
        else f", floor {look.floor:.3g}"
    )
    return dataclasses.replace(
        judgement,
        verdict=verdict,
        n=len(head),
        value=value,
        spread=spread(head),
        reference=reference,
        reference_runs=tuple(look.base),
        lower=lower,
        upper=upper,
        resolution=resolution,
        test=f"{look.round}: {look.tests}, level {level}{by}",
        reason=f"{_estimate(judgement, look)}{reason}{despite}",
        next_step=f"harness judge RUN --explain {judgement.metric}"
        if verdict != "PASS"
        else judgement.next_step,
    )


def _bounds(
    judgement: Judgement, look: Look, divisor: int, reference: float
) -> tuple[float | None, float | None, float | None]:
    """Return what the look held the value against, and the smallest difference that counted.

    Ranks decide on times and bytes, and have no bounds: there the floor is shown, which an alarm must be beyond too.
    """
    if judgement.kind == "runtime":
        if look.worse == "lower":  # a rate
            return reference / rules.SLOWDOWN_FLOOR, None, None
        return None, reference * rules.SLOWDOWN_FLOOR, None
    width = look.floor if judgement.kind == "memory" else rules.width(look, divisor)
    return reference - width, reference + width, width


def _estimate(judgement: Judgement, look: Look) -> str:
    """Say the difference that was held against the floor, where it is none of the two values shown."""
    if judgement.kind == "runtime":
        whose = (
            "the base's CPU time"
            if look.clock == "cpu"
            else "the base"
            if look.worse == "higher"
            else "the base's time"
        )
        return f"{look.estimate:.3f} times {whose} ({look.lower:.3f} to {look.upper:.3f}); "
    if judgement.kind == "memory":
        difference = look.estimate if look.worse == "higher" else -look.estimate
        return f"median difference {difference / 2**20:+.2f} MiB; "
    return ""


def _despite(look: Look, divisor: int, gap: float, resolution: float | None) -> str:
    """Say why a value beyond its bounds passed; empty if it lies within, or the screen flagged it."""
    within = resolution is None or abs(gap) <= resolution * (1 + 1e-6) or abs(look.estimate) <= look.floor
    if within or (look.alarm and look.round == "screen"):
        return ""
    if look.p <= look.level / divisor:
        return "; it lies beyond the bounds, but Holm's steps ended before it"
    return "; it lies beyond the bounds, but the rank test does not agree"


def _told_by_images(judgement: Judgement, trial: Trial) -> Judgement:
    """Give every metric of the group the verdict of its images; a bound from the spread over seeds says nothing here."""
    (look,) = trial.screen
    follows = f"follows {trial.metric}: " if judgement.metric != trial.metric else ""
    return dataclasses.replace(
        judgement,
        verdict=trial.verdict,
        lower=None,
        upper=None,
        resolution=None,
        test=f"{look.tests}, level {look.level:.2g}",
        reason=f"{follows}{trial.reason}",
        next_step=f"harness judge RUN --explain {trial.metric}"
        if trial.verdict != "PASS"
        else judgement.next_step,
    )


def _touched(trial: Trial, metric: str) -> bool:
    """Whether the group's verdict is this metric's too."""
    if trial.by_images:
        return True
    if trial.flagged or trial.verdict == "PASS":
        return trial.metric == metric or any(look.alarm for look in trial.screen if look.metric == metric)
    last = [look for look in trial.screen if look.metric == metric][-1]
    return not last.clear


def _weight(trial: Trial, metric: str) -> tuple[bool, int]:
    order = {"REGRESSED": 0, "IMPROVED": 1, "INCONCLUSIVE": 2}
    return not _touched(trial, metric), order.get(trial.verdict, 3)
