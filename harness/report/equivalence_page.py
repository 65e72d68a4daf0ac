"""From a comparison of jobs to one HTML page that works offline and without scripts."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from typing import TYPE_CHECKING

from harness.judging import wording
from harness.report import flipped, numbers, strips
from harness.report.templating import Anchors, constants, environment
from harness.report.verdicts import SIGNS, Headline, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.records import (
        Amount,
        Compared,
        Contrast,
        IdentitySide,
        IdentitySides,
        SameWeights,
        Score,
        SideRuns,
        VariantSides,
    )

LIKENESS: dict[str, Sign] = {
    "different": Sign("different", "≠", "decide", "The difference was shown to lie beyond the margin."),
    "INCONCLUSIVE": Sign("INCONCLUSIVE", "?", "warn", "Neither was shown: more runs would tell."),
    "equivalent": Sign("equivalent", "=", "good", "The difference was shown to lie within the margin."),
}
_PLAIN = Sign("", "", "quiet", "")
_WORDS = {
    "seconds": "wall",
    "cpu_seconds": "CPU",
    "above_imports_bytes": "above imports",
    "peak_bytes": "peak",
    "device_allocated_bytes": "device, allocated",
    "device_reserved_bytes": "device, reserved",
}
_TIMES = ("seconds", "cpu_seconds")
_MEMORY = ("above_imports_bytes", "peak_bytes", "device_allocated_bytes", "device_reserved_bytes")
_SUMMARY = (("total", "seconds", "Time"), ("total", "above_imports_bytes", "Memory above imports"))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One metric on one side."""

    text: str
    """Value; a dash where there is none."""
    ratio: str = ""
    """Ratio to the reference; empty for the reference."""
    interval: str = ""
    """Its interval, with the coverage if below 99%."""
    rate: str = ""
    """Images per second."""
    disturbed: bool = False
    """Whether only disturbed runs were there."""
    strip: strips.Strip | None = None
    """The ratio drawn."""
    strip_text: str = ""
    """Text alternative of `strip`."""
    sign: Sign = _PLAIN
    """Tone of the drawing, or the verdict."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric on every side."""

    stage: str
    """Stage, or what the row shows."""
    what: str
    """Metric in words."""
    cells: tuple[Cell, ...]
    """One a side."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One score of one side against the reference."""

    metric: str
    """Score."""
    first: str
    """Mean and spread on the reference, with the number of runs."""
    side: str
    """The other side."""
    other: str
    """Its mean and spread."""
    difference: str
    """Other less reference."""
    interval: str
    """The 90% interval of that; empty where there is none."""
    margin: str
    """Difference that counts as none."""
    reason: str
    """Why this verdict."""
    sign: Sign
    """How the verdict looks."""
    strip: strips.Strip
    """The difference drawn."""
    strip_text: str
    """Text alternative of `strip`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRow:
    """One identity on every side."""

    identity: IdentitySides
    """The record."""
    sign: Sign
    """PASS, or REGRESSED on a side."""
    sides: tuple[tuple[str, IdentitySide, float, Sign], ...]
    """Name of the side, its check, its place on the axis of error over tolerance, and its verdict."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One variant and tier."""

    anchor: str
    """Id on the page."""
    title: str
    """How the section is called."""
    variant: VariantSides
    """The record."""
    worst: Sign
    """Most telling verdict among scores and identities."""
    summary: tuple[Row, ...]
    """Scores, total time and memory, identities: one column a side."""
    scores: tuple[ScoreRow, ...]
    """Scores."""
    times: tuple[Row, ...]
    """Times by stage."""
    steps: tuple[tuple[str, str, str, str, str], ...]
    """Stage, side, first step, a later step, and what the first took on top."""
    memory: tuple[Row, ...]
    """Memory by stage, of host and device."""
    identities: tuple[IdentityRow, ...]
    """Identities."""
    labels: tuple[tuple[SideRuns, SameWeights], ...]
    """Prediction sets made with the same weights."""
    flips: tuple[tuple[str, flipped.Part], ...]
    """Flipped images of each side that stored predictions."""


def render(found: Compared, folders: Sequence[Path], up: str = "") -> str:
    """Write the page of a comparison.

    Parameters
    ----------
    found : Compared
        What was found; nothing is judged here.
    folders : sequence of Path
        Folders of the jobs, for the pictures of flipped images.
    up : str
        Address of the index over this page and others; see `harness.report.linking.up`.

    Returns
    -------
    str
        One self-contained HTML page without any script. Same input, same text.
    """
    anchors = Anchors()
    shown = [_section(variant, folders, anchors) for variant in found.variants]
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            found=found,
            headline=_headline(found, shown),
            sections=shown,
            flipped=flipped.in_words,
            seeds_named=flipped.seeds,
            signs=[*LIKENESS.values(), SIGNS["PASS"], SIGNS["REGRESSED"]],
            **constants(script=False, up=up),
        )
    )


