"""Two jobs side by side: times, memory, scores, labels and identities of every variant and tier that both ran.

Pure but for reading predictions, which the caller hands in. It is a report, not a gate: a ratio of times that were not measured in turn
on one machine is shown as such and decides nothing.
"""

from __future__ import annotations

import typing

from harness import reduced, stored
from harness.beside import Asked, beside, finished, listed, measured, options_differing

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.records import Job, RunResult, Tier, VariantBeside

    Runs = Sequence[RunResult]
    Groups = Mapping[Tier, Mapping[str, Runs]]
    Pair = tuple[Tier, tuple[str, str], tuple[Runs, Runs]]

__all__ = ["SCHEMA", "Asked", "compare"]

SCHEMA = 2
"""Of ``compare.json``. Since 2, sets with the same weights count labels over all runs and say over how many p was taken."""


def compare(a: Job, b: Job, asked: Asked) -> tuple[tuple[VariantBeside, ...], tuple[str, ...]]:
    """Set two jobs side by side.

    Parameters
    ----------
    a, b : Job
        Stored jobs; A is the reference. What a gate's base ran, and counted runs, are left aside.
    asked : Asked
        Margin, variants, and where predictions are read.

    Returns
    -------
    variants : tuple of VariantBeside
        One for every variant and tier that both ran and that can be compared.
    left_out : tuple of str
        What cannot, one sentence each.
    """
    ours, theirs = _groups(a), _groups(b)
    gated = _gated_scores(a, b)
    found: list[VariantBeside] = []
    left_out: list[str] = []
    for scenario in dict.fromkeys((*ours, *theirs)):
        pairs, reasons = _pairs(scenario, ours.get(scenario, {}), theirs.get(scenario, {}), asked.variants)
        left_out += reasons
        for tier, variants, groups in pairs:
            # what lies on disk is decoded once, and of one variant's runs only what is compared is in memory
            lighter = reduced.Lighter()
            runs = tuple(map(lighter.to_set_beside, groups[0])), tuple(map(lighter.to_set_beside, groups[1]))
            hindered = _hindered(runs, same_variant=len(set(variants)) == 1)
            if hindered:
                left_out.append(f"{_title(scenario, variants)}, tier {tier}: {hindered}")
            else:
                found.append(beside(scenario, tier, variants, runs, asked, gated.get(scenario, {})))
    if not ours and not theirs:
        left_out.append("neither job holds a run")
    return tuple(found), tuple(left_out)


# -- what belongs together ------------------------------------------------------------------------


def _groups(job: Job) -> dict[str, Groups]:
    found: dict[str, dict[Tier, dict[str, Runs]]] = {}
    for (scenario, variant, tier), runs in stored.groups(job.results).items():
        found.setdefault(scenario, {}).setdefault(tier, {})[variant] = runs
    return typing.cast("dict[str, Groups]", found)


def _gated_scores(a: Job, b: Job) -> dict[str, dict[str, None]]:
    """Return the scores to judge by scenario: the accuracy, and what was declared as gated; other scores follow from these."""
    found: dict[str, dict[str, None]] = {}
    for job in (a, b):
        for scenario, _, _ in stored.groups(job.results):
            found.setdefault(scenario, {"accuracy": None})
        for comparison in job.comparisons:
            for judged in comparison.judgements:
                if judged.against == "baseline" and judged.kind == "accuracy":
                    found.setdefault(comparison.scenario, {"accuracy": None})[judged.metric] = None
    return found


def _pairs(
    scenario: str, a: Groups, b: Groups, variants: tuple[str, str] | None
) -> tuple[list[Pair], list[str]]:
    """Pair the runs of one scenario; the reasons say what stays without a partner."""
    if not a or not b:
        return [], [f"{scenario}: only {'A' if a else 'B'} ran it"]
    common = [tier for tier in a if tier in b]
    if not common:
        told = f"{scenario}: A ran tier {listed(a)}, B ran tier {listed(b)}; other tiers read other data, or run for longer"
        return [], [told]
    reasons = [
        f"{scenario}, tier {tier}: only {'A' if tier in a else 'B'} ran it" for tier in {**a, **b} if tier not in common
    ]  # fmt: skip
    pairs: list[Pair] = []
    for tier in common:
        ours, theirs = a[tier], b[tier]
        chosen = [variants] if variants else [(name, name) for name in ours if name in theirs]
        chosen = [(x, y) for x, y in chosen if x in ours and y in theirs]
        pairs += [(tier, (x, y), (ours[x], theirs[y])) for x, y in chosen]
        reasons += _unpaired(f"{scenario}, tier {tier}", ours, theirs, chosen, variants)
    return pairs, reasons


def _unpaired(
    told: str, ours: Iterable[str], theirs: Iterable[str], chosen: Sequence[tuple[str, str]],
    variants: tuple[str, str] | None,
) -> list[str]:  # fmt: skip
    if variants:
        return [] if chosen else [f"{told}: A has no {variants[0]}, or B no {variants[1]}; A has {listed(ours)}, B has {listed(theirs)}"]  # fmt: skip
    if not chosen:
        first = f"{next(iter(ours))} {next(iter(theirs))}"
        return [
            f"{told}: no common variant; A has {listed(ours)}, B has {listed(theirs)}. To set two beside each other: --variants {first}"
        ]
    alone = [f"{told}: only A has variant {name}" for name in ours if (name, name) not in chosen]
    return alone + [f"{told}: only B has variant {name}" for name in theirs if (name, name) not in chosen]


def _title(scenario: str, variants: tuple[str, str]) -> str:
    return f"{scenario}:{' and '.join(dict.fromkeys(variants))}"


def _hindered(runs: tuple[Runs, Runs], *, same_variant: bool) -> str:
    """Say why two groups of runs cannot be compared; empty if they can."""
    for name, side in zip("AB", runs, strict=True):
        if not finished(side):
            return f"no run of {name} finished"
        places = dict.fromkeys(f"{run.request.backend} on {run.request.device}" for run in side)
        if len(places) > 1:
            return f"{name} ran it on several backends or devices ({listed(places)}); give each a folder of its own"
    (ours, *_), (theirs, *_) = (measured(finished(side)) for side in runs)
    if ours.scenario_version != theirs.scenario_version:
        return f"A ran version {ours.scenario_version} of the scenario, B version {theirs.scenario_version}"
    data = [
        {(use.name, use.sha256) for each in measured(finished(side)) for use in each.datasets}
        for side in runs
    ]
    if data[0] != data[1]:
        return f"the data differ: A read {_data(data[0])}, B read {_data(data[1])}"
    if same_variant and ours.options != theirs.options:
        return f"the options differ: {options_differing(ours, theirs)}"
    return ""


def _data(uses: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} ({sha256[:8]})" for name, sha256 in sorted(uses)) or "none"
