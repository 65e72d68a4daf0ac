"""docs/error-rates.md: what was simulated, laid out; every number comes from `simulation`."""

from __future__ import annotations

import datetime as dt
import sys
import time
import typing

from benchmarks import busy
from benchmarks.error_rates import bars, noise, peers, simulation, tables
from harness.machine import environment
from harness.store import files

if typing.TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.error_rates.simulation import Results, Settings

COMMAND = "python -m benchmarks.error_rates"


def write(path: Path | None, settings: Settings) -> int:
    """Simulate everything and write the page, or print it; return 1 if a bar is missed."""
    start = time.monotonic()

    def told(step: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s: {step}", file=sys.stderr, flush=True)

    results = simulation.everything(settings, told)
    text = render(results, minutes=(time.monotonic() - start) / 60)
    if path is None:
        print(text)
    else:
        files.write_text(path, text)
    told("done")
    return 0 if all(bar.met for bar in bars.all_bars(results)) else 1


def render(results: Results, *, minutes: float) -> str:
    """Lay the page out."""
    lines = [
        *_head(results, minutes),
        *_bars(results),
        *_whole(results),
        *_runtime(results),
        *_loops(results),
        *_peers(results),
        *_accuracy(results),
        *_memory(results),
        *_noise(results),
        *_limits(),
    ]
    return "\n".join(lines)


def _head(results: Results, minutes: float) -> list[str]:
    settings = results.settings
    options = (
        f"--trials {settings.trials} --peers {settings.peers} --gates {settings.gates} --seed {settings.seed}"
    )
    return [
        "# Error rates of the gate",
        "",
        f"Written by `{COMMAND} --markdown docs/error-rates.md {options}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}",
        f"(commit {environment.git_commit()[:8] or 'unknown'}, {minutes:.0f} minutes, --processes {settings.processes}). Peers: {peers.versions()}.",
        "Every row has a random stream of its own, from the seed and the row's name. The recipe: [gate.md](gate.md).",
        "",
        "Every trial is decided by the gate's own functions, from the looks (`harness/judging/gate/rules.py`) to the exit code.",
        "",
    ]


def _bars(results: Results) -> list[str]:
    return ["## The bars", "", *tables.bars_table(results)]


def _whole(results: Results) -> list[str]:
    return [
        "## Whole gates on an unchanged program",
        "",
        "8 scenarios x 15 metrics: 5 runtimes (a run's noise is shared, 1.5% is a stage's own), 3 scores (correlated .95), 4 memory peaks",
        "(100 MiB), 2 counters and 1 identity, which are exact and were not drawn. The scenarios take the noises below in turn. Both",
        "directions count for scores and memory. A stored baseline has 10 runs, is drawn anew for every gate, and serves both rounds; runtime",
        "is then not gated. Of a flagged group the gate's own rule names the metric that leads into the confirm round: the smallest p, of equal",
        "ones the furthest beyond its floor. The budget is unlimited: a smaller one can only leave more undecided.",
        "",
        *tables.gates_table(results.whole),
        "Without a confirm round every flagged gate would have failed.",
        "",
    ]


def _runtime(results: Results) -> list[str]:
    return [
        "## Slowdowns",
        "",
        "Pairs of base and head in an order drawn by a coin; looks at 7, 10, 15, 20, 30 and 40 pairs, then a confirm round with up to 40 new",
        "pairs. PASS means that a 10% slowdown was excluded, which at 10% and above is wrong.",
        "",
        *tables.runtime_table(results),
    ]


def _loops(results: Results) -> list[str]:
    measured = busy.load()
    if measured is None:
        return [
            "## Next to busy loops",
            "",
            "Nothing has been measured yet: `python -m benchmarks.busy` on a quiet machine.",
            "",
        ]
    spread = [f"- {line}" for line in busy.described(measured)]
    return [
        "## Next to busy loops",
        "",
        f"Measured by `{measured.command}` on {measured.date} ({measured.machine.get('cpu', 'unknown')}, commit {measured.commit[:8]}):",
        "a program with one stage of one thread and one of two, which does its work once, 1.25 times and twice. Gates are drawn from the",
        "measured pairs: consecutive rounds from a random start. Every pair counts, however loud. CPU time can raise an alarm for the stage",
        "of one thread; only wall time clears.",
        "",
        *tables.loops_table(results),
        "Whole gates of an unchanged program whose times are these:",
        "",
        *tables.gates_table({f"{loops} busy loops": rates for loops, rates in results.whole_loops.items()}),
        "Median and spread (standard deviation of the logarithm):",
        "",
        *spread,
        "",
    ]


def _peers(results: Results) -> list[str]:
    return [
        "## Beside the peers",
        "",
        f"The same pairs went to the packages' own functions ({results.settings.peers:,} trials a row); a test runs their command lines on stored",
        "files and gets the same answers. As shipped: false alarms / power at 10%. Tuned: power at 10% when the peer's statistic is cut at",
        "1% false alarms on another sample of this very noise, which no user knows; asv's p < .002 is fixed, only its factor can be tuned.",
        "",
        *tables.beside_table(results),
        "Where the best tuned peer finds a 10% slowdown by more than .02 more often than one look here does on the same pairs, both at 1%",
        "false alarms; and the gate, whose confirm round costs 10 or more pairs on top and whose false alarms are those of the last column:",
        "",
        *tables.ahead(results),
        "By size, 15 pairs:",
        "",
        *tables.sizes_table(results, 15),
    ]


def _accuracy(results: Results) -> list[str]:
    return [
        "## Accuracy",
        "",
        "Confirmed failures (in brackets: INCONCLUSIVE) by the size of the loss. `--against REF`: 7 base and 7 head runs, then 10 and up to 20",
        "fresh ones a side. Stored baseline: 10 stored runs against 5, then against 10 and up to 20 fresh ones.",
        "",
        *tables.accuracy_table(results),
        "By number of runs, bell-shaped:",
        "",
        *tables.runs_table(results),
        "By percentage points, bell-shaped, floor of one test image:",
        "",
        *tables.points_table(results),
        "Beside the peers: asv takes lower for better and stores one value of a run, so it was given error rates of one run a side (1.5%",
        "before the drop); pyperf's test was given those of 7 against 7 runs; pytest-benchmark takes times only.",
        "",
        *tables.beside_points_table(results),
    ]


def _memory(results: Results) -> list[str]:
    return [
        "## Memory",
        "",
        "Confirmed failures (in brackets: INCONCLUSIVE) by growth of the memory above imports; runs as for accuracy. Growth below the floor of",
        "3% or 1.5 MiB is meant to pass. With spikes, 1.2% of the baselines of ten runs hold three or more: ten such runs reach no level that a",
        "gate may use, whatever the test of ranks, and the gate says INCONCLUSIVE. `--against` runs the base again and finds these too.",
        "",
        *tables.memory_table(results),
        *tables.beside_memory_table(results),
    ]


def _noise(results: Results) -> list[str]:
    rows = [(regime.kind, regime.name, regime.told) for regime in results.regimes]
    return ["## Noise", "", *tables.table(("kind", "name", "what it is"), rows), *_samples(results), ""]


def _samples(results: Results) -> list[str]:
    if not any(regime.real for regime in results.regimes):
        return [
            "No real runs have been collected yet: everything above is synthetic. Collect them with",
            f"`{COMMAND} collect --runs 80` on a quiet machine and write the page again.",
        ]
    told = [
        f"- {each.scenario}:{each.variant}, {each.tier}, {len(each.seeds)} runs ({each.mode}), {sum(each.disturbed)} of them disturbed and"
        " left out of times;"
        f" {each.date}, {each.machine.get('cpu', 'unknown')}, commit {each.commit[:8]}, `{each.command}`"
        for each in results.samples
    ]
    return [
        "Real runs, in `benchmarks/error_rates/data/`: resampled one by one with replacement, and times also in consecutive stretches from a",
        "random start, where 40 pairs need 80 runs and so overlap heavily. One machine, one day.",
        "",
        *told,
    ]


def _limits() -> list[str]:
    heavy = f"{noise.DRIFTING_8.name} and {noise.THROTTLING.name}"
    return [
        "## What to hold against these numbers",
        "",
        "- The synthetic noises were made up here; a rule was kept or changed looking at some of them, so power on them may flatter.",
        f"- Runtime's false alarms do not depend on the noise: the coin makes the test exact. {heavy} show it.",
        "- Seeds are drawn independently on both sides; real base and head share theirs, which can only bring them closer.",
        "- Stages, scores and memory of a run share noise as stated; other structures were not tried.",
        "",
    ]
