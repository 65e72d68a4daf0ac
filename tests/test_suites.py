"""The suites of ``python -m tests`` name files that are there, and quick and rest together are all, every test once."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests import __main__ as suites
from tests.conftest import LONGEST

TESTS = Path(__file__).parent


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_files_are_there(name: str) -> None:
    """A file that was renamed is still begun first."""
    assert (TESTS / name).is_file()


@pytest.mark.parametrize(("marker", "paths"), [("torch", suites.TORCH), ("keras", suites.KERAS)])
def test_a_suite_collects_every_file_of_its_framework(marker: str, paths: tuple[str, ...]) -> None:
    """A test of a framework lies where its suite looks for it: elsewhere no suite would run it."""
    assert all((suites.ROOT / path).exists() for path in paths)
    marked = [path for path in TESTS.rglob("test_*.py") if re.search(rf"mark\.{marker}\b", path.read_text())]
    assert marked
    assert not [
        path for path in marked if not any(path.is_relative_to(suites.ROOT / known) for known in paths)
    ]


def begun(monkeypatch: pytest.MonkeyPatch, *words: str, code: int = 0, ends: int = 0) -> list[list[str]]:
    """Return the commands that ``python -m tests WORDS`` starts, each of which ends with `code`; itself it ends with `ends`."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(subprocess, "run", run)
    assert suites.main(list(words)) == ends
    return commands


def selects(commands: list[list[str]], *marks: str) -> int:
    """Count the pytest commands whose marker expression selects a test with these marks."""
    expressions = [command[command.index("-m", 2) + 1] for command in commands if "pytest" in command]
    names = {"slow", "system", "browser", "planted", "torch", "keras"}
    # an expression of pytest is one of Python: names, and, or, not
    return sum(bool(eval(text, {}, {name: name in marks for name in names})) for text in expressions)  # noqa: S307


@pytest.mark.parametrize(
    "marks", [(), ("slow",), ("system",), ("browser",), ("planted",), ("torch",), ("torch", "slow")]
)
def test_every_test_is_in_quick_or_in_rest(monkeypatch: pytest.MonkeyPatch, marks: tuple[str, ...]) -> None:
    """Whatever its marks, one of the two selects a test, and `all` selects it once."""
    quick, rest = (selects(begun(monkeypatch, word), *marks) for word in ("quick", "rest"))
    expected = not {"slow", "system", "browser", "planted"} & set(marks)
    assert (quick, rest) == (int(expected), int(not expected))
    assert selects(begun(monkeypatch, "all"), *marks) == 1


def test_without_words_the_quick_tests_run_and_the_end_names_what_was_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every suite that did not run stands there with the command that runs it."""
    assert begun(monkeypatch) == begun(monkeypatch, "quick")
    out = capsys.readouterr().out
    end = out[out.rindex("left out") :]
    assert "python -m tests rest" in end
    assert all(f"{name} (" in end for name in suites.SUITES if name not in suites.QUICK)
    assert "left out" not in (begun(monkeypatch, "rest"), capsys.readouterr().out)[1]


def test_a_suite_that_fails_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others run all the same; the exit code is 1, and that of an unknown suite 2."""
    assert len(begun(monkeypatch, "torch", "keras", code=1, ends=1)) == 2
    assert "failed: torch, keras" in capsys.readouterr().out
    assert begun(monkeypatch, "nothing", ends=2) == []
    assert "unknown suite nothing" in capsys.readouterr().out
