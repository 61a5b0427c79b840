"""HidMix: which dimensions are exchanged, and that any width serves."""

import pytest
import torch
from scipy import stats
from torch import nn

from vicinal import Choice, HidMix, ManifoldMixUp, MixUp
from vicinal.mixing.methods.hidmix import Dimensions


def dimensions(lam, count=1, start=0):
    return Dimensions(torch.full((count,), lam), torch.arange(start, start + count).float())


@pytest.mark.parametrize("shape", [(6, 5, 16), (6, 16), (6, 2, 3, 7)])
@pytest.mark.parametrize("inplace", [False, True])
def test_the_same_dimensions_of_all_columns_are_the_partners(shape, inplace):
    x, y = torch.randn(shape), torch.arange(6)
    mix = HidMix(seed=0).draw(x, y)
    keep = mix.patterns[0].keep(shape[-1]).view(6, *[1] * (len(shape) - 2), shape[-1])
    expected = torch.where(keep, x, x[mix.partner])
    assert torch.equal(mix(x.clone(), inplace=inplace), expected)
    assert torch.equal(mix.target(y).weight, mix.patterns[0].lam)


def test_large_rows_are_mixed_alike():
    x = torch.randn(3, 40, 1000)  # above apply.LARGE_ROW
    mix = HidMix(seed=0).draw(x)
    keep = mix.patterns[0].keep(1000)[:, None]
    assert torch.equal(mix(x), torch.where(keep, x, x[mix.partner]))


def test_every_dimension_is_kept_with_the_probability_of_the_weight():
    """By the hash, and independently. False alarm: 1e-6 each, with the numbers that it has."""
    for lam in (0.1, 0.5, 0.83):
        keep = dimensions(lam, 2000).keep(64)
        total = int(keep.sum())
        assert stats.binomtest(total, keep.numel(), lam).pvalue > 1e-6
        by_dimension, by_sample = keep.float().mean(0), keep.float().mean(1)
        spread = (lam * (1 - lam)) ** 0.5
        assert float((by_dimension - lam).abs().max()) < 6 * spread / 2000**0.5
        assert float(by_sample.std()) == pytest.approx(spread / 8, rel=0.2)
        correlation = torch.corrcoef(keep.float().T) - torch.eye(64)
        assert float(correlation.abs().max()) < 6 / 2000**0.5


def test_no_number_keeps_none_of_one_or_any_of_zero():
    assert bool(dimensions(1.0, 3000).keep(100).all())
    assert not dimensions(0.0, 3000).keep(100).any()
    assert dimensions(0.5, 2, 2**24 - 2).keep(5000).float().mean() == pytest.approx(0.5, abs=0.05)


def test_numbers_of_the_hash_stay_the_same():
    """On every device and in every version, or seeds would no longer give the same mixes."""
    found = dimensions(0.5, 2, 12345).keep(12).int().tolist()
    first = [0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1]
    assert found == [first, [0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1]]


def test_weights_are_drawn_like_those_of_mixup():
    lam = HidMix(0.5).pattern(4000, (1, 1), torch.Generator().manual_seed(0)).lam
    # False alarm: 1e-6.
    assert stats.kstest(lam, stats.beta(0.5, 0.5).cdf).pvalue > 1e-6


def test_hidden_layers_of_any_width_are_mixed():
    model = nn.Sequential(nn.Linear(4, 8), nn.Identity())
    x, y = torch.randn(6, 4), torch.arange(6)
    mixer = ManifoldMixUp(model, "0", mixer=HidMix(), seed=0)
    _, target = mixer(x, y)
    hidden = model(x).detach()
    mixer.release()
    plain = model(x).detach()
    partner = target.partner
    assert bool(((hidden == plain) | (hidden == plain[partner])).all())
    assert not torch.equal(hidden, plain)


def test_it_takes_turns_and_refuses_what_has_no_dimension():
    x, y = torch.randn(200, 3, 8), torch.arange(200)
    mix = Choice([HidMix(), MixUp()], [0.5, 0.3], seed=0).draw(x, y)
    hid, blended = (pattern.lam < 1 for pattern in mix.patterns)
    assert not (hid & blended).any()
    assert 60 < int(hid.sum()) < 140
    with pytest.raises(ValueError, match=r"shape \(4,\) has no dimensions to choose from"):
        HidMix()(torch.rand(4), torch.arange(4))
    with pytest.raises(ValueError, match="alpha must be 0 or more"):
        HidMix(-1)
    assert bool((HidMix(0)(x, y)[1].weight == 1).all())
