"""CSVLogger: the history in a file that grows."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import VicinalError
from vicinal.files import write_file, written
from vicinal.learner.events import Callback
from vicinal.processes import this_process

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class CSVLogger(Callback):
    """Write the table of a training to a CSV file, epoch by epoch.

    The columns are those of ``learn.history``, with all digits. The file holds all trainings of the
    learner: both phases of ``fine_tune``, too.

    Args:
        fname: the file, in ``learn.path`` unless it is absolute; an existing one is replaced.
        append: add the rows to those that are in the file.

    Raises:
        VicinalError: the file cannot be written; or, with ``append``, it has other columns.

    Source: fastai's callback of that name.

    >>> import tempfile, torch
    >>> from vicinal import DataLoaders, Learner, accuracy
    >>> folder = tempfile.TemporaryDirectory()
    >>> x, y = torch.randn(64, 2), torch.arange(64) % 2
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=16, device="cpu")
    >>> net = torch.nn.Linear(2, 2)
    >>> learn = Learner(dls, net, metrics=accuracy, cbs=CSVLogger(), path=folder.name)
    >>> learn.fit(2)
         epoch ...
    >>> learn.csv_logger.read_log()["epoch"].tolist()
    [1, 2]
    >>> folder.cleanup()
    """

    order = 86  # after the Recorder, before a checkpoint

    def __init__(self, fname: str | Path = "history.csv", append: bool = False) -> None:
        self.fname, self.append = fname, append
        self.file = Path(fname)

    def before_fit(self, learn: "Learner") -> None:
        self.file = learn.path / self.fname

    def after_epoch(self, learn: "Learner") -> None:
        if not this_process().is_main_process:
            return
        with written(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
        if not self.append:
            write_file(self.file, _as_csv(learn.history))
            return
        row, is_new = learn.history[-1], not self._has_rows(learn.history[-1])
        if not is_new and 0 < learn.first_epoch == learn.epoch:
            self._forget_from(row["epoch"])
        with written(self.file), self.file.open("a", newline="", encoding="utf-8") as file:
            file.write(_as_csv([row], header=is_new))

    def _forget_from(self, epoch: int) -> None:
        """Drop the last rows from this epoch on: a training that was killed had written them."""
        with self.file.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        while rows and int(rows[-1][header.index("epoch")]) >= epoch:
            rows.pop()
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        write_file(self.file, text.getvalue())

    def read_log(self) -> Any:
        """The file as a pandas DataFrame."""
        import pandas as pd

        return pd.read_csv(self.file)

    def _has_rows(self, row: dict[str, Any]) -> bool:
        """Whether the file has the columns of this row already."""
        try:
            with self.file.open(newline="", encoding="utf-8") as file:
                columns = next(csv.reader(file), None)
        except FileNotFoundError:
            return False
        if columns not in (None, list(row)):
            raise VicinalError(
                f"{self.file} has the columns {', '.join(columns)}, and this training "
                f"{', '.join(row)}: give another file name"
            )
        return columns is not None


def _as_csv(rows: list[dict[str, Any]], *, header: bool = True) -> str:
    """Rows as lines of text; where they differ in columns, all columns."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
