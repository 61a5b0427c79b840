"""What is trained: one file for each kind of data, from what the user asks for to a learner."""

from vicinal.data.rows import RowSplit, TextSplit
from vicinal.data.samples import Split
from vicinal.data.sources import load_split
from vicinal.tasks.images import ImageTask
from vicinal.tasks.tables import TableTask
from vicinal.tasks.task import Task
from vicinal.tasks.texts import TextTask
from vicinal.tasks.wishes import Wishes

__all__ = ["Task", "Wishes", "find_split", "make_task"]


def find_split(wishes: Wishes) -> Split | RowSplit:
    """The data that are wished for.

    Raises:
        VicinalError: they cannot be found or read.
    """
    return load_split(
        wishes.data,
        label=wishes.label,
        label_pattern=wishes.label_pattern,
        valid_pct=wishes.valid,
        seed=wishes.seed,
        stream=wishes.stream,
    )


def make_task(wishes: Wishes, split: Split | RowSplit) -> Task:
    """Choose what the user left open, for data that were found.

    Raises:
        VicinalError: something that is wished for does not go with them.
    """
    if isinstance(split, TextSplit):
        return TextTask(wishes, split)
    if isinstance(split, RowSplit):
        return TableTask(wishes, split)
    return ImageTask(wishes, split)
