"""How verdicts are shown: order, glyph, tone, meaning, and the one sentence at the top of the report."""

from __future__ import annotations

import collections
import typing

from harness.judging import answer, outcome
from harness.judging.outcome import needs_attention

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Job, Judgement

Tone = typing.Literal["bad", "warn", "decide", "good", "quiet"]


class Sign(typing.NamedTuple):
    """How one verdict looks; the word always stands beside the glyph and the colour."""

    word: str
    glyph: str
    tone: Tone  # which colour, and whether it needs attention
    meaning: str  # one sentence for the glossary


_LIST = (
    Sign("ERROR", "✕", "bad", "It could not be measured or judged."),
    Sign(
        "REGRESSED", "▼", "bad",
        "Worse than the baseline by more than chance explains; of an identity, off by more than rounding explains: the code is wrong.",
    ),
    Sign("BELOW", "▼", "warn", "Lower than published, and not within the tolerance; of a loss or an error that is better."),
    Sign("ABOVE", "▲", "warn", "Higher than published, and not within the tolerance. Of an accuracy: check for test data in the training set."),
    Sign("INCONCLUSIVE", "?", "warn", "These runs cannot tell; the reason says how many would."),
    Sign("IMPROVED", "▲", "decide", "Better than the baseline: a person decides whether it becomes the new one."),
    Sign("CHANGED", "Δ", "decide", "Training computes something else than the baseline's did: a person decides whether that was meant."),
    Sign("NO_BASELINE", "∅", "decide", "Nothing approved to compare with yet."),
    Sign("INCOMPARABLE", "≠", "decide", "The baseline comes from an environment or data that differ."),
    Sign("WAIVED", "~", "quiet", "A person let this pass, for a stated reason and time."),
    Sign("KNOWN_GAP", "≈", "quiet", "It misses the published value for a known, stated reason."),
    Sign("NOT_JUDGED", "·", "quiet", "Published for another tier, for data that are not all here, or too few runs to show a spread."),
    Sign("REPRODUCED", "✓", "good", "Runs show that the published value agrees within its tolerance."),
    Sign("PASS", "✓", "good", "No worse than the baseline; of an identity, it holds within rounding."),
)  # fmt: skip
SIGNS: Mapping[str, Sign] = {sign.word: sign for sign in _LIST}
"""Every verdict, worst first."""
_RANKS = {word: place for place, word in enumerate(SIGNS)}

GROUPS = (("expectation", "Published values"), ("baseline", "Baselines"), ("identity", "Identities"))
"""What values are compared with, with its heading, in the order shown."""
NOUNS = {
    "expectation": ("published value", "published values"),
    "baseline": ("metric against its baseline", "metrics against their baselines"),
    "identity": ("identity", "identities"),
}
"""One and several of what is judged."""

_GLYPHS: Mapping[Tone, str] = {"bad": "✕", "warn": "!", "decide": "?", "good": "✓", "quiet": "·"}
"""By the tone of a whole job, worst first."""
_OF_GATE: Mapping[int, Tone] = {0: "good", 1: "bad", 2: "warn", 3: "decide", outcome.INTERRUPTED: "warn"}
"""By exit code: what a gate came to is said by it, not by what it merely shows."""
_OTHERS: Mapping[str, Tone] = {"runs": "bad", "unfinished": "warn", "violated": "bad", "holds": "good"}
"""What is counted apart from verdicts: failed runs, planned ones that are missing, identities."""


class Headline(typing.NamedTuple):
    """The verdict on a whole job, in one sentence."""

    tone: Tone  # worst among all judgements and runs
    glyph: str
    lead: str  # the first words, set large
    sentence: str  # the rest, with counts


def rank(verdict: str) -> int:
    """Return 0 for the worst verdict and more for better ones."""
    return _RANKS[verdict]


def weighs(judgement: Judgement) -> bool:
    """Whether it counts in a summary: all but what is only shown and has nothing to be compared with."""
    return SIGNS[judgement.verdict].tone != "decide" or needs_attention(judgement)


def tallies(job: Job) -> dict[str, list[tuple[Sign, int]]]:
    """Count verdicts by what they were compared with, worst first; a group may be empty."""
    counted = collections.Counter[tuple[str, str]](
        (j.against, j.verdict) for c in job.comparisons for j in c.judgements
    )
    groups: dict[str, list[tuple[Sign, int]]] = {against: [] for against, _ in GROUPS}
    for word, sign in SIGNS.items():
        for against, tally in groups.items():
            if counted[against, word]:
                tally.append((sign, counted[against, word]))
    return groups


def headline(job: Job) -> Headline:
    """Name the finding that decides, then sum the job up in one sentence with counts; of a gate with its exit code."""
    counts, lead = outcome.counts(job), f"{answer.headline(job)}."
    sentence = outcome.sentence(counts)
    if job.gate is not None:
        tone = _OF_GATE.get(job.gate.exit_code, "warn")
        if job.gate.exit_code == 0 and outcome.undecided(job):
            tone = "warn"
        code = f"Gate: {outcome.meaning(job)} (exit code {job.gate.exit_code})."
        return Headline(tone, _GLYPHS[tone], lead, f"{sentence} {code}")
    present = {_OTHERS.get(word) or SIGNS[word].tone for word, count in counts.items() if count}
    tone = next((tone for tone in _GLYPHS if tone in present), "quiet")
    return Headline(tone, _GLYPHS[tone], lead, sentence)
