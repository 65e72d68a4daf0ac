"""Pure judgement of published values by agreement: the interval of the difference must lie within a tolerance.

A value is REPRODUCED if runs show that it differs from the print by less than a tolerance (two one-sided tests, Schuirmann 1987), and
BELOW or ABOVE if they show a difference (prediction interval, Hahn and Meeker 1991). Not being able to tell is INCONCLUSIVE. Formulas and
measured error rates are in docs/statistics.md.
"""

from __future__ import annotations

import dataclasses
import math
import typing

import numpy as np

from harness.judging.statistics import chi2_quantile, fewest, normal_quantile, predicted_share, t_quantile
from harness.records import Judgement

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.records import DatasetUse, Expectation, RunResult, Tier, Verdict

    Floats = NDArray[np.float64]

LEVEL = 0.01
"""Level at which a difference is shown."""
AGREEMENT_LEVEL = 0.05
"""Level of each of the two one-sided tests that show agreement."""
SEEDS_TO_JUDGE = 3
"""Below three runs a spread means nothing."""
PROMISED_RUNS = 10
"""With so many runs a program that equals the source's is REPRODUCED with about `PROMISED_POWER`, never less than 0.9.

The source's own luck is included."""
PROMISED_POWER = 0.93
SHARE_TOLERANCE = 0.005
"""Half a point: the tolerance of shares of test images, unless one is declared."""
LOSS_TOLERANCE = 0.1
"""Share of a published loss that is its tolerance, unless one is declared."""
LOSS_UNITS = ("nat", "bit")
ROUNDING = 1e-9
"""Decimal prints have no exact binary form: relative slack of every comparison."""

_NO_STATISTICS = ("exact", "at_most", "at_least")
_AGREEMENT = "two one-sided tests at 5% that the difference lies within the tolerance, else a {} at 99%"
_TESTS = {
    "spread": _AGREEMENT.format("prediction interval from the spread over seeds"),
    "draw": _AGREEMENT.format("prediction interval, the larger of spread over seeds and binomial sampling,"),
    "mean": _AGREEMENT.format("interval of two means over seeds"),
    "split": _AGREEMENT.format("interval from the spread over seeds and the sampling of two test sets"),
    "exact": "every run equal to the printed digits",
    "at_most": "every run at or below the printed bound",
    "at_least": "every run at or above the printed bound",
    "ordering": "lead of the first over each other above minus the tolerance, 95% one-sided; behind at 99%",
}


def judge(expected: Expectation, key: str, tier: Tier, done: Sequence[RunResult]) -> Judgement:
    """Judge one published value, or say why it is not judged.

    Parameters
    ----------
    expected : Expectation
        The published value and its rule.
    key : str
        ``scenario:variant``, for the next command to type.
    tier : str
        Tier of the runs.
    done : sequence of RunResult
        Finished runs of one variant and tier. Where times are judged, those that something disturbed are left out.
    """
    first_tier = expected.tiers[0] if expected.tiers else tier
    blank = Judgement(
        against="expectation", metric=expected.metric, verdict="NOT_JUDGED", unit=expected.unit, reference=expected.value,
        place=expected.place, row=expected.row, next_step=f"harness run {key} --tier {first_tier} --seeds {PROMISED_RUNS}",
    )  # fmt: skip
    if expected.unreadable or not done:
        return dataclasses.replace(blank, reason=expected.unreadable or "no run finished")
    obstacle = "" if tier in expected.tiers else f"published for the {'/'.join(expected.tiers)} tier"
    if _is_timed(expected, done):
        quiet = [result for result in done if not result.disturbed]
        if not quiet and not obstacle:
            obstacle = "disturbed: other processes used the machine in every run"
        done = quiet or done
    lacking = _incomplete(done) if expected.needs_complete and not obstacle else []
    if lacking:
        obstacle = "incomplete data: " + "; ".join(use.found for use in lacking)
        fetch = f"harness data fetch {' '.join(use.name for use in lacking)}"
        blank = dataclasses.replace(blank, next_step=fetch)
    try:
        values, published = _stack(expected, done), _published(expected)
        _check_pair(expected, values, published, done)
    except ValueError as error:
        # off its own protocol a metric may be absent; on it, a metric that is missing is never silent
        verdict: Verdict = "NOT_JUDGED" if obstacle else "ERROR"
        return dataclasses.replace(blank, verdict=verdict, reason=obstacle or str(error))
    blank = _described(expected, blank, values)
    waiting = lacking and all(use.train_share is not None for use in lacking)
    if obstacle and not waiting:
        return dataclasses.replace(blank, reason=obstacle)
    if expected.rule not in _NO_STATISTICS and len(values) < SEEDS_TO_JUDGE:
        runs = f"{len(values)} run{'s' * (len(values) > 1)}"
        few = f"{runs} cannot show a spread; judge with --seeds {SEEDS_TO_JUDGE} or more"
        return dataclasses.replace(blank, reason=obstacle or few)
    judged = _excuse(expected, _decide(expected, blank, values, published))
    if not waiting:
        return judged
    share = min(use.train_share for use in lacking if use.train_share is not None)
    reason = f"would be {judged.verdict} on {100 * share:.3g}% of the training images; {obstacle}"
    return dataclasses.replace(judged, verdict="NOT_JUDGED", would_be=judged.verdict, reason=reason)


