"""From a comparison of two jobs to one HTML page that works offline and without scripts."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from typing import TYPE_CHECKING

from harness.report import flipped, numbers, strips
from harness.report.section import Anchors
from harness.report.templating import constants, environment
from harness.report.verdicts import SIGNS, Headline, Sign

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from harness.records import Contrast, Equivalence, IdentityBeside, IdentitySide, SideBySide, VariantBeside

LIKENESS: dict[str, Sign] = {
    "DIFFERENT": Sign("DIFFERENT", "≠", "decide", "The difference was shown to lie beyond the margin."),
    "INCONCLUSIVE": Sign("INCONCLUSIVE", "?", "warn", "Neither was shown: more runs would tell."),
    "EQUIVALENT": Sign("EQUIVALENT", "=", "good", "The difference was shown to lie within the margin."),
}
_PLAIN = Sign("", "", "quiet", "")
_TIMES = ("seconds", "cpu_seconds")
_HOST = ("above_imports_bytes", "peak_bytes")
_DEVICE = ("device_allocated_bytes", "device_reserved_bytes")
_WORDS = {
    "seconds": "wall",
    "cpu_seconds": "CPU",
    "above_imports_bytes": "above imports",
    "peak_bytes": "peak",
    "device_allocated_bytes": "device, allocated",
    "device_reserved_bytes": "device, reserved",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RatioRow:
    """One metric of a stage on both sides."""

    stage: str
    """Stage."""
    what: str
    """Metric in words."""
    a: str
    """Median on A."""
    b: str
    """Median on B."""
    ratio: str
    """Median ratio B over A."""
    interval: str
    """Its interval, with the coverage if below 99%."""
    rates: tuple[str, str]
    """Images per second on A and B; empty texts without."""
    disturbed: bool
    """Whether only DISTURBED runs were there."""
    strip: strips.Strip | None
    """The ratio drawn."""
    strip_text: str
    """Text alternative of `strip`."""
    sign: Sign = _PLAIN
    """Tone of the drawing."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """First step of a stage beside later ones, on one side."""

    stage: str
    """Stage."""
    side: str
    """A or B."""
    first: str
    """First step."""
    later: str
    """A later step."""
    extra: str
    """What the first took on top."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One score on both sides."""

    judged: Equivalence
    """The record."""
    sign: Sign
    """How the verdict looks."""
    a: str
    """Mean and spread on A."""
    b: str
    """Mean and spread on B."""
    difference: str
    """B less A."""
    interval: str
    """The 90% interval of that; empty where there is none."""
    margin: str
    """Difference that counts as none."""
    strip: strips.Strip
    """The difference drawn."""
    strip_text: str
    """Text alternative of `strip`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRow:
    """One identity on both sides."""

    pair: IdentityBeside
    """The record."""
    sign: Sign
    """HOLDS, or VIOLATED on a side."""
    sides: tuple[tuple[str, IdentitySide, float, Sign], ...]
    """Name of the side, its check, its place on the axis of error over tolerance, and its verdict."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One variant and tier."""

    anchor: str
    """Id on the page."""
    beside: VariantBeside
    """The record."""
    worst: Sign
    """Most telling verdict among scores and identities."""
    scores: tuple[ScoreRow, ...]
    """Scores."""
    times: tuple[RatioRow, ...]
    """Times by stage."""
    steps: tuple[StepRow, ...]
    """First steps."""
    memory: tuple[RatioRow, ...]
    """Memory by stage, of host and device."""
    identities: tuple[IdentityRow, ...]
    """Identities."""
    flips: flipped.Part | None
    """Flipped images; None if neither side stored predictions."""

    @property
    def title(self) -> str:
        """How the section is called."""
        return self.beside.title


