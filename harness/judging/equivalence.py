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
import typing

import numpy as np

from harness import records
from harness.errors import HarnessError
from harness.judging import flips, reduced, statistics
from harness.measure.scores import set_scored_from_labels
from harness.records.metrics import find, is_share
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.judging.flips import Found
    from harness.store.predictions import Reader

    Floats = NDArray[np.float64]
    Runs = Sequence[records.RunResult]
    Sides = Mapping[int, Runs]

SCHEMA = 3
"""Of ``compare.json``. Since 3, any number of jobs; since 2, sets with the same weights count labels over all runs."""
MACHINE = ("os", "arch", "cpu", "cpu_flags", "cores", "executor")
"""Fields of the environment by which two machines are told apart."""
CONTRASTED = (
    "seconds", "cpu_seconds", "images_per_second", "first_step_seconds", "step_seconds",
    "above_imports_bytes", "peak_bytes", "device_allocated_bytes", "device_reserved_bytes",
)  # fmt: skip
"""Metrics of a stage that are compared."""
LEVEL = 0.05
"""Of each of the two tests."""
MARGIN_SPREADS = 2.0
MARGIN_SHARE = 0.005
"""Half a point: the most that counts as no difference between shares, however much runs vary."""
_PLAIN_SHARE = 0.1
_FLEETING = {"load", "commit", "code", "imported_from"}


# -- margin and verdict ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Margin:
    """Difference that counts as none."""

    amount: float
    """How much, in `unit`."""
    unit: typing.Literal["points", "percent", "own", "spread", "usual"]
    """Points of a share; percent of the reference's mean; the score's own unit; standard deviations of the reference's runs; or `usual`:
    standard deviations, of a share at most half a point."""

    @classmethod
    def parse(cls, text: str) -> Margin:
        """Read ``0.5points``, ``2%``, ``0.01`` or ``spread``.

        Raises
        ------
        ValueError
            If it is none of these.
        """
        if text.strip() == "spread":
            return cls(MARGIN_SPREADS, "spread")
        number = re.fullmatch(r"(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)\s*(points?|%|)", text.strip())
        if number is None or not math.isfinite(float(number[1])):
            raise ValueError(
                f"'{text}' is not a margin: write 0.5points, 2%, 0.01 (in the score's own unit) or spread"
            )
        return cls(float(number[1]), "percent" if number[2] == "%" else "points" if number[2] else "own")

    def of(self, reference: Floats, *, share: bool) -> float | None:
        """Return the difference that counts as none, in the score's unit.

        Parameters
        ----------
        reference : float64 array of shape (m,)
            Values of the reference's runs.
        share : bool
            Whether they are shares. Points of what is no share are taken as `usual`.

        Returns
        -------
        float or None
            None where the reference's single run has no spread to take it from.

        Raises
        ------
        HarnessError
            If a plain number is so large for a share that points were probably meant.
        """
        if self.unit == "points" and share:
            return self.amount / 100
        if self.unit == "percent":
            return self.amount / 100 * abs(float(reference.mean()))
        if self.unit == "own" and share and self.amount >= _PLAIN_SHARE:
            raise HarnessError(
                f"a margin of {self.amount:g} is {100 * self.amount:g} points of a share",
                f"If that is meant, type: --margin {100 * self.amount:g}points; else --margin {self.amount:g}points",
            )
        if self.unit == "own":
            return self.amount
        sd = statistics.spread(reference)
        if sd is None:
            return None
        wide = MARGIN_SPREADS * sd
        return wide if self.unit == "spread" or not share else min(wide, MARGIN_SHARE)


USUAL = Margin(MARGIN_SPREADS, "usual")


