"""tensor: from what people have to a tensor."""

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import tensor


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([1, 2], torch.int64),
        ([0.5, 1], torch.float32),
        (np.zeros(2), torch.float32),
        (np.zeros(2, np.int32), torch.int32),
        (torch.zeros(2, dtype=torch.float64), torch.float64),
    ],
)
def test_the_dtype(given, kind):
    assert tensor(given).dtype == kind


def test_a_picture_has_its_pixels():
    pixels = np.arange(72, dtype=np.uint8).reshape(6, 4, 3)
    assert torch.equal(tensor(Image.fromarray(pixels)), torch.from_numpy(pixels))
    assert tensor(Image.fromarray(pixels[..., 0])).shape == (6, 4)


def test_several_numbers():
    assert tensor(1, 2).tolist() == [1, 2]


def test_it_shares_no_memory():
    given = torch.zeros(2)
    tensor(given)[0] = 1
    assert given.tolist() == [0, 0]
