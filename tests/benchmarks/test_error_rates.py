"""Simulations of docs/error-rates.md: exact tests against the gate's, rates within their bounds, peers against their command lines."""

from __future__ import annotations

import dataclasses
import functools
import json
import platform
import subprocess
import sys
import typing

import numpy as np
import pytest

from benchmarks import busy
from benchmarks.error_rates import (
    __main__,
    bars,
    gates,
    noise,
    peers,
    power,
    samples,
    simulation,
)
from harness.judging.gate import rules, trials
from harness.judging.gate.trials import CONFIRM_SEED
from harness.judging.gate.values import Evidence
from harness.records import (
    GateSettings,
    Measured,
    Measurement,
    RunRequest,
    RunResult,
    Scenario,
    Source,
    Variant,
)
from harness.store import files
from tests.conftest import TIME_LIMIT

if typing.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Look, Round, Side

    Floats = NDArray[np.float64]

pytestmark = pytest.mark.slow

SEED = 4


# -- a whole gate decides as `trials.decide` does --------------------------------------------

LIKE = {
    "accuracy": Measured(value=0.0, better="higher"),
    "f1_macro": Measured(value=0.0, better="higher"),
    "peak_bytes": Measured(value=0.0, unit="B", kind="memory", better="lower"),
    "left_bytes": Measured(value=0.0, unit="B", kind="memory", better="lower"),
    "total.seconds": Measured(value=0.0, unit="s", kind="runtime", better="lower"),
}
PROBE = Scenario(
    name="probe", version=1, source=Source(slug="probe", title="A probe"), measure=print,
    variants=(Variant(name="default"),), tiers={"smoke": {}}, gated=tuple(LIKE),
)  # fmt: skip
Sides = dict[str, tuple["Floats", "Floats"]]


FLOORS = dict.fromkeys(LIKE, 1e-6)
GROUPS: dict[noise.Kind, tuple[str, str]] = {"accuracy": ("accuracy", "f1_macro"), "memory": ("peak_bytes", "left_bytes")}  # fmt: skip


def made_up(rng: np.random.Generator, pairs: int) -> Sides:
    """Draw base and head values of one round, head shifted by nothing or a lot."""
    slower, lost, grown = rng.choice([0.0, 0.08, 0.2]), rng.choice([-2.0, 0.0, 2.0]), rng.choice([0.0, 0.045])
    base, head = noise.pairs(noise.LOGNORMAL_6.draw, slower, rng, 1, pairs)
    drawn: Sides = {"total.seconds": (base[0, 0], head[0, 0])}
    for name, more in (("accuracy", 1.0), ("f1_macro", 1.5)):
        scores = noise.normal(rng, 2, pairs) * 0.01 + 0.9
        drawn[name] = scores[0], scores[1] - 0.01 * lost * more
    # what is left grows by fewer bytes than the peak, and yet by more of its floor
    for name, level, growth in (("peak_bytes", 100, 1.0), ("left_bytes", 20, 4.0)):
        held = (level + 0.2 * noise.TAILS.draw(rng, 2, pairs)) * 2.0**20
        drawn[name] = held[0], held[1] * (1 + grown * growth)
    return drawn


def finished(side: Side, round_: Round, drawn: Sides) -> list[RunResult]:
    """Build the runs of one side and round."""
    which, start = int(side == "head"), 0 if round_ == "screen" else CONFIRM_SEED
    found = []
    for index in range(len(drawn["accuracy"][0])):
        request = RunRequest(
            scenario="probe", variant="default", tier="smoke", seed=start + index, side=side, round=round_
        )
        measurement = Measurement(
            request=request, scenario_version=1, options={}, metrics={}, stages=(), identities=(), predictions=(), figures=(),
            datasets=(), environment={},
        )  # fmt: skip
        metrics = {
            name: dataclasses.replace(LIKE[name], value=float(v[which][index])) for name, v in drawn.items()
        }
        found.append(
            RunResult(
                request=request, status="ok", started="", wall_seconds=1.0, metrics=metrics, measurement=measurement
            )
        )  # fmt: skip
    return found


