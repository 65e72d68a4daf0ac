"""What the sources print is declared in full: every column of every table, readable, at its place, once."""

from __future__ import annotations

import collections
import math
import re
import typing

import numpy as np
import pytest

from harness.judging.compare import compare
from harness.judging.expectations import tolerance
from harness.records import Measured, RunRequest, RunResult, Scenario, Source, Variant, finite
from harness.sources import explanations
from harness.sources.digits1000_cnn import published as digits1000_cnn
from harness.sources.digits1000_cnn import reports
from harness.sources.kmnist_svd_logreg import published as kmnist_svd_logreg
from harness.sources.mnist_autoencoder import published as mnist_autoencoder
from harness.sources.mnist_interpolation import published as mnist_interpolation
from harness.sources.published import ACROSS
from harness.sources.tinyconvnet_svd import published as tinyconvnet_svd

if typing.TYPE_CHECKING:
    from types import ModuleType

    from harness.records import Expectation, Value

ALL = (kmnist_svd_logreg, mnist_autoencoder, tinyconvnet_svd, mnist_interpolation, digits1000_cnn)
KERAS = (mnist_autoencoder, mnist_interpolation, digits1000_cnn)
each_source = pytest.mark.parametrize("source", ALL, ids=lambda source: source.SOURCE.slug)
each_keras = pytest.mark.parametrize("source", KERAS, ids=lambda source: source.SOURCE.slug)


def declared(source: ModuleType) -> list[Expectation]:
    """Return the expectations of a source."""
    return list(source.EXPECTATIONS)


def at(source: ModuleType, place: str, **fields: object) -> list[Expectation]:
    """Return the expectations at a place whose fields have the given values."""
    found = [e for e in declared(source) if e.place == place]
    return [e for e in found if all(getattr(e, name) == value for name, value in fields.items())]


def one(source: ModuleType, place: str, **fields: object) -> Expectation:
    """Return the only such expectation."""
    (found,) = at(source, place, **fields)
    return found


# -- every declaration --------------------------------------------------------------------


@each_source
def test_no_print_is_declared_twice(source: ModuleType) -> None:
    """Variant, metric, place and row tell every expectation from every other."""
    keys = collections.Counter((e.variant, e.metric, e.place, e.row) for e in declared(source))
    assert [key for key, count in keys.items() if count > 1] == []


@each_source
def test_each_has_a_place_a_row_and_one_kind_of_value(source: ModuleType) -> None:
    """A number or array, an ordering, or a reason why it cannot be read: exactly one of them, finite, at a place."""
    for e in declared(source):
        assert e.place, e
        assert e.row, e
        kinds = (e.value is not None, bool(e.order), bool(e.unreadable))
        assert sum(kinds) == 1, e
        assert e.value is None or finite(e.value), e
        assert (e.rule == "ordering") == bool(e.order), e


@each_keras
def test_arrays_are_rectangular(source: ModuleType) -> None:
    """A column or matrix has one shape, so that a run's array can be held against it."""
    for e in declared(source):
        if isinstance(e.value, list):
            assert np.asarray(e.value, np.float64).size > 1, e


@each_keras
def test_a_half_width_is_half_a_printed_digit(source: ModuleType) -> None:
    """Half widths are 5 at some decimal place, and every number has no digit finer than its own print."""
    for e in declared(source):
        if e.half_width == 0 or isinstance(e.value, list) or e.value is None or e.runs > 1:
            continue
        digits = -math.log10(2 * e.half_width)
        assert digits == pytest.approx(round(digits)), e
        assert round(float(e.value), round(digits)) == pytest.approx(float(e.value), abs=1e-12), e


@each_keras
def test_an_ordering_names_each_metric_once(source: ModuleType) -> None:
    """An ordering has a first and at least one rival, none of them twice."""
    for e in declared(source):
        if e.order:
            assert len(set(e.order)) == len(e.order) >= 2, e


