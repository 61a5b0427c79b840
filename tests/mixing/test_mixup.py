"""MixUp as a whole: its options, both published forms, and the peers as oracles."""

from collections import namedtuple

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import Mix, MixUp


def test_the_three_steps_are_the_call():
    x, y = torch.randn(8, 3, 4, 4), torch.arange(8)
    mix = MixUp(seed=0).draw(x, y)
    mixed, target = MixUp(seed=0)(x, y)
    assert torch.equal(mix(x), mixed)
    assert torch.equal(mix.target(y).partner, target.partner)
    assert torch.equal(mix.weight, target.weight)


def test_a_mix_is_laid_as_often_as_wanted():
    mix = MixUp(seed=0).draw(torch.empty(6, 1))
    image, hidden = torch.randn(6, 3, 5, 5), torch.randn(6, 10)
    w = mix.weight[:, None]
    assert torch.allclose(mix(hidden), w * hidden + (1 - w) * hidden[mix.partner], atol=1e-6)
    assert mix(image).shape == image.shape


@settings(deadline=None)
@given(
    alpha=st.floats(0, 100),
    per=st.sampled_from(["sample", "batch"]),
    folded=st.booleans(),
    partners=st.sampled_from(["cycle", "shuffle", "reverse"]),
    p=st.floats(0, 1),
    count=st.integers(0, 12),
    seed=st.integers(0, 2**40),
)
def test_every_setting_gives_a_lawful_mix(alpha, per, folded, partners, p, count, seed):
    x, y = torch.randn(count, 3), torch.randint(4, (count,))
    kept = x.clone(), y.clone()
    mixer = MixUp(alpha, per=per, folded=folded, partners=partners, p=p, seed=seed)
    mix = mixer.draw(x, y)
    assert mix.partner.dtype == torch.int64
    assert mix.weight.dtype == torch.float32
    assert sorted(mix.partner.tolist()) == list(range(count))
    assert bool(((mix.weight >= (0.5 if folded else 0)) & (mix.weight <= 1)).all())
    if per == "batch":
        assert len(mix.weight.unique()) <= 1
    mixed, target = mixer(x, y)
    assert len(mixed) == len(target) == count
    assert torch.equal(x, kept[0])
    assert torch.equal(y, kept[1])


def test_alpha_zero_mixes_nothing():
    x, y = torch.randn(8, 3), torch.arange(8)
    mixed, target = MixUp(0)(x, y)
    assert torch.equal(mixed, x)
    assert torch.equal(target.weight, torch.ones(8))


def test_a_large_alpha_tends_to_halves():
    assert (MixUp(1e6, seed=0).draw(torch.empty(99, 1)).weight - 0.5).abs().max() < 0.01


def test_alpha_dials_the_strength():
    given_away = [
        float((1 - MixUp(alpha, seed=0).draw(torch.empty(5000, 1)).weight).mean())
        for alpha in (0, 0.1, 0.4, 1, 8)
    ]
    assert given_away == sorted(given_away)


def test_unfolded_weights_go_below_a_half():
    weight = MixUp(0.4, folded=False, seed=0).draw(torch.empty(1000, 1)).weight
    assert 0.4 < float((weight < 0.5).float().mean()) < 0.6


def test_p_is_the_share_of_samples_that_are_mixed():
    weight = MixUp(1.0, p=0.3, seed=0).draw(torch.empty(10_000, 1)).weight
    # Binomial(10,000, 0.3) leaves this range with a probability below 1e-6.
    assert 0.277 < float((weight < 1).float().mean()) < 0.323


def test_p_is_the_share_of_batches_with_one_weight_a_batch():
    mixer = MixUp(1.0, p=0.3, per="batch", seed=0)
    weights = [mixer.draw(torch.empty(4, 1)).weight for _ in range(2000)]
    assert all(len(w.unique()) == 1 for w in weights)
    # Binomial(2,000, 0.3), likewise.
    assert 0.25 < sum(bool(w[0] < 1) for w in weights) / 2000 < 0.35


def test_in_place_gives_the_batch_away():
    x, y = torch.randn(8, 3), torch.arange(8)
    expected, _ = MixUp(seed=0)(x, y)
    mixed, target = MixUp(seed=0)(x, y, inplace=True)
    assert mixed is x
    assert torch.equal(x, expected)
    assert torch.equal(target.own, torch.arange(8))


def test_the_papers_form_with_two_loaders_one_weight_and_one_hot_targets():
    x1, x2 = torch.randn(2, 6, 3)
    labels1, labels2 = torch.randint(5, (2, 6))
    y1, y2 = F.one_hot(labels1, 5).float(), F.one_hot(labels2, 5).float()
    x, y = MixUp(1.0, per="batch", folded=False, seed=0)(x1, y1, other=(x2, y2))
    lam = y.weight[0]
    assert torch.allclose(x, lam * x1 + (1 - lam) * x2, atol=1e-6)
    assert torch.allclose(y.dense(), lam * y1 + (1 - lam) * y2, atol=1e-6)


