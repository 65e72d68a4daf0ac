"""What a finding says of its evidence, and how it draws the single runs."""

from __future__ import annotations

import dataclasses
import itertools
import math
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Judgement
from harness.report import numbers, spread
from harness.report.rows import evidence, judgement_row

if typing.TYPE_CHECKING:
    from harness.records import Job

FINITE = st.floats(min_value=-1e12, max_value=1e12)
VALUES = st.lists(FINITE, max_size=30)
BASE = (0.95, 0.951, 0.952, 0.953)
REGRESSED = Judgement(
    against="baseline", metric="accuracy", verdict="REGRESSED", n=3, value=0.9, reference=0.9515, reference_runs=BASE, lower=0.945,
    upper=0.958, test="t bound at 0.005 from 4 baseline runs, exact rank test at 0.01",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "runs", "words"),
    [
        ({}, [0.9, 0.91, 0.89], "Strong: all 3 runs lie below all 4 baseline runs."),
        ({}, [0.9, 0.91, 0.952], "Strong: 2 of 3 runs lie below all 4 baseline runs."),
        ({"verdict": "IMPROVED"}, [0.99, 0.98, 0.97], "Strong: all 3 runs lie above all 4 baseline runs."),
        ({"cause": "confirmed"}, [0.9], "Strong, and confirmed on fresh runs: the one run lies below all 4 baseline runs."),
        ({"verdict": "INCONCLUSIVE"}, [0.9505], "Open: none of 1 runs lies below all 4 baseline runs."),
        ({"verdict": "REGRESSED", "against": "identity"}, [0.9], "Certain: arithmetic decides, not chance."),
        ({"verdict": "ERROR"}, [], "None: there is nothing to judge."),
        ({"cause": "unequal"}, [7.0], "Certain: nothing that chance moves is compared."),
        ({"reference_runs": ()}, [0.9], "Strong."),
    ],
)  # fmt: skip
def test_evidence_against_a_baseline(changes: dict[str, typing.Any], runs: list[float], words: str) -> None:
    """The strength in one word, then how many runs lie outside all that the baseline's ever gave."""
    assert evidence(dataclasses.replace(REGRESSED, **changes), runs) == words


@pytest.mark.parametrize(
    ("n", "value", "strength"), [(2, 0.5, "Weak"), (5, 0.93, "Moderate"), (5, 0.5, "Strong")]
)
def test_evidence_against_a_published_value(n: int, value: float, strength: str) -> None:
    """The gap is set in relation to the smallest that so many runs and images can show."""
    below = dataclasses.replace(
        REGRESSED, against="expectation", verdict="BELOW", n=n, value=value, reference=0.95, resolution=0.015, test="t interval"
    )  # fmt: skip
    times = f"{(0.95 - value) / 0.015:.1f} times"
    assert evidence(below, []).startswith(f"{strength}: the gap is {times}")


@given(VALUES, VALUES, st.tuples(st.none() | FINITE, st.none() | FINITE), st.none() | FINITE)
def test_every_run_has_its_dot_within_the_drawing(
    runs: list[float], base: list[float], bounds: tuple[float | None, float | None], reference: float | None
) -> None:
    """Each run is drawn once, on the paper, larger values never further left, with two or more numbers on the axis."""
    drawn = spread.spread(runs, base, bounds, reference, numbers.Scale())
    if drawn is None:
        assert not runs or (not base and bounds == (None, None) and reference is None)
        return
    lanes = {lane.now: lane for lane in drawn.lanes}
    assert len(lanes[True].dots) == len(runs)
    assert len(lanes[False].dots if False in lanes else ()) == len(base)
    for lane in drawn.lanes:
        assert all(0 <= x <= spread.WIDTH and 0 < y < drawn.axis for x, y in lane.dots)
        assert all(a[0] <= b[0] for a, b in itertools.pairwise(lane.dots))
    assert len(drawn.ticks) >= 2
    assert all(-1 <= x <= spread.WIDTH + 1 for x, _ in drawn.ticks)


def test_the_axis_bears_round_numbers_in_the_unit_shown() -> None:
    """Shares are labelled in percent, bytes in MiB; the last number has the unit, and each stands where its value lies."""
    percent = spread.spread([0.9, 0.93], [0.97, 0.98], (0.96, None), 0.975, numbers.Scale(100.0, "%", 1))
    assert percent is not None
    assert [text for _, text in percent.ticks] == ["90", "92", "94", "96", "98%"]
    assert percent.ticks[0][0] == percent.lanes[1].dots[0][0]
    assert percent.text == (
        "Baseline: 2 runs, 97.0% to 98.0%, median 97.5%. Now: 2 runs, 90.0% to 93.0%, median 91.5%. Allowed: at least 96.0%."
    )
    size = numbers.Scale(2**-20, " MiB", 1)
    memory = spread.spread([30 * 2.0**20], [20 * 2.0**20], (None, None), None, size)
    assert memory is not None
    assert memory.ticks[-1][1] == "30 MiB"


def test_equal_runs_are_heaped_and_infinite_ones_left_out() -> None:
    """Ten equal values are ten dots at ten heights; a value that is not finite has no place."""
    drawn = spread.spread([1.0] * 10 + [math.nan, math.inf], [1.0], (None, None), None, numbers.Scale())
    assert drawn is not None
    assert len({y for _, y in drawn.lanes[1].dots}) == len(drawn.lanes[1].dots) == 10


@pytest.mark.parametrize(
    ("metric", "kind", "unit", "base"),
    [
        ("accuracy", "accuracy", "", (0.99, 0.98)),
        ("train.above_imports_bytes", "memory", "B", (4e7, 4.1e7)),
        ("train.seconds", "runtime", "s", (2.0, 2.1)),
        ("work.train.samples", "work", "", ()),
    ],
)
def test_a_finding_of_each_kind_is_drawn_beside_its_baseline(
    job: Job, metric: str, kind: typing.Any, unit: str, base: tuple[float, ...]
) -> None:
    """Five runs of the job below, the baseline's two above; work is counted once on each side: one dot each."""
    judged = dataclasses.replace(
        REGRESSED, metric=metric, kind=kind, unit=unit, value=0.9, reference_runs=base, lower=None, upper=None
    )
    row = judgement_row(judged, job.results[:5], "anchor", incomplete=False)
    assert row.spread is not None
    assert [len(lane.dots) for lane in row.spread.lanes] == [len(base) or 1, 5 if base else 1]


def test_a_bound_beyond_all_shares_leaves_percent(job: Job) -> None:
    """An upper bound of 1.014 does not turn a share into a bare number."""
    judged = dataclasses.replace(REGRESSED, upper=1.014)
    assert judgement_row(judged, job.results[:5], "anchor", incomplete=False).reference.text.endswith("%")


def test_what_summing_leaves_is_no_spread(job: Job) -> None:
    """Equal runs whose mean differs in the last bit have no spread of 6e-15 percent."""
    judged = dataclasses.replace(REGRESSED, value=0.418, spread=5.7e-17)
    assert "e−" not in judgement_row(judged, job.results[:5], "anchor", incomplete=False).value.text
