"""tox-dev/filelock#6, ComparativeGenomicsToolkit/cactus#1299: a home, results or temporary files on a network file system without locks."""

from __future__ import annotations

import typing

import pytest

if typing.TYPE_CHECKING:
    from tests.conftest import Harness

WITHOUT = """
import errno, fcntl, os
from pathlib import Path

def refuse(descriptor, operation):
    if os.environ["NO_LOCKS"] in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    return flock(descriptor, operation)

flock, fcntl.flock = fcntl.flock, refuse
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["measuring.lock", ".held", "out/.lock"])
def test_a_folder_without_locks_is_named(harness: Harness, place: str) -> None:
    """One line names the file, says that its file system has no locks, and which variables and options lead elsewhere; never a traceback."""
    (harness.folder / "sitecustomize.py").write_text(WITHOUT)
    words = ("--scenarios", harness.scenario("SCENARIO = declare(guess)"), "--out", "out", "--no-count")
    done = harness("run", "probe", *words, PYTHONPATH=str(harness.folder), NO_LOCKS=place)
    assert done.code == 2
    assert "its file system has no locks" in done.err
    assert place in done.err
    assert all(name in done.err for name in ("--out", "HARNESS_CACHE", "TMPDIR"))
    assert "Traceback" not in done.err
