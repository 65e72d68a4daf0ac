"""What the terminal shows: progress, one table of verdicts, what needs attention, where the report is."""

from __future__ import annotations

import typing
from collections import Counter

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from harness.judging import answer, outcome, wording
from harness.judging.outcome import needs_attention
from harness.records.metrics import is_share
from harness.store import commands
from harness.store.visible import marked, print_table, say

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
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


_PURPOSES = {"measure": "", "count": ", counting work"}
VERBOSE = "harness.verbose"
"""Where a command keeps whether it was called with -v."""


def verbose() -> bool:
    """Whether the command was called with -v."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(VERBOSE))


def follow(
    console: Console, results: Iterable[RunResult], wanted: Sequence[RunRequest]
) -> Iterator[RunResult]:
    """Pass results on and show meanwhile phase, side, n of m and time left; without a terminal, or with -v, print one line a run."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=12), MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True), TextColumn("left"),
    )  # fmt: skip
    watched = console.is_terminal
    with Progress(
        *columns, console=console, transient=True, disable=not watched, refresh_per_second=2
    ) as bar:
        doing = [*map(_doing, wanted), "judging"]
        task = bar.add_task(doing[0], total=len(wanted))
        for index, result in enumerate(results, start=1):
            bar.update(task, advance=1, description=doing[min(index, len(wanted))])
            if verbose() or not watched or result.status != "ok":
                say(console, _line(index, len(wanted), result))
            yield result


def _doing(request: RunRequest) -> str:
    """Say what is being done: the round of a gate and its side, then the run."""
    alone = request.round == "screen" and request.side == "head"
    return f"{'' if alone else f'{request.round}, {request.side}: '}{_name(request)}"


def _name(request: RunRequest) -> str:
    counting = _PURPOSES.get(request.purpose, ", under a profiler")
    return f"{request.scenario}:{request.variant} seed {request.seed}{counting}"


def _line(index: int, total: int, result: RunResult) -> str:
    ended = "done" if result.status == "ok" else "[bold red]ERROR[/]"
    timed = result.disturbed and result.request.purpose == "measure"
    loud = f" [yellow]disturbed ({result.disturbance}; its time is not used)[/]" if timed else ""
    flaky = f" [yellow]flaky (it failed first: {marked(result.earlier_error)})[/]" if result.flaky else ""
    return f"[dim]{index}/{total}[/] {marked(_name(result.request))}: {ended} in {result.wall_seconds:.1f} s{loud}{flaky}"


def show(console: Console, job: Job, page: Path) -> None:
    """Print the table of a job, what needs attention, and the report's path."""
    print_table(console, _table(job))
    tier = f", tier {marked(job.results[0].request.tier)}" if job.results else ""
    runs = f"{len(job.results)} run{'s' * (len(job.results) != 1)}{tier}"
    say(console, f"[bold]{marked(answer.headline(job))}.[/]")
    say(console, f"{runs}: {outcome.sentence(outcome.counts(job))}")
    for note in outcome.notes(job):
        say(console, f"[yellow]Note[/] {marked(note)}")
    if outcome.interrupted(job):
        lacking = f"{outcome.interruption(job)}. Next: {commands.resume(job, page.parent)}"
        say(console, f"[bold red]interrupted[/] {marked(lacking)}")
    if verbose():
        used = (use for result in job.results if result.measurement for use in result.measurement.datasets)
        for text in sorted({f"{use.name}: {use.found}" for use in used if not use.complete}):
            say(console, f"[yellow]Incomplete data[/] {marked(text)}")
    _show_failures(console, (result for result in outcome.runs(job) if result.status != "ok"))
    for comparison in job.comparisons:
        for line in _attention(comparison):
            say(console, line)
    for cause in job.gate.why if job.gate else ():
        reason = f"{cause.scenario}:{cause.variant} {cause.metric}: {wording.why(cause)}"
        say(console, f"[bold]Why[/] {marked(reason)}")
    for line in _incomparable(job):
        say(console, line)
    say(console, f"Report: {marked(str(page))}")


