"""Lines, scatter, bars and heatmaps as inline SVG through matplotlib, without its global state of figures.

Text stays text, colours become CSS variables, and nothing depends on time or chance: same arrays, same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from harness.machine import imports
from harness.report import palette

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from harness.records import Figure

    Numbers = NDArray[np.float64]
    Band = tuple[Numbers, Numbers]

WIDTH, HEIGHT = 380, 236
"""Size of a plot, CSS pixels; small, so that its text stays readable on a phone."""
MOST_POINTS = 1200
"""Points drawn in one scatter plot; of more, every nth is drawn."""
MOST_NUMBERED_CELLS = 120
"""Cells up to which a heatmap writes its numbers."""
_MANY_POINTS_OF_A_LINE = 40

_STYLE: Any = {
    "svg.fonttype": "none",  # the page's fonts draw the text
    "svg.hashsalt": "harness",
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": palette.RULE,
    "grid.linewidth": 0.7,
    "text.color": palette.INK,
    "axes.labelcolor": palette.INK,
    "axes.edgecolor": palette.INK,
    "xtick.color": palette.INK,
    "ytick.color": palette.INK,
    "lines.linewidth": 1.7,
    "image.interpolation": "none",
}


def draw(
    figure: Figure, series: Sequence[Numbers], prefix: str, alt: str, bands: Sequence[Band | None] = ()
) -> Markup:
    """Draw the series of a figure of kind lines, scatter, bars or heatmap into one set of axes.

    The shapes of `series` are those that `harness.records.Figure` says for the kind; a heatmap has one. `prefix` stands before every
    id in the drawing, short and unique on the page; `alt` is the text alternative. `bands` are the lowest and highest value, (n,)
    each, over repeats at each point of a line; None for a series without. Raises ValueError if a shape does not fit the kind.
    """

    def paint(axes: Axes) -> None:
        for index, band in enumerate(bands):
            if band is not None:
                x, _ = line_points(figure, series[index])
                axes.fill_between(*_columns(x, *band), color=colour(index), alpha=0.18, linewidth=0)
        _KINDS[figure.kind](axes, figure, series)
        axes.set_xlabel(figure.x)
        axes.set_ylabel(figure.y)

    height: float = HEIGHT
    if figure.kind == "heatmap" and len(series[0]) <= 40:
        height = min(330, max(150, 70 + 17 * series[0].shape[0]))
    return painted(paint, height, prefix, alt)


def painted(paint: Callable[[Axes], None], height: float, prefix: str, alt: str) -> Markup:
    """Return what `paint` draws, in the placeholders of `harness.report.palette`, as part of the page; `height` in CSS pixels."""
    matplotlib = imports.matplotlib()
    from matplotlib.figure import Figure as Canvas

    # a user's own settings, from a file or made by code in this process, would change the page
    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    with matplotlib.rc_context(defaults | _STYLE), warnings.catch_warnings():
        # matplotlib's font only measures names of other scripts, the browser's fonts draw them
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        canvas = Canvas(figsize=(WIDTH / 72, height / 72), layout="constrained")
        axes = canvas.add_subplot()
        paint(axes)
        axes.tick_params(length=3, width=0.8)
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        canvas.savefig(text, format="svg", transparent=True, metadata=nothing)
    return _inline(text.getvalue(), prefix, alt)


def require(fits: bool, figure: Figure, shape: tuple[int, ...], needed: str) -> None:
    """Raise ValueError that names the figure's kind and both shapes unless `fits`."""
    if not fits:
        raise ValueError(
            f"an array of shape {shape} does not fit the kind '{figure.kind}', which needs {needed}"
        )


def line_points(figure: Figure, values: Numbers) -> tuple[Numbers, Numbers]:
    """Return x and y of a line: (n,) counts from 1, (2, n) brings its own x; any other shape is a ValueError."""
    pairs = values.ndim == 2 and len(values) == 2
    require(values.ndim == 1 or pairs, figure, values.shape, "(n,) or (2, n)")
    return (values[0], values[1]) if pairs else (np.arange(1.0, len(values) + 1), values)


def _lines(axes: Axes, figure: Figure, series: Sequence[Numbers]) -> None:
    for index, values in enumerate(series):
        x, y = line_points(figure, values)
        marker = _marker(index) if len(x) <= _MANY_POINTS_OF_A_LINE else ""
        dashes: Any = palette.DASHES[index % len(palette.DASHES)]  # lines differ without colour
        axes.plot(x, y, color=colour(index), linestyle=dashes, marker=marker, markersize=3.2)


