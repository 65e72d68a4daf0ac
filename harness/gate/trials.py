"""From the runs so far to decisions, and to the runs that are still needed. Pure: the same runs give the same answer.

A variant's metrics of one kind and direction form a group, because they rise and fall together. The screen flags
groups; the confirm round tests each flagged group's leading metric on fresh runs, under Holm's levels.
"""

from __future__ import annotations

import dataclasses
import math
import typing

from harness import baselines, probes
from harness.compare import compare, smallest_difference
from harness.gate import images, rules, values, verdicts
from harness.records import Trial

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from harness.flips import Found
    from harness.gate.values import Floats
    from harness.records import (
        Baseline,
        Comparison,
        GateSettings,
        Judgement,
        Kind,
        Look,
        Probe,
        Round,
        RunResult,
        Scenario,
        Tier,
    )

    Direction = typing.Literal["worse", "better"]
    Key = tuple[str, str, str, str, str]

UNTESTED = ("ERROR", "NO_BASELINE", "INCOMPARABLE")
"""Verdicts that no further run would change."""
FIRST_PAIRS = min(rules.RUNTIME_SCREEN)
CONFIRM_SEED = 1_000_000
"""The confirm round's seeds start so far above the screen's: a screen never has so many, so that the two share none."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was measured of one variant."""

    scenario: Scenario
    """Declares the gated metrics."""
    variant: str
    """Variant name."""
    tier: Tier
    """Tier."""
    head: Mapping[Round, Sequence[RunResult]]
    """Finished runs of the code in question, by round, in seed order; failed ones too."""
    base: Mapping[Round, Sequence[RunResult]] | None
    """Those of the base side; None if a stored baseline is the reference."""
    stored: tuple[Baseline, str] | None
    """Stored baseline and its file."""
    counted: RunResult | None = None
    """Run whose work was counted."""
    probe: Probe | None = None
    """What counting twice told."""
    base_counted: RunResult | None = None
    """The base side's counted run."""
    damaged: str = ""
    """Why the stored baseline cannot be read; empty if it can, or there is none."""
    flipped: tuple[Found, ...] = ()
    """Flipped images of the first look's runs beside the reference's runs of the same seeds."""

    @property
    def name(self) -> tuple[str, str, Tier]:
        """Scenario, variant and tier."""
        return self.scenario.name, self.variant, self.tier


@dataclasses.dataclass(frozen=True, slots=True)
class Want:
    """Runs that a decision still needs."""

    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    round: Round
    """Round."""
    runs: int
    """How many runs of the round there must be in all, on each side."""


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """Where a gate stands."""

    trials: tuple[Trial, ...]
    """Every group, as far as it got."""
    wanted: tuple[Want, ...]
    """Runs to do before it can go on; none when all is decided."""
    comparisons: tuple[Comparison, ...]
    """Every variant's judgements, those of gated metrics as the trials say."""


def decide(
    evidence: Sequence[Evidence], settings: GateSettings, *, more: bool = True, screening: bool = True
) -> State:
    """Judge what was measured so far, and name the runs that are needed to go on.

    Parameters
    ----------
    evidence : sequence of Evidence
        Every variant of the gate.
    settings : GateSettings
        How many runs a screen has, what cannot be compared.
    more : bool
        Whether further runs may be asked for; if not, what is undecided is INCONCLUSIVE.
    screening : bool
        Whether the screen may ask for further runs; once it cannot have them, what it flagged so far is confirmed.
    """
    comparisons = [_compared(each, settings) for each in evidence]
    trials: list[Trial] = []
    wanted: list[Want] = []
    for each, comparison in zip(evidence, comparisons, strict=True):
        screened, needed = _screen(each, comparison, settings)
        trials += screened
        wanted += [Want(each.scenario.name, each.variant, "screen", needed)] if needed and screening else []
    known = {each.name: each for each in evidence}
    if not (wanted and more):
        trials, wanted = _confirm(known, trials)
    trials = [_whole(known[_of(trial)], trial) for trial in verdicts.verdicts(trials)]
    judged = tuple(
        verdicts.judged(
            comparison,
            [trial for trial in trials if _of(trial) == each.name],
            {judgement.metric: _unlooked(each, judgement) for judgement in _testable(comparison, each)},
        )
        for each, comparison in zip(evidence, comparisons, strict=True)
    )
    return State(tuple(trials), tuple(wanted) if more else (), judged)


def _of(trial: Trial) -> tuple[str, str, Tier]:
    return trial.scenario, trial.variant, trial.tier


def first_runs(scenario: Scenario, settings: GateSettings) -> int:
    """Return how many runs a side the screen begins with; pairs must be enough for the first look at runtime."""
    timed = any(name.endswith(("seconds", "images_per_second")) for name in scenario.gated)
    return max(settings.seeds, FIRST_PAIRS) if settings.against and timed else settings.seeds


