"""`harness plan`: what is known of a job's cost comes from stored runs, else from a baseline, and what is not is said."""

from __future__ import annotations

import dataclasses
import json
import typing

from harness.judging import baselines
from harness.records import Measured, RunRequest
from harness.session import forecast
from harness.store import stored
from tests.judging.made import job
from tests.judging.test_equivalence import result

if typing.TYPE_CHECKING:
    from pathlib import Path

    from harness.records import RunResult
    from tests.conftest import Harness

ROOT = baselines.own_folder()


def asked(**changes: typing.Any) -> RunRequest:
    """Ask for a run of what `done` ran."""
    return dataclasses.replace(result(0).request, **changes)


def done(seed: int, seconds: float, peak: float, **changes: typing.Any) -> RunResult:
    """Finish a run that took so long, and left a folder."""
    ran = result(seed, **changes)
    metrics = {**ran.metrics, forecast.PEAK: Measured(value=peak, unit="B", kind="memory")}
    return dataclasses.replace(ran, wall_seconds=seconds, metrics=metrics, folder=f"runs/{seed}")


def stored_job(folder: Path, *runs: RunResult) -> Path:
    """Store a job whose runs left 1000 bytes each."""
    stored.write(folder / "run.json", job(runs))
    for run in runs:
        (folder / run.folder).mkdir(parents=True)
        (folder / run.folder / "result.json").write_bytes(bytes(1000))
    return folder


def test_the_newest_stored_runs_decide(tmp_path: Path) -> None:
    """Median time, highest memory, median size of the newest job that finished such runs; a failed run tells nothing."""
    old = stored_job(tmp_path / "old", done(0, 100.0, 9e9))
    new = stored_job(tmp_path / "new", done(0, 1.0, 1e6), done(1, 3.0, 3e6), done(2, 2.0, 2e6))
    failed = stored_job(tmp_path / "failed", dataclasses.replace(done(0, 0.1, 1.0), status="error"))
    wanted = [asked(seed=seed) for seed in range(4)]
    (found,) = forecast.forecast(wanted, [old, new, failed], [], {}, {})
    assert found.runs == 4
    assert found.cost == forecast.Cost(f"3 runs in {tmp_path / 'new'}", 2.0, 3e6, 1000)
    # nothing is guessed from another backend, device, tier, variant or purpose
    for name, other in (
        ("backend", "jax"),
        ("device", "cuda"),
        ("tier", "paper"),
        ("variant", "other"),
        ("purpose", "count"),
    ):
        (unknown,) = forecast.forecast([asked(**{name: other})], [new], [], {}, {})
        assert unknown.cost is None


def test_a_baseline_tells_where_no_run_is_stored(tmp_path: Path) -> None:
    """A baseline gives the stages' time and the memory, and says so; of another backend it tells nothing."""
    (committed,) = (ROOT / "kmnist_svd_logreg" / "o-ma" / "smoke").glob("*.json")
    stored = json.loads(committed.read_text())
    times = [1.0] * len(stored["seeds"])
    stored["metrics"]["total.seconds"] = {"values": times, "unit": "s", "kind": "runtime", "better": "lower"}
    copy = tmp_path / committed.relative_to(ROOT)
    copy.parent.mkdir(parents=True)
    copy.write_text(json.dumps(stored))
    wanted = asked(scenario="kmnist_svd_logreg", variant="o-ma", tier="smoke", backend="numpy")
    (found,) = forecast.forecast([wanted], [], [tmp_path], {}, {})
    assert found.cost is not None
    assert found.cost.seconds is not None
    assert 0.1 < found.cost.seconds < 60
    assert found.cost.memory_bytes is not None
    assert 2**25 < found.cost.memory_bytes < 2**32
    assert found.cost.disk_bytes is None
    assert "baseline of" in found.cost.known_from
    (found,) = forecast.forecast([dataclasses.replace(wanted, backend="torch")], [], [tmp_path], {}, {})
    assert found.cost is None


def test_the_command(harness: Harness) -> None:
    """Unknown before a run, then told from it; runs nothing itself; names are refused as by `harness run`."""
    scenario = harness.scenario("SCENARIO = declare(guess, tiers={'smoke': {'dataset': 'mnist'}})")
    words = ("plan", "probe", "--scenarios", scenario, "--seeds", "4", "--no-count")
    before = harness(*words)
    assert before.code == 0, before.err
    assert "nothing stored; a run is ended after 5 min" in " ".join(before.out.split())
    assert "Time unknown; memory unknown of" in before.out
    assert "Data: mnist: the data set 'mnist' is not here" in before.out
    assert not (harness.folder / "reports").exists()
    assert harness("run", "probe", "--scenarios", scenario, "--out", "reports/one").code == 0
    after = harness(*words)
    assert "1 run in reports/one" in after.out
    assert "About " in after.out
    assert harness("plan", "prob", "--scenarios", scenario).code == 2
