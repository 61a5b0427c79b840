"""Names of classes that Parquet files of Hugging Face hold in their schema."""

import json
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import VicinalError

if TYPE_CHECKING:
    import pandas as pd


def read_parquet(file: Path) -> "pd.DataFrame":
    """A Parquet file as a data frame, whose columns of classes hold their names."""
    import pandas as pd
    import pyarrow.parquet  # type: ignore[import-untyped]

    return with_class_names(pd.read_parquet(file), class_names(pyarrow.parquet.read_schema(file)))


def class_names(schema: Any) -> dict[str, list[str]]:
    """The names of classes by column, from the schema of an Arrow table or Parquet file.

    >>> import pyarrow
    >>> features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    >>> held = json.dumps({"info": {"features": features}})
    >>> class_names(pyarrow.schema([("label", "int64")], metadata={"huggingface": held}))
    {'label': ['neg', 'pos']}
    """
    found = {name: _names(feature) for name, feature in features_of(schema).items()}
    return {name: names for name, names in found.items() if names}


def _names(feature: Any) -> list[str]:
    """The names of a column's classes, or of those in its lists; none where there are none."""
    if isinstance(feature, list) and len(feature) == 1:  # as early versions wrote lists
        return _names(feature[0])
    if not isinstance(feature, dict):
        return []
    if feature.get("_type") in ("List", "LargeList", "Sequence"):
        return _names(feature.get("feature"))
    return list(feature.get("names", ())) if feature.get("_type") == "ClassLabel" else []


def features_of(schema: Any) -> dict[str, Any]:
    """What Hugging Face wrote of each column into a schema; nothing where it did not."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {str(name): feature for name, feature in features.items()}
    except (KeyError, TypeError, ValueError, AttributeError):  # not what Hugging Face writes
        return {}


def with_class_names(frame: "pd.DataFrame", names: Mapping[str, Sequence[str]]) -> "pd.DataFrame":
    """A table whose columns of class numbers hold names instead; -1 is no class.

    Args:
        frame: with classes as numbers from 0 on.
        names: of the classes, by column; others stay.

    Raises:
        VicinalError: a number has no name.

    >>> import pandas as pd
    >>> with_class_names(pd.DataFrame({"y": [1, -1]}), {"y": ["neg", "pos"]})["y"].tolist()
    ['pos', nan]
    """
    import pandas as pd

    named = {}
    for column, classes in names.items():
        if column not in frame:
            continue
        if not pd.api.types.is_numeric_dtype(frame[column]):
            if _hold_numbers(frame[column]):
                named[column] = named_lists(frame[column], list(classes))
            continue
        codes = frame[column].fillna(-1).astype(int)
        wrong = ~codes.between(-1, len(classes) - 1)
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise VicinalError(
                f"column {column} holds {codes.iloc[row]} in row {row}, but the data name "
                f"{len(classes)} classes, from 0 on: correct it or drop the row"
            )
        named[column] = pd.Categorical.from_codes(codes, list(classes))
    return frame.assign(**named)


def named_lists(lists: "pd.Series", names: Sequence[str]) -> "pd.Series":
    """A column of lists of class numbers as lists of their names; -1 is no class.

    Raises:
        VicinalError: a number has no name.

    >>> import pandas as pd
    >>> named_lists(pd.Series([[1, 0], [], None]), ["sea", "sky"]).tolist()
    [['sky', 'sea'], [], None]
    """

    def of(row: Any, codes: Any) -> Any:
        if codes is None or isinstance(codes, float):
            return None
        wrong = [code for code in codes if not -1 <= code < len(names)]
        if wrong:
            raise VicinalError(
                f"column {lists.name} holds {wrong[0]} in the list of row {row}, but the data name "
                f"{len(names)} classes, from 0 on: correct it or drop the row"
            )
        return [names[int(code)] for code in codes if code >= 0]

    import pandas as pd

    made = [of(row, codes) for row, codes in lists.items()]
    return pd.Series(made, lists.index, dtype=object, name=lists.name)


def _hold_numbers(lists: "pd.Series") -> bool:
    """Whether a column is one of lists of whole numbers."""
    known = lists.dropna()
    return bool(len(known)) and bool(
        known.map(lambda each: hasattr(each, "__iter__") and not isinstance(each, str)).all()
        and all(isinstance(code, Integral) for each in known for code in each)
    )
