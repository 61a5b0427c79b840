"""tensor: from what people have to a tensor."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from vicinal import VicinalError, tensor


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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pd.DataFrame({"a": [1], "b": ["x"]}), "the column 'b' holds "),
        (pd.Series(["x"], name="c"), "the column 'c' holds "),
        (pd.Index(["x"]), "this column holds "),
    ],
)
def test_a_table_holds_numbers(given, said):
    with pytest.raises(VicinalError, match=f"a tensor holds numbers alone, and {said}"):
        tensor(given)


def test_a_table_of_numbers_and_booleans():
    assert tensor(pd.DataFrame({"a": [2], "b": [True]})).tolist() == [[2.0, 1.0]]
