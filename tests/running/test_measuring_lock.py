"""One job measures at a time on a machine, and who waits is told so."""

from __future__ import annotations

import threading
import typing

from harness.data import cache
from harness.running import runner

if typing.TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_second_job_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once that it waits, and measures once the lock is free."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    waits, order = threading.Event(), []

    def second() -> None:
        with runner.one_at_a_time(waits.set):
            order.append("second")

    with runner.one_at_a_time():
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(timeout=30)
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "second"]
