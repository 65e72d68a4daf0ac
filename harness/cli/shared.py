"""What several commands share: option types, options, and how an interrupt ends."""

from __future__ import annotations

import codecs
import contextlib
import errno
import functools
import io
import os
import shlex
import signal
import sys
import threading
import traceback
import typing
import unicodedata
from collections.abc import Callable
from pathlib import Path

import click

from harness.errors import HarnessError, unknown
from harness.judging import outcome
from harness.records import BACKENDS, DEVICES, EXECUTORS
from harness.store import commands, git
from harness.store.visible import marked, say, visible

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from harness.records import Job
    from harness.running.executors import Executor
    from harness.session.execution import Ended, Where

_Function = Callable[..., typing.Any]
Option = Callable[[_Function], _Function]
"""What adds an option to a command's function."""

PATH = click.Path(path_type=Path)
OUTPUT_ENDS = {errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF}
"""What writing to a closed pipe, a full disk or a lost terminal ends with."""
_PLAIN = "harness-plain"
_SIGNS = {
    "→": "->", "±": "+-", "×": "x", "…": "...", "–": "-", "—": "-", "’": "'", "·": "*", "≤": "<=", "≥": ">=",
    **dict(zip("▁▂▃▄▅▆▇█", "_.,-=+*#", strict=True)),
}  # fmt: skip
MOST_SEEDS, MOST_THREADS, MOST_MIB = 1_000_000, 1024, 1 << 40
"""Beyond these a number is a slip that would ask for all memory."""


class Number(click.IntRange):
    """A whole number whose bounds only catch slips: the help does not show them."""

    name = "number"

    def _describe_range(self) -> str:
        return ""


class Seconds(click.FloatRange):
    """A positive finite time."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(0, sys.float_info.max, min_open=True)

    def _describe_range(self) -> str:
        return ""

    def convert(
        self, value: typing.Any, param: click.Parameter | None, ctx: click.Context | None  # noqa: ANN401 - click's signature
    ) -> float:  # fmt: skip
        """Return the time, or fail; a range alone lets pass what is not a number."""
        seconds = float(super().convert(value, param, ctx))
        if seconds != seconds:
            self.fail(f"{value} is not a time.", param, ctx)
        return seconds


class Known(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """One of a few names; anything else is refused with the nearest."""

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        self.name = kind
        self._names = names

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with the nearest known one."""
        del param, ctx
        if value not in self._names:
            raise unknown(self.name, value, self._names)
        return value

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Show the names in the help."""
        del param, ctx
        return "[" + "|".join(self._names) + "]"


def interrupted(next_step: str = "") -> int:
    """Say that an interrupt ended the command, and return its exit code."""
    click.echo(f"harness: interrupted; what was measured is kept{next_step}", err=True)
    return 130


def prepare_process() -> None:
    """Let every text be written whatever the terminal is: with no columns, or an encoding that lacks characters.

    A width of 0 columns, as some CI systems and editors set it, counts as unset. Scenario files that import matplotlib get a backend that
    needs no screen, whatever a notebook or desktop has set.
    """
    os.environ["MPLBACKEND"] = "agg"
    codecs.register_error(_PLAIN, _plain)
    for name in ("COLUMNS", "LINES"):
        if not (os.environ.get(name) or "1").isdecimal() or int(os.environ.get(name) or "0") == 0:
            os.environ.pop(name, None)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what an encoding lacks: lines of tables and common signs by ASCII, anything else by its code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_SIGNS.get(sign) or _ascii(sign) for sign in text), error.end


def _ascii(sign: str) -> str:
    name = unicodedata.name(sign, "")
    if not name.startswith("BOX DRAWINGS"):
        return sign.encode("ascii", "backslashreplace").decode()
    return (
        {"HORIZONTAL": "-", "VERTICAL": "|"}.get(name.rsplit(" ", 1)[-1], "+") if " AND " not in name else "+"
    )


def silence() -> None:
    """Send what is still to be written to standard output nowhere."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(error: object) -> int:
    """Say what is wrong in one line, and return the exit code of what could not be done."""
    with contextlib.suppress(OSError):  # nobody reads it
        click.echo(visible(f"harness: error: {error}"), err=True)
    return 2


def fail_unexpectedly(error: Exception) -> int:
    """Say that the harness itself is wrong, with what its developers need; the exit code is never that of a verdict."""
    from harness.store import masking

    with contextlib.suppress(OSError):
        click.echo(visible(masking.masked("".join(traceback.format_exception(error)))), err=True)
    reason = masking.masked(f"{type(error).__name__}: {error}")
    step = "Report it with the lines above; stored runs are kept, and --resume goes on with them"
    return fail(f"this is an error of the harness itself, no verdict ({reason}). {step}")


