"""Lines, scatter, bars and heatmaps as inline SVG through matplotlib, without its global state of figures.

Text stays text, colours become CSS variables, and nothing depends on time or chance: same arrays, same bytes.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from harness.machine import imports
from harness.report import palette

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from harness.records import Figure

    Numbers = NDArray[np.float64]
    Band = tuple[Numbers, Numbers]

WIDTH, HEIGHT = 380, 236
"""Size of a plot, CSS pixels; small, so that its text stays readable on a phone."""
MOST_POINTS = 1200
"""Points drawn in one scatter plot; beyond that every so manyth is drawn."""
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
    """Draw the series of a figure into one set of axes.

    Parameters
    ----------
    figure : Figure
        Of kind lines, scatter, bars or heatmap.
    series : sequence of float64 arrays
        Shapes by kind as `harness.records.Figure` says; a heatmap has one.
    prefix : str
        Put before every id in the drawing; short and unique on the page.
    alt : str
        Text alternative.
    bands : sequence of pairs of float64 arrays (n,), optional
        Lowest and highest value over repeats at each point of a line; None for a series without.

    Raises
    ------
    ValueError
        If a shape does not fit the kind.
    """

    def paint(axes: Axes) -> None:
        _bands(axes, figure, series, bands)
        _KINDS[figure.kind](axes, figure, series)
        axes.set_xlabel(figure.x)
        axes.set_ylabel(figure.y)

    return painted(paint, _height(figure, series), prefix, alt)


def painted(paint: Callable[[Axes], None], height: float, prefix: str, alt: str) -> Markup:
    """Return what `paint` draws into one set of axes, as part of the page.

    Parameters
    ----------
    paint : callable
        Draws, in the placeholders of `harness.report.palette`, and labels both axes.
    height : float
        Height of the plot, CSS pixels.
    prefix : str
        Put before every id in the drawing; short and unique on the page.
    alt : str
        Text alternative.
    """
    matplotlib = imports.matplotlib()
    from matplotlib.figure import Figure as Canvas

    # a user's own settings, from a file or made by code in this process, would change the page
    defaults = {
        name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")
    }
    with matplotlib.rc_context(defaults | _STYLE), _foreign_glyphs_allowed():
        canvas = Canvas(figsize=(WIDTH / 72, height / 72), layout="constrained")
        axes = canvas.add_subplot()
        paint(axes)
        axes.tick_params(length=3, width=0.8)
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        canvas.savefig(text, format="svg", transparent=True, metadata=nothing)
    return _inline(text.getvalue(), prefix, alt)


@contextlib.contextmanager
def _foreign_glyphs_allowed() -> Iterator[None]:
    """Let names hold any script: matplotlib's font only measures them, the browser's fonts draw them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        yield


def _height(figure: Figure, series: Sequence[Numbers]) -> float:
    if figure.kind != "heatmap":
        return HEIGHT
    return min(330, max(150, 70 + 17 * series[0].shape[0])) if len(series[0]) <= 40 else HEIGHT


def require(fits: bool, figure: Figure, shape: tuple[int, ...], needed: str) -> None:
    """Raise ValueError that names the figure's kind and both shapes unless `fits`."""
    if not fits:
        msg = f"an array of shape {shape} does not fit the kind '{figure.kind}', which needs {needed}"
        raise ValueError(msg)


def line_points(figure: Figure, values: Numbers) -> tuple[Numbers, Numbers]:
    """Return x and y of a line: (n,) counts from 1, (2, n) brings its own x.

    Raises
    ------
    ValueError
        For any other shape.
    """
    pairs = values.ndim == 2 and len(values) == 2
    require(values.ndim == 1 or pairs, figure, values.shape, "(n,) or (2, n)")
    return (values[0], values[1]) if pairs else (np.arange(1.0, len(values) + 1), values)


def _lines(axes: Axes, figure: Figure, series: Sequence[Numbers]) -> None:
    for index, values in enumerate(series):
        x, y = line_points(figure, values)
        marker = _marker(index) if len(x) <= _MANY_POINTS_OF_A_LINE else ""
        axes.plot(x, y, color=_colour(index), linestyle=dashes(index), marker=marker, markersize=3.2)


def _bands(axes: Axes, figure: Figure, series: Sequence[Numbers], bands: Sequence[Band | None]) -> None:
    for index, band in enumerate(bands):
        if band is not None:
            x, _ = line_points(figure, series[index])
            axes.fill_between(*_columns(x, *band), color=_colour(index), alpha=0.18, linewidth=0)


