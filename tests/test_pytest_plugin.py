"""The plugin in real pytest runs, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import typing

import pytest

from harness.judging.gate.trials import CONFIRM_SEED
from tests.conftest import Harness

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.system

Run = typing.Callable[..., pytest.RunResult]

VARIANTS = """
def measure(run):
    guess(run, right=run.options.get("right", 90))
    if run.options.get("die"):
        raise ValueError("as asked")
    if run.options.get("broken"):
        run.identity(IdentityCheck("sum", 1.0, 1e-6, "a + b = b + a", "by hand"))

SCENARIO = declare(measure, deterministic=True, variants=(
    Variant(name="good"), Variant(name="broken", options={"broken": True}), Variant(name="dead", options={"die": True}),
    Variant(name="paper", tiers=("paper",)),
))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """Make an empty project of a user, with its own settings."""
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    return Harness(pytester.path, cache)


@pytest.fixture
def pytest_run(pytester: pytest.Pytester, project: Harness, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest there with no plugin but this one, and xdist where it is asked for; warnings are errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*words: str) -> pytest.RunResult:
        plugins = ("-p", "harness.pytest_plugin", *(("-p", "xdist") if "-n" in words else ()))
        return pytester.runpytest_subprocess(*plugins, "-W", "error", *words)

    return run


@pytest.fixture
def probe(project: Harness, pytest_run: Run) -> Run:
    """Run pytest with the variants of a scenario file."""
    project.scenario(VARIANTS)

    def run(*words: str) -> pytest.RunResult:
        return pytest_run("--harness", "--harness-scenarios", "probe.py", "-k", "probe", *words)

    return run


def test_verdicts_become_outcomes_and_one_report(probe: Run, project: Harness) -> None:
    """A violated identity and a dead run fail in sentences, no baseline skips, and all runs are in one report; also under xdist."""
    done = probe("-n", "2", "-rs", "--harness-out", "out")
    done.assert_outcomes(failed=2, skipped=1)
    done.stdout.fnmatch_lines_random(
        [
            "*REGRESSED probe:broken sum: 1 against 1e-06*a + b = b + a: violated in 1 of 1 checks*",
            "*run probe--dead--smoke--numpy-cpu--seed0 failed: ValueError: as asked*",
            "SKIPPED*NO_BASELINE: none is stored for this variant and tier. Next: harness run probe:good*",
            "probe:good[[]smoke[]]: 1 baseline NO_BASELINE",
            "Report: *out/index.html",
        ]
    )
    assert "Traceback" not in done.stdout.str()
    job = project.job("out")
    assert {result["request"]["variant"] for result in job["results"]} == {"good", "broken", "dead"}
    assert len(job["comparisons"]) == 3


def test_the_configuration_names_scenarios_tier_and_seeds(pytest_run: Run, project: Harness) -> None:
    """With them in pyproject.toml, --harness alone collects the project's own variants and no built-in one; a word typed wins."""
    project.scenario(VARIANTS)
    table = '[tool.harness]\nscenarios = ["probe.py"]\nseeds = 2\nreports = "kept"\n'
    (project.folder / "pyproject.toml").write_text(table)
    done = pytest_run("--harness", "--collect-only", "-q")
    assert {line.split(":")[2] for line in done.outlines if line.startswith("harness::")} == {"probe"}
    pytest_run("--harness", "-k", "good").assert_outcomes(skipped=1)
    (folder,) = (project.folder / "kept").iterdir()
    assert len(list((folder / "runs").iterdir())) == 2
    pytest_run("--harness", "-k", "good", "--harness-seeds", "1", "--harness-out", "typed").assert_outcomes(
        skipped=1
    )
    assert len(list((project.folder / "typed" / "runs").iterdir())) == 1


def test_selected_variants_are_counted_as_collected(probe: Run) -> None:
    """Pytest's own line counts them: what is collected, deselected and selected adds up."""
    done = probe("--collect-only", "-m", "harness(variant='good')")
    (line,) = [line for line in done.outlines if line.startswith("collected ")]
    collected, deselected, selected = map(int, re.findall(r"-?\d+", line))
    assert (collected - deselected, selected) == (1, 1)
    assert done.outlines[-1].split(" tests collected")[0].endswith(f"1/{collected}")


def test_a_regression_fails_with_value_bounds_and_next_step(probe: Run, project: Harness) -> None:
    """Held against an accepted baseline the variant passes; when it loses 20 images of 100 it fails and says by how much."""
    project.repository()
    project.baseline("probe:good")
    probe("-k", "good", "--harness-out", "same").assert_outcomes(passed=1)
    project.scenario(VARIANTS.replace('get("right", 90)', 'get("right", 70)'))
    done = probe("-k", "good", "--harness-seeds", "5", "--harness-out", "worse")
    done.assert_outcomes(failed=1)
    line = "*REGRESSED probe:good accuracy: 0.7 against 0.9, bounds 0.89 to 0.91.*confirmed on 10 fresh runs*--explain accuracy*"
    done.stdout.fnmatch_lines([line])


