"""Random changes: what all of them promise, and how they are put together."""

import pytest
import torch
from scipy import stats

from vicinal.data.augment import (
    IMAGENET_STATS,
    BatchTransform,
    ColorJitter,
    Lighting,
    Normalize,
    RandomErasing,
    RandomView,
    Translate,
    aug_transforms,
)
from vicinal.errors import VicinalError

from .batches import bytes_, floats, generator

TRANSFORMS = [
    BatchTransform(),
    Translate(3),
    RandomView(),
    RandomView(8, min_scale=0.3),
    Lighting(0.5),
    ColorJitter(0.3, 0.3, 0.3, 0.1),
    RandomErasing(0.9),
    RandomErasing(0.9, std=[0.2] * 3),
    Normalize([0.5] * 3, [0.2] * 3),
]
RANDOM = TRANSFORMS[1:-1]
BATCHES = {
    "float": floats(8),
    "uint8": bytes_(8),
    "high": floats(3, 20, 12),
    "wide": bytes_(3, 12, 20),
    "one": bytes_(1),
    "channels last": floats(3).contiguous(memory_format=torch.channels_last),
}


def names(transforms):
    return [type(transform).__name__ for transform in transforms]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=names(TRANSFORMS))
@pytest.mark.parametrize("x", BATCHES.values(), ids=BATCHES)
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

    def test_stays_in_range(self, transform, x):
        if isinstance(transform, Normalize):
            return
        top = 1 if (changed := transform.train(x, generator())).is_floating_point() else 255
        assert changed.min() >= -1e-5
        assert changed.max() <= top * (1 + 1e-5)

    def test_does_the_same_in_every_memory_format(self, transform, x):
        last = x.contiguous(memory_format=torch.channels_last)
        changed, also = (transform.train(format, generator()) for format in (x.contiguous(), last))
        torch.testing.assert_close(changed, also)


@pytest.mark.parametrize("transform", RANDOM, ids=names(RANDOM))
def test_each_sample_is_changed_in_its_own_way(transform):
    x = floats(1).expand(64, -1, -1, -1)
    changed = transform.train(x, generator())
    assert len(changed.flatten(1).unique(dim=0)) > 32
    assert not torch.equal(changed, transform.train(x, generator(1)))


@pytest.mark.parametrize("transform", [*RANDOM, BatchTransform()], ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("x", [bytes_(1, 8), floats(2, 8)], ids=["uint8", "float"])
def test_validation_images_of_the_right_size_are_left_as_they_are(transform, x):
    assert transform.valid(x) is x


class TestAugTransforms:
    def test_are_fastai_s(self):
        view, lighting = aug_transforms()
        assert isinstance(view, RandomView)
        assert isinstance(lighting, Lighting)
        assert (view.max_rotate, view.max_zoom, view.max_warp, view.p) == (10, 1.1, 0.2, 0.75)
        assert (view.flip, view.flip_vert, view.min_scale) == (True, False, 1.0)
        assert (lighting.amount, lighting.p) == (0.2, 0.75)

    def test_draw_what_they_always_drew(self):
        x, draws = bytes_(4), generator(1)
        for transform in aug_transforms():
            x = transform.train(x, draws)
        expected = [0.4846, 0.8981, 0.6359, 1.0]
        torch.testing.assert_close(x[:, 1, 5, 5], torch.tensor(expected), atol=1e-4, rtol=0)

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

    def test_change_colours_and_light_at_once_where_colours_are_to_change(self):
        _, jitter, erasing = aug_transforms(
            max_lighting=0.3, max_saturation=0.4, max_hue=0.1, p_lighting=0.7, p_erase=0.25
        )
        assert isinstance(jitter, ColorJitter)
        amounts = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue, jitter.p)
        assert amounts == (0.3, 0.3, 0.4, 0.1, 0.7)
        assert isinstance(erasing, RandomErasing)
        assert erasing.p == 0.25

    @pytest.mark.parametrize("colour", [{"max_saturation": 0.0}, {"max_saturation": 0.1}])
    def test_are_multiplied(self, colour):
        view, light = aug_transforms(mult=2, max_warp=0.3, **colour)
        assert (view.max_rotate, view.max_warp, view.max_zoom) == (20, 0.6, 1.1)
        strengths = ("brightness", "contrast") if colour["max_saturation"] else ("amount",)
        assert all(getattr(light, name) == 0.4 for name in strengths)

    @pytest.mark.parametrize("share", [0.25, 0.6])
    def test_erase_what_becomes_zero_when_it_is_normalised(self, share):
        x = bytes_(1).expand(2000, -1, -1, -1)
        _, _, erasing = aug_transforms(p_erase=share)
        seen = Normalize(*IMAGENET_STATS).train(erasing.train(x.float() / 255, generator()), None)
        erased = (seen.abs() < 1e-6).all(1).flatten(1).any(1).sum()
        assert stats.binomtest(int(erased), len(x), share).pvalue > 1e-6

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
            {"max_rotate": float("nan")},
            {"max_zoom": float("inf")},
            {"mult": -1},
            {"max_saturation": 1.5},
            {"max_saturation": -0.5},
            {"max_hue": 0.6},
            {"max_hue": float("nan")},
            {"p_erase": 1.5},
            {"p_erase": float("nan")},
            {"p_affine": 1.5},
            {"p_lighting": -1},
        ],
        ids=str,
    )
    def test_name_the_value_that_is_out_of_range(self, wrong):
        (value,) = wrong.values()
        with pytest.raises(VicinalError, match=rf"^[^\n]+, not {value}$"):
            aug_transforms(**wrong)
