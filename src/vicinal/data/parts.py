"""The parts of a data set, by the names of its folders, files and tables."""

import re
from collections.abc import Collection
from typing import Literal

Part = Literal["train", "valid", "test"]

# The words that name each part. Of several parts that could validate, the first word's is taken:
# a part called test is often kept for the end.
WORDS: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "trainval"),
    "valid": (
        *("valid", "val", "validation", "validate", "dev", "devel", "development"),
        *("eval", "evaluation", "holdout", "heldout"),
    ),
    "test": ("test", "testing", "tst"),
}
# What names of parts also hold, and what names of further parts do.
FILLERS = frozenset(
    (
        *("set", "data", "dataset", "split", "part", "seg"),
        *("image", "images", "img", "imgs", "photos", "pictures"),
    )
)
WITHOUT_LABELS = frozenset(
    ("unlabeled", "unlabelled", "unknown", "pred", "predict", "prediction", "predictions", "extra")
)
_PART_OF: dict[str, Part] = {word: part for part, words in WORDS.items() for word in words}
_ORDER = [word for part in ("valid", "test") for word in WORDS[part]]


def part_word(name: str) -> str | None:
    """The word in a name that names a part; None where there is none.

    Words are runs of letters; an upper case letter after a lower case one begins another. Of a name
    with several, such as ``test_train``, the last one counts: what stands before it says whose.

    >>> [part_word(name) for name in ("seg_train", "Test Data", "val2017", "trainA", "trains")]
    ['train', 'test', 'val', 'train', None]
    >>> part_word("hold-out"), part_word("mnist_dev.tsv"), part_word("contest")
    ('holdout', 'dev', None)
    """
    return next((word for word in reversed(words_of(name)) if word in _PART_OF), None)


def words_of(name: str) -> list[str]:
    """The words in a name, in lower case.

    >>> words_of("SegmentationMasks_2012 held-out"), words_of("JPEGImages"), words_of("testset")
    (['segmentation', 'masks', 'holdout'], ['jpeg', 'images'], ['test', 'set'])
    """
    split_case = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    joined = re.sub(r"(?i)(?<![a-z])(hold|held)[-_ ]out", "holdout", split_case)
    joined = re.sub(
        r"(?i)(?<![a-z])(train|test|val|valid|dev|eval)(?=(set|data)(?![a-z]))", r"\1_", joined
    )
    return re.findall(r"[^\W\d_]+", joined.lower())


def says_only(name: str, words: Collection[str]) -> bool:
    """Whether a name has words, and all are among some.

    >>> says_only("Images_2", ["images"]), says_only("2", ["images"])
    (True, False)
    """
    found = words_of(name)
    return bool(found) and all(word in words for word in found)


def rest_of(name: str) -> tuple[str, ...]:
    """The words in a name but for that of the part: what parts of one data set share.

    >>> rest_of("asl_alphabet_train") == rest_of("asl_alphabet_test")
    True
    """
    part = part_word(name)
    return tuple(word for word in words_of(name) if word != part)


def is_only_part(name: str) -> bool:
    """Whether a name says which part, and nothing else that could be a class.

    >>> [is_only_part(name) for name in ("seg_train", "Test Data", "trainA", "val2017")]
    [True, True, True, True]
    >>> is_only_part("train_stations"), is_only_part("photos"), is_only_part("test_unknown")
    (False, False, True)
    """
    words = words_of(name)
    return part_word(name) is not None and all(
        word in _PART_OF or word in FILLERS or word in WITHOUT_LABELS or len(word) == 1
        for word in words
    )


def part_of(name: str) -> Part | None:
    """The part that a name belongs to; None where it names none.

    >>> part_of("training_set"), part_of("eval.parquet"), part_of("cats")
    ('train', 'valid', None)
    """
    word = part_word(name)
    return None if word is None else _PART_OF[word]


def part_names(names: Collection[str]) -> tuple[str, str | None]:
    """Of the names of all parts, that of the training part and, if any, the validation part's.

    Without a name of a training part, it is the first one.

    >>> part_names(["test", "train", "validation"]), part_names(["photos"])
    (('train', 'validation'), ('photos', None))
    """
    train = next((name for name in names if part_of(name) == "train"), next(iter(names)))
    others = [name for name in names if name != train and part_word(name) in _ORDER]
    return train, min(others, key=rank, default=None)


def rank(name: str) -> int:
    """The place of a name among those of parts for validation; the lowest is the best.

    >>> sorted(["test", "dev_set", "val"], key=rank)
    ['val', 'dev_set', 'test']
    """
    word = part_word(name)
    return _ORDER.index(word) if word in _ORDER else len(_ORDER)
