"""Texts as token ids: a word-level tokenizer, and padded batches."""

import re
import unicodedata
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from vicinal.errors import VicinalError

PAD, UNKNOWN = 0, 1  # ids of a WordTokenizer, before those of its words
MAX_LENGTH = 256
LONGEST = 1_000_000  # tokens that a stored network may have been made for
# A run of letters, digits and underscores, or any other character that is no space.
WORD = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """The lower-cased words, numbers and other characters of a text.

    A word is a run of letters, digits and underscores, in any script; every other character that is
    no space is a token of its own.

    >>> words_of("Who wrote Don't Panic, in 1979?")
    ['who', 'wrote', 'don', "'", 't', 'panic', ',', 'in', '1979', '?']
    """
    return WORD.findall(unicodedata.normalize("NFC", text.lower()))


def check_texts(
    texts: Sequence[Any], column: str | None = None, rows: Sequence[Any] | None = None
) -> None:
    """Raise a VicinalError if there is no text, or one is missing or empty.

    Args:
        texts: strings, or else they are reported.
        column: the column of the texts, for the message.
        rows: their numbers in the table, for the message; None counts from 0.
    """
    rows = range(len(texts)) if rows is None else rows
    of = "" if column is None else f" in column {column}"
    if not len(texts):
        raise VicinalError(f"there are no texts{of}: give at least one")
    missing = [row for row, text in enumerate(texts) if not isinstance(text, str)]
    if missing:
        raise VicinalError(
            f"{len(missing):,} of {len(texts):,} texts{of} are missing or not text, first "
            f"{texts[missing[0]]!r} in row {rows[missing[0]]}: fill them in or drop the rows"
        )
    empty = [row for row, text in enumerate(texts) if not text.strip()]
    if empty and len(texts) == 1:
        raise VicinalError(f"the text{of} is empty: write something")
    if len(empty) == len(texts):
        raise VicinalError(f"all {len(texts):,} texts{of} are empty: name the column of the texts")
    if empty:
        raise VicinalError(
            f"{len(empty):,} of {len(texts):,} texts{of} are empty, first in row {rows[empty[0]]}: "
            "fill them in or drop the rows"
        )


