"""The three Keras scenarios end to end: workers are processes of their own, so no framework is imported here."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import typing

import numpy as np
import pytest

from harness import data
from harness.errors import StorageError
from harness.measure.accelerators import NoAccelerator
from harness.measure.run import Run
from harness.records import RunRequest
from harness.sources import catalogue
from harness.sources.digits1000_cnn import stages
from harness.sources.digits1000_cnn.pipeline import write_folders
from tests.conftest import TIME_LIMIT, one_thread

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Expectation

pytestmark = pytest.mark.keras
KERAS = ("mnist_autoencoder", "mnist_interpolation", "digits1000_cnn")
Record = dict[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Finished:
    """One finished job."""

    code: int
    """Exit code."""
    results: dict[str, Record]
    """Results by ``scenario:variant``."""
    judgements: dict[str, list[Record]]
    """Judgements by ``scenario:variant``."""
    out: Path
    """Folder of the job."""


def run(cache: Path, out: Path, *arguments: str) -> Finished:
    """Run ``harness run`` on embedded data and read what it stored."""
    environment = {name: value for name, value in os.environ.items() if name != "HARNESS_DATA"}
    command = [sys.executable, "-m", "harness", *one_thread("run", *arguments, "--out", str(out))]
    done = subprocess.run(
        command, cwd=out.parent, env={**environment, "HARNESS_CACHE": str(cache)}, capture_output=True, text=True, timeout=TIME_LIMIT,
        check=False,
    )  # fmt: skip
    assert (out / "run.json").is_file(), done.stdout + done.stderr
    job = json.loads((out / "run.json").read_text())
    return Finished(
        done.returncode,
        {f"{r['request']['scenario']}:{r['request']['variant']}": r for r in job["results"]},
        {f"{c['scenario']}:{c['variant']}": c["judgements"] for c in job["comparisons"]},
        out,
    )


@pytest.fixture(scope="module")
def defaults(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return the smoke tier of the three default variants on TensorFlow."""
    return run(cache, tmp_path_factory.mktemp("defaults") / "out", *KERAS, "--keep-weights")


