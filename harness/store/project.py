"""What a project says once for every command: ``[tool.harness]`` in pyproject.toml, or harness.toml; docs/tutorial.md."""

from __future__ import annotations

import os
import tomllib
import typing
from pathlib import Path

import msgspec

from harness.errors import ConfigurationError, RevisionError, unknown
from harness.records.words import Tier  # noqa: TC001 - msgspec reads the annotations
from harness.store import git

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

OWN_FILE, SHARED_FILE = "harness.toml", "pyproject.toml"
VARIABLE, NONE = "HARNESS_CONFIG", "none"
"""Environment variable, and its value with which no configuration is read."""
REPORTS = "reports"
Text = typing.Annotated[str, msgspec.Meta(min_length=1)]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project's configuration; a setting that is not in its file has the value given here. Paths are absolute."""

    scenarios: tuple[Text, ...] = ()
    """Files that declare scenarios; in the file also modules, with dots."""
    path: tuple[Text, ...] = ()
    """Folders to import from, in addition to those that `import_folders` lists by itself."""
    baselines: Text | None = None
    """Folder of baselines; None for the one that `harness.judging.baselines.project_folder` finds."""
    reports: Text | None = None
    """Folder that holds the folders of jobs; None for ``reports`` in the working folder."""
    tier: Tier | None = None
    """Tier of commands that run; None for smoke."""
    seeds: typing.Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Runs of each variant; None for the command's own default."""
    gated: tuple[Text, ...] | None = None
    """Metrics that a gate judges, in place of those in `Scenario.gated`; metrics declared as gated stay."""
    tolerance: Text | None = None
    """Difference of a score that `harness compare` counts as none, such as ``0.5points`` or ``2%``; None for its own default."""
    against: Text | None = None
    """Commit that a gate compares with; None for stored baselines."""
    file: str = ""
    """Where all this stands; empty if there is no configuration."""


SETTINGS = tuple(name for name in Project.__struct_fields__ if name != "file")
"""Keys of the table."""


def upwards(start: Path) -> list[Path]:
    """List the folders from `start` up to the top of its project: of the checkout, else of the nearest project file, else `start` alone."""
    here = start.resolve()
    above = [here, *here.parents]
    top = git.checkout(here) or next(iter(_marked(above)), here)
    return [folder for folder in above if folder.is_relative_to(top)]


def _marked(folders: Sequence[Path]) -> list[Path]:
    names = (*git.PROJECT_FILES, OWN_FILE)
    return [folder for folder in folders if any((folder / name).is_file() for name in names)]


def nearest(folders: Sequence[Path]) -> Path:
    """Return the first of `upwards` that holds a project file, else the last."""
    return next(iter(_marked(folders)), folders[-1])


def find(start: Path = Path()) -> Project:
    """Read the nearest configuration from `start` upwards to the top of its project.

    Raises
    ------
    ConfigurationError
        If it cannot be read, has a key that no setting has, or a value of the wrong type; or if one folder has two.
    """
    if os.environ.get(VARIABLE) == NONE:
        return Project()
    for folder in upwards(start):
        tables = {
            file: table
            for name in (OWN_FILE, SHARED_FILE)
            if (file := folder / name).is_file() and (table := _table(file)) is not None
        }
        if len(tables) > 1:
            message = f"'{folder}' has two configurations: {OWN_FILE}, and [tool.harness] in {SHARED_FILE}"
            raise ConfigurationError(message, "Remove one")
        for file, table in tables.items():
            return _project(file, table)
    return Project()


def _table(file: Path) -> object:
    """Return the harness's part of a file; None if it has none."""
    try:
        whole = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"'{file}' cannot be read: {error.strerror}", "Mend it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"'{file}' is not TOML: {error}", "Mend it") from error
    return whole if file.name == OWN_FILE else whole.get("tool", {}).get("harness")


def _project(file: Path, table: object) -> Project:
    where = f"'{file}'" if file.name == OWN_FILE else f"[tool.harness] in '{file}'"
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where} is not a table", "Write [tool.harness], then one setting a line")
    kinds = typing.get_type_hints(Project, include_extras=True)
    settings: dict[str, typing.Any] = {}
    for key, value in table.items():
        if key not in SETTINGS:
            raise unknown(f"setting in {where}:", key, SETTINGS)
        try:
            settings[key] = msgspec.convert(value, kinds[key])
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"setting '{key}' in {where} is wrong: {error}", "Mend it") from error
    root = file.parent
    for key in {"path", "baselines", "reports"} & set(settings):
        many = not isinstance(settings[key], str)
        placed = tuple(str(root / one) for one in (settings[key] if many else [settings[key]]))
        settings[key] = placed if many else placed[0]
    folders = (root, root / "src", *map(Path, settings.get("path", ())))
    settings["scenarios"] = tuple(str(_file(name, folders)) for name in settings.get("scenarios", ()))
    return Project(file=str(file), **settings)


def _file(name: str, folders: Sequence[Path]) -> Path:
    """Return the file of a scenario file or module; that of a module which is nowhere would lie in the first folder."""
    if name.endswith(".py") or os.sep in name:
        return folders[0] / name
    parts = name.split(".")
    candidates = [
        folder.joinpath(*parts[:-1], tail)
        for folder in folders
        for tail in (f"{parts[-1]}.py", f"{parts[-1]}/__init__.py")
    ]
    return next((file for file in candidates if file.is_file()), candidates[0])


def reports_folder(start: Path = Path()) -> Path:
    """Return the folder that holds the folders of jobs: the configured one, else ``reports`` in `start`."""
    named = find(start).reports
    return start / REPORTS if named is None else Path(os.path.relpath(named))


def holds(paths: Sequence[str], start: Path = Path()) -> bool:
    """Return whether a command typed in `start` reads these scenario files without being given them."""
    return set(paths) <= {str(Path(file).resolve()) for file in find(start).scenarios}


def import_folders(file: Path) -> list[Path]:
    """List the folders that a scenario file may import from, in addition to what is installed.

    The folder above its package, as pytest takes it; the folders of its project that hold a project file, and the top, each with its
    ``src``; what the configuration names. Only what exists, each once.
    """
    package = next(folder for folder in file.resolve().parents if not (folder / "__init__.py").is_file())
    above = upwards(file.parent)
    roots = [*_marked(above), above[-1]]
    own = [package, *(folder for root in roots for folder in (root, root / "src"))]
    every = [*own, *(Path(folder).resolve() for folder in find(file.parent).path)]
    return [folder for folder in dict.fromkeys(every) if folder.is_dir()]


def code(file: Path) -> list[Path]:
    """List what a scenario file may import and what says where from: Python files of its folder, those of its checkout, project files.

    Files that git ignores are left out, and in no checkout all but the folder's own.
    """
    top = upwards(file.parent)[-1]
    wanted = [f":(glob)**/{name}" for name in ("*.py", *git.PROJECT_FILES, OWN_FILE)]
    try:
        listed = git.paths(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *wanted)
    except RevisionError:
        listed = []
    every = {*file.resolve().parent.glob("*.py"), *(top / name for name in listed)}
    return sorted(path for path in every if path.is_file())
