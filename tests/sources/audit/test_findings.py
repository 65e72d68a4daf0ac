"""Every check computes its verdict: the published numbers give the known one, and a planted contradiction another."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from harness.records import Expectation
from harness.sources.audit import SOURCES, audit
from harness.sources.auditing import declared
from harness.sources.auditing.intervals import printed
from harness.sources.digits1000_cnn import audit as digits1000_cnn
from harness.sources.digits1000_cnn.reports import REPORTS
from harness.sources.kmnist_svd_logreg import audit as kmnist_svd_logreg
from harness.sources.mnist_autoencoder import audit as mnist_autoencoder
from harness.sources.mnist_autoencoder.published import PER_CLASS
from harness.sources.mnist_interpolation import audit as mnist_interpolation
from harness.sources.mnist_interpolation.published import CASES, PREDICTIONS
from harness.sources.tinyconvnet_svd import audit as tinyconvnet_svd
from harness.sources.tinyconvnet_svd.published import EXPECTATIONS as TINY

CONTRADICTIONS = {
    ("kmnist_svd_logreg", "Section 1", "87% testing accuracy on す and ま with 40% less memory"),
    ("kmnist_svd_logreg", "Section 6", "k = 8 has the best performance"),
    (
        "kmnist_svd_logreg",
        "Section 5.2",
        "the smaller the batch size, the better the performance with SVD",
    ),
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
    """The audit of all five sources finds exactly the known contradictions."""
    found = {(f.source, f.place, f.claim) for f in audit() if f.consistent is False}
    assert found == CONTRADICTIONS


def test_every_source_is_audited_and_every_finding_is_complete() -> None:
    """Each of the five sources has findings, and none lacks a word or stands there twice."""
    findings = audit()
    assert len({f.source for f in findings}) == len(SOURCES) == 5
    assert all(f.claim and f.check and f.found and f.place for f in findings)
    keys = [(f.source, f.place, f.claim, f.check) for f in findings]
    assert len(set(keys)) == len(keys)


# -- kmnist_svd_logreg --------------------------------------------------------------------

O_MA = kmnist_svd_logreg.TABLE_ROWS["o-ma"]
SU_MA = kmnist_svd_logreg.TABLE_ROWS["su-ma"]


def with_row(
    rows: tuple[kmnist_svd_logreg.Row, ...], place: int, **changes: typing.Any
) -> list[kmnist_svd_logreg.Row]:
    """Change one row of a table."""
    return [dataclasses.replace(row, **changes) if index == place else row for index, row in enumerate(rows)]


def test_a_wrong_percent_size_is_found() -> None:
    """0.581 for k = 8 is not 456/784."""
    assert kmnist_svd_logreg.percent_sizes(O_MA).consistent is True
    assert kmnist_svd_logreg.percent_sizes(with_row(O_MA, 7, size=0.581)).consistent is False


def test_an_accuracy_that_rounds_to_the_claim_is_accepted() -> None:
    """Had Table 2 printed 0.868 at k = 8, the 87% of the text would hold."""
    assert kmnist_svd_logreg.final_claim("su-ma", SU_MA).consistent is False
    assert kmnist_svd_logreg.final_claim("su-ma", with_row(SU_MA, 7, test=0.868)).consistent is True


def test_a_size_that_saves_less_is_found() -> None:
    """A percent size of 0.700 does not save 40%, however it is rounded."""
    assert kmnist_svd_logreg.memory_claim("o-ma", O_MA).consistent is True
    assert kmnist_svd_logreg.memory_claim("o-ma", with_row(O_MA, 7, size=0.7)).consistent is False


def test_a_higher_validation_accuracy_is_found() -> None:
    """A row above 0.991 contradicts the highest accuracy that the text names."""
    assert kmnist_svd_logreg.best_validation("o-ma", O_MA).consistent is True
    assert kmnist_svd_logreg.best_validation("o-ma", with_row(O_MA, 0, validation=0.995)).consistent is False


def test_percent_columns_that_share_a_twin_are_accepted() -> None:
    """With the percentages that one uncompressed accuracy of 0.988 gives, the column is consistent."""
    mended = [dataclasses.replace(row, percent=round(row.test / 0.988, 3)) for row in O_MA]
    (finding,) = kmnist_svd_logreg.twins("o-ma", mended)
    assert finding.consistent is True
    assert kmnist_svd_logreg.twins("o-ma", O_MA)[0].consistent is False


def test_ties_leave_the_best_limit_open() -> None:
    """Equal prints decide nothing, a larger one does."""
    assert kmnist_svd_logreg.best_limit("su-ma", SU_MA, "test").consistent is None
    assert kmnist_svd_logreg.best_limit("su-ma", with_row(SU_MA, 5, test=0.863), "test").consistent is True
    assert kmnist_svd_logreg.best_limit("su-ma", with_row(SU_MA, 5, test=0.865), "test").consistent is False


def test_batches_are_compared_in_order() -> None:
    """0.830 at 64 above 0.829 at 32 contradicts; 0.828 would not, and a tie is open."""
    verdicts = {
        kmnist_svd_logreg.smaller_batches(
            "su-ma", with_row(SU_MA, 1, validation=at_64), "validation"
        ).consistent
        for at_64 in (0.828, 0.829, 0.830)
    }
    assert verdicts == {True, None, False}


# -- tinyconvnet_svd --------------------------------------------------------------------

SPECTRUM = [printed(sigma, 0.0005) for sigma in (2.170, 1.753, 1.496, 1.041, 0.787, 0.623, 0.534, 0.424)]
ENERGY = declared.find(TINY, "layer1.energy")


@pytest.mark.parametrize(("energy", "fits"), [(12.5733, True), (12.5860, False), (12.5660, False)])
def test_parseval_decides_within_the_rounding(energy: float, fits: bool) -> None:
    """The eight printed values allow squared norms from 12.5672 to 12.5849 and no others."""
    said = dataclasses.replace(ENERGY, value=energy)
    assert tinyconvnet_svd.parseval(SPECTRUM, said).consistent is fits


@pytest.mark.parametrize(("energy", "fits"), [(43.7439, True), (24.0, False), (90.0, False)])
def test_unprinted_values_must_be_able_to_hold_the_rest(energy: float, fits: bool) -> None:
    """Twelve values of at most 2.070 cannot hold 65, and no values hold less than nothing."""
    spectrum = [printed(sigma, 0.0005) for sigma in (2.895, 2.480, 2.349, 2.070)]
    said = dataclasses.replace(ENERGY, value=energy)
    assert tinyconvnet_svd.parseval_rest(spectrum, said, 16).consistent is fits


@pytest.mark.parametrize(("rank", "fits"), [(5, False), (6, True), (7, False)])
def test_the_rank_for_95_percent_follows_from_the_spectrum(rank: int, fits: bool) -> None:
    """Six values are needed, five are too few and seven one too many."""
    assert tinyconvnet_svd.rank_95(SPECTRUM, rank).consistent is fits


def test_an_error_beyond_epsilon_is_found() -> None:
    """3e-7 is more than float32's spacing at 2.170."""
    assert tinyconvnet_svd.machine_epsilon(1, 8.9e-8, SPECTRUM).consistent is True
    assert tinyconvnet_svd.machine_epsilon(1, 3e-7, SPECTRUM).consistent is False


