"""Jobs next to one another: times, memory, scores, labels and identities of what the reference and others ran.

Pure but for reading predictions, which the caller hands in. It is a report, not a gate: a ratio of times that were not measured in turn
on one machine is shown as such and decides nothing.

Whether two groups of runs score alike is decided by Welch's two one-sided tests against a margin, 5% on each side. A verdict is a statement
about the margin that is printed with it. equivalent: the difference lies within. different: it lies beyond. INCONCLUSIVE: neither was shown.
docs/compare.md has the error rates.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import statistics
import typing
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.judging import flips, reduced
from harness.judging.statistics import (
    median_interval,
    rank_coverage,
    runs_for_tost,
    sign_test,
    spread,
    welch_tost,
)
from harness.machine import environment
from harness.measure.scores import is_share, set_scored_from_labels
from harness.records import (
    GIVEN,
    Amount,
    Contrast,
    Equivalence,
    IdentitySide,
    IdentitySides,
    SameWeights,
    Score,
    ScoreSide,
    SideRuns,
    VariantSides,
)
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.judging.flips import Found
    from harness.records import IdentityCheck, Job, Kind, Measurement, RunResult, Tier
    from harness.store.predictions import Reader

    Floats = NDArray[np.float64]
    Runs = Sequence[RunResult]
    Key = tuple[Tier, str]

SCHEMA = 3
"""Of ``compare.json``. Since 3, any number of jobs; since 2, sets with the same weights count labels over all runs."""
MACHINE = ("os", "arch", "cpu", "cpu_flags", "cores", "executor")
"""Fields of the environment by which two machines are told apart."""
CONTRASTED: dict[str, tuple[str, Kind]] = {
    "seconds": ("s", "runtime"),
    "cpu_seconds": ("s", "runtime"),
    "images_per_second": ("1/s", "runtime"),
    "first_step_seconds": ("s", "runtime"),
    "step_seconds": ("s", "runtime"),
    "above_imports_bytes": ("B", "memory"),
    "peak_bytes": ("B", "memory"),
    "device_allocated_bytes": ("B", "memory"),
    "device_reserved_bytes": ("B", "memory"),
}
"""Metrics of a stage that are set in relation, with unit and kind."""
LEVEL = 0.05
"""Of each of the two tests."""
MARGIN_SPREADS = 2.0
MARGIN_SHARE = 0.005
"""Half a point: the most that counts as no difference between shares, however much runs vary."""
_FLEETING = {"load", "commit", "code", "imported_from"}
_DTYPE = re.compile(r"\b(bfloat16|float16|float32|float64)\b")
_MARGIN = re.compile(r"(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)\s*(points?|%|)")
_PLAIN_SHARE = 0.1


# -- margin and verdict ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Margin:
    """Difference that counts as none."""

    amount: float
    """How much, in `unit`."""
    unit: typing.Literal["points", "percent", "own", "spread"]
    """Points of a share; percent of the reference's mean; the score's own unit; or standard deviations of the reference's runs."""

    @classmethod
    def parse(cls, text: str) -> Margin:
        """Read ``0.5points``, ``2%``, ``0.01`` or ``spread``.

        Raises
        ------
        ValueError
            If it is none of these.
        """
        found = _MARGIN.fullmatch(text.strip())
        if text.strip() == "spread":
            return cls(MARGIN_SPREADS, "spread")
        if found is None or not math.isfinite(float(found[1])):
            raise ValueError(
                f"'{text}' is not a margin: write 0.5points, 2%, 0.01 (in the score's own unit) or spread"
            )
        return cls(float(found[1]), "percent" if found[2] == "%" else "points" if found[2] else "own")

    def of(self, *, share: bool, reference: Floats) -> float | None:
        """Return the margin in the score's unit; None where it does not say: points of a number that is no share, or a spread of one run.

        Raises
        ------
        HarnessError
            If a plain number is so large for a share that points were probably meant.
        """
        if self.unit == "points":
            return self.amount / 100 if share else None
        if self.unit == "percent":
            return self.amount / 100 * abs(float(reference.mean()))
        if self.unit == "spread":
            sd = spread(reference)
            return None if sd is None else self.amount * sd
        if share and self.amount >= _PLAIN_SHARE:
            what = f"a margin of {self.amount:g} is {100 * self.amount:g} points of a share"
            raise HarnessError(
                what,
                f"If that is meant, type: --margin {100 * self.amount:g}points; else --margin {self.amount:g}points",
            )
        return self.amount


