"""Kill parts of a Dask cluster and of its jobs at random points: ``python -m tests.soak_cluster --kills N [--seed S]``.

Scheduler, workers, their nannies, runs and runners die; what died is started anew, and the job resumed. The checks are those of
`tests.soak`: every stored result whole, none that was finished gone or changed, each run counted once, no process left.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
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

from tests import soak
from tests.conftest import HEAD

WORKERS = 2
KINDS = ("scheduler", "worker", "nanny", "run", "runner", "terminate")


class Cluster:
    """A scheduler and workers, by default with one slot each; parts that died are started anew."""

    def __init__(
        self, folder: Path, workers: int = WORKERS, options: tuple[str, ...] = ("--resources", "run=1")
    ) -> None:
        self._workers, self._options = workers, options
        self._folder = Path(tempfile.mkdtemp(prefix="harness-cluster-"))
        self._variables = {
            **os.environ, "PYTHONPATH": str(soak.ROOT), "HARNESS_CACHE": str(folder / "cache"),
            "TMPDIR": str(soak.scratch(folder)), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        }  # fmt: skip
        self._parts: list[subprocess.Popen[bytes]] = []

    @property
    def scheduler(self) -> subprocess.Popen[bytes]:
        """The scheduler's process."""
        return self._parts[0]

    @property
    def nannies(self) -> list[subprocess.Popen[bytes]]:
        """The processes that look after a worker each."""
        return self._parts[1:]

    def mend(self) -> str:
        """Start what is missing and return the scheduler's address; without a scheduler everything starts anew."""
        file = self._folder / "cluster.json"
        if not self._parts or self.scheduler.poll() is not None:
            self.end()
            file.unlink(missing_ok=True)
            self._parts = [self._start("scheduler", "--host", "127.0.0.1", "--port", "0")]
            while not file.exists() or not file.read_bytes().endswith(b"}"):
                time.sleep(0.1)
        alive = [nanny for nanny in self.nannies if nanny.poll() is None]
        further = self._workers - len(alive)
        self._parts = [self.scheduler, *alive]
        self._parts += [self._start("worker", "--nthreads", "1", *self._options) for _ in range(further)]
        address = str(json.loads(file.read_text())["address"])
        if further:
            connected(address, self._workers)
        return address

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        file = str(self._folder / "cluster.json")
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard", "--scheduler-file", file]
        return subprocess.Popen(
            command, cwd=self._folder, env=self._variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def end(self) -> None:
        """Kill every part."""
        for part in self._parts:
            kill_tree(part)
        self._parts = []

    def remove(self) -> None:
        """End, and remove the cluster's own files."""
        self.end()
        shutil.rmtree(self._folder)


def connected(address: str, workers: int) -> None:
    """Wait until a scheduler has so many workers, however long a loaded machine needs to start them."""
    import distributed

    with distributed.Client(address, timeout=120, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started, but the runs: they must notice by themselves."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children():
            child.kill()
    process.kill()
    process.wait()


def strike(cluster: Cluster, runner: subprocess.Popen[bytes], kind: str, rng: random.Random) -> int:
    """Kill in one of six ways; return 1 if there was something to kill."""
    if runner.poll() is not None:
        return 0
    if kind in {"runner", "terminate"}:
        runner.send_signal(signal.SIGKILL if kind == "runner" else signal.SIGTERM)
        return 1
    if kind == "scheduler":
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        return 1
    chosen = rng.choice(cluster.nannies)
    if kind == "nanny":
        kill_tree(chosen)
        return 1
    found = _under(chosen, run=kind == "run")
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return 1 if found else 0


def _under(nanny: subprocess.Popen[bytes], *, run: bool) -> list[psutil.Process]:
    """Return the run's processes below a nanny, or the worker itself."""
    try:
        below = psutil.Process(nanny.pid).children(recursive=True)
        return [process for process in below if ("harness.worker" in process.cmdline()) == run]
    except psutil.NoSuchProcess:
        return []


def job(
    folder: Path, name: str, cluster: Cluster, rng: random.Random, survived: typing.Counter[str], wanted: int
) -> None:
    """Start one job on the cluster, kill something time and again, resume it until it is done, and check it."""
    out, known = folder / name, dict[str, str]()
    while not soak.complete(out):
        where = ["--executor", "dask", "--scheduler", cluster.mend()]
        new = ["probe", "--scenarios", "probe.py", "--seeds", str(soak.RUNS), "--threads", "1", "--out", name]
        runner = soak.start(folder, [*(["--resume", name] if (out / "plan.json").exists() else new), *where])
        while survived.total() < wanted and runner.poll() is None:
            time.sleep(rng.uniform(0.5, 5.0))
            kind = rng.choice(KINDS)
            struck = strike(cluster, runner, kind, rng)
            survived[kind] += struck
            if struck and kind in {"scheduler", "runner", "terminate"}:
                break
        if runner.wait(timeout=300) == 0 and not soak.complete(out):
            raise soak.BreachError("exit code 0 without every result")
        known = soak.check(out, known)
    numbers = collections.Counter(
        result["request"]["seed"] for result in json.loads((out / "run.json").read_text())["results"]
    )
    if numbers != collections.Counter(range(soak.RUNS)):
        raise soak.BreachError(f"run.json counts {dict(numbers)}")
    soak.nothing_left(folder)


def main(arguments: list[str]) -> int:
    """Kill, mend, resume and check until the wanted number of kills is survived."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rng, survived, start, jobs = random.Random(options.seed), collections.Counter[str](), time.monotonic(), 0
    folder = Path(tempfile.mkdtemp(prefix="harness-soak-"))
    (folder / "probe.py").write_text(HEAD + soak.BODY)
    cluster = Cluster(folder)
    try:
        while survived.total() < options.kills:
            jobs += 1
            job(folder, f"job{jobs}", cluster, rng, survived, options.kills)
    except (soak.BreachError, subprocess.TimeoutExpired) as breach:
        print(f"BREACH in {folder}/job{jobs} after {dict(survived)}: {breach}")
        return 1
    finally:
        cluster.remove()
    minutes = (time.monotonic() - start) / 60
    print(
        f"{survived.total()} kills survived ({dict(survived)}) in {jobs} jobs of {soak.RUNS} runs, {minutes:.1f} minutes"
    )
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