def _show_failures(console: Console, failed: Iterable[RunResult]) -> None:
    """Print why runs failed, the first of them with their logs' last lines, each reason once, and how many more there are."""
    first: dict[tuple[str, str, str], RunResult] = {}
    alike, more = Counter[tuple[str, str, str]](), 0
    for result in failed:
        error = result.error.replace(result.request.key, "", 1)
        why = (wording.whose(result.request), error, result.log_tail)
        if why in first or len(first) < MOST_FAILURES:
            first.setdefault(why, result)
            alike[why] += 1
        else:
            more += 1
    for why, result in first.items():
        others = f"[dim] (and {alike[why] - 1} more for the same reason)[/]" if alike[why] > 1 else ""
        whose = f"{why[0]} run: " if why[0] else ""
        say(console, f"[bold red]ERROR[/] {marked(whose + result.error)}{others}")
        if result.log_tail:
            say(console, marked(result.log_tail), style="dim")
    if more:
        say(console, f"[bold red]ERROR[/] {more} more runs failed")


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
        # a long name goes on in a second line, at its colon
        name = f"{line.scenario}:{line.variant}"
        name = name if len(name) <= LONGEST_NAME else f"{line.scenario}\n  :{line.variant}"
        table.add_row(marked(name), *(run if job.gate is None else gate), verdict)
    return table


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
    for judgement in sorted(loud, key=lambda judgement: answer.rank(judgement.verdict)):
        own = () if judgement.verdict in _SHARED else (judgement.against, judgement.metric, judgement.place)
        shared.setdefault((judgement.verdict, judgement.reason, judgement.next_step, *own), []).append(
            judgement
        )
    return [_together(comparison, judged) for judged in shared.values()]


def _elsewhere(judgement: Judgement) -> bool:
    """Whether memory has a baseline that another kind of machine measured."""
    elsewhere = judgement.verdict == "INCOMPARABLE" and judgement.cause in {"environment", ""}
    return judgement.kind == "memory" and elsewhere


def _incomparable(job: Job) -> Iterator[str]:
    """Describe memory that cannot be compared here: one line for each reason, whatever the number of variants."""
    alike: dict[str, Counter[str]] = {}
    for comparison in job.comparisons:
        for judgement in comparison.judgements:
            if _elsewhere(judgement) and needs_attention(judgement):
                counted = alike.setdefault(judgement.reason, Counter())
                counted[f"{comparison.scenario}:{comparison.variant}"] += 1
    for reason, counted in alike.items():
        memory = f"{counted.total()} metrics of memory" if counted.total() > 1 else "memory"
        step = "harness gate --against REF, which compares on this machine"
        text = f"{memory} of {', '.join(counted)}: {reason}. Next: {step}"
        yield f"[{STYLES['INCOMPARABLE']}]INCOMPARABLE[/] {marked(text)}"


def _together(comparison: Comparison, judged: Sequence[Judgement]) -> str:
    """Describe judgements that share a line: the metric, its value and what it is compared with, and the metrics that follow it."""
    first, key = judged[0], f"{comparison.scenario}:{comparison.variant}"
    if len(judged) > 1:
        text = f"{key} {len(judged)} metrics"
    else:
        text = f"{wording.finding(key, first)}{_values(first)}"
        others = [
            other.metric
            for other in comparison.judgements
            if answer.follows(comparison, other) == first.metric and other.verdict == first.verdict
        ]
        text += f", and {', '.join(others)} with it" if others and first.against == "baseline" else ""
    lines = [f"[{STYLES.get(first.verdict, 'default')}]{first.verdict}[/] {marked(text)}"]
    lines += [f"  {marked(first.reason)}"] if first.reason else []
    lines += [f"  Next: {marked(first.next_step)}"] if first.next_step else []
    return "\n".join(lines)


def _values(judgement: Judgement) -> str:
    """Write a value and what it is compared with, in the units that a person reads; a share with its difference in points."""
    if judgement.value is None or judgement.kind == "trajectory":
        return ""  # of losses the reason names the step
    numbers = [number for number in (judgement.value, judgement.reference) if isinstance(number, float | int)]
    share = is_share(judgement.metric, judgement.unit, numbers)
    value = wording.quantity(judgement.value, judgement.unit, share=share)
    if judgement.reference is None:
        return f": {value}"
    return f": {value} against {wording.quantity(judgement.reference, judgement.unit, share=share)}"
