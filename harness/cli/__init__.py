"""The command line: parse, call, print, return an exit code."""

from __future__ import annotations

import sys
import typing

import click

from harness.cli import shared
from harness.cli.again import EXPORTS, export_command, judge_command, report_command
from harness.cli.baseline import baseline_group
from harness.cli.compare import compare_command
from harness.cli.gate import gate_command
from harness.cli.here import data_group, doctor_command, init_command, list_command
from harness.cli.pages import history_command, index_command, ledger_command
from harness.cli.past import bisect_command
from harness.cli.plan import plan_command
from harness.cli.run import run_command
from harness.cli.shared import OUTPUT_ENDS, fail, fail_unexpectedly, interrupted
from harness.errors import HarnessError
from harness.records.version import __version__

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EXPORTS", "cli", "main"]

JUDGING = {"run", "gate", "judge", "compare", "bisect"}
"""Commands whose exit code is a verdict."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; every error becomes one message here.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        0, or 1 (identity violated), 2 (it could not be done, or the harness itself is wrong), 130 (interrupted).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    shared.prepare_process()
    try:
        _refuse_empty(arguments)
        code = cli.main(args=arguments, prog_name="harness", standalone_mode=False)
        return _flushed(arguments, code if isinstance(code, int) else 0)
    except HarnessError as error:
        return fail(error)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return interrupted()
    except click.ClickException as error:
        return fail(error.format_message())
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # rich ends so too
            return _cut_off(arguments, ended.__context__)
        # nothing of ours exits so: a scenario file did, and its 0 would look like success
        what = f"a scenario file ended the program (exit code {ended.code})"
        return fail(f"{what}. Let it raise an error instead")
    except OSError as error:
        if error.filename is not None:
            # a name that no file system takes, before anything tried to read or write there
            return fail(f"{error.strerror}: '{error.filename}'")
        return _cut_off(arguments, error) if error.errno in OUTPUT_ENDS else fail_unexpectedly(error)
    except Exception as error:  # noqa: BLE001 - Python's own exit code of it is 1: worse or slower
        return fail_unexpectedly(error)


def _flushed(arguments: Sequence[str], code: int) -> int:
    """Write out what is still buffered, and return the exit code; that of a verdict stays whatever happens."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if not {*arguments[:1]} & JUDGING:
            return _cut_off(arguments, error)
        shared.silence()
    return code


def _cut_off(arguments: Sequence[str], error: OSError) -> int:
    """End where the output can no longer be written: quietly if its reader (head, less) has gone, unless a verdict was to come."""
    shared.silence()
    if {*arguments[:1]} & JUDGING:
        what = f"the output cannot be written ({error.strerror}), so this ended before its verdict"
        return fail(f"{what}. Stored runs are kept")
    if isinstance(error, BrokenPipeError):
        return 0
    return fail(f"the output cannot be written: {error.strerror}")


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty argument: most often a variable of a CI system that is not set, where absence would mean something else."""
    for before, word in zip(["", *arguments], arguments, strict=False):
        name, equals, value = word.partition("=")
        is_option = name.startswith("--") and equals
        if not (value if is_option else word).strip():
            whose = f" of {name}" if is_option else f" of {before}" if before.startswith("-") else ""
            step = "Leave it out, or set the variable that it comes from"
            raise HarnessError(f"the value{whose} is empty", step)


class _Commands(click.Group):
    """The commands; a reader that has gone ends them with the reason kept, where click would exit without one."""

    def invoke(self, ctx: click.Context) -> typing.Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise SystemExit(0) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
@click.pass_context
def cli(context: click.Context) -> None:
    """Measure classifiers, and stop changes that make them worse.

    Five published image classifications come with it; your own needs one file: harness init.

    Example: harness run --seeds 3
    """
    # click takes a command's options from the command line first, then from here, then from their own defaults
    context.default_map = shared.configured(context.command)


for _command in (
    list_command, plan_command, run_command, gate_command, judge_command, report_command, compare_command, ledger_command,
    history_command, bisect_command, index_command, export_command, baseline_group, data_group, doctor_command, init_command,
):  # fmt: skip
    cli.add_command(_command)


if __name__ == "__main__":
    sys.exit(main())
