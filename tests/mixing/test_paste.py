"""Boxes and masks: against loops in Python, for every dtype, layout and implementation."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.testing._internal.two_tensor import TwoTensor

from vicinal import Mix
from vicinal.mixing import apply as apply_module
from vicinal.mixing.blend import Blend
from vicinal.mixing.partners import PARTNERS
from vicinal.mixing.paste import Boxes, Masks, ResizedBoxes, SoftMasks

from .implementations import using

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool]
COMPLEX = [torch.complex64, torch.complex128]
LAYOUTS = ["contiguous", "channels_last", "transposed", "batch last", "strided", "cut", "expanded"]
IMPLEMENTATIONS = ["compiled", "row by row", "whole batch", "autograd"]

several = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def numbers(shape, dtype=torch.float32, seed=0):
    """Small whole numbers, which every dtype can hold."""
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2 if dtype == torch.bool else 100, shape, generator=g).to(dtype)


def laid_out(x, layout):
    """The same values (but for "expanded") elsewhere in memory."""
    if layout == "channels_last" and x.ndim == 4:
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "transposed":
        return x.mT.contiguous().mT
    if layout == "batch last":
        return x.movedim(0, -1).contiguous().movedim(-1, 0)
    if layout == "strided":
        return torch.stack([x, x], -1)[..., 0]
    if layout == "cut":
        return torch.cat([x, x], -1)[..., x.shape[-1] :]
    if layout == "expanded":
        return x[:, :1].expand_as(x)
    return x.contiguous()


def boxes(count, size, seed=0):
    """(count, 4) corners anywhere, also empty and full ones."""
    g = torch.Generator().manual_seed(seed)
    down, across = (torch.randint(0, side + 1, (count, 2), generator=g) for side in size)
    return torch.cat([down.sort().values, across.sort().values], 1)


def pasted(x, partners, corners):
    """By the definition."""
    out = x.clone()
    for row, partner, (top, bottom, left, right) in zip(out, partners, corners, strict=True):
        row[..., top:bottom, left:right] = partner[..., top:bottom, left:right]
    return out


def shrunk(x, partners, corners):
    """By the definition, with torch's own resizing."""
    out = x.clone()
    for row, partner, (top, bottom, left, right) in zip(out, partners, corners, strict=True):
        if top < bottom and left < right:
            planes = partner.reshape(1, -1, *partner.shape[-2:]).double()
            small = F.interpolate(planes, (int(bottom - top), int(right - left)), mode="nearest")
            box = row[..., top:bottom, left:right]
            box.copy_(small.to(x.dtype).reshape(box.shape))
    return out


def masked(x, partners, keep):
    """By the definition, in float64."""
    keep = keep.double().view(len(x), *[1] * (x.ndim - 3), *x.shape[-2:])
    return keep * x.double() + (1 - keep) * partners.double()


def pattern_of(make, keep):
    """Some pattern for images of the size of ``keep``."""
    if issubclass(make, Boxes):
        return make(boxes(len(keep), keep.shape[1:]), tuple(keep.shape[1:]))
    return make(keep if make is SoftMasks else keep < 0.5)


@st.composite
def cases(draw, dtypes, min_side=1):
    """A batch in some layout, its partners, and how to apply a pattern."""
    count = draw(st.integers(0, 5))
    planes = draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
    size = draw(st.tuples(*[st.integers(min_side, 6)] * 2))
    dtype, seed = draw(st.sampled_from(dtypes)), draw(st.integers(0, 10**6))
    layout, implementation = draw(st.sampled_from(LAYOUTS)), draw(st.sampled_from(IMPLEMENTATIONS))
    inplace, second = draw(st.booleans()), draw(st.booleans())
    assume(not (inplace and layout == "expanded"))
    assume(not (implementation == "autograd" and not (dtype.is_floating_point or dtype.is_complex)))
    x = laid_out(numbers((count, *planes, *size), dtype, seed), layout)
    other_layout = draw(st.sampled_from(LAYOUTS))
    other = laid_out(numbers(x.shape, dtype, seed + 1), other_layout) if second else None
    name = draw(st.sampled_from(sorted(PARTNERS)))
    (partner,) = PARTNERS[name](1, count, torch.Generator().manual_seed(seed))
    return x, other, partner, size, seed, implementation, inplace


