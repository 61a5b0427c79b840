"""Fewer training samples, and injected label noise."""

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal.data.request import DataRequest
from vicinal.data.rows import split_of_rows
from vicinal.data.samples import Samples, Split
from vicinal.errors import VicinalError
from vicinal.study.training_set import modify_training_set, train_count


def split(count=200, classes=4):
    labels = [i % classes for i in range(count)]
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    return Split(
        Samples(images, labels), Samples(images[:8], labels[:8]), [str(i) for i in range(classes)]
    )


@given(st.integers(0, 1000), st.sampled_from([0.05, 0.3, 0.9]), st.integers(2, 6))
def test_this_share_of_the_labels_changes_and_no_other(seed, share, classes):
    before = split(classes=classes)
    found = modify_training_set(before, None, share, seed)
    after = torch.tensor(found.split.train.labels)
    differ = (after != torch.tensor(before.train.labels)).nonzero().flatten()
    assert differ.equal(found.noisy)
    assert len(found.noisy) == round(share * 200)
    assert 0 <= after.min() <= after.max() < classes
    assert before.train.labels == [i % classes for i in range(200)]


def test_noisy_labels_are_drawn_uniformly():
    data = split(count=4000)
    found = modify_training_set(data, None, 0.9, seed=0)
    shift = (torch.tensor(found.split.train.labels) - torch.tensor(data.train.labels)) % 4
    counts = shift[found.noisy].bincount(minlength=4)
    assert counts[0] == 0
    # A binomial of 3600 and 1/3; 5 deviations are exceeded once in a million times.
    assert all(abs(count - 1200) < 5 * (3600 * 2 / 9) ** 0.5 for count in counts[1:].tolist())


def test_a_seed_gives_the_same_and_another_one_other_samples():
    one, again, other = (modify_training_set(split(), 0.5, 0.2, seed) for seed in (0, 0, 1))
    assert one.split.train.images.equal(again.split.train.images)
    assert one.noisy.equal(again.noisy)
    assert not one.split.train.images.equal(other.split.train.images)


@pytest.mark.parametrize(("size", "count"), [(0.25, 50), (30, 30), (200, 200), (0.999, 200)])
def test_a_subset_has_this_size_and_its_labels(size, count):
    found = modify_training_set(split(), size, 0.0, seed=0).split.train
    assert len(found) == count
    numbers = found.images[:, 0, 0, 0].tolist()
    assert found.labels == [number % 4 for number in numbers]
    assert sorted(set(numbers)) == numbers


@pytest.mark.parametrize("size", [0, 1, -3, 0.001, 201, 30.5, float("nan")])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(VicinalError, match="--train-size must be a share below 1 or a number"):
        train_count(size, 200)


def test_without_options_nothing_changes():
    data = split()
    assert modify_training_set(data, None, 0.0, seed=0).split is data


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0, float("nan")])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(VicinalError, match="--label-noise must be 0 or more and below 1"):
        modify_training_set(split(), None, share, seed=0)


def test_a_share_of_less_than_one_label_is_refused():
    with pytest.raises(VicinalError, match=r"0\.001 of 200 training samples is not one"):
        modify_training_set(split(), None, 0.001, seed=0)
    assert len(modify_training_set(split(), None, 0.005, seed=0).noisy) == 1


class TestTables:
    def rows(self, label):
        frame = pd.DataFrame({"a": range(100), "b": [i % 7 for i in range(100)], "y": label})
        return split_of_rows({"train": frame}, DataRequest("table.csv", label="y"))

    def test_rows_have_their_labels(self):
        data = self.rows([["no", "yes"][i % 2] for i in range(100)])
        found = modify_training_set(data, 40, 0.25, seed=0)
        train = found.split.train
        assert len(train) == len(train.frame) == 40
        noisy = torch.zeros(40, dtype=torch.bool)
        noisy[found.noisy] = True
        assert ((train.y != torch.tensor(train.frame["a"].to_numpy() % 2)) == noisy).all()

    def test_values_take_no_label_noise(self):
        data = self.rows([i / 3 for i in range(100)])
        assert len(modify_training_set(data, 0.5, 0.0, seed=0).split.train) == 40
        with pytest.raises(VicinalError, match="--label-noise is for classes"):
            modify_training_set(data, None, 0.1, seed=0)
