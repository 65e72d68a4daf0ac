"""A data set that goes from one machine's disk to another's cache is what it was, or nothing."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from harness.data import load, sending
from harness.errors import DataError, MissingDataError

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.data.conftest import Small


def test_a_data_set_that_changed_on_the_way(
    small: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What does not have the hash it was sent with is refused, and so are files of other names; nothing stays in the cache."""
    parcel = sending.pack("mnist")
    monkeypatch.delenv("HARNESS_DATA")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "there"))
    odd = {**parcel.contents, "../../escaped": b"x"}
    with pytest.raises(DataError, match="came with SHA-256"):
        sending.keep(dataclasses.replace(parcel, sha256="0" * 64, contents=odd))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["fetch-mnist.lock"]
    sending.keep(dataclasses.replace(parcel, contents=odd))
    sending.keep(dataclasses.replace(parcel, contents={}))  # it is here: nothing is looked at
    assert load("mnist").sha256 == parcel.sha256
    assert not list(tmp_path.rglob("escaped"))


def test_what_is_not_here_cannot_be_sent(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing data set is named; one that is too large is refused before it is read."""
    with pytest.raises(MissingDataError) as caught:
        sending.pack("kmnist")
    assert caught.value.dataset == "kmnist"
    monkeypatch.setattr(sending, "MOST_BYTES", 10)
    with pytest.raises(DataError, match="larger than 10 bytes"):
        sending.pack("mnist")
