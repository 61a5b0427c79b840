"""Zip archives of data: unpacked once, into the data folder."""

import hashlib
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

from vicinal.data.download import data_folder
from vicinal.errors import VicinalError


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive by its name and its content."""
    return path.suffix.lower() == ".zip" and path.is_file() and is_zipfile(path)


def unpacked(archive: Path) -> Path:
    """The folder with what is in a zip archive; it is unpacked unless that was done before.

    The folder is in the data folder (see :func:`~vicinal.data.download.untar_data`), under a name
    that changes with the archive. What names of its entries do to point outside, ``..`` and a
    leading slash, is taken out of them.

    Raises:
        VicinalError: the archive is damaged or encrypted, or the disk has no room for it.
    """
    status = archive.stat()
    key = f"{archive.resolve()} {status.st_size} {status.st_mtime_ns}".encode()
    name = f"{archive.stem}-{hashlib.blake2b(key, digest_size=6).hexdigest()}"
    target = data_folder() / "unpacked" / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Renamed only when complete, so that an interrupted extraction never looks like the data.
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as scratch:
        folder = Path(scratch, "unpacked")
        folder.mkdir()
        try:
            with ZipFile(archive) as opened:
                _check_room(opened, archive, target.parent)
                opened.extractall(folder)
        except (BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise VicinalError(
                f"{archive} is damaged ({error}): fetch it anew, or unpack it and give the folder"
            ) from None
        except RuntimeError:  # what zipfile raises where a password is needed
            raise VicinalError(
                f"{archive} is encrypted: unpack it with its password and give the folder"
            ) from None
        if not target.is_dir():  # another process may have been faster
            os.replace(folder, target)
    return target


def _check_room(opened: ZipFile, archive: Path, folder: Path) -> None:
    needed, free = sum(entry.file_size for entry in opened.infolist()), shutil.disk_usage(folder)
    if needed > free.free:
        raise VicinalError(
            f"{archive} holds {needed / 2**30:,.1f} GiB, and the disk of {folder} has "
            f"{free.free / 2**30:,.1f} free: set VICINAL_DATA to a folder on a larger one"
        )