@each_keras
def test_no_tolerance_is_finer_than_one_test_image_or_one_draw(source: ModuleType) -> None:
    """A share of drawn test images names how many they are; equality is asked of settings and counts alone."""
    for e in declared(source):
        if e.rule == "draw" and e.unit == "":
            assert e.test_images > 0, e
        if e.rule == "exact":
            assert e.test_images == 0, e


@each_keras
def test_what_is_said_across_variants_names_their_metrics(source: ModuleType) -> None:
    """Orderings across variants compare ``<variant>.<metric>`` of variants that have expectations of their own."""
    known = {e.variant for e in declared(source)} - {ACROSS}
    for e in declared(source):
        if e.variant == ACROSS:
            assert e.order
            assert {name.split(".", 1)[0] for name in e.order} <= known


def judged(expected: Expectation, values: dict[str, Value]) -> str:
    """Return the verdict on five runs of the published protocol that all measure `values`."""
    metrics = {name: Measured(value=value, unit=expected.unit) for name, value in values.items()}
    runs = []
    for seed in range(5):
        request = RunRequest(scenario="probe", variant=expected.variant, tier="paper", seed=seed)
        runs.append(RunResult(request=request, status="ok", started="", wall_seconds=1.0, metrics=metrics))
    scenario = Scenario(
        name="probe", version=1, source=Source(slug="probe", title="t"), measure=print, variants=(Variant(name=expected.variant),),
        tiers={"paper": {}},
        gated=(), expectations=(expected,),
    )  # fmt: skip
    (judgement,) = compare(scenario, expected.variant, "paper", runs).judgements
    return judgement.verdict


@each_keras
def test_runs_that_measure_what_is_printed_reproduce_it(source: ModuleType) -> None:
    """Every readable print is judged REPRODUCED when runs give the very number, array or a tie."""
    for e in declared(source):
        values: dict[str, Value] = dict.fromkeys(e.order, 1.0) if e.order else {e.metric: e.value or 0.0}
        assert judged(e, values) == ("NOT_JUDGED" if e.unreadable else "REPRODUCED"), e


@each_keras
def test_runs_that_measure_something_else_do_not(source: ModuleType) -> None:
    """Every readable print can be missed: a value on the forbidden side of it is BELOW, ABOVE or the known gap."""
    for e in declared(source):
        if e.unreadable:
            continue
        sign = -1.0 if e.rule == "at_least" else 1.0
        worse = 2.0 if e.better == "lower" else 0.0
        values: dict[str, Value] = dict.fromkeys(e.order, 1.0)
        values.update(dict.fromkeys(e.order[:1], worse))
        if e.value is not None:
            values[e.metric] = (np.asarray(e.value) + sign * (1 + np.abs(e.value))).tolist()
        assert judged(e, values) in {"BELOW", "ABOVE", "KNOWN_GAP"}, e


@each_source
def test_every_tolerance_has_a_reason_and_is_no_finer_than_the_source(source: ModuleType) -> None:
    """Each value that is no equality and no bound has a positive tolerance with its reason, of at least 1.645 standard errors of a small test set."""
    for e in declared(source):
        if e.unreadable or e.rule in {"exact", "at_most", "at_least"}:
            continue
        wide, why = tolerance(e)
        assert why, e
        assert wide > 0 or e.order, e
        if e.rule == "draw" and isinstance(e.value, float) and e.test_images:
            assert wide >= 1.645 * math.sqrt(e.value * (1 - e.value) / e.test_images), e


@each_source
def test_facts_are_equalities(source: ModuleType) -> None:
    """What the ledger counts as a fact of the protocol is judged by equality; scores, losses, times and orderings are results."""
    for e in declared(source):
        assert not e.fact or e.rule == "exact", e


def test_the_counts_of_prints_are_these() -> None:
    """Numbers, arrays, orderings and unreadable prints of each source; a change must be meant."""
    found = {}
    for source in ALL:
        forms = collections.Counter(
            "unreadable" if e.unreadable else "ordering" if e.order else "array" if isinstance(e.value, list) else "number"
            for e in declared(source)
        )  # fmt: skip
        found[source.SOURCE.slug] = tuple(
            forms[form] for form in ("number", "array", "ordering", "unreadable")
        )
    assert found == {
        "kmnist_svd_logreg": (102, 0, 10, 2),
        "mnist_autoencoder": (38, 9, 18, 12),
        "tinyconvnet_svd": (27, 10, 0, 0),
        "mnist_interpolation": (51, 16, 17, 7),
        "digits1000_cnn": (73, 37, 6, 13),
    }


