"""Proof that each side can run, and that it ran its own code: before the first run, and from what runs recorded.

A side's folder stands first on ``PYTHONPATH``. That goes before what setuptools (65 and 84), hatchling (exact mode too) and flit
install editable; scikit-build-core and meson-python put an import hook before every path, and only the record of a run tells.
"""

from __future__ import annotations

import contextlib
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
) -> None:  # fmt: skip
    """See that both sides import, from their own worktrees, and declare what was selected: scenarios and names of their variants.

    The imports of a side may take so many seconds; `base` is what base declares, if the caller has asked already.

    Raises
    ------
    RevisionError
        If a side does not import, or imports the harness from elsewhere.
    UnknownNameError
        If a side lacks a scenario, a variant or the tier.
    """
    for side in SIDES:
        known = base if side == "base" and base is not None else declared(sides, side, seconds)
        if missing := list(_missing(known, selection, tier)):
            message = f"{side} ({sides.of(side).commit[:10]}) has no {', no '.join(missing)}"
            step = "Name scenarios that both commits have, or another commit: --against REF"
            raise UnknownNameError(message, step)


def lacking(known: Declared, selection: Sequence[tuple[Scenario, str]], tier: Tier) -> set[tuple[str, str]]:
    """Name the scenarios and variants of a selection that a side does not declare in this tier."""
    return {
        (scenario.name, variant)
        for scenario, variant in selection
        if any(_missing(known, [(scenario, variant)], tier))
    }


def declared(sides: Sides, side: Side, seconds: float = 120.0) -> Declared:
    """Return what a side's own `harness list` says, by scenario; see `check` for what is raised."""
    own = sides.of(side)
    options = [word for path in own.scenario_paths for word in ("--scenarios", path)]
    name = f"{side} ({own.commit[:10]})"
    # a side that lacks the scenario files must not read those that its own configuration names
    alone = {} if options else {project.VARIABLE: project.NONE}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _LIST, "list", "--json", *options], cwd=own.code, capture_output=True,
            encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL, timeout=seconds, check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **runner.import_environment(own.code), **alone},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        message = f"{name} does not import within {seconds:g} s"
        raise RevisionError(message, "Look at what its scenario files do when they are imported") from error
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = (said or ["it does not say why"])[-1].removeprefix("harness: error: ")
        step = "Name another commit, or mend it; files that git does not track are not in its worktree"
        raise RevisionError(f"{name} does not import: {reason}", step)
    lines = done.stdout.splitlines(keepends=True)
    marked = next(line for line in lines if line.startswith(_MARK))
    _refuse_elsewhere(sides, side, Path(marked.removeprefix(_MARK).strip()))
    # a user's module may greet when it is imported, and say goodbye
    for index in (index for index, line in enumerate(lines) if line.rstrip() == "["):
        with contextlib.suppress(json.JSONDecodeError):
            listed, _ = json.JSONDecoder().raw_decode("".join(lines[index:]))
            return {scenario["name"]: scenario for scenario in listed}
    return {}


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


def _refuse_elsewhere(sides: Sides, side: Side, file: Path) -> None:
    """See that a side has its own harness, if its repository holds one."""
    code = sides.of(side).code
    if sides.holds_harness and not file.is_relative_to(code):
        message = f"the {side} side imported harness from '{file.parent}', which is not its worktree '{code}'"
        raise RevisionError(message, f"{_AGAIN}; or name a commit that holds the harness")


def prove(result: RunResult, sides: Sides) -> str:
    """See that a run imported its own side's code, as far as it came from the repository; one that measured nothing proves nothing.

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
    own = sides.of(side).top.resolve()
    tops = (sides.base.top.resolve(), sides.head.top.resolve())
    files = {name: Path(file).resolve() for name, file in measurement.imported.items()}
    for name, file in files.items():
        # a file of the user's checkout refutes only if a commit could have changed it
        inside = file.is_relative_to(sides.checkout)
        tracked = inside and any((top / file.relative_to(sides.checkout)).exists() for top in tops)
        if not file.is_relative_to(own) and (tracked or any(file.is_relative_to(top) for top in tops)):
            message = (
                f"the {side} side imported {name} from '{file.parent}', which is not its worktree '{own}'"
            )
            raise RevisionError(message, _AGAIN)
    if any(file.is_relative_to(own) for file in files.values()):
        return ""
    return f"run {result.request.key} imported nothing from its worktree: what it ran is installed, the same for both sides"
