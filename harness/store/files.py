"""Files of the program are written whole or not at all (`replacing`), and a write that fails says which file and what to do.

A file that the user names is written as what it is (`writing`): it may be a device, a pipe, a symbolic link or a mount.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from harness.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from io import BufferedReader

    from numpy.typing import NDArray

T = TypeVar("T")
MOST_BYTES = 4 << 30
"""An archive that unpacks to more is refused: a few kilobytes can claim any size."""
_BEGINNING_BYTES = 4 << 10
_NUMPY_RAISES = (
    ValueError,
    EOFError,
    SyntaxError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    MemoryError,
)
_FULL = "Free some space there or choose another folder, then run the command again"
_PERMISSION = "Give yourself write permission there or choose another folder"
_LOCAL = "Choose folders on a local disk: --out for results, HARNESS_CACHE for the cache, TMPDIR for temporary files"
_NEXT_STEPS = {
    errno.EACCES: ("permission denied", _PERMISSION),
    errno.EPERM: ("operation not permitted", _PERMISSION),
    errno.EROFS: ("read-only file system", "Choose a folder on a file system that can be written"),
    errno.ENOSPC: ("the disk is full", _FULL),
    errno.EDQUOT: ("the disk quota is used up", _FULL),
    errno.EFBIG: ("the file is larger than allowed", "Raise the file size limit (ulimit -f) or choose another folder"),
    errno.ENOTDIR: ("a file is where a folder should be", "Move that file away or choose another folder"),
    errno.EEXIST: ("a file is where a folder should be", "Move that file away or choose another folder"),
    errno.EISDIR: ("a folder of that name is in the way", "Move that folder away or choose another name"),
    errno.ENOTEMPTY: ("a folder of that name is in the way", "Move that folder away or choose another name"),
    errno.ENOLCK: ("its file system has no locks", _LOCAL),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name"),
}  # fmt: skip


def storage_error(path: Path, error: OSError, doing: str = "write") -> StorageError:
    """Turn an operating system error into one that names the file, as the user knows it, and the next step."""
    reason = error.strerror or type(error).__name__
    reason, step = _NEXT_STEPS.get(error.errno or 0, (reason, "Look at that file and its folder"))
    return StorageError(f"cannot {doing} {path}: {reason}", step)


def is_plain_name(name: str) -> bool:
    """Return whether a name stays in the folder it is put into: no separator, no way up, nothing that a system forbids."""
    return 0 < len(name) < 256 and name not in {".", ".."} and not set(name) & set("/\\\0")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path` when the body ends well, and vanishes when it does not.

    A reader sees the old content or the new, never a part. The bytes are on disk before the name changes.
    Missing folders are made; an existing file's permissions are kept.

    Raises
    ------
    StorageError
        If it cannot be written: permission, read-only or full disk, a folder in the way. Any `OSError` of the body counts as such; read
        other files before.
    """
    temporary = path.parent / f".{os.urandom(8).hex()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                old = path.stat()
                with contextlib.suppress(OSError):  # only root may give a file away
                    os.chown(temporary, old.st_uid, old.st_gid)
                temporary.chmod(old.st_mode & 0o7777)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)  # also after an interrupt; gone already if it was renamed
    except OSError as error:
        raise storage_error(path, error) from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file whose content goes into a file that the user named when the body ends well.

    The file is written as what it is: a symbolic link stays, and what it leads to is written; a device, a pipe or an open descriptor
    (``/dev/stdout``) is written; a file that is mounted, or whose folder may not be changed, cannot be replaced, so none is.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        with tempfile.TemporaryFile() as whole:
            yield whole
            whole.seek(0)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab" if is_stream(path) else "wb") as file:
                shutil.copyfileobj(whole, file)
    except OSError as error:
        raise storage_error(path, error) from error


def is_stream(path: Path) -> bool:
    """Return whether a path leads to a device, a pipe, a socket or an open descriptor of a process.

    Raises
    ------
    OSError
        If the system does not let it be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    hop = path
    while hop.is_symlink():
        if hop.parent.resolve().is_relative_to("/proc"):
            return True
        hop = hop.parent / hop.readlink()
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file in one step; see `replacing`."""
    with replacing(Path(path)) as file:
        file.write(content)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file of a folder that may come from anywhere: a pipe would be waited for, a device read, without end.

    Raises
    ------
    OSError
        If it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return file.read()


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading; see `read_bytes`."""
    # without O_NONBLOCK the opening of a pipe waits for a writer; for a regular file it means nothing
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write a whole UTF-8 file in one step; see `write_bytes`."""
    write_bytes(path, content.encode())