def margin_for(margin: Margin | None, reference: Floats, *, share: bool) -> float | None:
    """Return the difference that counts as none: the margin, or 2 standard deviations of the reference, for shares at most half a point.

    Parameters
    ----------
    margin : Margin or None
        None, and points for what is no share, take the default.
    reference : float64 array of shape (m,)
        Values of the reference's runs.
    share : bool
        Whether they are shares.

    Returns
    -------
    float or None
        None where the reference's single run has no spread to take it from.
    """
    chosen = None if margin is None else margin.of(share=share, reference=reference)
    if chosen is not None or (margin is not None and margin.unit == "spread"):
        return chosen
    usual = Margin(MARGIN_SPREADS, "spread").of(share=share, reference=reference)
    return usual if usual is None or not share else min(usual, MARGIN_SHARE)


def judge(a: Floats, b: Floats, margin: float | None, *, identical: int = 0) -> Equivalence:
    """Judge one score.

    Parameters
    ----------
    a, b : float64 arrays of shapes (m,) and (n,)
        Values of the reference's and of the other's runs.
    margin : float or None
        Difference that counts as none; see `margin_for`.
    identical : int
        Runs on each side whose every prediction is the other side's too, if that decides the score: then nothing is left to chance.
    """
    constant = np.ptp(a) == np.ptp(b) == 0
    # the mean of equal values may be rounded
    difference = float(b[0] - a[0]) if constant else float(b.mean() - a.mean())
    if constant and math.isclose(a[0], b[0], rel_tol=1e-12):
        difference = 0.0
    blank = Equivalence(
        verdict="INCONCLUSIVE",
        difference=difference,
        lower=None,
        upper=None,
        margin=margin,
        p=None,
        runs_to_decide=None,
        reason="",
    )
    if identical:
        same = f"every prediction of {identical} run{'s' * (identical > 1)} is the same on both sides"
        return dataclasses.replace(blank, verdict="equivalent", reason=same)
    if min(len(a), len(b)) < 2 or margin is None:
        return _too_few(blank, [sd for sd in (spread(a), spread(b)) if sd is not None])
    if constant:
        within = abs(difference) <= margin
        reason = (
            "every value is the same on both sides" if difference == 0 else _beyond(a, margin, within=within)
        )
        return dataclasses.replace(
            blank,
            verdict="equivalent" if within else "different",
            lower=difference,
            upper=difference,
            p=float(not within),
            reason=reason,
        )
    test = welch_tost(a, b, margin, LEVEL)
    judged = dataclasses.replace(blank, lower=test.lower, upper=test.upper, p=max(test.p_low, test.p_high))
    if max(test.p_low, test.p_high) <= LEVEL:
        return dataclasses.replace(judged, verdict="equivalent", reason=_beyond(a, margin, within=True))
    if test.lower >= margin or test.upper <= -margin:
        return dataclasses.replace(judged, verdict="different", reason=_beyond(a, margin, within=False))
    sd = math.sqrt((float(a.var(ddof=1)) + float(b.var(ddof=1))) / 2)
    runs = runs_for_tost(difference, margin, sd)
    none = test.lower <= 0 <= test.upper
    reason = (
        "it may be none, and may lie beyond the margin"
        if none
        else "it is not zero, but may lie within the margin or beyond"
    )
    if runs is None:
        reason += (
            "; found as near the margin as it is, no thousand runs would decide: name another with --margin"
        )
    return dataclasses.replace(judged, reason=reason, runs_to_decide=runs)


