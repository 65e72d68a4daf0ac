"""Measure what inherited environment variables do to memory: ``python -m benchmarks.inherited --markdown docs/portable.md``.

Each row starts workers exactly as the runner does, and then sets one variable that the runner would have pinned or removed, or that it lets
through. Results are kept in ``--runs``, one line for each worker, so that what is there is not measured again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

from harness.judging.gate.rules import MEMORY_BYTES, MEMORY_SHARE
from harness.machine import environment, variables
from harness.records import Measurement, RunRequest
from harness.running import runner
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Found = dict[tuple[str, str], dict[int, float]]

MIB = 2**20
SCENARIOS = {
    "kmnist_svd_logreg:o-ma": "numpy",
    "tinyconvnet_svd:one-epoch": "torch",
    "digits1000_cnn:final": "tensorflow",
}
"""Scenario and variant -> backend, one for each kind of library."""
ROWS = (
    "TF_ENABLE_ONEDNN_OPTS=0",
    "ONEDNN_MAX_CPU_ISA=SSE41",
    "ONEDNN_MAX_CPU_ISA=AVX2",
    "OPENBLAS_CORETYPE=Prescott",
    "OPENBLAS_CORETYPE=Nehalem",
    "OPENBLAS_CORETYPE=Haswell",
    "OPENBLAS_L2_SIZE=512",
    "OPENBLAS_L2_SIZE=4096",
    "NPY_DISABLE_CPU_FEATURES=AVX2 FMA3",
    "ATEN_CPU_CAPABILITY=default",
    "PYTHONTRACEMALLOC=1",
    "PYTHONTRACEMALLOC=10",
    "PYTHONMALLOC=malloc",
    "PYTHONMALLOC=debug",
    "PYTHONDEVMODE=1",
    "PYTHONHASHSEED=1",
    "PYTHONOPTIMIZE=2",
    "MALLOC_ARENA_MAX=1",
    "MALLOC_TRIM_THRESHOLD_=65536",
    "MALLOC_MMAP_THRESHOLD_=65536",
    "MALLOC_MMAP_THRESHOLD_=33554432",
    "MALLOC_TOP_PAD_=67108864",
    "MALLOC_PERTURB_=165",
    "GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=0",
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX2_Usable",
    "OMP_WAIT_POLICY=PASSIVE",
    "OMP_STACKSIZE=64M",
    "OMP_PROC_BIND=true",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY=0",
    "LRU_CACHE_CAPACITY=1",
    "THP_MEM_ALLOC_ENABLE=1",
    "TF_XLA_FLAGS=--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
    "XLA_FLAGS=--xla_cpu_multi_thread_eigen=false",
    "TF_DETERMINISTIC_OPS=1",
)
"""Settings that are tried, each against a worker without it."""
PLAIN = ""


def main(argv: Sequence[str]) -> int:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inherited")
    parser.add_argument(
        "settings", nargs="*", metavar="NAME=VALUE", help="rows to measure; all if none is named"
    )
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("reports", "reference", "inherited.jsonl"))
    parser.add_argument("--markdown", type=Path, help="file to write the page to")
    parser.add_argument("--no-runs", action="store_true", help="write the page from what was measured before")
    options = parser.parse_args(argv)
    rows = [PLAIN, *(options.settings or ROWS)]
    if not options.no_runs:
        for scenario in options.scenarios:
            for setting in rows:
                for seed in range(options.seeds):
                    if seed not in read(options.runs).get((scenario, setting), {}):
                        measure(scenario, setting, seed, options.runs)
    if options.markdown:
        files.write_text(options.markdown, page(read(options.runs)))
    return 0


def measure(scenario: str, setting: str, seed: int, runs: Path) -> None:
    """Run one worker with a setting and keep the peak of its stages above what its imports hold, bytes."""
    name, variant = scenario.split(":")
    request = RunRequest(scenario=name, variant=variant, tier="smoke", seed=seed, backend=SCENARIOS[scenario])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "request.json")
        files.write_json(place, request)
        inherited = runner.worker_environment(request)
        if setting:
            variable, _, value = setting.partition("=")
            inherited[variable] = value
        command = [sys.executable, "-P", "-m", "harness.worker", str(place)]
        subprocess.run(command, env=inherited, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        found = files.decode(
            (place.parent / "measurement.json").read_bytes(), Measurement, "measurement.json"
        )
    imported, *stages = (stage.peak_bytes for stage in found.stages)
    if imported is None or None in stages:
        raise SystemExit("this system does not tell a process its peak of memory")
    above = max(peak for peak in stages if peak is not None) - imported
    line = {"scenario": scenario, "setting": setting, "seed": seed, "above_imports_bytes": above}
    runs.parent.mkdir(parents=True, exist_ok=True)
    with runs.open("a") as lines:
        print(json.dumps(line), file=lines)
    print(f"{scenario} {setting or 'plain'} seed {seed}: {above / MIB:.1f} MiB", flush=True)


def read(runs: Path) -> Found:
    """Return what was measured, bytes by seed, of each scenario and setting."""
    found: Found = {}
    for line in runs.read_text().splitlines() if runs.exists() else ():
        one = json.loads(line)
        found.setdefault((one["scenario"], one["setting"]), {})[one["seed"]] = one["above_imports_bytes"]
    return found


def page(found: Found) -> str:
    """Write the page: what must match, what workers do with variables, what was measured."""
    parts = (HEAD, _matching(), VARIABLES, _table(), MEASURED, _measured(found))
    return "\n".join(line for part in parts for line in ([part] if isinstance(part, str) else part)) + "\n"


HEAD = f"""# Baselines on other machines

