"""A job as real runs leave it: five seeds of two scenarios, a failed run, arrays on disk, every verdict.

The numbers are made up; the shapes, files and records are those of real runs.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness import records
from harness.measure.scores import of_predictions
from harness.measure.stages import stage_metrics
from harness.store import files

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[typing.Any]]

FIGURES = Path(__file__).with_name("figures.json")
JUDGEMENTS = Path(__file__).with_name("judgements.json")
MIB = 2**20
SEEDS = range(5)
KMNIST = records.DatasetUse(
    name="kmnist", sha256="9f3c" * 16, complete=False,
    found="6,284 of 60,000 training images and all 10,000 test images of the folder named by HARNESS_DATA",
)  # fmt: skip
MNIST = records.DatasetUse(
    name="mnist", sha256="1b7e" * 16, complete=True, found="all 60,000 training and 10,000 test images"
)
ENVIRONMENT = {
    "cpu": "AMD EPYC 9454 48-Core Processor",
    "cores": "2",
    "memory": "24 GiB",
    "os": "Linux",
    "python": "3.11.9",
    "numpy": "2.4.6",
    "torch": "2.9.1",
    "blas": "OpenBLAS 0.3.30, 2 threads",
    "gpu": "none",
    "threads": "2",
}


def request(scenario: str, variant: str, seed: int, backend: str = "numpy") -> records.RunRequest:
    """Ask for one run in the short tier."""
    return records.RunRequest(scenario=scenario, variant=variant, tier="short", seed=seed, backend=backend)


def stages(names: dict[str, float], peak: int, *, readable: bool = True) -> tuple[records.StageResult, ...]:
    """Measure named stages, one right after the other; memory grows a little with each."""
    ends = list(itertools.accumulate(names.values(), initial=0.2))
    return tuple(
        records.StageResult(
            name=name,
            seconds=seconds,
            began_seconds=ends[place],
            cpu_seconds=seconds * 1.8,
            start_bytes=(60 + 9 * place) * MIB if readable else None,
            peak_bytes=peak + 21 * MIB * place if readable else None,
            images=12_000 if place else None,
        )
        for place, (name, seconds) in enumerate(names.items())
    )


def digits() -> NDArray[np.float64]:
    """Return ten real handwritten digits at 28x28, (10, 28, 28), grey values 0 to 255."""
    from sklearn.datasets import load_digits

    small = load_digits().images[:10]  # (10, 8, 8)
    wide = np.kron(small, np.ones((1, 4, 4)))[:, 2:30, 2:30]  # (10, 28, 28)
    return np.asarray(wide * 255 / 16)


def compressed(images: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """Return the images from their `rank` largest singular values, (n, 28, 28)."""
    u, s, vt = np.linalg.svd(images)
    return np.asarray((u[..., :rank] * s[..., None, :rank]) @ vt[..., :rank, :])


def figures(scenario: str) -> tuple[records.Figure, ...]:
    """Return a scenario's figures from ``figures.json``."""
    stored = msgspec.json.decode(FIGURES.read_bytes(), type=dict[str, tuple[records.Figure, ...]])
    return stored[scenario]


def kmnist_arrays(rng: np.random.Generator) -> Arrays:
    """Make the arrays of the figures of the logistic regression."""
    epochs = np.arange(1, 101)
    losses = {i: 0.05 + 0.6 * np.exp(-epochs / (6 + 5 * i)) + rng.normal(0, 0.004, 100) for i in range(4)}
    images = digits()[:6]
    grid = np.stack(
        [compressed(images, 3), compressed(images, 8), compressed(images, 13), images]
    )  # (4, 6, 28, 28)
    spectra = np.linalg.svd(images, compute_uv=False)
    energy = np.cumsum(spectra**2, axis=1) / (spectra**2).sum(1, keepdims=True)
    rates = 0.9 + 0.08 * rng.random((6, 4))
    arrays = {f"loss/{i}": loss for i, loss in losses.items()}
    arrays |= {"samples/0": grid, "grid/0": rates} | {f"spectra/{i}": energy[i] for i in range(2)}
    return arrays


