"""What every page shares: the template environment, style, script, how names and times are written, and ids."""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import re
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from harness.judging import wording
from harness.records.version import __version__
from harness.report import numbers, palette, spread, strips
from harness.report.linking import PRODUCER


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of the templates: everything is escaped, and an unknown name is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "sci": numbers.scientific,
        "breakable": _breakable,
        "moment": moment,
        "at": lambda places, height: [(place, height) for place in places],
        "commit": commit,
        "whose": wording.whose,
        "signed": lambda text: text.replace("-", "−"),
    }
    return made


def constants(*, script: bool, up: str = "") -> dict[str, Any]:
    """Return style, geometry and footer of a page, and its script with the hash that its policy allows; a page without one allows none.

    `up` is the address of the index over this page and others; empty without one.
    """
    text = _text("report.js") if script else ""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    style = _text("report.css")
    style = style.replace("/*light*/", palette.variables(palette.LIGHT))
    return {
        "script": Markup(text),  # noqa: S704 - ours
        "script_hash": f"sha256-{digest}" if script else "none",
        "style": Markup(style.replace("/*dark*/", palette.variables(palette.DARK))),  # noqa: S704 - ours
        "strip_width": strips.WIDTH,
        "spread_width": spread.WIDTH,
        "tolerance_place": strips.TOLERANCE_PLACE,
        "producer": PRODUCER,
        "version": __version__,
        "up": up,
    }


def _text(name: str) -> str:
    return resources.files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")


def _breakable(name: str) -> Markup:
    """Let a long name break after a point, underscore or slash."""
    return Markup(re.sub(r"(?<=[._/])", "<wbr>", str(escape(name))))  # noqa: S704 - escaped before


def moment(stamp: str) -> str:
    """Write an ISO 8601 time in UTC as people do."""
    return stamp.replace("T", " ").replace("+00:00", " UTC")


def commit(stored: str) -> str:
    """Write a stored commit in twelve characters, with ``+dirty`` where the tree was not clean."""
    name, _, dirty = stored.partition("+")
    return name[:12] + ("+dirty" if name and dirty else "")


class Anchors:
    """Gives out ids that are unique on the page and safe in addresses."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, text: str) -> str:
        """Return `text` as an id, with a number behind it if it was taken."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)
        numbered = (f"{plain}-{count}" for count in itertools.count(2))
        anchor = next(name for name in itertools.chain([plain], numbered) if name not in self._taken)
        self._taken.add(anchor)
        return anchor
