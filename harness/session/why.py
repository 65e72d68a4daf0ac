"""Where a confirmed regression comes from: one more run of base and head under a profiler, and what else differs between them.

These runs decide nothing and are timed for nothing. Where the profiled pair does not show what was measured, nothing is claimed.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import tempfile
import typing
from collections import defaultdict
from pathlib import Path

from harness.errors import HarnessError, RevisionError
from harness.judging import baselines
from harness.judging.gate import remeasuring
from harness.machine import environment
from harness.measure import memory, profiling
from harness.records import Place, Site, Why
from harness.running import sides
from harness.store import files, git

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.records import Comparison, Job, Judgement, Purpose, RunRequest, RunResult
    from harness.running.sides import Sides

    Measure = Callable[[Sequence[RunRequest], Path], Sequence[RunResult]]
    Profiled = dict[str, list[Site]]

PROFILERS: dict[str, Purpose] = {"runtime": "profile-time", "memory": "profile-memory"}
LOOKED_INTO = (*PROFILERS, "accuracy", "trajectory")
"""Kinds of metric whose regression is looked into."""
LARGEST = 5
"""Places that are kept."""


def explained(job: Job, roots: Sequence[Path], opened: Sides | None, measure: Measure) -> tuple[Why, ...]:
    """Look for the cause of each variant's confirmed regression.

    Parameters
    ----------
    job : Job
        A judged gate.
    roots : sequence of Path
        Folders of baselines.
    opened : Sides or None
        Both sides' code, if base was run; else the commit that the baseline records is checked out for it.
    measure : callable
        Does runs on this machine, with their results below a folder.
    """
    return tuple(
        _variant(job, roots, comparison, leading, opened, measure)
        for comparison in job.comparisons
        if (leading := _leading(comparison)) is not None
    )


def _leading(comparison: Comparison) -> Judgement | None:
    """Return the regressed metric that is looked into, one a variant: of time and memory the largest relative change, else a score."""
    regressed = [
        item
        for item in comparison.judgements
        if item.gated
        and item.against == "baseline"
        and item.verdict in {"REGRESSED", "CHANGED"}
        and item.kind in LOOKED_INTO
    ]
    return max(regressed, key=lambda item: (item.kind in PROFILERS, _relative(item)), default=None)


def _relative(item: Judgement) -> float:
    reference = item.reference if isinstance(item.reference, (int, float)) else 0.0
    return abs(_difference(item) / reference) if reference else 0.0


def _variant(
    job: Job,
    roots: Sequence[Path],
    comparison: Comparison,
    leading: Judgement,
    opened: Sides | None,
    measure: Measure,
) -> Why:
    known = Why(
        scenario=comparison.scenario,
        variant=comparison.variant,
        metric=leading.metric,
        kind=leading.kind,
        differences=tuple(_differences(job, comparison)),
    )
    if leading.kind not in PROFILERS:
        return known
    stage = leading.metric.rpartition(".")[0]
    known = dataclasses.replace(known, stage="" if stage == "total" else stage, change=_difference(leading))
    try:
        with _both(job, roots, comparison, opened) as pair:
            base, head = _profiles(pair.requests, PROFILERS[leading.kind], measure)
            return concluded(known, places(base, head, known, pair.checkout, pair.since))
    except HarnessError as error:
        return dataclasses.replace(known, error=str(error))


def concluded(known: Why, seen: Sequence[Place]) -> Why:
    """Keep the largest of the places, and say whether they show the measured difference."""
    profiled = sum(place.more for place in seen)
    largest = tuple(place for place in seen[:LARGEST] if place.more > 0)
    shown = bool(largest) and profiled >= known.change / 2 and largest[0].more >= known.change / 4
    return dataclasses.replace(known, profiled=profiled, shown=shown, places=largest)


def _difference(leading: Judgement) -> float:
    if isinstance(leading.value, (int, float)) and isinstance(leading.reference, (int, float)):
        return float(leading.value - leading.reference)
    return 0.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """The two runs to do, and where git knows what changed between them."""

    requests: tuple[RunRequest, RunRequest]
    """Base's and head's."""
    checkout: Path
    """Folder that head's code lies in; names of files are relative to it."""
    since: str
    """Base's commit."""


@contextlib.contextmanager
def _both(job: Job, roots: Sequence[Path], comparison: Comparison, opened: Sides | None) -> Iterator[_Pair]:
    """Return the seed-wise first run of each side, with the code of its own commit.

    Raises
    ------
    HarnessError
        If the base's commit cannot be run here.
    """
    run = next(_runs(job.results, comparison))
    head = dataclasses.replace(run.request, round="screen", repeat=0)
    if opened is not None:
        (base,), (ours,) = (sides.requests_of(side, [head], opened) for side in ("base", "head"))
        yield _Pair(requests=(base, ours), checkout=Path(opened.head.code), since=opened.base.commit)
        return
    environment_here = run.measurement.environment if run.measurement else {}
    references = baselines.find(
        roots, comparison.scenario, comparison.variant, comparison.tier, environment_here
    )
    commit = references.nearest[0].commit if references else ""
    if why := remeasuring.obstacle(commit, Path.cwd()):
        raise RevisionError(f"the baseline's code cannot be run: {why}", "Type: harness gate --against REF")
    paths = job.gate.settings.scenario_paths if job.gate else ()
    with sides.opened(commit, paths, Path(), base_only=True) as past:
        (base,) = sides.requests_of("base", [head], past)
        yield _Pair(requests=(base, head), checkout=Path.cwd(), since=commit)


