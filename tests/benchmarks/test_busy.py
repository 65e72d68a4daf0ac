"""`python -m benchmarks.busy`: real runs next to a busy loop, stored as pairs of both clocks."""

from __future__ import annotations

import typing

import pytest

from benchmarks import busy
from harness.store import files

if typing.TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.system
def test_times_next_to_a_loop_are_stored(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every amount of work is measured once a round, wall and CPU; twice the work takes more CPU time."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    out = tmp_path / "busy.json"
    assert busy.main(["--loops", "1", "--runs", "1", "--out", str(out)]) == 0
    found = files.decode(out.read_bytes(), busy.Busy, str(out))
    assert [(cell.stage, cell.work) for cell in found.cells] == [
        (stage, work) for work in busy.WORK for stage in busy.STAGES
    ]
    assert all(cell.times.shape == (2, 1) for cell in found.cells)
    assert found.cell(1, "one_thread", 2.0).cpu[0] > found.cell(1, "one_thread", 1.0).cpu[0]
    assert "1 loops, one_thread, work 2: wall" in capsys.readouterr().out
