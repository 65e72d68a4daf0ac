"""Waivers: written, merged by git, damaged in every way, applied, expired, and refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import subprocess
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BaselineError
from harness.judging import waivers
from harness.judging.waivers import Waiver
from harness.records import Comparison, Judgement, Verdict
from harness.records.words import TIERS
from harness.sources import catalogue

if typing.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Harness

TODAY = dt.date(2030, 1, 31)
NAMES = st.text(min_size=1, max_size=8).filter(str.strip)
ANY = st.builds(
    Waiver, scenario=NAMES, variant=NAMES, tier=st.sampled_from(TIERS), metric=NAMES, reason=NAMES, who=NAMES,
    until=st.just(dt.date(2030, 3, 1)), created=st.just(dt.date(2030, 1, 1)),
)  # fmt: skip


def waiver(**changes: typing.Any) -> Waiver:
    """Return a waiver of the accuracy of probe:default, in force today."""
    fields: dict[str, typing.Any] = {
        "scenario": "probe", "variant": "default", "tier": "smoke", "metric": "accuracy", "until": "2030-02-28",
        "reason": "issue 7", "who": "Zoë", "created": "2030-01-15",
    }  # fmt: skip
    return msgspec.convert({**fields, **changes}, Waiver)


def judged(verdict: Verdict, **changes: typing.Any) -> list[Comparison]:
    """Return a comparison of probe:default with one judgement of its accuracy."""
    fields: dict[str, typing.Any] = {"against": "baseline", "metric": "accuracy", "reason": "below the bound"}
    judgement = Judgement(verdict=verdict, **{**fields, **changes})
    return [
        Comparison(
            scenario="probe", variant="default", tier="smoke", seeds=(0,), failed=(), judgements=(judgement,)
        )
    ]


# -- the file --------------------------------------------------------------------------


@given(st.lists(ANY, max_size=6, unique_by=waivers.scope))
def test_waivers_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, found: list[Waiver]
) -> None:
    """Every field survives the file, whatever its text, in the order of what is covered."""
    path = tmp_path_factory.mktemp("waivers") / waivers.FILE
    path.write_bytes(waivers.as_text(found).encode())
    assert waivers.load(path) == sorted(found, key=waivers.scope)


@given(st.sets(st.sampled_from("abcdefghijkl")), st.data())
def test_changes_to_waivers_that_are_no_neighbours_merge(
    tmp_path_factory: pytest.TempPathFactory, kept: set[str], data: st.DataObject
) -> None:
    """One branch adds or removes an entry, the other one too with an untouched entry between: git merges both."""
    letters = st.sampled_from("abcdefghijkl")
    ours, theirs = kept ^ {data.draw(letters)}, kept ^ {data.draw(letters)}
    (mine,), (yours,) = ours ^ kept, theirs ^ kept
    low, high = sorted([mine, yours])
    if not any(low < name < high for name in kept):
        return
    place = tmp_path_factory.mktemp("merge")
    for name, metrics in (("ours", ours), ("old", kept), ("theirs", theirs)):
        text = waivers.as_text(waiver(metric=metric) for metric in metrics)
        (place / name).write_text(text)
    done = subprocess.run(["git", "merge-file", "ours", "old", "theirs"], cwd=place, check=False)
    assert done.returncode == 0
    assert {entry.metric for entry in waivers.load(place / "ours")} == (ours - kept) | (theirs - kept) | (
        ours & theirs
    )


def test_a_second_waiver_replaces_the_first(tmp_path: Path) -> None:
    """Only one waiver covers a metric; the other entries stay."""
    waivers.add(waiver(metric="loss"), tmp_path)
    path, before = waivers.add(waiver(), tmp_path)
    assert before is None
    _, before = waivers.add(waiver(until="2030-03-31"), tmp_path)
    assert before == waiver()
    assert waivers.load(path) == [waiver(until="2030-03-31"), waiver(metric="loss")]


def test_an_installed_package_is_not_written_to(tmp_path: Path) -> None:
    """The wheel's own copy of the baselines stays as it was installed."""
    with pytest.raises(BaselineError, match="belongs to an installed package"):
        waivers.add(waiver(), tmp_path / "site-packages" / "harness")