def _beyond(a: Floats, margin: float, *, within: bool) -> str:
    if within:
        return "the difference lies within the margin"
    if margin == 0 and np.ptp(a) == 0:
        return "the reference's runs do not vary, so that any difference lies beyond 2 standard deviations; --margin names one that matters"
    return "the difference lies beyond the margin"


def _too_few(blank: Equivalence, known: Sequence[float]) -> Equivalence:
    """Say how many runs would decide if both sides were alike."""
    # without a spread the margin is 2 of them, whatever they are
    sd, margin = (known[0], blank.margin) if known and blank.margin else (1.0, MARGIN_SPREADS)
    needed = runs_for_tost(0.0, margin, sd)
    return dataclasses.replace(blank, reason="a single run has no spread to judge by", runs_to_decide=needed)


# -- what belongs together ------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How jobs are to be compared."""

    names: tuple[str, ...]
    """What the jobs are called in sentences: their folders."""
    readers: tuple[Reader, ...]
    """Read the predictions of each job's runs."""
    margin: Margin | None = None
    """Difference that counts as none; see `margin_for`."""
    variants: tuple[str, str] | None = None
    """Variant of the reference, and variant of the others that is compared with it; those of the same name if None."""


def compare(jobs: Sequence[Job], asked: Asked) -> tuple[tuple[VariantSides, ...], tuple[str, ...]]:
    """Set jobs side by side.

    Parameters
    ----------
    jobs : sequence of Job
        Stored jobs; the first is the reference. What a gate's base ran, and counted runs, are left aside.
    asked : Asked
        Names, margin, variants, and where predictions are read.

    Returns
    -------
    variants : tuple of VariantSides
        One for every variant and tier that the reference and another ran and that can be compared.
    left_out : tuple of str
        What cannot, one sentence each.
    """
    groups = [_groups(job) for job in jobs]
    gated = _gated_scores(jobs)
    found: list[VariantSides] = []
    left_out: list[str] = []
    for scenario in dict.fromkeys(itertools.chain.from_iterable(groups)):
        ran = [group.get(scenario, {}) for group in groups]
        if asked.variants:
            # what is compared with the reference's variant takes its name
            own, other = asked.variants
            ran = [
                {
                    (tier, own): runs
                    for (tier, name), runs in group.items()
                    if name == (other if index else own)
                }
                for index, group in enumerate(ran)
            ]
        left_out += _unpaired(scenario, ran, asked)
        for tier, variant in ran[0]:
            # what lies on disk is decoded once, and of one variant's runs only what is compared is in memory
            lighter = reduced.Lighter()
            sides = {
                job: list(map(lighter.to_set_beside, group[tier, variant]))
                for job, group in enumerate(ran)
                if (tier, variant) in group
            }
            hindered = {
                job: reason for job in sides if len(sides) > 1 and (reason := _hindered(sides, job, asked))
            }
            title = f"{scenario}:{' and '.join(dict.fromkeys(asked.variants or (variant,)))}, tier {tier}"
            left_out += [f"{title}: {reason}" for reason in hindered.values()]
            usable = {job: runs for job, runs in sides.items() if job not in hindered}
            if 0 in usable and len(usable) > 1:
                found.append(_sides(scenario, tier, usable, asked, gated.get(scenario, {})))
    if not any(groups):
        left_out.append("no job holds a run")
    return tuple(found), tuple(left_out)


def _groups(job: Job) -> dict[str, dict[Key, Runs]]:
    found: dict[str, dict[Key, Runs]] = {}
    for (scenario, variant, tier), runs in stored.groups(job.results).items():
        found.setdefault(scenario, {})[tier, variant] = runs
    return found


def _gated_scores(jobs: Iterable[Job]) -> dict[str, dict[str, None]]:
    """Return the scores to judge by scenario: the accuracy, and what was declared as gated; other scores follow from these."""
    found: dict[str, dict[str, None]] = {}
    for job in jobs:
        for scenario, _, _ in stored.groups(job.results):
            found.setdefault(scenario, {"accuracy": None})
        for comparison in job.comparisons:
            for judged in comparison.judgements:
                if judged.against == "baseline" and judged.kind == "accuracy":
                    found.setdefault(comparison.scenario, {"accuracy": None})[judged.metric] = None
    return found


