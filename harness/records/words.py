"""The closed sets of words that records use, and what a value may be."""

from __future__ import annotations

from typing import Any, Literal

Tier = str
"""How much of a protocol runs; a scenario names its own, the built-in ones have `TIERS`."""
Kind = Literal["accuracy", "memory", "runtime", "work", "trajectory", "identity", "size"]
Direction = Literal["higher", "lower", "none"]
Value = float | list[Any]
"""A number, or a nested list of numbers (a table column, a spectrum, a confusion matrix)."""
Rule = Literal["spread", "draw", "mean", "split", "exact", "at_most", "at_least", "ordering"]
Purpose = Literal["measure", "count", "profile-time", "profile-memory"]
Side = Literal["head", "base"]
Round = Literal["screen", "confirm"]
Cause = Literal[
    "", "holds", "violated", "by_design", "unexpected_pass", "equal", "unequal", "quiet", "confirmed",
    "refuted", "undecided", "single", "unconfirmed", "not_cleared", "images", "too_few", "no_run",
    "missing", "not_measured", "resumed", "array", "not_finite", "no_direction", "constant_seeds",
    "no_reference", "new_metric", "damaged", "base_failed", "redefined", "version", "data", "environment",
    "threads", "other_test", "disturbed", "measuring_changed", "shown", "uncounted", "not_repeatable",
    "repeatable", "exact",
]  # fmt: skip
"""Why a judgement has its verdict. Whatever acts on a judgement acts on verdict and cause; sentences are written from them.

Empty in older files. Published values: `exact` where every run must keep the printed digits, else empty. Identities: `holds`, `violated`;
`by_design` where the variant declares the violation, and `unexpected_pass` where it declares one that no run has. Equality: `equal`,
`unequal`. Looks: `quiet` no alarm; `confirmed` or `refuted` by fresh runs; `undecided` by them; `single` one look decides without fresh
runs, `unconfirmed` it cannot; `not_cleared` a time neither slower nor cleared; `images` flipped images of the same weights decide;
`too_few` runs for a look. The others name what is missing or forbids the comparison.
"""
Verdict = Literal[
    "REPRODUCED", "BELOW", "ABOVE", "KNOWN_GAP", "NOT_JUDGED",
    "PASS", "REGRESSED", "IMPROVED", "CHANGED", "NO_BASELINE", "INCOMPARABLE", "INCONCLUSIVE", "WAIVED", "ERROR",
]  # fmt: skip

TIERS: tuple[Tier, ...] = ("smoke", "short", "paper")
"""Tiers of the built-in scenarios."""
DEVICES = ("cpu", "cuda")
EXECUTORS = ("local", "dask")
BACKENDS = ("numpy", "torch", "tensorflow", "jax")
GIVEN = "-given"
"""What a prediction set's name ends with where another run's weights predicted it."""
TIME_LIMITS: dict[str, float] = {"smoke": 300.0, "short": 1800.0, "paper": 6 * 3600.0}
"""Seconds after which a run of a tier is ended; of another tier, that of the last."""


def time_limit(tier: Tier) -> float:
    """Return the seconds after which a run of a tier is ended."""
    return TIME_LIMITS.get(tier, TIME_LIMITS["paper"])


MOST = 1e150
"""Largest magnitude that is taken for a number: squares of larger ones, and sums of those, are infinite."""


def finite(value: Value) -> bool:
    """Return whether a number, or every number of a nested list, is finite, and stays so when it is squared and summed."""
    if isinstance(value, list):
        return all(finite(item) for item in value)
    # a foreign file's nested lists hold whatever it likes
    return isinstance(value, (int, float)) and abs(value) <= MOST
