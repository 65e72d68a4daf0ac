"""One look at one metric: which numbers are compared, by which tests, at which level. Pure; arrays in, a `Look` out.

Recipe, levels and measured error rates: docs/statistics.md and docs/error-rates.md.
"""

from __future__ import annotations

import math
import typing

import numpy as np

from harness.judging.statistics import (
    median_interval,
    normal_quantile,
    paired_rank_p,
    pooled_t_p,
    rank_p,
    rank_p_floor,
    signflip_p,
    t_quantile,
    worse_p,
)
from harness.records import Look

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from harness.judging.flips import Net
    from harness.records import Kind, Round

    Floats = NDArray[np.float64]
    Sides = tuple[Floats, Floats]
    Worse = typing.Literal["higher", "lower"]
    Clock = typing.Literal["wall", "cpu"]
    Taken = Round | typing.Literal["single"]

SEEDS_TO_JUDGE = 3
"""Below three runs a rank test means nothing."""
SCREEN_LEVEL = 0.01
"""Level of the screen for accuracy and other scores."""
MEMORY_SCREEN_LEVEL = 0.2
"""Level of the screen for memory: its floor keeps noise out already, and two spikes among seven reference runs must not hide a growth."""
T_SHARE = 0.5
"""In the screen the t bound may use twice the level: the rank test holds it."""
CONFIRM_LEVELS: Mapping[int, float] = {10: 0.004, 20: 0.001}
"""Fresh runs a side -> level of that look at a score; they add up to 0.005."""
MEMORY_CONFIRM: Mapping[int, float] = {10: 0.001, 20: 0.004}
"""The same for memory. Without outliers ten runs reach any level; with two spikes among ten stored runs only twenty fresh ones do."""

SINGLE_LEVEL = 0.005
"""Level where one look decides, because no fresh runs can confirm it: that of the whole confirm round, shared by all such looks at a variant."""

RUNTIME_SCREEN: Mapping[int, float] = {7: 2 / 128, 10: 0.01, 15: 0.02, 20: 0.01, 30: 0.01, 40: 0.01}
RUNTIME_CLEAR: Mapping[int, float] = {7: 1 / 128, 10: 0.004, 15: 0.004, 20: 0.004, 30: 0.004, 40: 0.004}
RUNTIME_CONFIRM: Mapping[int, float] = {10: 0.001, 15: 0.0005, 20: 0.0005, 30: 0.001, 40: 0.002}
"""Pairs -> level of the look at so many pairs. A metric is slower, or it is cleared of being 10% slower, or the next look decides.

The screen looks at wall and CPU time, so that more is flagged than by one clock: with twice these confirm levels .2% of unchanged gates failed
(6 of 3,000 simulated), with these .09% (3 of 3,500)."""
RUNTIME_POOLED: Mapping[int, float] = {7: 0.02, 10: 0.02}
"""Pairs -> level of a t test on logarithms that also raises an alarm, in the screen only: so few pairs have too few patterns of
signs to tell much. It needs no exact level, as the confirm round decides."""
SLOWDOWN_FLOOR = 1.05
"""Smallest ratio that is called slower."""
SLOWDOWN_EXCLUDED = 1.10
"""A runtime passes only when this ratio is excluded."""
ONE_CORE = (0.1, 1.1)
"""Median share of CPU time in wall time, over the runs of both sides, within which CPU time may lead: the work of one thread. Threads
that wait for each other on a loud machine spin, so that their CPU time is as noisy as the wall time; a stage that sleeps has little."""

MATTERS_SD: Mapping[int, float] = {10: 2.0, 20: 3.0}
"""Fresh runs a side -> a score is cleared once a loss of so many standard deviations over the baseline's seeds is excluded.

At the last look it is the loss that the gate is built to find: ten stored runs can never exclude less."""
_CLOSE = 1e-12

# differences that are too small to count, by kind of metric: the table of docs/statistics.md
RELATIVE = 1e-6
"""Share of the reference that float32 sums in another order may differ by."""
ABSOLUTE = 1e-12
"""What rounding leaves where the reference is zero."""
EXACT = 1e-12
"""Share of the reference for counts and sizes: whole numbers, stored as float64."""
MEMORY_SHARE = 0.03
MEMORY_BYTES = 1.5 * 2**20


