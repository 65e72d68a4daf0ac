"""What needs attention, worst first: one card for every variant, kind of judgement and verdict; and what does not, folded."""

from __future__ import annotations

import collections
import typing

from harness.report.verdicts import GROUPS, SIGNS, Sign, rank

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.records import RunResult
    from harness.report.rows import JudgementRow
    from harness.report.sections import Section

_THEN = ", then: "
"""Parts the commands of a next step; each is copied on its own."""
_ORDER = {against: place for place, (against, _) in enumerate(GROUPS)}


class Card(typing.NamedTuple):
    """Findings of one section that have the same verdict against the same thing, or its failed runs."""

    sign: Sign
    against: str  # expectation, baseline, identity or run
    section: Section
    findings: tuple[JudgementRow, ...] = ()
    failures: tuple[RunResult, ...] = ()
    unnamed: int = 0  # how many more runs failed
    reason: str = ""  # if all findings share one
    next_steps: tuple[str, ...] = ()  # commands to type, each once


def cards(sections: Iterable[Section]) -> list[Card]:
    """Gather what needs attention over all sections, worst first."""

    def urgency(card: Card) -> tuple[int, int, bool]:
        gated = any(row.judgement.gated for row in card.findings)
        return rank(card.sign.word), _ORDER.get(card.against, -1), not gated

    return sorted((card for section in sections for card in _cards(section)), key=urgency)


def _cards(section: Section) -> Iterator[Card]:
    if section.failed or section.beside:
        yield Card(
            SIGNS["ERROR"], "run", section, failures=(*section.failed, *section.beside),
            unnamed=section.broken - len(section.failed), next_steps=section.commands,
        )  # fmt: skip
    grouped: dict[tuple[str, str], list[JudgementRow]] = {}
    for row in section.judged:
        if row.urgent:
            grouped.setdefault((row.judgement.against, row.judgement.verdict), []).append(row)
    for (against, verdict), rows in grouped.items():
        reasons = {row.judgement.reason for row in rows}
        steps = dict.fromkeys(step for row in rows for step in row.judgement.next_step.split(_THEN) if step)
        yield Card(
            SIGNS[verdict], against, section, findings=tuple(sorted(rows, key=lambda row: not row.judgement.gated)),
            reason=reasons.pop() if len(reasons) == 1 else "", next_steps=tuple(steps) or section.commands,
        )  # fmt: skip


class Fold(typing.NamedTuple):
    """Judgements that need no attention and share a verdict against the same thing."""

    sign: Sign
    against: str  # expectation, baseline or identity
    rows: list[tuple[Section, JudgementRow]]
    brief: collections.Counter[str]  # how many in each section in brief, by anchor

    @property
    def total(self) -> int:
        """Number of judgements."""
        return len(self.rows) + self.brief.total()


def folded(sections: Iterable[Section]) -> list[Fold]:
    """Gather what needs no attention, so that nothing is silent; worst first within each group."""
    folds: dict[tuple[str, str], Fold] = {}
    for section in sections:
        for row in section.judged:
            if row.urgent:
                continue
            against, verdict = row.judgement.against, row.judgement.verdict
            fold = folds.setdefault(
                (against, verdict), Fold(SIGNS[verdict], against, [], collections.Counter())
            )
            if section.brief:
                fold.brief[section.anchor] += 1
            else:
                fold.rows.append((section, row))
    return sorted(folds.values(), key=lambda fold: (_ORDER[fold.against], rank(fold.sign.word)))
