"""Whether a sound file goes on to where its headers say: libsndfile reads what is there.

It takes the length of a WAV or AIFF file that is cut off from what is left, that of an Ogg file
from its last page, and that of an MP3 file without a table of contents from the bits of its first
frames, so that half of a sound would be taken for the whole.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

# Written by what streams and does not know the length: ffmpeg, SoX and arecord differ.
UNKNOWN = 0x7F000000
HEADERS = 64  # bytes; some write the length of the file with those before the data
PAGE = 65_307  # bytes of the largest page of Ogg
LAST_PAGE = 4  # the flag in a page's header
# Kilobits per second of layer III, in MPEG 1 and in 2 and 2.5; and samples per second in MPEG 1.
BITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
SHIFTS = (21, 14, 7, 0)  # of the length of an ID3 tag, whose bytes have seven bits
RATES = (44_100, 48_000, 32_000)
TOLERANCE = 0.03  # of the frames, and some for what encoders add at both ends
MARGIN = 4  # frames


def fault_of_end(file: Path, decoded: int, rate: int) -> str:
    """Why a file's wave may not be the whole sound, as a clause; empty where nothing says so.

    Args:
        file: that could be decoded.
        decoded: samples of each channel that were decoded.
        rate: samples per second.
    """
    with file.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        magic = opened.read(4)
        if magic in (b"RIFF", b"FORM"):
            return _of_chunks(opened, size, magic)
        if magic == b"OggS":
            return _of_ogg(opened, size)
        if file.suffix.lower() == ".mp3":
            opened.seek(0)
            return _of_mp3(opened.read(), decoded, rate)
    return ""


def _of_chunks(opened: BinaryIO, size: int, magic: bytes) -> str:
    """Of WAV and AIFF: chunks of a name, a length and as many bytes, filled up to an even one."""
    order: Literal["little", "big"] = "little" if magic == b"RIFF" else "big"
    wanted = b"data" if magic == b"RIFF" else b"SSND"
    place = 12
    while place + 8 <= size:
        opened.seek(place)
        name = opened.read(4)
        length = int.from_bytes(opened.read(4), order)
        if name == wanted:
            there = size - place - 8
            is_cut = there + HEADERS < length < UNKNOWN
            return f"it is cut off after {there:,} of {length:,} bytes" if is_cut else ""
        place += 8 + length + length % 2
    return ""


def _of_ogg(opened: BinaryIO, size: int) -> str:
    opened.seek(max(0, size - PAGE - 27))
    tail = opened.read()
    start = tail.rfind(b"OggS")
    # A flag ends the stream; a table behind 27 bytes of the header says how long the page is.
    page = tail[start:]
    is_whole = start >= 0 and len(page) > 27 and len(page) >= 27 + page[26]
    is_whole = is_whole and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    if is_whole and page[5] & LAST_PAGE:
        return ""
    return "it is cut off: the page that ends it is missing"


def _of_mp3(data: bytes, decoded: int, rate: int) -> str:
    lengths = list(_mp3_frames(data))
    if not lengths:
        return ""  # it is of another layer, or another kind
    first, samples = lengths[0]
    whole = len(lengths)
    said = _frames_said(data[first : first + 192])
    if said is not None:
        whole -= 1  # the frame that says it holds no sound
        if whole < (1 - TOLERANCE) * said - MARGIN:
            return f"it is cut off after {whole:,} of {said:,} frames"
    if decoded < samples * ((1 - TOLERANCE) * whole - MARGIN):
        there = whole * samples / rate
        return (
            f"only {decoded / rate:.1f} of {there:.1f} s are decoded, as it does not say how long "
            "it is: write it anew, such as by ffmpeg"
        )
    return ""


def _frames_said(frame: bytes) -> int | None:
    """The frames that follow, where the first one says how many there are."""
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0 or not frame[place + 7] & 1:
        return None
    return int.from_bytes(frame[place + 8 : place + 12], "big")


def _mp3_frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each whole frame of layer III begins, and how many samples it has."""
    place = 0
    if data[:3] == b"ID3" and len(data) > 10:
        place = 10 + sum(
            (byte & 127) << shift for byte, shift in zip(data[6:10], SHIFTS, strict=True)
        )
    while 0 <= place <= len(data) - 4:
        found = _mp3_frame(data[place : place + 4])
        if found is None:
            place = data.find(b"\xff", place + 1)
            continue
        length, samples = found
        if place + length > len(data):
            return
        yield place, samples
        place += length


def _mp3_frame(header: bytes) -> tuple[int, int] | None:
    """The bytes and the samples of the frame with this header."""
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3  # 3 is MPEG 1, 2 is 2 and 0 is 2.5
    bits, rate = header[2] >> 4, header[2] >> 2 & 3
    if header[0] != 255 or header[1] < 224 or version == 1 or layer != 1:
        return None
    if bits in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    samples = 1152 if is_first else 576
    hertz = RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    length = samples // 8 * BITS[not is_first][bits] * 1000 // hertz + (header[2] >> 1 & 1)
    return length, samples
