"""The training and validation part of a table."""

import pandas as pd

from vicinal.data.parts import part_names
from vicinal.data.samples import Samples, random_split
from vicinal.errors import VicinalError


def split_frames(
    frames: dict[str, pd.DataFrame], valid_pct: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The training part, the validation part, and a line about where the latter comes from.

    It is the table's own, or a random fraction that is held out; rows keep their numbers.

    Args:
        frames: the parts by their names, as :func:`read_frames` gives them.
        valid_pct: the fraction to hold out where the table has no validation part.
        seed: of that random choice.

    Raises:
        VicinalError: ``valid_pct`` is not between 0 and 1, there is a single row, or the columns
            of the two parts differ.

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
                f"{', '.join(missing)}"
            )
        return train, valid, f"validation: the data's part {valid_name}, {len(valid):,} rows"
    if len(train) < 2:
        raise VicinalError("the table has a single row: training and validation need one each")
    rows = range(len(train))
    learned, held_out = random_split(Samples(rows, rows), valid_pct, seed)
    note = f"validation: {len(held_out):,} rows held out at random ({valid_pct:.0%})"
    return train.iloc[list(learned.labels)], train.iloc[list(held_out.labels)], note