def refuse_other(path: Path, beginning: bytes, what: str) -> None:
    """Refuse to replace a file that the user named if the harness did not write it.

    Parameters
    ----------
    path : Path
        The file; one that is missing, empty, a device or a pipe loses nothing.
    beginning : bytes
        Regular expression for how a file of ours begins.
    what : str
        How messages call one.
    """
    if not path.is_file() or is_stream(path):
        return
    with path.open("rb") as file:
        content = file.read(_BEGINNING_BYTES)
    if content and not re.match(beginning, content):
        found = f"{path} exists and is no {what} that harness wrote"
        raise StorageError(found, "Name another file, or replace it with --force")


def write_named(path: Path, parts: Iterable[str]) -> None:
    """Write a file that the user named from parts of UTF-8 text that are never all in memory; see `writing`."""
    with writing(path) as file:
        file.writelines(part.encode() for part in parts)


def append_named(path: Path, content: str) -> None:
    """Add UTF-8 text to the end of a file that the user named."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(content.encode())
    except OSError as error:
        raise storage_error(path, error, "add to") from error


def write_json(path: str | os.PathLike[str], obj: object) -> None:
    """Write an object as indented UTF-8 JSON in one step; see `replacing`. NaN and infinities become null, as JSON has none.

    Raises
    ------
    TypeError
        If a part of `obj` has no JSON form; nothing is written.
    """
    import msgspec  # late: 27 ms that only writers pay

    write_bytes(path, msgspec.json.format(msgspec.json.encode(obj), indent=1) + b"\n")


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as one compressed ``.npz`` in one step; see `write_bytes`."""
    import numpy as np

    with replacing(Path(path)) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def decode(content: bytes, kind: type[T], name: str, next_step: str = "", *, packed: bool = False) -> T:
    """Decode JSON, or MessagePack, into a record; whatever is wrong with it becomes one error.

    `name` is how messages call the content, `next_step` what the reader can do about damage.

    Raises
    ------
    StorageError
        If it is neither valid nor such a record.
    """
    import msgspec

    form = msgspec.msgpack if packed else msgspec.json
    try:
        decoded: T = form.decode(content, type=kind)
    # nesting deeper than the stack is a RecursionError, a string that is no UTF-8 a UnicodeDecodeError
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StorageError(f"{name} is damaged: {error}", next_step) from error
    return decoded


def read_npz(path: str | os.PathLike[str], name: str = "") -> dict[str, NDArray[Any]]:
    """Read every array of an ``.npz`` file; pickled content is refused.

    Checksums are verified before anything is decoded, so that damage is found here and not as odd content.

    Parameters
    ----------
    path : path
        File to read.
    name : str
        How messages call it; its path if empty.

    Raises
    ------
    StorageError
        If the file is missing, damaged, or holds anything but plain arrays.
    """
    import tokenize
    import zipfile
    import zlib

    import numpy as np

    name, again = name or str(path), "Run again to write it anew"
    try:
        # opened here: NumPy forgets to close a file whose archive is torn
        with open_regular(path) as file:
            with zipfile.ZipFile(file) as archive:
                size = sum(member.file_size for member in archive.infolist())
                if size > MOST_BYTES:
                    raise ValueError(f"it unpacks to {size:,} bytes, at most {MOST_BYTES:,} are read")
                if damaged := archive.testzip():
                    raise ValueError(f"the checksum of {damaged} is wrong")
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
        # a member that is no array comes back as bytes
        if other := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{other[0]} is no array")
    except FileNotFoundError as error:
        raise StorageError(f"{name} is missing", again) from error
    except OSError as error:
        raise StorageError(f"{name} cannot be opened: {error.strerror}", again) from error
    # zipfile raises RuntimeError for encrypted members and, as NotImplementedError, for unknown compression;
    # NumPy raises whatever its header's parser or an impossible shape does
    except (*_NUMPY_RAISES, RuntimeError, tokenize.TokenError, zipfile.BadZipFile, zlib.error) as error:
        raise StorageError(f"{name} is damaged: {error}", again) from error
    return arrays


def read_npz_below(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """Read an ``.npz`` file below a folder by its relative path, which messages use; see `read_npz`. One that lies elsewhere is refused."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise StorageError(f"{name} lies outside the job's folder")
    return read_npz(path, name)


def absolute(paths: Iterable[str]) -> tuple[str, ...]:
    """Return paths as a stored record names them: from the root, links followed."""
    return tuple(str(Path(path).resolve()) for path in paths)
