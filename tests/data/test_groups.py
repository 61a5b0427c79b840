"""Groups are held out whole, near the share that was asked for."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.data.groups import hold_out_groups
from vicinal.errors import VicinalError


@given(
    samples=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=2, max_size=60),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 2**31),
)
def test_no_group_is_on_both_sides_and_nothing_is_lost(samples, share, seed):
    groups, classes = zip(*samples, strict=True)
    if len(set(groups)) < 2:
        return
    train, valid = hold_out_groups(groups, share, seed, classes)
    assert sorted(train + valid) == list(range(len(samples)))
    assert train
    assert valid
    assert not {groups[i] for i in train} & {groups[i] for i in valid}


def test_thirty_patients_of_two_diagnoses():
    groups = [patient for patient in range(30) for _ in range(12)]
    classes = [patient % 2 for patient in groups]
    _, valid = hold_out_groups(groups, 0.2, 0, classes)
    assert Counter(classes[i] for i in valid) == {0: 36, 1: 36}  # 3 of 15 patients each
    assert hold_out_groups(groups, 0.2, 0, classes)[1] == valid
    assert hold_out_groups(groups, 0.2, 1, classes)[1] != valid


def test_each_class_is_held_out_also_where_one_is_rare():
    groups = [i // 4 for i in range(200)]
    classes = ["rare" if group % 10 == 0 else "common" for group in groups]  # 5 of 50 groups
    _, valid = hold_out_groups(groups, 0.2, 3, classes)
    assert Counter(classes[i] for i in valid) == {"rare": 4, "common": 36}


def test_the_last_group_of_a_class_stays_in_training():
    groups, classes = list("aabbccddee"), list("xxxxxxxxyy")
    for seed in range(20):
        train, _ = hold_out_groups(groups, 0.5, seed, classes)
        assert {classes[i] for i in train} == {"x", "y"}


def test_one_group_is_held_out_where_each_is_too_large():
    train, valid = hold_out_groups(["a"] * 50 + ["b"] * 40, 0.2, 0)
    assert (len(train), len(valid)) == (50, 40)


def test_a_single_group():
    with pytest.raises(VicinalError, match="all 3 samples are of the one group 'ann'"):
        hold_out_groups(["ann"] * 3, 0.2, 0)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_outside_its_range(share):
    with pytest.raises(VicinalError, match=f"between 0 and 1, not {share}"):
        hold_out_groups("ab", share, 0)


LABELS = st.sets(st.integers(0, 30), max_size=4)


@given(
    labels=st.lists(LABELS, min_size=2, max_size=60),
    share=st.floats(0.05, 0.9),
    seed=st.integers(0, 2**31),
)
def test_about_the_share_is_held_out_also_of_rare_labels(labels, share, seed):
    count = len(labels)
    train, valid = hold_out_groups(range(count), share, seed, labels, several=True)
    assert sorted(train + valid) == list(range(count))
    assert train
    assert len(valid) >= max(1, min(share * count / 2, count - 1) - 0.5)
    assert hold_out_groups(range(count), share, seed, labels, several=True) == (train, valid)


def test_rows_that_share_their_labels_with_no_other_are_held_out_last():
    labels = [[f"own {i}"] for i in range(30)] + [["a", f"rare {i}"] for i in range(30)]
    _, valid = hold_out_groups(range(60), 0.2, 0, labels, several=True)
    assert len(valid) == 12
    assert min(valid) >= 30


def test_whole_groups_with_rare_labels_are_held_out():
    groups = [i // 4 for i in range(80)]
    labels = [["a", f"of group {group}"] for group in groups]
    _, valid = hold_out_groups(groups, 0.2, 0, labels, several=True)
    assert len(valid) == 16
    assert all(count == 4 for count in Counter(groups[i] for i in valid).values())
