"""Where a process imported its modules from, the proof that a side of a comparison ran its own code; and that it is the code of now."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import site
import sys
import sysconfig
import typing
from importlib import machinery, util
from pathlib import Path

if typing.TYPE_CHECKING:
    from collections.abc import Mapping


class SourceLoader(machinery.SourceFileLoader):
    """Loads a module from its source unless what is compiled of it was written later.

    Python compares a source's time, in whole seconds, and its size: after an edit within a second, or where a tool sets times, it would run
    the old code. When the file was changed last, which nobody can set, tells.
    """

    def path_stats(self, path: str) -> Mapping[str, typing.Any]:
        """Return time and size of a source; a size that fits nothing compiled if that is older than the source."""
        stats = super().path_stats(path)
        try:
            compiled = Path(util.cache_from_source(path)).stat().st_mtime_ns
        except (OSError, NotImplementedError):  # nothing is compiled, or this Python keeps nothing
            return stats
        return stats if Path(path).stat().st_ctime_ns < compiled else {**stats, "size": -1}


@functools.cache
def distrust_old_code() -> None:
    """Import modules that no installation brought through `SourceLoader` from now on."""
    find = machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (SourceLoader, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    )
    installed = installed_folders()

    def outside(folder: str) -> machinery.FileFinder:
        place = Path(folder).absolute()
        if {"site-packages", "dist-packages"} & set(place.parts) or any(
            root in (place, *place.parents) for root in installed
        ):
            raise ImportError(folder)
        return typing.cast("machinery.FileFinder", find(folder))

    sys.path_hooks.insert(0, outside)
    sys.path_importer_cache.clear()


def outside_installations() -> dict[str, str]:
    """Return name and file of every imported module that no installation brought, by name.

    The standard library and ``site-packages`` are left out; what an editable installation or ``PYTHONPATH`` leads to is not.
    A submodule that lies below its package's folder goes without saying.
    """
    files = {}
    for name, module in list(sys.modules.items()):
        try:
            file = object.__getattribute__(module, "__dict__").get("__file__")  # lazy modules are not woken
        except AttributeError:  # anything may stand in for a module
            continue
        if isinstance(file, str) and name not in {"__main__", "__mp_main__"}:
            files[name] = Path(file).absolute()
    installed = installed_folders()
    outside: dict[str, str] = {}
    for name, path in sorted(files.items()):
        package = outside.get(name.partition(".")[0])
        inside = package is not None and Path(package).parent in path.parents
        if not inside and not any(folder in path.parents for folder in installed):
            outside[name] = str(path)
    return outside


@functools.cache
def installed_folders() -> tuple[Path, ...]:
    """Return the folders of the standard library and of installed packages, absolute."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [
        *(sysconfig.get_path(name) for name in names),
        *site.getsitepackages(),
        site.getusersitepackages(),
    ]
    return tuple(dict.fromkeys(Path(folder).absolute() for folder in folders))


def matplotlib() -> typing.Any:  # noqa: ANN401 - the module, whose stubs lack rcParamsDefault's type
    """Import matplotlib without the user's backend and settings, with which the import itself may fail."""
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    own = {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        # a file matplotlibrc in the working folder wins over the variable
        with contextlib.chdir("/") if Path("matplotlibrc").exists() else contextlib.nullcontext():
            return importlib.import_module("matplotlib")
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
