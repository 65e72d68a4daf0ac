"""What `harness_check` decides: direction, kind, bounds, and what an update stores."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BaselineError
from harness.judging import checks
from harness.judging.checks import Check
from harness.records import BaselineMetric
from harness.store import files

PLACE = Path("check.json")
NUMBERS = st.floats(0.01, 100)


def stored(**metrics: typing.Any) -> checks.Stored:
    """Return values as a first update stores them."""
    declared = checks.declare(metrics)
    kept = {
        name: BaselineMetric(values=check.values, unit=check.unit, kind=check.kind, better=check.better)
        for name, check in declared.items()
    }
    return checks.Stored(schema=1, environment=checks.here(), metrics=kept)


def verdicts(old: checks.Stored | None, **metrics: typing.Any) -> dict[str, str]:
    """Judge metrics against stored ones."""
    return {item.metric: item.verdict for item in checks.judge(PLACE, old, checks.declare(metrics))}


def test_names_tell_direction_and_kind() -> None:
    """The words accuracy, loss, bytes and seconds are known wherever they stand in a name; others must be declared."""
    found = checks.declare({"val_accuracy": 0.9, "test_loss": 0.1, "peak_bytes": 10.0, "seconds": 1.0})
    assert [(c.better, c.kind, c.unit) for c in found.values()] == [
        ("higher", "accuracy", ""),
        ("lower", "accuracy", ""),
        ("lower", "memory", "B"),
        ("lower", "runtime", "s"),
    ]
    with pytest.raises(BaselineError, match=r"Check\(value, better='higher'\)"):
        checks.declare({"quality": 1.0})


@pytest.mark.parametrize(
    ("better", "value", "verdict"),
    [
        ("higher", 0.94, "REGRESSED"),
        ("higher", 0.96, "PASS"),
        ("higher", 0.99, "IMPROVED"),
        ("lower", 0.94, "IMPROVED"),
        ("lower", 0.99, "REGRESSED"),
        ("none", 0.94, "REGRESSED"),
        ("none", 0.99, "REGRESSED"),
    ],
)
def test_direction_and_bound(better: typing.Any, value: float, verdict: str) -> None:
    """Outside the test's own bound the direction decides; without a direction any change fails."""
    old = stored(metric=Check(0.965, better))
    assert verdicts(old, metric=Check(value, better, abs=0.02)) == {"metric": verdict}


@given(values=st.lists(NUMBERS, min_size=1, max_size=12))
def test_the_stored_values_pass(values: list[float]) -> None:
    """Values that are held against themselves pass, whatever they are."""
    old = stored(accuracy=values)
    assert verdicts(old, accuracy=values) == {"accuracy": "PASS"}
    assert verdicts(old, accuracy=values[::-1]) == {"accuracy": "PASS"}


def test_several_values_make_their_own_bound() -> None:
    """Five stored values allow what their spread allows, and few new ones leave it open; one stored value allows rounding only."""
    many = stored(accuracy=[0.96, 0.97, 0.965, 0.962, 0.968])
    assert verdicts(many, accuracy=0.96) == {"accuracy": "PASS"}
    assert verdicts(many, accuracy=0.90) == {"accuracy": "INCONCLUSIVE"}
    assert verdicts(many, accuracy=[0.90, 0.91, 0.89, 0.9, 0.92, 0.91]) == {"accuracy": "REGRESSED"}
    assert verdicts(stored(accuracy=0.965), accuracy=0.9651) == {"accuracy": "IMPROVED"}
    assert verdicts(stored(accuracy=0.965), accuracy=0.965 * (1 + 1e-9)) == {"accuracy": "PASS"}


def test_what_is_missing_new_or_redefined_is_no_pass() -> None:
    """A stored metric that the test no longer gives, a new one, NaN, and another declaration each have a verdict."""
    old = stored(accuracy=0.9, loss=0.1)
    assert verdicts(old, accuracy=0.9) == {"accuracy": "PASS", "loss": "ERROR"}
    assert verdicts(old, accuracy=0.9, loss=0.1, f1=0.8)["f1"] == "NO_BASELINE"
    assert verdicts(old, accuracy=float("nan"), loss=0.1)["accuracy"] == "ERROR"
    assert verdicts(old, accuracy=Check(0.9, "lower"), loss=0.1)["accuracy"] == "ERROR"


def test_runtime_is_never_judged_and_memory_only_where_it_compares() -> None:
    """Ten times slower is no verdict; memory grows beyond 3% and 1.5 MiB before it fails, and another Python is INCOMPARABLE."""
    old = stored(seconds=1.0, peak_bytes=100 * 2**20)
    assert verdicts(old, seconds=10.0, peak_bytes=102 * 2**20) == {
        "seconds": "NOT_JUDGED",
        "peak_bytes": "PASS",
    }
    assert verdicts(old, seconds=10.0, peak_bytes=104 * 2**20)["peak_bytes"] == "REGRESSED"
    elsewhere = checks.Stored(
        schema=1, environment={**old.environment, "python": "2.7.1"}, metrics=old.metrics
    )
    assert verdicts(elsewhere, seconds=1.0, peak_bytes=100 * 2**20)["peak_bytes"] == "INCOMPARABLE"


