"""One job measures at a time on a machine, and who waits is told for whom."""

from __future__ import annotations

import os
import threading
import typing

from harness.data import cache
from harness.running import runner

if typing.TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_who_waits_is_told_process_folder_and_since_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second job learns who holds the lock, and measures once it is free; nothing is left behind."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    free, said, order = threading.Event(), [], []

    def second() -> None:
        def waiting(holder: str) -> None:
            said.append(holder)
            free.set()

        with runner.one_at_a_time(waiting):
            order.append("second")

    with runner.one_at_a_time(folder=tmp_path / "job"):
        thread = threading.Thread(target=second)
        thread.start()
        assert free.wait(timeout=30)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]
    (holder,) = said
    assert holder.startswith(
        f"process {os.getpid()} measures on this machine into {tmp_path / 'job'}, since 20"
    )
    assert holder.endswith(" UTC")
    assert not (tmp_path / "measuring.txt").exists()
