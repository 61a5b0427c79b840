"""Images in arrays: .npz files as Keras and MedMNIST have them, and MNIST's own idx files."""

import gzip

import numpy as np
import pytest
import torch

from vicinal.data.sources import load_split
from vicinal.errors import VicinalError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (10, 5, 4), dtype=np.uint8)
COLOURED = RNG.integers(0, 256, (10, 5, 4, 3), dtype=np.uint8)
CLASSES = np.arange(10) % 3


def stored(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_parts_as_keras_names_them(tmp_path):
    arrays = {"x_train": GREY, "y_train": CLASSES, "x_test": GREY[:4], "y_test": CLASSES[:4]}
    split = load_split(stored(tmp_path / "mnist.npz", **arrays))
    assert (split.vocab, split.train.labels) == (["0", "1", "2"], CLASSES.tolist())
    expected = torch.from_numpy(GREY)[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(split.train.images, expected)
    assert torch.equal(split.valid.images, expected[:4])
    assert split.notes == ["validation: the data's part test"]
    assert not split.mirrored


def test_parts_as_medmnist_names_them(tmp_path):
    arrays = {}
    for part, count in (("train", 10), ("val", 5), ("test", 6)):
        arrays |= {f"{part}_images": COLOURED[:count], f"{part}_labels": CLASSES[:count, None]}
    split = load_split(stored(tmp_path / "pathmnist.npz", **arrays))
    assert (len(split.train), len(split.valid)) == (10, 5)
    assert torch.equal(split.train.images, torch.from_numpy(COLOURED).permute(0, 3, 1, 2))
    assert split.notes == ["left alone: the part test", "validation: the data's part val"]
    assert split.mirrored


@pytest.mark.parametrize(
    ("images", "note"),
    [
        (GREY / 255, True),
        ((GREY / 255).astype(np.float32)[..., None], True),
        (GREY.astype(np.int64), False),
        (GREY[:, None], False),
    ],
)
def test_ranges_and_shapes(tmp_path, images, note):
    split = load_split(stored(tmp_path / "x.npz", X=images, y=np.array(list("abc"))[CLASSES]))
    assert split.vocab == ["a", "b", "c"]
    pixels = torch.cat([split.train.images, split.valid.images])[:, 0]
    assert sorted(map(bytes, pixels.numpy())) == sorted(map(bytes, GREY))
    assert ("pixels: values from 0 to 1, taken as 0 to 255" in split.notes) == note


def test_pixels_of_0_and_1_are_black_and_white(tmp_path):
    bits = (GREY > 127).astype(np.uint8)
    arrays = {"x_train": bits, "y_train": CLASSES, "x_test": bits[:2] * 0, "y_test": CLASSES[:2]}
    split = load_split(stored(tmp_path / "x.npz", **arrays))
    assert torch.equal(split.train.images[:, 0], torch.from_numpy(bits * 255))
    assert split.valid.images.max() == 0


def test_one_hot_labels_are_classes(tmp_path):
    split = load_split(stored(tmp_path / "x.npz", images=GREY, labels=np.eye(3)[CLASSES]))
    assert split.vocab == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": GREY - 300.0, "y": CLASSES}, "have values from -300 to -?[0-9]+:"),
        ({"x": GREY, "y": CLASSES + 0.5}, "are values such as 0.5"),
        ({"x": GREY, "y": np.ones((10, 2))}, "several of each image"),
        ({"x": GREY, "y": CLASSES[:9]}, "holds 10 images and 9 labels"),
        ({"x": GREY[:, :, 0], "y": CLASSES}, "which are no images: store rows of a table as CSV"),
        ({"a": GREY}, r"holds a \(10, 5, 4\): name arrays x_train"),
        ({"x": np.zeros((9, 5, 4, 2)), "y": CLASSES}, r"have the shape \(9, 5, 4, 2\): give grey"),
        ({"x": GREY, "y": np.array([None] * 10)}, "holds Python objects"),
        ({"x": GREY, "y_fine": CLASSES, "y_coarse": CLASSES}, "both y_fine and y_coarse for train"),
    ],
)
def test_arrays_that_are_no_images_with_a_class_each(tmp_path, arrays, reason):
    with pytest.raises(VicinalError, match=reason):
        load_split(stored(tmp_path / "x.npz", **arrays))


def test_a_folder_with_such_a_file(tmp_path):
    stored(tmp_path / "x.npz", x=GREY, y=CLASSES)
    with pytest.raises(VicinalError, match=r"holds no images, but x\.npz: give .*x\.npz itself"):
        load_split(tmp_path)


def test_a_damaged_file(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\3\4 and nothing")
    with pytest.raises(VicinalError, match=r"x\.npz cannot be read"):
        load_split(tmp_path / "x.npz")


def idx(folder, name, array, pack=gzip.compress):
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    sizes = np.array(array.shape, ">i4").tobytes()
    values = array.astype(array.dtype.newbyteorder(">")).tobytes()
    content = bytes([0, 0, kind, array.ndim]) + sizes + values
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(pack(content))


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), ("", bytes)])
@pytest.mark.parametrize("inner", ["", "MNIST/raw"])
def test_mnist_s_own_files(tmp_path, ending, pack, inner):
    labels = CLASSES.astype(np.uint8)
    folder = tmp_path / "mnist"
    for part, count in (("train", 10), ("t10k", 4)):
        idx(folder / inner, f"{part}-images-idx3-ubyte{ending}", GREY[:count], pack)
        idx(folder / inner, f"{part}-labels-idx1-ubyte{ending}", labels[:count], pack)
    split = load_split(folder)
    assert (split.train.labels, split.valid.labels) == (labels.tolist(), labels[:4].tolist())
    assert torch.equal(split.train.images[:, 0], torch.from_numpy(GREY))
    assert not split.mirrored


def test_idx_of_one_part_in_a_folder_without_a_name(tmp_path):
    idx(tmp_path / "fashion", "train-images-idx3-ubyte", GREY, bytes)
    with pytest.raises(VicinalError, match="train-images-idx3-ubyte has no labels beside it"):
        load_split(tmp_path / "fashion")
    idx(tmp_path / "fashion", "train-labels-idx1-ubyte", CLASSES.astype(np.int32), bytes)
    split = load_split(tmp_path / "fashion")
    assert (len(split.train), len(split.valid), split.mirrored) == (8, 2, True)


def test_idx_files_that_are_damaged_or_of_several_sets(tmp_path):
    folder = tmp_path / "emnist"
    for name in ("emnist-letters-train", "emnist-digits-train"):
        idx(folder, f"{name}-images-idx3-ubyte.gz", GREY)
        idx(folder, f"{name}-labels-idx1-ubyte.gz", CLASSES.astype(np.uint8))
    with pytest.raises(VicinalError, match="holds several data sets of idx, emnist-"):
        load_split(folder)
    one = tmp_path / "one"
    idx(one, "train-images-idx3-ubyte", GREY, lambda content: content[:-1])
    idx(one, "train-labels-idx1-ubyte", CLASSES.astype(np.uint8), bytes)
    with pytest.raises(VicinalError, match=r"199 bytes and names a shape of \(10, 5, 4\)"):
        load_split(one)
