"""What a scenario may and may not do with its run, and the metrics that stages become."""

from __future__ import annotations

import contextlib
import sys
import typing

import numpy as np
import pytest

from harness.errors import UnknownNameError
from harness.measure import memory
from harness.measure.predicted import sort
from harness.measure.run import Run
from harness.measure.stages import stage_metrics
from harness.records import DatasetUse, IdentityCheck, Metric, RunRequest, StageResult

MIB = 2**20


class Accelerator:
    """A device that notes how it is used and reports fixed peaks."""

    def __init__(self, *peaks: int | None) -> None:
        self.calls: list[str] = []
        self._peaks = peaks or (None, None)

    def synchronise(self) -> None:
        """Note the wait."""
        self.calls.append("wait")

    def reset_peak(self) -> None:
        """Note the reset."""
        self.calls.append("reset")

    def peak_bytes(self) -> tuple[int | None, int | None]:
        """Return the fixed peaks."""
        allocated, reserved = self._peaks
        return allocated, reserved


class Loaded:
    """A data set as the data layer gives it."""

    use = DatasetUse(name="digits", sha256="00", complete=True, found="all there")


def load(name: str) -> Loaded:
    """Find every data set."""
    del name
    return Loaded()


DECLARED = (
    Metric("size", kind="size", unit="B", better="lower"),
    Metric("spectrum"),
    Metric("inputs", kind="size"),
    Metric("layer*.rank", kind="identity"),
)


def make(device: Accelerator | None = None, **options: typing.Any) -> Run:
    """Begin a run of seed 3."""
    request = RunRequest(
        scenario="probe", variant="default", tier="smoke", seed=3, backend="torch", device="cuda"
    )
    return Run(request, options, load, device or Accelerator(), declared=DECLARED)


def test_data_sets_are_noted_once() -> None:
    """A data set that is loaded twice is noted once, as it was found."""
    run = make()
    run.dataset("digits")
    run.dataset("digits")
    assert list(run.datasets.values()) == [Loaded.use]


def test_a_stage_measures_its_body() -> None:
    """Wall and CPU time, images and memory of the body are kept under its name."""
    device = Accelerator(5, 7)
    run = make(device)
    with run.stage("fit", images=100) as handle:
        np.ones(1000).sum()
        handle.images = 200
        device.calls.append("body")
    # peaks are reset before the clock starts, and the clock waits at its start and end
    assert device.calls == ["reset", "wait", "body", "wait"]
    (stage,) = run.stages
    assert (stage.name, stage.images) == ("fit", 200)
    assert stage.seconds > 0
    assert stage.cpu_seconds >= 0
    assert (stage.device_allocated_bytes, stage.device_reserved_bytes) == (5, 7)
    if memory.reset_peak():
        assert stage.start_bytes is not None
        assert stage.peak_bytes is not None
        assert stage.peak_bytes >= 0.95 * stage.start_bytes


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("inner", "stage 'inner' opened within stage 'outer'"),
        ("fit", "'fit' was measured already"),
        ("", "cannot be called ''"),
        ("imports", "cannot be called 'imports'"),
        ("total", "cannot be called 'total'"),
    ],
)
def test_a_stage_stands_alone_under_a_name_of_its_own(name: str, told: str) -> None:
    """Stages do not nest, a second one of a name would hide the first one's metrics, and the harness has names for its own."""
    run = make()
    with run.stage("fit"):
        pass
    outer = run.stage("outer") if name == "inner" else contextlib.nullcontext()
    with outer, pytest.raises(ValueError, match=told), run.stage(name):
        pass
    assert [stage.name for stage in run.stages] == (["fit", "outer"] if name == "inner" else ["fit"])


def test_a_stage_that_fails_is_not_kept_and_does_not_block() -> None:
    """An exception passes through, no half stage is stored, and the next stage opens."""
    run = make()
    with pytest.raises(RuntimeError, match="broken"), run.stage("fit"):
        raise RuntimeError("broken")
    with run.stage("next"):
        pass
    assert [stage.name for stage in run.stages] == ["next"]


