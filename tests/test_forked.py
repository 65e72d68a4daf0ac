"""A forked command is the command: same output, same end, nothing of the one before; and a fresh process where it could not be."""

from __future__ import annotations

import subprocess
import sys
import typing

import pytest

from tests.conftest import forks

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

READS = """
import json, os, sys
print(json.dumps([os.getcwd(), os.environ.get("MINE"), sys.path[0], sys.argv[1:], "dask" in sys.modules, sys.stdin.read()]))
SCENARIO = declare(guess)
"""


@pytest.mark.parametrize(
    "words", [("list",), ("list", "--scenarios", "probe.py"), ("nothing",), ("report", "nowhere")]
)
def test_it_does_what_a_fresh_process_does(harness: Harness, words: tuple[str, ...]) -> None:
    """Exit code, output, and what a scenario file sees of folder, variables, path and modules are equal; twice the same."""
    harness.scenario(READS)
    fresh = subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=harness.folder, env={**harness.environment, "MINE": "x"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for _ in range(2):
        forked = harness(*words, MINE="x")
        assert (forked.code, forked.out, forked.err) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_one_command_leaves_nothing_to_the_next(harness: Harness) -> None:
    """What a command changed in its process is gone."""
    harness.scenario("import os\nos.environ['LEFT'] = 'x'\nSCENARIO = declare(guess, name='left')", "left.py")
    harness.scenario("import os\nassert 'LEFT' not in os.environ\nSCENARIO = declare(guess)")
    assert "left" in harness("list", "--scenarios", "left.py").out
    done = harness("list", "--scenarios", "probe.py")
    assert (done.code, done.err) == (0, "")
    assert "left" not in done.out


def test_a_command_that_takes_too_long_is_killed(harness: Harness) -> None:
    """It raises as a fresh process would, and the next command runs."""
    harness.scenario("import time\ntime.sleep(600)")
    with pytest.raises(subprocess.TimeoutExpired):
        forks().run(["list", "--scenarios", "probe.py"], harness.folder, harness.environment, 1)
    assert harness("list").code == 0


def test_what_acts_before_the_first_line_asks_for_a_fresh_process(harness: Harness) -> None:
    """A search path, a warning filter, or a matplotlibrc in the working folder: a forked process would ignore it."""
    assert forks().suit(harness.folder, {**harness.environment, "HARNESS_DATA": "x"})
    for name in ("PYTHONPATH", "PYTHONWARNINGS", "LC_ALL", "MPLBACKEND"):
        assert not forks().suit(harness.folder, {**harness.environment, name: "another"})
    (harness.folder / "matplotlibrc").write_text("font.size: 3\n")
    assert not forks().suit(harness.folder, harness.environment)
