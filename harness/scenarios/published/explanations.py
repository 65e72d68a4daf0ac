"""Why a published value is not reproduced: one sentence each, that a run or a test has shown, never a guess.

Keys are ``scenario:variant:metric``; one sentence serves every place that prints the same number. A test refuses a key that no
expectation has.
"""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.records import Expectation

EXPLANATIONS: Mapping[str, str] = {}


def key(scenario: str, expected: Expectation) -> str:
    """Return the key of an expectation in `EXPLANATIONS`."""
    return f"{scenario}:{expected.variant}:{expected.metric}"
