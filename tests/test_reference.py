"""The reference in docs/ names what the package exports."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import harness

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "python.md"
NO_PAGE = {"Value", "__version__"}
"""A type alias and a version."""


def test_every_exported_name_is_documented_and_nothing_else() -> None:
    """Each entry of the reference leads to the object that the package exports by that name, and no export lacks one."""
    documented = {}
    for path in re.findall(r"^::: (\S+)$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE):
        module, _, name = path.rpartition(".")
        documented[name] = getattr(importlib.import_module(module), name)
    assert documented == {name: getattr(harness, name) for name in harness.__all__ if name not in NO_PAGE}
    assert all(item.__doc__ for item in documented.values())
