"""What the sources print is declared at its place, once, and each print can be reproduced and missed."""

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


@each_source
def test_no_print_is_declared_twice(source: ModuleType) -> None:
    """Variant, metric, place and row tell every expectation from every other."""
    keys = collections.Counter((e.variant, e.metric, e.place, e.row) for e in source.EXPECTATIONS)
    assert [key for key, count in keys.items() if count > 1] == []


@each_source
def test_each_has_a_place_a_row_and_one_kind_of_value(source: ModuleType) -> None:
    """A number or array, an ordering, or a reason why it cannot be read: exactly one of them, finite, at a place."""
    for e in source.EXPECTATIONS:
        assert e.place, e
        assert e.row, e
        kinds = (e.value is not None, bool(e.order), bool(e.unreadable))
        assert sum(kinds) == 1, e
        assert e.value is None or finite(e.value), e
        assert (e.rule == "ordering") == bool(e.order), e


@each_keras
def test_arrays_are_rectangular(source: ModuleType) -> None:
    """A column or matrix has one shape, so that a run's array can be held against it."""
    for e in source.EXPECTATIONS:
        if isinstance(e.value, list):
            assert np.asarray(e.value, np.float64).size > 1, e


@each_keras
def test_a_half_width_is_half_a_printed_digit(source: ModuleType) -> None:
    """Half widths are 5 at some decimal place, and every number has no digit finer than its own print."""
    for e in source.EXPECTATIONS:
        if e.half_width == 0 or isinstance(e.value, list) or e.value is None or e.runs > 1:
            continue
        digits = -math.log10(2 * e.half_width)
        assert digits == pytest.approx(round(digits)), e
        assert round(float(e.value), round(digits)) == pytest.approx(float(e.value), abs=1e-12), e


@each_keras
def test_an_ordering_names_each_metric_once(source: ModuleType) -> None:
    """An ordering has a first and at least one rival, none of them twice."""
    for e in source.EXPECTATIONS:
        if e.order:
            assert len(set(e.order)) == len(e.order) >= 2, e


@each_keras
def test_no_tolerance_is_finer_than_one_test_image_or_one_draw(source: ModuleType) -> None:
    """A share of drawn test images names how many they are; equality is asked of settings and counts alone."""
    for e in source.EXPECTATIONS:
        if e.rule == "draw" and e.unit == "":
            assert e.test_images > 0, e
        if e.rule == "exact":
            assert e.test_images == 0, e


@each_keras
def test_what_is_said_across_variants_names_their_metrics(source: ModuleType) -> None:
    """Orderings across variants compare ``<variant>.<metric>`` of variants that have expectations of their own."""
    known = {e.variant for e in source.EXPECTATIONS} - {ACROSS}
    for e in source.EXPECTATIONS:
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
    for e in source.EXPECTATIONS:
        values: dict[str, Value] = dict.fromkeys(e.order, 1.0) if e.order else {e.metric: e.value or 0.0}
        assert judged(e, values) == ("NOT_JUDGED" if e.unreadable else "REPRODUCED"), e


@each_keras
def test_runs_that_measure_something_else_do_not(source: ModuleType) -> None:
    """Every readable print can be missed: a value on the forbidden side of it is BELOW, ABOVE or the known gap."""
    for e in source.EXPECTATIONS:
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
    for e in source.EXPECTATIONS:
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
    for e in source.EXPECTATIONS:
        assert not e.fact or e.rule == "exact", e


def test_the_counts_of_prints_are_these() -> None:
    """Numbers, arrays, orderings and unreadable prints of each source; a change must be meant."""
    found = {}
    for source in ALL:
        forms = collections.Counter(
            "unreadable" if e.unreadable else "ordering" if e.order else "array" if isinstance(e.value, list) else "number"
            for e in source.EXPECTATIONS
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
    known = {explanations.key(source.SOURCE.slug, e) for source in ALL for e in source.EXPECTATIONS}
    assert set(explanations.EXPLANATIONS) <= known
    for sentence in explanations.EXPLANATIONS.values():
        assert re.fullmatch(r"[^\n]+\.", sentence)


def test_monotone_claims_are_chains_of_steps() -> None:
    """'Epoch time falls with batch size' is one ordering for each step, the larger batch first, the lower the better."""
    steps = [e for e in mnist_autoencoder.EXPECTATIONS if e.metric.startswith("epoch_seconds")]
    assert [e.order for e in steps] == [
        ("batch128.epoch_seconds", "batch64.epoch_seconds"),
        ("batch256.epoch_seconds", "batch128.epoch_seconds"),
        ("batch512.epoch_seconds", "batch256.epoch_seconds"),
    ]
    assert {e.better for e in steps} == {"lower"}
