"""How the frameworks were set is recorded as it was while stages ran, not as it stood when all was over."""

from __future__ import annotations

import contextlib
import typing

from harness.measure.accelerators import NoAccelerator
from harness.measure.run import Run
from harness.records import RunRequest

if typing.TYPE_CHECKING:
    from collections.abc import Iterator


def test_what_holds_round_a_stage_is_recorded() -> None:
    """A setting of one value is that value; one that differs is told by stage; what is restored afterwards is not lost."""
    now = {"tf32": "True", "autocast": "off"}

    @contextlib.contextmanager
    def having(**changed: str) -> Iterator[None]:
        before = dict(now)
        now.update(changed)
        yield
        now.update(before)

    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    run = Run(request, {}, lambda name: name, NoAccelerator(), settings=lambda: now)
    with having(tf32="False", autocast="bfloat16"), run.stage("train"):
        pass
    with having(tf32="False"), run.stage("test"):
        pass
    assert now["tf32"] == "True"
    assert run.settings.told() == {"tf32": "False", "autocast": "bfloat16 in train; off in test"}
