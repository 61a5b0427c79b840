"""verify_images: which files cannot be read."""

import os
from collections.abc import Sequence

from vicinal.data.images import BadImage, in_threads, read_image
from vicinal.data.paths import Path, ShortList


def verify_images(fns: Sequence[str | os.PathLike[str]]) -> ShortList[Path]:
    """The image files that cannot be decoded, in the order given.

    Args:
        fns: files, as from :func:`~vicinal.data.image_files.get_image_files`.

    >>> from PIL import Image
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> whole, broken = Path(folder.name, "whole.png"), Path(folder.name, "broken.png")
    >>> Image.new("RGB", (4, 4)).save(whole)
    >>> _ = broken.write_bytes(b"no image")
    >>> [file.name for file in verify_images([whole, broken])]
    ['broken.png']
    >>> folder.cleanup()
    """

    def is_bad(place: int) -> bool:
        try:
            read_image(Path(fns[place]))
        except BadImage:
            return True
        return False

    found = in_threads(is_bad, len(fns))
    return ShortList(Path(file) for file, bad in zip(fns, found, strict=True) if bad)
