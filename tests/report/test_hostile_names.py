"""Every text of a stored job may be hostile: no output of it is obeyed by what reads it."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import typing
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

from harness import records
from harness.cli import terminal
from harness.export import FORMATS, github, summary
from harness.report import ledger, render
from harness.store import files
from tests.report.parsed import Parsed

if typing.TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '=cmd|"\' /C calc"!A1|<script>alert(1)</script>"onload="x" [bold]\x1b[2J\u202e\n::error::@everyone #1 `x` ![](http://evil/x)'
MARKUP = "<script>alert(1)</script>\"'</style></title>{{ 7 * 7 }}&amp;"


@pytest.fixture
def job() -> records.Job:
    """Return a job of which every free text is hostile."""
    request = records.RunRequest(scenario=HOSTILE, variant=HOSTILE, tier="smoke", seed=0)
    use = records.DatasetUse(name=HOSTILE, sha256=HOSTILE, complete=False, found=HOSTILE)
    check = records.IdentityCheck(name=MARKUP, error=1.0, tolerance=0.1, formula=HOSTILE, detail=HOSTILE)
    figure = records.Figure(
        name="f", kind="lines", title=MARKUP, caption=MARKUP, x=MARKUP, y=MARKUP, series=(MARKUP, HOSTILE)
    )
    measurement = records.Measurement(
        request=request, scenario_version=1, options={HOSTILE: HOSTILE}, metrics={}, stages=(), identities=(check,), predictions=(),
        figures=(figure,), datasets=(use,), environment={HOSTILE: HOSTILE, "worker": HOSTILE}, problems=(HOSTILE,),
    )  # fmt: skip
    measured = {HOSTILE: records.Measured(value=0.5, unit=HOSTILE, better="higher")}
    good = records.RunResult(
        request=request, status="ok", started="2025-01-01T00:00:00+00:00", wall_seconds=1.0, metrics=measured, measurement=measurement,
        folder="runs/x", attempts=2, earlier_error=HOSTILE,
    )  # fmt: skip
    bad = dataclasses.replace(
        good, status="error", metrics={}, measurement=None, error=HOSTILE, log_tail=HOSTILE
    )
    judgement = records.Judgement(
        against="baseline", metric=HOSTILE, verdict="REGRESSED", unit=HOSTILE, value=1.0, reference=2.0, lower=1.5, upper=2.5,
        test=HOSTILE, reason=HOSTILE, place=HOSTILE, row=HOSTILE, next_step=HOSTILE, gated=True,
    )  # fmt: skip
    others = (
        dataclasses.replace(judgement, against="expectation", verdict="BELOW"),
        dataclasses.replace(judgement, verdict="NO_BASELINE"),
        dataclasses.replace(judgement, against="identity", verdict="REGRESSED"),
    )
    flips = records.Flips(
        seed=0,
        set=HOSTILE,
        against=HOSTILE,
        images=10,
        folder="runs/x",
        worse=(records.Flip(1, 2, 2, 3),),
        worse_count=1,
    )
    comparison = records.Comparison(
        scenario=HOSTILE, variant=HOSTILE, tier="smoke", seeds=(0,), failed=(HOSTILE,), judgements=(judgement, *others),
        flips=(flips, dataclasses.replace(flips, problem=HOSTILE)),
    )  # fmt: skip
    return records.Job(
        schema=1, created=HOSTILE, command=HOSTILE, version=HOSTILE, commit=HOSTILE, environment={HOSTILE: HOSTILE},
        results=(good, bad), comparisons=(comparison,),
    )  # fmt: skip


def test_page(job: records.Job, tmp_path: Path) -> None:
    """The report shows names as they are, with its own script and style and no other, no event handler, and no address but its own."""
    source = records.Source(slug="probe", title=HOSTILE, authors=HOSTILE, note=HOSTILE)
    scenario = records.Scenario(
        name="probe", version=1, source=source, measure=print, variants=(records.Variant(name=HOSTILE, doc=HOSTILE),), tiers={"smoke": {}}
    )  # fmt: skip
    files.write_npz(tmp_path / "runs/x/arrays.npz", {"f/0": np.arange(3.0), "f/1": np.arange(3.0)})
    page = Parsed(render(job, tmp_path, {HOSTILE: scenario}))
    assert (page.tags.count("script"), page.tags.count("style"), page.tags.count("article")) == (1, 1, 1)
    assert not {"img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on")]
    addresses = [*page.links, *page.attributes("src"), *page.attributes("action")]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert page.text.count(HOSTILE) > 30
    assert page.text.count(MARKUP) >= 4


def test_markdown(job: records.Job) -> None:
    """A summary on GitHub opens no tag, fetches no picture, mentions nobody, and no line of it is a command of the log."""
    text = summary.markdown(job)
    assert "<script" not in text
    assert "](http" not in text
    assert "@everyone" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert all(line.startswith("::") and "\n" not in line for line in github.commands(job))


def test_junit(job: records.Job) -> None:
    """JUnit is valid XML whose texts are text."""
    root = ET.fromstring("".join(FORMATS["junit"]["junit.xml"](job)))  # noqa: S314 - our own, just written
    allowed = {"testsuites", "testsuite", "testcase", "error", "failure", "skipped"}
    assert {element.tag for element in root.iter()} <= allowed
    assert any("<script>" in (element.text or "") for element in root.iter())


def test_csv(job: records.Job) -> None:
    """No cell of the table begins as a formula does, and quotes and line breaks stay in their cells."""
    table = list(csv.reader(io.StringIO("".join(FORMATS["csv"]["metrics.csv"](job)), newline="")))
    assert len({len(row) for row in table}) == 1
    assert not [
        cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    ]
    assert any(cell == f"'{HOSTILE}" for row in table for cell in row)


@pytest.mark.parametrize("form", ["github-action-benchmark", "bencher"])
def test_json(job: records.Job, form: str) -> None:
    """JSON for other tools holds the names as strings."""
    plain = [json.loads("".join(text(job))) for text in FORMATS[form].values()]
    assert any(HOSTILE in name for name in strings(plain))


def strings(value: typing.Any) -> list[str]:
    """Return every string in a JSON document, names too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_terminal(job: records.Job, tmp_path: Path) -> None:
    """On a terminal nothing hostile is a control sequence, and no markup is read."""
    out = io.StringIO()
    terminal.show(Console(file=out, width=4000, force_terminal=False), job, tmp_path / "x")
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert "[bold]" in out.getvalue()
    assert r"\x1b[2J\u202e" in out.getvalue()


def test_a_cell_of_the_ledger() -> None:
    """A text in the ledger's Markdown ends no cell and opens no tag."""
    cell = ledger.view._cell(HOSTILE)
    assert "\n" not in cell
    assert "<" not in cell
    assert "|" not in cell.replace("\\|", "")
    assert "\x1b" not in cell
