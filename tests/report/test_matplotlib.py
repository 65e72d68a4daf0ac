"""The page's plots are the harness's own, whatever matplotlib is set to around it."""

from __future__ import annotations

import os
import subprocess
import sys
import typing

import pytest

from tests.conftest import HEAD, TIME_LIMIT

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Harness

DRAW = """
import os, sys
{before}
import numpy as np
from harness.records import Figure
from harness.report import plots
figure = Figure(name="f", title="t", kind="lines", x="x", y="y", series=("a",), caption="")
sys.stdout.write(plots.draw(figure, [np.arange(5.0)], "p", "alt"))
print(os.environ.get("MPLBACKEND"), file=sys.stderr)
"""
STYLED = "import matplotlib; matplotlib.rcParams.update({'lines.linewidth': 9, 'axes.facecolor': 'red', 'font.size': 30})"


def drawn(folder: Path, before: str = "", **variables: str) -> str:
    """Draw a figure in a process of its own and return it; the variables stay as they were set."""
    done = subprocess.run(
        [sys.executable, "-c", DRAW.format(before=before)], cwd=folder, env=os.environ | variables, capture_output=True, text=True,
        timeout=TIME_LIMIT, check=True,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == variables.get("MPLBACKEND", "None")
    return done.stdout


@pytest.mark.slow
def test_settings_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's backend, a settings file that is named or lies here, even a broken one, and a style set by code: the same drawing."""
    for name in ("MPLBACKEND", "MATPLOTLIBRC"):
        monkeypatch.delenv(name, raising=False)
    plain = drawn(tmp_path)
    assert plain.startswith("<svg")
    assert drawn(tmp_path, MPLBACKEND="module://matplotlib_inline.backend_inline") == plain
    assert drawn(tmp_path, STYLED) == plain
    (tmp_path / "mine").write_text("lines.linewidth: 9\naxes.facecolor: red\ntext.usetex: True\n")
    assert drawn(tmp_path, MATPLOTLIBRC=str(tmp_path / "mine")) == plain
    (tmp_path / "matplotlibrc").write_bytes("lines.linewidth: 9 # größer\n".encode("latin-1"))
    assert drawn(tmp_path) == plain


SCENARIO = f"""{HEAD}
import matplotlib
from harness import Metric

def measure(run):
    run.record("width", matplotlib.rcParams["lines.linewidth"])
    guess(run)

SCENARIO = declare(measure, metrics=(Metric("width", kind="size"),))
"""


@pytest.mark.slow
@pytest.mark.parametrize("text", [b"lines.linewidth: 9\n", "lines.linewidth: 9 # größer\n".encode("latin-1")])
def test_a_scenario_that_draws_has_the_defaults(harness: Harness, text: bytes) -> None:
    """A file matplotlibrc in the working folder, even a broken one, changes nothing in a worker and stops nothing."""
    harness.scenario(SCENARIO)
    (harness.folder / "matplotlibrc").write_bytes(text)
    done = harness("run", "probe:default", "--scenarios", "probe.py", "--no-count", "--out", "out")
    assert done.code == 0, done.out + done.err
    (result,) = harness.job("out")["results"]
    assert result["metrics"]["width"]["value"] == 1.5
