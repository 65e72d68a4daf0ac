"""Run the tests: ``python -m tests [quick | rest | all | SUITE ...]``, the quick ones by default.

Each framework's tests are a pytest process of their own: torch and TensorFlow in one process abort (LLVM registers an option twice).
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
import typing
from pathlib import Path

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
PYTEST = [sys.executable, "-m", "pytest"]
TORCH = ("tests/sources", "tests/measure/test_trajectory.py", "tests/measure/test_work_torch.py")
KERAS = ("tests/sources", "tests/measure/test_callbacks.py", "tests/measure/test_work_keras.py")
"""Where tests of a framework lie: each process collects no other files."""
SECOND_BACKEND = ("mnist_interpolation", "digits1000_cnn")
"""Pipelines whose tests train on torch as well."""
TWO = ["-n", "2", "--no-loadscope-reorder", "--dist"]
"""Two workers, in the order of `LONGEST` in ``tests/conftest.py``; each has its own cache, and with it its own measuring lock."""
FILES = [*TWO, "loadfile"]
"""Two files at a time, whose fixtures are made once."""
APART = "not (torch or keras or planted)"
LONG = os.environ.get("HARNESS_PLANTED_LONG") == "1"
GITHUB = ROOT / ".github"
WORKFLOWS = sorted(str(path.relative_to(ROOT)) for path in GITHUB.glob("workflows/*.yml"))
FORMS = sorted(
    str(path.relative_to(ROOT)) for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.name != "config.yml"
)
VALIDATE = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
"""Two workers share two cores: on a busy machine a second OpenMP thread made these small networks up to thirty times slower."""


@dataclasses.dataclass(frozen=True)
class Suite:
    """Commands that are named together."""

    about: str
    """What it covers."""
    marks: str = ""
    """Marker expression of a suite that pytest runs; empty for a suite of other commands."""
    arguments: Sequence[str] = ()
    """Options and files for pytest."""
    commands: Sequence[Sequence[str]] = ()
    """The other commands."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Variables that must be set before Python starts: Keras reads its backend when it is first imported."""


SUITES = {
    "lint": Suite(
        "style, types, import layers, workflows, the documentation's site",
        commands=[
            [sys.executable, "-m", "ruff", "check"],
            [sys.executable, "-m", "ruff", "format", "--check"],
            [sys.executable, "-m", "mypy"],
            [str(Path(sys.executable).with_name("lint-imports"))],
            [*VALIDATE, "vendor.github-workflows", *WORKFLOWS],
            [*VALIDATE, "vendor.github-actions", "action.yml"],
            [*VALIDATE, "vendor.github-issue-forms", *FORMS],
            [*VALIDATE, "vendor.citation-file-format", "CITATION.cff"],
            [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"],
        ],
        environment={"NO_MKDOCS_2_WARNING": "1"},
    ),
    "core": Suite(
        "judging, commands, files, reports", f"{APART} and not (system or browser)", arguments=FILES
    ),
    "torch": Suite("pipelines on PyTorch", "torch", arguments=[*FILES, *TORCH], environment=ONE_THREAD),
    "keras": Suite(
        "pipelines on Keras with TensorFlow",
        "keras",
        arguments=[*FILES, *KERAS],
        environment={**QUIET, **ONE_THREAD, "KERAS_BACKEND": "tensorflow"},
    ),
    "keras-torch": Suite(
        "pipelines on Keras with PyTorch",
        "keras",
        arguments=[*FILES, *(f"tests/sources/{name}/test_experiment.py" for name in SECOND_BACKEND)],
        environment={**QUIET, **ONE_THREAD, "KERAS_BACKEND": "torch"},
    ),
    "system": Suite(
        "whole stories, asv, Dask, wheels, browsers", f"{APART} and (system or browser)", arguments=FILES
    ),
    "planted": Suite(
        "gates on copies of the project with planted faults",
        "planted",
        # one gate after the other where their times are compared
        arguments=[*([] if LONG else [*TWO, "loadgroup"]), "tests/planted"],
    ),
}
QUICK = ("core", "torch", "keras")
"""Suites whose tests are quick unless they are marked slow."""
GROUPS = {
    "quick": [(name, "not slow") for name in QUICK],
    "rest": [(name, "slow" if name in QUICK else "") for name in SUITES],
    "all": [(name, "") for name in SUITES],
}
"""Suites with what narrows their marks. `quick` and `rest` together are `all`, every test once."""
USAGE = f"""usage: python -m tests [GROUP | SUITE ...]

groups: quick (default), rest (what quick leaves out), all
suites:
{chr(10).join(f"  {name:<12} {suite.about}" for name, suite in SUITES.items())}"""


def commands(suite: Suite, narrowed: str) -> list[list[str]]:
    """Return the commands of a suite, for those of its tests that carry the mark `narrowed` (``slow``, ``not slow``; empty for all)."""
    if not suite.marks:
        return [list(command) for command in suite.commands]
    marks = f"({suite.marks}) and {narrowed}" if narrowed else suite.marks
    return [[*PYTEST, "-m", marks, *suite.arguments]]


def left_out() -> str:
    """Return what the quick tests do not cover, with the command that runs it."""
    slow = f"slow tests of {', '.join(QUICK)}"
    others = [f"{name} ({suite.about})" for name, suite in SUITES.items() if name not in QUICK]
    return "\n  ".join(["left out; python -m tests rest runs it:", slow, *others])


def main(words: list[str]) -> int:
    """Run what the words name, and return 0 if every command succeeded, 1 if not, 2 for an unknown word."""
    if {"-h", "--help"} & set(words):
        print(USAGE)
        return 0
    chosen: list[tuple[str, str]] = []
    for word in words or ["quick"]:
        if word not in {*GROUPS, *SUITES}:
            print(f"unknown suite {word}\n{USAGE}")
            return 2
        chosen += GROUPS.get(word, [(word, "")])
    failed, begun = [], time.perf_counter()
    for name, narrowed in chosen:
        for command in commands(SUITES[name], narrowed):
            start = time.perf_counter()
            print(f"--- {name}: {' '.join(Path(part).name for part in command)}", flush=True)
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", **SUITES[name].environment}
            code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
            print(f"--- {name}: exit {code} after {time.perf_counter() - start:.0f} s", flush=True)
            failed += [name] if code else []
    ended = f"failed: {', '.join(failed)}" if failed else "every suite passed"
    print(f"{ended} after {time.perf_counter() - begun:.0f} s", flush=True)
    if words in ([], ["quick"]):
        print(left_out(), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
