"""The steps a person takes to change a baseline: propose from a run, look at the difference, accept; or waive a metric for a while."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import typing

from harness.data.cache import machine_lock
from harness.errors import BaselineError, StorageError, unknown
from harness.judging import baselines, flips, proposals, waivers
from harness.machine import environment
from harness.session import choosing
from harness.sources.catalogue import find
from harness.store import files, predictions, sidecar, stored

if typing.TYPE_CHECKING:
    import contextlib
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.records import Baseline, Job, Scenario, Tier
    from harness.store.predictions import Sets

    Place = tuple[str, str, str]

PROPOSALS = "proposals"
LOCK_SECONDS = 60.0


def propose(
    job: Job, run: Path, scenarios: Mapping[str, Scenario], *, reason: str, who: str, force: bool = False
) -> list[Path]:
    """Write a proposal for every variant of a stored run into its folder ``proposals/``, in place of earlier ones.

    What the runs predicted goes into a file beside each, if it is still there. An interrupted job proposes what it has. Git's user
    proposes it if `who` is empty. Files in ``proposals/`` that are no proposals are removed with `force` only.

    Raises
    ------
    BaselineError
        If the run is too small, failed, mixed, or nobody says so.
    StorageError
        If ``proposals/`` cannot be written, or holds other files and `force` is not set.
    """
    for name, _, _ in stored.groups(job.results):
        find(scenarios, name)
    proposed = proposals.propose(job, scenarios, reason=reason, who=who or _git_user())
    final, staging = run / PROPOSALS, run / f".{PROPOSALS}.staging"
    with _alone(final):
        known = {path.with_suffix("") for path in final.glob("*/*/*/*.json")}
        others = [
            path for path in final.rglob("*") if not path.is_dir() and path.with_suffix("") not in known
        ]
        if others and not force:
            what = f"{others[0]} is no proposal, and a new proposal replaces the whole folder"
            raise StorageError(what, "Move it away, or remove it with --force")
        shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
        written = [
            path
            for baseline in proposed
            for path in _write(baseline, _predicted(job, baseline, scenarios, run), staging)
        ]
        try:
            shutil.rmtree(final, ignore_errors=True)
            staging.rename(final)
        except OSError as error:
            raise files.storage_error(final, error) from error
    return [final / path.relative_to(staging) for path in written]


def _predicted(job: Job, baseline: Baseline, scenarios: Mapping[str, Scenario], run: Path) -> dict[int, Sets]:
    """Read what the runs of a baseline predicted; empty if a run's folder is gone."""
    fingerprint = environment.fingerprint(baseline.environment)
    read, names = predictions.reader(run), flips.main_sets(scenarios[baseline.scenario].gated)
    kept: dict[int, Sets] = {}
    for result in stored.groups(job.results)[baseline.scenario, baseline.variant, baseline.tier]:
        measured = result.measurement
        if measured is not None and environment.fingerprint(measured.environment) == fingerprint:
            if not (run / result.folder / "predictions.npz").exists():
                return {}
            kept[result.request.seed] = read(result, names)
    return kept


def _write(baseline: Baseline, kept: Mapping[int, Sets], root: Path) -> list[Path]:
    """Write a baseline and the predictions that it keeps; return the files."""
    path = baselines.write(baseline, root)
    beside = sidecar.write(kept, path)
    return [path] if beside is None else [path, beside]


