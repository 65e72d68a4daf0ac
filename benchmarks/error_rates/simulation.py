"""Every simulation of the page, from one seed: what the gate finds, whole gates, and the peers on the same values."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import typing

import numpy as np

from benchmarks import busy
from benchmarks.error_rates import gates, noise, peers, power, samples
from benchmarks.error_rates.noise import Regime
from benchmarks.error_rates.power import Outcome, Plan, stream
from harness.judging.gate import rules
from harness.judging.gate.trials import FIRST_PAIRS
from harness.judging.statistics import paired_rank_p

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.error_rates.gates import Rates
    from benchmarks.error_rates.samples import Samples, Series

    Floats = NDArray[np.float64]
    Row = Callable[[np.random.Generator], Outcome]

K = typing.TypeVar("K")
V = typing.TypeVar("V")

SLOWDOWNS = (0.0, 0.05, 0.1, 0.2, 0.5)
LOSSES = (0.0, 1.0, 2.0, 3.0)
POINTS = (0.1, 0.2, 0.3, 0.5, 1.0)
SPREADS = ((0.15, 10_000), (0.6, 360))
"""Standard deviation over seeds, percentage points, and test images."""
GROWTHS = (0.0, 0.02, 0.03, 0.05, 0.1)
LEVELS = (20.0, 50.0, 100.0, 500.0)
RESAMPLED = ("total.seconds", "accuracy", "loss", "total.above_imports_bytes")
"""Metrics of real runs that the tables resample, where a scenario has them and they vary."""
PEER_PAIRS = (6, 7, 15, 40)
SINGLE_LEVEL = 0.01
AGAINST = Plan(base=FIRST_PAIRS, head=FIRST_PAIRS)
STORED = Plan(base=10, head=5, fresh=False)
PLANS = {"--against REF": AGAINST, "stored baseline": STORED}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How much is simulated."""

    trials: int
    """Trials of a row."""
    peers: int
    """Trials of a row that are given to the peers."""
    gates: int
    """Whole gates."""
    seed: int
    """Every row's stream comes from it and the row's name."""
    processes: int = 1
    """Processes that share the rows."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Shares of one row's trials that were called worse, by rule."""

    shipped: dict[str, float]
    """Peers as they are."""
    tuned: dict[str, float]
    """Peers cut at 1% false alarms on this very noise."""
    single: float
    """One look of the gate at level .01, no confirm round."""
    gate: float | None
    """Confirmed failure of the gate whose screen had these pairs; None where it has no look at so many."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All numbers of the page."""

    settings: Settings
    """How much was simulated."""
    samples: list[Samples]
    """Real runs there were."""
    regimes: list[Regime]
    """All regimes, those of real runs included."""
    variations: dict[str, float]
    """Runtime regime -> standard deviation of its logarithm."""
    runtime: dict[tuple[str, float], Outcome]
    """(regime, slowdown)."""
    accuracy: dict[tuple[str, str, float], Outcome]
    """(plan, regime, loss in sd)."""
    runs: dict[tuple[int, int, bool, float], Outcome]
    """(reference runs, runs in question, fresh, loss in sd), bell-shaped."""
    points: dict[tuple[str, float, float], Outcome]
    """(plan, sd, drop), percentage points."""
    memory: dict[tuple[str, str, float, float], Outcome]
    """(plan, regime, level in MiB, growth)."""
    whole: dict[str, Rates]
    """Plan -> whole gates."""
    beside: dict[tuple[str, int, float], Beside]
    """(regime, pairs, slowdown)."""
    beside_points: dict[float, dict[str, float]]
    """Drop in points -> rule -> share found."""
    beside_memory: dict[float, dict[str, float]]
    """Growth -> rule -> share found."""
    loops: dict[tuple[int, str, float], Outcome]
    """(busy loops, stage, slowdown), of measured pairs; empty if none were measured."""
    whole_loops: dict[int, Rates]
    """Busy loops -> whole gates whose times are those of measured runs."""

    def names(self, kind: noise.Kind) -> list[str]:
        """Names of a kind's regimes."""
        return [regime.name for regime in self.regimes if regime.kind == kind]