Pair = namedtuple("Pair", ["left", "right"])


def test_nested_batches_are_mixed_alike():
    x = {"image": torch.randn(4, 3, 5, 5), "rest": [Pair(torch.randn(4, 2), torch.randn(4))]}
    mix = MixUp(seed=0).draw(x)
    mixed = mix(x)
    assert torch.equal(mixed["image"], mix(x["image"]))
    assert isinstance(mixed["rest"][0], Pair)
    assert torch.equal(mixed["rest"][0].right, mix(x["rest"][0].right))


def test_an_integer_tensor_names_itself():
    x = {"tokens": torch.zeros(4, 7, dtype=torch.int64)}
    with pytest.raises(TypeError, match=r"\['tokens'\].*int64"):
        MixUp()(x, torch.arange(4))


def test_nested_targets_become_pairs():
    y = {"kind": torch.arange(4), "value": torch.rand(4)}
    target = MixUp(seed=0).draw(torch.empty(4, 1)).target(y)
    assert torch.equal(target["kind"].weight, target["value"].weight)


def test_x_and_y_of_different_sizes_are_refused_before_x_is_touched():
    x = torch.randn(4, 3)
    kept = x.clone()
    with pytest.raises(ValueError, match="x has 4 samples, but y has 5"):
        MixUp()(x, torch.arange(5), inplace=True)
    assert torch.equal(x, kept)


def test_mixing_in_place_what_is_also_the_target_is_refused():
    x = torch.randn(4, 3)
    with pytest.raises(ValueError, match="spoil the target"):
        MixUp()(x, x, inplace=True)
    assert MixUp()(x, x)[1].own is x


def test_a_tensor_that_appears_twice_is_mixed_once():
    x = torch.randn(4, 3)
    mix = MixUp(seed=0).draw(x)
    expected = mix(x)
    mixed = mix({"a": x, "b": [x]}, inplace=True)
    assert mixed["a"] is mixed["b"][0] is x
    assert torch.equal(x, expected)


def test_nothing_is_touched_where_a_later_tensor_cannot_be_mixed():
    x = torch.randn(4, 3)
    kept = x.clone()
    with pytest.raises(TypeError, match=r"\['tokens'\]"):
        MixUp()({"a": x, "tokens": torch.zeros(4, 2, dtype=torch.int64)}, x.sum(1), inplace=True)
    assert torch.equal(x, kept)


def test_mixing_twice_is_refused():
    x, y = MixUp()(torch.randn(4, 3), torch.arange(4))
    with pytest.raises(TypeError, match="mixed already"):
        MixUp()(x, y)


def test_a_batch_without_tensors_is_refused():
    with pytest.raises(TypeError, match="at least one tensor"):
        MixUp()([1, 2], torch.arange(2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "alpha must be 0 or more, not -1"),
        ({"alpha": float("nan")}, ValueError, "alpha must be 0 or more, not nan"),
        ({"alpha": "0.4"}, TypeError, "alpha must be a number, not '0.4'"),
        ({"p": 1.1}, ValueError, "p must be between 0 and 1, not 1.1"),
        ({"per": "image"}, ValueError, "per must be one of 'sample', 'batch', not 'image'"),
        ({"partners": "roll"}, ValueError, "partners must be one of"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        MixUp(**arguments)


class TestPeers:
    """With the peer's own weight and partners, our result is the peer's."""

    def test_torchvision(self):
        from torchvision.transforms import v2

        x, y = torch.rand(6, 3, 8, 8), torch.arange(6)
        mixed, dense = v2.MixUp(alpha=1.0, num_classes=6)(x, y)
        weight = dense[torch.arange(6), y]  # all labels differ, so this is its lambda
        mix = Mix(torch.arange(6).roll(1), weight)
        assert torch.allclose(mix(x), mixed, atol=1e-6)
        assert torch.allclose(mix.target(y).dense(6), dense, atol=1e-6)

    @pytest.mark.parametrize("mode", ["batch", "elem"])
    def test_timm(self, mode):
        from timm.data import Mixup

        x, y = torch.rand(6, 3, 8, 8), torch.arange(6)
        peer = Mixup(mixup_alpha=1.0, mode=mode, label_smoothing=0.0, num_classes=6)
        mixed, dense = peer(x.clone(), y)
        mix = Mix(torch.arange(6).flip(0), dense[torch.arange(6), y])
        assert torch.allclose(mix(x), mixed, atol=1e-6)
        assert torch.allclose(mix.target(y).dense(6), dense, atol=1e-6)
