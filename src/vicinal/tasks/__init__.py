"""What is trained: one file for each kind of data, from what the user asks for to a learner."""

from vicinal.data.rows import RowSplit, TextSplit
from vicinal.data.sources import load_split
from vicinal.tasks.images import ImageTask
from vicinal.tasks.tables import TableTask
from vicinal.tasks.task import Task
from vicinal.tasks.texts import TextTask
from vicinal.tasks.wishes import Wishes

__all__ = ["Task", "Wishes", "make_task"]


def make_task(wishes: Wishes) -> Task:
    """Find the data that are wished for, and choose what the user left open.

    Raises:
        VicinalError: the data cannot be read, or something that is wished for does not go with
            them.
    """
    split = load_split(
        wishes.data,
        label=wishes.label,
        label_pattern=wishes.label_pattern,
        valid_pct=wishes.valid,
        seed=wishes.seed,
        stream=wishes.stream,
    )
    if isinstance(split, TextSplit):
        return TextTask(wishes, split)
    if isinstance(split, RowSplit):
        return TableTask(wishes, split)
    return ImageTask(wishes, split)
