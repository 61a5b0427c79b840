import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler

from vicinal import Learner, MixUp, VicinalError, accuracy
from vicinal.data.loaders import DataLoaders

X, Y = torch.rand(20, 4), torch.arange(20) % 2
SAMPLES = list(zip(X, Y, strict=True))


class WithTargets(list):
    classes = ("ant", "bee", "cat")
    targets = Y.tolist()


def test_loaders_of_torchs_train_and_predict_in_the_order_of_their_data():
    dls = DataLoaders(
        DataLoader(SAMPLES, batch_size=8), DataLoader(TensorDataset(X, Y), batch_size=6)
    )
    learn = Learner(dls.to("cpu"), nn.Linear(4, 2), metrics=accuracy, cbs=MixUp())
    learn.fit(1)
    assert learn.get_preds()[1].equal(Y)
    assert (len(dls.train), len(dls.valid), dls.c, dls.vocab) == (2, 4, 2, [0, 1])
    first, second = (torch.cat([y for _, y in dls.train]) for _ in range(2))
    assert not first.equal(second)
    assert dls.train.dataset[3][1] == dls.train_ds[3][1] == 1


@pytest.mark.parametrize(
    ("y", "shape", "c"),
    [
        (torch.rand(20), (8,), 1),
        (torch.rand(20, 3), (8, 3), 3),
        (Y[:, None], (8, 1), 1),
        (torch.rand(20).tolist(), (8,), 1),
    ],
)
def test_targets_that_are_no_classes_keep_their_shape(y, shape, c):
    samples = list(zip(X, y, strict=True))
    dls = DataLoaders.from_dsets(samples, samples, bs=8, device="cpu")
    targets = dls.one_batch()[1]
    assert (targets.shape, dls.c, dls.vocab) == (shape, c, None)
    assert targets.dtype in (torch.float32, torch.int64)


def test_classes_have_the_names_of_the_data_set_and_are_known_from_both_parts():
    named = DataLoaders.from_dsets(WithTargets(SAMPLES), SAMPLES, bs=8)
    assert named.vocab == ["ant", "bee", "cat"]
    one = DataLoaders.from_dsets(SAMPLES, [(X[0], 2)], bs=8)
    assert one.vocab == [0, 1, 2]
    assert DataLoaders.from_dsets(SAMPLES, SAMPLES, bs=8, vocab=["no", "yes"]).vocab[1] == "yes"
    with pytest.raises(VicinalError, match="the targets are no 1 classes"):
        DataLoaders.from_dsets(SAMPLES, SAMPLES, bs=8, vocab=["no"])


def test_changed_targets_are_read():
    samples = WithTargets((x, 2 - y) for x, y in SAMPLES)
    samples.target_transform = lambda y: 2 - y
    assert DataLoaders.from_dsets(samples, samples, bs=8).vocab == ["ant", "bee", "cat"]
    samples.targets = [0] * 20
    del samples.target_transform
    assert len(DataLoaders.from_dsets(samples, samples, bs=8).vocab) == 3


class Endless(IterableDataset):
    def __iter__(self):
        yield from SAMPLES


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DataLoaders(SAMPLES, SAMPLES), "list is no loader"),
        (lambda: DataLoaders(*[DataLoader(Endless(), 2)] * 2), "a DataLoader must have"),
        (
            lambda: DataLoaders(
                *[DataLoader(SAMPLES, 2, sampler=WeightedRandomSampler([1.0] * 20, 20))] * 2
            ),
            "no sampler of its own",
        ),
        (lambda: DataLoaders.from_dsets(X, X), "must be pairs"),
        (lambda: DataLoaders.from_dsets(Endless(), SAMPLES), "Endless has no length"),
        (lambda: DataLoaders.from_dsets([(X[0], -1)] * 8, SAMPLES, bs=2), "one is -1"),
        (
            lambda: DataLoaders.from_dsets([(X[0], torch.zeros(2, 2).long())] * 8, SAMPLES, bs=2),
            "the number of outputs does not follow",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(make, sentence):
    with pytest.raises(VicinalError, match=sentence):
        make()


def test_attributes_of_fastais_that_loaders_lack_say_what_is_there():
    dls = DataLoaders.from_dsets(SAMPLES, SAMPLES, bs=8)
    with pytest.raises(AttributeError, match=r"no attribute 'n': len\(dls\.train\.dataset\)"):
        dls.n  # noqa: B018
    with pytest.raises(AttributeError, match=r"'after_batch': dls\.train\.transforms"):
        dls.valid.after_batch  # noqa: B018
    assert not hasattr(copy.copy(dls), "colour")
