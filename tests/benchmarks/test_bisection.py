"""The simulated searches: rates that can be wrong, and a table."""

from __future__ import annotations

import pytest

from benchmarks.error_rates import bisection


@pytest.mark.slow
@pytest.mark.parametrize("name", [*bisection.NOISE, bisection.PAIRS])
def test_a_step_of_three_deviations_is_named_and_none_is_made_up(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of forty fixed searches nearly all are right, none is wrong, and plain bisection with one run a commit is worse."""
    monkeypatch.setattr(bisection, "COMMITS", (16,))
    monkeypatch.setattr(bisection, "STEPS", (0, 3))
    quiet, moved = bisection.rows(40, 7, [name])
    assert (quiet["right"], quiet["wrong"]) == (1, 0)
    assert moved["right"] >= 38 / 40
    assert moved["wrong"] == 0
    assert moved["plain"][0]["right"] < moved["right"]
    table = bisection.markdown([quiet, moved]).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert len(table) == 4
