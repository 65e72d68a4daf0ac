"""What the report shows of one variant in one tier, gathered from the job's records."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
import statistics
from typing import TYPE_CHECKING, Any

from harness.judging import reduced
from harness.report import figures, flipped, numbers, rows, stages, timeline, work
from harness.report.section import Anchors, Section
from harness.report.verdicts import SIGNS, Sign, rank, weighs
from harness.store import commands, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.records import Comparison, DatasetUse, Job, Judgement, RunRequest, RunResult, Scenario, Tier

    Key = tuple[str, str, Tier]

MOST_RUNS = 200
"""Runs of one variant whose numbers the tables show and average; judgements rest on all."""
WORDS = {"expectation": "published", "baseline": "baseline", "identity": "identity"}
"""What a judgement is against, as part of its anchor."""


def build(
    job: Job, folder: Path, scenarios: Mapping[str, Scenario]
) -> tuple[list[Section], Callable[[int], Section]]:
    """Gather a section in brief for every variant and tier that was run or judged, in the order of the job, and what makes one whole, by index."""
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

    return kept, whole


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
    words += commands.naming(first.scenario_paths)
    return shlex.join(words)
