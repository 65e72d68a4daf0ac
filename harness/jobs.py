"""One job from selection to stored judgement: the steps that the faces call."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import typing
from pathlib import Path

import msgspec

import harness
from harness import baselines, environment, files, plans
from harness.compare import compare
from harness.errors import BaselineError, StorageError, UnknownNameError, unknown
from harness.records import TIERS, TIME_LIMITS, Job, RunRequest, RunResult
from harness.scenarios import find

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.records import Comparison, Scenario, Tier

SCHEMA = 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the selected variants are to be run."""

    tier: Tier = "smoke"
    """Tier."""
    seeds: int = 1
    """Runs of each variant; seeds count from `first_seed`."""
    first_seed: int = 0
    """First seed."""
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


def select(scenarios: Mapping[str, Scenario], names: Sequence[str], tier: Tier) -> list[tuple[Scenario, str]]:
    """Resolve ``SCENARIO[:VARIANT]`` names to scenario and variant; none named means every scenario's default variant.

    ``SCENARIO:all`` selects every variant that the tier has.

    Raises
    ------
    UnknownNameError
        If a scenario or variant is unknown, or a named one does not have the tier.
    """
    if not names:
        return [
            (scenario, scenario.variants[0].name)
            for scenario in scenarios.values()
            if tier in scenario.tiers and tier in scenario.variants[0].tiers
        ]
    chosen = list(itertools.chain.from_iterable(_select_one(scenarios, name, tier) for name in names))
    return list({(scenario.name, variant): (scenario, variant) for scenario, variant in chosen}.values())


def _select_one(scenarios: Mapping[str, Scenario], name: str, tier: Tier) -> list[tuple[Scenario, str]]:
    slug, _, variant = name.partition(":")
    scenario = find(scenarios, slug)
    variants = {declared.name: declared for declared in scenario.variants}
    if variant == "all":
        wanted = [
            declared.name
            for declared in scenario.variants
            if tier in declared.tiers and tier in scenario.tiers
        ]
    elif variant and variant not in variants:
        raise unknown(f"variant of {slug}", variant, variants)
    else:
        wanted = [variant or scenario.variants[0].name]
    for chosen in wanted:
        if tier not in scenario.tiers or tier not in variants[chosen].tiers:
            having = [known for known in TIERS if known in scenario.tiers and known in variants[chosen].tiers]
            raise UnknownNameError(f"{slug}:{chosen} has no tier '{tier}'", f"It has: {', '.join(having)}")
    return [(scenario, chosen) for chosen in wanted]


def requests(selection: Sequence[tuple[Scenario, str]], settings: Settings) -> list[RunRequest]:
    """List the runs to do, seed by seed, so that an interrupted job has whole rounds.

    Raises
    ------
    UnknownNameError
        If a selected scenario does not run on the device or backend asked for.
    """
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    return [_request(scenario, variant, seed, settings) for seed in seeds for scenario, variant in selection]


def _request(scenario: Scenario, variant: str, seed: int, settings: Settings) -> RunRequest:
    backend = settings.backend or scenario.backends[0]
    if backend not in scenario.backends:
        raise unknown(f"backend for {scenario.name}", backend, scenario.backends)
    if settings.device not in scenario.devices:
        raise unknown(f"device for {scenario.name}", settings.device, scenario.devices)
    return RunRequest(
        scenario=scenario.name,
        variant=variant,
        tier=settings.tier,
        seed=seed,
        device=settings.device,
        backend=backend,
        threads=settings.threads,
        scenario_paths=tuple(str(Path(path).resolve()) for path in settings.scenario_paths),
        time_limit=settings.time_limit or TIME_LIMITS[settings.tier],
        memory_limit=settings.memory_limit and settings.memory_limit * 2**20,
    )


def judge(
    results: Sequence[RunResult], scenarios: Mapping[str, Scenario], roots: Sequence[Path]
) -> list[Comparison]:
    """Compare the runs of each variant and tier with expectations and the nearest baseline below `roots`."""
    groups: dict[tuple[str, str, Tier], list[RunResult]] = {}
    for result in results:
        request = result.request
        groups.setdefault((request.scenario, request.variant, request.tier), []).append(result)
    return [
        _judge_group(scenarios[name], variant, tier, runs, roots)
        for (name, variant, tier), runs in groups.items()
    ]


