"""The table on top of a job's page: `harness.judging.answer` with links, signs and a drawing of the runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.judging import answer
from harness.report import strips
from harness.report.verdicts import SIGNS, Sign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.judging.answer import Line
    from harness.records import Job
    from harness.report.section import Section
    from harness.report.strips import Strip


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One variant."""

    line: Line
    """Its numbers."""
    anchor: str
    """Id of its section."""
    sign: Sign
    """How its verdict looks."""
    word: str
    """Its verdict in a word."""
    strip: Strip | None
    """Its runs, and hollow those that they are compared with; None if there is only one."""
    strip_text: str
    """Text alternative of `strip`."""


NOTHING = Sign("NOT_JUDGED", "·", "quiet", "Nothing was judged.")


def rows(job: Job, sections: Iterable[Section]) -> list[Row]:
    """Write a row for every variant that was judged, worst first."""
    anchors = {(section.scenario, section.variant, section.tier): section.anchor for section in sections}
    ordered = sorted(answer.lines(job), key=lambda line: answer.rank(line.verdict))
    return [_row(line, anchors[line.scenario, line.variant, line.tier]) for line in ordered]


def _row(line: Line, anchor: str) -> Row:
    sign = SIGNS[line.verdict] if line.verdict else NOTHING
    several = len(line.values) > 1 and line.base
    return Row(
        line=line, anchor=anchor, sign=sign, word=answer.WORDS[line.verdict] if line.verdict else "not judged",
        strip=strips.strip(line.values, None, None, None, line.base) if several else None,
        strip_text=f"{len(line.values)} runs, mean {line.score}, of {len(line.base)} with mean {line.before}",
    )  # fmt: skip
