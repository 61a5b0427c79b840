"""The columns of a table that options name: they are there, and each has one role."""

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from shlex import quote

from vicinal.data.samples import listed
from vicinal.errors import VicinalError

# Options that may name the same column: whatever says how rows are split is not learned from, and
# what is chosen beside texts may be categories.
_TOGETHER = ({"drop", "group"}, {"drop", "split-column"}, {"categorical", "columns"})


def check_column(name: str, columns: Sequence[str], option: str) -> None:
    """Raise a VicinalError if there is no such column.

    Args:
        name: the one that an option names.
        columns: all of the table's.
        option: its name, without dashes.

    >>> check_column("zipp", ["age", "zip"], "drop")
    Traceback (most recent call last):
    ...
    vicinal.errors.VicinalError: --drop: there is no column zipp among age, zip, did you mean zip?
    """
    if name in columns:
        return
    what = "there is no label column" if option == "label" else f"--{option}: there is no column"
    raise VicinalError(f"{what} {name} among {listed(columns, 30)}{_near(name, columns)}")


def check_roles(roles: Mapping[str, Sequence[str]], columns: Sequence[str]) -> None:
    """Raise a VicinalError if options name a column that is not there, or contradict each other.

    Args:
        roles: the columns that each option names.
        columns: all of the table's.

    >>> check_roles({"label": ["y"], "drop": ["x", "y"]}, ["x", "y"])
    Traceback (most recent call last):
    ...
    vicinal.errors.VicinalError: --label and --drop both name the column y: leave it out of one
    """
    option_of: dict[str, str] = {}
    for option, names in roles.items():
        for name in names:
            check_column(name, columns, option)
            other = option_of.setdefault(name, option)
            if other != option and {other, option} not in _TOGETHER:
                raise VicinalError(
                    f"--{other} and --{option} both name the column {name}: leave it out of one"
                )


def listed_names(names: str | None) -> list[str]:
    """The names of columns in a list that is separated by commas, as in a CSV file.

    >>> listed_names('zip, "price, usd"'), listed_names(None)
    (['zip', 'price, usd'], [])
    """
    listed = (names or "").split(",")
    if '"' in (names or ""):
        try:
            (listed,) = csv.reader([names or ""], skipinitialspace=True, strict=True)
        except (csv.Error, ValueError):
            raise VicinalError(
                f"{names} is no list of columns: put a name with a comma or a quote into double "
                "quotes, and double each quote in it"
            ) from None
    return [name.strip() for name in listed if name.strip()]


def typed(*names: str) -> str:
    """Names of columns as an option takes them in a shell: :func:`listed_names` reads them.

    >>> print(typed("zip", "age"), typed("price, usd"))
    zip,age '"price, usd"'
    """
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(names)
    return quote(written.getvalue())


def _near(name: str, columns: Sequence[str]) -> str:
    lower = {column.lower(): column for column in reversed(columns)}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return f", did you mean {lower[near[0]]}?" if near else ""