def _judge_group(
    scenario: Scenario, variant: str, tier: Tier, runs: Sequence[RunResult], roots: Sequence[Path]
) -> Comparison:
    measured = next((run.measurement for run in runs if run.measurement is not None), None)
    if measured is None:
        return compare(scenario, variant, tier, runs, None)
    try:
        nearest = baselines.find(roots, scenario.name, variant, tier, measured.environment)
    except BaselineError as error:
        return _without_baseline(compare(scenario, variant, tier, runs, None), error)
    return compare(scenario, variant, tier, runs, nearest)


def _without_baseline(comparison: Comparison, error: BaselineError) -> Comparison:
    """Turn every judgement that needed a damaged baseline into an ERROR: what was measured is kept, and nothing passes."""
    judged = (
        dataclasses.replace(judgement, verdict="ERROR", reason=error.what, next_step=error.next_step)
        if judgement.against == "baseline"
        else judgement
        for judgement in comparison.judgements
    )
    return dataclasses.replace(comparison, judgements=tuple(judged))


def assemble(
    results: Iterable[RunResult], scenarios: Mapping[str, Scenario], roots: Sequence[Path], command: str
) -> Job:
    """Judge results and put them into one job record."""
    done = tuple(results)
    return _job(done, tuple(judge(done, scenarios, roots)), command)


def _job(results: tuple[RunResult, ...], comparisons: tuple[Comparison, ...], command: str) -> Job:
    return Job(
        schema=SCHEMA,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=command,
        version=harness.__version__,
        commit=environment.git_commit(),
        environment=environment.machine(),
        results=results,
        comparisons=comparisons,
    )


def store(job: Job, scenarios: Mapping[str, Scenario], out: Path) -> Path:
    """Write ``run.json``, then ``index.html``; return the page's path."""
    from harness.report import render

    files.write_json(out / "run.json", job)
    page = out / "index.html"
    files.write_text(page, render(job, out, scenarios))
    return page


def read(folder: Path) -> Job:
    """Read a stored job; one that ended before it could write ``run.json`` is put together from its finished runs.

    Raises
    ------
    StorageError
        If there is none, or it is damaged or of a newer schema.
    """
    path = folder / "run.json"
    if not path.exists() and (folder / "plan.json").exists():
        plan = plans.read(folder)
        return _job(tuple(plans.results(plan, folder)), (), plan.command)
    finished = sorted(folder.glob("runs/*/result.json"), key=lambda found: found.stat().st_mtime_ns)
    if not path.exists() and finished:
        return _job(tuple(_result(result) for result in finished), (), "")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"there is no readable run in '{folder}': {error.strerror}", "Type: harness run"
        ) from error
    step = f"Remove it and type: harness judge {folder}"
    schema = files.decode(content, _Versioned, str(path), step).schema
    if schema > SCHEMA:
        raise StorageError(
            f"{path} has schema {schema}, this version reads up to {SCHEMA}", "Upgrade report-harness"
        )
    return files.decode(content, Job, str(path), step)


class _Versioned(msgspec.Struct):
    """The one field that every schema has."""

    schema: int


def _result(path: Path) -> RunResult:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise files.storage_error(path, error, "read") from error
    return files.decode(content, RunResult, str(path), "Run it again")


def default_folder() -> Path:
    """Return a new folder name for a job: ``reports/<UTC time>``."""
    return Path("reports", dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ"))


def exit_code(job: Job) -> int:
    """Return the exit code of `harness run`: 1 identity violated, 2 something could not be measured, else 0."""
    verdicts = [judgement for comparison in job.comparisons for judgement in comparison.judgements]
    if any(judgement.verdict == "VIOLATED" for judgement in verdicts):
        return 1
    unmeasured = any(result.status != "ok" for result in job.results)
    return 2 if unmeasured or any(judgement.verdict == "ERROR" for judgement in verdicts) else 0


def rejudge(job: Job, scenarios: Mapping[str, Scenario], roots: Sequence[Path]) -> Job:
    """Judge a stored job's results again; everything measured stays as it is.

    Raises
    ------
    UnknownNameError
        If a stored run is of a scenario that is not declared here.
    """
    for result in job.results:
        find(scenarios, result.request.scenario)
    return dataclasses.replace(job, comparisons=tuple(judge(job.results, scenarios, roots)))