def _unpaired(scenario: str, ran: Sequence[Mapping[Key, Runs]], asked: Asked) -> Iterator[str]:
    """Say of each job what it and the reference do not share."""
    ours = ran[0]
    for name, theirs in zip(asked.names[1:], ran[1:], strict=True):
        tiers = [listed(dict.fromkeys(tier for tier, _ in side)) for side in (ours, theirs)]
        variants = [listed(dict.fromkeys(variant for _, variant in side)) for side in (ours, theirs)]
        if not ours or not theirs:
            what = f"variant {asked.variants[bool(ours)]}" if asked.variants else "variant of it"
            yield f"{scenario}: {name if ours else asked.names[0]} ran no {what}"
        elif not set(ours) & set(theirs):
            if not {tier for tier, _ in ours} & {tier for tier, _ in theirs}:
                both = f"{asked.names[0]} ran tier {tiers[0]}, {name} ran tier {tiers[1]}"
                yield f"{scenario}: {both}; other tiers read other data, or run for longer"
            else:
                both = f"{asked.names[0]} has {variants[0]}, {name} has {variants[1]}"
                first = f"{next(iter(ours))[1]} {next(iter(theirs))[1]}"
                yield f"{scenario}: no common variant; {both}. To compare two: --variants {first}"
        else:
            for tier, variant in dict.fromkeys((*ours, *theirs)):
                if (tier, variant) not in ours or (tier, variant) not in theirs:
                    yield f"{scenario}:{variant}, tier {tier}: only {asked.names[0] if (tier, variant) in ours else name} ran it"


def _hindered(sides: Mapping[int, Runs], job: int, asked: Asked) -> str:
    """Say why a job's runs cannot be compared with the reference's; empty if they can."""
    name, runs = asked.names[job], sides[job]
    if not finished(runs):
        return f"no run of {name} finished"
    places = dict.fromkeys(f"{run.request.backend} on {run.request.device}" for run in runs)
    if len(places) > 1:
        return (
            f"{name} ran it on several backends or devices ({listed(places)}); give each a folder of its own"
        )
    if job == 0 or not finished(sides[0]):
        return ""
    (ours, *_), (theirs, *_) = (measured(finished(sides[side])) for side in (0, job))
    first = asked.names[0]
    if ours.scenario_version != theirs.scenario_version:
        return f"{first} ran version {ours.scenario_version} of the scenario, {name} version {theirs.scenario_version}"
    data = [
        {(use.name, use.sha256) for one in measured(finished(sides[side])) for use in one.datasets}
        for side in (0, job)
    ]
    if data[0] != data[1]:
        return f"the data differ: {first} read {_data(data[0])}, {name} read {_data(data[1])}"
    if asked.variants is None and ours.options != theirs.options:
        return f"the options differ: {_options(ours, theirs, (first, name))}"
    return ""


def finished(runs: Runs) -> list[RunResult]:
    """Return the runs that finished."""
    return [run for run in runs if run.status == "ok" and run.measurement is not None]


def measured(runs: Runs) -> list[Measurement]:
    """Return what runs measured, of those that left it."""
    return [run.measurement for run in runs if run.measurement is not None]


def _options(ours: Measurement, theirs: Measurement, names: tuple[str, str]) -> str:
    """Name the options that differ, with both values."""
    values = (
        (name, ours.options.get(name, "none"), theirs.options.get(name, "none"))
        for name in dict.fromkeys((*ours.options, *theirs.options))
    )
    return (
        "; ".join(f"{name} {a} on {names[0]}, {b} on {names[1]}" for name, a, b in values if a != b) or "none"
    )


def _data(uses: Iterable[tuple[str, str]]) -> str:
    return listed(f"{name} ({sha256[:8]})" for name, sha256 in sorted(uses)) or "none"


def listed(names: Iterable[str]) -> str:
    """Join names."""
    return ", ".join(names)


# -- one variant ----------------------------------------------------------------------------------


