"""One judgement as one plain sentence: what a terminal, a JUnit file and a failing pytest item all say."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from harness.records import Judgement, Value


def sentence(key: str, judgement: Judgement) -> str:
    """Say of `key`, such as ``scenario:variant``: verdict, value, reference, bounds, reason, place, test and next command."""
    values = f"{short(judgement.value)} against {short(judgement.reference)} {judgement.unit}".rstrip()
    row = f", {judgement.row}" if judgement.row else ""
    parts = [
        f"{judgement.verdict} {key} {judgement.metric}:",
        f"{values}{_bounds(judgement)}.",
        f"{judgement.reason}.",
        f"[{judgement.place}{row}]" if judgement.place else "",
        f"Test: {judgement.test}." if judgement.test else "",
        f"Next: {judgement.next_step}" if judgement.next_step else "",
    ]
    return " ".join(part for part in parts if part)


def _bounds(judgement: Judgement) -> str:
    if judgement.lower is None:
        return ""
    return f", bounds {short(judgement.lower)} to {short(judgement.upper)}"


def short(value: Value | None) -> str:
    """Print a number with five digits; an array by its length."""
    if value is None:
        return "nothing"
    return f"an array of {len(value)}" if isinstance(value, list) else f"{value:.5g}"
