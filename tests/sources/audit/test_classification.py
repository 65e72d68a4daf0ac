"""Scores of printed matrices agree with scikit-learn; damaged prints are completed by search alone."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.sources.auditing import classification
from harness.sources.auditing.intervals import printed
from harness.sources.digits1000_cnn.reports import REPORTS

Square = tuple[tuple[int, ...], ...]
SQUARES = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3).map(
    lambda rows: tuple(map(tuple, rows))
)


@pytest.mark.parametrize("variant", REPORTS)
def test_scores_agree_with_scikit_learn(variant: str) -> None:
    """Precision, recall and F1 of every class of every printed matrix are scikit-learn's."""
    from sklearn.metrics import precision_recall_fscore_support

    matrix = np.array(REPORTS[variant].matrix)
    labels, predicted = (
        np.repeat(axis.ravel(), matrix.ravel()) for axis in np.indices(matrix.shape)
    )  # (300,) each
    expected = precision_recall_fscore_support(labels, predicted, zero_division=0)[:3]
    found = [
        [float(getattr(one, name)) for one in classification.scores(REPORTS[variant].matrix)]
        for name in ("precision", "recall", "f1")
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@settings(deadline=None)
@given(SQUARES, st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=3))
def test_a_lost_cell_is_always_among_the_completions(matrix: Square, lost: set[tuple[int, int]]) -> None:
    """Whatever cells are lost, the matrix that was printed is found again, and every completion fits the report."""
    support = [sum(row) for row in matrix]
    assume(min(support) > 0)
    table = [
        [round(float(score), 2) for score in (one.precision, one.recall, one.f1)]
        for one in classification.scores(matrix)
    ]
    damaged = [
        [classification.LOST if (r, c) in lost else cell for c, cell in enumerate(row)]
        for r, row in enumerate(matrix)
    ]
    options = [list(classification.fillings(row, support[r])) for r, row in enumerate(damaged)]
    found = list(classification.completions(options, table, 0.005))
    assert matrix in found
    assert len(found) == len(set(found))
    for completed in found:
        assert [sum(row) for row in completed] == support


def test_completions_are_all_there_are() -> None:
    """Against brute force over all 2x2 matrices with rows of 4: the same completions, none missed or invented."""
    table = [[0.75, 0.75, 0.75], [0.75, 0.75, 0.75]]
    rows = [(a, 4 - a) for a in range(5)]
    brute = [
        pair
        for pair in itertools.product(rows, rows)
        if all(
            classification.agrees(one, said, 0.005)
            for one, said in zip(classification.scores(pair), table, strict=True)
        )
    ]
    assert list(classification.completions([rows, rows], table, 0.005)) == brute == [((3, 1), (1, 3))]


def test_surplus_numbers_are_dropped_in_every_way() -> None:
    """A row of four with one number too many keeps the sum that is asked for."""
    assert classification.ways_to_drop((1, 2, 2, 0), 3, 3) == {(1, 2, 0)}
    assert classification.ways_to_drop((1, 2, 1, 0), 3, 3) == {(1, 2, 0), (2, 1, 0)}
    assert classification.ways_to_drop((1, 2), 2, 4) == set()


@settings(deadline=None)
@given(st.fractions(0, 1), st.fractions(0, 1))
def test_the_harmonic_mean_of_prints_contains_that_of_the_values(p: Fraction, r: Fraction) -> None:
    """F1 of two rounded scores contains F1 of the scores."""
    found = classification.harmonic(printed(round(float(p), 2), 0.005), printed(round(float(r), 2), 0.005))
    f1 = 2 * p * r / (p + r) if p + r else Fraction(0)
    assert found.low <= f1 <= found.high
