"""Vocab, the classes as dls.vocab holds them, and what the loaders are called by."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import (
    CategoryBlock,
    DataBlock,
    DataLoaders,
    ImageBlock,
    IndexSplitter,
    VicinalError,
)
from vicinal.data.exported import loaders_from_json, loaders_to_json
from vicinal.data.vocab import Vocab

VOCAB = Vocab(["ant", "bee", "cat", "dog"])


@pytest.mark.parametrize(
    "places",
    [[0, 2], (0, 2), torch.tensor([0, 2]), np.array([0, 2]), torch.tensor([True, False] * 2)],
)
def test_several_classes_by_their_indices(places):
    found = VOCAB[places]
    assert found == ["ant", "cat"]
    assert repr(found) == "(#2) ['ant', 'cat']"


@pytest.mark.parametrize("place", [1, -3, torch.tensor(1), np.int64(1)])
def test_one_class_by_its_index(place):
    assert VOCAB[place] == "bee"


def test_a_vocab_is_a_list():
    assert VOCAB == ["ant", "bee", "cat", "dog"]
    assert json.loads(json.dumps(VOCAB)) == VOCAB
    assert VOCAB[1:] == ["bee", "cat", "dog"]
    assert VOCAB[[]] == []
    assert VOCAB.o2i == {"ant": 0, "bee": 1, "cat": 2, "dog": 3}
    assert Vocab([False, True]).names == ["False", "True"]


@pytest.mark.parametrize("places", [4, [0, 4], [True, False]])
def test_classes_that_there_are_not(places):
    with pytest.raises(IndexError):
        VOCAB[places]


def loaders(get_y, block=CategoryBlock, valid=(6, 7)):
    images = [Image.new("RGB", (4, 4), (i, i, i)) for i in range(8)]
    number = lambda image: np.array(image)[0, 0, 0]  # noqa: E731
    made = DataBlock(
        (ImageBlock, block), get_y=lambda x: get_y(number(x)), splitter=IndexSplitter(valid)
    )
    return made.dataloaders(images, bs=2, device="cpu")


@pytest.mark.parametrize(
    ("get_y", "vocab", "names"),
    [
        (lambda n: n > 3, [False, True], ["False", "True"]),
        (lambda n: int(n) % 3 + 9, [9, 10, 11], ["9", "10", "11"]),
        (lambda n: torch.tensor(n % 2), [0, 1], ["0", "1"]),
        (lambda n: np.str_("ab"[n % 2]), ["a", "b"], ["a", "b"]),
    ],
)
def test_classes_are_as_the_labels_are(get_y, vocab, names):
    dls = loaders(get_y)
    assert dls.vocab == vocab
    assert [*map(type, dls.vocab)] == [*map(type, vocab)]
    assert (dls.class_names, dls.c) == (names, len(names))
    assert dls.train.vocab == dls.train_ds.vocab == dls.vocab
    assert [dls.vocab[y] for _, y in dls.valid_ds] == [get_y(np.uint8(6)), get_y(np.uint8(7))]
    assert dls.label(torch.tensor(1)) == names[1]
    stored = json.loads(json.dumps(loaders_to_json(dls)))
    again = loaders_from_json(stored, "cpu")
    assert [*map(repr, again.vocab)] == [*map(repr, vocab)]
    more = dls.block.targets_of([Image.new("RGB", (4, 4), (5, 5, 5))], again)
    assert dls.vocab[more] == [get_y(np.uint8(5))]
    assert names[0] in dls._repr_html_()


def test_what_a_given_vocab_has_beside_the_data():
    dls = loaders(lambda n: "ab"[n % 2], CategoryBlock(vocab=["c", "b", "b", "a"]))
    assert dls.vocab == ["a", "b", "c"]
    assert [int(y) for _, y in dls.train_ds] == [0, 1] * 3
    with pytest.raises(VicinalError, match="gives 'b' for item 1, which is none"):
        loaders(lambda n: "ab"[n % 2], CategoryBlock(vocab=["a", "c"]))
    with pytest.raises(VicinalError, match=r"vocab has classes of different types \(int, str\)"):
        loaders(lambda n: "ab"[n % 2], CategoryBlock(vocab=["a", 1]))


def test_classes_that_are_not_sorted_have_the_order_of_the_training_part():
    dls = loaders(lambda n: "dabcbcbc"[n], CategoryBlock(sort=False), valid=[0, 1])
    assert dls.vocab == ["b", "c", "d", "a"]
    assert [dls.vocab[y] for _, y in dls.train_ds] == [*"bcbcbc"]
    assert [dls.vocab[y] for _, y in dls.valid_ds] == ["d", "a"]


def test_both_parts_by_fastais_names():
    x, y = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1] * 3)
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    assert dls[0] is dls.train
    assert dls[1] is dls.valid
    assert [part.bs for part in dls.loaders] == [4, 8]
    assert [*dls] == dls.loaders
    seen, labels = dls.valid.one_batch()
    assert torch.equal(seen, x)
    assert torch.equal(labels, y)
    assert torch.equal(dls.train.one_batch()[0], dls.one_batch()[0])
    assert dls.test_dl(x[:3]).one_batch()[1] is None


def test_indices_of_classes_that_there_are_not():
    vocab = Vocab(["ant", "bee"])
    with pytest.raises(VicinalError, match=r"'bea' is none of the 2 classes: did you mean 'bee'\?"):
        vocab.map_objs(["ant", "bea"])
    with pytest.raises(IndexError):
        vocab.map_ids([2])
