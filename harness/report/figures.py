"""Figures of a run as the page shows them: drawing, legend, text alternative, and the data as a download."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import typing

import numpy as np

from harness.errors import StorageError
from harness.report import palette, plots
from harness.store import files
from harness.store.visible import harmless

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from markupsafe import Markup
    from numpy.typing import NDArray

    from harness.records import Figure, RunResult

    Array = NDArray[np.generic]
    Numbers = NDArray[np.float64]

MOST_REPEATS = 20
"""Runs that a band goes over."""
MOST_IMAGES = 20
"""Rows, and columns, of images shown."""
MOST_CSV_BYTES = 24_000
"""Numbers up to this size travel within the page."""
_SIGNED_SHARE = 0.2
"""Share of the largest value from which negative values are drawn as such; below they are overshoot."""


class Key(typing.NamedTuple):
    """One entry of a legend."""

    label: str
    colour: int  # index of the series colour
    dash: str  # SVG dash pattern; empty for a full line
    marker: str  # SVG path of the marker of points


class ImageRow(typing.NamedTuple):
    """One row of an image grid."""

    label: str
    cells: tuple[tuple[str, str], ...]  # data address and text alternative of each image


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One drawing of a figure: a plot, or a grid of images."""

    label: str = ""  # name of the series, if the panel shows one of several
    svg: Markup | None = None
    columns: tuple[str, ...] = ()  # column labels of images
    rows: tuple[ImageRow, ...] = ()
    colours: tuple[str, str, str] | None = None  # lowest value, address of a strip of colours, highest value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure as the page shows it."""

    figure: Figure
    anchor: str  # id on the page
    problem: str = ""  # why it cannot be drawn
    panels: tuple[Panel, ...] = ()
    legend: tuple[Key, ...] = ()  # series by colour and dash, if there are several in one panel
    note: str = ""  # scale, thinning
    data: str = ""  # data address of the numbers as CSV; empty if they are too large for the page
    stored: str = ""  # where the arrays lie


def draw_all(
    result: RunResult, folder: Path, prefix: str, ids: str, repeats: Sequence[str] = ()
) -> list[Drawing]:
    """Draw every figure of one run; one that cannot be drawn says why in its place.

    `prefix` is the anchor of the variant; `ids` stands before the ids within drawings; both are unique on the page. `repeats` are
    folders, below the job's, of the same variant's other runs: a line is drawn as the mean of all, with a band from the lowest to
    the highest.
    """
    figures = result.measurement.figures if result.measurement else ()
    if not figures:
        return []
    anchors = [f"{prefix}--figure-{index}" for index in range(1, len(figures) + 1)]
    stored = f"{result.folder}/arrays.npz"
    try:
        arrays = files.read_npz_below(folder, stored)
    except StorageError as error:
        problem = f"The arrays of this run cannot be read: {error}."
        return [Drawing(figure=f, anchor=a, problem=problem) for f, a in zip(figures, anchors, strict=True)]
    others = []
    if any(figure.kind == "lines" for figure in figures):
        for place in repeats[: MOST_REPEATS - 1]:
            try:
                others.append(files.read_npz_below(folder, f"{place}/arrays.npz"))
            except StorageError:
                continue  # the note of each figure says over how many runs its band goes
    return [
        _draw(figure, arrays, anchor, stored, f"{ids}f{number}", others)
        for number, (figure, anchor) in enumerate(zip(figures, anchors, strict=True))
    ]


class _Line(typing.NamedTuple):
    """A series as it is drawn."""

    values: Array  # of a line that other runs have too, the mean of all
    band: plots.Band | None = None  # lowest and highest value over runs at each point
    runs: int = 1  # that `values` is the mean of


