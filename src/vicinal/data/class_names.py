"""Names of classes that Parquet files of Hugging Face hold in their schema."""

import json
from collections.abc import Mapping, Sequence
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
    return {
        name: feature["names"]
        for name, feature in features_of(schema).items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature
    }


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
        if column not in frame or not pd.api.types.is_numeric_dtype(frame[column]):
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
