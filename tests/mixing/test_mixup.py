"""MixUp as a whole: its options and both published forms."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import MixUp


def test_a_mix_can_be_applied_repeatedly():
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
def test_every_setting_draws_a_valid_mix(alpha, per, folded, partners, p, count, seed):
    x, y = torch.randn(count, 3), torch.randint(4, (count,))
    before = x.clone(), y.clone()
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
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


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


def test_the_papers_form_with_two_loaders_one_weight_and_one_hot_targets():
    x1, x2 = torch.randn(2, 6, 3)
    labels1, labels2 = torch.randint(5, (2, 6))
    y1, y2 = F.one_hot(labels1, 5).float(), F.one_hot(labels2, 5).float()
    x, y = MixUp(1.0, per="batch", folded=False, seed=0)(x1, y1, other=(x2, y2))
    lam = y.weight[0]
    assert torch.allclose(x, lam * x1 + (1 - lam) * x2, atol=1e-6)
    assert torch.allclose(y.dense(), lam * y1 + (1 - lam) * y2, atol=1e-6)


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
