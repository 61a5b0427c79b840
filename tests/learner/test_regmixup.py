"""RegMixUp and MixUpMP: a clean loss beside a mixed one."""

import copy

import pytest
import torch
from small_trainings import Note, network, same, sgd, state
from torch import nn

from vicinal import (
    AccumulateGradients,
    Callback,
    Checkpoint,
    Choice,
    CutMix,
    DataLoaders,
    Learner,
    ManifoldMixUp,
    MixLoss,
    MixUp,
    MixUpMP,
    RegMixUp,
    accuracy,
    compare,
)


class Batches(Callback):
    """Keeps each training batch, as a callback that comes after the mixing sees it."""

    order = 60

    def __init__(self):
        self.before, self.after = [], []

    def before_batch(self, learn):
        if learn.training:
            self.before.append((learn.x, learn.y))

    def after_loss(self, learn):
        if learn.training:
            self.after.append((learn.x, learn.y, learn.pred))


def images(bs=8):
    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(40, 3, 8, 8, generator=g), torch.arange(40) % 3
    return DataLoaders.from_tensors(x[:32], y[:32], x[32:], y[32:], bs=bs, device="cpu")


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    )


def train_by_hand(dls, model, mixer, eta, epochs, lr, opt_func=sgd):
    """The objective of the paper, with one forward pass for both halves."""
    optimizer, losses = opt_func(model.parameters(), lr), []
    criterion = nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train()
        for x, y in dls.train:
            mixed, target = mixer(x, y)
            clean_output, mixed_output = model(torch.cat((x, mixed))).chunk(2)
            loss = criterion(clean_output, y) + eta * MixLoss(criterion)(mixed_output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        list(dls.valid)  # which advances its sampler, as validation does
    return losses


MIXERS = {
    "mixup": lambda: MixUp(10, seed=1),
    "cutmix": lambda: CutMix(seed=1),
    "a choice": lambda: Choice([MixUp(1.0), CutMix()], seed=1),
}


@pytest.mark.parametrize("make", MIXERS.values(), ids=MIXERS)
@pytest.mark.parametrize("eta", [1.0, 0.3])
def test_trains_as_the_formula_says(make, eta):
    by_hand, model = convolutions(), convolutions()
    expected = train_by_hand(images(), by_hand, make(), eta, 2, 0.1)
    note = Note()
    learn = Learner(images(), model, nn.CrossEntropyLoss(), opt_func=sgd)
    with learn.no_logging():
        learn.fit(2, 0.1, cbs=[RegMixUp(make(), eta=eta), note])
    assert note.losses == pytest.approx(expected, rel=1e-5)
    for name, tensor in by_hand.state_dict().items():  # with the statistics of batch norm
        assert torch.allclose(tensor, model.state_dict()[name], atol=1e-5), name
    assert learn.history[-1]["train_loss"] == pytest.approx(sum(expected[4:]) / 4, rel=1e-5)


def test_eta_0_and_no_batch_norm_is_training_without_mixing(dls):
    models = []
    for cbs in ([], RegMixUp(eta=0)):
        learn = Learner(copy.deepcopy(dls), network(norm=False))
        with learn.no_logging():
            learn.fit(2, 0.01, cbs=cbs)
        models.append(learn.model)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_mixupmp_is_the_same_with_its_own_names(dls):
    assert repr(MixUpMP(r=0.5)).startswith("MixUpMP(MixUp(alpha=1.0")
    states = []
    for callback in (MixUpMP(MixUp(1.0, seed=2), r=0.5), RegMixUp(MixUp(1.0, seed=2), eta=0.5)):
        learn = Learner(copy.deepcopy(dls), network())
        with learn.no_logging():
            learn.fit(1, 0.1, cbs=callback)
        states.append(state(learn.model))
    assert same(*states)


def test_callbacks_see_the_clean_samples_and_their_outputs():
    dls, seen = images(), Batches()
    learn = Learner(dls, convolutions())
    with learn.no_logging():
        learn.fit(1, cbs=[RegMixUp(alpha=10), seen])
    for (both, y), (x, clean_y, pred) in zip(seen.before, seen.after, strict=True):
        assert both.shape[0] == 16
        assert torch.equal(both[:8], x)
        assert not torch.equal(both[8:], x)
        assert y is clean_y
        assert pred.shape == (8, 3)
        assert 0 <= accuracy(pred, clean_y) <= 1


def test_validation_is_not_mixed():
    learn = Learner(images(), convolutions(), metrics=accuracy)
    with learn.no_logging():
        learn.fit(1, 0.01, cbs=RegMixUp)
    scores = dict(learn.validate())
    assert {k: learn.history[-1][k] for k in scores} == pytest.approx(scores)


def test_gradients_of_several_batches_add_up(dls):
    """Without batch norm, two batches of 20 give the mean of their two gradients."""
    model, by_hand = network(norm=False), network(norm=False)
    learn = Learner(copy.deepcopy(dls), model, nn.CrossEntropyLoss(), opt_func=sgd)
    cbs = [RegMixUp(MixUp(10, seed=1)), AccumulateGradients(2)]
    with learn.no_logging():
        learn.fit(1, 0.1, cbs=cbs)
    mixer, optimizer, criterion = (
        MixUp(10, seed=1),
        sgd(by_hand.parameters(), 0.1),
        MixLoss(nn.CrossEntropyLoss()),
    )
    for number, (x, y) in enumerate(dls.train):
        mixed, target = mixer(x, y)
        loss = criterion(by_hand(x), y) + criterion(by_hand(mixed), target)
        (loss / 2).backward()
        if number % 2:
            optimizer.step()
            optimizer.zero_grad()
    for one, other in zip(model.parameters(), by_hand.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


class TestInsideOfTheNetwork:
    def test_only_the_second_half_is_mixed(self):
        """Its outputs are those of the clean samples, and of their activations mixed by hand."""
        model, x, y = network(norm=False).train(), torch.randn(6, 2), torch.arange(6) % 2
        mixup = ManifoldMixUp(model, "2", mixer=MixUp(1.0), seed=3)
        mixed, target = mixup(x, y)
        assert mixed is x
        both = torch.cat((x, x))
        mixup.mix_second_half(both)
        clean, outputs = model(both).chunk(2)
        mixup.release()
        hidden = model[2](model[1](model[0](x)))
        mix = MixUp(1.0, seed=3).draw(x)
        assert torch.equal(mix.weight, target.weight)
        assert torch.allclose(clean, model[3](hidden), atol=1e-6)
        assert torch.allclose(outputs, model[3](mix(hidden)), atol=1e-6)

    def test_boxes_are_cut_in_the_second_half_alone(self):
        model, x, y = convolutions().train(), torch.rand(4, 3, 8, 8), torch.arange(4) % 3
        model[1] = nn.Identity()
        mixup = ManifoldMixUp(model, "0", mixer=CutMix(), seed=0)
        mixup(x, y)
        mixup.mix_second_half(torch.cat((x, x)))
        clean, outputs = model(torch.cat((x, x))).chunk(2)
        mixup.release()
        assert torch.allclose(clean, model(x), atol=1e-6)
        assert not torch.allclose(outputs, model(x), atol=1e-3)

    def test_trains_and_leaves_no_hooks(self):
        model = convolutions()
        learn = Learner(images(), model)
        mixer = ManifoldMixUp(model, ["input", "0"], seed=0)
        with learn.no_logging():
            learn.fit(2, 0.01, cbs=RegMixUp(mixer))
        assert not any(module._forward_hooks for module in model.modules())


def test_nested_batches_and_half_a_batch():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(x["x"])

    x, y = {"x": torch.randn(24, 4)}, torch.arange(24) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
    for mixer in (MixUp(), MixUp(half=True)):
        seen = Batches()
        learn = Learner(dls, Named())
        with learn.no_logging():
            learn.fit(1, cbs=[RegMixUp(mixer), seen])
        assert len(seen.before[0][0]["x"]) == (12 if mixer.half else 16)
        assert seen.after[0][2].shape == (8, 2)


def test_bfloat16_and_lbfgs_which_computes_the_loss_again():
    for options in ({"precision": "bf16"}, {"opt_func": torch.optim.LBFGS}):
        learn = Learner(images(), convolutions(), **options)
        with learn.no_logging():
            learn.fit(1, 0.1, cbs=RegMixUp(MixUp(10, seed=0)))
        assert torch.isfinite(torch.tensor(learn.history[-1]["train_loss"]))


def test_a_training_that_is_resumed_ends_alike(tmp_path):
    def train(epochs, resume, stop=None):
        learn = Learner(images(), convolutions())
        cbs = [RegMixUp(MixUp(10, seed=1)), Checkpoint(tmp_path / "c", resume=resume)]
        with learn.no_logging():
            learn.fit(epochs, 0.01, cbs=[*cbs, *([stop] if stop else [])])
        return state(learn.model)

    class Stop(Callback):
        order = 98

        def after_epoch(self, learn):
            if learn.epoch == 0:
                raise KeyboardInterrupt

    expected = train(3, resume=False)
    with pytest.raises(KeyboardInterrupt):
        train(3, False, Stop())
    assert same(train(3, resume=True), expected)


def test_is_an_arm_whose_mixer_is_seeded(capsys):
    x, y = torch.randn(60, 2), torch.arange(60) % 2

    def data(seed):
        return DataLoaders.from_tensors(x, y, x, y, bs=20, seed=seed, device="cpu")

    arms = {"none": None, "regmixup": RegMixUp(eta=0.5), "again": RegMixUp(alpha=10, eta=0.5)}
    frame = compare(data, lambda: nn.Linear(2, 2), arms, seeds=2, epochs=2, lr=0.1)
    loss = frame.pivot(index="seed", columns="mix", values="nll")
    assert loss["regmixup"].tolist() == loss["again"].tolist() != loss["none"].tolist()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RegMixUp(eta=-1), ValueError, "eta must be 0 or more, not -1"),
        (lambda: RegMixUp(eta=float("inf")), ValueError, "eta must be finite"),
        (lambda: RegMixUp(CutMix(), alpha=10), ValueError, "alpha=10 is of the MixUp that"),
        (lambda: RegMixUp(10), TypeError, r"names no mixer: write RegMixUp\(alpha=10\)"),
        (lambda: MixUpMP(r=-2), ValueError, "r must be 0 or more, not -2"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.slow
def test_a_compiled_network_trains_alike():
    losses = []
    for is_compiled in (False, True):
        note = Note()
        learn = Learner(images(), convolutions(), opt_func=sgd, compile=is_compiled)
        with learn.no_logging():
            learn.fit(1, 0.01, cbs=[RegMixUp(MixUp(10, seed=0)), note])
        losses.append(note.losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
