"""What the report shows of one variant in one tier, gathered from the job's records."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
import statistics
import typing

from harness.judging import reduced
from harness.report import figures, flipped, numbers, rows, stages, timeline, work
from harness.report.templating import Anchors
from harness.report.verdicts import SIGNS, Sign, rank, weighs
from harness.store import commands, stored

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.records import DatasetUse, Job, RunRequest, RunResult, Scenario, Source, Tier

    Key = tuple[str, str, Tier]

MOST_RUNS = 200
"""Runs of one variant whose numbers the tables show and average; judgements rest on all."""
_AGAINST = {"expectation": "published", "baseline": "baseline", "identity": "identity"}
"""What a judgement is against, as part of its anchor."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One variant of a scenario in one tier."""

    anchor: str  # id on the page: ``scenario--variant``
    scenario: str
    variant: str
    tier: str
    doc: str  # the variant's sentence; empty if it is not declared here
    source: Source | None  # None if the scenario is not declared here
    worst: Sign | None  # worst verdict among judgements and runs; None if nothing was judged
    finished: int  # runs
    broken: int  # runs that did not finish
    disturbances: int  # finished runs whose times other processes disturbed
    done: tuple[RunResult, ...]  # finished runs, at most `MOST_RUNS`, without their numbers
    failed: tuple[RunResult, ...]  # at most `MOST_RUNS`
    beside: tuple[RunResult, ...]  # failed runs of a gate's base, and failed counted runs
    datasets: tuple[DatasetUse, ...]
    judged: tuple[rows.JudgementRow, ...]
    identities: tuple[rows.IdentityRow, ...]  # worst check of each
    segments: tuple[stages.Segment, ...]  # the stages' times as one bar
    stages: tuple[stages.StageRow, ...]  # the last one is the total
    calibration: str  # how long the calibration kernel took, over the runs
    timeline: timeline.Timeline | None  # memory of the first run over its time
    work: work.WorkTable | None
    sizes: tuple[rows.MetricRow, ...]  # metrics of kind size
    recorded: tuple[rows.MetricRow, ...]  # all other metrics
    classes: tuple[rows.ClassTable, ...]  # of the first run, as the next two
    confusions: tuple[rows.ConfusionTable, ...]
    drawings: tuple[figures.Drawing, ...]
    flips: flipped.Part | None  # None if it was compared with nothing that predicted images
    problems: tuple[str, ...]  # what was measured but cannot be used, with its seed
    options: tuple[tuple[str, str], ...]
    departures: tuple[tuple[str, str, str], ...]  # options unlike the paper tier's: name, here, there
    commands: tuple[str, ...]  # how to repeat the runs
    brief: bool  # whether only what needs attention is shown, for want of room

    @property
    def noun(self) -> str:
        """What a row of the data is called, in the plural."""
        return next((run.measurement.noun for run in self.done if run.measurement), "images")

    @property
    def title(self) -> str:
        """Name of the section."""
        return f"{self.scenario}:{self.variant}"

    @property
    def unseen(self) -> list[rows.JudgementRow]:
        """Return the judged identities of which no run left a check."""
        shown = {row.anchor for row in self.identities}
        return [] if self.brief else [row for row in self.against("identity") if row.anchor not in shown]

    def against(self, what: str) -> list[rows.JudgementRow]:
        """Return the judgements against expectation, baseline or identity, worst first; in brief those that need attention."""
        chosen = [
            row for row in self.judged if row.judgement.against == what and (row.urgent or not self.brief)
        ]
        return sorted(chosen, key=lambda row: rank(row.judgement.verdict))


def build(
    job: Job, folder: Path, scenarios: Mapping[str, Scenario]
) -> tuple[list[Section], Callable[[int], Section]]:
    """Gather a section in brief for every variant and tier of a job, in its order, and a function that makes one whole, by index."""
    anchors, groups, ordered = Anchors(), stored.groups(job.results), keys(job)
    complete = [
        _section(key, groups.get(key, ()), job, folder, scenarios.get(key[0]), anchors) for key in ordered
    ]

    def whole(index: int) -> Section:
        """Add the tables, images and matrices of one run, for those of all seeds are too many, and lines as their mean over all."""
        section = complete[index]
        if not section.done:
            return section
        shell, repeats = section.done[0], [run.folder for run in section.done[1 : figures.MOST_REPEATS]]
        first = next(
            run for run in groups[ordered[index]] if run.request == shell.request and run.status == "ok"
        )
        return dataclasses.replace(
            section,
            classes=tuple(rows.class_tables(first)),
            confusions=tuple(rows.confusion_tables(first)),
            drawings=tuple(figures.draw_all(first, folder, section.anchor, f"s{index}", repeats)),
            timeline=timeline.timeline(first, f"s{index}t"),
        )

    return [_in_brief(section) for section in complete], whole


def _in_brief(section: Section) -> Section:
    """Leave out what is fine, recorded or drawn; the cards of what needs attention keep their drawings."""
    broken = tuple(row for row in section.identities if row.sign.tone == "bad")
    judged = tuple(dataclasses.replace(row, strip=None) for row in section.judged)
    return dataclasses.replace(
        section, judged=judged, identities=broken, stages=(), segments=(), calibration="", recorded=(), sizes=(), work=None,
        flips=None, brief=True,
    )  # fmt: skip


