"""Loaders of torch's that a user gives: their samplers, workers, seeds and batches."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from vicinal import Callback, Checkpoint, DataLoaders, Learner, ProgressiveResizing, accuracy
from vicinal.data.of_datasets import Collated
from vicinal.errors import VicinalError

X, Y = torch.arange(40.0)[:, None] / 40, torch.arange(40) % 2
DATA = TensorDataset(X, Y)


class Interrupt(Callback):
    def before_epoch(self, learn):
        if learn.epoch == 2:
            raise KeyboardInterrupt


def trained(loaders, cbs=(), *, find=False):
    """The weights after three epochs, or after two where the training is interrupted."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    learn = Learner(loaders(), nn.Linear(1, 2))
    with learn.no_logging():
        if find:
            learn.lr_find(start_lr=1e-3, num_it=20)
        try:
            learn.fit(3, 0.1, cbs=cbs)
        except KeyboardInterrupt:
            return None
    return learn.model.weight.detach()


class Noisy(Dataset):
    """Draws from all generators that an augmentation may use."""

    def __len__(self):
        return 32

    def __getitem__(self, index):
        drawn = torch.randn(1) + random.random() + np.random.rand()  # noqa: NPY002
        return drawn.float(), index % 2


class Stateful:
    """A sampler of somebody's own."""

    def __init__(self):
        self.turns = 0

    def __len__(self):
        return 40

    def __iter__(self):
        self.turns += 1
        return iter(torch.arange(40).roll(7 * self.turns).tolist())

    def state_dict(self):
        return {"turns": self.turns}

    def load_state_dict(self, state):
        self.turns = state["turns"]


def generator():
    return torch.Generator().manual_seed(3)


def by(sampler):
    return lambda: DataLoaders(DataLoader(DATA, 8, sampler=sampler()), DataLoader(DATA, 8))


LOADERS = {
    "shuffled": lambda: DataLoaders(DataLoader(DATA, 8, shuffle=True), DataLoader(DATA, 8)),
    "by a generator": by(lambda: RandomSampler(DATA, generator=generator())),
    "a subset": by(lambda: SubsetRandomSampler(range(24), generator=generator())),
    "weighted": by(lambda: WeightedRandomSampler(torch.ones(40), 32, generator=generator())),
    "with a state": by(Stateful),
    "drawn here": lambda: DataLoaders.from_dsets(Noisy(), DATA, bs=8, device="cpu"),
    "drawn by workers": lambda: DataLoaders.from_dsets(
        Noisy(), DATA, bs=8, num_workers=1, device="cpu"
    ),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_resumed_training_and_one_after_lr_find_are_the_same(name, tmp_path):
    loaders, file = LOADERS[name], tmp_path / "checkpoint"
    whole = trained(loaders)
    assert trained(loaders).equal(whole)
    assert trained(loaders, [Checkpoint(file, resume=True), Interrupt()]) is None
    assert trained(loaders, Checkpoint(file, resume=True)).equal(whole)
    assert trained(loaders, find=True).equal(whole)


def test_the_batch_that_was_looked_at_comes_once_more_after_resuming():
    def part():
        return LOADERS["by a generator"]().train

    first, second = part(), part()
    list(first)
    first.one_batch()  # draws the order of the epoch to come
    second.sampler.load_state_dict(first.sampler.state_dict())
    for (x, _), (other, _) in zip(first, second, strict=True):
        assert x.equal(other)


def test_what_workers_draw_depends_on_the_batch_alone():
    def drawn(workers):
        dls = DataLoaders.from_dsets(Noisy(), DATA, bs=8, num_workers=workers, device="cpu")
        return torch.cat([x for _ in range(2) for x, _ in dls.train])

    one = drawn(1)
    assert one.equal(drawn(2))
    assert one.unique().numel() == one.numel()


def test_the_order_follows_the_seed_of_torch():
    def order(seed):
        torch.manual_seed(seed)
        return LOADERS["shuffled"]().one_batch()[0]

    assert order(1).equal(order(1))
    assert not order(1).equal(order(2))


def test_the_samples_of_a_subset_are_all_that_the_training_part_has():
    valid = SubsetRandomSampler(range(24, 40))
    dls = DataLoaders(
        DataLoader(DATA, 8, sampler=SubsetRandomSampler(range(24))),
        DataLoader(DATA, 8, sampler=valid),
    )
    learn = Learner(dls, nn.Linear(1, 2))
    assert sum(len(y) for _, y in dls.train) == len(dls.train_ds) == 24
    assert len(learn.get_preds(ds_idx=0)[0]) == len(learn.interpret(ds_idx=0).losses) == 24
    assert len(learn.get_preds()[0]) == 16


def test_the_labels_of_a_subset_are_known_without_reading_its_samples():
    class Unreadable(Dataset):
        targets = (0, 1, 2, 1)

        def __len__(self):
            return 4

        def __getitem__(self, index):
            assert index == 0
            return torch.zeros(1), 0

    half = torch.utils.data.Subset(Unreadable(), [0, 3, 2])
    assert Collated(half).labels() == [0, 1, 2]


class Shared(Dataset):
    value = 0.0

    def __len__(self):
        return 16

    def __getitem__(self, index):
        return torch.full((1,), self.value), index % 2


def begin(worker):
    Shared.value = 7.0


def test_what_a_loader_says_to_its_workers_is_kept():
    loader = DataLoader(Shared(), 8, num_workers=1, worker_init_fn=begin, prefetch_factor=3)
    dls = DataLoaders(loader, DataLoader(Shared(), 8))
    (x, _), *_ = dls.train
    assert (x == 7).all()
    assert dls.train._loader.prefetch_factor == 3
    dls.train.shut_down_workers()


def test_batches_that_are_no_pairs_are_refused():
    learn = Learner(LOADERS["shuffled"](), nn.Linear(1, 2))
    for batch, found in (
        (torch.randn(2, 1), r"a Tensor of shape \(2, 1\)"),
        ((X, Y, Y), "a tuple of 3"),
        ({"x": X, "y": Y}, "a dict of 2"),
    ):
        with pytest.raises(VicinalError, match=f"a batch must be a pair .* not {found}"):
            learn.get_preds(dl=[batch])

    def named(samples):
        return {"x": torch.stack([x for x, _ in samples]), "y": torch.tensor([0] * len(samples))}

    with pytest.raises(VicinalError, match="a batch must be a pair"):
        DataLoaders(
            DataLoader(DATA, 8, collate_fn=named), DataLoader(DATA, 8), ["a"], 2
        ).one_batch()


EMPTY = TensorDataset(X[:0], Y[:0])


class TestNoSamples:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: DataLoaders(DataLoader(DATA), DataLoader(EMPTY)),
            lambda: DataLoaders(
                DataLoader(DATA), DataLoader(DATA, sampler=SubsetRandomSampler([]))
            ),
            lambda: DataLoaders.from_dsets(DATA, [], bs=8),
        ],
    )
    def test_the_validation_part_is_empty(self, make):
        with pytest.raises(VicinalError, match=r"^the validation part is empty: give it at least"):
            make()

    @pytest.mark.parametrize(
        "make",
        [
            lambda: DataLoaders(DataLoader(EMPTY), DataLoader(DATA)),
            lambda: DataLoaders(
                DataLoader(DATA, sampler=SubsetRandomSampler([])), DataLoader(DATA)
            ),
            lambda: DataLoaders.from_dsets([], DATA),
        ],
    )
    def test_the_training_part_is_empty(self, make):
        with pytest.raises(VicinalError, match=r"^the training part is empty: give it at least"):
            make()

    @pytest.mark.parametrize("of", [list, iter, DataLoader])
    @pytest.mark.parametrize("ask", ["validate", "get_preds", "interpret"])
    def test_batches_to_predict(self, ask, of):
        learn = Learner(DataLoaders(DataLoader(DATA, 8), DataLoader(DATA, 8)), nn.Linear(1, 2))
        with pytest.raises(VicinalError, match=r"^there is no batch in dl: give at least one"):
            getattr(learn, ask)(dl=of([]))

    def test_an_iterator_is_used_up(self):
        learn = Learner(DataLoaders(DataLoader(DATA, 8), DataLoader(DATA, 8)), nn.Linear(1, 2))
        batches = iter([(X, Y)])
        learn.validate(dl=batches)
        with pytest.raises(VicinalError, match="an iterator, which can be read only once"):
            learn.validate(dl=batches)


