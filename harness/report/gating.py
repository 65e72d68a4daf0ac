"""A gate's procedure for the page: what was screened, flagged and confirmed, with the arithmetic of each group."""

from __future__ import annotations

import typing

from harness.judging import wording
from harness.report import numbers

if typing.TYPE_CHECKING:
    from harness.records import Job, Look, Trial, Why


class WhyRow(typing.NamedTuple):
    """Where one regression comes from."""

    title: str  # scenario, variant and metric
    sentence: str  # what the profiled pair shows, or that it shows nothing
    places: list[tuple[str, str, str, str, float, str]]
    """Function and place, base, head, difference, its share of the largest difference (0 to 1), and the commit that changed it."""
    differences: tuple[str, ...]  # what else differs between the sides


class GatePart(typing.NamedTuple):
    """A gate in one section."""

    sentence: str  # what was compared with what, in how many runs and minutes
    counts: str  # groups that were screened, flagged and confirmed
    why: list[WhyRow]  # where confirmed regressions come from
    flagged: list[Trial]  # groups that needed more than the screen's first look
    quiet: list[Trial]


def part(job: Job) -> GatePart | None:
    """Gather what a gate did; None for a plain run."""
    gate = job.gate
    if gate is None:
        return None
    runs, settings = len(job.results) + len(gate.base_results) + len(job.counted), gate.settings
    against = "This code against stored baselines"
    if settings.against:
        against = (
            f"Commit {settings.head_commit[:10]} beside {settings.against} ({settings.base_commit[:10]}),"
            f" in pairs ordered by a coin (seed {settings.coin})"
        )
    trials = [trial for comparison in job.comparisons for trial in comparison.trials]
    confirmed = sum(trial.verdict in {"REGRESSED", "IMPROVED"} for trial in trials)
    flagged = sum(trial.flagged for trial in trials)
    return GatePart(
        sentence=f"{against}: {runs} runs in {gate.minutes:.1f} minutes, exit code {gate.exit_code}.",
        counts=f"{len(trials)} groups of metrics were screened, {flagged} flagged, {confirmed} confirmed.",
        why=list(map(_why, gate.why)),
        flagged=[trial for trial in trials if trial.flagged or trial.verdict != "PASS"],
        quiet=[trial for trial in trials if not trial.flagged and trial.verdict == "PASS"],
    )


def _why(cause: Why) -> WhyRow:
    unit = "s" if cause.kind == "runtime" else "B"
    largest = max((place.more for place in cause.places), default=0.0)
    places = []
    for place in cause.places:
        name = f"{place.function}, {place.file}:{place.line}" + (
            f", below it {place.library}" if place.library else ""
        )
        base, head, more = (wording.quantity(value, unit) for value in (place.base, place.head, place.more))
        places.append(
            (name, base, head, more, place.more / largest, f"{place.commit} {place.subject}".strip())
        )
    title = f"{cause.scenario}:{cause.variant} · {cause.metric}"
    return WhyRow(title, wording.why(cause), places, cause.differences)


def looks(trial: Trial) -> list[Look]:
    """Return the leading metric's looks, the last one of every other metric of the group, and the confirm round."""
    last = {look.metric: look for look in trial.screen if look.metric != trial.metric}
    return [*(look for look in trial.screen if look.metric == trial.metric), *last.values(), *trial.confirm]


def estimate(look: Look, trial: Trial) -> str:
    """Write a look's estimate with its interval, and the floor that it must exceed."""
    if trial.kind == "runtime":
        return f"{look.estimate:.3f}× ({look.lower:.3f} to {look.upper:.3f}), floor {look.floor:.2f}×"
    write = numbers.mebibytes if trial.kind == "memory" else "{:.4g}".format
    middle, low, high, floor = map(write, (look.estimate, look.lower, look.upper, look.floor))
    return f"{middle} ({low} to {high}), floor {floor}"
