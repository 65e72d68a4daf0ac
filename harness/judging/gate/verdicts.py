"""From trials to verdicts, and from verdicts to the judgements that a report shows. Pure."""

from __future__ import annotations

import dataclasses
import math
import typing

import numpy as np

from harness.judging.gate import rules
from harness.judging.statistics import holm, runs_to_decide, spread

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Cause, Judgement, Look, Trial, Verdict
    from harness.store.commands import Place


def verdicts(trials: Sequence[Trial]) -> list[Trial]:
    """Decide every group: those with a single look by its own share of the level, the other flagged ones by Holm's steps."""
    ratios = {index: math.inf if trial.ratio is None else trial.ratio for index, trial in enumerate(trials)}
    single = {
        index for index, trial in enumerate(trials) if any(look.round == "single" for look in trial.confirm)
    }
    stepped = holm(
        {index: ratios[index] for index, trial in enumerate(trials) if trial.flagged and index not in single}
    )
    decided = []
    for index, trial in enumerate(trials):
        if index in stepped:
            divisor, confirmed = stepped[index]
            decided.append(_verdict(dataclasses.replace(trial, divisor=divisor), confirmed=confirmed))
        elif trial.flagged:
            decided.append(_by_single_look(trial, confirmed=ratios[index] * trial.divisor <= 1 + 1e-9))
        else:
            decided.append(_unflagged(trial))
    return decided


def _ruled(trial: Trial, verdict: Verdict, cause: Cause, reason: str) -> Trial:
    return dataclasses.replace(trial, verdict=verdict, cause=cause, reason=reason)


def _unflagged(trial: Trial) -> Trial:
    if trial.by_images:
        return _ruled(trial, "PASS", "images", "too few images flipped with the same weights to decide")
    last = {look.metric: look for look in trial.screen}
    open_ = [look for look in last.values() if not look.clear]
    if trial.kind != "runtime" or not open_:
        return _ruled(trial, "PASS", "quiet", "the screen found nothing")
    worst = max(open_, key=lambda look: look.p)
    undecided = f"after {len(worst.head)} pairs neither slower nor cleared of being 10% slower"
    reason = f"{worst.metric}: {undecided}; {_would_decide(worst)}"
    return _ruled(trial, "INCONCLUSIVE", "not_cleared", reason)


def _verdict(trial: Trial, *, confirmed: bool) -> Trial:
    """Decide a flagged group by its fresh runs, or by its images: they have all been seen, so that nothing stays open."""
    verdict: Verdict = "REGRESSED" if trial.direction == "worse" else "IMPROVED"
    share = f" / {trial.divisor}" if trial.divisor > 1 else ""
    if trial.by_images:
        (look,) = trial.screen
        say, numbers = "say" if confirmed else "do not say", f"p = {look.p:.2g}, level {look.level:g}{share}"
        reason = f"the flipped images {say} {trial.direction}, with the same weights ({numbers})"
        return _ruled(trial, verdict if confirmed else "PASS", "images", reason)
    unit = "pairs" if trial.kind == "runtime" else "fresh runs"
    if confirmed:
        best = trial.surest()
        numbers = f"p = {best.p:.2g}, level {best.level:g}{share}"
        reason = f"{trial.direction} in the screen, confirmed on {len(best.head)} {unit} ({numbers})"
        return _ruled(trial, verdict, "confirmed", reason)
    last = trial.confirm[-1] if trial.confirm else None
    runs = len(last.head) if last else 0
    if last and last.clear:
        return _ruled(trial, "PASS", "refuted", f"flagged by the screen, not confirmed on {runs} {unit}")
    reason = (
        f"flagged by the screen as {trial.direction}, undecided after {runs} {unit}; {_would_decide(last)}"
    )
    return _ruled(trial, "INCONCLUSIVE", "undecided", reason)


