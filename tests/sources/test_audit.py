"""Every check computes its verdict: the published numbers give the known one, and a planted contradiction another."""

from __future__ import annotations

import dataclasses
import itertools
import typing
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.records import Expectation
from harness.sources import auditing
from harness.sources.audit import SOURCES, audit
from harness.sources.auditing import Interval, printed, rounds_to
from harness.sources.digits1000_cnn import audit as digits1000_cnn
from harness.sources.digits1000_cnn.published import LOGS
from harness.sources.digits1000_cnn.reports import LOST, REPORTS
from harness.sources.kmnist_svd_logreg import audit as kmnist_svd_logreg
from harness.sources.kmnist_svd_logreg.published import ROWS
from harness.sources.mnist_autoencoder import audit as mnist_autoencoder
from harness.sources.mnist_autoencoder.published import PER_CLASS
from harness.sources.mnist_interpolation import audit as mnist_interpolation
from harness.sources.mnist_interpolation.published import CASES, PREDICTIONS
from harness.sources.tinyconvnet_svd import audit as tinyconvnet_svd
from harness.sources.tinyconvnet_svd.published import EXPECTATIONS as TINY

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.sources.auditing import AuditFinding

CONTRADICTIONS = {
    ("kmnist_svd_logreg", "Section 1", "87% testing accuracy on す and ま with 40% less memory"),
    ("kmnist_svd_logreg", "Section 6", "k = 8 has the best performance"),
    ("kmnist_svd_logreg", "Section 5.2", "the smaller the batch size, the better the performance with SVD"),
    ("kmnist_svd_logreg", "Table 1", "percent testing accuracy: of the same model without SVD"),
    ("kmnist_svd_logreg", "Table 2", "percent testing accuracy: of the same model without SVD"),
    (
        "tinyconvnet_svd",
        "Conclusions",
        "max error below 10⁻⁷ for both layers (layer 2; its own table prints 1.8e-7)",
    ),
    (
        "mnist_interpolation",
        "Section I",
        "a single 1080 x 1920 RGB image contains more than 6.2 million pixels",
    ),
    ("mnist_interpolation", "Section V.B", "case1: 92% as large as the base image"),
    ("digits1000_cnn", "Section 3, baseline", "val_accuracy 0.8833 (baseline)"),
    ("digits1000_cnn", "Section 3, augmentation", "val_accuracy 0.7700 (augmentation)"),
}


def test_the_contradictions_are_these() -> None:
    """The audit of all five sources finds exactly the known contradictions, and every finding is complete and stands once."""
    findings = audit()
    assert {(f.source, f.place, f.claim) for f in findings if f.consistent is False} == CONTRADICTIONS
    assert len({f.source for f in findings}) == len(SOURCES) == 5
    assert all(f.claim and f.check and f.found and f.place for f in findings)
    keys = [(f.source, f.place, f.claim, f.check) for f in findings]
    assert len(set(keys)) == len(keys)


def changed(before: Iterable[AuditFinding], after: Iterable[AuditFinding]) -> list[tuple[str, bool | None]]:
    """Return claim and new verdict of every finding whose verdict a planted change moved."""
    moved = [new for old, new in zip(before, after, strict=True) if old.consistent is not new.consistent]
    return [(finding.claim, finding.consistent) for finding in moved]


SIZES = "percent size of each singular value limit"
BEST, SMALLER = (
    "k = 8 has the best performance",
    "the smaller the batch size, the better the performance with SVD",
)
TWIN = "percent testing accuracy: of the same model without SVD"
MEMORY = "40% less memory allocation, in elements (one significant digit)"


@pytest.mark.parametrize(
    ("pair", "row", "planted", "moved"),
    [
        ("o-ma", 7, {"size": 0.581}, [(SIZES, False)]),
        (
            "su-ma",
            7,
            {"test": 0.868},
            [("87% testing accuracy on す and ま with 40% less memory", True), (BEST, True)],
        ),
        ("o-ma", 7, {"size": 0.7}, [(SIZES, False), (MEMORY, False)]),
        ("o-ma", 0, {"validation": 0.995}, [("highest SVD validation accuracy (99.1%)", False)]),
        ("su-ma", 5, {"test": 0.863}, [(BEST, True)]),
        ("su-ma", 5, {"test": 0.865}, [(BEST, False)]),
        ("su-ma", 1, {"validation": 0.828}, [(SMALLER, True)]),
        ("su-ma", 1, {"validation": 0.829}, [(SMALLER, None)]),
    ],
)
def test_planted_rows_of_the_svd_tables(
    pair: str, row: int, planted: dict[str, float], moved: list[tuple[str, bool | None]]
) -> None:
    """A changed cell moves the verdict of what it is compared with, and of nothing else."""
    rows = [one._replace(**planted) if index == row else one for index, one in enumerate(ROWS[pair])]  # type: ignore[arg-type]
    assert changed(kmnist_svd_logreg.audit(), kmnist_svd_logreg.audit({**ROWS, pair: rows})) == moved


