"""Texts in folders: a class a folder, a text a file."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from vicinal.data.folders import check_open, groups_of
from vicinal.data.layout import Layout, layout_of
from vicinal.data.listing import endings
from vicinal.data.request import DataRequest
from vicinal.data.rows import RowSplit, split_of_rows
from vicinal.data.tree import tree_of
from vicinal.errors import VicinalError

ENDINGS = (".txt", ".text", ".md", "")
UNLABELLED = {"unsup", "unlabeled", "unlabelled"}


def split_of_text_folders(request: DataRequest) -> RowSplit | None:
    """Texts with the classes that their folders name; None where there are no such files.

    Raises:
        VicinalError: the folders do not say parts and classes clearly, or a text is empty.
    """
    path = request.path
    texts = [
        file for file in request.files if file.suffix.lower() in ENDINGS and file.parent != path
    ]
    if path is None or request.images or not texts:
        return None
    request.accept("group", "label_kind", reasons={"": "is a folder of texts"})
    check_open(request.listing, request.skip_bad)
    layout = _layout(
        path, [f for f in texts if not UNLABELLED & {*f.relative_to(path).parent.parts}]
    )
    parts = {"train": layout.train}
    if layout.valid is not None:
        parts[layout.valid_name] = layout.valid
    notes: list[str] = []
    frames = {}
    for name, part in parts.items():
        files = [file for file, _ in part]
        frame = pd.DataFrame(
            {"text": read_texts(files, notes), "label": [label for _, label in part]},
            index=[file.relative_to(path).as_posix() for file in files],
        )
        if request.group is not None:
            frame["group"] = groups_of(files, path, request.group)
        frames[name] = frame
    group = None if request.group is None else "group"
    split = split_of_rows(frames, replace(request, label="label", text="text", group=group))
    read = {file for part in parts.values() for file, _ in part}
    others = [file for file in request.files if file not in read]
    notes += [f"left out: {endings(others)}"] if others else []
    split.notes[:0] = [*layout.notes, *notes]
    return split


def _layout(root: Path, texts: list[Path]) -> Layout:
    """Parts and classes, as they are read off folders of images."""

    def of_texts(sentence: str) -> str:
        sentence = sentence.partition(", or take classes from the file names")[0]
        return re.sub(r"\bimage(s?)\b", r"text\1", sentence)

    try:
        layout = layout_of(tree_of(root, texts))
    except VicinalError as error:
        raise VicinalError(of_texts(str(error))) from None
    layout.notes[:] = map(of_texts, layout.notes)
    return layout


def read_texts(files: list[Path], notes: list[str]) -> list[str]:
    """The text in each file, which is in UTF-8, or else taken as Latin-1."""
    texts, others = [], 0
    for file in files:
        try:
            text, is_utf8 = decoded_text(file)
        except OSError as error:
            raise VicinalError(f"{file} cannot be read ({error.strerror}): remove it") from None
        texts.append(text)
        others += not is_utf8
    if others:
        notes.append(f"encoding: {others:,} files that are not in UTF-8, taken as Latin-1")
    return texts


def decoded_text(file: Path) -> tuple[str, bool]:
    """The text in a file, and whether it is in UTF-8; else it is taken as Latin-1.

    Raises:
        OSError: the file cannot be read.
        VicinalError: it holds zero bytes.
    """
    content = file.read_bytes()
    if b"\0" in content:
        image = "" if file.suffix else ", or if it is an image, add the ending, such as .png"
        raise VicinalError(f"{file} is no text, it holds zero bytes: remove it{image}")
    try:
        return content.decode("utf-8-sig").strip(), True
    except UnicodeDecodeError:
        return content.decode("latin-1").strip(), False