Scores, sizes and counts of work can be compared between machines. Memory and time depend on the CPU and on environment variables, from
which libraries choose their code and allocators. A worker pins such a choice where that costs nothing; the rest must be equal on both
sides.

| kind | compared with a stored baseline |
| --- | --- |
| accuracy, losses, sizes, counts of work, trajectories | if backend and device match, with the newest accepted baseline of any machine |
| memory | if the fields below match; otherwise the gate measures the baseline's commit here again |
| time | if the fields below match: shown as a ratio, never judged |

`harness baseline accept` lists the files that a new baseline outdates.

**Measuring memory again.** A gate on stored baselines checks out the commit that the baseline records, does ten runs of each variant
concerned, and compares with them. The report and the summary name the commit, the runs and the seconds. The runs stay in the user's cache
(`HARNESS_CACHE`, or `~/.cache/report-harness`), for this machine, commit, variant and seeds, so the next gate needs none. Keep that
folder between CI jobs. `--no-remeasure` switches this off.

Memory is INCOMPARABLE if this is impossible: the baseline is of uncommitted changes, git does not know its commit (a shallow clone), the
commit lacks the variant, its runs fail, or Dask workers do the runs. The gate then gives the reason in one line and goes on; with
`--strict` it exits with code 2. Type `harness doctor` to see which of this holds here, which variables are set and which fields differ.

The gate's floor for memory is {MEMORY_SHARE:.0%}, and at least {MEMORY_BYTES / MIB:g} MiB. What changes memory by more must match.

`python -m benchmarks.inherited --markdown docs/portable.md` writes this page from `harness/machine/variables.py`,
`harness/machine/environment.py` and its own measurements.

## Fields that must match

| field | kinds | how exactly |
| --- | --- | --- |"""
VARIABLES = """
- `cpu_flags` counts for memory where torch, TensorFlow or JAX was imported. With oneDNN on, `digits1000_cnn:final` took 124 to 128 MiB on
  AVX2, and 126 to 137 MiB on AVX-512, a difference close to the floor. NumPy's memory was the same on all kinds of machine.
- `tracing` names what watches the process: tracemalloc, sys.settrace, sys.setprofile, sys.monitoring, development mode.

## Environment variables

| variable | a worker | must match for | read by | what it changes |
| --- | --- | --- | --- | --- |"""
MEASURED = """
## What was measured

Peak above imports on the smoke tier, in MiB: the median of workers with the setting, less the median without it. The number of workers is
in brackets. Bold is beyond the floor; an empty cell was not measured. Machine: 2-core AMD EPYC with AVX2 and without AVX-512, 24 GiB,
2026-11-28, with other processes running, which hardly disturbs memory.
"""


def _matching() -> Iterator[str]:
    kinds: dict[tuple[str, environment.Precision], list[str]] = {}
    for kind, rules in environment.MUST_MATCH.items():
        for name, precision in rules:
            kinds.setdefault((name, precision), []).append(kind)
    for (field, how), named in kinds.items():
        exactly = "equal" if how == "exact" else "first number of the version (Python: first two)"
        yield f"| `{field}` | {', '.join(named)} | {exactly} |"


def _table() -> Iterator[str]:
    told = {"removed": "never gets it", "kept": "inherits it"}
    for row in variables.TABLE:
        value = f"`{row.value}`" if row.value else "the run's own value"
        treatment = told.get(
            row.treatment, f"gets {value}" + (" unless the user set it" if row.treatment == "default" else "")
        )
        must = ", ".join(row.forbids) if row.treatment in {"kept", "default"} else ""
        yield f"| `{row.name}` | {treatment} | {must} | {', '.join(row.libraries)} | {row.why} |"


def _measured(found: Found) -> Iterator[str]:
    names = [name for name in SCENARIOS if (name, PLAIN) in found]
    plain = {name: statistics.median(found[name, PLAIN].values()) for name in names}
    yield "| setting | " + " | ".join(f"{name}, {plain[name] / MIB:.1f} MiB" for name in names) + " |"
    yield "| --- |" + " --- |" * len(names)
    for setting in (row for row in ROWS if any((name, row) in found for name in names)):
        cells = (_cell(found.get((name, setting), {}), found[name, PLAIN]) for name in names)
        yield f"| `{setting}` | " + " | ".join(cells) + " |"


def _cell(values: dict[int, float], plain: dict[int, float]) -> str:
    """Return the difference of the medians, bold beyond the floor, and the number of workers; empty if there are none."""
    if not values:
        return ""
    usual = statistics.median(plain.values())
    change = statistics.median(values.values()) - usual
    text = f"{change / MIB:+.1f}"
    beyond = abs(change) > max(MEMORY_SHARE * usual, MEMORY_BYTES)
    return f"{f'**{text}**' if beyond else text} ({len(values)})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
