"""One palette for page and plots, after Okabe and Ito (2008), in tones for light and for dark paper.

Plots are drawn with the placeholders below; afterwards each becomes a CSS variable, so that plots follow
the page's theme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

LIGHT = ("#0072b2", "#d55e00", "#008a68", "#b8508f", "#9a7400", "#3b93cf", "#6b4fa8", "#5f6b73")
DARK = ("#5cb3ea", "#ff8f4d", "#35c79c", "#e59bc9", "#e3b740", "#9fd0f2", "#b6a1ee", "#a9b4bc")
"""Colours of series, in order; the eighth is grey."""

INK, RULE = "#010203", "#040506"
"""Placeholders of text and axes, and of grid lines."""
SERIES = tuple(f"#0f0e{index:02x}" for index in range(len(LIGHT)))
"""Placeholders of series."""
DASHES = ("solid", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.4, 1.5)))
SVG_DASHES = ("", "8 2.6", "2.2 2.2", "9 2.4 2.2 2.4")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p")
SVG_MARKERS = (
    "M5 1a4 4 0 1 0 0 8a4 4 0 1 0 0-8z",
    "M1.5 1.5h7v7h-7z",
    "M5 1l4.3 8h-8.6z",
    "M5 .5L9.5 5L5 9.5L.5 5z",
    "M5 9L.7 1h8.6z",
    "M3.5 1h3v2.5h2.5v3h-2.5v2.5h-3v-2.5h-2.5v-3h2.5z",
    "M1 2.5L2.5 1L5 3.5L7.5 1L9 2.5L6.5 5L9 7.5L7.5 9L5 6.5L2.5 9L1 7.5L3.5 5z",
    "M5 .5L6.2 3.8H9.6L6.9 5.9L7.9 9.3L5 7.2L2.1 9.3L3.1 5.9L.4 3.8H3.8z",
    "M5 .7L9.4 3.9L7.7 9H2.3L.6 3.9z",
)
"""A second sign beside colour; with nine shapes and eight colours, pairs repeat only after 72 series."""


def variables(colours: tuple[str, ...]) -> str:
    """Return the CSS declarations of the series colours."""
    return " ".join(f"--s{index}: {colour};" for index, colour in enumerate(colours))


def themed(svg: str) -> str:
    """Replace every placeholder in a drawing by its CSS variable."""
    svg = svg.replace(INK, "currentColor").replace(RULE, "var(--rule)")
    for index, placeholder in enumerate(SERIES):
        svg = svg.replace(placeholder, f"var(--s{index})")
    return svg


def diverging() -> Colormap:
    """Return blue over near-white to vermillion, for values on both sides of zero."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("harness", ["#004c78", LIGHT[0], "#f7f7f5", LIGHT[1], "#8a3d00"])


def sequential() -> Colormap:
    """Return a map from dark blue to yellow that colour-blind readers and grey prints keep apart."""
    import matplotlib as mpl

    return mpl.colormaps["cividis"]
