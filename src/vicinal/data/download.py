"""Known data sets by URL: downloaded once, verified, and extracted to the data folder."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from vicinal.data.paths import Path
from vicinal.data.urls import KNOWN, Fingerprint
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from rich.progress import Progress

ENDINGS = (".tgz", ".tar.gz", ".tar")
MEBIBYTE = 2**20
TIMEOUT_SECONDS = 30.0


def untar_data(url: str, dest: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of the data set at ``url``, downloaded and extracted if it is not there.

    Args:
        url: http(s) address of a .tgz, .tar.gz or .tar archive, such as one of :class:`URLs`.
        dest: the folder that holds the data sets; None is the environment variable
            ``VICINAL_DATA``, or else ``~/.vicinal/data``.

    Returns:
        The set's folder in ``dest``, named after the archive. A single folder that wraps
        everything in the archive is not repeated inside it.

    Raises:
        VicinalError: the address is not that of a tar archive, it cannot be reached, the
            connection breaks (the next call continues from there), or the archive is damaged or
            would write outside its folder.
        OSError: ``dest`` cannot be written, or the disk is full.

    Several processes that share ``dest`` should let one of them make the first call.

    >>> untar_data(URLs.PETS) / "images"  # doctest: +SKIP
    Path('~/.vicinal/data/oxford-iiit-pet/images')
    """
    archive_name, set_name = _names(url)
    data = data_folder(dest)
    target = data / set_name
    if target.is_dir() and any(target.iterdir()):
        return target
    data.mkdir(parents=True, exist_ok=True)
    archive = data / archive_name
    # An archive without .part passed its check; only its extraction was interrupted.
    if not archive.exists():
        part = data / f"{archive_name}.part"
        _download(url, part, target)
        _check(url, part)
        os.replace(part, archive)
    from vicinal.progress import status

    with status(f"extracting {archive_name}"):
        _extract(archive, target)
    archive.unlink()
    return target


def _names(url: str) -> tuple[str, str]:
    address = urlsplit(url)
    archive_name = address.path.rpartition("/")[2]
    ending = next((ending for ending in ENDINGS if archive_name.endswith(ending)), None)
    if address.scheme not in ("http", "https") or ending is None:
        raise VicinalError(
            f"{url!r} is not the address of a tar archive: give one that starts with http:// or "
            f"https:// and ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        )
    set_name = archive_name.removesuffix(ending)
    if not set_name.strip("."):
        raise VicinalError(f"{url!r} has no name before {ending}: give an archive with a name")
    return archive_name, set_name


def data_folder(dest: str | os.PathLike[str] | None = None) -> Path:
    folder = dest or os.environ.get("VICINAL_DATA") or "~/.vicinal/data"
    return Path(folder).expanduser().absolute()


def _download(url: str, part: Path, target: Path) -> None:
    try:
        response, start = _open(url, part.stat().st_size if part.exists() else 0)
    except (OSError, HTTPException) as error:
        raise _unreachable(url, error, target) from error
    # The response counts down its length while it is read, so the total is taken now.
    total = None if response.length is None else start + response.length
    received = start
    with response, part.open("ab" if start else "wb") as file, _progress_bar() as progress:
        task = progress.add_task(part.stem, total=total, completed=start)
        for chunk in _chunks(response, url):
            file.write(chunk)
            received += len(chunk)
            progress.advance(task, len(chunk))
    if total is not None and received < total:
        raise _broken(url, f"{received} of {total} bytes arrived")


def _open(url: str, offset: int) -> tuple[HTTPResponse, int]:
    """The response, and the offset in the archive at which its body starts."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        error.close()
        if offset and error.code == 416:
            return _open(url, 0)
        raise
    return response, offset if response.status == 206 else 0


def _chunks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        # read1 hands over what has arrived; read would lose up to a chunk when the line breaks.
        while chunk := response.read1(MEBIBYTE):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _broken(url, str(error)) from error


def _unreachable(url: str, error: Exception, target: Path) -> VicinalError:
    if isinstance(error, HTTPError):
        problem = f"{url} was refused with {error.code} {error.reason}: check the address"
    else:
        reason = getattr(error, "reason", error)
        problem = f"{url} could not be reached ({reason}): connect to the network"
    return VicinalError(f"{problem}, or put the extracted files in {target}")


def _broken(url: str, reason: str) -> VicinalError:
    return VicinalError(
        f"the connection to {url} broke ({reason}): run this again to continue from there"
    )


def _progress_bar() -> Progress:
    from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.table import Column

    from vicinal.progress import progress_bar

    kinds = DownloadColumn, TransferSpeedColumn, TimeRemainingColumn
    return progress_bar(columns=[kind(table_column=Column(no_wrap=True)) for kind in kinds])


def _check(url: str, part: Path) -> None:
    expected = KNOWN.get(url)
    if expected is None:
        return
    with part.open("rb") as file:
        md5 = hashlib.md5(file.read(MEBIBYTE), usedforsecurity=False).hexdigest()
    found = Fingerprint(part.stat().st_size, md5)
    if found == expected:
        return
    part.unlink()
    if found.size != expected.size:
        problem = f"{found.size} bytes instead of {expected.size}"
    else:
        problem = f"md5 sum {found.md5_of_first_mebibyte}, not {expected.md5_of_first_mebibyte}"
    raise VicinalError(
        f"what {url} sent was deleted because it has {problem}: run this again to download it"
    )


def _extract(archive: Path, target: Path) -> None:
    # Renamed only when complete, so that an interrupted extraction never looks like a set.
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            # A folder of its own, because the scratch folder is closed to other users.
            unpacked = Path(scratch, "unpacked")
            unpacked.mkdir()
            _unpack(archive, unpacked)
            os.replace(_set_folder(unpacked), target)
    except VicinalError:
        archive.unlink()
        raise


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
            # gzip compares its checksum at the very end, which comes after the last member.
            while tar.fileobj and tar.fileobj.read(MEBIBYTE):
                pass
    except tarfile.FilterError as error:
        raise VicinalError(
            f"{archive.name} was deleted because its member {error.tarinfo.name!r} is not safe to "
            f"extract: use an archive whose members and links stay inside its folder"
        ) from error
    except (tarfile.TarError, BadGzipFile, EOFError, zlib.error) as error:
        raise VicinalError(
            f"{archive.name} was deleted because it is damaged ({error}): run this again to "
            f"download it"
        ) from error


def _set_folder(unpacked: Path) -> Path:
    entries = list(unpacked.iterdir())
    wrapped = len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink()
    return entries[0] if wrapped else unpacked
