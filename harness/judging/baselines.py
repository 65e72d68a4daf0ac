"""Baselines: find, read, write, differ. A person accepts them; nothing here overwrites unasked."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import os
import statistics
import typing
from pathlib import Path

import msgspec

from harness.errors import BaselineError
from harness.judging.trajectories import PREFIX
from harness.machine import environment
from harness.records import PRECISIONS, Baseline, BaselineMetric, finite
from harness.store import files, project

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.records import DatasetUse, RunResult, Tier

SCHEMA = 1
SEEDS_AT_LEAST = 5
"""Fewer runs give a bound of several standard deviations: refused."""
_NEVER_NEGATIVE = ("memory", "runtime", "size", "work")
_FOLDER = "baselines"
_PACKAGE = Path(__file__).resolve().parent.parent
_RESTORE = "Restore it from version control"
T = typing.TypeVar("T")


def own_folder() -> Path:
    """Return the copy that comes with the code: inside an installed package, or next to it in a checkout."""
    packaged = _PACKAGE / "_baselines"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "baselines"


def search_path(named: Path | None, start: Path = Path()) -> list[Path]:
    """Return the folders to read baselines from, in order: the named one, the project's (see `project_folder`), the code's own copy.

    Raises
    ------
    BaselineError
        If the named folder does not exist.
    """
    if named is not None and not named.is_dir():
        step = "Name an existing folder with --baselines"
        raise BaselineError(f"there is no baselines folder '{named}'", step)
    folders = [named] if named is not None else []
    return [*folders, *(folder for folder in (project_folder(start), own_folder()) if folder.is_dir())]


def project_folder(start: Path = Path()) -> Path:
    """Return the project's folder of baselines: the configured one, else the first ``baselines`` from `start` upwards to the top of the checkout.

    Where there is none yet, it is the one to make: next to the nearest project file, at the top of the checkout, or in `start`.
    """
    named = project.find(start).baselines
    if named is not None:
        return Path(os.path.relpath(named))
    folders = project.upwards(start)
    having = (folder for folder in folders if (folder / _FOLDER).is_dir())
    return Path(os.path.relpath(next(having, project.nearest(folders)) / _FOLDER))


def folder_of(scenario: str, variant: str, tier: str) -> Path:
    """Return the relative folder of a variant's baselines in one tier.

    Raises
    ------
    BaselineError
        If one of the names, which may come from a file, would lead out of it.
    """
    for name in (scenario, variant, tier):
        if not files.is_plain_name(name):
            raise BaselineError(f"'{name}' names no scenario, variant or tier", "Look at the run's run.json")
    return Path(scenario, variant, tier)


class References(typing.NamedTuple):
    """The stored baselines that the runs of one variant are compared with, each with its path."""

    newest: tuple[Baseline, str]
    """For what does not depend on the machine: scores, sizes and work. The newest accepted one that may be compared."""
    nearest: tuple[Baseline, str]
    """For memory and times: the newest accepted one whose memory may be compared here, else the one with the fewest differences."""


def find(
    roots: Iterable[Path],
    scenario: str,
    variant: str,
    tier: Tier,
    ours: Mapping[str, str],
    *,
    version: int | None = None,
    data: Sequence[DatasetUse] | None = None,
) -> References | None:
    """Choose the stored baselines for runs of a variant; None if there is none.

    The first root that has any decides. Of equally new ones the one from the more similar environment is taken.

    Parameters
    ----------
    roots : iterable of Path
        Folders of baselines.
    scenario, variant, tier, ours : str and mapping
        What ran, and its environment.
    version, data : int and sequence of DatasetUse, optional
        Scenario version of the runs, and the data that they read; None for any.

    Raises
    ------
    BaselineError
        If a file there is corrupt, foreign or of a newer schema.
    """
    for root in roots:
        paths = sorted((root / folder_of(scenario, variant, tier)).glob("*.json"))
        stored = {str(path): load(path) for path in paths}
        if not stored:
            continue
        differing = {
            path: (
                len(environment.differences("accuracy", ours, baseline.environment))
                + (version not in {None, baseline.scenario_version})
                + len(environment.other_data(data, baseline.datasets) if data is not None else ()),
                len(environment.differences("memory", ours, baseline.environment)),
                len(environment.differences("runtime", ours, baseline.environment)),
            )
            for path, baseline in stored.items()
        }
        chosen = []
        for fields in (1, 2):  # those with the fewest differences in the first fields; of these the newest
            fewest = min(counts[:fields] for counts in differing.values())
            fitting = [path for path, counts in differing.items() if counts[:fields] == fewest]
            date = max(stored[path].date for path in fitting)
            path = min((path for path in fitting if stored[path].date == date), key=differing.__getitem__)
            chosen.append((stored[path], path))
        return References(*chosen)
    return None


class _Versioned(msgspec.Struct):
    schema: typing.Annotated[int, msgspec.Meta(ge=1)]


def decode(path: Path, kind: type[T], newest: int, what: str) -> T:
    """Read a JSON file that people keep under version control, called `what` in messages, up to schema `newest`.

    Raises
    ------
    BaselineError
        If it cannot be read, is damaged, or of a newer schema.
    """
    try:
        content = files.read_bytes(path)
        schema = msgspec.json.decode(content, type=_Versioned).schema
        if schema <= newest:
            return msgspec.json.decode(content, type=kind)
    except OSError as error:
        raise BaselineError(f"{what} cannot be read: {error}", _RESTORE) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BaselineError(f"{what} is damaged: {error}", _RESTORE) from error
    step = "Upgrade report-harness"
    raise BaselineError(f"{what} has schema {schema}, this version reads up to {newest}", step)


def load(path: Path) -> Baseline:
    """Read one baseline file and check that it can be used.

    Raises
    ------
    BaselineError
        If it is unreadable, no baseline, of a newer schema, in another variant's folder, or holds values that
        cannot be.
    """
    baseline = decode(path, Baseline, SCHEMA, f"baseline {path}")
    place = Path(baseline.scenario, baseline.variant, baseline.tier)  # only shown: what is read is `path`
    if path.parts[-4:-1] != place.parts:
        raise BaselineError(f"baseline {path} is one of {place}", "Move it to its own folder or remove it")
    if wrong := next(itertools.chain(_wrong(baseline), _wrong_counts(baseline)), ""):
        raise BaselineError(f"baseline {path} {wrong}", _RESTORE)
    return baseline


def _wrong(baseline: Baseline) -> Iterator[str]:
    """Yield what is wrong with seeds or metrics."""
    count = len(baseline.seeds)
    if len(set(baseline.seeds)) < count:
        yield "names a seed twice"
    if not baseline.metrics:
        yield "holds no metric"
    for name, metric in baseline.metrics.items():
        values = metric.values
        if len(values) != count:
            yield f"has {len(values)} values of metric '{name}' for {count} seeds"
        if len(values) < SEEDS_AT_LEAST:
            yield f"has {len(values)} values of metric '{name}', at least {SEEDS_AT_LEAST} are needed"
        if not all(map(finite, values)):
            yield f"has a value of metric '{name}' that is not finite, or too large to square"
        if metric.kind in _NEVER_NEGATIVE and min(values) < 0:
            yield f"has a negative value of metric '{name}', a {metric.kind}"


def _wrong_counts(baseline: Baseline) -> Iterator[str]:
    """Yield what is wrong with counts or trajectories."""
    for name, metric in baseline.counted.items():
        if metric.kind != "work":
            yield f"has a count '{name}' of kind {metric.kind}, not work"
        if len(metric.values) != 1:
            yield f"has {len(metric.values)} values of count '{name}', one is needed"
        if not (finite(metric.values[0]) and metric.values[0] >= 0):
            yield f"has a value of count '{name}' that is negative or not finite"
    for name, trajectory in baseline.trajectories.items():
        if trajectory.dtype not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            yield f"has a trajectory '{name}' in '{trajectory.dtype}', which is none of {known}"
        if not trajectory.values or not all(map(finite, trajectory.values)):
            yield f"has a trajectory '{name}' without losses, or with one that is not finite"


def of_base(runs: Sequence[RunResult]) -> Baseline | None:
    """Put base runs of one variant into a baseline's shape, to compare with and never stored; None below two runs."""
    done = [run for run in runs if run.status == "ok" and run.measurement is not None]
    measurements = [run.measurement for run in done if run.measurement is not None]
    if len(done) < 2:
        return None
    metrics = {}
    for name, measured in done[0].metrics.items():
        values = numbers(name, done)
        if len(values) == len(done):
            metrics[name] = BaselineMetric(
                values=values, unit=measured.unit, kind=measured.kind, better=measured.better
            )
    request, first = done[0].request, measurements[0]
    return Baseline(
        schema=SCHEMA, scenario=request.scenario, scenario_version=first.scenario_version, variant=request.variant,
        tier=request.tier, who="", reason="base runs", date=done[0].started, commit=first.environment.get("commit", ""),
        seeds=tuple(run.request.seed for run in done), environment=first.environment, datasets=first.datasets, metrics=metrics,
    )  # fmt: skip


