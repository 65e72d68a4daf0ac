"""Simulations of docs/error-rates.md: exact tests against the gate's, rates within their bounds, peers against their command lines."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
import sys
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.error_rates import (
    __main__,
    agreement,
    bars,
    exact,
    gates,
    looks,
    noise,
    peers,
    power,
    samples,
    simulation,
)
from harness import statistics
from harness.gate import rules, trials
from harness.gate.evidence import Evidence
from harness.gate.trials import CONFIRM_SEED
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
from tests.conftest import TIME_LIMIT

if typing.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import Round, Side

    Floats = NDArray[np.float64]

pytestmark = pytest.mark.slow

SEED = 4
FEW = st.integers(0, 6).map(float)
MANY = st.floats(-100, 100, width=32)


def rows(columns: int, elements: st.SearchStrategy[float]) -> st.SearchStrategy[Floats]:
    """Draw five trials of so many values."""
    return hnp.arrays(np.float64, (5, columns), elements=elements)


# -- the many-trials form is the gate's own --------------------------------------------------


@settings(max_examples=50)
@given(st.integers(1, 20).flatmap(lambda n: st.tuples(rows(n, FEW | MANY), rows(n, FEW | MANY))))
def test_paired_rank_test_is_the_gates_own(sides: tuple[Floats, Floats]) -> None:
    """Ranks, ties included, and the exact sign-flip p agree with `harness.statistics` to rounding."""
    base, head = sides
    found = exact.signflip_p(exact.paired_rank_differences(base, head))
    expected = [statistics.paired_rank_p(b, h) for b, h in zip(base, head, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@given(
    rows(12, st.integers(-20, 20).map(lambda doubled: doubled / 2)),
    st.sampled_from([0.001, 0.004, 2 / 128, 0.049]),
)
def test_bounds_never_decide_otherwise_than_the_exact_test(differences: Floats, level: float) -> None:
    """Where a bound spares the exact p, it says the same of every level that is used."""
    expected = [statistics.signflip_p(row) <= level + 1e-12 for row in differences]
    assert exact.signflip_within(differences, level).tolist() == expected


def test_a_level_that_the_lower_bound_does_not_cover_is_refused() -> None:
    """From .05 on the bound proves nothing."""
    with pytest.raises(ValueError, match=r"below a level of 0\.05"):
        exact.signflip_within(np.ones((1, 3)), 0.05)


@given(
    st.tuples(st.integers(3, 8), st.integers(3, 8)).flatmap(
        lambda s: st.tuples(rows(s[0], FEW), rows(s[1], FEW))
    )
)
def test_rank_and_t_tests_are_the_gates_own(sides: tuple[Floats, Floats]) -> None:
    """Mann and Whitney's p with ties, and the t bound, also of a baseline without spread."""
    base, head = sides
    expected = [statistics.worse_p(b, h) for b, h in zip(base, head, strict=True)]
    np.testing.assert_allclose(exact.t_bound_p(base, head), [p for p, _ in expected], atol=1e-12)
    np.testing.assert_allclose(exact.rank_p(head, base), [p for _, p in expected], atol=1e-12)


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(rules.RUNTIME_SCREEN)[:4]).flatmap(
        lambda n: st.tuples(*[rows(n, st.integers(90, 120).map(float))] * 2)
    )
)
def test_looks_at_tied_times_are_the_gates_own(sides: tuple[Floats, Floats]) -> None:
    """Alarm and clearing of whole ticks of a clock, which tie and lie exactly on the floor, agree look by look."""
    found, expected = agreement.times(*sides, "screen")
    assert list(zip(*(part.tolist() for part in found), strict=True)) == [
        (x.alarm, x.clear) for x in expected
    ]


def test_looks_at_every_noise_are_the_gates_own() -> None:
    """A draw of every regime, size, round and change gives the gate's own alarm and clearing."""
    compared, different = agreement.disagreements(1, SEED)
    assert compared > 400
    assert different == 0


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


GROUPS: dict[noise.Kind, tuple[str, str]] = {"accuracy": ("accuracy", "f1_macro"), "memory": ("peak_bytes", "left_bytes")}  # fmt: skip
Key = tuple[str, gates.Direction]


