"""Predicted masks, written to a folder."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vicinal.errors import VicinalError
from vicinal.files import check_writable

FOLDER = "predicted"


class WrittenMasks:
    """Writes predicted masks, each under the name of its image.

    Args:
        preprocessing: of the run.
        out: the folder; None takes the next free one called ``predicted``.
        names: of the images.

    Attributes:
        files: the masks' files, in the order of the names.

    Raises:
        VicinalError: the run predicts no masks and ``out`` is given, or a file is there already.
    """

    def __init__(self, preprocessing: Any, out: Path | None, names: Sequence[str]) -> None:
        self.preprocessing = preprocessing
        self.folder = _free_folder() if out is None else out
        # Without .. in them, by which a mask could leave its folder.
        images = [Path(os.path.abspath(name)) for name in names]
        root = Path(os.path.commonpath([image.parent for image in images] or [Path()]))
        self.files: list[Path] = []
        taken: set[Path] = set()
        for image in images:
            file = self.folder / image.relative_to(root).parent / f"{image.stem}.png"
            while file in taken:  # a.jpg and a.png
                file = file.with_name(f"{image.name if file.stem == image.stem else file.name}.png")
            self.files.append(file)
            taken.add(file)
        check_writable(self.folder, f"--out {self.folder}")
        there = next((file for file in self.files if file.exists()), None)
        if there is not None:
            raise VicinalError(f"{there} exists already: name another folder by --out")

    def shares(self, outcomes: Iterable[Any]) -> Iterator[Any]:
        """Write each mask; give the shares of its classes, (C,), or the error in its place."""
        for file, outcome in zip(self.files, outcomes, strict=True):
            if isinstance(outcome, VicinalError):
                yield outcome
                continue
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                self.preprocessing.form.image(outcome.numpy()).save(file)
            except OSError as error:
                raise VicinalError(f"{file} cannot be written: {error.strerror}") from None
            yield self.preprocessing.shares(outcome)


def writer_for(preprocessing: Any, out: Path | None, names: Sequence[str]) -> WrittenMasks | None:
    """What writes the predictions of a run; None where they are not written."""
    if preprocessing.writes:
        return WrittenMasks(preprocessing, out, names)
    if out is not None:
        raise VicinalError(
            f"--out {out} is for predicted masks, and this run predicts none: leave it out"
        )
    return None


def _free_folder() -> Path:
    folder, number = Path(FOLDER), 1
    while folder.exists():
        number += 1
        folder = Path(f"{FOLDER}-{number}")
    return folder