def test_every_explanation_is_of_a_declared_print() -> None:
    """An explanation of a print that nobody declares is a leftover; each is one sentence."""
    known = {explanations.key(source.SOURCE.slug, e) for source in ALL for e in declared(source)}
    assert set(explanations.EXPLANATIONS) <= known
    for sentence in explanations.EXPLANATIONS.values():
        assert re.fullmatch(r"[^\n]+\.", sentence)


# -- kmnist_svd_logreg --------------------------------------------------------------------


@pytest.mark.parametrize("table", ["Table 1", "Table 2"])
def test_each_row_of_the_svd_tables_has_four_numbers(table: str) -> None:
    """Nine rows of percent size, validation, test and percent test accuracy."""
    rows = collections.Counter(e.row.rpartition(":")[0] for e in at(kmnist_svd_logreg, table))
    assert list(rows.values()) == [4] * 9


# -- mnist_autoencoder --------------------------------------------------------------------


def test_the_classification_report_has_four_columns_of_ten_classes() -> None:
    """Precision, recall, F1 and support are arrays of ten; sums of columns as printed."""
    sums = {"precision": 9.85, "recall": 9.87, "f1": 9.87, "support": 10000}
    for name, total in sums.items():
        column = one(mnist_autoencoder, "Table 2", metric=f"{name}_per_class").value
        assert isinstance(column, list)
        assert len(column) == 10
        assert sum(column) == pytest.approx(total)


def test_the_rows_of_averages_are_complete() -> None:
    """Accuracy with support, and two averages of three scores each with support: 1 + 6 numbers and 3 supports."""
    metrics = collections.Counter(
        e.metric for e in at(mnist_autoencoder, "Table 2") if not isinstance(e.value, list)
    )
    assert metrics == {
        "accuracy": 1, "test_images": 3, **{f"{s}_{a}": 1 for s in ("precision", "recall", "f1") for a in ("macro", "weighted")}
    }  # fmt: skip


def test_results_of_the_autoencoder_s_text_are_declared() -> None:
    """Loss, accuracy and both counts of labels stand at their places."""
    found = [
        (e.metric, e.value) for place in ("Table 1", "Section 4.3") for e in at(mnist_autoencoder, place)
    ]
    assert found == [("loss", 0.0903), ("accuracy", 0.9867), ("correct", 9867.0), ("errors", 133.0)]


def test_the_sweeps_name_the_printed_settings_first() -> None:
    """128 neurons and batch 256 are best; the sweeps contain every setting that the text names."""
    best = {e.order[0]: len(e.order) for e in at(mnist_autoencoder, "Section 4.1") if "is best" in e.metric}
    assert best == {
        "dense128.validation_loss": 4, "dense64.validation_accuracy": 3, "dense128.validation_accuracy": 3,
        "epochs1.training_loss": 4, "batch256.validation_loss": 4, "batch256.validation_accuracy": 4,
    }  # fmt: skip
    assert {64, 128} <= set(mnist_autoencoder.SWEEP_DENSE)
    assert 100 in mnist_autoencoder.SWEEP_EPOCHS
    assert 256 in mnist_autoencoder.SWEEP_BATCHES


def test_monotone_claims_are_chains_of_steps() -> None:
    """'Epoch time falls with batch size' is one ordering for each step, the larger batch first."""
    steps = [e.order for e in at(mnist_autoencoder, "Section 4.1") if e.metric.startswith("epoch_seconds")]
    assert steps == [
        ("batch128.epoch_seconds", "batch64.epoch_seconds"),
        ("batch256.epoch_seconds", "batch128.epoch_seconds"),
        ("batch512.epoch_seconds", "batch256.epoch_seconds"),
    ]
    assert all(
        e.better == "lower"
        for e in at(mnist_autoencoder, "Section 4.1")
        if e.metric.startswith("epoch_seconds")
    )


