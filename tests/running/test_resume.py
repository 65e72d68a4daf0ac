"""A job that ended early goes on where it stopped, whatever ended it; nothing finished is lost, repeated or counted twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing

import psutil
import pytest

from tests.conftest import one_thread

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness

GOOD = "SCENARIO = declare(guess)"
HANGS = """
import subprocess, sys, time
from pathlib import Path

def measure(run):
    guess(run)
    if run.seed == 1 and not Path("go").exists():
        child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(600)"])
        Path("starting").write_text(f"{os.getpid()} {child.pid}")
        Path("starting").rename("started")
        time.sleep(600)

import os
SCENARIO = declare(measure)
"""


def seeds(harness: Harness, out: str = "out") -> list[int]:
    """Return the seeds of the stored job's finished runs."""
    return [result["request"]["seed"] for result in harness.job(out)["results"] if result["status"] == "ok"]


def commit(harness: Harness) -> str:
    """Return the commit that is checked out."""
    words = ["git", "-C", str(harness.folder), "rev-parse", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def stamp(harness: Harness, seed: int) -> int:
    """Return when a run's result was written."""
    folder = harness.folder / "out" / "runs" / f"probe--default--smoke--numpy-cpu--seed{seed}"
    return (folder / "result.json").stat().st_mtime_ns


def begin(harness: Harness, body: str) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Start a job of three seeds, wait until its second run hangs, and return it with that run's processes."""
    words = ("run", "probe", "--scenarios", harness.scenario(body), "--out", "out", "--seeds", "3")
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *one_thread(*words)], cwd=harness.folder, env=harness.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    until((harness.folder / "started").exists, "the second run never started")
    return process, [int(pid) for pid in (harness.folder / "started").read_text().split()]


