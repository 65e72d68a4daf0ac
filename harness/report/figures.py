"""Figures of a run as the page shows them: drawing, legend, text alternative, and the data as a download."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StorageError
from harness.report import downloads, palette, plots
from harness.store import files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from markupsafe import Markup
    from numpy.typing import NDArray

    from harness.records import Figure, RunResult
    from harness.report.downloads import Download

    Numbers = NDArray[np.float64]

MOST_REPEATS = 20
"""Runs that a band goes over."""
MOST_IMAGES = 20
"""Rows, and columns, of images shown."""
_SIGNED_SHARE = 0.2
"""Share of the largest value from which negative values are drawn as such; below they are overshoot."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One entry of a legend."""

    label: str
    """Name of the series."""
    colour: int
    """Index of the series colour."""
    dash: str
    """SVG dash pattern; empty for a full line."""
    marker: str
    """SVG path of the marker of points."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One row of an image grid."""

    label: str
    """Row label."""
    cells: tuple[tuple[str, str], ...]
    """Data address and text alternative of each image."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One drawing of a figure: a plot, or a grid of images."""

    label: str = ""
    """Name of the series, if the panel shows one of several."""
    svg: Markup | None = None
    """The plot."""
    columns: tuple[str, ...] = ()
    """Column labels of images."""
    rows: tuple[ImageRow, ...] = ()
    """Images."""
    colours: tuple[str, str, str] | None = None
    """Lowest value, address of a strip of colours, highest value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure as the page shows it."""

    figure: Figure
    """What the run stored."""
    anchor: str
    """Id on the page."""
    problem: str = ""
    """Why it cannot be drawn; empty if it can."""
    panels: tuple[Panel, ...] = ()
    """What is drawn."""
    legend: tuple[Key, ...] = ()
    """Series by colour and dash, if there are several in one panel."""
    note: str = ""
    """What the reader must know of the drawing: scale, thinning."""
    data: Download | None = None
    """The numbers; None if they are too large for the page."""
    stored: str = ""
    """Where the arrays lie."""


def draw_all(
    result: RunResult, folder: Path, prefix: str, ids: str, repeats: Sequence[str] = ()
) -> list[Drawing]:
    """Draw every figure of one run; one that cannot be drawn says why in its place.

    Parameters
    ----------
    result : RunResult
        A run with a measurement.
    folder : Path
        Folder of the job.
    prefix : str
        Anchor of the variant, unique on the page.
    ids : str
        Put before the ids within drawings; short and unique on the page.
    repeats : sequence of str
        Folders, below the job's, of the same variant's other runs: a line is drawn as the mean of all, with a band from the lowest to the highest.
    """
    figures = result.measurement.figures if result.measurement else ()
    if not figures:
        return []
    anchors = [f"{prefix}--figure-{index}" for index in range(1, len(figures) + 1)]
    stored = f"{result.folder}/arrays.npz"
    try:
        stored_arrays = files.read_npz_below(folder, stored)
    except StorageError as error:
        problem = f"The arrays of this run cannot be read: {error}."
        return [Drawing(figure=f, anchor=a, problem=problem) for f, a in zip(figures, anchors, strict=True)]
    drawn = any(figure.kind == "lines" for figure in figures)
    others = (
        [found for place in repeats[: MOST_REPEATS - 1] if (found := _repeat(folder, place))] if drawn else []
    )
    return [
        _draw(figure, stored_arrays, a, stored, f"{ids}f{number}", others)
        for number, (figure, a) in enumerate(zip(figures, anchors, strict=True))
    ]


