"""Flipped images through the command: fixed weights whose inference changes, a retrained model, a damaged file."""

from __future__ import annotations

import shutil
import typing

import numpy as np
import pytest

from tests.conftest import Harness
from tests.judging import made

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Finished

BODY = """
def measure(run):
    digits = np.load("digits.npz")
    images, target = digits["images"], digits["target"]
    centres = np.stack([images[: RETRAINED + 1000][target[: RETRAINED + 1000] == c].mean(axis=0) for c in range(10)])  # (10, 8, 8)
    images, labels = images[1200:], target[1200:]
    with run.stage("test", images=len(images)):
        seen = np.where(images >= THRESHOLD, 16.0, 0.0) if THRESHOLD else images
        predicted = ((seen[:, None] - centres) ** 2).sum(axis=(2, 3)).argmin(axis=1)  # (n,)
    run.predictions(labels, predicted, images=(images * 15.9).astype(np.uint8), weights=[centres])
    run.record("bias", np.random.default_rng(run.seed).random())

SCENARIO = declare(measure, gated=("accuracy", "f1_macro"), metrics=(Metric("bias", better="higher"),))
"""


def write(harness: Harness, *, threshold: float = 0, retrained: int = 0) -> None:
    """Write the probe: nearest class centre, its images cut at a threshold, its centres from so many more images."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    # read from a file: importing scikit-learn would take each run longer than all the rest
    np.savez(harness.folder / "digits.npz", images=digits.images, target=digits.target)
    harness.scenario(f"THRESHOLD, RETRAINED = {threshold}, {retrained}\n{BODY}")


def gate(harness: Harness, *options: str, out: str = "gate") -> Finished:
    """Gate the probe on two seeds."""
    return harness("gate", "probe", "--scenarios", "probe.py", "--seeds", "2", "--out", out, *options)


def flips_of(harness: Harness, out: str = "gate") -> list[dict[str, typing.Any]]:
    """Return the flips of a job's only variant."""
    (comparison,) = harness.job(out)["comparisons"]
    return typing.cast("list[dict[str, typing.Any]]", comparison["flips"])


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Return a folder of baselines of the unchanged probe: five seeds of one checkpoint, proposed and accepted."""
    first = Harness(tmp_path_factory.mktemp("first"), cache)
    write(first)
    first.repository()
    done = made.accepted(first, "--seeds", "5")
    assert ".npz" in done.out
    return first.folder / "baselines"


@pytest.fixture
def approved(harness: Harness, stored: Path) -> Harness:
    """Return the command beside the unchanged probe and its baseline."""
    write(harness)
    shutil.copytree(stored, harness.folder / "baselines")
    return harness


def test_changed_inference_of_the_same_weights_is_decided_by_images(approved: Harness) -> None:
    """A threshold in the inference flips images: exit 1 from two runs, by McNemar's test, shown as pictures."""
    write(approved, threshold=3)
    done = gate(approved, "--explain", "accuracy")
    assert done.code == 1, done.out + done.err
    assert "exact sign-flip test of each image's net flips" in done.out
    assert "2 runs with the same weights as the reference (1 checkpoint)" in done.out
    assert "without a confirm round" in done.out
    assert len(approved.job("gate")["results"]) == 2
    first, second = flips_of(approved)
    assert first["same_weights"]
    assert first["worse"] == second["worse"]
    assert first["worse_count"] == len(first["worse"]) > first["better_count"] > 0
    page = (approved.folder / "gate" / "index.html").read_text()
    image, label, before, after = first["worse"][0]
    assert f'alt="Image {image}, seed 0, 1: class {label}, predicted {before} before and {after} now"' in page
    assert label == before != after
    again = approved("judge", "gate", "--scenarios", "probe.py")
    assert again.code == 1, again.out + again.err
    assert flips_of(approved) == [first, second]


@pytest.mark.slow
def test_an_unchanged_program_has_zero_flips_and_says_so(approved: Harness) -> None:
    """The same images, predicted alike: zero flips, in the report's words."""
    done = gate(approved)
    assert done.code == 0, done.out + done.err
    assert [
        (found["images"], found["worse_count"], found["better_count"]) for found in flips_of(approved)
    ] == [(597, 0, 0)] * 2
    assert "zero flips</span>" in (approved.folder / "gate" / "index.html").read_text()


@pytest.mark.slow
def test_flips_of_a_retrained_model_decide_nothing(approved: Harness) -> None:
    """Centres of more images flip some: they are shown, by `harness run` too, and the spread over seeds decides."""
    write(approved, retrained=200)
    done = approved("run", "probe", "--scenarios", "probe.py", "--out", "run")
    assert done.code == 0, done.out + done.err
    (found,) = flips_of(approved, "run")
    assert found["worse_count"] + found["better_count"] > 0
    assert not found["same_weights"]
    assert (
        "two trainings of one program flip images too" in (approved.folder / "run" / "index.html").read_text()
    )
    gate(approved, "--max-runs", "2")
    (compared,) = approved.job("gate")["comparisons"]
    assert not any(trial["by_images"] for trial in compared["trials"])


@pytest.mark.slow
def test_an_older_baseline_keeps_no_predictions(approved: Harness) -> None:
    """Without the file beside it a baseline judges as ever; the report says what is missing."""
    (kept,) = (approved.folder / "baselines").rglob("*.npz")
    kept.unlink()
    assert gate(approved).code == 0
    assert {found["problem"] for found in flips_of(approved)} == {"the baseline keeps no predictions"}
    assert (
        "Not compared, seed 0, 1: the baseline keeps no predictions."
        in (approved.folder / "gate" / "index.html").read_text()
    )


@pytest.mark.slow
def test_damaged_predictions_of_a_baseline_never_pass(approved: Harness) -> None:
    """A torn file is an ERROR that names it, in a run and in a gate."""
    (kept,) = (approved.folder / "baselines").rglob("*.npz")
    kept.write_bytes(kept.read_bytes()[:200])
    done = gate(approved, "--seeds", "1")
    assert done.code == 2, done.out + done.err
    assert kept.name in done.out.replace("\n", "")
    assert approved("judge", "gate", "--scenarios", "probe.py").code == 2


@pytest.mark.slow
def test_accepting_anew_replaces_the_predictions(approved: Harness) -> None:
    """A changed program's approval brings its own predictions: then it has zero flips."""
    approved.repository()
    write(approved, threshold=3)
    made.accepted(approved, "--seeds", "5")
    assert all(found["worse_count"] for found in flips_of(approved, "first"))
    done = approved("judge", "first", "--scenarios", "probe.py")
    assert done.code == 0, done.out + done.err
    assert not any(found["worse_count"] or found["problem"] for found in flips_of(approved, "first"))
