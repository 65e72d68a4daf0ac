"""What `harness_check` decides: direction, kind, bounds, and what an update stores."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import checks
from harness.checks import Check
from harness.errors import BaselineError

PLACE = Path("check.json")
NUMBERS = st.floats(0.01, 100)


def stored(**metrics: typing.Any) -> checks.Stored:
    """Store values as a first update would."""
    declared = checks.declare(metrics)
    return checks.updated(None, declared, checks.judge(PLACE, None, declared))


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
    """Five stored values allow what their spread allows; one allows rounding only."""
    many = stored(accuracy=[0.96, 0.97, 0.965, 0.962, 0.968])
    assert verdicts(many, accuracy=0.96) == {"accuracy": "PASS"}
    assert verdicts(many, accuracy=0.90) == {"accuracy": "REGRESSED"}
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
    """Only failing metrics are replaced, absent ones go, and the file reads back equal."""
    old = stored(accuracy=[0.9, 0.91, 0.92], loss=0.1, f1=0.8)
    declared = checks.declare({"accuracy": 0.905, "loss": 0.5})
    new = checks.updated(old, declared, checks.judge(PLACE, old, declared))
    assert new.metrics["accuracy"].values == [0.9, 0.91, 0.92]
    assert new.metrics["loss"].values == [0.5]
    assert set(new.metrics) == {"accuracy", "loss"}
    path = checks.path_of(tmp_path, "folder/a[1]")
    checks.write(path, new)
    assert checks.load(path) == new
    with pytest.raises(BaselineError, match="not finite"):
        checks.updated(old, checks.declare({"loss": float("inf")}), [])


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
        (
            '{"schema": 1, "environment": {}, "metrics": {"a": {"values": [], "unit": "", "kind": "size", "better": "none"}}}',
            "without a value",
        ),
        (
            '{"schema": 1, "environment": {}, "metrics": {"a": {"values": [9.7e299], "unit": "", "kind": "size", "better": "none"}}}',
            "not finite",
        ),
        ("[" * 100_000, "damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, told: str) -> None:
    """A file that cannot be used is one error that names it."""
    path = tmp_path / "check.json"
    path.write_text(content)
    with pytest.raises(BaselineError, match=told) as caught:
        checks.load(path)
    assert str(path) in str(caught.value)
