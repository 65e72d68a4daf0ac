"""Kill jobs at random points and resume them: ``python -m tests.soak [--cluster] --kills N [--seed S]``.

With ``--cluster`` the jobs run on a Dask cluster: its scheduler, workers, nannies, runs and runners die, and what died is started anew.

After every kill: each stored result is whole, none that was finished is gone or changed. After every job: each run counted once, no
process left. Any breach ends the soak with exit code 1 and keeps the folder.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing
from pathlib import Path

import psutil

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

from tests.conftest import HEAD

ROOT = Path(__file__).resolve().parent.parent
RUNS, WORKERS = 8, 2
BODY = """
import time
def measure(run):
    time.sleep(0.2)
    guess(run)
SCENARIO = declare(measure)
"""
RUNNING = 0.75
"""Share of the kills that wait for a worker first: where a start takes seconds, a moment since then says nothing of runs."""
Process = subprocess.Popen[bytes]


class BreachError(Exception):
    """Something finished was lost, changed, counted twice, or left behind."""


def main(arguments: list[str]) -> int:
    """Kill, resume and check until the wanted number of kills is survived."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cluster", action="store_true")
    options = parser.parse_args(arguments)
    rng, survived, begun, jobs = random.Random(options.seed), collections.Counter[str](), time.monotonic(), 0
    folder = Path(tempfile.mkdtemp(prefix="harness-soak-"))
    (folder / "probe.py").write_text(HEAD + BODY)
    target: Local | Cluster = Cluster(folder, rng) if options.cluster else Local(rng)
    try:
        while survived.total() < options.kills:
            jobs += 1
            job(folder, f"job{jobs}", target, survived, options.kills)
    except (BreachError, subprocess.TimeoutExpired) as breach:
        print(f"BREACH in {folder}/job{jobs} after {dict(survived)}: {breach}")
        return 1
    finally:
        target.remove()
    left = len(list((folder / "tmp").iterdir()))
    print(
        f"{left} temporary folders of runs killed together with their runner; a run removes them once they are a minute old"
    )
    minutes = (time.monotonic() - begun) / 60
    print(
        f"{survived.total()} kills survived ({dict(survived)}) in {jobs} jobs of {RUNS} runs, {minutes:.1f} minutes"
    )
    shutil.rmtree(folder)
    return 0


def job(folder: Path, name: str, target: Local | Cluster, survived: typing.Counter[str], wanted: int) -> None:
    """Start one job, kill something time and again, resume it until it is done, and check it."""
    out, known = folder / name, dict[str, str]()
    new = ["probe", "--scenarios", "probe.py", "--seeds", str(RUNS), "--threads", "1", "--out", name]
    while not complete(out):
        words = ["run", *(["--resume", name] if (out / "plan.json").exists() else new), *target.words()]
        runner = start([sys.executable, "-m", "harness", *words], folder, variables(folder))
        while survived.total() < wanted and runner.poll() is None:
            target.wait(runner)
            kind = target.rng.choice(target.KINDS)
            struck = runner.poll() is None and target.strike(runner, kind)
            survived[kind] += struck
            if struck and kind in target.ENDS:
                break
        if runner.wait(timeout=300) == 0 and not complete(out):
            raise BreachError("exit code 0 without every result")
        known = check(out, known)
    results = json.loads((out / "run.json").read_text())["results"]
    numbers = collections.Counter(result["request"]["seed"] for result in results)
    if numbers != collections.Counter(range(RUNS)):
        raise BreachError(f"run.json counts {dict(numbers)}")
    nothing_left(folder)


def variables(folder: Path) -> dict[str, str]:
    """Return the environment of every process: a cache and temporary files of the soak's own."""
    (folder / "tmp").mkdir(exist_ok=True)
    own = {"HARNESS_CACHE": str(folder / "cache"), "TMPDIR": str(folder / "tmp")}
    return {**os.environ, "PYTHONPATH": str(ROOT), **own}