def made_up(rng: np.random.Generator, pairs: int) -> Sides:
    """Draw base and head values of one round, head shifted by nothing or a lot."""
    slower, lost, grown = rng.choice([0.0, 0.08, 0.2]), rng.choice([-2.0, 0.0, 2.0]), rng.choice([0.0, 0.045])
    base, head = noise.pairs(noise.LOGNORMAL_6.draw, slower, rng, 1, pairs)
    drawn: Sides = {"total.seconds": (base[0], head[0])}
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


def alarms(screen: Sides, kind: noise.Kind, sign: float) -> tuple[Floats, Floats, looks.Looked]:
    """Look at both metrics of a group with the many-trials form; `sign` -1 turns worse into better."""
    first = trials.FIRST_PAIRS
    base, head = (np.stack([screen[name][side][:first] for name in GROUPS[kind]]) for side in (0, 1))
    if kind == "accuracy":
        return base, head, looks.score(sign * base, sign * head, "screen", gates.SCORE_FLOOR)
    return base, head, looks.memory(base, head, "screen", better=sign < 0)


def expected_leads(screen: Sides) -> dict[Key, str]:
    """Name the leading metric of every group that the screen flags, as the simulation does."""
    timed, slowed = (side[None] for side in screen["total.seconds"])
    found: dict[Key, str] = {}
    if looks.runtime_round(timed, slowed, "screen").alarm[0]:
        found["runtime", "worse"] = "total.seconds"
    ways: tuple[tuple[gates.Direction, float], ...] = (("worse", 1.0), ("better", -1.0))
    for kind, names in GROUPS.items():
        for direction, sign in ways:
            base, head, looked = alarms(screen, kind, sign)
            if looked.alarm().any():
                found[kind, direction] = names[gates.lead(kind, direction, base, head)]
    return found


def first_of_the_smallest_p(screen: Sides, key: Key) -> str:
    """Name the metric that would lead a group if ties went to the first."""
    kind, direction = typing.cast("noise.Kind", key[0]), key[1]
    looked = alarms(screen, kind, 1.0 if direction == "worse" else -1.0)[2]
    return GROUPS[kind][int(np.where(looked.alarm(), looked.p, np.inf).argmin())]


def expected_verdicts(screen: Sides, confirm: Sides, leads: dict[Key, str]) -> dict[Key, str]:
    """Decide as the simulation does: screens by `looks`, confirm rounds by `gates.take_looks`, Holm over the flagged."""
    timed, slowed = (side[None] for side in screen["total.seconds"])
    groups: list[Key] = [("runtime", "worse")]
    groups += [(kind, way) for kind in GROUPS for way in typing.get_args(gates.Direction)]
    found = dict.fromkeys(groups, "PASS")
    if ("runtime", "worse") not in leads and not looks.runtime_round(timed, slowed, "screen").clear[0]:
        found["runtime", "worse"] = "INCONCLUSIVE"
    taken = {key: gates.take_looks(*_look(key, confirm[lead]), len(leads)) for key, lead in leads.items()}
    stepped = statistics.holm({key: ratio for key, (ratio, _) in taken.items()})
    for key in leads:
        confirmed = "REGRESSED" if key[1] == "worse" else "IMPROVED"
        found[key] = confirmed if stepped[key][1] else "PASS" if taken[key][1] else "INCONCLUSIVE"
    return found


def _look(key: Key, sides: tuple[Floats, Floats]) -> tuple[typing.Any, typing.Any]:
    (kind, direction), (base, head) = key, sides
    if kind == "runtime":
        return lambda n: rules.runtime_look("m", base[:n], head[:n], round_="confirm"), sorted(
            rules.RUNTIME_CONFIRM
        )
    if kind == "memory":
        way: rules.Worse = "higher" if direction == "worse" else "lower"
        return lambda n: rules.memory_look("m", base[:n], head[:n], worse=way, round_="confirm"), sorted(
            rules.CONFIRM_LEVELS
        )
    turn: rules.Worse = "lower" if direction == "worse" else "higher"
    return (
        lambda n: rules.score_look("m", base[:n], head[:n], worse=turn, round_="confirm", floor=0.0),
        sorted(rules.CONFIRM_LEVELS),
    )