def test_a_wrong_shape_is_named() -> None:
    """A second pooling that leaves 6 pixels is found and named."""
    names = ("conv1", "pool1", "conv2", "pool2", "logits", "weight1", "weight2", "weight_fc")
    said = {name: declared.find(TINY, f"shapes.{name}").value for name in names}
    assert tinyconvnet_svd.shapes(said).consistent is True
    planted = tinyconvnet_svd.shapes({**said, "pool2": [16.0, 6.0, 6.0]})
    assert planted.consistent is False
    assert "pool2 [16, 6, 6] should be [16, 5, 5]" in planted.found


def test_masks_are_bounded_by_patches_and_channels() -> None:
    """Neither more masks than patches nor 255 possible masks go unnoticed."""
    assert tinyconvnet_svd.masks_within(40, 256, 500).consistent is True
    assert tinyconvnet_svd.masks_within(40, 256, 30).consistent is False
    assert tinyconvnet_svd.masks_possible(255, 8).consistent is False
    assert tinyconvnet_svd.spectrum_length([16, 72], 72).consistent is False


# -- mnist_autoencoder --------------------------------------------------------------------


def test_counts_that_do_not_add_up_are_found() -> None:
    """One label more or less breaks the sum, the accuracy and the support."""
    assert mnist_autoencoder.labels_counted(9867, 133, 10000).consistent is True
    assert mnist_autoencoder.labels_counted(9868, 133, 10000).consistent is False
    assert mnist_autoencoder.accuracy_from_counts(9867, 10000, 0.9867).consistent is True
    assert mnist_autoencoder.accuracy_from_counts(9868, 10000, 0.9867).consistent is False
    assert mnist_autoencoder.support(PER_CLASS, 10000).consistent is True
    assert mnist_autoencoder.support(PER_CLASS[1:], 10000).consistent is False
    assert mnist_autoencoder.epochs(100, 21, 121).consistent is True
    assert mnist_autoencoder.epochs(100, 20, 121).consistent is False


