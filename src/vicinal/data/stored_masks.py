"""Masks as they are stored: read at the size of their images, once."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image, ImageOps
from torch import Tensor

from vicinal.data.images import encoded, image_name, in_threads
from vicinal.data.resizing import Resizing
from vicinal.data.samples import listed
from vicinal.errors import VicinalError

VOID = 255  # the class of a mask's pixels that nobody labelled, by the convention of Pascal VOC


class StoredMasks:
    """The masks of some samples, by their row.

    They are kept in memory once they are read, if that takes less than half of what is free.

    Args:
        masks: a file, encoded bytes, a PIL image, an array or a tensor for each sample.
        resizing: how the images are resized when they are read; None where they keep their size.
        vocab: the names of the classes.
        classes: from a mask as it is stored to the classes of its pixels, (H, W) int64, where
            these are not what is stored; what images are padded by is then no class.
    """

    def __init__(
        self,
        masks: Sequence[Any],
        resizing: Resizing | None,
        vocab: Sequence[str],
        classes: Callable[[Any], Any] | None = None,
    ) -> None:
        self.masks, self.resizing, self.vocab, self.classes = masks, resizing, vocab, classes
        self._kept: Tensor | None = None
        self._is_kept = torch.zeros(len(masks), dtype=torch.bool)
        self._fits = True

    def __len__(self) -> int:
        return len(self.masks)

    def __call__(self, rows: Tensor) -> Tensor:
        """Masks (B, H, W) int64, of rows (B,).

        Raises:
            VicinalError: one cannot be read, holds no class, or has another size than the others.
        """
        if not len(rows):
            return torch.empty(0, 0, 0, dtype=torch.int64)
        missing = [row for row in dict.fromkeys(rows.tolist()) if not self._is_kept[row]]
        read = list(in_threads(lambda place: self._read(missing[place]), len(missing)))
        masks = dict(zip(missing, read, strict=True))
        if read and self._kept is None and self._fits:
            self._reserve(read[0])
        if self._kept is None:
            return torch.stack([self._of_size(row, masks[row], read[0]) for row in rows.tolist()])
        for row, mask in masks.items():
            self._kept[row] = self._of_size(row, mask, self._kept[0])
            self._is_kept[row] = True
        return self._kept[rows].long()

    def _reserve(self, first: Tensor) -> None:
        """Memory for all masks, of which the system gives only what is written to."""
        dtype = torch.uint8 if len(self.vocab) <= VOID + 1 else torch.int32
        needed = len(self.masks) * first.numel() * dtype.itemsize
        self._fits = needed < psutil.virtual_memory().available / 2
        if self._fits:
            self._kept = torch.empty(len(self.masks), *first.shape, dtype=dtype)

    def _of_size(self, row: int, mask: Tensor, other: Tensor) -> Tensor:
        if mask.shape != other.shape:
            raise VicinalError(
                f"{self._name(row)} has {mask.shape[0]}x{mask.shape[1]} pixels, another mask "
                f"{other.shape[0]}x{other.shape[1]}: give a size to resize them to, as in "
                "item_tfms=Resize(224)"
            )
        return mask

    def _read(self, row: int) -> Tensor:
        mask = read_mask(self.masks[row], self.resizing, self._name(row), self.classes)
        wrong = mask[(mask >= len(self.vocab)) & (mask != VOID)]
        if len(wrong):
            raise VicinalError(
                f"{self._name(row)} holds the class {int(wrong[0])}, and codes names "
                f"{len(self.vocab)}, from 0 on ({listed(self.vocab)}): name all classes; "
                f"{VOID} is for pixels without one"
            )
        return mask

    def _name(self, row: int) -> str:
        return image_name(self.masks[row], row).replace("image", "mask", 1)


def read_mask(
    mask: Any,
    resizing: Resizing | None,
    name: str,
    decode: Callable[[Any], Any] | None = None,
) -> Tensor:
    """One mask, (H, W) int64.

    The indices of a palette are its classes, and grey stored as colour is grey. It is resized as
    its image is, each pixel to the class of the nearest one; black that an image is padded by is
    class 0. With ``decode``, which gives the classes of a stored mask, it is none.

    Raises:
        VicinalError: it cannot be read, or has colours.

    >>> mask = Image.fromarray(np.array([[0, 0, 1, 1]], dtype=np.uint8))
    >>> read_mask(mask, None, "a mask"), read_mask(mask, Resizing(1, 2, "squish"), "a mask")
    (tensor([[0, 0, 1, 1]]), tensor([[0, 1]]))
    """
    try:
        classes = (decode or _classes)(mask)
    except Exception as error:  # decoders raise nearly anything on broken data
        raise VicinalError(f"{name} cannot be read: {error}") from None
    if classes.ndim == 3:
        if (classes != classes[..., :1]).any():
            raise VicinalError(
                f"{name} has colours: give a mask that holds the index of each pixel's class"
            )
        classes = classes[..., 0]
    if classes.ndim != 2:
        raise VicinalError(
            f"{name} has shape {classes.shape}: give the class of each pixel, (H, W)"
        )
    if resizing is not None:
        classes = _resized(classes, resizing, 0 if decode is None else VOID)
    return torch.from_numpy(classes)


def _classes(mask: Any) -> Any:
    """The values of a mask as int64, (H, W), or (H, W, 3) of colours."""
    if isinstance(mask, np.ndarray | Tensor):
        values = np.asarray(mask)
    else:
        stored = encoded(mask)
        if isinstance(stored, bytes):
            import io

            stored = Image.open(io.BytesIO(stored))
        stored = ImageOps.exif_transpose(stored)
        if stored.mode in ("LA", "RGBA", "PA"):
            stored = stored.convert({"LA": "L", "RGBA": "RGB", "PA": "P"}[stored.mode])
        values = np.asarray(stored)
    whole = values.astype(np.int64)
    if (whole != values).any() or (whole < 0).any():
        raise ValueError("its values are no indices of classes")
    return whole


def _resized(classes: Any, resizing: Resizing, around: int) -> Any:
    """The nearest pixels, by the same geometry as the image's; ``around`` it where it is padded."""
    height, width = classes.shape
    (left, top, right, bottom), (rows, columns) = resizing.placed(height, width)
    y = _nearest(top, bottom, rows, height)
    x = _nearest(left, right, columns, width)
    shown = classes[y][:, x]
    above, before = (resizing.height - rows) // 2, (resizing.width - columns) // 2
    below, after = resizing.height - rows - above, resizing.width - columns - before
    modes: dict[str, Any] = {"pad_border": "edge", "pad_reflection": "reflect"}
    mode = modes.get(resizing.method)
    widths = ((above, below), (before, after))
    if mode is None:
        return np.pad(shown, widths, constant_values=around)
    return np.pad(shown, widths, mode=mode)


def _nearest(start: float, end: float, count: int, length: int) -> Any:
    """The pixels at the centres of ``count`` equal parts of what is shown."""
    centres = start + (np.arange(count) + 0.5) * (end - start) / count
    return np.floor(centres).astype(np.int64).clip(0, length - 1)
