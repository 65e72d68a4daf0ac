"""From the runs so far to decisions, and to the runs that are still needed. Pure: the same runs give the same answer.

A variant's metrics of one kind and direction form a group, because they rise and fall together. The screen flags
groups; the confirm round tests each flagged group's leading metric on fresh runs, under Holm's levels. Where there are no fresh
runs and none may be asked for, a single look at the screen's own runs decides, at a level that all looks at the variant share.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import typing

from harness.judging.compare import compare
from harness.judging.gate import comparable, images, rules, values, verdicts
from harness.judging.gate.comparable import Candidate
from harness.records import Judgement, Trial

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from harness.judging.gate.values import Evidence, Floats, Name
    from harness.records import Comparison, GateSettings, Kind, Look, Round, Scenario

    Way = typing.Literal["worse", "better"]

FIRST_PAIRS = min(rules.RUNTIME_SCREEN)
CONFIRM_SEED = 1_000_000
"""The confirm round's seeds start so far above the screen's: a screen never has so many, so that the two share none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Want:
    """Runs that a decision still needs."""

    scenario: str
    variant: str
    round: Round
    runs: int
    """How many runs of the round there must be in all, on each side."""


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """Where a gate stands."""

    wanted: tuple[Want, ...]
    """Runs to do before it can go on; none when all is decided."""
    comparisons: tuple[Comparison, ...]
    """Every variant's judgements and trials."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every group, as far as it got."""
        return tuple(trial for comparison in self.comparisons for trial in comparison.trials)


def decide(
    evidence: Sequence[Evidence], settings: GateSettings, *, more: bool = True, screening: bool = True
) -> State:
    """Judge what was measured so far, and name the runs that are needed to go on.

    Parameters
    ----------
    evidence, settings : sequence of Evidence, GateSettings
        Every variant that is decided together; how many runs a screen has, what cannot be compared.
    more : bool
        Whether further runs may be asked for; if not, a single look decides what the screen flagged and nothing confirmed.
    screening : bool
        Whether the screen may ask for further runs; once it cannot have them, what it flagged so far is confirmed.
    """
    known = {each.name: each for each in evidence}
    first = {each.name: first_runs(each.scenario, settings) for each in evidence}
    gated = {each.name: comparable.gated(each, settings, first[each.name]) for each in evidence}
    candidates = {
        name: {item.judgement.metric: item for item in items if isinstance(item, Candidate)}
        for name, items in gated.items()
    }
    trials: list[Trial] = []
    wanted: list[Want] = []
    for each in evidence:
        screened, needed = _screen(each, list(candidates[each.name].values()), first[each.name])
        trials += screened
        wanted += [Want(each.scenario.name, each.variant, "screen", needed)] if needed and screening else []
    if not (wanted and more):
        trials, wanted = _confirm(known, candidates, trials)
    if not more:
        trials = single(trials)
    trials = [_whole(known[of(trial)], trial) for trial in verdicts.verdicts(trials)]
    comparisons = tuple(
        _judged(each, settings, gated[each.name], [trial for trial in trials if of(trial) == each.name])
        for each in evidence
    )
    return State(tuple(wanted) if more else (), comparisons)


def of(trial: Trial) -> Name:
    """Return scenario, variant and tier of a trial."""
    return trial.scenario, trial.variant, trial.tier


def first_runs(scenario: Scenario, settings: GateSettings) -> int:
    """Return how many runs a side the screen begins with; pairs must be enough for the first look at runtime."""
    declared = [scenario.metric(name) for name in scenario.gated]
    timed = any(metric is not None and metric.kind == "runtime" for metric in declared)
    return max(settings.seeds, FIRST_PAIRS) if settings.against and timed else settings.seeds


def _judged(
    each: Evidence, settings: GateSettings, gated: Sequence[Judgement | Candidate], trials: Sequence[Trial]
) -> Comparison:
    """Put a variant's judgements together: identities, gated metrics as the trials decide, published values."""
    everything = [run for runs in each.head.values() for run in runs]
    whole = compare(each.scenario, each.variant, each.tier, everything)
    place = each.place(settings)
    judged = [found for found in whole.judgements if found.against == "identity"]
    for item in gated:
        if isinstance(item, Candidate):
            judged.append(verdicts.judged(item.judgement, trials, _unlooked(each, item)))
        else:
            judged.append(item)
    lost = [run.error for runs in (each.base or {}).values() for run in runs if run.status != "ok"]
    return dataclasses.replace(
        whole,
        failed=(*whole.failed, *(f"base: {error}" for error in lost)),
        judgements=(
            *(verdicts.with_next_step(found, place) for found in judged),
            *(found for found in whole.judgements if found.against == "expectation"),
        ),
        flips=tuple(found.record for found in each.flipped),
        trials=tuple(trials),
    )


