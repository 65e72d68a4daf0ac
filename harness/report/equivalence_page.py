"""From a comparison of jobs to one HTML page that works offline and without scripts."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

from harness.judging import equivalence, wording
from harness.report import flipped, numbers, strips
from harness.report.templating import Anchors, constants, environment
from harness.report.verdicts import SIGNS, Headline, Sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.records import Amount, Compared, Contrast, Kind, Score, VariantSides

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


@dataclasses.dataclass(frozen=True, slots=True)
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


def render(compared: Compared, folders: Sequence[Path], up: str = "") -> str:
    """Write the page of a comparison; nothing is judged here.

    Parameters
    ----------
    compared : Compared
        The comparison.
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
    sections = [_section(variant, folders, anchors) for variant in compared.variants]
    template = environment().get_template("compare.html.j2")
    return template.render(
        compared=compared,
        headline=_headline(compared, sections),
        sections=sections,
        flipped=flipped.in_words,
        seeds_named=flipped.seeds,
        signs=[*LIKENESS.values(), SIGNS["PASS"], SIGNS["REGRESSED"]],
        **constants(script=False, up=up),
    )


def _headline(compared: Compared, sections: Sequence[dict[str, Any]]) -> Headline:
    rows = [(section["title"], row) for section in sections for row in section["scores"]]
    counts = collections.Counter(row["sign"].word for _, row in rows)
    scores = ", ".join(f"{counts[word]} {word}" for word in LIKENESS if counts[word])
    count, of = len(sections), len(compared.jobs)
    sentence = (
        f"{count} variant{'s' * (count != 1)} of {of} jobs compared; scores: {scores or 'none to judge'}."
    )
    if compared.left_out:
        sentence += f" Not compared: {len(compared.left_out)}."
    if compared.exit_code == 1:
        return Headline("bad", "✕", "An identity is violated.", sentence)
    if not sections:
        return Headline("warn", "∅", "Nothing can be compared.", sentence)
    if not rows:
        return Headline("quiet", "·", "Side by side.", sentence)
    sign = next(sign for word, sign in LIKENESS.items() if counts[word])
    title, row = next((title, row) for title, row in rows if row["sign"] is sign)
    who = f"{wording.opening(row['metric'])} of {title} on {row['side']}"
    lead = {
        "different": f"{who} differs by {row['difference']}.",
        "INCONCLUSIVE": f"{who}: {row['difference']}, undecided.",
    }
    return Headline(sign.tone, sign.glyph, lead.get(sign.word, "They score alike."), sentence)


def _section(variant: VariantSides, folders: Sequence[Path], anchors: Anchors) -> dict[str, Any]:
    """Gather what the template shows of one variant and tier; ``worst`` is the most telling verdict among scores and identities."""
    scores = [row for score in variant.scores for row in _score_rows(variant, score)]
    words = [row["sign"].word for row in scores]
    likeness = next((sign for word, sign in LIKENESS.items() if word in words), SIGNS["PASS"])
    first = folders[variant.sides[0].job]
    parts = [
        (side.name, flipped.part(flips, folders[side.job], first))
        for side, flips in zip(variant.sides[1:], variant.flips, strict=True)
    ]
    return {
        "anchor": anchors.claim(f"{variant.title} {variant.tier}"),
        "title": variant.title,
        "variant": variant,
        "worst": SIGNS["REGRESSED"] if variant.broken else likeness,
        "summary": list(_summary(variant)),
        "scores": scores,
        "times": list(_rows(variant.contrasts, _TIMES)),
        "steps": list(_steps(variant)),
        "memory": list(_rows(variant.contrasts, _MEMORY)),
        "identities": [
            (
                identity,
                [
                    (
                        column.name, side, strips.ratio_place(side.error, side.tolerance),
                        SIGNS["PASS" if side.holds else "REGRESSED"],
                    )
                    for column, side in zip(variant.sides, identity.sides, strict=True)
                    if side is not None
                ],
            )
            for identity in variant.identities
        ],
        "labels": [(one.changed, wording.opening(equivalence.labels(variant, one))) for one in variant.weights],
        "flips": [(name, part) for name, part in parts if part is not None],
    }  # fmt: skip


def _summary(variant: VariantSides) -> Iterator[tuple[str, list[Cell]]]:
    """Yield scores, total time and memory, and identities, a cell for each side."""
    for score in variant.scores:
        scale = _score_scale(score)
        yield score.metric, [
            Cell(numbers.NONE) if side is None
            else Cell(scale.text(side.mean), sign=LIKENESS[side.judged.verdict] if side.judged else _PLAIN)
            for side in score.sides
        ]  # fmt: skip
    by_name = {(contrast.stage, contrast.metric): contrast for contrast in variant.contrasts}
    for metric, title in (("seconds", "Time"), ("above_imports_bytes", "Memory above imports")):
        if ("total", metric) in by_name:
            yield title, _row(by_name["total", metric], None)[2]
    if variant.identities:
        held = []
        for index in range(len(variant.sides)):
            sides = [side for identity in variant.identities if (side := identity.sides[index])]
            hold = f"{sum(side.holds for side in sides)} of {len(sides)} hold"
            held.append(Cell(hold if sides else numbers.NONE))
        yield "Identities", held