def check(case, pattern, expected):
    """Apply the pattern as the case requires; the result must be ``expected``."""
    x, other, partner, _, _, implementation, inplace = case
    partners = x[partner] if other is None else other
    wanted, before = expected(x, partners), x.clone()
    given = x.clone(memory_format=torch.preserve_format) if inplace else x
    if implementation == "autograd":
        given = given.detach().requires_grad_()
        given = given * 1 if inplace else given
    mix = Mix(partner, pattern.weight, (pattern,))
    with using(implementation):
        mixed = mix(given, other=other, inplace=inplace, integers="paste")
    assert (mixed.dtype, mixed.shape) == (x.dtype, x.shape)
    assert mixed.requires_grad == (implementation == "autograd")
    assert (mixed is given) if inplace else torch.equal(x, before)
    return mixed.detach(), wanted


@several
@given(case=cases([*FLOATS, *INTEGERS, *COMPLEX]))
def test_a_box_shows_the_partner_and_nothing_else_does(case):
    x, _, _, size, seed, *_ = case
    corners = boxes(len(x), size, seed)
    mixed, wanted = check(case, Boxes(corners, size), lambda x, p: pasted(x, p, corners))
    assert torch.equal(mixed, wanted)


@several
@given(case=cases([*FLOATS, *INTEGERS]))
def test_a_resized_box_shows_the_whole_partner_as_torch_resizes_it(case):
    x, _, _, size, seed, *_ = case
    corners = boxes(len(x), size, seed)
    mixed, wanted = check(case, ResizedBoxes(corners, size), lambda x, p: shrunk(x, p, corners))
    assert torch.equal(mixed, wanted)


@several
@given(case=cases([*FLOATS, *INTEGERS, *COMPLEX]))
def test_a_mask_of_bools_keeps_pixels(case):
    x, _, _, size, seed, *_ = case
    keep = numbers((len(x), *size), torch.bool, seed)

    def expected(x, partners):
        mask = keep.view(len(x), *[1] * (x.ndim - 3), *size)
        return torch.where(mask, x, partners)

    mixed, wanted = check(case, Masks(keep), expected)
    assert torch.equal(mixed, wanted)


@several
@given(case=cases([*FLOATS, torch.uint8]))
def test_a_soft_mask_blends_pixels_within_their_hull(case):
    x, other, partner, size, seed, *_ = case
    keep = torch.rand(len(x), *size, generator=torch.Generator().manual_seed(seed))
    mixed, wanted = check(case, SoftMasks(keep), lambda x, p: masked(x, p, keep))
    step = 0.5001 if x.dtype == torch.uint8 else 100 * torch.finfo(x.dtype).eps
    assert torch.allclose(mixed.double(), wanted, rtol=0, atol=step)
    partners = x[partner] if other is None else other
    assert bool((mixed >= torch.minimum(x, partners)).all())
    assert bool((mixed <= torch.maximum(x, partners)).all())


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("make", [Boxes, ResizedBoxes])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed", "cut"])
@pytest.mark.parametrize("second", [False, True])
def test_large_images(make, layout, second, inplace):
    """They are walked where no compiled loop serves, as for transposed ones."""
    x = laid_out(numbers((4, 3, 110, 111)), layout)
    other = numbers(x.shape, seed=1) if second else None
    assert x[0].nbytes >= apply_module.LARGE_ROW
    corners, partner = boxes(4, (110, 111)), torch.tensor([1, 0, 2, 3])
    partners = x[partner] if other is None else other
    wanted = (pasted if make is Boxes else shrunk)(x, partners, corners)
    pattern = make(corners, (110, 111))
    mixed = Mix(partner, pattern.weight, (pattern,))(x, other=other, inplace=inplace)
    assert torch.equal(mixed, wanted)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("make", [Boxes, ResizedBoxes, Masks, SoftMasks])