def _sides(
    scenario: str, tier: Tier, runs: Mapping[int, Runs], asked: Asked, names: Iterable[str]
) -> VariantSides:
    """Compare the runs of one variant and tier; at least one run of each job finished, and job 0 is the reference."""
    done = [finished(side) for side in runs.values()]
    sides = _named([_side(job, side) for job, side in runs.items()], asked)
    sets = flips.main_sets(names)
    sets = (*sets, *(f"{name}{GIVEN}" for name in sets))
    first = asked.readers[0]
    flipped = [
        flips.against_base(other, done[0], sets, asked.readers[side.job], sides[0].name, base_read=first)
        for side, other in zip(sides[1:], done[1:], strict=True)
    ]
    return VariantSides(
        scenario=scenario,
        tier=tier,
        sides=sides,
        notes=tuple(_notes(sides, done)),
        environment=tuple(_differing(sides)),
        contrasts=tuple(_contrasts(done)),
        scores=tuple(_scores(names, done, asked.margin, flipped)),
        weights=tuple(
            one for index, found in enumerate(flipped, start=1) for one in _same_weights(index, found)
        ),
        flips=tuple(tuple(one.record for one in found) for found in flipped),
        identities=tuple(_identities(list(runs.values()))),
    )


def _side(job: int, runs: Runs) -> SideRuns:
    done = finished(runs)
    first = done[0]
    return SideRuns(
        name="",
        job=job,
        variant=first.request.variant,
        backend=first.request.backend,
        device=first.request.device,
        seeds=tuple(run.request.seed for run in done),
        failed=len(runs) - len(done),
        disturbed=sum(run.disturbed for run in done),
        calibration_seconds=statistics.median(one.calibration_seconds for one in measured(done)),
        environment=measured(done)[0].environment,
    )


def _named(sides: Sequence[SideRuns], asked: Asked) -> tuple[SideRuns, ...]:
    """Name each side for what sets it apart: backend, device, precision, versions, threads, machine, commit; at last its folder."""
    precision = sorted(
        {
            name
            for side in sides
            for name in side.environment
            if name.startswith(("torch_", "keras_", "tensorflow_", "jax_"))
        }
    )
    fields = (
        "variant",
        "backend",
        "device",
        *precision,
        *environment.LIBRARIES,
        "python",
        "threads",
        "gpu",
        "cpu",
        "commit",
    )
    known = {
        field: [getattr(side, field, None) or side.environment.get(field, "") for side in sides]
        for field in fields
    }
    labels: list[tuple[str, ...]] = [()] * len(sides)
    # what only some sides record, such as the settings of a framework, comes last
    for field in sorted(fields, key=lambda field: not all(known[field])):
        finer = [
            (*label, _label(field, value)) if value else label
            for label, value in zip(labels, known[field], strict=True)
        ]
        if len(set(finer)) > len(set(labels)):
            labels = finer
    folders = [Path(asked.names[side.job]).name or asked.names[side.job] for side in sides]
    alike = [not label or labels.count(label) > 1 for label in labels]
    names = [
        " ".join((*label, folder) if same else label)
        for label, folder, same in zip(labels, folders, alike, strict=True)
    ]
    if len(set(names)) < len(names):
        names = [asked.names[side.job] for side in sides]
    if len(set(names)) < len(names):
        names = [f"{name} ({index})" for index, name in enumerate(names, start=1)]
    return tuple(dataclasses.replace(side, name=name) for side, name in zip(sides, names, strict=True))


def _label(field: str, value: str) -> str:
    if field in {"variant", "backend", "device", "gpu", "cpu"}:
        return value
    return (
        f"{value} threads" if field == "threads" else f"{field} {value[:10] if field == 'commit' else value}"
    )


