"""A data set from one machine's disk to another's cache: packed as its files, checked by hash before it takes its place."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.data.declared import Declared, declared
from harness.data.fetching import filling, install
from harness.data.loading import find, load, load_from, part_file, raw_folder
from harness.errors import DataError, MissingDataError
from harness.store import files

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 1 << 30
"""Larger data sets are not sent."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A data set on its way."""

    name: str
    """Data set name."""
    sha256: str
    """Hash over the decoded content, as results record it."""
    contents: dict[str, bytes]
    """File name -> content, gzipped where the original is."""


def pack(name: str) -> Parcel:
    """Pack a data set that this machine has, complete or not.

    Raises
    ------
    DataError
        If it is not here, damaged, or too large.
    """
    wanted = declared(name)
    sha256, (_, folder) = load(name).sha256, find(wanted)
    paths = [path for part in wanted.parts if (path := part_file(folder, part))]
    if sum(path.stat().st_size for path in paths) > MOST_BYTES:
        raise DataError(
            f"{name} is larger than {MOST_BYTES:,} bytes", f"Type there: harness data fetch {name}"
        )
    return Parcel(name=name, sha256=sha256, contents={path.name: path.read_bytes() for path in paths})


def keep(parcel: Parcel) -> None:
    """Put a data set into this machine's cache, unless there is one already.

    Raises
    ------
    DataError
        If what came is not what was sent.
    StorageError
        If the cache cannot be written.
    """
    wanted = declared(parcel.name)
    with filling(wanted) as root:
        if not _is_here(wanted):
            install(
                wanted,
                root,
                lambda staging: _unpack(parcel, wanted, staging),
                lambda raw: _check(parcel, wanted, raw),
            )


def _is_here(wanted: Declared) -> bool:
    try:
        find(wanted)
    except MissingDataError:
        return False
    return True


def _unpack(parcel: Parcel, wanted: Declared, staging: Path) -> None:
    """Write the files of known names, and no other."""
    for part in wanted.parts:
        for name in (part.file, f"{part.file}.gz"):
            if name in parcel.contents:
                files.write_bytes(raw_folder(staging, wanted) / name, parcel.contents[name])


def _check(parcel: Parcel, wanted: Declared, raw: Path) -> None:
    came = load_from(wanted, "cache", raw, raw.parent / "decoded").sha256  # goes with the staging folder
    if came != parcel.sha256:
        told = f"{parcel.name} came with SHA-256 {came}, it was sent with {parcel.sha256}"
        raise DataError(told, f"Type there: harness data fetch {parcel.name}")
