"""Tiny stand-ins for the layouts of well-known data sets with masks."""

import numpy as np
from PIL import Image

from mask_folders import PALETTE


def picture(file, number=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6, 3), number, dtype=np.uint8)).save(file)


def mask(file, values, *, palette=False):
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.resize(np.array(values, dtype=np.uint8), (4, 6)))
    if palette:
        image.putpalette(PALETTE)
    image.save(file)


def text(file, *lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def cityscapes(root, *, train_ids=False):
    """As leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip unpack."""
    number = 0
    for part, city, count in (("train", "aachen", 3), ("val", "lindau", 2), ("test", "bonn", 1)):
        for frame in range(count):
            number += 1
            name = f"{city}_{frame:06d}_000019"
            picture(root / "leftImg8bit" / part / city / f"{name}_leftImg8bit.png", number)
            beside = root / "gtFine" / part / city
            mask(beside / f"{name}_gtFine_labelIds.png", [0, 7, 26, 33, number % 2 * 8])
            mask(beside / f"{name}_gtFine_instanceIds.png", [0, 7, 26, 33])
            picture(beside / f"{name}_gtFine_color.png", 7)
            text(beside / f"{name}_gtFine_polygons.json", "{}")
            if train_ids:
                mask(beside / f"{name}_gtFine_labelTrainIds.png", [255, 0, 13, 18])
    text(root / "README", "of Cityscapes")
    text(root / "license.txt", "terms")


def ade20k(root):
    """As ADEChallengeData2016.zip unpacks."""
    for part, short, count in (("training", "train", 4), ("validation", "val", 2)):
        for number in range(1, count + 1):
            name = f"ADE_{short}_{number:08d}"
            picture(root / "images" / part / f"{name}.jpg", number)
            mask(root / "annotations" / part / f"{name}.png", [0, 1, 2, number])
    text(
        root / "objectInfo150.txt",
        "Idx\tRatio\tTrain\tVal\tStuff\tName",
        *(f"{n}\t0.1\t11664\t1172\t1\t{name}" for n, name in enumerate(
            ["wall", "building, edifice", "sky", "floor, flooring"], 1)),
    )  # fmt: skip
    names = [f"ADE_train_{n:08d} bathroom" for n in range(1, 5)]
    text(root / "sceneCategories.txt", *names, "ADE_val_00000001 bedroom", "ADE_val_00000002 lake")


def voc(root, year="VOC2012"):
    """As VOCtrainval.tar unpacks: most images have no mask."""
    base = root / "VOCdevkit" / year
    names = [f"2007_{n:06d}" for n in range(9)]
    for number, name in enumerate(names):
        picture(base / "JPEGImages" / f"{name}.jpg", number)
        text(base / "Annotations" / f"{name}.xml", "<annotation/>")
    for name in names[:5]:
        mask(base / "SegmentationClass" / f"{name}.png", [0, 1, 2, 255], palette=True)
        mask(base / "SegmentationObject" / f"{name}.png", [0, 1, 2, 255], palette=True)
    lists = base / "ImageSets"
    text(lists / "Segmentation" / "train.txt", *names[:3])
    text(lists / "Segmentation" / "val.txt", *names[3:5])
    text(lists / "Segmentation" / "trainval.txt", *names[:5])
    text(lists / "Main" / "train.txt", *names)
    text(lists / "Main" / "aeroplane_train.txt", *(f"{name}  1" for name in names))


def pets(root):
    """As images.tar.gz and annotations.tar.gz of the Oxford pets unpack."""
    for number, name in enumerate(["Abyssinian_1", "Abyssinian_10", "beagle_2", "pug_7", "pug_8"]):
        picture(root / "images" / f"{name}.jpg", number)
        mask(root / "annotations" / "trimaps" / f"{name}.png", [1, 2, 3])
        text(root / "annotations" / "trimaps" / f"._{name}.png", "Mac OS X")
        text(root / "annotations" / "xmls" / f"{name}.xml", "<annotation/>")
    text(root / "images" / "beagle_2.mat", "MATLAB")
    lines = ["Abyssinian_1 1 1 1", "Abyssinian_10 1 1 1", "beagle_2 5 2 1", "pug_7 26 2 19"]
    text(root / "annotations" / "list.txt", "#Image CLASS-ID SPECIES BREED ID", *lines)
    text(root / "annotations" / "trainval.txt", *lines[:2])
    text(root / "annotations" / "test.txt", *lines[2:])
    text(root / "annotations" / "README", "1: Foreground 2:Background 3: Not classified")


def camvid(root):
    """As SegNet's tutorial has it."""
    number = 0
    for part, count in (("train", 4), ("val", 2), ("test", 1)):
        lines = []
        for _ in range(count):
            number += 1
            name = f"0001TP_{number:06d}.png"
            picture(root / part / name, number)
            mask(root / f"{part}annot" / name, [0, 1, 2, 11])
            lines.append(f"/SegNet/CamVid/{part}/{name} /SegNet/CamVid/{part}annot/{name}")
        text(root / f"{part}.txt", *lines)


def camvid_in_colours(root):
    """As it is on Kaggle: colours, and a table of them."""
    number = 0
    for part, count in (("train", 4), ("val", 2), ("test", 1)):
        for _ in range(count):
            number += 1
            name = f"0016E5_{number:05d}"
            picture(root / part / f"{name}.png", number)
            beside = root / f"{part}_labels" / f"{name}_L.png"
            beside.parent.mkdir(parents=True, exist_ok=True)
            colours = np.array([[64, 128, 64], [192, 0, 128], [0, 0, 0]], dtype=np.uint8)
            Image.fromarray(np.resize(colours, (4, 6, 3))).save(beside)
    lines = ["Animal, 64, 128, 64", "Archway, 192, 0, 128", "Void, 0, 0, 0"]
    text(root / "class_dict.csv", "name,r,g,b", *lines)


LAYOUTS = {
    "Cityscapes": cityscapes,
    "ADE20K": ade20k,
    "VOC": voc,
    "pets": pets,
    "CamVid": camvid,
    "CamVid in colours": camvid_in_colours,
}
