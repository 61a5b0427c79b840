"""The training and validation part of a table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vicinal.data.column_names import typed
from vicinal.data.columns import as_texts
from vicinal.data.groups import hold_out_groups
from vicinal.data.hold_out import hold_out, random_halves
from vicinal.data.parts import part_names
from vicinal.errors import VicinalError
from vicinal.formatting import pluralize


def split_frames(
    frames: dict[str, pd.DataFrame],
    valid_pct: float,
    seed: int,
    *,
    group: str | None = None,
    classes: Sequence[Any] | None = None,
    several: bool = False,
    called: str = "row",
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The training part, the validation part, and a line about where the latter comes from.

    It is the table's own, or a random fraction that is held out; rows keep their numbers.

    Args:
        frames: the parts by their names, as :func:`~vicinal.data.frames.read_frames` gives them.
        valid_pct: the fraction to hold out where the table has no validation part.
        seed: of that random choice.
        group: a column; rows that have the same value there are in the same part.
        classes: of the training part's rows, of which groups are held out alike; without groups,
            every class keeps a row in training.
        several: each row has a collection of labels in ``classes``, of which rows are held out
            alike, too.
        called: what a row stands for, in the line and in errors.

    Raises:
        VicinalError: ``valid_pct`` is not between 0 and 1, there is a single row, the columns of
            the two parts differ, or groups cannot be kept together.

    >>> frames = {"train": pd.DataFrame({"x": range(10)})}
    >>> train, valid, note = split_frames(frames, 0.2, seed=0)
    >>> len(train), len(valid), note
    (8, 2, 'validation: 2 rows held out at random (20%)')
    """
    train_name, valid_name = part_names(frames)
    train = frames[train_name]
    if valid_name is not None:
        valid = frames[valid_name]
        missing = [str(name) for name in train if name not in valid]
        if missing:
            raise VicinalError(
                f"the part {valid_name} lacks columns of the part {train_name}: "
                f"{', '.join(missing)}: add them, or leave them out with --drop "
                f"{typed(*missing)}"
            )
        if group is not None:
            shared = {*groups_of_rows(train, group)} & {*groups_of_rows(valid, group)}
            if shared:
                raise VicinalError(
                    f"{group} {min(shared)} is in both parts of the data, {train_name} and "
                    f"{valid_name}, so --group {group} cannot be kept: put each in one of them"
                )
        return (
            train,
            valid,
            f"validation: the data's part {valid_name}, {pluralize(len(valid), called)}",
        )
    if len(train) < 2:
        raise VicinalError(
            f"the table has a single {called}: training and validation need one each"
        )
    if group is None and several:
        kept, held = hold_out_groups(range(len(train)), valid_pct, seed, classes, several=True)
        share = f"{pluralize(len(held), called)} held out, with about a share of each label"
        note = f"validation: {share} ({len(held) / len(train):.0%})"
        return train.iloc[kept], train.iloc[held], note
    if group is None:
        if classes is None:
            learned, held_out = random_halves(len(train), valid_pct, seed)
        else:
            codes, _ = pd.Series([*classes], dtype=object).factorize()
            learned, held_out = hold_out(codes.tolist(), valid_pct, seed)
        count_held = pluralize(len(held_out), called)
        note = f"validation: {count_held} held out at random ({len(held_out) / len(train):.0%})"
        return train.iloc[learned], train.iloc[held_out], note
    groups = groups_of_rows(train, group)
    kept, held = hold_out_groups(groups, valid_pct, seed, classes, several=several)
    count, of = len({groups[row] for row in held}), len({*groups})
    note = (
        f"validation: {count:,} of {of:,} groups ({group}) held out, {pluralize(len(held), called)}"
    )
    return train.iloc[kept], train.iloc[held], f"{note} ({len(held) / len(train):.0%})"


def groups_of_rows(frame: pd.DataFrame, column: str) -> list[str]:
    """The group of each row, in a column.

    Raises:
        VicinalError: a row has none.
    """
    groups = as_texts(frame[column])
    missing = groups.isna()
    if missing.any():
        row = frame.index[int(missing.to_numpy().argmax())]
        raise VicinalError(
            f"column {column} names no group in row {row}: fill it in or drop the row"
        )
    found: list[str] = groups.tolist()
    return found
