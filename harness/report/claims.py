"""The numbers that sources are known for, as one strip: what is printed, what was measured here, on which data, and the verdict."""

from __future__ import annotations

import dataclasses
import typing

from harness.judging import wording
from harness.records.metrics import is_share

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.records import DatasetUse, Judgement, Scenario
    from harness.report.section import Section
    from harness.report.verdicts import Sign


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One declared claim with its verdict."""

    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    metric: str
    """Metric."""
    published: str
    """What is printed."""
    measured: str
    """Mean of the runs; empty without one."""
    data: str
    """On which data, in which tier, in how many runs."""
    sign: Sign
    """How the verdict looks."""
    note: str
    """What the verdict would be on the data that are here; empty if there is nothing to add."""
    anchor: str
    """Id of the value on the page."""


def of_sections(sections: Iterable[Section], scenarios: Mapping[str, Scenario]) -> list[Claim]:
    """Gather the claims of a job's scenarios that its variants were compared with, in the order of the page."""
    found = []
    for section in sections:
        declared = scenarios[section.scenario].expectations if section.scenario in scenarios else ()
        claimed = {(e.metric, e.place, e.row) for e in declared if e.claim and e.variant == section.variant}
        for row in section.judged:
            judged = row.judgement
            if judged.against == "expectation" and (judged.metric, judged.place, judged.row) in claimed:
                found.append(Claim(
                    scenario=section.scenario, variant=section.variant, metric=judged.metric, published=row.reference.text,
                    measured=mean(judged, row.value.text) if judged.n else "", data=on_data(section.datasets, section.tier, judged.n),
                    sign=row.sign, note=would_be(judged), anchor=section.anchor if section.brief else row.anchor,
                ))  # fmt: skip
    return found


def mean(judged: Judgement, otherwise: str) -> str:
    """Write the measured mean of a share without its spread."""
    value = judged.value
    return (
        wording.percent(value)
        if isinstance(value, float) and is_share(judged.metric, judged.unit, [value])
        else otherwise
    )


def would_be(judged: Judgement) -> str:
    """Say what the verdict on an incomplete training set would be; empty if there is one, or nothing is known."""
    return f"would be {judged.would_be}" if judged.would_be else ""


def on_data(datasets: Iterable[DatasetUse], tier: str | None, runs: int) -> str:
    """Name data, tier and number of runs, such as ``kmnist (10% of the training images), paper tier, 10 runs``."""
    if not runs:
        return "not run here"
    names = [use.name + _part(use) for use in datasets]
    return ", ".join([*names, f"{tier} tier", f"{runs} run{'s' * (runs != 1)}"])


def _part(use: DatasetUse) -> str:
    if use.complete:
        return ""
    return " (incomplete)" if use.train_share is None else f" ({use.train_share:.0%} of the training images)"
