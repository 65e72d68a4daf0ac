"""The history's page: changes with their commits, nothing lost by thinning, escaped, without scripts, small for 1,000 commits."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness import history, history_page

if typing.TYPE_CHECKING:
    from harness.history import Line
    from harness.records import Direction

HOSTILE = "<script>alert(1)</script>&\"'"


def line(
    metric: str,
    values: typing.Sequence[float],
    better: Direction = "lower",
    system: str = "probe:default smoke",
) -> Line:
    """Make a line, one job a day, with its changes."""
    numbers = np.asarray(values, np.float64)
    points = tuple(
        history.Point(f"2026-01-01T{index:06d}", f"{index:040x}", float(value), 1) for index, value in enumerate(numbers)
    )  # fmt: skip
    return history.Line(
        system=system, version=1, metric=metric, unit="s", better=better, points=points, changes=tuple(history.changes(numbers, better)),
    )  # fmt: skip


def test_changes_and_their_commits_are_on_the_page() -> None:
    """Both directions, with levels and the commits they lie between; a metric without a change is folded."""
    generator = np.random.default_rng(3)
    worse = line("train.seconds", [*generator.normal(1, 0.01, 20), *generator.normal(2, 0.01, 20)])
    better = line("f1", [*generator.normal(1, 0.01, 20), *generator.normal(2, 0.01, 20)], "higher")
    page = history_page.render([worse, better, line("quiet", generator.normal(1, 0.01, 40).tolist())], 7)
    assert "2 changes of level, 1 for the worse" in page
    assert f"{20:040x}"[:10] in page
    assert page.count("<polyline") == 3
    assert "1 metric without a change" in page
    assert "7 metrics without a change are not shown" in page
    assert "<script" not in page
    assert "points drawn" not in page


def test_names_are_escaped_and_empty_and_single_histories_work() -> None:
    """A hostile metric or commit stays text; one job, a constant, and no job at all make a page."""
    hostile = line(HOSTILE, [1.0], system=HOSTILE)
    hostile = dataclasses.replace(hostile, points=(dataclasses.replace(hostile.points[0], commit=HOSTILE),))
    page = history_page.render([hostile])
    assert HOSTILE not in page
    assert "NaN" not in page.partition("</style>")[2]
    assert "No level changed." in history_page.render([])
    assert "<polyline" in history_page.render([line("constant", [2.0] * 30)])


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400), st.integers(2, 60).map(lambda half: 2 * half)
)
def test_thinning_keeps_ends_and_extremes(values: list[float], most: int) -> None:
    """Never more points than allowed; first, last, lowest and highest value stay, in order."""
    numbers = np.asarray(values)
    kept = history_page.thinned(numbers, most)
    assert len(kept) <= max(most, 0)
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    assert numbers[kept].min() == numbers.min()
    assert numbers[kept].max() == numbers.max()


def test_a_thousand_commits_and_fifty_metrics_stay_small() -> None:
    """Metrics that changed are drawn in full, the others thinned, which is said; the page stays far below 2 MB."""
    generator = np.random.default_rng(5)
    steady = generator.normal(1, 0.02, (50, 1000))
    steady[:10, 500:] += 0.3
    page = history_page.render([line(f"m{index}", values.tolist()) for index, values in enumerate(steady)])
    assert len(page) < 1_000_000
    assert "drawn with at most 200 points" in page
    assert "10 changes of level" in page
