"""Variants, training, the shuffled-iterator mistake, model files and the prediction program."""

from __future__ import annotations

import shutil
import typing

import numpy as np
import pytest

from harness.sources.digits1000_cnn import pipeline
from harness.sources.digits1000_cnn.pipeline import __main__ as program
from harness.sources.digits1000_cnn.pipeline import experiment, predict
from tests.sources import made

if typing.TYPE_CHECKING:
    from pathlib import Path

    import keras

pytestmark = [
    pytest.mark.keras,
    # Keras's own conversion of torch tensors under NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]
BASELINE, DROPOUT, AUGMENTATION, FINAL = pipeline.VARIANTS
Parts = tuple[pipeline.Part, pipeline.Part]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """Return the training and test part of 1,000 of scikit-learn's digits."""
    folder = pipeline.write_folders(*made.digits(), tmp_path_factory.mktemp("cache"), seed=0)
    return pipeline.read_folder(folder / "train"), pipeline.read_folder(folder / "test")


@pytest.fixture(scope="module")
def trained(parts: Parts) -> tuple[keras.Model, pipeline.Outcome]:
    """Return the baseline, trained."""
    return pipeline.run(BASELINE, *parts, seed=0)


@pytest.fixture(scope="module")
def model_path(
    trained: tuple[keras.Model, pipeline.Outcome], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the file of the trained baseline."""
    path = tmp_path_factory.mktemp("model") / "digits.keras"
    pipeline.save(trained[0], path)
    return path


def test_variants_have_their_layers() -> None:
    """Padding, filters and dropout give the shapes that follow from tables 1 and 2."""
    shapes = {v.name: pipeline.build(v).get_layer(index=-4).output.shape[1] for v in pipeline.VARIANTS}
    assert shapes == {"baseline": 128, "dropout": 128, "augmentation": 3 * 3 * 256, "final": 3 * 3 * 128}
    names = [layer.__class__.__name__ for layer in pipeline.build(DROPOUT).layers]
    assert names.count("Dropout") == 3
    assert "Dropout" not in [layer.__class__.__name__ for layer in pipeline.build(FINAL).layers]


def test_baseline_learns(trained: tuple[keras.Model, pipeline.Outcome], parts: Parts) -> None:
    """Eight epochs on 700 digits suffice for 80%; histories have a row an epoch and a step."""
    outcome = trained[1]
    assert np.mean(outcome.predicted == outcome.labels) > 0.8
    assert np.array_equal(outcome.labels, parts[1].labels)
    assert outcome.probabilities.shape == (300, 10)
    assert outcome.losses.shape == (300,)
    history = outcome.history
    assert history.loss.shape == history.val_loss.shape == history.accuracy.shape == (8,)
    assert history.loss[-1] < history.loss[0]
    assert [len(steps.seconds) for steps in history.steps] == [11] * 8
    assert history.val_loss[-1] == pytest.approx(outcome.losses.mean())


def test_final_trains_on_class_sorted_batches_of_raw_pixels(parts: Parts) -> None:
    """Without shuffling the first batches hold one class, as in the source, with pixels as in the file; the baseline's are mixed."""
    rng = np.random.default_rng(0)
    ordered, mixed = (list(experiment._batches(variant, parts[0], rng)) for variant in (FINAL, BASELINE))
    assert (ordered[0][1].argmax(axis=1) == 0).all()
    assert len(np.unique(mixed[0][1].argmax(axis=1))) > 5
    assert sum(len(targets) for _, targets in ordered) == sum(len(targets) for _, targets in mixed) == 700
    assert ordered[0][0].dtype == np.float32
    assert np.array_equal(ordered[0][0], parts[0].images[:64])


def test_misaligned_is_chance_beside_fine_hits(
    trained: tuple[keras.Model, pipeline.Outcome], parts: Parts
) -> None:
    """The published contradiction: labels against predictions are chance, the travelling hits are not; put right, neither are they."""
    wrong, outcome = pipeline.misaligned(trained[0], parts[1], seed=0), trained[1]
    assert np.mean(wrong.labels == wrong.predicted) < 0.2
    assert wrong.hits.mean() == pytest.approx(np.mean(outcome.predicted == outcome.labels), abs=0.01)
    assert wrong.losses.mean() == pytest.approx(outcome.losses.mean(), rel=1e-3)
    # an alignment check sees that the indices differ
    assert not np.array_equal(wrong.label_indices, wrong.predicted_indices)
    right = np.empty_like(wrong.predicted)
    right[wrong.predicted_indices] = wrong.predicted
    assert np.mean(right == outcome.predicted) > 0.99


def test_augmentation_stays_within_the_image_and_changes_it(parts: Parts) -> None:
    """Augmented images keep shape and range, differ from their originals, and follow from the generator."""
    images = parts[0].images[:20].astype(np.float32)
    changed = pipeline.augment(images, np.random.default_rng(0))
    assert changed.shape == images.shape
    assert changed.dtype == np.float32
    assert changed.min() >= images.min()
    assert changed.max() <= images.max() + 1e-3
    assert (np.abs(changed - images).max(axis=(1, 2, 3)) > 1).all()
    assert np.array_equal(changed, pipeline.augment(images, np.random.default_rng(0)))


def test_augmentation_by_nothing_is_the_identity(parts: Parts) -> None:
    """Ranges of zero leave every pixel; a flip alone mirrors some images and no others."""
    images = parts[0].images[:20].astype(np.float32)
    still = pipeline.augment(
        images, np.random.default_rng(0), pipeline.Ranges(flip=False, degrees=0, shift=0)
    )
    np.testing.assert_allclose(still, images, atol=1e-4)
    only_flip = pipeline.Ranges(flip=True, degrees=0, shift=0)
    flipped = pipeline.augment(images, np.random.default_rng(0), only_flip)
    kept = [np.allclose(a, b) for a, b in zip(flipped, images, strict=True)]
    mirrored = [np.allclose(a, b[:, ::-1]) for a, b in zip(flipped, images, strict=True)]
    assert all(k or m for k, m in zip(kept, mirrored, strict=True))
    assert 0 < sum(mirrored) < 20


def test_saved_model_predicts_the_same(
    model_path: Path, trained: tuple[keras.Model, pipeline.Outcome], parts: Parts
) -> None:
    """Loading gives the probabilities of the model that was saved."""
    loaded = pipeline.load(model_path)
    outcome = pipeline.evaluate(loaded, parts[1], trained[1].history)
    np.testing.assert_allclose(outcome.probabilities, trained[1].probabilities, atol=1e-6)


def test_program_prints_digits(model_path: Path, parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    """One image gives a bare digit, several give a digit and the file's name each."""
    paths = [str(path) for path in parts[1].paths[::30]]
    assert predict.main([str(model_path), paths[0]]) == 0
    alone = capsys.readouterr().out
    assert predict.main([str(model_path), *paths]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in rows] == paths
    assert alone == f"{rows[0][0]}\n"
    assert np.mean([int(row[0]) == digit for digit, row in enumerate(rows)]) >= 0.6


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the program, require exit code 2 and no digit, and return its one line of complaint."""
    assert predict.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    return line


def test_program_refuses_foreign_files(
    model_path: Path, parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, foreign and damaged images and models each end with code 2 and their name."""
    image, bad = str(parts[1].paths[0]), tmp_path / "bad.keras"
    (tmp_path / "text.png").write_text("hello")
    assert "text.png" in refused([str(model_path), str(tmp_path / "text.png")], capsys)
    assert "There is no image file" in refused([str(model_path), str(tmp_path / "none.png")], capsys)
    assert "bad.keras' cannot be loaded" in refused([str(bad), image], capsys)
    for content in (b"no zip", model_path.read_bytes()[:5000]):
        bad.write_bytes(content)
        assert "bad.keras' cannot be loaded" in refused([str(bad), image], capsys)


def test_another_network_is_refused(tmp_path: Path) -> None:
    """A model with other shapes loads in Keras but is not this source's, and its shapes are named."""
    import keras

    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match=r"another network: it maps \(None, 4\)"):
        pipeline.load(tmp_path / "other.keras")


def test_saving_replaces_whole_files(model_path: Path, tmp_path: Path) -> None:
    """Saving over an older file leaves one loadable file and nothing beside it; another suffix is refused."""
    target = tmp_path / "digits.keras"
    shutil.copy(model_path, target)
    pipeline.save(pipeline.load(target), target)
    assert [path.name for path in tmp_path.iterdir()] == ["digits.keras"]
    assert pipeline.load(target).output_shape == (None, 10)
    with pytest.raises(ValueError, match=r"saved as a \.keras file"):
        pipeline.save(pipeline.load(target), tmp_path / "digits.h5")


def test_first_program_trains_prints_and_saves_what_the_second_predicts_with(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From class folders to a digit by the two commands alone, with the matrix and the table that the source prints."""
    folder, model, image = parts[0].paths[0].parents[2], tmp_path / "digits.keras", parts[1].paths[0]
    small = copied(folder, tmp_path / "small", images=5)
    assert program.main([str(small), str(model), "--variant", "baseline"]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "val_accuracy: ",
        " of 50)",
        "Confusion Matrix\n[[",
        "precision    recall  f1-score   support",
        f"Model: {model}",
    ):
        assert expected in printed
    assert predict.main([str(model), str(image)]) == 0
    assert capsys.readouterr().out.strip() in set("0123456789")


def copied(folder: Path, target: Path, *, images: int) -> Path:
    """Copy the first images of every class folder of both parts."""
    for found in folder.glob("*/*"):
        place = target / found.parent.name / found.name
        place.mkdir(parents=True)
        for path in sorted(found.iterdir())[:images]:
            shutil.copy(path, place)
    return target


def test_first_program_refuses_before_it_trains(
    parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that could not be saved and an empty class are each one line and code 2, and nothing is written."""
    folder = copied(parts[0].paths[0].parents[2], tmp_path / "small", images=1)
    for target in (tmp_path / "digits.h5", tmp_path / "none" / "digits.keras"):
        assert program.main([str(folder), str(target)]) == 2
        assert "saved as a .keras file in a folder that exists" in capsys.readouterr().err
    shutil.rmtree(folder / "train" / "4")
    assert program.main([str(folder), str(tmp_path / "digits.keras")]) == 2
    assert "4' is missing or empty" in capsys.readouterr().err
    assert not (tmp_path / "digits.keras").exists()