def test_percent_columns_that_share_a_twin_are_accepted() -> None:
    """With the percentages that one uncompressed accuracy of 0.988 gives, the column is consistent."""
    mended = [row._replace(percent=round(row.test / 0.988, 3)) for row in ROWS["o-ma"]]
    assert changed(kmnist_svd_logreg.audit(), kmnist_svd_logreg.audit({**ROWS, "o-ma": mended})) == [
        (TWIN, True)
    ]


ENERGIES = [f"‖W‖²_F = Σσᵢ² (Layer {layer}) = {energy}" for layer, energy in ((1, 12.5733), (2, 43.7439))]


@pytest.mark.parametrize(
    ("metric", "value", "moved"),
    [
        ("layer1.energy", 12.5860, [ENERGIES[0]]),
        ("layer1.energy", 12.5660, [ENERGIES[0]]),
        ("layer2.energy", 24.0, [ENERGIES[1]]),
        ("layer2.energy", 90.0, [ENERGIES[1]]),
        ("layer1.rank95", 5.0, ["5 of 8 components capture 95% energy"]),
        ("layer1.rank95", 7.0, ["7 of 8 components capture 95% energy"]),
        ("layer1.reconstruction_error", 3e-7, ["exact decomposition confirmed to machine epsilon (Layer 1)"]),
        ("shapes.pool2", [16.0, 6.0, 6.0], ["output and weight shapes of every layer"]),
        ("relu.patches", 30.0, ["40 unique activation masks"]),
        ("relu.masks_possible", 255.0, ["255 theoretical maximum"]),
        ("layer2.singular_count", 72.0, ["72 values (Layer 2)"]),
    ],
)
def test_planted_numbers_of_tinyconvnet(metric: str, value: float | list[float], moved: list[str]) -> None:
    """A spectrum allows few squared norms and one rank; shapes, masks and errors follow from others."""
    planted = [
        dataclasses.replace(e, value=value) if e.metric == metric and e.rule != "at_most" else e for e in TINY
    ]
    after = [
        f for f in tinyconvnet_svd.audit(planted) if f.place != "throughout" and "against" not in f.found
    ]
    wrong = [f for f in after if f.consistent is False]
    assert [f.claim for f in wrong] == moved
    if metric == "shapes.pool2":
        assert "pool2 [16, 6, 6] should be [16, 5, 5]" in wrong[0].found


def test_planted_counts_of_the_autoencoder() -> None:
    """One label, epoch or class more or less breaks what it is compared with."""

    def wrong(**planted: typing.Any) -> set[str]:
        return {f.claim for f in mnist_autoencoder.audit(**planted) if f.consistent is False}

    assert wrong() == set()
    assert wrong(right=9868) == {"found 9868 correct and 133 incorrect labels", "test accuracy 98.67%"}
    assert wrong(finetune=20) == {"121 epochs in total"}
    assert "support 10000" in wrong(rows=PER_CLASS[1:])
    # precision 0.98 and recall 0.99 allow 0.98 and 0.99, not 0.97
    assert wrong(rows=((0.98, 0.99, 0.97, 980), *PER_CLASS[1:])) == {"F1-score of each class"}
    lowered = wrong(rows=((0.78, 0.79, 0.78, 980), *PER_CLASS[1:]))
    assert {claim.split()[0] for claim in lowered if "avg" in claim} == {"macro", "weighted"}
    assert len(lowered) == 7
    assert "recall and support of each class" in lowered
    assert "precision of each class" in wrong(rows=((0.49, 0.99, 0.66, 980), *PER_CLASS[1:]))


