"""The next command to type, complete and quoted for a shell: what a failure line ends with."""

from __future__ import annotations

import dataclasses
import shlex
import typing

from harness.store import project

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Job, Plan, Tier


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a command about one variant must name."""

    scenario: str
    variant: str
    tier: Tier
    paths: tuple[str, ...] = ()
    """The user's scenario files."""
    folder: str = "RUN"
    """Folder of the job; RUN where it is not known."""
    against: str = ""
    """REF of the gate's base; empty if stored baselines are the reference."""

    def look(self, metric: str) -> str:
        """Print the arithmetic of a metric's verdict: the first step after a regression."""
        return self._command("judge", self.folder, "--explain", metric)

    def gate(self, against: str = "") -> str:
        """Confirm on fresh runs."""
        base = against or self.against
        return self._command("gate", self._name, "--tier", self.tier, *(("--against", base) if base else ()))

    def run(self, seeds: int = 1) -> str:
        """Run the variant again."""
        return self._command("run", self._name, "--tier", self.tier, "--seeds", str(seeds))

    def propose(self, reason: str) -> str:
        """Run ten seeds and propose them as the baseline; accepting it stays a step of its own."""
        folder = f"{project.reports_folder()}/baseline-{self.scenario}-{self.variant}-{self.tier}"
        run = self._command("run", self._name, "--tier", self.tier, "--seeds", "10", "--out", folder)
        return f"{run} && {self._command('baseline', 'propose', folder, '--reason', reason)}"

    def report(self) -> str:
        """Write the report again, where broken identities stand with their arithmetic."""
        return self._command("report", self.folder)

    @property
    def _name(self) -> str:
        return f"{self.scenario}:{self.variant}"

    def _command(self, *words: str) -> str:
        return shlex.join(["harness", *words, *naming(self.paths)])


def naming(paths: Sequence[str]) -> list[str]:
    """Return the words that name scenario files; none where the project's configuration names them all."""
    return [] if project.holds(paths) else [word for path in paths for word in ("--scenarios", path)]


def resume(of: Job | Plan, folder: object = "RUN") -> str:
    """Do what is missing of a job."""
    return shlex.join(["harness", "run" if of.gate is None else "gate", "--resume", str(folder)])
