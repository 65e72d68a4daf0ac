"""Write a judged job: its record, its report, and pages of parts of it."""

from __future__ import annotations

import dataclasses
import re
import typing

from harness.errors import unknown
from harness.report import linking, render
from harness.store import files, stored

if typing.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.records import Comparison, Job, Probe, RunRequest, Scenario


def store(job: Job, scenarios: Mapping[str, Scenario], out: Path, *, force: bool = False) -> Path:
    """Write ``run.json``, then ``index.html``; return the page's path.

    Raises
    ------
    StorageError
        If they cannot be written, or the page there is none of the harness's own and `force` is not set.
    """
    stored.write(out / "run.json", job)
    page = out / "index.html"
    if not force:
        linking.refuse_other(page, "report")
    files.write_text(page, render(job, out, scenarios, linking.up(page)))
    return page


def store_part(
    job: Job, scenarios: Mapping[str, Scenario], out: Path, name: str, *, force: bool = False
) -> Path:
    """Write a page of one scenario, or one variant of it, next to the report; return its path.

    Raises
    ------
    UnknownNameError
        If the job has no such scenario or variant.
    StorageError
        As for `store`.
    """
    scenario, _, variant = name.partition(":")

    def chosen(of: RunRequest | Comparison | Probe) -> bool:
        return of.scenario == scenario and (not variant or of.variant == variant)

    part = dataclasses.replace(
        job,
        results=[result for result in job.results if chosen(result.request)],
        comparisons=tuple(filter(chosen, job.comparisons)),
        counted=tuple(result for result in job.counted if chosen(result.request)),
        probes=tuple(filter(chosen, job.probes)),
        gate=None,
        unfinished={key: count for key, count in job.unfinished.items() if name in {key, key.partition(":")[0]}},
    )  # fmt: skip
    if not part.results and not part.comparisons:
        known = sorted({f"{of.scenario}:{of.variant}" for of in job.comparisons})
        raise unknown("scenario or variant of this run", name, known)
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name.replace(":", "--")).lstrip(".")
    page = out / f"report--{plain}.html"
    if not force:
        linking.refuse_other(page, "report")
    files.write_text(page, render(part, out, scenarios))
    return page