def test_stage_metrics_sum_times_and_take_the_highest_peak() -> None:
    """Totals leave imports out: times add up, peaks do not, and memory is counted above the imports."""
    stages = [
        StageResult(name="imports", seconds=9.0, cpu_seconds=9.0, peak_bytes=100 * MIB),
        StageResult(name="fit", seconds=2.0, cpu_seconds=3.0, peak_bytes=150 * MIB, images=100, device_allocated_bytes=5),
        StageResult(name="test", seconds=1.0, cpu_seconds=1.0, peak_bytes=120 * MIB, device_allocated_bytes=4),
        StageResult(name="tiny", seconds=0.5, cpu_seconds=0.5, peak_bytes=90 * MIB),
    ]  # fmt: skip
    found = {name: measured.value for name, measured in stage_metrics(stages).items()}
    assert (found["total.seconds"], found["total.cpu_seconds"]) == (3.5, 4.5)
    assert (found["total.peak_bytes"], found["total.above_imports_bytes"]) == (150 * MIB, 50 * MIB)
    assert found["total.device_allocated_bytes"] == 5
    assert found["fit.images_per_second"] == 50
    assert found["test.above_imports_bytes"] == 20 * MIB
    assert found["tiny.above_imports_bytes"] == 0
    assert "imports.seconds" not in found
    assert "test.images_per_second" not in found
    assert "total.device_reserved_bytes" not in found


def test_stage_metrics_say_kind_unit_and_direction() -> None:
    """Times and bytes are better lower, rates higher; kinds decide how they are compared."""
    stage = StageResult(name="fit", seconds=2.0, cpu_seconds=3.0, peak_bytes=5, images=10)
    metrics = stage_metrics([stage]).items()
    found = {name: (m.kind, m.unit, m.better) for name, m in metrics if name.startswith("fit")}
    assert found == {
        "fit.seconds": ("runtime", "s", "lower"),
        "fit.cpu_seconds": ("runtime", "s", "lower"),
        "fit.images_per_second": ("runtime", "1/s", "higher"),
        "fit.peak_bytes": ("memory", "B", "lower"),
    }


def test_what_was_not_measured_is_absent() -> None:
    """Without a readable peak there is no metric of memory, and never 0; without a stage there are zero seconds."""
    found = stage_metrics([StageResult(name="fit", seconds=1.0, cpu_seconds=1.0)])
    assert not [name for name in found if name.endswith("_bytes")]
    nothing = {name: metric.value for name, metric in stage_metrics([]).items()}
    assert nothing == {"total.seconds": 0, "total.cpu_seconds": 0}


def test_settings_of_the_frameworks_are_told_by_stage() -> None:
    """A setting of one value is that value; one that differs is told by stage; what is restored afterwards is not lost."""
    now = {"tf32": "True", "autocast": "off"}
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    run = Run(request, {}, load, Accelerator(), settings=lambda: now)
    for stage, changed in (("train", {"tf32": "False", "autocast": "bfloat16"}), ("test", {"tf32": "False"})):
        before = dict(now)
        now.update(changed)
        with run.stage(stage):
            pass
        now.update(before)
    assert run.settings.by_stage() == {"tf32": "False", "autocast": "bfloat16 in train; off in test"}


# -- predictions ------------------------------------------------------------


def test_predictions_are_stored_small() -> None:
    """Labels and predictions take a byte an image, probabilities four a class."""
    run = make()
    run.predictions([0, 1], np.array([1, 1], np.int64), probabilities=[[0.9, 0.1], [0.2, 0.8]])
    stored = run.prediction_sets["test"]
    assert {part: array.dtype.name for part, array in stored.items()} == {
        "labels": "uint8",
        "predicted": "uint8",
        "probabilities": "float32",
    }
    assert run.problems == []


