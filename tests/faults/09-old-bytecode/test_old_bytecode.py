"""python/cpython#75953, python/cpython#121376: an edit within a second, or a tool that sets times, and the old code runs on."""

from __future__ import annotations

import os
import typing

import pytest

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

BODY = """
from neighbour import NEXT_TO

OWN = 1000

def measure(run):
    guess(run)
    run.record("own", OWN)
    run.record("next_to", NEXT_TO)

SCENARIO = declare(measure, metrics=(Metric("own", kind="size"), Metric("next_to", kind="size")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("keeps", ["", "1"])
def test_what_runs_is_what_stands_in_the_files(harness: Harness, keeps: str) -> None:
    """Scenario file and the module next to it change, with the size and the time of before: the new values are measured."""
    name, second = harness.scenario(BODY), 1_700_000_000
    sources = [harness.folder / name, harness.folder / "neighbour.py"]
    sources[1].write_text("NEXT_TO = 1000\n")
    values = []
    for out in ("before", "after"):
        for source in sources:
            os.utime(source, (second, second))
        bytecode = "" if out == "before" else keeps
        done = harness(
            "run", "probe", "--scenarios", name, "--out", out, "--no-count", PYTHONDONTWRITEBYTECODE=bytecode
        )
        assert done.code == 0, done.err
        metrics = harness.job(out)["results"][0]["metrics"]
        values.append((metrics["own"]["value"], metrics["next_to"]["value"]))
        assert (harness.folder / "__pycache__").is_dir()
        for source in sources:
            source.write_text(source.read_text().replace("1000", "2000"))
    assert values == [(1000, 1000), (2000, 2000)]
