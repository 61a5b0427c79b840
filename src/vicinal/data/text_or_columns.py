"""Whether a table is learned from by its texts or by its other columns; both is not possible."""

from shlex import quote

from vicinal.data.columns import ColumnKinds
from vicinal.data.samples import listed
from vicinal.errors import VicinalError


def of_texts_or_columns(kinds: ColumnKinds, text: str | None = None) -> ColumnKinds:
    """These kinds, with one column of text and nothing else, or with none.

    Args:
        kinds: of the columns.
        text: the column of text to learn from, whatever it looks like; None takes the only one,
            where there is nothing beside it.

    Raises:
        VicinalError: there are several, or other columns that can be learned from, so that the user
            has to choose.

    >>> kinds = ColumnKinds(["age"], [], ["note"], [], {})
    >>> of_texts_or_columns(kinds, "note").left_out
    {'age': 'beside the texts in note'}
    """
    if text is not None:
        return _only(text, kinds)
    beside = [*kinds.numeric, *kinds.categorical]
    if not kinds.text or (len(kinds.text) == 1 and not beside):
        return kinds
    first, *others = kinds.text
    if others:
        raise VicinalError(
            f"the columns {listed(kinds.text)} hold texts, and a network learns from one of them: "
            f"name it with --text {quote(first)}"
            + (f", or leave them out with --drop {quote(','.join(kinds.text))}" if beside else "")
        )
    raise VicinalError(
        f"column {first} holds texts, and others can be learned from, too ({listed(beside)}): use "
        f"--text {quote(first)} to learn from the texts alone, or --drop {quote(first)} to leave "
        "them out"
    )


def _only(text: str, kinds: ColumnKinds) -> ColumnKinds:
    others = [*kinds.numeric, *kinds.categorical, *kinds.text]
    beside = {name: f"beside the texts in {text}" for name in others if name != text}
    left_out = {name: why for name, why in kinds.left_out.items() if name != text}
    return ColumnKinds([], [], [text], [], {**left_out, **beside})
