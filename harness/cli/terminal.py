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
    TimeRemainingColumn,
)
from rich.table import Table

from harness.cli.shared import verbose
from harness.judging import answer, outcome, wording
from harness.judging.outcome import ATTENTION, needs_attention
from harness.records.metrics import is_share
from harness.store import commands
from harness.store.visible import marked, print_table

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import Console

    from harness.records import Comparison, Job, Judgement, RunRequest, RunResult

STYLES = {
    "REPRODUCED": "green", "PASS": "green", "IMPROVED": "cyan", "CHANGED": "yellow", "KNOWN_GAP": "yellow", "ABOVE": "yellow",
    "BELOW": "yellow", "INCONCLUSIVE": "yellow", "INCOMPARABLE": "yellow", "NO_BASELINE": "yellow", "REGRESSED": "bold red",
    "ERROR": "bold red", "WAIVED": "cyan",
}  # fmt: skip
LONGEST_NAME = 25
"""Characters of a variant's name that leave room for the numbers in 80 columns."""
_RUN_HEADINGS = ("accuracy", "published", "time", "peak", "identities", "verdict")
"""Of a run's table; the first is another score where a scenario gates another first."""
_GATE_HEADINGS = ("before", "after", "delta", "time", "peak", "verdict")
MOST_FAILURES = 20
"""Reasons of failed runs that are printed; the report and the logs have them all."""
_SHARED = ("ERROR", "NO_BASELINE", "INCOMPARABLE")
"""Verdicts that many metrics of a variant have for one reason."""


def follow(
    console: Console, results: Iterable[RunResult], wanted: Sequence[RunRequest]
) -> typing.Iterator[RunResult]:
    """Pass results on and show meanwhile phase, side, n of m and time left; without a terminal, or with -v, print one line a run."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("left"),
    )
    lines = verbose() or not console.is_terminal
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, refresh_per_second=2
    ) as bar:
        task = bar.add_task(_doing(wanted[0]) if wanted else "", total=len(wanted))
        for index, result in enumerate(results, start=1):
            following = _doing(wanted[index]) if index < len(wanted) else "judging"
            bar.update(task, advance=1, description=following)
            if lines or result.status != "ok":
                console.print(_line(index, len(wanted), result), highlight=False, soft_wrap=True)
            yield result


def _doing(request: RunRequest) -> str:
    """Say what is being done: the round of a gate and its side, then the run."""
    phase = (
        "" if request.round == "screen" and request.side == "head" else f"{request.round}, {request.side}: "
    )
    return phase + _name(request)


def _name(request: RunRequest) -> str:
    counting = ", counting work" if request.purpose == "count" else ""
    return f"{request.scenario}:{request.variant} seed {request.seed}{counting}"


def _line(index: int, total: int, result: RunResult) -> str:
    told = "done" if result.status == "ok" else "[bold red]ERROR[/]"
    timed = result.disturbed and result.request.purpose == "measure"
    loud = f" [yellow]disturbed ({result.disturbance}; its time is not used)[/]" if timed else ""
    flaky = f" [yellow]flaky (it failed first: {marked(result.earlier_error)})[/]" if result.flaky else ""
    return f"[dim]{index}/{total}[/] {marked(_name(result.request))}: {told} in {result.wall_seconds:.1f} s{loud}{flaky}"


def show(console: Console, job: Job, page: Path) -> None:
    """Print the table of a job, what needs attention, and the report's path."""
    print_table(console, _table(job))
    tier = f", tier {marked(job.results[0].request.tier)}" if job.results else ""
    runs = f"{len(job.results)} run{'s' * (len(job.results) != 1)}{tier}"
    console.print(f"[bold]{marked(answer.headline(job))}.[/]", highlight=False, soft_wrap=True)
    console.print(f"{runs}: {outcome.sentence(outcome.counts(job))}", highlight=False, soft_wrap=True)
    for note in outcome.notes(job):
        console.print(f"[yellow]Note[/] {marked(note)}", highlight=False, soft_wrap=True)
    _show_interruption(console, job, page.parent)
    for found in sorted(_incomplete(job)) if verbose() else ():
        console.print(f"[yellow]Incomplete data[/] {marked(found)}", highlight=False, soft_wrap=True)
    _show_failures(console, (result for result in outcome.runs(job) if result.status != "ok"))
    for comparison in job.comparisons:
        for line in _attention(comparison):
            console.print(line, highlight=False, soft_wrap=True)
    for cause in job.gate.why if job.gate else ():
        reason = f"{cause.scenario}:{cause.variant} {cause.metric}: {wording.why(cause)}"
        console.print(f"[bold]Why[/] {marked(reason)}", highlight=False, soft_wrap=True)
    for line in _incomparable(job):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"Report: {marked(str(page))}", highlight=False, soft_wrap=True)


