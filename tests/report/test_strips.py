"""Geometry of the small drawings."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import stages, strips

FINITE = st.floats(min_value=-1e12, max_value=1e12)


@given(st.lists(FINITE, min_size=1), FINITE, FINITE, FINITE)
def test_everything_lies_on_the_drawing_and_in_order(
    dots: list[float], lower: float, upper: float, reference: float
) -> None:
    """Dots, band and reference lie within the drawing, and a larger value never lies further left."""
    drawn = strips.strip(dots, min(lower, upper), max(lower, upper), reference)
    assert drawn is not None
    assert drawn.band is not None
    assert drawn.reference is not None
    assert all(0 <= place <= strips.WIDTH for place in (*drawn.dots, drawn.reference, drawn.band[0]))
    pairs = sorted(zip(dots, drawn.dots, strict=True))
    assert all(a[1] <= b[1] for a, b in itertools.pairwise(pairs))


def test_nothing_is_drawn_without_values_or_marks() -> None:
    """A strip needs a value and something to hold it against."""
    assert strips.strip([], 0.0, 1.0, 0.5) is None
    assert strips.strip([0.5, math.nan], None, None, None) is None


@pytest.mark.parametrize(
    ("error", "place"), [(0.0, 0.0), (1e-6, 80.0), (1e-4, 100.0), (math.nan, 100.0), (1e-14, 0.0)]
)
def test_the_tolerance_lies_at_a_fixed_place(error: float, place: float) -> None:
    """Errors are placed by their ratio to the tolerance; what is not finite lies at the bad end."""
    assert strips.ratio_place(error, 1e-6) == place


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=20))
def test_stages_fill_the_bar(seconds: list[float]) -> None:
    """Segments follow each other and end at 100."""
    placed = stages.segments([(str(i), value) for i, value in enumerate(seconds)])
    ends = [part.left + part.width for part in placed]
    assert all(
        math.isclose(end, part.left, abs_tol=0.02) for end, part in zip(ends, placed[1:], strict=False)
    )
    assert ends[-1] == pytest.approx(100 if sum(seconds) else 0, abs=0.02)
