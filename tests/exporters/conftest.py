"""One small job for all exporters: a variant that holds, one that violates an identity, one that dies."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from harness import jobs
from tests.conftest import Harness

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job, RunResult

PROBE = """
def measure(run):
    with run.stage("train"):
        guess(run, right=90 + run.seed)
    run.record("model.bytes", 1000.0, unit="B", kind="size", better="lower")
    run.record("spectrum", [[3.0, 2.0], [1.0, 0.5]])
    run.record("=1+1", -2.0, better="lower")
    if run.options.get("break"):
        run.identity(IdentityCheck("sum", 1.0, 1e-6, "a + b = b + a", "by hand"))
    if run.options.get("die"):
        print("\\x1b[31mred\\x1b[0m")
        raise ValueError("as asked <for> & more")

SCENARIO = declare(
    measure, tiers={"smoke": {}, "short": {}}, gated=("accuracy", "train.seconds"),
    variants=(Variant(name="good"), Variant(name="bad", options={"break": True}), Variant(name="dead", options={"die": True})),
)
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Folder of the job: variants good (3 seeds), bad and dead (as many) in tier short."""
    command = Harness(tmp_path_factory.mktemp("job"), cache)
    command.scenario(PROBE)
    command.repository()
    done = command(
        "run", "probe:all", "--scenarios", "probe.py", "--tier", "short", "--seeds", "3", "--out", "out"
    )
    assert done.code == 1, done.out + done.err
    return command.folder / "out"


@pytest.fixture(scope="session")
def job(folder: Path) -> Job:
    """Read the job, as if nothing else had run on the machine, so that its times count."""
    stored = jobs.read(folder)
    return dataclasses.replace(stored, results=tuple(_quiet(result) for result in stored.results))


def _quiet(result: RunResult) -> RunResult:
    if result.measurement is None:
        return result
    return dataclasses.replace(result, measurement=dataclasses.replace(result.measurement, foreign_cpu=0.0))
