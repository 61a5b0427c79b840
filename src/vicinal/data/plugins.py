"""Which files can be read as images: by Pillow, by its plugins, or by a package that is missing."""

from importlib import import_module
from importlib.util import find_spec

from PIL import EpsImagePlugin, Image

# Formats that Pillow registers and cannot show: it only writes them, or only knows their names.
UNSEEN = frozenset({"BUFR", "GRIB", "HDF5", "MPEG", "PALM", "PDF", "WMF"})
# The packages that read more, what each is imported as, and the endings of its files.
PACKAGES = {
    "pillow-heif": ("pillow_heif", {".heic", ".heics", ".heif", ".heifs", ".hif"}),
    "pillow-jxl-plugin": ("pillow_jxl", {".jxl"}),
    "pydicom": ("pydicom", {".dcm", ".dicom"}),
}
# What such files begin with, at their first byte or after the length of their first box.
STARTS = {
    ".heic": tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"heis", b"mif1")),
    ".jxl": (b"\xff\x0a", b"JXL \r\n\x87\n"),
}


def is_readable(suffix: str) -> bool:
    """Whether files with this ending can be read as images, as of now.

    A format counts from the moment that its plugin is registered with Pillow; the packages of
    :data:`PACKAGES` count wherever they are installed.

    >>> is_readable(".JPG"), is_readable(".h5"), is_readable("")
    (True, False, False)
    """
    suffix = suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if kind == "EPS":
        return bool(EpsImagePlugin.has_ghostscript())
    if kind is not None:
        return kind not in UNSEEN
    return any(suffix in endings and _installed(name) for name, endings in PACKAGES.values())


def missing_reader(suffix: str) -> str | None:
    """What would make images with this ending readable; None where they are, or nothing would.

    >>> missing_reader(".SVG"), missing_reader(".jpg"), missing_reader(".txt")
    ('save them as PNG', None, None)
    """
    suffix = suffix.lower()
    if is_readable(suffix):
        return None
    if suffix in (".eps", ".ps"):
        return "installing Ghostscript makes them readable"
    if suffix in (".svg", ".svgz", ".wmf", ".emf"):
        return "save them as PNG"
    packages = {".avif": "--upgrade pillow"} | {
        ending: package for package, (_, endings) in PACKAGES.items() for ending in endings
    }
    return f"pip install {packages[suffix]} reads them" if suffix in packages else None


def hint(content: bytes) -> str | None:
    """:func:`missing_reader`, by what a file begins with."""
    if is_dicom(content):
        return missing_reader(".dcm")
    for suffix, starts in STARTS.items():
        if content[:32].startswith(starts) or content[4:32].startswith(starts):
            return missing_reader(suffix)
    return missing_reader(".svg") if b"<svg" in content[:1024] else None


def register() -> None:
    """Make Pillow open what the installed packages read."""
    if _installed("pillow_heif"):
        import_module("pillow_heif").register_heif_opener()
    if _installed("pillow_jxl"):
        import_module("pillow_jxl")  # registers itself


def _installed(module: str) -> bool:
    return find_spec(module) is not None


def is_dicom(content: bytes) -> bool:
    """Whether a file's content is DICOM's, whatever its name."""
    return content[128:132] == b"DICM"
