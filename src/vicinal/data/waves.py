"""Waves: sounds that are decoded once, into a file of the cache or into memory."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
import xxhash
from rich.filesize import decimal

from vicinal.data import cache
from vicinal.data.images import in_threads
from vicinal.data.sound_files import BadSound, decoder, read_sound
from vicinal.errors import VicinalError
from vicinal.processes import this_process

VERSION = 2  # of the decoding and the file format
MEMORY_SHARE = 0.5  # of the free memory may be taken by waves
TAIL = 8  # bytes at the end of a file that say how long its table is


@dataclass(frozen=True)
class Decoded:
    """What became of a file.

    Args:
        length: of its wave, in samples; 0 where it has none.
        rate, channels: of the file.
        is_silent: whether nothing is to be heard.
        is_cancelled: whether its channels cancel out, so that the wave is one of them.
        problem: why it cannot be used; empty where it can.
    """

    length: int = 0
    rate: int = 0
    channels: int = 0
    is_silent: bool = False
    is_cancelled: bool = False
    problem: str = ""


class Waves:
    """Sound files with their waves, of one rate.

    A sequence of the files, which :class:`~vicinal.data.samples.Samples` takes as its images.

    Args:
        files: the files.
        store: (total,) float16, the waves one after the other.
        starts: (N,) where each begins.
        decoded: what became of each file.
        text: where they are, for the user.
    """

    def __init__(
        self, files: Sequence[Path], store: Any, starts: Any, decoded: Sequence[Decoded], text: str
    ) -> None:
        self.files, self.store, self.starts = list(files), store, starts
        self.decoded, self.text = list(decoded), text

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Path:
        return self.files[index]

    def subset(self, indices: Sequence[int]) -> Self:
        return type(self)(
            [self.files[i] for i in indices],
            self.store,
            self.starts[list(indices)],
            [self.decoded[i] for i in indices],
            self.text,
        )

    @property
    def lengths(self) -> Any:
        """(N,) int64, the length of each in samples."""
        return np.array([each.length for each in self.decoded], dtype=np.int64)

    def wave(self, index: int) -> Any:
        """(T,) float16."""
        start = int(self.starts[index])
        return self.store[start : start + self.decoded[index].length]


def decode_sounds(files: Sequence[Path], rate: int, on_sound: Callable[[], Any]) -> Waves:
    """Decode files, or find what was decoded of the same content before.

    Args:
        files: the sounds.
        rate: samples per second.
        on_sound: is called for each file that is decoded.

    Raises:
        VicinalError: neither the cache nor the memory has room for the waves.
    """
    file = cache.folder() / f"sounds-{_key(files, rate)}{cache.SUFFIX}"
    found = _mapped(file, files)
    if found is not None:
        return found

    def read(index: int) -> tuple[Any, Decoded]:
        try:
            sound = read_sound(files[index], rate)
        except BadSound as error:
            return np.zeros(0, np.float16), Decoded(problem=str(error))
        wave = sound.wave.astype(np.float16)
        flags = sound.is_silent, sound.is_cancelled
        return wave, Decoded(len(wave), sound.rate, sound.channels, *flags)

    store = _Writer(file)
    try:
        for wave, decoded in in_threads(read, len(files)):
            store.add(wave, decoded)
            on_sound()
        return store.finished(files)
    finally:
        store.close()


class _Writer:
    """Waves as they are decoded: in a file of the cache as long as it has room, else in memory."""

    def __init__(self, file: Path) -> None:
        self.file, self.decoded = file, list[Decoded]()
        self.partial = file.with_name(f".{file.stem}.{os.getpid()}.{cache.PARTIAL}")
        self.kept: list[Any] = []  # in memory, where the cache has no room
        self.size, self.limit = 0, cache.room()
        self.opened: Any = None
        with suppress(OSError):
            cache.make_room(0)
            self.opened = self.partial.open("w+b")

    def add(self, wave: Any, decoded: Decoded) -> None:
        self.decoded.append(decoded)
        self.size += wave.nbytes
        if self.opened is not None:
            try:
                if self.size > self.limit:
                    raise OSError("no room is left in the cache")
                self.opened.write(wave.tobytes())
                return
            except OSError:
                self._to_memory(self.size - wave.nbytes)
        self.kept.append(wave)
        self._check_memory()

    def _to_memory(self, size: int) -> None:
        """Go on in memory with what was written so far."""
        self.opened.seek(0)
        before = np.frombuffer(self.opened.read(size), np.float16)
        if before.nbytes < size:
            raise VicinalError(f"{self.partial} cannot be read: the disk may be full")
        self.close()
        self.kept.append(before)
        this_process().print("the cache has no room for the sounds: they are kept in memory")

    def _check_memory(self) -> None:
        if self.size > MEMORY_SHARE * (psutil.virtual_memory().available + self.size):
            raise VicinalError(
                f"the sounds take more than {decimal(self.size)}, and neither the cache nor the "
                "memory has as much room: name a folder on a larger disk by the environment "
                "variable VICINAL_CACHE"
            )

    def finished(self, files: Sequence[Path]) -> Waves:
        if self.opened is not None:
            try:
                table = json.dumps([[*vars(each).values()] for each in self.decoded]).encode()
                self.opened.write(table + len(table).to_bytes(TAIL, "little"))
                self.opened.flush()
                cache.make_room(self.size)
                self.partial.replace(self.file)
                found = _mapped(self.file, files)
                if found is not None:
                    return found
            except OSError:
                self._to_memory(self.size)
        store = np.concatenate([*self.kept, np.zeros(0, np.float16)])
        return _waves(files, store, self.decoded, f"in memory, {decimal(store.nbytes)}")

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()
            self.opened = None
            self.partial.unlink(missing_ok=True)


def _waves(files: Sequence[Path], store: Any, decoded: Sequence[Decoded], text: str) -> Waves:
    ends = np.cumsum([each.length for each in decoded], dtype=np.int64)
    return Waves(files, store, np.concatenate([[0], ends[:-1]]).astype(np.int64), decoded, text)


def _mapped(file: Path, files: Sequence[Path]) -> Waves | None:
    """The waves in a file of the cache, if it is there and whole."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            opened.seek(size - TAIL)
            length = int.from_bytes(opened.read(TAIL), "little")
            opened.seek(size - TAIL - length)
            decoded = [Decoded(*each) for each in json.loads(opened.read(length))]
        total = sum(each.length for each in decoded)
        if len(decoded) != len(files) or 2 * total + length + TAIL != size:
            return None
        # No file of no bytes can be mapped.
        store = np.memmap(file, np.float16, "r", shape=total) if total else np.zeros(0, np.float16)
    except (OSError, ValueError, TypeError):
        return None
    with suppress(OSError):  # it belongs to another user
        os.utime(file)  # it was used now
    text = f"mapped from the cache, {decimal(2 * total)} on disk: decoded at first use, and kept"
    return _waves(files, store, decoded, text)


def _key(files: Sequence[Path], rate: int) -> str:
    """A key for the content of files and what becomes of them."""
    key = hashlib.blake2b(f"{VERSION} {decoder()} {rate}".encode(), digest_size=16)

    def digest(index: int) -> bytes:
        try:
            # What the header says of its length is trusted by the ending.
            content = files[index].read_bytes()
        except OSError as error:
            content = str(error).encode()
        return xxhash.xxh3_128_digest(content + files[index].suffix.lower().encode())

    for each in in_threads(digest, len(files)):
        key.update(each)
    return key.hexdigest()
