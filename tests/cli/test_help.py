"""The help of every command: plain, with an example that the command itself understands, and no range that only catches slips."""

from __future__ import annotations

import re
import shlex
import typing

import click
import pytest

from harness.cli import cli

if typing.TYPE_CHECKING:
    from collections.abc import Iterator


def commands(command: click.Command, path: str = "harness") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")


ALL = dict(commands(cli))


@pytest.mark.parametrize("path", ALL)
def test_the_help_has_an_example_that_parses(path: str) -> None:
    """The example calls this command, or for a group one of its own, with options that exist; no bound of a number is shown."""
    shown = ALL[path].get_help(click.Context(ALL[path], info_name=path))
    assert not re.search(r"<=|x>|RANGE", shown)
    (example,) = re.findall(r"Example: (.*?)\n\n", shown, re.DOTALL)
    words = shlex.split(" ".join(example.split()))
    assert " ".join(words).startswith(path)
    command: click.Command = cli
    rest = words[1:]
    while isinstance(command, click.Group):
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_context("example", rest)


def test_the_list_of_commands_is_whole_at_80_columns() -> None:
    """No one-line help is cut."""
    shown = cli.get_help(click.Context(cli, info_name="harness", terminal_width=80))
    assert "..." not in shown.partition("Commands:")[2]
