"""Large jobs stay on disk: what is read, judged, shown and written is what a job held in memory gives."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import files, jobs, stored
from harness.errors import StorageError
from harness.records import Job, Measured, RunRequest, RunResult
from tests.fuzz.inputs import scratch

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness

GOOD = "SCENARIO = declare(guess)"
TEXT = st.text(
    st.one_of(st.characters(categories=("L", "P", "Cc")), st.sampled_from('\n  }],{"')), max_size=30
)


def job(errors: list[str]) -> Job:
    """Return a job whose runs failed, each with one of the texts."""
    results = tuple(
        RunResult(
            request=RunRequest(scenario="probe", variant=("a", "b")[seed % 2], tier="smoke", seed=seed),
            status="error", started="", wall_seconds=1.0, error=error, metrics={error: Measured(value=[1.0, [2.0]])},
        )
        for seed, error in enumerate(errors)
    )  # fmt: skip
    return Job(
        schema=1, created="", command="".join(errors), version="0", commit="", environment={"results": "["},
        results=results, comparisons=(), counted=results[:1],
    )  # fmt: skip


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave every job on disk, however small; let parts of it fall on every border of a block."""
    monkeypatch.setattr(stored, "LARGE_BYTES", 0)
    monkeypatch.setattr(stored, "_BLOCK_BYTES", 7)


@pytest.mark.usefixtures("large")
@given(errors=st.lists(TEXT, max_size=5))
def test_whatever_is_written_is_read(errors: list[str]) -> None:
    """Any job comes back equal from disk, also written again from disk, and the file is what one write gives."""
    with scratch() as folder:
        first, again = Path(folder, "run.json"), Path(folder, "again.json")
        stored.write(first, job(errors))
        assert first.read_bytes() == msgspec.json.format(msgspec.json.encode(job(errors)), indent=1) + b"\n"
        read = jobs.read(Path(folder))
        assert isinstance(read.results, stored.Results) == bool(errors)
        assert dataclasses.replace(read, results=tuple(read.results)) == job(errors)
        stored.write(again, read)
        assert again.read_bytes() == first.read_bytes()


@pytest.mark.usefixtures("large")
@given(errors=st.lists(TEXT, min_size=1, max_size=3), cut=st.floats(0, 0.99))
def test_a_torn_file_is_one_error(errors: list[str], cut: float) -> None:
    """A large file that ends early is damaged, wherever it ends."""
    with scratch() as folder:
        path = Path(folder, "run.json")
        stored.write(path, job(errors))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(cut * len(whole))])
        with pytest.raises(StorageError, match="is damaged"):
            jobs.read(Path(folder))


@pytest.mark.usefixtures("large")
def test_another_layout_is_read_whole(tmp_path: Path) -> None:
    """A file that somebody laid out otherwise is read too."""
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(job(["x", "y"])))
    assert jobs.read(tmp_path) == job(["x", "y"])


@pytest.mark.usefixtures("large")
def test_groups_and_parts(tmp_path: Path) -> None:
    """Results are grouped without being held, counted, indexed, sliced, and outlive the name of their file."""
    stored.write(tmp_path / "run.json", job(list("abcde")))
    results = jobs.read(tmp_path).results
    stored.write(tmp_path / "run.json", job(["another"]))
    found = stored.groups(results)
    assert {key[1]: [result.error for result in group] for key, group in found.items()} == {
        "a": ["a", "c", "e"], "b": ["b", "d"],
    }  # fmt: skip
    assert (len(results), results[-1].error, [result.error for result in results[1:3]]) == (
        5,
        "e",
        ["b", "c"],
    )
    with pytest.raises(IndexError):
        results[5]


def test_a_large_job_is_judged_and_shown_as_a_small_one(
    run_probe: Callable[..., Finished], harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Verdicts and page of a job left on disk are those of the same job in memory."""
    body = """
    from harness import IdentityCheck

    def measure(run):
        run.identity(IdentityCheck("one", 1e-9 * run.seed, 1e-6, "1 = 1", "float64"))
        guess(run, right=90 + run.seed)

    SCENARIO = declare(measure)
    """
    assert run_probe(body, "--seeds", "3").code == 0
    from harness.report import render
    from harness.scenarios import load_all

    declared = load_all([str(harness.folder / "probe.py")])
    small = jobs.rejudge(jobs.read(harness.folder / "out"), declared, [])
    monkeypatch.setattr(stored, "LARGE_BYTES", 0)
    left = jobs.rejudge(jobs.read(harness.folder / "out"), declared, [])
    assert isinstance(left.results, stored.Results)
    assert left.comparisons == small.comparisons
    assert render(left, harness.folder / "out", declared) == render(small, harness.folder / "out", declared)


@pytest.mark.usefixtures("large")
def test_a_killed_large_job_is_put_together_from_disk(tmp_path: Path) -> None:
    """Without run.json the results' own files are read one at a time; a damaged one is named."""
    for result in job(["x", "y"]).results:
        files.write_json(tmp_path / "runs" / result.request.key / "result.json", result)
    assert sorted(result.error for result in jobs.read(tmp_path).results) == ["x", "y"]
    (tmp_path / "runs" / job(["x"]).results[0].request.key / "result.json").write_bytes(b"{")
    with pytest.raises(StorageError, match=r"seed0/result\.json is damaged"):
        jobs.read(tmp_path)


def test_a_packed_job_is_read(tmp_path: Path) -> None:
    """A gzipped run.json is read where there is no other; a damaged one is one error."""
    import gzip

    stored.write(tmp_path / "run.json", job(["x", "y"]))
    whole = gzip.compress((tmp_path / "run.json").read_bytes())
    (tmp_path / "run.json").unlink()
    packed = tmp_path / "run.json.gz"
    packed.write_bytes(whole)
    assert jobs.read(tmp_path) == job(["x", "y"])
    for damaged in (whole[: len(whole) // 2], b"no gzip", whole[:40] + b"\0\0\0\0" + whole[44:]):
        packed.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"run\.json\.gz is damaged"):
            jobs.read(tmp_path)