def _headline(found: Compared, shown: Sequence[Section]) -> Headline:
    rows = [row for section in shown for row in section.scores]
    counts = collections.Counter(row.sign.word for row in rows)
    scores = ", ".join(f"{counts[word]} {word}" for word in LIKENESS if counts[word])
    sentence = f"{len(shown)} variant{'s' * (len(shown) != 1)} of {len(found.jobs)} jobs compared; scores: {scores or 'none to judge'}."
    if found.left_out:
        sentence += f" Not compared: {len(found.left_out)}."
    if found.exit_code == 1:
        return Headline("bad", "✕", "An identity is violated.", sentence)
    if not shown:
        return Headline("warn", "∅", "Nothing can be compared.", sentence)
    word = next((word for word in LIKENESS if counts[word]), None)
    if word is None:
        return Headline("quiet", "·", "Side by side.", sentence)
    sign = LIKENESS[word]
    if word == "equivalent":
        return Headline(sign.tone, sign.glyph, "They score alike.", sentence)
    title, row = next((section.title, row) for section in shown for row in section.scores if row.sign is sign)
    who = f"{wording.opening(row.metric)} of {title}"
    lead = (
        f"{who} on {row.side} differs by {row.difference}."
        if word == "different"
        else f"{who} on {row.side}: {row.difference}, undecided."
    )
    return Headline(sign.tone, sign.glyph, lead, sentence)


def _section(variant: VariantSides, folders: Sequence[Path], anchors: Anchors) -> Section:
    scores = tuple(row for score in variant.scores for row in _score_rows(variant, score))
    words = [row.sign.word for row in scores]
    likeness = next((sign for word, sign in LIKENESS.items() if word in words), SIGNS["PASS"])
    first = folders[variant.sides[0].job]
    parts = [
        (side.name, flipped.part(flips, folders[side.job], first))
        for side, flips in zip(variant.sides[1:], variant.flips, strict=True)
    ]
    return Section(
        anchor=anchors.claim(f"{variant.title} {variant.tier}"),
        title=variant.title,
        variant=variant,
        worst=SIGNS["REGRESSED"] if variant.violated else likeness,
        summary=tuple(_summary(variant)),
        scores=scores,
        times=tuple(_rows(variant.contrasts, _TIMES)),
        steps=tuple(_steps(variant)),
        memory=tuple(_rows(variant.contrasts, _MEMORY)),
        identities=tuple(_identity_row(variant, identity) for identity in variant.identities),
        labels=tuple((variant.sides[found.side], found) for found in variant.weights),
        flips=tuple((name, part) for name, part in parts if part is not None),
    )


def _summary(variant: VariantSides) -> Iterator[Row]:
    for score in variant.scores:
        scale = _score_scale(score)
        yield Row(
            stage=score.metric,
            what="",
            cells=tuple(
                Cell(text=numbers.NONE) if side is None
                else Cell(text=scale.text(side.mean), sign=LIKENESS[side.judged.verdict] if side.judged else _PLAIN)
                for side in score.sides
            ),
        )  # fmt: skip
    by_name = {(contrast.stage, contrast.metric): contrast for contrast in variant.contrasts}
    for stage, metric, title in _SUMMARY:
        if (stage, metric) in by_name:
            yield dataclasses.replace(_row(by_name[stage, metric], None), stage=title, what="")
    if variant.identities:
        held = [
            [side for identity in variant.identities if (side := identity.sides[index])]
            for index in range(len(variant.sides))
        ]
        yield Row(
            stage="Identities",
            what="",
            cells=tuple(
                Cell(
                    text=f"{sum(side.holds for side in sides)} of {len(sides)} hold"
                    if sides
                    else numbers.NONE
                )
                for sides in held
            ),
        )


# -- times and memory -----------------------------------------------------------------------------


def _rows(contrasts: Sequence[Contrast], metrics: Sequence[str]) -> Iterator[Row]:
    """Write the named metrics stage by stage, each once per stage; rates stand next to the wall time."""
    for _, group in itertools.groupby(contrasts, key=lambda contrast: contrast.stage):
        by_metric = {contrast.metric: contrast for contrast in group}
        for metric in metrics:
            # a peak is said where nothing is known above the imports
            if metric in by_metric and not (metric == "peak_bytes" and "above_imports_bytes" in by_metric):
                yield _row(
                    by_metric[metric], by_metric.get("images_per_second") if metric == "seconds" else None
                )