@pytest.fixture(scope="module")
def mistaken(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return the smoke tier of the shuffled-iterator mistake."""
    return run(cache, tmp_path_factory.mktemp("mistaken") / "out", "digits1000_cnn:misaligned")


@pytest.fixture(scope="module")
def on_torch(cache: Path, tmp_path_factory: pytest.TempPathFactory, defaults: Finished) -> Finished:
    """Return the smoke tier of the digits on torch, which predicts with TensorFlow's weights too."""
    words = ("digits1000_cnn", "--backend", "torch", "--weights", str(defaults.out))
    return run(cache, tmp_path_factory.mktemp("torch") / "out", *words)


def value(finished: Finished, key: str, metric: str) -> float:
    """Return one number of one run."""
    return float(finished.results[key]["metrics"][metric]["value"])


def needed(expectations: tuple[Expectation, ...], variant: str) -> set[str]:
    """Return every metric that the readable expectations of a variant name."""
    readable = [e for e in expectations if e.variant == variant and not e.unreadable]
    return {name for e in readable for name in (e.order or (e.metric,))}


def test_default_variants_run_and_judge(defaults: Finished) -> None:
    """All three finish; nothing is missing, not finite or violated."""
    assert defaults.code == 0
    for key, result in defaults.results.items():
        assert (result["status"], result["error"]) == ("ok", ""), key
        assert result["measurement"]["problems"] == [], key
        assert {j["verdict"] for j in defaults.judgements[key]}.isdisjoint({"ERROR", "REGRESSED"}), key
    assert len(defaults.results) == 3


@pytest.mark.parametrize("name", KERAS)
def test_every_expected_metric_is_recorded(defaults: Finished, name: str) -> None:
    """A default run has every metric that its source's expectations name, in whatever tier they are judged."""
    scenario = catalogue.load_all()[name]
    variant = scenario.variants[0].name
    recorded = defaults.results[f"{name}:{variant}"]["metrics"]
    assert needed(scenario.expectations, variant) - set(recorded) == set()
    assert set(scenario.gated) - set(recorded) == set()


def test_smoke_models_learn(defaults: Finished) -> None:
    """On the embedded images every network learns what its source says it does, but for what fewer images and steps cost."""
    assert value(defaults, "mnist_interpolation:case4", "accuracy") > 0.91
    assert value(defaults, "digits1000_cnn:final", "accuracy") > 0.8
    assert value(defaults, "mnist_autoencoder:default", "accuracy") > 0.85
    assert value(defaults, "mnist_autoencoder:default", "head.accuracy") > 0.6


def test_time_outside_the_training_step_is_measured(defaults: Finished) -> None:
    """The input is never the bottleneck of a training loop: a few percent of its time alone, and on no busy machine half."""
    for key in defaults.results:
        assert 0 <= value(defaults, key, "train.share_outside") < 0.5, key


def test_features_take_half_of_single_precision(defaults: Finished) -> None:
    """The 2,000 images of the smoke tier keep 12,544 features each, two bytes a feature."""
    assert value(defaults, "mnist_autoencoder:default", "features.bytes") == 2000 * 12544 * 2


@pytest.mark.slow
def test_mistake_fails_by_name(mistaken: Finished) -> None:
    """The shuffled iterator violates both alignment checks and nothing else: as declared, so that the command exits 0."""
    judged = mistaken.judgements["digits1000_cnn:misaligned"]
    violated = {j["metric"] for j in judged if j["cause"] == "by_design"}
    assert violated == {"test.alignment", "test.reported_accuracy"}
    assert not [
        j["metric"] for j in judged if j["verdict"] in {"ERROR", "REGRESSED"} and j["against"] == "identity"
    ]
    assert mistaken.code == 0


@pytest.mark.slow
def test_mistake_shows_the_published_contradiction(mistaken: Finished) -> None:
    """A good reported accuracy stands beside a matrix at chance; aligned, the same predictions give the reported one."""
    key = "digits1000_cnn:misaligned"
    assert value(mistaken, key, "reported_accuracy") > 0.8
    assert value(mistaken, key, "accuracy") < 0.2
    assert value(mistaken, key, "aligned.accuracy") == value(mistaken, key, "reported_accuracy")
    scenario = catalogue.load_all()["digits1000_cnn"]
    missing = needed(scenario.expectations, "misaligned") - set(mistaken.results[key]["metrics"])
    assert missing == set()


def test_class_folders_are_written_once(defaults: Finished, mistaken: Finished, cache: Path) -> None:
    """Two runs of one seed read the same 1,000 files: the first wrote them, and the second left them alone."""
    ended = [(found.out / "run.json").stat().st_mtime for found in (defaults, mistaken)]
    (folder,) = [found for found in (cache / "digits1000").iterdir() if found.is_dir()]
    written = [path.stat().st_mtime for path in folder.glob("*/*/*.png")]
    assert len(written) == 1000
    assert max(written) < min(ended)


@pytest.mark.slow
def test_damaged_class_folders_are_explained_in_one_line(tmp_path: Path) -> None:
    """A lost file stops the run in one sentence without a traceback, which says how to go on."""
    cache = tmp_path / "cache"
    folder = drawn_folder(cache)
    next((folder / "train" / "4").iterdir()).unlink()
    done = run(cache, tmp_path / "out", "digits1000_cnn", "--no-count")
    (result,) = done.results.values()
    assert done.code == 2
    assert "holds 699 images" in result["error"]
    assert f"Delete '{folder}'; the next run writes it again" in result["error"]
    assert "Traceback" not in result["error"]
    assert "File" not in result["error"]


@pytest.mark.parametrize("damage", ["stray", "changed"])
def test_foreign_and_changed_files_are_named(tmp_path: Path, damage: str) -> None:
    """A foreign file is named, and an image in another's place is no image that the seed draws."""
    folder = drawn_folder(tmp_path)
    files = sorted((folder / "train" / "4").iterdir())
    if damage == "stray":
        (folder / "train" / "4" / "notes.txt").write_text("hello")
    else:
        shutil.copy(files[1], files[0])
    request = RunRequest(scenario="digits1000_cnn", variant="final", tier="smoke", seed=0)
    started = Run(request, {}, lambda name: name, NoAccelerator())
    says = {"stray": "notes.txt' is a stray entry", "changed": "holds 700 images, not the 700"}
    with pytest.raises(StorageError, match=says[damage]) as caught:
        stages.read(started, folder, data.load("mnist-excerpt"))
    assert f"Delete '{folder}'; the next run writes it again" in str(caught.value)


def drawn_folder(cache: Path) -> Path:
    """Write the class folders of seed 0 as a run of the smoke tier does."""
    found = data.load("mnist-excerpt").train
    labels = np.asarray(found.labels)
    return write_folders(np.asarray(found.images), labels, cache / "digits1000", seed=0)


@pytest.mark.slow
def test_torch_agrees(defaults: Finished, on_torch: Finished) -> None:
    """On torch the same images are drawn and the accuracy is within 5 points, four binomial deviations of 300 images."""
    key = "digits1000_cnn:final"
    assert on_torch.code == 0
    assert abs(value(on_torch, key, "accuracy") - value(defaults, key, "accuracy")) < 0.05
    support = [each.results[key]["metrics"]["support_per_class"]["value"] for each in (defaults, on_torch)]
    assert support == [[30] * 10] * 2


@pytest.mark.slow
def test_torch_predicts_with_the_weights_of_tensorflow(defaults: Finished, on_torch: Finished) -> None:
    """Trained by another backend, but with the same weights the accuracy is the same to an image at the edge of two classes."""
    key = "digits1000_cnn:final"
    ours, theirs = (each.results[key]["measurement"]["weights"] for each in (defaults, on_torch))
    assert theirs["test-given"] == ours["test"] != theirs["test"]
    difference = value(on_torch, key, "test-given.accuracy") - value(defaults, key, "accuracy")
    assert abs(difference) <= 1 / 300 + 1e-9


@pytest.mark.slow
def test_one_framework_a_process(defaults: Finished, on_torch: Finished) -> None:
    """A run on torch never loads TensorFlow, though Keras would to seed it; a run on TensorFlow never loads torch."""
    loaded = on_torch.results["digits1000_cnn:final"]["measurement"]["environment"]
    assert {"keras", "torch"} <= set(loaded)
    assert "tensorflow" not in loaded
    for result in defaults.results.values():
        assert "torch" not in result["measurement"]["environment"]
