"""Where runs ran: the environment of each worker beside the runner's, field by field."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.records import RunResult

MOST_PLACES = 8
"""Workers that get a column; more are counted."""
MOST_VALUES = 3
_PASSING = {"load", "worker", "imported_from"}
"""Fields that differ from run to run, or head a column."""
HERE = "workers on the runner's machine"


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A worker, or the runner's machine, as its runs describe it."""

    name: str
    """Address of the worker; `HERE` without one."""
    runs: int
    """How many runs it did."""
    fields: Mapping[str, str]
    """Field -> value; several of them where its runs differ, as other libraries do that other scenarios load."""


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Fields by places."""

    places: tuple[Place, ...]
    """Columns, at most `MOST_PLACES`."""
    more: int
    """Places that have no column."""
    names: tuple[str, ...]
    """Rows."""


def table(runner: Mapping[str, str], results: Iterable[RunResult]) -> Table:
    """Gather the environments of all runs by where they ran; a pass over the results keeps none of them."""
    counts: dict[str, int] = {}
    found: dict[str, dict[str, dict[str, None]]] = {}
    for result in results:
        if result.measurement is None:
            continue
        environment = result.measurement.environment
        name = environment.get("worker", HERE)
        counts[name] = counts.get(name, 0) + 1
        if name in found or len(found) < MOST_PLACES:
            fields = found.setdefault(name, {})
            for field in environment.keys() - _PASSING:
                fields.setdefault(field, {}).setdefault(environment[field])
    places = tuple(
        Place(name, counts[name], {field: _told(values) for field, values in fields.items()})
        for name, fields in found.items()
    )
    names = dict.fromkeys((*runner, *sorted(field for place in places for field in place.fields)))
    return Table(places, len(counts) - len(found), tuple(names))


def _told(values: Iterable[str]) -> str:
    every = sorted(values)
    rest = f" and {len(every) - MOST_VALUES} others" if len(every) > MOST_VALUES else ""
    return "; ".join(every[:MOST_VALUES]) + rest