def tiny_arrays(rng: np.random.Generator) -> Arrays:
    """Make the arrays of the figures of the TinyConvNet."""
    filters = rng.normal(0, 0.3, (2, 8, 3, 3))
    ranks = np.arange(1, 17)
    sweep = np.stack([ranks, 0.2 + 0.787 * (1 - np.exp(-ranks / 2.5))])
    scatter = {f"scatter/{i}": rng.normal(0, 1, (300, 2)) + 4 * rng.normal(0, 1, 2) for i in range(10)}
    arrays = {
        "filters/0": filters,
        "sweep/0": sweep,
        "masks/0": (rng.random((8, 500)) > 0.5).astype(np.uint8),
    }
    arrays |= {"spectrum/0": 2.1 * 0.8 ** np.arange(8), "spectrum/1": 2.0 * 0.81 ** np.arange(8)} | scatter
    return arrays


def predictions(rng: np.random.Generator, n: int, right: float) -> Arrays:
    """Draw labels, and predictions of which about the share `right` agrees."""
    labels = rng.integers(0, 10, n)
    wrong = (labels + rng.integers(1, 4, n)) % 10
    predicted = np.where(rng.random(n) < right, labels, wrong)
    missed = np.flatnonzero(predicted != labels)[:200]
    pictures = digits().astype(np.uint8)[labels[missed]]  # (k, 28, 28)
    return {"labels": labels, "predicted": predicted, "wrong": missed, "wrong_images": pictures}


def flips(folder: Path, head: records.RunResult, base: records.RunResult, shown: int) -> records.Flips:
    """Say that the first images a run got wrong were right before, and the other way round for a base run."""
    found = [files.read_npz(folder / run.folder / "predictions.npz") for run in (head, base)]
    sides = [
        [
            (int(i), int(side["test/labels"][i]), int(side["test/predicted"][i]))
            for i in side["test/wrong"][:shown]
        ]
        for side in found
    ]
    return records.Flips(
        seed=head.request.seed, set="test", against="base main", images=2000, folder=head.folder, base_folder=base.folder,
        worse=tuple(records.Flip(image, label, label, guess) for image, label, guess in sides[0]), worse_count=shown,
        better=tuple(records.Flip(image, label, guess, label) for image, label, guess in sides[1]), better_count=shown, changed=2,
    )  # fmt: skip


def run_kmnist(folder: Path, variant: str, seed: int, accuracy: float) -> records.RunResult:
    """Leave a finished run of the logistic regression on the incomplete KMNIST."""
    rng = np.random.default_rng(seed)
    asked = request("kmnist_svd_logreg", variant, seed)
    arrays = kmnist_arrays(rng)
    measured = {"imports": 0.11, "compress": 0.52 + 0.02 * seed, "train": 6.1 + 0.2 * seed, "test": 0.04}
    measurement = records.Measurement(
        request=asked,
        scenario_version=1,
        options={"rank": 8, "batch": 32, "rates": [0.1, 0.01], "epochs": 100},
        metrics={
            "stored_bytes": records.Measured(value=1824.0, unit="B", kind="size", better="lower"),
            "percent_size": records.Measured(value=58.1632653, unit="%", kind="size", better="lower"),
            "energy": records.Measured(value=[0.71, 0.88, 0.95, 0.98, 0.99, 0.996], better="none"),
        },
        stages=stages(measured, 71 * MIB),
        identities=identities(rng, 9),
        predictions=("test",),
        figures=figures(asked.scenario),
        datasets=(KMNIST,),
        environment=ENVIRONMENT,
        foreign_cpu=1.34 if seed == 3 else 0.02,
        calibration_seconds=0.0031 + 0.0001 * seed,
    )
    return finished(folder, measurement, arrays, predictions(rng, 2000, accuracy))


