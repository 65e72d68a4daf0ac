"""From nothing to a caught loss with data and scores of one's own: rows of real values, and several labels a row."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from tests.conftest import Finished, Harness

pytestmark = pytest.mark.system

REGRESSOR = """
from functools import partial

from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

import harness

ERROR = harness.Metric("error", unit="mg/dL", score="mean_absolute_error")
SCENARIO = harness.sklearn_scenario("sugar", Ridge(alpha=0.1), partial(load_diabetes, return_X_y=True), scores=(ERROR, "r2"))
"""
LABELS = """
import numpy as np

import harness

NOISE = 0.1


def cost(labels, predicted):
    return 5.0 * (labels > predicted).sum() + (labels < predicted).sum()


def measure(run):
    generator = np.random.default_rng(run.seed)
    with run.stage("predict", images=run.options["rows"]):
        labels = generator.random((run.options["rows"], 4)) < 0.4
        likely = np.clip(labels + generator.normal(0, 0.3, labels.shape) * (1 + NOISE), 0, 1)
    run.predictions(labels, likely)


SCENARIO = harness.Scenario(
    name="topics",
    version=1,
    source=harness.Source(slug="topics", title="Topics of texts"),
    measure=measure,
    variants=(harness.Variant(name="default"),),
    tiers={"quick": {"rows": 200}, "nightly": {"rows": 400}},
    gated=("f1_micro", "accuracy"),
    scores=("f1_micro", "roc_auc"),
    metrics=(harness.Metric("cost", unit="EUR", better="lower", gated=True, score=cost),),
    noun="texts",
)
"""


def with_baseline(harness: Harness, name: str, text: str, tier: str) -> None:
    """Write a scenario, measure ten seeds and accept them."""
    (harness.folder / "own.py").write_text(text)
    (harness.folder / "harness.toml").write_text(f'scenarios = ["own.py"]\ntier = "{tier}"\n')
    harness.repository()
    for words in (
        ("run", name, "--seeds", "10", "--out", "first"),
        ("baseline", "propose", "first", "--who", "me", "--reason", "first"),
        ("baseline", "accept", "first"),
    ):
        done: Finished = harness(*words)
        assert done.code == 0, (words, done.out, done.err)


def test_a_worse_regressor_is_caught(harness: Harness) -> None:
    """Its table shows the first gated score, no accuracy; a stronger penalty makes the gate end with 1."""
    with_baseline(harness, "sugar", REGRESSOR, "smoke")
    shown = harness("judge", "first")
    assert "error" in shown.out
    assert "accuracy" not in shown.out
    first = harness.job("first")["results"][0]["metrics"]
    assert first["error"] == {
        "value": first["mean_absolute_error"]["value"],
        "unit": "mg/dL",
        "kind": "accuracy",
        "better": "lower",
    }
    assert first["test_images"]["unit"] == "rows"
    assert "Rows/s" in (harness.folder / "first/index.html").read_text()
    (harness.folder / "own.py").write_text(REGRESSOR.replace("alpha=0.1", "alpha=30"))
    gate = harness("gate", "sugar", "--seeds", "5", "--out", "gate", "--summary", "summary.md")
    assert gate.code == 1, (gate.out, gate.err)
    assert "Error of sugar:default rose" in gate.out
    assert "mg/dL" in gate.out
    assert "error" in (harness.folder / "summary.md").read_text()


def test_a_worse_classifier_of_several_labels_is_caught(harness: Harness) -> None:
    """In a tier of the scenario's own, with a score of scikit-learn, one of the scenario's, and shares of whole rows."""
    with_baseline(harness, "topics", LABELS, "nightly")
    listed = harness("list")
    assert "tiers: quick, nightly" in listed.out
    wrong = harness("run", "topics", "--tier", "nighly", "--out", "wrong")
    assert wrong.code == 2
    assert "unknown tier 'nighly'. Did you mean 'nightly'?" in wrong.err
    assert "quick" in wrong.err
    assert (
        harness("run", "topics", "--tier", "paper", "--out", "wrong").err.count(
            "has no tier 'paper'. It has: quick, nightly"
        )
        == 1
    )
    results = harness.job("first")["results"]
    assert {result["request"]["tier"] for result in results} == {"nightly"}
    assert results[0]["metrics"]["test_images"] == {
        "value": 400.0,
        "unit": "texts",
        "kind": "accuracy",
        "better": "none",
    }
    assert results[0]["metrics"]["cost"]["unit"] == "EUR"
    (harness.folder / "own.py").write_text(LABELS.replace("NOISE = 0.1", "NOISE = 0.5"))
    gate = harness("gate", "topics", "--seeds", "5", "--out", "gate")
    assert gate.code == 1, (gate.out, gate.err)
    verdicts = {
        found["metric"]: found["verdict"]
        for found in harness.job("gate")["comparisons"][0]["judgements"]
        if found["against"] == "baseline" and found["gated"]
    }
    assert {verdicts[name] for name in ("f1_micro", "accuracy", "cost")} == {"REGRESSED"}
    assert "%" in next(line for line in gate.out.splitlines() if line.startswith("topics:default"))
    compared = harness("compare", "first", "gate", "--out", "compared.html")
    assert "Traceback" not in compared.err, compared.err
    assert compared.code in {0, 1}, (compared.out, compared.err)


def test_a_score_that_does_not_fit_fails_the_run_and_not_silently(harness: Harness) -> None:
    """An unknown score is refused before any run; a gated accuracy of real values is said with what there is."""
    (harness.folder / "own.py").write_text(REGRESSOR.replace('"r2"', '"r_2"'))
    unknown = harness("run", "sugar", "--scenarios", "own.py", "--out", "out")
    assert unknown.code == 2
    assert "unknown score of scikit-learn 'r_2'. Did you mean 'r2'?" in unknown.err
    (harness.folder / "own.py").write_text(REGRESSOR.replace('(ERROR, "r2")', '(), gated=("accuracy",)'))
    misfit = harness("run", "sugar", "--scenarios", "own.py", "--out", "out")
    assert misfit.code == 2
    assert "set 'test' gives no gated 'accuracy'. Gate one of: mean_absolute_error" in misfit.out
