"""Whether a table is learned from by its texts, by its other columns, or by both."""

from collections.abc import Sequence
from shlex import quote

from vicinal.data.chosen_columns import chosen_columns
from vicinal.data.column_names import typed
from vicinal.data.columns import ColumnKinds
from vicinal.data.samples import listed
from vicinal.errors import VicinalError


def of_texts_or_columns(
    kinds: ColumnKinds, text: str | None = None, columns: Sequence[str] = ()
) -> ColumnKinds:
    """These kinds, with one column of text or with none; others beside it only as asked.

    Args:
        kinds: of the columns.
        text: the column of text to learn from, whatever it looks like; None takes the only one.
        columns: those to learn from beside it, or ``all``; none for the texts alone.

    Raises:
        VicinalError: there are several, or other columns that can be learned from, so that the user
            has to choose; or there is no text beside which columns could be.

    >>> kinds = ColumnKinds(["age"], [], ["note"], [], {})
    >>> of_texts_or_columns(kinds, "note").left_out
    {'age': 'beside the texts in note'}
    >>> of_texts_or_columns(kinds, columns=["all"]).numeric
    ['age']
    """
    if columns:
        return _both(_text_beside(kinds, columns) if text is None else text, kinds, columns)
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
            + (f", or leave them out with --drop {typed(*kinds.text)}" if beside else "")
        )
    raise VicinalError(
        f"column {first} holds texts, and others can be learned from, too ({listed(beside)}): use "
        f"--columns all to learn from both, --text {quote(first)} to learn from the texts alone, "
        f"or --drop {typed(first)} to leave them out"
    )


def left_beside(before: ColumnKinds, kinds: ColumnKinds) -> list[str]:
    """A line about the columns that could be learned from, too, where only texts are.

    >>> before = ColumnKinds(["age"], [], ["note"], [], {})
    >>> left_beside(before, of_texts_or_columns(before, "note"))
    ['beside the texts: age can be learned from, too, by --columns all']
    """
    if not kinds.text or kinds.numeric or kinds.categorical:
        return []
    others = [name for name in (*before.numeric, *before.categorical) if name not in kinds.text]
    how = "can be learned from, too, by --columns all"
    return [f"beside the texts: {listed(others)} {how}"] if others else []


def _text_beside(kinds: ColumnKinds, columns: Sequence[str]) -> str:
    """The only column of text.

    Raises:
        VicinalError: there are several, or there is none.
    """
    if len(kinds.text) == 1:
        return kinds.text[0]
    if kinds.text:
        raise VicinalError(
            f"the columns {listed(kinds.text)} hold texts, and a network learns from one of them: "
            f"name it with --text {quote(kinds.text[0])}"
        )
    raise VicinalError(
        f"--columns {','.join(columns)} is for columns beside texts or images, and no column holds "
        "texts: leave it out to learn from all columns, or name one with --text"
    )


def _both(text: str, kinds: ColumnKinds, columns: Sequence[str]) -> ColumnKinds:
    if text in columns:
        raise VicinalError(
            f"--columns {typed(text)}: that is the column of texts: leave it out of --columns, or "
            "name another one with --text"
        )
    return chosen_columns(_but(text, kinds), columns, [text], f"the texts in {text}")


def _only(text: str, kinds: ColumnKinds) -> ColumnKinds:
    others = [*kinds.numeric, *kinds.categorical, *kinds.text]
    beside = {name: f"beside the texts in {text}" for name in others if name != text}
    left_out = {name: why for name, why in kinds.left_out.items() if name != text}
    return ColumnKinds([], [], [text], [], {**left_out, **beside})


def _but(text: str, kinds: ColumnKinds) -> ColumnKinds:
    """The kinds of the columns without that of the texts, whatever it looks like."""
    numeric, categorical, texts, few, numbering = (
        [name for name in names if name != text]
        for names in (kinds.numeric, kinds.categorical, kinds.text, kinds.few, kinds.numbering)
    )
    left_out = {name: why for name, why in kinds.left_out.items() if name != text}
    return ColumnKinds(numeric, categorical, texts, few, left_out, numbering)