def _is_timed(expected: Expectation, done: Sequence[RunResult]) -> bool:
    names = expected.order or (expected.metric,)
    measured = (result.metrics[name] for result in done for name in names if name in result.metrics)
    return any(one.kind == "runtime" for one in measured)


def _incomplete(done: Sequence[RunResult]) -> list[DatasetUse]:
    used = [use for result in done if result.measurement for use in result.measurement.datasets]
    return list({use.name: use for use in used if not use.complete}.values())


# -- the tolerance --------------------------------------------------------------------


def tolerance(expected: Expectation) -> tuple[float, str]:
    """Return the largest deviation that counts as agreement, and why.

    It depends on the declaration alone, never on our runs: noisy runs cannot widen it. It is the rounding of the print plus the
    larger of the declared (or default) tolerance and what the published value may be off by chance.

    Parameters
    ----------
    expected : Expectation
        The published value; its rule is no equality and no bound, which have no tolerance.

    Returns
    -------
    float
        In the unit of the value; of an array the root mean square over its elements.
    str
        The reason, without an end stop.
    """
    wide, why = _declared(expected)
    if not expected.order:
        errors = _source_error(expected)
        by_chance = _luck(errors, expected) * float(np.sqrt(np.mean(errors**2)))
        if by_chance > wide:
            wide, why = by_chance, _chance(expected)
    return expected.half_width + wide, why


def _declared(expected: Expectation) -> tuple[float, str]:
    """Return the declared tolerance, or the default for this sort of value."""
    if expected.tolerance is not None:
        return expected.tolerance, expected.tolerance_reason
    if expected.test_images and expected.unit in {"", "%"}:
        return SHARE_TOLERANCE * (100 if expected.unit else 1), "half a point"
    if expected.order:
        return 0.0, "none is declared"
    if expected.unit in LOSS_UNITS:
        size = float(np.sqrt(np.mean(np.square(_published(expected)))))
        return LOSS_TOLERANCE * size, "10% of a loss"
    return expected.half_width, "half a unit of the last printed digit"


def _source_error(expected: Expectation) -> Floats:
    """Return the standard error of the published value, shaped like it: its own test images where they were drawn anew, and its own seeds."""
    published = _published(expected)
    variance = np.full(published.shape, expected.source_sd**2)
    if expected.rule in {"draw", "split"}:
        variance += _sampling(expected, published, expected.test_images) ** 2
    return np.asarray(np.sqrt(variance / expected.runs))


