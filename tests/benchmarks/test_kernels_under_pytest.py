"""`pytest benchmarks/` as a user types it: the same kernels, machine-readable, one framework a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing

import pytest

from benchmarks import __main__, kernels, pairs
from tests.benchmarks.conftest import ROOT
from tests.conftest import TIME_LIMIT

if typing.TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on the kernels, on the data that ships."""
    environment = {name: value for name, value in os.environ.items() if name != "HARNESS_DATA"}
    command = [sys.executable, "-m", "pytest", "benchmarks/", "-q", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )


def test_json_holds_both_ways_and_their_difference(tmp_path: Path) -> None:
    """Both ways of a kernel stand in one group, each with how far the results differ."""
    file = tmp_path / "kernels.json"
    done = run("-k", "im2col", "--benchmark-json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    found = {entry["name"]: entry for entry in json.loads(file.read_text())["benchmarks"]}
    assert {entry["group"] for entry in found.values()} == {"im2col"}
    assert sorted(found) == ["test_kernel[im2col-ours]", "test_kernel[im2col-plain]"]
    for entry in found.values():
        assert entry["extra_info"]["difference"] == 0.0
        assert entry["extra_info"]["work"] == 1
        assert entry["stats"]["rounds"] == 5


def collected(*words: str) -> set[str]:
    """Return the kernels that pytest would run."""
    done = run("--collect-only", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.split("[")[1].split("-")[0] for line in done.stdout.splitlines() if "::test_kernel[" in line}


def test_a_framework_is_asked_for_by_its_marker() -> None:
    """Without a marker no framework's kernel runs, and every other does; with one only its own do; two at once are refused."""
    assert collected() == set(kernels.NAMES) - kernels.FRAMEWORKS.keys()
    for framework in ("torch", "keras"):
        assert collected("-m", framework) == {n for n, f in kernels.FRAMEWORKS.items() if f == framework}
    done = run("-m", "torch or keras")
    assert done.returncode == 4
    assert "keras and torch abort in one process; name one a call" in done.stderr


def test_a_wrong_result_fails(tmp_path: Path) -> None:
    """A kernel whose results differ too much is a failed test, not a fast one."""
    (tmp_path / "spoil.py").write_text(
        "from harness.sources.tinyconvnet_svd.pipeline import images\n"
        "right = images.im2col\n"
        "images.im2col = lambda features: right(features) + 1\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "pytest", "benchmarks/", "-q", "-p", "spoil", "-k", "im2col-ours"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "AssertionError: assert 1.0" in done.stdout


def test_the_page_shows_the_same_kernels() -> None:
    """`python -m benchmarks` lays out both kinds: a ratio to the plain way, and seconds beside what the project allows."""
    data = pairs.Data(
        "excerpt", pairs.load("mnist-excerpt").images[:40], pairs.load("mnist-excerpt").labels[:40]
    )
    row, _ = __main__.measured(kernels.make("im2col", data))
    assert row.startswith("| every 3x3 patch as a column (im2col) | ")
    assert "| at least 1x | excerpt, 40 images; 5 interleaved pairs;" in row
    assert "results differ by 0 |" in row
    from benchmarks import judging

    small = judging.decision(runs=10, metrics=3, variants=2)
    row, _ = __main__.measured(small)
    assert row.startswith("| decision of a gate | ")
    assert (
        "| at most 2 s | 10 runs x 3 metrics in 2 variants, made up, baselines of 20 runs; 5 calls; off by"
        in row
    )


def test_the_names_that_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown kernel is refused with those there are."""
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["nothing"])
    assert "unknown kernel nothing; known: stacked_logreg" in capsys.readouterr().err
