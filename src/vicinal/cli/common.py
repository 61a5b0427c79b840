"""What all commands use."""

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from vicinal.memory import loading

PLACE = 16  # columns of the names
NARROW = 60  # columns of a terminal in which texts take that place, too


@contextmanager
def starting() -> Iterator[None]:
    """Import in this context what a command needs, which takes seconds."""
    from vicinal.progress import status

    with status("starting"), loading():
        yield


def typed_options(context: typer.Context) -> list[str]:
    """The names of the options that were given, also those given as their default."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def log(name: str, text: str) -> None:
    """Print a line of a table of names and texts; in a terminal, long texts keep their place."""
    line = f"{name and name + ':':{PLACE - 1}} {text}"
    if sys.stdout.isatty() and "\n" not in line:
        width = shutil.get_terminal_size().columns
        place = PLACE if width >= NARROW else 2
        # Names of files and numbers stay whole, so that they can be copied.
        line = textwrap.fill(
            line,
            width,
            subsequent_indent=" " * place,
            drop_whitespace=True,
            break_long_words=False,
            break_on_hyphens=False,
        )
    print(line, flush=True)
