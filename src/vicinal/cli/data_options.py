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
            help="Fraction to hold out for validation, if DATA has no validation part.",
            rich_help_panel=READING,
        ),
    ] = 0.2,
    label: Annotated[
        str | None,
        typer.Option(
            help="The label column of a table. For several labels of each sample, columns of 0 and "
            "1, separated by commas.",
            rich_help_panel=READING,
        ),
    ] = None,
    label_pattern: Annotated[
        str | None,
        typer.Option(
            help="A regular expression for file names, whose first group is the class. With a "
            "slash in it, it is matched with paths below DATA.",
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
            help="What separates several labels in a column, such as ; (a vertical bar is found by "
            "itself).",
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
            help="For masks: a file with a class on each line, by its number or colour, such as "
            "3,sky or sky,128,64,128. Default: a file such as classes.csv in DATA.",
            rich_help_panel=READING,
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="The column of texts to learn from, without the other columns.",
            rich_help_panel=READING,
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
            help="The column that says whether a row is for training or for validation.",
            rich_help_panel=READING,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Hold out whole groups, such as all samples of a patient. Give the column that "
            "names them, or for a folder of images a regular expression for paths below DATA, "
            "whose first group names them.",
            rich_help_panel=READING,
        ),
    ] = None,
    series: Annotated[
        bool | None,
        typer.Option(
            "--series/--no-series",
            help="Each row of a table, or of the arrays of an .npz file, is a series, or it is "
            "not. Default: decided by the names of columns or arrays.",
            rich_help_panel=READING,
        ),
    ] = None,
    series_id: Annotated[
        str | None,
        typer.Option(
            help="For series with a row for each step: the column that names the series.",
            rich_help_panel=READING,
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="For series with a row for each step: the column of times. Default: a column "
            "called time, t or date, or else the order of the rows.",
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
            help="How images are brought to --size: crop (the default), squish or pad.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Data augmentation: none; light (shifts and flips); photo (crops, rotation, tilt, "
            "brightness and flips). Default: chosen by the size of the images.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Flip training images at random. Do not where left and right matter, as in "
            "digits. Default: chosen by the data.",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    pixel_range: Annotated[
        int | None,
        typer.Option(
            help="The value of white in images of 16 bits, such as 4095 for a camera of 12 bits. "
            "Default: 65535.",
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
