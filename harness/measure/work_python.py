"""Calls of the scenario's own Python functions and rounds of their loops, in every thread, as the interpreter reports them.

Python 3.12 and later tell through `sys.monitoring`, 3.11 through `sys.settrace`; both count alike.
"""

from __future__ import annotations

import inspect
import os
import site
import sys
import sysconfig
import threading
import typing
from collections import Counter
from pathlib import Path

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FrameType

PACKAGE = Path(__file__).resolve().parent.parent
PIPELINES = PACKAGE / "pipelines"
"""Where the built-in scenarios' own code lies; what they share lies there too."""
_INLINED = {"<listcomp>", "<setcomp>", "<dictcomp>"}
"""Frames of their own until Python 3.11 only: left out, so that every version counts alike."""


def own_code(measure: Callable[..., None], scenario_files: Iterable[str]) -> list[Path]:
    """Return the files and folders whose functions count as the scenario's.

    Parameters
    ----------
    measure : callable
        The scenario's `measure`: the folder of its file counts, unless the harness itself declares it.
    scenario_files : iterable of str
        Files outside the package that declare scenarios; their folders count.

    Returns
    -------
    list of Path
        The pipelines of the harness first.
    """
    function = inspect.unwrap(getattr(measure, "func", measure))  # a functools.partial holds the function
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    declared = [Path(path).resolve() for path in (getattr(module, "__file__", None), *scenario_files) if path]
    units = [_unit(path) for path in declared if not path.is_relative_to(PACKAGE)]
    return list(dict.fromkeys([PIPELINES, *units]))


def _unit(path: Path) -> Path:
    """Return the folder of a file; of an installed one its package or the file alone: its folder holds everybody's code."""
    for folder in _installed():
        if path.is_relative_to(folder):
            return folder / path.relative_to(folder).parts[0]
    return path.parent


def _installed() -> list[Path]:
    named = [*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_paths()["stdlib"]]
    return [Path(name).resolve() for name in named]


class OwnCode:
    """Tells the scenario's own functions from everybody else's.

    Parameters
    ----------
    code : iterable of Path
        Files and folders; other people's code below a folder (installed packages, the harness) is left out.
    """

    def __init__(self, code: Iterable[Path]) -> None:
        self._roots = tuple(str(path) for path in code)
        self._others = tuple(f"{path}{os.sep}" for path in (*_installed(), PACKAGE))
        self._files: dict[str, bool] = {}

    def holds(self, code: CodeType) -> bool:
        """Whether it is a function, lambda, comprehension or generator of the scenario; modules and class bodies are not."""
        own = self._files.get(code.co_filename)
        if own is None:
            own = self._files[code.co_filename] = self._is_own(code.co_filename)
        return own and bool(code.co_flags & inspect.CO_OPTIMIZED)

    def _is_own(self, name: str) -> bool:
        if name.startswith("<"):  # generated code, e.g. a dataclass's
            return False
        path = os.path.realpath(name)
        return any(self._lies_in(path, root) for root in self._roots)

    def _lies_in(self, path: str, root: str) -> bool:
        folder = f"{root}{os.sep}"
        # what lies between a root and a file decides: the root may itself lie in an installed package
        others = (other for other in self._others if not folder.startswith(other))
        return path == root or (path.startswith(folder) and not path.startswith(tuple(others)))


class PythonWork:
    """Counts calls of the scenario's own functions, and rounds of the loops in them.

    A generator counts as called each time it goes on; a comprehension is a loop, and no call. A round is a jump back within
    a function: reformatting a loop leaves its rounds as they are.

    Parameters
    ----------
    code : iterable of Path
        Files and folders whose functions count.
    """

    def __init__(self, code: Iterable[Path]) -> None:
        self._own = OwnCode(code)
        # one entry a thread: none ever adds to another's
        self._calls: Counter[int] = Counter()
        self._rounds: Counter[int] = Counter()

    def start(self) -> None:
        """Count in this thread and in those that start from now on."""
        if sys.version_info >= (3, 12):
            _monitor(self._entered, self._jumped)
        else:
            threading.settrace(self._trace)
            sys.settrace(self._trace)

    def stop(self) -> None:
        """Count no longer."""
        if sys.version_info >= (3, 12):
            _stop_monitoring()
        else:
            sys.settrace(None)
            threading.settrace(None)

    def read(self) -> dict[str, int]:
        """Return calls and rounds so far, of all threads."""
        return {"calls": self._calls.copy().total(), "rounds": self._rounds.copy().total()}

    def _entered(self, code: CodeType) -> bool:
        """Count a call, and say whether the loops inside count."""
        if not self._own.holds(code):
            return False
        if code.co_name not in _INLINED:
            self._calls[threading.get_ident()] += 1
        return True

    def _jumped(self, origin: int, target: int) -> None:
        if target < origin:
            self._rounds[threading.get_ident()] += 1

    def _trace(self, frame: FrameType, event: str, argument: object) -> Callable[..., typing.Any] | None:
        """Follow a frame of the scenario's own, instruction by instruction."""
        del event, argument
        if not self._entered(frame.f_code):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        last = -1

        def follow(frame: FrameType, event: str, argument: object) -> Callable[..., typing.Any]:
            nonlocal last
            del argument
            if event == "opcode":
                self._jumped(last, frame.f_lasti)
                last = frame.f_lasti
            return follow

        return follow


_TOOL = 4
"""Number under which `sys.monitoring` knows this counter; none of those that are set aside for debuggers and the like."""

if sys.version_info >= (3, 12):

    def _monitor(entered: Callable[[CodeType], bool], jumped: Callable[[int, int], None]) -> None:
        """Report every function's start, and the jumps of those that `entered` wants followed."""
        monitoring, events = sys.monitoring, sys.monitoring.events

        def start(code: CodeType, offset: int) -> object:
            del offset
            if not entered(code):
                return monitoring.DISABLE
            if not monitoring.get_local_events(_TOOL, code):
                monitoring.set_local_events(_TOOL, code, events.JUMP)
            return None

        def jump(code: CodeType, origin: int, target: int) -> None:
            del code
            jumped(origin, target)

        monitoring.use_tool_id(_TOOL, "harness work")
        monitoring.register_callback(_TOOL, events.PY_START, start)
        monitoring.register_callback(_TOOL, events.PY_RESUME, start)
        monitoring.register_callback(_TOOL, events.JUMP, jump)
        monitoring.set_events(_TOOL, events.PY_START | events.PY_RESUME)
        monitoring.restart_events()

    def _stop_monitoring() -> None:
        """Take every callback out: giving the number back does not, before Python 3.14."""
        monitoring, events = sys.monitoring, sys.monitoring.events
        monitoring.set_events(_TOOL, events.NO_EVENTS)
        for event in (events.PY_START, events.PY_RESUME, events.JUMP):
            monitoring.register_callback(_TOOL, event, None)
        monitoring.free_tool_id(_TOOL)