class Tokenizer(ABC):
    """Turns texts into token ids, and those into padded batches.

    Attributes:
        max_length: the number of tokens to which a text is truncated.
        pad: the id of padding.
        side: of the padding.
    """

    max_length: int
    pad: int = PAD
    side: Literal["left", "right"] = "right"

    @abstractmethod
    def _ids(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        """The ids of each text, at most ``max_length``."""

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, as the network reads it, to be shown: here, the ids themselves."""
        return " ".join(map(str, ids))

    def ids(self, texts: Sequence[str]) -> Iterator[Sequence[int]]:
        """The ids of each text, at least one and at most ``max_length``.

        Raises:
            VicinalError: a text is missing or empty, or has no token.
        """
        check_texts(texts)
        for text, ids in zip(texts, self._ids(texts), strict=True):
            if not len(ids):
                raise VicinalError(f"the text {text!r} has no token: drop it, or write more")
            yield ids

    def encode(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """A batch of texts, as networks for texts take it.

        Returns:
            ``ids`` (B, L) int64, padded to the longest text, and ``mask`` (B, L) bool, True for
            tokens, False for padding.

        Raises:
            VicinalError: as :meth:`ids`.
        """
        return self.batch([torch.tensor(ids) for ids in self.ids(texts)])

    def batch(self, rows: list[Tensor]) -> dict[str, Tensor]:
        """Pad the ids of texts, each (L,), to a batch as :meth:`encode` returns it."""
        there = [torch.ones_like(row, dtype=torch.bool) for row in rows]
        return {
            "ids": pad_sequence(rows, True, self.pad, self.side).long(),
            "mask": pad_sequence(there, True, False, self.side),
        }


class WordTokenizer(Tokenizer):
    """A tokenizer that splits texts into words; see :func:`words_of`.

    Id 0 is padding, id 1 unknown words, and ``words[i]`` has id ``i + 2``. ``len()`` is the number
    of ids.

    Args:
        words: the vocabulary.
        max_length: the number of words to which a text is truncated.

    >>> tokenizer = WordTokenizer.of(["who is he ?", "who is she ?"])
    >>> tokenizer.words
    ['?', 'is', 'who']
    >>> tokenizer.encode(["Who?", "Who is Galileo?"])["ids"]
    tensor([[4, 2, 0, 0],
            [4, 3, 1, 2]])
    """

    def __init__(self, words: Sequence[str], max_length: int = MAX_LENGTH) -> None:
        self.words, self.max_length = list(words), max_length
        self._index = {word: i for i, word in enumerate(self.words, start=UNKNOWN + 1)}

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        *,
        min_count: int = 2,
        max_words: int = 30_000,
        max_length: int = MAX_LENGTH,
    ) -> "WordTokenizer":
        """A tokenizer with the words of training texts as its vocabulary.

        Args:
            texts: the training texts.
            min_count: rarer words count as unknown, so that the embedding of unknown words is
                trained, too.
            max_words: the size of the vocabulary, of the most frequent words.
            max_length: the number of words to which a text is truncated.

        Raises:
            VicinalError: a text is missing or empty, or no word occurs so often.
        """
        check_texts(texts)
        counts = Counter(word for text in texts for word in words_of(text))
        frequent = [word for word, count in counts.items() if count >= min_count]
        if not frequent:
            raise VicinalError(
                f"no word occurs {min_count} times or more in the {len(texts):,} texts: give more "
                "of them, or min_count=1"
            )
        # Ties in alphabetical order, so that the same texts give the same ids.
        return cls(sorted(frequent, key=lambda w: (-counts[w], w))[:max_words], max_length)

    def __len__(self) -> int:
        return len(self.words) + UNKNOWN + 1

    def _ids(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        index, end = self._index, self.max_length
        return ([index.get(w, UNKNOWN) for w in words_of(text)[:end]] for text in texts)

    def text(self, ids: Sequence[int]) -> str:
        """The words of ids; unknown ones are ``xxunk``.

        >>> tokenizer = WordTokenizer(["film", "good"])
        >>> tokenizer.text([3, 2, 1])
        'good film xxunk'
        """
        known = len(self.words)
        places = [index - UNKNOWN - 1 for index in ids]
        return " ".join(self.words[i] if 0 <= i < known else "xxunk" for i in places)

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as JSON values, for :meth:`from_json`."""
        return {"words": self.words, "max_length": self.max_length}

    @classmethod
    def from_json(cls, values: Any) -> "WordTokenizer":
        """The tokenizer of what :meth:`to_json` returned.

        Raises:
            VicinalError: it is something else.
        """
        match values:
            case {"words": [*words], "max_length": int(length)} if (
                0 < length <= LONGEST
                and all(map(_is_text, words))
                and len(set(words)) == len(words)
            ):
                return cls(words, length)
        raise VicinalError(
            "the vocabulary is damaged: it should hold words, each once, and max_length, 1 to "
            f"{LONGEST:,}"
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


class TextData(Dataset[tuple[dict[str, Tensor], Tensor]]):
    """Texts and their targets, tokenized once; a batch is padded to its longest text.

    Args:
        tokenizer: a :class:`WordTokenizer`, or that of a network of the hub.
        texts: the texts.
        y: (N,) int64, their classes, or (N, ...) floats, their values.

    Raises:
        VicinalError: a text is missing or empty.

    >>> tokenizer = WordTokenizer.of(["who is he ?", "who is she ?"])
    >>> data = TextData(tokenizer, ["Who ?", "Is he who is she ?"], torch.tensor([0, 1]))
    >>> x, y = data.__getitems__([1, 0])
    >>> x["ids"].shape, x["mask"].sum(dim=1), y
    (torch.Size([2, 6]), tensor([6, 2]), tensor([1, 0]))
    """

    batches_are_new = True

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str], y: Tensor) -> None:
        self.tokenizer, self.y = tokenizer, y
        tokens, lengths = array("i"), array("q")  # many times smaller than lists of ints
        for ids in tokenizer.ids(texts):
            tokens.extend(ids)
            lengths.append(len(ids))
        self._tokens = torch.frombuffer(tokens, dtype=torch.int32)
        self._lengths = torch.frombuffer(lengths, dtype=torch.int64)
        self._ends = self._lengths.cumsum(0)

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def note(self) -> str | None:
        """How many texts are truncated, as a line for the user; None if none is."""
        longest = self.tokenizer.max_length
        count = int((self._lengths >= longest).sum())
        if not count:
            return None
        return f"{count:,} of {len(self):,} texts have {longest} tokens or more: the rest is cut"

    def __getitems__(self, indices: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        chosen = torch.tensor(indices, dtype=torch.int64)
        ends, lengths = self._ends[chosen].tolist(), self._lengths[chosen].tolist()
        rows = [self._tokens[e - n : e] for e, n in zip(ends, lengths, strict=True)]
        return self.tokenizer.batch(rows), self.y[chosen]
