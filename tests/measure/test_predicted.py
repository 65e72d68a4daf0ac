"""The images that a run got wrong, and the hash of the weights that predicted."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpies

from harness.measure.run import Run
from harness.measure.work import stored_bytes
from harness.records import RunRequest
from tests.measure.test_run import Accelerator, load

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LABELS = np.arange(300) % 10
IMAGES = np.arange(300 * 4, dtype=np.int64).astype(np.uint8).reshape(300, 2, 2)


def make() -> Run:
    """Begin a run."""
    return Run(RunRequest(scenario="p", variant="d", tier="smoke", seed=0), {}, load, Accelerator())


def stored(images: typing.Any, wrong: int) -> dict[str, NDArray[typing.Any]]:
    """Predict the last `wrong` images wrongly and return what the run stored."""
    run, guessed = make(), LABELS.copy()
    guessed[len(guessed) - wrong :] = (guessed[len(guessed) - wrong :] + 1) % 10
    run.predictions(LABELS, guessed, images=images)
    return run.prediction_sets["test"]


@pytest.mark.parametrize("wrong", [0, 1, 50, 250])
def test_the_first_two_hundred_wrong_images_are_kept(wrong: int) -> None:
    """Each kept image is the one at its position, byte by byte."""
    found = stored(IMAGES, wrong)
    places = list(range(300 - wrong, 300))[:200]
    assert found["wrong"].tolist() == places
    assert np.array_equal(found["wrong_images"], IMAGES[places])


def test_of_large_images_fewer_are_kept() -> None:
    """Colour images of 3 MB each: two fit."""
    run = make()
    run.predictions([0, 0, 0, 0], [1, 1, 1, 1], images=np.zeros((4, 1000, 1000, 3), np.uint8))
    assert run.prediction_sets["test"]["wrong"].tolist() == [0, 1]


def test_pictures_of_mistakes_are_no_work() -> None:
    """A run that is wrong more often stores more pictures, and counts the same bytes."""
    few, many = stored(IMAGES, 1), stored(IMAGES, 150)
    assert few["wrong_images"].nbytes < many["wrong_images"].nbytes
    assert stored_bytes({"test": few}, {}) == stored_bytes({"test": many}, {}) == 600


@pytest.mark.parametrize(
    "images",
    [IMAGES.astype(np.float32), IMAGES[:9], IMAGES.reshape(300, 4), IMAGES[..., None], np.zeros((300, 2, 2, 4), np.uint8)],
)  # fmt: skip
def test_what_is_no_stack_of_images_is_refused(images: typing.Any) -> None:
    """Floats, another number, flat images and other channels: one error with what was found."""
    with pytest.raises(
        ValueError, match=r"images of set 'test' must be uint8 of shape \(n, h, w\).* for 300 labels"
    ):
        stored(images, 3)


# -- weights --------------------------------------------------------------------------------------


def digest(*arrays: typing.Any) -> str:
    """Hash arrays as a run does."""
    run = make()
    run.predictions([0], [0], weights=iter(arrays))
    return run.weights["test"]


@given(numpies.arrays(np.float32, numpies.array_shapes(), elements=st.floats(-1, 1, width=32)))
def test_equal_weights_have_equal_hashes(weights: NDArray[np.float32]) -> None:
    """A copy, and the same numbers in another memory order, are the same weights."""
    assert digest(weights) == digest(weights.copy()) == digest(np.asfortranarray(weights))
    assert len(digest(weights)) == 64
    run = make()
    run.predictions([0], [0], weights=[weights])
    run.predictions([0], [0], name="head", weights=[weights, weights])
    assert run.weights["test"] == digest(weights) != run.weights["head"]


CHANGES: dict[str, Callable[[NDArray[np.float64]], tuple[typing.Any, ...]]] = {
    "one bit": lambda weights: (np.nextafter(weights, 2),),
    "dtype": lambda weights: (weights.astype(np.float32),),
    "shape": lambda weights: (weights.reshape(3, 2),),
    "split": lambda weights: (weights[:1], weights[1:]),
    "order": lambda weights: (weights[::-1],),
    "more": lambda weights: (weights, np.zeros(0)),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_other_weights_have_other_hashes(change: str) -> None:
    """Values, dtypes, shapes, how many arrays and their order all count."""
    weights = np.linspace(0, 1, 6).reshape(2, 3)
    assert digest(*CHANGES[change](weights)) != digest(weights)


@pytest.mark.parametrize("weights", [(), (np.array([{}]),), (np.array(["a"]),)])
def test_what_is_no_number_is_no_weight(weights: tuple[typing.Any, ...]) -> None:
    """Nothing, objects and words have no hash that means anything."""
    with pytest.raises(ValueError, match="weights of set 'test'"):
        digest(*weights)


# -- which image a label and a prediction belong to -----------------------------------------------


@given(st.permutations(range(12)))
def test_alignment_counts_pairs_of_two_images(order: list[int]) -> None:
    """The error is the number of displaced images, and only the order as it was holds; without indices nothing is claimed."""
    run, images = make(), np.arange(12)
    run.predictions(images % 10, images % 10, name="other")
    run.predictions(images % 10, np.array(order) % 10, indices=(images, order))
    (check,) = run.identities
    assert check.name == "test.alignment"
    assert check.error == sum(place != image for place, image in enumerate(order))
    assert check.holds == (list(images) == order)


@pytest.mark.parametrize("indices", [([0, 1], [0]), ([0, 1, 2], [0, 1, 2])])
def test_indices_must_cover_the_set(indices: tuple[list[int], list[int]]) -> None:
    """Indices of another length are refused by the set's name, and nothing is stored."""
    run = make()
    with pytest.raises(ValueError, match=r"indices of set 'side' have shapes .* each must be \(2,\)"):
        run.predictions([0, 1], [0, 1], name="side", indices=indices)
    assert run.prediction_sets == {}