def test_an_f1_that_its_parts_forbid_is_found() -> None:
    """Precision 0.98 and recall 0.99 allow 0.98 and 0.99, not 0.97."""
    planted = ((0.98, 0.99, 0.97, 980), *PER_CLASS[1:])
    assert mnist_autoencoder.f1_column(PER_CLASS).consistent is True
    assert mnist_autoencoder.f1_column(planted).consistent is False


def test_averages_follow_from_the_classes() -> None:
    """Lowering one class by a fifth breaks every average, the accuracy and the number of predictions."""
    planted = ((0.78, 0.79, 0.78, 980), *PER_CLASS[1:])
    assert {f.consistent for f in mnist_autoencoder.averages(PER_CLASS)} == {True}
    assert {f.consistent for f in mnist_autoencoder.averages(planted)} == {False}
    assert mnist_autoencoder.recall_gives_accuracy(PER_CLASS, 0.9867).consistent is True
    assert mnist_autoencoder.recall_gives_accuracy(planted, 0.9867).consistent is False
    halved = ((0.49, 0.99, 0.66, 980), *PER_CLASS[1:])
    assert mnist_autoencoder.predictions_counted(PER_CLASS, 10000).consistent is True
    assert mnist_autoencoder.predictions_counted(halved, 10000).consistent is False


# -- mnist_interpolation --------------------------------------------------------------------


def test_wrong_sizes_of_stored_images_are_found() -> None:
    """Side, pixels and share are each computed from what stands before them."""
    case = CASES["case2"]
    wrong = dataclasses.replace(case, side=15, pixels=197, share=0.26)
    checks = (mnist_interpolation.side, mnist_interpolation.pixels, mnist_interpolation.share)
    assert [check("case2", case).consistent for check in checks] == [True, True, True]
    assert [check("case2", wrong).consistent for check in checks] == [False, False, False]


def test_a_share_at_its_bound_is_not_less() -> None:
    """'Less than 21%' would contradict 169 of 784 pixels; 93% would have been right for case 1."""
    bound = dataclasses.replace(CASES["case4"], share=0.21)
    assert mnist_interpolation.share("case4", bound).consistent is False
    rounded = dataclasses.replace(CASES["case1"], share=0.93)
    assert mnist_interpolation.share("case1", rounded).consistent is True


def test_the_author_s_runs_are_told_apart_only_beyond_their_spread() -> None:
    """With a tenth of the deviation the same differences would be no 'very little variation'."""
    rows = PREDICTIONS
    sharp = {name: (p, r, f1, sd / 10) for name, (p, r, f1, sd) in rows.items()}
    assert mnist_interpolation.variation(rows).consistent is True
    assert mnist_interpolation.variation(sharp).consistent is False


# -- digits1000_cnn --------------------------------------------------------------------

FINAL = REPORTS["final"]


def test_an_accuracy_of_no_whole_image_is_found() -> None:
    """0.8834 is no share of 300 images; 265 of them are 0.8833."""
    good, bad = (digits1000_cnn.whole_images("final", (None, 0.4, share)) for share in (0.8833, 0.8834))
    assert [finding.consistent for finding in (*good, *bad)] == [True, False]


