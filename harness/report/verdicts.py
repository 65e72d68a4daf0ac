"""How verdicts are shown: order, glyph, tone, meaning, and the one sentence at the top of the report."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Literal, get_args

from harness.judging import answer, outcome
from harness.judging.outcome import needs_attention
from harness.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Job, Judgement

Tone = Literal["bad", "warn", "decide", "good", "quiet"]


@dataclasses.dataclass(frozen=True, slots=True)
class Sign:
    """How one verdict looks; the word always stands beside the glyph and the colour."""

    word: str
    """The verdict."""
    glyph: str
    """One character."""
    tone: Tone
    """Which colour, and whether it needs attention."""
    meaning: str
    """One sentence for the glossary."""


_TABLE: tuple[tuple[Verdict, str, Tone, str], ...] = (
    ("ERROR", "✕", "bad", "It could not be measured or judged."),
    (
        "REGRESSED",
        "▼",
        "bad",
        "Worse than the baseline by more than chance explains; of an identity, off by more than rounding explains: the code is wrong.",
    ),
    (
        "BELOW",
        "▼",
        "warn",
        "Lower than published, and not within the tolerance; of a loss or an error that is better.",
    ),
    (
        "ABOVE",
        "▲",
        "warn",
        "Higher than published, and not within the tolerance. Of an accuracy: check for test data in the training set.",
    ),
    ("INCONCLUSIVE", "?", "warn", "These runs cannot tell; the reason says how many would."),
    ("IMPROVED", "▲", "decide", "Better than the baseline: a person decides whether it becomes the new one."),
    (
        "CHANGED",
        "Δ",
        "decide",
        "Training computes something else than the baseline's did: a person decides whether that was meant.",
    ),
    ("NO_BASELINE", "∅", "decide", "Nothing approved to compare with yet."),
    ("INCOMPARABLE", "≠", "decide", "The baseline comes from an environment or data that differ."),
    ("WAIVED", "~", "quiet", "A person let this pass, for a stated reason and time."),
    ("KNOWN_GAP", "≈", "quiet", "It misses the published value for a known, stated reason."),
    (
        "NOT_JUDGED",
        "·",
        "quiet",
        "Published for another tier, for data that are not all here, or too few runs to show a spread.",
    ),
    ("REPRODUCED", "✓", "good", "Runs show that the published value agrees within its tolerance."),
    ("PASS", "✓", "good", "No worse than the baseline; of an identity, it holds within rounding."),
)
SIGNS: dict[str, Sign] = {word: Sign(word, *rest) for word, *rest in _TABLE}  # type: ignore[arg-type]
"""Every verdict, worst first."""

_RANKS = {word: rank for rank, word in enumerate(SIGNS)}
_MISSING = set(get_args(Verdict)) - set(SIGNS)
if _MISSING:
    raise RuntimeError(f"verdicts without a sign: {sorted(_MISSING)}")

GROUPS = (("expectation", "Published values"), ("baseline", "Baselines"), ("identity", "Identities"))
"""What values are held against, with its heading, in the order shown."""

NOUNS = {
    "expectation": ("published value", "published values"),
    "baseline": ("metric against its baseline", "metrics against their baselines"),
    "identity": ("identity", "identities"),
}
"""One and several of what is judged."""

_TONE_ORDER: tuple[Tone, ...] = ("bad", "warn", "decide", "good", "quiet")


@dataclasses.dataclass(frozen=True, slots=True)
class Headline:
    """The verdict on a whole job, in one sentence."""

    tone: Tone
    """Worst tone among all judgements and runs."""
    glyph: str
    """One character."""
    lead: str
    """The first words, set large."""
    sentence: str
    """The rest, with counts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """How many judgements of one group have one verdict."""

    against: str
    """expectation, baseline, identity or run."""
    sign: Sign
    """The verdict."""
    count: int
    """How many."""


def rank(verdict: str) -> int:
    """Return 0 for the worst verdict and more for better ones."""
    return _RANKS[verdict]


def weighs(judgement: Judgement) -> bool:
    """Whether it counts in a summary: all but what is only shown and has nothing to be compared with."""
    return SIGNS[judgement.verdict].tone != "decide" or needs_attention(judgement)


def judgements(job: Job) -> list[Judgement]:
    """Return every judgement of a job, in its order."""
    return [judgement for comparison in job.comparisons for judgement in comparison.judgements]


def tallies(job: Job) -> dict[str, list[Tally]]:
    """Count verdicts by what they were held against, worst first; a group may be empty."""
    counted = collections.Counter((judgement.against, judgement.verdict) for judgement in judgements(job))
    return {
        against: [
            Tally(against, sign, counted[against, word])  # type: ignore[index]
            for word, sign in SIGNS.items()
            if (against, word) in counted
        ]
        for against, _ in GROUPS
    }


def headline(job: Job) -> Headline:
    """Name the finding that decides, then sum the job up in one sentence with counts; of a gate with its exit code."""
    counts, lead = outcome.counts(job), f"{answer.headline(job)}."
    if job.gate is not None:
        tone, glyph = _OF_GATE.get(job.gate.exit_code, ("warn", "!"))
        if job.gate.exit_code == 0 and outcome.undecided(job):
            tone, glyph = "warn", "!"
        return Headline(
            tone,
            glyph,
            lead,
            f"{outcome.sentence(counts)} Gate: {outcome.meaning(job)} (exit code {job.gate.exit_code}).",
        )
    present = [_tone_of(word) for word, count in counts.items() if count]
    tone = next((tone for tone in _TONE_ORDER if tone in present), "quiet")
    return Headline(tone, _GLYPHS[tone], lead, outcome.sentence(counts))


_OF_GATE: Mapping[int, tuple[Tone, str]] = {
    0: ("good", "✓"),
    1: ("bad", "✕"),
    2: ("warn", "!"),
    3: ("decide", "?"),
    outcome.INTERRUPTED: ("warn", "!"),
}
"""By exit code: what a gate came to is said by it, not by what it merely shows."""

_GLYPHS: Mapping[Tone, str] = {"bad": "✕", "warn": "!", "decide": "?", "good": "✓", "quiet": "·"}


_OTHERS: Mapping[str, Tone] = {"runs": "bad", "unfinished": "warn", "violated": "bad", "holds": "good"}
"""What is counted apart from verdicts: failed runs, planned ones that are missing, identities."""


def _tone_of(word: str) -> Tone:
    return _OTHERS.get(word) or SIGNS[word].tone