# -- what can be tested ----------------------------------------------------------------------


def _compared(each: Evidence, settings: GateSettings) -> Comparison:
    """Judge identities and expectations on all runs; find out which gated metrics can be tested at all."""
    everything = [run for runs in each.head.values() for run in runs]
    whole = compare(each.scenario, each.variant, each.tier, everything, None)
    lost = _failures((each.base or {}).values())
    judgements = (
        *(judgement for judgement in whole.judgements if judgement.against == "identity"),
        *(_incomparable(judgement, settings) for judgement in _against_reference(each, settings, lost)),
        *_work(each, settings),
        *(judgement for judgement in whole.judgements if judgement.against == "expectation"),
    )
    failed = (*whole.failed, *(f"base: {error}" for error in lost))
    flipped = tuple(found.record for found in each.flipped)
    return dataclasses.replace(whole, judgements=judgements, failed=failed, flips=flipped)


def _against_reference(each: Evidence, settings: GateSettings, lost: Sequence[str]) -> list[Judgement]:
    """Judge the screen's runs against the stored baseline or the base runs; without a usable one each is an ERROR."""
    first = first_runs(each.scenario, settings)
    failed = [run for runs in each.head.values() for run in runs if run.status != "ok"]
    head = [*values.finished(each.head.get("screen", ()))[:first], *failed]
    reference, told = each.stored, each.damaged
    if each.base is not None:
        shaped = baselines.of_base(values.finished(each.base.get("screen", ()))[:first])
        reference = (shaped, f"base {settings.against}") if shaped else None
        told = "" if shaped or not lost else f"the base side did not finish: {lost[0]}"
    paired = each.base is not None
    found = compare(each.scenario, each.variant, each.tier, head, reference, paired=paired).judgements
    judged = [judgement for judgement in found if judgement.against == "baseline"]
    return [dataclasses.replace(one, verdict="ERROR", reason=told) for one in judged] if told else judged


def _work(each: Evidence, settings: GateSettings) -> list[Judgement]:
    """Judge what was counted: by equality, in one run."""
    if each.base is not None:
        place = f"base {settings.against}"
        return probes.against_base(each.counted, each.probe, each.base_counted, place, each.tier)
    return probes.against_stored(each.counted, each.probe, each.stored, each.tier)


def _failures(rounds: Iterable[Sequence[RunResult]]) -> list[str]:
    return [run.error for runs in rounds for run in runs if run.status != "ok"]


def _incomparable(judgement: Judgement, settings: GateSettings) -> Judgement:
    """Refuse to compare times when what measures them changed between the sides."""
    if judgement.kind != "runtime" or not settings.code_changed or judgement.verdict in UNTESTED:
        return judgement
    told = f"what measures changed between base and head: {', '.join(settings.code_changed)}"
    step = "harness gate --against a commit that measures alike; counts of work are compared all the same"
    return dataclasses.replace(judgement, verdict="INCOMPARABLE", reason=told, next_step=step)


def _testable(comparison: Comparison, each: Evidence) -> list[Judgement]:
    """List judgements of gated metrics that tests decide, not equality or an obstacle."""
    return [
        judgement
        for judgement in comparison.judgements
        if judgement.against == "baseline"
        and judgement.kind != "work"
        and judgement.verdict not in UNTESTED
        and not judgement.test.startswith("equality")
        and (judgement.kind != "runtime" or each.base is not None)
    ]


def _unlooked(each: Evidence, judgement: Judgement) -> str:
    """Say what a metric lacks where the runs are not enough for a first look at it."""
    if judgement.kind != "runtime":
        return "too few reference runs"
    pairs = len(values.of_pairs(each, judgement.metric, "screen").base)
    if not pairs:
        return "no pair in which both runs have it"
    return f"{pairs} pair{'s' * (pairs > 1)} to compare, the first look takes {FIRST_PAIRS}"


# -- the screen ------------------------------------------------------------------------------


def _screen(each: Evidence, comparison: Comparison, settings: GateSettings) -> tuple[list[Trial], int]:
    """Look at every metric of a variant; return its groups and how many pairs runtime still needs, 0 if none."""
    first = first_runs(each.scenario, settings)
    groups: dict[tuple[Kind, Direction], list[Look]] = {}
    needed = 0
    by_images, rest = images.divided(each, _testable(comparison, each))
    for judgement in rest:
        if judgement.kind == "runtime":
            looks, unresolved = _times(each, judgement.metric, "screen", None, lambda look: look.alarm)
            groups.setdefault(("runtime", "worse"), []).extend(looks)
            needed = max(needed, unresolved)
            continue
        for direction, look in _looks(each, judgement, "screen", first):
            groups.setdefault((judgement.kind, direction), []).append(look)
    trials = [
        grouped(each.name, kind, direction, looks) for (kind, direction), looks in groups.items() if looks
    ]
    return [*by_images, *trials], needed


