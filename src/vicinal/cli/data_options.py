"""The options that say how to read DATA, which several commands share."""

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any

import typer


def _read(
    *,
    valid: Annotated[
        float, typer.Option(help="Fraction held out, where there is no validation part.")
    ] = 0.2,
    label: Annotated[str | None, typer.Option(help="The label column of a table.")] = None,
    label_pattern: Annotated[
        str | None,
        typer.Option(help="Regular expression for file names; its first group is the class."),
    ] = None,
    label_kind: Annotated[
        str | None, typer.Option(help="classes or values, where whole numbers can be either.")
    ] = None,
    drop_missing: Annotated[bool, typer.Option(help="Leave out rows without a label.")] = False,
    text: Annotated[
        str | None, typer.Option(help="The column of texts to learn from, alone.")
    ] = None,
    drop: Annotated[
        str | None, typer.Option(help="Columns to leave out, separated by commas.")
    ] = None,
    categorical: Annotated[
        str | None, typer.Option(help="Columns of numbers that are codes, separated by commas.")
    ] = None,
    split_column: Annotated[
        str | None, typer.Option(help="The column that names the part of each row.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="A column; or for a folder, a regular expression whose first group names the "
            "group. All samples of one are in the same part."
        ),
    ] = None,
) -> None:
    """The options of all commands that read DATA."""


def _see(
    *,
    resize: Annotated[
        str | None,
        typer.Option(help="How images get their size: crop (the default), squish or pad."),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Augmentation of images: none; light, shifts; photo, crops, tilt and light."
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip", help="Flip images at random: not where left and right matter."
        ),
    ] = None,
    pixel_range: Annotated[
        int | None, typer.Option(help="The value that is white in images of 16 bits: 4095 of 12.")
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
    merged = [*(p.replace(kind=Parameter.KEYWORD_ONLY) for p in own), *shared]
    vars(called)["__signature__"] = signature.replace(parameters=merged)
    called.__annotations__ = {p.name: p.annotation for p in merged}  # typer reads both
    return called