def judge(a: Floats, b: Floats, margin: float | None, *, identical: int = 0) -> records.Equivalence:
    """Judge one score.

    Parameters
    ----------
    a, b : float64 arrays of shapes (m,) and (n,)
        Values of the reference's and of the other's runs.
    margin : float or None
        Difference that counts as none; see `Margin.of`.
    identical : int
        Runs on each side whose every prediction is the other side's too, if that decides the score: then nothing is left to chance.
    """
    constant = np.ptp(a) == np.ptp(b) == 0
    # the mean of equal values may be rounded
    difference = float(b[0] - a[0]) if constant else float(b.mean() - a.mean())
    if constant and math.isclose(a[0], b[0], rel_tol=1e-12):
        difference = 0.0
    judged = records.Equivalence(
        verdict="INCONCLUSIVE", difference=difference, lower=None, upper=None, margin=margin, p=None, runs_to_decide=None,
        reason="a single run has no spread to judge by",
    )  # fmt: skip
    if identical:
        same = f"every prediction of {identical} run{'s' * (identical > 1)} is the same on both sides"
        return dataclasses.replace(judged, verdict="equivalent", reason=same)
    if min(len(a), len(b)) < 2 or margin is None:
        # how many would decide if both sides were alike; without a spread the margin is 2 of them, whatever they are
        sd = next(
            (known for known in (statistics.spread(a), statistics.spread(b)) if known is not None), None
        )
        known, sd = (margin, sd) if sd is not None and margin else (MARGIN_SPREADS, 1.0)
        return dataclasses.replace(judged, runs_to_decide=statistics.runs_for_tost(0.0, known, sd))
    if constant:
        lower = upper = difference
        within, beyond = abs(difference) <= margin, abs(difference) > margin
        p = float(beyond)
    else:
        test = statistics.welch_tost(a, b, margin, LEVEL)
        lower, upper, p = test.lower, test.upper, max(test.p_low, test.p_high)
        within, beyond = p <= LEVEL, lower >= margin or upper <= -margin
    runs = None
    if constant and difference == 0:
        reason = "every value is the same on both sides"
    elif within:
        reason = "the difference lies within the margin"
    elif beyond and margin == 0 and np.ptp(a) == 0:
        reason = "the reference's runs do not vary, so that any difference lies beyond 2 standard deviations; --margin names one that matters"
    elif beyond:
        reason = "the difference lies beyond the margin"
    else:
        runs = statistics.runs_for_tost(difference, margin, math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
        reason = "it is not zero, but may lie within the margin or beyond"
        if lower <= 0 <= upper:
            reason = "it may be none, and may lie beyond the margin"
        if runs is None:
            reason += "; so near the margin, no thousand runs would decide: name another with --margin"
    verdict: records.Likeness = "equivalent" if within else "different" if beyond else "INCONCLUSIVE"
    return dataclasses.replace(
        judged, verdict=verdict, lower=lower, upper=upper, p=p, runs_to_decide=runs, reason=reason
    )


# -- what belongs together ------------------------------------------------------------------------


def compare(
    jobs: Sequence[records.Job],
    names: Sequence[str],
    readers: Sequence[Reader],
    *,
    margin: Margin = USUAL,
    variants: tuple[str, str] | None = None,
) -> tuple[tuple[records.VariantSides, ...], tuple[str, ...]]:
    """Set jobs side by side.

    Parameters
    ----------
    jobs : sequence of Job
        Stored jobs; the first is the reference. What a gate's base ran, and counted runs, are left aside.
    names : sequence of str
        What the jobs are called in sentences: their folders.
    readers : sequence of callables
        Read the predictions of each job's runs; see `harness.store.predictions.reader`.
    margin : Margin
        Difference between scores that counts as none.
    variants : (str, str), optional
        Variant of the reference, and variant of the others that is compared with it; those of the same name if None.

    Returns
    -------
    variants : tuple of VariantSides
        One for every variant and tier that the reference and another ran and that can be compared.
    left_out : tuple of str
        What cannot, one sentence each.
    """
    # by scenario, variant and tier; what is compared with a named variant of the reference takes its name
    groups = [
        {
            (scenario, variants[0] if variants else variant, tier): runs
            for (scenario, variant, tier), runs in stored.groups(job.results).items()
            if variants is None or variant == variants[index > 0]
        }
        for index, job in enumerate(jobs)
    ]
    gated = _gated_scores(jobs)
    compared: list[records.VariantSides] = []
    left_out: list[str] = []
    for name, other in zip(names[1:], groups[1:], strict=True):
        left_out += _unpaired(groups[0], other, (names[0], name), variants)
    for key in groups[0]:
        # what lies on disk is decoded once, and of one variant's runs only what is compared is in memory
        lighter = reduced.Lighter()
        sides = {
            job: list(map(lighter.to_set_beside, group[key]))
            for job, group in enumerate(groups)
            if key in group
        }
        usable: dict[int, Runs] = {}
        for job, runs in sides.items() if len(sides) > 1 else ():
            reason = _hindrance(sides[0], runs, (names[0], names[job]), options=variants is None)
            if reason:
                title = f"{key[0]}:{' and '.join(dict.fromkeys(variants or key[1:2]))}, tier {key[2]}"
                left_out.append(f"{title}: {reason}")
            else:
                usable[job] = runs
        if 0 in usable and len(usable) > 1:
            compared.append(_sides(usable, names, readers, margin, gated[key[0]]))
    if not any(groups):
        left_out.append("no job holds a run")
    return tuple(compared), tuple(left_out)


def _gated_scores(jobs: Iterable[records.Job]) -> dict[str, dict[str, None]]:
    """Return the scores to judge by scenario: the accuracy, and what was declared as gated; other scores follow from these."""
    scores: dict[str, dict[str, None]] = {}
    for job in jobs:
        for scenario, _, _ in stored.groups(job.results):
            scores.setdefault(scenario, {"accuracy": None})
        for comparison in job.comparisons:
            for judged in comparison.judgements:
                if judged.against == "baseline" and judged.kind == "accuracy":
                    scores.setdefault(comparison.scenario, {"accuracy": None})[judged.metric] = None
    return scores


def _unpaired(
    ours: Collection[tuple[str, str, str]],
    theirs: Collection[tuple[str, str, str]],
    names: tuple[str, str],
    variants: tuple[str, str] | None,
) -> Iterator[str]:
    """Say what the reference and another job do not both have."""
    for scenario in dict.fromkeys(scenario for scenario, _, _ in (*ours, *theirs)):
        ran = [[key[1:] for key in side if key[0] == scenario] for side in (ours, theirs)]
        common = set(ran[0]) & set(ran[1])
        for variant, tier in dict.fromkeys((*ran[0], *ran[1])) if common else ():
            if (variant, tier) not in common:
                yield f"{scenario}:{variant}, tier {tier}: only {names[(variant, tier) in ran[1]]} ran it"
        if not common:
            both = []
            for index, side in enumerate(ran):
                own = []
                for tier in dict.fromkeys(tier for _, tier in side):
                    named = [variants[index]] if variants else [variant for variant, of in side if of == tier]
                    own.append(f"{', '.join(named)} (tier {tier})")
                both.append("; ".join(own) or (f"no variant {variants[index]}" if variants else "none of it"))
            step = next(
                (f". To compare two: --variants {a} {b}" for a, x in ran[0] for b, y in ran[1] if x == y), ""
            )
            yield f"{scenario}: no common variant and tier: {names[0]} ran {both[0]}, {names[1]} ran {both[1]}{step}"


def _hindrance(first: Runs, runs: Runs, names: tuple[str, str], *, options: bool) -> str:
    """Say why a job's runs cannot be compared with the reference's, `options` that differ included; empty if they can."""
    ours, theirs = _finished(first), _finished(runs)
    if not theirs:
        return f"no run of {names[1]} finished"
    places = dict.fromkeys(f"{run.request.backend} on {run.request.device}" for run in runs)
    if len(places) > 1:
        return f"{names[1]} ran it on several backends or devices ({', '.join(places)}); give each a folder of its own"
    if not ours:
        return ""
    a, b = _measured(ours), _measured(theirs)
    if a[0].scenario_version != b[0].scenario_version:
        return f"{names[0]} ran version {a[0].scenario_version} of the scenario, {names[1]} version {b[0].scenario_version}"
    data = [{(use.name, use.sha256) for one in side for use in one.datasets} for side in (a, b)]
    if data[0] != data[1]:
        read = [
            ", ".join(f"{name} ({sha256[:8]})" for name, sha256 in sorted(uses)) or "none" for uses in data
        ]
        return f"the data differ: {names[0]} read {read[0]}, {names[1]} read {read[1]}"
    if options and a[0].options != b[0].options:
        return f"the options differ: {_options(a[0], b[0], names)}"
    return ""


def _finished(runs: Runs) -> list[records.RunResult]:
    return [run for run in runs if run.status == "ok" and run.measurement is not None]


def _measured(runs: Runs) -> list[records.Measurement]:
    return [run.measurement for run in runs if run.measurement is not None]


def _options(ours: records.Measurement, theirs: records.Measurement, names: Sequence[str]) -> str:
    """Name the options that differ, with both values."""
    sides = [
        (name, ours.options.get(name, "none"), theirs.options.get(name, "none"))
        for name in dict.fromkeys((*ours.options, *theirs.options))
    ]
    return (
        "; ".join(f"{name} {a} on {names[0]}, {b} on {names[1]}" for name, a, b in sides if a != b) or "none"
    )


# -- one variant ----------------------------------------------------------------------------------


def _sides(
    runs: Sides, names: Sequence[str], readers: Sequence[Reader], margin: Margin, scores: Iterable[str]
) -> records.VariantSides:
    """Compare the runs of one variant and tier; at least one run of each job finished, and job 0 is the reference."""
    done = [_finished(side) for side in runs.values()]
    sides = []
    for (job, own), finished, name in zip(
        runs.items(), done, _headings(done, [names[job] for job in runs]), strict=True
    ):
        request, measured = finished[0].request, _measured(finished)
        sides.append(
            records.SideRuns(
                name=name, job=job, variant=request.variant, backend=request.backend, device=request.device,
                seeds=tuple(run.request.seed for run in finished), failed=len(own) - len(finished),
                disturbed=sum(run.disturbed for run in finished),
                calibration_seconds=float(np.median([one.calibration_seconds for one in measured])),
                environment=measured[0].environment,
            )
        )  # fmt: skip
    sets = flips.main_sets(scores)
    sets = (*sets, *(f"{name}{records.GIVEN}" for name in sets))
    flipped = [
        flips.against_base(other, done[0], sets, readers[side.job], sides[0].name, base_read=readers[0])
        for side, other in zip(sides[1:], done[1:], strict=True)
    ]
    fields = dict.fromkeys(name for side in sides for name in side.environment if name not in _FLEETING)
    values = {name: tuple(side.environment.get(name, "none") for side in sides) for name in fields}
    return records.VariantSides(
        scenario=done[0][0].request.scenario,
        tier=done[0][0].request.tier,
        sides=tuple(sides),
        notes=tuple(_notes(sides, done)),
        environment=tuple((name, own) for name, own in values.items() if len(set(own)) > 1),
        contrasts=tuple(_contrasts(done)),
        scores=tuple(_scores(scores, done, margin, flipped)),
        weights=tuple(one for side, own in enumerate(flipped, start=1) for one in _same_weights(side, own)),
        flips=tuple(tuple(one.record for one in own) for own in flipped),
        identities=tuple(_identities(list(runs.values()))),
    )


def _headings(done: Sequence[Runs], folders: Sequence[str]) -> list[str]:
    """Name each side for its variant, backend, device and threads where they set it apart, else for its folder."""
    words = []
    for first, *_ in done:
        request, recorded = first.request, _measured([first])[0].environment
        threads = f"{recorded['threads']} threads" if "threads" in recorded else ""
        words.append((request.variant, request.backend, request.device, threads))
    differing = [place for place in range(len(words[0])) if len({own[place] for own in words}) > 1]
    labels = [" ".join(filter(None, (own[place] for place in differing))) for own in words]
    return [
        label if label and labels.count(label) == 1 else f"{label} {folder}".strip()
        for label, folder in zip(labels, folders, strict=True)
    ]


def _notes(sides: Sequence[records.SideRuns], done: Sequence[Runs]) -> Iterator[str]:
    """Say what a reader must know before the numbers."""
    first = sides[0]
    stages = [_stage_names(runs) for runs in done]
    for side, runs, own in zip(sides, done, stages, strict=True):
        if side.variant != first.variant:
            options = _options(_measured(done[0])[0], _measured(runs)[0], (first.name, side.name))
            yield f"two variants of one scenario; their options differ: {options}"
        pairs = [
            (name, first.environment.get(name, "none"), side.environment.get(name, "none"))
            for name in MACHINE
        ]
        machine = "; ".join(
            f"{name} {a} on {first.name}, {b} on {side.name}" for name, a, b in pairs if a != b
        )
        if machine:
            yield f"two machines ({machine}): ratios of time and memory are between machines, not between programs"
        if side.failed:
            yield f"{side.failed} of {side.failed + len(runs)} runs of {side.name} failed"
        if side.disturbed:
            used = "their times are left out"
            if side.disturbed == len(runs):
                used = "it has no others, so that its times mean little"
            yield f"{side.disturbed} of {len(runs)} runs of {side.name} are disturbed: {used}"
        environments = [one.environment for one in _measured(runs)]
        mixed = [
            field
            for field in (*MACHINE, "gpu", "threads")
            if len({recorded.get(field) for recorded in environments}) > 1
        ]
        if mixed:
            yield f"the runs of {side.name} come from environments that differ ({', '.join(mixed)}); the first is shown"
        for name, here, there in ((side.name, own, stages[0]), (first.name, stages[0], own)):
            if only := [stage for stage in here if stage not in there]:
                yield f"only {name} has stage {', '.join(only)}; the totals include it"
    incomplete = {use.name for one in _measured(done[0]) for use in one.datasets if not use.complete}
    if incomplete:
        yield f"all read incomplete data: {', '.join(sorted(incomplete))}"


def _stage_names(runs: Runs) -> dict[str, None]:
    return dict.fromkeys(stage.name for one in _measured(runs) for stage in one.stages)


def _contrasts(done: Sequence[Runs]) -> Iterator[records.Contrast]:
    """Compare every stage's times and memory, in the order of the reference's stages; the total comes last."""
    stages = dict.fromkeys((*(name for runs in done for name in _stage_names(runs)), "process", "total"))
    for stage, metric in itertools.product(stages, CONTRASTED):
        name = f"{stage}.{metric}"
        declared = next((run.metrics[name] for runs in done for run in runs if name in run.metrics), None)
        measures = declared or find((), name)
        if measures is None:
            continue
        calm = (
            [[run for run in side if not run.disturbed] for side in done]
            if measures.kind == "runtime"
            else done
        )
        values = [_values(name, quiet or side) for quiet, side in zip(calm, done, strict=True)]
        if not len(values[0]) or not any(len(other) for other in values[1:]):
            continue
        amounts: list[records.Amount | None] = []
        for index, (own, quiet) in enumerate(zip(values, calm, strict=True)):
            amount = None
            if len(own):
                amount = records.Amount(
                    median=float(np.median(own)), runs=len(own), disturbed=not (calm[0] and quiet)
                )
            if amount is not None and index and (values[0] > 0).all():
                ratios = np.divide.outer(own, values[0]).ravel()  # (n * m,)
                amount = dataclasses.replace(amount, ratio=float(np.median(ratios)))
                if min(len(values[0]), len(own)) > 1:
                    lower, upper = statistics.median_interval(ratios, (len(values[0]), len(own)))
                    coverage = statistics.rank_coverage(len(values[0]), len(own))
                    amount = dataclasses.replace(amount, lower=lower, upper=upper, coverage=coverage)
            amounts.append(amount)
        yield records.Contrast(
            stage=stage, metric=metric, unit=measures.unit, kind=measures.kind, sides=tuple(amounts)
        )


def _values(name: str, runs: Runs) -> Floats:
    """Return a metric's values, those of the runs that have it as a finite number: (runs,)."""
    if name in {"imports.seconds", "imports.peak_bytes"}:
        stages = [one.stages[0] for one in _measured(runs) if one.stages and one.stages[0].name == "imports"]
        numbers = [getattr(stage, name.removeprefix("imports.")) for stage in stages]
        return np.asarray([number for number in numbers if number is not None], np.float64)
    values = [run.metrics[name].value for run in runs if name in run.metrics]
    return np.asarray(
        [value for value in values if not isinstance(value, list) and math.isfinite(value)], np.float64
    )


# -- scores, labels, identities -------------------------------------------------------------------


def _scores(
    names: Iterable[str], done: Sequence[Runs], margin: Margin, flipped: Sequence[Sequence[Found]]
) -> Iterator[records.Score]:
    for name in names:
        values = [_values(name, runs) for runs in done]
        if not len(values[0]) or not any(len(other) for other in values[1:]):
            continue
        unit = next(run.metrics[name].unit for run in done[0] if name in run.metrics)
        share = is_share(name, unit, np.concatenate(values).tolist())
        known = margin.of(values[0], share=share)
        sets = {one for runs in done for run in _measured(runs) for one in run.predictions}
        scored = set_scored_from_labels(name, sets)
        sides: list[records.ScoreSide | None] = []
        for index, own in enumerate(values):
            if not len(own):
                sides.append(None)
                continue
            same = _identical(scored, flipped[index - 1], done[0], done[index]) if index and scored else 0
            judged = judge(values[0], own, known, identical=same) if index else None
            mean = float(own[0]) if np.ptp(own) == 0 else float(own.mean())
            sides.append(
                records.ScoreSide(mean=mean, spread=statistics.spread(own), runs=len(own), judged=judged)
            )
        yield records.Score(metric=name, unit=unit, share=share, sides=tuple(sides))


def _identical(name: str, flipped: Iterable[Found], first: Runs, other: Runs) -> int:
    """Count the runs of a side if it and the reference have the same seeds, each once, and every prediction of a set is the same."""
    seeds = [sorted(run.request.seed for run in side) for side in (first, other)]
    pairs = [one.record for one in flipped if one.record.set == name]
    same = not any(one.problem or one.worse_count or one.better_count or one.changed for one in pairs)
    once = seeds[0] == seeds[1] and len(set(seeds[0])) == len(seeds[0]) == len(pairs)
    return len(pairs) if same and once else 0


def _same_weights(side: int, flipped: Sequence[Found]) -> Iterator[records.SameWeights]:
    for name, net in flips.same_weights(flipped).items():
        compared = [one for one in flipped if one.record.set == name and not one.record.problem]
        worse = sum(one.record.worse_count for one in compared)
        better = sum(one.record.better_count for one in compared)
        yield records.SameWeights(
            side=side, set=name, labels=sum(one.record.images for one in compared), runs=len(compared),
            checkpoints=len({one.weights for one in compared}), worse=worse, better=better,
            changed=worse + better + sum(one.record.changed for one in compared),
            p=statistics.sign_test(net.images), tested=net.runs,
        )  # fmt: skip


def _identities(runs: Sequence[Runs]) -> list[records.IdentitySides]:
    """Set the worst check of each identity next to the other sides', sorted by dtype; failed runs' checks count too."""
    worst: list[dict[str, records.IdentityCheck]] = []
    for side in runs:
        checks: dict[str, records.IdentityCheck] = {}
        for check in itertools.chain.from_iterable(one.identities for one in _measured(side)):
            checks[check.name] = max(checks.get(check.name, check), check, key=reduced.violation)
        worst.append(checks)
    identities = []
    for name in dict.fromkeys(itertools.chain.from_iterable(worst)):
        sides: list[records.IdentitySide | None] = []
        for one in (checks.get(name) for checks in worst):
            if one is None:
                sides.append(None)
                continue
            dtype = re.search(r"\b(bfloat16|float16|float32|float64)\b", one.detail)
            sides.append(
                records.IdentitySide(
                    dtype=dtype[0] if dtype else "", error=one.error, tolerance=one.tolerance, holds=one.holds,
                )
            )  # fmt: skip
        formula = next(checks[name].formula for checks in worst if name in checks)
        identities.append(records.IdentitySides(name=name, formula=formula, sides=tuple(sides)))
    return sorted(identities, key=lambda identity: [side.dtype if side else "" for side in identity.sides])


# -- in words -------------------------------------------------------------------------------------


def amounts(score: records.Score, judged: records.Equivalence) -> tuple[str, str, str]:
    """Write difference, 90% interval and margin of a score, shares in points; empty where there is none."""
    factor, unit = (100.0, " points") if score.share else (1.0, f" {score.unit}".rstrip())
    interval = margin = ""
    if judged.lower is not None and judged.upper is not None:
        interval = f"{factor * judged.lower:+.3g} to {factor * judged.upper:+.3g}"
    if judged.margin is not None:
        margin = f"{factor * judged.margin:.3g}{unit}"
    return f"{factor * judged.difference:+.3g}{unit}", interval, margin


def labels(variant: records.VariantSides, same: records.SameWeights) -> str:
    """Say what the same weights came to, label by label."""
    head = (
        f"set {same.title} on {variant.sides[same.side].name}, {same.runs} run{'s' * (same.runs != 1)}, {same.labels:,} labels,"
        f" {same.checkpoints} checkpoint{'s' * (same.checkpoints != 1)}"
    )
    if not same.changed:
        return f"{head}: zero labels changed"
    over = f", over the {same.tested} that saw the same images" if same.tested < same.runs else ""
    return (
        f"{head}: {same.changed} labels changed, {same.worse} for the worse and {same.better} for the better;"
        f" exact McNemar p = {same.p:.2g}{over}"
    )
