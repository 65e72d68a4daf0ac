"""Runs through a real Dask cluster: the same results as here, whatever dies on the way."""

from __future__ import annotations

import signal
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from harness.errors import StorageError
from harness.records import Attempt, RunRequest
from harness.running import remote
from harness.store import files, project
from tests.conftest import one_thread
from tests.running.test_resume import gone, until
from tests.soak import Cluster

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Finished, Harness

GOOD = "SCENARIO = declare(guess)"
HANGS = """
import os, time
from pathlib import Path

FOLDER = Path("{folder}")

def measure(run):
    guess(run)
    if run.seed == 1 and not (FOLDER / "go").exists():
        (FOLDER / "started").write_text(str(os.getpid()))
        time.sleep(600)

SCENARIO = declare(measure)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster with one slot that several tests share."""
    made = Cluster(tmp_path_factory.mktemp("cluster"), workers=1)
    yield made
    made.remove()


@pytest.mark.system
def test_dask_gives_what_this_machine_gives(run_probe: Callable[..., Finished], harness: Harness) -> None:
    """Two workers: the same predictions and accuracy, memory within 1.5 MiB, where it ran, and no runtime to judge."""
    assert run_probe(GOOD, "--seeds", "2").code == 0
    done = harness(
        "run", "probe", "--scenarios", "probe.py", "--seeds", "2", "--out", "far", "--executor", "dask", "--workers", "2"
    )  # fmt: skip
    assert done.code == 0, done.err
    here, far = harness.job("out")["results"], harness.job("far")["results"]
    for ours, theirs in zip(here, far, strict=True):
        assert theirs["request"] == ours["request"]
        assert theirs["metrics"]["accuracy"] == ours["metrics"]["accuracy"]
        assert (ours["concurrent"], theirs["concurrent"]) == (False, True)
        assert theirs["measurement"]["environment"]["executor"] == "dask"
        peaks = [result["measurement"]["stages"][0]["peak_bytes"] for result in (ours, theirs)]
        assert abs(peaks[0] - peaks[1]) < 1.5 * 2**20
        places = [harness.folder / out / ours["folder"] for out in ("out", "far")]
        stored = [files.read_npz(place / "predictions.npz") for place in places]
        assert all(np.array_equal(stored[0][name], stored[1][name]) for name in stored[0])
    assert "disturbed" in done.out


@pytest.mark.system
def test_a_scheduler_with_workers_elsewhere(harness: Harness, elsewhere: Cluster) -> None:
    """A worker that knows no folder of the runner's does the run; one slot on the machine leaves the runtime judged."""
    path = harness.folder / harness.scenario(GOOD)
    done = harness(*command("probe.py", elsewhere.mend()), "--out", "out")
    assert done.code == 0, done.out + done.err
    (result,) = harness.job("out")["results"]
    assert result["request"]["scenario_paths"] == [str(path)]
    assert not result["concurrent"]
    assert (harness.folder / "out" / result["folder"] / "log.txt").exists()