def test_a_changed_cell_breaks_the_report() -> None:
    """Moving two images of class 3 to class 5 breaks scores, accuracy and averages, but not the supports."""
    moved = (*FINAL.matrix[:3], (0, 0, 0, 16, 0, 8, 1, 0, 5, 0), *FINAL.matrix[4:])
    found = digits1000_cnn.matrix_and_report(dataclasses.replace(FINAL, matrix=moved))
    assert [finding.consistent for finding in found] == [True, False, False, False]


def test_a_lost_image_breaks_the_support() -> None:
    """A row of 29 is found."""
    short = ((28, 0, 0, 0, 0, 0, 1, 0, 0, 0), *FINAL.matrix[1:])
    assert digits1000_cnn.matrix_and_report(dataclasses.replace(FINAL, matrix=short))[0].consistent is False


def test_a_matrix_that_belongs_to_its_accuracy_is_accepted() -> None:
    """The final matrix beside 0.8833 is consistent, and beside chance it is not chance."""
    assert digits1000_cnn.accuracy_and_matrix("final", FINAL, 0.8833).consistent is True
    assert digits1000_cnn.accuracy_and_matrix("final", FINAL, 0.0800).consistent is False
    assert digits1000_cnn.chance(FINAL).consistent is False


def test_damaged_matrices_are_determined_by_their_margins() -> None:
    """The search leaves one matrix each, the declared one; a declared matrix that differs is found."""
    (dropout,) = digits1000_cnn.dropout_ways()
    (final,) = digits1000_cnn.final_ways()
    assert (dropout, final) == (REPORTS["dropout"].matrix, FINAL.matrix)
    other = [tuple(reversed(final))]
    assert digits1000_cnn.damaged("final", other).consistent is False
    assert digits1000_cnn.damaged("final", [final, *other]).consistent is None
    assert digits1000_cnn.damaged("final", []).consistent is False


def test_another_hardest_class_is_found() -> None:
    """With the diagonal of class 7 lowered below class 3's, the sentence on class 3 is wrong."""
    lowered = (*FINAL.matrix[:7], (9, 0, 0, 2, 1, 0, 0, 16, 0, 2), *FINAL.matrix[8:])
    assert digits1000_cnn.hardest(FINAL.matrix).consistent is True
    assert digits1000_cnn.hardest(lowered).consistent is False


def test_one_mistake_in_ten_does_not_fit_any_accuracy() -> None:
    """One of ten fits 0.8833, not 0.2."""
    assert digits1000_cnn.samples(0.8833).consistent is True
    assert digits1000_cnn.samples(0.2).consistent is False


# -- looking up --------------------------------------------------------------------


def probe(
    value: float, rule: str = "spread", half_width: float = 0.005, metric: str = "accuracy"
) -> Expectation:
    """Declare one number."""
    return Expectation(
        metric=metric, variant="v", value=value, unit="", place="here", row=str(value), rule=rule, half_width=half_width  # type: ignore[arg-type]
    )  # fmt: skip


def test_repeats_that_agree_are_counted_and_those_that_clash_are_listed() -> None:
    """0.98 and 'at most 0.99' agree; 0.95 clashes with 0.98 only."""
    declared_numbers = [probe(0.98), probe(0.99, "at_most"), probe(0.95), probe(0.5, metric="other")]
    clash, summary = declared.repeats("s", declared_numbers)
    assert clash.consistent is False
    assert (clash.claim, clash.check) == ("0.95", "here: 0.98")
    assert summary.found == "2 of 3 pairs agree, the others stand above"


def test_a_bound_is_held_to_one_side() -> None:
    """'At least 0.99' contradicts 0.95 and not 1.00."""
    assert len(declared.repeats("s", [probe(0.95), probe(0.99, "at_least")])) == 1
    assert declared.repeats("s", [probe(1.0), probe(0.99, "at_least")])[0].consistent is True
    assert declared.repeats("s", [probe(0.95), probe(0.99, "at_least")])[0].consistent is False


def test_a_look_up_that_is_not_unique_is_refused() -> None:
    """An audit never picks one of several prints by chance."""
    with pytest.raises(LookupError, match="2 expectations of 'accuracy'"):
        declared.find([probe(0.1), probe(0.2)], "accuracy")
    with pytest.raises(LookupError, match="0 expectations of 'loss'"):
        declared.find([probe(0.1)], "loss")