def run_tiny(folder: Path, seed: int, *, violated: bool = False) -> records.RunResult:
    """Leave a finished run of the TinyConvNet, without readable stage memory."""
    rng = np.random.default_rng(100 + seed)
    asked = request("tinyconvnet_svd", "default", seed, backend="torch")
    arrays = tiny_arrays(rng)
    measured = {"imports": 2.4, "data": 0.4, "train": 31.0 + seed, "svd": 0.02, "verify": 0.6, "regions": 0.3}
    spectrum = [float(value) for value in 2.1 * 0.8 ** np.arange(8)]
    measurement = records.Measurement(
        request=asked,
        scenario_version=2,
        options={"epochs": 20, "batch": 64, "rate": 0.001},
        metrics={
            "spectrum_1": records.Measured(value=spectrum),
            "masks": records.Measured(value=40.0 + seed, unit="masks"),
        },
        stages=stages(measured, 640 * MIB, readable=False),
        identities=identities(rng, 5, violated=violated),
        predictions=("test",),
        figures=figures(asked.scenario),
        datasets=(MNIST,),
        environment=ENVIRONMENT,
        problems=("metric 'ratio' is not finite",) if seed == 1 else (),
    )
    return finished(folder, measurement, arrays, predictions(rng, 10_000, 0.986))


def identities(
    rng: np.random.Generator, count: int, *, violated: bool = False
) -> tuple[records.IdentityCheck, ...]:
    """Check identities; the first is violated if asked for."""
    formulas = {
        "reconstruction": "A = U S Vᵀ", "orthonormal U": "UᵀU = I", "orthonormal V": "VᵀV = I", "Parseval": "‖A‖² = Σσᵢ²",
        "Eckart-Young": "‖A − Aₖ‖² = Σᵢ₊ₖσᵢ²", "storage": "k(1+m+n)", "im2col": "Y = W P", "forward": "f = g",
        "mask": "ReLU(Wp) = M(p)Wp",
    }  # fmt: skip
    errors = {name: 0.0 if name == "storage" else float(2e-8 * rng.random()) for name in formulas}
    if violated:
        errors["reconstruction"] = 3.1e-5
    return tuple(
        records.IdentityCheck(
            name=name, error=errors[name], tolerance=1.9e-6, formula=formula, detail="float32, (8, 9)"
        )
        for name, formula in list(formulas.items())[:count]
    )


def memory_of(measured: tuple[records.StageResult, ...]) -> records.MemoryTrace:
    """Sample stages ten times each: memory rises to the stage's peak, where that could be read."""
    seconds = [stage.began_seconds + stage.seconds * part / 10 for stage in measured for part in range(10)]  # type: ignore[operator]
    held = [(stage.peak_bytes or 90 * MIB) - (9 - part) * MIB for stage in measured for part in range(10)]
    return records.MemoryTrace(seconds=tuple(seconds), resident_bytes=tuple(held))


def finished(
    folder: Path, measurement: records.Measurement, arrays: Arrays, stored: Arrays
) -> records.RunResult:
    """Write a run's files and score it as the runner does."""
    place = f"runs/{measurement.request.key}"
    files.write_npz(folder / place / "arrays.npz", arrays)
    files.write_npz(
        folder / place / "predictions.npz", {f"test/{name}": array for name, array in stored.items()}
    )
    metrics = {**measurement.metrics, **of_predictions(stored), **stage_metrics(measurement.stages)}
    return records.RunResult(
        request=measurement.request, status="ok", started="2025-03-04T10:00:00+00:00", wall_seconds=9.4,
        metrics=metrics, measurement=measurement, folder=place, memory=memory_of(measurement.stages),
    )  # fmt: skip


def failed_run() -> records.RunResult:
    """Return a run whose worker died."""
    asked = request("tinyconvnet_svd", "default", 4, backend="torch")
    return records.RunResult(
        request=asked,
        status="error",
        started="2025-03-04T10:04:00+00:00",
        wall_seconds=12.0,
        error=f"the worker of run {asked.key} was killed by SIGKILL (the system may have run out of memory)",
        log_tail="epoch 3  loss 0.0712\nepoch 4  loss 0.0588\nRuntimeError: [enforce fail at alloc] "
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 3211264000 bytes.",
    )


