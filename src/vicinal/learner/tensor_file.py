"""Files of tensors: safetensors, so that loading runs no code, with a digest that shows damage."""

import hashlib
import json
import re
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.files import whole_file

FORMAT = {"format": "pt"}  # transformers refuses files with metadata that lack it
CHUNK = 2**22  # bytes
DIGEST = re.compile("[0-9a-f]{64}")
BLANK = "0" * 64  # stands for the digest, while it is computed


def write_tensors(file: Path, tensors: dict[str, Tensor], **metadata: str) -> None:
    """Write tensors atomically, with a digest of all bytes of the file in its metadata.

    The digest is in the file itself, so that no crash can part them. Equal tensors give equal
    bytes.

    Args:
        file: an existing file is replaced in one step.
        tensors: contiguous, on the CPU, in no shared memory.
        **metadata: texts that are stored beside them.
    """
    content = memoryview(save(tensors))
    length = int.from_bytes(content[:8], "little")
    fields = json.loads(bytes(content[8 : 8 + length]))
    data = content[8 + length :]
    about = {"digest": BLANK, **FORMAT, **metadata}
    header = json.dumps({"__metadata__": about, **fields}).encode()
    header += b" " * (-len(header) % 8)  # the data are aligned
    begin = len(header).to_bytes(8, "little") + header
    digest = hashlib.sha256(begin)  # twice as fast as blake2b on processors that have it built in
    digest.update(data)
    with whole_file(file) as opened:
        opened.write(begin.replace(BLANK.encode(), digest.hexdigest().encode(), 1))
        opened.write(data)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors, onto the CPU, and the file's metadata.

    Files without a digest, as other programs write them, are read without the check.

    Raises:
        FileNotFoundError, OSError, SafetensorError, ValueError: it cannot be read.
        VicinalError: its bytes are not those that were written.
    """
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata() or {}
        # Also by its form, as its name may be damaged.
        digest = metadata.get("digest", next(filter(DIGEST.fullmatch, metadata.values()), None))
        if digest is not None:
            _check(file, digest)
        return {name: opened.get_tensor(name) for name in opened.keys()}, metadata  # noqa: SIM118


def _check(file: Path, found: str) -> None:
    with file.open("rb") as opened:
        begin = opened.read(8)
        begin += opened.read(int.from_bytes(begin, "little"))
        digest = hashlib.sha256(begin.replace(found.encode(), BLANK.encode(), 1))
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != found:
        raise VicinalError(
            f"{file} is damaged, as its bytes are not those that were written (their digest "
            "differs): restore it from a copy, or write it again"
        )