def entry(**fields: typing.Any) -> Callable[[dict[str, typing.Any]], None]:
    """Return a change of the first entry's fields."""
    return lambda plain: plain["waivers"][0].update(fields)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda plain: plain.update(schema=2), "has schema 2, this version reads up to 1. Upgrade"),
        (lambda plain: plain.update(schema=0), "is damaged"),
        (lambda plain: plain.update(schema=True), "is damaged"),
        (lambda plain: plain.update(waiver=[]), "unknown field `waiver`"),
        (lambda plain: plain.update(waivers={}), "Expected `array`"),
        (lambda plain: plain["waivers"].append("loss"), r"waivers\[\d\]"),
        (lambda plain: plain["waivers"].append(plain["waivers"][0]), "names probe:default/accuracy --tier smoke twice"),
        (entry(untill="2030-01-01"), "unknown field `untill`"),
        (lambda plain: plain["waivers"][0].pop("who"), "missing required field `who`"),
        (entry(tier=3), "is damaged"),
        (entry(reason=" "), r"waivers\[\d\].reason"),
        (entry(until="2030-02-30"), r"waivers\[\d\].until"),
        (entry(until="20300228"), r"waivers\[\d\].until"),
        (entry(created="x"), r"waivers\[\d\].created"),
        (entry(until="2031-01-31"), "At most 180 days are allowed"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_error_that_names_it(
    tmp_path: Path, spoil: Callable[[dict[str, typing.Any]], typing.Any], told: str
) -> None:
    """Nothing is guessed: a file that is not as it should be waives nothing."""
    plain = {"schema": 1, "waivers": [msgspec.to_builtins(waiver())]}
    spoil(plain)
    path = tmp_path / waivers.FILE
    path.write_text(json.dumps(plain))
    with pytest.raises(BaselineError, match=told) as raised:
        waivers.load(path)
    assert str(path) in str(raised.value)


def test_the_first_folder_that_has_the_file_decides(tmp_path: Path) -> None:
    """Waivers of two folders are not mixed: a person reads one file."""
    for name in ("a", "b"):
        waivers.add(waiver(reason=name), tmp_path / name)
    assert waivers.read([tmp_path / "none", tmp_path / "b", tmp_path / "a"]) == [waiver(reason="b")]
    assert waivers.read([tmp_path / "none"]) == []


# -- judging ---------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", typing.get_args(Verdict))
@pytest.mark.parametrize("against", ["baseline", "expectation", "identity"])
def test_what_a_waiver_covers(verdict: Verdict, against: str) -> None:
    """Only judgements against a baseline that would trouble a gate become WAIVED; an ERROR and an identity never do."""
    (after,) = waivers.apply(judged(verdict, against=against), [waiver()], TODAY)
    (judgement,) = after.judgements
    covered = against == "baseline" and verdict in waivers.WAIVABLE
    assert judgement.verdict == ("WAIVED" if covered else verdict)
    if covered:
        assert judgement.reason == f"{verdict}, waived until 2030-02-28: issue 7 (Zoë); below the bound"
    else:
        assert judgement.reason == "below the bound"


@pytest.mark.parametrize(
    "changes", [{"scenario": "x"}, {"variant": "x"}, {"tier": "short"}, {"metric": "loss"}], ids=str
)
def test_another_metric_variant_or_tier_is_not_covered(changes: dict[str, typing.Any]) -> None:
    """A waiver covers what it names and nothing beside it."""
    before = judged("REGRESSED")
    assert waivers.apply(before, [waiver(**changes)], TODAY) == before


@given(st.integers(-400, 400))
def test_a_waiver_lasts_until_the_end_of_its_last_day(days: int) -> None:
    """On the last day it is in force; after it the verdict is back, and says that the waiver expired."""
    today = dt.date(2030, 2, 28) + dt.timedelta(days)
    (after,) = waivers.apply(judged("REGRESSED"), [waiver()], today)
    (judgement,) = after.judgements
    assert judgement.verdict == ("WAIVED" if days <= 0 else "REGRESSED")
    assert ("its waiver expired on 2030-02-28: issue 7" in judgement.reason) == (days > 0)
    assert "below the bound" in judgement.reason


@given(st.sampled_from(typing.get_args(Verdict)), st.lists(ANY, max_size=3, unique_by=waivers.scope))
def test_nothing_but_verdict_and_reason_changes(verdict: Verdict, found: list[Waiver]) -> None:
    """Values, bounds and order stay as they were judged; waivers of other things change nothing."""
    before = judged(verdict, value=0.5, gated=True)
    (after,) = waivers.apply(before, [*found, waiver()], TODAY)
    restored = dataclasses.replace(after.judgements[0], verdict=verdict, reason="below the bound")
    assert dataclasses.replace(after, judgements=(restored,)) == before[0]


# -- a new waiver ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("2030-01-30", "--until 2030-01-30 has passed"),
        ("2030-07-31", "more than 180 days ahead"),
        ("tomorrow", "'tomorrow' is no date. Write it as 2030-07-30"),
        ("2030-2-1", "is no date"),
    ],
)
def test_a_day_that_cannot_be_is_refused(until: str, told: str) -> None:
    """A waiver ends, and soon: both ends of what is allowed are accepted, what lies beyond is not."""
    assert waivers.last_day("2030-01-31", TODAY) == TODAY
    assert waivers.last_day("2030-07-30", TODAY) == TODAY + dt.timedelta(180)
    with pytest.raises(BaselineError, match=told):
        waivers.last_day(until, TODAY)


