"""What `harness doctor` looks at: this machine, what is installed, data, folders, git, and which baselines compare here."""

from __future__ import annotations

import collections
import itertools
import os
import tempfile
import typing
from importlib import metadata
from pathlib import Path

from harness import data
from harness.data.cache import cache_folder
from harness.errors import BaselineError, RevisionError
from harness.judging import baselines, waivers
from harness.judging.gate import remeasuring
from harness.machine import containers, environment, variables
from harness.measure import memory
from harness.records import GateSettings
from harness.session import choosing
from harness.store import git, project

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.records import Baseline, Kind

CORE = (
    "click",
    "filelock",
    "jinja2",
    "matplotlib",
    "msgspec",
    "numpy",
    "pandas",
    "psutil",
    "rich",
    "scikit-learn",
    "scipy",
)
EXTRAS = {
    "torch": ("torch", "torchvision"),
    "tensorflow": ("tensorflow", "keras"),
    "jax": ("jax",),
    "distributed": ("dask", "distributed"),
    "bench": ("asv", "pytest-benchmark"),
}
"""Extra -> distributions that it installs."""
KINDS: tuple[Kind, ...] = ("accuracy", "memory", "runtime")
_RUN_DECIDES = ("backend", "device", "threads", "executor", "blas", "gpu")
"""Fields that only a run knows; doctor takes the baseline's own, so that it imports no framework."""


class Finding(typing.NamedTuple):
    """One thing that was looked at."""

    topic: str
    """Heading it stands below."""
    name: str
    text: str
    wrong: bool = False
    """Whether the harness needs it and cannot use it."""


def examine(named: Path | None = None, scenario_paths: Sequence[str] | None = None) -> list[Finding]:
    """Look at everything, without running or importing a framework.

    Parameters
    ----------
    named : Path, optional
        Folder to read baselines from first.
    scenario_paths : sequence of str, optional
        Scenario files that were named; None for the configured ones.
    """
    return [
        *_configuration(named, scenario_paths), *_machine(), *_variables(), *_packages(), *_data(),
        *_folders(), *_git(),
        *_baselines(named),
    ]  # fmt: skip


def as_text(findings: Iterable[Finding]) -> str:
    """Lay findings out by topic."""
    lines: list[str] = []
    for topic, found in itertools.groupby(findings, key=lambda finding: finding.topic):
        lines += ["", topic] if lines else [topic]
        for finding in found:
            broken = "BROKEN: " if finding.wrong else ""
            lines.append(f"  {finding.name:<22} {broken}{finding.text}".rstrip())
    return "\n".join(lines)


# -- configuration -----------------------------------------------------------------------------------------------------


def _configuration(named: Path | None, scenario_paths: Sequence[str] | None) -> Iterator[Finding]:
    """Say what each setting is and where it comes from."""
    own = project.find()
    file = os.path.relpath(own.file) if own.file else ""
    none = f"none: no {project.OWN_FILE}, and no [tool.harness] in {project.SHARED_FILE}"
    yield Finding("configuration", "file", file or none)
    defaults = {
        "tier": "smoke",
        "seeds": f"{choosing.Settings().seeds}; {GateSettings().seeds} in a gate",
        "baselines": str(baselines.project_folder()),
        "reports": str(project.reports_folder()),
        "against": "stored baselines",
        "gated": "as scenarios declare",
        "tolerance": "spread, and for shares at most 0.5points",
    }
    typed = {"scenarios": scenario_paths, "baselines": None if named is None else [str(named)]}
    for name in project.SETTINGS:
        value, source = typed.get(name), "command line"
        if value is None:
            value, source = getattr(own, name), file
        if not value:
            value, source = defaults.get(name, "none"), "default"
        words = value if isinstance(value, (list, tuple)) else [str(value)]
        paths = [os.path.relpath(word) if Path(word).is_absolute() else word for word in words]
        must_exist = name in {"scenarios", "path"} and source != "default"
        gone = [path for path in paths if must_exist and not Path(path).exists()]
        missing = f": there is no '{gone[0]}'" if gone else ""
        yield Finding("configuration", name, f"{', '.join(paths)} ({source}){missing}", bool(gone))


# -- machine -----------------------------------------------------------------------------------------------------------


def _machine() -> Iterator[Finding]:
    facts = environment.machine()
    for name, value in facts.items():
        yield Finding("machine", name, value or "unknown")
    allowed = containers.allowance()
    limit, left, cores = allowed.memory_bytes, allowed.memory_left or 0, allowed.cores
    memory_limit = (
        f"{limit / 2**30:.1f} GiB (control group), {left / 2**30:.1f} GiB of it left" if limit else "none"
    )
    yield Finding("machine", "memory limit", memory_limit)
    yield Finding("machine", "CPU limit", f"{cores:g} cores (control group)" if cores else "none")
    resets = "works: memory is measured stage by stage"
    refused = "is refused: stages are not measured, only the total is known"
    yield Finding("machine", "/proc/self/clear_refs", resets if memory.reset_peak() else refused)
    if facts["load"] != "unknown" and float(facts["load"]) > 0.5:
        text = f"load {float(facts['load']):.2f}: times may be disturbed, take no baseline now"
        yield Finding("machine", "other work", text)


