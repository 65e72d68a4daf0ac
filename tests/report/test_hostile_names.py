"""Every text of a stored job may be hostile: no output of it is obeyed by what reads it."""

from __future__ import annotations

import csv
import dataclasses
import html.parser
import io
import json
import typing
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness.cli import terminal
from harness.export import FORMATS, github, summary
from harness.records import Comparison, Job, Judgement, Measured, Measurement, RunRequest, RunResult
from harness.report import ledger, render

if typing.TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '=cmd|"\' /C calc"!A1|<script>alert(1)</script>"onload="x" [bold]\x1b[2J\u202e\n::error::@everyone #1 `x` ![](http://evil/x)'


@pytest.fixture
def job() -> Job:
    """Return a job of which every free text is hostile."""
    request = RunRequest(scenario=HOSTILE, variant=HOSTILE, tier="smoke", seed=0)
    measurement = Measurement(
        request=request, scenario_version=1, options={HOSTILE: HOSTILE}, metrics={}, stages=(), identities=(), predictions=(),
        figures=(), datasets=(), environment={HOSTILE: HOSTILE, "worker": HOSTILE}, problems=(HOSTILE,),
    )  # fmt: skip
    measured = {HOSTILE: Measured(value=0.5, unit=HOSTILE, better="higher")}
    good = RunResult(
        request=request, status="ok", started="2025-01-01T00:00:00+00:00", wall_seconds=1.0, metrics=measured, measurement=measurement,
        folder="runs/x", attempts=2, earlier_error=HOSTILE,
    )  # fmt: skip
    bad = dataclasses.replace(
        good, status="error", metrics={}, measurement=None, error=HOSTILE, log_tail=HOSTILE
    )
    judgement = Judgement(
        against="baseline", metric=HOSTILE, verdict="REGRESSED", unit=HOSTILE, value=1.0, reference=2.0, lower=1.5, upper=2.5,
        test=HOSTILE, reason=HOSTILE, place=HOSTILE, row=HOSTILE, next_step=HOSTILE, gated=True,
    )  # fmt: skip
    others = (
        dataclasses.replace(judgement, against="expectation", verdict="BELOW"),
        dataclasses.replace(judgement, verdict="NO_BASELINE"),
        dataclasses.replace(judgement, against="identity", verdict="REGRESSED"),
    )
    comparison = Comparison(
        scenario=HOSTILE, variant=HOSTILE, tier="smoke", seeds=(0,), failed=(HOSTILE,), judgements=(judgement, *others)
    )  # fmt: skip
    return Job(
        schema=1, created=HOSTILE, command=HOSTILE, version=HOSTILE, commit=HOSTILE, environment={HOSTILE: HOSTILE},
        results=(good, bad), comparisons=(comparison,),
    )  # fmt: skip


class Page(html.parser.HTMLParser):
    """Counts tags and gathers attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_page(job: Job, tmp_path: Path) -> None:
    """The report holds its own script and no other, no event handler, and no address but its own anchors and data."""
    page = Page()
    page.feed(render(job, tmp_path, {}))
    assert page.tags.count("script") == 1
    assert not [tag for tag in page.tags if tag in {"img", "iframe", "object", "embed", "form", "base"}]
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    addresses = [value for name, value in page.attributes if name in {"href", "src", "action"}]
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_markdown(job: Job) -> None:
    """A summary on GitHub opens no tag, fetches no picture, mentions nobody, and no line of it is a command of the log."""
    told = summary.markdown(job)
    assert "<script" not in told
    assert "](http" not in told
    assert "@everyone" not in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert all(line.startswith("::") and "\n" not in line for line in github.commands(job))


def test_junit(job: Job) -> None:
    """JUnit is valid XML whose texts are text."""
    root = ET.fromstring("".join(FORMATS["junit"]["junit.xml"](job)))  # noqa: S314 - our own, just written
    assert {element.tag for element in root.iter()} <= {
        "testsuites",
        "testsuite",
        "testcase",
        "error",
        "failure",
        "skipped",
    }
    assert any("<script>" in (element.text or "") for element in root.iter())


def test_csv(job: Job) -> None:
    """No cell of the table begins as a formula does, and quotes and line breaks stay in their cells."""
    table = list(csv.reader(io.StringIO("".join(FORMATS["csv"]["metrics.csv"](job)), newline="")))
    assert len({len(row) for row in table}) == 1
    assert not [
        cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    ]
    assert any(cell == f"'{HOSTILE}" for row in table for cell in row)


@pytest.mark.parametrize("form", ["github-action-benchmark", "bencher"])
def test_json(job: Job, form: str) -> None:
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


def test_terminal(job: Job, tmp_path: Path) -> None:
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
