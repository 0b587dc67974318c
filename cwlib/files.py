"""The one writer of files: each appears whole under its name or not at all.

A crash of the program or of the machine, a full disk and Ctrl-C leave what was there before. A
writer that is killed leaves a hidden file `.cwlib-*.part` in the folder, which nothing reads.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_OPEN_FILES = ("/dev/fd/", "/dev/std", "/proc/")  # what is before and behind is not ours there
LEFT_OVER_SECONDS = 3600.0  # the age from which no writer can still be at work on its part


def write(path: Path, content: bytes) -> None:
    """Put content into a file, in place of what is there: all of it or nothing.

    A link stays a link: the file that it leads to is replaced. That file keeps its mode. A pipe and
    a device such as /dev/stdout are written to. Raises OSError, whose text is a whole sentence.
    """
    path = Path(path)
    with _told(path):
        real = _plain_file(path)
        if real is None:
            with open(path, "wb") as out:
                out.write(content)
            return
        with _part_beside(real) as part:
            with open(part, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.replace(part, real)
        _sync(real.parent)


def check_place(path: Path, *sources: Path) -> None:
    """Raises OSError where no file can be written; to be asked before the work, not after it.

    sources: files that must not be replaced by what is made of them.
    """
    path = Path(path)
    with _told(path):
        real = _plain_file(path)
        if real is None:
            return
        if real.exists() and any(os.path.exists(s) and real.samefile(s) for s in sources):
            raise OSError("it is the file to be read: give what is made of it another name")
        with _part_beside(real):
            pass


@contextlib.contextmanager
def locked(lock: Path, taken: Exception | None = None) -> Iterator[None]:
    """Only one process at a time is in here for a lock: a folder, or a file that is made for it.

    taken: raised where another one is in here; None waits for it. The end of a process, by whatever
    death, frees its locks. Windows and some network drives have none: there everybody goes on.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(lock, os.O_RDONLY if lock.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if taken else 0))
        except BlockingIOError:
            raise taken from None
        except OSError:
            pass
        yield
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the parts that killed writers left in a folder of our own."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):  # another process may sweep too
            if time.time() - part.stat().st_mtime > LEFT_OVER_SECONDS:
                part.unlink()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors inside say which file could not be written."""
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror or error}") from error


def _plain_file(path: Path) -> Path | None:
    """The file at the end of all links, there or to be made; None for a pipe or such a device."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    if mode is not None and (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return None
    if mode is not None and not stat.S_ISREG(mode):  # a folder, a disk, a socket
        raise OSError("it is there and is not a plain file")
    if mode is not None and os.path.abspath(path).startswith(_OPEN_FILES):
        raise OSError("it is a file that is open already: use the name of that file")
    real = Path(os.path.realpath(path))
    if not real.parent.is_dir():
        raise OSError(f"there is no folder {real.parent if path.is_symlink() else path.parent}")
    if mode is not None and not os.access(real, os.W_OK):
        raise OSError("it is read-only")
    return real


@contextlib.contextmanager
def _part_beside(real: Path) -> Iterator[Path]:
    """A new empty file that may take the place of `real`; gone at the end unless it does.

    In the same folder, since a rename between file systems is not atomic; under a short name, since
    that of `real` may have the longest that there is.
    """
    part = real.with_name(f".cwlib-{secrets.token_hex(8)}.part")
    try:
        part.touch(exist_ok=False)
        if real.exists():
            there = real.stat()
            with contextlib.suppress(OSError, AttributeError):  # only root on Unix gives files away
                os.chown(part, there.st_uid, there.st_gid)
            part.chmod(stat.S_IMODE(there.st_mode))
        yield part
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _sync(folder: Path) -> None:
    """Put a rename on the disk too, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
