"""What is erased: rectangles, their statistics, and what fills them.

Statistical tests reject what is right with a probability of one in a million each, were the seeds
drawn anew.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vicinal.data.augment import IMAGENET_STATS, Normalize, RandomErasing
from vicinal.errors import VicinalError

from .batches import bytes_, floats, generator


def rectangles(count, height, width, seed=0, **arguments):
    """(count, 4): height, width, top and left of what is erased of white images."""
    white = torch.full((1, 1, 1, 1), 255, dtype=torch.uint8).expand(count, 1, height, width)
    erasing = RandomErasing(**{"p": 1, "mean": [0.0], "std": [0.0], **arguments})
    erased = erasing.train(white, generator(seed))[:, 0] == 0
    rows, columns = erased.any(2), erased.any(1)
    # What is erased is all that lies between the first and the last row and column.
    assert torch.equal(erased, rows[:, :, None] & columns[:, None, :])
    for line in (rows, columns):
        assert line.int().diff(dim=1, prepend=torch.zeros(count, 1)).eq(1).sum(1).le(1).all()
    firsts = [line.int().argmax(1) for line in (rows, columns)]
    return torch.stack([rows.sum(1), columns.sum(1), *firsts], 1)


class TestRectangles:
    def test_areas_and_aspect_ratios_are_drawn_evenly(self):
        # All these areas fit with all these ratios; pixels are small beside them.
        height, width = rectangles(1500, 300, 300, scale=(0.05, 0.3), ratio=(0.5, 3))[:, :2].T
        area, ratio = (height * width / 300**2), (height / width)
        assert stats.kstest(area.numpy(), stats.uniform(0.05, 0.25).cdf).pvalue > 1e-6
        log = stats.uniform(math.log(0.5), math.log(6)).cdf
        assert stats.kstest(ratio.log().numpy(), log).pvalue > 1e-6
        assert abs(stats.spearmanr(area, ratio).statistic) < 5 / math.sqrt(1500)

    @pytest.mark.parametrize("p", [0.5, 1])
    def test_places_are_drawn_evenly(self, p):
        places = rectangles(3000, 8, 10, p=p, scale=(0.2, 0.2), ratio=(1, 1))
        places = places[places[:, 0] > 0]
        assert places[:, :2].unique(dim=0).tolist() == [[4, 4]]
        found = torch.bincount(places[:, 2] * 7 + places[:, 3], minlength=5 * 7)
        assert len(found) == 5 * 7
        assert stats.chisquare(found).pvalue > 1e-6

    @pytest.mark.parametrize("p", [0, 0.25, 1])
    def test_are_of_the_share_of_images_that_is_asked_for(self, p):
        erased = (rectangles(3000, 8, 8, p=p, scale=(0.1, 0.3))[:, 0] > 0).sum()
        assert stats.binomtest(int(erased), 3000, p).pvalue > 1e-6

    @pytest.mark.parametrize(
        ("shape", "rectangle"), [((8, 64), [8, 32]), ((64, 8), [32, 8]), ((16, 16), [11, 11])]
    )
    def test_a_ratio_that_does_not_fit_gives_way_to_the_area(self, shape, rectangle):
        found = rectangles(50, *shape, scale=(0.5, 0.5), ratio=(1, 1))
        assert found[:, :2].unique(dim=0).tolist() == [rectangle]

    def test_ratios_are_drawn_evenly_from_those_that_fit(self):
        height, width = rectangles(1500, 200, 200, scale=(0.64, 0.64), ratio=(0.1, 1))[:, :2].T
        fitting = stats.uniform(math.log(0.64), -math.log(0.64)).cdf
        assert stats.kstest((height / width).log().numpy(), fitting).pvalue > 1e-6

    def test_all_of_an_image_may_be_erased(self):
        assert rectangles(1, 5, 9, scale=(1, 1)).tolist() == [[5, 9, 0, 0]]

    @settings(max_examples=80, deadline=None)
    @given(
        count=st.integers(1, 5),
        shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
        scale=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
        ratio=st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)).map(sorted),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_have_an_area_in_range_but_for_rounding(self, count, shape, scale, ratio, seed):
        height, width = rectangles(count, *shape, seed, scale=scale, ratio=ratio)[:, :2].T
        # Each side is off by half a pixel, at the most.
        most = (height - 0.5).clamp(min=0) * (width - 0.5).clamp(min=0)
        least = (height + 0.5) * (width + 0.5)
        assert ((most <= scale[1] * math.prod(shape) + 1e-3) | (height * width == 0)).all()
        assert ((least >= scale[0] * math.prod(shape) - 1e-3) | (height * width == 0)).all()


class TestFill:
    @pytest.mark.parametrize("x", [floats(50), bytes_(50)], ids=["float", "uint8"])
    def test_what_lies_outside_stays(self, x):
        mean = [0.25, 0.5, 0.75]
        filled = RandomErasing(1, mean=mean).train(x, generator())
        assert filled.dtype == x.dtype
        colour = torch.tensor(mean) if x.is_floating_point() else torch.tensor([64, 128, 191])
        erased = (filled == colour[:, None, None]).all(1, keepdim=True)
        assert torch.equal(filled.where(~erased, 0), x.where(~erased, 0))
        assert erased.any((1, 2, 3)).all()
        assert erased.float().mean((1, 2, 3)).max() < 0.4

    @pytest.mark.parametrize(("level", "byte"), [(0, 0), (1, 255)])
    def test_may_be_black_or_white(self, level, byte):
        filled = RandomErasing(1, scale=(1, 1), mean=[level] * 3).train(bytes_(), generator())
        assert filled.unique().tolist() == [byte]

    def test_the_mean_becomes_zero(self):
        whole = RandomErasing(1, scale=(1, 1)).train(floats(), generator())
        normalised = Normalize(*IMAGENET_STATS).valid(whole)
        torch.testing.assert_close(normalised, torch.zeros_like(normalised), atol=1e-6, rtol=0)

    @pytest.mark.parametrize("x", [floats(2, 64), bytes_(2, 64)], ids=["float", "uint8"])
    def test_noise_is_normal_for_each_channel(self, x):
        mean, std = [0.4, 0.5, 0.6], [0.02, 0.05, 0.08]
        whole = RandomErasing(1, scale=(1, 1), mean=mean, std=std).train(x, generator())
        assert whole.dtype == x.dtype
        values = whole[0].double() if x.is_floating_point() else whole[0] / 255
        values = (values - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        if x.is_floating_point():
            assert stats.kstest(values.flatten().numpy(), stats.norm.cdf).pvalue > 1e-6
        assert values.mean().abs() < 5 / math.sqrt(values.numel())
        assert 0.96 < values.std() < 1.04
        channels = torch.corrcoef(values.flatten(1).float()) - torch.eye(3)
        assert channels.abs().max() < 5 / 64

    def test_noise_is_clamped(self):
        noisy = RandomErasing(1, scale=(1, 1), std=[3.0] * 3)
        for x in (floats(), bytes_()):
            filled = noisy.train(x, generator())
            assert filled.min() == 0
            assert filled.max() == (1 if x.is_floating_point() else 255)

    def test_noise_is_another_one_in_the_next_batch(self):
        noisy, draws = RandomErasing(1, scale=(1, 1), std=[0.2] * 3), generator()
        first, second = (noisy.train(floats(1), draws) for _ in range(2))
        assert not torch.isclose(first, second).any(1).all()

    def test_noise_leaves_the_rectangles_where_they_are(self):
        x = floats(20)
        constant, noisy = (
            RandomErasing(0.5, std=[s] * 3).train(x, generator()) for s in (0.0, 0.2)
        )
        assert torch.equal((constant != x).any(1), (noisy != x).any(1))

    def test_greys_are_filled_with_one_number(self):
        filled = RandomErasing(1, scale=(1, 1), mean=[0.3], std=[0]).train(
            torch.rand(2, 1, 4, 4), generator()
        )
        torch.testing.assert_close(filled, torch.full((2, 1, 4, 4), 0.3))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"p": -0.1}, "not -0.1"),
        ({"p": float("nan")}, "not nan"),
        ({"scale": (0.5, 0.1)}, r"scale .* not \(0.5, 0.1\)"),
        ({"scale": (0.5, 1.1)}, r"scale .* not \(0.5, 1.1\)"),
        ({"ratio": (0, 1)}, r"ratio .* not \(0, 1\)"),
        ({"ratio": (1, math.inf)}, r"ratio .* not \(1, inf\)"),
        ({"ratio": (2, 1)}, r"ratio .* not \(2, 1\)"),
        ({"mean": [0, 0, 124]}, r"mean .* not \[0, 0, 124\]"),
        ({"std": [0.1, -0.1, 0.1]}, r"std .* not \[0.1, -0.1, 0.1\]"),
        ({"std": [0.1]}, "std must have 3 values, as the mean, not 1"),
    ],
    ids=str,
)
def test_the_value_that_is_out_of_range_is_named(wrong, message):
    with pytest.raises(VicinalError, match=message):
        RandomErasing(**wrong)


def test_images_have_the_channels_of_the_fill():
    with pytest.raises(VicinalError, match="3 channels have as many, not 1"):
        RandomErasing(1).train(torch.rand(2, 1, 4, 4), generator())
