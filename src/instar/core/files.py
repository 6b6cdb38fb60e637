"""Files that are there whole or not at all, whenever the process is killed, and that are never written through a link.

A folder may come from somebody else: what is a link there, or no file, could point anywhere.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

_TEMPORARY = (".instar-", ".tmp")
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, flush it to the disk, and rename it.

    A link at `path` is replaced, not followed.
    """
    with replacing(path) as file:
        file.write(content)


def text_bytes(text: str) -> bytes:
    """Return a text for people as UTF-8; what is no Unicode, as in some names of files, becomes a question mark."""
    return text.encode("utf-8", "replace")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a new file that takes the place of `path` at the end of the context, unless that raises."""
    temporary = temporary_beside(path)
    try:
        with open_new(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def folder_at_once(path: Path) -> Iterator[Path]:
    """Give a new folder that becomes `path` at the end of the context, unless that raises.

    At `path` there is nothing, or an empty folder; a kill leaves it so. Where only `path` itself may be written, or is
    a disk of its own, it is given as it is.
    """
    final = Path(os.path.realpath(path))
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.is_dir() and (os.path.ismount(final) or not os.access(final.parent, os.W_OK)):
        yield final
        return
    temporary = temporary_beside(final)
    try:
        temporary.mkdir()
        yield temporary
        with suppress(FileNotFoundError):
            final.rmdir()
        temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def is_temporary(path: Path) -> bool:
    """Return whether a file is what a kill within `replacing` left."""
    begin, end = _TEMPORARY
    return path.name.startswith(begin) and path.name.endswith(end)


def open_new(path: Path) -> IO[bytes]:
    """Create a file, with the modes that the umask leaves. `FileExistsError` if anything is there, be it a link."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666), "wb")


def open_own(path: Path, mode: str) -> IO[bytes]:
    """Open a file in a folder that may be somebody else's: made if it is not there, never emptied, never a link.

    A file that has other names (hard links), which lie who knows where, is copied first, so that they stay as they are.

    Args:
        path: of the file.
        mode: "ab" to append, "r+b" to read and write.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    access = {"ab": os.O_WRONLY | os.O_APPEND, "r+b": os.O_RDWR}[mode]
    file = _regular(path, access | os.O_CREAT | _FLAGS, mode)
    if os.fstat(file.fileno()).st_nlink <= 1:
        return file
    file.close()
    with replacing(path) as copy, read_own(path) as shared:
        shutil.copyfileobj(shared, copy)
    return _regular(path, access | _FLAGS, mode)


def read_own(path: Path) -> IO[bytes]:
    """Open a file for reading that must be a regular one: a pipe or a device would not end."""
    return _regular(path, os.O_RDONLY | (_FLAGS & ~getattr(os, "O_NOFOLLOW", 0)), "rb")


def own_folder(path: Path) -> None:
    """Make a folder if it is not there. One that is a link, and so lies elsewhere, is an `OSError`."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link to another place", str(path))
    path.mkdir(exist_ok=True)


def remove(path: Path) -> None:
    """Remove a file, a folder with all that it holds, or a link but not what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def temporary_beside(path: Path) -> Path:
    """Return a name in the same folder for a file that is to become `path`; its length is not that of the name."""
    begin, end = _TEMPORARY
    return path.with_name(f"{begin}{os.getpid()}-{uuid4().hex[:12]}{end}")


def sync(path: Path) -> None:
    """Flush a file or folder that was written to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(file: IO[bytes]) -> bool:
    """Lock a file for as long as any process has it open from here. Return whether nobody else has."""
    try:
        import fcntl  # noqa: PLC0415
    except ImportError:  # Windows: there two may be at work at once
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # some network disks know no locks
    return True


def _regular(path: Path, flags: int, mode: str) -> IO[bytes]:
    try:
        descriptor = os.open(path, flags | _NO_WAIT, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link to another place", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, mode)