def test_simulated_gates_end_as_the_gate_itself_decides() -> None:
    """Screen, leading metrics, confirm round and Holm of made-up gates, changed and unchanged, are `trials.decide`'s, group by group."""
    rng, seen, tied = np.random.default_rng(SEED), set[str](), 0
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
        leads = expected_leads(screen)
        assert {
            (trial.kind, trial.direction): trial.metric for trial in state.trials if trial.flagged
        } == leads
        decided = {(trial.kind, trial.direction): trial.verdict for trial in state.trials}
        assert decided == expected_verdicts(screen, confirm, leads)
        seen |= set(decided.values())
        tied += sum(
            key[0] in GROUPS and first_of_the_smallest_p(screen, key) != lead for key, lead in leads.items()
        )
    assert seen >= {"PASS", "REGRESSED", "IMPROVED"}
    assert tied > 5  # where the smallest p ties, the first would lead wrongly


# -- rates within their bounds ----------------------------------------------------------------


def most(bar: float, trials_: int) -> int:
    """Most alarms that a true rate of `bar` gives, but for one time in a thousand."""
    from scipy.stats import binom

    return int(binom.ppf(0.999, trials_, bar))


def test_an_unchanged_program_seldom_fails_against_fresh_base_runs() -> None:
    """Of 400 whole gates no more end with another exit code than 0 than a rate of 0.2% gives."""
    found = gates.simulate(400, SEED, fresh=True)
    assert 60 < found.flagged < 200
    assert sum(found.exits.values()) <= most(0.002, 400)


def test_an_unchanged_program_is_seldom_called_changed_against_a_stored_baseline() -> None:
    """Of 600 whole gates no more end with another exit code than 0 than a rate of 1% gives."""
    found = gates.simulate(600, SEED, fresh=False)
    assert sum(found.exits.values()) <= most(0.01, 600)


def test_the_bound_catches_a_confirm_round_that_confirms_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a level of one half instead of the spent ones the bound on whole gates is broken: it is no idle bound."""
    monkeypatch.setattr(rules, "RUNTIME_CONFIRM", dict.fromkeys(rules.RUNTIME_CONFIRM, 0.5))
    found = gates.simulate(400, SEED, fresh=True)
    assert sum(found.exits.values()) > most(0.002, 400)
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
    found = power.runtime(noise.HUMPS_11.draw, 0.0, power.stream(SEED, "loud"), 2000)
    assert found.failed * 2000 <= most(0.01 * found.flagged, 2000) + 1
    assert found.passed + found.failed + found.undecided == pytest.approx(1)


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
    """Base holds the first or the second run of each pair, each about half the time; head holds the other, slowed down."""

    def rising(rng: np.random.Generator, trials_: int, runs: int) -> Floats:
        return np.tile(np.arange(1.0, runs + 1), (trials_, 1))

    base, head = noise.pairs(rising, 1.0, np.random.default_rng(SEED), 1000, 3)
    np.testing.assert_array_equal(base + head / 2, np.tile([3.0, 7.0, 11.0], (1000, 1)))
    assert (base[:, 0] == 1).mean() == pytest.approx(0.5, abs=0.06)


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
    few = ["--trials", "40", "--peers", "10", "--gates", "10", "--agreement", "1", "--seed", "3"]
    code = __main__.main([*few, "--markdown", str(tmp_path / "page.md")])
    text = (tmp_path / "page.md").read_text()
    assert "--trials 40 --peers 10 --gates 10 --seed 3" in text
    assert "No real runs have been collected yet" in text
    rated = [line for line in text.splitlines() if "| at most " in line or "| at least " in line]
    assert len(rated) == 18
    assert all(" met" in line or "**not met**" in line for line in rated)
    assert code == int("**not met**" in text)


def test_a_bar_is_met_by_its_share_and_doubted_within_its_interval() -> None:
    """998 of 1,000 keep 'at least 95%' clearly, 940 miss it within doubt, 500 miss it; an upper bound turns round."""
    bar = bars.Bar(name="b", wanted=0.95, at_most=False, share=0.998, trials=1000)
    assert bar.verdict == "met"
    assert dataclasses.replace(bar, share=0.94).verdict == "**not met**, within its uncertainty"
    assert dataclasses.replace(bar, share=0.5).verdict == "**not met**"
    assert dataclasses.replace(bar, at_most=True, wanted=0.05, share=0.0).verdict == "met"