def groups_of(screen: Sides, confirm: Sides) -> list[power.Group]:
    """Put arrays into groups as the simulation does."""

    def timed(leading: Look, flagged: int) -> list[Look]:
        base, head = (side[None] for side in confirm[leading.metric])
        return power.confirm_times(base, head, leading, flagged)

    def valued(kind: noise.Kind, way: power.Direction, leading: Look, flagged: int) -> list[Look]:
        return power.confirm_values(
            kind, way, *confirm[leading.metric], FLOORS[leading.metric], leading, flagged
        )

    times = [side[None] for side in screen["total.seconds"]]
    found = [power.Group("runtime", "worse", power.screen_times("total.seconds", times[0], times[1]), timed)]
    for kind, names in GROUPS.items():
        for way in gates.WAYS:
            first = {name: [side[: trials.FIRST_PAIRS] for side in screen[name]] for name in names}
            looks = [
                power.look_at_values(kind, way, name, base, head, "screen", FLOORS[name])
                for name, (base, head) in first.items()
            ]
            found.append(power.Group(kind, way, looks, functools.partial(valued, kind, way)))
    return found


def test_simulated_gates_end_as_the_gate_itself_decides() -> None:
    """Screen, leading metrics, confirm round and Holm of made-up gates, changed and unchanged, are `trials.decide`'s, group by group."""
    rng, seen = np.random.default_rng(SEED), set[str]()
    for _ in range(25):
        screen, confirm = made_up(rng, 40), made_up(rng, 40)
        runs: dict[Side, dict[Round, list[RunResult]]] = {
            side: {"screen": finished(side, "screen", screen), "confirm": finished(side, "confirm", confirm)}
            for side in ("base", "head")
        }
        evidence = Evidence(
            scenario=PROBE, variant="default", tier="smoke", head=runs["head"], base=runs["base"], stored=None
        )
        state = trials.decide([evidence], GateSettings(against="main", seeds=5), more=False)
        decided, simulated = (
            {(trial.kind, trial.direction): (trial.metric, trial.flagged, trial.verdict) for trial in found}
            for found in (state.trials, power.decided(groups_of(screen, confirm)))
        )
        assert decided == simulated
        seen |= {trial.verdict for trial in state.trials}
    assert seen >= {"PASS", "REGRESSED", "IMPROVED"}


# -- rates within their bounds ----------------------------------------------------------------


def most(bar: float, trials_: int) -> int:
    """Most alarms that a true rate of `bar` gives, but for one time in a thousand."""
    from scipy.stats import binom

    return int(binom.ppf(0.999, trials_, bar))


def test_an_unchanged_program_seldom_fails_against_fresh_base_runs() -> None:
    """Of 100 whole gates no more end with another exit code than 0 than a rate of 0.2% gives."""
    found = gates.simulate(power.stream(SEED, "gates"), 100, fresh=True)
    assert 15 < found.flagged < 65
    assert sum(found.exits.values()) <= most(0.002, 100)


def test_an_unchanged_program_is_seldom_called_changed_against_a_stored_baseline() -> None:
    """Of 300 whole gates no more end with another exit code than 0 than a rate of 1% gives."""
    found = gates.simulate(power.stream(SEED, "gates"), 300, fresh=False)
    assert sum(found.exits.values()) <= most(0.01, 300)


def test_the_bound_catches_a_confirm_round_that_confirms_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a level of one half instead of the spent ones the bound on whole gates is broken: it is no idle bound."""
    monkeypatch.setattr(rules, "RUNTIME_CONFIRM", dict.fromkeys(rules.RUNTIME_CONFIRM, 0.5))
    found = gates.simulate(power.stream(SEED, "gates"), 300, fresh=True)
    assert sum(found.exits.values()) > most(0.002, 300)
    assert found.by_kind["runtime"] > 0


@pytest.mark.parametrize(
    ("regime", "pairs", "least"),
    [(noise.NORMAL_24, 7, 0.97), (noise.LOGNORMAL_6, 15, 0.92), (noise.HUMPS_11, 40, 0.86)],
)
def test_a_slowdown_of_ten_percent_is_found(regime: noise.Regime, pairs: int, least: float) -> None:
    """Confirmed failures reach what the page states, less four standard errors of 1,000 trials."""
    found = power.runtime(regime.draw, 0.1, power.stream(SEED, "slow"), 1000)
    assert found.failed_by[pairs] >= least
    assert found.passed <= 0.06


def test_an_unchanged_loud_runtime_is_hardly_ever_a_failure() -> None:
    """Two-humped noise of 11% fails at most as often as the confirm round's 1% of what is flagged."""
    found = power.runtime(noise.HUMPS_11.draw, 0.0, power.stream(SEED, "loud"), 1000)
    assert found.failed * 1000 <= most(0.01 * found.flagged, 1000) + 1
    assert found.passed + found.failed + found.undecided == pytest.approx(1)


