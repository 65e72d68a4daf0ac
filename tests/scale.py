"""What many runs cost: ``python -m tests.scale [--results N] [--runs N]``; exit code 1 if a bound is broken.

1. Every command that reads stored results (judge, report, exports, history, ledger, compare, propose), on a tenth of N and on N:
   seconds, and peak memory.
2. The share of Dask in a run: the slope of whole commands over their runs, beside that of local ones, alternating.
3. Tiny runs through a scheduler with four workers: resident memory of runner and scheduler, early and late.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
import typing
from pathlib import Path

import psutil

from harness.cli import EXPORTS
from harness.judging import jobs
from harness.records import Gate, GateSettings
from harness.store import stored
from tests.conftest import HEAD
from tests.soak import Cluster, Process, start, variables

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.records import Job, RunResult

TINY = "SCENARIO = declare(guess)"
MIB = 2**20
VARIANTS = ("o-ma", "o-ma-k3", "su-ma", "su-ma-k3")
SECONDS, GROWTH, SHARE, DASK_SECONDS = 120.0, 32.0, 24.0, 0.5
"""Bounds: seconds for N results; MiB that ten times the results, and MiB that 80% of the runs, may add; seconds a run through Dask."""
READERS = {
    "judge real": GROWTH,
    "report real": GROWTH,
    **{f"export {form} real": GROWTH for form in EXPORTS if form != "asv"},
    "history real": GROWTH,
    "baseline propose real --reason r --who w": GROWTH,
    # these hold what they look at of every run
    "ledger real": 3 * GROWTH,
    # and this sets every run of one side beside every run of the other: 2,500 times 2,500 ratios a metric
    "compare real real": 12 * GROWTH,
    "judge gate": 6 * GROWTH,
}
"""Command -> MiB that ten times the results may add. An asv export needs runs that asv is told of; it reads as the other exports do."""
PEAK = """
import sys
from harness.cli import main
code = main(sys.argv[1:])
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(line.split()[1], file=sys.stderr)
sys.exit(code)
"""


def main(arguments: list[str]) -> int:
    """Measure and print everything; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="harness-scale-") as name:
        folder = Path(name)
        (folder / "probe.py").write_text(HEAD + TINY)
        broken = [
            *many_results(folder, options.results),
            *through_dask(folder, options.rounds),
            *many_runs(folder, options.runs),
        ]
    for told in broken:
        print(f"BROKEN: {told}")
    return 1 if broken else 0


def harness(folder: Path, *words: str, check: bool = True) -> None:
    """Run the command to its end."""
    command = [sys.executable, "-m", "harness", *words]
    subprocess.run(command, cwd=folder, env=variables(folder), stdout=subprocess.DEVNULL, check=check)


# -- stored results -------------------------------------------------------------------