def _unlooked(each: Evidence, candidate: Candidate) -> str:
    """Say what a metric lacks where the runs are not enough for a first look at it."""
    if candidate.judgement.kind != "runtime":
        return "too few reference runs"
    pairs = len(values.of_pairs(each, candidate.judgement.metric, "screen").base)
    if not pairs:
        return "no pair in which both runs have it"
    return f"{pairs} pair{'s' * (pairs > 1)} to compare, the first look takes {FIRST_PAIRS}"


# -- the screen ------------------------------------------------------------------------------


def _screen(each: Evidence, candidates: Sequence[Candidate], first: int) -> tuple[list[Trial], int]:
    """Look at every metric of a variant; return its groups and how many pairs runtime still needs, 0 if none."""
    found: list[tuple[Kind, Way, Look]] = []
    needed = 0
    by_images, rest = images.divided(each, candidates)
    for candidate in rest:
        judgement = candidate.judgement
        if judgement.kind == "runtime":
            looks, unresolved = _times(each, judgement.metric, "screen", None, lambda look: look.alarm)
            found += [("runtime", "worse", look) for look in looks]
            needed = max(needed, unresolved)
            continue
        head, base = values.of_sides(each, judgement.metric, "screen", first)
        found += [(judgement.kind, way, look) for way, look in both_ways(candidate, base, head)]
    return [*by_images, *grouped(each.name, found)], needed


def both_ways(candidate: Candidate, base: Floats, head: Floats) -> Iterator[tuple[Way, Look]]:
    """Take the screen's looks at a score or memory in both directions; of a metric without direction both are worse."""
    if len(base) < 2 or not len(head):
        return
    worse: rules.Worse = "higher" if candidate.better == "lower" else "lower"
    other: rules.Worse = "lower" if worse == "higher" else "higher"
    yield "worse", _look(candidate, base, head, worse, "screen")
    yield "worse" if candidate.better == "none" else "better", _look(candidate, base, head, other, "screen")


def _look(candidate: Candidate, base: Floats, head: Floats, worse: rules.Worse, round_: Round) -> Look:
    """Look at base and head by the rule of their kind; memory has a floor of its own."""
    metric = candidate.judgement.metric
    if candidate.judgement.kind == "memory":
        return rules.memory_look(metric, base, head, worse=worse, round_=round_)
    return rules.score_look(metric, base, head, worse=worse, round_=round_, floor=candidate.floor)


def grouped(name: Name, found: Iterable[tuple[Kind, Way, Look]]) -> list[Trial]:
    """Put looks into groups of one kind and direction, each led by its least likely alarm."""
    groups: dict[tuple[Kind, Way], list[Look]] = {}
    for kind, way, look in found:
        groups.setdefault((kind, way), []).append(look)
    scenario, variant, tier = name
    return [
        Trial(
            scenario=scenario, variant=variant, tier=tier, kind=kind, direction=way, metric=lead(looks).metric,
            screen=tuple(looks), flagged=any(look.alarm for look in looks),
        )
        for (kind, way), looks in groups.items()
    ]  # fmt: skip


def lead(looks: Sequence[Look]) -> Look:
    """Return the look whose metric leads a group: of those that alarmed, or of all if none did, the least likely.

    Exact ranks of few runs often tie: the look that lies furthest beyond its floor then leads.
    """

    def unlikely(look: Look) -> tuple[float, float]:
        return look.share, -look.estimate / look.floor if look.floor > 0 else -math.inf

    return min([look for look in looks if look.alarm] or looks, key=unlikely)


def _times(
    each: Evidence, name: str, round_: Round, clock: rules.Clock | None, enough: Callable[[Look], bool]
) -> tuple[list[Look], int]:
    """Look at one runtime at every look that its pairs reach, until it is settled or cleared; return how many pairs the next one needs."""
    levels = rules.RUNTIME_SCREEN if round_ == "screen" else rules.RUNTIME_CONFIRM
    pairs = values.of_pairs(each, name, round_)

    def look_at(count: int) -> Look:
        """Look at the times behind a rate, and show the rates."""
        base, head, cpu = pairs.times(count)
        look = rules.runtime_look(name, base, head, round_=round_, cpu=cpu, clock=clock)
        if not pairs.rate:
            return look
        shown = pairs.base[:count].tolist(), pairs.head[:count].tolist()
        return dataclasses.replace(look, base=shown[0], head=shown[1], worse="lower")

    looks, needed = rules.until_settled(look_at, levels, len(pairs.base), enough)
    return looks, needed + pairs.resumed if needed else 0


