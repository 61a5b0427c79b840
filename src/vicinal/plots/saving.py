"""Figures as files."""

import io
from pathlib import Path
from typing import Any

from vicinal.errors import VicinalError
from vicinal.files import check_writable, write_file


def save_figure(figure: Any, file: Path) -> None:
    """Write a figure in the format of the file's suffix.

    Raises:
        VicinalError: the suffix is of no format that can be written, or the folder does not exist.
    """
    picture = io.BytesIO()
    try:
        figure.savefig(picture, format=file.suffix.lstrip(".") or "png", dpi=120)
    except ValueError as error:
        raise VicinalError(f"{file} cannot be written: {str(error).lower()}") from None
    write_file(file, picture.getvalue())


def check_picture(file: Path) -> None:
    """Check that a picture or a page can be written to this file, before it is drawn.

    Raises:
        VicinalError: its suffix is of no format, or its folder does not exist or is read-only.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    formats = {"html": "page", **FigureCanvasBase.get_supported_filetypes()}
    suffix = file.suffix.lstrip(".").lower()
    if suffix and suffix not in formats:
        raise VicinalError(
            f"{file} cannot be written: give it the ending .png, .pdf, .svg or .html, not .{suffix}"
        )
    if not file.parent.is_dir():
        raise VicinalError(f"{file} cannot be written: {file.parent} is no folder")
    if file.is_dir():
        raise VicinalError(f"{file} cannot be written: it is a folder")
    check_writable(file.parent, file)
