"""Progressive resizing: what the network sees, epoch by epoch."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import DataLoaders, Learner, MixUp, ProgressiveResizing, VicinalError


class Sizes(nn.Module):
    """Records the sides of its inputs."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.seen = {True: [], False: []}

    def forward(self, x):
        self.seen[self.training].append(x.shape[-1])
        if self.training:
            self.last = x
        return self.head(x.mean(dim=(2, 3)))


def learner(**kwargs):
    x = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    y = torch.arange(8) % 2
    return Learner(DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu"), Sizes(), **kwargs)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(0.5, 8), (0.25, 12)], [8, 8, 12, 16]),
        ([(1.0, 8)], [8, 8, 8, 8]),
        ([(0.5, 24)], [16, 16, 16, 16]),  # nothing is enlarged
        ([], [16, 16, 16, 16]),
    ],
)
def test_images_are_resized_only_in_training(sizes, expected):
    learn = learner(cbs=[ProgressiveResizing(sizes), MixUp(seed=0)])
    learn.fit(4, 0.0)
    assert learn.model.seen[True] == expected
    assert learn.model.seen[False] == [16] * 4


def test_they_are_resized_with_antialiasing():
    learn = learner(cbs=ProgressiveResizing([(1.0, 8)]))
    x, _ = learn.dls.one_batch()
    learn.fit(1, 0.0)
    expected = F.interpolate(x, (8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(learn.model.last, expected)


def test_images_that_are_not_square_keep_their_aspect_ratio():
    resizing = ProgressiveResizing([(1.0, 8)])
    learn = SimpleNamespace(training=True, epoch=0, epochs=1, x=torch.rand(2, 3, 32, 12))
    resizing.before_batch(learn)
    assert learn.x.shape == (2, 3, 21, 8)


def test_fractions_that_sum_to_one_up_to_rounding():
    shares = [0.05, 0.55, 0.3, 0.1]
    assert shares[0] + shares[1] + shares[2] + shares[3] > 1  # sum() is exact from Python 3.12 on
    assert ProgressiveResizing([(share, 8) for share in shares]).side(9, 10) == 8


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ([(0.7, 8), (0.7, 12)], r"sum to 1 at most, not \[0.7, 0.7\]"),
        ([(0, 8)], r"must be in \(0, 1\]"),
        ([(0.5, 0)], r"sides must be 1 pixel or more, not \[0\]"),
    ],
)
def test_impossible_sizes_are_refused(sizes, sentence):
    with pytest.raises(VicinalError, match=sentence):
        ProgressiveResizing(sizes)
