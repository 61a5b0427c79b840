"""Masks as they are stored."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import VicinalError
from vicinal.data.images import read_image
from vicinal.data.resizing import METHODS, Resizing
from vicinal.data.stored_masks import StoredMasks, read_mask

CLASSES = np.arange(12, dtype=np.uint8).reshape(3, 4)
NAMES = [str(index) for index in range(12)]


def palette():
    image = Image.fromarray(CLASSES).convert("P")
    image.putdata(CLASSES.flatten().tolist())
    image.putpalette([200, 10, 30] * 256)
    return image


def encoded():
    stream = io.BytesIO()
    Image.fromarray(CLASSES).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    "mask",
    [
        CLASSES,
        torch.tensor(CLASSES),
        Image.fromarray(CLASSES),
        Image.fromarray(CLASSES.astype(np.uint16)),
        Image.fromarray(np.stack([CLASSES] * 3, axis=-1)),
        palette(),
        encoded(),
    ],
    ids=["array", "tensor", "grey", "16 bits", "grey as colour", "palette", "bytes"],
)
def test_a_mask_has_the_same_classes_however_it_is_stored(mask):
    assert read_mask(mask, None, "a mask").equal(torch.tensor(CLASSES).long())


def test_a_file_is_read(tmp_path):
    palette().save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", None, "a mask").equal(torch.tensor(CLASSES).long())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (12, 12), (3, 9)])
def test_a_mask_is_resized_as_its_image(method, shape):
    classes = np.zeros((24, 18), dtype=np.uint8)
    classes[5:15, 3:12] = 1
    image = Image.fromarray(classes * 255).convert("RGB")
    resizing = Resizing(*shape, method)
    read = read_image(image, resizing)[0].float() / 255
    mask = read_mask(classes, resizing, "a mask")
    assert mask.shape == read.shape == shape
    sure = (read < 0.2) | (read > 0.8)  # others are at the border
    assert sure.float().mean() > 0.5
    assert mask[sure].equal((read > 0.5).long()[sure])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Image.new("RGB", (4, 3), (1, 2, 3)), "has colours"),
        (np.zeros((3, 4)) + 0.5, "no indices of classes"),
        (np.zeros((3, 4)) - 1, "no indices of classes"),
        (np.zeros(3), "shape"),
        (b"nothing", "cannot be read"),
    ],
)
def test_what_is_no_mask_is_refused(mask, message):
    with pytest.raises(VicinalError, match=f"that mask .*{message}|that mask has"):
        read_mask(mask, None, "that mask")


def test_masks_are_read_once(tmp_path):
    files = [tmp_path / f"{row}.png" for row in range(3)]
    for row, file in enumerate(files):
        Image.fromarray(CLASSES // (row + 1)).save(file)
    stored = StoredMasks(files, None, NAMES)
    first = stored(torch.tensor([2, 0]))
    assert first.dtype == torch.int64
    assert first[1].equal(torch.tensor(CLASSES).long())
    files[0].unlink()
    assert stored(torch.tensor([0, 1, 2]))[[2, 0]].equal(first)


def test_masks_that_memory_does_not_hold_are_read_each_time(tmp_path, monkeypatch):
    from vicinal.data import stored_masks

    Image.fromarray(CLASSES).save(tmp_path / "0.png")
    monkeypatch.setattr(
        stored_masks.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1})
    )
    stored = StoredMasks([tmp_path / "0.png"] * 2, None, NAMES)
    assert stored(torch.tensor([1, 0, 1])).shape == (3, 3, 4)
    (tmp_path / "0.png").unlink()
    with pytest.raises(VicinalError, match="cannot be read"):
        stored(torch.tensor([1]))


def test_pixels_without_a_class_stay():
    mask = np.array([[0, 255]], dtype=np.uint8)
    assert StoredMasks([mask], None, ["a", "b"])(torch.tensor([0])).tolist() == [[[0, 255]]]


def test_classes_without_a_name_are_refused():
    stored = StoredMasks([np.array([[0, 1]]), np.array([[0, 7]])], None, ["sky", "sea"])
    with pytest.raises(VicinalError, match="mask 1 holds the class 7, and codes names 2"):
        stored(torch.tensor([0, 1]))


def test_masks_of_several_sizes_are_refused():
    stored = StoredMasks([np.zeros((2, 3), int), np.zeros((3, 3), int)], None, ["sky", "sea"])
    with pytest.raises(VicinalError, match="mask 1 has 3x3 pixels, another mask 2x3"):
        stored(torch.tensor([0, 1]))
