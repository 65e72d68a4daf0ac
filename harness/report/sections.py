"""What the report shows of one variant in one tier, gathered from the job's records."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
import statistics
from typing import TYPE_CHECKING, Any

from harness import reduced, stored
from harness.report import figures, flipped, numbers, room, rows, stages, timeline, work
from harness.report.verdicts import SIGNS, Sign, rank, weighs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.records import (
        Comparison,
        DatasetUse,
        Job,
        Judgement,
        RunRequest,
        RunResult,
        Scenario,
        Source,
        Tier,
    )
    from harness.report.stages import StageRow
    from harness.report.strips import Segment
    from harness.report.timeline import Timeline

    Key = tuple[str, str, Tier]

MOST_RUNS = 200
"""Runs of one variant whose numbers the tables show and average; judgements rest on all."""
WORDS = {"expectation": "published", "baseline": "baseline", "identity": "identity"}
"""What a judgement is against, as part of its anchor."""


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
    """Runs that finished, at most `MOST_RUNS`, without their numbers."""
    failed: tuple[RunResult, ...]
    """Runs that did not, at most `MOST_RUNS`."""
    beside: tuple[RunResult, ...]
    """Failed runs besides the measured ones of the code in question: those of a gate's base, and counted ones."""
    disturbed: tuple[RunResult, ...]
    """Those of `done` whose times other processes disturbed."""
    datasets: tuple[DatasetUse, ...]
    """Data the runs read."""
    judged: tuple[rows.JudgementRow, ...]
    """Every judgement."""
    identities: tuple[rows.IdentityRow, ...]
    """Worst check of each identity."""
    stages: tuple[StageRow, ...]
    """Stages and their total."""
    segments: tuple[Segment, ...]
    """The stages' times as one bar."""
    calibration: str
    """How long the calibration kernel took, over the runs; empty if no run tells."""
    timeline: Timeline | None
    """Memory of the first run over its time; None if it was not sampled."""
    work: work.WorkTable | None
    """What was counted; None if nobody asked."""
    sizes: tuple[rows.MetricRow, ...]
    """Metrics of kind size."""
    recorded: tuple[rows.MetricRow, ...]
    """All other metrics."""
    classes: tuple[rows.ClassTable, ...]
    """Scores per class of the first run."""
    confusions: tuple[rows.ConfusionTable, ...]
    """Confusion matrices of the first run."""
    drawings: tuple[figures.Drawing, ...]
    """Figures of the first run."""
    flips: flipped.Part | None
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
    def title(self) -> str:
        """How the section is called."""
        return f"{self.scenario}:{self.variant}"

    @property
    def unseen(self) -> list[rows.JudgementRow]:
        """Return the judged identities of which no run left a check."""
        if self.brief:
            return []
        shown = {row.anchor for row in self.identities}
        return [row for row in self.against("identity") if row.anchor not in shown]

    def against(self, what: str) -> list[rows.JudgementRow]:
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


def build(job: Job, folder: Path, scenarios: Mapping[str, Scenario]) -> list[Section]:
    """Gather a section for every variant and tier that was run or judged, in the order of the job."""
    anchors = Anchors()
    groups = stored.groups(job.results)
    ordered = keys(job)
    found = [
        _section(key, groups.get(key, ()), job, folder, scenarios.get(key[0]), anchors) for key in ordered
    ]
    kept = [_in_brief(section) for section in found]
    firsts = [next(iter(section.done), None) for section in found]

    def whole(index: int) -> Section:
        section = found[index]
        first, repeats = firsts[index], [run.folder for run in section.done[1 : figures.MOST_REPEATS]]
        drawn = _drawn(_stored(groups, ordered[index], first), folder, section.anchor, f"s{index}", repeats)
        return dataclasses.replace(section, brief=False, **drawn)

    return room.fitted(kept, whole)


def _stored(groups: Mapping[Key, Iterable[RunResult]], key: Key, shell: RunResult | None) -> RunResult | None:
    """Return the run whose shell is given, with all that it measured."""
    if shell is None:
        return None
    return next(run for run in groups[key] if run.request == shell.request and run.status == "ok")