def _runs(results: Sequence[RunResult], comparison: Comparison) -> Iterator[RunResult]:
    """Yield the finished runs of a variant."""
    for result in results:
        request = result.request
        if (request.scenario, request.variant) == (
            comparison.scenario,
            comparison.variant,
        ) and result.measurement:
            yield result


def _profiles(
    requests: Sequence[RunRequest], purpose: Purpose, measure: Measure
) -> tuple[Profiled, Profiled]:
    """Run both sides under a profiler and read what it saw.

    Raises
    ------
    HarnessError
        If a run fails, or its commit's harness has no profiler.
    """
    profiles: list[Profiled] = []
    with tempfile.TemporaryDirectory(prefix="why-") as scratch:
        wanted = [dataclasses.replace(request, purpose=purpose) for request in requests]
        for result in measure(wanted, Path(scratch)):
            side = result.request.side
            if result.status != "ok":
                raise HarnessError(f"the {side} run under a profiler failed: {result.error}", "")
            path = Path(scratch) / result.folder / profiling.FILE
            if not path.is_file():
                raise HarnessError(f"the harness of the {side} commit has no profiler", "")
            profiles.append(files.decode(path.read_bytes(), dict[str, list[Site]], path.name))
    base, head = profiles
    return base, head


def places(base: Profiled, head: Profiled, known: Why, checkout: Path, since: str) -> list[Place]:
    """Add both sides up by function and set them beside each other, the largest difference first.

    A time of the whole run is that of all its stages. A stage's memory is looked for at the run's peak: in another stage nothing shows.

    Parameters
    ----------
    base, head : dict
        Sites of each stage.
    known : Why
        What regressed.
    checkout : Path
        Folder of head's code, which the sites' files are named relative to.
    since : str
        Base's commit: what changed after it is named.
    """
    stages = [known.stage] if known.stage else [*head]
    if known.kind == "memory":
        stages = [profiling.LEFT if known.metric == memory.LEFT else profiling.PEAK]
    ours, theirs = _by_function(head, stages), _by_function(base, stages)
    rows = []
    for key in {*ours, *theirs}:
        now, before = ours.get(key, []), theirs.get(key, [])
        largest = max(now or before, key=lambda site: site.amount)
        rows.append(
            Place(
                file=largest.file,
                function=largest.function,
                line=largest.line,
                base=sum(site.amount for site in before),
                head=sum(site.amount for site in now),
                base_count=sum(site.count for site in before),
                head_count=sum(site.count for site in now),
                library=largest.library,
            )
        )
    rows.sort(key=lambda place: -place.more)
    for index, place in enumerate(rows[:LARGEST]):
        if (place.file, place.function) in ours:
            rows[index] = _with_commit(place, checkout, since)
    return rows


def _by_function(profiled: Profiled, stages: Sequence[str]) -> Mapping[tuple[str, str], list[Site]]:
    """Gather the sites of some stages by file and function."""
    grouped: dict[tuple[str, str], list[Site]] = defaultdict(list)
    for name in stages:
        for site in profiled.get(name, []):
            grouped[site.file, site.function].append(site)
    return grouped


def _with_commit(place: Place, checkout: Path, since: str) -> Place:
    """Add the newest commit since base that changed the function."""
    try:
        lines = _lines((checkout / place.file).read_text(encoding="utf-8"), place.line)
        if git.text(checkout, "status", "--porcelain", "--", place.file):
            return dataclasses.replace(place, subject="not committed")
        at = f"{lines[0]},{lines[1]}:{place.file}"
        shown = git.text(checkout, "log", "-1", "-s", "--format=%h%x09%s (%an)", "-L", at, f"{since}..HEAD")
    except (OSError, ValueError, SyntaxError, RevisionError):  # a file outside of the checkout
        return place
    commit, _, subject = shown.partition("\t")
    return dataclasses.replace(place, commit=commit, subject=subject)


def _lines(source: str, line: int) -> tuple[int, int]:
    """Return the first and last line of the innermost function around a line; the line itself where there is none."""
    functions = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    around = [lines for lines in functions if lines[0] <= line <= lines[1]]
    return max(around, default=(line, line))


def _differences(job: Job, comparison: Comparison) -> Iterator[str]:
    """Say what else differs between head's and base's runs and may decide scores; nothing where base's runs are not here."""
    base = next(_runs(job.gate.base_results if job.gate else (), comparison), None)
    head = next(_runs(job.results, comparison), None)
    if head is not None and base is not None and head.measurement and base.measurement:
        ours, theirs = head.measurement, base.measurement
        for name in sorted({*ours.options, *theirs.options}):
            a, b = ours.options.get(name), theirs.options.get(name)
            if a != b:
                yield f"option {name}: {a}, not {b}"
        yield from environment.other_data(ours.datasets, theirs.datasets)
        yield from environment.differences("memory", ours.environment, theirs.environment)
    for item in comparison.judgements:
        if item.kind == "trajectory" and item.verdict == "CHANGED":
            yield item.reason
