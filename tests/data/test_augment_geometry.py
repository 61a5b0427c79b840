"""Where pixels go, against plain references."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from vicinal import DataLoaders
from vicinal.data.augment import (
    AlternatingFlip,
    RandomView,
    Translate,
    geometry,
    resize,
    to_unit_floats,
    transform,
)
from vicinal.errors import VicinalError

from .batches import bytes_, floats, generator

STILL = {"flip": False, "max_rotate": 0.0, "max_zoom": 1.0, "max_warp": 0.0}


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

    for module in (transform, geometry):
        monkeypatch.setattr(module, "uniform", uniform)


class TestAlternatingFlip:
    def parts(self, order, epochs, x):
        flip = AlternatingFlip(order)
        for order.epoch in range(epochs):
            yield flip.train(x, generator())

    @pytest.mark.parametrize("make", [floats, bytes_], ids=["float", "uint8"])
    def test_every_image_is_seen_either_way_in_turns(self, make):
        x = make(400, 5, 6)
        first, second, third = self.parts(SimpleNamespace(epoch=0), 3, x)
        mirrored = (first == x.flip(-1)).flatten(1).all(1)
        assert first[mirrored].equal(x[mirrored].flip(-1))
        assert first[~mirrored].equal(x[~mirrored])
        assert second.equal(first.flip(-1))
        assert third.equal(first)
        # Of 400 fair coins; 5 deviations are passed once in a million times.
        assert abs(mirrored.sum().item() - 200) < 5 * 10

    def test_neither_order_nor_batch_matter(self):
        x = bytes_(40, 5, 6)
        flip = AlternatingFlip(SimpleNamespace(epoch=1))
        rows = torch.randperm(40)
        whole = flip.train(x, generator())
        parts = [flip.train(part, generator()) for part in x[rows].split(7)]
        assert torch.cat(parts).equal(whole[rows])

    def test_a_training_part_alternates(self):
        x, y = bytes_(60, 5, 6), torch.arange(60) % 2
        dls = DataLoaders.from_tensors(x, y, x, y, bs=60, transforms=[], device="cpu")
        dls.train.transforms.append(AlternatingFlip(dls.train.sampler))
        one, two = (sorted(batch.flatten(1).tolist()) for ((batch, _),) in (dls.train, dls.train))
        assert one == sorted(torch.tensor(two).view(60, 3, 5, 6).flip(-1).flatten(1).tolist())
        assert one != two


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

    def test_shifts_by_no_negative_number(self):
        with pytest.raises(VicinalError, match="0 pixels or more, not -1"):
            Translate(-1)

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

    @pytest.mark.parametrize("angle", [30, 90])
    @pytest.mark.parametrize(("height", "width"), [(41, 25), (25, 41)])
    def test_rotates_images_that_are_not_square_without_bending(
        self, highest_draws, angle, height, width
    ):
        x = floats(2, height, width)
        view = RandomView(**STILL | {"max_rotate": angle}, p=1).train(x, generator())
        rotated = reference.rotate(x, angle, interpolation=InterpolationMode.BILINEAR)
        inner = (
            ...,
            slice(height // 2 - 6, height // 2 + 7),
            slice(width // 2 - 6, width // 2 + 7),
        )
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
        shape=st.tuples(st.integers(4, 24), st.integers(4, 24)),
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
    def test_any_view_is_of_the_right_kind(self, count, shape, size, as_bytes, flips, seed, **rest):
        x = bytes_(count, *shape) if as_bytes else floats(count, *shape)
        transform = RandomView(size, flip=flips[0], flip_vert=flips[1], **rest)
        view = transform.train(x, generator(seed))
        assert (
            view.shape == (count, 3, *((size, size) if size else shape)) == transform.valid(x).shape
        )
        assert view.dtype == torch.float32
        assert view.min() > -1e-5
        assert view.max() < 1 + 1e-5
        assert torch.equal(view, transform.train(x, generator(seed)))
        assert torch.equal(transform.valid(x), transform.valid(x))


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

    @pytest.mark.parametrize(
        ("size", "result"), [(8, (8, 8)), (16, (16, 16)), (20, (16, 20)), (32, (16, 24))]
    )
    def test_may_only_shrink(self, size, result):
        assert resize(floats(2, 16, 24), size, only_shrink=True).shape[2:] == result


class TestOblongSizes:
    @pytest.mark.parametrize("shape", [(40, 30), (9, 50)])
    def test_a_view_without_changes_is_the_resized_image(self, shape):
        x = floats(3, *shape)
        view = RandomView((12, 20), **STILL)
        seen = view.train(x, generator())
        assert seen.shape == view.valid(x).shape == (3, 3, 12, 20)
        shrunk = resize(x, (12, 20), only_shrink=True)
        expected = F.interpolate(shrunk, (12, 20), mode="bilinear", align_corners=False)
        torch.testing.assert_close(seen, expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            view.valid(x), reference.resize(x, [12, 20], antialias=True), atol=1e-6, rtol=1e-5
        )

    def test_a_pair_of_equal_sides_is_the_square(self):
        x = bytes_(3, 20, 30)
        one, other = (RandomView(size, min_scale=0.3) for size in (12, (12, 12)))
        assert one.train(x, generator()).equal(other.train(x, generator()))
        assert resize(x, 12).equal(resize(x, (12, 12)))

    @pytest.mark.parametrize("size", [(12,), "12", (12, 1.5), None])
    def test_what_is_no_size(self, size):
        with pytest.raises(VicinalError, match=r"a side in pixels or \(height, width\), not"):
            resize(floats(1, 8, 8), size)
