"""What colours become, against torchvision and closed forms.

Statistical tests reject what is right with a probability of one in a million each, were the seeds
drawn anew.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.transform import Rotation
from torchvision.transforms.v2 import functional as reference

from vicinal.data.augment import ColorJitter, Lighting, Normalize, color, to_unit_floats
from vicinal.errors import VicinalError

from .batches import bytes_, floats, generator

LUMA = torch.tensor([0.299, 0.587, 0.114])


class TestLighting:
    def test_with_everything_off_is_the_identity(self):
        x = floats()
        for off in (Lighting(0), Lighting(0.5, p=0)):
            torch.testing.assert_close(off.train(x, generator()), x)

    def test_changes_contrast_around_the_mean_then_brightness(self, monkeypatch):
        monkeypatch.setattr(color, "uniform", lambda low, high, x, _: torch.full((len(x),), high))
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


def muted(count=6, height=5, width=7):
    """Colours that no change here brings out of range."""
    return 0.4 + 0.1 * floats(count, height, width)


def drawn(amount, count, which, seed=0):
    """The changes that a jitter draws for its first, second, third or fourth amount."""
    draws = torch.rand(4, 2, count, generator=generator(seed))
    return (amount * (2 * draws[which, 0] - 1)).tolist()


def jittered(x, seed=0, **arguments):
    return ColorJitter(**arguments).train(x, generator(seed))


def luma(x):
    return torch.einsum("bchw,c->bhw", x, LUMA)


class TestColorJitter:
    @pytest.mark.parametrize(
        ("which", "name"), list(enumerate(["brightness", "contrast", "saturation"])), ids=str
    )
    @pytest.mark.parametrize("x", [muted(), (muted() * 255).byte()], ids=["float", "uint8"])
    def test_is_torchvision_s(self, which, name, x):
        results = jittered(x, **{name: 0.8})
        adjust = getattr(reference, f"adjust_{name}")
        for pixels, result, change in zip(
            to_unit_floats(x), results, drawn(0.8, len(x), which), strict=True
        ):
            # Its weights of luma add up to 0.9999.
            torch.testing.assert_close(result, adjust(pixels, 1 + change), atol=2e-4, rtol=0)

    def test_turns_hue_around_the_axis_of_greys(self):
        x = muted()
        for image, result, turn in zip(x, jittered(x, hue=0.5), drawn(0.5, len(x), 3), strict=True):
            turned = Rotation.from_rotvec(np.full(3, turn * math.tau / math.sqrt(3)))
            expected = turned.apply(image.flatten(1).T.numpy()).T.reshape(image.shape)
            torch.testing.assert_close(result.double(), torch.from_numpy(expected))

    def test_a_third_of_a_turn_makes_red_green(self, monkeypatch):
        x = muted()
        almost_one = 1 - 2.0**-24
        monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, almost_one))
        turned = ColorJitter(hue=1 / 3).train(x, generator())
        torch.testing.assert_close(turned, x.roll(1, 1))
        torch.testing.assert_close(turned, reference.adjust_hue(x, 1 / 3))

    @pytest.mark.parametrize("hue", [0.02, 0.1, 0.3])
    def test_turns_hue_the_way_torchvision_does(self, hue):
        x = muted(40)
        turned = jittered(x, hue=hue)
        theirs = torch.stack(
            [reference.adjust_hue(a, b) for a, b in zip(x, drawn(hue, len(x), 3), strict=True)]
        )
        change, their_change = turned - x, theirs - x
        assert torch.cosine_similarity(change.flatten(), their_change.flatten(), 0) > 0.75
        assert 0.75 < change.norm() / their_change.norm() < 1.25

    @settings(max_examples=40, deadline=None)
    @given(amount=st.floats(0, 0.5), seed=st.integers(0, 2**32 - 1))
    def test_hue_keeps_the_mean_and_saturation_the_luma_of_each_pixel(self, amount, seed):
        x = muted()
        turned = jittered(x, seed, hue=amount)
        torch.testing.assert_close(turned.mean(1), x.mean(1), atol=1e-6, rtol=0)
        coloured = jittered(x, seed, saturation=amount)
        torch.testing.assert_close(luma(coloured), luma(x), atol=1e-6, rtol=0)

    @pytest.mark.parametrize("level", [0, 77, 255])
    def test_colours_leave_greys_as_they_are(self, level):
        x = torch.full((9, 3, 4, 4), level, dtype=torch.uint8)
        changed = jittered(x, hue=0.5, saturation=1)
        torch.testing.assert_close(changed, x / 255, atol=1e-6, rtol=0)

    def test_is_brightness_contrast_saturation_and_hue_one_after_the_other(self):
        amounts = {"brightness": 0.2, "contrast": 0.5, "saturation": 0.5, "hue": 0.2}
        one_by_one = x = muted()
        for name, amount in amounts.items():
            one_by_one = jittered(one_by_one, **{name: amount})
        torch.testing.assert_close(jittered(x, **amounts), one_by_one, atol=1e-6, rtol=0)

    def test_clamps_at_the_end_alone(self):
        # Brighter than white, then back again by contrast: nothing is lost on the way.
        x = torch.ones(200, 3, 1, 2)
        x[..., 1] = 0
        bright, contrast = (1 + torch.tensor(drawn(0.9, 200, which)) for which in (0, 1))
        expected = (bright * (1 + contrast) / 2).clamp(0, 1)
        found = jittered(x, brightness=0.9, contrast=0.9)[:, :, 0, 0]
        torch.testing.assert_close(found, expected[:, None].expand(-1, 3))
        assert ((bright > 1) & (expected < 1)).any()

    def test_with_everything_off_is_the_identity(self):
        x = floats()
        strong = ColorJitter(1, 1, 1, 0.5, p=0)
        for off in (ColorJitter(), strong):
            torch.testing.assert_close(off.train(x, generator()), x, atol=1e-6, rtol=0)

    def test_draws_factors_evenly(self):
        x = torch.full((2000, 3, 1, 1), 0.5)
        factor = jittered(x, brightness=0.4)[:, 0, 0, 0] / 0.5
        assert stats.kstest(factor.numpy(), stats.uniform(0.6, 0.8).cdf).pvalue > 1e-6

    @pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
    def test_changes_the_share_of_samples_that_is_asked_for(self, name):
        x = muted(1).expand(2000, -1, -1, -1)
        changed = (jittered(x, **{name: 0.4}, p=0.3) - x).abs().amax((1, 2, 3)) > 1e-6
        assert stats.binomtest(int(changed.sum()), len(x), 0.3).pvalue > 1e-6

    def test_the_four_change_samples_independently(self):
        x = muted(1).expand(2000, -1, -1, -1)
        jitter = ColorJitter(0.4, 0.4, 0.4, 0.4, p=0.5)
        same = (jitter.train(x, generator()) - x).abs().amax((1, 2, 3)) < 1e-6
        assert stats.binomtest(int(same.sum()), len(x), 0.5**4).pvalue > 1e-6

    @settings(max_examples=40, deadline=None)
    @given(
        amounts=st.tuples(*[st.floats(0, 1)] * 3, st.floats(0, 0.5)),
        p=st.floats(0, 1),
        shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
        as_bytes=st.booleans(),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_stays_in_range(self, amounts, p, shape, as_bytes, seed):
        x = bytes_(*shape) if as_bytes else floats(*shape)
        changed = ColorJitter(*amounts, p=p).train(x, generator(seed))
        assert changed.dtype == torch.float32
        assert changed.shape == x.shape
        assert changed.min() >= 0
        assert changed.max() <= 1

    def test_keeps_double_precision(self):
        changed = jittered(muted().double(), hue=0.1, contrast=0.2)
        assert changed.dtype == torch.float64
        torch.testing.assert_close(changed.float(), jittered(muted(), hue=0.1, contrast=0.2))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"brightness": -0.1},
            {"contrast": 1.1},
            {"saturation": float("nan")},
            {"hue": 0.6},
            {"p": 2},
        ],
        ids=str,
    )
    def test_names_the_value_that_is_out_of_range(self, wrong):
        ((name, value),) = wrong.items()
        with pytest.raises(
            VicinalError, match=rf"^[^\n]+ must lie in [^\n]+, not {value}$"
        ) as error:
            ColorJitter(**wrong)
        assert name in str(error.value) or name == "p"

    def test_knows_no_other_channels_than_red_green_and_blue(self):
        with pytest.raises(VicinalError, match="3 channels, not 1"):
            jittered(torch.rand(2, 1, 4, 4), hue=0.1)


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

    def test_no_deviation_is_zero(self):
        with pytest.raises(VicinalError, match=r"above 0, not \[0.2, 0.0\]"):
            Normalize([0.5, 0.5], [0.2, 0.0])