def test_planted_sizes_and_spreads_of_the_interpolation() -> None:
    """Side, pixels and share are each computed from what stands before them; a tenth of the deviation tells the runs apart."""

    def moved(**planted: typing.Any) -> list[tuple[str, bool | None]]:
        return changed(mnist_interpolation.audit(), mnist_interpolation.audit(**planted))

    wrong = dataclasses.replace(CASES["case2"], side=15, pixels=197, share=0.26)
    assert [verdict for _, verdict in moved(cases={**CASES, "case2": wrong})] == [False] * 3
    bound = dataclasses.replace(CASES["case4"], share=0.21)
    assert moved(cases={**CASES, "case4": bound}) == [("case4: less than 22% of their original size", False)]
    rounded = dataclasses.replace(CASES["case1"], share=0.93)
    assert moved(cases={**CASES, "case1": rounded}) == [("case1: 92% as large as the base image", True)]
    sharp = {name: (p, r, f1, sd / 10) for name, (p, r, f1, sd) in PREDICTIONS.items()}
    assert ("very little variation between the experiments", False) in moved(predictions=sharp)


FINAL = REPORTS["final"]
REPORT = [
    "precision, recall and F1 of each class",
    "accuracy 0.88 of the report",
    "macro and weighted averages",
]


@pytest.mark.parametrize(
    ("row", "cells", "moved"),
    [
        (3, (0, 0, 0, 16, 0, 8, 1, 0, 5, 0), [*REPORT, "val_accuracy 0.8833 (final)"]),
        (0, (28, 0, 0, 0, 0, 0, 1, 0, 0, 0), ["support 30 of each class"]),
        (
            7,
            (9, 0, 0, 2, 1, 0, 0, 16, 0, 2),
            [*REPORT, "class 3 was the most difficult to accurately predict"],
        ),
    ],
)
def test_planted_rows_of_the_final_matrix(row: int, cells: tuple[int, ...], moved: list[str]) -> None:
    """Two images of class 3 in class 5, a lost image, and a class 7 that is harder than class 3 are noticed."""
    matrix = (*FINAL.matrix[:row], cells, *FINAL.matrix[row + 1 :])
    planted = {**REPORTS, "final": dataclasses.replace(FINAL, matrix=matrix)}
    found = dict(changed(digits1000_cnn.audit(), digits1000_cnn.audit(planted)))
    assert dict.fromkeys(moved, False).items() <= found.items()
    # the search completes the damaged print as before, and finds another matrix than the planted one
    assert found["confusion matrix, print damaged (final)"] is False


def test_planted_logs_of_the_digits() -> None:
    """0.8834 is no share of 300 images, one mistake in ten does not fit 0.2, and the matrix of another accuracy is not its own."""

    def moved(logged: float) -> dict[str, bool | None]:
        planted = {**LOGS, "final": (None, 0.4, logged)}
        return {f.claim: f.consistent for f in digits1000_cnn.audit(logs=planted) if f.consistent is False}

    assert "validation accuracy 0.8834" in moved(0.8834)
    assert {"one out of ten values was mistaken", "val_accuracy 0.2000 (final)"} <= moved(0.2).keys()


def test_a_matrix_that_is_right_is_not_called_chance() -> None:
    """The final matrix, were it one of a shuffled iterator, would not pass for chance."""
    planted = {**REPORTS, "baseline": dataclasses.replace(REPORTS["baseline"], matrix=FINAL.matrix)}
    claim = "the matrix was read from a shuffled iterator (shuffle = True)"
    assert (claim, False) in changed(digits1000_cnn.audit(), digits1000_cnn.audit(planted))


# -- looking up and repeats -------------------------------------------------------------------


def probe(value: float, rule: str = "spread", metric: str = "accuracy") -> Expectation:
    """Declare one number."""
    return Expectation(
        metric=metric, variant="v", value=value, unit="", place="here", row=str(value), rule=rule, half_width=0.005  # type: ignore[arg-type]
    )  # fmt: skip


def test_repeats_that_agree_are_counted_and_those_that_clash_are_listed() -> None:
    """0.98 and 'at most 0.99' agree; 0.95 clashes with 0.98 only; a lower bound is one-sided too."""
    declared = [probe(0.98), probe(0.99, "at_most"), probe(0.95), probe(0.5, metric="other")]
    clash, summary = auditing.repeats("s", declared)
    assert (clash.consistent, clash.claim, clash.check) == (False, "0.95", "here: 0.98")
    assert summary.found == "2 of 3 pairs agree, the others stand above"
    assert [f.consistent for f in auditing.repeats("s", [probe(0.95), probe(0.99, "at_least")])] == [False]
    assert [f.consistent for f in auditing.repeats("s", [probe(1.0), probe(0.99, "at_least")])] == [True]


def test_a_look_up_that_is_not_unique_is_refused() -> None:
    """An audit never picks one of several prints by chance."""
    with pytest.raises(LookupError, match="2 expectations of 'accuracy'"):
        auditing.find([probe(0.1), probe(0.2)], "accuracy")


