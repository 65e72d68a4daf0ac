"""Baselines: find, read, propose, write. A person accepts them; nothing here overwrites without being asked."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import typing
from pathlib import Path

import msgspec

from harness import environment, files
from harness.errors import BaselineError
from harness.records import Baseline, BaselineMetric, Job, RunResult

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.records import Measured, Scenario, Tier

SCHEMA = 1
SEEDS_AT_LEAST = 5
"""Fewer runs give a bound of several standard deviations: refused."""
SEEDS_ADVISED = 10

_PACKAGE = Path(__file__).resolve().parent


def own_folder() -> Path:
    """Return the copy that comes with the code: inside an installed package, or beside it in a checkout."""
    packaged = _PACKAGE / "_baselines"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "baselines"


def search_path(named: Path | None) -> list[Path]:
    """Folders to read baselines from, in order: the named one, ``./baselines``, the code's own copy.

    Raises
    ------
    BaselineError
        If the named folder does not exist.
    """
    if named is not None and not named.is_dir():
        raise BaselineError(
            f"there is no baselines folder '{named}'", "Name an existing folder with --baselines"
        )
    folders = [named] if named is not None else []
    return [*folders, *(folder for folder in (Path("baselines"), own_folder()) if folder.is_dir())]


def folder_of(scenario: str, variant: str, tier: str) -> Path:
    """Return the relative folder of a variant's baselines in one tier."""
    return Path(scenario, variant, tier)


def find(
    roots: Iterable[Path], scenario: str, variant: str, tier: Tier, ours: Mapping[str, str]
) -> tuple[Baseline, str] | None:
    """Return the stored baseline nearest to an environment, with its path; None if there is none.

    The first root that has any decides. Within it the exact fingerprint wins, then the one that leaves the fewest fields different.

    Raises
    ------
    BaselineError
        If a file there is corrupt, foreign or of a newer schema.
    """
    for root in roots:
        paths = sorted((root / folder_of(scenario, variant, tier)).glob("*.json"))
        if paths:
            stored = [(load(path), path) for path in paths]
            best, path = min(stored, key=lambda pair: _distance(ours, pair[0].environment))
            return best, str(path)
    return None


