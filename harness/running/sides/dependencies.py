"""Which dependencies two commits of a project declare differently; both sides of a comparison run with what is installed."""

from __future__ import annotations

import configparser
import hashlib
import tomllib
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

Declared = dict[str, set[str]]
"""What a file asks for, by package and the extra or file that asks."""
UNREAD = ("setup.py", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "environment.yml")
"""Files that decide on dependencies and are only compared, not read."""


def changed(base: Path, head: Path) -> tuple[str, ...]:
    """Say for each dependency that differs what either side asks for.

    Parameters
    ----------
    base, head : Path
        Project folders of the two sides.

    Returns
    -------
    tuple of str
        E.g. ``numpy: >=1.26 in base, >=2.0 in head``, by name.
    """
    theirs, ours = declared(base), declared(head)
    names = sorted(theirs.keys() | ours.keys())
    differing = [name for name in names if theirs.get(name) != ours.get(name)]
    return tuple(f"{name}: {_said(theirs, name)} in base, {_said(ours, name)} in head" for name in differing)


def unread(base: Path, head: Path) -> list[str]:
    """Name the files that differ and may change dependencies, but are not read."""
    return [name for name in UNREAD if _content(base / name) != _content(head / name)]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _said(declared: Declared, name: str) -> str:
    return " and ".join(sorted(declared[name])) if name in declared else "nothing"


def declared(folder: Path) -> Declared:
    """Collect what ``pyproject.toml``, ``setup.cfg`` and ``requirements*.txt`` of a folder ask for.

    A file that is no valid one of its kind stands for itself, with what is wrong and a hash of its content.
    """
    found: Declared = {}
    for path, read in _readers(folder):
        try:
            asked = [(origin, *_split(requirement)) for origin, requirement in read(path)]
        except (OSError, ValueError, configparser.Error, AttributeError, TypeError) as error:
            mark = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
            asked = [("", path.name, f"unreadable content {mark} ({error})")]
        for origin, name, version in asked:
            found.setdefault(f"{name} ({origin})" if origin else name, set()).add(version)
    return found


def _readers(folder: Path) -> Iterator[tuple[Path, Callable[[Path], Iterator[tuple[str, str]]]]]:
    known = {"pyproject.toml": _from_pyproject, "setup.cfg": _from_setup_cfg}
    yield from ((folder / name, read) for name, read in known.items() if (folder / name).is_file())
    listed = [*folder.glob("requirements*.txt"), *folder.glob("requirements/*.txt")]
    yield from ((path, _from_requirements) for path in sorted(listed))


def _from_pyproject(path: Path) -> Iterator[tuple[str, str]]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    project = content.get("project", {})
    yield from _of("", project.get("dependencies", ()))
    yield from _by_extra("extra", project.get("optional-dependencies", {}))
    yield from _by_extra("group", content.get("dependency-groups", {}))


def _from_setup_cfg(path: Path) -> Iterator[tuple[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text(encoding="utf-8"))
    yield from _of("", _lines(parser.get("options", "install_requires", fallback="")))
    extras = parser["options.extras_require"] if parser.has_section("options.extras_require") else {}
    yield from _by_extra("extra", {name: _lines(text) for name, text in extras.items()})


def _from_requirements(path: Path) -> Iterator[tuple[str, str]]:
    joined = path.read_text(encoding="utf-8").replace("\\\n", " ")
    without_hashes = (line.split(" --hash")[0].strip() for line in _lines(joined))
    yield from _of(path.name, without_hashes)


def _lines(text: str) -> list[str]:
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _by_extra(kind: str, asked: Mapping[str, Iterable[object]]) -> Iterator[tuple[str, str]]:
    for name, requirements in asked.items():
        yield from _of(f"{kind} {name}", requirements)


def _of(origin: str, requirements: Iterable[object]) -> Iterator[tuple[str, str]]:
    for requirement in requirements:
        yield origin, requirement if isinstance(requirement, str) else str(requirement)


def _split(requirement: str) -> tuple[str, str]:
    """Return name and the rest in one spelling; what is no requirement (an option, a path, an address) is its own name."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return requirement, "asked for"
    extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
    version = f"{extras}{parsed.specifier}" + (f"@ {parsed.url}" if parsed.url else "")
    marker = f"; {parsed.marker}" if parsed.marker else ""
    return canonicalize_name(parsed.name), (version or "any version") + marker
