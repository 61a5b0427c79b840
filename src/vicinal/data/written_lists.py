"""Lists of labels as texts: as Python, JSON and NumPy write them into the cells of a CSV file."""

import ast
import re
from typing import Any

from vicinal.errors import VicinalError

IS_LIST = re.compile(r"\s*[\[{(].*[\]})]\s*|set\(\)", re.DOTALL)
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
NUMBER = r"(?:[+-]?\d+\.?\d*|True|False)"
# As NumPy writes an array: what Python would read as one text, "ab" of 'a' 'b'.
APART = re.compile(rf"\[\s*(?:(?:{QUOTED})(?:\s+(?:{QUOTED}))*|{NUMBER}(?:\s+{NUMBER})*)?\s*\]")
CUT_OFF = re.compile(r"\s\.\.\.\s")  # what NumPy writes for the middle of more than 1,000 values
WORDS = re.compile(r"""\[([^'"\[\](){}]*)\]""")


def read_list(text: str) -> list[Any] | None:
    """The values of a list, a set or a tuple of texts; None where the text is none.

    >>> read_list("['a', 'b']"), read_list("['a' 'b']"), read_list("[1 0]"), read_list("[a, b]")
    (['a', 'b'], ['a', 'b'], [1, 0], ['a', 'b'])
    >>> read_list("('a', 'b')"), read_list("(1, 2)"), read_list("a, b"), read_list("{1: 2}")
    (['a', 'b'], None, None, None)

    Raises:
        VicinalError: NumPy has cut the list off.
    """
    text = text.strip()
    if not IS_LIST.fullmatch(text):
        return None
    if text == "set()":
        return []
    if APART.fullmatch(text):
        return [ast.literal_eval(word) for word in re.findall(f"{QUOTED}|{NUMBER}", text)]
    if CUT_OFF.search(text) and APART.fullmatch(CUT_OFF.sub(" ", text)):
        raise VicinalError(
            f"{text!r:.60} is cut off by NumPy: write lists to the file in place of arrays, as by "
            ".tolist()"
        )
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        words = WORDS.fullmatch(text)
        return None if words is None else [word.strip() for word in words[1].split(",")]
    if isinstance(found, list):
        return found
    if isinstance(found, set):
        return sorted(found, key=str)
    # Of numbers, it is an interval or a place, and one class.
    are_texts = isinstance(found, tuple) and all(isinstance(value, str) for value in found)
    return [*found] if are_texts else None
