"""What the report shows of one variant in one tier, gathered from the job's records."""

from __future__ import annotations

import dataclasses
import re
import shlex
from typing import TYPE_CHECKING, Any

from harness.report import figures, rows
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
    )
    from harness.report.strips import Segment

    Key = tuple[str, str, str]

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
    done: tuple[RunResult, ...]
    """Runs that finished."""
    failed: tuple[RunResult, ...]
    """Runs that did not."""
    disturbed: tuple[RunResult, ...]
    """Finished runs whose times other processes disturbed."""
    datasets: tuple[DatasetUse, ...]
    """Data the runs read."""
    judged: tuple[rows.JudgementRow, ...]
    """Every judgement."""
    identities: tuple[rows.IdentityRow, ...]
    """Worst check of each identity."""
    stages: tuple[rows.StageRow, ...]
    """Stages and their total."""
    segments: tuple[Segment, ...]
    """The stages' times as one bar."""
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
    problems: tuple[str, ...]
    """What was measured but cannot be used, with its seed."""
    options: tuple[tuple[str, str], ...]
    """Options in force."""
    commands: tuple[str, ...]
    """How to repeat the runs."""

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
        shown = {row.anchor for row in self.identities}
        return [row for row in self.against("identity") if row.anchor not in shown]

    def against(self, what: str) -> list[rows.JudgementRow]:
        """Return the judgements against expectation, baseline or identity, worst first."""
        chosen = [row for row in self.judged if row.judgement.against == what]
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
    keys: dict[Key, None] = {}
    for result in job.results:
        keys[result.request.scenario, result.request.variant, result.request.tier] = None
    for comparison in job.comparisons:
        keys[_key(comparison)] = None
    order = {name: place for place, name in enumerate(dict.fromkeys(key[0] for key in keys))}
    ordered = sorted(keys, key=lambda key: order[key[0]])
    return [
        _section(key, job, folder, scenarios.get(key[0]), anchors, f"s{number}")
        for number, key in enumerate(ordered)
    ]


def _key(comparison: Comparison) -> Key:
    return comparison.scenario, comparison.variant, comparison.tier


def _section(
    key: Key, job: Job, folder: Path, scenario: Scenario | None, anchors: Anchors, ids: str
) -> Section:
    results = [r for r in job.results if (r.request.scenario, r.request.variant, r.request.tier) == key]
    done = tuple(result for result in results if result.status == "ok")
    failed = tuple(result for result in results if result.status == "error")
    judged = [j for comparison in job.comparisons if _key(comparison) == key for j in comparison.judgements]
    anchor = anchors.claim(f"{key[0]}--{key[1]}")
    datasets = _datasets(results)
    incomplete = any(not use.complete for use in datasets)
    stages, segments = rows.stage_rows(done)
    judged_rows = [_judgement_row(j, done, anchor, anchors, incomplete=incomplete) for j in judged]
    return Section(
        anchor=anchor, scenario=key[0], variant=key[1], tier=key[2],
        doc=_doc(scenario, key[1]), source=scenario.source if scenario else None,
        worst=_worst([j for j in judged if weighs(j)], failed), done=done, failed=failed,
        disturbed=tuple(result for result in done if result.disturbed), datasets=datasets,
        judged=tuple(judged_rows), identities=tuple(rows.identity_rows(results, judged_rows)),
        stages=tuple(stages), segments=segments, **_metrics(done), **_first_run(done, folder, anchor, ids),
        problems=_problems(results), options=_options(results), commands=_commands(results),
    )  # fmt: skip


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


def _first_run(done: Sequence[RunResult], folder: Path, anchor: str, ids: str) -> dict[str, Any]:
    """Show tables and figures of one run: those of all seeds are too many, and their mean is no run."""
    if not done:
        return {"classes": (), "confusions": (), "drawings": ()}
    first = done[0]
    return {
        "classes": tuple(rows.class_tables(first)),
        "confusions": tuple(rows.confusion_tables(first)),
        "drawings": tuple(figures.draw_all(first, folder, anchor, ids)),
    }


def _doc(scenario: Scenario | None, variant: str) -> str:
    declared = {v.name: v.doc for v in scenario.variants} if scenario else {}
    return declared.get(variant, "")


def _worst(judged: Iterable[Judgement], failed: Sequence[RunResult]) -> Sign | None:
    words = [*(judgement.verdict for judgement in judged), *("ERROR" for _ in failed)]
    return SIGNS[min(words, key=rank)] if words else None


def _datasets(results: Iterable[RunResult]) -> tuple[DatasetUse, ...]:
    uses = [use for result in results if result.measurement for use in result.measurement.datasets]
    return tuple(dict.fromkeys(uses))


def _problems(results: Iterable[RunResult]) -> tuple[str, ...]:
    return tuple(
        f"seed {result.request.seed}: {problem}"
        for result in results
        if result.measurement
        for problem in result.measurement.problems
    )


def _options(results: Iterable[RunResult]) -> tuple[tuple[str, str], ...]:
    measured = next((result.measurement for result in results if result.measurement), None)
    return tuple((name, str(value)) for name, value in measured.options.items()) if measured else ()


def _commands(results: Sequence[RunResult]) -> tuple[str, ...]:
    """Write one command for every device and backend that the runs used."""
    grouped: dict[tuple[str, str], list[RunRequest]] = {}
    for result in results:
        grouped.setdefault((result.request.device, result.request.backend), []).append(result.request)
    return tuple(_command(requests) for requests in grouped.values())


def _command(requests: Sequence[RunRequest]) -> str:
    first, seeds = requests[0], len({request.seed for request in requests})
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