@pytest.mark.system
def test_no_worker_has_a_slot(harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Workers that offer no slot would be waited for without end: one error with the command instead."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), workers=1, options=())
    harness.scenario(GOOD)
    try:
        done = harness(*command("probe.py", cluster.mend()))
    finally:
        cluster.remove()
    assert done.code == 2
    assert "none of 1 workers offers run=1" in done.err
    assert "Type: dask worker" in done.err


@pytest.mark.system
def test_ctrl_c_ends_runs_elsewhere(harness: Harness, elsewhere: Cluster) -> None:
    """An interrupt of the runner ends the run on the worker, which stays up; the job resumes on this machine."""
    process, pid = begin(harness, elsewhere.mend())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    until(lambda: gone(pid), "the run outlived the interrupt")
    assert elsewhere.nannies[0].poll() is None
    (harness.folder / "go").touch()
    assert harness("run", "--resume", "out").code == 0
    assert len(harness.job("out")["results"]) == 3


@pytest.mark.system
def test_a_worker_that_is_killed(harness: Harness, elsewhere: Cluster) -> None:
    """SIGKILL of a worker ends its run; the run is done again on the worker that takes its place."""
    process, pid = begin(harness, elsewhere.mend())
    (harness.folder / "go").touch()
    parent = psutil.Process(pid).parent()
    assert parent is not None
    assert parent.pid != elsewhere.nannies[0].pid, "the nanny runs the worker as a process of its own"
    parent.kill()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    until(lambda: gone(pid), "the run outlived its worker")
    assert [result["status"] for result in harness.job("out")["results"]] == ["ok"] * 3


@pytest.mark.system
def test_a_scheduler_that_dies(harness: Harness, elsewhere: Cluster) -> None:
    """SIGKILL of the scheduler is one error with the command that goes on; finished runs are kept, and what ran ends at once."""
    process, pid = begin(harness, elsewhere.mend())
    elsewhere.scheduler.kill()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2, err
    assert b"harness run --resume out" in err
    until(lambda: gone(pid), "the run outlived its scheduler", 25)
    (harness.folder / "go").touch()
    done = harness("run", "--resume", "out")
    assert done.code == 0
    assert len(harness.job("out")["results"]) == 3


def command(scenario: str, address: str) -> tuple[str, ...]:
    """Return the words that run a scenario file on a cluster."""
    return ("run", "probe", "--scenarios", scenario, "--executor", "dask", "--scheduler", address)


def begin(harness: Harness, address: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a job of three seeds whose second hangs; return it with that run's process."""
    scenario = harness.scenario(HANGS.format(folder=harness.folder))
    words = one_thread(*command(scenario, address), "--out", "out", "--seeds", "3")
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words], cwd=harness.folder, env=harness.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    started = harness.folder / "started"
    until(lambda: started.exists() and started.read_text() != "", "the second run never started")
    return process, int(started.read_text())


def test_dask_is_an_extra(harness: Harness) -> None:
    """Without Dask the exact command is told."""
    for package in ("dask", "distributed"):
        text = f"raise ModuleNotFoundError('absent', name='{package}')"
        (harness.folder / f"{package}.py").write_text(text)
    harness.scenario(GOOD)
    done = harness("run", "probe", "--scenarios", "probe.py", "--executor", "dask")
    assert done.code == 2
    assert "Type: python -m pip install 'report-harness[distributed]'" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--workers", "2"), "belong to --executor dask"),
        (("--executor", "dsak"), "Did you mean 'dask'?"),
        (("--executor", "dask", "--scheduler", "tcp://x:1", "--workers", "2"), "a scheduler has its own workers"),
        (("--executor", "dask", "--scheduler", "nonsense://x"), "no Dask scheduler answers"),
    ],
)  # fmt: skip
def test_options_that_contradict(
    run_probe: Callable[..., Finished], words: tuple[str, ...], told: str
) -> None:
    """Options that do not belong together, or lead nowhere, are one error."""
    done = run_probe(GOOD, *words)
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_a_reply_cannot_leave_its_folder(tmp_path: Path) -> None:
    """Of a worker's reply only the files of a run are written, whatever names it holds; rubbish is one error."""
    reply = remote.Reply(
        attempt=Attempt(started="", wall_seconds=1.0),
        left={"../escaped": b"x", "/escaped": b"x", "log.txt": b"fine", "weights.npz": b"kept"},
    )
    remote.unpack(msgspec.msgpack.encode(reply), tmp_path / "run")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "run/log.txt", "run/weights.npz",
    ]  # fmt: skip
    with pytest.raises(StorageError, match="is damaged"):
        remote.unpack(b"\xc1 rubbish", tmp_path)


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with other code measures nothing, and says so without a repeat."""
    packed = remote.pack(RunRequest(scenario="probe", variant="default", tier="smoke", seed=0), alone=True)
    monkeypatch.setattr(remote, "__version__", "999")
    reply = msgspec.msgpack.decode(remote.attempt(packed), type=remote.Reply)
    assert reply.attempt.lasting
    assert "the worker has version 999" in reply.attempt.error


def test_a_scenario_file_is_sent_where_it_is_missing_or_another(tmp_path: Path) -> None:
    """The same file is used where it lies; where the path holds another one, or nothing, a copy is, byte for byte in any encoding."""
    path, scratch = tmp_path / "probe.py", tmp_path / "scratch"
    ours = "# -*- coding: latin-1 -*-\nNAME = 'hütte'\n".encode("latin-1")
    path.write_bytes(ours)
    task = sent(path)
    assert remote._placed(task, scratch) == (str(path),)
    for content in (b"theirs", None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        (placed,) = remote._placed(task, scratch)
        assert Path(placed).is_relative_to(scratch)
        assert Path(placed).read_bytes() == ours


@pytest.mark.parametrize("checkout", [True, False])
def test_what_a_scenario_file_imports_is_sent_with_it(tmp_path: Path, *, checkout: bool) -> None:
    """On a machine without the project, a file finds its neighbours, and in a checkout what the configuration and the project's root lead to."""
    project_files = {
        "bench/probe.py": "A = 1",
        "bench/near.py": "B = 1",
        "lib/far.py": "C = 1",
        "harness.toml": 'path = ["lib"]',
        "data.txt": "D",
    }
    for name, text in project_files.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    if checkout:
        subprocess.run(["git", "init", "-q", str(tmp_path / "mine")], check=True)
    path = tmp_path / "mine" / "bench" / "probe.py"
    task = sent(path)
    path.unlink()
    (placed,) = map(Path, remote._placed(task, tmp_path / "scratch"))
    copy = tmp_path / "scratch" / "scenarios" / "0"
    assert placed == copy / "bench" / "probe.py"
    assert (placed.parent / "near.py").read_text() == "B = 1"
    assert not (copy / "data.txt").exists()
    assert (copy / "lib" in project.import_folders(placed)) is checkout


def sent(path: Path) -> remote.Task:
    """Return the task that a worker gets for a run of a scenario file."""
    request = RunRequest(scenario="probe", variant="a", tier="smoke", seed=0, scenario_paths=(str(path),))
    return files.decode(remote.pack(request, alone=True), remote.Task, "the task", packed=True)
