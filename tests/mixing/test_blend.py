"""A row of weight 1 never meets its partner: not its inf, not its nan, not its rounding.

0 * inf is nan, so each implementation has to leave such rows out by itself. The comparisons that do
it read ``weight < 1``; every test here fails where one of them reads ``weight <= 1``.
"""

import math

import pytest
import torch

from vicinal import Mix
from vicinal.mixing.blend import Blend, interpolate

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
HARMFUL = [math.inf, -math.inf, math.nan]
PARTNER = torch.tensor([1, 2, 0])
LAM = torch.tensor([1.0, 0.75, 1.0])  # the partners of rows 0 and 2 are rows 1 and 0


def batch(dtype, size=6):
    return torch.arange(3 * size).view(3, size).remainder(7).to(dtype)


def harmful_partners(dtype, value, size=6):
    """A second batch: the rows that are mixed in with no share at all hold the value."""
    other = batch(dtype, size) + 1
    other[0] = other[2] = value
    return other


def assert_rows_of_weight_1_are_unchanged(mixed, x):
    assert torch.equal(mixed[0], x[0])
    assert torch.equal(mixed[2], x[2])
    assert bool(mixed[1].isfinite().all())
    assert not torch.equal(mixed[1], x[1])


@pytest.mark.parametrize("dtype", [*FLOATS, torch.complex64])
@pytest.mark.parametrize("value", HARMFUL)
def test_interpolate(dtype, value):
    end = batch(dtype)
    found = interpolate(harmful_partners(dtype, value), end, LAM[:, None])
    assert_rows_of_weight_1_are_unchanged(found, end)


@pytest.mark.parametrize("value", HARMFUL)
def test_interpolate_with_a_weight_for_each_element(value):
    """As soft masks do: only the elements of weight 1 are left out."""
    end, weight = torch.ones(2, 2), torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    start = torch.tensor([[value, 3.0], [5.0, value]])
    assert interpolate(start, end, weight).tolist() == [[1, 2], [3, 1]]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", HARMFUL)
def test_by_row(dtype, value):
    x, other = batch(dtype), harmful_partners(dtype, value)
    rows = x.clone()
    apply_row = Blend(LAM).row_function(rows)
    for i in range(3):
        apply_row(rows[i], other[i], i)
    assert_rows_of_weight_1_are_unchanged(rows, x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", HARMFUL)
@pytest.mark.parametrize("inplace", [False, True])
def test_small_rows_and_a_second_batch(dtype, value, inplace):
    x, other = batch(dtype), harmful_partners(dtype, value)
    mixed = Blend(LAM).apply_small_rows(x.clone(), PARTNER, other, inplace)
    assert_rows_of_weight_1_are_unchanged(mixed, x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", HARMFUL)
@pytest.mark.parametrize("inplace", [False, True])
def test_small_rows_of_one_batch(dtype, value, inplace):
    x = batch(dtype)
    x[1] = value  # the partner of row 0, which has weight 1
    lam = torch.tensor([1.0, 1.0, 0.75])
    mixed = Blend(lam).apply_small_rows(x.clone(), PARTNER, None, inplace)
    assert torch.equal(mixed[0], x[0])
    assert torch.equal(mixed[2], (0.75 * x[2].double() + 0.25 * x[0].double()).to(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", HARMFUL)
@pytest.mark.parametrize("size", [6, 64 * 1024])  # small rows, and rows that are walked
@pytest.mark.parametrize("requires_grad", [False, True])
def test_mixes_of_every_size(dtype, value, size, requires_grad):
    x, other = batch(dtype, size), harmful_partners(dtype, value, size)
    mixed = Mix(PARTNER, LAM)(x.clone().requires_grad_(requires_grad), other=other)
    assert_rows_of_weight_1_are_unchanged(mixed, x)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", HARMFUL)
@pytest.mark.parametrize("size", [6, 64 * 1024])
@pytest.mark.parametrize("inplace", [False, True])
def test_mixes_within_a_batch(dtype, value, size, inplace):
    x = batch(dtype, size)
    x[1] = value  # the partner of row 0, which has weight 1
    mixed = Mix(PARTNER, torch.tensor([1.0, 1.0, 0.75]))(x.clone(), inplace=inplace)
    assert torch.equal(mixed[0], x[0])
    assert bool(mixed[2].isfinite().all())


def test_an_integer_that_a_float32_cannot_hold_is_not_rounded():
    x = torch.full((2, 3), 2**24 + 1, dtype=torch.float64)
    assert torch.equal(Mix(torch.tensor([1, 0]), torch.ones(2))(x), x)


def test_a_neutral_pattern_is_one_of_weight_1():
    chosen = torch.tensor([True, False, True])
    assert Blend(torch.tensor([0.5, 0.5, 1.0])).only(chosen).weight.tolist() == [0.5, 1, 1]


IMPLEMENTATIONS = {
    "gather": lambda x, partner: interpolate(x[partner], x, LAM[:, None]),
    "small rows": lambda x, partner: Blend(LAM).apply_small_rows(x, partner, None, False),
    "small rows, in place": lambda x, partner: Blend(LAM).apply_small_rows(
        x.clone(), partner, None, True
    ),
    "with a gradient": lambda x, partner: Mix(partner, LAM)(x.requires_grad_()).detach(),
    "whole mix": lambda x, partner: Mix(partner, LAM)(x),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", HARMFUL)
@pytest.mark.parametrize("mix", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_a_row_of_weight_1_keeps_what_it_holds(mix, value, dtype):
    """An own inf, such as of a causal mask, would become inf - inf."""
    x = batch(dtype)
    x[0, 2] = value
    assert torch.equal(mix(x, PARTNER)[0].nan_to_num(7), x[0].nan_to_num(7))
