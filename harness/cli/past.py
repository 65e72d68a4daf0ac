"""Past commits: ``harness history --run`` measures them, ``harness bisect`` names the one that moved a metric."""

from __future__ import annotations

import contextlib
import functools
import typing
from pathlib import Path

import click

from harness.cli import shared
from harness.errors import HarnessError
from harness.store.visible import marked, visible

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from harness.session.past import Answer, Measuring

_OF_EVERY_HISTORY = {"names", "patterns", "page", "span", "force"}


def refuse_idle(context: click.Context) -> None:
    """Refuse options of ``history`` that say how commits are run where none is."""
    idle = shared.typed_options(context, _OF_EVERY_HISTORY)
    if idle:
        raise HarnessError(f"{', '.join(idle)} belongs to --run", "Add --run OLD..NEW, or leave it out")


def measure_span(
    console: Console, span: str, names: Sequence[str], every: int, out: Path, options: dict[str, typing.Any],
    passed_over: dict[Path, HarnessError],
) -> tuple[list[Path], bool]:  # fmt: skip
    """Measure commits of ``OLD..NEW``, both ends first, then halves.

    Returns
    -------
    list of Path, bool
        Job folders of the commits that ran, oldest first, and whether Ctrl-C ended it.
    """
    from harness.judging import bisection
    from harness.session import past

    old, dots, new = span.partition("..")
    if not (old and dots) or new.startswith("."):
        raise HarnessError(f"'{span}' is no range of commits", "Type: --run OLD..NEW, e.g. --run v1.0..HEAD")
    commits = _commits(old, new or "HEAD")
    # counted from the newest, so that tomorrow's range measures other commits only where it must
    chosen = [commits[0], *reversed(commits[:0:-every])]
    seeds, done = options.pop("seeds"), set[int]()
    with _measuring(console, names, out, options) as how:
        try:
            for number, place in enumerate(bisection.halves(len(chosen)), start=1):
                commit = chosen[place]
                console.print(f"Commit {commit[:12]}, {number} of {len(chosen)}", highlight=False)
                try:
                    past.measure(how, commit, how.requests(seeds))
                except past.CANNOT_RUN as error:
                    passed_over[how.folder(commit)] = error
                if (how.folder(commit) / "run.json").exists():
                    done.add(place)
        except KeyboardInterrupt:
            return [], True
    return [out / chosen[place][:12] for place in sorted(done)], False


@click.command("bisect")
@click.argument("metric", metavar="METRIC")
@click.argument("name", required=False, default="", metavar="[SCENARIO[:VARIANT]]")
@click.option("--good", required=True, metavar="REF", help="Commit before the metric moved.")
@click.option("--bad", default="HEAD", show_default=True, metavar="REF", help="Commit after it.")
@click.option(
    "--max-runs",
    type=shared.Number(1, shared.MOST_SEEDS),
    default=500,
    show_default=True,
    help="Runs after which it ends.",
)
@shared.past_options
def bisect_command(
    metric: str, name: str, good: str, bad: str, max_runs: int, out: Path | None, **options: typing.Any  # noqa: ANN401
) -> int:  # fmt: skip
    """Name the commit where a metric moved, with few runs.

    Commits run in worktrees, both ends first. Scores and memory are compared over seeds, times in pairs with the good commit, counts of work
    in one run. The same command goes on where it ended. Exit code 0: one commit is all but certain; 2: it cannot tell.

    Example: harness bisect accuracy --good v1.0 --bad main
    """
    from rich.console import Console

    from harness.session import execution, past
    from harness.store import project

    console, passed_over = Console(), dict[Path, HarnessError]()
    commits = _commits(good, bad)
    with (
        execution.one_gate(),
        _measuring(console, [name] if name else [], out or project.reports_folder(), options) as how,
    ):
        if len(how.selection) != 1:
            several = ", ".join(f"{scenario.name}:{variant}" for scenario, variant in how.selection)
            raise HarnessError("a search needs one scenario and variant", f"Name one of: {several}")

        def say(sentence: str) -> None:
            console.print(marked(sentence), highlight=False, soft_wrap=True)

        try:
            answer = past.search(how, metric, commits, passed_over, say, max_runs=max_runs)
        except KeyboardInterrupt:
            return shared.interrupted(". The same command goes on with it")
    shared.name_passed_over(passed_over)
    shared.shelve(how.folder(commits[0]))
    click.echo(visible("\n".join(_lines(metric, answer, commits, max_runs))))
    return 0 if len(answer.suspects) == 1 else 2


def _lines(metric: str, answer: Answer, commits: Sequence[str], max_runs: int) -> Iterator[str]:
    """Say what a search came to, and what to type next."""
    from harness.judging import wording
    from harness.records.metrics import is_share
    from harness.store import git

    unit = answer.declared.unit
    share = is_share(metric, unit, (answer.old, answer.new))
    old, new = (wording.quantity(level, unit, share=share) for level in (answer.old, answer.new))
    ends = f"{metric}: {old} at {commits[0][:12]}, {new} at {commits[-1][:12]}"
    if not answer.likeliest:
        yield f"{ends}. The ends do not differ beyond the noise of {answer.runs} runs."
        return
    chance = "over 99.9%" if answer.chance > 0.999 else f"{answer.chance:.1%}"
    sure = f"{f'chance {chance}' if answer.look else 'exact counts'}; {answer.runs} runs"
    if len(answer.suspects) == 1:
        yield f"{ends}. It moved at {answer.suspects[0][:12]} ({sure})."
    elif answer.suspects:
        yield f"{ends}. It moved at one of {len(answer.suspects)} commits, of which all but the last cannot run ({sure}):"
    else:
        more = ". Allow more runs: --max-runs N" if answer.runs >= max_runs else ""
        yield f"{ends}. Undecided; the likeliest commit is {answer.likeliest[:12]} ({sure}){more}"
    for commit in answer.suspects or (answer.likeliest,):
        yield f"  {git.text(Path(), 'show', '--no-patch', '--format=%h  %as  %an  %s', commit)}"


def _commits(old: str, new: str) -> list[str]:
    """List the commits between two, both included; changes that are in none of them are said to be left out."""
    from harness.running.sides import revisions
    from harness.store import git

    top = git.top(Path(), "Go to your checkout: past commits are measured in worktrees of it")
    commits = revisions.line(top, old, new)
    if git.changes(top):
        click.echo("harness: warning: uncommitted changes are not measured: past commits are", err=True)
    return commits


@contextlib.contextmanager
def _measuring(
    console: Console, names: Sequence[str], out: Path, options: dict[str, typing.Any]
) -> Iterator[Measuring]:
    """Put together how every commit is measured, and open what runs workers."""
    from harness.cli import terminal
    from harness.session import choosing, past

    settings = choosing.Settings(**options)
    declared, selection, roots = choosing.chosen(names, settings, None)
    with shared.executing(console, settings.threads, name="local") as executor:
        yield past.Measuring(
            declared=declared, selection=selection, settings=settings, roots=roots, out=out,
            command=shared.typed_command(),
            executor=executor, follow=functools.partial(terminal.follow, console),
        )  # fmt: skip
