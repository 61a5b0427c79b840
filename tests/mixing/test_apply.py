"""Applying patterns to rows: against the formula, for every dtype, layout and implementation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import Mix, MixUp
from vicinal.mixing import apply as apply_module
from vicinal.mixing.apply import apply
from vicinal.mixing.blend import Blend

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
STEP = {torch.float32: 1e-6, torch.float64: 1e-13, torch.float16: 1e-3, torch.bfloat16: 8e-3}
LARGE = (3, 110, 110)  # rows above LARGE_ROW in float32, so they are walked


def blend(x, partner, weight, **how):
    return apply(x, partner, (Blend(weight),), **how)


def formula(x, partner, weight):
    """In float64, from the definition."""
    rows = x.double()
    w = weight.double().reshape(-1, *[1] * (x.ndim - 1))
    return w * rows + (1 - w) * rows[partner]


def batch(shape, dtype=torch.float32, seed=0):
    g = torch.Generator().manual_seed(seed)
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, generator=g, dtype=dtype)
    return torch.randn(shape, generator=g, dtype=torch.float64).to(dtype)


def drawn(count, seed=0):
    mix = MixUp(1.0, folded=False, seed=seed).draw(torch.empty(count, 1))
    return mix.partner, mix.weight


def layouts(x):
    yield "contiguous", x
    yield "transposed", x.transpose(0, -1).contiguous().transpose(0, -1)
    yield "strided", torch.stack([x, x], dim=-1)[..., 0]
    if x.ndim == 4:
        yield "channels_last", x.contiguous(memory_format=torch.channels_last)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    dtype=st.sampled_from([*FLOATS, torch.uint8]),
    seed=st.integers(0, 1000),
    inplace=st.booleans(),
)
def test_it_is_the_formula_for_every_shape_and_dtype(shape, dtype, seed, inplace):
    x = batch(shape, dtype, seed)
    partner, weight = drawn(shape[0], seed)
    expected, before = formula(x, partner, weight), x.clone()
    mixed = blend(x, partner, weight, inplace=inplace)
    assert mixed.dtype == dtype
    assert mixed.shape == x.shape
    assert (mixed is x) if inplace else torch.equal(x, before)
    tolerance = 0.5001 if dtype == torch.uint8 else STEP[dtype] * 4
    assert torch.allclose(mixed.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [*FLOATS, torch.uint8])
@pytest.mark.parametrize("inplace", [False, True])
def test_large_rows_equal_small_rows(monkeypatch, dtype, inplace):
    partner, weight = drawn(5)
    x = batch((5, 3, 220, 220), dtype)
    assert x[0].nbytes >= apply_module.LARGE_ROW
    walked = blend(x.clone(), partner, weight, inplace=inplace)
    monkeypatch.setattr(apply_module, "LARGE_ROW", 10**9)
    gathered = blend(x.clone(), partner, weight, inplace=inplace)
    tolerance = 1 if dtype == torch.uint8 else STEP[dtype]
    assert torch.allclose(walked.double(), gathered.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("partners", ["cycle", "shuffle", "reverse"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("inplace", [False, True])
def test_large_rows_of_every_layout(partners, count, inplace):
    mix = MixUp(1.0, partners=partners, seed=count).draw(torch.empty(count, 1))
    for name, x in layouts(batch((count, *LARGE))):
        expected = formula(x, mix.partner, mix.weight)
        mixed = mix(x.clone(), inplace=inplace)
        assert torch.allclose(mixed.double(), expected, rtol=1e-5, atol=1e-5), name


@pytest.mark.parametrize("row", [(3, 8, 8), LARGE])
def test_the_layout_is_preserved(row):
    x = batch((4, *row)).contiguous(memory_format=torch.channels_last)
    assert Mix(*drawn(4))(x).is_contiguous(memory_format=torch.channels_last)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), dtype=st.sampled_from([*FLOATS, torch.uint8]))
def test_the_result_lies_between_its_parents(seed, dtype):
    x = batch((6, 11), dtype, seed)
    partner, weight = drawn(6, seed)
    mixed, own, other = blend(x, partner, weight).double(), x.double(), x[partner].double()
    slack = STEP.get(dtype, 0) * 2
    assert bool((mixed >= torch.minimum(own, other) - slack).all())
    assert bool((mixed <= torch.maximum(own, other) + slack).all())


def test_a_weight_of_one_changes_nothing():
    for row in [(7,), LARGE]:
        x = batch((4, *row))
        assert torch.equal(blend(x, drawn(4)[0], torch.ones(4)), x)


def test_half_precision_is_rounded_once():
    # 0.3 is not a bfloat16: with the weight rounded first, the result would be off.
    x = torch.tensor([[1000.0], [0.0]], dtype=torch.bfloat16)
    mixed = blend(x, torch.tensor([1, 0]), torch.tensor([0.3, 1.0]))
    exact = torch.tensor(0.3 * 1000.0).to(torch.bfloat16)
    assert mixed[0, 0] == exact


def test_complex_values_are_blended():
    x = torch.randn(3, 5, dtype=torch.complex64)
    partner, weight = drawn(3)
    w = weight[:, None]
    assert torch.allclose(blend(x, partner, weight), w * x + (1 - w) * x[partner], atol=1e-6)


def test_gradients_reach_both_parents():
    partner, weight = drawn(4)
    x = batch((4, 3), torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: blend(x, partner, weight), x)


def test_gradients_flow_through_large_rows_too():
    partner, weight = drawn(3)
    x = batch((3, *LARGE)).requires_grad_()
    blend(x, partner, weight).sum().backward()
    expected = weight + torch.zeros(3).index_add(0, partner, 1 - weight)
    assert torch.allclose(x.grad[:, 0, 0, 0], expected, atol=1e-6)


def test_in_place_on_a_result_of_autograd():
    partner, weight = drawn(4)
    x = batch((4, 3), torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: blend(x * 1, partner, weight, inplace=True), x)


def test_in_place_on_a_leaf_that_requires_grad_is_rejected():
    x = torch.zeros(2, 3, requires_grad=True)
    with pytest.raises(ValueError, match="leaf that requires grad"):
        blend(x, *drawn(2), inplace=True)


def test_an_expanded_batch_is_not_written_row_over_row():
    x = batch(LARGE).expand(3, *LARGE)
    assert torch.allclose(blend(x, *drawn(3)), x, atol=1e-6)
    with pytest.raises(RuntimeError):
        blend(x, *drawn(3), inplace=True)


def test_row_by_row_in_place_needs_one_row_of_memory():
    x = batch((8, *LARGE))
    partner, weight = drawn(8)
    with torch.profiler.profile(profile_memory=True) as profile:
        blend(x, partner, weight, inplace=True)
    used = sum(
        max(event.self_device_memory_usage, event.self_cpu_memory_usage, 0)
        for event in profile.key_averages()
    )
    assert used <= 1.1 * x[0].numel() * 4


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool])
def test_integers_are_rejected(dtype):
    with pytest.raises(TypeError, match=str(dtype).removeprefix("torch.")):
        blend(torch.zeros(2, 3, dtype=dtype), *drawn(2))


def test_another_number_of_rows_is_rejected():
    with pytest.raises(ValueError, match=r"drawn for 3 samples.*\(4, 2\)"):
        blend(torch.zeros(4, 2), *drawn(3))


class TestSecondBatch:
    def test_rows_are_mixed_with_rows(self):
        x, other = batch((4, 5), seed=1), batch((4, 5), seed=2)
        weight = torch.full((4,), 0.3)
        mixed = Mix(torch.arange(4), weight)(x, other=other)
        assert torch.allclose(mixed, 0.3 * x + 0.7 * other, atol=1e-6)

    def test_large_rows_in_place(self):
        x, other = batch((3, *LARGE), seed=1), batch((3, *LARGE), seed=2)
        expected = 0.3 * x + 0.7 * other
        Mix(torch.arange(3), torch.full((3,), 0.3))(x, other=other, inplace=True)
        assert torch.allclose(x, expected, atol=1e-5)

    def test_it_must_be_like_the_first(self):
        with pytest.raises(ValueError, match=r"second batch has shape \(4, 6\)"):
            Mix(*drawn(4))(batch((4, 5)), other=batch((4, 6)))


@pytest.mark.parametrize("columns", [3, 40_000])
@pytest.mark.parametrize("shift", [1, -1, 0])
def test_a_second_batch_that_overlaps_the_first_is_read_before_it_is_overwritten(shift, columns):
    whole, y = torch.rand(9, columns), torch.arange(8)
    x, other = (whole[1:], whole[:8]) if shift > 0 else (whole[:8], whole[1:])
    other = x if not shift else other
    expected, _ = MixUp(1.0, seed=0)(x.clone(), y, other=(other.clone(), y))
    mixed, _ = MixUp(1.0, seed=0)(x, y, other=(other, y), inplace=True)
    assert mixed is x
    assert torch.allclose(mixed, expected)
