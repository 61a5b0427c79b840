"""What a look at a few images shows: their sizes, formats, and the class of each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import ExifTags
from torch import Tensor

from vicinal.data.decoding import open_image, reason
from vicinal.data.images import encoded, image_name
from vicinal.data.samples import Samples
from vicinal.data.summary import Summary, Table, evenly_spaced, shortened

LOOKED_AT = 64  # images whose headers are read
CLASSES = 5  # of which a first image is named
MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey, transparent",
    "P": "palette",
    "PA": "palette",
    "RGB": "colour",
    "RGBA": "colour, transparent",
    "CMYK": "CMYK",
    "I": "grey, 32 bits",
    "F": "grey, 32 bits",
}


def image_summary(samples: Samples, vocab: Sequence[str] | None) -> Summary:
    """The sizes and formats of some of the images, by their headers, and where each class is from.

    Args:
        samples: the training part.
        vocab: the names of the classes; None where images have several labels.
    """
    if isinstance(samples.images, Tensor):
        return Summary(sizes_and_formats(samples))
    lines = sizes_and_formats(samples)
    return Summary(lines, [] if vocab is None else [_first_of_each(samples, vocab)])


def sizes_and_formats(samples: Samples) -> list[tuple[str, str]]:
    """Lines about the sizes and formats of some of the images, by their headers."""
    images, indices = samples.images, evenly_spaced(len(samples), LOOKED_AT)
    if isinstance(images, Tensor):
        height, width = images.shape[2:]
        return [("sizes", f"{width}x{height} pixels (width x height)")]
    sizes: Counter[tuple[int, int]] = Counter()
    formats: Counter[str] = Counter()
    bad = []
    for index in indices:
        image = images[index]
        try:
            size, kind = _header(image)
        except Exception as error:  # Pillow raises nearly anything on broken data
            bad.append(f"{image_name(image, index)} ({reason(error)})")
            continue
        sizes[size] += 1
        formats[kind] += 1
    lines = []
    if sizes:
        looked = f"of {sizes.total():,} training images"
        lines += [("sizes", f"{looked}, width x height: {_sizes(sizes)}")]
        lines += [("formats", f"{looked}: {_counted(formats.most_common())}")]
    if bad:
        lines.append(("cannot be read", f"{len(bad)} of {len(indices)} training images: {bad[0]}"))
    return lines


def _header(image: Any) -> tuple[tuple[int, int], str]:
    """Width and height as a viewer shows them, and the format."""
    with open_image(encoded(image)) as opened:
        width, height = opened.size
        if opened.getexif().get(ExifTags.Base.Orientation, 1) >= 5:  # it lies on its side
            width, height = height, width
        mode = opened.mode
        bits = "grey, 16 bits" if mode.startswith("I;16") else MODES.get(mode, mode)
        ending = Path(image_name(image, 0).rstrip(")")).suffix[1:].upper()  # of what is a plugin's
        return (width, height), f"{opened.format or ending or 'pixels'} in {bits}"


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    common = [(f"{width}x{height}", count) for (width, height), count in sizes.most_common(3)]
    if len(sizes) <= 3:
        return _counted(common)
    widths, heights = zip(*sizes, strict=True)
    ranges = f"widths {min(widths)} to {max(widths)}, heights {min(heights)} to {max(heights)}"
    if common[0][1] == 1:
        return f"all different, {ranges}"
    return f"{_counted(common)}, {len(sizes) - 3} others; {ranges}"


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts)


def _first_of_each(samples: Samples, vocab: Sequence[str]) -> Table:
    """The first image of each of the first classes."""
    first: dict[int, int] = {}
    for index, label in enumerate(samples.labels):
        first.setdefault(label, index)
    rows = []
    for label in sorted(first)[:CLASSES]:
        name = image_name(samples.images[first[label]], first[label])
        rows.append((shortened(vocab[label], 40), name if len(name) <= 80 else f"…{name[-79:]}"))
    return Table(("class", "its first training image"), rows)
