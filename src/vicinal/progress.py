"""Progress bars and signs of life, in terminals and notebooks.

Nothing is shown where the output is no terminal. In a narrow one the count and the time are kept:
the bar goes first, and then the description is shortened.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

COUNTED = 34  # columns of a terminal for the count, the time and the spaces between
BAR = 80  # columns of a terminal from which on there is room for a bar


class _Description(ProgressColumn):
    """The description in what the count and the time leave."""

    def __init__(self, console: Console) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis", ratio=None))
        self.console = console

    def render(self, task: Task) -> Text:
        text = Text(task.description)
        text.truncate(max(8, self.console.width - COUNTED), overflow="ellipsis")
        return text


def progress_bar(*more: ProgressColumn) -> Progress:
    """A bar with description, count and remaining time; hidden where the output is no terminal."""
    console = Console()
    columns: list[ProgressColumn] = [_Description(console)]
    if console.width >= BAR:
        columns.append(BarColumn())
    return Progress(
        *columns,
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        *more,
        console=console,
        transient=True,
        disable=not is_shown(console),
    )


@contextmanager
def status(text: str) -> Iterator[None]:
    """Show what is being done, and for how long, until it is done.

    >>> with status("reading photos"):
    ...     pass
    """
    console = Console()
    if not is_shown(console):
        yield
        return
    with console.status(text):
        yield


def is_shown(console: Console) -> bool:
    """Whether somebody may look at it."""
    return console.is_terminal or console.is_jupyter