def test_an_update_leaves_what_passes(tmp_path: Path) -> None:
    """Only failing metrics are replaced, absent ones go, and the file names its test."""
    path = checks.path_of(tmp_path, "folder/a[1]")
    old = stored(accuracy=[0.9, 0.91, 0.92], loss=0.1, f1=0.8)
    files.write_json(path, old)
    declared = checks.declare({"accuracy": 0.905, "loss": 0.5})
    checks.update(path, declared, checks.judge(path, old, declared), "test_a.py::test_a")
    new = checks.load(path)
    assert new is not None
    assert {name: metric.values for name, metric in new.metrics.items()} == {
        "accuracy": [0.9, 0.91, 0.92],
        "loss": [0.5],
    }
    assert new.test == "test_a.py::test_a"
    with pytest.raises(BaselineError, match="not finite"):
        checks.update(path, checks.declare({"loss": float("inf")}), [], "test_a.py::test_a")


def test_a_file_belongs_to_one_test(tmp_path: Path) -> None:
    """Another test of the same name is refused, in whichever worker or session it comes."""
    path, declared = tmp_path / "shared.json", checks.declare({"accuracy": 0.9})
    checks.update(path, declared, [], "test_a.py::test_one")
    with pytest.raises(BaselineError, match="'shared' is used by test_a"):
        checks.update(path, declared, [], "test_b.py::test_two")


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (Check(0.9, better="max"), "better='max'"),  # type: ignore[arg-type]
        (Check(0.9, "higher", kind="speed"), "kind='speed'"),  # type: ignore[arg-type]
        (Check(0.9, "higher", kind="identity"), "kind='identity'"),
        (Check(0.9, "higher", abs=float("nan")), "negative or not finite"),
        (Check(0.9, "higher", abs=float("inf")), "negative or not finite"),
        (Check(0.9, "higher", rel=-0.1), "negative or not finite"),
        (Check([[0.9, 0.8]], "higher"), "more than one dimension"),  # type: ignore[list-item]
        (Check("high", "higher"), "no number"),  # type: ignore[arg-type]
        (Check([], "higher"), "no value"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_at_the_call(check: Check, wrong: str) -> None:
    """Nothing is stored that could not be read again, and no bound lets everything pass."""
    with pytest.raises(BaselineError, match=wrong):
        checks.declare({"metric": check})


def test_a_stored_zero_forgives_rounding() -> None:
    """0.1 + 0.2 - 0.3 is no regression from 0, one part in a billion is."""
    old = stored(error=0.0)
    assert verdicts(old, error=0.1 + 0.2 - 0.3) == {"error": "PASS"}
    assert verdicts(old, error=1e-9) == {"error": "REGRESSED"}


def test_next_steps_look_first() -> None:
    """After a regression the test is looked at; new values are offered for what is better or new."""
    old = stored(accuracy=0.9, loss=0.1)
    found = checks.judge(
        PLACE, old, checks.declare({"accuracy": 0.8, "loss": 0.05, "f1": 0.5}), "test_a.py::test_a[a b]"
    )
    assert [(item.verdict, item.next_step) for item in found] == [
        ("REGRESSED", "look at what changed, then: pytest 'test_a.py::test_a[a b]'"),
        ("IMPROVED", "pytest 'test_a.py::test_a[a b]' --harness-update, if the new values are right"),
        ("NO_BASELINE", "pytest 'test_a.py::test_a[a b]' --harness-update, if the new values are right"),
    ]


@pytest.mark.parametrize("name", ["", "../out", "/abs", "a//b", ".hidden", "a\\b", "a/.."])
def test_names_stay_in_the_folder(name: str) -> None:
    """A check's name cannot leave its folder."""
    with pytest.raises(BaselineError, match="cannot name a check"):
        checks.path_of(PLACE, name)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "damaged"),
        ('{"schema": 9, "environment": {}, "metrics": {}}', "schema 9"),
        ('{"schema": 1, "environment": {}, "metrics": {"a": {"values": [], "unit": "", "kind": "size", "better": "none"}}}', "without"),
        ('{"schema": 1, "environment": {}, "metrics": {"a": {"values": [9e299], "unit": "", "kind": "size", "better": "none"}}}', "finite"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, content: str, told: str) -> None:
    """A file that cannot be used is one error that names it."""
    path = tmp_path / "check.json"
    path.write_text(content)
    with pytest.raises(BaselineError, match=told) as caught:
        checks.load(path)
    assert str(path) in str(caught.value)
