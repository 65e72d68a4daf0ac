"""Fixtures: a command line in a process of its own, and scenario files that misbehave."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import typing
from pathlib import Path

import hypothesis
import pytest

from tests import browsing
from tests.forked import Forks

# what a test may take is pytest-timeout's affair: a loaded machine is no failure of a property
hypothesis.settings.register_profile(
    "harness", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("harness")

# a shell that starts this in the background has Ctrl-C ignored, in children too: those that are interrupted here must hear it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# commands that tests start, pytest among them, are no workers of this run
for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
    del os.environ[name]

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

LONGEST = (
    "report/test_browser.py",
    "test_pytest_plugin.py",
    "running/test_resume.py",
    "running/test_executors.py",
    "judging/gate/test_command.py",
    "test_soak.py",
    "cli/test_faults.py",
    "test_tutorial.py",
    "judging/gate/test_flips_command.py",
    "judging/test_probes.py",
    "judging/gate/test_against.py",
    "benchmarks/test_asv.py",
    "session/test_concurrency.py",
    "session/test_past.py",
    "benchmarks/test_fresh_environment.py",
    "benchmarks/test_backends.py",
    "running/test_limits.py",
    "judging/test_equivalence.py",
    "measure/test_work_keras.py",
    "sources/test_keras_scenarios.py",
    "sources/test_sweep_resumes.py",
    "sources/mnist_autoencoder/test_pipeline.py",
)
"""Files that take longest, begun first: of two workers none goes on alone with one of them at the end."""

# the command line sets it for itself; where a test calls it in this process, later ones must not differ
os.environ["MPLBACKEND"] = "agg"

HEAD = """
import numpy as np
from harness import Expectation, IdentityCheck, Metric, Run, Scenario, Source, Variant

def declare(measure, **changes):
    fields = dict(
        name="probe", version=1, source=Source(slug="probe", title="A probe"), measure=measure,
        variants=(Variant(name="default"), Variant(name="other")), tiers={"smoke": {}}, gated=("accuracy",),
        deterministic=True,
    )
    return Scenario(**{**fields, **changes})

def guess(run, right=90):
    labels = np.arange(100) % 10
    predicted = labels.copy()
    predicted[right:] = (labels[right:] + 1) % 10
    run.predictions(labels, predicted)
"""


SMALLER = """
import dataclasses
from harness.sources.mnist_autoencoder.scenario import SCENARIO as BUILT_IN

def measure(run):
    whole = run.dataset
    def cut(name):
        data = whole(name)
        test = dataclasses.replace(data.test, images=data.test.images[:128], labels=data.test.labels[:128])
        return dataclasses.replace(data, test=test)
    run.dataset = cut
    BUILT_IN.measure(run)

SMOKE = {**BUILT_IN.tiers["smoke"], "limit": 128, "frozen_epochs": 2, "tuning_epochs": 1, "sweep_epochs": 1}
SCENARIO = dataclasses.replace(BUILT_IN, name="smaller", measure=measure, tiers={"smoke": SMOKE})
"""
"""A scenario file: the autoencoder on fewer images for fewer epochs, where only the way matters."""


def one_thread(*words: str) -> list[str]:
    """Return a command's words, with one thread if it begins runs and does not name a number."""
    begins = words[:1] in {("run",), ("gate",)} and not {"--resume", "--threads"} & set(words)
    return [*words, *(("--threads", "1") if begins else ())]


def git(folder: Path, *words: str) -> str:
    """Run git in a folder, as somebody, and return what it prints."""
    named = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *named, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@functools.cache
def forks() -> Forks:
    """Return what forks commands, started for the first of them."""
    made = Forks()
    atexit.register(made.close)
    return made


@dataclasses.dataclass(frozen=True)
class Finished:
    """A finished command."""

    code: int
    out: str
    err: str


TIME_LIMIT = 500
"""Seconds that a command may take: on a loaded machine ten times what it takes alone."""


class Harness:
    """The `harness` command in a folder of its own, with its own cache and no data but what ships.

    Runs have one thread unless a test says otherwise: probes compute nothing, and a second thread would only wait for the other tests'.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "HARNESS_CACHE": str(cache),
            "COLUMNS": "200",
            "GIT_CEILING_DIRECTORIES": str(folder.parent),
        }
        self.environment.pop("HARNESS_DATA", None)

    def __call__(self, *arguments: str, **environment: str) -> Finished:
        """Run the command and wait for it."""
        variables, words = {**self.environment, **environment}, one_thread(*arguments)
        if forks().suit(self.folder, variables):
            return Finished(*forks().run(words, self.folder, variables, TIME_LIMIT))
        done = subprocess.run(
            [sys.executable, "-m", "harness", *words], cwd=self.folder, env=variables, capture_output=True, text=True,
            timeout=TIME_LIMIT, check=False,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)

    def scenario(self, body: str, name: str = "probe.py") -> str:
        """Write a scenario file with `body` after the common head and return its name."""
        (self.folder / name).write_text(HEAD + textwrap.dedent(body))
        return name

    def job(self, out: str) -> dict[str, typing.Any]:
        """Read the run.json below `out`."""
        return typing.cast("dict[str, typing.Any]", json.loads((self.folder / out / "run.json").read_text()))

    def baseline(self, *words: str) -> None:
        """Accept a baseline of five runs of probe.py; `words` go to `harness run`."""
        run = f"run {' '.join(words)} --scenarios probe.py --seeds 5 --no-count --out first"
        propose = "baseline propose first --scenarios probe.py --who T --reason test"
        for step in (run, propose, "baseline accept first"):
            done = self(*step.split())
            assert done.code == 0, done.err

    def repository(self) -> None:
        """Make the folder a git checkout with one commit."""
        git(self.folder, "init", "-q")
        self.commit("start")

    def commit(self, message: str) -> str:
        """Commit everything in the folder, and return the commit."""
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-qm", message, "--allow-empty")
        return git(self.folder, "rev-parse", "HEAD")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first, the rest as they were."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start headless Chromium, one for all tests of a worker: two would share an event loop; or skip loudly."""
    with browsing.started() as started:
        yield started


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the whole session: the embedded images are decoded once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of this session have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if hasattr(request.config, "workerinput") else own


@pytest.fixture
def harness(tmp_path: Path, cache: Path) -> Harness:
    """Return the command, run in an empty folder."""
    return Harness(tmp_path, cache)


@pytest.fixture(scope="module")
def kept_job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Run the module's ``PROBE`` once and return the folder that it was typed in, with the job in ``out``."""
    harness = Harness(tmp_path_factory.mktemp("kept"), cache)
    harness.scenario(request.module.PROBE)
    done = harness("run", "probe", "--scenarios", "probe.py", "--no-count", "--out", "out")
    assert done.code in {0, 1}, done.out + done.err
    return harness.folder


@pytest.fixture
def stored(kept_job: Path, harness: Harness) -> Harness:
    """Return the command in a folder that holds a copy of the module's job."""
    shutil.copytree(kept_job, harness.folder, dirs_exist_ok=True)
    return harness


@pytest.fixture
def run_probe(harness: Harness) -> Callable[..., Finished]:
    """Write a scenario file and run it into ``out``."""

    def run(body: str, *arguments: str, **environment: str) -> Finished:
        return harness(
            "run", "probe", "--scenarios", harness.scenario(body), "--out", "out", *arguments, **environment
        )

    return run
