"""Folders of images as people have them: which are parts of the data, and which are classes."""

import os
import re
import unicodedata
from collections import Counter

import pytest
import torch

from vicinal.data.folders import groups_of, split_by_folder, split_by_name
from vicinal.data.sources import load_split
from vicinal.errors import VicinalError


def fill(root, *folders, count=4, start=0):
    """Files with contents of their own in each of the folders, which braces abbreviate."""
    for folder in folders:
        head, brace, rest = folder.partition("{")
        if brace:
            inner, _, tail = rest.partition("}")
            fill(root, *(f"{head}{each}{tail}" for each in inner.split(",")), count=count)
            continue
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(start, start + count):
            (root / folder / f"{i}.png").write_bytes(f"{folder}/{i}".encode())
    return root


def counts(split):
    """How many images of each class are in training and in validation."""
    return tuple(
        dict(sorted(Counter(split.vocab[label] for label in part.labels).items()))
        for part in (split.train, split.valid)
    )


def of(root, **options):
    return split_by_folder(root, 0.25, 0, **options)


BOTH = {"cat": 4, "dog": 4}


class TestParts:
    @pytest.mark.parametrize(
        ("train", "valid"),
        [
            ("train", "test"),
            ("training_set", "test_set"),
            ("Training Data", "Testing Data"),
            ("images_train", "images_val"),
            ("seg_train", "seg_test"),
            ("train2017", "val2017"),
            ("TrainingSet", "HoldOut"),
            ("train", "hold-out"),
            ("trainset", "devset"),
            ("imagenet_train", "imagenet_val"),  # parts, for they hold the same classes
            ("TRAIN", "EVAL"),
        ],
    )
    def test_names_of_parts(self, tmp_path, train, valid):
        split = of(fill(tmp_path, f"{train}/{{cat,dog}}", f"{valid}/{{cat,dog}}"))
        assert counts(split) == (BOTH, BOTH)
        assert {file.parts[len(tmp_path.parts)] for file in split.valid.images} == {valid}
        assert f"validation: the folder {valid}" in split.notes

    @pytest.mark.parametrize(
        "folders",
        [
            ("seg_train/seg_train/{cat,dog}", "seg_test/seg_test/{cat,dog}", "seg_pred/seg_pred"),
            ("train/images/{cat,dog}", "test/images/{cat,dog}"),
            ("data/set/train/{cat,dog}", "data/set/valid/{cat,dog}"),
            ("Train/Train/{cat,dog}", "Validation/Validation/{cat,dog}"),
            ("train/{cat,dog}", "valid/{cat,dog}", "test"),
            ("train/{cat,dog}", "valid/{cat,dog}", "test/unknown"),
        ],
    )
    def test_folders_around_parts_and_parts_without_labels(self, tmp_path, folders):
        split = of(fill(tmp_path, *folders))
        assert (split.vocab, counts(split)) == (["cat", "dog"], (BOTH, BOTH))
        assert sum("left out: 4 images" in note for note in split.notes) == len(folders) - 2

    def test_a_test_part_without_labels_does_not_validate(self, tmp_path):
        split = of(fill(tmp_path, "train/{cat,dog}", "test/unknown"))
        assert (split.vocab, len(split.train), len(split.valid)) == (["cat", "dog"], 6, 2)
        assert "left out: 4 images beside train, in test" in split.notes

    def test_classes_that_are_spelled_otherwise_in_the_other_part(self, tmp_path):
        with pytest.raises(VicinalError, match=r"validation part \(Hund, Kat\) is one"):
            of(fill(tmp_path, "train/{cat,dog}", "test/{Kat,Hund}"))

    def test_a_class_that_is_called_nearly_like_a_part_and_holds_what_others_hold(self, tmp_path):
        fill(tmp_path, "beaker/{large,small}", "test tube/{large,small}")
        with pytest.raises(VicinalError, match="either can be the classes"):
            of(tmp_path)

    def test_a_part_with_one_class_whose_name_is_a_number(self, tmp_path):
        split = of(fill(tmp_path, "train/{0,1}", "test/0"))
        assert counts(split) == ({"0": 4, "1": 4}, {"0": 4})

    def test_names_that_are_alike_but_for_the_part(self, tmp_path):
        split = of(fill(tmp_path, "asl_train/asl_train/{A,B}", "asl_test/asl_test"))
        assert split.vocab == ["A", "B"]
        assert "left out: 4 images beside asl_train, in asl_test" in split.notes

    def test_one_folder_beside_a_test_part_is_for_training(self, tmp_path):
        split = of(fill(tmp_path, "rps/{paper,rock}", "rps-test-set/{paper,rock}"))
        assert counts(split) == ({"paper": 4, "rock": 4},) * 2
        assert "training: the folder rps" in split.notes

    def test_several_training_parts(self, tmp_path):
        fill(tmp_path, "train_1/{cat,dog}", "train_2/{cat,dog}", "test/{cat,dog}")
        with pytest.raises(VicinalError, match=r"holds train_1, train_2, which could each be the"):
            of(tmp_path)

    def test_the_folder_with_the_exact_name_is_the_training_part(self, tmp_path):
        split = of(fill(tmp_path, "train/{cat,dog}", "train_small/{cat,dog}", "test/{cat,dog}"))
        assert counts(split) == (BOTH, BOTH)
        assert "left out: 8 images beside train, in train_small" in split.notes

    @pytest.mark.parametrize(
        "folders",
        [
            ("train", "test"),
            ("Training Data", "Test Data"),
            ("train", "test", "unlabeled"),
            ("train_1", "train_2"),
            ("trainA", "trainB", "testA", "testB"),
            ("train_cat", "train_dog", "test_cat", "test_dog"),
            ("train",),
            ("photos/train", "photos/test"),
        ],
    )
    def test_flat_parts_are_no_classes(self, tmp_path, folders):
        message = r"are parts of the data by their names, .*\(--label-pattern\)"
        with pytest.raises(VicinalError, match=message):
            of(fill(tmp_path, *folders))

    @pytest.mark.parametrize(
        "folders",
        [
            ("car", "plane", "train"),
            ("contest", "test"),
            ("training_fake", "training_real"),
            ("crash test", "steam train"),
            ("1", "train"),
            ("test_negative", "test_positive"),
            ("mask", "no_mask"),
            ("extra", "unknown"),
        ],
    )
    def test_classes_that_are_called_nearly_like_parts(self, tmp_path, folders):
        assert of(fill(tmp_path, *folders)).vocab == list(folders)

    def test_deep_classes_that_are_called_nearly_like_parts(self, tmp_path):
        split = of(fill(tmp_path, "train stations/{berlin,paris}", "airports/{oslo,rome}"))
        assert split.vocab == ["airports", "train stations"]
        assert split.notes[0] == (
            "classes: airports, train stations; folders below airports, train stations (berlin, "
            "oslo, paris, rome) are not told apart"
        )


