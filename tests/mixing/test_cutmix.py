"""CutMix as a whole: whose pixels are whose, and the weight that is counted on them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import CutMix

from .implementations import using

DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64),
    *(torch.uint8, torch.int64, torch.bool),
]


implementations = pytest.mark.parametrize(
    "implementation", ["compiled", "row by row", "whole batch", "autograd"]
)


def numbered(count, *shape, dtype=torch.float32):
    """Every pixel of image i is i."""
    rows = torch.arange(count).view(-1, *[1] * len(shape))
    return rows.expand(count, *shape).to(dtype, memory_format=torch.contiguous_format)


def settings_of_cutmix():
    side = st.floats(0, 1)
    return st.fixed_dictionaries(
        {
            "alpha": st.floats(0, 1000) | st.just(float("inf")),
            "minmax": st.none() | st.tuples(side, side).map(sorted).map(tuple),
            "per": st.sampled_from(["sample", "batch"]),
            "p": st.floats(0, 1),
            "partners": st.sampled_from(["cycle", "shuffle", "reverse"]),
            "seed": st.integers(0, 2**40),
        }
    )


@settings(max_examples=200, deadline=None)
@given(
    options=settings_of_cutmix(),
    count=st.integers(0, 7),
    planes=st.sampled_from([(), (1,), (3,), (2, 3)]),
    size=st.tuples(*[st.integers(1, 12)] * 2),
    dtype=st.sampled_from(DTYPES),
    inplace=st.booleans(),
    implementation=st.sampled_from(["compiled", "row by row", "whole batch"]),
)
def test_every_pixel_is_own_or_the_partners_and_the_weight_counts_them(
    options, count, planes, size, dtype, inplace, implementation
):
    x = torch.zeros(count, *planes, *size, dtype=dtype)
    other = torch.ones_like(x)
    y, other_y = torch.arange(count), torch.arange(count) + 10
    with using(implementation):
        mixer = CutMix(**options, integers="paste")
        mixed, target = mixer(x, y, other=(other, other_y), inplace=inplace)
    assert mixed.dtype == dtype
    assert (mixed is x) == inplace
    own = (mixed == 0).view(count, math.prod(planes), *size)
    assert bool((own == own[:, :1]).all())  # the same in all planes
    assert bool((own | (mixed == 1).view(own.shape)).all())
    share = own[:, 0].double().mean((1, 2))
    assert torch.allclose(target.weight.double(), share, rtol=0, atol=1e-7)
    assert target.weight.dtype == torch.float32
    assert torch.equal(target.own, y)
    assert torch.equal(target.partner, other_y)


@settings(deadline=None)
@given(
    options=settings_of_cutmix(),
    pairs=st.booleans(),
    count=st.integers(1, 7),
    inplace=st.booleans(),
)
def test_partners_in_the_batch_are_those_of_the_target(options, pairs, count, inplace):
    x, y = numbered(count, 3, 6, 7), torch.arange(count)
    if pairs:
        options["partners"] = "pairs"
    mixed, target = CutMix(**options)(x, y, inplace=inplace)
    own, partner = (labels.view(-1, 1, 1, 1) for labels in (target.own, target.partner))
    assert bool(((mixed == own) | (mixed == partner)).all())
    is_own = (mixed == own).double().mean((1, 2, 3))
    met_another = target.partner != y
    assert torch.equal(target.own, y)
    assert torch.allclose(
        is_own.where(met_another, 1), target.weight.double().where(met_another, 1), atol=1e-7
    )


@settings(deadline=None)
@given(options=settings_of_cutmix(), size=st.tuples(*[st.integers(1, 12)] * 2))
def test_what_is_pasted_is_one_box(options, size):
    x = torch.zeros(5, *size)
    mixed, _ = CutMix(**options)(x, torch.arange(5), other=(x + 1, torch.arange(5)))
    for pasted in mixed.bool():
        down, across = pasted.any(1), pasted.any(0)
        assert torch.equal(pasted, down[:, None] & across)
        for edge in (down, across):
            inside = edge.nonzero().flatten()
            assert len(inside) == 0 or len(inside) == inside[-1] - inside[0] + 1


@implementations
@pytest.mark.parametrize("partners", ["cycle", "shuffle", "pairs", "reverse"])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_all_implementations_agree(count, partners, implementation):
    x = torch.randn(count, 3, 9, 8)
    mix = CutMix(partners=partners, seed=count).draw(x)
    top, bottom, left, right = mix.patterns[0].corners.T[:, :, None, None]
    down, across = torch.arange(9)[:, None], torch.arange(8)
    pasted = (down >= top) & (down < bottom) & (across >= left) & (across < right)
    expected = torch.where(pasted.unsqueeze(1), x[mix.partner], x)
    with using(implementation):
        given = x.clone().requires_grad_(implementation == "autograd")
        assert torch.equal(mix(given), expected)
        given = given * 1
        assert mix(given, inplace=True) is given
    assert torch.equal(given, expected)


@implementations
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_is_not_finite_stays_in_its_box(value, implementation):
    x = torch.stack([torch.zeros(3, 8, 8), torch.full((3, 8, 8), value)])
    mix = CutMix(minmax=(0.3, 0.6), seed=0).draw(x)
    x.requires_grad_(implementation == "autograd")
    with using(implementation):
        mixed = mix(x)
    shares = mixed.isfinite().double().mean((1, 2, 3))
    assert torch.allclose(shares, torch.stack([mix.weight[0], 1 - mix.weight[1]]).double())


def test_alpha_zero_mixes_nothing():
    x = torch.rand(50, 3, 8, 8)
    mixed, target = CutMix(0, seed=0)(x, torch.arange(50))
    assert torch.equal(mixed, x)
    assert torch.equal(target.weight, torch.ones(50))


def test_an_infinite_alpha_cuts_half_of_an_image():
    """Of 8 x 8 pixels, sqrt(1/2) of a side is 5; clipped it may be smaller, by up to 3 pixels."""
    corners = CutMix(float("inf"), seed=0).draw(torch.empty(99, 3, 8, 8)).patterns[0].corners
    sides = corners[:, 1::2] - corners[:, ::2]
    assert sides.max() == 5
    assert sides.min() >= 2


@given(
    minmax=st.tuples(*[st.floats(0, 1)] * 2).map(sorted).map(tuple),
    size=st.tuples(*[st.integers(1, 40)] * 2),
    seed=st.integers(0, 999),
)
def test_sides_lie_between_the_smallest_and_the_largest(minmax, size, seed):
    corners = CutMix(minmax=minmax, seed=seed).draw(torch.empty(20, *size)).patterns[0].corners
    for length, start, stop in ((size[0], *corners.T[:2]), (size[1], *corners.T[2:])):
        assert bool((start >= 0).all())
        assert bool((stop <= length).all())
        assert bool((stop - start >= int(length * minmax[0])).all())
        assert bool((stop - start <= length * minmax[1]).all())


def test_a_whole_image_may_be_pasted():
    x = torch.rand(4, 3, 8, 8)
    mixed, target = CutMix(minmax=(1, 1), partners="reverse")(x, torch.arange(4))
    assert torch.equal(mixed, x.flip(0))
    assert torch.equal(target.weight, torch.zeros(4))


def test_one_box_for_the_whole_batch():
    mix = CutMix(per="batch", seed=0).draw(torch.empty(6, 3, 8, 8))
    assert len(mix.patterns[0].corners.unique(dim=0)) == 1
    assert mix.patterns[0].corners.shape == (6, 4)
    mixes = [CutMix(per="batch", p=0.3, seed=s).draw(torch.empty(4, 1, 9, 9)) for s in range(600)]
    assert all(len(mix.weight.unique()) == 1 for mix in mixes)
    # Of 600 batches, Binomial(600, 0.3) mixes between 124 and 239 but for a probability of 1e-6;
    # a few of them get boxes without pixels.
    assert 100 < sum(bool(mix.weight[0] < 1) for mix in mixes) < 240


def test_p_is_the_share_of_samples_that_are_mixed():
    weight = CutMix(minmax=(0.2, 0.4), p=0.3, seed=0).draw(torch.empty(10_000, 9, 9)).weight
    # Binomial(10,000, 0.3) leaves this range with a probability below 1e-6.
    assert 0.277 < float((weight < 1).float().mean()) < 0.323


def test_the_size_is_that_of_the_images_and_a_nested_batch_gets_one_box():
    x = {"id": torch.rand(4), "image": torch.zeros(4, 3, 8, 8), "depth": torch.zeros(4, 16, 16)}
    other = {**x, "image": x["image"] + 1, "depth": x["depth"] + 1}
    mixer = CutMix(fields=["image", "depth"], seed=0)
    mixed, target = mixer(x, torch.arange(4), other=(other, torch.arange(4)))
    assert mixed["id"] is x["id"]
    twice_as_large = mixed["image"][:, 0].repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(mixed["depth"], twice_as_large)
    assert torch.allclose(1 - mixed["image"].mean((1, 2, 3)), target.weight)


def test_label_maps_are_cut_like_their_images():
    x = {"image": numbered(5, 3, 8, 8), "labels": numbered(5, 8, 8, dtype=torch.int64)}
    mixed, _ = CutMix(integers="paste", seed=0)(x, torch.arange(5))
    assert torch.equal(mixed["image"][:, 0].long(), mixed["labels"])
    left, _ = CutMix(integers="leave", seed=0)(x, torch.arange(5))
    assert torch.equal(left["image"], mixed["image"])
    assert left["labels"] is x["labels"]


@pytest.mark.parametrize("count", [0, 1])
def test_without_anybody_to_mix_with(count):
    x = torch.rand(count, 3, 8, 8)
    mixed, target = CutMix(seed=0)(x, torch.arange(count))
    assert torch.equal(mixed, x)
    assert len(target) == count


def test_images_without_pixels_keep_all_of_them():
    assert CutMix()(torch.rand(3, 2, 0, 4), torch.arange(3))[1].weight.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "alpha must be 0 or more, not -1"),
        ({"alpha": float("nan")}, ValueError, "alpha must be 0 or more, not nan"),
        ({"alpha": None}, TypeError, "alpha must be a number, not None"),
        ({"minmax": 0.5}, TypeError, "minmax must be two numbers, not 0.5"),
        ({"minmax": (0.1, 0.2, 0.3)}, TypeError, "minmax must be two numbers"),
        ({"minmax": "ab"}, TypeError, "minmax must be two numbers"),
        ({"minmax": (0.2, "a")}, TypeError, "minmax must be a number, not 'a'"),
        ({"minmax": (0.2, 1.1)}, ValueError, "minmax must be between 0 and 1, not 1.1"),
        ({"minmax": (0.5, 0.2)}, ValueError, r"minmax must be given as \(smallest, largest\)"),
        ({"maxmin": (0.2, 0.5)}, TypeError, "maxmin"),
    ],
)
def test_bad_settings_are_one_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        CutMix(**arguments)


@pytest.mark.parametrize("x", [torch.rand(4), torch.rand(4, 5), {"a": torch.rand(4, 5)}])
def test_what_holds_no_images_is_rejected(x):
    with pytest.raises(ValueError, match=r"no images \(B, ..., H, W\) to take regions from"):
        CutMix()(x, torch.arange(4))


def test_images_under_another_name_are_rejected():
    with pytest.raises(ValueError, match="there are no images"):
        CutMix(fields="pixels")({"image": torch.rand(4, 3, 8, 8)}, torch.arange(4))


def test_what_is_no_image_beside_images_names_itself():
    x = {"image": torch.rand(4, 3, 8, 8), "age": torch.rand(4, 1)}
    before = x["image"].clone()
    with pytest.raises(ValueError, match=r"batch\['age'\].*no height and width.*name the fields"):
        CutMix()(x, torch.arange(4), inplace=True)
    assert torch.equal(x["image"], before)


def test_boxes_are_those_of_what_is_mixed():
    x = {"tokens": torch.zeros(4, 2, 3, dtype=torch.int64), "image": torch.zeros(4, 3, 8, 8)}
    other = {**x, "image": x["image"] + 1}
    mixer = CutMix(integers="leave", minmax=(0.3, 0.4), seed=0)
    mixed, target = mixer(x, torch.arange(4), other=(other, torch.arange(4)))
    assert torch.allclose(1 - mixed["image"].mean((1, 2, 3)), target.weight)
