"""Every reader of files gets damaged and hostile content: what comes out is a value or an error of `harness.errors`, never another.

The suite tries some inputs a reader; ``HARNESS_FUZZ=N`` (``tox -e fuzz``) tries N in all.
"""

from __future__ import annotations

import copy
import datetime as dt
import gzip
import io
import json
import tempfile
import typing
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness import Scenario, Source, Variant
from harness.data import idx
from harness.errors import StorageError
from harness.judging import baselines, jobs, outcome, waivers
from harness.judging.waivers import Waiver
from harness.records import (
    Attempt,
    Baseline,
    BaselineMetric,
    DatasetUse,
    Figure,
    IdentityCheck,
    Job,
    Measured,
    Measurement,
    Plan,
    RunRequest,
    RunResult,
    StageResult,
)
from harness.running import plans, remote, runner
from harness.store import files, stored
from tests.fuzz.inputs import EDITS, edited, fuzz, try_reading

pytestmark = pytest.mark.slow

Reader = typing.Callable[[bytes, Path], object]

REQUEST = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
MEASUREMENT = Measurement(
    request=REQUEST, scenario_version=1, options={"epochs": 3}, metrics={"loss": Measured(value=0.5, unit="nat")},
    stages=(StageResult(name="imports", seconds=0.1, cpu_seconds=0.1, start_bytes=1, peak_bytes=2, images=3),),
    identities=(IdentityCheck("svd", 1e-9, 1e-6, "A = USV", "float64"),), predictions=("test",),
    figures=(Figure(name="f", kind="lines", title="t", caption="c", series=("a",)),),
    datasets=(DatasetUse(name="digits", sha256="0" * 64, complete=True, found="all"),), environment={"os": "Linux"},
)  # fmt: skip
RESULT = RunResult(
    request=REQUEST, status="ok", started="2025-01-01T00:00:00+00:00", wall_seconds=1.0,
    metrics={"accuracy": Measured(value=0.9, better="higher"), "spectrum": Measured(value=[[1.0, 2.0], [3.0]])},
    measurement=MEASUREMENT, folder="runs/x",
)  # fmt: skip
JOB = Job(
    schema=1, created="2025-01-01T00:00:00+00:00", command="harness run", version="0", commit="", environment={"os": "Linux"},
    results=(RESULT,), comparisons=(),
)  # fmt: skip
BASELINE = Baseline(
    schema=1, scenario="probe", scenario_version=1, variant="default", tier="smoke", who="me", reason="first",
    date="2025-01-01", commit="c", seeds=(0, 1, 2, 3, 4), environment={"os": "Linux"}, datasets=MEASUREMENT.datasets,
    metrics={"accuracy": BaselineMetric(values=[0.9] * 5, unit="", kind="accuracy", better="higher")},
)  # fmt: skip
PLAN = Plan(schema=1, created="", command="", commit="", baselines="", requests=(REQUEST,))
REPLY = remote.Reply(attempt=Attempt(started="", wall_seconds=1.0), left={"log.txt": b"fine"})
WAIVER = Waiver(
    scenario="probe", variant="default", tier="smoke", metric="accuracy", until=dt.date(2025, 2, 1), reason="r", who="me",
    created=dt.date(2025, 1, 1),
)  # fmt: skip
SCENARIO = Scenario(
    name="probe", version=1, source=Source(slug="probe", title="t"), measure=print,
    variants=(Variant(name="default"),), tiers={"smoke": {}}, gated=("accuracy",),
)  # fmt: skip


def npz(**arrays: np.ndarray) -> bytes:
    """Return an archive of arrays, stored plainly so that edits hit headers and not only checksums."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes a name for its flag
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    """Return the ``.npy`` file of an array."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


IMAGES = idx.header((2, 4, 4)) + bytes(range(32))
PREDICTIONS = npz(**{"test/labels": np.arange(10) % 3, "test/predicted": np.arange(10) % 2})


def read_idx(content: bytes, folder: Path, name: str = "x") -> object:
    """Read IDX images."""
    (folder / name).write_bytes(content)
    with idx.open_idx(folder / name, (4, 4)) as opened:
        return b"".join(opened.blocks)


def read_baseline(content: bytes, folder: Path) -> object:
    """Read a baseline in its place."""
    files.write_bytes(folder / "probe/default/smoke/12345678.json", content)
    return baselines.find([folder], "probe", "default", "smoke", {"os": "Linux"})


