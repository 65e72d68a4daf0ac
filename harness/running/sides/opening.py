"""The two sides of a comparison: what is in force on each, and what a reader must know before believing the difference."""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from pathlib import Path

from harness.errors import RevisionError
from harness.running.sides import dependencies, revisions, worktrees
from harness.store import git

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.records import RunRequest, Side

MEASURING = ("harness/measure", "harness/worker.py")
"""What takes times and counts bytes in a worker; `harness.machine.processes` only starts and ends it, and for both sides it is the runner's."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Two commits, checked out beside each other."""

    ref: str
    """What was asked for as base, as typed."""
    checkout: Path
    """Top of the user's checkout."""
    base_commit: str
    """Commit that `ref` named."""
    head_commit: str
    """Commit that is checked out."""
    base_code: str
    """Folder that base runs import from: the project's, in base's worktree."""
    head_code: str
    """Folder that head runs import from."""
    base_top: Path
    """Top of base's worktree."""
    head_top: Path
    """Top of head's worktree."""
    base_scenario_paths: tuple[str, ...] = ()
    """Scenario files of base runs."""
    head_scenario_paths: tuple[str, ...] = ()
    """Scenario files of head runs."""
    holds_harness: bool = False
    """Whether the repository holds the harness itself, so that each side measures with its own."""
    code_changed: tuple[str, ...] = ()
    """Changed files between the commits that make times incomparable: what measures."""
    dependencies_changed: tuple[str, ...] = ()
    """One sentence for each dependency that the commits declare differently."""
    notes: tuple[str, ...] = ()
    """What else a reader must know, one sentence each."""

    def code(self, side: Side) -> str:
        """Return the folder that a side's runs import from."""
        return self.base_code if side == "base" else self.head_code

    def top(self, side: Side) -> Path:
        """Return the top of a side's worktree."""
        return self.base_top if side == "base" else self.head_top

    def commit(self, side: Side) -> str:
        """Return a side's commit."""
        return self.base_commit if side == "base" else self.head_commit

    def scenario_paths(self, side: Side) -> tuple[str, ...]:
        """Return the scenario files of a side's runs."""
        return self.base_scenario_paths if side == "base" else self.head_scenario_paths


@contextlib.contextmanager
def opened(
    ref: str, scenario_paths: Sequence[str], folder: Path, *, base_only: bool = False, head: str = ""
) -> Iterator[Sides]:
    """Check out both sides of a comparison; nothing of it is left at the end.

    Parameters
    ----------
    ref : str
        Branch, tag, hash or expression that names the base.
    scenario_paths : sequence of str
        The user's scenario files, relative to `folder` or absolute. What git tracks is taken from each side's commit.
    folder : Path
        Working folder; the project around it is compared.
    base_only : bool
        Whether base alone is checked out; head is then the user's checkout as it stands, changes included.
    head : str
        Commit that is head in place of the one that is checked out; changes of the checkout then do not matter. If it is the base too, one
        worktree serves both sides.

    Yields
    ------
    Sides
        Good until the end of the context.

    Raises
    ------
    RevisionError
        If there is no git, checkout, commit or REF, or if tracked files differ.
    StorageError
        If the cache folder, where the worktrees go, cannot be written.
    """
    top = revisions.top_of(folder)
    present = revisions.commit_of(top, head) if head else revisions.head_of(top)
    commits = {"head": present, "base": revisions.commit_of(top, ref)}
    if not base_only and not head:
        revisions.refuse_changes(top)
    wanted = dict(commits)
    if base_only:
        del wanted["head"]
    elif head and commits["head"] == commits["base"]:
        del wanted["base"]
    with worktrees.checked_out(top, wanted) as checked:
        tops = {"head": top, **checked}
        tops.setdefault("base", tops["head"])
        sides = _sides(ref, top, commits, tops, revisions.project_of(folder, top))
        yield _described(sides, _inside(scenario_paths, folder, top), folder)


def requests_of(side: Side, requests: Sequence[RunRequest], sides: Sides) -> list[RunRequest]:
    """Return the same runs for one side: with its code and its scenario files.

    Parameters
    ----------
    side : Side
        base or head.
    requests : sequence of RunRequest
        Runs of either side.
    sides : Sides
        Where the sides lie.
    """
    code, paths = sides.code(side), sides.scenario_paths(side)
    return [dataclasses.replace(request, side=side, code=code, scenario_paths=paths) for request in requests]


def _sides(ref: str, top: Path, commits: dict[str, str], tops: dict[str, Path], project: Path) -> Sides:
    for side, place in tops.items():
        if not (place / project).is_dir():
            told = f"{side} ({commits[side][:10]}) has no folder '{project}', where the project is in HEAD"
            raise RevisionError(told, "Name a later commit: --against REF")
    return Sides(
        ref=ref,
        checkout=top,
        base_commit=commits["base"],
        head_commit=commits["head"],
        base_code=str(tops["base"] / project),
        head_code=str(tops["head"] / project),
        base_top=tops["base"],
        head_top=tops["head"],
    )


