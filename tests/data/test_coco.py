"""COCO's JSON: read as torchvision's detectors take it, and what is wrong in it named."""

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from vicinal import CocoDataset, Mosaic, VicinalError


def content():
    """Two images with three objects, of categories 3 and 90, and one image without any."""
    return {
        "images": [
            {"id": 50, "file_name": "b.png", "width": 12, "height": 10},
            {"id": 7, "file_name": "sub/a.png", "width": 8, "height": 6},
            {"id": 9, "file_name": "empty.png", "width": 5, "height": 5},
        ],
        "annotations": [
            {
                "id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4], "area": 11.5,
                "iscrowd": 0, "segmentation": [[1, 2, 4, 2, 4, 6, 1, 6]],
                "keypoints": [2, 3, 2, 0, 0, 0], "num_keypoints": 1,
            },
            {
                "id": 2, "image_id": 50, "category_id": 3, "bbox": [0, 0, 6.0, 10.4],
                "iscrowd": 1, "segmentation": {"size": [10, 12], "counts": [0, 60, 60]},
            },
            {
                "id": 3, "image_id": 50, "category_id": 90, "bbox": [8, 1, 2, 3], "area": 6,
                "iscrowd": 0, "segmentation": [[8, 1, 10, 1, 10, 4, 8, 4]],
            },
        ],
        "categories": [
            {"id": 90, "name": "toothbrush", "keypoints": ["head", "end"]},
            {"id": 3, "name": "car"},
        ],
    }  # fmt: skip


@pytest.fixture
def coco(tmp_path):
    """A function that writes images and a changed JSON, and reads both."""
    (tmp_path / "sub").mkdir()
    for one in content()["images"]:
        pixels = np.full((one["height"], one["width"], 3), one["id"], np.uint8)
        Image.fromarray(pixels).save(tmp_path / one["file_name"])

    def read(change=lambda c: None, **options):
        changed = content()
        changed = change(changed) or changed
        (tmp_path / "a.json").write_text(json.dumps(changed))
        return CocoDataset(tmp_path, tmp_path / "a.json", **options)

    read.folder = tmp_path
    return read


def test_samples_are_torchvisions(coco):
    data = coco()
    assert (len(data), data.classes, data.category_ids) == (3, ["car", "toothbrush"], [3, 90])
    image, target = data[0]
    assert image.shape == (3, 10, 12)
    assert bool((image == 50).all())
    assert target["boxes"].tolist() == [[0, 0, 6, 10], [8, 1, 10, 4]]  # clipped by what was rounded
    assert (target["boxes"].format.value, target["boxes"].canvas_size) == ("XYXY", (10, 12))
    assert target["labels"].tolist() == [1, 2]
    assert target["iscrowd"].tolist() == [1, 0]
    assert target["area"].tolist() == pytest.approx([62.4, 6])
    assert int(target["image_id"]) == 50
    _, target = data[2]
    assert (target["boxes"].shape, target["labels"].dtype) == ((0, 4), torch.int64)


def test_masks_and_keypoints(coco):
    pytest.importorskip("pycocotools")
    data = coco(masks=True, keypoints=True)
    _, target = data[0]
    assert target["masks"].sum((1, 2)).tolist() == [60, 6]
    assert bool(target["masks"][0, :, :6].all())  # run lengths go down the columns
    assert bool(target["masks"][1, 1:4, 8:10].all())
    assert not target["keypoints"].any()
    _, target = data[1]
    assert target["keypoints"].tolist() == [[[2, 3, 2], [0, 0, 0]]]
    assert [data[2][1][name].shape for name in ("masks", "keypoints")] == [(0, 5, 5), (0, 2, 3)]


def test_compressed_run_lengths(coco):
    mask = pytest.importorskip("pycocotools.mask")
    wanted = np.zeros((10, 12), np.uint8, order="F")
    wanted[2:7, 3:9] = 1
    encoded = mask.encode(wanted)
    encoded["counts"] = encoded["counts"].decode()
    data = coco(lambda c: c["annotations"][1].update(segmentation=encoded), masks=True)
    assert torch.equal(data[0][1]["masks"][0].as_subclass(torch.Tensor), torch.tensor(wanted))


def test_transforms_and_mixers_take_the_samples(coco):
    pytest.importorskip("pycocotools")
    transforms = v2.Compose([v2.Resize((20, 24)), v2.ToDtype(torch.float32, scale=True)])
    data = coco(masks=True, transforms=transforms)
    images, targets = zip(*[data[i] for i in (0, 1, 2)], strict=True)
    assert targets[0]["boxes"][1].tolist() == [16, 2, 20, 8]
    images, targets = Mosaic(seed=0)(images, targets)
    assert [tuple(image.shape) for image in images] == [(3, 20, 24)] * 3
    assert all(target["boxes"].canvas_size == (20, 24) for target in targets)
    assert [int(target["image_id"]) for target in targets] == [50, 7, 9]


def test_pictures_are_turned_only_where_the_file_says_so(coco):
    exif = Image.Exif()
    exif[274] = 6  # turn by a quarter
    pixels = np.arange(60, dtype=np.uint8).reshape(6, 10)
    Image.fromarray(pixels).save(coco.folder / "turned.png", exif=exif)
    change = {"file_name": "turned.png", "width": 10, "height": 6}

    def stored(c):
        c["images"] = [{"id": 7, **change}]
        c["annotations"] = c["annotations"][:1]

    def upright(c):
        stored(c)
        c["images"][0].update(width=6, height=10)

    assert torch.equal(coco(stored)[0][0][0].as_subclass(torch.Tensor), torch.tensor(pixels))
    turned = torch.tensor(np.rot90(pixels, -1).copy())
    assert torch.equal(coco(upright)[0][0][0].as_subclass(torch.Tensor), turned)