def tell_all(*channels: Callable[[], object]) -> bool:
    """Tell an outcome in several ways; one that fails is said, and keeps no other from being told.

    Returns
    -------
    bool
        Whether everything was written; standard output, which may end at any time, does not count.
    """
    well = True
    for tell in channels:
        try:
            tell()
        except OSError as error:
            silence()
            if not isinstance(error, BrokenPipeError):
                fail(f"the output cannot be written: {error.strerror}")
        except SystemExit as ended:
            if not isinstance(ended.__context__, BrokenPipeError):  # as rich ends
                raise
            silence()
        except HarnessError as error:
            fail(error)
            well = False
        except Exception as error:  # noqa: BLE001 - the verdict must not be lost to a defect of a format
            fail_unexpectedly(error)
            well = False
    return well


def explanations(console: Console, job: Job, metrics: Iterable[str]) -> list[Callable[[], None]]:
    """Return a way to print the arithmetic of each metric's verdict."""
    from harness.judging.gate import explain

    def tell(metric: str) -> None:
        console.print(explain.explain(job, metric), markup=False, highlight=False, soft_wrap=True)

    return [functools.partial(tell, metric) for metric in metrics]


def ended_with(verdict: int, *, well: bool) -> int:
    """Return the exit code where telling may have failed: that of the verdict if it is worse or interrupted, else 2 if it did."""
    return verdict if well or verdict in {1, outcome.INTERRUPTED} else 2


def store_and_show(console: Console, ended: Ended) -> bool:
    """Store a job and show it; return whether that went well."""
    from harness.cli import terminal
    from harness.session import storing

    def store_then_show() -> None:
        terminal.show(console, ended.job, storing.store(ended.job, ended.declared, ended.folder))

    return tell_all(store_then_show, lambda: shelve(ended.folder))


def interrupted_job(ended: Ended) -> int:
    """Say how to go on with a job that Ctrl-C ended, and return the exit code; 0 if it did not."""
    return interrupted(f". Next: {commands.resume(ended.job, ended.folder)}") if ended.stopped else 0


def shelve(job: Path) -> None:
    """Write the index over a stored job anew where there is one. A failure is reported as a warning; the job is already stored."""
    from harness.report import index_page

    try:
        page = index_page.refresh(job)
    except HarnessError as error:
        click.echo(visible(f"harness: warning: the index was not written anew: {error}"), err=True)
    else:
        if page is not None:
            click.echo(visible(f"Index: {page}"))


def warn_before_runs(threads: int) -> None:
    """Say what makes results worth less: git that refuses the checkout they are of, and fewer cores than threads."""
    from harness.machine import containers

    refused = git.refusal(Path.cwd())
    if refused is not None:
        click.echo(visible(f"harness: warning: no commit is recorded: {refused}"), err=True)
    cores = containers.usable_cores()
    if threads > cores:
        what = f"{threads} threads share {cores:g} core{'s' * (cores > 1)} here, so times are long and uneven"
        click.echo(f"harness: warning: {what}. Type: --threads {max(1, int(cores))}", err=True)


def name_passed_over(passed_over: Mapping[Path, HarnessError] | Mapping[Path, str]) -> None:
    """Say which folders could not be read among many that could."""
    for folder, error in passed_over.items():
        click.echo(visible(f"harness: warning: passed over {folder}: {error}"), err=True)


def configured(command: click.Command) -> dict[str, typing.Any]:
    """Return what the project's configuration says of a command's options, and in turn of its subcommands'."""
    from harness.store import project

    own = project.find()
    paths = tuple(os.path.relpath(file) for file in own.scenarios)
    values = {
        "scenario_paths": paths,
        "tier": own.tier,
        "seeds": own.seeds,
        "against": own.against,
        "margin": own.tolerance,
    }
    wanted = {name: value for name, value in values.items() if value}

    def of(one: click.Command) -> dict[str, typing.Any]:
        if isinstance(one, click.Group):
            return {name: of(below) for name, below in one.commands.items()}
        return {name: wanted[name] for name in (option.name for option in one.params) if name in wanted}

    return of(command)


@contextlib.contextmanager
def executing(console: Console, threads: int, **options: typing.Any) -> Iterator[Executor]:  # noqa: ANN401
    """Open what runs workers (`harness.running.executors.opened`), and warn of what makes results worth less; SIGTERM ends it as Ctrl-C does."""
    from harness.running import executors

    def waiting(holder: str) -> None:
        say(console, f"Waiting: {marked(holder)}.")

    warn_before_runs(threads)
    with terminable(), executors.opened(waiting=waiting, **options) as executor:
        yield executor