def _inside(paths: Sequence[str], folder: Path, top: Path) -> list[Path]:
    """Return scenario files relative to the checkout, or absolute if they lie outside of it."""
    placed = [folder.resolve() / path for path in map(Path, paths)]
    resolved = [path.parent.resolve() / path.name for path in placed]
    return [path.relative_to(top) if path.is_relative_to(top) else path for path in resolved]


def _described(sides: Sides, scenarios: Sequence[Path], folder: Path) -> Sides:
    """Fill in what follows from the two worktrees."""
    base, head = Path(sides.base_code), Path(sides.head_code)
    inside = [path for path in scenarios if not path.is_absolute()]
    # a past head may be older than a file that the checkout holds: it then lacks the file, and does not borrow it
    named = [f":(literal){path}" for path in inside]
    held = git.paths(sides.checkout, "ls-files", "-z", "--", *named) if named else []
    tracked = [path for path in inside if (sides.head_top / path).is_file() or path.as_posix() in held]

    def placed(side: Side) -> tuple[str, ...]:
        found = [(sides.top(side) if path in tracked else sides.checkout) / path for path in scenarios]
        return tuple(str(path) for path in found if path.is_file())

    return dataclasses.replace(
        sides,
        base_scenario_paths=placed("base"),
        head_scenario_paths=placed("head"),
        holds_harness=_harness_in(base) or _harness_in(head),
        code_changed=_code_changed(sides),
        dependencies_changed=dependencies.changed(base, head),
        notes=tuple(_notes(sides, tracked, [path for path in scenarios if path not in tracked], folder)),
    )


def _harness_in(code: Path) -> bool:
    return any((code / part / "harness" / "worker.py").is_file() for part in ("", "src"))


def _code_changed(sides: Sides) -> tuple[str, ...]:
    """List the changed files that measure; none where the harness is an installed package, the same for both sides."""
    project = Path(sides.head_code).relative_to(sides.head_top)
    wanted = [f":(literal){project / part / name}" for part in ("", "src") for name in MEASURING]
    words = ("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv")
    changed = git.paths(sides.checkout, *words, sides.base_commit, sides.head_commit, "--", *wanted)
    return (
        tuple(changed) if any(_harness_in(Path(code)) for code in (sides.base_code, sides.head_code)) else ()
    )


def _notes(sides: Sides, tracked: Sequence[Path], other: Sequence[Path], folder: Path) -> Iterator[str]:
    if sides.base_commit == sides.head_commit:
        yield f"'{sides.ref}' is HEAD itself: both sides run the same code, so nothing can regress and whatever differs is a false alarm"
    yield from _ahead(sides)
    for path in other:
        yield f"both sides use the scenario file '{path}' as it is: no commit of this checkout holds it"
    for path in tracked:
        if not (sides.base_top / path).is_file():
            yield f"base has no scenario file '{path}'"
    project = Path(sides.head_code).relative_to(sides.head_top)
    if folder.resolve() != sides.checkout / project:
        yield f"workers run in the project's folder '{project}' of their worktree: relative paths lead from there"
    for name in dependencies.unread(Path(sides.base_code), Path(sides.head_code)):
        yield f"{name} differs between the commits; both sides run with what is installed"
    yield from _not_checked_out(sides)


def _ahead(sides: Sides) -> Iterator[str]:
    """Say that base has commits that HEAD lacks: what they changed looks like a change of HEAD's, turned round."""
    between = f"{sides.head_commit}..{sides.base_commit}"
    count = int(git.text(sides.checkout, "rev-list", "--count", between, "--"))
    if not count:
        return
    told = f"base '{sides.ref}' has {count} commit{'s' * (count > 1)} that HEAD lacks"
    try:
        merge_base = git.text(sides.checkout, "merge-base", sides.head_commit, sides.base_commit)
    except RevisionError:  # no common history, or a shallow clone
        yield f"{told}, and no common commit is known here: what differs may come from them"
        return
    yield f"{told}: what differs may come from them. To compare with where HEAD began: --against {merge_base[:12]}"


def _not_checked_out(sides: Sides) -> Iterator[str]:
    """Say what a worktree lacks or holds as a pointer only."""
    tops = (sides.base_top, sides.head_top)
    if any((top / ".gitmodules").is_file() for top in tops):
        yield "submodules are not checked out in the sides' worktrees: their folders are empty there"
    if any(_has_large_files(top) for top in tops):
        yield "large files (Git LFS) are what its filter gave: pointers, if git-lfs is not installed here"


def _has_large_files(top: Path) -> bool:
    listed = git.paths(top, "ls-files", "-z", "--", ".gitattributes", "**/.gitattributes")
    return any(b"filter=lfs" in (top / path).read_bytes() for path in listed if (top / path).is_file())