def start(command: list[str], folder: Path, environment: dict[str, str]) -> Process:
    """Start a silent process in a group of its own."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    )


class Local:
    """Jobs of this machine: their runner or workers are killed."""

    KINDS = ("runner", "worker", "all", "terminate")
    ENDS = KINDS

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def words(self) -> list[str]:
        """Return the options that say where the job runs."""
        return []

    def wait(self, runner: Process) -> None:
        """Let a job go on for a while, mostly after it has a worker; kills then fall on every moment of a run."""
        with contextlib.suppress(psutil.NoSuchProcess):
            waits = self.rng.random() < RUNNING
            while waits and runner.poll() is None and not psutil.Process(runner.pid).children():
                time.sleep(0.02)
        time.sleep(self.rng.uniform(0.05, 3.0))

    def strike(self, runner: Process, kind: str) -> bool:
        """Kill in one of four ways; return whether there was something to kill."""
        workers = psutil.Process(runner.pid).children(recursive=True)
        if kind == "terminate":
            runner.send_signal(signal.SIGTERM)
        if kind in {"runner", "all"}:
            runner.kill()
        for worker in workers if kind in {"worker", "all"} else ():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                worker.kill()
        return kind != "worker" or bool(workers)

    def remove(self) -> None:
        """Nothing is left to end."""


class Cluster:
    """A scheduler and workers with one slot each; parts that died are started anew."""

    KINDS = ("scheduler", "worker", "nanny", "run", "runner", "terminate")
    ENDS = ("scheduler", "runner", "terminate")

    def __init__(
        self, folder: Path, rng: random.Random | None = None, workers: int = WORKERS, options: Sequence[str] = ("--resources", "run=1")
    ) -> None:  # fmt: skip
        self.rng, self._workers, self._options = rng or random.Random(0), workers, options
        self._folder = Path(tempfile.mkdtemp(prefix="harness-cluster-"))
        self._variables = {**variables(folder), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        self._parts: list[Process] = []

    @property
    def scheduler(self) -> Process:
        """The scheduler's process."""
        return self._parts[0]

    @property
    def nannies(self) -> list[Process]:
        """The processes that look after a worker each."""
        return self._parts[1:]

    def words(self) -> list[str]:
        """Start what is missing, and return the options that say where a job runs."""
        return ["--executor", "dask", "--scheduler", self.mend()]

    def mend(self) -> str:
        """Start what is missing and return the scheduler's address; without a scheduler everything starts anew."""
        file = self._folder / "cluster.json"
        if not self._parts or self.scheduler.poll() is not None:
            self._end()
            file.unlink(missing_ok=True)
            self._parts = [self._start("scheduler", "--host", "127.0.0.1", "--port", "0")]
            while not file.exists() or not file.read_bytes().endswith(b"}"):
                time.sleep(0.1)
        alive = [part for part in self._parts if part.poll() is None]
        further = 1 + self._workers - len(alive)
        slot = ("worker", "--nthreads", "1", *self._options)
        self._parts = [*alive, *(self._start(*slot) for _ in range(further))]
        address = str(json.loads(file.read_text())["address"])
        if further:
            connected(address, self._workers)
        return address

    def _start(self, *words: str) -> Process:
        file = ("--no-dashboard", "--scheduler-file", str(self._folder / "cluster.json"))
        return start([sys.executable, "-m", "dask", *words, *file], self._folder, self._variables)

    def wait(self, runner: Process) -> None:
        """Let a job go on for a while."""
        del runner
        time.sleep(self.rng.uniform(0.5, 5.0))

    def strike(self, runner: Process, kind: str) -> bool:
        """Kill in one of six ways; return whether there was something to kill."""
        nanny = self.rng.choice(self.nannies)
        if kind in {"runner", "terminate"}:
            runner.send_signal(signal.SIGKILL if kind == "runner" else signal.SIGTERM)
        elif kind == "scheduler":
            self.scheduler.kill()
            self.scheduler.wait()
        elif kind == "nanny":
            kill_tree(nanny)
        else:
            found = _under(nanny, run=kind == "run")
            for process in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            return bool(found)
        return True

    def _end(self) -> None:
        for part in self._parts:
            kill_tree(part)
        self._parts = []

    def remove(self) -> None:
        """Kill every part, and remove the cluster's own files."""
        self._end()
        shutil.rmtree(self._folder)


def connected(address: str, workers: int) -> None:
    """Wait until a scheduler has so many workers, however long a loaded machine needs to start them."""
    import distributed

    with distributed.Client(address, timeout=120, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)


def kill_tree(process: Process) -> None:
    """Kill a process and what it started, but the runs: they must notice by themselves."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children():
            child.kill()
    process.kill()
    process.wait()


def _under(nanny: Process, *, run: bool) -> list[psutil.Process]:
    """Return the run's processes below a nanny, or the worker itself."""
    try:
        below = psutil.Process(nanny.pid).children(recursive=True)
        return [process for process in below if ("harness.worker" in process.cmdline()) == run]
    except psutil.NoSuchProcess:
        return []


def complete(out: Path) -> bool:
    """Return whether the job stored every run as finished."""
    try:
        stored = json.loads((out / "run.json").read_text())["results"]
    except FileNotFoundError:
        return False
    return len(stored) == RUNS and all(result["status"] == "ok" for result in stored)


def check(out: Path, known: dict[str, str]) -> dict[str, str]:
    """Read every file that a killed job left; return the finished results' hashes."""
    found = {}
    for path in out.glob("runs/*/result.json"):
        if json.loads(path.read_text())["status"] == "ok":
            found[path.parent.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in ("plan.json", "run.json"):
        if (out / name).exists():
            json.loads((out / name).read_text())
    lost = [name for name, digest in known.items() if found.get(name) != digest]
    if lost:
        raise BreachError(f"finished results gone or changed: {', '.join(lost)}")
    return found


def nothing_left(folder: Path) -> None:
    """See that no process of the job is left; a cluster's own parts run in another folder."""
    deadline = time.monotonic() + 120
    while alive := [
        p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])
    ]:
        if time.monotonic() > deadline:
            raise BreachError(f"processes left: {alive}")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