def read_waivers(content: bytes, folder: Path) -> object:
    """Read waivers and write them again."""
    (folder / waivers.FILE).write_bytes(content)
    return waivers.as_text(waivers.read([folder]))


def read_job(content: bytes, folder: Path) -> object:
    """Read ``run.json`` and derive the exit code."""
    (folder / "run.json").write_bytes(content)
    return outcome.exit_code(jobs.read(folder))


def read_large_job(content: bytes, folder: Path) -> object:
    """Read ``run.json`` as a large one, whose results stay on disk, and write it again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "LARGE_BYTES", 0)
        (folder / "run.json").write_bytes(content)
        job = jobs.read(folder)
        stored.write(folder / "run.json", job)
        return outcome.exit_code(job)


def read_unfinished(content: bytes, folder: Path) -> object:
    """Read a run's ``result.json`` as resuming does, and as judging a killed job does."""
    files.write_json(folder / "plan.json", PLAN)
    files.write_bytes(folder / "runs" / REQUEST.key / "result.json", content)
    return plans.missing(PLAN, folder), jobs.read(folder)


def read_plan(content: bytes, folder: Path) -> object:
    """Read ``plan.json``."""
    (folder / "plan.json").write_bytes(content)
    return plans.missing(plans.read(folder), folder)


def read_measurement(content: bytes, folder: Path) -> object:
    """Collect a run whose worker wrote `content` as its measurement."""
    return _collect(content, PREDICTIONS, folder)


def read_predictions(content: bytes, folder: Path) -> object:
    """Collect a run whose worker wrote `content` as its predictions."""
    return _collect(msgspec.json.encode(MEASUREMENT), content, folder)


def _collect(measurement: bytes, predictions: bytes, folder: Path) -> object:
    files.write_bytes(folder / "runs" / REQUEST.key / "measurement.json", measurement)
    files.write_bytes(folder / "runs" / REQUEST.key / "predictions.npz", predictions)
    result = runner.collect(Attempt(started="", wall_seconds=1.0), REQUEST, SCENARIO, folder)
    # what is stored must be readable again
    return msgspec.json.decode(msgspec.json.encode(result), type=RunResult)


def read_npz(content: bytes, folder: Path) -> object:
    """Read an archive of arrays."""
    (folder / "x.npz").write_bytes(content)
    return files.read_npz(folder / "x.npz")


def read_npy(content: bytes, folder: Path) -> object:
    """Read an archive whose checksum fits the damaged array in it, so that the array's own header is reached."""
    with zipfile.ZipFile(folder / "x.npz", "w") as archive:
        archive.writestr("a.npy", content)
    return files.read_npz(folder / "x.npz")


def read_reply(content: bytes, folder: Path) -> object:
    """Unpack what a worker of a cluster sent; nothing but a run's files may appear."""
    try:
        return remote.unpack(content, folder / "run")
    finally:
        left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert left <= {f"run/{name}" for name in remote.LEFT}


JSON: dict[str, tuple[Reader, object]] = {
    "baseline": (read_baseline, BASELINE),
    "waivers": (read_waivers, {"schema": waivers.SCHEMA, "waivers": [msgspec.to_builtins(WAIVER)]}),
    "run.json": (read_job, JOB),
    "run.json on disk": (read_large_job, JOB),
    "result.json": (read_unfinished, RESULT),
    "plan.json": (read_plan, PLAN),
    "measurement.json": (read_measurement, MEASUREMENT),
}
BINARY: dict[str, tuple[Reader, bytes]] = {
    "idx": (read_idx, IMAGES),
    "idx.gz": (lambda content, folder: read_idx(content, folder, "x.gz"), gzip.compress(IMAGES)),
    "npz": (read_npz, npz(a=np.arange(6).reshape(2, 3), b=np.array(["x"]))),
    "npy": (read_npy, npy(np.arange(6).reshape(2, 3))),
    "predictions.npz": (read_predictions, PREDICTIONS),
    "reply": (read_reply, msgspec.msgpack.encode(REPLY)),
    **{
        name: (reader, msgspec.json.format(msgspec.json.encode(record), indent=1))
        for name, (reader, record) in JSON.items()
    },
}
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}), st.just([[[]]]),
    st.sampled_from([2**63, -(2**63) - 1, 1e400, -1, 0, "../../x", "\x00", "<script>", "=1+1", ["x"], {"x": None}]),
    st.integers(0, 30).map(lambda power: "x" * 2**power if power < 12 else power),
)  # fmt: skip
CHANGES = st.lists(
    st.tuples(
        st.lists(st.integers(0, 20), max_size=6), st.sampled_from(["replace", "remove", "rename", "repeat"]), ODD
    ),
    min_size=1, max_size=3,
)  # fmt: skip


