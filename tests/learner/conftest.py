"""Small data and real photos for the learner's tests."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from vicinal import DataLoaders


@pytest.fixture
def dls():
    """Two classes in the plane that a line can part."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(250, 2, generator=g)
    y = (x[:, 0] + x[:, 1] > 0).long()
    return DataLoaders.from_tensors(x[:200], y[:200], x[200:], y[200:], bs=20, device="cpu")


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of real photos, named as the Oxford pets are: crops of the two of scikit-learn."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
        for number in range(48):
            top, left = generator.integers(0, (427 - 240, 640 - 300))
            crop = photo[top : top + 240, left : left + 300]
            Image.fromarray(crop).save(folder / f"{name}_{number}.jpg")
    return folder