def annotation(**fields):
    return lambda c: c["annotations"][2].update(fields)


WRONG = [
    (annotation(bbox=[8, 1, 9, 3]), r"number 3 has the bbox \[8, 1, 9, 3\] .* outside of b.png, "),
    (annotation(bbox=[-3, 1, 4, 3]), "outside of b.png, which has 12 x 10 pixels"),
    (annotation(bbox=[8, 1, -2, 3]), r"the bbox \[8, 1, -2, 3\], which has no width or no height"),
    (annotation(bbox=[8, 1, 2]), r"the bbox \[8, 1, 2\], which is not four finite numbers"),
    (annotation(bbox=[8, 1, float("nan"), 2]), "which is not four finite numbers"),
    (annotation(category_id=5), "has category 5, which is not among the categories"),
    (annotation(image_id=5), "is of image 5, which is not among the images"),
    (annotation(segmentation=[[1, 2, 3]]), r"polygon that is not three or more points .*: \[1"),
    (annotation(segmentation={"size": [9, 9], "counts": [81]}), r"mask of the size \[9, 9\], but"),
    (annotation(segmentation={"size": [10, 12], "counts": [9, 9]}), "do not add up to the 10 x 12"),
    (annotation(segmentation={"size": [10, 12], "counts": None}), "has a mask without counts"),
    (annotation(area=None), "has the area None, which is no number of 0 or more"),
    (annotation(area=float("nan")), "has the area nan"),
    (annotation(iscrowd=None), "has iscrowd None, which is neither 0 nor 1"),
    (annotation(image_id=[7]), r"is of image \[7\], which is not among"),
    (annotation(segmentation=[]), "has no segmentation"),
    (annotation(keypoints=[1, 2, 2]), "has 3 numbers of keypoints, not 3 for each of 2 names"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_annotation_is_named_and_counted_or_left_out(coco, change, message):
    pytest.importorskip("pycocotools")
    with pytest.raises(VicinalError, match=rf"^1 of 3 annotations in .*{message}") as caught:
        coco(change, masks=True, keypoints=True)
    assert "invalid='skip'" in str(caught.value)
    data = coco(change, masks=True, keypoints=True, invalid="skip")
    assert (len(data), len(data[0][1]["boxes"])) == (3, 1)
    assert "1 of 3 annotations" in data.left_out[0]


def test_missing_images_are_counted_or_left_out(coco):
    (coco.folder / "b.png").unlink()
    with pytest.raises(VicinalError, match=r"1 of 3 images of .* are missing: .*b.png does not ex"):
        coco()
    data = coco(invalid="skip")
    assert [int(data[i][1]["image_id"]) for i in range(len(data))] == [7, 9]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [1], "has no list of images and of annotations and of categories, but a list"),
        (lambda c: {"info": 1, "images": []}, "no list of annotations and of categories, but info"),
        (lambda c: c["images"][1].pop("height"), "has an image without an id, a file_name, or"),
        (lambda c: c["images"].append(c["images"][0]), "has two images of the id 50"),
        (lambda c: c["categories"].append({"id": 3}), "has several categories of one id"),
        (lambda c: c["categories"].append({"name": "x"}), "has a category without an id"),
    ],
)
def test_a_file_that_is_not_cocos_is_named(coco, change, message):
    with pytest.raises(VicinalError, match=message):
        coco(lambda c: changed if isinstance(changed := change(c), dict | list) else None)


def test_files_that_cannot_be_read(coco):
    with pytest.raises(VicinalError, match=r"there is no file .*none.json"):
        CocoDataset(coco.folder, coco.folder / "none.json")
    (coco.folder / "bad.json").write_text("{")
    with pytest.raises(VicinalError, match=r"bad.json cannot be read as JSON"):
        CocoDataset(coco.folder, coco.folder / "bad.json")
    with pytest.raises(ValueError, match="invalid must be 'raise' or 'skip'"):
        coco(invalid="ignore")
    data = coco()
    (coco.folder / "b.png").write_bytes(b"no picture")
    with pytest.raises(VicinalError, match=r"b.png cannot be decoded"):
        data[0]
    Image.new("RGB", (3, 4)).save(coco.folder / "b.png")
    with pytest.raises(VicinalError, match=r"has 3 x 4 pixels, but the annotations say 12 x 10"):
        data[0]


def test_masks_need_pycocotools(coco, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(VicinalError, match=r"need pycocotools: pip install 'vicinal\[coco\]', or"):
        coco(masks=True)
    assert len(coco()) == 3


def test_keypoints_that_transforms_leave_behind_are_named(coco):
    _, target = coco(keypoints=True, transforms=v2.ToDtype(torch.float32, scale=True))[1]
    assert target["keypoints"].tolist() == [[[2, 3, 2], [0, 0, 0]]]
    with pytest.raises(VicinalError, match=r"moved the boxes of a.png, but not its keypoints"):
        coco(keypoints=True, transforms=v2.RandomHorizontalFlip(1.0))[1]


def test_images_of_more_than_8_bits_are_not_clipped(coco):
    Image.fromarray(np.full((10, 12), 4000, np.uint16)).save(coco.folder / "b.png")
    with pytest.raises(VicinalError, match=r"b.png cannot be decoded .* more than 8 bits a pixel"):
        coco()[0]


def test_ids_may_be_text(coco):
    def change(c):
        for one in c["images"]:
            one["id"] = str(one["id"])
        for one in c["annotations"]:
            one["image_id"] = str(one["image_id"])

    assert coco(change)[0][1]["image_id"] == "50"
