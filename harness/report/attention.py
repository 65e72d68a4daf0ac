"""What needs attention, worst first: one card for every variant, kind of judgement and verdict."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.report.verdicts import GROUPS, SIGNS, Sign, rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.records import RunResult
    from harness.report.rows import JudgementRow
    from harness.report.section import Section

_THEN = ", then: "
"""Parts the commands of a next step; each is copied on its own."""
_ORDER = {against: place for place, (against, _) in enumerate(GROUPS)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Findings of one section that have the same verdict against the same thing."""

    sign: Sign
    """The verdict."""
    against: str
    """expectation, baseline, identity or run."""
    section: Section
    """Where they were found."""
    findings: tuple[JudgementRow, ...] = ()
    """Judgements."""
    failures: tuple[RunResult, ...] = ()
    """Failed runs."""
    unnamed: int = 0
    """How many more failed."""
    reason: str = ""
    """The reason, if all findings share one."""
    next_steps: tuple[str, ...] = ()
    """Next commands to type, each once."""


def cards(sections: Iterable[Section]) -> list[Card]:
    """Gather what needs attention over all sections, worst first."""
    found = [card for section in sections for card in (*_failures(section), *_findings(section))]
    return sorted(found, key=_urgency)


def _urgency(card: Card) -> tuple[int, int, bool]:
    gated = any(row.judgement.gated for row in card.findings)
    return rank(card.sign.word), _ORDER.get(card.against, -1), not gated


def _failures(section: Section) -> list[Card]:
    if not section.failed and not section.beside:
        return []
    card = Card(
        sign=SIGNS["ERROR"],
        against="run",
        section=section,
        failures=(*section.failed, *section.beside),
        unnamed=section.broken - len(section.failed),
        next_steps=section.commands,
    )
    return [card]


def _findings(section: Section) -> list[Card]:
    grouped: dict[tuple[str, str], list[JudgementRow]] = {}
    for row in section.judged:
        if row.urgent:
            grouped.setdefault((row.judgement.against, row.judgement.verdict), []).append(row)
    return [_card(section, against, verdict, rows) for (against, verdict), rows in grouped.items()]


def _card(section: Section, against: str, verdict: str, rows: Sequence[JudgementRow]) -> Card:
    reasons = {row.judgement.reason for row in rows}
    told = (row.judgement.next_step for row in rows)
    steps = dict.fromkeys(step for text in told for step in text.split(_THEN) if step)
    ordered = sorted(rows, key=lambda row: not row.judgement.gated)
    return Card(
        sign=SIGNS[verdict], against=against, section=section, findings=tuple(ordered),
        reason=reasons.pop() if len(reasons) == 1 else "", next_steps=tuple(steps) or section.commands,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Judgements that need no attention and share a verdict against the same thing."""

    sign: Sign
    """The verdict."""
    against: str
    """expectation, baseline or identity."""
    rows: tuple[tuple[Section, JudgementRow], ...]
    """Judgements with their sections."""
    counts: tuple[tuple[Section, int], ...]
    """How many there are in each of the sections that are shown in brief."""

    @property
    def total(self) -> int:
        """How many judgements they are."""
        return len(self.rows) + sum(count for _, count in self.counts)


def folded(sections: Iterable[Section]) -> list[Fold]:
    """Gather what needs no attention, so that nothing is silent; worst first within each group."""
    calm = [(section, row) for section in sections for row in section.judged if not row.urgent]
    grouped: dict[tuple[str, str], list[tuple[Section, JudgementRow]]] = {}
    for section, row in calm:
        grouped.setdefault((row.judgement.against, row.judgement.verdict), []).append((section, row))
    ordered = sorted(grouped.items(), key=lambda item: (_ORDER[item[0][0]], rank(item[0][1])))
    return [_fold(what, word, rows) for (what, word), rows in ordered]


def _fold(against: str, word: str, rows: Iterable[tuple[Section, JudgementRow]]) -> Fold:
    told: list[tuple[Section, JudgementRow]] = []
    counted: dict[str, tuple[Section, int]] = {}
    for section, row in rows:
        if section.brief:
            counted[section.anchor] = section, counted.get(section.anchor, (section, 0))[1] + 1
        else:
            told.append((section, row))
    return Fold(sign=SIGNS[word], against=against, rows=tuple(told), counts=tuple(counted.values()))