def judgements(key: str, checked: int) -> tuple[records.Judgement, ...]:
    """Return a variant's judgements from ``judgements.json``, and identities that hold."""
    stored = msgspec.json.decode(JUDGEMENTS.read_bytes(), type=dict[str, list[records.Judgement]])
    violated = {judgement.metric for judgement in stored[key]}
    held = tuple(
        records.Judgement(
            against="identity",
            metric=check.name,
            verdict="PASS",
            kind="identity",
            value=check.error,
            reference=check.tolerance,
            n=5,
        )
        for check in identities(np.random.default_rng(1), checked)
        if check.name not in violated
    )
    return (*stored[key], *held)


def build_job(folder: Path) -> records.Job:
    """Write the runs' files below `folder` and return the job."""
    variants = {"o-ma-k8": 0.966, "su-ma-k8": 0.851}
    results = [run_kmnist(folder, name, seed, mean) for name, mean in variants.items() for seed in SEEDS]
    results += [run_tiny(folder, seed, violated=seed == 2) for seed in range(4)]
    comparisons = [
        records.Comparison(
            scenario="kmnist_svd_logreg",
            variant=name,
            tier="short",
            seeds=tuple(SEEDS),
            failed=(),
            judgements=judgements(f"kmnist_svd_logreg:{name}", 9),
        )
        for name, mean in variants.items()
    ]
    # five runs of a variant in a row: each but the first is held against the one before it
    turned = tuple(flips(folder, results[seed], results[seed - 1], shown=8) for seed in (1, 2, 3))
    comparisons[0] = dataclasses.replace(comparisons[0], flips=turned)
    tiny = records.Comparison(
        scenario="tinyconvnet_svd", variant="default", tier="short", seeds=(0, 1, 2, 3),
        failed=(failed_run().error,), judgements=judgements("tinyconvnet_svd:default", 5),
    )  # fmt: skip
    return records.Job(
        schema=1, created="2025-03-04T10:00:00+00:00",
        command="harness run kmnist_svd_logreg tinyconvnet_svd --tier short --seeds 5", version="0.1.0",
        commit="4c1d7be+dirty", environment=ENVIRONMENT, results=(*results, failed_run()),
        comparisons=(*comparisons, tiny),
    )  # fmt: skip


def declare(name: str, source: records.Source, *variants: records.Variant) -> records.Scenario:
    """Declare a scenario that is never run here."""

    def measure(run: object) -> None:
        raise NotImplementedError

    return records.Scenario(
        name=name, version=1, source=source, measure=measure, variants=variants, tiers={"short": {}},
        gated=("accuracy",),
    )  # fmt: skip


def build_scenarios() -> dict[str, records.Scenario]:
    """Declare both scenarios."""
    kmnist = declare(
        "kmnist_svd_logreg",
        records.Source(
            slug="kmnist_svd_logreg",
            title="Logistic regression on SVD-compressed KMNIST",
            authors="A. Author, B. Author",
            note="The text says 100 fixed epochs; the authors' code stops when the validation loss rises.",
        ),
        records.Variant(name="o-ma-k8", doc="お against ま from eight singular values of each image."),
        records.Variant(name="su-ma-k8", doc="す against ま from eight singular values of each image."),
    )
    tiny = declare(
        "tinyconvnet_svd",
        records.Source(slug="tinyconvnet_svd", title="TinyConvNet taken apart by SVD", authors="C. Author"),
        records.Variant(name="default", doc="All eight phases on MNIST."),
    )
    return {scenario.name: scenario for scenario in (kmnist, tiny)}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the job, with the runs' files; read only."""
    return tmp_path_factory.mktemp("job")


