"""The steps a person takes to change a baseline: propose from a run, look at the difference, accept."""

from __future__ import annotations

import shutil
import subprocess
import typing
from pathlib import Path

from harness import baselines, jobs
from harness.errors import BaselineError
from harness.scenarios import find

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Baseline, Scenario, Tier

PROPOSALS = "proposals"


def propose(run: Path, scenarios: Mapping[str, Scenario], *, reason: str, who: str) -> list[Path]:
    """Write a proposal for every variant of a stored run into its folder ``proposals/``, in place of earlier ones.

    Raises
    ------
    BaselineError
        If the run is too small, failed, mixed, or nobody says so.
    """
    job = jobs.read(run)
    for result in job.results:
        find(scenarios, result.request.scenario)
    proposed = baselines.propose(job, scenarios, reason=reason, who=who or _git_user())
    shutil.rmtree(run / PROPOSALS, ignore_errors=True)
    return [baselines.write(baseline, run / PROPOSALS) for baseline in proposed]


def _git_user() -> str:
    done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    name = done.stdout.strip()
    if not name:
        raise BaselineError("nobody is named as the proposer", "Add --who NAME")
    return name


def _proposals(run: Path) -> list[tuple[Baseline, Path]]:
    paths = sorted((run / PROPOSALS).glob("*/*/*/*.json"))
    if not paths:
        raise BaselineError(
            f"there are no proposals in '{run}'", f"Type: harness baseline propose {run} --reason '...'"
        )
    return [(baselines.load(path), path) for path in paths]


def diff(run: Path, named: Path | None) -> str:
    """Describe how each proposal differs from the file it would replace."""
    root = named or Path("baselines")
    parts = []
    for proposed, _ in _proposals(run):
        path = baselines.path_of(proposed, root)
        old = baselines.load(path) if path.is_file() else None
        title = f"{path}: {'replaces one of ' + old.date if old else 'new'} ({len(proposed.seeds)} seeds; {proposed.reason})"
        parts.append("\n".join([title, *(_line(change) for change in baselines.diff(old, proposed))]))
    return "\n\n".join(parts)


def _line(change: baselines.Change) -> str:
    old, new = ("none" if value is None else f"{value:.6g}" for value in (change.old, change.new))
    spread = "" if change.spread is None else f" ± {change.spread:.2g}"
    return f"  {change.metric:<40} {old:>14} -> {new}{spread} {change.unit}".rstrip()


def accept(run: Path, named: Path | None) -> list[Path]:
    """Write every proposal of a run below the baselines folder and return the files."""
    root = named or Path("baselines")
    return [baselines.write(proposed, root) for proposed, _ in _proposals(run)]


def show(scenarios: Mapping[str, Scenario], name: str, tier: Tier, named: Path | None) -> str:
    """Describe every stored baseline of a variant that the search path shows."""
    scenario, variant = jobs.select(scenarios, [name], tier)[0]
    place = baselines.folder_of(scenario.name, variant, tier)
    for root in baselines.search_path(named):
        paths = sorted((root / place).glob("*.json"))
        if paths:
            return "\n\n".join(_describe(baselines.load(path), path) for path in paths)
    raise BaselineError(
        f"no baseline of {scenario.name}:{variant} in tier {tier}",
        "Type: harness baseline propose RUN --reason '...'",
    )


def _describe(baseline: Baseline, path: Path) -> str:
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