class TestClassFirst:
    def test_the_given_split_is_used(self, tmp_path):
        split = of(fill(tmp_path, "{cat,dog}/train", "{cat,dog}/test"))
        assert counts(split) == (BOTH, BOTH)
        assert {file.parent.name for file in split.train.images} == {"train"}
        assert split.notes == ["validation: the folder test in each class folder"]

    def test_of_three_parts_the_test_part_is_left_out(self, tmp_path):
        split = of(fill(tmp_path, "photos/{cat,dog}/{train,valid,test}"))
        assert {file.parent.name for file in split.valid.images} == {"valid"}
        assert "left out: the folders test in each class folder" in split.notes

    def test_a_class_may_lack_the_test_part(self, tmp_path):
        split = of(fill(tmp_path, "{cat,dog}/{train,test}", "fox/train"))
        assert counts(split) == ({**BOTH, "fox": 4}, BOTH)
        assert split.notes[-1] == "untested: no validation image of 1 of 3 classes: fox"

    def test_a_class_without_parts_is_named(self, tmp_path):
        fill(tmp_path, "{cat,dog}/{train,test}", "fox")
        with pytest.raises(VicinalError, match="holds the parts test, train, but fox beside it h"):
            of(tmp_path)


class TestClasses:
    @pytest.mark.parametrize(
        "folders",
        [
            ["fold_1", "fold_2"],
            ["2019", "2020"],
            ["original", "augmented"],
            ["color", "grayscale", "segmented"],
        ],
    )
    def test_folders_that_hold_the_same_folders(self, tmp_path, folders):
        fill(tmp_path, *(f"{name}/{{cat,dog}}" for name in folders))
        first = min(folders)
        with pytest.raises(VicinalError, match=f"either can be the classes: .*/{first}, or name"):
            of(tmp_path)

    @pytest.mark.parametrize(
        ("pattern", "vocab"),
        [("^([^/]+)/", ["indoor", "outdoor"]), ("^[^/]+/([^/]+)/", ["cat", "dog"])],
    )
    def test_the_pattern_that_the_refusal_names_decides(self, tmp_path, pattern, vocab):
        fill(tmp_path, "{indoor,outdoor}/{cat,dog}")
        with pytest.raises(VicinalError, match="either can be the classes") as refused:
            of(tmp_path)
        assert f"'{pattern}'" in str(refused.value)
        assert split_by_name(tmp_path, pattern, 0.25, 0).vocab == vocab

    def test_numbered_folders_in_classes_are_no_classes(self, tmp_path):
        split = of(fill(tmp_path, "{cat,dog}/{2019,2020}"))
        assert split.vocab == ["cat", "dog"]
        assert "folders below cat, dog (2019, 2020) are not told apart" in split.notes[0]

    def test_a_folder_that_only_wraps_the_classes(self, tmp_path):
        split = of(fill(tmp_path, "photos/photos/{cat,dog}"))
        assert split.vocab == ["cat", "dog"]
        assert f"classes: the folders in {tmp_path}/photos/photos (cat, dog)" in split.notes

    def test_the_data_once_more_inside_themselves(self, tmp_path):
        for around in ("", "flowers/"):
            for name in ("rose", "tulip"):
                fill(tmp_path / around, name)
        split = of(tmp_path)
        assert split.vocab == ["rose", "tulip"]
        assert len(split.train) + len(split.valid) == 8
        left_out = f"left out: 8 images in {tmp_path}/flowers, which are those beside it once more"
        assert split.notes[0] == left_out

    def test_other_images_of_the_same_names_and_sizes_inside_them(self, tmp_path):
        for folder in ("rose", "tulip", "more/rose", "more/tulip"):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "1.bmp").write_bytes(folder[:1].encode())
        with pytest.raises(VicinalError, match="more holds the folders rose, tulip, as does the"):
            of(tmp_path)

    def test_other_images_of_the_same_classes_inside_them(self, tmp_path):
        fill(tmp_path, "{rose,tulip}")
        fill(tmp_path, "more/rose", "more/tulip", start=4)
        with pytest.raises(VicinalError, match="more holds the folders rose, tulip, as does the"):
            of(tmp_path)

    @pytest.mark.parametrize("names", [("images", "masks"), ("JPEGImages", "SegmentationClass")])
    def test_masks_beside_images_are_no_class(self, tmp_path, names):
        fill(tmp_path, *names)
        with pytest.raises(VicinalError, match=f"no class folders, but {names[0]} and what .*--l"):
            of(tmp_path)

    def test_masks_beside_two_folders_of_images(self, tmp_path):
        split = of(fill(tmp_path, "photos/{a,b}", "pictures/{c,d}", "masks/{a,b}"))
        assert split.vocab == ["photos", "pictures"]
        assert split.notes[0].startswith("left out: 8 images in masks, which by its name")

    def test_masks_beside_images_of_classes_are_left_out(self, tmp_path):
        split = of(fill(tmp_path, "images/{cat,dog}", "segmentations/{cat,dog}"))
        assert len(split.train) + len(split.valid) == 8
        assert split.notes[0] == (
            "left out: 8 images in segmentations, which by its name holds none to classify, beside "
            "images"
        )

    @pytest.mark.parametrize(
        "folders",
        [
            ("Art/{Bed,Mug}", "Clipart/{Bed,Mug}"),
            ("faces/{real,fake}", "faces_detection/faces/{real,fake}"),  # one archive, twice
        ],
    )
    def test_the_same_folders_at_any_depth(self, tmp_path, folders):
        with pytest.raises(VicinalError, match="hold the same folders"):
            of(fill(tmp_path, *folders))

    @pytest.mark.parametrize(
        ("folders", "inner"),
        [
            (("New (1)/New/{train,valid}/{cat,dog}", "new (1)/New", "test/test"), "New (1)/New"),
            (("images/{cat,dog}", "parts"), "images"),
        ],
    )
    def test_a_folder_that_holds_the_data_beside_others(self, tmp_path, folders, inner):
        with pytest.raises(VicinalError) as refused:
            of(fill(tmp_path, *folders))
        assert f": give {tmp_path}/{inner}, or rename" in str(refused.value)

    def test_a_few_images_beside_the_folder_that_holds_the_data(self, tmp_path):
        fill(tmp_path, "raw-img/{cat,dog}", count=8)
        split = of(fill(tmp_path, "docs", count=1))
        assert split.vocab == ["cat", "dog"]
        assert split.notes[0] == "left out: 1 image beside raw-img, in docs"

    @pytest.mark.parametrize("root", ["", "CASIA/"])
    def test_what_by_its_name_belongs_to_the_pictures_of_others(self, tmp_path, root):
        fill(tmp_path, f"{root}{{au,tp}}", f"{root}CASIA 2 Groundtruth")
        assert of(tmp_path).vocab == ["au", "tp"]
        fill(tmp_path / "birds", "CUB/images/{jay,kiwi}", "segmentations/{jay,kiwi}")
        assert of(tmp_path / "birds").vocab == ["jay", "kiwi"]

    @pytest.mark.parametrize("masks", ["masks", "lung masks", "mask", "segmentation"])
    def test_masks_inside_classes_are_left_out(self, tmp_path, masks):
        fill(tmp_path, f"train/{{cat,dog}}/{masks}", "train/{cat,dog}/images", "val/{cat,dog}")
        split = of(tmp_path)
        assert counts(split) == (BOTH, BOTH)
        assert {file.parent.name for file in split.train.images} == {"images"}
        note = f"left out: 8 images in folders called {masks}, beside the images that they belong"
        assert split.notes[0].startswith(note)
        by_name = split_by_name(tmp_path / "train", "^([^/]+)/", 0.25, 0)
        assert len(by_name.train) + len(by_name.valid) == 8

    def test_images_of_one_class_are_refused(self, tmp_path):
        with pytest.raises(
            VicinalError, match=r"4 images .* only the class 'Images': .*--label-patt"
        ):
            of(fill(tmp_path, "Images"))

    def test_folders_of_a_camera_are_no_classes(self, tmp_path):
        fill(tmp_path, "DCIM/{100APPLE,101APPLE}")
        with pytest.raises(VicinalError, match=r"100APPLE, 101APPLE in .* are those of a camera"):
            of(tmp_path)

    @pytest.mark.parametrize("names", ["{2019,2020}", "{fold1,fold2}", "{Batch_1,Batch_2}"])
    def test_flat_folders_of_years_and_folds_are_no_classes(self, tmp_path, names):
        fill(tmp_path, names)
        with pytest.raises(VicinalError, match=r"count years or folds .* '\(\[\^/"):
            of(tmp_path)
        assert len(split_by_name(tmp_path, "([^/]+)/[^/]+$", 0.25, 0).vocab) == 2

    @pytest.mark.parametrize("names", ["{0,1,2}", "{1999,2000,5000}", "{v1,v2}"])
    def test_flat_folders_of_other_numbers_are(self, tmp_path, names):
        assert len(of(fill(tmp_path, names)).vocab) > 1

    def test_a_class_that_is_called_train(self, tmp_path):
        fill(tmp_path, "bus/{city,coach}", "train/{steam,tram}")
        with pytest.raises(VicinalError, match=r"train beside bus in .* can be a class or"):
            of(tmp_path)
        assert of(tmp_path / "train").vocab == ["steam", "tram"]
        fill(tmp_path, "valid/{steam,tram}")
        assert of(tmp_path).vocab == ["steam", "tram"]

    def test_the_pattern_for_classes_deep_in_parts(self, tmp_path):
        fill(tmp_path, "{amazon,dslr,webcam}/images/{bike,mug}")
        pattern = "^[^/]+/[^/]+/([^/]+)/"
        with pytest.raises(VicinalError, match=re.escape(f"'{pattern}' for bike")):
            of(tmp_path)
        assert split_by_name(tmp_path, pattern, 0.25, 0).vocab == ["bike", "mug"]

    def test_names_that_look_alike_are_one_class(self, tmp_path):
        composed, apart = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
        split = of(fill(tmp_path, f"train/{{{apart},bar }}", f"valid/{{{composed},bar}}"))
        assert split.vocab == ["bar", composed]
        assert counts(split) == ({"bar": 4, composed: 4},) * 2
        split = of(fill(tmp_path / "beside", "cat", "cat ", "dog"))
        assert split.vocab == ["cat", "dog"]
        assert split.notes[0] == "merged: folders of cat, which are spelled in two ways"