def smallest(kind: Kind, unit: str, reference: float, images: float | None = None) -> float:
    """Return the smallest difference from `reference` that counts, in the metric's unit; of a runtime it is a ratio, `SLOWDOWN_FLOOR`.

    `images` is the number of test images where the harness scored the metric from predicted classes: then one image is the floor. It is
    None for everything else, whatever its unit.
    """
    size = abs(reference)
    if kind == "memory":
        return max(MEMORY_SHARE * size, MEMORY_BYTES)
    if kind in {"work", "size"}:
        return max(EXACT * size, ABSOLUTE)
    one_image = (1.0 if unit else 1 / images) if images else 0.0
    return max(RELATIVE * size, ABSOLUTE, one_image)


def above(difference: float, floor: float) -> bool:
    """Whether a difference counts; means of equal decimals differ in the last bits, so exactly one test image does not."""
    return difference > floor * (1 + RELATIVE)


def score_look(metric: str, base: Floats, head: Floats, *, worse: Worse, round_: Taken, floor: float) -> Look:
    """Look at a metric with a spread over seeds: accuracy, F1, loss, a size that varies.

    Parameters
    ----------
    metric, worse, round_ : str
        Name, direction that is tested, and screen, single, or confirm, whose level follows from n.
    base, head : float64 arrays of shapes (m,) and (n,)
        Reference values, at least two, and values in question.
    floor : float
        Difference of means that is too small to count, in the metric's unit.
    """
    sign = 1.0 if worse == "lower" else -1.0
    gap = sign * float(base.mean() - head.mean())
    bound, ranks = worse_p(sign * base, sign * head)
    level, share = _level(round_, len(head), SCREEN_LEVEL), T_SHARE if round_ == "screen" else 1.0
    few = not reachable(len(base), len(head), level)
    # where no ranks of so few runs could alarm, the bound alone may ask for fresh runs
    p = share * bound if few and round_ != "confirm" else max(share * bound, ranks)
    deviation = float(base.std(ddof=1))
    error = deviation * math.sqrt(1 / len(base) + 1 / len(head))
    half = t_quantile(0.995, len(base) - 1) * error
    upper = gap + t_quantile(0.99, len(base) - 1) * error
    tests = f"t bound from {len(base)} reference runs p = {bound:.2g}"
    tests += f" (counted as {share:g} of it)" if share < 1 else ""
    return Look(
        metric=metric, round=round_, base=base.tolist(), head=head.tolist(), worse=worse, estimate=gap, lower=gap - half,
        upper=gap + half, p=p, level=level, floor=floor, alarm=above(gap, floor) and p <= level + _CLOSE,
        clear=upper <= max(loss_that_matters(base, head), floor) * (1 + 1e-6),
        tests=tests + (", too few runs for ranks" if few else f", exact rank test p = {ranks:.2g}"),
    )  # fmt: skip


def memory_look(metric: str, base: Floats, head: Floats, *, worse: Worse, round_: Taken) -> Look:
    """Look at bytes, (m,) of the reference and (n,) in question: exact ranks, and a median growth of at least 3% or 1.5 MiB."""
    sign = 1.0 if worse == "higher" else -1.0
    differences = sign * np.subtract.outer(head, base).ravel()  # (n * m,)
    growth = float(np.median(differences))
    lower, upper = median_interval(differences, (len(base), len(head)))
    p = rank_p(sign * base, sign * head) if min(len(base), len(head)) >= 3 else 1.0
    level = _level(round_, len(head), MEMORY_SCREEN_LEVEL, MEMORY_CONFIRM)
    floor = smallest("memory", "B", float(np.median(base)))
    few = round_ != "confirm" and not reachable(len(base), len(head), level)
    return Look(
        metric=metric, round=round_, base=base.tolist(), head=head.tolist(), worse=worse, estimate=growth, lower=lower,
        upper=upper, p=p, level=level, floor=floor, alarm=above(growth, floor) and (few or p <= level + _CLOSE),
        clear=not above(growth, floor), tests="too few runs for ranks" if few else f"exact rank test p = {p:.2g}",
    )  # fmt: skip


