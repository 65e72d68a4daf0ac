"""Stored jobs in other tools' formats. Every format is a pure function from a job to text; docs/exports.md shows their use."""

from __future__ import annotations

import typing

from harness import files
from harness.exporters import benchmarks, junit, summary, table

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from harness.records import Job

FORMATS: Mapping[str, Mapping[str, Callable[[Job], Iterable[str]]]] = {
    "csv": {"metrics.csv": table.csv_lines},
    "junit": {"junit.xml": junit.xml_parts},
    "github-action-benchmark": {
        "bigger-is-better.json": benchmarks.bigger_is_better,
        "smaller-is-better.json": benchmarks.smaller_is_better,
    },
    "bencher": {"bencher.json": benchmarks.bencher},
    "summary": {"summary.md": summary.markdown},
}
"""Format -> file name -> what writes its content: whole, or in parts where it grows with the runs."""


def write(job: Job, form: str, out: Path) -> list[Path]:
    """Write a job in one of `FORMATS` and return the files.

    Parameters
    ----------
    job : Job
        What was run.
    form : str
        A name of `FORMATS`.
    out : Path
        A folder; for a format of one file also a file name (anything with a suffix).

    Raises
    ------
    StorageError
        If it cannot be written, or the job was never judged and the format tells verdicts.
    """
    contents = {name: parts(job) for name, parts in FORMATS[form].items()}
    as_file = len(contents) == 1 and out.suffix and not out.is_dir()
    paths = [out if as_file else out / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        files.write_parts(path, [content] if isinstance(content, str) else content)
    return paths
