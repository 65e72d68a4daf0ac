"""Kill jobs at random points and resume them: ``python -m tests.soak --kills N [--seed S]``.

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

from tests.conftest import HEAD

ROOT = Path(__file__).resolve().parent.parent
RUNS = 8
BODY = """
import time
def measure(run):
    time.sleep(0.2)
    guess(run)
SCENARIO = declare(measure)
"""
KINDS = ("runner", "worker", "all", "terminate")
RUNNING = 0.75
"""Share of the kills that wait for a worker first: where a start takes seconds, a moment since then says nothing of runs."""


class BreachError(Exception):
    """Something finished was lost, changed, counted twice, or left behind."""


def main(arguments: list[str]) -> int:
    """Kill, resume and check until the wanted number of kills is survived."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rng, survived, start = random.Random(options.seed), collections.Counter[str](), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="harness-soak-"))
    (folder / "probe.py").write_text(HEAD + BODY)
    jobs = 0
    while survived.total() < options.kills:
        jobs += 1
        try:
            job(folder, f"job{jobs}", rng, survived, options.kills)
        except BreachError as breach:
            print(f"BREACH in {folder}/job{jobs}: {breach}")
            return 1
    left = len(list(scratch(folder).iterdir()))
    print(
        f"{left} temporary folders of runs killed together with their runner; a run removes them once they are a minute old"
    )
    minutes = (time.monotonic() - start) / 60
    print(
        f"{survived.total()} kills survived ({dict(survived)}) in {jobs} jobs of {RUNS} runs, {minutes:.1f} minutes"
    )
    shutil.rmtree(folder)
    return 0


def job(folder: Path, name: str, rng: random.Random, survived: typing.Counter[str], wanted: int) -> None:
    """Start one job, kill and resume it until it is done, and check it."""
    out, known = folder / name, dict[str, str]()
    new = ["probe", "--scenarios", "probe.py", "--seeds", str(RUNS), "--threads", "1", "--out", name]
    while not complete(out):
        command = ["--resume", name] if (out / "plan.json").exists() else new
        process = start(folder, command)
        if survived.total() < wanted:
            if rng.random() < RUNNING:
                until_it_runs(process)
            # workers end and begin meanwhile, so that kills fall on every moment of a run
            time.sleep(rng.uniform(0.05, 3.0))
            kind = rng.choice(KINDS)
            survived[kind] += kill(process, kind)
        if process.wait(timeout=300) == 0 and not complete(out):
            raise BreachError("exit code 0 without every result")
        known = check(out, known)
    numbers = collections.Counter(
        result["request"]["seed"] for result in json.loads((out / "run.json").read_text())["results"]
    )
    if numbers != collections.Counter(range(RUNS)):
        raise BreachError(f"run.json counts {dict(numbers)}")
    nothing_left(folder)


def start(folder: Path, words: list[str]) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HARNESS_CACHE": str(folder / "cache"),
        "TMPDIR": str(scratch(folder)),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "run", *words], cwd=folder, env=variables, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def until_it_runs(process: subprocess.Popen[bytes]) -> None:
    """Wait until a job has a worker, or has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.poll() is None and not psutil.Process(process.pid).children():
            time.sleep(0.02)


def scratch(folder: Path) -> Path:
    """Return the folder for temporary files of the soak's own."""
    path = folder / "tmp"
    path.mkdir(exist_ok=True)
    return path


def kill(process: subprocess.Popen[bytes], kind: str) -> int:
    """Kill in one of four ways; return 1 if there was something to kill."""
    if process.poll() is not None:
        return 0
    workers = psutil.Process(process.pid).children(recursive=True)
    if kind == "terminate":
        process.send_signal(signal.SIGTERM)
    if kind in {"runner", "all"}:
        process.kill()
    if kind in {"worker", "all"}:
        for worker in workers:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
                worker.kill()
    return 1 if kind != "worker" or workers else 0


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
    """See that no process of the job is left."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        alive = [
            p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])
        ]
        if not alive:
            break
        time.sleep(0.1)
    else:
        raise BreachError(f"processes left: {alive}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
