"""The two sides of a comparison: where they lie, which runs come when, and what a reader must know before believing the difference."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import tomllib
import typing
from pathlib import Path

from harness.errors import RevisionError
from harness.running.sides import revisions, worktrees
from harness.store import git

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.records import RunRequest, Side

MEASURING = ("harness/measure", "harness/worker.py")
"""What takes times and counts bytes in a worker; `harness.machine.processes` only starts and ends it, and for both sides it is the runner's."""
DECIDING = ("setup.py", "setup.cfg", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "environment.yml")
"""Files that decide on dependencies and are only compared, not read."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """One commit's code."""

    commit: str
    """The commit."""
    top: Path
    """Top of its worktree."""
    code: str
    """Folder that its runs import from: the project's, in its worktree."""
    scenario_paths: tuple[str, ...]
    """Scenario files of its runs."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Two commits, checked out next to each other."""

    checkout: Path
    """Top of the user's checkout."""
    base: Checkout
    """What head is compared with."""
    head: Checkout
    """What is compared."""
    holds_harness: bool = False
    """Whether the repository holds the harness itself, so that each side measures with its own."""
    code_changed: tuple[str, ...] = ()
    """Changed files between the commits that make times incomparable: what measures."""
    dependencies_changed: tuple[str, ...] = ()
    """One sentence for each file whose declared dependencies differ."""
    notes: tuple[str, ...] = ()
    """What else a reader must know, one sentence each."""

    def of(self, side: Side) -> Checkout:
        """Return a side's code."""
        return self.base if side == "base" else self.head


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
    project = revisions.project_of(folder, top)
    with worktrees.checked_out(top, wanted) as checked:
        tops = {"head": top, **checked}
        tops.setdefault("base", tops["head"])
        for side, place in tops.items():
            if not (place / project).is_dir():
                message = (
                    f"{side} ({commits[side][:10]}) has no folder '{project}', where the project is in HEAD"
                )
                raise RevisionError(message, "Name a later commit: --against REF")
        # scenario files relative to the checkout, or absolute if they lie outside of it
        placed = [folder.resolve() / path for path in scenario_paths]
        resolved = [path.parent.resolve() / path.name for path in placed]
        scenarios = [path.relative_to(top) if path.is_relative_to(top) else path for path in resolved]
        # a past head may be older than a file that the checkout holds: it then lacks the file, and does not borrow it
        inside = [path for path in scenarios if not path.is_absolute()]
        named = [f":(literal){path}" for path in inside]
        held = git.paths(top, "ls-files", "-z", "--", *named) if named else []
        tracked = [path for path in inside if (tops["head"] / path).is_file() or path.as_posix() in held]

        def checkout(side: Side) -> Checkout:
            paths = [(tops[side] if path in tracked else top) / path for path in scenarios]
            return Checkout(
                commit=commits[side],
                top=tops[side],
                code=str(tops[side] / project),
                scenario_paths=tuple(str(path) for path in paths if path.is_file()),
            )

        sides = Sides(checkout=top, base=checkout("base"), head=checkout("head"))
        notes = list(_notes(sides, ref))
        notes += [
            f"both sides use the scenario file '{path}' as it is: no commit of this checkout holds it"
            for path in scenarios
            if path not in tracked
        ]
        lacked = [path for path in tracked if not (tops["base"] / path).is_file()]
        notes += [f"base has no scenario file '{path}'" for path in lacked]
        if folder.resolve() != top / project:
            message = "of their worktree: relative paths lead from there"
            notes.append(f"workers run in the project's folder '{project}' {message}")
        yield _compared(dataclasses.replace(sides, notes=tuple(notes)), project)


def _notes(sides: Sides, ref: str) -> Iterator[str]:
    """Say what is odd about the two commits."""
    base, head = sides.base.commit, sides.head.commit
    if base == head:
        yield f"'{ref}' is HEAD itself: both sides run the same code, so nothing can regress and whatever differs is a false alarm"
    if any((side.top / ".gitmodules").is_file() for side in (sides.base, sides.head)):
        yield "submodules are not checked out in the sides' worktrees: their folders are empty there"
    ahead = int(git.text(sides.checkout, "rev-list", "--count", f"{head}..{base}", "--"))
    if not ahead:
        return
    # what these commits changed looks like a change of HEAD's, turned round
    message = f"base '{ref}' has {ahead} commit{'s' * (ahead > 1)} that HEAD lacks"
    try:
        merge_base = git.text(sides.checkout, "merge-base", head, base)
    except RevisionError:  # no common history, or a shallow clone
        yield f"{message}, and no common commit is known here: what differs may come from them"
        return
    yield f"{message}: what differs may come from them. To compare with where HEAD began: --against {merge_base[:12]}"