# -- times and memory -----------------------------------------------------------------------------


def _rows(contrasts: Sequence[Contrast], metrics: Sequence[str]) -> Iterator[tuple[str, str, list[Cell]]]:
    """Write the named metrics stage by stage, each once per stage; rates stand next to the wall time."""
    for _, group in itertools.groupby(contrasts, key=lambda contrast: contrast.stage):
        by_metric = {contrast.metric: contrast for contrast in group}
        for metric in metrics:
            # a peak is shown only where nothing is known above the imports
            if metric in by_metric and not (metric == "peak_bytes" and "above_imports_bytes" in by_metric):
                rate = by_metric.get("images_per_second") if metric == "seconds" else None
                yield _row(by_metric[metric], rate)


def _row(contrast: Contrast, rate: Contrast | None) -> tuple[str, str, list[Cell]]:
    """Return stage, metric in words, and a cell for each side."""
    known = [side.median for side in contrast.sides if side is not None]
    # the smallest needs digits as well: a scale for the largest alone would write 0.00
    positive = [value for value in known if value] or known
    scale = numbers.scale(contrast.kind, contrast.unit, known, 2**20)
    if contrast.unit == "s":
        scale = numbers.durations([min(positive)])
    rates = rate.sides if rate else [None] * len(contrast.sides)
    cells = [_cell(side, scale, one) for side, one in zip(contrast.sides, rates, strict=True)]
    return contrast.stage, _WORDS[contrast.metric], cells


def _cell(side: Amount | None, scale: numbers.Scale, rate: Amount | None) -> Cell:
    if side is None:
        return Cell(numbers.NONE)
    cell = Cell(
        scale.text(side.median), rate=f"{rate.median:,.0f}/s" if rate else "", disturbed=side.disturbed
    )
    if side.ratio is None:
        return cell
    ends = None if side.lower is None or side.upper is None else (side.lower, side.upper)
    interval = f"{factor(ends[0])} to {factor(ends[1])}" if ends else ""
    return dataclasses.replace(
        cell, ratio=factor(side.ratio),
        interval=interval + (f" ({side.coverage:.0%})" if ends and side.coverage < 0.9899 else ""),
        strip=strips.ratio_strip(side.ratio, ends) if side.ratio else None,
        strip_text=f"ratio {factor(side.ratio)}, interval {interval or 'none'}",
    )  # fmt: skip


def factor(ratio: float) -> str:
    """Write a ratio with three digits."""
    return f"{ratio:.3g}" if 0.001 <= ratio < 1000 else numbers.scientific(ratio)


def _steps(variant: VariantSides) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield stage, side, first step, a later step, and what the first took on top."""
    by_name = {(contrast.stage, contrast.metric): contrast for contrast in variant.contrasts}
    for (stage, metric), contrast in by_name.items():
        later = by_name.get((stage, "step_seconds"))
        for index, first in enumerate(contrast.sides):
            if metric != "first_step_seconds" or first is None:
                continue
            usual = later.sides[index] if later else None
            written = extra = numbers.NONE
            if usual is not None:
                written = numbers.seconds(usual.median)
                extra = numbers.seconds(max(0.0, first.median - usual.median))
            yield stage, variant.sides[index].name, numbers.seconds(first.median), written, extra


# -- scores ---------------------------------------------------------------------------------------


def _score_scale(score: Score) -> numbers.Scale:
    known = [side for side in score.sides if side is not None]
    step = min((side.spread for side in known if side.spread), default=None)
    kind: Kind = "accuracy" if score.share else "size"
    return numbers.scale(
        kind, "" if score.share else score.unit, [side.mean for side in known], step and step / 10
    )


def _score_rows(variant: VariantSides, score: Score) -> Iterator[dict[str, Any]]:
    """Yield a row for each side that is compared with the reference."""
    scale = _score_scale(score)
    texts = []
    for side in score.sides:
        text = numbers.NONE if side is None else scale.text(side.mean)
        texts.append(text if side is None or side.spread is None else f"{text} ± {scale.small(side.spread)}")
    for column, text, side in zip(variant.sides, texts, score.sides, strict=True):
        if side is None or side.judged is None:
            continue
        judged = side.judged
        ends = (judged.lower, judged.upper) if judged.lower is not None and judged.upper is not None else None
        difference, interval, margin = equivalence.amounts(score, judged)
        difference, interval = difference.replace("-", "−"), interval.replace("-", "−")
        margin = f"±{margin}" if margin else numbers.NONE
        more = f"; about {judged.runs_to_decide} runs a side would decide" if judged.runs_to_decide else ""
        yield {
            "metric": score.metric, "first": texts[0], "side": column.name, "other": text, "difference": difference,
            "interval": interval, "margin": margin, "reason": judged.reason + more, "sign": LIKENESS[judged.verdict],
            "strip": strips.difference_strip(judged.difference, ends, judged.margin),
            "strip_text": f"difference {difference}, interval {interval or 'none'}, margin {margin}",
        }  # fmt: skip
