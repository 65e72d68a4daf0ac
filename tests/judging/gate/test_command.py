"""``harness gate`` from the outside: real runs of small scenarios, every exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from tests.conftest import Harness
from tests.judging import made

if typing.TYPE_CHECKING:
    from tests.conftest import Finished

BODY = """
def measure(run):
    rng = np.random.default_rng(run.seed)
    labels = rng.integers(0, 10, 1000)
    wrong = rng.random(1000) < ERROR
    with run.stage("hold"):
        held = np.ones(int(SIZE * 2**17))
    run.predictions(labels, np.where(wrong, (labels + 1) % 10, labels))
    run.identity(IdentityCheck("one", ONE, 0.5, "1 = 1", "made up"))

SCENARIO = declare(measure, gated=("accuracy", "hold.above_imports_bytes"))
"""


def write(harness: Harness, *, error: float = 0.1, size: float = 40, one: float = 0, extra: str = "") -> str:
    """Write the probe with an error rate, an amount of memory in MiB, and how wrong its identity is."""
    return harness.scenario(f"ERROR, SIZE, ONE = {error}, {size}, {one}\n{extra}\n{BODY}")


def gate(harness: Harness, *options: str, out: str = "gate") -> Finished:
    """Gate the probe."""
    return harness("gate", "probe", "--scenarios", "probe.py", "--out", out, *options)


def verdicts(harness: Harness, out: str = "gate") -> dict[str, str]:
    """Return the verdict of every gated metric."""
    (comparison,) = harness.job(out)["comparisons"]
    return {
        found["metric"]: found["verdict"]
        for found in comparison["judgements"]
        if found["against"] != "expectation" and found["kind"] != "work"
    }


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Return a folder of baselines of the unchanged probe: ten seeds."""
    first = Harness(tmp_path_factory.mktemp("first"), cache)
    write(first)
    first.repository()
    made.accepted(first, "--seeds", "10", "--first-seed", "500")
    return first.folder / "baselines"


@pytest.fixture
def approved(harness: Harness, stored: Path) -> Harness:
    """Return the command beside the unchanged probe and its baseline."""
    write(harness)
    shutil.copytree(stored, harness.folder / "baselines")
    return harness


def test_an_unchanged_program_passes(approved: Harness) -> None:
    """Exit 0, in one round."""
    done = gate(approved)
    assert done.code == 0, done.out + done.err
    assert "Gate: passed" in done.out
    (comparison,) = approved.job("gate")["comparisons"]
    assert {found["verdict"] for found in comparison["judgements"]} == {"PASS"}
    assert len(approved.job("gate")["results"]) == 5
    (probe,) = approved.job("gate")["probes"]
    assert probe["predictions_equal"]
    assert probe["work_equal"]


def test_a_worse_program_is_confirmed_and_an_interrupted_gate_goes_on(approved: Harness) -> None:
    """Exit 1 after a confirm round on seeds that the screen never had, explained; of that round's lost results only these are done again."""
    write(approved, error=0.2)
    done = gate(approved, "--explain", "accuracy")
    assert done.code == 1, done.out + done.err
    assert verdicts(approved)["accuracy"] == "REGRESSED"
    seeds = [found["request"]["seed"] for found in approved.job("gate")["results"]]
    assert len(seeds) == 15
    assert min(seeds[5:]) > max(seeds[:5]) + 100
    assert "confirm, 10 against 10" in done.out
    assert "Holm allows 1 / 1 = 1: confirms" in done.out
    again = approved("judge", "gate", "--scenarios", "probe.py", "--explain", "accuracy")
    assert again.code == 1
    assert "confirm, 10 against 10" in again.out
    for name in ("run.json", "index.html"):
        (approved.folder / "gate" / name).unlink()
    lost = sorted((approved.folder / "gate" / "runs").glob("*--confirm/result.json"))
    assert len(lost) == 10
    for path in lost[3:]:
        path.unlink()
    done = approved("gate", "--resume", "gate")
    assert done.code == 1, done.out + done.err
    assert done.out.count("done in") == 7
    assert verdicts(approved)["accuracy"] == "REGRESSED"
    assert approved("run", "--resume", "gate").code == 2


@pytest.mark.slow
def test_more_memory_is_confirmed(approved: Harness) -> None:
    """A tenth more memory in one stage fails by that stage's metric alone."""
    write(approved, size=44)
    assert gate(approved).code == 1
    assert verdicts(approved) == {"one": "PASS", "accuracy": "PASS", "hold.above_imports_bytes": "REGRESSED"}


@pytest.mark.slow
def test_an_improvement_asks_for_approval(approved: Harness) -> None:
    """Exit 3 for a better program: neither silent nor an error."""
    write(approved, error=0.02)
    assert gate(approved).code == 3
    assert verdicts(approved)["accuracy"] == "IMPROVED"


