"""The tutorial does what it says: its commands are executed as written."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.conftest import Harness

pytestmark = pytest.mark.system

DOCS = Path(__file__).resolve().parent.parent / "docs"


def commands() -> list[list[str]]:
    """List the tutorial's console lines, without the program's name."""
    blocks = re.findall(r"```console\n(.*?)```", (DOCS / "tutorial.md").read_text(), flags=re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Return a repository in which the commands up to the accepted baseline were typed."""
    first = Harness(tmp_path_factory.mktemp("tutorial"), cache)
    first.repository()
    for step in commands()[:5]:
        done = first(*step)
        assert done.code == 0, (step, done.out, done.err)
    return first.folder


@pytest.fixture
def halfway(begun: Path, tmp_path: Path, cache: Path) -> Harness:
    """Return the command in a copy of it."""
    return Harness(shutil.copytree(begun, tmp_path / "tutorial"), cache)


def test_the_tutorial_works_as_written(halfway: Harness) -> None:
    """Every command of the page succeeds, the value is reproduced, and the second run is compared with the accepted baseline."""
    harness = halfway
    steps = commands()
    assert len(steps) == 7
    for step in steps[5:]:
        done = harness(*step)
        assert done.code == 0, (step, done.out, done.err)
    judged = harness.job("reports/second")["comparisons"][0]["judgements"]
    verdicts = {item["metric"]: item["verdict"] for item in judged if item["against"] == "baseline"}
    assert set(verdicts.values()) == {"PASS"}
    scored = {name for name in verdicts if not name.startswith("work.")}
    assert scored == {"accuracy", "total.above_imports_bytes", "model.bytes"}
    assert "work.stored_bytes" in verdicts
    expectations = [item for item in judged if item["against"] == "expectation"]
    assert [item["verdict"] for item in expectations] == ["REPRODUCED"]
    assert "my_scenario" in (harness.folder / "reports/second/index.html").read_text()


def test_the_regression_that_the_tutorial_suggests(halfway: Harness) -> None:
    """Training on 100 images instead of 1,000 is REGRESSED in accuracy, by bound and ranks."""
    harness = halfway
    scenario = harness.folder / "my_scenario.py"
    scenario.write_text(scenario.read_text().replace('"train_images": 1000', '"train_images": 100'))
    done = harness(*commands()[6])
    assert done.code == 0
    (verdict,) = (
        i["verdict"]
        for i in harness.job("reports/second")["comparisons"][0]["judgements"]
        if i["metric"] == "accuracy" and i["against"] == "baseline"
    )
    assert verdict == "REGRESSED"
    assert "ccuracy of my_scenario:default fell" in done.out
