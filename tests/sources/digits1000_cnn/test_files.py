"""Class folders and single image files: written whole, read as RGB, refused by name."""

from __future__ import annotations

import shutil
import typing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from harness.sources.digits1000_cnn.pipeline import draw, read_folder, read_picture, write_folders
from tests.sources import made

if typing.TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.keras


DIGITS = made.digits()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return class folders with 70 training and 30 test images a class."""
    return write_folders(*DIGITS, tmp_path_factory.mktemp("cache"), seed=1)


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """Return a copy of its test part that a test may damage."""
    return shutil.copytree(written / "test", tmp_path / "test")


def test_draw_keeps_parts_apart_and_classes_whole() -> None:
    """70 and 30 images a class are drawn, none twice, and each row holds one class."""
    labels = np.random.default_rng(0).integers(0, 10, 3000)
    train, test = draw(labels, seed=5)
    assert (train.shape, test.shape) == ((10, 70), (10, 30))
    assert len(np.unique(np.concatenate([train, test], axis=1))) == 1000
    assert (labels[train] == np.arange(10)[:, None]).all()
    assert (labels[test] == np.arange(10)[:, None]).all()
    assert not np.array_equal(draw(labels, seed=6)[0], train)


def test_files_hold_the_pixels(written: Path) -> None:
    """Each file, read back as RGB, is the image whose index it is named by, three times; labels match."""
    for part, count in (("train", 700), ("test", 300)):
        found = read_folder(written / part)
        indices = [int(path.stem) for path in found.paths]
        assert found.images.shape == (count, 28, 28, 3)
        assert np.array_equal(found.images, np.repeat(DIGITS[0][indices][..., None], 3, axis=3))
        assert np.array_equal(found.labels, DIGITS[1][indices])
        assert np.array_equal(found.labels, np.sort(found.labels))


def test_folders_are_written_once_and_whole(written: Path) -> None:
    """Writers at once of the same draw agree on its folder and touch nothing, another seed gets its own, and nothing half stays."""
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(write_folders, *DIGITS, written.parent, seed=seed) for seed in (1, 2, 2, 2)]
        same, *others = [job.result() for job in jobs]
    assert same == written
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before
    assert len({written, *others}) == 2
    assert set(written.parent.iterdir()) == {written, *others}
    assert len(read_folder(others[0] / "train").labels) == 700


def test_too_few_images_name_the_class() -> None:
    """A class that cannot give what is drawn is named with both counts."""
    with pytest.raises(ValueError, match="Class 9 has 99 images, fewer than the 100"):
        draw(np.repeat(np.arange(10), 100)[:-1], seed=0)


def test_a_missing_or_empty_class_is_named(folder: Path) -> None:
    """A class folder without images, or missing, is named."""
    for path in (folder / "4").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"4' is missing or empty"):
        read_folder(folder)
    (folder / "4").rmdir()
    with pytest.raises(ValueError, match=r"4' is missing or empty"):
        read_folder(folder)


@pytest.mark.parametrize("stray", ["notes.txt", "3/notes.txt", "11/x.png"])
def test_stray_entry_is_named(folder: Path, stray: str) -> None:
    """A file among the classes, a foreign file in one, or a folder too many is named, not skipped."""
    path = folder / stray
    path.parent.mkdir(exist_ok=True)
    path.write_text("not an image")
    with pytest.raises(ValueError, match=r"(notes.txt|11)'"):
        read_folder(folder)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_modes_that_rgb_can_hold_are_read(tmp_path: Path, mode: str) -> None:
    """Grey, bilevel and RGB pictures give the same three channels as Pillow's conversion."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)).convert(mode)
    picture.save(tmp_path / "x.png")
    assert np.array_equal(read_picture(tmp_path / "x.png"), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "P"])
def test_other_modes_are_refused_by_name(tmp_path: Path, mode: str) -> None:
    """Alpha, 16 bits and palettes would lose something without a word, so their mode is named."""
    Image.new(mode, (28, 28)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=f"mode {mode}"):
        read_picture(tmp_path / "x.png")


def test_other_sizes_are_refused_unless_resizing_is_asked_for(tmp_path: Path) -> None:
    """A 56x56 picture names its size; with resizing, every second pixel is taken (nearest)."""
    large = np.kron(np.arange(784, dtype=np.int64).reshape(28, 28) % 256, np.ones((2, 2), np.int64))
    Image.fromarray(large.astype(np.uint8)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="56x56 pixels, not 28x28"):
        read_picture(tmp_path / "x.png")
    assert np.array_equal(read_picture(tmp_path / "x.png", resize=True)[..., 0], large[::2, ::2])


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"hello", None], ids=str)
def test_files_that_are_no_image_are_named(folder: Path, content: bytes | None) -> None:
    """Empty, foreign and truncated files are one error with the path, also among others in a class."""
    path = min((folder / "7").iterdir())
    path.write_bytes(path.read_bytes()[:100] if content is None else content)
    for read, target in ((read_picture, path), (read_folder, folder)):
        with pytest.raises(ValueError, match=path.name):
            read(target)
