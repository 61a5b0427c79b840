"""A random share is held out, with copies on one side and each class in training."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal.data.hold_out import hold_out, random_halves
from vicinal.errors import VicinalError


def plain_split(count, share, seed):
    """What published figures were measured on: it must not change."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    held = max(1, round(share * count))
    return order[held:], order[:held]


@given(count=st.integers(2, 200), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_random_halves_hold_out_a_share_and_lose_nothing(count, share, seed):
    if round(share * count) == count:
        with pytest.raises(VicinalError, match=f"leaves none of the {count} samples for training"):
            random_halves(count, share, seed)
        return
    train, valid = random_halves(count, share, seed)
    assert sorted([*train, *valid]) == list(range(count))
    assert len(valid) == max(1, round(share * count))
    assert (train, valid) == plain_split(count, share, seed)


def test_the_seed_decides_the_split_alone():
    before = torch.get_rng_state()
    first, again, other = (random_halves(50, 0.2, seed)[1] for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [0, 1, -0.1, 20, float("nan")])
def test_a_share_of_random_halves_outside_its_range(share):
    with pytest.raises(VicinalError, match=f"between 0 and 1, not {share}"):
        random_halves(50, share, 0)


@pytest.mark.parametrize("seed", range(5))
def test_the_split_stays_the_same_where_nothing_forces_another(seed):
    classes = [i % 4 for i in range(400)]
    assert hold_out(classes, 0.2, seed) == plain_split(400, 0.2, seed)


def test_the_split_of_ten_samples_with_seed_0():
    assert hold_out([0, 1] * 5, 0.2, 0) == ([7, 5, 3, 9, 0, 8, 6, 2], [4, 1])


@given(
    classes=st.lists(st.integers(0, 4), min_size=2, max_size=40),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 2**31),
    sizes=st.lists(st.integers(2, 4), max_size=6),
)
def test_copies_stay_together_and_nothing_is_lost(classes, share, seed, sizes):
    copies, start = [], 0
    for size in sizes:
        if start + size < len(classes):  # at least one sample is no copy
            copies.append(list(range(start, start + size)))
        start += size
    train, valid = hold_out(classes, share, seed, copies)
    assert sorted(train + valid) == list(range(len(classes)))
    assert valid
    for each in copies:
        assert len({index in valid for index in each}) == 1


@pytest.mark.parametrize("seed", range(20))
def test_each_class_keeps_one_in_training_and_the_share_stays(seed):
    classes = [0] * 8 + [1] * 8 + [2]
    train, valid = hold_out(classes, 0.5, seed)
    _, held = plain_split(17, 0.5, seed)
    assert {classes[i] for i in train} == {0, 1, 2}
    assert len(valid) == len(held)
    assert len(set(valid) ^ set(held)) == (2 if 16 in held else 0)  # one for another


def test_a_class_with_one_sample_is_not_taken_from_training_for_another():
    classes = [0, 1, 2, 3, 4, 4]
    for seed in range(20):
        train, valid = hold_out(classes, 0.5, seed)
        assert {classes[i] for i in train} == {0, 1, 2, 3, 4} or len(valid) == 1


def test_very_many_copies_stay_in_training():
    copies = [list(range(60))]
    for seed in range(10):
        assert not set(hold_out([i % 2 for i in range(100)], 0.2, seed, copies)[1]) & set(range(60))


def test_about_the_share_is_held_out_of_pairs():
    copies = [[i, i + 1] for i in range(0, 1000, 2)]
    held = [len(hold_out([0] * 500 + [1] * 500, 0.2, seed, copies)[1]) for seed in range(10)]
    # 500 pairs with probability 0.2 each: a mean of 200 +- 18 for one, +- 6 for ten.
    assert 170 < sum(held) / 10 < 230


def test_a_share_outside_its_range():
    with pytest.raises(VicinalError, match="between 0 and 1, not 20"):
        hold_out([0, 1], 20, 0)
