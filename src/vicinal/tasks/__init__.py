"""Tasks: one file for each kind of data, from the options of a training to a learner."""

from vicinal.data.column_names import listed_names
from vicinal.data.sources import load_split
from vicinal.data.split import DataSplit
from vicinal.kinds import KINDS
from vicinal.progress import status
from vicinal.tasks.options import TrainOptions
from vicinal.tasks.refusals import check_options
from vicinal.tasks.task import Task

__all__ = ["Task", "TrainOptions", "find_split", "make_task", "task_type_of"]


def find_split(options: TrainOptions) -> DataSplit:
    """The data that the options name.

    Raises:
        VicinalError: they cannot be found or read, or before that, an option goes with no data.
    """
    check_options(options)
    return load_split(
        options.data,
        label=options.label,
        label_pattern=options.label_pattern,
        text=options.text,
        columns=listed_names(options.columns),
        drop=listed_names(options.drop),
        categorical=listed_names(options.categorical),
        group=options.group,
        split_column=options.split_column,
        label_kind=options.label_kind,
        label_sep=options.label_sep,
        drop_missing=options.drop_missing,
        pixel_range=options.pixel_range,
        legend=options.legend,
        series=options.series,
        series_id=options.series_id,
        time=options.time,
        valid_pct=options.valid,
        seed=options.seed,
        stream=options.stream,
        skip_bad=options.skip_bad,
    )


def task_type_of(split: DataSplit) -> type[Task]:
    """The kind of :class:`Task` that trains on such data."""
    found: type[Task] = KINDS[split.kind].task_type
    return found


def make_task(options: TrainOptions, split: DataSplit) -> Task:
    """Choose what the options leave open, for data that were found.

    Raises:
        VicinalError: an option does not go with them.
    """
    with status("choosing the network and its training"):
        task = task_type_of(split)(options, split)
        task.check_mix()
        return task
