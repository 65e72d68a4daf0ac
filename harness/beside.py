"""One variant and tier on both sides of a comparison: notes, ratios, scores, labels, identities."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import statistics
import typing

import numpy as np

from harness import equivalence, flips
from harness.records import (
    GIVEN,
    Contrast,
    IdentityBeside,
    IdentitySide,
    SameWeights,
    SideRuns,
    VariantBeside,
)
from harness.reduced import violation
from harness.statistics import median_interval, rank_coverage, sign_test

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.equivalence import Margin
    from harness.flips import Found
    from harness.predictions import Reader
    from harness.records import Equivalence, IdentityCheck, Kind, Measurement, RunResult, Tier

    Floats = NDArray[np.float64]
    Runs = Sequence[RunResult]

MACHINE = ("os", "arch", "cpu", "cpu_flags", "cores", "executor")
"""Fields of the environment by which two machines are told apart."""
_FLEETING = {"load", "commit", "code", "imported_from"}
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
_DTYPE = re.compile(r"\b(bfloat16|float16|float32|float64)\b")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How two jobs are to be compared."""

    readers: tuple[Reader, Reader]
    """Read the predictions of A's and of B's runs."""
    margin: Margin = None
    """Difference that counts as none; see `harness.equivalence.margin_for`."""
    variants: tuple[str, str] | None = None
    """Variant of A that is set beside a variant of B; those of the same name if None."""


def finished(runs: Runs) -> list[RunResult]:
    """Return the runs that finished."""
    return [run for run in runs if run.status == "ok" and run.measurement is not None]


def measured(runs: Runs) -> list[Measurement]:
    """Return what runs measured, of those that left it."""
    return [run.measurement for run in runs if run.measurement is not None]


def options_differing(ours: Measurement, theirs: Measurement) -> str:
    """Name the options that differ, with both values."""
    names = dict.fromkeys((*ours.options, *theirs.options))
    told = ((name, ours.options.get(name, "none"), theirs.options.get(name, "none")) for name in names)
    return "; ".join(f"{name} {a} on A, {b} on B" for name, a, b in told if a != b) or "none"


def listed(names: Iterable[str]) -> str:
    """Join names."""
    return ", ".join(names)


def beside(
    scenario: str, tier: Tier, variants: tuple[str, str], runs: tuple[Runs, Runs], asked: Asked, scores: Iterable[str]
) -> VariantBeside:  # fmt: skip
    """Set the runs of one variant and tier on both sides beside each other; at least one of each finished."""
    done = (finished(runs[0]), finished(runs[1]))
    sides = (_side(runs[0]), _side(runs[1]))
    sets = flips.main_sets(scores)
    sets = (*sets, *(f"{name}{GIVEN}" for name in sets))
    flipped = flips.against_base(done[1], done[0], sets, asked.readers[1], "A", base_read=asked.readers[0])
    identical = _identical(flipped, done)
    return VariantBeside(
        scenario=scenario, variants=variants, tier=tier, a=sides[0], b=sides[1],
        notes=tuple(_notes(sides, done, same_variant=len(set(variants)) == 1)),
        environment=tuple(_differing(sides)),
        contrasts=tuple(_contrasts(done)),
        equivalences=tuple(_scores(scores, done, asked.margin, identical)),
        weights=tuple(_same_weights(flipped)),
        flips=tuple(found.record for found in flipped),
        identities=tuple(_identities(runs)),
    )  # fmt: skip


def _side(runs: Runs) -> SideRuns:
    done = finished(runs)
    first = done[0]
    return SideRuns(
        backend=first.request.backend,
        device=first.request.device,
        seeds=tuple(run.request.seed for run in done),
        failed=len(runs) - len(done),
        disturbed=sum(run.disturbed for run in done),
        calibration_seconds=statistics.median(found.calibration_seconds for found in measured(done)),
        environment=measured(done)[0].environment,
    )


