"""Class folders and single image files: written whole, read as RGB, refused by name."""

from __future__ import annotations

import typing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from harness.sources.digits1000_cnn.pipeline import draw, read_folder, read_picture, write_folders

if typing.TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def drawn() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return 12 random images of each class in mixed order."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (120, 28, 28)).astype(np.uint8), rng.permutation(np.repeat(np.arange(10), 12))


@pytest.fixture
def folder(drawn: tuple[NDArray[np.uint8], NDArray[np.int64]], tmp_path: Path) -> Path:
    """Return class folders with 7 training and 3 test images a class."""
    return write_folders(*drawn, tmp_path / "cache", seed=1, per_class=10, train=7)


def test_draw_keeps_parts_apart_and_classes_whole() -> None:
    """70 and 30 images a class are drawn, none twice, and each row holds one class."""
    labels = np.random.default_rng(0).integers(0, 10, 3000)
    train, test = draw(labels, seed=5)
    assert (train.shape, test.shape) == ((10, 70), (10, 30))
    assert len(np.unique(np.concatenate([train, test], axis=1))) == 1000
    assert (labels[train] == np.arange(10)[:, None]).all()
    assert (labels[test] == np.arange(10)[:, None]).all()
    assert not np.array_equal(draw(labels, seed=6)[0], train)


def test_files_hold_the_pixels(folder: Path, drawn: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> None:
    """Each file, read back as RGB, is the image whose index it is named by, three times; labels match."""
    for part, count in (("train", 70), ("test", 30)):
        found = read_folder(folder / part)
        indices = [int(path.stem) for path in found.paths]
        assert found.images.shape == (count, 28, 28, 3)
        assert np.array_equal(found.images, np.repeat(drawn[0][indices][..., None], 3, axis=3))
        assert np.array_equal(found.labels, drawn[1][indices])
        assert np.array_equal(found.labels, np.sort(found.labels))


def test_folders_are_written_once(folder: Path, drawn: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> None:
    """The same draw finds its folder and touches nothing; another seed gets a folder of its own."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert write_folders(*drawn, folder.parent, seed=1, per_class=10, train=7) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert write_folders(*drawn, folder.parent, seed=2, per_class=10, train=7) != folder


def test_writers_at_once_leave_one_whole_folder(
    drawn: tuple[NDArray[np.uint8], NDArray[np.int64]], tmp_path: Path
) -> None:
    """Four writers of the same draw agree on one folder, and no half-filled one stays behind."""
    with ThreadPoolExecutor(4) as pool:
        futures = [
            pool.submit(write_folders, *drawn, tmp_path, seed=1, per_class=10, train=7) for _ in range(4)
        ]
        targets = {future.result() for future in futures}
    assert len(targets) == 1
    assert list(tmp_path.iterdir()) == [*targets]
    assert len(read_folder(targets.pop() / "train").labels) == 70


def test_too_few_images_name_the_class() -> None:
    """A class that cannot give what is drawn is named with both counts."""
    labels = np.repeat(np.arange(10), 100)[:-1]
    with pytest.raises(ValueError, match="Class 9 has 99 images, fewer than the 100"):
        draw(labels, seed=0)
    with pytest.raises(ValueError, match="one of the two parts empty"):
        draw(labels, seed=0, per_class=50, train=50)


def test_empty_class_is_named(folder: Path) -> None:
    """A class folder without images, or missing, is named."""
    for path in (folder / "train" / "4").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"4' is missing or empty"):
        read_folder(folder / "train")
    (folder / "train" / "4").rmdir()
    with pytest.raises(ValueError, match=r"4' is missing or empty"):
        read_folder(folder / "train")


@pytest.mark.parametrize("stray", ["notes.txt", "3/notes.txt", "11/x.png"])
def test_stray_entry_is_named(folder: Path, stray: str) -> None:
    """A file among the classes, a foreign file in one, or a folder too many is named, not skipped."""
    path = folder / "train" / stray
    path.parent.mkdir(exist_ok=True)
    path.write_text("not an image")
    with pytest.raises(ValueError, match=r"(notes.txt|11)'"):
        read_folder(folder / "train")


def test_damaged_image_in_a_class_is_named(folder: Path) -> None:
    """A PNG that holds no image stops the reading with its path."""
    victim = min((folder / "test" / "7").iterdir())
    victim.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=victim.name):
        read_folder(folder / "test")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there is named."""
    with pytest.raises(ValueError, match="There is no folder"):
        read_folder(tmp_path / "nowhere")


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


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"hello", "truncated"])
def test_files_that_are_no_image_are_named(tmp_path: Path, content: bytes | str) -> None:
    """Empty, foreign and truncated files are one error with the path."""
    path = tmp_path / "x.png"
    if isinstance(content, str):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)).save(path)
        content = path.read_bytes()[:200]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.png'"):
        read_picture(path)
