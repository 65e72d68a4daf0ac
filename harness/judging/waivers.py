"""Waivers: a person lets one metric of one variant and tier pass until a day, for a stated reason.

They lie in ``waivers.json`` beside the baselines and are reviewed like them. A waived verdict is hidden from nobody: it
becomes WAIVED and says what it hides, until when and why.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing

import msgspec

from harness.errors import BaselineError, unknown
from harness.judging import baselines
from harness.records import Waiver
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.records import Comparison, Judgement, Scenario, Tier

FILE = "waivers.json"
SCHEMA = 1
MOST_DAYS = 180
"""What is let pass for longer is a new baseline."""
WAIVABLE = ("REGRESSED", "IMPROVED", "CHANGED", "INCONCLUSIVE", "INCOMPARABLE", "NO_BASELINE")
"""Verdicts against a baseline that a waiver covers; an ERROR means that nobody knows what would be let pass."""
WORK = "work"
"""Name of what is judged where a baseline holds no counts; counts are called ``work.<stage>.<count>``."""
_FIELDS = tuple(field.name for field in dataclasses.fields(Waiver))
_RESTORE = "Mend it by hand or restore it from version control"

Scope = tuple[str, str, str, str]


def scope(waiver: Waiver) -> Scope:
    """Return what a waiver covers: scenario, variant, tier, metric."""
    return waiver.scenario, waiver.variant, waiver.tier, waiver.metric


def told(waiver: Waiver) -> str:
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
    """Read one waivers file and check that every entry can be.

    Raises
    ------
    BaselineError
        If it is unreadable, no such file, of another schema, or has an entry with unknown or missing fields, a date that is
        none or too far off, or without a reason; or names one metric twice.
    """
    try:
        raw = msgspec.json.decode(files.read_bytes(path))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BaselineError(f"waivers {path} cannot be read: {error}", _RESTORE) from error
    wrong = _wrong_head(raw)
    if wrong:
        raise BaselineError(f"waivers {path} {wrong}", _RESTORE)
    found = [_entry(path, number, entry) for number, entry in enumerate(raw["waivers"], start=1)]
    twice = [waiver for place, waiver in enumerate(found) if scope(waiver) in map(scope, found[:place])]
    if twice:
        raise BaselineError(f"waivers {path} names {told(twice[0])} twice", "Remove one of the two")
    return found


def _wrong_head(raw: object) -> str:
    if not isinstance(raw, dict) or type(raw.get("schema")) is not int:
        return "is damaged: an object with a schema number is expected"
    if raw["schema"] > SCHEMA:
        return f"has schema {raw['schema']}, this version reads up to {SCHEMA}; upgrade report-harness"
    if raw["schema"] < 1:
        return f"has schema {raw['schema']}, which never was one"
    if unknown_fields := sorted(raw.keys() - {"schema", "waivers"}):
        return f"has an unknown field '{unknown_fields[0]}'"
    return "" if isinstance(raw.get("waivers"), list) else "is damaged: 'waivers' is no list"


def _entry(path: Path, number: int, raw: object) -> Waiver:
    name = f"entry {number} of waivers {path}"
    surplus = sorted(raw.keys() - set(_FIELDS)) if isinstance(raw, dict) else []
    if surplus:
        raise BaselineError(f"{name} has an unknown field '{surplus[0]}'", f"Known: {', '.join(_FIELDS)}")
    try:
        waiver = msgspec.convert(raw, Waiver)
    except msgspec.ValidationError as error:
        raise BaselineError(f"{name} is damaged: {error}", _RESTORE) from error
    wrong = _wrong_dates(waiver) or _unsaid(waiver)
    if wrong:
        raise BaselineError(f"{name} {wrong}", _RESTORE)
    return waiver


def _wrong_dates(waiver: Waiver) -> str:
    for name in ("until", "created"):
        if day(getattr(waiver, name)) is None:
            return f"has '{getattr(waiver, name)}' for '{name}', which is no date such as 2030-01-31"
    until, created = dt.date.fromisoformat(waiver.until), dt.date.fromisoformat(waiver.created)
    if until > created + dt.timedelta(MOST_DAYS):
        return f"lasts from {created} until {until}, at most {MOST_DAYS} days are allowed"
    return ""


def _unsaid(waiver: Waiver) -> str:
    missing = [name for name in _FIELDS if not getattr(waiver, name).strip()]
    return f"has an empty '{missing[0]}'" if missing else ""


def day(text: str) -> dt.date | None:
    """Return the day that ``YYYY-MM-DD`` names; None if it names none."""
    try:
        parsed = dt.date.fromisoformat(text)
    except ValueError:
        return None
    # Python reads 20300131 and 2030-W05-4 too; one way to write a day is enough for people
    return parsed if parsed.isoformat() == text else None


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
    stored = load(path) if path.exists() else []
    before = next((waiver for waiver in stored if scope(waiver) == scope(new)), None)
    kept = [waiver for waiver in stored if scope(waiver) != scope(new)]
    files.write_text(path, as_text([*kept, new]))
    return path, before


# -- judging -----------------------------------------------------------------------------------------------------------


def apply(comparisons: Iterable[Comparison], waivers: Sequence[Waiver], today: dt.date) -> list[Comparison]:
    """Turn what is waived into WAIVED; identities, published values and ERROR never are.

    Parameters
    ----------
    comparisons : iterable of Comparison
        What was judged.
    waivers : sequence of Waiver
        From one file; at most one covers a metric.
    today : date
        A waiver is in force up to and on its last day.

    Returns
    -------
    list of Comparison
        Every WAIVED judgement's reason says the verdict it hides, until when and why. A waiver that has expired changes no
        verdict; the reason says that it has.
    """
    known = {scope(waiver): waiver for waiver in waivers}
    return [_apply(comparison, known, today) for comparison in comparisons]


def _apply(comparison: Comparison, known: Mapping[Scope, Waiver], today: dt.date) -> Comparison:
    place = (comparison.scenario, comparison.variant, comparison.tier)
    judged = tuple(
        _waived(judgement, known.get((*place, judgement.metric)), today)
        for judgement in comparison.judgements
    )
    return dataclasses.replace(comparison, judgements=judged)


def _waived(judgement: Judgement, waiver: Waiver | None, today: dt.date) -> Judgement:
    if waiver is None or judgement.against != "baseline" or judgement.verdict not in WAIVABLE:
        return judgement
    why = f"{waiver.reason.rstrip('.')} ({waiver.who})"
    if not in_force(waiver, today):
        late = f"its waiver expired on {waiver.until}: {why}"
        return dataclasses.replace(
            judgement, reason="; ".join(part for part in (judgement.reason, late) if part)
        )
    hidden = f"{judgement.verdict}, waived until {waiver.until}: {why}"
    reason = "; ".join(part for part in (hidden, judgement.reason) if part)
    return dataclasses.replace(judgement, verdict="WAIVED", reason=reason)


def in_force(waiver: Waiver, today: dt.date) -> bool:
    """Return whether a waiver still counts; its last day is included."""
    return today <= dt.date.fromisoformat(waiver.until)


def idle(waiver: Waiver, scenarios: Mapping[str, Scenario], counted: Iterable[str], today: dt.date) -> str:
    """Say why a waiver covers nothing any more; empty if it may still cover something.

    Parameters
    ----------
    waiver : Waiver
        The waiver.
    scenarios : mapping
        Scenarios by name.
    counted : iterable of str
        Metrics of work that are judged for its variant and tier, besides those that the scenario gates.
    today : date
        The day to judge by.
    """
    scenario = scenarios.get(waiver.scenario)
    if not in_force(waiver, today):
        return f"it expired on {waiver.until}"
    if scenario is None:
        return f"no scenario '{waiver.scenario}' is declared here"
    variant = next((found for found in scenario.variants if found.name == waiver.variant), None)
    if variant is None:
        return f"{scenario.name} has no variant '{waiver.variant}'"
    if waiver.tier not in scenario.tiers_of(variant.name):
        return f"{scenario.name}:{variant.name} has no tier '{waiver.tier}'"
    return "" if judges(scenario, counted, waiver.metric) else f"{scenario.name} gates no '{waiver.metric}'"


def judges(scenario: Scenario, counted: Iterable[str], metric: str) -> bool:
    """Return whether a gate judges a metric: one that the scenario gates, a count of work, or ``work`` as a whole.

    Parameters
    ----------
    scenario : Scenario
        Declares what is gated.
    counted : iterable of str
        Counts that stored baselines hold; where they hold none, any name of a count may be one.
    metric : str
        Metric name.
    """
    known = set(counted)
    unknown_count = not known and metric.startswith(f"{WORK}.")
    return metric in {*scenario.gated, *known, WORK} or unknown_count


# -- a new waiver ------------------------------------------------------------------------------------------------------


def last_day(text: str, today: dt.date) -> dt.date:
    """Return the last day of a new waiver.

    Raises
    ------
    BaselineError
        If it is no date, has passed, or is too far off.
    """
    found = day(text)
    furthest = today + dt.timedelta(MOST_DAYS)
    if found is None:
        raise BaselineError(f"'{text}' is no date", f"Write it as {furthest.isoformat()}")
    if found < today:
        raise BaselineError(f"--until {text} has passed", f"Name a day from {today} to {furthest}")
    if found > furthest:
        step = "Name an earlier day, or propose a new baseline: what may stay is no exception"
        raise BaselineError(f"--until {text} is more than {MOST_DAYS} days ahead", step)
    return found


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A waiver as it was typed."""

    metric: str
    """``METRIC`` or ``SCENARIO[:VARIANT]/METRIC``."""
    scenario: str = ""
    """``NAME[:VARIANT]`` if it was named apart."""
    tier: Tier = "smoke"
    """Tier."""
    until: str
    """Last day."""
    reason: str
    """Why it may pass."""
    who: str = ""
    """Who says so."""


def resolve(asked: Asked, scenarios: Mapping[str, Scenario]) -> tuple[str, str]:
    """Return what was meant as ``SCENARIO[:VARIANT]`` and metric.

    Raises
    ------
    UnknownNameError
        If no scenario was named and none gates such a metric.
    BaselineError
        If several do, or two different ones were named.
    """
    before, slash, after = asked.metric.partition("/")
    named = slash and before.partition(":")[0] in scenarios
    if named and asked.scenario and asked.scenario != before:
        raise BaselineError(f"'{before}' and --scenario {asked.scenario} are not the same", "Name it once")
    if named:
        return before, after
    return asked.scenario or _only_scenario(asked.metric, scenarios), asked.metric


def _only_scenario(metric: str, scenarios: Mapping[str, Scenario]) -> str:
    gating = [name for name, declared in scenarios.items() if metric in declared.gated]
    if not gating:
        raise unknown("gated metric", metric, {m for declared in scenarios.values() for m in declared.gated})
    if len(gating) > 1:
        choices = ", ".join(f"{name}/{metric}" for name in gating)
        raise BaselineError(f"{len(gating)} scenarios gate '{metric}'", f"Name one: {choices}")
    return gating[0]
