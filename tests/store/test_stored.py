"""Large jobs stay on disk: what is read, judged, shown and written is what a job held in memory gives."""

from __future__ import annotations

import dataclasses
import gzip
import typing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StorageError
from harness.export import FORMATS
from harness.judging import equivalence, history, jobs, proposals
from harness.records import Gate, GateSettings, Job, Measured, RunRequest, RunResult
from harness.report import ledger, render
from harness.session import procedure
from harness.sources.catalogue import load_all
from harness.store import files, predictions, stored
from tests.fuzz.inputs import scratch

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Finished, Harness

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


def with_gate(errors: list[str]) -> Job:
    """Return a gate's job: its base runs failed with the same texts."""
    plain = job(errors)
    gate = Gate(settings=GateSettings(against="main"), base_results=plain.results, minutes=1.0, exit_code=2)
    return dataclasses.replace(plain, gate=gate)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave every job on disk, however small."""
    monkeypatch.setattr(stored, "LARGE_BYTES", 0)


def in_memory(read: Job) -> Job:
    """Return a job with its results in memory."""
    gate = read.gate and dataclasses.replace(read.gate, base_results=tuple(read.gate.base_results))
    return dataclasses.replace(read, results=tuple(read.results), gate=gate)


@pytest.mark.usefixtures("large")
@given(errors=st.lists(TEXT, max_size=5), made=st.sampled_from([job, with_gate]))
def test_whatever_is_written_is_read(errors: list[str], made: Callable[[list[str]], Job]) -> None:
    """Any job comes back equal from disk, also written again from disk, and the file is what one write gives."""
    with scratch() as folder:
        first, again, wanted = Path(folder, "run.json"), Path(folder, "again.json"), made(errors)
        stored.write(first, wanted)
        assert first.read_bytes() == msgspec.json.format(msgspec.json.encode(wanted), indent=1) + b"\n"
        read = jobs.read(Path(folder))
        assert isinstance(read.results, stored.Results) == bool(errors)
        assert read.gate is None or isinstance(read.gate.base_results, stored.Results) == bool(errors)
        assert in_memory(read) == wanted
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
    """A file that somebody laid out otherwise, or in part, is read too, and no run is lost."""
    path, wanted = tmp_path / "run.json", with_gate(["x", "y"])
    path.write_bytes(msgspec.json.encode(wanted))
    assert jobs.read(tmp_path) == wanted
    stored.write(path, wanted)
    before, base, after = path.read_text().partition('"base_results"')
    path.write_text(before + base + after.replace("\n   },\n   {", "\n   }, {", 1))
    assert jobs.read(tmp_path) == wanted


@pytest.mark.parametrize("space", ["", " "])
def test_verdicts_of_older_files_are_read_in_todays_words(space: str) -> None:
    """Files as `write` lays them out and compact ones: only the value of a verdict is another word now, and no text changes."""
    old = f'{{"verdict":{space}"HOLDS", "reason":{space}"HOLDS, \\"verdict\\":\\"HOLDS\\"", "x": {{"verdict":{space}"VIOLATED"}}}}'
    new = old.replace(f'"verdict":{space}"HOLDS"', f'"verdict":{space}"PASS"').replace(
        "VIOLATED", "REGRESSED"
    )
    assert stored.with_present_words(old.encode()).decode() == new


@pytest.mark.usefixtures("large")
def test_groups_and_parts(tmp_path: Path) -> None:
    """Results are grouped without being held, counted, indexed, sliced, and outlive the name of their file."""
    stored.write(tmp_path / "run.json", job(list("abcde")))
    results = jobs.read(tmp_path).results
    stored.write(tmp_path / "run.json", job(["another"]))
    found = {key[1]: [result.error for result in group] for key, group in stored.groups(results).items()}
    assert found == {"a": ["a", "c", "e"], "b": ["b", "d"]}
    assert (len(results), results[-1].error) == (5, "e")
    assert [result.error for result in results[1:3]] == ["b", "c"]
    with pytest.raises(IndexError):
        results[5]


@pytest.mark.usefixtures("large")
def test_a_killed_large_job_is_put_together_from_disk(tmp_path: Path) -> None:
    """Without run.json and plan the results' own files are read one at a time; a damaged one is named."""
    for result in job(["x", "y"]).results:
        files.write_json(tmp_path / "runs" / result.request.key / "result.json", result)
    assert sorted(result.error for result in jobs.read(tmp_path).results) == ["x", "y"]
    (tmp_path / "runs" / job(["x"]).results[0].request.key / "result.json").write_bytes(b"{")
    with pytest.raises(StorageError, match=r"seed0/result\.json is damaged"):
        jobs.read(tmp_path)