def everything(settings: Settings, told: Callable[[str], object]) -> Results:
    """Run all simulations; `told` hears of each step."""
    stored = samples.load()
    regimes = [*noise.RUNTIME, *noise.ACCURACY, *noise.MEMORY, *real_regimes(stored)]
    timed = [regime for regime in regimes if regime.kind == "runtime"]
    count = settings.trials

    def rows(name: str, todo: Mapping[K, Callable[[np.random.Generator], V]]) -> dict[K, V]:
        """Work rows out, each with a stream of its own."""
        told(name)
        work = [functools.partial(do, stream(settings.seed, f"{name} {key}")) for key, do in todo.items()]
        return dict(zip(todo, _shared_out(work, settings.processes), strict=True))

    runtime = {
        (regime.name, slowdown): functools.partial(power.runtime, regime.draw, slowdown, count=count)
        for regime in timed
        for slowdown in SLOWDOWNS
    }
    by_pairs = {
        (regime.name, pairs): functools.partial(_beside, regime, pairs, settings=settings)
        for regime in timed
        for pairs in PEER_PAIRS
    }
    whole = {
        name: functools.partial(gates.simulate, gates=settings.gates, fresh=plan.fresh)
        for name, plan in PLANS.items()
    }
    points = {drop: functools.partial(_beside_points, drop, settings=settings) for drop in (0.0, *POINTS)}
    growths = {growth: functools.partial(_beside_memory, growth, settings=settings) for growth in GROWTHS}
    return Results(
        settings=settings,
        samples=stored,
        regimes=regimes,
        variations={r.name: noise.variation(r, stream(settings.seed, f"variation {r.name}")) for r in timed},
        runtime=rows("runtime", runtime),
        accuracy=rows("accuracy", _accuracy(regimes, count)),
        runs=rows("runs", _runs(count)),
        points=rows("points", _points(count)),
        memory=rows("memory", _memory(regimes, count)),
        whole=rows("whole gates", whole),
        beside={
            (regime, pairs, slowdown): row
            for (regime, pairs), found in rows("peers", by_pairs).items()
            for slowdown, row in found.items()
        },
        beside_points=rows("beside points", points),
        beside_memory=rows("beside memory", growths),
        loops=rows("busy loops", _loops(count)),
        whole_loops=rows("whole gates, busy loops", _whole_loops(settings.gates // 4)),
    )


_WORK: list[Callable[[], typing.Any]] = []
"""Rows that forked processes share."""


def _shared_out(work: Sequence[Callable[[], V]], processes: int) -> list[V]:
    """Work rows out in so many processes; each row's random stream is its own, so that their number changes nothing."""
    if processes == 1:
        return [row() for row in work]
    _WORK[:] = work
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return pool.map(_one_row, range(len(work)), chunksize=1)


def _one_row(index: int) -> typing.Any:  # noqa: ANN401 - whatever the row gives
    return _WORK[index]()


# -- real runs ---------------------------------------------------------------------------------


def real_regimes(stored: Sequence[Samples]) -> list[Regime]:
    """Make regimes of the real runs: times of one seed and of many, scores over seeds, memory of one seed."""
    found = []
    for each in stored:
        for metric, series in each.metrics.items():
            if metric not in RESAMPLED:
                continue
            values = each.quiet(metric) if series.kind == "runtime" else np.asarray(series.values)
            if len(values) >= samples.FEWEST and np.ptp(values) > 0:
                found += _real(each, metric, series, values)
    return found


def _real(each: Samples, metric: str, series: Series, values: Floats) -> list[Regime]:
    name, kind = f"real {each.scenario}", series.kind
    seeds = "one seed" if each.mode == "same" else "a seed each"
    told = f"`{metric}`, {len(values)} runs of {each.date}, {seeds}"
    if kind == "runtime" and each.mode == "same":
        times = values / np.median(values)
        return [
            Regime(f"{name}, one by one", "runtime", noise.independent(times), told, real=True),
            Regime(f"{name}, stretches", "runtime", noise.stretches(times), told, real=True),
        ]
    if kind == "accuracy" and each.mode == "seeds":
        turned = power.standardised(-values if series.better == "lower" else values)
        return [Regime(f"{name} {metric}", "accuracy", turned, told, real=True)]
    if kind == "memory" and each.mode == "same":
        level = float(np.median(values))
        extra = (values - level) / power.MIB
        return [
            Regime(
                name, "memory", noise.independent(extra), told, real=True, level=round(level / power.MIB, 1)
            )
        ]
    return []


# -- accuracy and memory -----------------------------------------------------------------------


def _accuracy(regimes: Sequence[Regime], count: int) -> dict[tuple[str, str, float], Row]:
    return {
        (name, shape.name, loss): functools.partial(power.score, shape.draw, loss, count=count, plan=plan)
        for name, plan in PLANS.items()
        for shape in regimes
        if shape.kind == "accuracy"
        for loss in LOSSES
    }


def _runs(count: int) -> dict[tuple[int, int, bool, float], Row]:
    sizes = [(m, n, False) for m in (10, 20) for n in (3, 5, 10)] + [(n, n, True) for n in (5, 7, 10)]
    return {
        (m, n, fresh, loss): functools.partial(
            power.score, noise.normal, loss, count=count, plan=Plan(base=m, head=n, fresh=fresh)
        )
        for m, n, fresh in sizes
        for loss in LOSSES
    }


def _points(count: int) -> dict[tuple[str, float, float], Row]:
    return {
        (name, sd, drop): functools.partial(
            power.score, noise.normal, drop / sd, count=count, plan=plan, floor=100 / images / sd
        )
        for name, plan in PLANS.items()
        for sd, images in SPREADS
        for drop in POINTS
    }


def _memory(regimes: Sequence[Regime], count: int) -> dict[tuple[str, str, float, float], Row]:
    return {
        (name, regime.name, level, growth): functools.partial(
            power.memory, regime.draw, level, growth, count=count, plan=plan
        )
        for name, plan in PLANS.items()
        for regime in regimes
        if regime.kind == "memory"
        for level in ((regime.level,) if regime.level is not None else LEVELS)
        for growth in GROWTHS
    }


# -- measured next to busy loops ---------------------------------------------------------------


def _loops(count: int) -> dict[tuple[int, str, float], Row]:
    """Draw gates of measured pairs; the slower heads were measured too."""
    measured = busy.load()
    if measured is None:
        return {}
    return {
        (cell.loops, cell.stage, cell.work - 1): functools.partial(
            _measured, measured.cell(cell.loops, cell.stage, min(busy.WORK)).times, cell, count=count
        )
        for cell in measured.cells
    }


def _measured(base: Floats, cell: busy.Cell, rng: np.random.Generator, count: int) -> Outcome:
    """Decide gates whose pairs are consecutive rounds from a random start; of an unchanged program, two rounds make a pair."""
    if cell.work == min(busy.WORK):
        return power.runtime(noise.stretches(base), 0.0, rng, count)

    def pairs_of(trials: int, pairs: int) -> tuple[Floats, Floats]:
        places = (rng.integers(base.shape[1], size=(trials, 1)) + np.arange(pairs)) % base.shape[1]
        return base[:, places], cell.times[:, places]

    return power.paired(pairs_of, count)


def _whole_loops(count: int) -> dict[int, Callable[[np.random.Generator], Rates]]:
    """Decide whole gates of an unchanged program whose times are those measured next to busy loops."""
    measured = busy.load()
    if measured is None:
        return {}
    return {
        loops: functools.partial(
            gates.simulate,
            gates=count,
            fresh=True,
            times=[
                noise.stretches(measured.cell(loops, stage, min(busy.WORK)).times) for stage in busy.STAGES
            ],
        )
        for loops in dict.fromkeys(cell.loops for cell in measured.cells)
    }


# -- beside the peers --------------------------------------------------------------------------


def _beside(regime: Regime, pairs: int, rng: np.random.Generator, settings: Settings) -> dict[float, Beside]:
    """Give the same pairs to the gate and to every peer, unchanged and slowed down; peers see wall times."""
    tuning, unchanged = (side[0] for side in noise.pairs(regime.draw, 0.0, rng, settings.peers, pairs))
    cuts = {peer.name: peers.tuned_cut(peer, peers.scores(peer, tuning, unchanged)) for peer in peers.ALL}
    rows = {}
    for slowdown in SLOWDOWNS:
        base, head = noise.pairs(regime.draw, slowdown, rng, settings.peers, pairs)  # (clocks, trials, pairs)
        scores = {peer.name: peers.scores(peer, base[0], head[0]) for peer in peers.ALL}
        rows[slowdown] = Beside(
            shipped={peer.name: peers.share_slower(peer, base[0], head[0]) for peer in peers.ALL},
            tuned={name: float((found > cuts[name]).mean()) for name, found in scores.items()},
            single=float(np.mean([_single(b, h) for b, h in zip(base[0], head[0], strict=True)])),
            gate=_gate(regime, base, head, slowdown, rng),
        )
    return rows


def _single(base: Floats, head: Floats) -> bool:
    """Take one look of the gate's exact test at wall times, with its floor."""
    ratio = float(np.median(np.divide.outer(head, base)))
    return ratio > rules.SLOWDOWN_FLOOR and paired_rank_p(base, head) <= SINGLE_LEVEL


def _gate(
    regime: Regime, base: Floats, head: Floats, slowdown: float, rng: np.random.Generator
) -> float | None:
    """Share of confirmed failures when the screen has these pairs and the confirm round as many new ones as it wants."""
    if base.shape[2] < min(rules.RUNTIME_SCREEN):
        return None
    first = iter(((base, head),))
    found = power.paired(
        lambda trials, pairs: next(first, None) or noise.pairs(regime.draw, slowdown, rng, trials, pairs),
        base.shape[1],
    )
    return found.failed


def _beside_points(drop: float, rng: np.random.Generator, settings: Settings) -> dict[str, float]:
    """Give the same error rates to peers and gate: 98.5% accuracy, sd .15 points over seeds, a drop in points."""
    sd, images = SPREADS[0]
    base, head = (1.5 + extra - sd * noise.normal(rng, settings.peers, FIRST_PAIRS) for extra in (0, drop))
    ours = power.score(noise.normal, drop / sd, rng, settings.trials, AGAINST, floor=100 / images / sd)
    return {"gate": ours.failed, **_peers_on(base, head)}


def _beside_memory(growth: float, rng: np.random.Generator, settings: Settings) -> dict[str, float]:
    """Give the same bytes to peers and gate: 100 MiB above imports, t3 tails."""
    base, head = (
        100 * (1 + more) + noise.TAILS.draw(rng, settings.peers, FIRST_PAIRS) for more in (0, growth)
    )
    ours = power.memory(noise.TAILS.draw, 100, growth, rng, settings.trials, AGAINST)
    return {"gate": ours.failed, **_peers_on(base, head)}


def _peers_on(base: Floats, head: Floats) -> dict[str, float]:
    """Share that asv calls worse by one run a side, and pyperf by all; pytest-benchmark stores times only."""
    one = [
        peers.asv_single_slower(b, h) for b, h in zip(base[:, 0].tolist(), head[:, 0].tolist(), strict=True)
    ]
    return {
        "asv compare 1.1, one run": float(np.mean(one)),
        peers.PYPERF.name: peers.share_slower(peers.PYPERF, base, head),
    }
