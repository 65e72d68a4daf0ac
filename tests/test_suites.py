"""The suites of ``python -m tests`` name files that are there, and quick and rest together are all, every test once."""

from __future__ import annotations

import re
import subprocess
import typing
from pathlib import Path

import pytest

from tests import __main__ as suites
from tests.conftest import LONGEST

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

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


class Commands:
    """Stands in for what starts the commands of suites: keeps them, and answers with an exit code."""

    def __init__(self, code: int = 0) -> None:
        self.begun: list[list[str]] = []
        self._code = code

    def __call__(self, command: Sequence[str], **_options: object) -> subprocess.CompletedProcess[str]:
        """Keep the command."""
        self.begun.append(list(command))
        return subprocess.CompletedProcess(command, self._code)


def begun(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[list[str]]:
    """Return the commands that ``python -m tests WORDS`` starts."""
    commands = Commands()
    monkeypatch.setattr(subprocess, "run", commands)
    assert suites.main(list(words)) == 0
    return commands.begun


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
    commands = Commands(code=1)
    monkeypatch.setattr(subprocess, "run", commands)
    assert suites.main(["torch", "keras"]) == 1
    assert len(commands.begun) == 2
    assert "failed: torch, keras" in capsys.readouterr().out
    assert suites.main(["nothing"]) == 2
    assert "unknown suite nothing" in capsys.readouterr().out
    assert len(commands.begun) == 2
