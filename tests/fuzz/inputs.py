"""How much every fuzzing test tries, what damages bytes, and what counts as a crash."""

from __future__ import annotations

import math
import os
import tempfile
import typing
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from harness.errors import HarnessError

TESTS = 30
"""Fuzzing tests that share the budget ``HARNESS_FUZZ``."""
EXAMPLES = math.ceil(int(os.environ.get("HARNESS_FUZZ", "2000")) / TESTS)
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)

EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.binary(max_size=12)), max_size=4
)  # where, how many bytes go, what comes instead


def edited(content: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Apply byte edits."""
    for where, gone, come in edits:
        start = int(where * len(content))
        content = content[:start] + come + content[start + gone :]
    return content


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder, in memory where the system has such."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)  # noqa: PTH112, S108


def try_reading(reader: typing.Callable[[bytes, Path], object], content: bytes) -> None:
    """Read content in a folder of its own; only documented errors may come out, each with a sentence."""
    with scratch() as folder:
        told = "nothing"
        try:
            reader(content, Path(folder))
        except HarnessError as error:
            told = error.what
        assert told
