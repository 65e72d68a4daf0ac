"""Waivers: a person lets one metric of one variant and tier pass until a day, for a stated reason.

They lie in ``waivers.json`` next to the baselines and are reviewed like them. A waived judgement becomes WAIVED and says which verdict
it hides, until when and why.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing

import msgspec

from harness.errors import BaselineError
from harness.judging import baselines
from harness.records.words import Tier  # noqa: TC001 - msgspec reads the annotation
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from harness.records import Comparison, Judgement, Scenario

FILE = "waivers.json"
SCHEMA = 1
MOST_DAYS = 180
"""What is let pass for longer is a new baseline."""
WAIVABLE = ("REGRESSED", "IMPROVED", "CHANGED", "INCONCLUSIVE", "INCOMPARABLE", "NO_BASELINE")
"""Verdicts against a baseline that a waiver covers; an ERROR means that nobody knows what would be let pass."""
WORK = "work"
"""Name of what is judged where a baseline holds no counts; counts are called ``work.<stage>.<count>``."""

Scope = tuple[str, str, str, str]


Text = typing.Annotated[str, msgspec.Meta(pattern=r"\S")]
"""Not empty."""


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric of one variant and tier that a person lets pass for a while."""

    scenario: Text
    variant: Text
    tier: Tier
    metric: Text
    until: dt.date
    """Last day it is in force."""
    reason: Text
    """Why it may pass."""
    who: Text
    """Who says so."""
    created: dt.date
    """Day it was written, UTC."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a waivers file."""

    schema: int
    waivers: list[Waiver]


def scope(waiver: Waiver) -> Scope:
    """Return what a waiver covers: scenario, variant, tier, metric."""
    return waiver.scenario, waiver.variant, waiver.tier, waiver.metric


def title(waiver: Waiver) -> str:
    """Name what a waiver covers, as it may be typed again."""
    return f"{waiver.scenario}:{waiver.variant}/{waiver.metric} --tier {waiver.tier}"


# -- the file ----------------------------------------------------------------------------------------------------------


def find(roots: Iterable[Path]) -> Path | None:
    """Return the waivers file of the first folder that has one."""
    return next((root / FILE for root in roots if (root / FILE).exists()), None)


def read(roots: Iterable[Path]) -> list[Waiver]:
    """Read the waivers of the first folder that has any; see `load`."""
    path = find(roots)
    return load(path) if path else []


def load(path: Path) -> list[Waiver]:
    """Read one waivers file.

    Raises
    ------
    BaselineError
        If it is unreadable, damaged, of a newer schema, has an unknown field, an empty one or a date too far off, or names one metric twice.
    """
    found = baselines.decode(path, _File, SCHEMA, f"waivers {path}").waivers
    known: set[Scope] = set()
    for waiver in found:
        if waiver.until > waiver.created + dt.timedelta(MOST_DAYS):
            what = f"{title(waiver)} lasts from {waiver.created} until {waiver.until}"
            step = f"At most {MOST_DAYS} days are allowed"
            raise BaselineError(f"a waiver in {path} is too long: {what}", step)
        if scope(waiver) in known:
            raise BaselineError(f"waivers {path} names {title(waiver)} twice", "Remove one of the two")
        known.add(scope(waiver))
    return found


def as_text(waivers: Iterable[Waiver]) -> str:
    """Lay waivers out as JSON that merges well: sorted, one block each, and no line changes when a neighbour comes or goes."""
    blocks = [
        json.dumps(msgspec.to_builtins(waiver), indent=0, ensure_ascii=False)
        for waiver in sorted(waivers, key=scope)
    ]
    # the comma has a line of its own: behind an entry's brace it would change that entry
    return f'{{\n"schema": {SCHEMA},\n"waivers": [\n\n' + "\n\n,\n\n".join(blocks) + "\n\n]\n}\n"


def add(new: Waiver, root: Path) -> tuple[Path, Waiver | None]:
    """Write a waiver into the file below `root`, in place of one that covers the same.

    Returns
    -------
    path, replaced
        The file, and the waiver that stood there before, if any.

    Raises
    ------
    BaselineError
        If the file is damaged, or `root` lies in an installed package.
    StorageError
        If it cannot be written.
    """
    baselines.refuse_installed(root)
    path = root / FILE
    stored = {scope(waiver): waiver for waiver in load(path)} if path.exists() else {}
    before = stored.get(scope(new))
    files.write_text(path, as_text((stored | {scope(new): new}).values()))
    return path, before


# -- judging -----------------------------------------------------------------------------------------------------------


def apply(comparisons: Iterable[Comparison], waivers: Sequence[Waiver], today: dt.date) -> list[Comparison]:
    """Turn what is waived into WAIVED; identities, published values and ERROR never are.

    The reason of a WAIVED judgement says the verdict it hides, until when and why. A waiver is in force up to and on its last day; one
    that has expired changes no verdict, and the reason says that it has.
    """
    known = {scope(waiver): waiver for waiver in waivers}

    def waived(judgement: Judgement, waiver: Waiver | None) -> Judgement:
        if waiver is None or judgement.against != "baseline" or judgement.verdict not in WAIVABLE:
            return judgement
        why = f"{waiver.reason.rstrip('.')} ({waiver.who})"
        if today > waiver.until:
            parts = (judgement.reason, f"its waiver expired on {waiver.until}: {why}")
            return dataclasses.replace(judgement, reason="; ".join(filter(None, parts)))
        parts = (f"{judgement.verdict}, waived until {waiver.until}: {why}", judgement.reason)
        return dataclasses.replace(judgement, verdict="WAIVED", reason="; ".join(filter(None, parts)))

    return [
        dataclasses.replace(
            one,
            judgements=tuple(
                waived(judgement, known.get((one.scenario, one.variant, one.tier, judgement.metric)))
                for judgement in one.judgements
            ),
        )
        for one in comparisons
    ]


def judges(scenario: Scenario, counted: Iterable[str], metric: str) -> bool:
    """Return whether a gate judges a metric: one that the scenario gates, a count of work, or ``work`` as a whole.

    `counted` are the counts that stored baselines hold; where they hold none, any name of a count may be one.
    """
    known = set(counted)
    unknown_count = not known and metric.startswith(f"{WORK}.")
    return metric in {*scenario.gated, *known, WORK} or unknown_count


def last_day(text: str, today: dt.date) -> dt.date:
    """Return the last day of a new waiver.

    Raises
    ------
    BaselineError
        If it is no date, has passed, or is too far off.
    """
    furthest = today + dt.timedelta(MOST_DAYS)
    try:
        day = msgspec.convert(text, dt.date)
    except msgspec.ValidationError as error:
        raise BaselineError(f"'{text}' is no date", f"Write it as {furthest}") from error
    if day < today:
        raise BaselineError(f"--until {text} has passed", f"Name a day from {today} to {furthest}")
    if day > furthest:
        step = "Name an earlier day, or propose a new baseline: what may stay is no exception"
        raise BaselineError(f"--until {text} is more than {MOST_DAYS} days ahead", step)
    return day
