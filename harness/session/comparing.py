"""Stored jobs side by side: what ``harness compare`` and `harness.compare` find."""

from __future__ import annotations

import datetime as dt
import typing

from harness.judging import equivalence, jobs
from harness.records import Compared, SideJob
from harness.records.version import __version__
from harness.store import masking, predictions

if typing.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.errors import HarnessError
    from harness.judging.equivalence import Margin


def compare(
    folders: Sequence[Path],
    margin: Margin,
    variants: tuple[str, str] | None,
    passed_over: dict[Path, HarnessError],
    command: str,
) -> Compared:
    """Compare what can be read with the reference.

    Parameters
    ----------
    folders : sequence of Path
        The jobs, the reference first.
    margin : Margin
        Difference that counts as none.
    variants : (str, str), optional
        Variant of the reference, and of the others, where they differ.
    passed_over : dict
        Takes the jobs that cannot be read, with the reason.
    command : str
        Command line that repeats it.

    Raises
    ------
    HarnessError
        If the reference cannot be read, or nothing is left to compare with it.
    """
    read = list(jobs.readable(folders, passed_over))
    if folders[0] in passed_over or len(read) < 2:
        raise next(iter(passed_over.values()))
    folders = [folder for folder in folders if folder not in passed_over]
    names, readers = list(map(str, folders)), list(map(predictions.reader, folders))
    compared, left_out = equivalence.compare(read, names, readers, margin=margin, variants=variants)
    return Compared(
        schema=equivalence.SCHEMA,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        command=masking.masked(command),
        version=__version__,
        jobs=tuple(
            SideJob(folder=str(folder), created=job.created, commit=job.commit, command=job.command)
            for folder, job in zip(folders, read, strict=True)
        ),
        variants=compared,
        left_out=left_out,
    )