def _notes(sides: Sequence[SideRuns], done: Sequence[Runs]) -> Iterator[str]:
    """Say what a reader must know before the numbers."""
    first = sides[0]
    stages = [_stage_names(runs) for runs in done]
    for side, runs, own in zip(sides, done, stages, strict=True):
        if side.variant != first.variant:
            options = _options(measured(done[0])[0], measured(runs)[0], (first.name, side.name))
            yield f"two variants of one scenario; their options differ: {options}"
        pairs = [
            (name, first.environment.get(name, "none"), side.environment.get(name, "none"))
            for name in MACHINE
        ]
        machine = [f"{name} {a} on {first.name}, {b} on {side.name}" for name, a, b in pairs if a != b]
        if machine:
            yield f"two machines ({'; '.join(machine)}): ratios of time and memory are between machines, not between programs"
        if side.failed:
            yield f"{side.failed} of {side.failed + len(runs)} runs of {side.name} failed"
        if side.disturbed:
            used = (
                "their times are left out"
                if side.disturbed < len(runs)
                else "it has no others, so that its times mean little"
            )
            yield f"{side.disturbed} of {len(runs)} runs of {side.name} are disturbed: {used}"
        mixed = [
            field
            for field in (*MACHINE, "gpu", "threads")
            if len({one.environment.get(field) for one in measured(runs)}) > 1
        ]
        if mixed:
            yield f"the runs of {side.name} come from environments that differ ({listed(mixed)}); the first is shown"
        for name, here, there in ((side.name, own, stages[0]), (first.name, stages[0], own)):
            only = [stage for stage in here if stage not in there]
            if only:
                yield f"only {name} has stage {listed(only)}; the totals include it"
    incomplete = {use.name for one in measured(done[0]) for use in one.datasets if not use.complete}
    if incomplete:
        yield f"all read incomplete data: {listed(sorted(incomplete))}"


def _stage_names(runs: Runs) -> dict[str, None]:
    return dict.fromkeys(stage.name for one in measured(runs) for stage in one.stages)