def test_results_of_a_loader_of_torchs():
    data = TensorDataset(torch.rand(40, 3, 4, 4), Y)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    learn = Learner(DataLoaders(DataLoader(data, 8), DataLoader(data, 8)), network)
    figure = learn.show_results(dl=DataLoader(TensorDataset(torch.rand(3, 3, 4, 4), Y[:3]), 8))
    assert sum(bool(axes.images) for axes in figure.axes) == 3
    with pytest.raises(VicinalError, match=r"^list is no loader: give torch's, DataLoader"):
        learn.show_results(dl=[(torch.rand(3, 3, 4, 4), Y[:3])])


class TestSeveralInputs:
    """In a dict or a tuple, as DataLoaders.from_tensors takes them."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            first, second = x.values() if isinstance(x, dict) else x
            return self.layer(torch.cat([first, second], 1))

    @pytest.fixture(params=[dict, tuple])
    def form(self, request):
        as_tuple = request.param is tuple
        return lambda a, b: (a, b) if as_tuple else {"a": a, "b": b}

    @pytest.fixture
    def learn(self, form):
        inputs = form(X, X.flip(0))
        dls = DataLoaders.from_tensors(inputs, Y, inputs, Y, bs=8, device="cpu")
        return Learner(dls, self.Network())

    def test_are_predicted_one_by_one(self, learn, form):
        expected, _ = learn.get_preds()
        samples = [form(X[i], X.flip(0)[i]) for i in range(40)]
        found, _ = learn.get_preds(dl=learn.dls.test_dl(samples))
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(learn.predict(samples[3])[2], expected[3])

    def test_are_not_shown(self, learn):
        with pytest.raises(VicinalError, match="are no images"):
            learn.show_results()

    def test_are_not_resized(self, learn):
        with pytest.raises(VicinalError, match="takes batches of images"):
            learn.fit(2, cbs=ProgressiveResizing([(0.5, 8)]))


class TestSeveralOutputs:
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, x):
            return self.layer(x), x

    def learner(self, **options):
        dls = DataLoaders.from_tensors(X, Y, X, Y, bs=8, device="cpu")
        criterion = nn.CrossEntropyLoss()
        return Learner(dls, self.Network(), lambda o, y: criterion(o[0], y), **options)

    def test_train_with_metrics_of_their_own(self):
        learn = self.learner(metrics=lambda o, y: accuracy(o[0], y))
        learn.fit(1)
        assert 0 <= learn.validate()[1] <= 1

    def test_are_refused_in_words_where_one_is_needed(self):
        with pytest.raises(VicinalError, match=r"accuracy needs a tensor .* returns a tuple"):
            self.learner(metrics=accuracy).fit(1)
        with pytest.raises(VicinalError, match=r"made from one tensor, .* returns a tuple"):
            self.learner().get_preds()