HELD = """
def measure(run):
    guess(run)
    run.record("held_bytes", 2**20 * (100 + GROWN(run.seed)))

HELD = Metric("held_bytes", kind="memory", unit="B", better="lower", gated=True)
SCENARIO = declare(measure, deterministic=True, metrics=(HELD,))
"""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Return baselines of a variant that holds 100 MiB."""
    first = Harness(tmp_path_factory.mktemp("first"), cache)
    first.scenario(HELD.replace("GROWN(run.seed)", "run.seed / 100"))
    first.repository()
    first.baseline("probe", "--first-seed", "50", "--threads", "2")
    return first.folder / "baselines"


@pytest.fixture
def holding(project: Harness, held: Path, pytest_run: Run) -> Callable[..., pytest.RunResult]:
    """Run the variant as an item, with so many MiB more than in its baseline, which may depend on the seed."""

    def run(grown: str, *words: str) -> pytest.RunResult:
        project.scenario(HELD.replace("GROWN(run.seed)", grown))
        named = ("--harness-scenarios", "probe.py", "--harness-baselines", str(held), "--harness-out", "out")
        return pytest_run("--harness", *named, "-m", "harness(scenario='probe', variant='default')", *words)

    return run


@pytest.mark.parametrize(
    ("grown", "words", "outcome", "runs", "told"),
    [
        # the first run alone, by chance: ten fresh ones show it
        ("5 * (run.seed == 0)", (), "passed", 11, "probe:default[[]smoke[]]: *PASS*, after 10 fresh runs"),
        ("0.7 - run.seed % 7 / 100", (), "passed", 1, "probe:default[[]smoke[]]: 2 baseline PASS"),
        ("5 + run.seed % 7 / 100", (), "failed", 11, "REGRESSED probe:default held_bytes: *confirmed on 10 fresh runs*"),
        # where no further runs are allowed it stays open, which is no pass
        (
            "5 + run.seed % 7 / 100", ("--harness-max-runs", "4"), "failed", 1,
            "INCONCLUSIVE probe:default held_bytes: *fresh runs have to confirm*",
        ),
    ],
)  # fmt: skip
def test_fresh_runs_decide_what_one_run_flags(
    holding: Callable[..., pytest.RunResult], project: Harness, grown: str, words: tuple[str, ...],
    outcome: str, runs: int, told: str
) -> None:  # fmt: skip
    """Chance in one run fails nobody, a growth that stays does; no more runs than it takes, and all of them are in the report."""
    done = holding(grown, *words)
    done.assert_outcomes(**{outcome: 1})
    done.stdout.fnmatch_lines([told])
    seeds = sorted(result["request"]["seed"] for result in project.job("out")["results"])
    assert seeds == [0, *range(CONFIRM_SEED, CONFIRM_SEED + runs - 1)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("-k", "probe and not dead"), {"good", "broken"}),
        (("-m", "harness", "-k", "probe"), {"good", "broken", "dead"}),
        (("-m", "harness(variant='good')", "-k", "probe"), {"good"}),
        (("-m", "not harness"), set()),
        (("-k", "probe", "--harness-tier", "paper"), set()),
    ],
)
def test_items_are_selected_by_name_and_marker(
    project: Harness, pytest_run: Run, words: tuple[str, ...], names: set[str]
) -> None:
    """-k and -m see the variants that have the tier; nothing is run to collect them."""
    project.scenario(VARIANTS)
    done = pytest_run("--harness", "--harness-scenarios", "probe.py", "--collect-only", "-q", *words)
    found = {line.split(":")[3].split("[")[0] for line in done.outlines if line.startswith("harness::probe")}
    assert found == names
    assert not (project.folder / "reports").exists()


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_a_node_id_can_be_typed(project: Harness, pytest_run: Run, words: tuple[str, ...]) -> None:
    """What pytest prints for a variant selects it alone, without --harness too; a slip names the nearest."""
    project.scenario(VARIANTS)
    (project.folder / "test_other.py").write_text("def test_other(): assert False")
    chosen = pytest_run("--harness-scenarios", "probe.py", "harness::probe:good[smoke]", *words)
    chosen.assert_outcomes(skipped=1)
    slip = pytest_run("--harness-scenarios", "probe.py", "harness::probe:goood[smoke]")
    assert slip.ret == pytest.ExitCode.USAGE_ERROR
    slip.stderr.fnmatch_lines(["*goood*harness::probe:good*"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--harness-scenarios", "absent.py"), "*there is no scenario file*absent.py*Type: harness init*"),
        (("--harness-baselines", "absent"), "*there is no baselines folder*"),
        (("--harness-seeds", "0"), "*--harness-seeds must be at least 1*"),
        (("--harness-max-runs", "0"), "*--harness-max-runs must be at least 1*"),
        (("--harness-out", "old"), "*old' holds stored runs*--harness-out*"),
    ],
)
def test_bad_options_are_one_sentence(
    project: Harness, pytest_run: Run, words: tuple[str, ...], told: str
) -> None:
    """What is named wrongly is a usage error before anything is collected."""
    (project.folder / "old" / "runs" / "one").mkdir(parents=True)
    (project.folder / "old" / "runs" / "one" / "request.json").write_text("{}")
    done = pytest_run("--harness", *words)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([told])
    assert "Traceback" not in done.stderr.str()


def test_others_are_not_disturbed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the options nothing is collected, printed, or imported beyond the standard library."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import sys

        def test_mine():
            assert "harness.pytest_plugin" in sys.modules
            assert not {"numpy", "msgspec", "pandas", "psutil", "click", "harness.judging.jobs"} & set(sys.modules)
        """
    )
    done = pytester.runpytest_subprocess("-p", "harness.pytest_plugin", "-W", "error")
    done.assert_outcomes(passed=1)
    assert "= harness =" not in done.stdout.str()


