"""The predictions beside a baseline: packed small, read back whole, and refused when damaged or another's."""

from __future__ import annotations

import io
import typing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpies

from harness.errors import BaselineError
from harness.records import Baseline, BaselineMetric
from harness.store import files, sidecar
from harness.store.predictions import Predictions

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[typing.Any]]
    Kept = dict[int, dict[str, Predictions]]

SEEDS = (3, 5, 8)
HASH = "c0" * 32


def baseline(kept: Kept, name: str = "test") -> Baseline:
    """Build the baseline whose accuracy those predictions give."""
    right = [float(np.mean(sets[name].labels == sets[name].predicted)) for sets in kept.values()]
    metric = BaselineMetric(values=right, unit="", kind="accuracy", better="higher")
    return Baseline(
        schema=1, scenario="probe", scenario_version=1, variant="default", tier="smoke", who="", reason="", date="", commit="",
        seeds=tuple(kept), environment={}, datasets=(), metrics={"accuracy" if name == "test" else f"{name}.accuracy": metric},
    )  # fmt: skip


def some(
    images: int = 50, seeds: tuple[int, ...] = SEEDS, *, shared: bool = True, error: float = 0.1
) -> Kept:
    """Draw labels and predictions."""
    kept: Kept = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        labels = np.random.default_rng(0 if shared else seed).integers(0, 10, images).astype(np.uint8)
        other = (labels + rng.integers(1, 10, images)) % 10
        predicted = np.where(rng.random(images) < error, other, labels).astype(np.uint8)
        kept[seed] = {"test": Predictions(labels, predicted, HASH)}
    return kept


def same(first: Kept, second: Kept) -> bool:
    """Whether both hold the very same."""
    return all(
        np.array_equal(one.labels, two.labels) and np.array_equal(one.predicted, two.predicted) and one.weights == two.weights
        for seed in first
        for one, two in zip(first[seed].values(), second[seed].values(), strict=True)
    )  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(data=st.data(), shared=st.booleans(), weighed=st.booleans())
def test_predictions_come_back_as_they_were(
    tmp_path: Path, data: st.DataObject, shared: bool, weighed: bool
) -> None:  # fmt: skip
    """Any labels and predictions, shared or a seed's own, of equal or other numbers, survive the file."""
    count = data.draw(st.integers(1, 30))
    classes = numpies.arrays(np.uint8, count)
    labels = data.draw(classes)
    kept: Kept = {}
    for seed in SEEDS:
        own = labels if shared else data.draw(numpies.arrays(np.uint8, data.draw(st.integers(1, 30))))
        predicted = data.draw(numpies.arrays(np.uint8, len(own)))
        kept[seed] = {"a/labels": Predictions(own, predicted, HASH if weighed else "")}
    path = tmp_path / "0.json"
    sidecar.write(kept, path)
    found = sidecar.load(path, baseline(kept, "a/labels"))
    assert list(found) == list(SEEDS)
    assert same(kept, found)


@pytest.mark.parametrize(
    ("shared", "error", "most"), [(True, 0.02, 20_000), (True, 0.1, 40_000), (False, 0.02, 80_000)]
)
def test_a_large_baseline_stays_small(tmp_path: Path, shared: bool, error: float, most: int) -> None:
    """Ten seeds of 10,000 images: 16 KB at 98% right, and far below 100 KB where each seed has images of its own; the same bytes again."""
    path = sidecar.write(some(10_000, tuple(range(10)), shared=shared, error=error), tmp_path / "0.json")
    again = sidecar.write(some(10_000, tuple(range(10)), shared=shared, error=error), tmp_path / "1.json")
    assert path is not None
    assert again is not None
    assert path.stat().st_size < most
    assert path.read_bytes() == again.read_bytes()


def test_a_baseline_without_predictions_is_fine(tmp_path: Path) -> None:
    """Older baselines keep none; a new one without any removes what an earlier one left."""
    path, kept = tmp_path / "0.json", some()
    assert sidecar.load(path, baseline(kept)) == {}
    assert sidecar.write(kept, path) is not None
    assert sidecar.write({}, path) is None
    assert not sidecar.path_of(path).exists()


def test_a_set_that_some_seeds_lack_is_left_out(tmp_path: Path) -> None:
    """What not every run has cannot be compared seed by seed."""
    kept = some()
    kept[3]["extra"] = kept[3]["test"]
    path = tmp_path / "0.json"
    sidecar.write(kept, path)
    assert [list(sets) for sets in sidecar.load(path, baseline(kept)).values()] == [["test"]] * 3


def changed(**arrays: typing.Any) -> Callable[[Arrays], Arrays]:
    """Return a change of arrays; None removes one. Dots stand for slashes."""

    def change(found: Arrays) -> Arrays:
        named = {name.replace("__", "/"): array for name, array in arrays.items()}
        return {name: array for name, array in {**found, **named}.items() if array is not None}

    return change


ZEROS = np.zeros(50, np.int16)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (changed(test__labels=None), "lacks set 'test' of seed 3"),
        (changed(test__differences__5=None), "lacks set 'test' of seed 5"),
        (changed(test__differences__9=ZEROS), "holds 'test/differences/9', which is of no seed of it"),
        (changed(note=ZEROS), "holds 'note', which is of no seed of it"),
        (changed(test__differences__5=ZEROS[:9]), "differences of set 'test', seed 5, that are int16 of shape (9,)"),
        (changed(test__differences__5=ZEROS.astype(float)), "that are float64 of shape (50,)"),
        (changed(test__labels=ZEROS), "labels of set 'test', seed 3, that are int16"),
        (changed(test__labels=np.uint8(4)), "labels of set 'test', seed 3, that are uint8 of shape ()"),
        (changed(test__labels=np.zeros((50, 1), np.uint8)), "that are uint8 of shape (50, 1)"),
        (changed(test__differences__5=ZEROS + 300), "a class outside 0 to 255 in set 'test', seed 5"),
        (changed(test__differences__5=ZEROS + 32767), "a class outside 0 to 255"),
        (changed(test__differences__5=ZEROS - 200), "a class outside 0 to 255"),
        (changed(test__differences__5=ZEROS), "gives accuracy 1 of set 'test' for seed 5, the baseline says"),
        (changed(test__weights__5=np.zeros(31, np.uint8)), "an invalid hash of weights of set 'test', seed 5"),
        (lambda _: {}, "holds no predictions"),
    ],
)  # fmt: skip
def test_what_is_not_of_this_baseline_is_one_error(
    tmp_path: Path, change: Callable[[Arrays], Arrays], told: str
) -> None:
    """Missing, foreign, misshapen and impossible content: one error that names the file and the way out."""
    path, kept = tmp_path / "0.json", some()
    beside = sidecar.write(kept, path)
    assert beside is not None
    files.write_npz(beside, change(files.read_npz(beside)))
    with pytest.raises(BaselineError) as caught:
        sidecar.load(path, baseline(kept))
    assert told in caught.value.what
    assert str(beside) in caught.value.what
    assert "remove it" in caught.value.next_step


def test_a_foreign_file_is_one_error(tmp_path: Path) -> None:
    """Torn and foreign files are named, and an array of objects is refused unread."""
    path = tmp_path / "0.json"
    pickled = io.BytesIO()
    np.savez(pickled, **{"test/labels": np.array([{}], object)})  # type: ignore[arg-type]
    for content in (b"", b"PK\x03\x04 torn", b"\x80\x04pickle", pickled.getvalue()):
        sidecar.path_of(path).write_bytes(content)
        with pytest.raises(BaselineError, match="is damaged"):
            sidecar.load(path, baseline(some()))