# -- intervals --------------------------------------------------------------------------------

NUMBERS = st.fractions(min_value=-100, max_value=100, max_denominator=1000)


@st.composite
def members(draw: st.DrawFn) -> tuple[Interval, Fraction]:
    """Draw an interval and a number in it."""
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    return Interval(low, high), low + draw(st.fractions(min_value=0, max_value=1)) * (high - low)


@settings(deadline=None)
@given(members(), members())
def test_every_operation_contains_the_result_of_its_members(
    first: tuple[Interval, Fraction], second: tuple[Interval, Fraction]
) -> None:
    """Sum, difference, product and quotient of members lie in those of their intervals; no overlap hides a member of both."""
    (a, x), (b, y) = first, second
    results = [(a + b, x + y), (a - b, x - y), (a * b, x * y), (auditing.total([a, b, a]), x + y + x)]
    if b.low <= 0 <= b.high:
        with pytest.raises(ZeroDivisionError, match="contains zero"):
            a / b
    else:
        results.append((a / b, x / y))
    assert all(interval.low <= value <= interval.high for interval, value in results)
    assert a.overlaps(b) == b.overlaps(a)
    assert a.overlaps(b) or not b.low <= x <= b.high


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(2, 5), st.integers(2, 299))
def test_a_share_rounds_to_its_own_print_only(right: int, digits: int, away: int) -> None:
    """Whatever Python prints of a share, the print stands for it; four digits tell the 301 shares of 300 images apart."""
    assert rounds_to(Fraction(right, 300), float(f"{right / 300:.{digits}f}"), 0.5 * 10**-digits)
    other = (right + away) % 301
    assert other == right or not rounds_to(Fraction(other, 300), float(f"{right / 300:.4f}"), 0.00005)


def test_a_decimal_is_read_as_printed() -> None:
    """0.989 with half of its last digit reaches from 0.9885 to 0.9895 exactly, where it touches 0.990."""
    assert printed(0.989, 0.0005) == Interval(Fraction(9885, 10000), Fraction(9895, 10000))
    assert auditing.exact(8.9e-8) == Fraction(89, 10**9)
    assert printed(0.990, 0.0005).overlaps(printed(0.989, 0.0005))
    assert not printed(0.990, 0.0005).overlaps(printed(0.988, 0.0005))


# -- damaged confusion matrices ---------------------------------------------------------------

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
    found = np.array(digits1000_cnn.scores(REPORTS[variant].matrix), float).T
    np.testing.assert_allclose(found, expected, atol=1e-12)


@settings(deadline=None)
@given(SQUARES, st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=3))
def test_a_lost_cell_is_always_among_the_completions(matrix: Square, lost: set[tuple[int, int]]) -> None:
    """Whatever cells are lost, the matrix that was printed is found again, and every completion fits the report."""
    support = [sum(row) for row in matrix]
    assume(min(support) > 0)
    table = [[round(float(score), 2) for score in scored] for scored in digits1000_cnn.scores(matrix)]
    damaged = [
        tuple(LOST if (r, c) in lost else cell for c, cell in enumerate(row)) for r, row in enumerate(matrix)
    ]
    options = [digits1000_cnn.fillings(row, support[r]) for r, row in enumerate(damaged)]
    found = list(digits1000_cnn.completions(options, table))
    assert matrix in found
    assert len(found) == len(set(found))
    assert all([sum(row) for row in completed] == support for completed in found)


def test_completions_are_all_there_are() -> None:
    """Against brute force over all 2x2 matrices with rows of 4: the same completions, none missed or invented."""
    table = [[0.75, 0.75, 0.75], [0.75, 0.75, 0.75]]
    rows = [(a, 4 - a) for a in range(5)]
    brute = [
        pair
        for pair in itertools.product(rows, rows)
        if all(map(digits1000_cnn.agrees, digits1000_cnn.scores(pair), table))
    ]
    assert list(digits1000_cnn.completions([rows, rows], table)) == brute == [((3, 1), (1, 3))]


def test_surplus_numbers_are_dropped_in_every_way() -> None:
    """A row of four with one number too many keeps the sum that is asked for."""
    assert digits1000_cnn.ways_to_drop((1, 2, 2, 0), 3, 3) == {(1, 2, 0)}
    assert digits1000_cnn.ways_to_drop((1, 2, 1, 0), 3, 3) == {(1, 2, 0), (2, 1, 0)}
    assert digits1000_cnn.ways_to_drop((1, 2), 2, 4) == set()
