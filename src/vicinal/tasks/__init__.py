"""What is trained: one file for each kind of data, from what the user asks for to a learner."""

from vicinal.data.rows import RowSplit, TextSplit
from vicinal.data.samples import Split
from vicinal.data.sources import load_split
from vicinal.tasks.images import ImageTask
from vicinal.tasks.options import TrainOptions
from vicinal.tasks.tables import TableTask
from vicinal.tasks.task import Task
from vicinal.tasks.texts import TextTask

__all__ = ["Task", "TrainOptions", "find_split", "make_task"]


def find_split(options: TrainOptions) -> Split | RowSplit:
    """The data that are wished for.

    Raises:
        VicinalError: they cannot be found or read.
    """
    return load_split(
        options.data,
        label=options.label,
        label_pattern=options.label_pattern,
        valid_pct=options.valid,
        seed=options.seed,
        stream=options.stream,
    )


def make_task(options: TrainOptions, split: Split | RowSplit) -> Task:
    """Choose what the user left open, for data that were found.

    Raises:
        VicinalError: something that is wished for does not go with them.
    """
    if isinstance(split, TextSplit):
        return TextTask(options, split)
    if isinstance(split, RowSplit):
        return TableTask(options, split)
    return ImageTask(options, split)