def many_results(folder: Path, count: int) -> Iterator[str]:
    """Judge and report a few and many copies of one real run."""
    harness(folder, "run", "kmnist_svd_logreg", "--out", "real", check=False)
    real = copies(jobs.read(folder / "real"), count)
    gate = Gate(settings=GateSettings(), base_results=(), minutes=1.0, exit_code=0)
    peaks: dict[str, list[float]] = {command: [] for command in READERS}
    for several in (count // 10, count):
        job = dataclasses.replace(real, results=real.results[:several])
        stored.write(folder / "real" / "run.json", job)
        stored.write(folder / "gate" / "run.json", dataclasses.replace(job, gate=gate))
        size = (folder / "real" / "run.json").stat().st_size
        for command, found in peaks.items():
            seconds, peak = measured(folder, *command.split())
            found.append(peak)
            print(
                f"{command}: {several:,} results, {size / MIB:.0f} MiB: {seconds:.1f} s, peak {peak:.0f} MiB",
                flush=True,
            )
            if seconds > SECONDS:
                yield f"{command} of {several:,} results took {seconds:.0f} s"
    for command, (few, many) in peaks.items():
        if many - few > READERS[command]:
            yield f"{command} of ten times the results took {many - few:.0f} MiB more"


def copies(job: Job, count: int) -> Job:
    """Return the job with as many results: the first one under other seeds, with other scores, in four variants."""
    first = job.results[0]
    results = tuple(copy(first, number) for number in range(count))
    return dataclasses.replace(job, results=results, comparisons=(), commit="c0ffee")


def copy(result: RunResult, number: int) -> RunResult:
    """Return a result under another seed, with another accuracy."""
    seed, variant = number // len(VARIANTS), VARIANTS[number % len(VARIANTS)]
    request = dataclasses.replace(result.request, seed=seed, variant=variant)
    accuracy = dataclasses.replace(result.metrics["accuracy"], value=0.9 + (seed * 7919 % 1000) / 20_000)
    return dataclasses.replace(result, request=request, metrics={**result.metrics, "accuracy": accuracy})


def measured(folder: Path, *words: str) -> tuple[float, float]:
    """Run a command; return its seconds and its peak resident memory, MiB."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *words], cwd=folder, env=variables(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    if "error" in done.stderr or "Traceback" in done.stderr:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return time.perf_counter() - begun, int(done.stderr.split()[-1]) / 1024


# -- Dask's share ---------------------------------------------------------------------


def through_dask(folder: Path, rounds: int) -> Iterator[str]:
    """Compare how much a further run costs here and through a cluster of one worker."""
    slopes: dict[str, list[float]] = {"local": [], "dask": []}
    for number in range(rounds):
        for executor, found in slopes.items():
            few, many = (timed(folder, f"{executor}{number}-{runs}", runs, executor) for runs in (2, 12))
            found.append((many - few) / 10)
    local, dask = (statistics.median(found) for found in slopes.values())
    print(f"a run: {local:.2f} s here, {dask:.2f} s through Dask, medians of {rounds}: {slopes}", flush=True)
    if dask - local > DASK_SECONDS:
        yield f"Dask's share of a run is {dask - local:.2f} s"


def timed(folder: Path, out: str, runs: int, executor: str) -> float:
    """Return the seconds of a whole job of tiny runs."""
    begun = time.perf_counter()
    words = ("run", "probe", "--scenarios", "probe.py", "--seeds", str(runs), "--out", out)
    harness(folder, *words, "--executor", executor)
    return time.perf_counter() - begun


# -- many runs ------------------------------------------------------------------------


def many_runs(folder: Path, runs: int) -> Iterator[str]:
    """Watch runner and scheduler while tiny runs go through four workers."""
    cluster = Cluster(folder, workers=4)
    words = [
        "run",
        "probe",
        "--scenarios",
        "probe.py",
        "--seeds",
        str(runs),
        "--out",
        "many",
        *cluster.words(),
    ]
    begun, seen = time.perf_counter(), psutil.Process(cluster.scheduler.pid)
    runner = start([sys.executable, "-m", "harness", *words], folder, variables(folder))
    samples = list(watched(runner, seen, folder / "many" / "runs"))
    code = runner.wait()
    cluster.remove()
    results = json.loads((folder / "many" / "run.json").read_text())["results"]
    print(f"{runs} runs through 4 workers: exit code {code}, {time.perf_counter() - begun:.0f} s", flush=True)
    if code or len(results) != runs or any(result["status"] != "ok" for result in results):
        yield f"{runs} runs through 4 workers: exit code {code}, {len(results)} results"
    for place, name in ((1, "runner"), (2, "scheduler")):
        early, late = (
            statistics.median(sample[place] for sample in samples if low * runs <= sample[0] <= high * runs)
            for low, high in ((0.1, 0.25), (0.85, 1.0))
        )
        print(
            f"{name}: {early:.1f} MiB after 10 to 25% of the runs, {late:.1f} MiB after 85 to 100%",
            flush=True,
        )
        if late - early > SHARE:
            yield f"the {name} grew by {late - early:.1f} MiB"


def watched(runner: Process, scheduler: psutil.Process, folder: Path) -> Iterator[tuple[int, float, float]]:
    """Yield finished runs, and resident memory, MiB, of runner and scheduler every half second while runs are still to come."""
    seen = psutil.Process(runner.pid)
    while runner.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            done = sum(1 for _ in folder.glob("*/result.json"))
            yield done, seen.memory_info().rss / MIB, scheduler.memory_info().rss / MIB
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
