"""One row for each data set: where it is, whether it is all there, what is wrong and what to do."""

from __future__ import annotations

import dataclasses

from harness.data.declared import DECLARED, Declared
from harness.data.loading import REINSTALL, VARIABLE, Dataset, find, load_from, part_file
from harness.errors import DataError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What `harness data status` shows of a data set."""

    name: str
    """Data set name."""
    where: str
    """Folder of its files, ``travels in the package``, or empty if it is nowhere."""
    complete: bool
    """Whether every image is there and verified."""
    train: int
    """Training images found."""
    test: int
    """Test images found."""
    bytes: int
    """Size of the files found."""
    problem: str
    """What is wrong, or empty."""
    next_step: str
    """What to do about it, or empty."""


def status() -> list[Status]:
    """Look at every declared data set; decodes and verifies what was not decoded before.

    Returns
    -------
    list of Status
        In order of declaration; a data set that is missing or damaged is a row, not an error.
    """
    return [_row(wanted) for wanted in DECLARED.values()]


def _row(wanted: Declared) -> Status:
    where, size = "", 0
    try:
        origin, folder = find(wanted)
        where = str(folder) if wanted.folder else "travels in the package"
        size = sum(path.stat().st_size for part in wanted.parts if (path := part_file(folder, part)))
        dataset = load_from(wanted, origin, folder)
    except DataError as error:
        return Status(
            name=wanted.name,
            where=where,
            complete=False,
            train=0,
            test=0,
            bytes=size,
            problem=error.what,
            next_step=error.next_step,
        )
    return _found(wanted, dataset, where, size)


def _found(wanted: Declared, dataset: Dataset, where: str, size: int) -> Status:
    problems = [] if dataset.complete else [dataset.found]
    return Status(
        name=wanted.name,
        where=where,
        complete=dataset.complete,
        train=len(dataset.train),
        test=len(dataset.test),
        bytes=size,
        problem="; ".join([*problems, *dataset.warnings]),
        next_step="" if dataset.complete else _complete_it(wanted, dataset),
    )


def _complete_it(wanted: Declared, dataset: Dataset) -> str:
    if dataset.origin == "embedded":
        return REINSTALL
    aside = f", then unset {VARIABLE}" if dataset.origin == VARIABLE else ""
    return f"Type: harness data fetch {wanted.name}{aside}"