def test_counts_of_work_can_be_waived() -> None:
    """A count that a baseline holds is known by name; without one any count may be meant, and ``work`` always."""
    scenario = catalogue.load_all(())["tinyconvnet_svd"]
    assert waivers.judges(scenario, ["work.train.steps"], "work.train.steps")
    assert not waivers.judges(scenario, ["work.train.steps"], "work.train.step")
    assert waivers.judges(scenario, [], "work.train.steps")
    assert waivers.judges(scenario, ["work.train.steps"], "work")
    assert not waivers.judges(scenario, [], "workload")


PROBE = """
def measure(run):
    guess(run, right=60 + run.seed % 3)

SCENARIO = declare(measure)
"""


def test_from_the_command_to_the_verdict(harness: Harness) -> None:
    """A metric without baseline is waived for real: terminal and report say until when; `show` lists it; past its time it is back."""
    file = harness.scenario(PROBE)
    tomorrow = (dt.datetime.now(dt.UTC).date() + dt.timedelta(1)).isoformat()
    words = ["--until", tomorrow, "--reason", "the first week", "--who", "Zoë", "--scenarios", file]
    done = harness("baseline", "waive", "probe:default/accuracy", *words)
    assert done.code == 0, done.err
    assert f"Waived until {tomorrow}: probe:default/accuracy --tier smoke" in done.out
    done = harness("run", "probe", "--scenarios", file, "--out", "out")
    assert (
        f"WAIVED accuracy of probe:default is waived: 60.00%\n  NO_BASELINE, waived until {tomorrow}"
        in done.out
    )
    judgements = harness.job("out")["comparisons"][0]["judgements"]
    assert [item["verdict"] for item in judgements if item["against"] == "baseline"] == ["WAIVED"]
    page = (harness.folder / "out" / "index.html").read_text()
    attention = page[page.index('id="attention"') : page.index('id="fine"')]
    assert f"waived until {tomorrow}: the first week" in attention
    shown = harness("baseline", "show", "probe", "--scenarios", file)
    assert f"waived probe:default/accuracy --tier smoke: until {tomorrow}; the first week (Zoë" in shown.out
    path = harness.folder / "baselines" / waivers.FILE
    path.write_text(waivers.as_text([waiver(until="2020-01-02", created="2020-01-01")]))
    done = harness("judge", "out", "--scenarios", file)
    judgements = harness.job("out")["comparisons"][0]["judgements"]
    (judgement,) = (item for item in judgements if item["against"] == "baseline")
    assert judgement["verdict"] == "NO_BASELINE"
    assert "its waiver expired on 2020-01-02" in judgement["reason"]
    shown = harness("baseline", "show", "probe", "--scenarios", file)
    assert "expired on 2020-01-02; remove it" in shown.out


def test_bad_waivers_stop_a_run_before_it_measures(harness: Harness) -> None:
    """A damaged file is one error with its name, and nothing was run; what cannot be waived is refused with what can."""
    file = harness.scenario(PROBE)
    words = ["--until", "2000-01-01", "--reason", "x", "--who", "y", "--scenarios", file]
    refused = harness("baseline", "waive", "probe/accuracy", *words)
    assert (refused.code, "has passed" in refused.err) == (2, True), refused.err
    words[1] = dt.datetime.now(dt.UTC).date().isoformat()
    refused = harness("baseline", "waive", "accuracy", *words)
    assert (refused.code, "Write it as SCENARIO[:VARIANT]/METRIC" in refused.err) == (2, True)
    refused = harness("baseline", "waive", "probe/accurate", *words)
    assert (refused.code, "Did you mean 'accuracy'?" in refused.err) == (2, True)
    words[3] = "  "
    refused = harness("baseline", "waive", "probe/accuracy", *words)
    assert (refused.code, "the value of --reason is empty" in refused.err) == (2, True)
    (harness.folder / "baselines").mkdir()
    (harness.folder / "baselines" / waivers.FILE).write_text("{}")
    done = harness("run", "probe", "--scenarios", file, "--out", "out")
    assert (done.code, "waivers baselines/waivers.json is damaged" in done.err) == (2, True)
    assert not (harness.folder / "out").exists()