def _by_single_look(trial: Trial, *, confirmed: bool) -> Trial:
    """Decide a flagged group without fresh runs: REGRESSED or IMPROVED only at the level that all looks at the variant share."""
    (look,) = trial.confirm
    level = f"p = {look.p:.2g}, level {look.level:g}"
    if confirmed:
        verdict: Verdict = "REGRESSED" if trial.direction == "worse" else "IMPROVED"
        reason = f"{trial.direction} in a single look ({level} shared by {trial.divisor} looks)"
        return _ruled(trial, verdict, "single", reason)
    if not look.alarm:
        return _ruled(trial, "PASS", "quiet", f"flagged by the screen, not by a single look ({level})")
    needed = runs_to_decide(len(look.base), look.level / trial.divisor, rules.SEEDS_TO_JUDGE)
    few = f"; the ranks of {needed} runs could decide" if needed > len(look.head) else ""
    reason = f"{trial.direction} in a single look ({level}), which fresh runs have to confirm{few}"
    return _ruled(trial, "INCONCLUSIVE", "unconfirmed", reason)


def _would_decide(look: Look | None) -> str:
    """Estimate how many runs would decide what a look left open."""
    if look is None:
        return f"{min(rules.CONFIRM_LEVELS)} would begin to decide"
    levels, count = rules.CONFIRM_LEVELS, len(look.head)
    timed = look.floor == rules.SLOWDOWN_FLOOR
    if look.round == "screen" or timed:
        levels = rules.RUNTIME_SCREEN if look.round == "screen" else rules.RUNTIME_CONFIRM
    following = rules.next_look(levels, count)
    if following:
        return f"the next look is at {following}"
    # the interval's half width shrinks with the root of the runs; it must come down to the distance that matters
    half = (look.upper - look.lower) / 2
    away = rules.SLOWDOWN_EXCLUDED - look.estimate if timed else look.estimate
    distance = max(abs(away), 0.01 if timed else look.floor)
    return f"about {max(2 * count, math.ceil(count * (half / distance) ** 2))} would decide"


# -- judgements ------------------------------------------------------------------------------


def judged(judgement: Judgement, trials: Sequence[Trial], unlooked: str) -> Judgement:
    """Judge one metric by the decided groups of its variant: the leading metric carries the verdict, others that alarmed follow it.

    `unlooked` is the reason where no look at it was possible.
    """
    own = [trial for trial in trials if trial.holds(judgement.metric)]
    trial = min(own, key=lambda trial: _weight(trial, judgement.metric), default=None)
    if trial is not None and trial.by_images:
        return _of_images(judgement, trial)
    look = trial.decisive(judgement.metric) if trial else None
    if trial is None or look is None:
        return dataclasses.replace(judgement, verdict="INCONCLUSIVE", cause="too_few", reason=unlooked)
    if not _touched(trial, judgement.metric):
        trial = _ruled(trial, "PASS", "quiet", "the screen found nothing")
    elif trial.metric != judgement.metric and trial.flagged:
        trial = dataclasses.replace(trial, reason=f"follows {trial.metric} of the same group: {trial.reason}")
    return _of_look(judgement, trial, look)


def _of_look(judgement: Judgement, trial: Trial, look: Look) -> Judgement:
    """Describe a decision by the look that it rests on: its runs, and the bounds that they were compared with."""
    head, base = np.asarray(look.head), np.asarray(look.base)
    ranked = judgement.kind in {"memory", "runtime"}
    measure = np.median if ranked else np.mean
    value, reference = float(measure(head)), float(measure(base))
    divisor = trial.divisor_of(look)
    level = f"{look.level:.2g}" + (f" / {divisor}" if divisor > 1 else "")
    # ranks decide on times and bytes, and have no bounds: there the floor is shown, which an alarm must be beyond too
    lower: float | None = None
    upper: float | None = None
    resolution: float | None = None
    if judgement.kind != "runtime":
        resolution = look.floor if judgement.kind == "memory" else rules.width(look, divisor)
        lower, upper = reference - resolution, reference + resolution
    elif look.worse == "lower":  # a rate
        lower = reference / rules.SLOWDOWN_FLOOR
    else:
        upper = reference * rules.SLOWDOWN_FLOOR
    despite = _despite(look, divisor, value - reference, resolution) if trial.verdict == "PASS" else ""
    by = "; the bounds are its floor, ranks have none" if ranked else f", floor {look.floor:.3g}"
    return dataclasses.replace(
        judgement, verdict=trial.verdict, cause=trial.cause, n=len(head), value=value, spread=spread(head),
        reference=reference, reference_runs=tuple(look.base), lower=lower, upper=upper, resolution=resolution,
        test=f"{look.round}: {look.tests}, level {level}{by}", reason=f"{_estimate(judgement, look)}{trial.reason}{despite}",
    )  # fmt: skip


