"""Columns that number rows are told from measurements."""

import numpy as np
import pandas as pd
import pytest

from vicinal.data.row_numbers import row_numbers

SHUFFLED = np.random.default_rng(0).permutation(60)


@pytest.mark.parametrize(
    ("name", "values", "counts"),
    [
        ("x", range(60), True),
        ("x", range(1, 61), True),
        ("x", SHUFFLED, True),
        ("x", pd.array(SHUFFLED, "Int64"), True),
        ("order", range(10_001, 10_301), True),
        ("PassengerId", [7, 9, 30, 4], True),
        ("customer ID", [7.0, 9.0, 30.0, 4.0], True),
        ("index", [900, 4, 7], True),
        ("x", [3, 1, 2], False),  # few rows: by chance
        ("hour", range(24), False),
        ("x", np.arange(60.0), False),  # written as 0.0, 1.0, …
        ("year", range(1750, 2021), False),
        ("age", range(20, 80), False),
        ("x", [*range(59), 3], False),
        ("x", range(0, 120, 2), False),
        ("x", [*range(59), None], False),
        ("store_id", [1, 2, 2, 3], False),
        ("id", [1.5, 2.5], False),
        ("heat_index", [31, 40, 29], False),
        ("paid", [31, 40, 29], False),
        ("flag", [True, False], False),
        ("id", ["a", "b"], False),
    ],
)
def test_numbers_of_rows_are_told_from_measurements(name, values, counts):
    assert list(row_numbers([pd.DataFrame({name: values})])) == ([name] if counts else [])


def test_rows_may_be_numbered_across_parts():
    train, test = (pd.DataFrame({"n": part, "x": 1.5}) for part in (SHUFFLED[:40], SHUFFLED[40:]))
    assert row_numbers([train]) == {}
    assert list(row_numbers([train, test])) == ["n"]
    assert row_numbers([train, test.astype({"n": str})]) == {}