def _differing(sides: Sequence[SideRuns]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in dict.fromkeys(name for side in sides for name in side.environment):
        values = tuple(side.environment.get(name, "none") for side in sides)
        if name not in _FLEETING and len(set(values)) > 1:
            yield name, values


def _contrasts(done: Sequence[Runs]) -> Iterator[Contrast]:
    """Set every stage's times and memory in relation, in the order of the reference's stages; the total comes last."""
    stages = dict.fromkeys((*(name for runs in done for name in _stage_names(runs)), "process", "total"))
    for stage, (metric, (unit, kind)) in itertools.product(stages, CONTRASTED.items()):
        calm = [[run for run in side if not run.disturbed] if kind == "runtime" else side for side in done]
        values = [_values(f"{stage}.{metric}", quiet or side) for quiet, side in zip(calm, done, strict=True)]
        if len(values[0]) and any(len(other) for other in values[1:]):
            sides = tuple(
                _amount(values[0], own, disturbed=not (calm[0] and quiet), reference=index == 0)
                if len(own)
                else None
                for index, (own, quiet) in enumerate(zip(values, calm, strict=True))
            )
            yield Contrast(stage=stage, metric=metric, unit=unit, kind=kind, sides=sides)


def _values(name: str, runs: Runs) -> Floats:
    """Return a metric's values, those of the runs that have it as a finite number: (runs,)."""
    if name in {"imports.seconds", "imports.peak_bytes"}:
        stages = [one.stages[0] for one in measured(runs) if one.stages and one.stages[0].name == "imports"]
        numbers = [stage.seconds if name.endswith("seconds") else stage.peak_bytes for stage in stages]
        return np.asarray([number for number in numbers if number is not None], np.float64)
    values = [run.metrics[name].value for run in runs if name in run.metrics]
    return np.asarray(
        [value for value in values if not isinstance(value, list) and math.isfinite(value)], np.float64
    )


def _amount(a: Floats, b: Floats, *, disturbed: bool, reference: bool) -> Amount:
    amount = Amount(median=float(np.median(b)), runs=len(b), disturbed=disturbed)
    if reference or not (a > 0).all():
        return amount
    ratios = np.divide.outer(b, a).ravel()  # (n * m,)
    amount = dataclasses.replace(amount, ratio=float(np.median(ratios)))
    if min(len(a), len(b)) < 2:
        return amount
    lower, upper = median_interval(ratios, (len(a), len(b)))
    return dataclasses.replace(amount, lower=lower, upper=upper, coverage=rank_coverage(len(a), len(b)))


# -- scores, labels, identities -------------------------------------------------------------------


def _scores(
    names: Iterable[str], done: Sequence[Runs], margin: Margin | None, flipped: Sequence[Sequence[Found]]
) -> Iterator[Score]:
    for name in names:
        values = [_values(name, runs) for runs in done]
        if not len(values[0]) or not any(len(other) for other in values[1:]):
            continue
        unit = next(run.metrics[name].unit for run in done[0] if name in run.metrics)
        share = is_share(name, unit, np.concatenate(values).tolist())
        known = margin_for(margin, values[0], share=share)
        of = set_scored_from_labels(
            name, {one for runs in done for run in measured(runs) for one in run.predictions}
        )
        sides: list[ScoreSide | None] = []
        for index, own in enumerate(values):
            same = _identical(flipped[index - 1], (done[0], done[index])).get(of, 0) if index and of else 0
            judged = judge(values[0], own, known, identical=same) if index and len(own) else None
            sides.append(
                ScoreSide(mean=_mean(own), spread=spread(own), runs=len(own), judged=judged)
                if len(own)
                else None
            )
        yield Score(metric=name, unit=unit, share=share, sides=tuple(sides))


def _mean(values: Floats) -> float:
    return float(values[0]) if np.ptp(values) == 0 else float(values.mean())


def _identical(found: Iterable[Found], done: tuple[Runs, Runs]) -> dict[str, int]:
    """Count the runs of each set whose every prediction is the same, where that is true of all runs on both sides."""
    seeds = [{run.request.seed for run in side} for side in done]
    if seeds[0] != seeds[1] or any(len(side) > len(own) for side, own in zip(done, seeds, strict=True)):
        return {}
    same: dict[str, list[bool]] = {}
    for one in found:
        record = one.record
        changes = record.worse_count + record.better_count + record.changed
        same.setdefault(record.set, []).append(not record.problem and not changes)
    return {name: len(alike) for name, alike in same.items() if all(alike) and len(alike) == len(done[0])}


def _same_weights(side: int, found: Sequence[Found]) -> Iterator[SameWeights]:
    for name, net in flips.same_weights(found).items():
        compared = [one for one in found if one.record.set == name and not one.record.problem]
        records = [one.record for one in compared]
        worse, better = sum(one.worse_count for one in records), sum(one.better_count for one in records)
        yield SameWeights(
            side=side,
            set=name,
            labels=sum(one.images for one in records),
            runs=len(records),
            checkpoints=len({one.weights for one in compared}),
            worse=worse,
            better=better,
            changed=worse + better + sum(one.changed for one in records),
            p=sign_test(net.images),
            tested=net.runs,
        )


def _identities(runs: Sequence[Runs]) -> list[IdentitySides]:
    """Set the worst check of each identity next to the other sides', sorted by dtype; failed runs' checks count too."""
    worst: list[dict[str, IdentityCheck]] = []
    for side in runs:
        checks: dict[str, IdentityCheck] = {}
        for one in measured(side):
            for check in one.identities:
                checks[check.name] = max(checks.get(check.name, check), check, key=reduced.violation)
        worst.append(checks)
    found = [
        IdentitySides(
            name=name,
            formula=next(checks[name].formula for checks in worst if name in checks),
            sides=tuple(_checked(checks.get(name)) for checks in worst),
        )
        for name in dict.fromkeys(itertools.chain.from_iterable(worst))
    ]
    return sorted(found, key=lambda identity: [side.dtype if side else "" for side in identity.sides])


def _checked(worst: IdentityCheck | None) -> IdentitySide | None:
    if worst is None:
        return None
    dtype = _DTYPE.search(worst.detail)
    return IdentitySide(
        dtype=dtype[0] if dtype else "", error=worst.error, tolerance=worst.tolerance, holds=worst.holds
    )
