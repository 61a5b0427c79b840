"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file so that nobody ever sees half of it, also after a crash.

    Args:
        path: the file; what was there before is replaced in one step.
        content: text is written as UTF-8.
    """
    data = content.encode() if isinstance(content, str) else content
    # With the process in its name, so that what is left by a killed one can be told.
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are for their owner only; ours are as the user's other files are.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
