"""The options that say how to read DATA, which several commands share."""

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any

import typer

from vicinal.cli.arguments import IMAGES, READING


def _read(
    *,
    valid: Annotated[
        float,
        typer.Option(
            help="Fraction held out, where there is no validation part.", rich_help_panel=READING
        ),
    ] = 0.2,
    label: Annotated[
        str | None,
        typer.Option(
            help="The label column of a table; or several columns of 0 and 1, separated by commas, "
            "which are several labels of each sample.",
            rich_help_panel=READING,
        ),
    ] = None,
    label_pattern: Annotated[
        str | None,
        typer.Option(
            help="A regular expression for the names of files; its first group is the class. With "
            "a slash in it, it is for paths below DATA.",
            rich_help_panel=READING,
        ),
    ] = None,
    label_kind: Annotated[
        str | None,
        typer.Option(
            help="What the labels are: classes, values, or labels (several of each sample).",
            rich_help_panel=READING,
        ),
    ] = None,
    label_sep: Annotated[
        str | None,
        typer.Option(
            help="What joins several labels in a column, such as ; where it is no vertical bar, "
            "which is found.",
            rich_help_panel=READING,
        ),
    ] = None,
    drop_missing: Annotated[
        bool,
        typer.Option(
            help="Leave out rows without a label.", rich_help_panel=READING, show_default=False
        ),
    ] = False,
    legend: Annotated[
        str | None,
        typer.Option(
            help="For masks: a file that says which number or colour is which class, one a line, "
            "such as 3,sky or sky,128,64,128. If not given, one such as classes.csv in DATA.",
            rich_help_panel=READING,
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="The column of texts to learn from, and no other.", rich_help_panel=READING
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns to learn from beside the texts, or beside the images that a table names, "
            "separated by commas; all takes every one that can be learned from.",
            rich_help_panel=READING,
        ),
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option(help="Columns to leave out, separated by commas.", rich_help_panel=READING),
    ] = None,
    categorical: Annotated[
        str | None,
        typer.Option(
            help="Columns of numbers that are categories, such as zip codes, separated by commas.",
            rich_help_panel=READING,
        ),
    ] = None,
    split_column: Annotated[
        str | None,
        typer.Option(
            help="The column that says of each row whether it is for training or validation.",
            rich_help_panel=READING,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Hold out whole groups, such as all samples of a patient: the column that names "
            "them, or for a folder of images, a regular expression for paths below it, whose first "
            "group names them.",
            rich_help_panel=READING,
        ),
    ] = None,
    series: Annotated[
        bool | None,
        typer.Option(
            "--series/--no-series",
            help="Each row of a table, or of the arrays of an .npz file, is a series, or not. If "
            "not given, by their names.",
            rich_help_panel=READING,
        ),
    ] = None,
    series_id: Annotated[
        str | None,
        typer.Option(
            help="For series with a row for each step: the column that says which series it is of.",
            rich_help_panel=READING,
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="For these, the column of the times. If not given, one called time, t or date, or "
            "the order of the rows.",
            rich_help_panel=READING,
        ),
    ] = None,
) -> None:
    """The options of all commands that read DATA."""


def _see(
    *,
    resize: Annotated[
        str | None,
        typer.Option(
            help="How images get their size: crop (the default), squish or pad.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="none; light (shifts and flips); photo (crops, rotation, tilt, brightness and "
            "flips). If not given, by the size.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Flip training images at random, or not, as where left and right matter. If not "
            "given, by the data.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    pixel_range: Annotated[
        int | None,
        typer.Option(
            help="The value that is white in images of 16 bits, such as 4095 where a camera has "
            "12. If not given, 65535.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
) -> None:
    """The options of commands that bring images to a network."""


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the ``**how`` of a command by the options above, which the help then shows."""
    shared = [p for each in (_read, _see) for p in inspect.signature(each).parameters.values()]

    @wraps(command)
    def called(**arguments: Any) -> None:
        command(**arguments)

    signature = inspect.signature(command)
    *own, rest = signature.parameters.values()
    assert rest.kind is Parameter.VAR_KEYWORD
    # In this order, in which the help has their headings.
    merged = [*shared, *(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own)]
    vars(called)["__signature__"] = signature.replace(parameters=merged)
    called.__annotations__ = {p.name: p.annotation for p in merged}  # typer reads both
    return called
