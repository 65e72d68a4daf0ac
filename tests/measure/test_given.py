"""Weights that one run keeps and another predicts with: kept only if asked for, found by seed, never trusted to be there."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest

from harness.errors import HarnessError, StorageError
from harness.measure import given
from harness.measure.accelerators import NoAccelerator
from harness.measure.run import Run
from harness.records import RunRequest
from harness.store import files

if typing.TYPE_CHECKING:
    from pathlib import Path

LABELS = np.arange(6) % 3
WEIGHTS = [np.arange(4.0, dtype=np.float32), np.array([[2]], np.int64), *(np.float64(i) for i in range(10))]
REQUEST = RunRequest(scenario="probe", variant="a", tier="smoke", seed=3)


def predicted(request: RunRequest, weights: list[typing.Any] = WEIGHTS) -> Run:
    """Begin a run and store what it predicted."""
    run = Run(request, {}, lambda name: name, NoAccelerator())
    run.predictions(LABELS, LABELS, weights=iter(weights))
    return run


def kept(folder: Path, request: RunRequest = REQUEST) -> None:
    """Let a run keep its weights in its folder of a job."""
    place = folder / "runs" / request.key
    place.mkdir(parents=True)
    predicted(dataclasses.replace(request, keep_weights=True)).shared_weights.write(place)


def test_another_run_predicts_with_the_very_weights(tmp_path: Path) -> None:
    """Arrays come back in order, bit for bit; what they predict is a set of its own, known by the same hash."""
    kept(tmp_path)
    request = dataclasses.replace(REQUEST, backend="torch")
    run = predicted(dataclasses.replace(request, weights=given.find(str(tmp_path), request)), [np.zeros(2)])
    seen: list[typing.Any] = []

    def predict(weights: list[typing.Any]) -> typing.Any:
        seen.extend(weights)
        return (LABELS + 1) % 3

    run.predict_given(predict)
    assert [(a.dtype, a.tolist()) for a in seen] == [(b.dtype, b.tolist()) for b in map(np.asarray, WEIGHTS)]
    assert run.prediction_sets["test-given"]["labels"].tolist() == LABELS.tolist()
    assert run.prediction_sets["test-given"]["predicted"].tolist() == ((LABELS + 1) % 3).tolist()
    assert run.weights["test-given"] == predicted(REQUEST).weights["test"] != run.weights["test"]


def test_nothing_is_kept_or_predicted_unless_asked_for(tmp_path: Path) -> None:
    """A plain run leaves no file of weights and never calls what would predict with another's."""
    run = predicted(REQUEST)
    run.predict_given(lambda _: pytest.fail("there are no weights to predict with"))
    run.shared_weights.write(tmp_path)
    assert not list(tmp_path.iterdir())
    assert list(run.prediction_sets) == ["test"]


def test_a_job_that_kept_none_is_refused(tmp_path: Path) -> None:
    """Another seed, or a job that kept nothing, is one error that says what to type; so are two backends in one folder."""
    kept(tmp_path)
    other = dataclasses.replace(REQUEST, seed=4)
    with pytest.raises(
        HarnessError, match=r"keeps no weights of probe:a, tier smoke, seed 4\. Type: .* --keep-weights"
    ):
        given.find(str(tmp_path), other)
    kept(tmp_path, dataclasses.replace(REQUEST, backend="torch"))
    with pytest.raises(HarnessError, match="from several backends or devices"):
        given.find(str(tmp_path), REQUEST)


def test_weights_of_another_set_are_not_taken(tmp_path: Path) -> None:
    """A file that holds nothing for the set is said to hold nothing."""
    path = tmp_path / given.FILE
    files.write_npz(path, {"head/0000": np.zeros(1)})
    run = predicted(dataclasses.replace(REQUEST, weights=str(path)))
    with pytest.raises(StorageError, match="holds no weights of set 'test'"):
        run.predict_given(lambda _: LABELS)
