"""The table of planted regressions, as Markdown."""

from __future__ import annotations

import dataclasses
import platform
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.planted.program import Gated

HEAD = """# Planted regressions

`python -m tests.planted --markdown docs/planted.md` wrote this page. Each row is a copy of this project with a few lines of its
own code changed, gated by `harness gate` against baselines that the unchanged copy had made minutes before on the same machine. Nothing is
simulated: `tests/planted/faults.py` has the changes, as text. Runs count the counting runs too; seconds are the command's, on a machine that
may have been busy.

| regression | what was changed | caught by | verdict | exit code | runs | seconds |
| --- | --- | --- | --- | --- | --- | --- |
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One gate."""

    name: str
    """The regression."""
    told: str
    """What was changed."""
    metric: str
    """What caught it."""
    verdict: str
    """Its verdict."""
    gated: Gated
    """The gate."""


def markdown(rows: Sequence[Row]) -> str:
    """Lay rows out as a page."""
    lines = [
        f"| {row.name} | {row.told} | {f'`{row.metric}`' if row.metric else ''} | {row.verdict} | {row.gated.code} "
        f"| {len(row.gated.runs)} | {row.gated.seconds:.0f} |"
        for row in rows
    ]
    runs, seconds = sum(len(row.gated.runs) for row in rows), sum(row.gated.seconds for row in rows)
    total = f"{len(rows)} gates, {runs} runs, {seconds:.0f} s"
    machine = f"Python {platform.python_version()}, {platform.machine()}"
    return HEAD + "\n".join(lines) + f"\n\n{total}; {machine}.\n"
