"""From the runs of a job to proposed baselines: what a baseline keeps of them, and why it may refuse. Pure; a run is looked at once."""

from __future__ import annotations

import array
import datetime as dt
import typing

from harness.errors import BaselineError, unknown
from harness.judging import baselines, probes, trajectories
from harness.judging.baselines import SCHEMA, SEEDS_AT_LEAST
from harness.machine import environment
from harness.records import Baseline, BaselineMetric
from harness.store import stored

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Job, Measured, Measurement, RunRequest, RunResult, Scenario, Tier, Trajectory

SEEDS_ADVISED = 10


def propose(job: Job, scenarios: Mapping[str, Scenario], *, reason: str, who: str) -> list[Baseline]:
    """Build a baseline from every variant and tier of a job.

    Parameters
    ----------
    job : Job
        At least 5 finished runs of each variant; 10 are advised.
    scenarios : mapping
        Scenarios by name.
    reason, who : str
        Why, and who says so.

    Raises
    ------
    UnknownNameError
        If a run is of a scenario that is not declared.
    BaselineError
        If there are too few runs, failed runs, a seed twice, runs of more than one environment, data set or
        scenario version, no commit, or seeds that change nothing although the scenario draws at random.
    """
    groups: dict[tuple[str, str, Tier, str, str], _Gathered] = {}
    for name, _, _ in stored.groups(job.results):
        if name not in scenarios:
            raise unknown("scenario", name, scenarios)
    for result in job.results:
        request = result.request
        key = (request.scenario, request.variant, request.tier, request.backend, request.device)
        groups.setdefault(key, _Gathered(result, scenarios[request.scenario])).add(result)
    return [_propose(job, scenarios[key[0]], runs, reason, who) for key, runs in groups.items()]


class _Gathered:
    """All that a baseline takes of the runs of one variant, gathered run by run; of the first one also what they share.

    Parameters
    ----------
    first : RunResult
        The first of them.
    scenario : Scenario
        Their scenario.
    """

    def __init__(self, first: RunResult, scenario: Scenario) -> None:
        self.first = first
        self.errors: list[str] = []
        self.seeds: list[int] = []
        self.disturbed = False
        self.shared: dict[str, set[typing.Any]] = {
            "environments": set(), "scenario versions": set(), "states of the data": set(),
        }  # fmt: skip
        self.values = {
            name: array.array("d")
            for name, measured in first.metrics.items()
            if _belongs(name, measured, scenario)
        }

    def add(self, run: RunResult) -> None:
        """Take what one run measured."""
        self.seeds.append(run.request.seed)
        self.disturbed = self.disturbed or run.disturbed
        if run.status != "ok" or run.measurement is None:
            self.errors.append(run.error)
            return
        self.shared["environments"].add(environment.fingerprint(run.measurement.environment))
        self.shared["scenario versions"].add(run.measurement.scenario_version)
        self.shared["states of the data"].add(tuple(use.sha256 for use in run.measurement.datasets))
        for name, values in self.values.items():
            values.extend(baselines.numbers(name, [run]))


def _propose(job: Job, scenario: Scenario, runs: _Gathered, reason: str, who: str) -> Baseline:
    request = runs.first.request
    name = f"{request.scenario}:{request.variant} ({request.tier})"
    measurement = _measured(name, runs)
    _refuse_mixed(name, runs)
    if not job.commit:
        raise BaselineError("the runs have no commit", "Run inside a git checkout")
    metrics = _metrics(scenario, runs)
    if not scenario.deterministic and _nothing_varies(metrics):
        step = "Give run.seed to its generators, or declare it deterministic"
        raise BaselineError(f"no accuracy metric of {name} differs between its {len(runs.seeds)} seeds", step)
    return Baseline(
        schema=SCHEMA,
        scenario=request.scenario,
        scenario_version=measurement.scenario_version,
        variant=request.variant,
        tier=request.tier,
        who=who,
        reason=reason,
        date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        commit=job.commit,
        seeds=tuple(runs.seeds),
        environment=_of_machine(measurement.environment),
        datasets=measurement.datasets,
        metrics=metrics,
        counted=_counted(job, request),
        trajectories=_trajectories(job, request),
    )