@pytest.mark.parametrize(("slowdown", "least"), [(0.25, 0.97), (1.0, 0.995)])
def test_next_to_busy_loops_a_slowdown_is_found(slowdown: float, least: float) -> None:
    """Where the wall time waits for others by 22% and CPU time varies by 3%, a quarter more time fails, and twice the time."""
    found = power.runtime(noise.BUSY_22.draw, slowdown, power.stream(SEED, "busy"), 1000)
    assert found.failed >= least
    assert found.passed == 0


def test_next_to_busy_loops_an_unchanged_program_seldom_fails() -> None:
    """CPU time that may lead costs no more false failures than the confirm round's 1% of what is flagged."""
    found = power.runtime(noise.BUSY_22.draw, 0.0, power.stream(SEED, "busy"), 1000)
    assert found.failed * 1000 <= most(0.01 * found.flagged, 1000) + 1


@pytest.mark.parametrize("plan", simulation.PLANS.values(), ids=list(simulation.PLANS))
@pytest.mark.parametrize(
    ("regime", "least"), [(noise.NORMAL, 0.95), (noise.HEAVY, 0.9)], ids=["normal", "t4"]
)
def test_a_loss_of_three_sd_is_found(regime: noise.Regime, least: float, plan: power.Plan) -> None:
    """Confirmed failures keep the bar; a loss of nothing is none."""
    lost = power.score(regime.draw, 3.0, power.stream(SEED, "lost"), 2000, plan)
    same = power.score(regime.draw, 0.0, power.stream(SEED, "same"), 2000, plan)
    assert lost.failed >= least
    assert same.failed * 2000 <= most(0.002, 2000)


@pytest.mark.parametrize("plan", simulation.PLANS.values(), ids=list(simulation.PLANS))
def test_a_growth_of_memory_by_five_percent_is_found(plan: power.Plan) -> None:
    """At 100 MiB with heavy tails the bar is kept within two standard errors; 2% is below the floor."""
    grown = power.memory(noise.TAILS.draw, 100, 0.05, power.stream(SEED, "grown"), 2000, plan)
    below = power.memory(noise.TAILS.draw, 100, 0.02, power.stream(SEED, "below"), 2000, plan)
    assert grown.failed >= 0.985
    assert below.failed <= 0.001


def test_rows_do_not_depend_on_each_other() -> None:
    """A row's stream comes from seed and name alone."""
    first, again = power.stream(SEED, "a"), power.stream(SEED, "a")
    assert first.random() == again.random()
    assert power.stream(SEED, "b").random() != power.stream(SEED, "a").random()


# -- noise ------------------------------------------------------------------------------------


@pytest.mark.parametrize("regime", noise.ACCURACY, ids=lambda regime: regime.name)
def test_scores_have_mean_zero_and_sd_one(regime: noise.Regime) -> None:
    """Losses in standard deviations mean the same for every shape."""
    drawn = regime.draw(np.random.default_rng(SEED), 4000, 50)
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("regime", "sd"),
    [(noise.NORMAL_24, 0.024), (noise.LOGNORMAL_6, 0.06), (noise.HUMPS_11, 0.11), (noise.LOGNORMAL_11, 0.11), (noise.DRIFTING_8, 0.08)],
    ids=lambda value: getattr(value, "name", ""),
)  # fmt: skip
def test_times_are_as_noisy_as_their_name_says(regime: noise.Regime, sd: float) -> None:
    """The coefficient of variation is the named one."""
    assert noise.variation(regime, np.random.default_rng(SEED)) == pytest.approx(sd, rel=0.05)


def test_a_coin_orders_each_pair() -> None:
    """Base holds the first or the second run of each pair, either about half the time; head holds the other, slowed down on both clocks."""

    def rising(rng: np.random.Generator, trials_: int, runs: int) -> Floats:
        wall = np.tile(np.arange(1.0, runs + 1), (trials_, 1))
        return np.stack([wall, 10 * wall])

    base, head = noise.pairs(rising, 1.0, np.random.default_rng(SEED), 1000, 3)
    np.testing.assert_array_equal(base[0] + head[0] / 2, np.tile([3.0, 7.0, 11.0], (1000, 1)))
    np.testing.assert_array_equal((base[1], head[1]), (10 * base[0], 10 * head[0]))
    assert (base[0, :, 0] == 1).mean() == pytest.approx(0.5, abs=0.06)


