"""Every simulation of the page, from one seed: what the gate finds, whole gates, and the peers on the same values."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from benchmarks.error_rates import agreement, gates, looks, noise, peers, power, samples
from benchmarks.error_rates.noise import Regime
from benchmarks.error_rates.power import Outcome, Plan, stream
from harness.gate import rules
from harness.gate.trials import FIRST_PAIRS

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.error_rates.gates import Rates
    from benchmarks.error_rates.samples import Samples, Series

    Floats = NDArray[np.float64]

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
    agreement: int = 30
    """Draws of each noise, size and change that are decided by the gate's own functions too."""


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
    agreement: tuple[int, int]
    """Looks compared with the gate's own, and how many differed."""

    def names(self, kind: noise.Kind) -> list[str]:
        """Names of a kind's regimes."""
        return [regime.name for regime in self.regimes if regime.kind == kind]


def everything(settings: Settings, told: Callable[[str], object]) -> Results:
    """Run all simulations; `told` hears of each step."""
    stored = samples.load()
    regimes = [*noise.RUNTIME, *noise.ACCURACY, *noise.MEMORY, *real_regimes(stored)]
    timed = [regime for regime in regimes if regime.kind == "runtime"]
    told("agreement")
    agreed = agreement.disagreements(settings.agreement, settings.seed)
    told("runtime")
    runtime = {
        (regime.name, slowdown): power.runtime(
            regime.draw, slowdown, stream(settings.seed, f"runtime {regime.name} {slowdown}"), settings.trials
        )
        for regime in timed
        for slowdown in SLOWDOWNS
    }
    told("accuracy and memory")
    accuracy, runs, points = _accuracy(regimes, settings)
    memory = _memory(regimes, settings)
    told("whole gates")
    whole = {
        name: gates.simulate(settings.gates, settings.seed, fresh=plan.fresh) for name, plan in PLANS.items()
    }
    told("peers")
    beside = {
        (regime.name, pairs, slowdown): row
        for regime in timed
        for pairs in PEER_PAIRS
        for slowdown, row in _beside(regime, pairs, settings).items()
    }
    return Results(
        settings=settings,
        samples=stored,
        regimes=regimes,
        variations={r.name: noise.variation(r, stream(settings.seed, f"variation {r.name}")) for r in timed},
        runtime=runtime,
        accuracy=accuracy,
        runs=runs,
        points=points,
        memory=memory,
        whole=whole,
        beside=beside,
        beside_points={drop: _beside_points(drop, settings) for drop in (0.0, *POINTS)},
        beside_memory={growth: _beside_memory(growth, settings) for growth in GROWTHS},
        agreement=agreed,
    )


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


def _accuracy(
    regimes: Sequence[Regime], settings: Settings
) -> tuple[
    dict[tuple[str, str, float], Outcome],
    dict[tuple[int, int, bool, float], Outcome],
    dict[tuple[str, float, float], Outcome],
]:
    shapes = [regime for regime in regimes if regime.kind == "accuracy"]
    by_shape = {
        (name, shape.name, loss): power.score(
            shape.draw,
            loss,
            stream(settings.seed, f"accuracy {name} {shape.name} {loss}"),
            settings.trials,
            plan,
        )
        for name, plan in PLANS.items()
        for shape in shapes
        for loss in LOSSES
    }
    sizes = [(m, n, False) for m in (10, 20) for n in (3, 5, 10)] + [(n, n, True) for n in (5, 7, 10)]
    by_runs = {
        (m, n, fresh, loss): power.score(
            noise.normal, loss, stream(settings.seed, f"runs {m} {n} {fresh} {loss}"), settings.trials,
            Plan(base=m, head=n, fresh=fresh),
        )
        for m, n, fresh in sizes
        for loss in LOSSES
    }  # fmt: skip
    by_points = {
        (name, sd, drop): power.score(
            noise.normal, drop / sd, stream(settings.seed, f"points {name} {sd} {drop}"), settings.trials, plan,
            floor=100 / images / sd,
        )
        for name, plan in PLANS.items()
        for sd, images in SPREADS
        for drop in POINTS
    }  # fmt: skip
    return by_shape, by_runs, by_points


def _memory(regimes: Sequence[Regime], settings: Settings) -> dict[tuple[str, str, float, float], Outcome]:
    return {
        (name, regime.name, level, growth): power.memory(
            regime.draw, level, growth, stream(settings.seed, f"memory {name} {regime.name} {level} {growth}"),
            settings.trials, plan,
        )
        for name, plan in PLANS.items()
        for regime in regimes
        if regime.kind == "memory"
        for level in ((regime.level,) if regime.level is not None else LEVELS)
        for growth in GROWTHS
    }  # fmt: skip


# -- beside the peers --------------------------------------------------------------------------


def _beside(regime: Regime, pairs: int, settings: Settings) -> dict[float, Beside]:
    """Give the same pairs to the gate and to every peer, unchanged and slowed down."""
    rng = stream(settings.seed, f"beside {regime.name} {pairs}")
    tuning = noise.pairs(regime.draw, 0.0, rng, settings.peers, pairs)
    cuts = {peer.name: peers.tuned_cut(peer, peers.scores(peer, *tuning)) for peer in peers.ALL}
    rows = {}
    for slowdown in SLOWDOWNS:
        base, head = noise.pairs(regime.draw, slowdown, rng, settings.peers, pairs)
        scores = {peer.name: peers.scores(peer, base, head) for peer in peers.ALL}
        rows[slowdown] = Beside(
            shipped={peer.name: peers.share_slower(peer, base, head) for peer in peers.ALL},
            tuned={name: float((found > cuts[name]).mean()) for name, found in scores.items()},
            single=float(looks.runtime_alarm(base, head, SINGLE_LEVEL).mean()),
            gate=_gate(regime, base, head, slowdown, rng),
        )
    return rows


def _gate(
    regime: Regime, base: Floats, head: Floats, slowdown: float, rng: np.random.Generator
) -> float | None:
    """Share of confirmed failures when the screen has these pairs and the confirm round as many new ones as it wants."""
    if base.shape[1] < min(rules.RUNTIME_SCREEN):
        return None
    screen = looks.runtime_round(base, head, "screen")
    fresh = noise.pairs(regime.draw, slowdown, rng, int(screen.alarm.sum()), power.CONFIRM_PAIRS)
    return float(looks.runtime_round(*fresh, "confirm").alarm.sum() / len(base))


def _beside_points(drop: float, settings: Settings) -> dict[str, float]:
    """Give the same error rates to peers and gate: 98.5% accuracy, sd .15 points over seeds, a drop in points."""
    sd, images = SPREADS[0]
    rng = stream(settings.seed, f"beside points {drop}")
    base, head = (1.5 + extra - sd * noise.normal(rng, settings.peers, FIRST_PAIRS) for extra in (0, drop))
    ours = power.score(noise.normal, drop / sd, rng, settings.trials, AGAINST, floor=100 / images / sd)
    return {"gate": ours.failed, **_peers_on(base, head)}


def _beside_memory(growth: float, settings: Settings) -> dict[str, float]:
    """Give the same bytes to peers and gate: 100 MiB above imports, t3 tails."""
    rng = stream(settings.seed, f"beside memory {growth}")
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
