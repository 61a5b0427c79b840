"""ProgressTable: what a training shows, in a terminal and in a notebook."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vicinal.formatting import format_number, format_short
from vicinal.learner.events import Callback
from vicinal.notebook import Area, html_bar, html_table, in_notebook
from vicinal.progress import progress_bar

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner

OFTEN = 0.3  # seconds between two pictures of a notebook's bar


class ProgressTable(Callback):
    """A progress bar during each epoch, and a line of the table after it.

    A notebook shows one table that grows, with the bar below it.
    """

    order = 90

    def before_fit(self, learn: "Learner") -> None:
        self.batches = len(learn.dls.train) + len(learn.dls.valid)
        total = learn.epochs * self.batches
        has_bar = getattr(learn, "shows_bar", True)
        self.shown = InNotebook(total, has_bar) if in_notebook() else InTerminal(total, has_bar)
        self.last_read = time.perf_counter()

    def before_train(self, learn: "Learner") -> None:
        self.shown.move_to(learn.epoch * self.batches, f"epoch {learn.epoch + 1}/{learn.epochs}")

    def after_batch(self, learn: "Learner") -> None:
        # Reading the loss makes the host wait for the device: once a second is enough.
        loss = ""
        if learn.training and learn.loss is not None and time.perf_counter() > self.last_read + 1:
            loss = f"loss {format_short(learn.loss.item())}"
            self.last_read = time.perf_counter()
        self.shown.advance(loss)

    def after_epoch(self, learn: "Learner") -> None:
        self.shown.add_row({name: _cell(name, v) for name, v in learn.history[-1].items()})

    def after_fit(self, learn: "Learner") -> None:
        self.shown.end()


class InTerminal:
    """The table line by line, above a bar that is there while the training runs.

    Args:
        total: the number of batches.
        has_bar: show the bar, too, if the output is a terminal.
    """

    def __init__(self, total: int, has_bar: bool) -> None:
        from rich.progress import TextColumn

        self.bar = progress_bar(TextColumn("{task.fields[loss]}"))
        self.bar.disable |= not has_bar
        self.header_shown = False
        self.task = self.bar.add_task("first batch", total=total, loss="")
        self.bar.start()

    def move_to(self, batch: int, epoch: str) -> None:
        self.bar.update(self.task, description=epoch, completed=batch)

    def advance(self, loss: str) -> None:
        self.bar.advance(self.task)
        if loss:
            self.bar.update(self.task, loss=loss)

    def add_row(self, row: Mapping[str, str]) -> None:
        if not self.header_shown:
            self._print(" ".join(f"{name:>{max(len(name), 10)}}" for name in row))
            self.header_shown = True
        self._print(" ".join(f"{cell:>{max(len(name), 10)}}" for name, cell in row.items()))

    def end(self) -> None:
        self.bar.stop()

    def _print(self, line: str) -> None:
        self.bar.console.print(line, highlight=False, markup=False, soft_wrap=True)


class InNotebook:
    """One table in the cell's output, with a bar below it while the training runs.

    Args:
        total: the number of batches.
        has_bar: show the bar, too.
    """

    def __init__(self, total: int, has_bar: bool) -> None:
        self.total, self.has_bar = total, has_bar
        self.done, self.epoch, self.loss = 0, "first batch", ""
        self.rows: list[Mapping[str, str]] = []
        self.area, self.began = Area(), time.perf_counter()
        self._draw()

    def move_to(self, batch: int, epoch: str) -> None:
        self.done, self.epoch = batch, epoch
        self._draw()

    def advance(self, loss: str) -> None:
        self.done, self.loss = self.done + 1, loss or self.loss
        if self.has_bar and time.perf_counter() > self.drawn + OFTEN:
            self._draw()

    def add_row(self, row: Mapping[str, str]) -> None:
        self.rows.append(row)
        self._draw()

    def end(self) -> None:
        self.has_bar = False
        self._draw()

    def _draw(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        cells = [[row.get(name, "") for name in columns] for row in self.rows]
        html = html_table(columns, cells) if cells else ""
        if self.has_bar:
            html += html_bar(self.done, self.total, self._beside_the_bar())
        self.area.show(html, _as_text(columns, cells))
        self.drawn = time.perf_counter()

    def _beside_the_bar(self) -> str:
        texts = [self.epoch, f"{self.done}/{self.total}"]
        if self.done:
            left = (time.perf_counter() - self.began) * (self.total - self.done) / self.done
            texts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        return "  ".join([*texts, self.loss])


def _as_text(columns: list[str], rows: list[list[str]]) -> str:
    """The table for a program that shows no HTML."""
    widths = [max(len(name), 10) for name in columns]
    lines = [columns, *rows] if rows else []
    return "\n".join(
        " ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def _cell(name: str, value: Any) -> str:
    if name == "epoch":
        return f"{value:d}"
    return f"{value:.1f}" if name == "seconds" else format_number(value)