def _sampling(expected: Expectation, shares: Floats, images: int) -> Floats:
    """Return the binomial standard error of shares of test images; half an image more keeps it above zero at 0 and 1. Other values have none."""
    if not images or expected.unit not in {"", "%"}:
        return np.zeros_like(shares)
    scale = 100.0 if expected.unit else 1.0
    share = (np.clip(shares / scale, 0.0, 1.0) * images + 0.5) / (images + 1)
    return np.asarray(scale * np.sqrt(share * (1 - share) / images))


def _luck(errors: Floats, expected: Expectation) -> float:
    """Return within how many of these errors `PROMISED_RUNS` runs of an equal program show agreement, with `PROMISED_POWER`.

    For one published number these are 2.5: 1.9 for the difference, the rest for the margin of our ten runs. Elements of unequal error
    count as the fewer ones that carry most of the variance (Satterthwaite).
    """
    squares, k = errors.ravel() ** 2, PROMISED_RUNS
    if not squares.any():
        return 0.0
    size = max(1.0, float(squares.sum() ** 2 / (squares**2).sum()))  # rounding may give less than one
    # variance of our mean over theirs; one fixed test set of ours is as uncertain as theirs
    ratio = 1.0 if expected.rule == "split" else expected.runs / k
    difference = math.sqrt(chi2_quantile(PROMISED_POWER, size) / size * (1 + ratio))
    # sd in the direction where ten runs happen to differ most, over the true one
    widest = 1 + math.sqrt((size - 1) / k)
    return difference + t_quantile(1 - AGREEMENT_LEVEL, k - 1) * widest * math.sqrt(ratio / size)


def _chance(expected: Expectation) -> str:
    """Say what leaves the published value uncertain."""
    parts = []
    if expected.rule in {"draw", "split"} and expected.test_images:
        parts.append(f"the source tested {expected.test_images:,} images")
    if expected.source_sd:
        runs = "ran once" if expected.runs == 1 else f"ran {expected.runs} times"
        differ = f"runs differ by {amount(expected.unit, expected.source_sd)} (sd)"
        parts.append(f"the source {runs}, and {differ}")
    return "; ".join(parts)


def amount(unit: str, number: float) -> str:
    """Write a difference with three digits and its unit."""
    return f"{number:.3g} {'points' if unit == '%' else unit}".rstrip()


# -- what is compared with what --------------------------------------------------------------------


def _stack(expected: Expectation, done: Sequence[RunResult]) -> Floats:
    """Stack the judged values, (runs, ...); of an ordering the leads over each rival, (runs, rivals).

    Raises
    ------
    ValueError
        If a run lacks the metric, shapes differ between runs, or a value is not finite.
    """
    names = expected.order or (expected.metric,)
    for name in names:
        having = sum(name in result.metrics for result in done)
        if having < len(done):
            raise ValueError(f"metric '{name}' was measured in {having} of {len(done)} runs")
    try:
        table = np.asarray([[result.metrics[name].value for name in names] for result in done], np.float64)
    except ValueError as error:
        raise ValueError(f"metric '{expected.metric}' has another shape in each run") from error
    if not np.isfinite(table).all():
        raise ValueError(f"metric '{expected.metric}' is not finite in every run")
    if not expected.order:
        return table[:, 0]  # (runs, ...)
    if table.ndim != 2 or len(names) < 2:
        raise ValueError(f"'{expected.metric}' must order two or more numbers")
    leads = table[:, :1] - table[:, 1:]  # (runs, rivals)
    return np.asarray(-leads if expected.better == "lower" else leads)


def _published(expected: Expectation) -> Floats:
    if expected.order:
        return np.zeros(len(expected.order) - 1)
    published = np.asarray(expected.value, np.float64)
    if not np.isfinite(published).all():
        raise ValueError("the expectation declares no value")
    return published


