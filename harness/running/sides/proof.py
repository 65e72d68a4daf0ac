"""Proof that each side can run, and that it ran its own code: before the first run, and from what runs recorded.

A side's folder stands first on ``PYTHONPATH``. That goes before what setuptools (65 and 84), hatchling (exact mode too) and flit
install editable; scikit-build-core and meson-python put an import hook before every path, and only the record of a run tells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing
from pathlib import Path

from harness.errors import RevisionError, UnknownNameError
from harness.running import runner
from harness.store import project

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.records import RunResult, Scenario, Side, Tier
    from harness.running.sides.opening import Sides

    Declared = Mapping[str, typing.Any]

SIDES: tuple[Side, ...] = ("base", "head")
_MARK = "harness comes from: "
_LIST = f"""
import sys, harness
print("{_MARK}" + harness.__file__, flush=True)
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""`harness list`, after a line that says whose it is; older commits of the harness have that command too."""
_AGAIN = "Uninstall what leads there (python -m pip uninstall NAME), or keep the package beside pyproject.toml or below src/"


def check(
    sides: Sides, selection: Sequence[tuple[Scenario, str]], tier: Tier, seconds: float = 120.0, *,
    base: Declared | None = None,
) -> dict[str, tuple[int, int]]:  # fmt: skip
    """See that both sides import, from their own worktrees, and declare what was selected.

    Parameters
    ----------
    sides : Sides
        The sides.
    selection : sequence of (Scenario, str)
        Scenarios and names of their variants.
    tier : Tier
        Tier that is to run.
    seconds : float
        Time that the imports of a side may take.
    base : mapping, optional
        What base declares, if the caller has asked already.

    Returns
    -------
    dict
        Versions in base and head, by scenario, of those scenarios whose versions differ.

    Raises
    ------
    RevisionError
        If a side does not import, or imports the harness from elsewhere.
    UnknownNameError
        If a side lacks a scenario, a variant or the tier.
    """
    found = {
        "base": declared(sides, "base", seconds) if base is None else base,
        "head": declared(sides, "head", seconds),
    }
    for side in SIDES:
        _refuse_missing(sides, side, list(_missing(found[side], selection, tier)))
    versions = {
        scenario.name: (
            found["base"][scenario.name]["version"],
            found["head"][scenario.name]["version"],
        )
        for scenario, _ in selection
    }
    return {name: (old, new) for name, (old, new) in versions.items() if old != new}


def lacking(known: Declared, selection: Sequence[tuple[Scenario, str]], tier: Tier) -> set[tuple[str, str]]:
    """Name the scenarios and variants of a selection that a side does not declare in this tier."""
    return {
        (scenario.name, variant)
        for scenario, variant in selection
        if any(_missing(known, [(scenario, variant)], tier))
    }


def declared(sides: Sides, side: Side, seconds: float = 120.0) -> Declared:
    """Return what a side's own `harness list` says, by scenario; see `check` for what is raised."""
    options = [word for path in sides.scenario_paths(side) for word in ("--scenarios", path)]
    name = f"{side} ({sides.commit(side)[:10]})"
    code = sides.code(side)
    # a side that lacks the scenario files must not read those that its own configuration names
    alone = {} if options else {project.VARIABLE: project.NONE}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _LIST, "list", "--json", *options], cwd=code, capture_output=True,
            encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL, timeout=seconds, check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **runner.import_environment(code), **alone},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        told = f"{name} does not import within {seconds:g} s"
        raise RevisionError(told, "Look at what its scenario files do when they are imported") from error
    if done.returncode != 0:
        step = "Name another commit, or mend it; files that git does not track are not in its worktree"
        raise RevisionError(f"{name} does not import: {_last_line(done.stderr)}", step)
    _refuse_elsewhere(sides, side, _origin(done.stdout))
    return {scenario["name"]: scenario for scenario in _listed(done.stdout)}


def _last_line(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return (lines or ["it does not say why"])[-1].removeprefix("harness: error: ")


def _origin(printed: str) -> Path:
    marked = next(line for line in printed.splitlines() if line.startswith(_MARK))
    return Path(marked.removeprefix(_MARK))


def _listed(printed: str) -> list[dict[str, typing.Any]]:
    """Find the list in what was printed: a user's module may greet when it is imported, and say goodbye."""
    lines = printed.splitlines(keepends=True)
    for index in (index for index, line in enumerate(lines) if line.rstrip() == "["):
        try:
            found, _ = json.JSONDecoder().raw_decode("".join(lines[index:]))
        except json.JSONDecodeError:
            continue
        return typing.cast("list[dict[str, typing.Any]]", found)
    return []


def _missing(known: Declared, selection: Sequence[tuple[Scenario, str]], tier: Tier) -> Iterator[str]:
    for scenario, variant in selection:
        theirs = known.get(scenario.name, {"variants": []})
        tiers = {one["name"]: one["tiers"] for one in theirs["variants"]}
        if scenario.name not in known:
            yield f"scenario '{scenario.name}'"
        elif variant not in tiers:
            yield f"variant '{scenario.name}:{variant}'"
        elif tier not in tiers[variant]:
            yield f"tier '{tier}' of '{scenario.name}:{variant}'"


def _refuse_missing(sides: Sides, side: Side, missing: Sequence[str]) -> None:
    if missing:
        told = f"{side} ({sides.commit(side)[:10]}) has no {', no '.join(missing)}"
        raise UnknownNameError(
            told, "Name scenarios that both commits have, or another commit: --against REF"
        )


def _refuse_elsewhere(sides: Sides, side: Side, file: Path) -> None:
    """See that a side has its own harness, if its repository holds one."""
    if sides.holds_harness and not file.is_relative_to(sides.code(side)):
        told = f"the {side} side imported harness from '{file.parent}', which is not its worktree '{sides.code(side)}'"
        raise RevisionError(told, f"{_AGAIN}; or name a commit that holds the harness")


def prove(result: RunResult, sides: Sides) -> str:
    """See that a run imported its own side's code, as far as it came from the repository.

    Parameters
    ----------
    result : RunResult
        A run of either side; one that measured nothing proves nothing.
    sides : Sides
        The sides.

    Returns
    -------
    str
        A sentence, if the run used no file of its worktree at all: then both sides ran the same code. Else empty.

    Raises
    ------
    RevisionError
        If a module came from the user's checkout, or from the other side's worktree.
    """
    measurement, side = result.measurement, result.request.side
    if measurement is None or "imported_from" not in measurement.environment:
        return ""  # also of a base whose harness recorded no imports: `check` has seen where that came from
    _refuse_elsewhere(sides, side, Path(measurement.environment["imported_from"], "__init__.py"))
    own = sides.top(side).resolve()
    files = {name: Path(file).resolve() for name, file in measurement.imported.items()}
    for name, file in files.items():
        if not file.is_relative_to(own) and _is_of_a_commit(file, sides):
            told = f"the {side} side imported {name} from '{file.parent}', which is not its worktree '{own}'"
            raise RevisionError(told, _AGAIN)
    if any(file.is_relative_to(own) for file in files.values()):
        return ""
    return f"run {result.request.key} imported nothing from its worktree: what it ran is installed, the same for both sides"


def _is_of_a_commit(file: Path, sides: Sides) -> bool:
    """Whether a file outside a side's worktree is one that a commit could have changed."""
    tops = (sides.base_top.resolve(), sides.head_top.resolve())
    if any(file.is_relative_to(top) for top in tops):
        return True
    inside = file.is_relative_to(sides.checkout)
    return inside and any((top / file.relative_to(sides.checkout)).exists() for top in tops)