def _row(contrast: Contrast, rate: Contrast | None) -> Row:
    known = [side.median for side in contrast.sides if side is not None]
    # the smallest needs digits as well: a scale for the largest alone would write 0.00
    positive = [value for value in known if value] or known
    scale = (
        numbers.durations([min(positive)])
        if contrast.unit == "s"
        else numbers.scale(contrast.kind, contrast.unit, known, 2**20)
    )
    rates = rate.sides if rate else [None] * len(contrast.sides)
    return Row(
        stage=contrast.stage,
        what=_WORDS[contrast.metric],
        cells=tuple(_cell(side, scale, one) for side, one in zip(contrast.sides, rates, strict=True)),
    )


def _cell(side: Amount | None, scale: numbers.Scale, rate: Amount | None) -> Cell:
    if side is None:
        return Cell(text=numbers.NONE)
    written = f"{rate.median:,.0f}/s" if rate else ""
    if side.ratio is None:
        return Cell(text=scale.text(side.median), rate=written, disturbed=side.disturbed)
    ends = None if side.lower is None or side.upper is None else (side.lower, side.upper)
    interval = f"{factor(ends[0])} to {factor(ends[1])}" if ends else ""
    covered = f" ({side.coverage:.0%})" if ends and side.coverage < 0.9899 else ""
    return Cell(
        text=scale.text(side.median),
        ratio=factor(side.ratio),
        interval=interval + covered,
        rate=written,
        disturbed=side.disturbed,
        strip=strips.ratio_strip(side.ratio, ends) if side.ratio else None,
        strip_text=f"ratio {factor(side.ratio)}, interval {interval or 'none'}",
    )


def factor(ratio: float) -> str:
    """Write a ratio with three digits."""
    return f"{ratio:.3g}" if 0.001 <= ratio < 1000 else numbers.scientific(ratio)


def _steps(variant: VariantSides) -> Iterator[tuple[str, str, str, str, str]]:
    by_name = {(contrast.stage, contrast.metric): contrast for contrast in variant.contrasts}
    for (stage, metric), contrast in by_name.items():
        later = by_name.get((stage, "step_seconds"))
        for index, first in enumerate(contrast.sides):
            if metric != "first_step_seconds" or first is None:
                continue
            usual = later.sides[index] if later else None
            extra = numbers.NONE if usual is None else numbers.seconds(max(0.0, first.median - usual.median))
            yield (
                stage,
                variant.sides[index].name,
                numbers.seconds(first.median),
                numbers.NONE if usual is None else numbers.seconds(usual.median),
                extra,
            )


# -- scores and identities ------------------------------------------------------------------------


def _score_scale(score: Score) -> numbers.Scale:
    known = [side for side in score.sides if side is not None]
    step = min((side.spread for side in known if side.spread), default=None)
    return numbers.scale(
        "accuracy" if score.share else "size",
        "" if score.share else score.unit,
        [side.mean for side in known],
        step and step / 10,
    )


def _score_rows(variant: VariantSides, score: Score) -> Iterator[ScoreRow]:
    factor, unit = (100.0, " points") if score.share else (1.0, f" {score.unit}".rstrip())
    scale = _score_scale(score)

    def written(index: int) -> str:
        side = score.sides[index]
        if side is None:
            return numbers.NONE
        return (
            scale.text(side.mean)
            if side.spread is None
            else f"{scale.text(side.mean)} ± {scale.small(side.spread)}"
        )

    for index, side in enumerate(score.sides):
        if side is None or side.judged is None:
            continue
        judged = side.judged
        ends = (judged.lower, judged.upper) if judged.lower is not None and judged.upper is not None else None
        difference = f"{factor * judged.difference:+.3g}{unit}".replace("-", "−")
        interval = f"{factor * ends[0]:+.3g} to {factor * ends[1]:+.3g}".replace("-", "−") if ends else ""
        margin = numbers.NONE if judged.margin is None else f"±{factor * judged.margin:.3g}{unit}"
        more = f"; about {judged.runs_to_decide} runs a side would decide" if judged.runs_to_decide else ""
        yield ScoreRow(
            metric=score.metric, first=written(0), side=variant.sides[index].name, other=written(index), difference=difference,
            interval=interval, margin=margin, reason=judged.reason + more, sign=LIKENESS[judged.verdict],
            strip=strips.difference_strip(judged.difference, ends, judged.margin),
            strip_text=f"difference {difference}, interval {interval or 'none'}, margin {margin}",
        )  # fmt: skip


def _identity_row(variant: VariantSides, identity: IdentitySides) -> IdentityRow:
    sides = tuple(
        (
            column.name,
            side,
            strips.ratio_place(side.error, side.tolerance),
            SIGNS["PASS" if side.holds else "REGRESSED"],
        )
        for column, side in zip(variant.sides, identity.sides, strict=True)
        if side is not None
    )
    broken = any(not side.holds for _, side, _, _ in sides)
    return IdentityRow(identity=identity, sign=SIGNS["REGRESSED" if broken else "PASS"], sides=sides)
