"""`python -m benchmarks.backends`: real runs on two backends, their pages and packed jobs; and what is not claimed of disturbed times."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from benchmarks import backends
from harness.judging import jobs
from harness.records import Amount, Compared, Contrast, SideJob
from tests.judging.test_equivalence import compare, job, result

if typing.TYPE_CHECKING:
    from pathlib import Path


def side_by_side(**changes: typing.Any) -> Compared:
    """Set three runs on each side beside each other."""
    a, b = (job(*(result(seed, accuracy=0.9 + seed / 100) for seed in range(3))) for _ in "AB")
    (variant,), _ = compare(a, b)
    side = SideJob(folder="", created="", commit="", command="")
    whole = Compared(
        schema=3, created="", command="harness compare a b", version="", jobs=(side, side), variants=(variant,), left_out=(),
    )  # fmt: skip
    return dataclasses.replace(
        whole, variants=tuple(dataclasses.replace(variant, **changes) for variant in whole.variants)
    )


def contrast(*, disturbed: bool) -> Contrast:
    """Say that B takes twice as long."""
    first = Amount(median=1.0, runs=3, disturbed=disturbed)
    other = Amount(median=2.0, runs=3, disturbed=disturbed, ratio=2.0, lower=1.5, upper=2.5, coverage=0.9)
    return Contrast(stage="total", metric="seconds", unit="s", kind="runtime", sides=(first, other))


def test_disturbed_times_are_not_claimed() -> None:
    """A ratio of quiet runs stands with its interval; one of disturbed runs does not stand at all, and the page says why."""
    machine = {"cpu": "C", "cores": "2", "ram_gib": "4", "python": "3", "os": "Linux"}
    ran = [dataclasses.replace(job(result(0)), environment=machine, command="harness run")]
    quiet = backends.page({("x", "y"): side_by_side(contrasts=(contrast(disturbed=False),))}, ran)
    assert "| total: time | 1 s | 2 s | 2 | 1.5 to 2.5 |" in quiet
    assert "Other work ran beside" not in quiet
    found = side_by_side(contrasts=(contrast(disturbed=True),))
    first, second = found.variants[0].sides
    loud = (first, dataclasses.replace(second, disturbed=3))
    found = dataclasses.replace(found, variants=(dataclasses.replace(found.variants[0], sides=loud),))
    text = backends.page({("x", "y"): found}, ran)
    assert "| total: time | 1 s | 2 s | disturbed | — |" in text
    assert "**Other work ran beside**: disturbed were 3 of 3" in text
    assert "$ harness run\n$ harness compare a b" in text


@pytest.mark.system
def test_two_real_backends(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """Runs are done once, a page for the pair is written, the packed job is the job, and the scores agree."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    runs, reference = tmp_path / "runs", tmp_path / "reference"
    words = [
        "--variants", "kmnist_svd_logreg:o-ma", "--backends", "numpy", "torch", "--seeds", "2", "--runs", str(runs), "--reference", str(reference),
    ]  # fmt: skip
    assert backends.main(words) == 0
    text = capsys.readouterr().out
    assert "| kmnist_svd_logreg:o-ma | numpy | torch | accuracy, points |" in text
    assert (
        f"--backend torch --weights {runs}/numpy --tier smoke --seeds 2 --no-count --out {runs}/torch" in text
    )
    (labels,) = [line for line in text.splitlines() if "the reference's weights" in line]
    assert labels.startswith("| kmnist_svd_logreg:o-ma | numpy | torch | test, the reference's weights | 2 |")
    assert sorted(str(path.relative_to(reference)) for path in reference.rglob("*.*") if path.is_file()) == [
        "numpy-torch/compare.html", "numpy/run.json.gz", "torch/run.json.gz",
    ]  # fmt: skip
    assert jobs.read(reference / "torch") == jobs.read(runs / "torch")
    before = (runs / "numpy" / "run.json").stat().st_mtime_ns
    assert backends.main(words) == 0
    assert (runs / "numpy" / "run.json").stat().st_mtime_ns == before


def test_a_backend_that_cannot_run_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is compared, and the command that failed is named."""
    words = ["--variants", "kmnist_svd_logreg", "--backends", "jax", "numpy"]
    assert backends.main([*words, "--runs", str(tmp_path), "--reference", str(tmp_path / "kept")]) == 2
    assert "benchmarks.backends: 'harness run kmnist_svd_logreg --backend jax" in capsys.readouterr().err
