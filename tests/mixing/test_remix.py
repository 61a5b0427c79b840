"""Remix: samples are mixed as by mixup, and the rarer label may count alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal import MixUp, Remix, Schedule

COUNTS = [900, 301, 300, 100, 1]


def by_hand(share, n_own, n_partner, kappa, tau):
    """The definition of the paper, for one pair."""
    if n_own / n_partner >= kappa and share < tau:
        return 0.0
    if n_own / n_partner <= 1 / kappa and 1 - share < tau:
        return 1.0
    return share


@settings(deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    kappa=st.sampled_from([1.5, 2.0, 3.0, 400.0]),
    tau=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    seed=st.integers(0, 2**31),
)
def test_weights_are_those_of_the_paper(labels, kappa, tau, partners, seed):
    x, y = torch.rand(len(labels), 2), torch.tensor(labels)
    options = {"partners": partners, "seed": seed}
    mix = Remix(COUNTS, 1.0, kappa=kappa, tau=tau, **options).draw(x, y)
    plain = MixUp(1.0, folded=False, **options).draw(x, y)
    assert torch.equal(mix.partner, plain.partner)
    assert torch.allclose(mix(x), plain(x))
    for i, weight in enumerate(mix.weight.tolist()):
        own, partner = COUNTS[y[i]], COUNTS[y[mix.partner[i]]]
        share = float(plain.weight[i])
        assert weight == pytest.approx(by_hand(share, own, partner, kappa, tau), abs=1e-6)


def test_the_sample_is_blended_by_its_share_and_the_label_by_its_weight():
    x, y = torch.tensor([[0.0], [1.0]]).repeat(500, 1), torch.tensor([0, 4]).repeat(500)
    mixed, target = Remix(COUNTS, seed=0)(x, y)
    pairs = target.own != target.partner
    share = torch.where(y == 0, 1 - mixed[:, 0], mixed[:, 0])
    common = pairs & (y == 0)
    rare = pairs & (y == 4)
    assert torch.equal(target.weight[common] == 0, share[common] < 0.5)
    assert torch.equal(target.weight[rare] == 1, 1 - share[rare] < 0.5)
    assert torch.equal(target.weight[~pairs] == 1, torch.zeros(int((~pairs).sum())) > 0)


def test_shares_are_beta_and_not_folded():
    y = torch.zeros(5000, dtype=torch.long)
    mix = Remix([1], 0.4, seed=0).draw(y, y)
    low, high = stats.beta(0.4, 0.4).cdf([0.001, 0.999])
    inner = mix.weight[(mix.weight > 0.001) & (mix.weight < 0.999)].numpy()
    law = stats.beta(0.4, 0.4)
    shape = stats.kstest(inner, lambda w: (law.cdf(w) - low) / (high - low))
    assert shape.pvalue > 1e-6  # the probability of a false alarm; the seed is fixed


def test_a_second_batch_is_weighed_by_its_own_labels():
    x, y = torch.rand(4, 2), torch.zeros(4, dtype=torch.long)
    other = torch.rand(4, 2), torch.full((4,), 4)
    _, target = Remix(COUNTS, tau=1.0, seed=0)(x, y, other=other)
    assert target.weight.tolist() == [0.0] * 4
    assert target.partner.tolist() == [4] * 4


def test_masks_become_their_maximum_wherever_a_sample_is_mixed():
    y = torch.tensor([4, 0] * 20)
    x = {"series": torch.rand(40, 3), "mask": torch.eye(2).repeat(20, 1)}
    mixed, target = Remix(COUNTS, fields="series", maximum="mask", seed=0)(x, y)
    alone = (target.weight == 1) & (target.partner != target.own)
    assert bool(alone.any())
    assert bool((mixed["mask"][alone] == 1).all())


@pytest.mark.parametrize("scheduled", [False, True])
def test_half_a_batch_is_weighed_by_the_labels_of_the_other_half(scheduled):
    x, y = torch.rand(7, 2), torch.tensor([0, 0, 0, 4, 4, 4, 4])
    mixer = Remix(COUNTS, tau=1.0, half=not scheduled, seed=0)
    if scheduled:
        mixer = Schedule(mixer, steps=9, half=True, seed=0)
    _, target = mixer(x, y)
    assert target.own.tolist() == [0, 0, 0, 4]
    assert target.weight[:3].tolist() == [0.0] * 3
    assert 0 < target.weight[3] < 1


def test_a_schedule_ends_it():
    x, y = torch.rand(6, 2), torch.tensor([0, 4] * 3)
    mixer = Schedule(Remix(COUNTS), until=0.5, steps=2, seed=0)
    assert bool((mixer(x, y)[1].weight < 1).any())
    mixed, target = mixer(x, y)
    assert torch.equal(mixed, x)
    assert target.weight.tolist() == [1.0] * 6


def test_it_compiles_to_the_same_numbers():
    compiled, eager = Remix(COUNTS, seed=0), Remix(COUNTS, seed=0)
    call = torch.compile(lambda x, y: compiled(x, y), fullgraph=True, backend="aot_eager")
    x, y = torch.rand(6, 2), torch.tensor([0, 1, 2, 3, 4, 0])
    (mixed, target), (expected, other) = call(x, y), eager(x, y)
    assert torch.allclose(mixed, expected)
    assert torch.equal(target.weight, other.weight)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (None, TypeError, "class indices of shape .* not NoneType"),
        (torch.rand(2), TypeError, "class indices of shape .* not torch.float32"),
        (torch.tensor([0, 5]), ValueError, "out of range for 5 classes"),
        (torch.tensor([0, -100]), ValueError, "out of range for 5 classes"),
    ],
)
def test_targets_that_are_no_classes_are_rejected(y, error, message):
    with pytest.raises(error, match=message):
        Remix(COUNTS).draw(torch.rand(2, 2), y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"counts": 10}, TypeError, "counts must be one number for each class"),
        ({"counts": []}, TypeError, "counts must be one number for each class"),
        ({"counts": [3, -1]}, ValueError, "counts must be 0 or more, not -1"),
        ({"counts": [3], "kappa": 0.5}, ValueError, "kappa must be 1 or more, not 0.5"),
        ({"counts": [3], "tau": 2}, ValueError, "tau must be between 0 and 1, not 2"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        Remix(**arguments)


def test_counts_are_taken_from_labels_and_shown():
    mixer = Remix(torch.tensor([0, 0, 2]).bincount(), seed=1)
    assert mixer.counts == (2.0, 0.0, 1.0)
    assert repr(eval(repr(mixer))) == repr(mixer)
