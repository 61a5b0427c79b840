"""Well-known data sets with masks are read as they unpack."""

import pytest

from mask_layouts import LAYOUTS, ade20k, cityscapes, mask, picture, text, voc
from vicinal import VicinalError
from vicinal.data.cityscapes import CLASSES
from vicinal.data.sources import load_split

FOUND = {
    "Cityscapes": ([*CLASSES.values()], 3, 2),
    "ADE20K": (["wall", "building, edifice", "sky", "floor, flooring"], 4, 2),
    "VOC": (["0", "1", "2"], 3, 2),
    "pets": (["1", "2", "3"], 4, 1),
    "CamVid": (["0", "1", "2", "11"], 4, 2),
    "CamVid in colours": (["Animal", "Archway"], 4, 2),
}


def notes_of(split, name):
    return [each.partition(": ")[2] for each in split.notes if each.startswith(f"{name}: ")]


@pytest.mark.parametrize("name", LAYOUTS)
def test_as_they_unpack(tmp_path, name):
    LAYOUTS[name](tmp_path)
    split = load_split(tmp_path, seed=1)
    assert split.kind == "masks"
    assert (split.vocab, len(split.train), len(split.valid)) == FOUND[name]
    for part in (split.train, split.valid):
        for image, row in zip(part.images, part.labels, strict=True):
            plain = image.stem.removesuffix("_leftImg8bit")
            assert split.masks[row].stem.startswith(plain)
            assert split.masks[row] != image


class TestCityscapes:
    def test_ids_are_classes_and_the_rest_is_void(self, tmp_path):
        cityscapes(tmp_path, train_ids=True)
        split = load_split(tmp_path)
        assert all(mask.stem.endswith("_gtFine_labelIds") for mask in split.masks)
        assert list(split.form.values) == [*CLASSES]
        assert split.form.classes(split.masks[0]).flatten()[:4].tolist() == [255, 0, 13, 18]
        (beside, part) = notes_of(split, "left alone")
        assert beside.startswith("18 images beside the masks, such as ")
        assert part == "the part test, 1 image"

    def test_train_ids_alone(self, tmp_path):
        cityscapes(tmp_path, train_ids=True)
        for file in tmp_path.rglob("*_labelIds.png"):
            file.unlink()
        split = load_split(tmp_path)
        assert split.vocab == [*CLASSES.values()]
        assert list(split.form.values) == [*range(19)]
        assert split.form.classes(split.masks[0]).flatten()[:4].tolist() == [255, 0, 13, 18]

    def test_fine_masks_go_before_coarse_ones(self, tmp_path):
        cityscapes(tmp_path)
        for file in [*(tmp_path / "gtFine").rglob("*_labelIds.png")]:
            mask(
                tmp_path / "gtCoarse" / file.relative_to(tmp_path / "gtFine").parent
                / file.name.replace("Fine", "Coarse"), [0, 7],
            )  # fmt: skip
        assert all("gtFine" in file.name for file in load_split(tmp_path).masks)

    def test_in_the_folders_of_its_archives(self, tmp_path):
        cityscapes(tmp_path)
        for name in ("leftImg8bit", "gtFine"):
            (tmp_path / name).rename(tmp_path / f"{name}_trainvaltest")
        assert len(load_split(tmp_path).train) == 3

    def test_an_own_legend_goes_before(self, tmp_path):
        cityscapes(tmp_path)
        (tmp_path / "codes.txt").write_text("\n".join(f"class {n}" for n in range(34)))
        assert len(load_split(tmp_path).vocab) == 34

    def test_an_image_without_a_mask_is_named(self, tmp_path):
        cityscapes(tmp_path)
        picture(tmp_path / "leftImg8bit/train/aachen/aachen_000009_000019_leftImg8bit.png", 99)
        with pytest.raises(VicinalError, match=r"1 image without a mask \(.*aachen_000009"):
            load_split(tmp_path)


class TestLists:
    def test_several_years_are_one_data_set(self, tmp_path):
        """And not classes of their own: the years would be learned."""
        voc(tmp_path)
        voc(tmp_path, "VOC2007")
        for file in (tmp_path / "VOCdevkit/VOC2007/ImageSets/Segmentation").glob("*.txt"):
            file.write_text(file.read_text().replace("2007_000000\n", ""))
        split = load_split(tmp_path)
        assert (split.kind, len(split.train), len(split.valid)) == ("masks", 5, 4)
        for part in (split.train, split.valid):
            for image, row in zip(part.images, part.labels, strict=True):
                assert split.masks[row].parent.parent == image.parent.parent
        lists = [f"VOCdevkit/VOC{year}/ImageSets/Segmentation" for year in (2007, 2012)]
        assert notes_of(split, "left alone")[0] == f"9 images in no list of {' or '.join(lists)}"

    def test_images_that_no_list_names_are_left_alone(self, tmp_path):
        voc(tmp_path)
        split = load_split(tmp_path)
        unlisted, instances = notes_of(split, "left alone")
        assert unlisted == "4 images in no list of VOCdevkit/VOC2012/ImageSets/Segmentation"
        assert instances.startswith("5 images in folders without counterparts")
        assert [image.stem for image in split.train.images] == [f"2007_{n:06d}" for n in range(3)]
        assert [image.stem for image in split.valid.images] == ["2007_000003", "2007_000004"]

    def test_a_listed_image_needs_its_mask(self, tmp_path):
        voc(tmp_path)
        (tmp_path / "VOCdevkit/VOC2012/SegmentationClass/2007_000001.png").unlink()
        with pytest.raises(VicinalError, match=r"1 image without a mask \(.*2007_000001"):
            load_split(tmp_path)
        split = load_split(tmp_path, skip_bad=True)
        assert len(split.train) == 2

    def test_one_list_names_no_parts(self, tmp_path):
        """As CVAT exports VOC's layout."""
        voc(tmp_path)
        base = tmp_path / "VOCdevkit/VOC2012"
        for file in (base / "ImageSets/Segmentation").iterdir():
            file.unlink()
        text(base / "ImageSets/Segmentation/default.txt", *(f"2007_{n:06d}" for n in range(5)))
        split = load_split(base)
        assert (len(split.train), len(split.valid)) == (4, 1)
        assert notes_of(split, "left alone")[0] == ("4 images in no list of ImageSets/Segmentation")

    def test_without_lists_images_without_masks_are_named(self, tmp_path):
        voc(tmp_path)
        for file in (tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation").iterdir():
            file.unlink()
        with pytest.raises(VicinalError, match="4 images without a mask"):
            load_split(tmp_path)


def test_zero_is_no_class_in_ade20k(tmp_path):
    ade20k(tmp_path)
    split = load_split(tmp_path)
    assert list(split.form.values) == [1, 2, 3, 4]
    assert notes_of(split, "ignored")[0].startswith("pixels of 0 void")
