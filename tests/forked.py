"""The `harness` command in a process forked from one that has imported the package: the same command, less a second of imports.

A forked process has a working folder, variables, standard streams and an end of its own, as a fresh one has. What only a fresh interpreter
shows (what is imported when, what the variables do that Python itself reads, a signal at any moment) is tested with one.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import typing
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READ_EARLY = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "MPL")
"""Beginnings of the variables that act before a program's first line, or when Matplotlib is imported: a forked process is too late for them."""
ALONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""A fork takes no threads along, so the process that forks has none."""


class Forks:
    """A process that has imported the package, and forks one command after the other."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        self._born_with = _read_early(os.environ)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())], pass_fds=[theirs.fileno()],
                cwd=Path(__file__).resolve().parent.parent, env={**os.environ, **ALONE},
            )  # fmt: skip

    def suit(self, folder: Path, environment: Mapping[str, str]) -> bool:
        """Whether a fresh process in this folder with these variables would be an interpreter like this one."""
        return _read_early(environment) == self._born_with and not (folder / "matplotlibrc").exists()

    def run(
        self, words: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
    ) -> tuple[int, str, str]:
        """Run a command to its end; return its exit code, and what it printed to standard output and error.

        Raises
        ------
        subprocess.TimeoutExpired
            If it took longer than so many seconds; it was killed then.
        """
        with tempfile.TemporaryDirectory() as scratch:
            printed = [Path(scratch, name) for name in ("out", "err")]
            self._connection.send(
                (list(words), str(folder), dict(environment), [str(path) for path in printed])
            )
            pid = self._connection.recv()
            in_time = self._connection.poll(seconds)
            if not in_time:
                os.kill(pid, signal.SIGKILL)
            code = self._connection.recv()
            out, err = (path.read_text() for path in printed)
        if not in_time:
            raise subprocess.TimeoutExpired(["harness", *words], seconds, out, err)
        return code, out, err

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.wait()


def _read_early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_EARLY)}


# -- the process that forks -------------------------------------------------------------------------------


def main() -> int:
    """Fork whenever asked, and answer with the new process and then with its exit code; there, be the command."""
    _import()
    connection = Connection(int(sys.argv[1]))
    while True:
        try:
            words, folder, environment, printed = connection.recv()
        except EOFError:
            return 0
        pid = os.fork()
        if pid == 0:
            connection.close()
            return _command(words, folder, environment, printed)
        connection.send(pid)
        connection.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _import() -> None:
    """Import and compile what a command that writes a report needs: together more than a second of every one."""
    for name in ("cli", "cli.terminal", "report", "running.executors", "session.procedure"):
        importlib.import_module(f"harness.{name}")
    for name in ("scipy.stats", "matplotlib.figure", "matplotlib.backends.backend_svg"):
        importlib.import_module(name)
    from harness.report import templating

    pages = templating.environment()
    for name in pages.list_templates(extensions=["j2"]):
        pages.get_template(name)


def _command(words: list[str], folder: str, environment: dict[str, str], printed: list[str]) -> int:
    """Be ``python -m harness WORDS``, started in `folder` with these variables."""
    from harness.cli import main as harness_main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv = ["harness", *words]
    streams = [
        os.open(os.devnull, os.O_RDONLY),
        *(os.open(path, os.O_WRONLY | os.O_CREAT) for path in printed),
    ]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    return harness_main()


if __name__ == "__main__":
    sys.exit(main())
