"""Several labels of one sample: how a table holds them, and what they are as targets.

A column of lists, of texts that a separator joins, or several columns of zeros and ones become one
column of tuples of names; a sample without a label has an empty one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vicinal.data.column_names import check_column, listed_names
from vicinal.data.columns import as_texts
from vicinal.data.written_lists import read_list
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.request import DataRequest

SEPARATORS = ("|", ";", ",")  # in the order in which they are looked for


@dataclass(frozen=True)
class LabelSets:
    """How the labels of a table were understood.

    Args:
        column: the name of the column that holds the tuples; empty where labels are in no table.
        how: a clause for the user, such as ``"separated by |"``.
        vocab: the labels, where the data name them; None for those that occur.
        columns: the columns of zeros and ones that it was made of; none where it was one column.
    """

    column: str
    how: str
    vocab: list[str] | None = None
    columns: list[str] = field(default_factory=list)


def names_several(request: "DataRequest", columns: Collection[Any]) -> list[str]:
    """The columns that ``--label`` names, joined by commas; none where it names one column.

    Raises:
        VicinalError: another option is for labels in one column.

    >>> from vicinal.data.request import DataRequest
    >>> names_several(DataRequest("", label="action, drama"), ["action", "drama", "year"])
    ['action', 'drama']
    >>> names_several(DataRequest("", label="a,b"), ["a,b"])
    []
    """
    label = request.label
    if label is None or label in columns or "," not in label:
        return []
    names = listed_names(label)
    if request.label_sep is not None:
        raise VicinalError(
            f"--label-sep {request.label_sep} is for one column, and --label names {len(names)}: "
            "leave it out"
        )
    if request.label_kind in ("classes", "values"):
        raise VicinalError(
            f"--label names {len(names)} columns, for several labels of each sample, and "
            f"--label-kind {request.label_kind} is for one: leave it out, or name one column"
        )
    return names


def joined_columns(
    frame: pd.DataFrame, names: Sequence[str], *, drop_missing: bool = False
) -> tuple[pd.Series, str]:
    """Several columns of zeros and ones as one column of tuples, and how they were understood.

    Args:
        frame: a table.
        names: of the columns.
        drop_missing: rows of which one is missing have no tuple, but None.

    Raises:
        VicinalError: there is no such column, one is named twice, or a value is neither.

    >>> frame = pd.DataFrame({"sea": [0, 1], "sky": [1, 1]})
    >>> joined_columns(frame, ["sea", "sky"])[0].tolist()
    [('sky',), ('sea', 'sky')]
    """
    for name in names:
        check_column(name, list(frame), "label")
    if len({*names}) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise VicinalError(f"--label names the column {twice} twice: leave out one of them")
    numbers = pd.DataFrame({name: _numbers(frame[name]) for name in names})
    values = {*pd.unique(numbers.to_numpy().ravel())} - {np.nan}
    values = {value for value in values if value == value}
    off = -1.0 if values <= {-1.0, 1.0} and -1.0 in values else 0.0
    wrong = ~numbers.isin([off, 1.0])
    missing = numbers.isna() & frame[list(names)].isna()
    if drop_missing:
        wrong &= ~missing
    if wrong.to_numpy().any():
        row, place = (int(each[0]) for each in np.nonzero(wrong.to_numpy()))
        name = names[place]
        value = frame[name].iloc[row]
        if missing.iloc[row, place]:
            raise VicinalError(
                f"column {name} is empty in row {frame.index[row]}, and is one of {len(names)} "
                "labels of zeros and ones: fill it in, or leave such rows out with --drop-missing"
            )
        raise VicinalError(
            f"column {name} holds {value} in row {frame.index[row]}, and several labels in "
            "columns of their own are zeros and ones: correct it, or leave that column out"
        )
    table = numbers.to_numpy() == 1.0
    labels = [tuple(name for name, on in zip(names, row, strict=True) if on) for row in table]
    found = pd.Series(labels, frame.index, dtype=object)
    if drop_missing:
        found = found.where(~missing.any(axis=1), None)
    return found, f"{'columns' if len(names) > 1 else 'a column'} of {off:g} and 1"


def _numbers(values: pd.Series) -> pd.Series:
    """Zeros and ones, also where they are booleans or their words; NaN for anything else."""
    texts = as_texts(values).replace({"True": "1", "False": "0"})
    return pd.to_numeric(texts, errors="coerce").astype(float)


def sets_of(labels: pd.Series, request: "DataRequest") -> tuple[pd.Series, str] | None:
    """A column as tuples of labels, and how it was understood; None where each row has one label.

    Lists are several labels, and so are texts with a ``|``, unless the user says that they are
    classes. Other separators also stand in names, so that the user has to name them.

    Args:
        labels: the column, also of several parts.
        request: of the user.

    Raises:
        VicinalError: the separator that the user names is in no label, or a list holds no labels.
    """
    known = labels.dropna()
    are_lists = known.map(is_list)
    if are_lists.any():
        _check_no_separator(labels, request)
        return _of_lists(labels, known, are_lists), "lists"
    separator, kind = request.label_sep, request.label_kind
    if separator is None and kind in ("classes", "values"):
        return None
    texts = as_texts(known)
    if separator is None and isinstance(labels.dtype, pd.CategoricalDtype) and kind is None:
        return None
    written = _written_lists(texts)
    if written is not None:
        _check_no_separator(labels, request)
        return sets_of(written.reindex(labels.index).astype(object), request)
    if separator is not None and not texts.str.contains(separator, regex=False).any():
        first = repr(texts.iloc[0]) if len(texts) else "nothing"
        raise VicinalError(
            f"no label in column {labels.name} holds {separator!r}, such as {first}: name the "
            "separator that joins them by --label-sep, or leave that out where each row has one "
            "label"
        )
    if separator is None:
        separator = _separator(texts, SEPARATORS if kind == "labels" else SEPARATORS[:1])
    if separator is None:
        if kind != "labels":
            return None
        return _filled(labels, texts.map(lambda text: (text,))), "one each at most"
    split = texts.map(lambda text: _words(text, separator))
    if kind is None and request.label_sep is None:
        _check_names(texts, split)
    return _filled(labels, split), f"separated by {separator}"


def _check_no_separator(labels: pd.Series, request: "DataRequest") -> None:
    if request.label_sep is not None:
        raise VicinalError(
            f"column {labels.name} holds lists, of which nothing is to be separated by --label-sep "
            f"{request.label_sep}: leave it out"
        )


def is_list(value: Any) -> bool:
    """Whether a cell holds several values.

    >>> is_list(["a"]), is_list(np.array([1])), is_list("a")
    (True, True, False)
    """
    return isinstance(value, list | tuple | set | frozenset | np.ndarray)


def _separator(texts: pd.Series, candidates: Sequence[str]) -> str | None:
    """The first that joins words in some text."""
    for separator in candidates:
        for text in texts[texts.str.contains(separator, regex=False)]:
            if len(_words(text, separator)) > 1:
                return separator
    return None


def _words(text: str, separator: str) -> tuple[str, ...]:
    words = (word.strip() for word in text.split(separator))
    return tuple(dict.fromkeys(word for word in words if word))


def _check_names(texts: pd.Series, split: pd.Series) -> None:
    """Refuse numbers with decimals, which are measured more often than they name something."""
    words = pd.Series([*dict.fromkeys(word for each in split for word in each)], dtype=object)
    numbers = pd.to_numeric(words, errors="coerce")
    if numbers.notna().all() and (numbers % 1 != 0).any():
        first = next(text for text, each in zip(texts, split, strict=True) if len(each) > 1)
        raise VicinalError(
            f"column {texts.name} holds {first!r:.60}, numbers with decimals that {SEPARATORS[0]} "
            "joins: if each is the name of a label, say --label-kind labels"
        )


def _filled(labels: pd.Series, split: pd.Series) -> pd.Series:
    """As long as the column: None where there is nothing."""
    filled = split.astype(object).reindex(labels.index)
    return filled.where(filled.notna(), None)


def _written_lists(texts: pd.Series) -> pd.Series | None:
    """Lists that a CSV file holds as texts; None where these are none."""
    lists = texts.map(read_list)
    return lists if len(lists) and lists.map(is_list).all() else None


def _of_lists(labels: pd.Series, known: pd.Series, are_lists: pd.Series) -> pd.Series:
    if not are_lists.all():
        row = known.index[int((~are_lists).to_numpy().argmax())]
        raise VicinalError(
            f"column {labels.name} holds lists, but {known[row]!r:.60} in row {row}: write a list "
            "there, too"
        )
    encoded = _multi_hot(known)
    if encoded is not None:
        return _filled(labels, encoded)
    rows = [_names(value, labels.name, row) for row, value in known.items()]
    return _filled(labels, pd.Series(rows, known.index, dtype=object))


def _multi_hot(known: pd.Series) -> pd.Series | None:
    """Lists of zeros and ones, one for each label, as the numbers of the labels."""
    lengths = {len(value) for value in known}
    if len(lengths) != 1 or min(lengths) < 2:
        return None
    try:
        table = np.array([list(value) for value in known], dtype=float)
    except (TypeError, ValueError):
        return None
    if not np.isin(table, (0, 1)).all():
        return None
    rows = [tuple(str(place) for place in np.flatnonzero(row)) for row in table]
    return pd.Series(rows, known.index, dtype=object)


def _names(value: Iterable[Any], column: Any, row: Any) -> tuple[str, ...]:
    """The labels in a list, each once."""
    found = []
    for label in value:
        number = isinstance(label, float | np.floating)
        if label is None or (number and label != label):
            raise VicinalError(
                f"a label in column {column} is missing in the list of row {row}: leave it out of "
                "that list"
            )
        if is_list(label) or isinstance(label, Mapping) or (number and not label.is_integer()):
            raise VicinalError(
                f"column {column} holds {label!r:.60} in a list in row {row}, which is no label: "
                "name another label column"
            )
        found.append(str(int(label)) if number else str(label).strip())
    return tuple(dict.fromkeys(name for name in found if name))


def without_gaps(labels: pd.Series, request: "DataRequest") -> pd.Series:
    """Tuples in all rows: an empty cell is no label, unless it is to be left out or all are empty.

    >>> from vicinal.data.request import DataRequest
    >>> without_gaps(pd.Series([("a",), None]), DataRequest("")).tolist()
    [('a',), ()]
    """
    if request.drop_missing or labels.isna().all():
        return labels
    return labels.map(lambda value: value if isinstance(value, tuple) else ())


def is_single(labels: pd.Series) -> bool:
    """Whether each row that has tuples has exactly one label."""
    return all(len(value) == 1 for value in labels.dropna())


def with_label_sets(
    frames: dict[str, pd.DataFrame], label: str, request: "DataRequest", classes: Any = None
) -> tuple[dict[str, pd.DataFrame], LabelSets] | None:
    """The parts of a table with one column of tuples as label; None where each row has one label.

    Args:
        frames: the parts by name, the training part first.
        label: the label column, or several of zeros and ones, joined by commas.
        request: of the user.
        classes: the names of the labels, where the data name them.

    Raises:
        VicinalError: as :func:`joined_columns` and :func:`sets_of`.
    """
    first = next(iter(frames.values()))
    columns = names_several(request, list(first)) or single_flag(first, label, request)
    if columns:
        made, how = {}, ""
        for name, frame in frames.items():
            if not {*columns} <= {*frame} and frame is not first:
                made[name] = frame  # a part without labels, which is left alone
                continue
            joined, found = joined_columns(frame, columns, drop_missing=request.drop_missing)
            how = how or found
            made[name] = frame.drop(columns=columns).assign(**{label: joined})
        return made, LabelSets(label, how, columns=columns)
    parts = {n: frame[label] for n, frame in frames.items() if label in frame}
    together = pd.concat(list(parts.values()), ignore_index=True).rename(label)
    found_sets = sets_of(together, request)
    if found_sets is None:
        return None
    tuples, how = found_sets
    if tuples.isna().all():
        raise VicinalError(
            f"all {len(tuples):,} labels in column {label} are missing: name another label column"
        )
    if is_single(tuples) and request.label_kind != "labels":
        return None
    if request.label_kind in ("classes", "values"):
        raise VicinalError(
            f"column {label} holds lists of several labels, and --label-kind {request.label_kind} "
            "is for one of each sample: leave it out"
        )
    made, start = {}, 0
    for name, frame in frames.items():
        if name in parts:
            own = tuples.iloc[start : start + len(frame)].set_axis(frame.index)
            start += len(frame)
            frame = frame.assign(**{label: without_gaps(own, request)})
        made[name] = frame
    return made, LabelSets(label, how, classes)


def single_flag(frame: pd.DataFrame, label: str, request: "DataRequest") -> list[str]:
    """The label column, where it says of one label whether a row has it, and that is asked for."""
    if request.label_kind != "labels" or request.label_sep is not None or label not in frame:
        return []
    known = frame[label].dropna()
    if not len(known) or known.map(is_list).any():
        return []
    return [label] if _numbers(known).isin([0, 1]).all() else []


def single_names(labels: pd.Series) -> pd.Series:
    """A column of lists with one label each as these labels; other columns as they are.

    >>> single_names(pd.Series([["a"], ["b"]])).tolist()
    ['a', 'b']
    >>> single_names(pd.Series([[0, 1], [1, 0]])).tolist()  # a one for the class
    [1, 0]
    """
    known = labels.dropna()
    if not len(known) or not known.map(is_list).all():
        return labels
    if is_single(known):
        return labels.map(lambda each: each[0] if is_list(each) else each)
    places = _multi_hot(known)
    if places is None or not is_single(places):
        return labels
    return labels.map(lambda each: int(np.argmax(each)) if is_list(each) else each)