def _over_runs(figure: Figure, key: str, stored: Array, others: Sequence[Mapping[str, Array]]) -> _Line:
    """Average a line over the runs that have the same points; anything else stays as this run stored it."""
    if figure.kind != "lines":
        return _Line(stored)
    x, y = plots.line_points(figure, stored.astype(np.float64))
    every = [y]
    for other in others:
        repeat = other.get(key)
        if repeat is not None and repeat.shape == stored.shape and repeat.dtype.kind in "fiub":
            at, again = plots.line_points(figure, repeat.astype(np.float64))
            every += [again] if np.array_equal(at, x) else []
    if len(every) == 1:
        return _Line(stored)
    runs = np.stack(every)  # (runs, points)
    mean = runs.mean(axis=0)
    return _Line(
        np.stack([x, mean]) if stored.ndim == 2 else mean, (runs.min(axis=0), runs.max(axis=0)), len(every)
    )


def _draw(
    figure: Figure, arrays: Mapping[str, Array], anchor: str, stored: str, ids: str, others: Sequence[Mapping[str, Array]]
) -> Drawing:  # fmt: skip
    keys = [f"{figure.name}/{index}" for index in range(max(1, len(figure.series)))]
    try:
        lines = [_over_runs(figure, key, _numbers(arrays, key), others) for key in keys]
        panels, note = _panels(figure, lines, ids)
    except ValueError as error:
        problem = f"The arrays do not hold what the figure needs: {error}."
        return Drawing(figure=figure, anchor=anchor, problem=problem)
    legend = [
        Key(
            label, index % len(palette.LIGHT), palette.SVG_DASHES[index % len(palette.SVG_DASHES)],
            palette.SVG_MARKERS[index % len(palette.SVG_MARKERS)],
        )
        for index, label in enumerate(figure.series)
    ]  # fmt: skip
    several = len(legend) > 1 and figure.kind not in {"images", "heatmap"}
    return Drawing(
        figure=figure, anchor=anchor, panels=panels, legend=tuple(legend) if several else (), note=note,
        data=_csv_of(figure.series or ("",), [line.values for line in lines]), stored=stored,
    )  # fmt: skip


def _numbers(arrays: Mapping[str, Array], key: str) -> Array:
    if key not in arrays:
        raise ValueError(f"there is no array '{key}'")
    array = arrays[key]
    if array.dtype.kind not in "fiub" or not array.size:
        raise ValueError(f"array '{key}' of shape {array.shape} and dtype {array.dtype} holds no numbers")
    return array


def _panels(figure: Figure, lines: Sequence[_Line], ids: str) -> tuple[tuple[Panel, ...], str]:
    series = [line.values.astype(np.float64) for line in lines]
    labels = figure.series if len(series) > 1 else ("",)
    if figure.kind == "images":
        drawn = [_images(figure, values, label) for values, label in zip(series, labels, strict=True)]
        return tuple(panel for panel, _ in drawn), drawn[0][1]
    if figure.kind == "heatmap":
        labelled = enumerate(zip(series, labels, strict=True))
        return tuple(
            _heatmap(figure, values, label, f"{ids}p{index}") for index, (values, label) in labelled
        ), ""
    bands, runs = [line.band for line in lines], max(line.runs for line in lines)
    panel = Panel(svg=plots.draw(figure, series, ids, describe(figure, series), bands))
    if runs > 1:
        return (panel,), f"Lines: mean over {runs} runs; bands: lowest to highest."
    every = plots.thinning(series) if figure.kind == "scatter" else 1
    return (panel,), f"One point in {every} is drawn." if every > 1 else ""


def describe(figure: Figure, series: Sequence[Numbers]) -> str:
    """Return the text alternative of a plot: kind, axes, and the range of each series."""
    kind = {"lines": "Line plot", "scatter": "Scatter plot", "bars": "Bar chart", "heatmap": "Heat map"}[
        figure.kind
    ]
    axes = " against ".join(part for part in (figure.y, figure.x) if part)
    labels = figure.series if len(figure.series) == len(series) else ("",) * len(series)
    ranges = [f"{label} {_range(values)}".strip() for label, values in zip(labels, series, strict=True)]
    return f"{kind}: {figure.title}{f' ({axes})' if axes else ''}. Ranges: {'; '.join(ranges)}."


