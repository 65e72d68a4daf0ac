"""What the terminal shows: progress, one table of verdicts, what needs attention, where the report is."""

from __future__ import annotations

import typing
from collections import Counter

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from harness import commands, outcome, reduced, stored, wording
from harness.outcome import ATTENTION, needs_attention
from harness.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import Console

    from harness.records import Comparison, Job, Judgement, RunRequest, RunResult

STYLES = {
    "REPRODUCED": "green", "PASS": "green", "IMPROVED": "cyan", "KNOWN_GAP": "yellow", "ABOVE": "yellow",
    "BELOW": "yellow", "INCONCLUSIVE": "yellow", "INCOMPARABLE": "yellow", "NO_BASELINE": "yellow", "REGRESSED": "bold red",
    "ERROR": "bold red", "WAIVED": "cyan",
}  # fmt: skip
HEADLINES = ("accuracy", "total.seconds", "total.above_imports_bytes")
MOST_FAILURES = 20
"""Reasons of failed runs that are printed; the report and the logs have them all."""
_SHARED = ("ERROR", "NO_BASELINE", "INCOMPARABLE")
"""Verdicts that many metrics of a variant have for one reason."""


def follow(
    console: Console, results: Iterable[RunResult], wanted: Sequence[RunRequest]
) -> typing.Iterator[RunResult]:
    """Pass results on and show progress meanwhile; without a terminal print one line a run."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, refresh_per_second=2
    ) as bar:
        task = bar.add_task(_name(wanted[0]) if wanted else "", total=len(wanted))
        for index, result in enumerate(results, start=1):
            following = _name(wanted[index]) if index < len(wanted) else "judging"
            bar.update(task, advance=1, description=following)
            console.print(_line(index, len(wanted), result), highlight=False, soft_wrap=True)
            yield result


def _name(request: RunRequest) -> str:
    counting = ", counting work" if request.purpose == "count" else ""
    return f"{request.scenario}:{request.variant} seed {request.seed}{counting}"


def _line(index: int, total: int, result: RunResult) -> str:
    told = "done" if result.status == "ok" else "[bold red]ERROR[/]"
    timed = result.disturbed and result.request.purpose == "measure"
    loud = " [yellow]DISTURBED (other processes ran; its time is not used)[/]" if timed else ""
    flaky = f" [yellow]FLAKY (it failed first: {marked(result.earlier_error)})[/]" if result.flaky else ""
    return f"[dim]{index}/{total}[/] {marked(_name(result.request))}: {told} in {result.wall_seconds:.1f} s{loud}{flaky}"


def show(console: Console, job: Job, page: Path) -> None:
    """Print the table of a job, what needs attention, and the report's path."""
    print_table(console, _table(job))
    for note in outcome.notes(job):
        console.print(f"[yellow]Note[/] {marked(note)}", highlight=False, soft_wrap=True)
    _show_interruption(console, job, page.parent)
    for found in sorted(_incomplete(job)):
        console.print(f"[yellow]Incomplete data[/] {marked(found)}", highlight=False, soft_wrap=True)
    _show_failures(console, (result for result in outcome.runs(job) if result.status != "ok"))
    for comparison in job.comparisons:
        for line in _attention(comparison):
            console.print(line, highlight=False, soft_wrap=True)
    for line in _incomparable(job):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"Report: {marked(str(page))}", highlight=False, soft_wrap=True)


def _show_interruption(console: Console, job: Job, folder: Path) -> None:
    """Print what an interrupted job lacks, and the command that does it."""
    if outcome.interrupted(job):
        told, step = outcome.interruption(job), commands.resume(job, folder)
        console.print(
            f"[bold red]INTERRUPTED[/] {marked(f'{told}. Next: {step}')}", highlight=False, soft_wrap=True
        )


def _show_failures(console: Console, failed: Iterable[RunResult]) -> None:
    """Print why runs failed, the first of them with their logs' last lines, each reason once, and how many more there are."""
    first: dict[tuple[str, str, str], RunResult] = {}
    alike, more = Counter[tuple[str, str, str]](), 0
    for result in failed:
        why = (
            wording.whose(result.request),
            result.error.replace(result.request.key, "", 1),
            result.log_tail,
        )
        if why in first or len(first) < MOST_FAILURES:
            first.setdefault(why, result)
            alike[why] += 1
        else:
            more += 1
    for why, result in first.items():
        others = f"[dim] (and {alike[why] - 1} more for the same reason)[/]" if alike[why] > 1 else ""
        whose = f"{why[0]} run: " if why[0] else ""
        console.print(
            f"[bold red]ERROR[/] {marked(whose + result.error)}{others}", highlight=False, soft_wrap=True
        )
        if result.log_tail:
            console.print(marked(result.log_tail), style="dim", highlight=False, soft_wrap=True)
    if more:
        console.print(f"[bold red]ERROR[/] {more} more runs failed", highlight=False)


def _incomplete(job: Job) -> set[str]:
    measured = (result.measurement for result in job.results if result.measurement is not None)
    return {f"{use.name}: {use.found}" for found in measured for use in found.datasets if not use.complete}


