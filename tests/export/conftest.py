"""One small job for all exporters: a variant that holds, one that violates an identity, one that dies; and a project for asv."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing

import pytest
from filelock import FileLock

from harness.export import asv
from harness.judging import jobs
from tests.conftest import TIME_LIMIT, Harness

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Job, RunResult

PROBE = """
def measure(run):
    with run.stage("train"):
        guess(run, right=90 + run.seed)
    run.record("model.bytes", 1000.0)
    run.record("spectrum", [[3.0, 2.0], [1.0, 0.5]])
    run.record("=1+1", -2.0)
    if run.options.get("break"):
        run.identity(IdentityCheck("sum", 1.0, 1e-6, "a + b = b + a", "by hand"))
    if run.options.get("die"):
        print("\\x1b[31mred\\x1b[0m")
        raise ValueError("as asked <for> & more")

SCENARIO = declare(
    measure, tiers={"smoke": {}, "short": {}}, gated=("accuracy", "train.seconds"),
    metrics=(Metric("model.bytes", kind="size", unit="B", better="lower"), Metric("spectrum"), Metric("=1+1", better="lower")),
    variants=(Variant(name="good"), Variant(name="bad", options={"break": True}), Variant(name="dead", options={"die": True})),
)
"""


@pytest.fixture(scope="session")
def folder(shared: Path, cache: Path) -> Path:
    """Folder of the job, made once for all workers and read only: variants good (3 seeds), bad and dead (as many) in tier short."""
    command = Harness(shared / "exported", cache)
    with FileLock(shared / "exported.lock"):
        if not command.folder.exists():
            command.folder.mkdir()
            command.scenario(PROBE)
            command.repository()
            words = ("run", "probe:all", "--scenarios", "probe.py", "--tier", "short", "--seeds", "3")
            done = command(*words, "--out", "out")
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


@dataclasses.dataclass(frozen=True)
class Project:
    """A repository with asv's configuration and two commits."""

    folder: Path
    commits: tuple[str, str]

    @property
    def results(self) -> Path:
        """Asv's results_dir."""
        return self.folder / "results"

    def asv(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the real asv here."""
        command = [sys.executable, "-m", "asv", *words]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, job: Job) -> Project:
    """Two commits with exported results; the second has lost 30 points of accuracy."""
    folder = tmp_path_factory.mktemp("project")
    git = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    settings = {
        "version": 1, "project": "probe", "repo": ".", "branches": ["main"], "environment_type": "existing",
        "results_dir": "results", "html_dir": "html",
    }  # fmt: skip
    (folder / "asv.conf.json").write_text(json.dumps(settings))
    commits = []
    for message in ("first", "second"):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        commits.append(head.stdout.strip())
    made = Project(folder, (commits[0], commits[1]))
    asv.write(dataclasses.replace(job, commit=commits[0]), made.results, "", folder)
    asv.write(worse(dataclasses.replace(job, commit=commits[1])), made.results, "", folder)
    return made


def worse(job: Job) -> Job:
    """Take 0.3 off the accuracy of every run."""
    results = []
    for result in job.results:
        metrics = dict(result.metrics)
        if "accuracy" in metrics:
            lower = typing.cast("float", metrics["accuracy"].value) - 0.3
            metrics["accuracy"] = dataclasses.replace(metrics["accuracy"], value=lower)
        results.append(dataclasses.replace(result, metrics=metrics))
    return dataclasses.replace(job, results=tuple(results))
