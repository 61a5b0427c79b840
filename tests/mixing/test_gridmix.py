"""GridMix: which pixel is in which cell, in loops, and how many cells a sample keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal import GridMix
from vicinal.mixing.paste import Masks


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(deadline=None)
@given(
    alpha=st.floats(0, 100),
    cells=st.integers(1, 15),
    count=st.integers(0, 8),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    per=st.sampled_from(["sample", "batch"]),
    partners=st.sampled_from(["cycle", "shuffle", "pairs", "reverse"]),
    p=st.floats(0, 1),
    seed=st.integers(0, 2**40),
)
def test_every_setting_draws_a_valid_mix(
    alpha, cells, count, height, width, per, partners, p, seed
):
    x, y = torch.randn(count, 2, height, width), torch.arange(count)
    mixer = GridMix(alpha, cells, per=per, partners=partners, p=p, seed=seed)
    mix = mixer.draw(x, y)
    (pattern,) = mix.patterns
    assert type(pattern) is Masks
    assert (pattern.keep.shape, pattern.keep.dtype) == ((count, height, width), torch.bool)
    if per == "batch" and partners != "pairs":  # the one that is left over stays as it is
        assert len(pattern.keep.unique(dim=0)) <= 1
    mixed, target = mix(x), mix.target(y)
    assert torch.equal(mixed, torch.where(pattern.keep[:, None], x, x[mix.partner]))
    assert mix.weight.dtype == torch.float32
    assert torch.allclose(target.weight, pattern.keep.float().mean((1, 2)), atol=1e-6)
    again, _ = GridMix(alpha, cells, per=per, partners=partners, p=p, seed=seed)(x, y)
    assert torch.equal(mixed, again)


def grid_lines(keep, axis):
    """Where neighbours along an axis ever differ."""
    return (np.diff(keep.numpy(), axis=axis).any(axis=(0, 3 - axis)).nonzero()[0] + 1).tolist()


@given(cells=st.integers(1, 15), height=st.integers(1, 14), width=st.integers(1, 14))
@settings(deadline=None)
def test_cells_are_as_even_as_whole_pixels_allow(cells, height, width):
    # At 500 masks, that two neighbouring cells never differ has a probability below 1e-150.
    keep = GridMix(float("inf"), cells).pattern(500, (height, width), generator()).keep
    for axis, side in ((1, height), (2, width)):
        lines = [0, *grid_lines(keep, axis), side]
        assert len(lines) - 1 == min(cells, side)
        sizes = np.diff(lines)
        assert sizes.max() - sizes.min() <= 1


def test_pixels_of_a_cell_stay_together():
    keep = GridMix(cells=3).pattern(20, (7, 11), generator()).keep
    for mask in keep:
        for row in range(3):
            for column in range(3):
                cell = [
                    bool(mask[i, j])
                    for i in range(7)
                    for j in range(11)
                    if i * 3 // 7 == row and j * 3 // 11 == column
                ]
                assert len(set(cell)) == 1


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_the_number_of_own_cells_is_beta_binomial(alpha):
    count = 20_000
    keep = GridMix(alpha, cells=3).pattern(count, (3, 3), generator()).keep.sum((1, 2))
    expected = count * stats.betabinom(9, alpha, alpha).pmf(np.arange(10))
    # False alarm: 1e-6.
    assert stats.chisquare(np.bincount(keep, minlength=10), expected).pvalue > 1e-6


def test_cells_are_drawn_independently():
    keep = GridMix(float("inf"), cells=2).pattern(20_000, (2, 2), generator()).keep
    found = np.bincount(keep.flatten(1).long() @ torch.tensor([1, 2, 4, 8]), minlength=16)
    # False alarm: 1e-6.
    assert stats.chisquare(found).pvalue > 1e-6


def test_one_cell_is_the_whole_image():
    keep = GridMix(cells=1).pattern(50, (4, 5), generator()).keep
    assert set(keep.float().mean((1, 2)).tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "alpha must be 0 or more, not -1"),
        ({"cells": 0}, ValueError, "cells must be 1 or more, not 0"),
        ({"cells": 2.5}, TypeError, "cells must be a whole number, not 2.5"),
        ({"cells": True}, TypeError, "cells must be a whole number, not True"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        GridMix(**arguments)