def where(console: Console, threads: int, **options: typing.Any) -> Where:  # noqa: ANN401
    """Return where the runs of a job are done: see `executing`."""
    from harness.cli import terminal
    from harness.session.execution import Where

    return Where(
        execute=functools.partial(executing, console, threads, **options),
        follow=functools.partial(terminal.follow, console),
        local=options["name"] == "local",
    )  # fmt: skip


def typed_command() -> str:
    """Return the command line of this process."""
    return shlex.join(["harness", *sys.argv[1:]])


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP of a lost terminal, end the body as Ctrl-C does; only the main thread may set handlers.

    What is ignored already stays so: nohup lets a command outlive its terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        ending: signal.signal(ending, signal.default_int_handler)
        for ending in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(ending) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


# -- options -----------------------------------------------------------------------------


def _keep_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from harness.cli import terminal  # late: it imports rich

        context.meta[terminal.VERBOSE] = True


def _all(*options: Option) -> Option:
    """Add several options, which the help shows in this order."""

    def add(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def seeds_option(default: int, about: str) -> Option:
    """Add --seeds."""
    return click.option("--seeds", type=Number(1, MOST_SEEDS), default=default, show_default=True, help=about)


verbose_option = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, callback=_keep_verbose,
    help="Print a line for each run, and which data are not all here.",
)  # fmt: skip
force_option = click.option("--force", is_flag=True, help="Replace what is stored there.")
scenario_option = click.option(
    "--scenarios", "scenario_paths", multiple=True, metavar="FILE",
    help="Python file that declares further scenarios; may be repeated."
)  # fmt: skip
baselines_option = click.option(
    "--baselines", "baselines_folder", type=PATH, metavar="DIR", help="Folder to read baselines from first."
)
tier_option = click.option(
    "--tier",
    metavar="TIER",
    default="smoke",
    show_default=True,
    help="How much to run: smoke, short, paper, or another that the scenario declares.",
)
_device = click.option(
    "--device", type=Known("device", DEVICES), default="cpu", show_default=True, help="Where to compute."
)
_backend = click.option(
    "--backend", type=Known("backend", BACKENDS), help="Framework; each scenario's first by default."
)
kind_options = _all(tier_option, _device, _backend)
"""What is run."""
_how = _all(
    _device,
    _backend,
    click.option("--threads", type=Number(1, MOST_THREADS), default=2, show_default=True, help="Threads of each worker."),
    click.option("--time-limit", type=Seconds(), help="Seconds a run may take."),
    click.option("--memory-limit", type=Number(1, MOST_MIB), metavar="MIB", help="Resident memory a run may hold."),
)  # fmt: skip
job_options = _all(
    tier_option,
    click.option("--first-seed", type=Number(0, 2**31), default=0, show_default=True, help="Number of the first seed."),
    _how,
    click.option("--out", type=PATH, help="Folder for results and report."),
    click.option("--executor", type=Known("executor", EXECUTORS), default="local", show_default=True, help="Where runs go."),
    click.option("--scheduler", default="", metavar="ADDRESS", help="Dask scheduler; a cluster of this machine by default."),
    click.option("--workers", type=Number(1, MOST_THREADS), help="Workers of that cluster."),
    click.option("--resume", type=PATH, metavar="DIR", help="Do the missing runs of this job."),
    verbose_option,
    force_option,
    scenario_option,
    baselines_option,
)  # fmt: skip
"""What a run and a gate share: what is run, how, and where to."""
past_options = _all(
    tier_option,
    _how,
    click.option("--out", type=PATH, metavar="DIR", help="Folder of the job folders, one a commit; reports/ by default."),
    scenario_option,
    verbose_option,
)  # fmt: skip
"""How past commits are run, and where to."""
_MAY_CHANGE = {"verbose", "resume", "executor", "scheduler", "workers", "junit", "summary", "explained"}
"""Options that a resumed job may be given anew: where it runs, and what is written of it."""


def refuse_changes(context: click.Context, folder: Path, command: str) -> None:
    """Refuse what stands next to --resume: a job's settings are those it began with; where it runs may change."""
    given = typed_options(context, _MAY_CHANGE)
    if given:
        step = f"Type: {shlex.join(['harness', command, '--resume', str(folder)])}"
        raise HarnessError(f"--resume takes everything from the job's plan, not {', '.join(given)}", step)


def typed_options(context: click.Context, allowed: set[str]) -> list[str]:
    """List the options and arguments that were typed, except those allowed."""
    typed = click.core.ParameterSource.COMMANDLINE
    return [
        parameter.make_metavar(context) if isinstance(parameter, click.Argument) else parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is typed and parameter.name not in allowed
    ]
