"""Measure how often the gate errs, beside its peers: ``python -m benchmarks.error_rates [--markdown FILE]``; see ``--help``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.error_rates import (
    bisection,
    equivalence,
    history,
    judging,
    page,
    published,
    samples,
    simulation,
)

SEED = 20260


def main(argv: list[str]) -> int:
    """Write the page, or do one of its parts; return 1 if a bar is missed."""
    options = _parser().parse_args(argv)
    if options.part == "collect":
        for path in samples.collect(options.names, runs=options.runs, out=options.out, modes=options.modes):
            print(path)
        return 0
    simulated = {"judging": judging, "published": published, "equivalence": equivalence}.get(options.part)
    if simulated is not None:
        print(json.dumps(simulated.table(options.trials, options.seed), indent=1))
        return 0
    if options.part == "history":
        print(history.markdown(history.tables(options.trials, options.seed)))
        return 0
    if options.part == "bisection":
        print(bisection.markdown(list(bisection.rows(options.trials, options.seed, options.noise))))
        return 0
    settings = simulation.Settings(
        trials=options.trials,
        peers=options.peers,
        gates=options.gates,
        seed=options.seed,
        processes=options.processes,
    )
    return page.write(options.markdown, settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.error_rates", description=__doc__)
    parser.add_argument("--markdown", type=Path, help="file to write the page to; standard output if missing")
    parser.add_argument("--trials", type=int, default=5_000, help="trials of a row (default %(default)s)")
    parser.add_argument(
        "--peers", type=int, default=1_000, help="of them given to the peers (default %(default)s)"
    )
    parser.add_argument("--gates", type=int, default=20_000, help="whole gates (default %(default)s)")
    parser.add_argument(
        "--processes", type=int, default=1, help="processes that share the rows (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parts = parser.add_subparsers(dest="part")
    collect = parts.add_parser("collect", help="run scenarios again and again and store what they measure")
    collect.add_argument("names", nargs="*", default=list(samples.CHOSEN), metavar="SCENARIO[:VARIANT]")
    collect.add_argument("--runs", type=int, default=80)
    collect.add_argument("--modes", nargs="+", choices=samples.MODES, default=list(samples.MODES))
    collect.add_argument("--out", type=Path, default=samples.FOLDER)
    judged = parts.add_parser(
        "judging", help="error rates of `harness judge`, for docs/statistics.md, as JSON"
    )
    judged.add_argument("--trials", type=int, default=10_000)
    judged.add_argument("--seed", type=int, default=SEED)
    printed = parts.add_parser(
        "published", help="error rates of published values, for docs/statistics.md, as JSON"
    )
    printed.add_argument("--trials", type=int, default=4_000)
    printed.add_argument("--seed", type=int, default=SEED)
    alike = parts.add_parser(
        "equivalence", help="error rates of `harness compare`, for docs/compare.md, as JSON"
    )
    alike.add_argument("--trials", type=int, default=5_000)
    alike.add_argument("--seed", type=int, default=SEED)
    levels = parts.add_parser(
        "history", help="error rates of `harness history`, for docs/history.md, as Markdown"
    )
    levels.add_argument("--trials", type=int, default=1000)
    levels.add_argument("--seed", type=int, default=SEED)
    searched = parts.add_parser(
        "bisection", help="error rates of `harness bisect`, for docs/history.md, as Markdown"
    )
    kinds = [*bisection.NOISE, bisection.PAIRS]
    searched.add_argument("--noise", nargs="+", choices=kinds, default=kinds)
    searched.add_argument("--trials", type=int, default=1000)
    searched.add_argument("--seed", type=int, default=SEED)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
