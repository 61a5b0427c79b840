"""The samples of loaders one by one, and batches of samples to predict."""

import numpy as np
import pandas as pd
import pytest
import torch

from vicinal import (
    CategoryBlock,
    ColReader,
    DataBlock,
    DataLoaders,
    ImageBlock,
    ImageDataLoaders,
    IndexSplitter,
    PILImage,
    Resize,
    get_image_files,
)
from vicinal.errors import VicinalError

from .pictures import noise, write


@pytest.fixture
def pets(tmp_path):
    return write(tmp_path, **{f"{'pc'[i % 2]}_{i}": noise(8, 9 + i, seed=i) for i in range(8)})


@pytest.fixture
def dls(pets):
    block = DataBlock(
        (ImageBlock, CategoryBlock),
        get_y=lambda file: file.name[0],
        splitter=IndexSplitter([1, 2]),
        item_tfms=Resize(6),
    )
    return block.dataloaders(pets, pets, bs=2, device="cpu")


def test_a_part_is_a_sequence_of_stored_samples(dls, pets):
    files = get_image_files(pets)
    assert [len(dls.train_ds), len(dls.valid_ds)] == [6, 2]
    assert dls.valid_ds.items == [files[1], files[2]]
    image, label = dls.valid_ds[-1]
    assert isinstance(image, PILImage)
    assert image.size == (9 + int(files[2].stem[2:]), 8)  # as it is stored
    assert dls.vocab[label] == files[2].name[0]
    assert [int(y) for _, y in dls.valid_ds] == dls.valid.dataset.y.tolist()
    assert len(dls.train_ds[1:3]) == 2
    with pytest.raises(IndexError, match="has 2 samples, so none at 2"):
        dls.valid_ds[2]
    assert dls.path == pets


def test_parts_of_tensors():
    x, y = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 0, 1, 0, 1])
    dls = DataLoaders.from_tensors(x, y, x, y, bs=2, device="cpu")
    assert dls.train_ds[2][0].tolist() == [4.0, 5.0]
    assert dls.train_ds[1][1] == 1


def test_batches_of_files_are_those_of_validation(dls, pets):
    files = list(dls.valid_ds.items)
    ((x, y),) = dls.test_dl(files, bs=8)
    assert y is None
    assert torch.equal(x, next(iter(dls.valid))[0])
    assert [len(x) for x, _ in dls.test_dl(get_image_files(pets), bs=3)] == [3, 3, 2]
    with pytest.raises(VicinalError, match="no sample to predict"):
        dls.test_dl([])


def test_batches_with_labels(dls):
    ((_, y),) = dls.test_dl(dls.valid_ds.items, bs=8, with_labels=True)
    assert torch.equal(y, next(iter(dls.valid))[1])


def test_labels_of_other_classes_are_named(dls, tmp_path):
    write(tmp_path / "more", x_1=noise(seed=9))
    with pytest.raises(VicinalError, match=r"gives 'x' for .*x_1\.png, which is none of .*: c, p"):
        dls.test_dl(get_image_files(tmp_path / "more"), with_labels=True)


def test_rows_of_a_data_frame_are_read_as_in_training(pets):
    files = get_image_files(pets)
    frame = pd.DataFrame({"name": [f.stem for f in files], "kind": [i % 2 for i in range(8)]})
    block = DataBlock(
        get_x=ColReader("name", pref=pets, suff=".png"),
        get_y=ColReader("kind"),
        splitter=IndexSplitter([0, 1]),
        item_tfms=Resize(6),
    )
    dls = block.dataloaders(frame, bs=2, device="cpu")
    ((x, y),) = dls.test_dl(frame.iloc[:2], bs=4, with_labels=True)
    seen, target = next(iter(dls.valid))
    assert torch.equal(x, seen)
    assert torch.equal(y, target)
    assert torch.equal(next(iter(dls.test_dl(files[:2])))[0], seen)  # files, too


def test_labels_of_loaders_by_their_short_names(pets, tmp_path):
    dls = ImageDataLoaders.from_name_re(pets, r"(.)_\d", size=6, bs=2, seed=0, device="cpu")
    files = get_image_files(pets)
    y = torch.cat([y for _, y in dls.test_dl(files, with_labels=True)])
    assert [dls.vocab[i] for i in y] == [file.name[0] for file in files]
    write(tmp_path / "more", **{f"{'ab'[i % 2]}__{i}": noise(seed=i) for i in range(6)})
    dls = ImageDataLoaders.from_folder(tmp_path / "more", bs=2, seed=0, device="cpu")
    ((_, y),) = dls.test_dl(dls.valid_ds.items, with_labels=True)
    assert torch.equal(y, next(iter(dls.valid))[1])


def test_files_are_read_also_where_the_training_had_pairs_or_names(pets):
    files = get_image_files(pets)
    how = {"item_tfms": Resize(6), "bs": 2, "seed": 0, "device": "cpu"}
    labels = [file.name[0] for file in files]
    lists = ImageDataLoaders.from_lists(pets, files, labels, **how)
    names = DataBlock(
        get_x=lambda name: pets / name, get_y=lambda name: name[0], item_tfms=Resize(6)
    ).dataloaders([file.name for file in files], bs=2, device="cpu")
    expected = torch.cat([x for x, _ in lists.test_dl(files)])
    for dls, items in (
        (lists, list(zip(files, labels, strict=True))),
        (names, files),
        (names, [file.name for file in files]),
    ):
        assert torch.equal(torch.cat([x for x, _ in dls.test_dl(items)]), expected)


def test_loaders_without_a_block_know_no_labels():
    x, y = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])
    dls = DataLoaders.from_tensors(x, y, x, y, bs=2, device="cpu")
    with pytest.raises(VicinalError, match="loaders of a DataBlock alone"):
        dls.test_dl(x, with_labels=True)


def test_arrays_are_images(dls):
    image = PILImage.create(np.full((4, 5), 7, np.uint8))
    assert (image.size, image.mode, image.getpixel((0, 0))) == ((5, 4), "RGB", (7, 7, 7))
    assert PILImage.create(torch.zeros(3, 4, 5, dtype=torch.uint8)).size == (5, 4)
    assert PILImage.create(dls.valid_ds.items[0]).to_thumb(4).height <= 4
    with pytest.raises(VicinalError, match="pixels are uint8, from 0 to 255, not float32"):
        PILImage.create(torch.zeros(3, 4, 5))
    with pytest.raises(VicinalError, match=r"missing\.png cannot be read"):
        PILImage.create("missing.png")


def test_an_array_is_predicted_as_the_image_of_its_pixels(dls):
    image = PILImage.create(dls.valid_ds.items[0])
    pixels = np.array(image)
    assert torch.equal(dls.test_batch([pixels, pixels[..., 0]])[0], dls.test_batch([image])[0])
    with pytest.raises(
        VicinalError, match=r"^an image of ndarray cannot be read: pixels are uint8, .* float64: co"
    ):
        dls.test_batch([pixels / 255])
    with pytest.raises(VicinalError, match=r"^an image of bytes cannot be read"):
        dls.test_batch([b"no image"])
