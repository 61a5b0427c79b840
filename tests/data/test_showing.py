"""Batches that are shown: which samples, how many, and with which targets."""

import pickle

import pytest
import torch
from torch import nn

from vicinal import DataLoaders, Learner, MixUp, VicinalError, aug_transforms
from vicinal.data.showing import SampleTable
from vicinal.data.split_loader import Batches, TensorData

CLASSES = ["ant", "bee", "cat", "dog"]


def loaders(count=24, **options):
    """Images that are as grey as their class says, sorted by class in the validation part."""
    y = (torch.arange(count) * 4) // count
    x = (60 * y.view(-1, 1, 1, 1).expand(-1, 3, 8, 8)).byte()
    return DataLoaders.from_tensors(
        x, y, x, y, bs=12, vocab=CLASSES, device="cpu", **{"transforms": [], **options}
    )


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


class TestShowBatch:
    @pytest.mark.parametrize(
        ("options", "number"),
        [
            ({}, 9),
            ({"nrows": 1, "ncols": 3}, 3),
            ({"max_n": 4}, 4),
            ({"max_n": 4, "nrows": 1}, 4),
            ({"nrows": 2, "ncols": 5}, 10),
            ({"max_n": 2, "nrows": 2, "ncols": 5}, 2),
            ({"max_n": 100}, 12),
        ],
    )
    def test_how_many(self, options, number):
        dls = loaders()
        for shows in (dls, dls.train):
            assert len(titles(shows.show_batch(**options))) == number

    def test_each_image_has_its_class(self):
        dls = loaders()
        own = loaders(transforms=None).normalized([0.1] * 3, [0.2] * 3)
        for shows in (dls, dls.train, dls.valid, own.valid):
            for axes in shows.show_batch(max_n=8).axes:
                grey = float(axes.images[0].get_array()[0, 0, 0])
                assert axes.get_title() == CLASSES[round(grey * 255 / 60)]

    def test_validation_is_shown_from_all_of_its_part(self):
        assert set(titles(loaders().valid.show_batch(max_n=4))) == set(CLASSES)

    def test_one_image_with_many_augmentations(self):
        transforms = aug_transforms(size=8)
        y = torch.arange(24) % 2
        x = torch.randint(0, 256, (24, 3, 8, 8), dtype=torch.uint8)
        dls = DataLoaders.from_tensors(x, y, x, y, bs=8, transforms=transforms, device="cpu")
        figure = dls.train.show_batch(max_n=6, nrows=2, unique=True)
        drawn = [torch.tensor(axes.images[0].get_array()) for axes in figure.axes]
        assert len(drawn) == 6
        assert len(set(titles(figure))) == 1
        assert not any(drawn[0].equal(other) for other in drawn[1:])

    def test_what_is_to_come_stays_as_it_is(self):
        dls, other = loaders(), loaders()
        dls.show_batch()
        dls.show_batch(unique=True)
        dls.valid.show_batch()
        for (x, y), (expected, labels) in zip(dls.train, other.train, strict=True):
            assert x.equal(expected)
            assert y.equal(labels)

    def test_samples_to_predict_have_no_class(self):
        images = list(torch.rand(5, 3, 8, 8))
        dls = loaders()
        assert titles(dls.test_dl(images).show_batch(max_n=3)) == [""] * 3

    def test_a_given_batch(self):
        dls = loaders()
        x, y = next(iter(dls.valid))
        assert titles(dls.show_batch(b=(x, y), max_n=3)) == ["ant"] * 3

    def test_a_mixed_batch_has_its_shares(self):
        dls = loaders()
        x, _ = dls.one_batch()
        x, y = MixUp(1.0, seed=0)(x, torch.arange(12) % 4)
        figure = dls.show_batch(b=(x, y), max_n=4)
        assert len(figure.axes) == 4
        for axes, own, weight in zip(figure.axes, y.own, y.weight, strict=False):
            assert CLASSES[own] in axes.get_xlabel()
            assert f"{round(100 * float(weight))} %" in axes.get_xlabel()

    def test_a_batch_in_the_place_of_a_number(self):
        dls = loaders()
        with pytest.raises(VicinalError, match="not a tuple: a batch is given as b="):
            dls.show_batch(dls.one_batch())

    @pytest.mark.parametrize("name", ["max_n", "nrows", "ncols"])
    def test_numbers_below_one(self, name):
        with pytest.raises(VicinalError, match=f"{name} must be 1 or more, not 0"):
            loaders().show_batch(**{name: 0})

    def test_a_loader_without_samples(self):
        dls = loaders()
        with pytest.raises(VicinalError, match="hold no samples that could be shown"):
            Batches(TensorData(torch.zeros(0, 3, 8, 8), torch.zeros(0)), 4).some(3)
        assert dls.valid.some(3)[0].shape == (3, 3, 8, 8)

    def test_loaders_can_be_pickled(self):
        dls = loaders()
        dls.train._loader = dls.valid._loader = None
        assert pickle.loads(pickle.dumps(dls.train))._dls is None


class Guess(nn.Module):
    """Takes every image for the class that its grey says, but dogs for cats."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        shown = (x[:, 0, 0, 0] / 60).round().long().clamp(max=2)
        return 9 * nn.functional.one_hot(shown, 4).float() * self.weight


def test_results_are_truth_and_prediction_of_the_whole_part():
    learn = Learner(loaders(), Guess())
    figure = learn.show_results(max_n=4, figsize=(7, 8))
    assert titles(figure) == ["ant\nant", "bee\nbee", "cat\ncat", "dog\ncat"]
    assert figure.get_size_inches().tolist() == [7, 8]
    assert len(titles(learn.show_results(nrows=2, ncols=3))) == 6
    assert len(titles(learn.show_results(ds_idx=0))) == 9
    files = learn.dls.test_dl([torch.full((3, 8, 8), 60, dtype=torch.uint8)] * 2)
    assert titles(learn.show_results(dl=files)) == ["\nbee"] * 2


class Texts(DataLoaders):
    def described(self, x):
        return [{"text": f"sample {int(row[0])}"} for row in x]


def test_other_samples_are_a_table():
    x, y = torch.arange(12.0).view(12, 1), torch.arange(12) % 2
    dls = Texts.from_tensors(x, y, x, y, bs=4, vocab=["good", "bad"], device="cpu")
    assert len(dls.show_batch(max_n=3).rows) == 3
    table = dls.valid.show_batch(max_n=2)
    assert table.rows == [
        {"text": "sample 0", "target": "good"},
        {"text": "sample 11", "target": "bad"},
    ]
    model = nn.Linear(1, 2)
    nn.init.zeros_(model.weight)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.0, 1.0]))
    assert [row["predicted"] for row in Learner(dls, model).show_results(2).rows] == ["bad"] * 2
    assert "<td>sample 11</td><td>bad</td>" in table._repr_html_()


def test_a_long_text_is_cut_in_a_terminal():
    lines = repr(SampleTable([{"text": "x" * 99}, {"text": "y"}], ["a", "b"])).splitlines()
    assert [len(line) for line in lines] == [68, 63, 63]
    assert lines[1] == "x" * 59 + "…  a"