def numbers(name: str, runs: Sequence[RunResult]) -> list[float]:
    """Return a metric's values, those of the runs that have it as a finite number."""
    values = [run.metrics[name].value for run in runs if name in run.metrics]
    return [float(value) for value in values if not isinstance(value, list) and math.isfinite(value)]


def outdated_by(baseline: Baseline, root: Path) -> list[Path]:
    """List the older files below `root` whose scores, sizes and work this baseline replaces, although another machine made them.

    Their memory stays in use on machines of their kind. A file that cannot be read is left out.
    """
    own, found = path_of(baseline, root), []
    for path in sorted(own.parent.glob("*.json")):
        with contextlib.suppress(BaselineError):
            other = load(path)
            comparable = not (
                environment.differences("accuracy", baseline.environment, other.environment)
                or environment.other_data(baseline.datasets, other.datasets)
                or other.scenario_version != baseline.scenario_version
            )
            if path != own and comparable and other.date <= baseline.date:
                found.append(path)
    return found


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
    refuse_installed(root)
    path = path_of(baseline, root)
    files.write_text(path, as_text(baseline))
    return path


def refuse_installed(root: Path) -> None:
    """Raise BaselineError if a folder lies in an installed package."""
    resolved = root.resolve()
    if {"site-packages", "dist-packages"} & set(resolved.parts) or resolved.is_relative_to(_PACKAGE):
        step = "Name a folder of your own with --baselines"
        raise BaselineError(f"'{root}' belongs to an installed package", step)


