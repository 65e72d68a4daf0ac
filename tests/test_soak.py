"""A few kills of the soaks: the long ones are tox environments of their own."""

from __future__ import annotations

import pytest

from tests import soak, soak_cluster

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of four runs: after the kills there is little left to wait for."""
    monkeypatch.setattr(soak, "RUNS", 4)


def test_jobs_that_are_killed() -> None:
    """Two random kills of local jobs lose nothing."""
    assert soak.main(["--kills", "2", "--seed", "3"]) == 0


def test_a_cluster_that_is_killed() -> None:
    """Two random kills in a cluster lose nothing."""
    assert soak_cluster.main(["--kills", "2", "--seed", "2"]) == 0
