"""Samples, their split, and the indices of their classes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal.data.samples import Samples, Split, index_labels, random_split
from vicinal.errors import VicinalError

SAMPLES = Samples([f"{i}.png" for i in range(50)], [i % 3 for i in range(50)])


class Rows(list):
    """Images that know how to be picked without being read."""

    def subset(self, indices):
        return Rows(f"row {self[i]}" for i in indices)


def test_a_subset_keeps_image_and_label_together():
    subset = SAMPLES.subset([40, 2])
    assert (subset.images, subset.labels) == (["40.png", "2.png"], [1, 2])


def test_a_subset_of_a_tensor_is_a_tensor():
    images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(-1, 3, 2, 2)
    subset = Samples(images, [0, 1, 0, 1, 0]).subset([3, 0])
    assert subset.images[:, 0, 0, 0].tolist() == [3, 0]
    assert subset.labels == [1, 0]


def test_images_that_can_be_picked_unread_are():
    assert Samples(Rows("abc"), [0, 1, 0]).subset([2]).images == ["row c"]


@given(count=st.integers(2, 200), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_a_random_split_holds_out_its_share_and_loses_nothing(count, share, seed):
    samples = Samples(list(range(count)), list(range(count)))
    train, valid = random_split(samples, share, seed)
    assert sorted([*train.images, *valid.images]) == list(range(count))
    assert len(valid) == max(1, round(share * count))
    assert train.images == train.labels
    assert valid.images == valid.labels


def test_the_seed_decides_the_split():
    first, again, other = (random_split(SAMPLES, 0.2, seed)[1].images for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_random_split_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    random_split(SAMPLES, 0.2, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [0, 1, -0.1, 20, float("nan")])
def test_a_share_outside_its_range(share):
    with pytest.raises(VicinalError, match=f"between 0 and 1, not {share}"):
        random_split(SAMPLES, share, 0)


def test_classes_are_sorted_and_indexed():
    assert index_labels(["pug", "cat", "pug", "ant"]) == ([2, 1, 2, 0], ["ant", "cat", "pug"])


@pytest.mark.parametrize(
    ("vocab", "message"), [(["pug"], "only the class 'pug'"), ([], "the data have no class")]
)
def test_a_split_needs_two_classes(vocab, message):
    with pytest.raises(VicinalError, match=f"{message}.*two or more"):
        Split(SAMPLES, SAMPLES, vocab)


@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_split_names_its_empty_part(part):
    parts = [SAMPLES, SAMPLES]
    parts[part == "validation"] = Samples([], [])
    with pytest.raises(VicinalError, match=f"the {part} part is empty"):
        Split(*parts, ["a", "b", "c"])
