"""Files that are written atomically."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vicinal.errors import VicinalError


@contextmanager
def whole_file(path: Path, name: Callable[[], str] | None = None) -> Iterator[BinaryIO]:
    """Open a file to be written atomically: it is never half-written, even after a crash.

    Args:
        path: the file; an existing one is replaced in one step, when the block ends without an
            error.
        name: gives the file's name in the same folder at that moment, where it depends on what was
            written; None takes the one of ``path``.

    >>> with tempfile.TemporaryDirectory() as folder, whole_file(Path(folder, "a")) as file:
    ...     file.write(b"half")
    ...     Path(folder, "a").exists()
    4
    False
    """
    # The process id in the name identifies files that killed processes leave behind.
    owner = os.getpid()
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{owner}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner only; give this one the usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)
        os.replace(part, path if name is None else path.with_name(name()))
    except BaseException:
        if os.getpid() == owner:  # one that was forked from it has an open file, too
            Path(part).unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file atomically: it is never half-written, even after a crash.

    Args:
        path: the file; an existing one is replaced in one step.
        content: text is written as UTF-8.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_file(file: Path, content: bytes | str) -> None:
    """Write a file atomically.

    Raises:
        VicinalError: it cannot be written.
    """
    with written(file):
        write_whole(file, content)


def check_writable(folder: Path, what: object) -> None:
    """Check that files can be written to a folder, which may not exist yet; nothing is left there.

    Args:
        folder: it, or where it does not exist, the nearest one above it, is tried.
        what: what cannot be written, for the message.

    Raises:
        VicinalError: it is read-only, a file, full, or of no such disk.
    """
    with written(what):
        while not _is_there(folder):
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):  # permissions do not tell, as of root
            pass


def _is_there(path: Path) -> bool:
    """Whether there is something; a path that cannot be, such as one below a file, raises."""
    try:
        path.lstat()
    except FileNotFoundError:
        return path == path.parent
    return True


@contextmanager
def written(what: object) -> Iterator[None]:
    """Turn an OSError into one sentence that says what cannot be written.

    >>> with written("--out a"):
    ...     raise PermissionError(13, "Permission denied")
    Traceback (most recent call last):
    vicinal.errors.VicinalError: --out a cannot be written: Permission denied
    """
    try:
        yield
    except OSError as error:
        raise VicinalError(f"{what} cannot be written: {error.strerror}") from None
