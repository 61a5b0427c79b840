"""Pictures shown one by one."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import VicinalError, show_image, show_images, show_titled_image


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def drawn(axes):
    return axes.images[0].get_array()


@pytest.mark.parametrize(
    "shape", [(6, 4), (6, 4, 1), (1, 6, 4), (6, 4, 3), (3, 6, 4), (4, 6, 4), (3, 6, 3), (6, 3, 3)]
)
def test_channels_may_be_first_or_last(shape):
    axes = show_image(torch.rand(shape))
    width = 3 if shape in ((3, 6, 3), (6, 3, 3)) else 4
    assert drawn(axes).shape[:2] == (6, width)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.uint8])
def test_every_dtype(kind):
    x = (torch.rand(3, 6, 4) * (255 if kind == torch.uint8 else 1)).to(kind)
    expected = x.permute(1, 2, 0)
    expected = expected.float() if x.is_floating_point() else expected
    assert np.array_equal(drawn(show_image(x)), expected.numpy())


def test_a_pil_image_and_an_array():
    picture = Image.fromarray(np.arange(72, dtype=np.uint8).reshape(6, 4, 3))
    assert np.array_equal(drawn(show_image(picture)), np.array(picture))
    assert np.array_equal(drawn(show_image(np.array(picture))), np.array(picture))


def test_a_palette_shows_its_colours():
    picture = Image.new("RGB", (4, 6), (255, 0, 7)).convert("P")
    assert drawn(show_image(picture))[0, 0].tolist() == list(
        picture.convert("RGB").getpixel((0, 0))
    )


def test_it_is_drawn_where_it_is_asked():
    _, axs = plt.subplots(1, 2)
    assert show_image(torch.rand(6, 4, 3), ax=axs[1], title="second") is axs[1]
    assert not axs[0].images
    assert axs[1].get_title() == "second"


def test_a_batch_is_refused():
    with pytest.raises(VicinalError, match=r"not \(2, 3, 6, 4\): show one of a batch by x\[0\]"):
        show_image(torch.rand(2, 3, 6, 4))


def test_a_grid_has_a_place_for_each():
    show_images([torch.rand(6, 4)] * 5, nrows=2, titles=list("abcde"))
    titles = [axes.get_title() for axes in plt.gcf().axes]
    assert titles == ["a", "b", "c", "d", "e", ""]


def test_titles_are_as_many_as_images():
    with pytest.raises(VicinalError, match="2 titles for 1 images"):
        show_images([torch.rand(6, 4)], titles=["a", "b"])
    with pytest.raises(VicinalError, match="no images"):
        show_images([])


def test_a_titled_image_is_a_pair():
    assert show_titled_image((torch.rand(3, 6, 4), 7), figsize=(2, 2)).get_title() == "7"
    with pytest.raises(VicinalError, match=r"a pair \(picture, title\), not a Tensor"):
        show_titled_image(torch.rand(3, 6, 4))
