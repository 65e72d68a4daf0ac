"""Where a process imported its modules from: the proof that a side of a comparison ran its own code."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path


def outside_installations() -> dict[str, str]:
    """Return name and file of every imported module that no installation brought, by name.

    The standard library and ``site-packages`` are left out; what an editable installation or ``PYTHONPATH`` leads to is not.
    A submodule that lies below its package's folder goes without saying.
    """
    installed = _installed()
    found: dict[str, str] = {}
    for name, file in sorted(_files().items()):
        package = found.get(name.partition(".")[0])
        inside = package is not None and Path(package).parent in Path(file).parents
        if not inside and not any(folder in Path(file).parents for folder in installed):
            found[name] = file
    return found


def _files() -> dict[str, str]:
    """Return the file of every module that has one; the lazy ones are not woken."""
    found = {}
    for name, module in list(sys.modules.items()):
        try:
            file = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:  # anything may stand in for a module
            continue
        if isinstance(file, str) and name not in {"__main__", "__mp_main__"}:
            found[name] = str(Path(file).absolute())
    return found


def _installed() -> list[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [
        *(sysconfig.get_path(name) for name in names),
        *site.getsitepackages(),
        site.getusersitepackages(),
    ]
    return [Path(folder).absolute() for folder in folders]