CHECKS = """
from harness.judging.checks import Check

def test_a(harness_check):
    harness_check("validation", accuracy={accuracy}, loss=0.1, peak_share=Check(0.5, "lower", abs=0.1))

def test_b(harness_check):
    import pandas as pd
    harness_check("second", pd.DataFrame({{"accuracy": [0.5, 0.75]}}), **{{"loss": pd.Series([0.5, 0.25])}})
"""


@pytest.fixture
def checked(pytester: pytest.Pytester, pytest_run: Run) -> Callable[..., pytest.RunResult]:
    """Run two tests that hold metrics of their own."""

    def run(*words: str, accuracy: float = 0.97) -> pytest.RunResult:
        pytester.makepyfile(CHECKS.format(accuracy=accuracy))
        return pytest_run(*words)

    return run


def test_a_check_is_stored_held_and_updated(
    checked: Callable[..., pytest.RunResult], project: Harness
) -> None:
    """Without values it fails, an update stores them and fails all the same, then it passes, fails on a loss, and on a gain."""
    path = project.folder / "baselines" / "checks" / "validation.json"
    first = checked()
    first.assert_outcomes(failed=2)
    first.stdout.fnmatch_lines(
        ["NO_BASELINE check validation accuracy*Next: pytest *::test_a --harness-update*"]
    )
    assert not path.exists()
    checked("--harness-update").assert_outcomes(failed=2)
    assert json.loads(path.read_text())["metrics"]["accuracy"]["values"] == [0.97]
    before = path.read_bytes()
    checked("--harness-update").assert_outcomes(passed=2)
    assert path.read_bytes() == before
    worse = checked("-n", "2", accuracy=0.95)
    worse.assert_outcomes(failed=1, passed=1)
    worse.stdout.fnmatch_lines(
        ["REGRESSED check validation accuracy: 0.95 against 0.97, bounds 0.97 to 0.97.*"]
    )
    better = checked(accuracy=0.99)
    better.assert_outcomes(failed=1, passed=1)
    better.stdout.fnmatch_lines(["IMPROVED check validation accuracy*"])


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_one_name_belongs_to_one_test_in_any_session(
    pytester: pytest.Pytester, pytest_run: Run, words: tuple[str, ...]
) -> None:
    """Tests of two files, or of one, share a name: whichever worker or session comes second is refused, and what is stored stays."""
    pytester.makepyfile(
        test_one='def test_one(harness_check): harness_check("shared", accuracy=0.9)',
        test_two='def test_two(harness_check): harness_check("shared", accuracy=0.5)',
    )
    if words:
        done = pytest_run("--harness-update", "--dist", "loadfile", *words)
    else:
        pytest_run("--harness-update", "test_one.py")
        done = pytest_run("--harness-update", "test_two.py")
        both = pytest_run("--harness-update")
        both.stdout.fnmatch_lines(
            ["check 'shared' is used by *::test_* too. Give each test a name of its own"]
        )
    done.stdout.fnmatch_lines(["check 'shared' is used by test_*.py::test_* too*"])


def test_a_subfolder_finds_the_same_baselines(project: Harness, pytest_run: Run) -> None:
    """Typed in the project or below it, pytest judges against the same baselines and stores below rootdir; an empty option is an error."""
    project.scenario("SCENARIO = declare(guess, deterministic=True)")
    project.repository()
    project.baseline("probe")
    shutil.rmtree(project.folder / "baselines")
    below = project.folder / "tests" / "unit"
    below.mkdir(parents=True)
    accepted = Harness(below, project.folder)("baseline", "accept", "../../first")
    assert accepted.code == 0, accepted.err
    assert list((project.folder / "baselines").glob("probe/default/smoke/*.json"))
    assert not (below / "baselines").exists()
    os.chdir(below)
    done = pytest_run("--harness", "--harness-scenarios", "../../probe.py", "-k", "probe")
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["probe:default[[]smoke[]]: *baseline PASS*", "Report: *reports*index.html"])
    assert list((project.folder / "reports").glob("*/run.json"))
    refused = pytest_run("--harness", "--harness-baselines", "")
    assert refused.ret == 4
    refused.stderr.fnmatch_lines(["*the value of --harness-baselines is empty*"])
