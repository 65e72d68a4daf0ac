"""Measure ratios and costs on this machine and write them down: ``python -m benchmarks [--markdown FILE] [KERNEL ...]``.

Fast and plain alternate within one process, so that what disturbs one disturbs the other; ratios are judged, not absolute times.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import time
import typing
from pathlib import Path

from benchmarks import costs, kernels, pairs
from harness.machine import environment

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAIRS = 5


def main(argv: list[str]) -> int:
    """Run the named kernels and, if none is named, the costs; return 1 if a ratio, cost or equality is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", help=", ".join(kernels.NAMES))
    parser.add_argument("--markdown", type=Path, help="file to write the table to")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    unknown = set(options.kernels) - set(kernels.NAMES)
    if unknown:
        parser.error(f"unknown kernel {min(unknown)}; known: {', '.join(kernels.NAMES)}")
    if options.here:
        row, good = measured(kernels.make(options.kernels[0], pairs.load()))
        print(row)
        return 0 if good else 1
    found = [*_kernels(options.kernels or list(kernels.NAMES)), *([] if options.kernels else _costs())]
    if options.markdown:
        options.markdown.write_text(page([row for row, _ in found]))
    return 0 if all(good for _, good in found) else 1


def _kernels(names: list[str]) -> Iterator[tuple[str, bool]]:
    """Measure each kernel in a process of its own: no process loads two frameworks."""
    for name in names:
        command = [sys.executable, "-m", "benchmarks", "--here", name]
        variables = {**os.environ, **kernels.ENVIRONMENT}
        done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=False)
        row = (
            done.stdout.strip().splitlines()[-1]
            if done.stdout.strip()
            else f"| {name} | NOT MEASURED | | exit {done.returncode} |"
        )
        print(row, flush=True)
        yield row, done.returncode == 0


def measured(pair: pairs.Pair) -> tuple[str, bool]:
    """Check a kernel's result and time it: beside the plain way if there is one."""
    return alone(pair) if pair.plain is None else ratio(pair, pair.plain)


def alone(pair: pairs.Pair) -> tuple[str, bool]:
    """Check what must hold of the result, and time the one way there is."""
    difference = pair.difference()
    seconds = sorted(_time(pair.fast) for _ in range(PAIRS))
    shown = f"{statistics.median(seconds):.3g} s ({seconds[0]:.3g} to {seconds[-1]:.3g})"
    limit = f"at most {pair.seconds:g} s" if pair.seconds else "-"
    detail = f"{pair.data}; {PAIRS} calls; off by {difference:.1g} from what must hold"
    good = difference <= pair.allowed and (not pair.seconds or statistics.median(seconds) <= pair.seconds)
    return f"| {pair.name} | {shown} | {limit} | {detail} |", good


def ratio(pair: pairs.Pair, plain: Callable[[], object]) -> tuple[str, bool]:
    """Check that both ways agree, time them in turn, and describe the ratio per unit of work."""
    difference = pair.difference()
    ratios, fastest = [], []
    for _ in range(PAIRS):
        fast = _time(pair.fast) / pair.work[0]
        ratios.append(_time(plain) / pair.work[1] / fast)
        fastest.append(fast)
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    shown = f"{middle:.1f}x ({low:.1f} to {high:.1f})"
    pace = f"{statistics.median(fastest):.3g} s"
    detail = f"{pair.data}; {PAIRS} interleaved pairs; ours takes {pace}; results differ by {difference:.1g}"
    good = middle >= pair.wanted and difference <= pair.allowed
    return f"| {pair.name} | {shown} | at least {pair.wanted:g}x | {detail} |", good


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _costs() -> Iterator[tuple[str, bool]]:
    for measure in costs.ALL:
        try:
            found = measure()
        except subprocess.CalledProcessError as error:
            yield f"| {measure.__name__} | NOT MEASURED | | {error} |", False
            continue
        for cost in found:
            limit = "-" if cost.allowed == float("inf") else f"at most {cost.allowed:g} {cost.unit}"
            row = f"| {cost.name} | {cost.value:.3g} {cost.unit} | {limit} | {cost.detail} |"
            print(row, flush=True)
            yield row, cost.value <= cost.allowed


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