def as_text(baseline: Baseline) -> str:
    """Lay a baseline out as JSON that merges well.

    A field takes a line, and blank lines stand between metrics: two branches that each change another metric
    do not conflict. Counts of work and trajectories follow in the same way, if there are any.
    """
    plain = msgspec.to_builtins(baseline)
    parts = []
    for title in ("metrics", "counted", "trajectories"):
        found = plain.pop(title)
        lines = [
            f"{json.dumps(name)}: {json.dumps(found[name], ensure_ascii=False)}" for name in sorted(found)
        ]
        if lines or title == "metrics":
            parts.append(f"{json.dumps(title)}: {{\n\n" + ",\n\n".join(lines) + "\n\n}")
    head = [
        f"{json.dumps(key)}: {json.dumps(value, indent=_indent(value), ensure_ascii=False)}"
        for key, value in plain.items()
    ]
    return "{\n" + ",\n".join(head) + ",\n\n" + ",\n\n".join(parts) + "\n}\n"


def _indent(value: object) -> int | None:
    """Give each entry a line, but for a list of numbers or what is empty."""
    flat = isinstance(value, list) and all(isinstance(item, (int, float)) for item in value)
    return 1 if isinstance(value, (dict, list)) and value and not flat else None


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """How one metric of a proposed baseline differs from the stored one."""

    metric: str
    unit: str
    old: float | None
    """Stored mean; None if the metric is new."""
    new: float | None
    """Proposed mean; None if the metric is gone."""
    spread: float | None
    """Standard deviation over the proposed runs; None for a count or a trajectory."""


def diff(old: Baseline | None, new: Baseline) -> list[Change]:
    """List how each metric's mean, each count and each trajectory's mean loss changes, those that come or go included; counts last."""
    before = {**old.metrics, **deterministic(old)} if old is not None else {}
    after = {**new.metrics, **deterministic(new)}
    measured = {*new.metrics, *(old.metrics if old else ())}
    names = sorted({*before, *after}, key=lambda name: (name not in measured, name))
    return [_change(name, before.get(name), after.get(name)) for name in names]


def deterministic(baseline: Baseline) -> dict[str, BaselineMetric]:
    """Return the counts of a baseline, and its trajectories as metrics whose values are losses."""
    found = dict(baseline.counted)
    for name, followed in baseline.trajectories.items():
        losses = list(followed.values)
        found[f"{PREFIX}{name}"] = BaselineMetric(values=losses, unit="", kind="trajectory", better="none")
    return found


def _change(name: str, old: BaselineMetric | None, new: BaselineMetric | None) -> Change:
    known, spread = new or old, None
    if new and len(new.values) > 1 and new.kind != "trajectory":  # a count is one value
        spread = statistics.stdev(new.values)
    means = [statistics.fmean(metric.values) if metric else None for metric in (old, new)]
    return Change(metric=name, unit=known.unit if known else "", old=means[0], new=means[1], spread=spread)