def _show_interruption(console: Console, job: Job, folder: Path) -> None:
    """Print what an interrupted job lacks, and the command that does it."""
    if outcome.interrupted(job):
        told, step = outcome.interruption(job), commands.resume(job, folder)
        console.print(
            f"[bold red]interrupted[/] {marked(f'{told}. Next: {step}')}", highlight=False, soft_wrap=True
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
    """Make a table of one line a variant that fits 80 columns: a run's numbers, or a gate's before and after."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("scenario:variant", no_wrap=True)
    lines = answer.lines(job)
    for heading in (answer.heading(lines), *_RUN_HEADINGS[1:]) if job.gate is None else _GATE_HEADINGS:
        table.add_column(marked(heading), justify="left" if heading == "verdict" else "right", no_wrap=True)
    for line in lines:
        verdict = f"[{STYLES[line.verdict]}]{answer.WORDS[line.verdict]}[/]" if line.verdict else ""
        identities = f"[bold red]{line.identities}[/]" if line.broken else line.identities
        run = (line.score, line.published, line.time, line.memory, identities)
        gate = (line.before, line.score, line.delta, line.time_change, line.memory_change)
        table.add_row(_title(line), *(run if job.gate is None else gate), verdict)
    return table


def _title(line: answer.Line) -> str:
    """Name a variant; a long name goes on in a second line, at its colon."""
    name = f"{line.scenario}:{line.variant}"
    return marked(name if len(name) <= LONGEST_NAME else f"{line.scenario}\n  :{line.variant}")


def _attention(comparison: Comparison) -> list[str]:
    """Describe what needs a look, worst first: one line each; what many metrics have for one reason shares a line."""
    shared: dict[tuple[str, ...], list[Judgement]] = {}
    loud = [
        judgement
        for judgement in comparison.judgements
        if needs_attention(judgement)
        and not _elsewhere(judgement)
        and not answer.follows(comparison, judgement)
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
    first, key = judged[0], f"{comparison.scenario}:{comparison.variant}"
    said = (
        f"{key} {len(judged)} metrics"
        if len(judged) > 1
        else f"{wording.finding(key, first)}{_values(first)}{_with(comparison, first)}"
    )
    lines = [f"[{STYLES.get(first.verdict, 'default')}]{first.verdict}[/] {marked(said)}"]
    lines += [f"  {marked(first.reason)}"] if first.reason else []
    lines += [f"  Next: {marked(first.next_step)}"] if first.next_step else []
    return "\n".join(lines)


def _with(comparison: Comparison, judgement: Judgement) -> str:
    """Name the metrics that follow this one."""
    others = [
        other.metric
        for other in comparison.judgements
        if answer.follows(comparison, other) == judgement.metric and other.verdict == judgement.verdict
    ]
    return f", and {', '.join(others)} with it" if others and judgement.against == "baseline" else ""


def _values(judgement: Judgement) -> str:
    """Write a value and what it is compared with, in the units that a person reads; a share with its difference in points."""
    numbers = [number for number in (judgement.value, judgement.reference) if isinstance(number, float | int)]
    share = is_share(judgement.metric, judgement.unit, numbers)
    value, reference = (
        wording.quantity(number, judgement.unit, share=share)
        for number in (judgement.value, judgement.reference)
    )
    if judgement.value is None or judgement.kind == "trajectory":
        return ""  # of losses the reason names the step
    if judgement.reference is None:
        return f": {value}"
    return f": {value} against {reference}"