def test_the_layout_is_preserved(make, implementation):
    x = laid_out(numbers((4, 3, 6, 7)), "channels_last")
    pattern = pattern_of(make, torch.rand(4, 6, 7))
    x.requires_grad_(implementation == "autograd")
    with using(implementation):
        mixed = Mix(torch.tensor([1, 2, 3, 0]), pattern.weight, (pattern,))(x)
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_each_case_uses_the_intended_implementation(monkeypatch):
    """Otherwise the tests above would compare an implementation with itself."""
    loops = pytest.importorskip("vicinal.mixing.loops")
    used = []

    def watch(owner, name):
        function = getattr(owner, name)

        def watched(*arguments):
            used.append(name)
            return function(*arguments)

        monkeypatch.setattr(owner, name, watched)

    for owner, name in [
        (loops, "run"),
        (apply_module, "_apply_by_rows"),
        (apply_module, "_gather_partners"),
    ]:
        watch(owner, name)
    mix = Mix(torch.tensor([1, 0]), torch.ones(2), (Boxes(boxes(2, (4, 4)), (4, 4)),))
    for implementation in IMPLEMENTATIONS:
        for inplace in (False, True):
            with using(implementation):
                mix(
                    numbers((2, 4, 4)).requires_grad_(implementation == "autograd") * 1,
                    inplace=inplace,
                )
    assert used == ["run"] * 2 + ["_apply_by_rows"] * 2 + ["_gather_partners"] * 4


@pytest.mark.parametrize("make", [Boxes, ResizedBoxes])
def test_gradients_reach_what_shows(make):
    corners = torch.tensor([[1, 3, 0, 2], [0, 0, 0, 0], [0, 3, 0, 2]])
    pattern, partner = make(corners, (3, 2)), torch.tensor([1, 2, 0])
    x = torch.randn(3, 1, 3, 2, dtype=torch.float64, requires_grad=True)
    mix = Mix(partner, pattern.weight, (pattern,))
    assert torch.autograd.gradcheck(mix, x)
    assert torch.autograd.gradcheck(lambda x: mix(x * 1, inplace=True), x)


def test_gradients_pass_through_a_soft_mask():
    x = torch.randn(3, 1, 3, 2, dtype=torch.float64, requires_grad=True)
    pattern = SoftMasks(torch.rand(3, 3, 2))
    assert torch.autograd.gradcheck(Mix(torch.tensor([1, 2, 0]), pattern.weight, (pattern,)), x)


@pytest.mark.parametrize("implementation", ["compiled", "row by row", "whole batch"])
def test_a_second_batch_that_requires_grad_gets_its_gradient(implementation):
    corners, x = boxes(3, (4, 5)), numbers((3, 2, 4, 5))
    other = numbers((3, 2, 4, 5), seed=1).requires_grad_()
    pattern = Boxes(corners, (4, 5))
    with using(implementation):
        Mix(torch.arange(3), pattern.weight, (pattern,))(x, other=other).sum().backward()
    shown = pasted(torch.zeros(3, 2, 4, 5), torch.ones(3, 2, 4, 5), corners)
    assert torch.equal(other.grad, shown)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("kind", ["boxes", "resized", "bools", "soft"])
def test_what_is_not_finite_appears_only_where_it_is_pasted(kind, value, implementation):
    x = torch.stack([torch.zeros(3, 6, 6), torch.full((3, 6, 6), value)])
    corners = torch.tensor([[1, 4, 2, 3], [0, 0, 0, 0]])
    keep = pasted(torch.ones(2, 6, 6), torch.zeros(2, 6, 6), corners)
    pattern = {
        "boxes": Boxes(corners, (6, 6)),
        "resized": ResizedBoxes(corners, (6, 6)),
        "bools": Masks(keep.bool()),
        "soft": SoftMasks(keep),
    }[kind]
    x.requires_grad_(implementation == "autograd")
    with using(implementation):
        mixed = Mix(torch.tensor([1, 0]), pattern.weight, (pattern,))(x)
    assert torch.equal(mixed[0].isfinite(), keep[0].bool().expand(3, 6, 6))
    assert not mixed[1].isfinite().any()


