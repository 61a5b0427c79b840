"""The training and the validation part of a labelled table, with their targets."""

import pandas as pd

from vicinal.data.labelled import LabelledTable
from vicinal.data.labels import Targets, targets_of
from vicinal.data.request import DataRequest
from vicinal.data.row_parts import split_frames
from vicinal.data.samples import untested
from vicinal.data.several_targets import SeveralTargets, targets_of_sets


def labelled_parts(
    table: LabelledTable, request: DataRequest
) -> tuple[pd.DataFrame, pd.DataFrame, Targets | SeveralTargets, str]:
    """The rows of both parts, their targets, and a note on how they were split.

    Args:
        table: that has been read.
        request: what was asked for.

    Raises:
        VicinalError: one sentence that says what is missing and what to do.
    """
    train, valid, held = split_frames(
        table.frames,
        request.valid_pct,
        request.seed,
        group=request.group,
        classes=table.classes(request.label_kind),
        several=table.sets is not None,
        called=table.called,
    )
    labels = train[table.label], valid[table.label]
    if table.sets is not None:
        return train, valid, targets_of_sets(*labels, table.sets, table.called), held
    targets = targets_of(*labels, request.label_kind)
    if targets.vocab is not None:
        both = targets.train.tolist(), targets.valid.tolist()
        targets.notes.extend(untested(*both, targets.vocab, table.called))
    return train, valid, targets, held