def runtime_look(
    metric: str,
    base: Floats,
    head: Floats,
    *,
    round_: Round,
    cpu: Sides | None = None,
    clock: Clock | None = None,
) -> Look:
    """Look at times of pairs whose order a coin drew: exact, whatever the noise.

    The wall time decides whether a slowdown is excluded. CPU time can raise an alarm too, where a stage keeps one core busy and its wall
    time looks slower as well: other processes make a run wait, which its CPU time does not count.

    Parameters
    ----------
    metric, round_ : str
        Name, and screen or confirm.
    base, head : float64 arrays of shape (n,)
        Wall times of n pairs, seconds; KeyError if there is no look at n pairs in this round.
    cpu : two float64 arrays of shape (n,), optional
        CPU times of the same runs, base and head.
    clock : str, optional
        Clock that leads, which the screen found; by default the one with the smaller p.
    """
    pairs = len(base)
    level = (RUNTIME_SCREEN if round_ == "screen" else RUNTIME_CONFIRM)[pairs]
    pooled = RUNTIME_POOLED.get(pairs) if round_ == "screen" else None
    excluded = paired_rank_p(head / SLOWDOWN_EXCLUDED, base)
    clear = excluded <= RUNTIME_CLEAR[pairs] + _CLOSE
    leading: Clock = "wall"
    ratio, lower, upper, p, tests = _slower(base, head, level, pooled)
    # which clocks count depends on both sides alike: it stays the same when a pair's runs change places
    open_ = clock != "wall" and not clear and above(ratio, SLOWDOWN_FLOOR)
    if cpu is not None and open_ and _one_core(base, head, cpu):
        by_cpu = _slower(*cpu, level, pooled)
        if clock == "cpu" or (above(by_cpu[0], SLOWDOWN_FLOOR) and by_cpu[3] < p):
            leading, (ratio, lower, upper, p, tests) = "cpu", by_cpu
    tests = f"{'CPU time: ' if leading == 'cpu' else ''}{tests}"
    return Look(
        metric=metric, round=round_, base=base.tolist(), head=head.tolist(), worse="higher", estimate=ratio, lower=lower,
        upper=upper, p=p, level=level, floor=SLOWDOWN_FLOOR, alarm=above(ratio, SLOWDOWN_FLOOR) and p <= level + _CLOSE,
        clear=clear, clock=leading, tests=f"{tests}; 10% slower is {'' if clear else 'not '}excluded (p = {excluded:.2g})",
    )  # fmt: skip


def _slower(
    base: Floats, head: Floats, level: float, pooled: float | None
) -> tuple[float, float, float, float, str]:
    """Return the median ratio of head to base, its interval, p, and the tests in words; with `pooled` a t test may give p too."""
    pairs = len(base)
    ratios = np.divide.outer(head, base).ravel()  # (n * n,)
    p = paired_rank_p(base, head)
    tests = f"exact sign-flip test of ranks over {pairs} pairs p = {p:.2g}"
    if pooled is not None:
        by_t = pooled_t_p(np.log(base), np.log(head))
        p = min(p, by_t * level / pooled)
        tests += f", or t test of logarithms p = {by_t:.2g} at {pooled:g}"
    return float(np.median(ratios)), *median_interval(ratios, (pairs, pairs)), p, tests


def _one_core(base: Floats, head: Floats, cpu: Sides) -> bool:
    """Whether the runs of both sides together keep one core busy, or as much of it as a loud machine leaves them."""
    share = float(np.median(np.concatenate(cpu) / np.concatenate([base, head])))
    return ONE_CORE[0] <= share <= ONE_CORE[1]


def until_settled(
    look_at: Callable[[int], Look], levels: Iterable[int], available: int, settled: Callable[[Look], bool]
) -> tuple[list[Look], int]:
    """Take one look after another until one clears or settles.

    `look_at` looks at the first n runs or pairs; `levels` are the n at which a level is spent.

    Returns
    -------
    looks, needed
        `needed` is the number of runs or pairs of the next look; 0 if it is decided, or nothing more helps.
    """
    looks: list[Look] = []
    for count in sorted(levels):
        if count > available:
            return looks, count
        looks.append(look_at(count))
        if looks[-1].clear or settled(looks[-1]):
            break
    return looks, 0