class TestAnotherSize:
    """Patterns drawn for images, applied to their masks, features or thumbnails."""

    @given(times=st.tuples(*[st.integers(1, 4)] * 2), seed=st.integers(0, 999))
    @settings(deadline=None)
    def test_boxes_grow_with_the_image(self, times, seed):
        corners, size = boxes(3, (5, 7), seed), (5 * times[0], 7 * times[1])
        grown = corners * torch.tensor([times[0]] * 2 + [times[1]] * 2)
        x, partner = numbers((3, 2, *size), seed=seed), torch.tensor([1, 2, 0])
        mixed = Mix(partner, torch.ones(3), (Boxes(corners, (5, 7)),))(x)
        assert torch.equal(mixed, pasted(x, x[partner], grown))

    @given(size=st.tuples(*[st.integers(1, 40)] * 2), seed=st.integers(0, 999))
    @settings(deadline=None)
    def test_edges_are_off_by_half_a_pixel_at_most(self, size, seed):
        corners = boxes(3, (16, 20), seed)
        x = torch.stack([torch.zeros(size), torch.ones(size), torch.full(size, 2.0)])
        mixed = Mix(torch.tensor([1, 2, 0]), torch.ones(3), (Boxes(corners, (16, 20)),))(x)
        for row, edges in zip(mixed != x, corners.tolist(), strict=True):
            down, across = (row.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
            if down:
                found = down[0], down[-1] + 1, across[0], across[-1] + 1
                scale = [size[0] / 16] * 2 + [size[1] / 20] * 2
                exact = [edge * times for edge, times in zip(edges, scale, strict=True)]
                assert found == pytest.approx(exact, abs=0.5 + 1e-6)

    @pytest.mark.parametrize("implementation", ["compiled", "row by row", "whole batch"])
    @pytest.mark.parametrize("size", [(3, 5), (8, 8), (13, 31)])
    @pytest.mark.parametrize("make", [Boxes, ResizedBoxes])
    def test_all_implementations_agree(self, make, size, implementation):
        pattern = make(boxes(4, (10, 11)), (10, 11))
        x, partner = numbers((4, 2, *size)), torch.tensor([1, 2, 3, 0])
        mix = Mix(partner, pattern.weight, (pattern,))
        with using("autograd"):
            expected = mix(x.clone().requires_grad_()).detach()
        with using(implementation):
            assert torch.equal(mix(x), expected)

    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    @pytest.mark.parametrize("make", [Masks, SoftMasks])
    @pytest.mark.parametrize("size", [(3, 5), (8, 8), (13, 31)])
    def test_masks_take_the_nearest_values(self, make, size, implementation):
        keep = numbers((4, 10, 11), torch.bool).to(make.dtype)
        resized = F.interpolate(keep[:, None].float(), size=size, mode="nearest")[:, 0]
        x, partner = numbers((4, 2, *size)), torch.tensor([1, 2, 3, 0])
        x.requires_grad_(implementation == "autograd")
        with using(implementation):
            mixed = Mix(partner, torch.ones(4), (make(keep),))(x)
        assert torch.equal(mixed, masked(x, x[partner], resized).float())


class TestWeights:
    """The share that samples keep, counted on the pixels."""

    @given(size=st.tuples(*[st.integers(1, 20)] * 2), seed=st.integers(0, 999))
    def test_of_boxes(self, size, seed):
        corners = boxes(5, size, seed)
        keep = pasted(torch.ones(5, *size), torch.zeros(5, *size), corners)
        for make in (Boxes, ResizedBoxes):
            assert torch.allclose(make(corners, size).weight, keep.mean((1, 2)), atol=1e-6)

    @given(size=st.tuples(*[st.integers(1, 20)] * 2), seed=st.integers(0, 999))
    def test_of_masks(self, size, seed):
        keep = torch.rand(5, *size, generator=torch.Generator().manual_seed(seed))
        assert torch.allclose(SoftMasks(keep).weight, keep.mean((1, 2)))
        assert torch.allclose(Masks(keep > 0.5).weight, (keep > 0.5).double().mean((1, 2)).float())

    @pytest.mark.parametrize("make", [Boxes, ResizedBoxes, Masks, SoftMasks])
    def test_only_some_samples(self, make):
        chosen = torch.tensor([True, False, True])
        drawn = pattern_of(make, torch.rand(3, 4, 4))
        chosen_only = drawn.only(chosen)
        assert torch.equal(chosen_only.weight, drawn.weight.where(chosen, 1.0))
        x = numbers((3, 4, 4))
        mix = Mix(torch.tensor([1, 2, 0]), chosen_only.weight, (chosen_only,))
        assert torch.equal(mix(x)[1], x[1])


class TestMeta:
    """Shapes alone, without numbers: what a compiler does, and what must not wait for a device."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.bool])
    @pytest.mark.parametrize("make", [Boxes, ResizedBoxes, Masks])
    @pytest.mark.parametrize("size", [(6, 7), (9, 3)])
    def test_shape_and_dtype(self, make, dtype, size):
        pattern = pattern_of(make, torch.rand(4, 6, 7))
        x = torch.empty(4, 3, *size, dtype=dtype, device="meta")
        mixed = Mix(torch.arange(4), torch.ones(4), (pattern,))(x, integers="paste")
        assert (mixed.shape, mixed.dtype, mixed.device.type) == (x.shape, dtype, "meta")


class TestErrors:
    def test_what_is_no_image(self):
        mix = Mix(torch.arange(4), torch.ones(4), (Boxes(boxes(4, (6, 7)), (6, 7)),))
        with pytest.raises(ValueError, match=r"shape \(4, 5\) has no height and width"):
            mix(torch.rand(4, 5))

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
    def test_integers_and_a_soft_mask(self, dtype):
        mix = Mix(torch.arange(4), torch.ones(4), (SoftMasks(torch.rand(4, 6, 7)),))
        with pytest.raises(TypeError, match="cannot be blended, and this mix blends"):
            mix(numbers((4, 6, 7), dtype), integers="paste")

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool])
    def test_integers_by_default(self, dtype):
        mix = Mix(torch.arange(4), torch.ones(4), (Boxes(boxes(4, (6, 7)), (6, 7)),))
        with pytest.raises(TypeError, match="integers='leave' or integers='paste'"):
            mix(numbers((4, 6, 7), dtype))

    def test_an_expanded_batch_is_not_written_image_over_image(self):
        x = numbers((3, 6, 7))
        mix = Mix(torch.tensor([1, 0]), torch.ones(2), (Boxes(boxes(2, (6, 7)), (6, 7)),))
        with pytest.raises(RuntimeError, match="single memory location"):
            mix(x.expand(2, 3, 6, 7), inplace=True)

    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    def test_a_leaf_that_requires_grad(self, implementation):
        x = numbers((2, 6, 7)).requires_grad_()
        mix = Mix(torch.tensor([1, 0]), torch.ones(2), (Boxes(boxes(2, (6, 7)), (6, 7)),))
        with using(implementation), pytest.raises(ValueError, match="leaf that requires grad"):
            mix(x, inplace=True)
        with using(implementation), torch.no_grad():
            assert mix(x, inplace=True) is x


@pytest.mark.parametrize("inplace", [False, True])
def test_views_that_torch_conjugates_or_negates_later(inplace):
    conjugate = torch.randn(3, 2, 4, 5, dtype=torch.complex64)
    negative = torch.randn(3, 2, 4, 5, dtype=torch.complex64).conj().imag
    assert conjugate.conj().is_conj()
    assert negative.is_neg()
    corners, partner = boxes(3, (4, 5)), torch.tensor([1, 2, 0])
    mix = Mix(partner, torch.ones(3), (Boxes(corners, (4, 5)),))
    for x in (conjugate.conj(), negative, torch._neg_view(torch.randn(3, 2, 4, 5))):
        wanted = pasted(x, x[partner], corners)
        assert torch.equal(mix(x, inplace=inplace), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.complex128])
def test_sides_of_one_pixel_with_arbitrary_strides(dtype):
    corners, partner = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 1]]), [1, 2, 0]
    mix = Mix(torch.tensor(partner), torch.ones(3), (Boxes(corners, (1, 1)),))
    x = numbers((3, 2, 1, 1), dtype).as_strided((3, 2, 1, 1), (2, 1, 5, 7))
    assert torch.equal(mix(x), pasted(x, x[partner], corners))
    thin = numbers((4, 1, 3, 8), dtype).permute(0, 2, 3, 1)  # (4, 3, 8, 1)
    corners = boxes(4, (8, 1))
    mix = Mix(torch.tensor([1, 2, 3, 0]), torch.ones(4), (Boxes(corners, (8, 1)),))
    assert torch.equal(mix(thin), pasted(thin, thin[[1, 2, 3, 0]], corners))


@pytest.mark.parametrize("make", [Boxes, ResizedBoxes])
@pytest.mark.parametrize("implementation", ["compiled", "row by row", "whole batch"])
def test_a_default_device_elsewhere_does_not_matter(make, implementation):
    pattern, x = make(boxes(3, (4, 5)), (4, 5)), numbers((3, 2, 4, 5))
    mix, other = Mix(torch.tensor([1, 2, 0]), pattern.weight, (pattern,)), x + 1
    expected = mix(x), mix(x, other=other)
    with using(implementation), torch.device("meta"):
        found = mix(x), mix(x, other=other)
    for one, wanted in zip(found, expected, strict=True):
        assert torch.equal(one, wanted)


class TestMemory:
    """The compiled loops read and write by address: what they are given must be there."""

    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize("corners", [[0, 4, 0, 4000], [-400, 2, 0, 3], [9, 12, 1, 2]])
    def test_boxes_that_do_not_lie_on_the_images(self, corners, inplace):
        """They are rejected, or clipped at the edges."""
        x = numbers((2, 3, 4, 5))
        beyond = torch.tensor([corners, [0, 0, 0, 0]])
        inside = beyond.clamp(min=0).minimum(torch.tensor([4, 4, 5, 5]))
        mix = Mix(torch.tensor([1, 0]), torch.ones(2), (Boxes(beyond, (4, 5)),))
        for implementation in ("row by row", "whole batch", "autograd"):
            given = x.clone().requires_grad_(implementation == "autograd") * 1
            with using(implementation):
                assert torch.equal(mix(given, inplace=inplace), pasted(x, x.flip(0), inside))
        pytest.importorskip("vicinal.mixing.loops")
        with pytest.raises(ValueError, match="boxes must lie on the images"):
            mix(x, inplace=inplace)

    @pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize("pattern", [Blend(torch.rand(2)), Boxes(boxes(2, (4, 5)), (4, 5))])
    @pytest.mark.parametrize("partner", [[1, 2], [5, 0]])
    def test_partners_that_are_no_rows(self, partner, pattern, inplace, implementation):
        x = numbers((2, 3, 4, 5)).requires_grad_(implementation == "autograd") * 1
        with using(implementation), pytest.raises((ValueError, IndexError, RuntimeError)):
            Mix(torch.tensor(partner), torch.ones(2), (pattern,))(x, inplace=inplace)

    @pytest.mark.parametrize("implementation", ["compiled", "row by row"])
    @pytest.mark.parametrize(
        "pattern", [Blend(torch.full((3,), 0.5)), Boxes(boxes(3, (4, 5)), (4, 5))]
    )
    def test_partners_that_are_no_permutation(self, pattern, implementation):
        """Some samples may be met twice, in place, too."""
        if implementation == "compiled":
            pytest.importorskip("vicinal.mixing.loops")
        x, partner = numbers((3, 2, 4, 5)), torch.tensor([1, 1, 0])
        mix, expected = Mix(partner, torch.ones(3), (pattern,)), pattern.apply(x, x[partner])
        with using(implementation):
            assert torch.allclose(mix(x), expected)
            assert torch.allclose(mix(x, inplace=True), expected)
        assert torch.allclose(x, expected)

    @pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
    @pytest.mark.parametrize("inplace", [False, True])
    @pytest.mark.parametrize("kind", [Blend, Boxes])
    def test_partners_of_another_dtype(self, kind, inplace, dtype):
        pattern = Blend(torch.rand(3)) if kind is Blend else Boxes(boxes(3, (4, 5)), (4, 5))
        x, partner = numbers((3, 2, 4, 5)), torch.tensor([1, 2, 0])
        expected = pattern.apply(x, x[partner])
        mixed = Mix(partner.to(dtype), torch.ones(3), (pattern,))(x, inplace=inplace)
        assert torch.allclose(mixed, expected)

    @pytest.mark.parametrize(
        "pattern",
        [
            Blend(torch.ones(1)),
            Blend(torch.ones(3)),
            Boxes(boxes(1, (4, 5)), (4, 5)),
            Masks(torch.ones(3, 4, 5, dtype=torch.bool)),
        ],
    )
    @pytest.mark.parametrize("inplace", [False, True])
    def test_patterns_of_another_number_of_samples(self, pattern, inplace):
        mix = Mix(torch.tensor([1, 0]), torch.ones(2), (pattern,))
        with pytest.raises(ValueError, match="samples"):
            mix(numbers((2, 3, 4, 5)), inplace=inplace)

    @pytest.mark.parametrize("make", [Boxes, Blend])
    def test_tensors_without_memory_of_their_own(self, make):
        pattern = make(torch.rand(2)) if make is Blend else make(boxes(2, (4, 5)), (4, 5))
        mix, x = Mix(torch.tensor([1, 0]), torch.ones(2), (pattern,)), torch.rand(2, 3, 4, 5)
        expected = mix(x)
        with FakeTensorMode(allow_non_fake_inputs=True) as fake:
            assert mix(fake.from_tensor(x)).shape == x.shape
        assert torch.equal(mix(x), expected)  # nothing of it is left behind
        two = mix(TwoTensor(x, x + 1))
        assert torch.allclose(two.a, expected)
        assert torch.allclose(two.b, mix(x + 1))

    @pytest.mark.parametrize("make", [Boxes, Blend])
    @pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, for the derivatives
    def test_functional_transforms(self, make):
        pattern = make(torch.rand(2)) if make is Blend else make(boxes(2, (4, 5)), (4, 5))
        mix, x = Mix(torch.tensor([1, 0]), torch.ones(2), (pattern,)), torch.rand(6, 2, 3, 4, 5)
        assert torch.allclose(torch.func.vmap(mix)(x), torch.stack([mix(one) for one in x]))
        primal, tangent = torch.func.jvp(mix, (x[0],), (x[1],))
        assert torch.allclose(primal, mix(x[0]))
        assert torch.allclose(tangent, mix(x[1]))  # it is linear
        with forward_ad.dual_level():
            dual = mix(forward_ad.make_dual(x[0], x[1]))
            assert torch.allclose(forward_ad.unpack_dual(dual).tangent, mix(x[1]))
        gradient = torch.func.grad(lambda x: mix(x).sum())(x[0])
        assert torch.allclose(gradient.sum(), torch.tensor(float(x[0].numel())))
