"""Random changes: what they may do, against plain references."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from vicinal.data import augment
from vicinal.data.augment import (
    BatchTransform,
    Lighting,
    Normalize,
    RandomView,
    Translate,
    aug_transforms,
    resize,
    to_unit_floats,
)
from vicinal.errors import VicinalError

STILL = {"flip": False, "max_rotate": 0.0, "max_zoom": 1.0, "max_warp": 0.0}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def floats(count=2, height=16, width=None):
    return torch.rand(count, 3, height, width or height, generator=generator())


def bytes_(count=2, height=16, width=None):
    shape = (count, 3, height, width or height)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator())


@pytest.fixture
def highest_draws(monkeypatch):
    """Every draw takes the upper end of its range, so that all changes are known."""
    draw_at(monkeypatch, 1 - 1e-6)


@pytest.fixture
def lowest_draws(monkeypatch):
    draw_at(monkeypatch, 0)


def draw_at(monkeypatch, place):
    def uniform(low, high, x, generator):
        return torch.full((len(x),), low + (high - low) * place)

    monkeypatch.setattr(augment, "_uniform", uniform)


TRANSFORMS = [
    BatchTransform(),
    Translate(3),
    RandomView(),
    RandomView(8, min_scale=0.3),
    Lighting(0.5),
    Normalize([0.5] * 3, [0.2] * 3),
]


def names(transforms):
    return [type(transform).__name__ for transform in transforms]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=names(TRANSFORMS))
@pytest.mark.parametrize("x", [floats(8), bytes_(8)], ids=["float", "uint8"])
class TestEveryTransform:
    def test_leaves_its_input_alone(self, transform, x):
        before = x.clone()
        transform.train(x, generator())
        transform.valid(x)
        assert torch.equal(x, before)

    def test_draws_from_the_generator_that_it_is_given(self, transform, x):
        global_state = torch.get_rng_state()
        first, again = (transform.train(x, generator(1)) for _ in range(2))
        assert torch.equal(first, again)
        assert torch.equal(torch.get_rng_state(), global_state)

    def test_validates_without_chance(self, transform, x):
        assert torch.equal(transform.valid(x), transform.valid(x))

    def test_trains_and_validates_on_one_shape(self, transform, x):
        assert transform.train(x, generator()).shape == transform.valid(x).shape


@pytest.mark.parametrize("transform", TRANSFORMS[1:5], ids=names(TRANSFORMS[1:5]))
def test_each_sample_is_changed_in_its_own_way(transform):
    x = floats(1).expand(64, -1, -1, -1)
    changed = transform.train(x, generator())
    assert len(changed.flatten(1).unique(dim=0)) > 32
    assert not torch.equal(changed, transform.train(x, generator(1)))


@pytest.mark.parametrize("transform", [BatchTransform(), Translate(3), RandomView(), Lighting()])
def test_validation_images_of_the_right_size_are_left_as_they_are(transform):
    x = bytes_()
    assert transform.valid(x) is x


class TestTranslate:
    @staticmethod
    def all_shifts(image, pixels, flip):
        """Padded with mirrored borders, cropped at every place, as it is and flipped."""
        height, width = image.shape[1:]
        padded = F.pad(image[None].double(), (pixels,) * 4, mode="reflect")[0]
        for top in range(2 * pixels + 1):
            for left in range(2 * pixels + 1):
                crop = padded[:, top : top + height, left : left + width]
                yield crop
                if flip:
                    yield crop.flip(2)

    @pytest.mark.parametrize("flip", [False, True])
    @pytest.mark.parametrize("x", [floats(1, 9, 8), bytes_(1, 9, 8)], ids=["float", "uint8"])
    def test_is_padding_by_mirroring_then_cropping_and_flipping(self, x, flip):
        results = Translate(2, flip=flip).train(x.expand(2000, -1, -1, -1), generator())
        assert results.dtype == x.dtype
        expected = torch.stack(list(self.all_shifts(x[0], 2, flip)))
        equal = (results.double()[:, None] == expected).flatten(2).all(2)
        assert equal.any(1).all()
        share = equal.double().mean(0) * len(expected)
        assert share.min() > 0.5
        assert share.max() < 1.5

    def test_follows_its_draws(self):
        x, pixels = bytes_(32, 9, 7), 3
        shifted = Translate(pixels).train(x, generator(5))
        draws = generator(5)
        down, right = (
            ((2 * pixels + 1) * torch.rand(32, generator=draws)).long().tolist() for _ in range(2)
        )
        flipped = torch.rand(32, generator=draws) < 0.5
        padded = F.pad(x.double(), (pixels,) * 4, mode="reflect")
        for i, result in enumerate(shifted):
            crop = padded[i, :, down[i] : down[i] + 9, right[i] : right[i] + 7]
            assert torch.equal(result.double(), crop.flip(2) if flipped[i] else crop)

    def test_no_shift_and_no_flip_is_the_identity(self):
        x = bytes_()
        assert torch.equal(Translate(0, flip=False).train(x, generator()), x)

    @pytest.mark.parametrize("side", [1, 2, 3])
    def test_may_shift_further_than_the_image_is_large(self, side):
        x = floats(16, side)
        shifted = Translate(8).train(x, generator())
        for before, after in zip(x, shifted, strict=True):
            assert torch.isin(after, before).all()


class TestRandomView:
    @pytest.mark.parametrize("x", [floats(3, 33), bytes_(3, 32)], ids=["float", "uint8"])
    def test_with_everything_off_is_the_identity(self, x):
        view = RandomView(**STILL).train(x, generator())
        torch.testing.assert_close(view, to_unit_floats(x), atol=1e-5, rtol=0)

    @pytest.mark.parametrize(("axis", "name"), [(3, "flip"), (2, "flip_vert")])
    def test_flips_half_of_the_images(self, axis, name):
        x = floats(400, 8)
        view = RandomView(**STILL | {name: True}).train(x, generator())
        flipped = (view - x.flip(axis)).abs().flatten(1).max(1).values < 1e-5
        assert 0.4 < flipped.double().mean() < 0.6
        torch.testing.assert_close(view[~flipped], x[~flipped], atol=1e-5, rtol=0)

    @pytest.mark.parametrize("angle", [10, 45, 90, -30])
    def test_rotates_like_torchvision(self, highest_draws, angle):
        x = floats(2, 33)
        view = RandomView(**STILL | {"max_rotate": angle}, p=1).train(x, generator())
        rotated = reference.rotate(x, angle, interpolation=InterpolationMode.BILINEAR)
        inner = (..., slice(9, 24), slice(9, 24))
        torch.testing.assert_close(view[inner], rotated[inner], atol=1e-4, rtol=0)

    def test_zooms_into_the_centre(self, highest_draws):
        x = floats(2, 32)
        view = RandomView(**STILL | {"max_zoom": 2.0}, p=1).train(x, generator())
        zoomed = F.interpolate(x[..., 8:24, 8:24], scale_factor=2, mode="bilinear")
        inner = (..., slice(1, -1), slice(1, -1))
        torch.testing.assert_close(view[inner], zoomed[inner], atol=1e-4, rtol=0)

    def test_tilts_like_torchvision(self, highest_draws):
        side, warp = 32, 0.4
        x = floats(2, side)
        view = RandomView(**STILL | {"max_warp": warp}, p=1).train(x, generator())
        corners = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
        seen = [(a / (1 + warp / 2 * (a + b)), b / (1 + warp / 2 * (a + b))) for a, b in corners]
        from_points, to_points = (
            [[(a + 1) * side / 2 for a in point] for point in points] for points in (seen, corners)
        )
        tilted = reference.perspective(x, from_points, to_points)
        inner = (..., slice(12, 28), slice(12, 28))
        torch.testing.assert_close(view[inner], tilted[inner], atol=2e-3, rtol=0)

    def test_crops_down_to_the_smallest_scale(self, lowest_draws):
        x = bytes_(2, 32)
        view = RandomView(16, **STILL, min_scale=0.25, p=0).train(x, generator())
        torch.testing.assert_close(view, to_unit_floats(x[..., :16, :16]), atol=1e-5, rtol=0)

    def test_turns_what_it_crops_around_its_own_centre(self, lowest_draws):
        x = bytes_(2, 32)
        turned = RandomView(16, **STILL | {"max_rotate": 90.0}, min_scale=0.25, p=1)
        expected = to_unit_floats(x[..., :16, :16]).rot90(-1, (2, 3))
        torch.testing.assert_close(turned.train(x, generator()), expected, atol=1e-4, rtol=0)

    def test_crops_lie_inside_the_image_and_cover_it(self):
        line = (torch.arange(64) * 2 + 1) / 64 - 1
        x = torch.stack([line.expand(64, 64), line[:, None].expand(64, 64), torch.ones(64, 64)])
        view = RandomView(16, **STILL, min_scale=0.2).train(x.expand(500, -1, -1, -1), generator())
        span = view.amax((2, 3)) - view.amin((2, 3))
        area = (span[:, 0] * span[:, 1]) / (2 * 15 / 16) ** 2
        assert 0.19 < area.min() < 0.25
        assert 0.95 < area.max() < 1.02
        # Nothing is mirrored: what is seen goes on in one direction.
        assert (view[:, 0].diff(dim=2) > 0).all()
        assert (view[:, 1].diff(dim=1) > 0).all()

    def test_changes_the_share_of_samples_that_is_asked_for(self):
        x = floats(1, 8).expand(1000, -1, -1, -1)
        view = RandomView(**STILL | {"max_rotate": 20.0}, p=0.3).train(x, generator())
        changed = (view - x).abs().flatten(1).max(1).values > 1e-4
        assert 0.25 < changed.double().mean() < 0.35

    @settings(max_examples=60, deadline=None)
    @given(
        count=st.integers(1, 4),
        side=st.integers(4, 24),
        size=st.none() | st.integers(2, 30),
        as_bytes=st.booleans(),
        min_scale=st.floats(0.05, 1),
        flips=st.tuples(st.booleans(), st.booleans()),
        max_rotate=st.floats(0, 180),
        max_zoom=st.floats(1, 4),
        max_warp=st.floats(0, 0.9),
        p=st.floats(0, 1),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_any_view_is_of_the_right_kind(self, count, side, size, as_bytes, flips, seed, **rest):
        x = bytes_(count, side) if as_bytes else floats(count, side)
        transform = RandomView(size, flip=flips[0], flip_vert=flips[1], **rest)
        view = transform.train(x, generator(seed))
        assert view.shape == (count, 3, size or side, size or side) == transform.valid(x).shape
        assert view.dtype == torch.float32
        assert view.min() > -1e-5
        assert view.max() < 1 + 1e-5
        assert torch.equal(view, transform.train(x, generator(seed)))
        assert torch.equal(transform.valid(x), transform.valid(x))


class TestLighting:
    def test_with_everything_off_is_the_identity(self):
        x = floats()
        for off in (Lighting(0), Lighting(0.5, p=0)):
            torch.testing.assert_close(off.train(x, generator()), x)

    def test_changes_contrast_around_the_mean_then_brightness(self, highest_draws):
        x = floats() / 2
        mean = x.mean((1, 2, 3), keepdim=True)
        expected = ((mean + (x - mean) * 1.2) * 1.2).clamp(0, 1)
        torch.testing.assert_close(Lighting(0.2, p=1).train(x, generator()), expected)

    def test_changes_the_share_of_samples_that_is_asked_for(self):
        x = floats(1, 8).expand(1000, -1, -1, -1)
        lit = Lighting(0.3, p=0.5).train(x, generator())
        changed = ((lit - x).abs().flatten(1).max(1).values > 1e-6).double().mean()
        assert 0.7 < changed < 0.8  # brightness, contrast, or both

    @settings(max_examples=40, deadline=None)
    @given(
        amount=st.floats(0, 0.99), p=st.floats(0, 1), as_bytes=st.booleans(), seed=st.integers(0, 9)
    )
    def test_stays_in_range(self, amount, p, as_bytes, seed):
        x = bytes_() if as_bytes else floats()
        lit = Lighting(amount, p=p).train(x, generator(seed))
        assert lit.dtype == torch.float32
        assert lit.shape == x.shape
        assert lit.min() >= 0
        assert lit.max() <= 1


class TestNormalize:
    @pytest.mark.parametrize("x", [floats(), bytes_()], ids=["float", "uint8"])
    def test_undo_inverts_it(self, x):
        normalize = Normalize([0.2, 0.4, 0.6], [0.1, 0.2, 0.3])
        for made in (normalize.valid(x), normalize.train(x, generator())):
            torch.testing.assert_close(normalize.undo(made), to_unit_floats(x))

    def test_undo_stays_in_range(self):
        shown = Normalize([0.5] * 3, [0.5] * 3).undo(torch.tensor([-9.0, 0, 9]).view(1, 3, 1, 1))
        assert shown.flatten().tolist() == [0, 0.5, 1]

    def test_each_channel_has_its_own_mean_and_deviation(self):
        x = torch.tensor([0.5, 0.5, 0.5]).view(1, 3, 1, 1)
        made = Normalize([0.5, 0.4, 0.3], [0.1, 0.1, 0.2]).valid(x)
        torch.testing.assert_close(made.flatten(), torch.tensor([0.0, 1.0, 1.0]))

    @pytest.mark.parametrize("x", [floats(50), bytes_(50)], ids=["float", "uint8"])
    def test_by_the_images_own_statistics(self, x):
        made = Normalize.of(x).valid(x)
        torch.testing.assert_close(made.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(made.std((0, 2, 3)), torch.ones(3), atol=1e-5, rtol=0)

    def test_by_the_statistics_of_images_of_one_colour(self):
        assert Normalize.of(torch.full((4, 3, 2, 2), 0.5)).valid(floats()).isfinite().all()

    def test_many_images_are_sampled_evenly(self):
        x = torch.zeros(10_000, 3, 1, 1)
        x[5000:] = 1
        assert Normalize.of(x).mean == pytest.approx([0.5] * 3, abs=0.01)


class TestResize:
    @pytest.mark.parametrize("side", [16, 64])
    def test_is_smooth(self, side):
        x = floats(2, 32)
        expected = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
        torch.testing.assert_close(resize(x, side), expected)

    def test_bytes_stay_bytes(self):
        small = resize(bytes_(2, 32), 8)
        assert small.dtype == torch.uint8
        exact = resize(to_unit_floats(bytes_(2, 32)), 8) * 255
        assert (small - exact).abs().max() < 1.5

    @pytest.mark.parametrize(("size", "result"), [(8, 8), (16, 16), (32, 16)])
    def test_may_only_shrink(self, size, result):
        assert resize(floats(), size, only_shrink=True).shape[2:] == (result, result)


class TestAugTransforms:
    def test_are_fastai_s(self):
        view, lighting = aug_transforms()
        assert isinstance(view, RandomView)
        assert isinstance(lighting, Lighting)
        assert (view.max_rotate, view.max_zoom, view.max_warp, view.p) == (10, 1.1, 0.2, 0.75)
        assert (view.flip, view.flip_vert, view.min_scale) == (True, False, 1.0)
        assert (lighting.amount, lighting.p) == (0.2, 0.75)

    def test_all_off_is_the_identity(self):
        x = floats()
        off = aug_transforms(do_flip=False, max_rotate=0, max_zoom=1, max_warp=0, max_lighting=0)
        none = aug_transforms(do_flip=False, p_affine=0, p_lighting=0)
        for transforms in (off, none):
            result = x
            for transform in transforms:
                result = transform.train(result, generator())
            torch.testing.assert_close(result, x, atol=1e-5, rtol=0)

    def test_pass_on_what_they_are_given(self):
        view, lighting = aug_transforms(
            size=8,
            min_scale=0.5,
            do_flip=False,
            flip_vert=True,
            max_rotate=1,
            max_zoom=2,
            max_warp=0.3,
            max_lighting=0.4,
            p_affine=0.6,
            p_lighting=0.7,
        )
        assert (view.size, view.min_scale, view.flip, view.flip_vert) == (8, 0.5, False, True)
        assert (view.max_rotate, view.max_zoom, view.max_warp, view.p) == (1, 2, 0.3, 0.6)
        assert (lighting.amount, lighting.p) == (0.4, 0.7)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"size": 0},
            {"size": 1},
            {"min_scale": 0},
            {"min_scale": 1.1},
            {"min_scale": float("nan")},
            {"max_zoom": 0.9},
            {"max_warp": 1},
            {"max_warp": -0.1},
            {"max_lighting": 1},
            {"max_lighting": -0.1},
            {"p_affine": 1.5},
            {"p_lighting": -1},
        ],
        ids=str,
    )
    def test_name_the_value_that_is_out_of_range(self, wrong):
        (value,) = wrong.values()
        with pytest.raises(VicinalError, match=rf"^[^\n]+, not {value}$"):
            aug_transforms(**wrong)