def until(condition: Callable[[], bool], told: str, seconds: float = 240) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Return whether a process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def goes_on(harness: Harness, first: int) -> None:
    """See that --resume does the two missing runs and keeps the first."""
    (harness.folder / "go").touch()
    done = harness("run", "--resume", "out")
    assert done.code == 0, done.err
    assert seeds(harness) == [0, 1, 2]
    assert stamp(harness, 0) == first
    assert "2/2" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_job_goes_on(harness: Harness, how: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and a lost terminal of the runner end its workers too, store what is finished and say how to go on."""
    process, workers = begin(harness, HANGS)
    first = stamp(harness, 0)
    process.send_signal(how)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    until(lambda: all(map(gone, workers)), "a process of the worker outlived the runner")
    assert seeds(harness) == [0]
    assert b"harness run --resume out" in err
    assert "2 planned runs are missing" in (harness.folder / "out" / "index.html").read_text()
    goes_on(harness, first)


def test_a_killed_job_goes_on(harness: Harness) -> None:
    """SIGKILL of the runner ends its workers, frees its lock and loses nothing: what it finished is judged, and no new job overwrites it."""
    process, workers = begin(harness, HANGS)
    first = stamp(harness, 0)
    plan = json.loads((harness.folder / "out" / "plan.json").read_text())
    assert [request["seed"] for request in plan["requests"]] == [0, 1, 2]
    assert os.path.isabs(plan["requests"][0]["scenario_paths"][0])  # noqa: PTH117 - a string of JSON
    again = ("run", "probe", "--scenarios", "probe.py", "--out", "out", "--seeds", "1")
    for arguments in (again, ("run", "--resume", "out")):
        done = harness(*arguments)
        assert done.code == 2
        assert "another run writes into 'out'" in done.err
    process.kill()
    process.communicate(timeout=240)
    assert process.returncode == -9
    until(lambda: all(map(gone, workers)), "a process of the worker outlived the runner")
    shutil.copytree(harness.folder / "out", harness.folder / "copy")
    done = harness("judge", "copy", "--scenarios", "probe.py")
    assert done.code == 0, done.err
    told = "interrupted 2 planned runs are missing, of probe:default (2). Next: harness run --resume copy"
    assert told in done.out
    assert seeds(harness, "copy") == [0]
    done = harness("run", "probe", "--scenarios", harness.scenario(GOOD, "good.py"), "--out", "other")
    assert done.code == 0, done.err
    assert "Waiting" not in done.out
    done = harness(*again)
    assert done.code == 2
    assert "holds a job with 2 of 3 runs to do. Type: harness run --resume out" in done.err
    goes_on(harness, first)
    assert harness(*again).code == 2
    assert harness(*again, "--force").code == 0
    assert sorted(path.name[-5:] for path in (harness.folder / "out" / "runs").iterdir()) == ["seed0"]


@pytest.mark.slow
def test_failed_and_torn_runs_are_done_again(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """On --resume a run that failed, and one whose result the disk lost in part; a finished one is not."""
    body = """
    from pathlib import Path

    def measure(run):
        if run.seed == 1 and not Path("mended").exists():
            raise RuntimeError("not yet")
        guess(run)

    SCENARIO = declare(measure)
    """
    assert run_probe(body, "--seeds", "3").code == 2
    first = stamp(harness, 0)
    torn = harness.folder / "out/runs/probe--default--smoke--numpy-cpu--seed2/result.json"
    torn.write_bytes(torn.read_bytes()[:100])
    (harness.folder / "mended").touch()
    assert harness("run", "--resume", "out").code == 0
    assert (seeds(harness), stamp(harness, 0)) == ([0, 1, 2], first)


def test_nothing_to_do(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Resuming a finished job runs nothing and shows it again; settings beside --resume are refused, as the plan has them."""
    assert run_probe(GOOD).code == 0
    before = stamp(harness, 0)
    done = harness("run", "--resume", "out")
    assert (done.code, stamp(harness, 0)) == (0, before)
    assert "Report: out/index.html" in done.out
    for extra in (("probe",), ("--tier", "smoke"), ("--seeds", "9"), ("--out", "elsewhere")):
        done = harness("run", "--resume", "out", *extra)
        assert done.code == 2, extra
        assert "--resume takes everything from the job's plan" in done.err
        assert not (harness.folder / "elsewhere").exists()


@pytest.mark.slow
def test_a_checkout_that_moves_while_runs_are_made(
    run_probe: Callable[..., Finished], harness: Harness
) -> None:
    """Some runs may be of the other commit: the job is of the first and dirty, and no resuming makes it clean again."""
    body = """
    import subprocess

    def measure(run):
        guess(run)
        subprocess.run(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "next", "--allow-empty"], check=True)

    SCENARIO = declare(measure)
    """
    harness.scenario(body)
    harness.repository()
    first = commit(harness)
    assert run_probe(body).code == 0
    assert harness.job("out")["commit"] == f"{first}+dirty"
    done = harness("run", "--resume", "out")
    assert done.code == 2
    subprocess.run(["git", "reset", "-q", "--soft", first], cwd=harness.folder, check=True)
    done = harness("run", "--resume", "out")
    assert done.code == 2
    assert f"began at commit '{first}+dirty'" in done.err


@pytest.mark.slow
def test_a_killed_job_is_of_the_commit_that_ran(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """What is put together after another commit was checked out names that of its runs, and so does a baseline made of it."""
    body = "SCENARIO = declare(guess, deterministic=True)"
    harness.scenario(body)
    harness.repository()
    first = commit(harness)
    assert run_probe(body, "--seeds", "5", "--no-count").code == 0
    (harness.folder / "out" / "run.json").unlink()
    harness.repository()
    assert commit(harness) != first
    done = harness("baseline", "propose", "out", "--scenarios", "probe.py", "--who", "T", "--reason", "test")
    assert done.code == 0, done.err
    (path,) = (harness.folder / "out" / "proposals").glob("*/*/*/*.json")
    assert json.loads(path.read_bytes())["commit"] == first


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no job to resume in 'out'"),
        (b"{", "plan.json is damaged"),
        (b'{"schema": 9, "created": "", "command": "", "commit": "", "baselines": "", "requests": []}', "has schema 9"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_used(harness: Harness, content: bytes | None, told: str) -> None:
    """A missing, damaged or newer plan is one error, and nothing is written."""
    (harness.folder / "out").mkdir()
    if content is not None:
        (harness.folder / "out" / "plan.json").write_bytes(content)
    done = harness("run", "--resume", "out")
    assert done.code == 2
    assert told in done.err
    assert not (harness.folder / "out" / "run.json").exists()


@pytest.mark.slow
def test_a_flaky_failure_is_repeated_once(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A run that fails once is repeated and shown as flaky, with why it failed first; one that always fails is ERROR."""
    body = """
    from pathlib import Path

    def measure(run):
        tried = Path(f"tried{run.seed}")
        tried.write_text(tried.read_text() + "x" if tried.exists() else "x")
        print("the last line of the log")
        if run.seed == 2 or (run.seed == 1 and tried.read_text() == "x"):
            raise RuntimeError("the moon was full")
        guess(run)

    SCENARIO = declare(measure)
    """
    done = run_probe(body, "--seeds", "3")
    assert done.code == 2
    assert [(harness.folder / f"tried{seed}").read_text() for seed in range(3)] == ["x", "xx", "xx"]
    sound, flaky, failed = harness.job("out")["results"]
    assert (sound["status"], sound["attempts"]) == ("ok", 1)
    assert (flaky["status"], flaky["attempts"]) == ("ok", 2)
    assert "the moon was full" in flaky["earlier_error"]
    assert (failed["status"], failed["attempts"]) == ("error", 2)
    assert "the last line of the log" in failed["log_tail"]
    assert "flaky" in done.out
    assert "flaky" in (harness.folder / "out" / "index.html").read_text()


@pytest.mark.slow
def test_a_plan_of_another_scenario_is_refused(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """A plan that names what is not declared here is one error, before anything is run."""
    assert run_probe(GOOD).code == 0
    path = harness.folder / "out" / "plan.json"
    path.write_text(path.read_text().replace('"scenario": "probe"', '"scenario": "prove"'))
    done = harness("run", "--resume", "out")
    assert done.code == 2
    assert "unknown scenario 'prove'. Did you mean 'probe'?" in done.err
    assert not list(harness.folder.glob("out/runs/prove*"))


KEEPS = """
import os
from pathlib import Path

def measure(run):
    parts = []
    for part in ("first", "second"):
        keeper = run.keeper(part)
        found = keeper.get()
        if found is None:
            with run.stage(part):
                found = {"values": np.arange(3) + len(part)}
            keeper.put(lambda: found)
            Path(f"did-{part}").write_text(str(os.getpid()))
        parts.append(found["values"].sum())
        if part == "first" and not Path("go").exists():
            os.kill(os.getpid(), 9)
    guess(run)
    run.record("sum", sum(parts))

SCENARIO = declare(measure, gated=("accuracy", "total.seconds", "total.above_imports_bytes"), metrics=(Metric("sum", better="higher", gated=True),))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_from_what_it_kept(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """What a run had finished is not done again; its times and memory are not claimed, and nothing is left behind."""
    assert run_probe(KEEPS).code == 2
    first = (harness.folder / "did-first").read_text()
    (harness.folder / "go").touch()
    shutil.copytree(harness.folder / "out", harness.folder / "changed")
    done = harness("run", "--resume", "out")
    assert done.code == 0, done.err
    (result,) = harness.job("out")["results"]
    assert (harness.folder / "did-first").read_text() == first
    assert result["measurement"]["resumed"] == ["first"]
    assert result["metrics"]["sum"]["value"] == 3 * (5 + 6) + 2 * 3
    assert {"second.seconds", "sum"} <= set(result["metrics"])
    assert not [name for name in result["metrics"] if name.startswith(("first.", "total."))]
    assert not (harness.folder / "out" / result["folder"] / "kept").exists()
    judged = {one["metric"]: one for one in harness.job("out")["comparisons"][0]["judgements"]}
    for name, kind in (("total.seconds", "runtime"), ("total.above_imports_bytes", "memory")):
        assert (judged[name]["verdict"], judged[name]["kind"]) == ("INCOMPARABLE", kind)
        assert judged[name]["cause"] == "resumed"
    assert "it went on from an earlier attempt (first)" in (harness.folder / "out" / "index.html").read_text()
    # outside git too: when the scenario's file has changed, what the old one kept is made again
    harness.scenario(KEEPS.replace("np.arange(3)", "np.arange(4)"))
    assert harness("run", "--resume", "changed").code == 0
    (result,) = harness.job("changed")["results"]
    assert result["measurement"]["resumed"] == []
    assert result["metrics"]["sum"]["value"] == 4 * (5 + 6) + 2 * 6
    assert "total.seconds" in result["metrics"]
