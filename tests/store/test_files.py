"""Atomic writes, and the errors of real full, read-only and forbidden places."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import StorageError
from harness.judging import jobs
from harness.records import DatasetUse
from harness.store import files
from tests.conftest import TIME_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
NOBODY = 65534

WRITE = """
import os, resource, subprocess, sys
from pathlib import Path
from harness.store import files
from harness.errors import StorageError
path = Path(sys.argv[1])
{before}
try:
    files.write_bytes(path, b"x" * {size})
except StorageError as error:
    print(error)
    print(sorted(entry.name for entry in path.parent.iterdir()))
"""
MOUNT = 'subprocess.run(["mount", "-t", "tmpfs", "-o", "{}", "none", path.parent], check=True)'


def child(code: str, path: Path, prefix: tuple[str, ...] = ()) -> str:
    """Run a program with a path in a process of its own and return what it prints."""
    command = [*prefix, sys.executable, "-c", code, str(path)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=TIME_LIMIT
    )
    return done.stdout


@pytest.fixture
def own_mounts() -> tuple[str, ...]:
    """Give the command prefix that runs a child in a mount namespace of its own."""
    prefix = ("unshare", "--map-root-user", "--mount")
    if (
        not shutil.which("unshare")
        or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "NOT TESTED: this machine allows no mount namespace, so no disk can be filled or made read-only"
        )
    return prefix


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_text_and_bytes_come_back(tmp_path: Path) -> None:
    """What was written is read, in folders made on the way, with nothing left beside it."""
    files.write_text(tmp_path / "a" / "b" / "words.txt", "お き す\n")
    files.write_bytes(str(tmp_path / "a" / "b" / "raw"), b"\x00\xff")
    assert (tmp_path / "a" / "b" / "words.txt").read_text(encoding="utf-8") == "お き す\n"
    assert (tmp_path / "a" / "b" / "raw").read_bytes() == b"\x00\xff"
    assert sorted(entry.name for entry in (tmp_path / "a" / "b").iterdir()) == ["raw", "words.txt"]


def test_json_holds_records_and_no_nan(tmp_path: Path) -> None:
    """Records become objects, and NaN becomes null so that every JSON reader reads the file."""
    use = DatasetUse(name="digits", sha256="00", complete=True, found="all there")
    files.write_json(tmp_path / "x.json", {"use": use, "loss": [1.5, float("nan")]})
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == {"use": dataclasses.asdict(use), "loss": [1.5, None]}
    assert text.endswith("}\n")


def test_json_that_cannot_be_encoded_leaves_the_old_file(tmp_path: Path) -> None:
    """An object without a JSON form is refused before anything is written."""
    files.write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_interrupted_write_keeps_the_old_file(tmp_path: Path, failure: type[BaseException]) -> None:
    """A body that fails half way, even by Ctrl-C, leaves the old content and no temporary file."""
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def half_way() -> None:
        with files.replacing(path) as file:
            file.write(b"ne")
            raise failure

    with pytest.raises(failure):
        half_way()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_umask_and_old_file(tmp_path: Path) -> None:
    """A new file is as open as the umask lets it be, and a rewritten one keeps its mode."""
    path = tmp_path / "x"
    old = os.umask(0o027)
    try:
        files.write_bytes(path, b"")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    files.write_bytes(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o604


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    """A folder in the file's place, and a file in the middle of its path, are one clear error each, and stay."""
    (tmp_path / "x").mkdir()
    with pytest.raises(
        StorageError, match=r"cannot write .*x: a folder of that name is in the way. Move that folder"
    ):
        files.write_bytes(tmp_path / "x", b"1")
    (tmp_path / "y").write_bytes(b"")
    for below in (tmp_path / "y" / "z", tmp_path / "y" / "z" / "a"):
        with pytest.raises(StorageError, match="a file is where a folder should be"):
            files.write_bytes(below, b"1")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "x", tmp_path / "y"]


LIMIT = "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
DROP = f"if os.geteuid() == 0: os.seteuid({NOBODY})"


@pytest.mark.parametrize(
    ("before", "size", "reason"),
    [
        (LIMIT, 5000, "the file is larger than allowed. Raise"),
        (MOUNT.format("size=64k"), 1_000_000, "the disk is full. Free some space there or choose another folder, then run the command again"),
        (MOUNT.format("ro"), 1, "read-only file system. Choose a folder"),
        (DROP, 1, "permission denied. Give yourself write permission"),
    ],
)  # fmt: skip
def test_a_write_that_fails_names_the_file(
    open_folder: Path, request: pytest.FixtureRequest, before: str, size: int, reason: str
) -> None:
    """A limit, a full disk, a read-only one, and a forbidden folder: each names the file and what to do, and leaves no half."""
    closed = open_folder / "closed"
    closed.mkdir()
    closed.chmod(0o555 if before == DROP else 0o755)
    prefix = request.getfixturevalue("own_mounts") if "mount" in before else ()
    error, left = child(WRITE.format(before=before, size=size), closed / "run.json", prefix).splitlines()
    assert error.startswith(f"cannot write {closed / 'run.json'}: {reason}")
    assert left == "[]"


