"""The suites of ``python -m tests`` name files that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import LONGEST

TESTS = Path(__file__).parent


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_files_are_there(name: str) -> None:
    """A file that was renamed is still begun first."""
    assert (TESTS / name).is_file()
