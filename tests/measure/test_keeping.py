"""What a run keeps for its next attempt is found again unchanged, used by the same program only, and gone when it ends well."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from harness.errors import StorageError
from harness.measure import keeping
from harness.running import runner

if typing.TYPE_CHECKING:
    from pathlib import Path

VALUES = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "names": np.array(["loss", "accuracy"])}


def kept(folder: Path, identity: str = "this") -> keeping.Kept:
    """Return what a process of one identity sees below a folder."""
    return keeping.Kept(folder / keeping.FOLDER, lambda: identity)


def test_another_process_finds_the_same_arrays(tmp_path: Path) -> None:
    """Arrays come back with dtype, shape and values, and nothing else comes with them."""
    kept(tmp_path).put("point", VALUES)
    found = kept(tmp_path).get("point")
    assert found is not None
    assert list(found) == list(VALUES)
    for name, value in VALUES.items():
        assert (found[name].dtype, found[name].tolist()) == (value.dtype, value.tolist())
    assert kept(tmp_path).get("other") is None


def test_another_program_finds_nothing(tmp_path: Path) -> None:
    """Arrays of another request, code or library are not used, and are replaced by the next write."""
    kept(tmp_path).put("point", VALUES)
    assert kept(tmp_path, "that").get("point") is None
    kept(tmp_path, "that").put("point", {"weights": np.zeros(1)})
    assert kept(tmp_path).get("point") is None


def test_a_torn_file_is_as_none(tmp_path: Path) -> None:
    """A file that the disk lost in part, or that is no archive, costs time and nothing else."""
    kept(tmp_path).put("point", VALUES)
    path = tmp_path / keeping.FOLDER / "point.npz"
    path.write_bytes(path.read_bytes()[:-30])
    assert kept(tmp_path).get("point") is None
    path.write_bytes(b"\x80\x04pickled")
    assert kept(tmp_path).get("point") is None


def test_without_a_folder_nothing_is_kept() -> None:
    """A counted run, or one made by hand, has no folder: it keeps nothing and finds nothing, and asks for neither identity nor arrays."""

    def never() -> typing.Any:
        raise AssertionError

    nowhere = keeping.Kept(None, never)
    nowhere.put("point", VALUES)
    keeping.Keeper(nowhere, "point", 0, lambda: None).put(never)
    assert nowhere.get("point") is None
    nowhere.discard()


@pytest.mark.parametrize("name", ["../point", "a/b", "x" * 300])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    """A name that leads elsewhere is refused before anything is written."""
    with pytest.raises(ValueError, match="nothing can be kept"):
        kept(tmp_path).put(name, VALUES)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    """A file in the folder's place is named."""
    (tmp_path / keeping.FOLDER).write_text("")
    with pytest.raises(StorageError, match="a file is where a folder should be"):
        kept(tmp_path).put("point", VALUES)


def test_emptying_a_run_leaves_what_was_kept(tmp_path: Path) -> None:
    """Files and folders of the earlier attempt go, links are not followed, kept arrays stay until they are discarded."""
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.mkdir()
    (outside / "precious").write_text("")
    runner.clear(folder)
    (folder / "request.json").write_text("")
    (folder / "inner").mkdir()
    (folder / "link").symlink_to(outside)
    kept(folder).put("point", VALUES)
    runner.clear(folder)
    assert [path.name for path in folder.iterdir()] == [keeping.FOLDER]
    assert (outside / "precious").exists()
    kept(folder).discard()
    assert not list(folder.iterdir())


def test_a_keeper_waits_and_says_what_it_found(tmp_path: Path) -> None:
    """What is not old enough is not even made; what was found is told once it is used."""
    told: list[str] = []

    def keeper(seconds: float) -> keeping.Keeper:
        return keeping.Keeper(kept(tmp_path), "point", seconds, lambda: told.append("found"))

    def never() -> dict[str, np.ndarray]:
        raise AssertionError

    keeper(3600.0).put(never)
    assert keeper(0.0).get() is None
    assert not told
    keeper(0.0).put(lambda: VALUES)
    assert keeper(0.0).get() is not None
    assert told == ["found"]
