"""Numbers as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import numbers


def test_shares_are_percent_with_the_digits_of_their_spread() -> None:
    """An accuracy is written in percent, down to the second digit of its spread."""
    scale = numbers.scale("accuracy", "", [0.98612, 0.9871], 0.0011)
    assert scale.text(0.98612) == "98.61%"
    assert scale.bare(0.0011) == "0.11"


def test_a_loss_or_a_count_is_no_percentage() -> None:
    """Only a unitless share is written in percent: not a loss in nat, a count, or a tiny error."""
    assert numbers.scale("accuracy", "nat", [0.4233]).text(0.4233).endswith("nat")
    assert numbers.scale("accuracy", "", [6.0, 13.0]).text(13.0) == "13"
    assert numbers.scale("size", "", [16.0, 16 - 1.6e-8], 1.6e-8).text(16.0) == "16"
    assert numbers.scale("accuracy", "", [1.8e-7]).text(1.8e-7) == "1.8e−7"


def test_bytes_keep_exact_counts_while_they_are_small() -> None:
    """A stored size of a few hundred bytes is exact; memory is always in MiB."""
    assert numbers.scale("size", "B", [1824.0, 784.0]).text(1824.0) == "1,824\u202fB"
    assert numbers.mebibytes(3 * 2**20) == "3.0\u202fMiB"
    assert numbers.mebibytes(None) == "not measured"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1.894, "1.89\u202fs"),
        (0.000_31, "310\u202fµs"),
        (0.0123, "12.3\u202fms"),
        (6.5, "6.50\u202fs"),
        (150.0, "2.50\u202fmin"),
    ],
)
def test_durations_have_three_digits_and_a_unit_that_suits(seconds: float, text: str) -> None:
    """Durations from microseconds to minutes are readable."""
    assert numbers.seconds(seconds) == text


def test_a_published_number_keeps_the_digits_it_was_printed_with() -> None:
    """No zeros are added to what the source printed."""
    scale = numbers.scale("size", "%", [58.1632, 58.16], 0.005)
    assert scale.printed(58.16) == "58.16%"
    assert numbers.Scale(100.0, "%", 4).printed(0.9871) == "98.71%"


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["", "%", "s", "B", "nat"]))
def test_every_float_has_a_text(value: float, unit: str) -> None:
    """No number, however odd, stops the report; what is not finite says so."""
    text = numbers.scale("accuracy", unit, [value], abs(value)).text(value)
    assert ("∞" in text or "NaN" in text) == (not math.isfinite(value))


@given(st.floats(min_value=1e-4, max_value=0.5), st.floats(min_value=0.5, max_value=1.0))
def test_rounding_stays_below_the_resolution(step: float, value: float) -> None:
    """What is written differs from the value by less than a tenth of the resolution."""
    scale = numbers.scale("accuracy", "", [value], step)
    assert abs(float(scale.bare(value)) / 100 - value) <= step / 10


def test_tiny_numbers_have_a_power_of_ten_everywhere() -> None:
    """Rounding errors are written alike as mean, spread, bound and published value, whatever their resolution."""
    scale = numbers.scale("accuracy", "", [2.81e-6, 1e-6], step=8.2e-7)
    assert [scale.bare(2.81e-6), scale.small(8.2e-7), scale.text(1e-6), scale.printed(1e-6)] == [
        "2.8e−6", "8.2e−7", "1.0e−6", "1e−6",
    ]  # fmt: skip
    assert numbers.scale("accuracy", "", [0.0], step=1e-9).bare(0.0) == "0"
