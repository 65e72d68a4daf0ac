"""A gate's procedure for the page: what was screened, flagged and confirmed, with the arithmetic of each group."""

from __future__ import annotations

import dataclasses
import typing

from harness.judging import wording
from harness.report import numbers
from harness.report.verdicts import SIGNS

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Gate, Job, Look, Trial, Why
    from harness.report.verdicts import Sign


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LookRow:
    """One look at one metric."""

    what: str
    """Round, and how many runs on each side."""
    metric: str
    """Metric."""
    estimate: str
    """Estimate with its interval, and the floor that it must exceed."""
    p: str
    """p against its level."""
    ended: str
    """alarm, cleared, or open."""
    tests: str
    """The tests in words."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One group of metrics."""

    title: str
    """Scenario, variant, kind and direction."""
    lead: str
    """Metric that leads."""
    sign: Sign
    """Verdict."""
    reason: str
    """Why."""
    looks: tuple[LookRow, ...]
    """Every look."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WhyRow:
    """Where one regression comes from."""

    title: str
    """Scenario, variant and metric."""
    sentence: str
    """What the profiled pair shows, or that it shows nothing."""
    places: tuple[tuple[str, str, str, str, float, str], ...]
    """Function and place, base, head, difference, its share of the largest difference (0 to 1), and the commit that changed it."""
    differences: tuple[str, ...]
    """What else differs between the sides."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GatePart:
    """A gate in one section."""

    sentence: str
    """What was held against what, in how many runs and minutes."""
    counts: str
    """Groups that were screened, flagged and confirmed."""
    why: tuple[WhyRow, ...]
    """Where confirmed regressions come from."""
    flagged: tuple[TrialRow, ...]
    """Groups that needed more than the screen's first look."""
    quiet: tuple[TrialRow, ...]
    """The others."""


def part(job: Job) -> GatePart | None:
    """Gather what a gate did; None for a plain run."""
    gate = job.gate
    if gate is None:
        return None
    trials = [trial for comparison in job.comparisons for trial in comparison.trials]
    flagged = [trial for trial in trials if trial.flagged or trial.verdict != "PASS"]
    rows = {id(trial): _row(trial) for trial in trials}
    confirmed = sum(trial.verdict in {"REGRESSED", "IMPROVED"} for trial in trials)
    return GatePart(
        sentence=_sentence(job, gate),
        counts=f"{len(trials)} groups of metrics were screened, {sum(trial.flagged for trial in trials)} flagged, "
        f"{confirmed} confirmed.",
        why=tuple(map(_why, gate.why)),
        flagged=tuple(rows[id(trial)] for trial in flagged),
        quiet=tuple(row for key, row in rows.items() if key not in {id(trial) for trial in flagged}),
    )


def _sentence(job: Job, gate: Gate) -> str:
    runs = len(job.results) + len(gate.base_results) + len(job.counted)
    settings = gate.settings
    if settings.against:
        sides = f"commit {settings.head_commit[:10]} beside {settings.against} ({settings.base_commit[:10]}), in pairs ordered by a coin"
        against = f"{sides} (seed {settings.coin})"
    else:
        against = "this code against stored baselines"
    return f"{against[0].upper()}{against[1:]}: {runs} runs in {gate.minutes:.1f} minutes, exit code {gate.exit_code}."


def _why(cause: Why) -> WhyRow:
    unit = "s" if cause.kind == "runtime" else "B"
    largest = max((place.more for place in cause.places), default=0.0)
    return WhyRow(
        title=f"{cause.scenario}:{cause.variant} · {cause.metric}",
        sentence=wording.why(cause),
        places=tuple(
            (
                f"{place.function}, {place.file}:{place.line}"
                + (f", below it {place.library}" if place.library else ""),
                wording.quantity(place.base, unit),
                wording.quantity(place.head, unit),
                wording.quantity(place.more, unit),
                place.more / largest,
                f"{place.commit} {place.subject}".strip(),
            )
            for place in cause.places
        ),
        differences=cause.differences,
    )


def _row(trial: Trial) -> TrialRow:
    question = "worse?" if trial.direction == "worse" else "better?"
    return TrialRow(
        title=f"{trial.scenario}:{trial.variant} · {trial.kind}, {question}",
        lead=trial.metric,
        sign=SIGNS[trial.verdict],
        reason=trial.reason,
        looks=tuple(_look(look, trial) for look in _shown(trial)),
    )


def _shown(trial: Trial) -> Sequence[Look]:
    """Return the leading metric's looks, and the last one of every other metric of the group."""
    last = {look.metric: look for look in trial.screen}
    own = [look for look in trial.screen if look.metric == trial.metric]
    return [*own, *(look for name, look in last.items() if name != trial.metric), *trial.confirm]


def _look(look: Look, trial: Trial) -> LookRow:
    divisor = trial.divisor_of(look)
    share = f" / {divisor}" if divisor > 1 else ""
    return LookRow(
        what=f"{look.round}, {len(look.head)} against {len(look.base)}",
        metric=look.metric,
        estimate=_estimate(look, trial),
        p=f"{look.p:.2g} against {look.level:.2g}{share}",
        ended=trial.ended(look),
        tests=look.tests,
    )


def _estimate(look: Look, trial: Trial) -> str:
    if trial.kind == "runtime":
        return f"{look.estimate:.3f}× ({look.lower:.3f} to {look.upper:.3f}), floor {look.floor:.2f}×"
    values = (look.estimate, look.lower, look.upper, look.floor)
    write = numbers.mebibytes if trial.kind == "memory" else "{:.4g}".format
    shown = [write(value) for value in values]
    return f"{shown[0]} ({shown[1]} to {shown[2]}), floor {shown[3]}"