def _check_pair(expected: Expectation, values: Floats, published: Floats, done: Sequence[RunResult]) -> None:
    """Refuse to compare what differs in shape or unit."""
    if published.shape != values.shape[1:]:
        raise ValueError(f"measured shape {values.shape[1:]}, published {published.shape}")
    measured = done[0].metrics[expected.order[0] if expected.order else expected.metric].unit
    # a share may stand beside a named count, but percent never beside a share
    if measured != expected.unit and ((measured and expected.unit) or "%" in {measured, expected.unit}):
        raise ValueError(f"measured in '{measured}', published in '{expected.unit}'")


def _described(expected: Expectation, blank: Judgement, values: Floats) -> Judgement:
    mean = values.mean(axis=0)
    value = float(mean.min()) if expected.order else mean.tolist()
    over_runs = float(values.std(axis=0, ddof=1).max()) if len(values) > 1 else None
    described = dataclasses.replace(
        blank, n=len(values), value=value, spread=over_runs, test=_TESTS[expected.rule]
    )
    if expected.rule in _NO_STATISTICS:
        return described
    wide, why = tolerance(expected)
    return dataclasses.replace(described, tolerance=wide, tolerance_reason=why)


# -- the judgement --------------------------------------------------------------------


def _decide(expected: Expectation, blank: Judgement, values: Floats, published: Floats) -> Judgement:
    if expected.rule in _NO_STATISTICS:
        return _held_in_every_run(expected, blank, values, published)
    if expected.order:
        return _ordered(expected, blank, values)
    evidence = _Evidence(expected, values, published)
    k, wide = len(values), blank.tolerance or 0.0
    width = evidence.width(k)
    beyond = (np.abs(evidence.offsets) - width).ravel()
    worst = int(beyond.argmax())
    off = float(evidence.offsets.ravel()[worst])
    verdict: Verdict = "INCONCLUSIVE"
    if evidence.agrees(k, wide):
        verdict = "REPRODUCED"
    elif beyond[worst] > 0:
        verdict = "BELOW" if off < 0 else "ABOVE"
    needed = evidence.runs_to_decide(wide) if verdict == "INCONCLUSIVE" else None
    single = published.ndim == 0
    distance = f"{off:+.3g}" if single else f"{evidence.deviation:.3g} (root mean square)"
    reason = f"off by {distance} ± {evidence.margin(k):.2g}, tolerance ±{amount(expected.unit, wide)} ({blank.tolerance_reason})"
    if not single and verdict in {"BELOW", "ABOVE"}:
        reason += f", furthest in element {worst + 1}: {off:+.3g}, resolution {width.ravel()[worst]:.2g}"
    if verdict == "INCONCLUSIVE":
        reason += "; " + _what_decides(needed)
    return dataclasses.replace(
        blank, verdict=verdict, margin=evidence.margin(k), resolution=float(np.max(width)),
        lower=float(published) - wide if single else None, upper=float(published) + wide if single else None,
        runs_needed=needed, next_step=_with_seeds(blank.next_step, needed), reason=reason,
    )  # fmt: skip


def _with_seeds(step: str, needed: int | None) -> str:
    return step.replace(f"--seeds {PROMISED_RUNS}", f"--seeds {needed}") if needed else step


def _what_decides(needed: int | None) -> str:
    if needed:
        return f"{needed} runs would decide if they go on like these"
    return "no number of runs decides: it exceeds the tolerance, and chance in the source's own run may explain it"