def test_resampling_draws_what_was_measured() -> None:
    """One by one: any measured value; stretches: neighbours in order, the first after the last."""
    values, rng = np.array([1.0, 2.0, 3.0, 4.0]), np.random.default_rng(SEED)
    assert set(noise.independent(values)(rng, 50, 3).ravel()) == {1, 2, 3, 4}
    drawn = noise.stretches(values)(rng, 50, 6)
    assert {tuple(row) for row in (drawn - drawn[:, :1]) % 4} == {(0, 1, 2, 3, 0, 1)}


# -- real runs --------------------------------------------------------------------------------

SPREADING = """
def measure(run):
    with run.stage("train"):
        guess(run, right=90 + run.seed)
    run.record("loss", 0.1 + 0.01 * run.seed)
    run.record("curve", [1.0, 2.0])

SCENARIO = declare(measure, metrics=(Metric("curve", better="lower"),))
"""


def test_collected_runs_can_be_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """Two runs of a real scenario in fresh processes, with one seed and with two: values in order, arrays left out."""
    from tests.conftest import HEAD

    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    (tmp_path / "probe.py").write_text(HEAD + SPREADING)
    out, told = tmp_path / "out", list[str]()
    samples.collect(["probe"], runs=2, out=out, paths=[str(tmp_path / "probe.py")], told=told.append)
    same, seeds = samples.load(out)
    assert (same.mode, same.seeds, seeds.mode, seeds.seeds) == ("same", [0, 0], "seeds", [0, 1])
    assert seeds.metrics["accuracy"].values == [0.9, 0.91]
    assert same.constant["accuracy"] == 0.9
    assert "curve" not in seeds.metrics | seeds.constant
    assert len(same.metrics["total.seconds"].values) == 2
    assert len(same.quiet("total.seconds")) == 2 - sum(same.disturbed)
    assert told[-1].startswith("round 2 of 2")


def stored_samples(mode: samples.Mode, **series: tuple[str, list[float]]) -> samples.Samples:
    """Build samples of made-up values."""
    metrics = {
        name.replace("__", "."): samples.Series(kind=kind, unit="", better="lower", values=values)
        for name, (kind, values) in series.items()
    }
    runs = len(next(iter(metrics.values())).values)
    return samples.Samples(
        schema=1, scenario="probe", variant="default", tier="smoke", mode=mode, machine={}, commit="", date="2026-01-01", command="",
        seeds=[0] * runs, disturbed=[True] + [False] * (runs - 1), constant={}, metrics=metrics,
    )  # fmt: skip


def test_real_runs_become_noise_of_their_kind() -> None:
    """Times of one seed are resampled both ways without the disturbed run; scores come from several seeds; few runs do not count."""
    spread = [float(x) for x in range(1, 31)]
    bytes_ = [(100 + x) * 2.0**20 for x in spread]
    same = stored_samples(
        "same", total__seconds=("runtime", spread), total__above_imports_bytes=("memory", bytes_)
    )
    seeds = stored_samples("seeds", total__seconds=("runtime", spread), loss=("accuracy", spread))
    few = stored_samples("same", total__seconds=("runtime", spread[:5]))
    found = simulation.real_regimes([same, seeds, few])
    assert [(regime.kind, regime.name) for regime in found] == [
        ("runtime", "real probe, one by one"), ("runtime", "real probe, stretches"), ("memory", "real probe"),
        ("accuracy", "real probe loss"),
    ]  # fmt: skip
    drawn = found[0].draw(np.random.default_rng(SEED), 200, 5)
    assert drawn.min() == pytest.approx(2 / 16)
    memory, loss = found[2], found[3]
    assert memory.level == 115.5
    assert abs(memory.draw(np.random.default_rng(SEED), 50, 20)).max() == 14.5
    scores = loss.draw(np.random.default_rng(SEED), 500, 20)
    assert (scores.mean(), scores.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))
    assert scores.max() == pytest.approx((15.5 - 1) / np.std(spread))


# -- peers are what their command lines say ------------------------------------------------------


def cases() -> list[tuple[list[float], list[float]]]:
    """Draw base and head times: slower by much or little, the same, faster, and 6 against 6, which asv can never call slower."""
    rng = np.random.default_rng(SEED)
    found = []
    for runs, slowdown, sd in (
        (7, 0.3, 0.02),
        (7, 0.04, 0.02),
        (7, 0.0, 0.05),
        (15, 0.12, 0.02),
        (15, -0.3, 0.02),
        (6, 1.0, 0.02),
        (25, 0.16, 0.05),
    ):
        base, head = 1 + sd * rng.standard_normal((2, runs))
        found.append((base.tolist(), (head * (1 + slowdown)).tolist()))
    return found


