"""A comparison as the terminal shows it: a table a variant, then scores, labels, identities, and what could not be compared."""

from __future__ import annotations

import typing

from rich.table import Table

from harness.store.visible import marked, print_table, say

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from harness.records import Amount, Compared, Contrast, IdentitySide, SameWeights, Score, VariantSides

STYLES = {"equivalent": "green", "different": "yellow", "INCONCLUSIVE": "yellow"}
_SHOWN = {
    "seconds": "time",
    "first_step_seconds": "first step",
    "step_seconds": "later step",
    "images_per_second": "rate",
    "above_imports_bytes": "memory",
    "device_allocated_bytes": "device memory",
}
"""Metrics of the table in words; ``compare.json`` and the page have the others."""
NO_SAME_WEIGHTS = "on no set. To compare label by label, run the reference with --keep-weights, then the other with --weights and its folder"


def show(console: Console, found: Compared) -> None:
    """Print what was found."""
    for variant in found.variants:
        print_table(console, _table(variant))
        for line in _lines(variant, found):
            say(console, line)
    for reason in found.left_out:
        say(console, f"[yellow]not compared[/] {marked(reason)}")


def _table(variant: VariantSides) -> Table:
    table = Table(title=marked(f"{variant.title}, tier {variant.tier}"), title_justify="left")
    table.add_column("stage", overflow="fold", min_width=8)
    table.add_column("what", no_wrap=True)
    two = len(variant.sides) == 2
    for side in variant.sides:
        table.add_column(marked(side.name), justify="right", overflow="fold")
    if two:
        table.add_column("ratio", justify="right", no_wrap=True)
        table.add_column("interval", justify="right", no_wrap=True)
    for score in variant.scores:
        values = ["—" if side is None else _share(score, side.mean) for side in score.sides]
        table.add_row("", marked(score.metric), *values, *[""] * (2 * two))
    for contrast in variant.contrasts:
        if contrast.metric not in _SHOWN:
            continue
        row = [cells(contrast, side) for side in contrast.sides]
        values = [value if two or ratio == "—" else f"{value} ×{ratio}" for value, ratio, _ in row]
        table.add_row(marked(contrast.stage), _SHOWN[contrast.metric], *values, *(row[1][1:] if two else ()))
    amounts = [side for contrast in variant.contrasts for side in contrast.sides if side]
    covered = [side.coverage for side in amounts if side.lower is not None]
    notes = [f"{side.name}: {len(side.seeds)} run{'s' * (len(side.seeds) != 1)}" for side in variant.sides]
    notes += [f"intervals cover {min(covered):.0%}"] if covered and two else []
    notes += ["~ disturbed"] if any(side.disturbed for side in amounts) else []
    table.caption, table.caption_justify = marked("; ".join(notes)), "left"
    return table


def cells(contrast: Contrast, side: Amount | None) -> tuple[str, str, str]:
    """Write a side's median, its ratio to the reference, and the ratio's interval; a tilde marks a ratio of disturbed times."""
    if side is None:
        return "—", "—", "—"
    ratio = "—" if side.ratio is None else f"{'~' if side.disturbed else ''}{side.ratio:.3g}"
    interval = "—" if side.lower is None or side.upper is None else f"{side.lower:.3g} to {side.upper:.3g}"
    return _quantity(side.median, contrast.unit), ratio, interval


def _quantity(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 2**20:,.1f} MiB"
    return f"{value:,.0f} /s" if unit == "1/s" else f"{value:.3g} {unit}"


def _share(score: Score, value: float) -> str:
    return f"{100 * value:.5g}%" if score.share else f"{value:.5g} {score.unit}".rstrip()


def _lines(variant: VariantSides, found: Compared) -> Iterator[str]:
    for side in variant.sides:
        yield f"{marked(side.name)}: {marked(found.jobs[side.job].folder)}{', the reference' if side is variant.sides[0] else ''}"
    for note in variant.notes:
        yield f"[yellow]note[/] {marked(note)}"
    for score in variant.scores:
        for index, other in enumerate(score.sides):
            if other is not None and other.judged is not None:
                verdict = other.judged.verdict
                yield f"[{STYLES[verdict]}]{verdict}[/] {marked(sentence(variant, score, index))}"
    for weights in variant.weights:
        yield f"same weights: {marked(labels(variant, weights))}"
    if not variant.weights:
        yield f"same weights: {NO_SAME_WEIGHTS}"
    for identity in variant.identities:
        for side, check in zip(variant.sides, identity.sides, strict=True):
            if check is not None and not check.holds:
                yield f"[bold red]REGRESSED[/] on {marked(side.name)}: {marked(f'{identity.name}: {_error(check)}')}"
    if variant.identities:
        held = [_held(variant, index) for index in range(len(variant.sides))]
        yield f"identities: {marked(', '.join(held))}"


def _held(variant: VariantSides, index: int) -> str:
    sides = [side for identity in variant.identities if (side := identity.sides[index]) is not None]
    worst = max((side.share or 0.0 for side in sides), default=0.0)
    return f"{len(sides)} on {variant.sides[index].name} with errors of at most {worst:.2g} of the tolerance"


def sentence(variant: VariantSides, score: Score, index: int) -> str:
    """Say how a side's score compares with the reference's; shares in percent and points."""
    first, other = score.sides[0], score.sides[index]
    if first is None or other is None or other.judged is None:
        raise ValueError(f"side {index} has no verdict on {score.metric}")
    judged = other.judged
    factor, unit = (100.0, " points") if score.share else (1.0, f" {score.unit}".rstrip())
    text = (
        f"{score.metric}: {_share(score, first.mean)} on {variant.sides[0].name} ({first.runs} runs), {_share(score, other.mean)} on"
        f" {variant.sides[index].name} ({other.runs} runs), difference {factor * judged.difference:+.3g}{unit}"
    )
    if judged.lower is not None and judged.upper is not None:
        text += f", 90% interval {factor * judged.lower:+.3g} to {factor * judged.upper:+.3g}"
    if judged.margin is not None:
        text += f", margin {factor * judged.margin:.3g}{unit}"
    more = f". About {judged.runs_to_decide} runs a side would decide" if judged.runs_to_decide else ""
    return f"{text}: {judged.reason}{more}"


def labels(variant: VariantSides, found: SameWeights) -> str:
    """Say what the same weights came to, label by label."""
    head = (
        f"set {found.title} on {variant.sides[found.side].name}, {found.runs} run{'s' * (found.runs != 1)}, {found.labels:,} labels,"
        f" {found.checkpoints} checkpoint{'s' * (found.checkpoints != 1)}"
    )
    if not found.changed:
        return f"{head}: zero labels changed"
    over = f", over the {found.tested} that saw the same images" if found.tested < found.runs else ""
    return (
        f"{head}: {found.changed} labels changed, {found.worse} for the worse and {found.better} for the better;"
        f" exact McNemar p = {found.p:.2g}{over}"
    )


def _error(side: IdentitySide) -> str:
    share = "" if side.share is None else f", {side.share:.2g} of it"
    return f"error {side.error:.2g}, tolerance {side.tolerance:.2g}{share}{f' ({side.dtype})' if side.dtype else ''}"
