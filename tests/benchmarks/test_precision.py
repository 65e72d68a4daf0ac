"""`python -m benchmarks.precision`: real runs of two variants in one job, their page and packed job."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from benchmarks import precision
from harness.judging import jobs
from harness.records import Measured, RunResult
from tests.benchmarks.test_backends import contrast, side_by_side
from tests.judging.test_equivalence import job, result

if typing.TYPE_CHECKING:
    from pathlib import Path


def storing(seed: int, variant: str, stored: float) -> RunResult:
    """Return a run of a variant that stores so many bytes."""
    run = result(seed)
    request = dataclasses.replace(run.request, variant=variant)
    metrics = {**run.metrics, "features.bytes": Measured(value=stored, unit="B", kind="size")}
    return dataclasses.replace(run, request=request, metrics=metrics)


def test_the_page_shows_scores_ratios_and_bytes() -> None:
    """Each pair has its rows, a quiet time its ratio, and bytes stand as a share of the first variant's."""
    machine = {"cpu": "C", "cores": "2", "ram_gib": "4", "python": "3", "os": "Linux"}
    runs = [storing(seed, name, stored) for name, stored in (("full", 4e6), ("half", 2e6)) for seed in (0, 1)]
    ran = dataclasses.replace(job(*runs), environment=machine, command="harness run")
    text = precision.page({("full", "half"): side_by_side(contrasts=(contrast(disturbed=False),))}, [ran])
    assert "| full | half | accuracy, points |" in text
    assert "| full | half | total: time | 1 s | 2 s | 2 | 1.5 to 2.5 |" in text
    assert (
        "| full | features.bytes | 4,000,000 B | 1 | 2 |\n| half | features.bytes | 2,000,000 B | 0.5 | 2 |"
        in text
    )
    assert "$ harness run\n$ harness compare a b" in text


@pytest.mark.system
def test_two_real_variants(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both variants run once in one job; page, page of the pair and packed job are written, and a second call runs nothing."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    runs, reference, markdown = tmp_path / "runs", tmp_path / "reference", tmp_path / "precision.md"
    words = [
        "--scenario", "kmnist_svd_logreg", "--pairs", "o-ma=o-ma-int8", "--tier", "smoke", "--seeds", "2", "--runs", str(runs),
        "--reference", str(reference), "--markdown", str(markdown),
    ]  # fmt: skip
    assert precision.main(words) == 0
    text = markdown.read_text()
    assert "| o-ma | o-ma-int8 | accuracy, points |" in text
    assert "| o-ma-int8 | stored.bytes |" in text
    assert sorted(str(path.relative_to(reference)) for path in reference.rglob("*.*") if path.is_file()) == [
        "o-ma-o-ma-int8/compare.html", "runs/run.json.gz",
    ]  # fmt: skip
    assert jobs.read(reference / "runs") == jobs.read(runs / "runs")
    before = (runs / "runs" / "run.json").stat().st_mtime_ns
    assert precision.main(words) == 0
    assert (runs / "runs" / "run.json").stat().st_mtime_ns == before


def test_what_cannot_run_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variant that does not exist is the command's own error, and a word that is no pair is refused."""
    words = ["--pairs", "default=nothing", "--runs", str(tmp_path), "--reference", str(tmp_path / "kept")]
    assert precision.main(words) == 2
    assert "benchmarks.precision: 'harness run mnist_autoencoder:default" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        precision.main(["--pairs", "default"])
    assert "'default' is no pair; write two variants as A=B" in capsys.readouterr().err


def test_the_pairs_are_variants_that_the_scenario_declares() -> None:
    """Default pairs name variants of the default scenario, and differ in one option each."""
    from harness.sources.catalogue import load_all

    scenario = load_all()[precision.SCENARIO]
    for a, b in precision.PAIRS:
        ours, theirs = (dict(scenario.variant(name).options) for name in (a, b))
        assert len(set(ours.items()) ^ set(theirs.items())) == 1