def _columns(x: Numbers, low: Numbers, high: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return a band, three (n,) arrays, with no more points than a plot is pixels wide: the lowest and highest of those that share one.

    A short band, and one whose x do not rise, stays as it is.
    """
    every = -(-len(x) // WIDTH)
    if every < 2 or np.any(np.diff(x) < 0):
        return x, low, high
    starts = np.arange(0, len(x), every)
    middle = np.add.reduceat(x, starts) / np.diff([*starts, len(x)])
    return middle, np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def thinning(series: Sequence[Numbers]) -> int:
    """Return n where every nth point of a scatter plot is drawn."""
    return max(1, -(-sum(len(values) for values in series) // MOST_POINTS))


def _scatter(axes: Axes, figure: Figure, series: Sequence[Numbers]) -> None:
    every = thinning(series)
    for index, values in enumerate(series):
        require(values.ndim == 2 and values.shape[1] == 2, figure, values.shape, "(n, 2)")
        x, y = values[::every].T
        style: Any = {"marker": _marker(index), "markersize": 3.4, "alpha": 0.75, "markeredgewidth": 0}
        axes.plot(x, y, color=colour(index), linestyle="none", **style)


def _bars(axes: Axes, figure: Figure, series: Sequence[Numbers]) -> None:
    width = 0.8 / max(1, len(series))
    for index, values in enumerate(series):
        require(values.ndim == 1, figure, values.shape, "(n,)")
        middle = np.arange(1, len(values) + 1) + (index - (len(series) - 1) / 2) * width
        axes.bar(middle, values, width=width * 0.94, color=colour(index))
    count = max((len(values) for values in series), default=0)
    names = figure.columns if len(figure.columns) == count else tuple(map(str, range(1, count + 1)))
    step = 1 if figure.columns else max(1, count // 16)
    slant = 40 if max(map(len, names), default=0) * count > 60 else 0
    places = np.arange(1, count + 1)[::step]
    axes.set_xticks(places, names[::step], rotation=slant, ha="right" if slant else "center")
    axes.grid(visible=False, axis="x")


def _heatmap(axes: Axes, figure: Figure, series: Sequence[Numbers]) -> None:
    values = series[0]
    low, high, colours = colour_range(values)
    axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    rows, columns = values.shape
    if len(figure.columns) == columns and columns <= 40:
        slant = 40 if sum(map(len, figure.columns)) > 48 else 0
        axes.set_xticks(range(columns), figure.columns, rotation=slant, ha="right" if slant else "center")
    if len(figure.rows) == rows and rows <= 40:
        axes.set_yticks(range(rows), figure.rows, size=10 if rows <= 16 else 7)
    if values.size <= MOST_NUMBERED_CELLS:
        _number_cells(axes, values, low, high, colours)


def colour_range(values: Numbers) -> tuple[float, float, Any]:
    """Return lowest value, highest value and colour map: around zero if values lie on both sides of it."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0 < high:
        largest = max(-low, high)
        return -largest, largest, palette.diverging()
    return low, high if high > low else low + 1.0, palette.sequential()


def _number_cells(axes: Axes, values: Numbers, low: float, high: float, colours: Any) -> None:  # noqa: ANN401
    """Write each value into its cell, all with the same digits; the largest value gets three in all or more."""
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    decimals = 0
    if largest and not np.all(finite == np.round(finite)):
        decimals = int(np.clip(2 - np.floor(np.log10(largest)), 2 if largest < 100 else 0, 6))
    size = 8.5 if values.shape[1] <= 8 else 6.5
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = colours((value - low) / (high - low))
        ink = "#111111" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"
        axes.text(column, row, f"{value:.{decimals}f}", color=ink, size=size, ha="center", va="center")


_KINDS: dict[str, Callable[[Axes, Figure, Sequence[Numbers]], None]] = {
    "lines": _lines,
    "scatter": _scatter,
    "bars": _bars,
    "heatmap": _heatmap,
}


def _marker(index: int) -> str:
    return palette.MARKERS[index % len(palette.MARKERS)]


def colour(index: int) -> str:
    """Return the placeholder of a series' colour."""
    return palette.SERIES[index % len(palette.SERIES)]


_REFERENCE = re.compile(r"(url\(#|href=\"#)([^\")]+)")


def _inline(svg: str, prefix: str, alt: str) -> Markup:
    """Make a drawing part of a page: no prolog, no global style, unique ids, the page's fonts and colours."""
    body = svg[svg.index("<svg") :]
    width, height = re.findall(r'(?:width|height)="([\d.]+)pt"', body)[:2]
    body = body[body.index(">") + 1 :]
    left_out = r"<style type=\"text/css\">.*?</style>|<metadata>.*?</metadata>|<!--.*?-->"
    body = re.sub(left_out, "", body, flags=re.DOTALL)
    body = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", body)
    body = re.sub(r"font: (?:[a-z]+ )*([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r"<[^>]*>", _shortened, body)
    body = re.sub(r" \n(?=[A-Z\"])", "", body).replace("xlink:href", "href")
    # ids that something refers to get short names unique on the page; the others go
    used = dict.fromkeys(match[2] for match in _REFERENCE.finditer(body))
    names = {name: f"{prefix}-{number}" for number, name in enumerate(used)}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", body)
    body = _REFERENCE.sub(lambda m: m[1] + names[m[2]], body)
    body = re.sub(r">\s+<", "><", body)
    body = re.sub(r'<use [^>]* style="([^"]*)"/>(?:<use [^>]* style="\1"/>)+', _hoisted, body)
    opening = f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">'
    return Markup(opening + palette.themed(body).strip())  # noqa: S704 - matplotlib escapes text


def _shortened(tag: re.Match[str]) -> str:
    """Write the coordinates within a tag with one decimal, a tenth of a point."""
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.1f}".rstrip("0").rstrip("."), tag[0])


def _hoisted(marks: re.Match[str]) -> str:
    """Write the style that a row of marks shares once, on a group around them."""
    style = marks[1]
    return f'<g style="{style}">' + marks[0].replace(f' style="{style}"', "") + "</g>"