def flips_look(metric: str, net: Net, *, worse: Worse) -> Look:
    """Look at the images that flipped between two sides with the same weights, by an exact sign-flip test.

    Each image counts once, by its net flips over runs. For one run this is McNemar's exact test (McNemar 1947); for several it
    holds its level however much their flips agree, which adding up their flips does not (Durkalski et al. 2003). `worse` is lower if
    right became wrong, higher if wrong became right.
    """
    sign = 1 if worse == "lower" else -1
    flipped = sign * net.images[net.images != 0]
    images, pairs = len(net.images), net.runs * len(net.images)
    p = signflip_p(flipped.astype(np.float64))
    share = float(flipped.sum()) / pairs
    # Wald's interval of paired shares, images as the unit
    spread = float((flipped**2).sum()) - float(flipped.sum()) ** 2 / images
    half = normal_quantile(0.995) * max(0.0, spread) ** 0.5 / pairs
    floor = 1 / images
    losses, gains = int((net.images > 0).sum()), int((net.images < 0).sum())
    exact = "exact McNemar test" if net.runs == 1 else "exact sign-flip test of each image's net flips"
    over = f"{net.runs} run{'s' * (net.runs > 1)} with the same weights as the reference"
    over += f" ({net.checkpoints} checkpoint{'s' * (net.checkpoints > 1)})"
    over += f", {net.left_out} left out: not comparable, or other images" if net.left_out else ""
    return Look(
        metric=metric, round="single", base=list(net.base), head=list(net.head), worse=worse, estimate=share,
        lower=share - half, upper=share + half, p=p, level=SINGLE_LEVEL, floor=floor,
        alarm=above(share, floor) and p <= SINGLE_LEVEL + _CLOSE, clear=not above(share + half, floor),
        tests=f"{exact}: {losses} of {images} images worse and {gains} better over {over}, p = {p:.2g}",
    )  # fmt: skip


def width(look: Look, divisor: int = 1) -> float:
    """Return the smallest difference of means that can raise an alarm in a look at scores: the t bound at its level over Holm's divisor."""
    base, taken = np.asarray(look.base), T_SHARE if look.round == "screen" else 1.0
    error = float(base.std(ddof=1)) * math.sqrt(1 / len(look.base) + 1 / len(look.head))
    return max(t_quantile(1 - look.level / divisor / taken, len(base) - 1) * error, look.floor)


def can_decide(net: Net) -> bool:
    """Whether so many images flipped that the exact test could reach its level, if all did so one way."""
    return bool(0.5 ** int((net.images != 0).sum()) <= SINGLE_LEVEL)


def beyond(look: Look) -> bool:
    """Whether what a look found is more than its floor."""
    return above(look.estimate, look.floor)


def once(look: Look, kind: Kind) -> Look:
    """Look at a screen's values of a score or memory again as a single look: at its level, without the screen's share."""
    base, head = np.asarray(look.base), np.asarray(look.head)
    if kind == "memory":
        return memory_look(look.metric, base, head, worse=look.worse, round_="single")
    return score_look(look.metric, base, head, worse=look.worse, round_="single", floor=look.floor)


def reachable(base: int, head: int, level: float) -> bool:
    """Whether the ranks of so many runs can reach a level at all; those of fewer than three runs say nothing."""
    return min(base, head) >= SEEDS_TO_JUDGE and rank_p_floor(base, head) <= level + _CLOSE


def _level(round_: Taken, runs: int, screen: float, confirm: Mapping[int, float] = CONFIRM_LEVELS) -> float:
    return {"screen": screen, "single": SINGLE_LEVEL}.get(round_) or confirm_level(runs, confirm)


def confirm_level(runs: int, levels: Mapping[int, float] = CONFIRM_LEVELS) -> float:
    """Level of the confirm look at so many fresh runs; that of the next smaller look between looks, 0 below the first."""
    reached = [looks for looks in levels if looks <= runs]
    return levels[max(reached)] if reached else 0.0


def loss_that_matters(base: Floats, head: Floats) -> float:
    """Return the loss that a look at these scores must exclude to clear.

    At the last look head's spread counts up to twice the reference's: ten stored runs of a skewed score often show too little.
    """
    runs = max((look for look in MATTERS_SD if look <= len(head)), default=min(MATTERS_SD))
    deviation = float(base.std(ddof=1))
    if runs == max(MATTERS_SD):
        deviation = min(max(deviation, float(head.std(ddof=1))), 2 * deviation)
    return MATTERS_SD[runs] * deviation


def next_look(looks: Mapping[int, float], runs: int) -> int | None:
    """Return the first look beyond so many runs or pairs; None after the last."""
    return min((look for look in looks if look > runs), default=None)