def keys(job: Job) -> list[Key]:
    """Return scenario, variant and tier of every section, in the order of the page: scenarios as first met, each together."""
    compared = ((c.scenario, c.variant, c.tier) for c in job.comparisons)
    every = dict.fromkeys((*stored.groups(job.results), *compared))
    order = {name: place for place, name in enumerate(dict.fromkeys(key[0] for key in every))}
    return sorted(every, key=lambda key: order[key[0]])


def wanted_anchor(key: Key) -> str:
    """Return the id that a section claims; a second tier of the same variant gets a number behind it."""
    return f"{key[0]}--{key[1]}"


def _section(
    key: Key, results: Iterable[RunResult], job: Job, folder: Path, scenario: Scenario | None, anchors: Anchors
) -> Section:  # fmt: skip
    done: list[RunResult] = []
    failed: list[RunResult] = []
    finished = broken = disturbances = 0
    datasets: dict[DatasetUse, None] = {}
    problems: list[str] = []
    requests: dict[tuple[str, str], tuple[RunRequest, set[int]]] = {}
    for result in results:  # looked at one after the other; only the first are kept
        request, ended_well = result.request, result.status == "ok"
        requests.setdefault((request.device, request.backend), (request, set()))[1].add(request.seed)
        finished, broken = finished + ended_well, broken + (not ended_well)
        disturbances += ended_well and result.disturbed
        if result.measurement is not None:
            datasets |= dict.fromkeys(result.measurement.datasets)
            problems += [f"seed {request.seed}: {problem}" for problem in result.measurement.problems]
        kept = done if ended_well else failed
        if len(kept) < MOST_RUNS:
            kept.append(result)
    comparisons = [c for c in job.comparisons if (c.scenario, c.variant, c.tier) == key]
    incomplete = any(not use.complete for use in datasets)
    anchor = anchors.claim(wanted_anchor(key))
    judged = tuple(
        rows.judgement_row(
            judgement, done, anchors.claim(f"{anchor}--{_AGAINST[judgement.against]}--{judgement.metric}"),
            incomplete=incomplete and judgement.against != "identity",
        )
        for comparison in comparisons for judgement in comparison.judgements
    )  # fmt: skip
    beside = _failed_beside(job, key)
    words = ["ERROR"] * bool(failed or beside)
    words += [row.judgement.verdict for row in judged if weighs(row.judgement)]
    metrics = rows.metric_rows(done)
    by_stage, segments = stages.stage_rows(done)
    options, departures = _options([*done, *failed], scenario, key)
    return Section(
        anchor=anchor, scenario=key[0], variant=key[1], tier=key[2], source=scenario.source if scenario else None,
        doc=next((v.doc for v in scenario.variants if v.name == key[1]), "") if scenario else "",
        worst=SIGNS[min(words, key=rank)] if words else None, finished=finished, broken=broken, disturbances=disturbances,
        done=tuple(map(reduced.shell, done)), failed=tuple(map(reduced.shell, failed)), beside=beside,
        datasets=tuple(datasets), judged=judged, identities=tuple(rows.identity_rows([*done, *failed], judged)),
        stages=tuple(by_stage), segments=segments, calibration=_calibration(done), timeline=None, work=work.table(job, key[0], key[1]),
        sizes=tuple(row for row in metrics if row.kind == "size"), recorded=tuple(row for row in metrics if row.kind != "size"),
        classes=(), confusions=(), drawings=(), flips=flipped.part([flip for c in comparisons for flip in c.flips], folder),
        problems=tuple(problems[:MOST_RUNS]), options=options, departures=departures,
        commands=tuple(_command(first, len(seeds)) for first, seeds in requests.values()), brief=False,
    )  # fmt: skip


def _failed_beside(job: Job, key: Key) -> tuple[RunResult, ...]:
    """Return what failed of a variant on a gate's base, and of its counted runs."""
    base = stored.groups(job.gate.base_results).get(key, ()) if job.gate else ()
    failed = (run for run in itertools.chain(base, job.counted_of(*key[:2])) if run.status != "ok")
    return tuple(map(reduced.shell, itertools.islice(failed, MOST_RUNS)))


def _calibration(done: Sequence[RunResult]) -> str:
    """Say how long the calibration kernel took in the runs' own processes: median, fastest and slowest."""
    took = [m.calibration_seconds for run in done if (m := run.measurement) and m.calibration_seconds]
    if not took:
        return ""
    scale = numbers.durations(took)
    over = f", {scale.bare(min(took))} to {scale.text(max(took))} over {len(took)} runs"
    return scale.text(statistics.median(took)) + over * (len(took) > 1)


def _options(
    results: Iterable[RunResult], scenario: Scenario | None, key: Key
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str, str], ...]]:
    """Return the options in force, and those that differ from the paper tier's of the same variant."""
    here = next((result.measurement.options for result in results if result.measurement), None)
    if here is None:
        return (), ()
    options = tuple((name, str(value)) for name, value in here.items())
    if scenario is None or key[2] == "paper" or "paper" not in scenario.tiers:
        return options, ()
    there = {
        **scenario.tiers["paper"],
        **next((v.options for v in scenario.variants if v.name == key[1]), {}),
    }
    departures = []
    for name in {**there, **here}:
        ours, papers = ("not set" if side.get(name) is None else str(side[name]) for side in (here, there))
        if ours != papers:
            departures.append((name, ours, papers))
    return options, tuple(departures)


def _command(first: RunRequest, seeds: int) -> str:
    return shlex.join([
        "harness", "run", f"{first.scenario}:{first.variant}", "--tier", first.tier, "--seeds", str(seeds),
        "--device", first.device, "--backend", first.backend, *commands.naming(first.scenario_paths),
    ])  # fmt: skip