def render(found: SideBySide, folders: tuple[Path, Path], up: str = "") -> str:
    """Write the page of a comparison.

    Parameters
    ----------
    found : SideBySide
        What was found; nothing is judged here.
    folders : (Path, Path)
        Folders of both jobs, for the pictures of flipped images.
    up : str
        Address of the index over this page and others; see `harness.report.linking.up`.

    Returns
    -------
    str
        One self-contained HTML page without any script. Same input, same text.
    """
    anchors = Anchors()
    shown = [_section(variant, folders, anchors) for variant in found.variants]
    return environment().get_template("compare.html.j2").render(
        found=found,
        headline=_headline(found, shown),
        sections=shown,
        flipped=flipped.told,
        seeds_named=flipped.seeds,
        signs=[*LIKENESS.values(), SIGNS["HOLDS"], SIGNS["VIOLATED"]],
        flips_words={
            "heading": "right on A and wrong on B, or the other way round",
            "same": "Both sides predicted with the same weights: what differs is how they compute.",
        },
        **constants(script=False, up=up),
    )  # fmt: skip


def _headline(found: SideBySide, shown: Sequence[Section]) -> Headline:
    counts = collections.Counter(row.sign.word for part in shown for row in part.scores)
    told = ", ".join(f"{counts[word]} {word}" for word in LIKENESS if counts[word])
    variants = f"{len(shown)} variant{'s' * (len(shown) != 1)} set side by side"
    sentence = f"{variants}; scores: {told or 'none to judge'}."
    if found.left_out:
        sentence += f" Not compared: {len(found.left_out)}."
    if found.exit_code == 1:
        return Headline("bad", "✕", "An identity is violated.", sentence)
    if not shown:
        return Headline("warn", "∅", "Nothing can be compared.", sentence)
    word = next((word for word in LIKENESS if counts[word]), None)
    leads = {
        "DIFFERENT": "They score differently.",
        "INCONCLUSIVE": "Not every score could be told.",
        "EQUIVALENT": "They score alike.",
        None: "Side by side.",
    }
    sign = LIKENESS[word] if word else Sign("", "·", "quiet", "")
    return Headline(sign.tone, sign.glyph, leads[word], sentence)


def _section(variant: VariantBeside, folders: tuple[Path, Path], anchors: Anchors) -> Section:
    scores = tuple(map(_score_row, variant.equivalences))
    words = [row.sign.word for row in scores]
    likeness = next((sign for word, sign in LIKENESS.items() if word in words), SIGNS["HOLDS"])
    return Section(
        anchor=anchors.claim(f"{variant.scenario}--{'--'.join(dict.fromkeys(variant.variants))}--{variant.tier}"),
        beside=variant,
        worst=SIGNS["VIOLATED"] if variant.violated else likeness,
        scores=scores,
        times=tuple(_ratio_rows(variant.contrasts, _TIMES)),
        steps=tuple(_step_rows(variant.contrasts)),
        memory=tuple(_ratio_rows(variant.contrasts, (*_HOST, *_DEVICE))),
        identities=tuple(map(_identity_row, variant.identities)),
        flips=flipped.part(variant.flips, folders[1], folders[0]),
    )  # fmt: skip


# -- times and memory -----------------------------------------------------------------------------


def _ratio_rows(contrasts: Iterable[Contrast], metrics: Sequence[str]) -> Iterable[RatioRow]:
    """Write the named metrics stage by stage, each once per stage; rates stand beside the wall time."""
    for stage, group in itertools.groupby(contrasts, key=lambda contrast: contrast.stage):
        by_metric = {contrast.metric: contrast for contrast in group}
        for metric in metrics:
            # a peak is said where nothing is known above the imports
            if metric in by_metric and not (metric == "peak_bytes" and "above_imports_bytes" in by_metric):
                rate = by_metric.get("images_per_second") if metric == "seconds" else None
                yield _ratio_row(stage, by_metric[metric], rate)