@pytest.mark.system
def test_asv_compare_says_the_same(tmp_path: Path) -> None:
    """`asv compare --factor 1.1` marks with + exactly the stored benchmarks that the called function finds slower."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    config = {"version": 1, "project": "p", "repo": ".", "branches": ["main"], "environment_type": "existing"}
    (tmp_path / "asv.conf.json").write_text(json.dumps(config))
    machine = platform.node()
    (tmp_path / "results" / machine).mkdir(parents=True)
    (tmp_path / "results" / machine / "machine.json").write_text(
        json.dumps({"machine": machine, "version": 1})
    )
    commits = []
    for side in (0, 1):
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", str(side)], check=True)
        done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        commits.append(done.stdout.strip())
        _store_for_asv(tmp_path, machine, commits[side], [case[side] for case in cases()])
    command = [sys.executable, "-m", "asv", "compare", *commits, "--factor", "1.1"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=TIME_LIMIT
    )
    lines = [line for line in done.stdout.splitlines() if "| bench_" in line]
    marked = [line.startswith("| + ") for line in sorted(lines, key=lambda line: line.split("| ")[-1])]
    assert marked == [peers.asv_slower(base, head) for base, head in cases()]
    assert marked[0]
    assert marked[5] is False


def _store_for_asv(folder: Path, machine: str, commit: str, sides: Sequence[list[float]]) -> None:
    """Store samples as asv's own runner does, statistics from its own function."""
    from asv_runner.statistics import compute_stats

    kept = ("ci_99_a", "ci_99_b", "q_25", "q_75", "number", "repeat")
    columns = ["result", "params", "version", *(f"stats_{name}" for name in kept), "samples"]
    results: dict[str, typing.Any] = {}
    benchmarks: dict[str, typing.Any] = {"version": 2}
    fixed = {"code": "", "params": [], "param_names": [], "type": "time", "unit": "seconds", "version": "1"}
    for index, side in enumerate(sides):
        value, stats = compute_stats(side, 1)
        name = f"bench_{index}"
        results[name] = [[value], [], "1", *([stats[part]] for part in kept), [side]]
        benchmarks[name] = {"name": name, **fixed}
    content = {
        "version": 2, "commit_hash": commit, "env_name": "existing", "date": 0, "params": {"machine": machine}, "python": "3", "requirements": {},
        "env_vars": {}, "result_columns": columns, "results": results, "durations": {},
    }  # fmt: skip
    (folder / "results" / "benchmarks.json").write_text(json.dumps(benchmarks))
    (folder / "results" / machine / f"{commit[:8]}-existing.json").write_text(json.dumps(content))


REPLAYED = """
import json, pathlib
import pytest

SIDES = json.loads(pathlib.Path("sides.json").read_text())

class Clock:
    def __init__(self):
        self.now, self.left = 0.0, []
    def __call__(self):
        return self.now

clock = Clock()

@pytest.mark.parametrize("index", range(len(SIDES)))
def test_replayed(benchmark, index):
    left = iter(SIDES[index])
    def body():
        clock.now = next(left)
    def before():
        clock.now = 0.0
    benchmark._timer = clock
    benchmark.pedantic(body, setup=before, rounds=len(SIDES[index]), iterations=1)
"""


