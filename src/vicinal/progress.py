"""Progress bars and signs of life, in terminals and notebooks.

Nothing is shown where the output is no terminal. In a narrow one, the count and the time are kept:
there is no bar, and the description is shortened.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

BAR = 80  # columns of a terminal from which on there is room for a bar
OFTEN = 0.2  # seconds between two pulses

_shown: list["_Bar"] = []  # the innermost last; only that one is on the screen


class _Bar(Progress):
    """A bar that takes the place of the one around it: a terminal has one last line."""

    def start(self) -> None:
        if self.disable or self in _shown:
            return
        if _shown:
            _shown[-1].live.stop()
        _shown.append(self)
        super().start()

    def stop(self) -> None:
        if self not in _shown:
            return
        was_last = _shown[-1] is self
        _shown.remove(self)
        super().stop()
        if was_last and _shown:
            _shown[-1].live.start(refresh=True)


class _Description(ProgressColumn):
    """The description, shortened to what the other columns leave."""

    def get_table_column(self) -> Column:
        return Column()

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


def progress_bar(
    *more: ProgressColumn, columns: Sequence[ProgressColumn] | None = None
) -> Progress:
    """A bar with description, count and remaining time; hidden where the output is no terminal.

    Args:
        *more: columns after these.
        columns: in place of the count and the time.
    """
    console = _console()
    counted = columns or (
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
    )
    wide = [BarColumn()] if console.width >= BAR else []
    return _Bar(
        SpinnerColumn(table_column=Column(no_wrap=True)),
        _Description(),
        *wide,
        *counted,
        *more,
        console=console,
        transient=True,
        disable=not _is_watched(console),
    )


@contextmanager
def status(text: str, *, by_pulses: bool = False) -> Iterator[Callable[[str], None]]:
    """Show what is being done, and for how long, until it is done.

    Args:
        text: such as "reading photos".
        by_pulses: no thread draws it, but :func:`pulse`, which does so between measurements of
            time.

    Yields:
        A function that changes the text.

    >>> with status("reading photos") as say:
    ...     say("reading labels")
    """
    console = _console()
    bar = _Bar(
        SpinnerColumn(table_column=Column(no_wrap=True)),
        _Description(),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        console=console,
        transient=True,
        auto_refresh=not by_pulses,
        disable=not _is_watched(console),
    )
    task = bar.add_task(text, total=None)

    def say(new: str) -> None:
        bar.update(task, description=new, refresh=by_pulses)

    with bar:
        yield say


_pulsed = 0.0


def pulse() -> None:
    """Draw what is shown anew, if no thread does."""
    global _pulsed
    if _shown and not _shown[-1].live.auto_refresh and time.monotonic() > _pulsed + OFTEN:
        _shown[-1].refresh()
        _pulsed = time.monotonic()


def _console() -> Console:
    return Console()


def _is_watched(console: Console) -> bool:
    """Whether somebody may look at it; of the processes of a machine, one is enough."""
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"
    return is_first and (console.is_terminal or console.is_jupyter)
