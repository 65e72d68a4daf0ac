"""From names and settings to the runs of a job."""

from __future__ import annotations

import dataclasses
import itertools
import typing

from harness.errors import UnknownNameError, unknown
from harness.judging import baselines, probes, waivers
from harness.measure import given, scores
from harness.records import RunRequest, time_limit
from harness.sources.catalogue import find, is_built_in, load_all
from harness.store import files, project

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.records import Scenario, Tier

CPU_ONLY = ("numpy",)
"""Backends that no accelerator runs."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the selected variants are to be run."""

    tier: Tier = "smoke"
    seeds: int = 1
    """Runs of each variant; seeds count from `first_seed`."""
    first_seed: int = 0
    device: str = "cpu"
    """cpu or cuda."""
    backend: str | None = None
    """Backend, or each scenario's default."""
    threads: int = 2
    """Threads of each worker."""
    time_limit: float | None = None
    """Seconds a run may take; the tier's default if None."""
    scenario_paths: tuple[str, ...] = ()
    """Files that declare further scenarios."""
    memory_limit: int | None = None
    """Resident memory, MiB, that a run may hold; None sets no limit."""
    count: bool | None = None
    """Whether each variant's work is counted too, in two runs of its lowest tier; with as many seeds as a baseline needs if None."""
    keep_weights: bool = False
    """Whether each run keeps its weights, for a job elsewhere to predict with."""
    weights: str = ""
    """Folder of a job that kept its weights: each run predicts with those of its seed too; empty for none."""


def chosen(
    names: Sequence[str], settings: Settings, named: Path | None
) -> tuple[dict[str, Scenario], list[tuple[Scenario, str]], list[Path]]:
    """Return what is declared, what is selected of it (see `select`), and the folders of baselines, of which `named` goes first."""
    declared = load_all(settings.scenario_paths)
    selection = select(declared, names, settings.tier, built_in=not project.find().scenarios)
    roots = baselines.search_path(named)
    waivers.read(roots)  # a damaged file is reported before anything is measured
    return declared, selection, roots


def select(
    scenarios: Mapping[str, Scenario], names: Sequence[str], tier: Tier, *, built_in: bool = True
) -> list[tuple[Scenario, str]]:
    """Resolve ``SCENARIO[:VARIANT]`` names to scenario and variant; none named means every scenario's default variant.

    ``SCENARIO:all`` selects every variant that the tier has. Where a project's configuration names scenarios of its own, `built_in` is False, and
    the built-in ones run only if they are named.

    Raises
    ------
    UnknownNameError
        If a scenario or variant is unknown, a named one does not have the tier, or one declares a score that scikit-learn does not have.
    """
    chosen = _chosen(scenarios, names, tier, built_in=built_in)
    for scenario in {scenario.name: scenario for scenario, _ in chosen}.values():
        scores.refuse_unknown(scenario)
    return chosen


def _chosen(
    scenarios: Mapping[str, Scenario], names: Sequence[str], tier: Tier, *, built_in: bool
) -> list[tuple[Scenario, str]]:
    known = {known for scenario in scenarios.values() for known in scenario.tiers}
    if tier not in known:
        raise unknown("tier", tier, known)
    if not names:
        return [
            (scenario, scenario.variants[0].name)
            for name, scenario in scenarios.items()
            if (built_in or not is_built_in(name)) and tier in scenario.tiers_of(scenario.variants[0].name)
        ]
    every = itertools.chain.from_iterable(_select_one(scenarios, name, tier) for name in names)
    return list({(scenario.name, variant): (scenario, variant) for scenario, variant in every}.values())


def _select_one(scenarios: Mapping[str, Scenario], name: str, tier: Tier) -> list[tuple[Scenario, str]]:
    slug, _, variant = name.partition(":")
    scenario = find(scenarios, slug)
    tiers = {one.name: scenario.tiers_of(one.name) for one in scenario.variants}
    if variant == "all":
        return [(scenario, one) for one in tiers if tier in tiers[one]]
    variant = variant or scenario.variants[0].name
    if variant not in tiers:
        raise unknown(f"variant of {slug}", variant, tiers)
    if tier not in tiers[variant]:
        what = f"{slug}:{variant} has no tier '{tier}'"
        raise UnknownNameError(what, f"It has: {', '.join(tiers[variant])}")
    return [(scenario, variant)]


def requests(selection: Sequence[tuple[Scenario, str]], settings: Settings) -> list[RunRequest]:
    """List the runs to do, seed by seed, so that an interrupted job has whole rounds; counting runs last.

    Raises
    ------
    UnknownNameError
        If a selected scenario does not run on the device or backend asked for.
    """
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    measured = [
        _request(scenario, variant, seed, settings) for seed in seeds for scenario, variant in selection
    ]
    declared = {scenario.name: scenario for scenario, _ in selection}
    count = settings.seeds >= baselines.SEEDS_AT_LEAST if settings.count is None else settings.count
    return [*measured, *(probes.requests(measured, declared) if count else ())]


def _request(scenario: Scenario, variant: str, seed: int, settings: Settings) -> RunRequest:
    if settings.device not in scenario.devices:
        raise unknown(f"device for {scenario.name}", settings.device, scenario.devices)
    able = [name for name in scenario.backends if settings.device == "cpu" or name not in CPU_ONLY]
    backend = settings.backend or (able or scenario.backends)[0]
    if backend not in scenario.backends:
        raise unknown(f"backend for {scenario.name}", backend, scenario.backends)
    if backend not in able:
        what = f"{scenario.name} on backend '{backend}' has no device '{settings.device}'"
        raise UnknownNameError(what, f"Use --backend {' or '.join(able)}" if able else "Use --device cpu")
    request = RunRequest(
        scenario=scenario.name, variant=variant, tier=settings.tier, seed=seed, device=settings.device,
        backend=backend,
        threads=settings.threads, scenario_paths=files.absolute(settings.scenario_paths),
        time_limit=settings.time_limit or time_limit(settings.tier),
        memory_limit=settings.memory_limit and settings.memory_limit * 2**20,
        keep_weights=settings.keep_weights,
    )  # fmt: skip
    if not settings.weights:
        return request
    return dataclasses.replace(request, weights=given.find(settings.weights, request))