def _range(values: Numbers) -> str:
    if values.ndim == 2 and len(values) == 2:
        values = values[1]
    finite = values[np.isfinite(values)]
    return f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "without a finite value"


def _heatmap(figure: Figure, values: Numbers, label: str, ids: str) -> Panel:
    plots.require(values.ndim == 2, figure, values.shape, "(rows, columns)")
    low, high, colours = plots.colour_range(values)
    shades = colours(np.linspace(0, 1, 64), bytes=True)[None, :, :3]  # (1, 64, 3)
    strip = (f"{low:.4g}", png(shades), f"{high:.4g}")
    svg = plots.draw(figure, [values], ids, describe(figure, [values]))
    return Panel(label=label, svg=svg, colours=strip)


def _images(figure: Figure, values: Numbers, label: str) -> tuple[Panel, str]:
    plots.require(values.ndim == 4, figure, values.shape, "(rows, columns, height, width)")
    shades, note = shade(values)
    rows, columns = (min(size, MOST_IMAGES) for size in values.shape[:2])
    if (rows, columns) != values.shape[:2]:
        note += f" The first {rows} × {columns} of {values.shape[0]} × {values.shape[1]} images are shown."
    names = [*figure.rows, *(f"row {row}" for row in range(len(figure.rows) + 1, rows + 1))]
    heads = [*figure.columns, *(f"column {column}" for column in range(len(figure.columns) + 1, columns + 1))]
    grid = []
    for row in range(rows):
        cells = ((png(shades[row, column]), f"{names[row]}, {heads[column]}") for column in range(columns))
        grid.append(ImageRow(names[row] if figure.rows else "", tuple(cells)))
    return Panel(
        label=label, rows=tuple(grid), columns=tuple(heads[:columns]) if figure.columns else ()
    ), note


def shade(values: Numbers) -> tuple[NDArray[np.uint8], str]:
    """Turn images (rows, columns, height, width) into grey, or into blue and vermillion if they have signs, on one scale for all.

    Returns uint8 (rows, columns, height, width), coloured with a last axis of 3; and the scale in words.
    """
    finite = np.where(np.isfinite(values), values, 0.0)
    low, high = float(finite.min()), float(finite.max())
    if low < -_SIGNED_SHARE * max(high, 0.0):
        largest = max(-low, high)
        colours = palette.diverging()((finite + largest) / (2 * largest), bytes=True)[..., :3]
        return colours, f"Blue is negative, vermillion positive, up to ±{largest:.3g}; one scale for all."
    low = max(low, 0.0)
    grey = np.clip((finite - low) / (high - low if high > low else 1.0), 0, 1)
    return np.round(grey * 255).astype(np.uint8), f"Black is {low:.3g}, white {high:.3g}; one scale for all."


def png(shades: NDArray[np.uint8]) -> str:
    """Return an image (h, w) or (h, w, 3) as the data address of a PNG."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shades)).save(content, format="PNG", optimize=True)
    return _address("image/png", content.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def csv_address(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as the data address of a CSV (RFC 4180); a text that a spreadsheet would take for a formula gets an apostrophe in front."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return _address("text/csv;charset=utf-8", out.getvalue().encode())


def _csv_of(labels: Sequence[str], arrays: Sequence[Array]) -> str:
    """Write arrays in long form (series, index along each axis, value); empty if that is too long for a page."""
    if sum(values.size for values in arrays) * 12 > MOST_CSV_BYTES:
        return ""
    depth = max(values.ndim for values in arrays)
    rows: list[Sequence[object]] = [["series", *(f"index{axis}" for axis in range(depth)), "value"]]
    for label, values in zip(labels, arrays, strict=True):
        for index, value in np.ndenumerate(values):
            rows.append([label, *index, *[""] * (depth - len(index)), f"{value:.9g}"])
    address = csv_address(rows)
    return address if len(address) * 3 // 4 <= MOST_CSV_BYTES else ""
