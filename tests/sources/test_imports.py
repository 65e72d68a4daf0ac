"""What a scenario file may import: its neighbours, its package, its project; and what is said of an import that fails."""

from __future__ import annotations

import textwrap
import typing
from pathlib import Path

import pytest

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

PROBE = """
import near
from mine import right
from inside import half
{first}

def measure(run):
    from mine.late import more
    guess(run, right + half + more)

SCENARIO = declare(measure)
"""


def write(harness: Harness, **files: str) -> None:
    """Write modules below the folder; two underlines stand for a slash."""
    for name, text in files.items():
        file = harness.folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))


@pytest.fixture
def mine(harness: Harness) -> Harness:
    """Return the command in a project with a package, a package below src, and a scenario in a folder of its own."""
    (harness.folder / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    write(
        harness, bench__near="", mine__init="", mine__late="more = 5", src__inside="half = 5", lib__deep__hidden="value = 1"
    )  # fmt: skip
    (harness.folder / "mine" / "init.py").rename(harness.folder / "mine" / "__init__.py")
    (harness.folder / "mine" / "__init__.py").write_text("right = 80\n")
    harness.scenario(PROBE.format(first=""), "bench/probe.py")
    return harness


def test_neighbours_root_and_src_are_importable_in_workers(mine: Harness) -> None:
    """A file below the project's root imports from its folder, the root and src, when it is loaded and when it is measured; from any folder."""
    run = ("run", "probe", "--scenarios", "probe.py", "--out", "out")
    done = type(mine)(mine.folder / "bench", Path(mine.environment["HARNESS_CACHE"]))(*run)
    assert done.code == 0, done.out + done.err
    (result,) = mine.job("bench/out")["results"]
    assert result["metrics"]["accuracy"]["value"] == 0.9


def test_a_file_within_a_package_may_import_relatively(mine: Harness) -> None:
    """A scenario file of a package has its full name there, as an import would give it."""
    body = PROBE.format(first="from . import late\nassert __name__ == 'mine.probe'").replace(
        "import near\n", ""
    )
    mine.scenario(body, "mine/probe.py")
    done = mine("list", "--scenarios", "mine/probe.py")
    assert done.code == 0, done.err
    assert "probe (version 1)" in done.out


@pytest.mark.parametrize(
    ("module", "step"),
    [
        ("hidden", "Add its folder to 'pyproject.toml' below [tool.harness]: path = [\"lib/deep\"]"),
        (
            "nowhere.at_all",
            "Install it, or add its folder to 'pyproject.toml' below [tool.harness]: path = [\"FOLDER\"]",
        ),
    ],
)
def test_a_missing_import_says_where_it_was_looked_for(mine: Harness, module: str, step: str) -> None:
    """The error of a file that cannot be loaded has the folders that were searched and the line to add."""
    mine.scenario(PROBE.format(first=f"import {module}"), "bench/probe.py")
    done = mine("list", "--scenarios", "bench/probe.py")
    assert done.code == 2
    assert (
        f"cannot import '{module.partition('.')[0]}': it is not installed, and not in 'bench', '.', 'src'. {step}"
        in done.err
    )


def test_a_missing_import_of_a_worker_says_the_same(mine: Harness) -> None:
    """So does one within `measure`; with the line added it is found."""
    mine.scenario(
        PROBE.format(first="").replace("from mine.late", "import hidden\n    from mine.late"),
        "bench/probe.py",
    )
    words = ("run", "probe", "--scenarios", "bench/probe.py", "--out")
    assert 'path = ["lib/deep"]' in mine(*words, "first").out
    with (mine.folder / "pyproject.toml").open("a") as file:
        file.write('[tool.harness]\npath = ["lib/deep"]\n')
    assert mine(*words, "second").code == 0


def test_an_error_of_the_package_is_the_file_s(mine: Harness) -> None:
    """A package around the file that cannot be imported is one clear error, and no error of the harness."""
    (mine.folder / "mine" / "__init__.py").write_text("raise RuntimeError('broken')\n")
    mine.scenario("SCENARIO = declare(guess)", "mine/probe.py")
    done = mine("list", "--scenarios", "mine/probe.py")
    assert done.code == 2
    assert "scenario file 'mine/probe.py' cannot be loaded: RuntimeError('broken')" in done.err
