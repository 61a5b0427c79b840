"""Mix.normalized: the same as converting, normalising and mixing one after the other."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal import Choice, CutMix, Mix, MixUp
from vicinal.mixing import apply as apply_module
from vicinal.mixing.blend import Blend
from vicinal.mixing.scratch import BLOCK

from .implementations import using

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # those of ImageNet
LAYOUTS = ["contiguous", "channels_last", "transposed", "strided", "cut", "expanded"]
MIXERS = {
    "mixup": lambda seed: MixUp(1.0, folded=False, seed=seed),
    "some": lambda seed: MixUp(1.0, p=0.5, seed=seed),
    "cutmix": lambda seed: CutMix(seed=seed),
    "choice": lambda seed: Choice([MixUp(1.0), CutMix()], [0.4, 0.4], seed=seed),
}


IMPLEMENTATIONS = ["compiled", "without numba"]


def images(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=g, dtype=torch.uint8)


def laid_out(x, layout):
    if layout == "channels_last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "transposed":
        return x.mT.contiguous().mT
    if layout == "strided":
        return torch.stack([x, x], -1)[..., 0]
    if layout == "cut":
        return torch.cat([x, x], -1)[..., x.shape[-1] :]
    if layout == "expanded":
        return x[:1].expand_as(x)
    return x


def normalized(x, mean, std):
    """By the definition, in float64."""
    shape = 1, -1, 1, 1
    mean, std = (torch.tensor(each, dtype=torch.float64).view(shape) for each in (mean, std))
    return (x.double() / 255 - mean) / std


def close(found, expected):
    """float32 to its last digits: values are below 10."""
    return torch.allclose(found.double(), expected, rtol=1e-5, atol=3e-6)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    count=st.integers(0, 6),
    size=st.tuples(*[st.integers(1, 9)] * 2),
    channels=st.integers(1, 4),
    kind=st.sampled_from(sorted(MIXERS)),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    second=st.booleans(),
    seed=st.integers(0, 999),
    implementation=st.sampled_from(IMPLEMENTATIONS),
    data=st.data(),
)
def test_it_is_normalising_and_then_mixing(
    count, size, channels, kind, layouts, second, seed, implementation, data
):
    x = laid_out(images(count, channels, *size, seed=seed), layouts[0])
    other = laid_out(images(*x.shape, seed=seed + 1), layouts[1]) if second and count else None
    mean = data.draw(st.lists(st.floats(0, 1), min_size=channels, max_size=channels))
    std = data.draw(st.lists(st.floats(0.2, 1), min_size=channels, max_size=channels))
    mix, before = MIXERS[kind](seed).draw(x), x.clone()
    others = None if other is None else normalized(other, mean, std)
    expected = mix(normalized(x, mean, std), other=others)
    with using(implementation):
        found = mix.normalized(x, mean, std, other=other)
    assert (found.dtype, found.shape) == (torch.float32, x.shape)
    assert close(found, expected)
    assert torch.equal(x, before)


@pytest.mark.parametrize("kind", sorted(MIXERS))
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_large_images_and_several_blocks(kind, layout, implementation):
    x = laid_out(images(5, 3, 400, 410), layout)
    assert x[0].numel() * 4 >= apply_module.LARGE_ROW
    assert x.numel() * 4 > 2 * BLOCK
    mix = MIXERS[kind](0).draw(x)
    with using(implementation):
        found = mix.normalized(x, MEAN, STD)
    assert close(found, mix(normalized(x, MEAN, STD)))


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("kind", sorted(MIXERS))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_it_is_rounded_once(dtype, kind, second, implementation):
    x = images(6, 3, 8, 8)
    other = images(6, 3, 8, 8, seed=1) if second else None
    mix = MIXERS[kind](0).draw(x)
    with using(implementation):
        found = mix.normalized(x, MEAN, STD, other=other, dtype=dtype)
    others = None if other is None else normalized(other, MEAN, STD)
    exact = mix(normalized(x, MEAN, STD), other=others)
    half_a_step = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps) / 2
    assert found.dtype == dtype
    assert bool(((found.double() - exact).abs() <= half_a_step * exact.abs() + 3e-6).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", sorted(MIXERS))
@pytest.mark.parametrize("second", [None, "contiguous", "channels_last"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_the_layout_is_preserved(kind, dtype, second, implementation):
    x = laid_out(images(6, 3, 8, 8), "channels_last")
    other = None if second is None else laid_out(images(6, 3, 8, 8), second)
    with using(implementation):
        found = MIXERS[kind](0).draw(x).normalized(x, MEAN, STD, dtype=dtype, other=other)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_weights_of_another_dtype():
    x, weight = images(2, 3, 4, 4), torch.tensor([0.25, 0.75])
    mixes = [Mix(torch.tensor([1, 0]), weight.to(d)) for d in (torch.float32, torch.float64)]
    one, two = (mix.normalized(x, MEAN, STD) for mix in mixes)
    assert torch.equal(one, two)


@pytest.mark.parametrize("kind", sorted(MIXERS))
def test_on_a_device_without_numbers(kind):
    x = torch.empty(4, 3, 8, 8, dtype=torch.uint8, device="meta")
    found = MIXERS[kind](0).draw(x).normalized(x, MEAN, STD, dtype=torch.float16)
    assert (found.device.type, found.dtype, found.shape) == ("meta", torch.float16, x.shape)


def test_a_default_device_or_dtype_does_not_matter():
    x = images(4, 3, 8, 8)
    mixes = [make(0).draw(x) for make in MIXERS.values()]
    expected = [mix.normalized(x, MEAN, STD) for mix in mixes]
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = [mix.normalized(x, MEAN, STD) for mix in mixes]
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_example_of_one_half():
    x = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.5, 1.0]))
    assert mix.normalized(x, [0.5], [0.5]).flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("patterns", [(), (Blend(torch.ones(2)),)])
@pytest.mark.parametrize(
    ("x", "mean", "std"),
    [
        (images(2, 3, 4, 4), [0.5], [0.5]),
        (images(2, 3, 4, 4), [0.5] * 3, [0.5] * 2),
        (images(2, 4, 4), [0.5] * 4, [0.5] * 4),
        (images(2, 5, 3, 4, 4), [0.5] * 5, [0.5] * 5),
        (torch.rand(2, 3, 4, 4), [0.5] * 3, [0.5] * 3),
    ],
)
def test_what_does_not_fit_is_rejected(x, mean, std, patterns):
    mix = Mix(torch.tensor([1, 0]), torch.ones(2), patterns)
    with pytest.raises(
        ValueError, match=r"cannot be normalised by \d .* give \(B, C, H, W\) uint8"
    ):
        mix.normalized(x, mean, std)


def test_another_number_of_images_is_rejected():
    mix = Mix(torch.tensor([1, 0]), torch.ones(2))
    with pytest.raises(ValueError, match=r"drawn for 2 samples.*\(3, 3, 4, 4\)"):
        mix.normalized(images(3, 3, 4, 4), MEAN, STD)
    with pytest.raises(ValueError, match=r"second batch has shape \(2, 3, 4, 5\)"):
        mix.normalized(images(2, 3, 4, 4), MEAN, STD, other=images(2, 3, 4, 5))