# -- mnist_interpolation --------------------------------------------------------------------


def test_all_five_cases_have_roughly_97_percent_and_the_author_s_averages() -> None:
    """Three scores of five cases, from the text and from the author's predictions, as means of ten runs."""
    cases = ("baseline", "case1", "case2", "case3", "case4")
    for place in ("Section VI", mnist_interpolation.PUBLIC):
        for case in cases:
            found = [e for e in at(mnist_interpolation, place, variant=case) if e.metric.endswith("_macro")]
            assert [e.metric for e in found] == ["precision_macro", "recall_macro", "f1_macro"]
            assert {(e.rule, e.runs) for e in found} == {("mean", 10)}
    assert {e.value for e in at(mnist_interpolation, "Section VI") if e.value is not None} == {0.97}


def test_the_author_s_single_accuracies_average_to_the_declared_mean() -> None:
    """Ten accuracies each of baseline and case 4; the declared number is their mean."""
    for case, mean in (("baseline", 0.97394), ("case4", 0.97304)):
        expected = one(mnist_interpolation, mnist_interpolation.PUBLIC, variant=case, metric="accuracy")
        assert expected.value == pytest.approx(mean, abs=1e-12)
        assert len(re.findall(r"0\.9\d+", expected.row)) == 10


@pytest.mark.parametrize(
    ("case", "section", "numbers"),
    [
        ("case1", "Section V.B", [[2.0, 2.0], [1.0, 1.0], 27.0, 729.0, 0.92]),
        ("case2", "Section V.C", [[2.0, 2.0], [2.0, 2.0], 14.0, 196.0, 0.25]),
        ("case3", "Section V.D", [[3.0, 3.0], [1.0, 1.0], 26.0, 676.0, 0.86]),
        ("case4", "Section V.E", [[3.0, 3.0], [2.0, 2.0], 13.0, 169.0, 0.22]),
    ],
)
def test_each_case_study_prints_five_sizes(case: str, section: str, numbers: list[object]) -> None:
    """Window, step, side, pixels and share, as the section prints them."""
    assert [e.value for e in at(mnist_interpolation, section, variant=case)] == numbers


def test_every_case_is_said_to_learn_like_the_baseline() -> None:
    """Four cases, two metrics, both directions."""
    across = [e.order for e in at(mnist_interpolation, "Section VI", variant=ACROSS)]
    assert len(set(across)) == len(across) == 16
    assert all((b, a) in across for a, b in across)


def test_case_4_is_said_to_be_the_most_compressed() -> None:
    """Its stored share leads those of the other three, lower first."""
    said = one(mnist_interpolation, "Section V.E", variant=ACROSS)
    assert said.order == tuple(f"{case}.stored.share" for case in ("case4", "case1", "case2", "case3"))
    assert said.better == "lower"


# -- digits1000_cnn --------------------------------------------------------------------


@pytest.mark.parametrize("name", reports.REPORTS)
def test_each_report_is_a_matrix_and_three_columns_of_ten(name: str) -> None:
    """Ten by ten shares of 30 images, and three columns of ten scores with two decimals."""
    report = reports.REPORTS[name]
    matrix = one(digits1000_cnn, report.place, variant=report.variant, metric="confusion_share")
    shares = np.asarray(matrix.value)
    assert shares.shape == (10, 10)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    for score in ("precision", "recall", "f1"):
        column = one(digits1000_cnn, report.place, variant=report.variant, metric=f"{score}_per_class").value
        assert isinstance(column, list)
        assert len(column) == 10
        assert all(round(value, 2) == value for value in column)


