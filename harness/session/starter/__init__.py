"""What `harness init` writes: a working scenario, its test, and a CI workflow."""

from __future__ import annotations

import typing
from importlib import resources

from harness.errors import ScenarioError
from harness.running import plans
from harness.store import files

if typing.TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, name: str, *, force: bool = False) -> list[Path]:
    """Write the three starting files for a scenario called `name` below `folder`.

    Raises
    ------
    ScenarioError
        If the name cannot be a scenario's, or a file exists already and `force` is not set.
    StorageError
        If the folder holds a job, or cannot be written.
    """
    if not (name.isascii() and name.isidentifier() and name == name.lower()):
        raise ScenarioError(
            f"'{name}' cannot name a scenario", "Use lower-case letters, digits and underscores"
        )
    targets = {
        "scenario.py.txt": folder / f"{name}.py",
        "test_scenario.py.txt": folder / f"test_{name}.py",
        "workflow.yml.txt": folder / ".github" / "workflows" / f"{name}.yml",
    }
    if not force:
        plans.refuse_other_job(folder)
        for path in targets.values():
            if path.exists() or path.is_symlink():
                raise ScenarioError(
                    f"'{path}' exists already", "Choose another --name or folder, or replace it with --force"
                )
    for template, path in targets.items():
        text = resources.files(__name__).joinpath(template).read_text(encoding="utf-8")
        files.write_text(path, text.replace("SCENARIO_NAME", name))
    return list(targets.values())