def _alone(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Let one process at a time of this machine change a folder: of two sets of files one is there, never a mixture."""
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    busy = f"another process has been changing '{folder}' for a minute"
    return machine_lock(f"locks/{name}.lock", LOCK_SECONDS, busy)


def _git_user() -> str:
    done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    name = done.stdout.strip()
    if not name:
        raise BaselineError("nobody is named as the proposer", "Add --who NAME")
    return name


def _proposals(run: Path) -> list[tuple[Baseline, Path]]:
    paths = sorted((run / PROPOSALS).glob("*/*/*/*.json"))
    if not paths:
        step = f"Type: harness baseline propose {shlex.quote(str(run))} --reason '...'"
        raise BaselineError(f"there are no proposals in '{run}'", step)
    return [(baselines.load(path), path) for path in paths]


def diff(run: Path, named: Path | None) -> str:
    """Describe how each proposal differs from the file it would replace."""
    root = named or baselines.project_folder()
    parts = []
    for proposed, _ in _proposals(run):
        path = baselines.path_of(proposed, root)
        old = baselines.load(path) if path.is_file() else None
        title = f"{path}: {'replaces one of ' + old.date if old else 'new'} ({len(proposed.seeds)} seeds; {proposed.reason})"
        parts.append("\n".join([title, *(_line(change) for change in baselines.diff(old, proposed))]))
    return "\n\n".join(parts)


def _line(change: baselines.Change) -> str:
    # a whole number in full: two counts that differ must look it
    old, new = (
        "none" if value is None else f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
        for value in (change.old, change.new)
    )
    spread = "" if change.spread is None else f" ± {change.spread:.2g}"
    return f"  {change.metric:<40} {old:>14} -> {new}{spread} {change.unit}".rstrip()


def accept(run: Path, named: Path | None, *, force: bool = False) -> tuple[list[Path], list[Path]]:
    """Write every proposal of a run, with its predictions, below the baselines folder.

    Of two at once one comes after the other. A file in the way that is no readable baseline is replaced with `force` only.

    Returns
    -------
    list of Path
        The files that were written.
    list of Path
        Older files of other machines whose scores, sizes and work are compared with no longer; see `baselines.outdated_by`.
    """
    root = named or baselines.project_folder()
    with _alone(run / PROPOSALS), _alone(root):
        # read whole before anything is written: a damaged proposal accepts nothing
        found = [(proposed, sidecar.load(path, proposed)) for proposed, path in _proposals(run)]
        for path in (baselines.path_of(proposed, root) for proposed, _ in found):
            if path.exists() and not force:
                baselines.load(path)
        written = [path for proposed, kept in found for path in _write(proposed, kept, root)]
        outdated = [path for proposed, _ in found for path in baselines.outdated_by(proposed, root)]
        return written, [path for path in dict.fromkeys(outdated) if path not in written]


def waive(
    name: str,
    scenarios: Mapping[str, Scenario],
    named: Path | None,
    today: dt.date,
    *,
    tier: Tier,
    until: str,
    reason: str,
    who: str = "",
) -> str:
    """Write a waiver into ``./baselines``, or the folder that is named, and say what it covers.

    Parameters
    ----------
    name : str
        ``SCENARIO[:VARIANT]/METRIC``; the default variant if none is named.
    scenarios : mapping
        Scenarios by name.
    named : Path or None
        Folder of baselines.
    today : date
        Its first day.
    tier, until, reason, who : str
        Tier, last day, why it may pass, and who says so; git's user if nobody.

    Raises
    ------
    UnknownNameError
        If there is no such scenario, variant or tier, or nothing judges such a metric.
    BaselineError
        If no metric is named, the day has passed or is too far off, no reason is given, or the file is damaged.
    """
    place, _, metric = name.partition("/")
    if not metric:
        raise BaselineError(
            f"'{name}' names no metric of a scenario", "Write it as SCENARIO[:VARIANT]/METRIC"
        )
    last = waivers.last_day(until, today)
    ((scenario, variant),) = choosing.select(scenarios, [place], tier)
    # a folder that is yet to be made is no error
    roots = baselines.search_path(named if named is not None and named.is_dir() else None)
    counted = _counted((scenario.name, variant, tier), roots)
    if not waivers.judges(scenario, counted, metric):
        raise unknown(f"gated metric of {scenario.name}:{variant}", metric, {*scenario.gated, *counted})
    if not reason.strip():
        raise BaselineError("a waiver needs a reason", "Say with --reason why the metric may pass until then")
    waiver = waivers.Waiver(
        scenario=scenario.name, variant=variant, tier=tier, metric=metric, until=last, reason=reason.strip(),
        who=who.strip() or _git_user(), created=today,
    )  # fmt: skip
    path, before = waivers.add(waiver, named or baselines.project_folder())
    instead = f", instead of until {before.until}" if before else ""
    return f"Waived until {last}{instead}: {waivers.title(waiver)}\nWrote: {path}. Commit it for review"


def _counted(place: Place, roots: Sequence[Path]) -> set[str]:
    """Metrics of work, and trajectories, that a variant's stored baselines hold."""
    paths = [path for root in roots for path in sorted((root / baselines.folder_of(*place)).glob("*.json"))]
    return {metric for path in paths for metric in baselines.deterministic(baselines.load(path))}


def show(scenarios: Mapping[str, Scenario], name: str, tier: Tier, named: Path | None, today: dt.date) -> str:
    """Describe every stored baseline of a variant that the search path shows, and its waivers."""
    ((scenario, variant),) = choosing.select(scenarios, [name], tier)
    place = (scenario.name, variant, tier)
    roots, folder = baselines.search_path(named), baselines.folder_of(*place)
    found = next((paths for root in roots if (paths := sorted((root / folder).glob("*.json")))), [])
    waived = _waivers(place, roots, today)
    missing = f"no baseline of {scenario.name}:{variant} in tier {tier}"
    if not found and not waived:
        raise BaselineError(missing, "Type: harness baseline propose RUN --reason '...'")
    return "\n\n".join([*([_describe(path) for path in found] or [missing]), *waived])


def _waivers(place: Place, roots: Sequence[Path], today: dt.date) -> list[str]:
    """Describe a variant's waivers."""
    lines = []
    for waiver in waivers.read(roots):
        if waivers.scope(waiver)[:3] == place:
            until = (
                f"until {waiver.until}" if today <= waiver.until else f"expired on {waiver.until}; remove it"
            )
            by = f"{waiver.who}, {waiver.created}"
            lines.append(f"  waived {waivers.title(waiver)}: {until}; {waiver.reason} ({by})")
    return ["\n".join([str(waivers.find(roots)), *lines])] if lines else []


def _describe(path: Path) -> str:
    baseline = baselines.load(path)
    facts = {
        "accepted": f"{baseline.date} by {baseline.who}",
        "reason": baseline.reason,
        "commit": baseline.commit,
        "seeds": ", ".join(map(str, baseline.seeds)),
        "data": "; ".join(use.found for use in baseline.datasets),
        **baseline.environment,
    }
    values = [_line(change) for change in baselines.diff(baseline, baseline)]
    return "\n".join([str(path), *(f"  {key}: {value}" for key, value in facts.items()), *values])