def _notes(
    sides: tuple[SideRuns, SideRuns], done: tuple[Runs, Runs], *, same_variant: bool
) -> typing.Iterator[str]:
    """Say what a reader must know before the numbers."""
    if not same_variant:
        (ours, *_), (theirs, *_) = map(measured, done)
        yield f"two variants of one scenario; their options differ: {options_differing(ours, theirs)}"
    other = [
        f"{name} {a} on A, {b} on B" for name, a, b in _differing(sides) if name in MACHINE
    ]  # fmt: skip
    if other:
        yield f"two machines ({'; '.join(other)}): ratios of time and memory are between machines, not between programs"
    for name, side, runs in zip("AB", sides, done, strict=True):
        if side.failed:
            yield f"{side.failed} of {side.failed + len(runs)} runs of {name} failed"
        if side.disturbed:
            used = "their times are left out" if side.disturbed < len(runs) else "it has no others, so that its times mean little"  # fmt: skip
            yield f"{side.disturbed} of {len(runs)} runs of {name} are DISTURBED: {used}"
        mixed = [field for field in (*MACHINE, "gpu", "threads") if len({found.environment.get(field) for found in measured(runs)}) > 1]  # fmt: skip
        if mixed:
            yield f"the runs of {name} come from environments that differ ({listed(mixed)}); the first is shown"
    incomplete = {use.name for found in measured(done[0]) for use in found.datasets if not use.complete}
    if incomplete:
        yield f"both read incomplete data: {listed(sorted(incomplete))}"
    alone = [_stage_names(done[0]), _stage_names(done[1])]
    for name, own, others in (("A", alone[0], alone[1]), ("B", alone[1], alone[0])):
        only = [stage for stage in own if stage not in others]
        if only:
            yield f"only {name} has stage {listed(only)}; the totals include it"


def _stage_names(runs: Runs) -> dict[str, None]:
    return dict.fromkeys(stage.name for found in measured(runs) for stage in found.stages)


def _differing(sides: tuple[SideRuns, SideRuns]) -> typing.Iterator[tuple[str, str, str]]:
    ours, theirs = (side.environment for side in sides)
    for name in dict.fromkeys((*ours, *theirs)):
        if name not in _FLEETING and ours.get(name) != theirs.get(name):
            yield name, ours.get(name, "none"), theirs.get(name, "none")


# -- times and memory -----------------------------------------------------------------------------


def _contrasts(done: tuple[Runs, Runs]) -> typing.Iterator[Contrast]:
    """Set every stage's times and memory in relation, in the order of A's stages; the total comes last."""
    stages = (*_stage_names(done[0]), *("process", "total"))
    for stage, (metric, (unit, kind)) in itertools.product(dict.fromkeys(stages), CONTRASTED.items()):
        calm = [[run for run in side if not run.disturbed] if kind == "runtime" else side for side in done]
        disturbed = not all(calm)
        a, b = (_values(f"{stage}.{metric}", side) for side in (done if disturbed else calm))
        if len(a) and len(b):
            yield _contrast(stage, metric, a, b, disturbed=disturbed, unit=unit, kind=kind)


def _values(name: str, runs: Runs) -> Floats:
    """Return a metric's values, those of the runs that have it as a finite number: (runs,)."""
    if name in {"imports.seconds", "imports.peak_bytes"}:
        stages = [found.stages[0] for found in measured(runs) if found.stages and found.stages[0].name == "imports"]  # fmt: skip
        numbers = [stage.seconds if name.endswith("seconds") else stage.peak_bytes for stage in stages]
        return np.asarray([number for number in numbers if number is not None], np.float64)
    found = [run.metrics[name].value for run in runs if name in run.metrics]
    return np.asarray(
        [value for value in found if not isinstance(value, list) and math.isfinite(value)], np.float64
    )


