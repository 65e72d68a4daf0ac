"""Measure ratios and costs on this machine and write them down: ``python -m benchmarks [--markdown FILE] [KERNEL ...]``.

Fast and plain alternate within one process, so that what disturbs one disturbs the other; ratios are judged, not absolute times.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import subprocess
import sys
import time
import typing
from pathlib import Path

from benchmarks import costs, kernels
from harness import environment

if typing.TYPE_CHECKING:
    from collections.abc import Callable

PAIRS = 5


def main(argv: list[str]) -> int:
    """Run the named kernels and, if none is named, the costs; return 1 if a ratio, cost or equality is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("kernels", nargs="*", choices=[[], *kernels.FACTORIES])
    parser.add_argument("--markdown", type=Path, help="file to write the table to")
    options = parser.parse_args(argv)
    rows, good = [], True
    for factory in kernels.wanted(tuple(options.kernels)):
        row, passed = ratio(factory())
        rows.append(row)
        good &= passed
        print(row, flush=True)
    for cost in [] if options.kernels else _costs():
        row = f"| {cost.name} | {cost.value:.3g} {cost.unit} | at most {cost.allowed:g} {cost.unit} | {cost.detail} |"
        rows.append(row)
        good &= cost.value <= cost.allowed
        print(row, flush=True)
    if options.markdown:
        options.markdown.write_text(page(rows))
    return 0 if good else 1


def ratio(pair: kernels.Pair) -> tuple[str, bool]:
    """Check that both ways agree, time them in turn, and describe the ratio per unit of work."""
    difference = pair.difference()
    ratios, fastest = [], []
    for _ in range(PAIRS):
        fast = _time(pair.fast) / pair.fast_units
        ratios.append(_time(pair.plain) / pair.plain_units / fast)
        fastest.append(fast)
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    told = f"{middle:.1f}x ({low:.1f} to {high:.1f})"
    pace = f"{statistics.median(fastest):.3g} s per {pair.unit}"
    detail = f"{pair.data}; {PAIRS} interleaved pairs; {pace}; results differ by {difference:.1g}"
    good = middle >= pair.wanted and difference <= pair.allowed
    return f"| {pair.name} | {told} | at least {pair.wanted:g}x | {detail} |", good


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _costs() -> list[costs.Cost]:
    found = [costs.listing(), costs.overhead(), costs.smoke(), costs.history()]
    try:
        found += costs.grid("kmnist", "0-6", "2-6", allowed=180.0)
        found += costs.grid("mnist", "0-6", allowed=float("inf"))
    except subprocess.CalledProcessError as error:
        print(f"grids NOT MEASURED: {error}", file=sys.stderr)
    return found


def page(rows: list[str]) -> str:
    """Lay the table out as the docs page."""
    machine = environment.machine()
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gib']} GiB, Python {machine['python']}, {machine['os']}"
    head = [
        "# Benchmarks",
        "",
        f"Written by `python -m benchmarks --markdown docs/benchmarks.md` on {dt.datetime.now(dt.UTC):%Y-%m-%d}: {where}.",
        "Ratios compare the plain way with the harness's way in one process, in turn, per unit of work; both give the same",
        "result to the difference shown.",
        "",
        "| what | measured | asked for | how |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
