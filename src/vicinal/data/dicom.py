"""Images in DICOM files, as a viewer would show them."""

import io
import warnings
from functools import cache
from typing import Any

import numpy as np
from PIL import Image


def dicom_image(content: bytes) -> Image.Image:
    """The first frame of a DICOM file, in grey or RGB of 8 bits.

    Grey values are those inside of the file's window. Without a window they are those of 8 bits,
    or of more bits from the darkest to the brightest value of the image.

    Raises:
        Exception: of pydicom, where it cannot decode it.
    """
    from pydicom import dcmread
    from pydicom.pixels.utils import pixel_array

    _silence()
    dataset = dcmread(io.BytesIO(content))
    try:
        values = pixel_array(dataset, index=0)
    except RuntimeError as error:
        # The first line ends with a colon, and those below name the packages that are missing.
        first, *others = (line.strip() for line in str(error).splitlines())
        raise ValueError(f"{first} {'; '.join(others)}".strip()) from None
    image = Image.fromarray(_shown(dataset, values))
    image.format = "DICOM"
    return image


@cache
def _silence() -> None:
    """Keep pydicom from printing what it says of each file, such as of bytes that fill it up."""
    # Once and for all: decoding runs in threads, which share the filters.
    warnings.filterwarnings("ignore", module=r"pydicom\.")


def _shown(dataset: Any, values: Any) -> Any:
    """Stored values as a viewer shows them: (H, W) or (H, W, 3) uint8."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    kind = dataset.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        colours = apply_color_lut(values, dataset)
        spare = 8 * (colours.itemsize - 1)  # tables of 16 bits have 8 in front
        return (colours >> spare).astype(np.uint8)
    if values.ndim == 3:
        most = 2**dataset.BitsStored - 1
        return values if most == 255 else (values / most * 255).round().astype(np.uint8)
    values = apply_modality_lut(values, dataset).astype(np.float64)
    low, high = _window(dataset) or _range(dataset, values)
    shown = ((values - low) / max(high - low, 1e-9)).clip(0, 1)
    if kind == "MONOCHROME1":
        shown = 1 - shown
    return (255 * shown).round().astype(np.uint8)


def _window(dataset: Any) -> tuple[float, float] | None:
    """The least and the greatest value of the first window, as the standard defines them."""
    centre, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if centre in (None, "") or width in (None, ""):
        return None
    centre, width = (float(np.ravel(value)[0]) for value in (centre, width))
    return (centre - 0.5) - (width - 1) / 2, (centre - 0.5) + (width - 1) / 2


def _range(dataset: Any, values: Any) -> tuple[float, float]:
    if dataset.BitsStored <= 8 and not dataset.PixelRepresentation:
        return 0, 2**dataset.BitsStored - 1
    return float(values.min()), float(values.max())
