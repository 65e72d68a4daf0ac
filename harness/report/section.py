"""The record of one variant in one tier, as the report shows it, and ids that are unique on a page."""

from __future__ import annotations

import dataclasses
import re
import typing

from harness.report.verdicts import rank

if typing.TYPE_CHECKING:
    from harness.records import DatasetUse, RunResult, Source
    from harness.report.figures import Drawing
    from harness.report.flipped import Part
    from harness.report.rows import ClassTable, ConfusionTable, IdentityRow, JudgementRow, MetricRow
    from harness.report.stages import StageRow
    from harness.report.strips import Segment
    from harness.report.timeline import Timeline
    from harness.report.verdicts import Sign
    from harness.report.work import WorkTable


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One variant of a scenario in one tier."""

    anchor: str
    """Id on the page: ``scenario--variant``."""
    scenario: str
    """Scenario name."""
    variant: str
    """Variant name."""
    tier: str
    """Tier."""
    doc: str
    """The variant's sentence; empty if it is not declared here."""
    source: Source | None
    """What it reproduces; None if the scenario is not declared here."""
    worst: Sign | None
    """Worst verdict among judgements and runs; None if nothing was judged."""
    finished: int
    """How many runs finished."""
    broken: int
    """How many did not."""
    disturbances: int
    """How many of the finished ones have times that other processes disturbed."""
    done: tuple[RunResult, ...]
    """Runs that finished, at most `sections.MOST_RUNS`, without their numbers."""
    failed: tuple[RunResult, ...]
    """Runs that did not, at most `sections.MOST_RUNS`."""
    beside: tuple[RunResult, ...]
    """Failed runs besides the measured ones of the code in question: those of a gate's base, and counted ones."""
    disturbed: tuple[RunResult, ...]
    """Those of `done` whose times other processes disturbed."""
    datasets: tuple[DatasetUse, ...]
    """Data the runs read."""
    judged: tuple[JudgementRow, ...]
    """Every judgement."""
    identities: tuple[IdentityRow, ...]
    """Worst check of each identity."""
    stages: tuple[StageRow, ...]
    """Stages and their total."""
    segments: tuple[Segment, ...]
    """The stages' times as one bar."""
    calibration: str
    """How long the calibration kernel took, over the runs; empty if no run tells."""
    timeline: Timeline | None
    """Memory of the first run over its time; None if it was not sampled."""
    work: WorkTable | None
    """What was counted; None if nobody asked."""
    sizes: tuple[MetricRow, ...]
    """Metrics of kind size."""
    recorded: tuple[MetricRow, ...]
    """All other metrics."""
    classes: tuple[ClassTable, ...]
    """Scores per class of the first run."""
    confusions: tuple[ConfusionTable, ...]
    """Confusion matrices of the first run."""
    drawings: tuple[Drawing, ...]
    """Figures of the first run."""
    flips: Part | None
    """Flipped images; None if the variant was held against nothing that predicted images."""
    problems: tuple[str, ...]
    """What was measured but cannot be used, with its seed."""
    options: tuple[tuple[str, str], ...]
    """Options in force."""
    departures: tuple[tuple[str, str, str], ...]
    """Options that differ from the paper tier's: name, value in force, the paper tier's."""
    commands: tuple[str, ...]
    """How to repeat the runs."""
    brief: bool
    """Whether only what needs attention is shown, for want of room (`harness.report.room`)."""

    @property
    def incomplete(self) -> bool:
        """Whether a run read an incomplete data set."""
        return any(not use.complete for use in self.datasets)

    @property
    def noun(self) -> str:
        """What a row of the data is called, in the plural."""
        return next((run.measurement.noun for run in self.done if run.measurement), "images")

    @property
    def title(self) -> str:
        """How the section is called."""
        return f"{self.scenario}:{self.variant}"

    @property
    def unseen(self) -> list[JudgementRow]:
        """Return the judged identities of which no run left a check."""
        if self.brief:
            return []
        shown = {row.anchor for row in self.identities}
        return [row for row in self.against("identity") if row.anchor not in shown]

    def against(self, what: str) -> list[JudgementRow]:
        """Return the judgements against expectation, baseline or identity, worst first; in brief those that need attention."""
        chosen = [
            row for row in self.judged if row.judgement.against == what and (row.urgent or not self.brief)
        ]
        return sorted(chosen, key=lambda row: rank(row.judgement.verdict))


class Anchors:
    """Gives out ids that are unique on the page and safe in addresses."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, text: str) -> str:
        """Return `text` as an id, with a number behind it if it was taken."""
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)
        anchor, count = plain, 1
        while anchor in self._taken:
            count += 1
            anchor = f"{plain}-{count}"
        self._taken.add(anchor)
        return anchor
