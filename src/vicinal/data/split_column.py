"""A column that says which part each row belongs to."""

import re
from collections.abc import Collection
from shlex import quote

import pandas as pd

from vicinal.data.column_names import typed
from vicinal.data.columns import as_texts, is_numeric
from vicinal.data.parts import part_of, part_word
from vicinal.data.samples import listed
from vicinal.errors import VicinalError

_NAMES = ("split", "splits", "subset", "partition", "set", "part", "fold", "usage", "phase")
_FOLDS = ("fold", "folds", "kfold", "foldid", "cvfold")
_NUMBERED = ("split", "partition")  # 0, 1 and 2 are often train, valid and test, but not always
MOST_FOLDS = 20
_TRUE, _FALSE = ("True", "1"), ("False", "0")


def split_column_of(
    frame: pd.DataFrame,
    besides: Collection[str] = (),
    otherwise: str = "learn from it with --categorical",
) -> str | None:
    """The column that names the part of each row, where one clearly does.

    Its values are names of parts, and it is called split, subset or the like; or it is called
    ``is_valid`` or ``is_test``, and says yes or no.

    Args:
        frame: of one part.
        besides: columns that are something else.
        otherwise: what to do with a column that names no parts, for a message.

    Raises:
        VicinalError: several columns do, or one by its values, but not by its name.

    >>> frame = pd.DataFrame({"x": [1, 2, 3], "split": ["train", "train", "dev"]})
    >>> split_column_of(frame), split_column_of(frame, besides=["split"])
    ('split', None)
    """
    found = _naming_parts(frame, besides)
    if len(found) > 1:
        raise VicinalError(
            f"the columns {listed(found)} all name parts of the data: write the parts into one, or "
            f"choose one with --split-column {quote(found[0])}"
        )
    if found:
        return found[0]
    for name in frame:
        values = [] if name in besides else _part_words(frame[name])
        if values and all(len(_words(value)) == 1 and part_of(value) for value in values):
            raise VicinalError(
                f"column {name} holds {listed(values)}: are these parts of the data? say so with "
                f"--split-column {quote(str(name))}, or {otherwise} {typed(str(name))}"
            )
    return None


def about_parts(frame: pd.DataFrame, besides: Collection[str] = ()) -> dict[str, str]:
    """The columns that name or number parts of the data, and why not to learn from them.

    Args:
        frame, besides: as of :func:`split_column_of`.

    >>> about_parts(pd.DataFrame({"fold": [0, 1, 2, 1], "fold_change": [1, 2, 2, 1]}))
    {'fold': 'numbers of folds: --split-column fold holds out the lowest'}
    """
    found = dict.fromkeys(_naming_parts(frame, besides), "it names parts of the data")
    for name in frame:
        called = "".join(_words(name))
        if name in besides or called not in (*_FOLDS, *_NUMBERED):
            continue
        if not _are_few_numbers(frame[name]):
            continue
        if called in _FOLDS:
            why = f"numbers of folds: --split-column {quote(str(name))} holds out the lowest"
            found[str(name)] = why
        else:
            found[str(name)] = "numbers of parts: write train, valid and test to use them"
    return found


def _naming_parts(frame: pd.DataFrame, besides: Collection[str]) -> list[str]:
    return [
        str(name)
        for name in frame
        if name not in besides
        and (
            _says_yes_or_no(frame[name])
            or ({*_words(name)} & {*_NAMES} and _part_words(frame[name]))
        )
    ]


def parts_by_column(frame: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """The parts of a table by a column that names them; rows keep their numbers.

    Args:
        frame, column: as of :func:`named_parts`.

    Returns:
        The parts by name, without that column, the training part first.

    Raises:
        VicinalError: as of :func:`named_parts`.

    >>> frame = pd.DataFrame({"x": [1, 2, 3], "is_valid": [False, True, False]})
    >>> {name: part["x"].tolist() for name, part in parts_by_column(frame, "is_valid").items()}
    {'train': [1, 3], 'valid': [2]}
    """
    names, rest = named_parts(frame, column), frame.drop(columns=column)
    parts = sorted({*names}, key=lambda name: (name != "train", name))
    return {name: rest[(names == name).to_numpy()] for name in parts}


def named_parts(frame: pd.DataFrame, column: str) -> pd.Series:
    """The name of each row's part, ``"train"`` or the word of another part.

    Args:
        frame: of all rows.
        column: names of parts; yes or no, where its own name says of which part; or numbers of
            folds, of which the lowest validates.

    Raises:
        VicinalError: a value names no part, or no row is of a training part, or all are.

    >>> named_parts(pd.DataFrame({"fold": [1, 2, 3]}), "fold").tolist()
    ['valid', 'train', 'train']
    """
    named: dict[str, str | None]
    values, own = as_texts(frame[column]), part_of(column)
    found = values.dropna().unique().tolist()
    if own is not None and {*found} <= {*_TRUE, *_FALSE}:
        other = "valid" if own == "train" else "train"
        named = {value: own if value in _TRUE else other for value in found}
    elif "".join(_words(column)) in _FOLDS and _are_few_numbers(frame[column]):
        lowest = min(found, key=float)
        named = {value: "valid" if value == lowest else "train" for value in found}
    else:
        named = {value: _name_of_part(value) for value in found}
    names = values.map({value: name for value, name in named.items() if name})
    if names.isna().any():
        row = int(names.isna().to_numpy().argmax())
        raise VicinalError(
            f"column {column} holds {as_texts(frame[column]).iloc[row]!r} in row "
            f"{frame.index[row]}, which names no part: write train, valid or test, or say with "
            f"--drop or --categorical {typed(column)} that it does not split the rows"
        )
    if "train" not in {*names} or names.nunique() < 2:
        raise VicinalError(
            f"column {column} names only {listed(sorted({*names}))} of the parts of the data: it "
            "should name a training and a validation part"
        )
    return names


def _name_of_part(value: str) -> str | None:
    """The word that names a part; the same one for all words for training."""
    return "train" if part_of(value) == "train" else part_word(value)


def _words(name: object) -> list[str]:
    split_case = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name))
    return re.findall(r"[a-z]+", split_case.lower())


def _says_yes_or_no(values: pd.Series) -> bool:
    words = _words(values.name)
    if len(words) != 2 or words[0] != "is" or part_of(words[1]) is None or values.nunique() != 2:
        return False
    return set(as_texts(values).dropna()) <= {*_TRUE, *_FALSE}


def _part_words(values: pd.Series) -> list[str]:
    """The distinct values, where most name parts, and some of them training and another part."""
    if pd.api.types.is_numeric_dtype(values):
        return []
    few = values.head(1000)  # mostly enough to see that there are many, or that they are no words
    if pd.api.types.infer_dtype(few) not in ("string", "categorical") or few.nunique() > MOST_FOLDS:
        return []
    if pd.api.types.infer_dtype(values) not in ("string", "categorical"):
        return []
    found = as_texts(values.drop_duplicates()).dropna().tolist()
    if not 2 <= len(found) <= MOST_FOLDS:
        return []
    parts = [part_of(value) for value in found]
    others = {*parts} - {None, "train"}
    return found if "train" in parts and others and parts.count(None) < len(parts) / 2 else []


def _are_few_numbers(values: pd.Series) -> bool:
    if not is_numeric(values) or values.hasnans or not (values % 1 == 0).all():
        return False
    return bool(2 <= values.nunique() <= MOST_FOLDS)