def _contrast(
    stage: str, metric: str, a: Floats, b: Floats, *, disturbed: bool, unit: str, kind: Kind
) -> Contrast:
    ratio = lower = upper = None
    if (a > 0).all():
        ratios = np.divide.outer(b, a).ravel()  # (n * m,)
        ratio = float(np.median(ratios))
        if len(a) > 1 and len(b) > 1:
            lower, upper = median_interval(ratios, (len(a), len(b)))
    return Contrast(
        stage=stage, metric=metric, unit=unit, kind=kind, a=float(np.median(a)), b=float(np.median(b)), runs=(len(a), len(b)),
        ratio=ratio, lower=lower, upper=upper, coverage=rank_coverage(len(a), len(b)) if lower is not None else 0.0,
        disturbed=disturbed,
    )  # fmt: skip


# -- scores and labels ----------------------------------------------------------------------------


def _scores(
    names: Iterable[str], done: tuple[Runs, Runs], margin: Margin, identical: Mapping[str, int]
) -> typing.Iterator[Equivalence]:
    for name in names:
        a, b = (_values(name, side) for side in done)
        if len(a) and len(b):
            unit = next(run.metrics[name].unit for run in done[0] if name in run.metrics)
            of, score = flips.scored_set(name)
            same = 0 if score == "loss" else identical.get(of, 0)
            yield equivalence.judge(name, unit, a, b, asked=margin, identical=same)


def _identical(found: Iterable[Found], done: tuple[Runs, Runs]) -> dict[str, int]:
    """Count the runs of each set whose every prediction is the same, where that is true of all runs on both sides."""
    seeds = [{run.request.seed for run in side} for side in done]
    if seeds[0] != seeds[1] or any(len(side) > len(own) for side, own in zip(done, seeds, strict=True)):
        return {}
    same: dict[str, list[bool]] = {}
    for one in found:
        told = one.record
        changes = told.worse_count + told.better_count + told.changed
        same.setdefault(told.set, []).append(not told.problem and not changes)
    return {name: len(alike) for name, alike in same.items() if all(alike) and len(alike) == len(done[0])}


def _same_weights(found: Sequence[Found]) -> typing.Iterator[SameWeights]:
    for name, net in flips.same_weights(found).items():
        compared = [one for one in found if one.record.set == name and not one.record.problem]
        told = [one.record for one in compared]
        worse, better = (sum(getattr(one, f"{turn}_count") for one in told) for turn in ("worse", "better"))
        yield SameWeights(
            set=name, labels=sum(one.images for one in told), runs=len(told), checkpoints=len({one.weights for one in compared}),
            worse=worse, better=better, changed=worse + better + sum(one.changed for one in told), p=sign_test(net.images), tested=net.runs,
        )  # fmt: skip


# -- identities -----------------------------------------------------------------------------------


def _identities(runs: tuple[Runs, Runs]) -> list[IdentityBeside]:
    """Set the worst check of each identity beside the other side's, sorted by dtype; failed runs' checks count too."""
    ours, theirs = (_worst(side) for side in runs)
    found = [
        IdentityBeside(
            name=name, formula=(ours.get(name) or theirs[name]).formula, a=_checked(ours.get(name)), b=_checked(theirs.get(name)),
        )
        for name in dict.fromkeys((*ours, *theirs))
    ]  # fmt: skip
    return sorted(found, key=lambda pair: [side.dtype if side else "" for side in (pair.a, pair.b)])


def _worst(runs: Runs) -> dict[str, IdentityCheck]:
    checks: dict[str, IdentityCheck] = {}
    for found in measured(runs):
        for check in found.identities:
            checks[check.name] = max(checks.get(check.name, check), check, key=violation)
    return checks


def _checked(worst: IdentityCheck | None) -> IdentitySide | None:
    if worst is None:
        return None
    dtype = _DTYPE.search(worst.detail)
    return IdentitySide(
        dtype=dtype[0] if dtype else "", error=worst.error, tolerance=worst.tolerance, holds=worst.holds
    )
