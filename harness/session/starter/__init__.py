"""What `harness init` writes: a project that works as it stands, with scenario, test, configuration, and jobs for GitHub and GitLab."""

from __future__ import annotations

import json
from importlib import metadata, resources
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from harness.errors import RevisionError, ScenarioError, unknown
from harness.records.version import __version__
from harness.running import plans
from harness.store import files, git, project

PACKAGE = "report-harness"
FRAMEWORKS = {"torch": "torch", "keras": "tensorflow", "sklearn": "", "numpy": ""}
"""Framework -> extra of the package that brings it. The first that is installed is taken."""
GITIGNORE = ".gitignore"
NOWHERE = f"git+https://github.com/OWNER/{PACKAGE}"
"""Address of the harness where its installation names none: to be edited."""


def framework() -> str:
    """Return the framework that is installed here, without importing it."""
    return next(name for name in FRAMEWORKS if find_spec(name) is not None)


def requirement(extra: str = "") -> str:
    """Return what pip is given to get the harness from where this one came: an index, or the address and commit of a repository."""
    name = f"{PACKAGE}[{extra}]" if extra else PACKAGE
    try:
        origin = json.loads(metadata.distribution(PACKAGE).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        origin = {"url": Path(__file__).parents[3].as_uri(), "dir_info": {}}
    url = str(origin.get("url", ""))
    if not url:
        return f"{name}=={__version__}"
    if "vcs_info" in origin:
        return f"{name} @ git+{url}@{origin['vcs_info']['commit_id']}"
    if not url.startswith("file:"):
        return f"{name} @ {url}"
    place, page = Path(url2pathname(urlsplit(url).path)), ""
    if place.is_dir():
        page = git.web(place)  # ends in commit/
    try:
        commit = git.text(place, "rev-parse", "HEAD") if page else ""
    except RevisionError:
        commit = ""
    return f"{name} @ git+{page.rsplit('/', 2)[0]}@{commit}" if commit else f"{name} @ {NOWHERE}"


def write(folder: Path, name: str, *, kind: str = "", force: bool = False) -> list[Path]:
    """Write the project of a scenario called `name` into `folder`.

    A ``.gitignore`` that is there gets the lines that it lacks, and a ``.gitlab-ci.yml`` that is there stays as it is.

    Parameters
    ----------
    folder : Path
        Top of the user's repository, or an empty folder.
    name : str
        Name of the scenario and its files.
    kind : str
        One of `FRAMEWORKS`; the installed one if empty.
    force : bool
        Whether files that exist may be replaced.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ScenarioError
        If the name cannot be a scenario's, or a file exists already and `force` is not set.
    StorageError
        If the folder holds a job, or cannot be written.
    """
    kind = kind or framework()
    if kind not in FRAMEWORKS:
        raise unknown("framework", kind, FRAMEWORKS)
    if not (name.isascii() and name.isidentifier() and name == name.lower()):
        raise ScenarioError(
            f"'{name}' cannot name a scenario", "Use lower-case letters, digits and underscores"
        )
    targets = {
        f"{kind}.py.txt": folder / f"{name}.py",
        "test_scenario.py.txt": folder / f"test_{name}.py",
        "harness.toml.txt": folder / project.OWN_FILE,
        "github.yml.txt": folder / ".github" / "workflows" / f"{name}.yml",
        "gitlab.yml.txt": folder / ".gitlab-ci.yml",
    }
    if not force:
        plans.refuse_other_job(folder)
        configured = Path(project.find(folder).file)
        if configured == folder.resolve() / project.SHARED_FILE:
            message = f"'{configured}' configures the harness already"
            raise ScenarioError(
                message, f"Add the scenario there by hand, or remove [tool.harness] for a {project.OWN_FILE}"
            )
        if targets["gitlab.yml.txt"].exists():
            del targets["gitlab.yml.txt"]
        for path in targets.values():
            if path.exists() or path.is_symlink():
                raise ScenarioError(
                    f"'{path}' exists already", "Choose another --name or folder, or replace it with --force"
                )
    words = {"SCENARIO_NAME": name, "REQUIREMENT": requirement(FRAMEWORKS[kind])}
    for template, path in targets.items():
        text = _template(template)
        for word, meant in words.items():
            text = text.replace(word, meant)
        files.write_text(path, text)
    return [*targets.values(), *_ignored(folder / GITIGNORE)]


def _template(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _ignored(path: Path) -> list[Path]:
    """Add what is not to be committed to a .gitignore; return it if it changed."""
    before = files.read_bytes(path).decode(errors="surrogateescape") if path.exists() else ""
    lacking = [line for line in _template("gitignore.txt").splitlines() if line not in before.splitlines()]
    if not lacking:
        return []
    gap = "" if not before or before.endswith("\n") else "\n"
    files.write_bytes(path, f"{before}{gap}{chr(10).join(lacking)}\n".encode(errors="surrogateescape"))
    return [path]
