"""Every dependency that two commits declare differently is named, from each kind of file, and nothing else is."""

from __future__ import annotations

import typing

import pytest

from harness.running.sides import dependencies

if typing.TYPE_CHECKING:
    from pathlib import Path

PROJECT = """
[project]
name = "theirs"
dependencies = ["numpy>=1.26", "Rich ; python_version > '3'", "pillow>=10,<12"]
[project.optional-dependencies]
torch = ["torch[cuda]>=2.6"]
[dependency-groups]
dev = ["ruff", {include-group = "test"}]
"""
REQUIREMENTS = """
# what CI installs
numpy==2.0.0 \\
    --hash=sha256:00
-r other.txt
git+https://example.org/x@1  # pinned
scipy
"""
SETUP = """
[options]
install_requires =
    numpy>=1.26
    scipy
[options.extras_require]
plots = matplotlib>=3.9
"""


def change(tmp_path: Path, name: str, old: str, words: dict[str, str]) -> tuple[str, ...]:
    """Return the differences between a file and the same file with some words replaced."""
    new = old
    for before, after in words.items():
        assert before in new
        new = new.replace(before, after)
    for side, content in (("base", old), ("head", new)):
        (tmp_path / side / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / side / name).write_text(content)
    return dependencies.changed(tmp_path / "base", tmp_path / "head")


@pytest.mark.parametrize(
    ("name", "content", "words", "told"),
    [
        ("pyproject.toml", PROJECT, {">=1.26": ">=2.0"}, ["numpy: >=1.26 in base, >=2.0 in head"]),
        ("pyproject.toml", PROJECT, {'"numpy>=1.26", ': ""}, ["numpy: >=1.26 in base, nothing in head"]),
        (
            "pyproject.toml", PROJECT, {"[cuda]": "", "Rich ;": "rich>=13;"},
            [
                'rich: any version; python_version > "3" in base, >=13; python_version > "3" in head',
                "torch (extra torch): [cuda]>=2.6 in base, >=2.6 in head",
            ],
        ),
        ("pyproject.toml", PROJECT, {'"ruff"': '"ruff>=0.9"'}, ["ruff (group dev): any version in base, >=0.9 in head"]),
        ("pyproject.toml", PROJECT, {">=10,<12": "<12, >=10", "Rich": "rich", "theirs": "renamed"}, []),
        (
            "requirements-ci.txt", REQUIREMENTS, {"2.0.0": "2.1.0", ":00": ":01", "@1": "@2"},
            [
                "git+https://example.org/x@1 (requirements-ci.txt): asked for in base, nothing in head",
                "git+https://example.org/x@2 (requirements-ci.txt): nothing in base, asked for in head",
                "numpy (requirements-ci.txt): ==2.0.0 in base, ==2.1.0 in head",
            ],
        ),
        ("requirements/ci.txt", REQUIREMENTS, {"scipy": "scipy>=1"}, ["scipy (ci.txt): any version in base, >=1 in head"]),
        (
            "setup.cfg", SETUP, {">=3.9": ">=3.10", "scipy": "pandas"},
            [
                "matplotlib (extra plots): >=3.9 in base, >=3.10 in head",
                "pandas: nothing in base, any version in head",
                "scipy: any version in base, nothing in head",
            ],
        ),
    ],
)  # fmt: skip
def test_what_differs_is_named(
    tmp_path: Path, name: str, content: str, words: dict[str, str], told: list[str]
) -> None:
    """One sentence for each dependency, whichever file declares it; spelling and order are no difference."""
    assert list(change(tmp_path, name, content, words)) == told


def test_a_file_that_cannot_be_read_is_a_difference(tmp_path: Path) -> None:
    """A damaged declaration is said with what is wrong; it stops nobody."""
    (line,) = change(tmp_path, "pyproject.toml", "[project\n", {"[project": "[project]"})
    assert line.startswith("pyproject.toml: unreadable content ")
    assert line.endswith("in base, nothing in head")
    (line,) = change(tmp_path, "pyproject.toml", "[project]\ndependencies = 3\n", {"3": "4"})
    assert "not iterable" in line


def test_files_that_are_only_compared(tmp_path: Path) -> None:
    """Lock files that differ, appear or vanish are named; equal ones are not."""
    for side, locked in (("base", "1"), ("head", "2")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "uv.lock").write_text(locked)
        (tmp_path / side / "environment.yml").write_text("same")
    (tmp_path / "head" / "setup.py").write_text("setup()")
    assert dependencies.unread(tmp_path / "base", tmp_path / "head") == ["setup.py", "uv.lock"]
