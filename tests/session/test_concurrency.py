"""Several processes that change the same files at once: one wins or both do, and nothing is torn."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import typing

import psutil
import pytest

from tests.conftest import one_thread

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness

pytestmark = pytest.mark.slow

VARIES = """
def measure(run):
    guess(run, right=80 + run.seed)

SCENARIO = declare(measure, variants=tuple(Variant(name=f"v{i}") for i in range(2)))
"""


def at_once(harness: Harness, *commands: list[str]) -> list[tuple[int, str]]:
    """Run commands together and return their exit codes and errors."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "harness", *one_thread(*words)], cwd=harness.folder, env=harness.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        for words in commands
    ]  # fmt: skip
    told = [process.communicate(timeout=240)[1] for process in started]
    return [(process.returncode, err) for process, err in zip(started, told, strict=True)]


def reasons(harness: Harness, folder: str) -> list[str]:
    """Return the reasons of all baselines below a folder."""
    return [json.loads(path.read_text())["reason"] for path in (harness.folder / folder).glob("*/*/*/*.json")]


def test_proposals_and_baselines(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Of three proposals at once one is there whole, and of two sets accepted at once too, each file whole."""
    harness.scenario(VARIES)
    harness.repository()
    done = run_probe(VARIES, "probe:all", "--seeds", "5", "--no-count")
    assert done.code == 0, done.err
    propose = ["baseline", "propose", "out", "--who", "me", "--scenarios", "probe.py", "--reason"]
    ended = at_once(harness, *([*propose, f"reason {number}"] for number in range(3)))
    assert [code for code, _ in ended] == [0, 0, 0], ended
    found = reasons(harness, "out/proposals")
    assert (len(found), len(set(found))) == (2, 1)
    shutil.copytree(harness.folder / "out", harness.folder / "other")
    assert harness("baseline", "propose", "other", *propose[3:], "another").code == 0
    accept = (["baseline", "accept", "out"], ["baseline", "accept", "other"], ["baseline", "accept", "out"])
    ended = at_once(harness, *accept)
    assert [code for code, _ in ended] == [0, 0, 0], ended
    accepted = reasons(harness, "baselines")
    assert (len(accepted), len(set(accepted))) == (2, 1)
    assert not list(harness.folder.rglob("*.tmp"))
    assert not list(harness.folder.rglob(".proposals*"))


def test_two_jobs_into_one_folder(harness: Harness) -> None:
    """Of two jobs that start into one folder together one is refused, or comes after the other; the results are one job's."""
    harness.scenario(VARIES)
    words = ["run", "probe", "--scenarios", "probe.py", "--out", "out", "--seeds"]
    ended = at_once(harness, [*words, "1"], [*words, "2"])
    codes = sorted(code for code, _ in ended)
    assert codes in ([0, 0], [0, 2]), ended
    results = harness.job("out")["results"]
    planned = json.loads((harness.folder / "out/plan.json").read_text())["requests"]
    assert [result["request"]["seed"] for result in results] == [request["seed"] for request in planned]
    assert all(result["status"] == "ok" for result in results)
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if str(harness.folder) in str(process.info)
    ]


def test_judging_while_judging(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Two judges of one job at once leave a whole run.json and a whole page."""
    assert run_probe(VARIES, "--seeds", "1").code == 0
    judge = ["judge", "out", "--scenarios", "probe.py"]
    assert [code for code, _ in at_once(harness, judge, judge, ["report", "out"])] == [0, 0, 0]
    assert len(harness.job("out")["results"]) == 1
    assert (harness.folder / "out/index.html").read_text().rstrip().endswith("</html>")