def _repeat(folder: Path, place: str) -> Mapping[str, NDArray[np.generic]]:
    """Read another run's arrays; none if they cannot be read, as the band says over how many runs it goes."""
    try:
        return files.read_npz_below(folder, f"{place}/arrays.npz")
    except StorageError:
        return {}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A series as it is drawn."""

    values: NDArray[np.generic]
    """Its array; of a line that other runs have too, the mean of all."""
    band: plots.Band | None = None
    """Lowest and highest value over runs at each point."""
    runs: int = 1
    """Runs that `values` is the mean of."""


def _over_runs(
    figure: Figure, key: str, stored: NDArray[np.generic], others: Sequence[Mapping[str, NDArray[np.generic]]]
) -> _Line:
    """Average a line over the runs that have the same points; what is no line stays as this run stored it."""
    if figure.kind != "lines":
        return _Line(values=stored)
    x, y = plots.line_points(figure, stored.astype(np.float64))
    every = [y]
    for other in others:
        repeat = other.get(key)
        if repeat is None or repeat.shape != stored.shape or repeat.dtype.kind not in "fiub":
            continue
        at, again = plots.line_points(figure, repeat.astype(np.float64))
        if np.array_equal(at, x):
            every.append(again)
    if len(every) == 1:
        return _Line(values=stored)
    runs = np.stack(every)  # (runs, points)
    mean = runs.mean(axis=0)
    values = np.stack([x, mean]) if stored.ndim == 2 else mean
    return _Line(values=values, band=(runs.min(axis=0), runs.max(axis=0)), runs=len(every))


def _draw(
    figure: Figure, found: Mapping[str, NDArray[np.generic]], anchor: str, stored: str, ids: str,
    others: Sequence[Mapping[str, NDArray[np.generic]]],
) -> Drawing:  # fmt: skip
    keys = [f"{figure.name}/{i}" for i in range(max(1, len(figure.series)))]
    try:
        lines = [_over_runs(figure, key, _numbers(found, key), others) for key in keys]
        panels, legend, note = _panels(figure, lines, ids)
    except (ValueError, KeyError) as error:
        problem = f"The arrays do not hold what the figure needs: {error.args[0]}."
        return Drawing(figure=figure, anchor=anchor, problem=problem)
    return Drawing(
        figure=figure, anchor=anchor, panels=panels, legend=legend, note=note,
        data=downloads.arrays(figure.series or ("",), [line.values for line in lines]), stored=stored,
    )  # fmt: skip


def _numbers(found: Mapping[str, NDArray[np.generic]], key: str) -> NDArray[np.generic]:
    if key not in found:
        raise KeyError(f"there is no array '{key}'")
    array = found[key]
    if array.dtype.kind not in "fiub" or not array.size:
        raise ValueError(f"array '{key}' of shape {array.shape} and dtype {array.dtype} holds no numbers")
    return array


def _panels(
    figure: Figure, lines: Sequence[_Line], ids: str
) -> tuple[tuple[Panel, ...], tuple[Key, ...], str]:
    series = [line.values.astype(np.float64) for line in lines]
    labels = figure.series if len(series) > 1 else ("",)
    if figure.kind == "images":
        drawn = [_images(figure, values, label) for values, label in zip(series, labels, strict=True)]
        return tuple(panel for panel, _ in drawn), (), drawn[0][1]
    if figure.kind == "heatmap":
        each = enumerate(zip(series, labels, strict=True))
        return tuple(_heatmap(figure, v, label, f"{ids}p{i}") for i, (v, label) in each), (), ""
    bands, runs = [line.band for line in lines], max(line.runs for line in lines)
    panel = Panel(svg=plots.draw(figure, series, ids, describe(figure, series), bands))
    note = (
        f"Lines: mean over {runs} runs; bands: lowest to highest." if runs > 1 else _thinned(figure, series)
    )
    return (panel,), _legend(figure), note


def _legend(figure: Figure) -> tuple[Key, ...]:
    if len(figure.series) < 2:
        return ()
    dashes, markers = palette.SVG_DASHES, palette.SVG_MARKERS
    return tuple(
        Key(
            label=label, colour=index % len(palette.LIGHT),
            dash=dashes[index % len(dashes)], marker=markers[index % len(markers)],
        )
        for index, label in enumerate(figure.series)
    )  # fmt: skip


def _thinned(figure: Figure, series: Sequence[Numbers]) -> str:
    every = plots.thinning(series) if figure.kind == "scatter" else 1
    return f"One point in {every} is drawn." if every > 1 else ""


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
    names = [_label(figure.rows, row, "row") for row in range(rows)]
    heads = [_label(figure.columns, column, "column") for column in range(columns)]
    grid = tuple(
        ImageRow(
            label=names[row] if figure.rows else "",
            cells=tuple(
                (png(shades[row, column]), f"{names[row]}, {heads[column]}") for column in range(columns)
            ),
        )
        for row in range(rows)
    )
    return Panel(label=label, rows=grid, columns=tuple(heads) if figure.columns else ()), note


def _label(labels: Sequence[str], index: int, what: str) -> str:
    return labels[index] if index < len(labels) else f"{what} {index + 1}"


def shade(values: Numbers) -> tuple[NDArray[np.uint8], str]:
    """Turn values into grey, or into blue and vermillion if they have signs, on one scale for the whole grid.

    Parameters
    ----------
    values : float64 array (rows, columns, height, width)

    Returns
    -------
    uint8 array (rows, columns, height, width) or (rows, columns, height, width, 3)
    str
        The scale in words.
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
    return downloads.address("image/png", content.getvalue())