def _distance(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[int, int, int]:
    """Order baselines by what they can still judge: accuracy first, then memory, then runtime."""
    counts = [len(environment.differences(kind, ours, theirs)) for kind in ("accuracy", "memory", "runtime")]
    return counts[0], counts[1], counts[2]


def load(path: Path) -> Baseline:
    """Read one baseline file and check that it can be used.

    Raises
    ------
    BaselineError
        If it is unreadable, no baseline, of a newer schema, in another variant's folder, or holds values that cannot be.
    """
    try:
        raw = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BaselineError(
            f"baseline {path} cannot be read: {error}", "Restore it from version control"
        ) from error
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise BaselineError(
            f"baseline {path} has schema {schema}, this version reads up to {SCHEMA}",
            "Upgrade report-harness",
        )
    try:
        baseline = msgspec.convert(raw, Baseline)
    except msgspec.ValidationError as error:
        raise BaselineError(
            f"baseline {path} is damaged: {error}", "Restore it from version control"
        ) from error
    _check(baseline, path)
    return baseline


def _check(baseline: Baseline, path: Path) -> None:
    place = folder_of(baseline.scenario, baseline.variant, baseline.tier)
    if path.parts[-4:-1] != place.parts:
        raise BaselineError(f"baseline {path} is one of {place}", "Move it to its own folder or remove it")
    for name, metric in baseline.metrics.items():
        wrong = ""
        if len(metric.values) != len(baseline.seeds):
            wrong = f"{len(metric.values)} values for {len(baseline.seeds)} seeds"
        elif len(metric.values) < SEEDS_AT_LEAST:
            wrong = f"{len(metric.values)} values, at least {SEEDS_AT_LEAST} are needed"
        elif not all(math.isfinite(value) for value in metric.values):
            wrong = "a value that is not finite"
        elif metric.kind in {"memory", "runtime", "size", "work"} and min(metric.values) < 0:
            wrong = f"a negative {metric.kind}"
        if wrong:
            raise BaselineError(
                f"baseline {path}: metric '{name}' has {wrong}", "Restore it from version control"
            )


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
    BaselineError
        If there are too few runs, failed runs, or runs of more than one environment.
    """
    groups: dict[tuple[str, str, Tier, str, str], list[RunResult]] = {}
    for result in job.results:
        request = result.request
        key = (request.scenario, request.variant, request.tier, request.backend, request.device)
        groups.setdefault(key, []).append(result)
    return [_propose(job, scenarios[key[0]], runs, reason, who) for key, runs in groups.items()]


def _propose(job: Job, scenario: Scenario, runs: Sequence[RunResult], reason: str, who: str) -> Baseline:
    request = runs[0].request
    name = f"{request.scenario}:{request.variant} ({request.tier})"
    failed = [run.error for run in runs if run.status != "ok" or run.measurement is None]
    if failed:
        raise BaselineError(f"{len(failed)} runs of {name} failed", f"First: {failed[0]}")
    if len(runs) < SEEDS_AT_LEAST:
        step = f"Run it with --seeds {SEEDS_ADVISED}"
        raise BaselineError(f"{name} has {len(runs)} runs, a baseline needs at least {SEEDS_AT_LEAST}", step)
    measurements = [run.measurement for run in runs if run.measurement is not None]
    prints = {environment.fingerprint(measurement.environment) for measurement in measurements}
    if len(prints) > 1:
        raise BaselineError(
            f"the runs of {name} come from {len(prints)} environments", "Run them all on one machine"
        )
    if not job.commit:
        raise BaselineError("the runs have no commit", "Run inside a git checkout")
    return Baseline(
        schema=SCHEMA,
        scenario=request.scenario,
        scenario_version=measurements[0].scenario_version,
        variant=request.variant,
        tier=request.tier,
        who=who,
        reason=reason,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        commit=job.commit,
        seeds=tuple(run.request.seed for run in runs),
        environment=measurements[0].environment,
        datasets=measurements[0].datasets,
        metrics=_metrics(scenario, runs),
    )


def _metrics(scenario: Scenario, runs: Sequence[RunResult]) -> dict[str, BaselineMetric]:
    disturbed = any(run.disturbed for run in runs)
    kept = {}
    for name, measured in runs[0].metrics.items():
        if not _belongs(name, measured, scenario) or (disturbed and measured.kind == "runtime"):
            continue
        values = [run.metrics[name].value for run in runs if name in run.metrics]
        if len(values) == len(runs):
            numbers = [float(value) for value in values if not isinstance(value, list)]
            kept[name] = BaselineMetric(
                values=numbers, unit=measured.unit, kind=measured.kind, better=measured.better
            )
    missing = [
        name for name in scenario.gated if name not in kept and not (disturbed and name.endswith("seconds"))
    ]
    if missing:
        raise BaselineError(
            f"gated metrics of {scenario.name} were not measured in every run: {', '.join(missing)}"
        )
    return kept


def _belongs(name: str, measured: Measured, scenario: Scenario) -> bool:
    """Keep gated numbers, and those of stages and of the main prediction set; a grid's hundreds of side scores stay out."""
    if isinstance(measured.value, list):
        return False
    return name in scenario.gated or measured.kind in {"memory", "runtime", "work"} or "." not in name


def path_of(baseline: Baseline, root: Path) -> Path:
    """Return the file of a baseline below `root`."""
    place = folder_of(baseline.scenario, baseline.variant, baseline.tier)
    return root / place / f"{environment.fingerprint(baseline.environment)}.json"


def write(baseline: Baseline, root: Path) -> Path:
    """Write a baseline to its file below `root` and return the path.

    Raises
    ------
    BaselineError
        If `root` lies in an installed package.
    StorageError
        If it cannot be written.
    """
    if "site-packages" in root.resolve().parts or root.resolve().is_relative_to(_PACKAGE):
        raise BaselineError(
            f"'{root}' belongs to an installed package", "Name a folder of your own with --baselines"
        )
    path = path_of(baseline, root)
    files.write_text(path, as_text(baseline))
    return path


def as_text(baseline: Baseline) -> str:
    """Lay a baseline out as JSON with one field a line and a blank line between metrics, so that changes to two do not conflict."""
    plain = msgspec.to_builtins(baseline)
    metrics = plain.pop("metrics")
    head = [f"{json.dumps(key)}: {_wide(value)}" for key, value in plain.items()]
    body = [f"{json.dumps(name)}: {json.dumps(metrics[name])}" for name in sorted(metrics)]
    return "{\n" + ",\n".join(head) + ',\n\n"metrics": {\n\n' + ",\n\n".join(body) + "\n\n}\n}\n"


def _wide(value: object) -> str:
    return (
        json.dumps(value, indent=1, ensure_ascii=False)
        if isinstance(value, (dict, list)) and value and not _flat(value)
        else json.dumps(value, ensure_ascii=False)
    )


def _flat(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, (int, float)) for item in value)


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """How one metric of a proposed baseline differs from the stored one."""

    metric: str
    """Metric name."""
    unit: str
    """Unit."""
    old: float | None
    """Stored mean; None if the metric is new."""
    new: float | None
    """Proposed mean; None if the metric is gone."""
    spread: float | None
    """Standard deviation over the proposed runs."""


def diff(old: Baseline | None, new: Baseline) -> list[Change]:
    """List how each metric's mean changes, metrics that come or go included."""
    before = old.metrics if old is not None else {}
    names = sorted({*before, *new.metrics})
    return [_change(name, before.get(name), new.metrics.get(name)) for name in names]


def _change(name: str, old: BaselineMetric | None, new: BaselineMetric | None) -> Change:
    known = new or old
    mean_new = sum(new.values) / len(new.values) if new else None
    spread = None
    if new and mean_new is not None:
        spread = math.sqrt(sum((value - mean_new) ** 2 for value in new.values) / (len(new.values) - 1))
    mean_old = sum(old.values) / len(old.values) if old else None
    return Change(metric=name, unit=known.unit if known else "", old=mean_old, new=mean_new, spread=spread)