@pytest.mark.parametrize(
    ("name", "diagonal"),
    [
        ("baseline", [4, 1, 3, 3, 1, 1, 4, 2, 3, 2]),
        ("dropout", [2, 3, 3, 3, 4, 2, 3, 5, 7, 4]),
        ("augmentation", [7, 4, 3, 3, 5, 1, 1, 0, 1, 4]),
        ("final", [29, 29, 27, 20, 28, 26, 30, 24, 27, 25]),
    ],
)
def test_the_diagonals_are_those_that_the_source_marks(name: str, diagonal: list[int]) -> None:
    """Each matrix has the right predictions on its diagonal; 27 is lost in print and follows from recall 0.90."""
    matrix = np.asarray(reports.REPORTS[name].matrix)
    assert matrix.shape == (10, 10)
    assert matrix.diagonal().tolist() == diagonal


def test_the_completed_matrix_keeps_what_is_printed() -> None:
    """Only lost cells were filled in: eleven of them, and nothing printed was changed."""
    printed = np.asarray(reports.FINAL_AS_PRINTED)
    whole = np.asarray(reports.FINAL_MATRIX)
    assert (printed == -1).sum() == 11
    np.testing.assert_array_equal(whole[printed >= 0], printed[printed >= 0])


@pytest.mark.parametrize("name", reports.REPORTS)
def test_the_rows_of_averages_follow_from_the_matrix(name: str) -> None:
    """Both averages of the three scores, those that the dropout's print cut off too, are the matrix's own to two decimals."""
    report = reports.REPORTS[name]
    matrix = np.asarray(report.matrix, np.float64)
    hits, predicted = matrix.diagonal(), matrix.sum(axis=0)
    means = ((hits / predicted).mean(), (hits / 30).mean(), (2 * hits / (30 + predicted)).mean())
    for average in ("macro", "weighted"):
        assert report.averages[average] == pytest.approx(means, abs=0.005)
        for score in ("precision", "recall", "f1"):
            said = one(digits1000_cnn, report.place, variant=report.variant, metric=f"{score}_{average}")
            assert ("cut off" in said.row) == (name == "dropout")


def test_text_table_and_code_each_declare_the_network() -> None:
    """Filters, kernel, pooling, dense layer and classes are printed in three places, and are declared at each."""
    for place in ("Table 1", "Section 1", "Index, code"):
        found = {e.metric: e.value for e in at(digits1000_cnn, place, variant="final")}
        network = {
            "filters": [32, 64, 128],
            "kernel": [3, 3],
            "pool": [2, 2],
            "dense_size": 512,
            "data.classes": 10,
        }
        assert network.items() <= found.items()


def test_scores_that_a_shuffled_iterator_made_are_judged_where_it_is_repeated() -> None:
    """Chance matrices belong to the misaligned variants, the logged accuracies to the variants themselves."""
    variants = {name: report.variant for name, report in reports.REPORTS.items()}
    assert variants == {
        "baseline": "misaligned", "dropout": "misaligned-dropout", "augmentation": "misaligned-augmentation", "final": "final"
    }  # fmt: skip
    logged = [
        (e.variant, e.metric, e.value)
        for e in declared(digits1000_cnn)
        if e.row.startswith("val_") and e.value
    ]
    assert logged == [
        ("baseline", "loss", 0.4233), ("baseline", "accuracy", 0.8833), ("augmentation", "loss", 0.6886),
        ("augmentation", "accuracy", 0.77), ("final", "loss", 0.4001), ("final", "accuracy", 0.8833),
    ]  # fmt: skip


def test_drawn_test_images_carry_their_number() -> None:
    """Scores of all classes are of 300 images, of one class of 30, of the samples 10, of training 700."""
    found = {e.test_images for e in declared(digits1000_cnn) if e.rule == "draw" and e.metric != "loss"}
    assert found == {300, 30, 10, 700}


def test_class_3_is_compared_with_all_others() -> None:
    """The hardest class leads an ordering of all ten recalls, lower first."""
    hardest = one(digits1000_cnn, "Section 3", metric="class 3 is the hardest")
    assert hardest.order[0] == "recall.class3"
    assert set(hardest.order) == {f"recall.class{label}" for label in range(10)}
    assert hardest.better == "lower"
