"""Fixtures: the unchanged program with its baselines, made once here and now, and the table of what was caught.

Workers of pytest-xdist share program and baselines. Each has a cache of its own, and with it a measuring lock of its own.
"""

from __future__ import annotations

import os
import typing
from pathlib import Path

import pytest
from filelock import FileLock

from tests.planted import table
from tests.planted.faults import BASELINE_SEEDS
from tests.planted.program import Program

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def program(shared: Path, cache: Path) -> Program:
    """Return an unchanged copy, in a repository of its own."""
    with FileLock(shared / "program.lock"):
        new = not (shared / "program").exists()
        copy = Program(shared / "program", cache)
        if new:
            copy.commit("start")
    return copy


@pytest.fixture(scope="session")
def baselines(shared: Path, program: Program) -> Callable[[str], Path]:
    """Return a function that makes the baseline of a scenario, once, and names the folder of all."""

    def make(scenario: str) -> Path:
        folder, (name, variant) = program.folder / "baselines", scenario.split(":")
        out = f"first-{name}-{variant}"
        with FileLock(shared / f"{out}.lock"):
            if (folder / name / variant).exists():
                return folder
            for words in (
                ("run", scenario, "--seeds", str(BASELINE_SEEDS[scenario]), "--count", "--out", out),
                ("baseline", "propose", out, "--who", "T", "--reason", "the unchanged program"),
                ("baseline", "accept", out),
            ):
                done = program.run(*words)
                assert done.returncode == 0, done.stdout + done.stderr
        return folder

    return make


@pytest.fixture(scope="session")
def rows() -> Iterator[list[table.Row]]:
    """Collect the table's rows; at the end they are printed, and written to the file that HARNESS_PLANTED_TABLE names."""
    found: list[table.Row] = []
    yield found
    text = table.markdown(found)
    print(f"\n{text}")  # noqa: T201 - the table is what this suite tells
    if name := os.environ.get("HARNESS_PLANTED_TABLE"):
        Path(name).write_text(text)