def _columns(x: Numbers, low: Numbers, high: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return a band with no more points than a plot is pixels wide: the lowest and highest of those that share one.

    Parameters
    ----------
    x, low, high : (n,) arrays

    Returns
    -------
    x, low, high : arrays of at most `WIDTH` values
        The band as it was if it is short, or if its x do not rise.
    """
    every = -(-len(x) // WIDTH)
    if every < 2 or np.any(np.diff(x) < 0):
        return x, low, high
    starts = np.arange(0, len(x), every)
    middle = np.add.reduceat(x, starts) / np.diff([*starts, len(x)])
    return middle, np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def dashes(index: int) -> Any:  # noqa: ANN401 - matplotlib's own union
    """Return the dash pattern of a series, so that lines differ without colour."""
    return palette.DASHES[index % len(palette.DASHES)]


def thinning(series: Sequence[Numbers]) -> int:
    """Return n where every nth point of a scatter plot is drawn."""
    return max(1, -(-sum(len(values) for values in series) // MOST_POINTS))


def _scatter(axes: Axes, figure: Figure, series: Sequence[Numbers]) -> None:
    every = thinning(series)
    for index, values in enumerate(series):
        require(values.ndim == 2 and values.shape[1] == 2, figure, values.shape, "(n, 2)")
        x, y = values[::every].T
        style: Any = {"marker": _marker(index), "markersize": 3.4, "alpha": 0.75, "markeredgewidth": 0}
        axes.plot(x, y, color=_colour(index), linestyle="none", **style)


def _bars(axes: Axes, figure: Figure, series: Sequence[Numbers]) -> None:
    width = 0.8 / max(1, len(series))
    for index, values in enumerate(series):
        require(values.ndim == 1, figure, values.shape, "(n,)")
        middle = np.arange(1, len(values) + 1) + (index - (len(series) - 1) / 2) * width
        axes.bar(middle, values, width=width * 0.94, color=_colour(index))
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
    form = f"{{:.{_cell_decimals(values)}f}}"
    size = 8.5 if values.shape[1] <= 8 else 6.5
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = colours((value - low) / (high - low))
        ink = "#111111" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"
        axes.text(column, row, form.format(value), color=ink, size=size, ha="center", va="center")


def _cell_decimals(values: Numbers) -> int:
    """Return digits after the point, the same for every cell; the largest value gets three in all or more."""
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    if np.all(finite == np.round(finite)) or not largest:
        return 0
    least = 2 if largest < 100 else 0
    return int(np.clip(2 - np.floor(np.log10(largest)), least, 6))


_KINDS: dict[str, Callable[[Axes, Figure, Sequence[Numbers]], None]] = {
    "lines": _lines,
    "scatter": _scatter,
    "bars": _bars,
    "heatmap": _heatmap,
}


def _marker(index: int) -> str:
    return palette.MARKERS[index % len(palette.MARKERS)]


def _colour(index: int) -> str:
    return palette.SERIES[index % len(palette.SERIES)]


def _inline(svg: str, prefix: str, alt: str) -> Markup:
    """Make a drawing part of a page: no prolog, no global style, unique ids, the page's fonts and colours."""
    body = svg[svg.index("<svg") :]
    width, height = re.findall(r'(?:width|height)="([\d.]+)pt"', body)[:2]
    body = body[body.index(">") + 1 :]
    body = re.sub(
        r"<style type=\"text/css\">.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL
    )
    body = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", body)
    body = _FONT.sub("", re.sub(r"font: (?:[a-z]+ )*([\d.]+)px [^;\"]*", r"font-size: \1px", body))
    body = re.sub(r"<[^>]*>", lambda tag: _LONG.sub(_shortened, tag[0]), body)  # never in text
    body = re.sub(r" \n(?=[A-Z\"])", "", body)
    body = re.sub(r">\s+<", "><", _unique(body.replace("xlink:href", "href"), prefix))
    body = _SAME_MARKS.sub(_hoisted, body)
    opening = f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">'
    return Markup(opening + palette.themed(body).strip())  # noqa: S704 - matplotlib escapes text


_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_LONG = re.compile(r"\d+\.\d{3,}")
_REFERENCE = re.compile(r"(url\(#|href=\"#)([^\")]+)")
_SAME_MARKS = re.compile(r'<use [^>]* style="([^"]*)"/>(?:<use [^>]* style="\1"/>)+')


def _unique(body: str, prefix: str) -> str:
    """Give the ids that something refers to short names unique on the page; drop the others."""
    used = dict.fromkeys(found[2] for found in _REFERENCE.finditer(body))
    names = {name: f"{prefix}-{number}" for number, name in enumerate(used)}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", body)
    return _REFERENCE.sub(lambda m: m[1] + names[m[2]], body)


def _shortened(number: re.Match[str]) -> str:
    """Write a coordinate with one decimal, a tenth of a point."""
    return f"{float(number[0]):.1f}".rstrip("0").rstrip(".")


def _hoisted(marks: re.Match[str]) -> str:
    """Write the style that a row of marks shares once, on a group around them."""
    style = marks[1]
    return f'<g style="{style}">' + marks[0].replace(f' style="{style}"', "") + "</g>"
