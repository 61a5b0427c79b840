"""Transport: what moves where, as the authors' code does it, and without numba."""

from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.mixing import compiled
from vicinal.mixing.transport import transport


def wave(*shape, step):
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float64) * step).sin().view(shape).float()


def example():
    saliency = 0.1 + wave(6, 8, 8, step=0.9).abs() ** 4
    return saliency / saliency.sum((1, 2), keepdim=True), wave(6, 8, 8, step=2.1) > 0.2


# The sums of the numbers of the blocks that are shown, of the plans of PuzzleMix's code.
PLANS = {
    0.8: [1153, 1396, 755, 684, 672, 667],
    0.1: [1161, 1415, 754, 709, 664, 634],
    0.02: [1161, 1415, 754, 709, 672, 634],
}


@pytest.mark.parametrize("price", PLANS)
def test_plans_are_those_of_the_authors(price):
    saliency, shown = example()
    source = transport(saliency, shown, price)
    assert (source * shown).sum((1, 2)).tolist() == PLANS[price]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.floats(0, 3), st.integers(0, 10**6))
def test_it_is_the_same_without_numba_and_no_block_is_shown_twice(side, price, seed):
    generator = torch.Generator().manual_seed(seed)
    saliency = torch.rand(5, side, side, generator=generator) ** 6
    saliency = saliency / saliency.sum((1, 2), keepdim=True)
    shown = torch.rand(5, side, side, generator=generator) < 0.4
    source = transport(saliency, shown, price)
    with mock.patch.object(compiled, "transport", return_value=None):
        assert torch.equal(transport(saliency, shown, price), source)
    here = torch.arange(side * side).view(side, side)
    assert torch.equal(source[~shown], here.expand(5, -1, -1)[~shown])
    for one, places in zip(source, shown, strict=True):
        assert len(one[places].unique()) == int(places.sum())
    gained = saliency.flatten(1).gather(1, source.flatten(1)).view_as(saliency)
    assert (gained >= saliency)[shown].all()  # at each place, than if the block had stayed


def test_a_block_without_saliency_stays():
    """In the authors' code, none would be shown at its place."""
    saliency = torch.tensor([[[0.5, 0.0], [0.3, 0.2]]])
    source = transport(saliency, torch.ones(1, 2, 2, dtype=torch.bool), 0.8)
    assert source.tolist() == [[[0, 1], [2, 3]]]


def test_free_ways_show_what_is_most_salient():
    saliency = torch.tensor([[[0.5, 0.1], [0.3, 0.1]]])
    shown = torch.tensor([[[False, True], [False, True]]])
    assert transport(saliency, shown, 0.0)[0, :, 1].tolist() == [0, 2]