def _compared(sides: Sides, project: Path) -> Sides:
    """Fill in what changed between the commits: code that measures, dependencies."""
    base, head = Path(sides.base.code), Path(sides.head.code)
    holds = any(
        (code / part / "harness/worker.py").is_file() for code in (base, head) for part in ("", "src")
    )
    changed: list[str] = []
    if holds:  # elsewhere the harness is an installed package, the same for both sides
        wanted = [f":(literal){project / part / name}" for part in ("", "src") for name in MEASURING]
        words = ("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv")
        changed = git.paths(sides.checkout, *words, sides.base.commit, sides.head.commit, "--", *wanted)
    unread = [name for name in DECIDING if _content(base / name) != _content(head / name)]
    message = "differs between the commits; both sides run with what is installed"
    return dataclasses.replace(
        sides,
        holds_harness=holds,
        code_changed=tuple(changed),
        dependencies_changed=tuple(_dependencies_changed(base, head)),
        notes=(*sides.notes, *(f"{name} {message}" for name in unread)),
    )


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _dependencies_changed(base: Path, head: Path) -> Iterator[str]:
    """Say which requirements of ``pyproject.toml`` and ``requirements*.txt`` stand on one side alone."""
    listed = {path.name for code in (base, head) for path in code.glob("requirements*.txt")}
    for name in ("pyproject.toml", *sorted(listed)):
        ours, theirs = (_requirements(code / name) for code in (head, base))
        alone = {"base": sorted(theirs - ours), "head": sorted(ours - theirs)}
        parts = [f"{', '.join(lines)} in {side} alone" for side, lines in alone.items() if lines]
        if parts:
            yield f"{name}: {'; '.join(parts)}"


def _requirements(path: Path) -> set[str]:
    """Return what a file asks for, each requirement as it is written there; a damaged file stands for its own content."""
    text = _content(path).decode(errors="replace")
    if path.suffix == ".txt":
        lines = (line.split(" #")[0].strip() for line in text.splitlines())
        return {line for line in lines if line and not line.startswith("#")}
    try:
        content = tomllib.loads(text)
        project: Mapping[str, typing.Any] = content.get("project", {})
        groups = [
            ("", project.get("dependencies", ())),
            *project.get("optional-dependencies", {}).items(),
            *content.get("dependency-groups", {}).items(),
        ]
        return {f"{line} ({group})" if group else line for group, lines in groups for line in lines}
    except (ValueError, AttributeError, TypeError):
        return {f"unreadable content {hashlib.sha256(text.encode()).hexdigest()[:8]}"}


def requests_of(side: Side, requests: Sequence[RunRequest], sides: Sides) -> list[RunRequest]:
    """Return the same runs for one side: with its code and its scenario files."""
    code, paths = sides.of(side).code, sides.of(side).scenario_paths
    return [dataclasses.replace(request, side=side, code=code, scenario_paths=paths) for request in requests]


def interleave(requests: Iterable[RunRequest], seed: int) -> list[RunRequest]:
    """Put the base and the head of each pair next to each other, in the order that the pair's coin says.

    Machines drift, heat up and fill their caches: with a fixed order, or one that alternates, that would look like a difference of
    the code. A fair coin for each pair is what makes the sign-flip test exact. A resumed job throws the same coins.

    Runs of a pair differ in side, code and scenario files only. Pairs keep the order of their first run, and runs without a partner
    stay where they were. The seed of the coin is at least 0.

    Raises
    ------
    ValueError
        If a pair has a side twice.
    """
    import numpy as np

    pairs: dict[tuple[object, ...], list[RunRequest]] = {}
    for one in requests:
        key: tuple[object, ...] = (
            one.scenario, one.variant, one.seed, one.tier, one.device, one.backend, one.threads, one.time_limit,
            one.memory_limit, one.purpose, one.repeat, one.round,
        )  # fmt: skip
        pairs.setdefault(key, []).append(one)
    ordered = []
    for key, pair in pairs.items():
        if len({one.side for one in pair}) < len(pair):
            raise ValueError(f"the run {pair[0].key} is asked for twice")
        # words enter as hashes, so that the coin falls alike in every process
        digest = hashlib.sha256("\0".join(map(str, key)).encode()).digest()
        heads = bool(np.random.default_rng([seed, int.from_bytes(digest, "big")]).integers(2))
        ordered += sorted(pair, key=lambda one: one.side, reverse=heads)
    return ordered