@pytest.mark.parametrize("name", ["run.json", "plan.json", "x.npz"])
def test_what_is_no_file_is_not_read(tmp_path: Path, name: str) -> None:
    """A pipe under a file's name would be waited for, a device read without end: each is one error at once."""
    path = tmp_path / name
    read = files.read_npz if name == "x.npz" else lambda path: jobs.read(path.parent)
    os.mkfifo(path)
    with pytest.raises(StorageError, match="it is no regular file"):
        read(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(StorageError, match="it is no regular file"):
        read(path)


def test_parts_are_one_file_or_none(tmp_path: Path) -> None:
    """Parts are written one after the other; an error on the way leaves the old file."""
    path = tmp_path / "x.txt"
    files.write_named(path, (f"{number}é\n" for number in range(3)))
    assert path.read_text() == "0é\n1é\n2é\n"

    def failing() -> Iterator[str]:
        yield "new"
        raise StorageError("a result is damaged")

    with pytest.raises(StorageError):
        files.write_named(path, failing())
    assert path.read_text() == "0é\n1é\n2é\n"
    assert list(tmp_path.iterdir()) == [path]


# -- files that the user names ---------------------------------------------------------------------------


def test_a_link_is_followed(tmp_path: Path) -> None:
    """A symbolic link stays one, relative, chained or dangling; the file that it leads to is written, and its mode kept."""
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "x.html"
    real.write_text("old")
    real.chmod(0o604)
    (tmp_path / "link").symlink_to("real/x.html")
    (tmp_path / "chain").symlink_to("link")
    files.write_named(tmp_path / "chain", ["new"])
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o604
    assert (tmp_path / "chain").is_symlink()
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "dangling").symlink_to("real/y.html")
    files.append_named(tmp_path / "dangling", "more")
    files.append_named(tmp_path / "dangling", " and more")
    assert (tmp_path / "real" / "y.html").read_text() == "more and more"
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(StorageError, match="cannot write"):
        files.write_named(tmp_path / "round", ["x"])


def test_a_pipe_is_written(tmp_path: Path) -> None:
    """Whoever reads a named pipe gets the content, and the pipe stays."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for adds in (False, True):
        with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as reader:
            if adds:
                files.append_named(path, "ab")
            else:
                files.write_named(path, ["a", "b"])
            assert reader.communicate(timeout=TIME_LIMIT)[0] == b"ab"
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/null", "link"])
def test_a_device_is_written(tmp_path: Path, name: str) -> None:
    """A device node is opened and written, through a link too, and never replaced."""
    (tmp_path / "link").symlink_to("/dev/null")
    before = Path("/dev/null").stat()
    files.write_named(tmp_path / name, ["x"])
    files.append_named(tmp_path / name, "x")
    assert Path("/dev/null").stat().st_rdev == before.st_rdev
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert (tmp_path / "link").is_symlink()


def test_standard_output_is_written(tmp_path: Path) -> None:
    """/dev/stdout is the process's own output, also where the shell has sent it into a file or a pipe."""
    code = (
        "from pathlib import Path; from harness.store import files; "
        "print('first', flush=True); files.write_named(Path('/dev/stdout'), ['second\\n'])"
    )
    for command in (
        f'{sys.executable} -c "{code}" > {tmp_path}/out',
        f'{sys.executable} -c "{code}" | cat > {tmp_path}/out',
    ):
        subprocess.run(command, shell=True, check=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})  # noqa: S602
        assert (tmp_path / "out").read_text() == "first\nsecond\n"


MOUNTED = """
import subprocess, sys
from pathlib import Path
from harness.store import files
path = Path(sys.argv[1])
subprocess.run(["mount", "--bind", path.with_name("source"), path], check=True)
files.write_named(path, ["new"])
files.append_named(path, " and more")
print(path.read_text(), path.with_name("source").read_text(), sorted(entry.name for entry in path.parent.iterdir()))
"""


def test_a_mounted_file_is_written_in_place(tmp_path: Path, own_mounts: tuple[str, ...]) -> None:
    """A file that a container mounts cannot be replaced (EBUSY): its content is."""
    (tmp_path / "source").write_text("old and longer than what is new")
    (tmp_path / "mounted").touch()
    printed = child(MOUNTED, tmp_path / "mounted", own_mounts)
    assert printed == "new and more new and more ['mounted', 'source']\n"


def test_a_file_in_a_forbidden_folder_is_written_in_place(open_folder: Path) -> None:
    """Where only the file may be written and not its folder, the file is."""
    closed = open_folder / "closed"
    closed.mkdir()
    (closed / "x").write_text("old and longer")
    (closed / "x").chmod(0o666)
    closed.chmod(0o555)
    code = f"""
import os, sys
from pathlib import Path
from harness.store import files
if os.geteuid() == 0: os.seteuid({NOBODY})
files.write_named(Path(sys.argv[1]), ["new"])
"""
    child(code, closed / "x")
    assert (closed / "x").read_text() == "new"
    assert [path.name for path in closed.iterdir()] == ["x"]


def test_what_the_harness_did_not_write_is_refused(tmp_path: Path) -> None:
    """A file that begins otherwise is refused; a missing or empty one, a device or one of ours is not."""
    path = tmp_path / "x"
    files.refuse_other(path, b"ours", "x")
    path.touch()
    files.refuse_other(path, b"ours", "x")
    files.refuse_other(Path("/dev/null"), b"ours", "x")
    path.write_text("ours and more")
    files.refuse_other(path, b"ours", "x")
    path.write_text("theirs, not ours")
    with pytest.raises(StorageError, match=r"x exists and is no x that harness wrote\. Name another file"):
        files.refuse_other(path, b"ours", "x")
