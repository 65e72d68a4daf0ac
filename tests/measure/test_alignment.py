"""Prediction sets of a run that know which image each label and each prediction belongs to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.run import Run
from harness.records import RunRequest


class NoDevice:
    """A device without memory or queue."""

    def synchronise(self) -> None:
        """Do nothing."""

    def reset_peak(self) -> None:
        """Do nothing."""

    def peak_bytes(self) -> tuple[None, None]:
        """Return nothing."""
        return None, None


def new_run() -> Run:
    """Return a run that has not begun."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    return Run(request, {}, lambda _: None, NoDevice())


@given(st.permutations(range(12)))
def test_alignment_counts_pairs_of_two_images(order: list[int]) -> None:
    """The error is the number of displaced images, and only the order as it was holds."""
    run, images = new_run(), np.arange(12)
    run.predictions(images % 10, np.array(order) % 10, indices=(images, order))
    (check,) = run.identities
    assert check.name == "test.alignment"
    assert check.error == sum(place != image for place, image in enumerate(order))
    assert check.holds == (list(images) == order)


def test_no_indices_no_alignment_check() -> None:
    """A pipeline that does not know its images' indices claims nothing."""
    run = new_run()
    run.predictions([0, 1], [0, 1])
    assert run.identities == []


@pytest.mark.parametrize("indices", [([0, 1], [0]), ([0, 1, 2], [0, 1, 2])])
def test_indices_must_cover_the_set(indices: tuple[list[int], list[int]]) -> None:
    """Indices of another length are refused by the set's name, and nothing is stored."""
    run = new_run()
    with pytest.raises(ValueError, match=r"indices of set 'side' have shapes .* each must be \(2,\)"):
        run.predictions([0, 1], [0, 1], name="side", indices=indices)
    assert run.prediction_sets == {}