def _ratio_row(stage: str, contrast: Contrast, rate: Contrast | None) -> RatioRow:
    scale = _scale(contrast)
    ends = (
        (contrast.lower, contrast.upper)
        if contrast.lower is not None and contrast.upper is not None
        else None
    )
    ratio = "—" if contrast.ratio is None else factor(contrast.ratio)
    interval = "—" if ends is None else f"{factor(ends[0])} to {factor(ends[1])}"
    coverage = f" ({contrast.coverage:.0%})" if ends and contrast.coverage < 0.9899 else ""
    return RatioRow(
        stage=stage, what=_WORDS[contrast.metric], a=scale.text(contrast.a), b=scale.text(contrast.b), ratio=ratio,
        interval=interval + coverage,
        rates=(f"{rate.a:,.0f}", f"{rate.b:,.0f}") if rate else ("", ""),
        disturbed=contrast.disturbed,
        strip=None if not contrast.ratio else strips.ratio_strip(contrast.ratio, ends),
        strip_text=f"ratio {ratio}, interval {interval}",
    )  # fmt: skip


def _scale(contrast: Contrast) -> numbers.Scale:
    if contrast.unit == "s":
        # the smaller of the two needs digits as well: a scale for the larger alone would write 0.00
        return numbers.durations([min(contrast.a, contrast.b) or max(contrast.a, contrast.b)])
    return numbers.scale(contrast.kind, contrast.unit, (contrast.a, contrast.b), 2**20)


def factor(ratio: float) -> str:
    """Write a ratio with three digits."""
    return f"{ratio:.3g}" if 0.001 <= ratio < 1000 else numbers.scientific(ratio)


def _step_rows(contrasts: Iterable[Contrast]) -> Iterable[StepRow]:
    by_name = {(contrast.stage, contrast.metric): contrast for contrast in contrasts}
    for (stage, metric), first in by_name.items():
        if metric != "first_step_seconds":
            continue
        later = by_name.get((stage, "step_seconds"))
        for side in ("a", "b"):
            one, usual = getattr(first, side), getattr(later, side) if later else None
            yield StepRow(
                stage=stage, side=side.upper(), first=numbers.seconds(one),
                later="—" if usual is None else numbers.seconds(usual),
                extra="—" if usual is None else numbers.seconds(max(0.0, one - usual)),
            )  # fmt: skip


# -- scores and identities ------------------------------------------------------------------------


def _score_row(judged: Equivalence) -> ScoreRow:
    share = not judged.unit
    unit = "" if share else f" {judged.unit}"
    factor, points = (100.0, "") if share else (1.0, unit)
    known = [sd for sd in judged.spread if sd]
    step = min(known) / 10 if known else None
    scale = numbers.scale("accuracy", judged.unit, judged.mean, step)
    ends = (judged.lower, judged.upper) if judged.lower is not None and judged.upper is not None else None
    told = f"{factor * judged.difference:+.3g}{points}"
    interval = f"{factor * ends[0]:+.3g} to {factor * ends[1]:+.3g}" if ends else ""
    margin = "—" if judged.margin is None else f"±{factor * judged.margin:.3g}{points}"
    sides = [_with_spread(mean, sd, scale) for mean, sd in zip(judged.mean, judged.spread, strict=True)]
    return ScoreRow(
        judged=judged, sign=LIKENESS[judged.verdict], a=sides[0], b=sides[1],
        difference=told.replace("-", "−"), interval=interval.replace("-", "−"), margin=margin,
        strip=strips.difference_strip(judged.difference, ends, judged.margin),
        strip_text=f"difference {told}, interval {interval or 'none'}, margin {margin}",
    )  # fmt: skip


def _with_spread(mean: float, sd: float | None, scale: numbers.Scale) -> str:
    return scale.text(mean) if sd is None else f"{scale.bare(mean)} ± {scale.small(sd)}"


def _identity_row(pair: IdentityBeside) -> IdentityRow:
    sides = tuple(
        (name, side, strips.ratio_place(side.error, side.tolerance), SIGNS["HOLDS" if side.holds else "VIOLATED"])
        for name, side in (("A", pair.a), ("B", pair.b))
        if side is not None
    )  # fmt: skip
    broken = any(not side.holds for _, side, _, _ in sides)
    return IdentityRow(pair=pair, sign=SIGNS["VIOLATED" if broken else "HOLDS"], sides=sides)
