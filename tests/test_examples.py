"""The example notebook does what it says, cell by cell."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_three_uses(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate catches what was planted, the published value is reproduced, and both jobs are shown as equivalent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    made = runpy.run_path(str(DOCS / "examples" / "three_uses.py"))
    assert made["gate"].exit_code == 1
    assert "accuracy" in made["gate"]._repr_html_()
    assert made["published"].verdict == "REPRODUCED", made["published"].reason
    assert set(made["scores"]["verdict"]) == {"equivalent"}
    assert "equivalent" in made["compared"]._repr_html_()


def test_the_page_shows_the_file() -> None:
    """The documentation includes the file that is executed."""
    assert '--8<-- "docs/examples/three_uses.py"' in (DOCS / "examples.md").read_text()
