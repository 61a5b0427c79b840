"""Image files, as they are found and opened."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from vicinal.data.folders import image_files
from vicinal.data.images import read_named
from vicinal.data.paths import Path, ShortList
from vicinal.errors import VicinalError


def get_image_files(
    path: str | os.PathLike[str],
    recurse: bool = True,
    folders: str | Sequence[str] | None = None,
) -> ShortList[Path]:
    """All image files below a folder, sorted by name.

    Args:
        path: the folder.
        recurse: also those in folders below it.
        folders: only those in these folders directly in ``path``, by their names; ``"."`` is
            ``path`` itself.

    Raises:
        VicinalError: there is no such folder, or no such image in it.
    """
    root, files = Path(path), [Path(file) for file in image_files(path)]
    chosen = [folders] if isinstance(folders, str) else list(folders or [])
    found = [file for file in files if recurse or file.parent == root]
    if chosen:
        found = [file for file in found if _folder(file, root) in chosen]
    if not found:
        others = sorted({_folder(file, root) for file in files})
        raise VicinalError(
            f"{path} holds images only in the folders {', '.join(others[:5])}"
            f"{', …' if len(others) > 5 else ''}: name one of them, or leave out folders= and "
            "recurse="
        )
    return ShortList(found)


def _folder(file: Path, root: Path) -> str:
    """The first folder of a file's path below another."""
    return "." if file.parent == root else file.relative_to(root).parts[0]


class PILImage(Image.Image):
    """A PIL image in RGB, as :meth:`create` opens one."""

    @classmethod
    def create(cls, fn: Any) -> "PILImage":
        """An image of a file, of encoded bytes, or of pixels.

        Args:
            fn: a path, bytes, an open file or a PIL image; or uint8 pixels, as an array (H, W) or
                (H, W, 3) or a tensor (3, H, W).

        Returns:
            It upright and in RGB, as networks get it; transparency shows white.

        Raises:
            VicinalError: it cannot be read, or its pixels are not uint8.

        >>> PILImage.create(np.zeros((6, 8, 3), np.uint8)).size
        (8, 6)
        """
        if isinstance(fn, Tensor):
            fn = fn.permute(1, 2, 0).cpu().numpy() if fn.ndim == 3 else fn.cpu().numpy()
        if isinstance(fn, np.ndarray):
            if fn.dtype != np.uint8:
                raise VicinalError(f"pixels are uint8, from 0 to 255, not {fn.dtype}: convert them")
            fn = Image.fromarray(fn)
        pixels = read_named(fn)
        image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
        image.__class__ = cls  # Pillow makes no images of subclasses
        return image  # type: ignore[return-value]

    def show(self, ax: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Show it in the notebook, by :func:`show_image`, which takes the other arguments."""
        from vicinal.plots.show_image import show_image

        return show_image(self, ax, **kwargs)

    def to_thumb(self, h: int, w: int | None = None) -> "PILImage":
        """A smaller copy: as large as fits in this height and width, in pixels."""
        small = self.copy()
        small.thumbnail((w or h, h))
        small.__class__ = type(self)
        return small  # type: ignore[return-value]


class PILImageBW(PILImage):
    """A PIL image in grey, as :meth:`create` opens one; networks get all images in RGB.

    >>> PILImageBW.create(np.zeros((6, 8, 3), np.uint8)).mode
    'L'
    """

    @classmethod
    def create(cls, fn: Any) -> "PILImageBW":
        """As :meth:`PILImage.create`, in grey.

        Raises:
            VicinalError: as there.
        """
        image = PILImage.create(fn).convert("L")
        image.__class__ = cls
        return image  # type: ignore[return-value]
