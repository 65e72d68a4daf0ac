"""The Python interface: its page is executed, its table is the CSV's, and importing it costs nothing."""

from __future__ import annotations

import dataclasses
import doctest
import io
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import harness as package
from harness.errors import HarnessError
from harness.records import Gate, GateSettings, Measured
from harness.store import table

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "python.md"


@pytest.fixture
def here(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """Work in an empty folder, as the command does."""
    monkeypatch.chdir(harness.folder)
    monkeypatch.setenv("HARNESS_CACHE", harness.environment["HARNESS_CACHE"])
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    return harness


def test_the_page_works_as_written(here: Harness) -> None:
    """Every example of docs/python.md gives what the page says."""
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
    example = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) == 14
    told = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    assert runner.run(example, out=told.write).failed == 0, told.getvalue()


def test_the_frame_is_the_csv(here: Harness) -> None:
    """The table and the CSV file hold the same rows, a failed run's included; the column types are fixed."""
    import pandas as pd

    body = """
    def measure(run):
        if run.seed == 1:
            raise ValueError("no")
        guess(run)

    SCENARIO = declare(measure)
    """
    job = package.run("probe", seeds=2, scenarios=[here.scenario(body)], out="out")
    frame = package.frame(job)
    assert frame.equals(job.to_frame())
    assert frame["value"].dtype == "float64"
    assert frame["seed"].dtype == "int64"
    assert frame["value"].isna().sum() == 1
    read = {"dtype": {"index": str, "value": float}, "keep_default_na": False, "na_values": {"value": [""]}}
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO("".join(table.csv_lines(job))), **read),  # type: ignore[call-overload]
        frame,
        check_dtype=False,
    )
    assert here.job("out")["command"] == job.command
    empty = package.frame(dataclasses.replace(job, results=()))
    assert (len(empty), tuple(empty.columns)) == (0, table.COLUMNS)
    assert job.command.startswith("harness run probe --tier smoke --seeds 2 ")


@pytest.mark.slow
def test_judging_again_takes_the_named_baselines(here: Harness) -> None:
    """`judge` holds stored results against the folder that is named, and writes nothing."""
    scenario = here.scenario("SCENARIO = declare(guess, deterministic=True)")
    here.repository()
    job = package.run("probe", seeds=5, scenarios=[scenario], out="out")
    propose = ["baseline", "propose", "out", "--scenarios", scenario, "--who", "T", "--reason", "test"]
    assert here(*propose).code == 0
    assert here("baseline", "accept", "out", "--baselines", "mine").code == 0
    before = (here.folder / "out" / "run.json").read_bytes()
    judged = package.judge(job, scenarios=[scenario], baselines="mine").comparisons[0].judgements
    assert {judgement.verdict for judgement in judged} == {"PASS"}
    assert (here.folder / "out" / "run.json").read_bytes() == before


@pytest.mark.slow
def test_a_gate_is_judged_as_a_gate(here: Harness) -> None:
    """`judge` holds a gate's runs against its base, never pooled with it or against a baseline: the exit code is the gate's."""
    scenario = here.scenario("SCENARIO = declare(lambda run: guess(run, right=50 + run.seed))")
    job = package.run("probe", seeds=7, scenarios=[scenario], out="out")
    better = {"accuracy": Measured(value=0.99, better="higher")}
    base = tuple(
        dataclasses.replace(
            run, request=dataclasses.replace(run.request, side="base"), metrics={**run.metrics, **better}
        )
        for run in job.results
    )
    gate = Gate(settings=GateSettings(against="main", seeds=7), base_results=base, minutes=1.0, exit_code=0)
    judged = package.judge(dataclasses.replace(job, gate=gate), scenarios=[scenario])
    assert judged.gate is not None
    (compared,) = judged.comparisons
    assert [(trial.metric, trial.flagged) for trial in compared.trials if trial.direction == "worse"] == [
        ("accuracy", True)
    ]
    assert judged.gate.exit_code == 1
    (found,) = (j for j in compared.judgements if j.metric == "accuracy")
    assert (found.verdict, found.cause) == ("REGRESSED", "single")
    assert found.reference == pytest.approx(0.99)


def test_one_job_predicts_with_the_weights_of_another(here: Harness) -> None:
    """What one job kept, the next predicts with beside its own; the command that is stored repeats it."""
    body = """
    def measure(run):
        guess(run)
        labels = np.arange(50) % 10
        run.predictions(labels, labels, name="head", weights=[np.full(3, run.request.threads)])
        run.predict_given(lambda weights: (labels + weights[0][0]) % 10, "head")

    SCENARIO = declare(measure)
    """
    paths = [here.scenario(body)]
    kept = package.run("probe", keep_weights=True, threads=1, out="a", scenarios=paths)
    given = package.run("probe", weights="a", threads=2, out="b", scenarios=paths)
    ((ours,), (theirs,)) = kept.results, given.results
    assert "head-given.accuracy" not in ours.metrics
    assert theirs.metrics["head.accuracy"].value == 1
    assert theirs.metrics["head-given.accuracy"].value == 0
    assert "--keep-weights" in kept.command
    assert "--weights a" in given.command


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"tier": "smok"}, "Did you mean 'smoke'"), ({"seeds": 0}, "at least 1"), ({"backend": "jax"}, "numpy")],
)
def test_what_cannot_be_run_is_named(wrong: dict[str, typing.Any], told: str) -> None:
    """A wrong argument is one error before anything is run."""
    with pytest.raises(HarnessError, match=told):
        package.run("kmnist_svd_logreg", **wrong)


