"""Times of one program beside busy loops: ``python -m benchmarks.busy [--loops 0 1 2 4] [--runs 60] [--out FILE]``.

Each run is a fresh worker with a stage of one thread and one of two. The same program does its work once, 1.25 times and twice, in an
order drawn for every round, so that the stored values are real pairs. `benchmarks.error_rates` draws gates from them. Other work on the
machine, beside the loops, spoils what is measured: run it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

import numpy as np

from harness.errors import HarnessError
from harness.machine import environment
from harness.records import RunRequest
from harness.running import executors
from harness.sources.catalogue import load_all
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from harness.records import RunResult

    Floats = NDArray[np.float64]

STORED = Path(__file__).parent / "error_rates" / "busy.json"
WORK = (1.0, 1.25, 2.0)
"""How much work head does for one of base's."""
STAGES = ("one_thread", "two_threads")
PROGRAM = """
import numpy as np
import harness

def measure(run):
    rng = np.random.default_rng(run.seed)
    rows, matrix = rng.random((200, 1000)), rng.random((1200, 1200))
    with run.stage("one_thread"):
        for _ in range(round(120 * run.options["work"])):
            np.sort(rows, axis=1)
    with run.stage("two_threads"):
        for _ in range(round(8 * run.options["work"])):
            matrix @ matrix
    run.predictions([0, 1], [0, 1])

SCENARIO = harness.Scenario(
    name="busy", version=1, source=harness.Source(slug="busy", title="Busy"), measure=measure, gated=("one_thread.seconds", "two_threads.seconds"),
    variants=tuple(harness.Variant(name=f"work-{work:g}", options={"work": work}) for work in WORK), tiers={"smoke": {}},
)
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One stage's times beside so many busy loops, run after run."""

    loops: int
    """Busy loops that ran beside."""
    stage: str
    """Stage."""
    work: float
    """How much work it did."""
    wall: list[float]
    """Wall seconds; value i was measured in round i."""
    cpu: list[float]
    """CPU seconds."""

    @property
    def times(self) -> Floats:
        """Wall and CPU times, (2, runs)."""
        return np.asarray([self.wall, self.cpu], np.float64)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """What was measured, and where."""

    schema: int
    """Version of the file's layout."""
    machine: dict[str, str]
    """Environment of the first run."""
    commit: str
    """Commit that ran."""
    date: str
    """UTC day."""
    command: str
    """Command."""
    cells: list[Cell]
    """Every number of loops, stage and amount of work."""

    def cell(self, loops: int, stage: str, work: float) -> Cell:
        """Return the one with these."""
        return next(
            cell for cell in self.cells if (cell.loops, cell.stage, cell.work) == (loops, stage, work)
        )


def load() -> Busy | None:
    """Read what was measured; None if nothing was."""
    if not STORED.exists():
        return None
    return files.decode(STORED.read_bytes(), Busy, str(STORED), "Measure it again: python -m benchmarks.busy")


def main(argv: list[str]) -> int:
    """Measure and store; print each cell's spread."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy", description=__doc__)
    parser.add_argument("--loops", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument(
        "--runs", type=int, default=60, help="rounds for each number of loops (default %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=STORED)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="busy-") as scratch:
        program = Path(scratch) / "busy.py"
        program.write_text(PROGRAM.replace("WORK", repr(WORK)))
        found = [_beside(loops, options.runs, program, Path(scratch)) for loops in options.loops]
    first = found[0][0][0].measurement
    cells = [
        Cell(loops=loops, stage=stage, work=work, wall=_values(runs, f"{stage}.seconds"), cpu=_values(runs, f"{stage}.cpu_seconds"))
        for loops, columns in zip(options.loops, found, strict=True)
        for work, runs in zip(WORK, columns, strict=True)
        for stage in STAGES
    ]  # fmt: skip
    busy = Busy(
        schema=1, machine=first.environment if first else {}, commit=environment.git_commit(), date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        command=f"python -m benchmarks.busy --runs {options.runs}", cells=cells,
    )  # fmt: skip
    files.write_json(options.out, busy)
    print("\n".join(described(busy)))
    return 0


def described(busy: Busy) -> Iterator[str]:
    """Say for each cell the median and the spread of both clocks."""
    for cell in busy.cells:
        told = [f"{np.median(clock):.3g} s ± {np.log(clock).std():.1%}" for clock in cell.times]
        yield f"{cell.loops} loops, {cell.stage}, work {cell.work:g}: wall {told[0]}, CPU {told[1]}"


def _beside(loops: int, rounds: int, program: Path, scratch: Path) -> list[list[RunResult]]:
    """Run every amount of work once a round beside busy loops; return the runs of each amount, in rounds."""
    rng = np.random.default_rng(loops)
    columns: list[list[RunResult]] = [[] for _ in WORK]
    scenarios = load_all((str(program),))
    with _looping(loops):
        for index in range(rounds):
            for place in rng.permutation(len(WORK)):
                request = RunRequest(
                    scenario="busy", variant=f"work-{WORK[place]:g}", tier="smoke", seed=index, scenario_paths=(str(program),)
                )  # fmt: skip
                (result,) = executors.run_all(executors.Local(), [request], scenarios, scratch / str(loops))
                if result.status != "ok":
                    raise HarnessError(f"run {request.key} failed: {result.error}", "Measure again")
                columns[int(place)].append(result)
    return columns


@contextlib.contextmanager
def _looping(count: int) -> Iterator[None]:
    """Keep so many other processes busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _values(runs: Sequence[RunResult], metric: str) -> list[float]:
    return [float(f"{typing.cast('float', run.metrics[metric].value):.6g}") for run in runs]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