def _in_brief(section: Section) -> Section:
    """Leave out what is fine, recorded or drawn; the cards of what needs attention keep their drawings."""
    broken = tuple(row for row in section.identities if row.sign.tone == "bad")
    judged = tuple(dataclasses.replace(row, strip=None) for row in section.judged)
    return dataclasses.replace(
        section, judged=judged, identities=broken, stages=(), segments=(), calibration="", recorded=(), sizes=(), work=None, flips=None
    )  # fmt: skip


def keys(job: Job) -> list[Key]:
    """Return scenario, variant and tier of every section, in the order of the page: scenarios as first met, each together."""
    found = dict.fromkeys((*stored.groups(job.results), *map(_key, job.comparisons)))
    order = {name: place for place, name in enumerate(dict.fromkeys(key[0] for key in found))}
    return sorted(found, key=lambda key: order[key[0]])


def asked_anchor(key: Key) -> str:
    """Return the id that a section asks for; a second tier of the same variant gets a number behind it."""
    return f"{key[0]}--{key[1]}"


def _key(comparison: Comparison) -> Key:
    return comparison.scenario, comparison.variant, comparison.tier


@dataclasses.dataclass(slots=True)
class _Runs:
    """The runs of a section, looked at one after the other; only the first are kept."""

    done: list[RunResult]
    failed: list[RunResult]
    finished: int = 0
    broken: int = 0
    disturbances: int = 0
    datasets: dict[DatasetUse, None] = dataclasses.field(default_factory=dict)
    problems: list[str] = dataclasses.field(default_factory=list)
    requests: dict[tuple[str, str], tuple[RunRequest, set[int]]] = dataclasses.field(default_factory=dict)

    def add(self, result: RunResult) -> None:
        """Count a run, and keep it if it is among the first."""
        request = result.request
        self.requests.setdefault((request.device, request.backend), (request, set()))[1].add(request.seed)
        ended_well = result.status == "ok"
        self.finished += ended_well
        self.broken += not ended_well
        self.disturbances += ended_well and result.disturbed
        if result.measurement is not None:
            self.datasets |= dict.fromkeys(result.measurement.datasets)
            self.problems += [f"seed {request.seed}: {problem}" for problem in result.measurement.problems]
            del self.problems[MOST_RUNS:]
        kept = self.done if ended_well else self.failed
        if len(kept) < MOST_RUNS:
            kept.append(result)


def _section(
    key: Key, results: Iterable[RunResult], job: Job, folder: Path, scenario: Scenario | None, anchors: Anchors
) -> Section:  # fmt: skip
    runs = _Runs([], [])
    for result in results:
        runs.add(result)
    judged = [j for comparison in job.comparisons if _key(comparison) == key for j in comparison.judgements]
    anchor = anchors.claim(asked_anchor(key))
    incomplete = any(not use.complete for use in runs.datasets)
    by_stage, segments = stages.stage_rows(runs.done)
    judged_rows = [_judgement_row(j, runs.done, anchor, anchors, incomplete=incomplete) for j in judged]
    kept = [*runs.done, *runs.failed]
    shells = tuple(map(reduced.shell, runs.done))
    beside = _failed_beside(job, key)
    return Section(
        anchor=anchor, scenario=key[0], variant=key[1], tier=key[2],
        doc=_doc(scenario, key[1]), source=scenario.source if scenario else None,
        worst=_worst([j for j in judged if weighs(j)], [*runs.failed, *beside]), done=shells, beside=beside,
        failed=tuple(map(reduced.shell, runs.failed)), finished=runs.finished, broken=runs.broken, disturbances=runs.disturbances,
        disturbed=tuple(shell for shell in shells if shell.disturbed), datasets=tuple(runs.datasets),
        judged=tuple(judged_rows), identities=tuple(rows.identity_rows(kept, judged_rows)),
        stages=tuple(by_stage), segments=segments, calibration=_calibration(runs.done), work=work.table(job, key[0], key[1]), **_metrics(runs.done),
        **_drawn(None, folder, anchor, ""),
        flips=flipped.part([f for c in job.comparisons if _key(c) == key for f in c.flips], folder),
        problems=tuple(runs.problems), options=_options(kept), departures=_departures(kept, scenario, key), commands=_commands(runs), brief=True,
    )  # fmt: skip


