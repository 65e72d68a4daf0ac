"""The suites of ``python -m tests`` name files that are there, and leave out none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.__main__ import KERAS, ROOT, TORCH
from tests.conftest import LONGEST

TESTS = Path(__file__).parent


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_files_are_there(name: str) -> None:
    """A file that was renamed is still begun first."""
    assert (TESTS / name).is_file()


@pytest.mark.parametrize(("marker", "paths"), [("torch", TORCH), ("keras", KERAS)])
def test_a_suite_collects_every_file_of_its_framework(marker: str, paths: tuple[str, ...]) -> None:
    """A test of a framework lies where its suite looks for it: elsewhere no suite would run it."""
    assert all((ROOT / path).exists() for path in paths)
    marked = [path for path in TESTS.rglob("test_*.py") if re.search(rf"mark\.{marker}\b", path.read_text())]
    assert marked
    assert not [path for path in marked if not any(path.is_relative_to(ROOT / known) for known in paths)]
