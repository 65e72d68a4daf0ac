"""README: what it shows is what happens, and it stays short."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import pytest

from harness.cli.terminal import _RUN_HEADINGS

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short() -> None:
    """A stranger reads it in a few minutes."""
    assert len(TEXT.splitlines()) < 120


def test_its_test_command_is_that_of_ci() -> None:
    """What CI calls is what a newcomer types."""
    (command,) = re.findall(r"^(python3 -m venv .* -m tests)$", TEXT, re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_its_table_has_the_columns_of_today() -> None:
    """The table of the first command has a line for each source under the headings that the program prints."""
    (head,) = re.findall(r"^(scenario:variant +accuracy .*)$", TEXT, re.MULTILINE)
    rows = re.findall(r"^(\w+:[\w-]+ .* holds? \w+)$", TEXT, re.MULTILINE)
    assert head.split()[1:] == list(_RUN_HEADINGS)
    folders = {path.name for path in (ROOT / "baselines").iterdir() if path.is_dir()}
    assert {row.partition(":")[0] for row in rows} == folders


@pytest.mark.system
def test_its_scenario_is_gated_as_shown(harness: Harness) -> None:
    """The file works as it stands; the change that README names is caught by the metric, and with the exit code, that it shows."""
    (program,) = re.findall(r"```python\n# mine.py\n(.*?)```", TEXT, re.DOTALL)
    (before, after) = "max_iter=100", re.findall(r"Somebody commits `(max_iter=\d+)`", TEXT)[0]
    assert program.count(before) == 1
    (harness.folder / "mine.py").write_text(program)
    harness.repository()
    (harness.folder / "mine.py").write_text(program.replace(before, after))
    harness.commit("fewer steps")
    (command,) = re.findall(r"^\$ harness (gate mine .*)$", TEXT, re.MULTILINE)
    done = harness(*command.split())
    assert done.code == 1, done.out + done.err
    assert "\nREGRESSED accuracy of mine:default fell " in done.out
    assert "REGRESSED accuracy of mine:default fell " in TEXT
    assert "Gate: worse (exit code 1); g" in done.out