def grouped(name: tuple[str, str, Tier], kind: Kind, direction: Direction, looks: Sequence[Look]) -> Trial:
    """Put the screen's looks at metrics of one kind into one group, led by its least likely look.

    Parameters
    ----------
    name : tuple
        Scenario, variant and tier.
    kind, direction : str
        What the group is.
    looks : sequence of Look
        At least one.
    """
    scenario, variant, tier = name
    return Trial(
        scenario=scenario,
        variant=variant,
        tier=tier,
        kind=kind,
        direction=direction,
        metric=lead(looks).metric,
        screen=tuple(looks),
        flagged=any(look.alarm for look in looks),
    )


def lead(looks: Sequence[Look]) -> Look:
    """Return the look whose metric leads a group: of those that alarmed, or of all if none did, the least likely."""
    return min([look for look in looks if look.alarm] or looks, key=_unlikely)


def _unlikely(look: Look) -> tuple[float, float]:
    """Rank a look by its p; exact ranks of few runs often tie, and then what is further beyond its floor is the surer to be confirmed."""
    beyond = look.estimate / look.floor if look.floor > 0 else math.inf
    return look.share, -beyond


def _looks(
    each: Evidence, judgement: Judgement, round_: Round, limit: int
) -> Iterator[tuple[Direction, Look]]:
    """Look at one score or memory in both directions; of a metric without direction both are worse."""
    name = judgement.metric
    head, base, declared = values.of_sides(each, name, round_, limit)
    if len(base) < 2 or not len(head):
        return
    worse: rules.Worse = "higher" if declared.better == "lower" else "lower"
    better: rules.Worse = "lower" if worse == "higher" else "higher"
    other: Direction = "worse" if declared.better == "none" else "better"
    ways: tuple[tuple[Direction, rules.Worse], ...] = (("worse", worse), (other, better))
    floor = smallest_difference(declared, base, values.finished(each.head.get(round_, ())))
    for direction, way in ways:
        yield direction, _look(judgement.kind, name, (base, head), way, round_, floor)


def _look(
    kind: Kind, name: str, sides: tuple[Floats, Floats], worse: rules.Worse, round_: Round, floor: float
) -> Look:
    """Look at base and head by the rule of their kind; memory has a floor of its own."""
    if kind == "memory":
        return rules.memory_look(name, *sides, worse=worse, round_=round_)
    return rules.score_look(name, *sides, worse=worse, round_=round_, floor=floor)


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
    evidence: Mapping[tuple[str, str, Tier], Evidence], trials: Sequence[Trial]
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
        looks, needed = _confirm_looks(evidence[_of(trial)], trial, flagged)
        done.append(confirmed(trial, looks))
        if needed:
            key = (trial.scenario, trial.variant)
            wanted[key] = max(needed, wanted.get(key, 0))
    return done, [Want(scenario, variant, "confirm", runs) for (scenario, variant), runs in wanted.items()]


def confirmed(trial: Trial, looks: Sequence[Look]) -> Trial:
    """Add the looks of its confirm round to a flagged group."""
    beyond = [look.share for look in looks if rules.beyond(look)]
    return dataclasses.replace(trial, confirm=tuple(looks), ratio=min(beyond, default=None))


def _confirm_looks(each: Evidence, trial: Trial, flagged: int) -> tuple[list[Look], int]:
    leading = lead(trial.screen)
    if trial.kind == "runtime":
        return _times(each, trial.metric, "confirm", leading.clock, lambda look: settled(look, flagged))
    sides = (each.head, each.base or each.head)
    runs = min(len(values.having(side.get("confirm", ()), trial.metric)) for side in sides)
    return rules.until_settled(
        lambda count: _confirm_look(each, trial, leading.worse, count),
        rules.CONFIRM_LEVELS,
        runs,
        lambda look: settled(look, flagged),
    )


def _confirm_look(each: Evidence, trial: Trial, worse: rules.Worse, count: int) -> Look:
    head, base, declared = values.of_sides(each, trial.metric, "confirm", count)
    floor = smallest_difference(declared, base, values.finished(each.head["confirm"]))
    return _look(trial.kind, trial.metric, (base, head), worse, "confirm", floor)


def _whole(each: Evidence, trial: Trial) -> Trial:
    """Name the fresh runs that lack the leading metric: what a diverged training did not measure is no pass."""
    if not trial.flagged or trial.by_images:
        return trial
    lacking = values.lacking(each, trial.metric)
    if not lacking:
        return trial
    verdict = "INCONCLUSIVE" if trial.verdict == "PASS" else trial.verdict
    return dataclasses.replace(trial, verdict=verdict, reason=f"{trial.reason}; {lacking}")


def settled(look: Look, flagged: int) -> bool:
    """Whether a look confirms whatever the other flagged groups do."""
    return rules.beyond(look) and look.p <= look.level / flagged + 1e-12