@pytest.mark.parametrize(
    ("labels", "predicted", "probabilities", "told"),
    [
        ([0, 1], [0], None, r"shapes \(2,\) and \(1,\); they must pair up"),
        ([[[0]]], [[[0]]], None, "they must pair up"),
        (np.array([], int), np.array([], int), None, "holds no rows"),
        (["a"], [0], None, "labels must be whole numbers from 0 to 255, found dtype <U1"),
        (
            [0, 1],
            [0.2, 0.9],
            None,
            "are classes .int64., its predictions real values .float64.: give labels of floating",
        ),
        (
            [0.5, 1.5],
            [0.2, float("nan")],
            None,
            "predictions of set 'test' hold 1 rows of NaN, infinity, .* the first of them row 1",
        ),
        ([float("inf")], [0.2], None, "labels of set 'test' hold 1 rows"),
        ([0.5, 1.5], [0.2], None, "they must pair up"),
        ([0.5, 1.5], [[0.2], [0.4]], None, r"shapes \(2,\) and \(2, 1\); they must pair up"),
        ([0.5], ["a"], None, "predictions of set 'test' must be numbers like its labels"),
        ([0.5], [0.5], [[1.0]], "real values, which have no probabilities"),
        ([[0, 2]], [[0, 1]], None, "labels of set 'test' must be 0 or 1 for each label"),
        ([[0, 1]], [[0, 3]], None, "predictions of set 'test' must be 0 or 1 for each label"),
        ([[0, 1]], [[0, 1]], [[0.5]], r"shape \(1, 1\), not \(1, 2\) as its labels"),
        ([[0, 1]], [[0, 1]], [[0.5, 1.5]], "must lie from 0 to 1"),
        ([0, 1], [[0.5, 0.5]], None, "they must pair up"),
        ([0], [[float("nan"), 0.5]], None, "predictions of set 'test' hold NaN or infinity"),
        ([0], [[0.5, 0.5]], [[0.5, 0.5]], "got probabilities twice"),
        ([0], [300], None, "predictions must lie from 0 to 255, found 300 to 300"),
        ([-1], [0], None, "labels must lie from 0 to 255, found -1 to -1"),
        ([1], [0], [[1.0]], r"shape \(1, 1\) do not cover 1 images with labels up to 1"),
        ([0, 1], [0, 1], [[0.5, 0.5]], "do not cover 2 images"),
        ([0], [0], [0.5], "do not cover 1 images"),
        ([0], [0], [[3.0, -2.0]], "no distributions"),
        ([0], [0], [[0.7, 0.7]], "no distributions"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(
    labels: typing.Any, predicted: typing.Any, probabilities: typing.Any, told: str
) -> None:
    """Shapes, ranges, logits and empty sets are refused at once, and nothing is stored."""
    run = make()
    with pytest.raises(ValueError, match=told):
        run.predictions(labels, predicted, probabilities=probabilities)
    assert run.prediction_sets == {}


def test_labels_decide_what_predictions_are() -> None:
    """Real values are kept as they are, several labels a row in a byte each; floating predictions of classes or labels are probabilities."""
    run = make()
    run.predictions([1.5, 2], np.array([1, 2]), name="values")
    run.predictions([[1, 0], [1, 1]], [[True, False], [False, True]], name="several")
    run.predictions([0, 1], [[0.9, 0.1], [0.6, 0.4]], name="classes")
    run.predictions([[1, 0]], [[0.5, 0.4]], name="likely")
    stored = {name: found["predicted"] for name, found in run.prediction_sets.items()}
    assert [sort(found) for found in run.prediction_sets.values()] == [
        "real values", "several labels", "classes", "several labels",
    ]  # fmt: skip
    assert stored["values"].dtype == np.float64
    assert {name: found.tolist() for name, found in stored.items()} == {
        "values": [1.0, 2.0], "several": [[1, 0], [0, 1]], "classes": [0, 0], "likely": [[1, 0]],
    }  # fmt: skip
    assert [name for name, found in run.prediction_sets.items() if "probabilities" in found] == [
        "classes",
        "likely",
    ]


def test_images_are_kept_of_classes_only() -> None:
    """What is wrong of real values is no picture."""
    with pytest.raises(ValueError, match="kept where a class is wrong, and it holds real values"):
        make().predictions([0.5], [0.5], images=np.zeros((1, 2, 2), np.uint8))


def test_what_the_harness_scores_cannot_be_recorded() -> None:
    """A pipeline never grades itself."""
    request = RunRequest(scenario="p", variant="d", tier="smoke", seed=3)
    run = Run(request, {}, load, Accelerator(), declared=(Metric("r", score="r2"),))
    with pytest.raises(ValueError, match="'r' is scored from the predictions after the run"):
        run.record("r", 1.0)


def test_prediction_sets_have_unique_names() -> None:
    """A second set of one name is refused."""
    run = make()
    run.predictions([0], [0])
    run.predictions([0], [0], name="train")
    with pytest.raises(ValueError, match="prediction set 'test' was stored already"):
        run.predictions([0], [0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_probabilities_of_a_diverged_training_cost_the_loss_only(bad: float) -> None:
    """Predictions are kept and scored; the loss is missing and the problem named."""
    run = make()
    run.predictions([0, 1], [0, 0], probabilities=[[bad, 0.5], [0.5, 0.5]])
    assert set(run.prediction_sets["test"]) == {"labels", "predicted"}
    assert run.problems == ["probabilities of set 'test' are not finite: it has no loss"]


# -- recorded metrics, identities, figures ------------------------------------------------------------


def test_recorded_metrics_are_plain() -> None:
    """Numbers and arrays of any library become floats and lists."""
    run = make()
    run.record("size", np.int64(7))
    run.record("spectrum", np.array([[1, 2], [3, 4]], np.float32))
    assert run.metrics["size"].value == 7.0
    assert run.metrics["spectrum"].value == [[1.0, 2.0], [3.0, 4.0]]
    size = run.metrics["size"]
    assert (size.unit, size.kind, size.better) == ("B", "size", "lower")


def test_a_family_declares_its_members() -> None:
    """A star stands for any text but none, and what it declares holds for each."""
    run = make()
    run.record("layer12.rank", 3)
    assert run.metrics["layer12.rank"].kind == "identity"
    with pytest.raises(UnknownNameError):
        run.record("layer.rank", 3)


def test_an_undeclared_name_is_refused() -> None:
    """The error names the nearest declared metric, and nothing is recorded."""
    run = make()
    with pytest.raises(UnknownNameError, match="unknown metric 'spectum'") as caught:
        run.record("spectum", [1.0])
    assert "Did you mean 'spectrum'?" in caught.value.next_step
    assert run.metrics == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, float("-inf")]])
def test_what_is_not_finite_is_kept_out_and_named(value: typing.Any) -> None:
    """A metric that is not finite never reaches a comparison, and the run says so."""
    run = make()
    run.record("loss", value)
    assert run.metrics == {}
    assert run.problems == ["metric 'loss' is not finite, or beyond 1e+150"]


def test_a_metric_has_one_value() -> None:
    """The same value may be recorded again; another under the same name is refused."""
    run = make()
    run.record("inputs", 785)
    run.record("inputs", 785.0)
    with pytest.raises(ValueError, match="metric 'inputs' was recorded already"):
        run.record("inputs", 784)


@pytest.mark.parametrize(
    ("error", "tolerance"),
    [(float("nan"), 1.0), (float("inf"), 1.0), (0.0, float("nan")), (0.0, float("inf"))],
)
def test_an_identity_that_is_not_finite_never_holds(error: float, tolerance: float) -> None:
    """NaN or infinity in error or tolerance is stored as a finite violation: JSON has neither."""
    run, sound = make(), IdentityCheck("b", 2.0, 1.0, "f", "d")
    run.identity(sound, IdentityCheck("W = USV", error, tolerance, "W = U S V^T", ""))
    kept, check = run.identities
    assert kept == sound
    assert (check.holds, check.error, check.tolerance) == (False, sys.float_info.max, 0.0)
    assert "not finite" in check.detail


def test_figures_keep_their_series_in_order() -> None:
    """Arrays lie under the figure's name and index; labels keep their order."""
    run = make()
    run.figure("curves", "lines", {"b": [1, 2], "a": np.ones(3)}, title="T", caption="C", rows=["r"])
    (figure,) = run.figures
    assert (figure.series, figure.rows) == (("b", "a"), ("r",))
    assert run.arrays["curves/0"].tolist() == [1, 2]
    assert run.arrays["curves/1"].tolist() == [1, 1, 1]


def test_figures_have_unique_names_and_hold_numbers() -> None:
    """A second figure of one name, and a series of objects that could not be read back, are refused."""
    run = make()
    run.figure("curves", "lines", {"a": [1]}, title="T", caption="C")
    with pytest.raises(ValueError, match="figure 'curves' was stored already"):
        run.figure("curves", "lines", {"a": [1]}, title="T", caption="C")
    with pytest.raises(ValueError, match="figure 'words' has a series that is no array of numbers"):
        run.figure("words", "lines", {"a": ["one", "two"]}, title="T", caption="C")
    assert len(run.figures) == len(run.arrays) == 1