# -- the confirm round ------------------------------------------------------------------------


def _confirm(
    evidence: Mapping[Name, Evidence],
    candidates: Mapping[Name, Mapping[str, Candidate]],
    trials: Sequence[Trial],
) -> tuple[list[Trial], list[Want]]:
    """Look at every flagged group's leading metric on fresh runs; return how far that got and what is missing."""
    flagged = sum(trial.flagged for trial in trials)
    done: list[Trial] = []
    wanted: dict[tuple[str, str], int] = {}
    for trial in trials:
        # fresh runs would have the same weights: nothing to confirm
        if not trial.flagged or trial.by_images:
            done.append(trial)
            continue
        candidate = candidates[of(trial)][trial.metric]
        looks, needed = _confirm_looks(evidence[of(trial)], candidate, trial, flagged)
        done.append(confirmed(trial, looks))
        if needed:
            key = (trial.scenario, trial.variant)
            wanted[key] = max(needed, wanted.get(key, 0))
    return done, [Want(scenario, variant, "confirm", runs) for (scenario, variant), runs in wanted.items()]


def confirmed(trial: Trial, looks: Sequence[Look]) -> Trial:
    """Add the looks of its confirm round to a flagged group."""
    beyond = [look.share for look in looks if rules.beyond(look)]
    return dataclasses.replace(trial, confirm=tuple(looks), ratio=min(beyond, default=None))


def _confirm_looks(
    each: Evidence, candidate: Candidate, trial: Trial, flagged: int
) -> tuple[list[Look], int]:
    leading = lead(trial.screen)
    if trial.kind == "runtime":
        return _times(each, trial.metric, "confirm", leading.clock, lambda look: settled(look, flagged))
    sides = (each.head, each.base or each.head)
    runs = min(len(values.having(side.get("confirm", ()), trial.metric)) for side in sides)

    def look_at(count: int) -> Look:
        head, base = values.of_sides(each, trial.metric, "confirm", count)
        return _look(candidate, base, head, leading.worse, "confirm")

    return rules.until_settled(look_at, rules.CONFIRM_LEVELS, runs, lambda look: settled(look, flagged))


def single(trials: Sequence[Trial]) -> list[Trial]:
    """Take a single look at the leading metric of every flagged group of scores or memory that has no fresh runs.

    Its level is shared by all looks at the variant's scores and memory (Bonferroni), so that however many metrics there are, an
    unchanged variant is called worse or better in at most `rules.SINGLE_LEVEL` of cases.
    """

    def by_values(trial: Trial) -> bool:
        return not trial.by_images and trial.kind != "runtime"

    divisors = collections.Counter(of(trial) for trial in trials if by_values(trial) for _ in trial.screen)

    def looked(trial: Trial) -> Trial:
        divisor = divisors[of(trial)]
        look = rules.once(next(one for one in trial.screen if one.metric == trial.metric), trial.kind)
        able = rules.reachable(len(look.base), len(look.head), look.level / divisor)
        ratio = look.share if able and rules.beyond(look) else None
        return dataclasses.replace(trial, confirm=(look,), ratio=ratio, divisor=divisor)

    return [
        looked(trial) if by_values(trial) and trial.flagged and not trial.confirm else trial
        for trial in trials
    ]


def _whole(each: Evidence, trial: Trial) -> Trial:
    """Name the fresh runs that lack the leading metric: what a diverged training did not measure is no pass."""
    if not trial.flagged or trial.by_images:
        return trial
    lacking = values.lacking(each, trial.metric)
    if not lacking:
        return trial
    whole = dataclasses.replace(trial, reason=f"{trial.reason}; {lacking}")
    if trial.verdict != "PASS":
        return whole
    return dataclasses.replace(whole, verdict="INCONCLUSIVE", cause="undecided")


def settled(look: Look, flagged: int) -> bool:
    """Whether a look confirms whatever the other flagged groups do."""
    return rules.beyond(look) and look.p <= look.level / flagged + 1e-12
