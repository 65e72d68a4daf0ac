"""Profiles of a run's stages: seconds by line with pyinstrument, bytes at the peak by line with memray. No measured run imports this module.

Both see the main thread's Python stack. What a line calls outside the user's code (a library, a kernel in C) is added to the line.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import typing
from collections import defaultdict
from pathlib import Path

from harness.machine import environment, imports
from harness.records import Site

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import memray

    from harness.records import Purpose

    Frame = tuple[str, str, int]
    """Function, file and line; of a stack the outermost comes first."""
    Sample = tuple[list[Frame], float, int]
    """A stack with its seconds or bytes, and how many allocations these are."""

PROFILED: tuple[Purpose, ...] = ("profile-time", "profile-memory")
"""Purposes of runs that a profiler watches."""
FILE = "profile.json"
"""What such a run leaves: sites by stage."""
INTERVAL = 0.001
"""Seconds between two looks at the stack."""
PEAK, LEFT = "peak", "left"
"""Bytes that lived when the run's memory was highest, and those that live at its end; one run has no peak of each stage."""
MOST_SITES = 500
"""Sites that are kept of a stage, the largest."""
_PACKAGE = Path(environment.__file__).absolute().parents[1]


class Profile:
    """Watches the stages of one run; it takes the place of what counts work.

    Parameters
    ----------
    purpose : str
        One of `PROFILED`.
    root : Path
        Folder that the user's code comes from: files below it are named relative to it.

    Raises
    ------
    MissingExtraError
        If the profiler is not installed.
    """

    def __init__(self, purpose: Purpose, root: Path) -> None:
        self._timed = purpose == "profile-time"
        package = "pyinstrument" if self._timed else "memray"
        try:
            __import__(package)
        except ModuleNotFoundError as error:
            raise environment.missing_extra("why", package) from error
        self._root = root.resolve()
        self.sites: dict[str, list[Site]] = {}
        """By stage seconds; bytes as `PEAK` and `LEFT`."""

    def run(self, body: Callable[[], None]) -> None:
        """Call the function that opens the stages, and watch it."""
        if self._timed:
            body()
            return
        import memray

        with tempfile.TemporaryDirectory(prefix="memray-") as folder:
            path = Path(folder) / "allocations.bin"
            # aggregated: a line for each site, not for each allocation, so that a long run leaves a small file; begun and ended in
            # one frame, below which everything is called: memray loses the stack if the frame that began it is left
            with memray.Tracker(path, file_format=memray.FileFormat.AGGREGATED_ALLOCATIONS):
                body()
            with memray.FileReader(path) as reader:
                highest = map(_allocated, reader.get_high_watermark_allocation_records(merge_threads=True))
                self.sites[PEAK] = self._summed(highest)
                left = map(_allocated, reader.get_leaked_allocation_records(merge_threads=True))
                self.sites[LEFT] = self._summed(left)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Watch the body's time."""
        if not self._timed:
            yield
            return
        import pyinstrument

        profiler = pyinstrument.Profiler(interval=INTERVAL, async_mode="disabled")
        profiler.start()
        try:
            yield
        finally:
            session = profiler.stop()
        stacks = (
            ([_frame(each) for each in identifiers], seconds)
            for identifiers, seconds in session.frame_records
        )
        self.sites[name] = self._summed(
            ([frame for frame in frames if frame], seconds, 1) for frames, seconds in stacks
        )

    def _summed(self, samples: Iterable[Sample]) -> list[Site]:
        """Add samples up by the innermost line of the user's code; what has none is left out."""
        amounts: dict[Frame, float] = defaultdict(float)
        counts: dict[Frame, int] = defaultdict(int)
        libraries: dict[Frame, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for stack, amount, count in samples:
            own = next((place for place in reversed(range(len(stack))) if _is_own(stack[place][1])), None)
            if own is None:
                continue
            site = stack[own]
            amounts[site] += amount
            counts[site] += count
            below = stack[own + 1 :]
            libraries[site][_library(below[0][1]) if below else ""] += amount
        largest = sorted(amounts, key=lambda site: -amounts[site])[:MOST_SITES]
        return [
            Site(
                file=self._named(file),
                function=function,
                line=line,
                amount=amounts[function, file, line],
                count=counts[function, file, line],
                library=max(libraries[function, file, line], key=libraries[function, file, line].__getitem__),
            )
            for function, file, line in largest
        ]

    def _named(self, file: str) -> str:
        path = Path(file).resolve()
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)


def _frame(identifier: str) -> Frame | None:
    """Read pyinstrument's name of a frame: function, file and first line, then attributes, of which ``l`` is the line."""
    name, *attributes = identifier.split("\x01")
    parts = name.split("\x00")
    if len(parts) != 3 or not Path(parts[1]).is_absolute():
        return None
    line = next((part[1:] for part in attributes if part.startswith("l")), parts[2])
    return parts[0], parts[1], int(line)


def _allocated(record: memray.AllocationRecord) -> Sample:
    stack = [(function, file, line) for function, file, line in reversed(record.stack_trace())]
    return stack, float(record.size), record.n_allocations


@functools.cache
def _is_own(file: str) -> bool:
    """Whether a file is the user's or a source's own code: no installed package, and nothing of what measures."""
    path = Path(file)
    if not path.is_absolute():
        return False
    if path.is_relative_to(_PACKAGE):
        return path.is_relative_to(_PACKAGE / "sources")
    return not any(path.is_relative_to(folder) for folder in imports.installed_folders())


@functools.cache
def _library(file: str) -> str:
    """Name the top-level package of a file outside the user's code."""
    path = Path(file)
    for folder in sorted(imports.installed_folders(), key=lambda folder: -len(folder.parts)):
        if path.is_relative_to(folder):
            return path.relative_to(folder).parts[0].removesuffix(".py")
    return "harness" if path.is_relative_to(_PACKAGE) else ""