class TestLeftOut:
    def test_files_that_are_no_images_are_counted_by_their_endings(self, tmp_path):
        fill(tmp_path, "cat", "dog")
        (tmp_path / "fox").mkdir()
        for i in range(3):
            (tmp_path / "fox" / f"{i}.SVG").touch()
            (tmp_path / "dog" / f"{i}").touch()
        (tmp_path / "model.h5").touch()
        notes = of(tmp_path).notes
        assert "no class: the folders without images fox" in notes
        assert (
            "left out: 3 files without an ending, 3 files ending .svg (save them as PNG) and "
            "model.h5, not read as images"
        ) in notes

    def test_names_that_are_not_in_utf8_can_be_printed(self, tmp_path):
        fill(tmp_path, "cat", "dog")
        (tmp_path / os.fsdecode(b"caf\xe9.doc")).touch()
        notes = of(tmp_path).notes
        assert notes[0] == "left out: caf\ufffd.doc, not read as images"
        assert "\n".join(notes).encode()

    def test_tables_beside_images_are_named_once(self, tmp_path):
        fill(tmp_path, "cat", "dog")
        (tmp_path / "prices.csv").write_text("a,b\n1,2\n")
        notes = load_split(tmp_path).notes
        assert [note for note in notes if "prices.csv" in note] == [notes[-1]]

    def test_a_few_images_beside_class_folders(self, tmp_path):
        fill(tmp_path, "cat", "dog", count=8)
        fill(tmp_path, "", count=1)
        split = of(tmp_path)
        assert split.vocab == ["cat", "dog"]
        assert split.notes[0] == "left out: 1 image in no class folder: 0.png"

    def test_links_and_folders_that_cannot_be_opened(self, tmp_path, monkeypatch):
        fill(tmp_path, "cat", "dog", "fox")
        (tmp_path / "dog" / "again").symlink_to("../cat")
        scan = os.scandir

        def scandir(folder):
            if os.path.basename(folder) == "fox":
                raise PermissionError(13, "Permission denied")
            return scan(folder)

        monkeypatch.setattr(os, "scandir", scandir)
        with pytest.raises(VicinalError, match=r"fox cannot be opened \(Permission d.*--skip-bad"):
            of(tmp_path)
        with pytest.raises(VicinalError, match="fox cannot be opened"):
            load_split(tmp_path)
        split = load_split(tmp_path, skip_bad=True)
        assert split.vocab == ["cat", "dog"]
        assert "left out: links to folders that are read already: dog/again" in split.notes
        message = f"left out: the folder {tmp_path}/fox, which cannot be opened (Permission denied)"
        assert message in split.notes

    def test_a_folder_of_which_nothing_can_be_opened(self, tmp_path, monkeypatch):
        def scandir(folder):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "scandir", scandir)
        with pytest.raises(VicinalError, match=r"cannot be opened \(Permission denied\): change"):
            load_split(tmp_path)


