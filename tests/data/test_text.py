"""Texts as token ids."""

import json
import re
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal.data.split_loader import Batches
from vicinal.data.text import (
    PAD,
    UNKNOWN,
    TextData,
    Tokenizer,
    WordTokenizer,
    check_texts,
    words_of,
)
from vicinal.errors import VicinalError

TEXTS = ["Who was Galileo ?", "What is an atom ?", "Who is the what of the atom ?"]
texts = st.lists(st.text("ab ?é1", min_size=1).filter(str.strip), min_size=1, max_size=12)


class Letters(Tokenizer):
    """Every letter is a token; short texts are padded on the left."""

    pad, side, max_length = 9, "left", 5

    def _ids(self, texts):
        return [[ord(letter) - ord("a") for letter in text][: self.max_length] for text in texts]


@given(st.text())
def test_words_are_all_that_is_no_space_in_its_order(text):
    joined = "".join(words_of(text))
    assert not re.search(r"\s", joined)
    assert words_of(joined.lower()) or not joined
    plain = text.encode("ascii", "ignore").decode()
    assert "".join(words_of(plain)) == re.sub(r"\s", "", plain).lower()


def test_composed_and_combined_letters_are_the_same_word():
    assert words_of("Cafe\u0301") == words_of("CAFÉ") == ["café"]


@given(texts, st.integers(1, 3), st.integers(1, 4))
def test_the_vocabulary_is_of_the_most_frequent_words(given_texts, min_count, max_words):
    counts = Counter(word for text in given_texts for word in words_of(text))
    often = {word for word, count in counts.items() if count >= min_count}
    if not often:
        with pytest.raises(VicinalError, match=f"no word occurs {min_count} times"):
            WordTokenizer.of(given_texts, min_count=min_count)
        return
    words = WordTokenizer.of(given_texts, min_count=min_count, max_words=max_words).words
    assert len(words) == len(set(words)) == min(len(often), max_words)
    assert set(words) <= often
    left_out = often - set(words)
    assert all(counts[word] >= counts[other] for word in words for other in left_out)
    shuffled = WordTokenizer.of(given_texts[::-1], min_count=min_count, max_words=max_words)
    assert shuffled.words == words


@given(texts)
def test_ids_lead_back_to_the_words(given_texts):
    tokenizer = WordTokenizer.of(given_texts, min_count=1)
    x = tokenizer.encode(given_texts)
    for row, mask, text in zip(x["ids"].tolist(), x["mask"].tolist(), given_texts, strict=True):
        words = words_of(text)
        assert [tokenizer.words[i - 2] for i in row[: len(words)]] == words
        assert row[len(words) :] == [PAD] * (len(row) - len(words))
        assert mask == [i < len(words) for i in range(len(row))]
    assert x["ids"].shape[1] == max(len(words_of(text)) for text in given_texts)
    assert x["ids"].dtype == torch.int64
    assert int(x["ids"].max()) < len(tokenizer)


def test_words_that_the_vocabulary_lacks_share_one_id():
    tokenizer = WordTokenizer.of(TEXTS)
    assert "galileo" not in tokenizer.words
    ids = tokenizer.encode(["Galileo knows"])["ids"]
    assert ids.tolist() == [[UNKNOWN, UNKNOWN]]


@given(texts, st.integers(1, 4))
def test_json_keeps_all_of_a_tokenizer(given_texts, max_length):
    tokenizer = WordTokenizer.of(given_texts, min_count=1, max_length=max_length)
    again = WordTokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert list(again.ids(given_texts)) == list(tokenizer.ids(given_texts))


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"words": ["a"]},
        {"words": "ab", "max_length": 5},
        {"words": ["a", "a"], "max_length": 5},
        {"words": ["a", 1], "max_length": 5},
        {"words": ["a", ["b"]], "max_length": 5},
        {"words": ["a"], "max_length": 0},
        {"words": ["a"], "max_length": "5"},
    ],
)
def test_a_damaged_vocabulary_is_refused(values):
    with pytest.raises(VicinalError, match="the vocabulary is damaged"):
        WordTokenizer.from_json(values)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "there are no texts in column text: give at least one"),
        (["a", " \n", "", "b"], "2 of 4 texts in column text are empty, first in row 1: fill"),
        (["", " "], "all 2 texts in column text are empty: name the column"),
        (["a", None], "1 of 2 texts in column text are missing or not text, first None in row 1"),
        (["a", 3.5], "1 of 2 texts in column text are missing or not text, first 3.5 in row 1"),
    ],
)
def test_missing_texts_are_counted_and_the_first_is_named(rows, sentence):
    with pytest.raises(VicinalError, match=re.escape(sentence)):
        check_texts(rows, "text")
    with pytest.raises(VicinalError):
        WordTokenizer.of(rows)
    with pytest.raises(VicinalError):
        TextData(WordTokenizer(["a"]), rows, torch.zeros(len(rows)))
    with pytest.raises(VicinalError):
        WordTokenizer(["a"]).encode(rows)


def test_a_text_without_a_token_is_refused():
    class Digits(Letters):
        def _ids(self, texts):
            return [[int(c) for c in text if c.isdigit()] for text in texts]

    with pytest.raises(VicinalError, match="the text 'ab' has no token"):
        Digits().encode(["a1", "ab"])


@given(st.data())
def test_a_batch_is_its_texts_encoded_together(data):
    given_texts = data.draw(texts)
    y = torch.arange(len(given_texts))
    rows = data.draw(st.lists(st.sampled_from(range(len(given_texts))), min_size=1, max_size=8))
    tokenizer = WordTokenizer.of(given_texts, min_count=1, max_length=4)
    x, targets = TextData(tokenizer, given_texts, y).__getitems__(rows)
    expected = tokenizer.encode([given_texts[i] for i in rows])
    assert torch.equal(x["ids"], expected["ids"])
    assert torch.equal(x["mask"], expected["mask"])
    assert targets.tolist() == rows


def test_short_texts_are_filled_up_on_the_side_of_the_tokenizer():
    x = Letters().encode(["abc", "d"])
    assert x["ids"].tolist() == [[0, 1, 2], [9, 9, 3]]
    assert x["mask"].tolist() == [[True, True, True], [False, False, True]]


def test_long_texts_are_cut_and_counted():
    data = TextData(Letters(), ["abcdefg", "abcde", "abcd"], torch.zeros(3))
    assert data.note == "2 of 3 texts have 5 tokens or more: the rest is cut"
    assert data.__getitems__([0])[0]["ids"].tolist() == [[0, 1, 2, 3, 4]]
    assert TextData(Letters(), ["abcd"], torch.zeros(1)).note is None


@pytest.mark.parametrize("y", [torch.arange(7), torch.rand(7, 2)])
def test_batches_of_an_epoch_have_every_text_once(y):
    given_texts = ["a " * n for n in range(1, 8)]
    data = TextData(WordTokenizer.of(given_texts, min_count=1), given_texts, y)
    read = list(Batches(data, 3, device="cpu"))
    assert [x["ids"].shape for x, _ in read] == [(3, 3), (3, 6), (1, 7)]
    lengths = torch.cat([x["mask"].sum(dim=1) for x, _ in read])
    assert lengths.tolist() == list(range(1, 8))
    assert torch.equal(torch.cat([target for _, target in read]), y)
