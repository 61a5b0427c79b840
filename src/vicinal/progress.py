"""Progress bars and signs of life, in terminals and notebooks.

Nothing is shown where the output is no terminal. In a narrow one, the count and the time are kept:
there is no bar, and the description is shortened.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from vicinal.notebook import Area, html_bar, in_notebook

BAR = 80  # columns of a terminal from which on there is room for a bar
OFTEN = 0.2  # seconds between two pulses

_shown: list["_Bar"] = []  # the innermost last; only that one is on the screen


class _Bar(Progress):
    """A bar that takes the place of the one around it: a terminal has one last line."""

    def start(self) -> None:
        if self.disable or self in _shown:
            return
        if _shown:
            _shown[-1]._leave()
        _shown.append(self)
        self._enter()

    def stop(self) -> None:
        if self not in _shown:
            return
        was_last = _shown[-1] is self
        _shown.remove(self)
        self._end()
        if was_last and _shown:
            _shown[-1]._enter()

    def _enter(self) -> None:
        self.live.start(refresh=True)

    def _leave(self) -> None:
        self.live.stop()

    def _end(self) -> None:
        super().stop()


class _NotebookBar(_Bar):
    """A bar in the output of a notebook's cell, which rich would need ipywidgets for.

    What counts is shown once it takes longer than a moment; a cell keeps even an empty output.
    """

    def __init__(self, *columns: ProgressColumn, **options: Any) -> None:
        super().__init__(*columns, **options)
        self.area: Area | None = None
        self.drawn = 0.0

    def update(self, task_id: TaskID, **fields: Any) -> None:  # type: ignore[override]
        super().update(task_id, **fields)
        self.refresh()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self.refresh()

    def refresh(self) -> None:
        # Drawn from here, not from rich's thread: a thread's output may reach another cell.
        is_due = time.monotonic() > self.drawn + OFTEN or all(t.total is None for t in self.tasks)
        if self.area is not None and self.tasks and is_due:
            self.drawn = time.monotonic()
            self.area.show("".join(html_bar(t.completed, t.total, _words(t)) for t in self.tasks))

    def _enter(self) -> None:
        self.area, self.drawn = Area(), time.monotonic()
        self.refresh()

    def _leave(self) -> None:
        if self.area is not None:
            self.area.clear()
        self.area = None

    def _end(self) -> None:
        self._leave()


def _words(task: Task) -> str:
    """What stands beside a task's bar."""
    if not task.total:
        return task.description
    counts = f"{task.completed:,.0f}/{task.total:,.0f}"
    left = task.time_remaining
    time_left = "" if left is None else f", {int(left) // 60}:{int(left) % 60:02d} left"
    return f"{task.description} {counts}{time_left}"


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
    return _kind()(
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
    bar = _kind()(
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


def _kind() -> type[_Bar]:
    return _NotebookBar if in_notebook() else _Bar


def _console() -> Console:
    # In a notebook rich would make each line an output of its own.
    return Console(force_jupyter=False if in_notebook() else None)


def _is_watched(console: Console) -> bool:
    """Whether somebody may look at it; of the processes of a machine, one is enough."""
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"
    return is_first and (console.is_terminal or in_notebook())
