"""Stored jobs in other tools' formats. Every format is a pure function from a job to text; docs/exports.md shows their use."""

from __future__ import annotations

import re
import typing

from harness.export import benchmarks, junit, summary
from harness.running import plans
from harness.store import files, table

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


_BEGINNINGS = {
    "metrics.csv": re.escape(",".join(table.COLUMNS[:4]).encode()),
    "junit.xml": rb"<\?xml[^>]*\?>\s*<testsuites name=\"harness\"",
    "bigger-is-better.json": rb"\[\s*(\]|{\s*\"name\": .*\s*\"unit\": )",
    "smaller-is-better.json": rb"\[\s*(\]|{\s*\"name\": .*\s*\"unit\": )",
    "bencher.json": rb"{\s*(}|\"[^\"]*\": {\s*\"[^\"]*\": {\s*\"value\": )",
    "summary.md": "### (✓|\\?|!|✕) ".encode(),
}
"""File name -> how a file of that format begins, as a regular expression."""


def refuse_other(path: Path, name: str) -> None:
    """Refuse to replace a file of other content than the harness writes into one of `FORMATS`; see `harness.store.files.refuse_other`."""
    files.refuse_other(path, _BEGINNINGS[name], name)


def write(job: Job, form: str, run: Path, out: Path | None = None, *, force: bool = False) -> list[Path]:
    """Write a job in one of `FORMATS` and return the files.

    Parameters
    ----------
    job : Job
        What was run.
    form : str
        A name of `FORMATS`.
    run : Path
        Folder of the job.
    out : Path, optional
        A folder; for a format of one file also a file name (anything with a suffix, or that exists). ``exports`` in the job's folder by
        default.
    force : bool
        Whether other files, and files in another job's folder, may be replaced.

    Raises
    ------
    StorageError
        If it cannot be written, other content would be lost, or the job was never judged and the format states verdicts.
    """
    contents = {name: parts(job) for name, parts in FORMATS[form].items()}
    folder = out or run / "exports"
    as_file = len(contents) == 1 and not folder.is_dir() and (folder.suffix or folder.exists())
    paths = {name: folder if as_file else folder / name for name in contents}
    if not force:
        for name, path in paths.items():
            plans.refuse_other_job(path.parent, run)
            refuse_other(path, name)
    for name, content in contents.items():
        files.write_named(paths[name], [content] if isinstance(content, str) else content)
    return list(paths.values())