def _counted(job: Job, request: RunRequest) -> dict[str, BaselineMetric]:
    """Return what a variant's counting run counted, but for what its repeat counted otherwise, and whether all was equal.

    Nothing without a probe.
    """
    for first, second in _counting(job, request):
        ours, theirs = probes.reference_of(first), probes.reference_of(second)
        equal = {name: metric for name, metric in ours.items() if theirs.get(name) == metric}
        return equal | _repeatable(job, request)
    return {}


def _trajectories(job: Job, request: RunRequest) -> dict[str, Trajectory]:
    """Return what a variant's counting run followed, but for what its repeat did not share."""
    for first, second in _counting(job, request):
        ours, theirs = probes.followed(first), probes.followed(second)
        loose = trajectories.unlike(ours, theirs)
        shared = {name: found for name, found in ours.items() if f"{trajectories.PREFIX}{name}" not in loose}
        return {name: found for name, found in shared.items() if found.values}
    return {}


def _counting(job: Job, request: RunRequest) -> list[tuple[RunResult, RunResult]]:
    """List the pairs of counting runs of a variant on one backend and device, of the code in question."""
    key = ("head", request.scenario, request.variant, request.backend, request.device)
    return [
        pair
        for pair in probes.pairs(job.counted)
        if (asked := pair[0].request)
        and (asked.side, asked.scenario, asked.variant, asked.backend, asked.device) == key
    ]


def _repeatable(job: Job, request: RunRequest) -> dict[str, BaselineMetric]:
    """Return what the determinism probe of a variant told, as a count; nothing if it could not be made."""
    for probe in job.probes:
        if (probe.scenario, probe.variant) == (request.scenario, request.variant) and probes.made(probe):
            told = float(probes.repeatable(probe))
            return {probes.REPEATABLE: BaselineMetric(values=[told], unit="", kind="work", better="higher")}
    return {}


def _of_machine(environment_: Mapping[str, str]) -> dict[str, str]:
    """Leave out where the code lay: a gate's worktree, the harness's own folder."""
    return {
        name: value for name, value in environment_.items() if name not in {"code", "commit", "imported_from"}
    }


def _measured(name: str, runs: _Gathered) -> Measurement:
    """Return what the first run measured; refuse failed runs, too few, and one seed twice."""
    if runs.errors or runs.first.measurement is None:
        raise BaselineError(f"{len(runs.errors)} runs of {name} failed", f"First: {runs.errors[0]}")
    count = len(runs.seeds)
    if count < SEEDS_AT_LEAST:
        step = f"Run it with --seeds {SEEDS_ADVISED}"
        raise BaselineError(f"{name} has {count} runs, a baseline needs at least {SEEDS_AT_LEAST}", step)
    if len(set(runs.seeds)) < count:
        raise BaselineError(f"the runs of {name} have one seed twice", "Run each seed once")
    return runs.first.measurement


def _refuse_mixed(name: str, runs: _Gathered) -> None:
    for what, found in runs.shared.items():
        if len(found) > 1:
            raise BaselineError(
                f"the runs of {name} come from {len(found)} {what}", "Run them all on one machine"
            )


def _nothing_varies(metrics: Mapping[str, BaselineMetric]) -> bool:
    """Whether seeds seem not to be used: accuracy metrics have a direction, and none of them varies."""
    scored = [metric for metric in metrics.values() if metric.kind == "accuracy" and metric.better != "none"]
    return bool(scored) and all(len(set(metric.values)) == 1 for metric in scored)


def _metrics(scenario: Scenario, runs: _Gathered) -> dict[str, BaselineMetric]:
    """Collect what a baseline keeps: runtime from undisturbed runs only, and numbers that every run has."""
    kept, left_out = {}, set()
    for name, values in runs.values.items():
        measured = runs.first.metrics[name]
        if runs.disturbed and measured.kind == "runtime":
            left_out.add(name)
        elif len(values) == len(runs.seeds):
            kept[name] = BaselineMetric(
                values=values.tolist(), unit=measured.unit, kind=measured.kind, better=measured.better
            )
    missing = [name for name in scenario.gated if name not in kept.keys() | left_out]
    if missing:
        told = f"{', '.join(missing)} (gated by {scenario.name}) was not measured as a number in every run"
        raise BaselineError(told, "Look at the runs' problems in the report")
    return kept


def _belongs(name: str, measured: Measured, scenario: Scenario) -> bool:
    """Keep gated numbers, those of stages and of the main prediction set, not a grid's side scores."""
    if isinstance(measured.value, list):
        return False
    return name in scenario.gated or measured.kind in {"memory", "runtime", "work"} or "." not in name
