"""Images with masks are found, understood and split, or refused in one sentence."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from mask_folders import many, mask, save
from vicinal import VicinalError
from vicinal.data.sources import load_split

LAYOUTS = {
    "images and masks": {},
    "an ending": {"ending": "_mask"},
    "CamVid's": {"masks": "labels", "ending": "_P"},
    "annotations": {"images": "imgs", "masks": "annotations/trimaps"},
    "VOC's": {"images": "JPEGImages", "masks": "SegmentationClass"},
    "images above": {"images": ".", "masks": "masks"},
    "one folder": {"masks": "images", "ending": "_mask"},
    "Ground Truth": {"images": "original images", "masks": "Ground Truth"},
    "train alone": {"images": "train/images", "masks": "train/masks"},
}
PARTS = {
    "parts above": ("{}/images", "{}/masks"),
    "parts below": ("images/{}", "masks/{}"),
    "Carvana's": ("{}", "{}_masks"),
    "SegNet's": ("{}", "{}annot"),
}


def found(folder, **options):
    return load_split(folder, seed=1, **options)


def note(split, name):
    return next(each.partition(": ")[2] for each in split.notes if each.startswith(f"{name}: "))


@pytest.mark.parametrize("how", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path, how):
    split = found(many(tmp_path, **how))
    assert (split.kind, split.vocab) == ("masks", ["0", "1", "2"])
    assert (len(split.train), len(split.valid)) == (4, 1)
    for part in (split.train, split.valid):
        for image, row in zip(part.images, part.labels, strict=True):
            assert split.masks[row].stem == image.stem + how.get("ending", "")
            assert split.masks[row] != image
    assert note(split, "ignored").startswith("pixels of 255")


@pytest.mark.parametrize("where", PARTS.values(), ids=PARTS)
def test_parts(tmp_path, where):
    for part, count in (("train", 3), ("val", 2), ("test", 1)):
        images, masks = (each.format(part) for each in where)
        many(tmp_path, count=count, images=images, masks=masks)
    split = found(tmp_path)
    assert (len(split.train), len(split.valid)) == (3, 2)
    assert all("val" in str(image.parent) for image in split.valid.images)
    assert note(split, "left alone") == "the part test, 1 image"


def test_numbers_of_16_bits(tmp_path):
    many(tmp_path)
    for number, file in enumerate(sorted((tmp_path / "masks").iterdir())):
        values = np.array([[0, 300], [1, 65535 if number == 2 else 0]], dtype=np.uint16)
        Image.fromarray(values).save(file)
    (tmp_path / "codes.txt").write_text("0 sky\n1 sea\n300 land\n65535 void\n")
    split = found(tmp_path)
    assert split.vocab == ["sky", "sea", "land"]
    assert split.pixels.tolist() == [[2, 1, 1], [2, 1, 1], [1, 1, 1], [2, 1, 1], [2, 1, 1]]
    assert split.form.classes(split.masks[2]).tolist() == [[0, 2], [1, 255]]
    predicted = split.form.image(np.array([[0, 2], [1, 1]]))
    assert predicted.mode == "I;16"
    assert np.asarray(predicted).tolist() == [[0, 300], [1, 1]]
    Image.fromarray(np.array([[7, 300], [1, 0]], dtype=np.uint16)).save(split.masks[0])
    with pytest.raises(VicinalError, match="holds the number 7"):
        found(tmp_path)
    with pytest.raises(VicinalError, match="it holds 7, which is no class"):
        split.form.classes(split.masks[0])


def test_masks_that_are_arrays(tmp_path):
    many(tmp_path)
    for file in [*(tmp_path / "masks").iterdir()]:
        np.save(file.with_suffix(".npy"), np.asarray(Image.open(file)))
        file.unlink()
    with pytest.raises(VicinalError, match=r"5 files in .*masks, such as n0.npy, have names of im"):
        found(tmp_path)


def test_masks_as_tiff(tmp_path):
    many(tmp_path)
    for file in [*(tmp_path / "masks").iterdir()]:
        Image.open(file).save(file.with_suffix(".tif"))
        file.unlink()
    assert found(tmp_path).vocab == ["0", "1", "2"]


FORMS = {
    "numbers": (((0, 1), (2, 2)), {}, None, ["0", "1", "2"], [0, 1, 2]),
    "numbers that begin with 1": (((1, 2), (3, 3)), {}, None, ["1", "2", "3"], [1, 2, 3]),
    "black and white": (((0, 255), (0, 0)), {}, None, ["background", "foreground"], [0, 255]),
    "black, white and names": (((0, 255), (0, 0)), {}, "cow\ndog", ["cow", "dog"], [0, 255]),
    "white is named": (((0, 255), (0, 0)), {}, "0 bg\n255 dog", ["bg", "dog"], [0, 255]),
    "a palette": (((0, 1), (2, 255)), {"mode": "P"}, None, ["0", "1", "2"], [0, 1, 2]),
    "a palette by its colours": (
        ((0, 1), (2, 2)), {"mode": "P"}, "bg 0 0 0\ncow 128 0 0\ndog 0 128 0",
        ["bg", "cow", "dog"], [0, 128 << 16, 128 << 8],
    ),
    "shades with a legend": (((0, 85), (170, 255)), {}, "0 bg\n85 a\n170 b\n255 c",
                             ["bg", "a", "b", "c"], [0, 85, 170, 255]),
    "void": (((0, 1), (2, 2)), {}, "bg\ncow\nVoid", ["bg", "cow"], [0, 1]),
    "a class that no mask has": (((0, 1), (1, 1)), {}, "bg\ncow\ndog", ["bg", "cow", "dog"],
                                 [0, 1, 2]),
    "colours": (
        (((0, 0, 0), (9, 8, 7)), ((1, 1, 1), (1, 1, 1))), {}, "bg 0 0 0\ncow,9,8,7\nvoid 1 1 1",
        ["bg", "cow"], [0, (9 << 16) + (8 << 8) + 7],
    ),
    "numbers in the order of a legend of colours": (
        ((0, 1), (1, 1)), {}, "bg 0 0 0\ncow 9 8 7", ["bg", "cow"], [0, 1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms(tmp_path, form):
    values, how, legend, vocab, numbers = form
    many(tmp_path, values, **how)
    if legend is not None:
        (tmp_path / "classes.csv").write_text(legend)
    split = found(tmp_path)
    assert (split.vocab, list(split.form.values)) == (vocab, numbers)
    for stored in split.masks:
        classes = split.form.classes(stored)
        known = classes != 255
        again = split.form.image(np.where(known, classes, 0))
        before = Image.open(stored)
        if "palette by" not in str(legend) and split.form.kind == "numbers":
            assert again.mode == before.mode
        assert (
            np.asarray(again.convert("RGB"))[known] == np.asarray(before.convert("RGB"))[known]
        ).all()
    assert split.pixels.sum() == len(split.masks) * known.sum()


def test_a_mask_without_colours_among_coloured_ones(tmp_path):
    many(tmp_path, (((0, 0, 0), (9, 8, 7)),))
    save(tmp_path, ((0, 0),), name="grey")
    (tmp_path / "classes.csv").write_text("bg,0,0,0\ncow,9,8,7")
    split = found(tmp_path)
    assert split.form.classes(tmp_path / "masks" / "grey.png").tolist() == [[0, 0]]


def test_held_out_by_groups(tmp_path):
    many(tmp_path, count=8)
    split = found(tmp_path, group=r"n(\d)")
    assert (len(split.train), len(split.valid)) == (6, 2)


def test_a_subset_keeps_its_masks(tmp_path):
    split = found(many(tmp_path))
    part = split.subset(torch.tensor([2, 0]))
    for image, row in zip(part.train.images, part.train.labels, strict=True):
        assert part.masks[row].stem == image.stem


def test_the_summary_has_a_row_for_each_class(tmp_path):
    text = str(found(many(tmp_path)).summary())
    assert "kind:" in text
    assert "33.3%" in text


# ---- what cannot be used ------------------------------------------------------------------------


def other_size(folder):
    Image.fromarray(mask((0, 1, 1), (0, 0, 2))).save(folder / "masks" / "n0.png")


def jpeg(folder):
    Image.fromarray(mask((0, 1), (0, 0))).save(folder / "masks" / "n0.png", format="JPEG")


def broken(folder):
    (folder / "masks" / "n0.png").write_bytes(b"no image")


def no_mask(folder):
    (folder / "masks" / "n0.png").unlink()


def no_image(folder):
    (folder / "images" / "n0.png").unlink()


def unknown_class(folder):
    (folder / "codes.txt").write_text("bg\na\nb\n")
    Image.fromarray(mask((0, 1), (7, 8))).save(folder / "masks" / "n0.png")


def unknown_colour(folder):
    (folder / "codes.txt").write_text("bg 0 0 0\na 1 1 1\nb 2 2 2\nc 255 255 255")
    Image.fromarray(np.full((2, 2, 3), (1, 2, 3), dtype=np.uint8)).save(folder / "masks" / "n0.png")


BAD = {
    other_size: r"1 of 5 masks cannot be used, .*n0.png has 3x2 pixels, and .*n0.png has 2x2",
    jpeg: "1 of 5 masks cannot be used, .*n0.png is a JPEG file, which blurs",
    broken: "1 of 5 masks cannot be used, .*n0.png cannot be read",
    no_mask: r"1 image without a mask \(.*n0.png\)",
    no_image: r"1 mask without an image \(.*n0.png\)",
    unknown_class: "1 of 5 masks .*what the legend lacks, .*n0.png holds the numbers 7, 8",
    unknown_colour: r".*n0.png holds the colour \(1, 2, 3\)",
}


@pytest.mark.parametrize("damage", BAD, ids=lambda each: each.__name__)
def test_bad_input_is_named_and_left_out_where_asked(tmp_path, damage):
    damage(many(tmp_path))
    with pytest.raises(VicinalError, match=BAD[damage]) as error:
        found(tmp_path)
    assert str(error.value).count("skip-bad") == 1
    split = found(tmp_path, skip_bad=True)
    assert len(split.train) + len(split.valid) == 4
    assert "n0" not in {image.stem for image in [*split.train.images, *split.valid.images]}
    assert note(split, "left out").startswith("1 ")


def test_several_bad_masks_are_counted(tmp_path):
    many(tmp_path)
    jpeg(tmp_path)
    shutil.copy(tmp_path / "masks" / "n0.png", tmp_path / "masks" / "n1.png")
    with pytest.raises(VicinalError, match=r"2 of 5 masks cannot be used, the first: .*n0"):
        found(tmp_path)


UNCLEAR = {
    "shades": (((0, 128), (255, 255)), {}, r"numbers 0, 128, 255, which may be classes or shades"),
    "colours": ((((1, 2, 3), (9, 8, 7)),), {}, r"2 colours \(\(1, 2, 3\), .*--legend FILE"),
    "one class": (((0, 0), (0, 0)), {}, "the masks have 1 class"),
}


@pytest.mark.parametrize(("values", "how", "sentence"), UNCLEAR.values(), ids=UNCLEAR)
def test_what_is_not_clear_needs_a_legend(tmp_path, values, how, sentence):
    with pytest.raises(VicinalError, match=sentence):
        found(many(tmp_path, values, **how))


@pytest.mark.parametrize("legend", [None, "bg\ncat", "0,bg\n1,cat"])
def test_white_beside_ones_may_be_a_class_or_none(tmp_path, legend):
    many(tmp_path, ((0, 1), (0, 0)))
    save(tmp_path, ((0, 255), (0, 0)), name="white")
    if legend is not None:
        (tmp_path / "codes.txt").write_text(legend)
    if legend and "0," in legend:
        assert found(tmp_path).form.ignored == [255]
        return
    with pytest.raises(VicinalError, match=r"number 1 \(5\) have no 255, .* 255 \(1\) no 1"):
        found(tmp_path)


def test_masks_with_both_have_pixels_without_a_class(tmp_path):
    many(tmp_path, ((0, 1), (255, 0)))
    save(tmp_path, ((0, 255), (0, 0)), name="white")
    assert found(tmp_path).vocab == ["0", "1"]


def test_palettes_that_differ(tmp_path):
    many(tmp_path, ((0, 1), (2, 2)), mode="P")
    file = tmp_path / "masks" / "n1.png"
    other = Image.fromarray(mask((1, 0), (2, 2)))
    other.putpalette([128, 0, 0, 0, 0, 0, 0, 128, 0])
    other.save(file)
    with pytest.raises(VicinalError, match=r"the index 0 is the colour .* of some masks and"):
        found(tmp_path)
    (tmp_path / "legend.txt").write_text("bg 0 0 0\ncow 128 0 0\ndog 0 128 0")
    assert found(tmp_path).form.classes(file).tolist() == [[0, 1], [2, 2]]
    (tmp_path / "legend.txt").write_text("0,bg\n1,cow\n2,dog")
    assert found(tmp_path).form.classes(file).tolist() == [[1, 0], [2, 2]]


def test_the_border_of_a_palette_needs_no_colour_in_the_legend(tmp_path):
    many(tmp_path, ((0, 1), (2, 255)), mode="P")
    (tmp_path / "labelmap.txt").write_text("bg:0,0,0::\ncow:128,0,0::\ndog:0,128,0::")
    split = found(tmp_path)
    assert split.form.classes(split.masks[0]).tolist() == [[0, 1], [2, 255]]


def test_masks_without_any_class_are_left_out(tmp_path):
    many(tmp_path)
    save(tmp_path, ((255, 255), (255, 255)), name="empty")
    split = found(tmp_path)
    assert note(split, "left out") == "1 mask, of which all pixels are ignored"
    assert (len(split.train), len(split.valid), len(split.pixels)) == (4, 1, 5)
    for part in (split.train, split.valid):
        for image, row in zip(part.images, part.labels, strict=True):
            assert split.masks[row].stem == image.stem


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_masks_of_photos_on_their_sides_are_upright(tmp_path, ending):
    many(tmp_path, ((0, 1, 1), (2, 2, 2)))
    exif = Image.Exif()
    exif[274] = 6  # EXIF's orientation
    for file in (tmp_path / "images").iterdir():
        file.unlink()
        Image.new("RGB", (2, 3)).save(file.with_suffix(f".{ending}"), exif=exif)
    assert len(found(tmp_path).masks) == 5
    Image.fromarray(mask((0, 1), (2, 2), (2, 2))).save(tmp_path / "masks" / "n0.png")
    with pytest.raises(VicinalError, match=r"n0.png has 2x3 pixels, and .* has 3x2"):
        found(tmp_path)


@pytest.mark.parametrize(("folder", "copy"), [("masks", "labels"), ("images", "img")])
def test_two_folders_of_the_same_names(tmp_path, folder, copy):
    many(tmp_path)
    shutil.copytree(tmp_path / folder, tmp_path / copy)
    with pytest.raises(VicinalError, match=r"have the same name, so it is unclear which"):
        found(tmp_path)


def test_colours_with_a_legend_of_names(tmp_path):
    many(tmp_path, (((1, 2, 3), (9, 8, 7)),))
    (tmp_path / "codes.txt").write_text("a\nb")
    with pytest.raises(VicinalError, match=r"codes.txt gives none"):
        found(tmp_path)


def test_names_that_do_not_match(tmp_path):
    many(tmp_path)
    for file in (tmp_path / "masks").iterdir():
        file.rename(file.with_name(f"other{file.name}"))
    with pytest.raises(VicinalError, match=r"none of the 5 masks in .* has the name of an image"):
        found(tmp_path)


def test_a_legend_for_data_without_masks():
    with pytest.raises(VicinalError, match="--legend FILE is for masks, and none are found"):
        found("digits", legend="FILE")


def test_two_masks_of_one_image(tmp_path):
    many(tmp_path)
    shutil.copy(tmp_path / "masks" / "n0.png", tmp_path / "masks" / "n0_mask.png")
    with pytest.raises(VicinalError, match=r"n0_mask.png are both masks of .*n0.png"):
        found(tmp_path)


@pytest.mark.parametrize("classes", [("with_mask", "without_mask"), ("mask", "no_mask")])
def test_classes_named_after_masks_stay_classes(tmp_path, classes):
    for name in classes:
        many(tmp_path, images=name, masks="elsewhere")
    shutil.rmtree(tmp_path / "elsewhere")
    split = found(tmp_path)
    assert (split.kind, split.vocab) == ("images", sorted(classes))


def test_masks_in_several_folders_are_of_classes_unless_there_is_a_legend(tmp_path):
    for name in ("cat", "dog"):
        many(tmp_path, images=f"{name}/images", masks=f"{name}/masks")
    assert (found(tmp_path).kind, found(tmp_path).vocab) == ("images", ["cat", "dog"])
    (tmp_path / "legend.txt").write_text("a\nb\nc")
    assert found(tmp_path, legend="legend.txt").vocab == ["a", "b", "c"]


# ---- tables -------------------------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path):
    """Five images with masks in a folder, in Parquet, and as save_to_disk writes them."""
    import datasets

    many(tmp_path / "folder")
    names = [f"n{number}.png" for number in range(5)]
    folders = {"image": "images", "annotation": "masks"}
    features = datasets.Features({name: datasets.Image() for name in folders})
    rows = [
        {
            name: {"bytes": (tmp_path / "folder" / where / file).read_bytes(), "path": None}
            for name, where in folders.items()
        }
        for file in names
    ]
    table = datasets.Dataset.from_list(rows, features=features)
    (tmp_path / "parquet").mkdir()
    table.to_parquet(tmp_path / "parquet" / "train.parquet")
    table.save_to_disk(tmp_path / "saved")
    return tmp_path


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_tables(tables, kind):
    split = found(tables / kind)
    assert (split.kind, split.vocab) == ("masks", ["0", "1", "2"])
    assert (len(split.train), len(split.valid)) == (4, 1)
    assert note(split, "columns") == "images image, masks annotation"
    assert split.form.classes(split.masks[0]).tolist() == [[0, 1], [2, 255]]


def test_the_mask_column_may_be_named(tables):
    assert found(tables / "parquet", label="annotation").kind == "masks"
