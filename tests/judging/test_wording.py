"""Bounds in words: the same in the terminal, JUnit, a failing pytest item and the summary of CI."""

from __future__ import annotations

import dataclasses

import pytest

from harness.judging import wording
from harness.records import Judgement

JUDGED = Judgement(
    against="expectation", metric="error", verdict="ABOVE", kind="accuracy", unit="", reason="one run exceeds it", value=0.3, reference=0.2
)  # fmt: skip


@pytest.mark.parametrize(
    ("lower", "upper", "told"),
    [
        (None, None, "0.3 against 0.2. one run"),
        (None, 0.2, "0.3 against 0.2, at most 0.2. one run"),
        (0.4, None, "0.3 against 0.2, at least 0.4. one run"),
        (0.1, 0.2, "0.3 against 0.2, bounds 0.1 to 0.2. one run"),
    ],
)
def test_an_open_end_is_told_as_one(lower: float | None, upper: float | None, told: str) -> None:
    """A bound on one side is neither left out nor said to end at nothing."""
    assert told in wording.sentence("probe:default", dataclasses.replace(JUDGED, lower=lower, upper=upper))