class _Evidence:
    """What runs of one published number or array show, at their own number of runs or at another if they go on like these."""

    def __init__(self, expected: Expectation, values: Floats, published: Floats) -> None:
        mean = values.mean(axis=0)
        self.expected = expected
        self.mean, self.offsets = mean, np.asarray(mean - published)  # shaped like one run's value
        self.deviation = float(np.sqrt(np.mean(self.offsets**2)))
        self.runs = len(values)
        self.sd = np.asarray(values.std(axis=0, ddof=1))
        # rounding of the print, and of binary sums
        self.rounding = expected.half_width + ROUNDING * np.maximum(np.abs(published), np.abs(values).max(0))
        centred = (values - mean).reshape(len(values), -1)  # (runs, elements)
        # sd of a mean over elements in the direction where runs differ most: bounds every direction
        self.widest = float(np.linalg.norm(centred, 2)) / math.sqrt((len(values) - 1) * self.offsets.size)

    def margin(self, runs: int) -> float:
        """Half of the 90% interval of the difference, root mean square over elements, rounding included."""
        n, size = self.expected.test_images, math.sqrt(self.offsets.size)
        half = t_quantile(1 - AGREEMENT_LEVEL, runs - 1) * self.widest / math.sqrt(runs)
        if self.expected.rule in {"draw", "split"}:
            # one fixed test set for all our runs: more runs do not draw more of its images
            images = n * runs if self.expected.rule == "draw" else n
            sampling = float(_sampling(self.expected, self.mean, images).max()) / size
            if self.expected.rule == "draw":
                half = max(half, normal_quantile(1 - AGREEMENT_LEVEL) * sampling)
            else:
                # t again: the error is estimated from the very share that may be off
                half = math.hypot(half, t_quantile(1 - AGREEMENT_LEVEL, runs - 1) * sampling)
        return half + float(np.sqrt(np.mean(self.rounding**2)))

    def agrees(self, runs: int, wide: float) -> bool:
        """Whether the 90% interval of the difference lies within the tolerance; for an array in every direction at once."""
        return self.deviation + self.margin(runs) <= wide * (1 + 1e-6)

    def width(self, runs: int) -> Floats:
        """Half-width of the 99% interval of each element's difference, both sides' luck included; at least one test image.

        Elements share the level (Bonferroni).
        """
        expected, s, n = self.expected, self.sd, self.expected.test_images
        level = 1 - LEVEL / 2 / s.size
        half = t_quantile(level, runs - 1) * self._standard_error(runs)
        if expected.rule == "draw" and n:
            scale = 100.0 if expected.unit == "%" else 1.0
            share = np.clip(self.mean / scale, 0.0, 1.0)
            counted = predicted_share(share, runs * n, n, level=level, above=self.offsets <= 0)
            drawn = _sampling(expected, self.mean, n)
            half = np.maximum(np.where(drawn > s, 0.0, half), scale * counted)
        one_image = (100.0 if expected.unit == "%" else 1.0) / n if n else 0.0
        return np.asarray(np.maximum(self.rounding + half, one_image))

    def _standard_error(self, runs: int) -> Floats:
        """Return the standard error of ours minus theirs over seeds; where another test set was used, of its sampling too."""
        expected, s = self.expected, self.sd
        if expected.rule == "split":
            sampling = _sampling(expected, self.mean, expected.test_images)
            return np.asarray(np.sqrt(s**2 * (1 + 1 / runs) + 2 * sampling**2))
        theirs = expected.runs if expected.rule == "mean" else 1
        return np.asarray(s * math.sqrt(1 / runs + 1 / theirs))

    def runs_to_decide(self, wide: float) -> int | None:
        """Fewest runs that show agreement or a difference at the observed mean and spread; None above `MOST_RUNS`."""

        def decides(runs: int) -> bool:
            return self.agrees(runs, wide) or bool((np.abs(self.offsets) > self.width(runs)).any())

        return fewest(self.runs, decides)