class TestCopies:
    def test_the_same_bytes_in_training_and_validation(self, tmp_path):
        fill(tmp_path, "train/{cat,dog}", "valid/{cat,dog}")
        (tmp_path / "train/cat/copy.png").write_bytes(b"valid/cat/1")
        (tmp_path / "train/dog/copy.png").write_bytes(b"valid/cat/2")
        assert of(tmp_path).notes[1:] == [
            "duplicates: 2 images of the validation part with the same bytes as a training image, "
            f"such as {tmp_path}/valid/cat/1.png: results on them are too good",
            "conflicts: 2 images with the same bytes as one of another class, such as "
            f"{tmp_path}/train/dog/copy.png and {tmp_path}/valid/cat/2.png",
        ]


class TestGroups:
    def test_patients_by_the_names_of_files(self, tmp_path):
        for patient in range(10):
            folder = tmp_path / ("ill" if patient % 2 else "well")
            folder.mkdir(exist_ok=True)
            for i in range(3):
                (folder / f"p{patient:02}_{i}.png").write_bytes(f"{patient} {i}".encode())
        split = load_split(tmp_path, group=r"(p\d+)_")
        train, valid = (
            {file.name[:3] for file in part.images} for part in (split.train, split.valid)
        )
        assert not train & valid
        assert counts(split) == ({"ill": 12, "well": 12}, {"ill": 3, "well": 3})
        assert split.notes == ["validation: 6 images, of 2 of 10 groups held out (20%)"]

    def test_a_pattern_for_folders(self, tmp_path):
        fill(tmp_path, "fold_{1,2,3,4}/{cat,dog}")
        split = load_split(
            tmp_path, label_pattern="^[^/]+/([^/]+)/", group=r"^fold_(\d)/", valid_pct=0.25
        )
        assert counts(split) == ({"cat": 12, "dog": 12}, BOTH)

    def test_folders_in_classes_that_name_groups_are_no_classes(self, tmp_path):
        fill(tmp_path, "{left,right}/patient{1,2,3,4}")
        with pytest.raises(VicinalError, match="either can be the classes"):
            of(tmp_path)
        (tmp_path / "cover.png").write_bytes(b"of no patient")
        split = of(tmp_path, group=r"patient(\d)/")
        assert counts(split) == ({"left": 12, "right": 12}, {"left": 4, "right": 4})
        assert len({file.parent.name for file in split.valid.images}) == 1

    def test_folders_around_classes_that_name_groups(self, tmp_path):
        fill(tmp_path, "patient{1,2,3,4}/{ill,well}")
        split = of(tmp_path, group=r"^patient(\d)")
        assert counts(split) == ({"ill": 12, "well": 12}, {"ill": 4, "well": 4})
        assert len({file.parts[-3] for file in split.valid.images}) == 1
        fill(tmp_path, "patient5")
        with pytest.raises(VicinalError, match="patient5 names a group by --group, but holds no"):
            of(tmp_path, group=r"^patient(\d)")

    def test_groups_in_both_of_the_given_parts(self, tmp_path):
        fill(tmp_path, "train/{cat,dog}", "valid/{cat,dog}")
        with pytest.raises(VicinalError, match="--group does not hold: 0, 1, 2, … have"):
            of(tmp_path, group=r"(\d)\.png")
        assert counts(of(tmp_path, group="^([a-z]+)/")) == (BOTH, BOTH)

    def test_a_pattern_that_is_none(self, tmp_path):
        fill(tmp_path, "cat", "dog")
        with pytest.raises(VicinalError, match=r"'\(' is no regular expression"):
            of(tmp_path, group="(")
        with pytest.raises(VicinalError, match=r"'cat' has no group"):
            of(tmp_path, group="cat")
        with pytest.raises(VicinalError, match=r"/0\.png' does not match the pattern"):
            of(tmp_path, group=r"(\d{4})?\.png")

    def test_a_pattern_that_does_not_match(self, tmp_path):
        with pytest.raises(VicinalError, match=r"'cat/0\.png' does not match the pattern 'p"):
            groups_of([tmp_path / "cat" / "0.png"], tmp_path, r"p(\d)_")


