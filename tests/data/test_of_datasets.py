import copy

import pytest
import torch
from torch import nn
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

from vicinal import Learner, MixUp, VicinalError, accuracy
from vicinal.data.loaders import DataLoaders
from vicinal.data.sampler import GivenSampler

X, Y = torch.rand(20, 4), torch.arange(20) % 2
SAMPLES = list(zip(X, Y, strict=True))


class WithTargets(list):
    classes = ("ant", "bee", "cat")
    targets = Y.tolist()


def test_loaders_of_torchs_train_and_predict_in_the_order_of_their_data():
    dls = DataLoaders(
        DataLoader(SAMPLES, batch_size=8, shuffle=True, drop_last=True),
        DataLoader(TensorDataset(X, Y), batch_size=6),
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


class TestTheSamplerOfALoader:
    def dls(self, **how):
        data = [(torch.tensor([float(i)]), i % 2) for i in range(20)]
        return DataLoaders(DataLoader(data, 8, **how), DataLoader(data, 8)).to("cpu")

    def drawn(self, dls):
        return torch.cat([x.flatten() for x, _ in dls.train]).int().tolist()

    def test_its_first_batch_can_be_looked_at(self):
        generator = torch.Generator().manual_seed(0)
        dls = self.dls(sampler=RandomSampler(range(20), generator=generator))
        seen = dls.one_batch()[0].flatten().tolist()
        assert self.drawn(dls)[:8] == seen
        assert dls.one_batch()[0].flatten().tolist() != seen

    def test_it_moves_no_random_numbers_and_is_the_same_again(self):
        orders, state = [], torch.get_rng_state()
        for _ in range(2):
            dls = self.dls(shuffle=True)
            orders.append([self.drawn(dls), self.drawn(dls)])
        assert torch.get_rng_state().equal(state)
        assert orders[0] == orders[1]
        assert orders[0][0] != orders[0][1]
        assert sorted(orders[0][0]) == [*range(20)]

    def test_the_last_batch_counts_as_a_step(self):
        learn = Learner(self.dls(), nn.Linear(1, 2), cbs=MixUp)
        learn.fit_one_cycle(2, 0.1)
        assert len(learn.recorder.losses) == 6

    def test_several_processes_have_as_many_batches(self, monkeypatch):
        parts = []
        for rank in (0, 1):
            monkeypatch.setattr("vicinal.data.sampler.rank_and_world_size", lambda r=rank: (r, 2))
            sampler = GivenSampler(range(19), 4, drop_last=False)
            parts.append([*sampler])
            assert len(sampler) == len(parts[-1]) == 2
        assert parts == [[[0, 1, 2, 3], [8, 9, 10, 11]], [[4, 5, 6, 7], [12, 13, 14, 15]]]


def test_a_validation_loader_of_a_subset_has_its_samples():
    data = TensorDataset(X, Y)
    valid = DataLoader(data, 8, sampler=SubsetRandomSampler([7, 2, 4]))
    dls = DataLoaders(DataLoader(data, 8, shuffle=True), valid)
    assert len(dls.valid.dataset) == 3
    assert torch.cat([x for x, _ in dls.valid]).cpu().equal(X[[7, 2, 4]])


def test_classes_of_a_part_of_a_data_set_have_their_names():
    train, valid = random_split(WithTargets(SAMPLES), [15, 5])
    assert DataLoaders.from_dsets(train, valid, bs=5).vocab == ["ant", "bee", "cat"]


class Endless(IterableDataset):
    def __iter__(self):
        yield from SAMPLES


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DataLoaders(SAMPLES, SAMPLES), "list is no loader"),
        (lambda: DataLoaders(*[DataLoader(Endless(), 2)] * 2), "a DataLoader must have"),
        (lambda: DataLoaders(*[DataLoader(SAMPLES, batch_sampler=[[0, 1]])] * 2), "a batch_size"),
        (
            lambda: DataLoaders(
                *[DataLoader(SAMPLES, 2, sampler=WeightedRandomSampler([1.0] * 20, 20))] * 2
            ),
            "validation loader draws samples by a WeightedRandomSampler",
        ),
        (
            lambda: DataLoaders(
                DataLoader(SAMPLES, 2),
                DataLoader(SAMPLES, 2, sampler=RandomSampler(SAMPLES, num_samples=5)),
            ),
            "validation loader draws samples by a RandomSampler",
        ),
        (
            lambda: DataLoaders(
                *[DataLoader(SAMPLES, 2, sampler=DistributedSampler(SAMPLES, 2, 0))] * 2
            ),
            "leave the DistributedSampler out",
        ),
        (
            lambda: DataLoaders(*[DataLoader(SAMPLES, 2, sampler=iter([1, 2, 3]))] * 2),
            "list_iterator has no length",
        ),
        (
            lambda: DataLoaders(*[DataLoader(SAMPLES, 32, drop_last=True)] * 2),
            "batch size 32 is larger than the 20 samples of an epoch",
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
