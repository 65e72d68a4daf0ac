"""The page's tables, as Markdown lines."""

from __future__ import annotations

import typing

from benchmarks.error_rates import bars, peers, simulation
from benchmarks.error_rates.noise import NORMAL
from benchmarks.error_rates.power import MARKS

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.error_rates.gates import Rates
    from benchmarks.error_rates.power import Outcome
    from benchmarks.error_rates.simulation import Beside, Results

AHEAD = 0.02
"""Power by which a peer must lead to be called ahead: below, two samples of 2,000 trials do not tell."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lay rows out as a Markdown table with an empty line after it."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def share(value: float) -> str:
    """Print a share: three digits, four below 1%."""
    return f"{value:.4f}" if 0 < value < 0.01 else f"{value:.3f}"


def percent(value: float) -> str:
    """Print a share as a percentage."""
    return f"{100 * value:g}%"


def bars_table(results: Results) -> list[str]:
    """List the bars."""
    rows = []
    for bar in bars.all_bars(results):
        low, high = bar.interval
        sign = "at most" if bar.at_most else "at least"
        measured = f"{100 * bar.share:.3g}% ({100 * low:.3g} to {100 * high:.3g})"
        rows.append((bar.name, f"{sign} {percent(bar.wanted)}", measured, bar.verdict, bar.detail))
    return table(("bar", "asked for", "measured (95% interval)", "", ""), rows)


def gates_table(whole: Mapping[str, Rates]) -> list[str]:
    """Whole gates: what the screen flags, and what is left of it."""
    rows = []
    for plan, rates in whole.items():
        low, high = bars.interval(bars.nonzero(rates) / rates.gates, rates.gates)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(rates.by_kind.items())) or "-"
        rows.append((
            plan,
            f"{rates.gates:,}",
            percent(round(rates.flagged / rates.gates, 3)),
            f"{bars.nonzero(rates)} = {100 * bars.nonzero(rates) / rates.gates:.3g}% ({100 * low:.2g} to {100 * high:.2g})",
            " / ".join(str(rates.exits.get(code, 0)) for code in (1, 2, 3)),
            kinds,
            percent(round(rates.undecided_times / rates.gates, 3)),
        ))  # fmt: skip
    head = (
        "reference", "gates", "screen flags something", "exit not 0", "exit 1 / 2 / 3", "REGRESSED by kind",
        "a runtime stays INCONCLUSIVE (exit 0)",
    )  # fmt: skip
    return table(head, rows)


def runtime_table(results: Results) -> list[str]:
    """Slowdowns: alarm and confirmed failure by number of screen pairs."""
    rows = []
    for regime in results.names("runtime"):
        for slowdown in simulation.SLOWDOWNS:
            found = results.runtime[regime, slowdown]
            rows.append((
                f"{regime} (sd {percent(round(results.variations[regime], 3))})",
                percent(slowdown),
                " / ".join(share(found.flagged_by[mark]) for mark in MARKS),
                " / ".join(share(found.failed_by[mark]) for mark in MARKS),
                share(found.passed),
                share(found.undecided),
                f"{found.screen_runs:.1f}; {found.all_runs:.1f}",
            ))  # fmt: skip
    head = (
        "noise", "slower by", "screen alarm by 7 / 15 / 40 pairs", "confirmed FAIL after it", "PASS", "INCONCLUSIVE",
        "pairs: screen; both rounds",
    )  # fmt: skip
    return table(head, rows)


def loops_table(results: Results) -> list[str]:
    """List measured slowdowns next to busy loops."""
    rows = [
        (
            str(loops), stage.replace("_", " "), percent(slowdown), share(found.flagged), share(found.failed), share(found.passed),
            share(found.undecided), f"{found.screen_runs:.1f}; {found.all_runs:.1f}",
        )
        for (loops, stage, slowdown), found in results.loops.items()
    ]  # fmt: skip
    head = (
        "busy loops",
        "stage",
        "slower by",
        "screen alarm",
        "confirmed FAIL",
        "PASS",
        "INCONCLUSIVE",
        "pairs: screen; both rounds",
    )
    return table(head, rows)


# -- beside the peers --------------------------------------------------------------------------


def beside_table(results: Results) -> list[str]:
    """Unchanged and 10% slower: false alarms and power of all rules on the same pairs."""
    rows = []
    for regime in results.names("runtime"):
        for pairs in simulation.PEER_PAIRS:
            unchanged, slower = results.beside[regime, pairs, 0.0], results.beside[regime, pairs, 0.1]
            rows.append((
                regime,
                str(pairs),
                *(_both(unchanged.shipped[peer.name], slower.shipped[peer.name]) for peer in peers.ALL),
                *(share(slower.tuned[peer.name]) for peer in peers.ALL),
                _both(unchanged.single, slower.single),
                "-" if slower.gate is None else _both(unchanged.gate or 0.0, slower.gate),
            ))  # fmt: skip
    names = [peer.name for peer in peers.ALL]
    head = (
        "noise", "n", *names, *(f"tuned: {_short(name)}" for name in names), "one look, p ≤ .01",
        "gate: n screen pairs, then confirmed",
    )  # fmt: skip
    return table(head, rows)


def _both(alarms: float, power: float) -> str:
    return f"{share(alarms)} / {share(power)}"


def _short(name: str) -> str:
    """Leave a peer's own threshold out of its name: tuned, it has another."""
    return name.split(":", maxsplit=1)[0].removesuffix(" 1.1")