def test_a_violated_identity_fails_without_statistics(approved: Harness) -> None:
    """Exit 1 at once."""
    write(approved, one=1)
    assert gate(approved, "--seeds", "1").code == 1
    assert verdicts(approved)["one"] == "REGRESSED"


@pytest.mark.slow
def test_a_budget_that_holds_no_confirm_round_lets_one_look_decide(approved: Harness) -> None:
    """Where no fresh runs may be had, a loss that holds the level of a single look is REGRESSED, as `harness run` says."""
    write(approved, error=0.2)
    done = gate(approved, "--max-runs", "6")
    assert done.code == 1
    (judged,) = (
        one
        for one in approved.job("gate")["comparisons"][0]["judgements"]
        if one["metric"] == "accuracy" and one["against"] == "baseline"
    )
    assert (judged["verdict"], judged["cause"]) == ("REGRESSED", "single")


def test_without_a_baseline_a_person_must_decide(harness: Harness) -> None:
    """Exit 3."""
    write(harness)
    assert gate(harness, "--seeds", "1").code == 3
    assert set(verdicts(harness).values()) == {"NO_BASELINE", "PASS"}


@pytest.mark.slow
def test_a_scenario_that_ends_early_could_not_be_measured(approved: Harness) -> None:
    """Exit 2, with the other metrics' judgements kept."""
    path = approved.folder / "probe.py"
    path.write_text(
        path.read_text().replace("    with run.stage", "    raise SystemExit(0)\n    with run.stage", 1)
    )
    assert gate(approved, "--seeds", "1").code == 2


@pytest.mark.slow
def test_a_scenario_file_that_ends_the_program_is_no_success(approved: Harness) -> None:
    """Exit 2: an exit code 0 of somebody else's would look like a pass."""
    (approved.folder / "probe.py").write_text("raise SystemExit(0)\n")
    done = gate(approved)
    assert done.code == 2
    assert "SystemExit(0)" in done.err


def test_a_missing_metric_is_never_a_pass(approved: Harness) -> None:
    """Exit 2 for a gated metric that is gone."""
    (approved.folder / "probe.py").write_text(
        (approved.folder / "probe.py").read_text().replace('run.stage("hold")', 'run.stage("other")')
    )
    assert gate(approved, "--seeds", "1").code == 2
    assert verdicts(approved)["hold.above_imports_bytes"] == "ERROR"


@pytest.mark.slow
def test_two_gates_at_once_are_one_clear_error(approved: Harness) -> None:
    """The second names the first's lock."""
    import filelock

    lock = filelock.FileLock(f"{approved.environment['HARNESS_CACHE']}/gate.lock")
    with lock:
        done = gate(approved)
    assert done.code == 2
    assert "another gate runs on this machine" in done.err


@pytest.mark.parametrize("options", [("--against", "HEAD", "--executor", "dask"), ("--seeds", "0")])
def test_what_cannot_be_is_refused(approved: Harness, options: tuple[str, ...]) -> None:
    """One message, exit 2, nothing run."""
    done = gate(approved, *options)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert not (approved.folder / "gate").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "seeds", "verdict", "begins", "code"),
    [
        (0.3, 5, "REGRESSED", "harness judge 'a job' --explain accuracy", 0),
        (0.3, 1, "INCONCLUSIVE", "harness gate probe:default --tier smoke", 1),
        (0.02, 5, "IMPROVED", "harness run probe:default --tier smoke --seeds 10 --out", 0),
        (0.02, 5, "NO_BASELINE", "harness run probe:default --tier smoke --seeds 10 --out", 0),
    ],
)
def test_the_next_command_runs_as_printed(
    approved: Harness, error: float, seeds: int, verdict: str, begins: str, code: int
) -> None:
    """Every kind of next command is complete and quoted: a shell takes it as it stands, and none of them blesses a regression."""
    write(approved, error=error)
    if verdict == "NO_BASELINE":
        shutil.rmtree(approved.folder / "baselines")
    approved.repository()
    words = ("run", "probe", "--scenarios", "probe.py", "--seeds", str(seeds), "--no-count", "--out", "a job")
    assert approved(*words).code == 0
    (comparison,) = approved.job("a job")["comparisons"]
    found = next(one for one in comparison["judgements"] if one["metric"] == "accuracy")
    assert (found["verdict"], found["next_step"].startswith(begins)) == (verdict, True), found
    path = f"{Path(sys.executable).parent}{os.pathsep}{approved.environment['PATH']}"
    ran = subprocess.run(
        ["bash", "-c", found["next_step"]], cwd=approved.folder, env={**approved.environment, "PATH": path}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert ("propose" in found["next_step"]) == (verdict in {"IMPROVED", "NO_BASELINE"})