@pytest.mark.parametrize("least", [0, stored.LARGE_BYTES])
@pytest.mark.parametrize(
    ("value", "reason"),
    [(-1e200, r": metric 'loss' is beyond 1e\+150"), ([1.0, None], ""), ([[2.0], ["x"]], ""), ([{}], "")],
)
def test_a_number_that_no_run_can_give_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int, value: typing.Any, reason: str
) -> None:
    """A stored number whose square is infinite, or what is no number, is named when the job is read, not met in its statistics."""
    monkeypatch.setattr(stored, "LARGE_BYTES", least)
    (result,) = job(["x"]).results
    odd = dataclasses.replace(result, metrics={"loss": Measured(value=value)})
    stored.write(tmp_path / "run.json", dataclasses.replace(job(["x"]), results=(odd,), counted=()))
    with pytest.raises(StorageError, match=rf"run\.json is damaged{reason}"):
        jobs.read(tmp_path)


VARIED = """
def measure(run):
    with run.stage("hold"):
        held = np.ones(2**17)
    guess(run, right=80 + run.seed)
    run.identity(IdentityCheck("one", 1e-9 * run.seed, 1e-6, "1 = 1", "float64"))
    run.record("spectrum", [1.0, run.seed])
    if run.options.get("die"):
        raise ValueError("as asked")

SCENARIO = declare(
    measure, gated=("accuracy", "hold.above_imports_bytes"), metrics=(Metric("spectrum"),),
    variants=(Variant(name="default"), Variant(name="other"), Variant(name="dead", options={"die": True})),
    expectations=(
        Expectation(metric="accuracy", value=0.9, half_width=0.05, place="Table 1", row="a", variant="default", tiers=("smoke",), unit=""),
    ),
)
"""


@pytest.mark.slow
def test_a_large_job_is_told_as_a_small_one(
    run_probe: Callable[..., Finished], harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdicts, page, every export, ledger, history, proposals and a comparison say the same of a job on disk as of one in memory; a gate too."""
    harness.scenario(VARIED)
    harness.repository()
    done = run_probe(VARIED, "probe:default", "probe:other", "--seeds", "5", "--no-count")
    assert done.code == 0, done.out + done.err
    dead = harness("run", "probe:all", "--scenarios", "probe.py", "--no-count", "--out", "dead")
    assert dead.code == 2
    declared = load_all([str(harness.folder / "probe.py")])
    folders = [harness.folder / name for name in ("out", "dead", "gate")]
    plain = jobs.read(folders[0])
    base = tuple(
        dataclasses.replace(
            run, request=dataclasses.replace(run.request, side="base"),
            metrics={**run.metrics, "accuracy": Measured(value=0.5 + run.request.seed / 100, better="higher")},
        )
        for run in plain.results
    )  # fmt: skip
    settings = GateSettings(against="HEAD~1", seeds=5)
    gate = Gate(settings=settings, base_results=base, minutes=1.0, exit_code=0)
    stored.write(folders[2] / "run.json", dataclasses.replace(plain, gate=gate))

    def told() -> list[object]:
        read = [jobs.read(folder) for folder in folders]
        assert all(isinstance(each.results, stored.Results) == (stored.LARGE_BYTES == 0) for each in read)
        judged = [
            procedure.rejudge(each, declared, [], folder) for each, folder in zip(read, folders, strict=True)
        ]
        assert any(comparison.trials for comparison in judged[2].comparisons)
        exports = [
            "".join(text(each)) for each in read for parts in FORMATS.values() for text in parts.values()
        ]
        proposed = proposals.propose(read[0], declared, reason="r", who="w")
        readers = tuple(map(predictions.reader, folders[:2]))
        return [
            [(each.comparisons, each.gate and each.gate.exit_code) for each in judged],
            render(judged[0], folders[0], declared),
            exports,
            ledger.collect(read, declared),
            history.tracks(history.gather(read), {}),
            [dataclasses.replace(baseline, date="") for baseline in proposed],
            equivalence.compare(read[:2], ("out", "dead"), readers),
        ]

    small = told()
    monkeypatch.setattr(stored, "LARGE_BYTES", 0)
    assert told() == small


def test_a_packed_job_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gzipped run.json is read where there is no other; a damaged one, or one that would fill the memory, is one error."""
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
    monkeypatch.setattr(stored, "_UNPACKED_BYTES", 1 << 20)
    packed.write_bytes(gzip.compress(b" " * (2 << 20)))
    with pytest.raises(StorageError, match="unpacks to more than 1 MiB"):
        jobs.read(tmp_path)