def _estimate(judgement: Judgement, look: Look) -> str:
    """Say the difference that was compared with the floor, where it is none of the two values shown."""
    if judgement.kind == "runtime":
        whose = "the base" if look.worse == "higher" else "the base's time"
        whose = "the base's CPU time" if look.clock == "cpu" else whose
        return f"{look.estimate:.3f} times {whose} ({look.lower:.3f} to {look.upper:.3f}); "
    if judgement.kind == "memory":
        difference = look.estimate if look.worse == "higher" else -look.estimate
        return f"median difference {difference / 2**20:+.2f} MiB; "
    return ""


def _despite(look: Look, divisor: int, gap: float, resolution: float | None) -> str:
    """Say why a value beyond its bounds passed; empty if it lies within, or the screen flagged it."""
    within = resolution is None or not rules.above(abs(gap), resolution) or abs(look.estimate) <= look.floor
    if within or (look.alarm and look.round == "screen"):
        return ""
    if look.p <= look.level / divisor:
        return "; it lies beyond the bounds, but Holm's steps ended before it"
    return "; it lies beyond the bounds, but the rank test does not agree"


def _of_images(judgement: Judgement, trial: Trial) -> Judgement:
    """Give every metric of the group the verdict of its images; a bound from the spread over seeds says nothing here."""
    (look,) = trial.screen
    follows = f"follows {trial.metric}: " if judgement.metric != trial.metric else ""
    return dataclasses.replace(
        judgement, verdict=trial.verdict, cause=trial.cause, lower=None, upper=None, resolution=None,
        test=f"{look.tests}, level {look.level:.2g}", reason=f"{follows}{trial.reason}",
    )  # fmt: skip


def _touched(trial: Trial, metric: str) -> bool:
    """Whether the group's verdict is this metric's too."""
    if trial.flagged or trial.verdict == "PASS":
        return trial.metric == metric or any(look.alarm for look in trial.screen if look.metric == metric)
    last = [look for look in trial.screen if look.metric == metric][-1]
    return not last.clear


def _weight(trial: Trial, metric: str) -> tuple[bool, int]:
    order = {"REGRESSED": 0, "IMPROVED": 1, "INCONCLUSIVE": 2}
    touched = trial.by_images or _touched(trial, metric)
    return not touched, order.get(trial.verdict, 3)


def with_next_step(judgement: Judgement, place: Place) -> Judgement:
    """Add the next command to type. It looks first: accepting is offered only where a person has something to approve."""
    verdict, cause = judgement.verdict, judgement.cause
    step = judgement.next_step
    if verdict in {"PASS", "KNOWN_GAP"} or step:
        return judgement
    if verdict == "NO_BASELINE" and not place.against:
        step = place.propose("first baseline")
    elif verdict == "IMPROVED" and not place.against and judgement.kind != "runtime":
        step = place.propose(f"{judgement.metric} improved")
    elif verdict == "CHANGED" and not place.against:
        step = f"{place.look(judgement.metric)}  # if it is meant: {place.propose(f'{judgement.metric} changed')}"
    elif verdict == "ERROR" or cause in {"missing", "no_run"}:
        step = place.run()
    elif cause in {"unconfirmed", "too_few", "undecided", "disturbed", "resumed", "shown"}:
        step = place.gate()
    elif judgement.against == "identity":
        step = place.report()
    else:
        step = place.look(judgement.metric)
    return dataclasses.replace(judgement, next_step=step)
