"""What a gate knows of one variant: its runs by side and round, and what they are compared with."""

from __future__ import annotations

import dataclasses
import typing

from harness.store.commands import Place

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judging.flips import Found
    from harness.records import Baseline, GateSettings, Kind, Probe, Round, RunResult, Scenario, Tier

    Name = tuple[str, str, Tier]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was measured of one variant."""

    scenario: Scenario
    """Declares the gated metrics."""
    variant: str
    """Variant name."""
    tier: Tier
    """Tier."""
    head: Mapping[Round, Sequence[RunResult]]
    """Finished runs of the code in question, by round, in seed order; failed ones too."""
    base: Mapping[Round, Sequence[RunResult]] | None
    """Those of the base side; None if a stored baseline is the reference."""
    stored: tuple[Baseline, str] | None
    """Stored baseline and its file; None if there is none, or a base side is the reference."""
    stored_here: tuple[Baseline, str] | None = None
    """Stored baseline for memory and times, where it is another one than for what does not depend on the machine."""
    counted: RunResult | None = None
    """Run whose work was counted."""
    probe: Probe | None = None
    """What counting twice told."""
    base_counted: RunResult | None = None
    """The base side's counted run."""
    damaged: str = ""
    """Why the stored baseline cannot be read; empty if it can, or there is none."""
    flipped: tuple[Found, ...] = ()
    """Flipped images of the first look's runs beside the reference's runs of the same seeds."""
    paths: tuple[str, ...] = ()
    """The user's scenario files, for the next command to type."""
    folder: str = "RUN"
    """Folder of the job, for the same."""

    @property
    def name(self) -> Name:
        """Scenario, variant and tier."""
        return self.scenario.name, self.variant, self.tier

    def reference(self, kind: Kind) -> tuple[Baseline, str] | None:
        """Return the stored baseline that a kind of metric is compared with, and its file."""
        return (self.stored_here or self.stored) if kind in {"memory", "runtime"} else self.stored

    def place(self, settings: GateSettings) -> Place:
        """Return what a next command about this variant names."""
        return Place(
            scenario=self.scenario.name,
            variant=self.variant,
            tier=self.tier,
            paths=self.paths,
            folder=self.folder,
            against=settings.against,
        )
