"""Where a regression comes from: gates of a user's project, from the outside, with a planted slow line and a planted larger array."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest

from harness.errors import MissingExtraError
from harness.judging import wording
from harness.measure import profiling
from harness.records import Place, Site, Why
from harness.session import why

if typing.TYPE_CHECKING:
    from collections.abc import Callable

MODEL = """\
import numpy as np


def features(images):
    rows = [np.sort(row) for row in images]
    return np.asarray(rows)


def augment(images):
    total = 0
    for _ in range({rounds}):
        total += sum(range(20_000))
    return images


def expand(images):
    return np.zeros(({mebibytes}, 2**17))


def predict(rows):
    return (rows.sum(axis=1) > 0).astype(int)
"""
SCENARIO = """\
import numpy as np

import harness
import model


def measure(run):
    rng = np.random.default_rng(run.seed)
    images = rng.normal(size=(2000, 64))
    with run.stage("train"):
        rows = model.features(model.augment(images))
        held = model.expand(images)
        held[:, 0] = rows[0, 0]
        held += 1.0
    labels = (images.sum(axis=1) + rng.normal(size=2000) > 0).astype(int)
    run.predictions(labels, model.predict(images))


SCENARIO = harness.Scenario(
    name="own", version=1, source=harness.Source(slug="own", title="Own"), measure=measure, variants=(harness.Variant(name="default"),),
    tiers={"smoke": {}}, gated=("accuracy", "train.seconds", "train.above_imports_bytes"),
)
"""


class Project:
    """A user's repository with one scenario."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        (folder / "scenario.py").write_text(SCENARIO)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        """Run git as an author of its own."""
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *who, *words], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, subject: str, **sizes: int) -> None:
        """Write the model with these sizes and commit it."""
        text = MODEL
        for name, size in {"rounds": 1, "mebibytes": 8, **sizes}.items():
            text = text.replace(f"{{{name}}}", str(size))
        (self.folder / "model.py").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)

    def gate(self, *words: str) -> tuple[str, dict[str, typing.Any]]:
        """Run the installed command; return what it printed and the job."""
        done = subprocess.run(
            [sys.executable, "-m", "harness", "gate", "own", "--scenarios", "scenario.py", "--tier", "smoke", "--threads", "1",
             "--against", "main~1", "--out", "out", "--force", *words],
            cwd=self.folder, env=os.environ | {"HARNESS_CACHE": str(self.cache)}, capture_output=True, text=True, check=False, timeout=500,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout, json.loads((self.folder / "out" / "run.json").read_text())


@pytest.fixture
def project(tmp_path: Path) -> Callable[[], Project]:
    """Make a project whose first commit is the unchanged one."""

    def make() -> Project:
        folder = tmp_path / "own"
        folder.mkdir()
        made = Project(folder, tmp_path / "cache")
        made.commit("start")
        return made

    return make


def burn() -> int:
    """Take about a fifth of a second in one line."""
    total = 0
    for _ in range(300):
        total += sum(range(30_000))
    return total


def hold(kept: list[np.ndarray]) -> None:
    """Allocate 8 MiB that stay and 16 MiB that do not."""
    kept.append(np.ones(2**20))
    np.ones(2**21).sum()


def test_seconds_are_given_to_the_line_that_takes_them() -> None:
    """The function that works has nearly all of its stage's time; files are named below the root."""
    profile = profiling.Profile("profile-time", Path(__file__).parent)
    with profile.stage("train"):
        burn()
    (sites,) = profile.sites.values()
    whole = sum(site.amount for site in sites)
    assert sum(site.amount for site in sites if site.function == "burn") > 0.9 * whole > 0.02
    assert {site.file for site in sites if site.function == "burn"} == {Path(__file__).name}


def test_bytes_are_given_to_the_line_that_holds_them_at_the_peak() -> None:
    """Both arrays live at the peak, one of them at the end."""
    profile, kept = profiling.Profile("profile-memory", Path(__file__).parent), list[np.ndarray]()
    profile.run(lambda: hold(kept))

    def held(name: str) -> float:
        return sum(site.amount for site in profile.sites[name] if site.function == "hold") / 2**20

    assert 24 <= held(profiling.PEAK) < 25
    assert 8 <= held(profiling.LEFT) < 9


def test_a_missing_profiler_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which package, and the extra that brings it."""
    monkeypatch.setitem(sys.modules, "memray", None)
    with pytest.raises(MissingExtraError, match=r"memray.*report-harness\[why\]"):
        profiling.Profile("profile-memory", Path.cwd())


def site(function: str, line: int, amount: float, count: int = 1) -> Site:
    """Return a site in a file that git does not know."""
    return Site(file="model.py", function=function, line=line, amount=amount, count=count)


def test_the_sides_are_set_beside_each_other_by_function(tmp_path: Path) -> None:
    """Lines that moved are one function; what head no longer does counts as less."""
    base = {"train": [site("a", 3, 1.0), site("gone", 9, 0.5)]}
    head = {
        "train": [site("a", 13, 1.0), site("a", 14, 2.0), site("new", 1, 0.25)],
        "other": [site("a", 1, 7.0)],
    }
    known = Why(scenario="s", variant="v", metric="train.seconds", kind="runtime", stage="train")
    places = why.places(base, head, known, tmp_path, "HEAD")
    assert [(place.function, place.line, place.more) for place in places] == [
        ("a", 14, 2.0),
        ("new", 1, 0.25),
        ("gone", 9, -0.5),
    ]


@pytest.mark.parametrize(
    ("change", "amounts", "shown"),
    [(1.0, (0.6, 0.3), True), (2.0, (0.6, 0.3), False), (1.0, (0.2, 0.2, 0.2), False), (1.0, (), False)],
    ids=["most of it", "less than half", "no place has a quarter", "nothing"],
)
def test_nothing_is_claimed_that_the_pair_does_not_show(
    change: float, amounts: tuple[float, ...], shown: bool
) -> None:
    """At least half of the measured difference, and one place with a quarter of it."""
    known = Why(
        scenario="s", variant="v", metric="train.seconds", kind="runtime", stage="train", change=change
    )
    places = [
        Place(file="m.py", function=f"f{index}", line=1, base=0.0, head=more)
        for index, more in enumerate(amounts)
    ]
    found = why.concluded(known, places)
    assert found.shown == shown
    assert ("no place stands out" in wording.why(found)) != shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "metric", "function", "said"),
    [
        ({"rounds": 800}, "train.seconds", "augment", "Time of train"),
        ({"mebibytes": 48}, "train.above_imports_bytes", "expand", "Memory of train"),
    ],
    ids=["time", "memory"],
)
def test_the_planted_function_is_named_first(
    project: Callable[[], Project], sizes: dict[str, int], metric: str, function: str, said: str
) -> None:
    """Terminal, page and record name the function, its line and the commit that changed it."""
    own = project()
    own.commit("make it worse", **sizes)
    printed, job = own.gate()
    (found,) = job["gate"]["why"]
    first = found["places"][0]
    assert (found["metric"], found["shown"], found["error"]) == (metric, True, "")
    assert (first["function"], first["file"]) == (function, "model.py")
    assert first["commit"] == own.git("rev-parse", "--short", "HEAD")
    assert first["subject"] == "make it worse (Ada)"
    assert first["head"] > 2 * first["base"]
    assert f"Why own:default {metric}: {said}" in printed
    assert function in (own.folder / "out" / "index.html").read_text()
