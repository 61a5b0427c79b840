"""Choice around ManifoldMixUp: some batches are mixed at the input, the others at a layer."""

import pytest
import torch
from torch import nn

from vicinal import (
    Choice,
    CutMix,
    DataLoaders,
    Learner,
    ManifoldMixUp,
    MixUp,
    RegMixUp,
    Schedule,
    SnapMix,
)

X, Y = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 3


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.mark.parametrize("p", [None, [0.3, 0.4]])
@pytest.mark.parametrize("first", [CutMix, lambda: MixUp(0.4)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_layer_that_changes_nothing_gives_what_mixers_of_the_input_give(p, first, turned):
    model = nn.Sequential(nn.Identity(), nn.Flatten()).train()
    inside = ManifoldMixUp(model, "0", mixer=MixUp(2.0))
    mixers, plain = [first(), inside], [first(), MixUp(2.0)]
    if turned:
        mixers, plain = mixers[::-1], plain[::-1]
    mixer = Choice(mixers, p, per="batch", seed=0)
    expected = Choice(plain, p, per="batch", seed=0)
    mixed_at_input = 0
    for _ in range(12):
        x, y = mixer(X, Y)
        mixed_at_input += int((x != X).flatten(1).any(1).sum())
        same, target = expected(X, Y)
        assert torch.allclose(model(x), same.flatten(1), atol=1e-6)
        assert torch.equal(y.weight, target.weight)
        assert torch.equal(y.partner, target.partner)
    assert 10 < mixed_at_input < 12 * 16
    mixer.release()
    assert not hooks(model)


def test_boxes_and_blends_at_the_layers_of_a_convolutional_network():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten()).train()
    inside = ManifoldMixUp(model, ["input", "0", "1"], mixer=Choice([MixUp(1.0), CutMix()]))
    mixer = Choice([CutMix(), inside], per="batch", seed=0)
    for _ in range(8):
        x, _ = mixer(X, Y, inplace=False)
        model(x)
    assert model.eval()(X).shape == (16, 64)


def test_the_same_state_draws_the_same_layers():
    def drawn(state=None):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()).train()
        mixer = Choice([MixUp(), ManifoldMixUp(model, ["input", "0", "1"])], per="batch", seed=0)
        if state is not None:
            mixer.load_state_dict(state)
        layers = []
        for _ in range(24 if state is None else 12):
            x, _ = mixer(X, Y)
            pending = mixer.mixers[1]._hooks.pending
            layers.append("input" if pending is None else pending.layer)
            model(x)
        return layers

    whole = drawn()
    assert set(whole) == {"input", "0", "1"}
    assert drawn({"seed": 0, "draws": 12}) == whole[12:]


def test_a_learner_trains_with_it_and_takes_the_hooks_off():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model.append(nn.Linear(4, 3))
    dls = DataLoaders.from_tensors(X, Y, X, Y, bs=8, device="cpu")
    inside = ManifoldMixUp(model, "0", mixer=Schedule(MixUp(2.0), until=0.5))
    mixer = Choice([Schedule(SnapMix(), until=0.5), inside], per="batch", seed=0)
    Learner(dls, model, cbs=mixer).fit(2, 0.01)
    mixer = Choice([MixUp(), ManifoldMixUp(model, "0")], per="batch", seed=0)
    Learner(dls, model, cbs=RegMixUp(mixer)).fit(2, 0.01)
    assert not hooks(model)


def test_a_mix_that_is_not_applied_is_an_error():
    model = nn.Sequential(nn.Identity()).train()
    mixer = Choice([MixUp(), ManifoldMixUp(model, "0")], [0.0, 1.0], per="batch", seed=0)
    mixer(X, Y)
    with pytest.raises(RuntimeError, match="the last mix, for layer '0', was not applied"):
        mixer(X, Y)
    mixer.release()
    mixer(X, Y)


def inside():
    return ManifoldMixUp(nn.Sequential(nn.Identity()), "0")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: chosen(inside()), "a Choice takes one ManifoldMixUp: give it the"),
        (lambda: chosen(half=True), "cannot mix with half=: leave it out"),
        (lambda: chosen(maximum="m"), "cannot mix with maximum=: leave it out"),
        (lambda: Schedule(chosen()), "a Schedule cannot draw with a Choice that"),
        (lambda: chosen()(X, Y, other=(X, Y)), "give no second batch"),
        (lambda: chosen(per="sample"), "mixed already: set per='batch'"),
    ],
)
def test_what_is_wrong_is_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def chosen(*more, per="batch", **options):
    return Choice([MixUp(), inside(), *more], per=per, **options)
