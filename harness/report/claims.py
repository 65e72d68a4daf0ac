"""The numbers that sources are known for, as one strip: what is printed, what was measured here, on which data, and the verdict."""

from __future__ import annotations

import typing

from harness.judging import wording
from harness.records.metrics import is_share

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.records import DatasetUse, Judgement, Scenario
    from harness.report.sections import Section
    from harness.report.verdicts import Sign


class Claim(typing.NamedTuple):
    """One declared claim with its verdict."""

    scenario: str
    variant: str
    metric: str
    published: str
    measured: str  # mean of the runs; empty without one
    data: str  # on which data, in which tier, in how many runs
    sign: Sign
    note: str  # what the verdict would be on the data that are here; empty if there is one
    anchor: str  # id of the value on the page


def of_sections(sections: Iterable[Section], scenarios: Mapping[str, Scenario]) -> list[Claim]:
    """Gather the claims of a job's scenarios that its variants were compared with, in the order of the page."""
    claims = []
    for section in sections:
        declared = scenarios[section.scenario].expectations if section.scenario in scenarios else ()
        claimed = {(e.metric, e.place, e.row) for e in declared if e.claim and e.variant == section.variant}
        for row in section.judged:
            judged = row.judgement
            if judged.against == "expectation" and (judged.metric, judged.place, judged.row) in claimed:
                anchor = section.anchor if section.brief else row.anchor
                claims.append(claim(
                    section.scenario, section.variant, judged, row.reference.text, row.value.text, section.datasets, section.tier,
                    row.sign, anchor,
                ))  # fmt: skip
    return claims


def claim(
    scenario: str, variant: str, judged: Judgement, published: str, measured: str, datasets: Iterable[DatasetUse], tier: str | None,
    sign: Sign, anchor: str,
) -> Claim:  # fmt: skip
    """Show one claim with its judgement: the mean of a share without its spread, anything else as `measured`."""
    if isinstance(judged.value, float) and is_share(judged.metric, judged.unit, [judged.value]):
        measured = wording.percent(judged.value)
    names = [use.name + _part(use) for use in datasets]
    data = ", ".join([*names, f"{tier} tier", f"{judged.n} run{'s' * (judged.n != 1)}"])
    return Claim(
        scenario, variant, judged.metric, published, measured if judged.n else "", data if judged.n else "not run here", sign,
        f"would be {judged.would_be}" if judged.would_be else "", anchor,
    )  # fmt: skip


def _part(use: DatasetUse) -> str:
    if use.complete:
        return ""
    return " (incomplete)" if use.train_share is None else f" ({use.train_share:.0%} of the training images)"
