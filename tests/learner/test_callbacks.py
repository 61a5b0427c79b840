"""What mixes in a training, and how users' callbacks and mixers become callbacks."""

import pytest
import torch
from small_trainings import network, same, sgd, state
from torch import nn

from vicinal import (
    AccumulateGradients,
    BatchMixer,
    Callback,
    CutMix,
    DataLoaders,
    Learner,
    ManifoldMixUp,
    MixedTarget,
    MixUp,
    Schedule,
    VicinalError,
)
from vicinal.data.split_loader import Batches
from vicinal.learner.callbacks import MixBatches, as_callbacks


class Hold(Callback):
    """Holds the plain batch, as a clean loss beside the mixed one needs it."""

    def __init__(self):
        self.batches = []

    def before_batch(self, learn):
        if learn.training:
            x, y = learn.x, learn.y
            self.batches.append((x, x.clone(), y, y.clone()))


class HoldMixed(Hold):
    order = 60

    def before_batch(self, learn):
        if learn.training:
            self.batches.append((learn.x, learn.x.clone()))


class Spy(MixUp):
    """Records whether it may write into the batch."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []

    def __call__(self, x, y, *, other=None, inplace=False):
        self.calls.append(inplace)
        return super().__call__(x, y, other=other, inplace=inplace)


@pytest.mark.parametrize("mixer", [MixUp(seed=0), Schedule(MixUp(), until=0.9, seed=0)])
def test_a_batch_that_a_callback_holds_is_not_written_to(dls, mixer):
    hold, mixed = Hold(), HoldMixed()
    Learner(dls, network(), cbs=[mixer, hold, mixed]).fit(2)
    assert len(hold.batches) == 2 * len(dls.train)
    for x, x_before, y, y_before in hold.batches:
        assert torch.equal(x, x_before)
        assert torch.equal(y, y_before)
    for x, x_before in mixed.batches:  # nor one that is mixed, by the steps after it
        assert torch.equal(x, x_before)
    assert not torch.equal(hold.batches[0][0], mixed.batches[0][0])


@pytest.mark.parametrize(("cbs", "inplace"), [
    ([], True), ([Hold], False), ([HoldMixed], True), ([Hold, HoldMixed], False)
])  # fmt: skip
def test_only_a_batch_that_nobody_has_seen_is_mixed_in_place(dls, cbs, inplace):
    spy = Spy(seed=0)
    Learner(dls, network(), cbs=[*cbs, spy]).fit(1)
    assert spy.calls == [inplace] * len(dls.train)


def test_one_given_before_the_mixer_at_its_order_sees_the_plain_batch(dls):
    class HoldAtSameOrder(Hold):
        order = MixBatches.order

    first, last = Spy(seed=0), Spy(seed=0)
    Learner(dls, network(), cbs=[HoldAtSameOrder, last]).fit(1)
    Learner(dls, network(), cbs=[first]).fit(1)
    assert (set(first.calls), set(last.calls)) == ({True}, {False})


@pytest.mark.parametrize("make", [lambda _: CutMix(seed=0), lambda _: MixUp(seed=0), ManifoldMixUp])
def test_the_training_is_the_same_to_the_bit_whoever_holds_the_batch(make):
    from vicinal import DataLoaders

    x, y = torch.rand(60, 3, 8, 8), torch.arange(60) % 3
    found = []
    for cbs in ([], [Hold]):
        dls = DataLoaders.from_tensors(x, y, x, y, bs=20, device="cpu")
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
        torch.manual_seed(0)  # which a mixer without a seed follows
        learn = Learner(dls, model, opt_func=sgd, cbs=[make(model), *cbs])
        learn.cbs[0].mixer.load_state_dict(MixUp(seed=4).state_dict())
        learn.fit(2, 0.1)
        found.append((state(model), [row["train_loss"] for row in learn.history]))
    assert same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_batches_given_to_train_on_are_not_written_to(dls):
    x, y = torch.randn(10, 2), torch.arange(10) % 2
    before = x.clone()

    class Replay(Callback):
        def after_train(self, learn):
            learn.train_on([(x, y)] * 3)

    spy = Spy(seed=0)
    Learner(dls, network(), cbs=[spy, Replay]).fit(1)
    assert torch.equal(x, before)
    assert spy.calls == [True] * len(dls.train) + [False] * 3


def test_mixed_targets_are_pairs(dls):
    mixed = []

    class Look(Callback):
        def before_pred(self, learn):
            mixed.append((learn.training, isinstance(learn.y, MixedTarget)))

    Learner(dls, network(), cbs=[MixUp, Look]).fit(1)
    assert set(mixed) == {(True, True), (False, False)}


def test_it_is_a_batch_mixer(dls):
    mixer = Schedule(MixUp(), until=0.5, seed=0)
    callback = MixBatches(mixer)
    assert isinstance(callback.batch_mixer, BatchMixer)
    assert callback.mixer is mixer
    Learner(dls, network(), cbs=callback).fit(2)
    assert callback.state_dict() == callback.batch_mixer.state_dict()
    assert mixer.random.draws == 2 * len(dls.train)


def test_a_state_that_is_loaded_before_the_training_continues_its_schedule(dls):
    ended = MixBatches(Schedule(MixUp(), until=0.5, seed=0))
    Learner(dls, network(), cbs=ended).fit(2)
    state = ended.state_dict()
    resumed = MixBatches(Schedule(MixUp(), until=0.5, seed=0))
    resumed.load_state_dict(state)

    class Look(Callback):
        order = 60

        def __init__(self):
            self.weights = []

        def before_batch(self, learn):
            if learn.training:
                self.weights.append(learn.y.weight)

    look, again = Look(), Look()
    learn = Learner(dls, network(), cbs=[resumed, look])
    learn.fit(1)  # as if it had been the third epoch: past the half, nothing is mixed
    assert all(bool((weight == 1).all()) for weight in look.weights)
    learn.fit(1, cbs=again)  # a training of its own
    assert not all(bool((weight == 1).all()) for weight in again.weights)


class Quiet(Callback):
    pass


@pytest.mark.parametrize(("cbs", "kinds"), [
    (None, []),
    ([], []),
    (MixUp, [MixBatches]),
    (MixUp(0.2), [MixBatches]),
    (Quiet, [Quiet]),
    ((Quiet(), MixUp, Quiet), [Quiet, MixBatches, Quiet]),
    ([MixBatches(MixUp), CutMix()], [MixBatches, MixBatches]),
])  # fmt: skip
def test_as_callbacks(cbs, kinds):
    assert [type(callback) for callback in as_callbacks(cbs)] == kinds


def test_as_callbacks_leaves_instances_as_they_are():
    quiet, mixer = Quiet(), MixUp()
    same_quiet, mixing = as_callbacks([quiet, mixer])
    assert same_quiet is quiet
    assert mixing.mixer is mixer


@pytest.mark.parametrize("cbs", [3, "MixUp", [nn.ReLU()], int, [None]])
def test_what_is_neither_is_refused(cbs):
    with pytest.raises(VicinalError, match="no callback or mixer"):
        as_callbacks(cbs)


@pytest.mark.parametrize(("cbs", "message"), [
    ("Mixup", "'Mixup' is a text and no callback or mixer: write Mixup without quotes"),
    ("CutMx", "did you mean CutMix, without quotes"),
    (AccumulateGradients, r"has no default: give AccumulateGradients\(batches=…\)"),
    (nn.ReLU(), r"ReLU\(\) is no callback or mixer: give one such as MixUp\(\)"),
])  # fmt: skip
def test_what_to_write_instead(cbs, message):
    with pytest.raises(VicinalError, match=message):
        as_callbacks(cbs)


class Stored(torch.utils.data.Dataset):
    """A data set that returns the tensors that it stores."""

    def __init__(self):
        self.batches = [(torch.rand(4, 2), torch.arange(4) % 2) for _ in range(3)]

    def __len__(self):
        return 12

    def __getitems__(self, indices):
        return self.batches[min(indices) % 3]


def test_tensors_that_a_data_set_stores_are_not_overwritten():
    data = Stored()
    before = [x.clone() for x, _ in data.batches]
    loaders = [Batches(data, 4, training=training, device="cpu") for training in (True, False)]
    dls = DataLoaders(*loaders, vocab=["a", "b"], n_out=2)
    Learner(dls, torch.nn.Linear(2, 2), cbs=MixUp(float("inf"))).fit(2)
    assert all(torch.equal(x, old) for (x, _), old in zip(data.batches, before, strict=True))


def test_a_batch_that_a_callback_replays_is_not_overwritten():
    class Replay(Callback):
        def after_batch(self, learn):
            if learn.training and self not in replaying:
                replaying.append(self)
                kept = learn.x
                before = kept.clone()
                learn.section("batch", learn._one_batch)
                same.append(torch.equal(kept, before))
                replaying.clear()

    replaying, same = [], []
    x, y = torch.rand(8, 2), torch.arange(8) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")

    # The targets of a mixed batch cannot be mixed again: what is replayed has plain ones.
    class Plain(Callback):
        order = 10

        def before_batch(self, learn):
            learn.y = getattr(learn.y, "own", learn.y)

    Learner(dls, torch.nn.Linear(2, 2), cbs=[Plain, MixUp(float("inf")), Replay]).fit(1)
    assert same == [True, True]
