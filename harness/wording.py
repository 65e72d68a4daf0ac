"""Judgements, numbers and runs in plain words: what a terminal, a JUnit file and a failing pytest item all say."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from harness.records import Judgement, RunRequest, Value


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
    lower, upper = judgement.lower, judgement.upper
    if lower is None:
        return "" if upper is None else f", at most {short(upper)}"
    return f", at least {short(lower)}" if upper is None else f", bounds {short(lower)} to {short(upper)}"


def short(value: Value | None) -> str:
    """Print a number with five digits; an array by its length."""
    if value is None:
        return "nothing"
    return f"an array of {len(value)}" if isinstance(value, list) else f"{value:.5g}"


def quantity(value: Value | None, unit: str) -> str:
    """Print a number with its unit; bytes in MiB from half of one on."""
    if value is None:
        return short(value)
    if isinstance(value, float | int) and unit == "B" and abs(value) >= 2**19:
        return f"{value / 2**20:,.2f} MiB"
    return f"{short(value)} {unit}".rstrip()


def run_name(asked: RunRequest) -> str:
    """Name a run within its variant and tier, such as ``run seed 0 (numpy, cpu)``; what is usual is left out."""
    unusual = [
        "base" if asked.side == "base" else "",
        f"{asked.round} round" if asked.round != "screen" else "",
        "counted" if asked.purpose == "count" else "",
        f"repeat {asked.repeat}" if asked.repeat else "",
    ]
    return f"run seed {asked.seed} ({', '.join([asked.backend, asked.device, *filter(None, unusual)])})"
