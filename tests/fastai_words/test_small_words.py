"""Lists, tensors, losses, classes and loaders of torch's: the same words give the same."""

import random
import warnings
from itertools import chain

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai

import vicinal
from vicinal.data.paths import ShortList

pytestmark = [pytest.mark.xdist_group("fastai"), pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    "typed",
    [
        "files.sorted()",
        "files.sorted(reverse=True)",
        "files.sorted('suffix')",
        "files.sorted(key=lambda file: file.stem)",
        "files.attrgot('name')",
        "files.attrgot('names', 'none')",
        "files.map(str).sorted()",
        "files.map('a photo of {}')",
        "files.map(at, 'a photo')",
        "files.map(at, place=2)",
        "files.filter(lambda file: file.suffix == '.png')",
        "files.filter(lambda file: file.suffix == '.png', negate=True)",
        "files.attrgot('suffix').unique()",
        "files.attrgot('suffix').unique(sort=True)",
        "files[:2].attrgot('stem')",
        "files[[2, 0]]",
        "files[torch.tensor([2, 0])]",
        "files[[True, False, True, False]]",
        "files[-1]",
        "(files + files[:1]).map(str)",
        "kind(enumerate(files)).itemgot(0)",
        "kind(enumerate(files)).itemgot(1).map(str)",
        "kind([1, [2, 3]], [4, [5, 6]]).itemgot(1, 0)",
        "kind({'a': 1}, {}).attrgot('a', 7)",
        "kind((3, 0), (1, 2)).sorted(1)",
        "kind((3, 0), (1, 2)).sorted(0)",
    ],
)
def test_lists_of_files(typed):
    def at(one, place):
        return f"{one} {place}"

    names = ["b/1.png", "a/4.jpg", "c/2.png", "b/3.gif"]
    found = []
    for library, kind in ((fastai, fastai.L), (vicinal, lambda *given: ShortList(_flat(given)))):
        files = kind([library.Path(name) for name in names])
        value = eval(typed, {"files": files, "kind": kind, "at": at, "torch": torch})
        assert isinstance(value, fastai.L if library is fastai else ShortList) or "-1" in typed
        found.append(value if "-1" in typed else list(value))
    assert found[0] == found[1]


def _flat(given):
    """L's own arguments: one thing that can be iterated, or several."""
    return given[0] if len(given) == 1 else given


def test_a_shuffled_list_has_the_same_entries_in_another_order():
    numbers = ShortList(range(20))
    random.seed(0)
    assert numbers.shuffle() != numbers
    assert numbers.shuffle().sorted() == numbers == list(range(20))


FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1, 2], "c": [True, False, True]})


@pytest.mark.parametrize(
    "x",
    [
        FRAME[["a", "b"]],
        FRAME[["a"]],
        FRAME["a"],
        FRAME["b"],
        FRAME["a"] > 1,
        FRAME["a"].astype("uint8"),
        FRAME["b"].astype("float32"),
        FRAME["a"].to_numpy().astype("uint16"),
        FRAME.index,
        FRAME[["a", "b"]].iloc[0],
        [FRAME["a"], FRAME["b"]],
        pd.Series([1, None]),
        range(3),
        (1, 2.5),
        np.float64(2.5),
        [np.float64(2.5), 1.0],
        [np.ones(2), np.zeros(2)],
        [torch.tensor(1), torch.tensor(2)],
        3,
        [],
    ],
    ids=lambda x: " ".join(f"{type(x).__name__} {x}".split())[:40],
)
def test_tensors_of_tables_and_numbers(x):
    theirs, ours = fastai.tensor(x), vicinal.tensor(x)
    assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
    torch.testing.assert_close(theirs, ours, equal_nan=True)


def test_tensors_take_torchs_options():
    for library in (fastai, vicinal):
        made = library.tensor([[1, 2], [3, 4]], dtype=torch.float)
        assert made.dtype == torch.float
        assert library.tensor([0.5], requires_grad=True).requires_grad
        assert library.tensor(FRAME["a"], FRAME["b"]).shape == (2, 3)


LOSSES = [
    ("CrossEntropyLossFlat", {}),
    ("CrossEntropyLossFlat", {"axis": 1}),
    ("FocalLossFlat", {}),
    ("FocalLossFlat", {"axis": 1}),
    ("LabelSmoothingCrossEntropy", {}),
    ("LabelSmoothingCrossEntropyFlat", {}),
    ("BCEWithLogitsLossFlat", {}),
    ("BCEWithLogitsLossFlat", {"thresh": 0.8}),
    ("BCELossFlat", {}),
    ("MSELossFlat", {}),
    ("L1LossFlat", {}),
    ("DiceLoss", {}),
]


