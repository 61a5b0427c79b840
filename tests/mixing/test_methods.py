"""What all methods that paste regions or masks have in common."""

import pytest
import torch

from vicinal import FMix, GridMix, ResizeMix, SmoothMix

KINDS = (FMix, GridMix, ResizeMix, SmoothMix)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.uint8, torch.int64])
@pytest.mark.parametrize("kind", [FMix, GridMix, ResizeMix])
def test_other_dtypes_and_layouts_get_the_same(kind, dtype):
    x, y = torch.randint(100, (4, 3, 10, 12)), torch.arange(4)
    expected, target = kind(seed=0)(x.float(), y)
    for layout in (torch.contiguous_format, torch.channels_last):
        given = x.to(dtype, memory_format=layout)
        mixed, other = kind(seed=0, integers="paste")(given, y)
        assert mixed.dtype == dtype
        assert mixed.stride() == given.stride()
        assert torch.equal(mixed.float(), expected)
        assert torch.equal(other.weight, target.weight)


@pytest.mark.parametrize("kind", [FMix, GridMix])
def test_large_rows_get_the_same(kind):
    x = torch.randn(4, 9, 64, 64)  # above apply.LARGE_ROW
    mix = kind(seed=0).draw(x)
    expected = torch.where(mix.patterns[0].keep[:, None], x, x[mix.partner])
    assert torch.equal(mix(x), expected)
    assert torch.equal(mix(x, inplace=True), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_reads_no_data(kind):
    mix = kind(seed=0).draw(torch.empty(4, 3, 8, 8, device="meta"))
    assert mix.patterns[0].values.is_meta
    assert mix(torch.empty(4, 3, 8, 8, device="meta")).shape == (4, 3, 8, 8)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param(FMix, {"alpha": 0}, marks=pytest.mark.slow),
        pytest.param(FMix, {"alpha": 1}, marks=pytest.mark.slow),
        pytest.param(GridMix, {"alpha": 0}, marks=pytest.mark.slow),
        pytest.param(GridMix, {"alpha": 1}, marks=pytest.mark.slow),
        pytest.param(SmoothMix, {}, marks=pytest.mark.slow),
    ],
)
def test_it_compiles_to_the_same_numbers(kind, options):
    compiled, eager = kind(**options, seed=0), kind(**options, seed=0)
    call = torch.compile(lambda x, y: compiled(x, y), fullgraph=True, dynamic=True)
    for size in ((8, 8), (9, 12)):
        x, y = torch.randn(4, 3, *size), torch.arange(4)
        (mixed, target), (expected, other) = call(x, y), eager(x, y)
        if kind is SmoothMix:  # a compiler may contract a multiplication and an addition
            assert torch.allclose(mixed, expected, atol=1e-6)
        else:
            assert torch.equal(mixed, expected)
        assert torch.equal(target.weight, other.weight)


@pytest.mark.slow
def test_resizemix_compiles_for_one_size_to_the_same_numbers():
    x, y = torch.randn(4, 3, 8, 8), torch.arange(4)
    compiled, eager = ResizeMix(seed=0), ResizeMix(seed=0)
    call = torch.compile(lambda x, y: compiled(x, y), fullgraph=True)
    for _ in range(2):
        (mixed, target), (expected, other) = call(x, y), eager(x, y)
        assert torch.equal(mixed, expected)
        assert torch.equal(target.weight, other.weight)


@pytest.mark.parametrize(
    "mixer", [FMix(0), FMix(p=0), GridMix(0), GridMix(p=0), SmoothMix((0, 0)), SmoothMix(p=0)]
)
def test_neutral_settings_mix_nothing(mixer):
    x, y = torch.randn(6, 1, 5, 7), torch.arange(6)
    mixed, target = mixer(x, y)
    assert torch.equal(mixed, x)
    assert torch.equal(target.weight, torch.ones(6))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_images_is_rejected(kind):
    with pytest.raises(ValueError, match="no images"):
        kind()(torch.randn(4, 3), torch.arange(4))
