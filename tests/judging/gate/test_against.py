"""``harness gate --against REF`` from the outside: two commits of a user's repository, and a gate that goes on after an interrupt."""

from __future__ import annotations

import json
import typing

import pytest

from harness.judging.gate.trials import CONFIRM_SEED
from tests.conftest import HEAD, Harness

if typing.TYPE_CHECKING:
    from tests.conftest import Finished

pytestmark = pytest.mark.system

BODY = """
import helper

def measure(run):
    rng = np.random.default_rng(run.seed)
    labels = rng.integers(0, 10, 1000)
    wrong = rng.random(1000) < helper.ERROR
    with run.stage("train"):
        sum(range(1000))
    run.predictions(labels, np.where(wrong, (labels + 1) % 10, labels))

SCENARIO = declare(measure, gated=("accuracy",))
"""


def commit(harness: Harness, error: float) -> None:
    """Commit a helper module with another error rate."""
    (harness.folder / "helper.py").write_text(f"ERROR = {error}\n")
    harness.commit("next")


def gate(harness: Harness, *options: str) -> Finished:
    """Gate the checked out commit against the one before."""
    return harness(
        "gate", "probe", "--scenarios", "bench/probe.py", "--against", "HEAD~1", "--out", "gate", *options
    )


@pytest.fixture
def repository(harness: Harness) -> Harness:
    """Return the command in a repository of one commit with a tenth of the images wrong."""
    (harness.folder / ".gitignore").write_text("gate/\n__pycache__/\n")
    (harness.folder / "bench").mkdir()
    (harness.folder / "bench" / "probe.py").write_text(HEAD + BODY)
    (harness.folder / "helper.py").write_text("ERROR = 0.1\n")
    harness.repository()
    return harness


def test_a_worse_commit_fails_and_an_interrupted_gate_goes_on(repository: Harness) -> None:
    """Exit 1 for lost accuracy; runs that were lost are done again, on both sides, with the user's own scenario file."""
    commit(repository, 0.2)
    done = gate(repository, "--seeds", "3")
    assert done.code == 1, done.out + done.err
    judged = repository.job("gate")["comparisons"]
    for name in ("run.json", "index.html"):
        (repository.folder / "gate" / name).unlink()
    lost = []
    for path in (repository.folder / "gate" / "runs").glob("*/result.json"):
        request = json.loads(path.read_bytes())["request"]
        if request["seed"] in {1, CONFIRM_SEED + 1}:
            path.unlink()
            lost.append((request["side"], request["round"]))
    assert sorted(lost) == [("base", "confirm"), ("base", "screen"), ("head", "confirm"), ("head", "screen")]
    done = repository("gate", "--resume", "gate")
    assert done.code == 1, done.out + done.err
    assert done.out.count("done in") == len(lost)
    again = repository.job("gate")["comparisons"]
    assert [found["verdict"] for found in again[0]["judgements"] if found["kind"] == "accuracy"] == [
        found["verdict"] for found in judged[0]["judgements"] if found["kind"] == "accuracy"
    ]
