"""Benchmark past commits in one existing environment: ``python -m benchmarks.history --commits A..B [asv's options]``.

asv itself refuses a range of commits there. Here each commit is checked out into a worktree outside of the checkout, today's suite
runs against the `harness` in it, and the results go to asv's folder under that commit. Nothing is installed, so torch is not either.
Every benchmark process refuses any other `harness` (`benchmarks.proof`), and each commit leaves a line in ``.asv/proof.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import typing
from pathlib import Path

from benchmarks import proof
from harness.errors import HarnessError, RevisionError
from harness.export import asv
from harness.running.sides import revisions, worktrees
from harness.store import files, git

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = Path("benchmarks", "asv.conf.json")
RESULTS, PROOF = Path(".asv", "results"), Path(".asv", "proof.json")
_WHOSE = "import harness; print(harness.__file__)"


def main(argv: Sequence[str]) -> int:
    """Benchmark every commit, oldest first; 0 if all benchmarks of all commits ran, 1 if one failed, 2 if it could not begin."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.history", epilog="Other options go to asv run."
    )
    parser.add_argument(
        "--commits", required=True, metavar="A..B", help="commits after A up to B, or one commit"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="the environment's interpreter (default: this one)"
    )
    options, passed = parser.parse_known_args(argv)
    try:
        top = Path(git.text(ROOT, "rev-parse", "--show-toplevel"))
        wanted = commits(top, options.commits)
        asv.refuse_other_project(top / RESULTS, top)
        codes = [_benchmark(top, commit, options.python, passed) for commit in wanted]
    except HarnessError as error:
        print(f"benchmarks.history: {error}", file=sys.stderr)
        return 2
    return max(map(bool, codes))


def commits(top: Path, named: str) -> list[str]:
    """Return the commits of a range ``A..B`` on the first-parent line, oldest first, or the one commit named.

    Raises
    ------
    RevisionError
        If an end names no commit, with how to fetch it in a shallow clone, or if the range is empty.
    """
    first, dots, last = named.partition("..")
    if not dots:
        return [revisions.commit_of(top, first)]
    ends = [revisions.commit_of(top, ref or "HEAD") for ref in (first, last)]
    found = git.text(top, "rev-list", "--reverse", "--first-parent", "..".join(ends)).splitlines()
    if not found:
        raise RevisionError(f"the range '{named}' holds no commit", "Name the older commit first: OLD..NEW")
    return found


def _benchmark(top: Path, commit: str, python: str, passed: Sequence[str]) -> int:
    """Run asv for one commit; its exit code."""
    print(f"benchmarks.history: {git.text(top, 'log', '-1', '--format=%h %s', commit)}", flush=True)
    with worktrees.checked_out(top, {"head": commit}) as tops:
        code = tops["head"]
        variables = {**os.environ, "ASV_PYTHONPATH": str(code), proof.VARIABLE: str(code)}
        prove(top, commit, code, python)
        command = [
            python, "-m", "asv", "--config", str(top / CONFIGURATION), "run", "--environment", f"existing:{python}",
            "--set-commit-hash", commit, *passed,
        ]  # fmt: skip
        return subprocess.run(command, env=variables, check=False).returncode


def prove(top: Path, commit: str, code: Path, python: str) -> None:
    """See that an interpreter imports the commit's `harness`, and write down from where.

    Raises
    ------
    RevisionError
        If the commit has no `harness`, it does not import, or another one comes first.
    """
    variables = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(
        [python, "-P", "-c", _WHOSE], env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise RevisionError(
            f"commit {commit[:10]} does not import: {why}", "Name later commits: --commits A..B"
        )
    file = Path(done.stdout.strip())
    if not file.is_relative_to(code):
        message = f"commit {commit[:10]} has no package harness, or '{file.parent}' comes before it"
        raise RevisionError(message, "Name later commits, or uninstall what leads there")
    path = top / PROOF
    written = json.loads(path.read_bytes()) if path.is_file() else {}
    files.write_text(path, json.dumps({**written, commit: str(file.relative_to(code))}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