@pytest.mark.system
@pytest.mark.parametrize("field", ["mean", "min"])
def test_pytest_benchmark_says_the_same(tmp_path: Path, field: str) -> None:
    """A session with `--benchmark-compare-fail` that replays the stored times fails for exactly those called slower."""
    (tmp_path / "test_replayed.py").write_text(REPLAYED)
    expected = [peers.benchmark_slower(base, head, field) for base, head in cases()]
    assert {True, False} <= set(expected)
    here = ["--rootdir", str(tmp_path), "-c", "/dev/null"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *here, "test_replayed.py"]
    failed = []
    for side, options in (
        (0, ["--benchmark-json", "base.json"]),
        (1, ["--benchmark-compare", "base.json", "--benchmark-compare-fail", f"{field}:10%"]),
    ):
        (tmp_path / "sides.json").write_text(json.dumps([case[side] for case in cases()]))
        done = subprocess.run(
            [*command, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
        failed = [f"[{index}] (" in done.stderr.split("regressed:")[-1] for index in range(len(cases()))]
        assert done.returncode == side, done.stdout + done.stderr
    assert failed == expected


@pytest.mark.system
def test_pyperf_says_the_same(tmp_path: Path) -> None:
    """`pyperf compare_to` calls exactly those significant and slower."""
    import pyperf

    for side, name in ((0, "base.json"), (1, "head.json")):
        benchmarks = [
            pyperf.Benchmark([pyperf.Run([value], metadata={"name": f"bench_{index:02}"}, collect_metadata=False) for value in case[side]])
            for index, case in enumerate(cases())
        ]  # fmt: skip
        pyperf.BenchmarkSuite(benchmarks).dump(str(tmp_path / name))
    command = [sys.executable, "-m", "pyperf", "compare_to", "-v", "base.json", "head.json"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=TIME_LIMIT
    )
    told = done.stdout.split("\nbench_")
    assert len(told) == len(cases())
    slower = ["slower" in each and "Significant" in each for each in told]
    assert slower == [peers.pyperf_slower(base, head) for base, head in cases()]
    assert {True, False} <= set(slower)


def test_a_tuned_cut_gives_the_level() -> None:
    """One percent of the scores lie beyond the cut, and a rule's own lowest cut is kept."""
    unchanged = np.arange(1000.0)
    assert (unchanged > peers.tuned_cut(peers.PYPERF, unchanged)).mean() == 0.01
    assert peers.tuned_cut(peers.ASV, np.zeros(100)) == 1.0


# -- the page ---------------------------------------------------------------------------------


def test_the_page_states_command_bars_and_missing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of few trials names its command and every bar with met or not met, and says that no real runs were there."""
    monkeypatch.setattr(samples, "FOLDER", tmp_path)
    monkeypatch.setattr(busy, "STORED", tmp_path / "busy.json")
    few = ["--trials", "10", "--peers", "5", "--gates", "4", "--processes", "2", "--seed", "3"]
    code = __main__.main([*few, "--markdown", str(tmp_path / "page.md")])
    text = (tmp_path / "page.md").read_text()
    assert "--trials 10 --peers 5 --gates 4 --seed 3" in text
    assert "No real runs have been collected yet" in text
    assert "Nothing has been measured yet: `python -m benchmarks.busy`" in text
    rated = [line for line in text.splitlines() if "| at most " in line or "| at least " in line]
    assert len(rated) == 18
    assert all(" met" in line or "**not met**" in line for line in rated)
    assert code == int("**not met**" in text)


def test_measured_pairs_next_to_busy_loops_become_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head measured at twice the time fails in every gate drawn from its pairs, one measured as equal in none."""
    rng = np.random.default_rng(SEED)
    cells = [
        busy.Cell(
            loops=2, stage=stage, work=work, wall=(work * rng.lognormal(0.4, 0.2, 60)).tolist(), cpu=(work * rng.lognormal(0, 0.02, 60)).tolist()
        )
        for stage in busy.STAGES
        for work in busy.WORK
    ]  # fmt: skip
    measured = busy.Busy(schema=1, machine={}, commit="", date="2026-01-01", command="measured", cells=cells)
    files.write_json(tmp_path / "busy.json", measured)
    monkeypatch.setattr(busy, "STORED", tmp_path / "busy.json")
    assert busy.load() == measured
    found = {key: row(power.stream(SEED, str(key))) for key, row in simulation._loops(40).items()}
    assert set(found) == {(2, stage, slowdown) for stage in busy.STAGES for slowdown in (0.0, 0.25, 1.0)}
    assert found[2, "one_thread", 1.0].failed == 1
    assert found[2, "one_thread", 0.0].failed == 0
    (whole,) = simulation._whole_loops(4).values()
    assert whole(power.stream(SEED, "whole")).exits == {}


def test_a_bar_is_met_by_its_share_and_doubted_within_its_interval() -> None:
    """998 of 1,000 keep 'at least 95%' clearly, 940 miss it within doubt, 500 miss it; an upper bound turns round."""
    bar = bars.Bar(name="b", wanted=0.95, at_most=False, share=0.998, trials=1000)
    assert bar.verdict == "met"
    assert dataclasses.replace(bar, share=0.94).verdict == "**not met**, within its uncertainty"
    assert dataclasses.replace(bar, share=0.5).verdict == "**not met**"
    assert dataclasses.replace(bar, at_most=True, wanted=0.05, share=0.0).verdict == "met"