def _variables() -> Iterator[Finding]:
    """Name the environment variables set here that change memory or time, and what a worker makes of them."""
    inherited = _in_worker()
    for name, value in sorted(os.environ.items()):
        row = variables.row_of(name)
        if row is None or not value or inherited.get(name) == value:
            continue
        used = f"a worker gets {inherited[name]}" if inherited.get(name) else "no worker gets it"
        yield Finding("variables", name, f"{value}: {used} ({row.why})")
    for name, value in variables.recorded(inherited).items():
        row = variables.row_of(name)
        if row is not None:
            readers = f" of {', '.join(row.libraries)}" if row.libraries else ""
            must = f"{' and '.join(row.forbids)}{readers} must be measured with the same value"
            yield Finding("variables", name, f"{value}: {must} ({row.why})")


def _in_worker() -> dict[str, str]:
    return variables.for_worker(os.environ, threads=2)


# -- packages ----------------------------------------------------------------------------------------------------------


def _packages() -> Iterator[Finding]:
    for name in CORE:
        version = installed(name)
        text = version or "is missing: python -m pip install report-harness"
        yield Finding("packages", name, text, not version)
    for extra, names in EXTRAS.items():
        parts = [", ".join(f"{name} {installed(name)}" for name in names if installed(name))]
        if missing := [name for name in names if not installed(name)]:
            step = f"python -m pip install 'report-harness[{extra}]'"
            parts.append(f"{', '.join(missing)} not installed: {step}")
        yield Finding("packages", f"extra {extra}", "; ".join(filter(None, parts)))


def installed(name: str) -> str:
    """Return the version of an installed distribution without importing it; empty if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


# -- data, folders, git ------------------------------------------------------------------------------------------------


def _data() -> Iterator[Finding]:
    for row in data.status():
        state = "complete" if row.complete else "; ".join(filter(None, (row.problem, row.next_step)))
        yield Finding("data", row.name, ": ".join(filter(None, (row.where, state))))


def _folders() -> Iterator[Finding]:
    temporary, reports = Path(tempfile.gettempdir()), project.reports_folder()
    for name, folder in (("cache", cache_folder()), ("temporary files", temporary), ("results", reports)):
        problem = _unwritable(folder)
        text = f"{folder} cannot be written: {problem}" if problem else str(folder)
        yield Finding("folders", name, text, bool(problem))


def _unwritable(folder: Path) -> str:
    """Say why a file cannot be made in a folder, or in the one that it would be made in; empty if it can."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def _git() -> Iterator[Finding]:
    try:
        version = git.text(".", "--version")
    except RevisionError as error:
        yield Finding("git", "git", f"{error.what}: baselines and --against need it")
        return
    yield Finding("git", "git", version.removeprefix("git version "))
    commit = environment.git_commit()
    refused = git.refusal(Path.cwd())
    none = "this folder is no checkout, or has no commit: no baseline can be proposed here"
    yield Finding("git", "commit", str(refused) if refused else commit or none, wrong=refused is not None)
    if commit and git.text(".", "rev-parse", "--is-shallow-repository") == "true":
        text = "shallow: --against may not find its commit. Type: git fetch --unshallow"
        yield Finding("git", "history", text)


# -- baselines ---------------------------------------------------------------------------------------------------------


def _baselines(named: Path | None) -> Iterator[Finding]:
    try:
        roots = baselines.search_path(named)
        count = len(waivers.read(roots))
    except BaselineError as error:
        yield Finding("baselines", "waivers" if named is None else str(named), str(error), wrong=True)
        return
    for root in dict.fromkeys(root.resolve() for root in roots):
        yield from _below(root)
    yield Finding("baselines", "waivers", f"{count}" if count else "none")


def _below(root: Path) -> Iterator[Finding]:
    """Group the baselines of one folder by what they can judge here."""
    groups: dict[tuple[str, ...], collections.Counter[str]] = {}
    total = 0
    for path in sorted(root.glob("*/*/*/*.json")):
        try:
            stored = baselines.load(path)
        except BaselineError as error:
            yield Finding("baselines", path.name, str(error), wrong=True)
            continue
        total += 1
        groups.setdefault(comparable(stored), collections.Counter())[f"{stored.scenario} {stored.tier}"] += 1
    yield Finding("baselines", str(total), f"in {root}")
    for kinds, scenarios in groups.items():
        names = ", ".join(f"{name} ({count})" for name, count in scenarios.items())
        yield Finding("baselines", f"of them {scenarios.total()}", "; ".join([*kinds, names]))


def comparable(stored: Baseline) -> tuple[str, ...]:
    """Say for each kind of metric whether a run here may be held against a baseline, and if not which fields differ.

    Fields that only a run knows, such as the BLAS that a framework loads, are taken as the baseline has them.
    """
    theirs = stored.environment
    versions = {name: installed(name) or "none" for name in environment.LIBRARIES if name in theirs}
    taken = {name: theirs[name] for name in _RUN_DECIDES if name in theirs}
    ours = environment.machine() | versions | taken | variables.recorded(_in_worker())
    return tuple(_comparable(kind, environment.differences(kind, ours, theirs), stored) for kind in KINDS)


def _comparable(kind: Kind, differing: Sequence[str], stored: Baseline) -> str:
    if not differing:
        return f"{kind}: yes"
    differs = f"{kind}: no ({'; '.join(differing)})"
    if kind != "memory":
        return differs
    why = remeasuring.obstacle(stored.commit, Path.cwd())
    if why:
        return f"{differs}, and no gate can measure it here: {why}"
    return f"{differs}; a gate measures it here at commit {stored.commit[:10]}, once"
