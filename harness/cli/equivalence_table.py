"""A comparison as the terminal shows it: a table a variant, then scores, labels, identities, and what could not be compared."""

from __future__ import annotations

import typing

from rich.table import Table

from harness.judging import equivalence
from harness.store.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from harness.records import Amount, Compared, Contrast, Score, VariantSides

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


def show(console: Console, compared: Compared) -> None:
    """Print a comparison."""
    for variant in compared.variants:
        print_table(console, _table(variant))
        for line in _lines(variant, compared):
            console.print(line, highlight=False, soft_wrap=True)
    for reason in compared.left_out:
        console.print(f"[yellow]not compared[/] {marked(reason)}", highlight=False, soft_wrap=True)


def _table(variant: VariantSides) -> Table:
    table = Table(title=marked(f"{variant.title}, tier {variant.tier}"), title_justify="left")
    table.add_column("stage", overflow="fold", min_width=8)
    table.add_column("what", no_wrap=True)
    two = len(variant.sides) == 2
    for side in variant.sides:
        table.add_column(marked(side.name), justify="right", overflow="fold")
    for name in ("ratio", "interval") if two else ():
        table.add_column(name, justify="right", no_wrap=True)
    for score in variant.scores:
        means = ["—" if side is None else _share(score, side.mean) for side in score.sides]
        table.add_row("", marked(score.metric), *means)
    for contrast in variant.contrasts:
        if contrast.metric in _SHOWN:
            row = [cells(contrast, side) for side in contrast.sides]
            values = [value if two or ratio == "—" else f"{value} ×{ratio}" for value, ratio, _ in row]
            table.add_row(
                marked(contrast.stage), _SHOWN[contrast.metric], *values, *(row[1][1:] if two else ())
            )
    known = [side for contrast in variant.contrasts for side in contrast.sides if side]
    covered = [side.coverage for side in known if side.lower is not None]
    notes = [f"{side.name}: {len(side.seeds)} run{'s' * (len(side.seeds) != 1)}" for side in variant.sides]
    notes += [f"intervals cover {min(covered):.0%}"] if covered and two else []
    notes += ["~ disturbed"] if any(side.disturbed for side in known) else []
    table.caption, table.caption_justify = marked("; ".join(notes)), "left"
    return table


def cells(contrast: Contrast, side: Amount | None) -> tuple[str, str, str]:
    """Write a side's median, its ratio to the reference, and the ratio's interval; a tilde marks a ratio of disturbed times."""
    if side is None:
        return "—", "—", "—"
    ratio = "—" if side.ratio is None else f"{'~' if side.disturbed else ''}{side.ratio:.3g}"
    interval = "—" if side.lower is None or side.upper is None else f"{side.lower:.3g} to {side.upper:.3g}"
    value = f"{side.median:,.0f} /s" if contrast.unit == "1/s" else f"{side.median:.3g} {contrast.unit}"
    return f"{side.median / 2**20:,.1f} MiB" if contrast.unit == "B" else value, ratio, interval


def _share(score: Score, value: float) -> str:
    return f"{100 * value:.5g}%" if score.share else f"{value:.5g} {score.unit}".rstrip()


def _lines(variant: VariantSides, compared: Compared) -> Iterator[str]:
    for side in variant.sides:
        reference = ", the reference" if side is variant.sides[0] else ""
        yield f"{marked(side.name)}: {marked(compared.jobs[side.job].folder)}{reference}"
    for note in variant.notes:
        yield f"[yellow]note[/] {marked(note)}"
    for score in variant.scores:
        for index, other in enumerate(score.sides):
            if other is not None and other.judged is not None:
                verdict = other.judged.verdict
                yield f"[{STYLES[verdict]}]{verdict}[/] {marked(sentence(variant, score, index))}"
    for weights in variant.weights:
        yield f"same weights: {marked(equivalence.labels(variant, weights))}"
    if not variant.weights:
        yield f"same weights: {NO_SAME_WEIGHTS}"
    held = []
    for index, side in enumerate(variant.sides):
        checks = [
            (identity.name, check) for identity in variant.identities if (check := identity.sides[index])
        ]
        for name, check in checks:
            if not check.holds:
                error = f"{name}: error {check.error:.2g}, tolerance {check.tolerance:.2g}"
                error += f" ({check.dtype})" if check.dtype else ""
                yield f"[bold red]REGRESSED[/] on {marked(side.name)}: {marked(error)}"
        worst = max((check.share or 0.0 for _, check in checks), default=0.0)
        held.append(f"{len(checks)} on {side.name} with errors of at most {worst:.2g} of the tolerance")
    if variant.identities:
        yield f"identities: {marked(', '.join(held))}"


def sentence(variant: VariantSides, score: Score, index: int) -> str:
    """Say how a side's score compares with the reference's; shares in percent and points."""
    first, other = score.sides[0], score.sides[index]
    if first is None or other is None or other.judged is None:
        raise ValueError(f"side {index} has no verdict on {score.metric}")
    judged = other.judged
    difference, interval, margin = equivalence.amounts(score, judged)
    means = [
        f"{_share(score, side.mean)} on {variant.sides[place].name} ({side.runs} runs)"
        for place, side in ((0, first), (index, other))
    ]
    text = f"{score.metric}: {', '.join(means)}, difference {difference}"
    text += f", 90% interval {interval}" * bool(interval) + f", margin {margin}" * bool(margin)
    more = f". About {judged.runs_to_decide} runs a side would decide" if judged.runs_to_decide else ""
    return f"{text}: {judged.reason}{more}"