def sizes_table(results: Results, pairs: int) -> list[str]:
    """Power by size of the slowdown at one number of pairs."""
    rows = []
    for regime in results.names("runtime"):
        for slowdown in simulation.SLOWDOWNS[1:]:
            row = results.beside[regime, pairs, slowdown]
            rows.append((
                regime,
                percent(slowdown),
                *(f"{share(row.shipped[peer.name])} ({share(row.tuned[peer.name])})" for peer in peers.ALL),
                share(row.single),
                share(row.gate or 0.0),
            ))  # fmt: skip
    head = ("noise", "slower by", *(f"{peer.name} (tuned)" for peer in peers.ALL), "one look, p ≤ .01", "gate, confirmed")  # fmt: skip
    return table(head, rows)


def ahead(results: Results) -> list[str]:
    """Say where a tuned peer finds more on the same pairs than one look of the gate at the same level."""
    found = []
    for (regime, pairs, slowdown), row in results.beside.items():
        if slowdown != 0.1 or row.gate is None:
            continue
        best = max(row.tuned, key=lambda name: row.tuned[name])
        if row.tuned[best] > row.single + AHEAD:
            found.append(f"- {regime}, {pairs} pairs: {best} tuned {_lead(row, best)}")
    return [*(found or ["- nowhere by more than .02"]), ""]


def _lead(row: Beside, best: str) -> str:
    behind = "is behind too" if row.tuned[best] > (row.gate or 0.0) + AHEAD else "is not behind"
    return (
        f"{share(row.tuned[best])}, one look {share(row.single)}; the gate {behind}: {share(row.gate or 0.0)}"
    )


# -- accuracy and memory -----------------------------------------------------------------------


def accuracy_table(results: Results) -> list[str]:
    """Losses in standard deviations over seeds, by shape."""
    rows = [
        (plan, regime, *(_found(results.accuracy[plan, regime, loss]) for loss in simulation.LOSSES))
        for plan in results.whole
        for regime in results.names("accuracy")
    ]
    return table(("reference", "spread over seeds", *(f"{loss:g} sd" for loss in simulation.LOSSES)), rows)


def runs_table(results: Results) -> list[str]:
    """List them by number of runs, bell-shaped."""
    sizes = dict.fromkeys((m, n, fresh) for m, n, fresh, _ in results.runs)
    rows = [
        (
            f"{m} {'fresh' if fresh else 'stored'}", str(n),
            *(_found(results.runs[m, n, fresh, loss]) for loss in simulation.LOSSES),
        )
        for m, n, fresh in sizes
    ]  # fmt: skip
    head = ("reference runs", "runs in question", *(f"{loss:g} sd" for loss in simulation.LOSSES))
    return table(head, rows)


def points_table(results: Results) -> list[str]:
    """List drops in percentage points."""
    rows = [
        (
            plan, f"{sd:g} points, {images:,} test images",
            *(_found(results.points[plan, sd, drop]) for drop in simulation.POINTS),
        )
        for plan in results.whole
        for sd, images in simulation.SPREADS
    ]  # fmt: skip
    head = ("reference", "sd over seeds", *(f"{drop:g} points" for drop in simulation.POINTS))
    return table(head, rows)


def memory_table(results: Results) -> list[str]:
    """Growth of memory above imports."""
    cells = dict.fromkeys((plan, regime, level) for plan, regime, level, _ in results.memory)
    rows = [
        (
            plan, regime, f"{level:g} MiB",
            *(_found(results.memory[plan, regime, level, growth]) for growth in simulation.GROWTHS),
        )
        for plan, regime, level in cells
    ]  # fmt: skip
    head = ("reference", "noise", "above imports", *(percent(growth) for growth in simulation.GROWTHS))
    return table(head, rows)


def _found(outcome: Outcome) -> str:
    open_ = f" ({share(outcome.undecided)})" if outcome.undecided else ""
    return f"{share(outcome.failed)}{open_}"


def beside_points_table(results: Results) -> list[str]:
    """Accuracy, beside what the peers can be given of it."""
    names = list(next(iter(results.beside_points.values())))
    rows = [
        (f"{drop:g} points", *(share(found[name]) for name in names))
        for drop, found in results.beside_points.items()
    ]
    return table((f"drop, {NORMAL.name}, sd .15", *names), rows)


def beside_memory_table(results: Results) -> list[str]:
    """Memory, beside what the peers can be given of it."""
    names = list(next(iter(results.beside_memory.values())))
    rows = [
        (percent(growth), *(share(found[name]) for name in names))
        for growth, found in results.beside_memory.items()
    ]
    return table(("growth at 100 MiB, t3 tails", *names), rows)