def _table(job: Job) -> Table:
    table = Table(
        title=f"{len(job.results)} runs, tier {job.results[0].request.tier}" if job.results else "no runs"
    )
    table.add_column("scenario:variant", overflow="fold", min_width=16, ratio=1)
    for heading in ("accuracy", "time", "memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdicts", overflow="fold")
    groups = stored.groups(job.results)
    for comparison in job.comparisons:
        key = (comparison.scenario, comparison.variant, comparison.tier)
        runs = reduced.reduce(groups.get(key, ()), HEADLINES).done
        table.add_row(
            marked(f"{comparison.scenario}:{comparison.variant}"),
            _mean(runs, HEADLINES[0], lambda x: f"{100 * x:.2f} %"),
            _mean(runs, HEADLINES[1], lambda x: f"{x:.2f} s"),
            _mean(runs, HEADLINES[2], lambda x: f"{x / 2**20:.1f} MiB"),
            _verdicts(comparison),
            end_section=True,
        )
    return table


def _verdicts(comparison: Comparison) -> str:
    told = {"identities": "identity", "baseline": "baseline", "published": "expectation"}
    lines = [f"{title}: {_counts(comparison, against)}" for title, against in told.items()]
    failed = [f"[bold red]{len(comparison.failed)} runs failed[/]"] if comparison.failed else []
    return "\n".join([*failed, *lines])


def _mean(runs: Sequence[RunResult], metric: str, form: typing.Callable[[float], str]) -> str:
    values = [run.metrics[metric].value for run in runs if metric in run.metrics]
    numbers = [value for value in values if not isinstance(value, list)]
    return form(sum(numbers) / len(numbers)) if numbers else "NOT_MEASURED"


def _counts(comparison: Comparison, against: str) -> str:
    verdicts = Counter(
        judgement.verdict for judgement in comparison.judgements if judgement.against == against
    )
    within = {"REPRODUCED": _tolerances(comparison)} if against == "expectation" else {}
    parts = [
        f"[{STYLES.get(name, 'dim')}]{count} {name}[/]{within.get(name, '')}"
        for name, count in verdicts.most_common()
    ]
    return ", ".join(parts) or "[dim]none[/]"


def _tolerances(comparison: Comparison) -> str:
    """Say within what published values are reproduced; empty if that was equality."""
    reproduced = [judged for judged in comparison.judgements if judged.verdict == "REPRODUCED"]
    widths = {(judged.tolerance, judged.unit) for judged in reproduced if judged.tolerance}
    if not widths:
        return ""
    shown = [marked(wording.quantity(width, unit)) for width, unit in sorted(widths)]
    ends = [shown[0], shown[-1]] if len(shown) > 1 else shown
    return f" (tolerance ±{' to ±'.join(ends)})"


def _attention(comparison: Comparison) -> list[str]:
    """Describe what needs a look, worst first: one line each; what many metrics have for one reason shares a line."""
    shared: dict[tuple[str, ...], list[Judgement]] = {}
    loud = [
        judgement
        for judgement in comparison.judgements
        if needs_attention(judgement) and not _elsewhere(judgement)
    ]
    for judgement in sorted(loud, key=lambda judgement: ATTENTION.index(judgement.verdict)):
        own = () if judgement.verdict in _SHARED else (judgement.against, judgement.metric, judgement.place)
        shared.setdefault((judgement.verdict, judgement.reason, judgement.next_step, *own), []).append(
            judgement
        )
    return [_together(comparison, judged) for judged in shared.values()]


def _elsewhere(judgement: Judgement) -> bool:
    """Whether memory has a baseline that another kind of machine measured."""
    elsewhere = judgement.verdict == "INCOMPARABLE" and judgement.cause in {"environment", ""}
    return judgement.kind == "memory" and elsewhere


def _incomparable(job: Job) -> list[str]:
    """Describe memory that cannot be compared here: one line for each reason, whatever the number of variants."""
    alike: dict[str, Counter[str]] = {}
    for comparison in job.comparisons:
        for judgement in comparison.judgements:
            if _elsewhere(judgement) and needs_attention(judgement):
                counted = alike.setdefault(judgement.reason, Counter())
                counted[f"{comparison.scenario}:{comparison.variant}"] += 1
    lines = []
    for reason, counted in alike.items():
        memory = f"{counted.total()} metrics of memory" if counted.total() > 1 else "memory"
        told = f"{memory} of {', '.join(counted)}: {reason}. Next: harness gate --against REF, which compares on this machine"
        lines.append(f"[{STYLES['INCOMPARABLE']}]INCOMPARABLE[/] {marked(told)}")
    return lines


def _together(comparison: Comparison, judged: Sequence[Judgement]) -> str:
    first, key = judged[0], marked(f"{comparison.scenario}:{comparison.variant}")
    if len(judged) == 1:
        return _sentence(comparison, first)
    told = marked(f"{first.reason}. Next: {first.next_step}")
    return f"[{STYLES[first.verdict]}]{first.verdict}[/] {key}: {len(judged)} metrics: {told}"


def _sentence(comparison: Comparison, judgement: Judgement) -> str:
    style = STYLES.get(judgement.verdict, "default")
    key = f"{comparison.scenario}:{comparison.variant}"
    told = wording.sentence(key, judgement).removeprefix(judgement.verdict)
    return f"[{style}]{judgement.verdict}[/]{marked(told)}"
