"""Which columns of a table are learned from beside its texts or its images."""

from collections.abc import Collection, Sequence

from vicinal.data.column_names import typed
from vicinal.data.columns import ColumnKinds
from vicinal.errors import VicinalError

ALL = "all"  # in place of names


def named_columns(columns: Sequence[str], there: Collection[str]) -> tuple[str, ...]:
    """The columns that are named, each once; none where ``all`` stands for them, and is no column.

    >>> named_columns(["age", "sex", "age"], ["age", "sex"]), named_columns(["all"], ["age"])
    (('age', 'sex'), ())
    """
    return () if [*columns] == [ALL] and ALL not in there else tuple(dict.fromkeys(columns))


def chosen_columns(
    kinds: ColumnKinds, columns: Sequence[str], text: Sequence[str], beside: str
) -> ColumnKinds:
    """The kinds of the columns that were chosen, with the others left out.

    Args:
        kinds: of all columns that may be chosen.
        columns: their names, or ``all`` that can be learned from.
        text: the column of text beside them, if they are beside texts.
        beside: what they are beside, for messages.

    Raises:
        VicinalError: nothing can be learned from one of them, or from any.

    >>> kinds = ColumnKinds(["age"], ["sex"], [], [], {"when": "dates"})
    >>> chosen_columns(kinds, ["age"], ["note"], "the texts in note").left_out
    {'when': 'dates', 'sex': 'not among --columns'}
    """
    there = [*kinds.numeric, *kinds.categorical, *kinds.text, *kinds.left_out]
    named = named_columns(columns, there)
    for name in named:
        if name in kinds.left_out:
            raise VicinalError(
                f"--columns {typed(name)}: nothing can be learned from that column "
                f"({kinds.left_out[name]}): leave it out of --columns"
            )
        if name in kinds.text:
            raise VicinalError(
                f"--columns {typed(name)}: that column holds texts, and only numbers and "
                f"categories are learned from beside {beside}: leave it out of --columns"
            )
    if not (kinds.numeric or kinds.categorical):
        why = "; ".join(kinds.notes()[1:]) or "there are no others"
        raise VicinalError(
            f"there is no column to learn from beside {beside} ({why}): leave out --columns"
        )
    wanted = {*(named or (*kinds.numeric, *kinds.categorical))}
    numeric, categorical, few, numbering = (
        [name for name in names if name in wanted]
        for names in (kinds.numeric, kinds.categorical, kinds.few, kinds.numbering)
    )
    left_out = dict(kinds.left_out) | dict.fromkeys(kinds.text, "texts")
    others = [name for name in (*kinds.numeric, *kinds.categorical) if name not in wanted]
    left_out |= dict.fromkeys(others, "not among --columns")
    return ColumnKinds(numeric, categorical, list(text), few, left_out, numbering)
