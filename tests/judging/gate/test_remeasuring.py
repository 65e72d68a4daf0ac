"""Memory whose baseline another kind of machine made: a gate measures it here again, at the baseline's commit."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest

from harness.judging import baselines
from harness.judging.gate import remeasuring
from harness.judging.gate.values import Evidence
from harness.records import GateSettings, Measured, RunRequest, RunResult
from harness.running import plans
from harness.sources import catalogue
from harness.store import git
from tests.conftest import Harness
from tests.judging import made

if typing.TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Finished

BODY = """
def measure(run):
    rng = np.random.default_rng(run.seed)
    labels = rng.integers(0, 10, 1000)
    with run.stage("hold"):
        held = np.ones(int(SIZE * 2**17))
    run.predictions(labels, np.where(rng.random(1000) < 0.1, (labels + 1) % 10, labels))

SCENARIO = declare(measure, gated=("accuracy", MEMORY))
"""
MEMORY = "hold.above_imports_bytes"


def write(harness: Harness, size: float) -> None:
    """Write the probe with an amount of memory, in MiB."""
    harness.scenario(f"SIZE, MEMORY = {size}, '{MEMORY}'\n{BODY}")


def gate(harness: Harness, out: str, *options: str, seeds: int = 5) -> Finished:
    """Gate the probe on the seeds of its baseline, so that its accuracy is equal."""
    words = ("--scenarios", "probe.py", "--first-seed", "500", "--seeds", str(seeds), "--out", out)
    return harness("gate", "probe", *words, *options)


def memory(harness: Harness, out: str) -> dict[str, typing.Any]:
    """Return the judgement of the gated memory."""
    (comparison,) = harness.job(out)["comparisons"]
    (judged,) = [found for found in comparison["judgements"] if found["metric"] == MEMORY]
    return typing.cast("dict[str, typing.Any]", judged)


def change(path: Path, **fields: object) -> None:
    """Change fields of a stored baseline."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Harness:
    """Return a repository whose baseline was accepted on a machine of another architecture; its memory there was ten times as large."""
    project = Harness(tmp_path / "project", tmp_path / "cache")
    project.folder.mkdir()
    write(project, 40)
    project.repository()
    made.accepted(project, "--seeds", "5", "--first-seed", "500")
    path = baseline(project)
    plain = json.loads(path.read_text())
    plain["metrics"][MEMORY]["values"] = [10 * value for value in plain["metrics"][MEMORY]["values"]]
    change(path, environment={**plain["environment"], "arch": "another"}, metrics=plain["metrics"])
    return project


def baseline(harness: Harness) -> Path:
    """Return the stored baseline."""
    (path,) = harness.folder.glob("baselines/probe/default/smoke/*.json")
    return path


@pytest.mark.slow
@pytest.mark.system
def test_memory_is_gated_on_another_kind_of_machine(elsewhere: Harness) -> None:
    """The unchanged program passes; 10% more memory fails, from the cache; without the commit it is a warning that says why."""
    commit = json.loads(baseline(elsewhere).read_text())["commit"]
    unchanged = gate(elsewhere, "unchanged")
    assert unchanged.code == 0, unchanged.out
    assert f"was measured here at commit {commit[:10]}: 10 runs" in unchanged.out
    assert memory(elsewhere, "unchanged")["verdict"] == "PASS"
    assert elsewhere("judge", "unchanged", "--scenarios", "probe.py").code == 0
    assert memory(elsewhere, "unchanged")["verdict"] == "PASS"

    write(elsewhere, 44)
    larger = gate(elsewhere, "larger")
    assert larger.code == 1, larger.out
    assert f"is compared with runs of commit {commit[:10]} on this machine, kept in the cache" in larger.out
    assert "was measured here" not in larger.out
    assert memory(elsewhere, "larger")["verdict"] == "REGRESSED"

    off = gate(elsewhere, "off", "--no-remeasure", seeds=1)
    assert off.code == 0, off.out
    assert memory(elsewhere, "off")["verdict"] == "INCOMPARABLE"
    assert "kept in the cache" not in off.out

    for lost, reason in {
        f"{commit}+dirty": "the baseline is of uncommitted changes",
        "0" * 40: "names no commit here",
        "": "the baseline records no commit",
    }.items():
        change(baseline(elsewhere), commit=lost)
        impossible = gate(elsewhere, "impossible", "--force", seeds=1)
        assert impossible.code == 0, impossible.out
        assert reason in " ".join(impossible.out.split())
        assert memory(elsewhere, "impossible")["verdict"] == "INCOMPARABLE"


def result(request: RunRequest, error: str = "") -> RunResult:
    """Return a run of a request that took 40 MiB, or failed."""
    if error:
        return made.failed(request, error)
    memory = Measured(value=4e7 + request.seed, unit="B", kind="memory", better="lower")
    return made.run({MEMORY: memory}, request, environment={"os": "Linux"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "most", "minutes", "error", "reason"),
    [
        ("default", 1000, 60, "", "was measured here at commit"),
        ("default", 1000, 60, "no attribute 'stage'", "failed: no attribute 'stage'"),
        ("later", 1000, 60, "", "has no probe:later (smoke)"),
        ("default", 12, 60, "", "--max-runs 12 leaves no 10 runs for it"),
        ("default", 1000, 0.1, "", "10 runs would take about 0 minutes, and --max-minutes leaves 0"),
    ],
)
def test_what_cannot_be_measured_again_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variant: str,
    most: int,
    minutes: float,
    error: str,
    reason: str,
) -> None:
    """A failed run, a variant that the commit lacks and a budget that is too small are one sentence each; the cache gets nothing."""
    project = Harness(tmp_path / "project", tmp_path / "cache")
    project.folder.mkdir()
    write(project, 40)
    project.repository()
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    commit = git.text(project.folder, "rev-parse", "HEAD")
    paths = (str(project.folder / "probe.py"),)
    requests = tuple(
        RunRequest(scenario="probe", variant=variant, tier="smoke", seed=seed, scenario_paths=paths)
        for seed in range(5)
    )
    head = [result(request) for request in requests]
    stored = baselines.of_base(head)
    assert stored is not None
    each = Evidence(
        scenario=catalogue.load_all(paths)["probe"], variant=variant, tier="smoke", head={"screen": head}, base=None,
        stored=None, stored_here=(dataclasses.replace(stored, commit=commit), "baselines/x.json"),
    )  # fmt: skip
    gate = GateSettings(max_runs=most, scenario_paths=paths)
    plan = dataclasses.replace(plans.make(requests, "harness gate", None), gate=gate)

    (note,) = remeasuring.supply(
        [each],
        plan,
        tmp_path / "out",
        lambda wanted, _: [result(request, error) for request in wanted],
        seconds=60 * minutes,
    )
    assert reason in note
    kept = list((tmp_path / "cache" / remeasuring.FOLDER).rglob("*.json"))
    assert bool(kept) == (reason == "was measured here at commit")
    if kept:
        (found,) = (tmp_path / "out" / remeasuring.FOLDER).rglob("*.json")
        assert baselines.load(found).seeds == tuple(range(remeasuring.RUNS))
        assert list(baselines.load(found).metrics) == [MEMORY]
        (again,) = remeasuring.supply(
            [each], plan, tmp_path / "out", lambda *_: pytest.fail("nothing is to run"), seconds=1
        )
        assert "kept in the cache" in again