def _failed_beside(job: Job, key: Key) -> tuple[RunResult, ...]:
    """Return what failed of a variant on a gate's base, and of its counted runs."""
    base = stored.groups(job.gate.base_results).get(key, ()) if job.gate else ()
    beside = itertools.chain(base, job.counted_of(*key[:2]))
    failed = (run for run in beside if run.status != "ok")
    return tuple(map(reduced.shell, itertools.islice(failed, MOST_RUNS)))


def _judgement_row(
    judgement: Judgement, done: Sequence[RunResult], anchor: str, anchors: Anchors, *, incomplete: bool
) -> rows.JudgementRow:
    claimed = anchors.claim(f"{anchor}--{WORDS[judgement.against]}--{judgement.metric}")
    touched = incomplete and judgement.against != "identity"
    return rows.judgement_row(judgement, done, claimed, incomplete=touched)


def _metrics(done: Sequence[RunResult]) -> dict[str, Any]:
    written = rows.metric_rows(done, rows.scalar_metrics(done))
    sizes = tuple(row for row in written if row.kind == "size")
    return {"sizes": sizes, "recorded": tuple(row for row in written if row.kind != "size")}


def _drawn(
    first: RunResult | None, folder: Path, anchor: str, ids: str, repeats: Sequence[str] = ()
) -> dict[str, Any]:
    """Show tables, images and matrices of one run, for those of all seeds are too many, and lines as their mean over all."""
    if first is None:
        return {"classes": (), "confusions": (), "drawings": (), "timeline": None}
    return {
        "classes": tuple(rows.class_tables(first)),
        "confusions": tuple(rows.confusion_tables(first)),
        "drawings": tuple(figures.draw_all(first, folder, anchor, ids, repeats)),
        "timeline": timeline.timeline(first, f"{ids}t"),
    }


def _calibration(done: Sequence[RunResult]) -> str:
    """Say how long the calibration kernel took in the runs' own processes: median, fastest and slowest."""
    took = [
        run.measurement.calibration_seconds
        for run in done
        if run.measurement and run.measurement.calibration_seconds
    ]
    if not took:
        return ""
    scale = numbers.durations(took)
    middle = scale.text(statistics.median(took))
    return (
        middle
        if len(took) == 1
        else f"{middle}, {scale.bare(min(took))} to {scale.text(max(took))} over {len(took)} runs"
    )


def _doc(scenario: Scenario | None, variant: str) -> str:
    declared = {v.name: v.doc for v in scenario.variants} if scenario else {}
    return declared.get(variant, "")


def _worst(judged: Iterable[Judgement], failed: Sequence[RunResult]) -> Sign | None:
    words = [*(judgement.verdict for judgement in judged), *("ERROR" for _ in failed)]
    return SIGNS[min(words, key=rank)] if words else None


def _options(results: Iterable[RunResult]) -> tuple[tuple[str, str], ...]:
    measured = next((result.measurement for result in results if result.measurement), None)
    return tuple((name, str(value)) for name, value in measured.options.items()) if measured else ()


def _departures(
    results: Iterable[RunResult], scenario: Scenario | None, key: Key
) -> tuple[tuple[str, str, str], ...]:
    """Hold the options in force against the paper tier's of the same variant."""
    _, variant, tier = key
    measured = next((result.measurement for result in results if result.measurement), None)
    if scenario is None or measured is None or tier == "paper" or "paper" not in scenario.tiers:
        return ()
    declared = {each.name: each.options for each in scenario.variants}
    here, there = measured.options, {**scenario.tiers["paper"], **declared.get(variant, {})}
    shown = {name: [_option(options.get(name)) for options in (here, there)] for name in {**there, **here}}
    return tuple((name, ours, papers) for name, (ours, papers) in shown.items() if ours != papers)


def _option(value: object) -> str:
    return "not set" if value is None else str(value)


def _commands(runs: _Runs) -> tuple[str, ...]:
    """Write one command for every device and backend that the runs used."""
    return tuple(_command(first, len(seeds)) for first, seeds in runs.requests.values())


def _command(first: RunRequest, seeds: int) -> str:
    words = [
        "harness",
        "run",
        f"{first.scenario}:{first.variant}",
        "--tier",
        first.tier,
        "--seeds",
        str(seeds),
    ]
    words += ["--device", first.device, "--backend", first.backend]
    words += [word for path in first.scenario_paths for word in ("--scenarios", path)]
    return shlex.join(words)
