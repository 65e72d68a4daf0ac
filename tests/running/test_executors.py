"""Runs through a real Dask cluster: the same results as here, whatever dies on the way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from harness.data import idx, loading
from harness.data.declared import MNIST
from harness.errors import StorageError
from harness.records import Attempt, RunRequest
from harness.running import executors, remote
from harness.store import files, project
from tests.conftest import Harness, one_thread
from tests.running.test_resume import gone, until
from tests.soak import connected

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Finished

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


@contextlib.contextmanager
def parts(harness: Harness) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start parts of a cluster as a user would, each in a session of its own; all end together."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **variables: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "dask",
            *words,
            "--scheduler-file",
            str(harness.folder / "cluster.json"),
        ]
        away = harness.folder / f"away{len(started)}"
        away.mkdir()
        quiet = subprocess.DEVNULL
        started.append(
            subprocess.Popen(
                command,
                cwd=away,
                env=environment(harness) | variables,
                stdout=quiet,
                stderr=quiet,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        for child in (
            [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        ):
            child.kill()
        process.kill()
        process.wait()


@pytest.fixture
def cluster(harness: Harness) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start parts of a cluster that end with the test."""
    with parts(harness) as start:
        yield start


@pytest.fixture(scope="module")
def elsewhere(
    tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Return the address of a scheduler and its worker with one slot, which several tests share."""
    made = Harness(tmp_path_factory.mktemp("cluster"), cache)
    with parts(made) as start:
        _, address = scheduler(made, start)
        yield address, worker(start, address)


def environment(harness: Harness) -> dict[str, str]:
    """Return the environment of a cluster's parts: the code is on their path, nothing else is shared."""
    root = str(Path(executors.__file__).parents[2])
    return {**harness.environment, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def scheduler(
    harness: Harness, start: Callable[..., subprocess.Popen[bytes]]
) -> tuple[subprocess.Popen[bytes], str]:
    """Start a scheduler and return it with its address."""
    process = start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    path = harness.folder / "cluster.json"
    until(lambda: path.exists() and path.read_bytes().endswith(b"}"), "no scheduler came up")
    return process, json.loads(path.read_text())["address"]


def worker(
    start: Callable[..., subprocess.Popen[bytes]], address: str, *words: str
) -> subprocess.Popen[bytes]:
    """Start a worker with one slot and wait until the scheduler has it."""
    process = start("worker", "--nthreads", "1", "--no-dashboard", *(words or ("--resources", "run=1")))
    connected(address, 1)
    return process


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
        stored = [
            files.read_npz(harness.folder / out / ours["folder"] / "predictions.npz")
            for out in ("out", "far")
        ]
        assert all(np.array_equal(stored[0][name], stored[1][name]) for name in stored[0])
    assert "disturbed" in done.out


@pytest.mark.system
def test_a_scheduler_with_workers_elsewhere(
    harness: Harness, elsewhere: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """A worker that knows no folder of the runner's does the run; one slot on the machine leaves the runtime judged."""
    address, _ = elsewhere
    path = harness.folder / harness.scenario(GOOD)
    arguments = (
        "run",
        "probe",
        "--scenarios",
        "probe.py",
        "--out",
        "out",
        "--executor",
        "dask",
        "--scheduler",
        address,
    )
    done = harness(*arguments)
    assert done.code == 0, done.out + done.err
    (result,) = harness.job("out")["results"]
    assert result["request"]["scenario_paths"] == [str(path)]
    assert not result["concurrent"]
    assert (harness.folder / "out" / result["folder"] / "log.txt").exists()


@pytest.mark.system
def test_no_worker_has_a_slot(harness: Harness, cluster: Callable[..., subprocess.Popen[bytes]]) -> None:
    """Workers that offer no slot would be waited for without end: one error with the command instead."""
    _, address = scheduler(harness, cluster)
    worker(cluster, address, "--name", "without-slots")
    harness.scenario(GOOD)
    done = harness("run", "probe", "--scenarios", "probe.py", "--executor", "dask", "--scheduler", address)
    assert done.code == 2
    assert "none of 1 workers offers run=1" in done.err
    assert "Type: dask worker" in done.err


@pytest.mark.system
def test_ctrl_c_ends_runs_elsewhere(harness: Harness, elsewhere: tuple[str, subprocess.Popen[bytes]]) -> None:
    """An interrupt of the runner ends the run on the worker, which stays up; the job resumes on this machine."""
    address, far = elsewhere
    process, pid = begin(harness, address)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    until(lambda: gone(pid), "the run outlived the interrupt")
    assert far.poll() is None
    (harness.folder / "go").touch()
    assert harness("run", "--resume", "out").code == 0
    assert len(harness.job("out")["results"]) == 3


@pytest.mark.system
def test_data_that_nobody_has(harness: Harness, elsewhere: tuple[str, subprocess.Popen[bytes]]) -> None:
    """A data set that the runner lacks too is an error at once, with the command that fetches it."""
    address, _ = elsewhere
    scenario = harness.scenario(DATA)
    done = harness(
        "run", "probe", "--scenarios", scenario, "--executor", "dask", "--scheduler", address, "--out", "out"
    )
    assert done.code == 2
    (result,) = harness.job("out")["results"]
    assert result["attempts"] == 1
    assert "the data set 'mnist' is not here" in result["error"]


@pytest.mark.system
def test_a_worker_that_is_killed(harness: Harness, elsewhere: tuple[str, subprocess.Popen[bytes]]) -> None:
    """SIGKILL of a worker ends its run; the run is done again on the worker that takes its place."""
    address, far = elsewhere
    process, pid = begin(harness, address)
    (harness.folder / "go").touch()
    parent = psutil.Process(pid).parent()
    assert parent is not None
    assert parent.pid != far.pid, "the nanny runs the worker as a process of its own"
    parent.kill()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    until(lambda: gone(pid), "the run outlived its worker")
    assert [result["status"] for result in harness.job("out")["results"]] == ["ok"] * 3


@pytest.mark.system
def test_a_scheduler_that_dies(harness: Harness, cluster: Callable[..., subprocess.Popen[bytes]]) -> None:
    """SIGKILL of the scheduler is one error with the command that goes on; finished runs are kept, and what ran ends at once."""
    dying, address = scheduler(harness, cluster)
    worker(cluster, address)
    process, pid = begin(harness, address)
    dying.kill()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2, err
    assert b"harness run --resume out" in err
    until(lambda: gone(pid), "the run outlived its scheduler", 25)
    (harness.folder / "go").touch()
    done = harness("run", "--resume", "out")
    assert done.code == 0
    assert len(harness.job("out")["results"]) == 3


def begin(harness: Harness, address: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a job of three seeds whose second hangs; return it with that run's process."""
    scenario = harness.scenario(HANGS.format(folder=harness.folder))
    words = (
        "run",
        "probe",
        "--scenarios",
        scenario,
        "--out",
        "out",
        "--seeds",
        "3",
        "--executor",
        "dask",
        "--scheduler",
        address,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *one_thread(*words)], cwd=harness.folder, env=harness.environment,
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
    """The same file is used where it lies; where the path holds another one, or nothing, a copy with what was sent is."""
    path, scratch = tmp_path / "probe.py", tmp_path / "scratch"
    path.write_bytes(b"ours")
    task = sent(path)
    assert remote._placed(str(path), task, scratch) == str(path)
    for content in (b"theirs", None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        placed = remote._placed(str(path), task, scratch)
        assert placed == str(scratch / "scenarios" / "0" / "probe.py")
        assert Path(placed).read_bytes() == b"ours"


@pytest.mark.parametrize("checkout", [True, False])
def test_what_a_scenario_file_imports_is_sent_with_it(tmp_path: Path, *, checkout: bool) -> None:
    """On a machine without the project, a file finds its neighbours, and in a checkout what the configuration and the project's root lead to."""
    files_of = {
        "bench/probe.py": "A = 1",
        "bench/near.py": "B = 1",
        "lib/far.py": "C = 1",
        "harness.toml": 'path = ["lib"]',
        "data.txt": "D",
    }
    for name, text in files_of.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    if checkout:
        subprocess.run(["git", "init", "-q", str(tmp_path / "mine")], check=True)
    path = tmp_path / "mine" / "bench" / "probe.py"
    task = sent(path)
    path.unlink()
    placed = Path(remote._placed(str(path), task, tmp_path / "scratch"))
    copy = tmp_path / "scratch" / "scenarios" / "0"
    assert placed == copy / "bench" / "probe.py"
    assert (placed.parent / "near.py").read_text() == "B = 1"
    assert not (copy / "data.txt").exists()
    assert (copy / "lib" in project.import_folders(placed)) is checkout


def sent(path: Path) -> remote.Task:
    """Return the task that a worker gets for a run of a scenario file."""
    request = RunRequest(scenario="probe", variant="a", tier="smoke", seed=0, scenario_paths=(str(path),))
    return files.decode(remote.pack(request, alone=True), remote.Task, "the task", packed=True)


DATA = """
def measure(run):
    data = run.dataset("mnist")
    guess(run)

SCENARIO = declare(measure)
"""


def few_images(root: Path) -> None:
    """Write a few images in MNIST's format and layout."""
    for count, part in zip((40, 40, 20, 20), MNIST.parts, strict=True):
        shape = (count, *part.shape[1:])
        content = (np.arange(np.prod(shape)) % 10).astype(np.uint8).tobytes()
        files.write_bytes(root / "MNIST" / "raw" / part.file, idx.header(shape) + content)


@pytest.mark.system
def test_data_is_sent_to_a_worker_that_lacks_it(
    harness: Harness, cluster: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """Two workers with empty caches of their own get the runner's data once each, checked; a second job finds it there."""
    _, address = scheduler(harness, cluster)
    caches = [harness.folder / f"cache{number}" for number in range(2)]
    for cache in caches:
        with_slot = ("--nthreads", "1", "--no-dashboard", "--resources", "run=1")
        cluster("worker", *with_slot, HARNESS_CACHE=str(cache))
    connected(address, len(caches))
    scenario = harness.scenario(DATA)
    words = (
        "run",
        "probe",
        "--scenarios",
        scenario,
        "--seeds",
        "6",
        "--executor",
        "dask",
        "--scheduler",
        address,
    )
    few_images(harness.folder / "data")
    done = harness(*words, "--out", "first", HARNESS_DATA="data")
    assert done.code == 0, done.out + done.err
    results = harness.job("first")["results"]
    assert [result["attempts"] for result in results] == [1] * 6
    ours = loading.load_from(
        MNIST, "cache", harness.folder / "data" / "MNIST" / "raw", harness.folder / "decoded"
    ).sha256
    used = [result["measurement"]["datasets"][0] for result in results]
    assert {use["sha256"] for use in used} == {ours}
    assert all("from the per-user cache" in use["found"] for use in used)
    places = {result["measurement"]["environment"]["worker"] for result in results}
    filled = [cache / "MNIST" / "raw" for cache in caches if (cache / "MNIST").exists()]
    assert len(filled) == len(places)
    before = [folder.stat().st_ino for folder in filled]
    # with nothing to send, a worker that never ran before may miss it: those that have it have it from the first job
    again = harness(*words, "--out", "second")
    ok = {
        result["measurement"]["environment"]["worker"]
        for result in harness.job("second")["results"]
        if result["status"] == "ok"
    }
    assert ok <= places, again.err
    assert ok
    assert [folder.stat().st_ino for folder in filled] == before


def test_a_scenario_file_of_any_encoding_is_sent(tmp_path: Path) -> None:
    """Python reads other encodings than UTF-8 where a file says so; the file arrives byte for byte."""
    path = tmp_path / "probe.py"
    path.write_bytes("# -*- coding: latin-1 -*-\nNAME = 'hütte'\n".encode("latin-1"))
    task = sent(path)
    assert task.scenario_files == {str(path): path.read_bytes()}