class TestByName:
    def test_a_test_part_whose_names_say_no_class(self, tmp_path):
        for part, names in (("train", ("cat.0", "cat.1", "dog.0", "dog.1")), ("test", ("1", "2"))):
            (tmp_path / part).mkdir()
            for name in names:
                (tmp_path / part / f"{name}.jpg").write_bytes(name.encode())
        split = split_by_name(tmp_path, r"^(\w+)\.\d", 0.25, 0)
        assert (split.vocab, len(split.train), len(split.valid)) == (["cat", "dog"], 3, 1)
        assert "left out: 2 images beside train, in test" in split.notes

    def test_several_folders_of_each_part(self, tmp_path):
        fill(tmp_path, "trainA", "trainB", "testA", "testB")
        split = split_by_name(tmp_path, "^(?:train|test)([AB])/", 0.25, 0)
        assert counts(split) == ({"A": 4, "B": 4},) * 2

    def test_parts_that_are_called_alike_but_for_the_part(self, tmp_path):
        fill(tmp_path, "asl_{train,test}/{a,b}")
        split = split_by_name(tmp_path, "/([ab])/", 0.25, 0)
        assert counts(split) == ({"a": 4, "b": 4},) * 2

    @pytest.mark.parametrize("folders", ["{x,y}/train", "data/{x,y}/train"])
    def test_parts_in_other_folders(self, tmp_path, folders):
        fill(tmp_path, folders, folders.replace("train", "test"))
        split = split_by_name(tmp_path, r"([xy])/[a-z]+/", 0.25, 0)
        assert counts(split) == ({"x": 4, "y": 4},) * 2
        assert {file.parent.name for file in split.valid.images} == {"test"}

    def test_parts_in_one_of_several_folders(self, tmp_path):
        fill(tmp_path, "a/{train,test}/{x,y}", "b")
        with pytest.raises(VicinalError, match=f"a holds the folders of the .* give {tmp_path}/a,"):
            split_by_name(tmp_path, "([xy])/", 0.25, 0)

    def test_parts_of_images_beside_masks(self, tmp_path):
        fill(tmp_path, "images/{train,test}/{x,y}", "labels/{train,test}/{x,y}")
        split = split_by_name(tmp_path, "/([xy])/", 0.25, 0)
        assert counts(split) == ({"x": 4, "y": 4},) * 2

    def test_masks_beside_images(self, tmp_path):
        for folder in ("images", "annotations/trimaps"):
            (tmp_path / folder).mkdir(parents=True)
            for name in ("pug_1", "pug_2", "cat_1", "cat_2"):
                (tmp_path / folder / f"{name}.png").write_bytes(f"{folder}{name}".encode())
        split = split_by_name(tmp_path, r"(.+)_\d", 0.25, 0)
        assert len(split.train) + len(split.valid) == 4

    def test_a_slash_in_a_set_of_characters_is_for_names(self, tmp_path):
        (tmp_path / "x").mkdir()
        for name in ("pug_1", "pug_2", "cat_1", "cat_2"):
            (tmp_path / "x" / f"{name}.png").write_bytes(name.encode())
        assert split_by_name(tmp_path, r"^([^/]+)_\d", 0.25, 0).vocab == ["cat", "pug"]


@pytest.mark.parametrize("seed", range(3))
def test_the_split_stays_the_same_where_nothing_forces_another(tmp_path, seed):
    """Published figures depend on it."""
    fill(tmp_path, "a", "b", "c", count=20)
    files = sorted(tmp_path.rglob("*.png"))
    order = torch.randperm(60, generator=torch.Generator().manual_seed(seed)).tolist()
    split = split_by_folder(tmp_path, 0.2, seed)
    assert split.valid.images == [files[i] for i in order[:12]]
    assert split.train.images == [files[i] for i in order[12:]]
