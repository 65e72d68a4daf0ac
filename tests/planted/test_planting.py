"""A change that does not fit is refused: no regression is tested that is not there."""

from __future__ import annotations

import typing

import pytest

from tests.planted.faults import FAULTS, Fault
from tests.planted.program import ROOT, Change, NotPlantedError, Program

if typing.TYPE_CHECKING:
    from pathlib import Path

FILE = "measure/splits.py"


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: f"{fault.name} {fault.scenario}".replace(" ", "-")
)
def test_every_change_fits_the_code(fault: Fault) -> None:
    """Each passage is there exactly once, and something else takes its place."""
    for change in fault.changes:
        assert (ROOT / "harness" / change.file).read_text().count(change.old) == 1
        assert change.new != change.old


@pytest.mark.parametrize("old", ["no such passage", "images"])
def test_a_change_that_does_not_fit_is_an_error(tmp_path: Path, old: str) -> None:
    """A passage that is gone, or that could mean several places, is named with how often it is there."""
    copy = Program(tmp_path / "copy", tmp_path / "cache")
    before = (copy.folder / "harness" / FILE).read_text()
    assert before.count(old) != 1
    with pytest.raises(NotPlantedError, match=f"{before.count(old)} times, not once: '{old}'"):
        copy.plant(Change(FILE, old, "anything"))
    assert (copy.folder / "harness" / FILE).read_text() == before