@pytest.mark.parametrize(("name", "options"), LOSSES)
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4, 4)])
def test_losses_say_what_their_outputs_are(name, options, shape):
    theirs, ours = (getattr(library, name)(**options) for library in (fastai, vicinal))
    x = torch.randn(shape)
    probabilities = theirs.activation(x)
    torch.testing.assert_close(ours.activation(x), probabilities)
    assert ours.decodes(probabilities).equal(theirs.decodes(probabilities))


class OwnLoss:
    """A loss as fastai's users write them, with an activation and a decoding of its own."""

    def __call__(self, output, target, reduction="mean"):
        return torch.nn.functional.cross_entropy(output, target, reduction=reduction)

    def activation(self, x):
        return (x / 2).softmax(1)

    def decodes(self, x):
        return x.argmin(1)


def test_a_loss_of_ones_own_says_what_outputs_are():
    x, y = torch.randn(6, 2), torch.arange(6) % 2
    data, model, found = list(zip(x, y, strict=True)), torch.nn.Linear(2, 2), []
    for library in (fastai, vicinal):
        dls = library.DataLoaders(*[library.DataLoader(data, batch_size=3) for _ in range(2)])
        learn = library.Learner(dls.to("cpu"), model, OwnLoss())
        with learn.no_bar():
            found.append(learn.get_preds(with_decoded=True))
    for expected, own in zip(*found, strict=True):
        torch.testing.assert_close(own, torch.as_tensor(expected))
    assert found[1][0].sum(1).allclose(torch.ones(6))


@pytest.mark.parametrize(
    "typed",
    [
        "vocab.map_objs(['cat', 'ant'])",
        "vocab.map_objs(('bee',))",
        "vocab.map_objs(np.array(['bee']))",
        "vocab.map_objs([])",
        "vocab.map_ids([2, 0, 2])",
        "vocab.map_ids(torch.tensor([1, 2]))",
    ],
)
def test_classes_and_their_indices(typed):
    found = []
    for kind in (fastai.CategoryMap, vicinal.data.vocab.Vocab):
        names = {"vocab": kind(["ant", "bee", "cat"]), "np": np, "torch": torch}
        found.append(list(eval(typed, names)))
    assert found[0] == found[1]


def test_a_picture_with_its_title():
    for library in (fastai, vicinal):
        _, axes = plt.subplots(1, 2)
        library.show_titled_image((torch.rand(3, 4, 4), "pug"), ax=axes[0])
        library.show_titled_image((torch.rand(3, 4, 4), torch.tensor(3)), ax=axes[1])
        assert axes[0].get_title() == "pug"
        assert "3" in axes[1].get_title()
    plt.close("all")


SAMPLES = list(zip(torch.arange(20.0)[:, None], torch.arange(20) % 2, strict=True))
SAMPLERS = {
    "in order": lambda: {"sampler": SequentialSampler(SAMPLES)},
    "shuffle=False": lambda: {"shuffle": False},
    "shuffle=True": lambda: {"shuffle": True},
    "drop_last": lambda: {"drop_last": True},
    "some weigh nothing": lambda: {"sampler": WeightedRandomSampler([0.0] * 10 + [1.0] * 10, 12)},
    "a subset": lambda: {"sampler": SubsetRandomSampler([3, 4, 5, 6, 7])},
    "more than there are": lambda: {
        "sampler": RandomSampler(SAMPLES, replacement=True, num_samples=30)
    },
    "a generator": lambda: {
        "sampler": RandomSampler(SAMPLES, generator=torch.Generator().manual_seed(1))
    },
    "a list": lambda: {"sampler": [5, 3, 1, 3]},
}


@pytest.mark.parametrize("how", SAMPLERS.values(), ids=SAMPLERS)
def test_loaders_of_torchs_keep_their_sampler(how):
    found = []
    for library in (fastai, vicinal):
        valid = DataLoader(SAMPLES, batch_size=8)
        dls = library.DataLoaders(DataLoader(SAMPLES, batch_size=8, **how()), valid)
        epochs = [[x.flatten().tolist() for x, _ in dls.train] for _ in range(2)]
        sizes = [[len(batch) for batch in epoch] for epoch in epochs]
        found.append((len(dls.train), sizes, [[*chain(*epoch)] for epoch in epochs]))
    assert found[0][:2] == found[1][:2]
    theirs, ours = found[0][2], found[1][2]
    if theirs[0] == theirs[1] or how is SAMPLERS["a generator"]:
        assert ours == theirs
    else:  # drawn from torch's generator there, and by the loaders' seed here
        assert ours[0] != ours[1]
        assert len({*ours[0]}) == len({*theirs[0]}) or len(ours[0]) != len({*ours[0]})
        assert how is not SAMPLERS["some weigh nothing"] or min(ours[0]) >= 10