def changed(document: typing.Any, path: list[int], action: str, value: object) -> typing.Any:
    """Change one place of a JSON document: walk down by `path`, then act there."""
    if path and isinstance(document, (dict, list)) and document:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        key = keys[path[0] % len(keys)]
        if len(path) == 1 and action == "remove":
            del document[key]
        elif len(path) == 1 and action == "rename" and isinstance(document, dict):
            document[str(value)] = document.pop(key)
        elif len(path) == 1 and action == "repeat" and isinstance(document, list):
            document.append(document[key])
        else:
            document[key] = changed(document[key], path[1:], action, value)
        return document
    return value


@pytest.mark.parametrize("name", BINARY)
def test_damaged_bytes(name: str) -> None:
    """Bytes that go, come or change in a valid file, or have nothing to do with one."""
    reader, valid = BINARY[name]

    @fuzz
    @given(edits=EDITS, other=st.one_of(st.none(), st.binary(max_size=64)))
    @example(edits=[], other=None)
    def check(edits: list[tuple[float, int, bytes]], other: bytes | None) -> None:
        try_reading(reader, edited(valid, edits) if other is None else other)

    check()


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"\x91", b"\x81\xa1a"], ids=repr)
@pytest.mark.parametrize("name", BINARY)
def test_deep_nesting(name: str, opening: bytes) -> None:
    """Content nested deeper than any stack is one error."""
    try_reading(BINARY[name][0], opening * 100_000)


@pytest.mark.parametrize("name", JSON)
def test_odd_documents(name: str) -> None:
    """Valid JSON whose fields are missing, renamed, repeated, of another kind, or hold what no run can give."""
    reader, record = JSON[name]
    plain = msgspec.to_builtins(record)

    @fuzz
    @given(changes=CHANGES)
    def check(changes: list[tuple[list[int], str, object]]) -> None:
        document = copy.deepcopy(plain)
        for path, action, value in changes:
            document = changed(document, path, action, copy.deepcopy(value))
        try_reading(reader, json.dumps(document, indent=1).encode())

    check()


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.array([0.9, 1.9]), "labels are real values (float64), predictions are not (int64)"),
        (np.array([0, 2**40]), "there are 1099511627777 classes, at most"),
    ],
)
def test_labels_that_were_scored_or_asked_for_terabytes(labels: np.ndarray, told: str) -> None:
    """Found by fuzzing: labels that are no integers, with classes as predictions, were rounded and scored, one huge label took all memory."""
    stored = npz(**{"test/labels": labels, "test/predicted": np.array([0, 1])})
    with tempfile.TemporaryDirectory() as folder:
        result = read_predictions(stored, Path(folder))
    assert isinstance(result, RunResult)
    assert (result.status, told in result.error) == ("error", True)


def test_an_archive_that_unpacks_to_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small archive that claims more than is ever stored is refused before it is unpacked."""
    np.savez_compressed(tmp_path / "x.npz", zeros=np.zeros(10**6))
    monkeypatch.setattr(files, "MOST_BYTES", 10**6)
    with pytest.raises(StorageError, match=r"unpacks to 8,000,\d+ bytes, at most 1,000,000 are read"):
        files.read_npz(tmp_path / "x.npz")


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    """Found by fuzzing: NumPy hands a member that is no array out as bytes, and it was taken for one."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", b"x")
    with pytest.raises(StorageError, match="a is no array"):
        files.read_npz(tmp_path / "x.npz")


ARRAYS = arrays.arrays(
    dtype=arrays.scalar_dtypes(), shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
)


@fuzz
@given(
    sets=st.dictionaries(
        st.sampled_from(
            ["test/labels", "test/predicted", "test/probabilities", "other/labels", "odd", "../x/labels"]
        ),
        ARRAYS,
    )
)
def test_odd_predictions(sets: dict[str, np.ndarray]) -> None:
    """Predictions of any kind, shape and name are scored, or make the run an error that can be stored."""
    try_reading(read_predictions, npz(**sets))
