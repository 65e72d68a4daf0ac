"""The exception tree: every error a user can cause or meet has a class, a clear sentence and a next step."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_NAMES = 24
"""Known names that an error lists; the nearest is said before them."""


class HarnessError(Exception):
    """Anything the harness can explain; commands print it in one line and exit with code 2.

    `what` says what is wrong, naming the thing; `next_step` what the reader can do or type next, if anything.
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(what, next_step)
        self.what = what
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what}. {self.next_step}" if self.next_step else self.what


class UnknownNameError(HarnessError):
    """A scenario, variant, tier, device, backend, metric or data set that nothing declares."""


class MissingExtraError(HarnessError):
    """A scenario needs an optional dependency that is not installed."""


class DataError(HarnessError):
    """Data is missing, truncated, foreign or unreadable."""


class BaselineError(HarnessError):
    """A baseline is corrupt, foreign, of a newer schema, or refused."""


class ScenarioError(HarnessError):
    """A scenario's declaration contradicts itself, or its file cannot be loaded."""


class ConfigurationError(HarnessError):
    """A project's configuration cannot be read, or a setting in it has the wrong type."""


class WorkerError(HarnessError):
    """A worker process died, hung, or left no readable result."""


class LastingError(WorkerError):
    """A run failed for a reason that a repeat would not mend: such as a limit."""


class ExplainedError(LastingError):
    """A run failed for a reason that its worker explained whole: its log adds nothing."""


class RevisionError(HarnessError):
    """A commit cannot be had as code to run: no checkout, no such commit, uncommitted changes, or it does not import."""


class StorageError(HarnessError):
    """A file could not be written or read: permission, full disk, damaged content."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name, of a kind such as ``"scenario"``, that nothing declares, with the nearest known name."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return UnknownNameError(f"unknown {kind} '{name}'", f"{hint}Known: {', '.join(names[:MOST_NAMES])}{more}")