def _ordered(expected: Expectation, blank: Judgement, values: Floats) -> Judgement:
    """Judge that the first is at least as good as each rival, up to the tolerance; the rival that is nearest to refuting it decides."""
    leads, s, k = values.mean(axis=0), values.std(axis=0, ddof=1), len(values)
    wide = blank.tolerance or 0.0
    least = ROUNDING * float(np.abs(values).max(initial=0.0))
    one_image = 1 / expected.test_images if expected.test_images else 0.0

    def agrees(runs: int) -> bool:
        half = t_quantile(1 - AGREEMENT_LEVEL, runs - 1) * s / math.sqrt(runs)
        return bool((leads - half >= -wide - least).all())

    def behind(runs: int) -> bool:
        half = t_quantile(1 - LEVEL / len(s), runs - 1) * s / math.sqrt(runs)
        return bool((leads < -np.maximum(half, one_image) - least).any())

    verdict: Verdict = "REPRODUCED" if agrees(k) else "BELOW" if behind(k) else "INCONCLUSIVE"
    needed = fewest(k, lambda runs: agrees(runs) or behind(runs)) if verdict == "INCONCLUSIVE" else None
    margins = t_quantile(1 - AGREEMENT_LEVEL, k - 1) * s / math.sqrt(k)
    nearest = int((leads - margins).argmin())
    lead, margin = float(leads[nearest]), float(margins[nearest])
    held = int((values.min(axis=1) >= 0).sum())
    reason = f"the stated order held in {held} of {k} runs; nearest rival '{expected.order[nearest + 1]}', lead {lead:+.3g} ± {margin:.2g}"
    if verdict == "REPRODUCED" and lead - margin < -least:
        reason += f": a tie within the tolerance of {amount(expected.unit, wide)} ({blank.tolerance_reason}), no lead is shown"
    if verdict == "INCONCLUSIVE":
        reason += "; " + _what_decides(needed)
    widest = float(t_quantile(1 - LEVEL / len(s), k - 1) * s[nearest] / math.sqrt(k))
    return dataclasses.replace(
        blank, verdict=verdict, value=lead, spread=float(s[nearest]), margin=margin, lower=-wide,
        resolution=max(widest, one_image), runs_needed=needed, next_step=_with_seeds(blank.next_step, needed), reason=reason,
    )  # fmt: skip


def _held_in_every_run(
    expected: Expectation, blank: Judgement, values: Floats, published: Floats
) -> Judgement:
    """Compare every run with an equality or a bound, up to the printed digits; the element furthest outside gives the verdict."""
    allowed = expected.half_width + ROUNDING * np.maximum(np.abs(published), np.abs(values).max(axis=0))
    high, low = (values - published).max(axis=0), (values - published).min(axis=0)
    above = high - allowed if expected.rule != "at_least" else np.full_like(high, -np.inf)
    below = -low - allowed if expected.rule != "at_most" else np.full_like(low, -np.inf)
    excess = np.maximum(above, below).ravel()
    worst = int(excess.argmax())
    too_high = bool(above.ravel()[worst] >= below.ravel()[worst])
    verdict: Verdict = "REPRODUCED" if excess[worst] <= 0 else "ABOVE" if too_high else "BELOW"
    off = float((high if too_high else low).ravel()[worst])
    where = f" in element {worst + 1}" if published.ndim else ""
    lower = upper = None
    if published.ndim == 0:
        lower = None if expected.rule == "at_most" else float(published - allowed)
        upper = None if expected.rule == "at_least" else float(published + allowed)
    reason = "every run keeps to the print" if verdict == "REPRODUCED" else f"off by {off:+.4g}{where}"
    resolution = expected.half_width or None
    return dataclasses.replace(
        blank, verdict=verdict, cause="exact", lower=lower, upper=upper, resolution=resolution, reason=reason
    )


def _excuse(expected: Expectation, judged: Judgement) -> Judgement:
    """Turn a gap that is known and explained into KNOWN_GAP, and notice one that has closed."""
    if not expected.gap:
        return judged
    if judged.verdict in {"BELOW", "ABOVE"}:
        reason = f"{expected.gap} ({judged.verdict}: {judged.reason})"
        return dataclasses.replace(judged, verdict="KNOWN_GAP", reason=reason)
    if judged.verdict != "REPRODUCED":
        return judged
    return dataclasses.replace(judged, reason=f"the known gap has closed, remove its note: {expected.gap}")
