"""A project's configuration: where it is found, what it may say, and what a wrong one is told."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from harness.errors import ConfigurationError, HarnessError
from harness.judging import baselines
from harness.store import project

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]

WHOLE = """
scenarios = ["bench/digits.py", "mine.scenarios"]
path = ["lib"]
baselines = "gold"
reports = "build/reports"
tier = "short"
seeds = 3
gated = ["accuracy"]
against = "origin/main"
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes files, by default pyproject.toml, below the working folder, a checkout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()

    def put(text: str = "", name: str = "pyproject.toml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return put


@pytest.mark.parametrize("name", ["pyproject.toml", "harness.toml"])
def test_a_whole_configuration(write: Write, tmp_path: Path, name: str) -> None:
    """Every setting is read from either file; paths begin at the file, a module is the file that an import would give."""
    file = write(WHOLE if name == "harness.toml" else f"[tool.harness]\n{WHOLE}", name)
    module = write("", "src/mine/scenarios.py")
    assert project.find() == project.Project(
        scenarios=(str(tmp_path / "bench/digits.py"), str(module)),
        path=(str(tmp_path / "lib"),),
        baselines=str(tmp_path / "gold"),
        reports=str(tmp_path / "build/reports"),
        tier="short",
        seeds=3,
        gated=("accuracy",),
        against="origin/main",
        file=str(file),
    )


def test_it_is_found_from_below(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a subfolder the nearest one up to the top of the checkout counts, also for baselines and reports; a file without a table does not."""
    write("[tool.harness]\nseeds = 2\nbaselines = 'gold'\nreports = 'out'\n")
    below = write("[tool.other]\n", "a/pyproject.toml").parent / "b"
    below.mkdir()
    monkeypatch.chdir(below)
    assert project.find().seeds == 2
    assert baselines.project_folder() == Path("../../gold")
    assert project.reports_folder() == Path("../../out")
    write("seeds = 4\n", "a/harness.toml")
    assert project.find().seeds == 4
    assert project.reports_folder() == Path("reports")
    with monkeypatch.context() as changed:
        changed.setenv(project.VARIABLE, project.NONE)  # stands for an empty configuration
        assert project.find() == project.Project()
    (below / ".git").mkdir()
    assert project.find() == project.Project()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seeds = 'five'", "setting 'seeds' in .*Expected `int"),
        ("seeds = 0", "setting 'seeds' in .*>= 1"),
        ("tier = 3", "setting 'tier' in .*"),
        ("scenarios = 'a.py'", "setting 'scenarios' in .*Expected `array.*got `str`"),
        ("scenarios = ['a.py', 3]", "setting 'scenarios' in .*Expected `str`, got `int`"),
        ("against = ''", "setting 'against' in .*length >= 1"),
        ("scenario = ['a.py']", r"'scenario'. Did you mean 'scenarios'\?"),
        ("seeds = ", "is not TOML"),
        ("[tool]\nharness = 3", "is not a table"),
    ],
)
def test_a_wrong_value_is_one_error(write: Write, text: str, says: str) -> None:
    """The message names the setting, the file, and what was expected; a misspelt key the one that was meant."""
    file = write(text if text.startswith("[tool]") else f"[tool.harness]\n{text}\n")
    with pytest.raises(HarnessError, match=says) as caught:
        project.find()
    assert str(file) in str(caught.value)


def test_two_configurations_in_one_folder_are_refused(write: Write) -> None:
    """Neither of two files silently wins."""
    write("[tool.harness]\nseeds = 2\n")
    write("seeds = 3\n", "harness.toml")
    with pytest.raises(ConfigurationError, match="has two configurations"):
        project.find()


def test_import_folders_are_those_of_the_project(write: Write, tmp_path: Path) -> None:
    """A scenario imports from above its package, from each folder with a project file, its src, the top, and what is configured."""
    for name in ("part/bench/pkg/__init__.py", "src/a.py", "part/lib/b.py"):
        write("", name)
    write("[tool.harness]\npath = ['lib', 'nowhere']\n", "part/pyproject.toml")
    file = write("", "part/bench/pkg/probe.py")
    folders = [str(folder.relative_to(tmp_path)) for folder in project.import_folders(file)]
    assert folders == ["part/bench", "part", ".", "src", "part/lib"]


def test_commands_leave_out_what_is_configured(write: Write, tmp_path: Path) -> None:
    """Scenario files need not be typed where the configuration names them all."""
    write("[tool.harness]\nscenarios = ['a.py', 'b.py']\n")
    assert project.holds([str(tmp_path / "a.py")])
    assert not project.holds([str(tmp_path / "a.py"), str(tmp_path / "c.py")])