def test_importing_the_package_is_cheap() -> None:
    """`import harness` brings neither NumPy nor pandas; the interface does when it is used."""
    code = "import sys, harness; sys.exit(bool({'numpy', 'pandas', 'msgspec'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert {"run", "read", "judge", "compare", "frame"} <= set(package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        _ = package.rnu


def test_a_notebook_shows_a_job_as_a_table(here: Harness) -> None:
    """A job that was run, read or judged shows how it ended and each gated verdict, with every text escaped."""
    body = """
    SCENARIO = declare(guess, gated=("accuracy",), variants=(Variant(name="a"),))
    """
    job = package.run("probe", scenarios=[here.scenario(body)], out="out")
    for shown in (job, package.read("out"), package.judge(job, scenarios=["probe.py"], folder="out")):
        page = shown._repr_html_()
        assert page.startswith("<p>1 run: ")
        for cell in ("probe:a", "accuracy", "90.00%", "NO_BASELINE"):
            assert f"<td>{cell}</td>" in page
    (comparison,) = job.comparisons
    (judgement,) = comparison.judgements
    hostile = dataclasses.replace(comparison, judgements=(dataclasses.replace(judgement, reason="<script>"),))
    page = dataclasses.replace(job, comparisons=(hostile,))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.slow
def test_jobs_are_compared_side_by_side(here: Harness) -> None:
    """As the command does it: the configured tolerance is the margin, scores have a verdict, times a ratio; a notebook shows it, escaped."""
    body = """
    def measure(run):
        with run.stage("fit"):
            sum(range(100_000))
        guess(run, 90 + run.seed % 3)

    SCENARIO = declare(measure, gated=("accuracy",))
    """
    here.scenario(body)
    (here.folder / "harness.toml").write_text('scenarios = ["probe.py"]\nseeds = 4\ntolerance = "50points"\n')
    for out in ("a", "<b>"):
        package.run("probe", threads=1, out=out)
    found = package.compare("a", "<b>")
    assert found.exit_code == 0
    frame = found.to_frame().set_index(["side", "metric"])
    assert len(frame["tier"].unique()) == 1
    scores = frame[frame["kind"] == "accuracy"]
    assert len(set(scores["value"])) == 1
    assert set(scores["verdict"]) == {"", "equivalent"}
    assert scores["margin"].dropna().tolist() == [0.5]
    times = frame[frame.index.get_level_values("metric") == "fit.seconds"]
    assert (times["value"] > 0).all()
    assert times["change"].count() == 1
    page = found._repr_html_()
    assert "equivalent" in page
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    told = here("compare", "a", "<b>")
    assert "margin 50 points" in told.out
    narrow = package.compare("a", "<b>", margin="0.0001points").to_frame()
    assert narrow["margin"].dropna().tolist() == pytest.approx([1e-6])
    for wrong, words in (("wide", "'wide' is not a margin"), ("0.5", "0.5points")):
        with pytest.raises(HarnessError, match=words):
            package.compare("a", "<b>", margin=wrong)
    with pytest.raises(HarnessError, match="nothing to be compared with"):
        package.compare("a")
    with pytest.raises(HarnessError, match="nowhere"):
        package.compare("a", "nowhere")


def test_a_gate_without_a_baseline(here: Harness) -> None:
    """A gate of stored baselines runs as configured, ends as the command does, and stores a gate's job."""
    here.scenario("SCENARIO = declare(guess)")
    (here.folder / "harness.toml").write_text('scenarios = ["probe.py"]\nseeds = 2\nagainst = "nowhere"\n')
    here.repository()
    job = package.gate(against="", threads=1, out="out")
    assert (job.exit_code, len(job.results), job.gate is not None) == (3, 2, True)
    assert here.job("out")["command"].startswith("harness gate --no-against --tier smoke --seeds 2")
    with pytest.raises(HarnessError, match="'nowhere'"):
        package.gate(out="other")
    with pytest.raises(HarnessError, match="seeds=0"):
        package.gate(against="", seeds=0, out="other")


@pytest.mark.slow
def test_a_gate_against_another_commit(here: Harness) -> None:
    """Both commits run in pairs, and what a branch lost is confirmed: exit code 1, as the command's."""
    here.scenario("SCENARIO = declare(guess)")
    here.repository()
    here.scenario("SCENARIO = declare(lambda run: guess(run, 60))")
    here.repository()
    job = package.gate("probe", against="HEAD~1", threads=1, scenarios=["probe.py"], out="out")
    assert job.exit_code == 1
    assert job.gate is not None
    assert {result.metrics["accuracy"].value for result in job.gate.base_results} == {0.9}
    assert "REGRESSED" in job._repr_html_()
