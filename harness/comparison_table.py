"""A comparison as the terminal shows it: a table a variant, then scores, labels, identities, and what could not be compared."""

from __future__ import annotations

import typing

from rich.markup import escape
from rich.table import Table

from harness.visible import print_table

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from harness.records import Contrast, Equivalence, IdentitySide, SameWeights, SideBySide, VariantBeside

STYLES = {"EQUIVALENT": "green", "DIFFERENT": "yellow", "INCONCLUSIVE": "yellow"}
_SHOWN = {
    "seconds": "time",
    "first_step_seconds": "first step",
    "step_seconds": "later step",
    "images_per_second": "rate",
    "above_imports_bytes": "memory",
    "device_allocated_bytes": "device memory",
}
"""Metrics of the table in words; ``compare.json`` and the page have the others."""


NO_SAME_WEIGHTS = (
    "on no set. To hold label against label, run A with --keep-weights, then B with --weights and A's folder"
)


def show(console: Console, found: SideBySide) -> None:
    """Print what was found."""
    console.print(
        f"A: {escape(found.a.folder)}\nB: {escape(found.b.folder)}", highlight=False, soft_wrap=True
    )
    for variant in found.variants:
        print_table(console, _table(variant))
        for line in _lines(variant):
            console.print(line, highlight=False, soft_wrap=True)
    for reason in found.left_out:
        console.print(f"[yellow]not compared[/] {escape(reason)}", highlight=False, soft_wrap=True)


def _table(variant: VariantBeside) -> Table:
    table = Table(
        title=escape(f"{variant.title}, tier {variant.tier}"),
        caption=escape(_caption(variant)),
        caption_justify="left",
        title_justify="left",
    )
    table.add_column("stage", overflow="fold", min_width=8)
    table.add_column("what", no_wrap=True)
    for heading in ("A", "B", "B / A", "interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    for contrast in variant.contrasts:
        if contrast.metric in _SHOWN:
            table.add_row(escape(contrast.stage), _SHOWN[contrast.metric], *cells(contrast))
    return table


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"


def cells(contrast: Contrast) -> tuple[str, str, str, str]:
    """Write both medians, their ratio, and its interval; a tilde marks a ratio of DISTURBED times."""
    ratio = "—" if contrast.ratio is None else f"{'~' if contrast.disturbed else ''}{contrast.ratio:.3g}"
    ends = (contrast.lower, contrast.upper)
    interval = "—" if None in ends else f"{contrast.lower:.3g} to {contrast.upper:.3g}"
    return _quantity(contrast.a, contrast.unit), _quantity(contrast.b, contrast.unit), ratio, interval


def _quantity(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 2**20:,.1f} MiB"
    return f"{value:,.0f} /s" if unit == "1/s" else f"{value:.3g} {unit}"


def _caption(variant: VariantBeside) -> str:
    """Say which side is which, and what the intervals cover."""
    sides = ((variant.a, "A"), (variant.b, "B"))
    parts = [f"{name}: {side.backend} on {side.device}, {_runs(len(side.seeds))}" for side, name in sides]
    covered = [contrast.coverage for contrast in variant.contrasts if contrast.lower is not None]
    parts += [f"intervals cover {min(covered):.0%}"] if covered else []
    return "; ".join([*parts, *(["~ DISTURBED"] if any(c.disturbed for c in variant.contrasts) else [])])


def _lines(variant: VariantBeside) -> Iterator[str]:
    for note in variant.notes:
        yield f"[yellow]note[/] {escape(note)}"
    for judged in variant.equivalences:
        yield f"[{STYLES[judged.verdict]}]{judged.verdict}[/] {escape(sentence(judged))}"
    for weights in variant.weights:
        yield f"same weights: {escape(labels(weights))}"
    if not variant.weights:
        yield f"same weights: {NO_SAME_WEIGHTS}"
    for pair in variant.identities:
        for name, side in (("A", pair.a), ("B", pair.b)):
            if side is not None and not side.holds:
                yield f"[bold red]REGRESSED[/] on {name}: {escape(f'{pair.name}: {identity(side)}')}"
    if variant.identities:
        held = " and ".join(
            _held(name, [pair.a if name == "A" else pair.b for pair in variant.identities]) for name in "AB"
        )
        yield f"identities: {held}"


def _held(name: str, checked: Sequence[IdentitySide | None]) -> str:
    sides = [side for side in checked if side is not None]
    worst = max((side.share or 0.0 for side in sides), default=0.0)
    return f"{len(sides)} on {name}, errors at most {worst:.2g} of the tolerance"


def sentence(judged: Equivalence) -> str:
    """Say what was found of a score; shares are told in percent and points."""
    share = not judged.unit
    factor, unit, points = (100.0, "%", " points") if share else (1.0, f" {judged.unit}", f" {judged.unit}")
    means = " and ".join(f"{factor * mean:.5g}{unit}" for mean in judged.mean)
    told = f"{judged.metric}: {means} ({judged.runs[0]} and {judged.runs[1]} runs), difference {factor * judged.difference:+.3g}{points}"
    if judged.lower is not None and judged.upper is not None:
        told += f", 90% interval {factor * judged.lower:+.3g} to {factor * judged.upper:+.3g}"
    if judged.margin is not None:
        told += f", margin {factor * judged.margin:.3g}{points}"
    told += f": {judged.reason}"
    return told + (
        f". About {judged.runs_to_decide} runs a side would decide" if judged.runs_to_decide else ""
    )


def labels(found: SameWeights) -> str:
    """Say what was found label by label."""
    checkpoints = f"{found.checkpoints} checkpoint{'s' * (found.checkpoints != 1)}"
    head = f"set {found.told}, {_runs(found.runs)}, {found.labels:,} labels, {checkpoints}"
    if not found.changed:
        return f"{head}: zero labels changed"
    return (
        f"{head}: {found.changed} labels changed, {found.worse} for the worse and {found.better} for the better;"
        f" exact McNemar p = {found.p:.2g}{_over(found)}"
    )


def _over(found: SameWeights) -> str:
    return f", over the {found.tested} that saw the same images" if found.tested < found.runs else ""


def identity(side: IdentitySide) -> str:
    """Write error and tolerance."""
    share = "" if side.share is None else f", {side.share:.2g} of it"
    return f"error {side.error:.2g}, tolerance {side.tolerance:.2g}{share}{f' ({side.dtype})' if side.dtype else ''}"