@pytest.fixture(scope="session")
def job(folder: Path) -> records.Job:
    """Return the job whose files lie in `folder`."""
    return build_job(folder)


@pytest.fixture(scope="session")
def scenarios() -> dict[str, records.Scenario]:
    """Return the scenarios that the job ran."""
    return build_scenarios()


@pytest.fixture(scope="session")
def page(job: records.Job, folder: Path, scenarios: dict[str, records.Scenario]) -> str:
    """Return the job's report."""
    from harness.report import render

    return render(job, folder, scenarios)


@pytest.fixture(scope="session")
def shelf(
    job: records.Job, folder: Path, scenarios: dict[str, records.Scenario], tmp_path_factory: pytest.TempPathFactory
) -> Path:  # fmt: skip
    """Make a folder of jobs, one of them hostile and one damaged, with one page of every other kind and an index over all."""
    from harness.report import equivalence_page, history_page, index_page, ledger, render
    from tests.report.test_equivalence_page import beside, variant
    from tests.report.test_history_page import track
    from tests.report.test_index_page import HOSTILE, make, put
    from tests.report.test_ledger import SCENARIOS, runs
    from tests.report.test_ledger import job as job_of
    from tests.report.test_ledger_page import FINDINGS

    shelf = tmp_path_factory.mktemp("reports")
    for day, verdict in enumerate(
        ("PASS", "REGRESSED", "INCONCLUSIVE", "PASS", "NO_BASELINE", "PASS"), start=1
    ):
        put(shelf / f"job{day}", make(day, verdict, scenario=f"probe{day % 2}"))
    put(shelf / "hostile", make(9, scenario=HOSTILE, command=HOSTILE * 20, commit=HOSTILE))
    (shelf / "torn").mkdir()
    (shelf / "torn" / "run.json").write_text("{")
    measured = [job_of(runs(5, accuracy=0.5))]
    tracks = [
        track({"train.seconds": [1.0] * 5 + [2.0] * 5 + [1.5] * 5}),
        track({HOSTILE: [1.0, 2.0]}, HOSTILE),
    ]
    up = "index.html"
    texts = {
        "report": render(job, folder, scenarios, up), "gate": render(gated(job), folder, scenarios, up),
        "comparison": equivalence_page.render(beside(variant(), left_out=("other data",)), (folder, folder), up),
        "history": history_page.render(tracks, ("*",), up),
        "ledger": ledger.as_page(ledger.collect(measured, SCENARIOS), FINDINGS, measured, SCENARIOS, up),
    }  # fmt: skip
    for name, text in texts.items():
        (shelf / f"{name}.html").write_text(text, encoding="utf-8")
    index_page.write(shelf)
    return shelf


def gated(job: records.Job) -> records.Job:
    """Return the job as a gate leaves it: one group flagged and confirmed, one that the screen let pass."""
    look = records.Look(
        metric="accuracy", round="screen", base=[0.98, 0.981, 0.979], head=[0.966, 0.967, 0.965], worse="lower", estimate=0.014,
        lower=0.01, upper=0.018, p=0.0003, level=0.01, floor=0.0005, alarm=True, clear=False, tests="t bound, exact rank test",
    )  # fmt: skip
    trial = records.Trial(
        scenario="kmnist_svd_logreg", variant="o-ma-k8", tier="short", kind="accuracy", direction="worse", metric="accuracy",
        screen=(look,), flagged=True, confirm=(dataclasses.replace(look, round="confirm"),), verdict="REGRESSED", reason="confirmed",
    )  # fmt: skip
    quiet = dataclasses.replace(
        trial, variant="su-ma-k8", flagged=False, confirm=(), verdict="PASS", reason="nothing"
    )
    gate = records.Gate(settings=records.GateSettings(), base_results=(), minutes=3.0, exit_code=1)
    first, *rest = job.comparisons
    return dataclasses.replace(
        job, gate=gate, comparisons=(dataclasses.replace(first, trials=(trial, quiet)), *rest)
    )
