"""Copies of the project's own code, changed in the text, and gated from the outside."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import typing
from pathlib import Path

from tests.conftest import one_thread

ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT = 1200


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A passage of a file, and what stands there afterwards."""

    file: str
    """Path below ``harness/``."""
    old: str
    """Text that is there exactly once."""
    new: str
    """Text in its place."""


class NotPlantedError(AssertionError):
    """A change found nothing to change, or could mean several places: what is tested would not be what is told."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gated:
    """A finished gate."""

    code: int
    """Exit code."""
    told: str
    """What it printed."""
    job: dict[str, typing.Any]
    """Its run.json."""
    seconds: float
    """Wall time of the command."""

    @property
    def runs(self) -> list[dict[str, typing.Any]]:
        """Every run, counting ones too."""
        return [*self.job["results"], *self.job["counted"], *self.job["gate"]["base_results"]]

    def verdicts(self) -> dict[str, str]:
        """Return every metric and identity with its verdict; expectations are another question."""
        return {
            judged["metric"]: judged["verdict"]
            for comparison in self.job["comparisons"]
            for judged in comparison["judgements"]
            if judged["against"] != "expectation"
        }


class Program:
    """A copy of the project in a folder of its own.

    Parameters
    ----------
    folder : Path
        Folder to make; a copy that is there already is used as it is.
    cache : Path
        Decoded data, shared by copies whose data are the same.
    source : Path, optional
        What to copy; this checkout if None.
    """

    def __init__(self, folder: Path, cache: Path, source: Path | None = None) -> None:
        self.folder, self.cache = folder, cache
        if folder.exists():
            return
        folder.mkdir(parents=True)
        shutil.copytree((source or ROOT) / "harness", folder / "harness")
        shutil.copy2((source or ROOT) / "pyproject.toml", folder)
        (folder / ".gitignore").write_text("__pycache__/\nout/\nfirst-*/\nbaselines/\n")
        if source is not None and (source / ".git").exists():  # what is planted is then an uncommitted change
            shutil.copytree(source / ".git", folder / ".git")

    def plant(self, *changes: Change) -> typing.Self:
        """Change the copy.

        Raises
        ------
        NotPlantedError
            If a passage is not there exactly once.
        """
        for change in changes:
            path = self.folder / "harness" / change.file
            text = path.read_text()
            if text.count(change.old) != 1:
                told = (
                    f"{change.file} has the passage {text.count(change.old)} times, not once: {change.old!r}"
                )
                raise NotPlantedError(told)
            path.write_text(text.replace(change.old, change.new))
        return self

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the copy's own command and wait for it; runs have one thread, as two gates may run beside each other."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "HARNESS_CACHE": str(self.cache),
            "COLUMNS": "200",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
        }
        # only data that travel in the package, and no other counters in this process
        environment.pop("HARNESS_DATA", None)
        return subprocess.run(
            [sys.executable, "-P", "-m", "harness", *one_thread(*words)], cwd=self.folder, env=environment, capture_output=True,
            text=True, timeout=TIME_LIMIT, check=False,
        )  # fmt: skip

    def gate(self, scenario: str, *options: str) -> Gated:
        """Gate a scenario of the copy."""
        start = time.perf_counter()
        done = self.run("gate", scenario, *options, "--out", "out")
        seconds = time.perf_counter() - start
        stored = self.folder / "out" / "run.json"
        assert stored.is_file(), done.stdout + done.stderr
        return Gated(done.returncode, done.stdout + done.stderr, json.loads(stored.read_text()), seconds)

    def commit(self, message: str) -> str:
        """Commit everything, in a repository of its own, and return the commit."""
        self._git("init", "-q")
        self._git("add", "-A")
        identity = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        self._git(*identity, "commit", "-qm", message)
        return self._git("rev-parse", "HEAD")

    def _git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()
