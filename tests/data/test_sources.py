"""From names and paths to labelled images; no network is used."""

import inspect
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from types import MappingProxyType
from urllib.error import URLError

import datasets
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
import torchvision.datasets
from PIL import Image
from sklearn.datasets import load_digits

from vicinal.data.image_columns import has_images
from vicinal.data.images import BadImage, decode
from vicinal.data.request import DataRequest
from vicinal.data.rows import RowSplit, TextSplit, split_of_rows
from vicinal.data.samples import Split
from vicinal.data.sources import load_split
from vicinal.data.tables import frames_of
from vicinal.errors import VicinalError

from .pictures import BROKEN, encoded, noise, pixels, write

pytestmark = pytest.mark.usefixtures("offline")

IMAGENETTE = Path(__file__).parents[3] / "shared" / "data" / "imagenette"


def one_sentence(error):
    text = str(error.value)
    return "\n" not in text and ". " not in text


def decoded(samples):
    return decode(samples, None)[0].images


def pictures(count, start=0):
    return torch.stack([pixels(noise(seed=start + i)) for i in range(count)])


def records(count, start=0):
    return [
        {"bytes": encoded(noise(seed=start + i)), "path": f"{start + i}.png"} for i in range(count)
    ]


def hub_table(labels, names=("cat", "pug"), column="label", start=0, **more):
    """As the ``datasets`` library writes it, with the features in the file's metadata."""
    kind = datasets.ClassLabel(names=list(names)) if names else None
    columns = {"image": records(len(labels), start), column: labels, **more}
    table = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    return table.cast_column(column, kind) if kind else table


def plain_table(labels, column="label", start=0, **more):
    """As any other program writes it."""
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array(records(len(labels), start), struct)
    return pa.table({"image": images, column: labels, **more})


def parquet(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, table in files.items():
        file = folder / f"{name.replace('__', '-')}.parquet"
        if isinstance(table, bytes):
            file.write_bytes(table)
        elif isinstance(table, pa.Table):
            pa.parquet.write_table(table, file)
        else:
            table.to_parquet(str(file))
    return str(folder)


class TestDigits:
    def test_are_all_digits_in_grey(self):
        split = load_split("digits")
        assert (len(split.train), len(split.valid)) == (1438, 359)
        assert split.vocab == [str(i) for i in range(10)]
        images = split.train.images
        assert images.shape[1:] == (3, 8, 8)
        assert images.dtype == torch.uint8
        assert torch.equal(images[:, 0], images[:, 2])
        assert (images.min(), images.max()) == (0, 255)

    def test_mean_something_else_when_they_are_flipped(self):
        assert not load_split("digits").mirrored

    def test_are_split_by_share_and_seed(self):
        split, again = (load_split("digits", valid_pct=0.5, seed=3) for _ in range(2))
        assert abs(len(split.train) - len(split.valid)) == 1
        assert split.valid.labels == again.valid.labels
        assert split.valid.labels != load_split("digits", valid_pct=0.5, seed=4).valid.labels

    def test_images_and_labels_belong_together(self):
        digits = load_digits()
        grey = (digits.images / 16 * 255).round().astype("uint8")
        known = {image.tobytes(): y for image, y in zip(grey, digits.target, strict=True)}
        split = load_split("digits")
        for part in (split.train, split.valid):
            for image, label in zip(part.images, part.labels, strict=True):
                assert known[image[0].numpy().tobytes()] == label


@pytest.mark.parametrize("pattern", ["cifar-{}", "{}-00000-of-00001", "part_of_{}_set"])
def test_parts_are_found_by_any_word_of_the_files_names(tmp_path, pattern):
    for part, count in (("train", 6), ("test", 4)):
        table = {"image": [Image.new("RGB", (8, 8))] * count, "label": ["a", "b"] * (count // 2)}
        features = datasets.Features(image=datasets.Image(), label=datasets.Value("string"))
        made = datasets.Dataset.from_dict(table, features=features)
        made.to_parquet(tmp_path / f"{pattern.format(part)}.parquet")
    split = load_split(str(tmp_path))
    assert (len(split.train), len(split.valid)) == (6, 4)


class TestWishesThatNameNothing:
    @pytest.mark.parametrize("data", ["digits", "torchvision:CIFAR10"])
    def test_a_label_column_where_there_are_no_columns(self, data):
        with pytest.raises(VicinalError, match=f"{data} has no columns, so --label breed does not"):
            load_split(data, label="breed")

    @pytest.mark.parametrize("data", ["digits", "torchvision:CIFAR10", "hf:pets"])
    def test_a_pattern_where_there_are_no_file_names(self, data):
        with pytest.raises(VicinalError, match=f"{data} is no folder, so --label-pattern .* does"):
            load_split(data, label_pattern="(.+)")

    def test_a_pattern_where_there_are_columns(self, tmp_path):
        folder = parquet(tmp_path / "pets", train=plain_table([0, 1]))
        for data in (folder, f"{folder}/train.parquet"):
            with pytest.raises(VicinalError, match="has columns, of which --label names one"):
                load_split(data, label_pattern="(.+)")


class TestPaths:
    def test_a_folder_of_class_folders(self, tmp_path):
        write(tmp_path, **{f"{'pug' if i % 2 else 'cat'}__{i}": None for i in range(10)})
        split = load_split(str(tmp_path), valid_pct=0.3)
        assert split.vocab == ["cat", "pug"]
        assert (len(split.train), len(split.valid)) == (7, 3)

    @pytest.mark.parametrize("options", [{}, {"label_pattern": r"(\d)"}])
    def test_a_csv_that_tells_of_images_in_folders_is_left_alone(self, tmp_path, options):
        write(tmp_path, **{f"{'pug' if i % 2 else 'cat'}__{i}": None for i in range(10)})
        (tmp_path / "noisy.csv").write_text("path,label\n" + "cat/0.png,1\npug/1.png,0\n" * 5)
        split = load_split(str(tmp_path), **options)
        assert isinstance(split, Split)
        assert any(note.startswith("left alone: noisy.csv") for note in split.notes)
        split = load_split(str(tmp_path), label="label", valid_pct=0.5)
        assert (split.vocab, len(split.train), len(split.valid)) == (["0", "1"], 1, 1)

    def test_classes_of_the_validation_part_that_nobody_learns(self, tmp_path):
        folders = ("train__cat", "train__dog", "valid__cat", "valid__fox", "valid__dog")
        for folder in folders:
            write(tmp_path.joinpath(*folder.split("__")), **{f"{i}": None for i in range(4)})
        note = "unknown: 4 validation samples are of classes that no training sample has: fox"
        assert note in load_split(str(tmp_path)).notes
        for name in ("cat", "dog"):
            shutil.rmtree(tmp_path / "valid" / name)
        with pytest.raises(VicinalError, match=r"no class of the validation part \(fox\) is one"):
            load_split(str(tmp_path))

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
    def test_a_class_folder_whose_name_is_not_in_utf_8_is_named(self, tmp_path):
        write(tmp_path, cat__1=None, dog__2=None)
        os.rename(os.fsencode(tmp_path / "cat"), os.fsencode(tmp_path) + b"/caf\xe9")
        with pytest.raises(VicinalError, match=r"caf.xe9' has a name that is not in UTF-8: rename"):
            load_split(str(tmp_path))

    def test_a_folder_with_classes_in_the_names(self, tmp_path):
        write(tmp_path, **{f"{'pug' if i % 2 else 'cat'}_{i}": None for i in range(10)})
        split = load_split(str(tmp_path), label_pattern=r"(.+)_\d+")
        assert split.vocab == ["cat", "pug"]

    def test_a_label_column_of_a_folder(self, tmp_path):
        write(tmp_path, cat__1=None, pug__1=None)
        with pytest.raises(VicinalError, match="has no columns, so --label breed does not apply"):
            load_split(str(tmp_path), label="breed")

    @pytest.mark.parametrize("name", ["oxfordpets", "Oxford_Pets", "oxford-pet"])
    def test_a_path_that_does_not_exist_offers_a_near_one(self, tmp_path, name):
        (tmp_path / "oxford-pets").mkdir()
        (tmp_path / "imagenette").mkdir()
        with pytest.raises(VicinalError) as error:
            load_split(str(tmp_path / name))
        assert str(error.value).endswith(
            f"does not exist, did you mean {tmp_path / 'oxford-pets'}?"
        )

    def test_a_misspelt_name_offers_a_near_one(self):
        with pytest.raises(VicinalError, match=r"digit does not exist, did you mean digits\?"):
            load_split("digit")

    def test_a_path_with_nothing_near_it(self, tmp_path):
        with pytest.raises(VicinalError, match="does not exist: give a path, or digits to try"):
            load_split(str(tmp_path / "nowhere" / "pets"))

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("a.png", "is a single image: give a folder of images"),
            ("a.json", "is no JSON Lines file: write one object a line, with the ending .jsonl"),
            ("a.tar.gz", "is an archive: unpack it and give the folder"),
            ("a.pdf", "is no table: give a CSV, TSV, Parquet, JSON Lines or Excel file"),
        ],
    )
    def test_a_file_of_another_kind(self, tmp_path, name, sentence):
        (tmp_path / name).write_bytes(BROKEN)
        with pytest.raises(VicinalError, match=f"{name} {sentence}"):
            load_split(str(tmp_path / name))

    def test_a_folder_of_other_files_says_what_is_in_it(self, tmp_path):
        for name in ("1.dat", "2.dat", "model.h5"):
            (tmp_path / name).write_bytes(BROKEN)
        message = "holds no images, but 2 files ending .dat and model.h5: give a folder with images"
        with pytest.raises(VicinalError, match=message):
            load_split(str(tmp_path))

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(VicinalError, match="holds no images"):
            load_split(str(tmp_path))


@pytest.fixture
def log(caplog):
    """What the ``datasets`` library logs."""
    logger = logging.getLogger("datasets")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


class TestParquet:
    def test_as_a_hub_lays_it_out(self, tmp_path):
        folder = parquet(
            tmp_path / "pets",
            train__00000_of_00002=hub_table([0, 1, 1]),
            train__00001_of_00002=hub_table([1, 0], start=3),
            validation__00000_of_00001=hub_table([1, 0], start=5),
        )
        split = load_split(folder)
        assert split.vocab == ["cat", "pug"]
        assert (split.train.labels, split.valid.labels) == ([0, 1, 1, 1, 0], [1, 0])
        assert torch.equal(decoded(split.train), pictures(5))
        assert torch.equal(decoded(split.valid), pictures(2, start=5))
        assert split.notes == ["labels: column label", "validation: the data's part validation"]

    def test_without_metadata(self, tmp_path):
        folder = parquet(
            tmp_path / "pets",
            train=plain_table(["pug", "cat", "pug"]),
            validation=plain_table(["ant", "cat"], start=3),
        )
        split = load_split(folder)
        assert split.vocab == ["ant", "cat", "pug"]
        assert (split.train.labels, split.valid.labels) == ([2, 1, 2], [0, 1])
        assert torch.equal(decoded(split.train), pictures(3))
        assert torch.equal(decoded(split.valid), pictures(2, start=3))

    def test_images_named_by_their_path_alone(self, tmp_path):
        file = write(tmp_path / "images", a=noise()) / "a.png"
        struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        images = pa.array([{"bytes": None, "path": str(file)}] * 4, struct)
        table = pa.table({"image": images, "label": [0, 1, 0, 1]})
        split = load_split(parquet(tmp_path / "pets", train=table), valid_pct=0.5)
        assert torch.equal(decoded(split.train), pictures(1).expand(2, -1, -1, -1))

    def test_a_random_part_of_one_file_is_held_out(self, tmp_path):
        parquet(tmp_path / "pets", data=hub_table([0, 1] * 5))
        split = load_split(str(tmp_path / "pets" / "data.parquet"), valid_pct=0.3, seed=1)
        assert (len(split.train), len(split.valid)) == (7, 3)
        assert split.notes[-1] == "validation: 3 images held out at random (30%)"
        both = {
            image.numpy().tobytes()
            for part in (split.train, split.valid)
            for image in decoded(part)
        }
        assert len(both) == 10
        for part in (split.train, split.valid):
            for image, label in zip(decoded(part), part.labels, strict=True):
                (seed,) = (i for i in range(10) if torch.equal(image, pixels(noise(seed=i))))
                assert label == seed % 2

    @pytest.mark.parametrize("name", ["train", "test", "validation", "pets"])
    def test_one_file_of_any_name_is_split(self, tmp_path, name):
        split = load_split(parquet(tmp_path / "pets", **{name: hub_table([0, 1] * 5)}))
        assert (len(split.train), len(split.valid)) == (8, 2)

    def test_training_and_test_files(self, tmp_path):
        folder = parquet(
            tmp_path / "pets", train=hub_table([0, 1] * 3), test=hub_table([1, 0], start=6)
        )
        split = load_split(folder)
        assert (len(split.train), split.valid.labels) == (6, [1, 0])
        assert split.notes[-1] == "validation: the data's part test"

    def test_validation_goes_before_test(self, tmp_path):
        folder = parquet(
            tmp_path / "pets",
            test=hub_table([0] * 3),
            train=hub_table([0, 1] * 3),
            validation=hub_table([1, 0]),
        )
        split = load_split(folder)
        assert (len(split.train), split.valid.labels) == (6, [1, 0])

    def test_text_labels_of_a_hub(self, tmp_path):
        split = load_split(parquet(tmp_path / "pets", train=hub_table(["pug", "cat"] * 5, None)))
        assert split.vocab == ["cat", "pug"]

    def test_numbers_are_classes(self, tmp_path):
        folder = parquet(
            tmp_path / "pets", train=plain_table([7, 3, 7]), validation=plain_table([10, 3])
        )
        split = load_split(folder)
        assert split.vocab == ["3", "7", "10"]
        assert (split.train.labels, split.valid.labels) == ([1, 0, 1], [2, 0])

    def test_names_stay_also_of_classes_without_images(self, tmp_path):
        table = hub_table([0, 2] * 5, names=("ant", "bee", "cat"))
        assert load_split(parquet(tmp_path / "pets", train=table)).vocab == ["ant", "bee", "cat"]

    @pytest.mark.parametrize("column", ["labels", "breed"])
    def test_a_column_of_another_name(self, tmp_path, column):
        split = load_split(parquet(tmp_path / "pets", train=plain_table([0, 1] * 5, column)))
        assert split.notes[0] == f"labels: column {column}"

    def test_a_column_with_class_names_goes_before_others(self, tmp_path):
        table = hub_table([0, 1] * 5, column="breed", age=list(range(10)))
        assert load_split(parquet(tmp_path / "pets", train=table)).notes[0].endswith("breed")

    def test_the_column_that_is_asked_for(self, tmp_path):
        table = hub_table([0, 1] * 5, names=["cat", "pug"], colour=["red", "tan"] * 5)
        split = load_split(parquet(tmp_path / "pets", train=table), label="colour")
        assert split.vocab == ["red", "tan"]

    def test_the_column_that_is_asked_for_serves_validation_too(self, tmp_path):
        tables = {
            name: hub_table([0, 1, 0, 1], colour=["red", "red", "tan", "red"])
            for name in ("train", "validation")
        }
        split = load_split(parquet(tmp_path / "pets", **tables), label="colour")
        assert split.train.labels == split.valid.labels == [0, 0, 1, 0]

    def test_several_columns_that_could_be_the_label(self, tmp_path):
        table = plain_table([0, 1] * 5, "breed", colour=["red", "tan"] * 5)
        message = r"^which column is the label\? use --label with one of breed, colour$"
        with pytest.raises(VicinalError, match=message):
            load_split(parquet(tmp_path / "pets", train=table))

    def test_a_column_that_is_not_there_offers_a_near_one(self, tmp_path):
        table = plain_table([0, 1] * 5, "breed", colour=["red", "tan"] * 5)
        folder = parquet(tmp_path / "pets", train=table)
        message = r"no label column color among breed, colour, did you mean colour\?"
        with pytest.raises(VicinalError, match=message):
            load_split(folder, label="color")
        with pytest.raises(VicinalError, match=r"no label column xyz among breed, colour$"):
            load_split(folder, label="xyz")

    def test_the_image_column_is_no_label(self, tmp_path):
        folder = parquet(tmp_path / "pets", train=plain_table([0, 1] * 5))
        with pytest.raises(VicinalError, match="no label column image among label"):
            load_split(folder, label="image")

    @pytest.mark.parametrize(
        "table",
        [
            plain_table([0, 1, None, 1, None]),
            plain_table(["a", "b", None, "a", None]),
            plain_table([0, 1, -1, 1, -1]),
            hub_table([0, 1, -1, 1, -1]),
            hub_table([0, 1, None, 1, None]),
        ],
        ids=["number", "text", "minus one", "class minus one", "class"],
    )
    def test_missing_labels_are_counted(self, tmp_path, table):
        message = r"^2 of 5 labels in column label are missing, first in row 2: fill them in"
        with pytest.raises(VicinalError, match=message):
            load_split(parquet(tmp_path / "pets", train=table))

    @pytest.mark.parametrize(
        ("labels", "kind"), [([0.5, 1.5] * 5, "float"), ([{"a": 1}] * 10, "dict")]
    )
    def test_values_that_are_no_classes(self, tmp_path, labels, kind):
        with pytest.raises(VicinalError, match=f"column label holds {kind} values, not classes"):
            load_split(parquet(tmp_path / "pets", train=plain_table(labels)))

    def test_one_class(self, tmp_path):
        with pytest.raises(VicinalError, match="only the class 'pug'"):
            load_split(parquet(tmp_path / "pets", train=plain_table(["pug"] * 5)))

    def test_a_csv_beside_images_is_left_alone(self, tmp_path):
        folder = parquet(tmp_path / "pets", train=plain_table([0, 1] * 10))
        (tmp_path / "pets" / "about.csv").write_text("name,age\nrex,3\n")
        split = load_split(folder)
        assert (len(split.train), len(split.valid)) == (16, 4)

    def test_a_table_without_images_is_one_of_rows(self, tmp_path):
        table = pa.table({"size": [1.5, 2.5, 3.5, 4.5] * 5, "label": ["a", "b"] * 10})
        split = load_split(parquet(tmp_path / "pets", train=table))
        assert isinstance(split, RowSplit)
        assert (split.kinds.numeric, split.vocab) == (["size"], ["a", "b"])

    def test_no_column_but_the_image_s(self, tmp_path):
        table = plain_table([0, 1]).select(["image"])
        with pytest.raises(VicinalError, match="no column but image: add one with the label"):
            load_split(parquet(tmp_path / "pets", train=table))

    @pytest.mark.parametrize("content", [b"", b"PAR1 and nothing more", BROKEN * 10])
    @pytest.mark.parametrize("name", ["train", "validation"])
    def test_a_broken_file_is_named(self, tmp_path, name, content, log):
        tables = {"train": plain_table([0, 1] * 5), name: content}
        folder = parquet(tmp_path / "pets", **tables)
        message = rf"{name}\.parquet cannot be read \(.*\): download it again"
        with pytest.raises(VicinalError, match=message) as error:
            load_split(folder)
        assert one_sentence(error)
        assert not log.records

    def test_a_file_that_is_damaged_inside(self, tmp_path, log):
        folder = parquet(tmp_path / "pets", train=plain_table(["cat", "pug"] * 500))
        file = Path(folder) / "train.parquet"
        content = bytearray(file.read_bytes())
        content[100:-5000] = bytes(len(content) - 5100)
        file.write_bytes(content)
        with pytest.raises(VicinalError, match="holds a Parquet file that cannot be read") as error:
            load_split(folder)
        assert one_sentence(error)
        assert not log.records

    def test_a_file_without_rows_is_named(self, tmp_path):
        table = plain_table([0, 1] * 5)
        folder = parquet(tmp_path / "pets", train=table, validation=table.slice(0, 0))
        with pytest.raises(VicinalError, match=r"validation\.parquet has no rows: remove it"):
            load_split(folder)

    def test_files_with_other_columns(self, tmp_path, log):
        tables = {"train": plain_table([0, 1]), "test": plain_table([0, 1], "breed")}
        with pytest.raises(VicinalError, match="pets differ in their columns: put") as error:
            load_split(parquet(tmp_path / "pets", **tables))
        assert one_sentence(error)
        assert not log.records

    def test_a_corrupt_image_is_named_by_row_and_path(self, tmp_path):
        struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        images = records(4)
        images[2] = {"bytes": BROKEN, "path": "pug_2.png"}
        images[3] = None
        table = pa.table({"image": pa.array(images, struct), "label": [0, 1, 0, 1]})
        folder = parquet(tmp_path / "pets", train=table, validation=plain_table([0]))
        split = load_split(folder)
        with pytest.raises(BadImage, match=r"^2 of 4 .*first is image 2 \(pug_2\.png\) \(cannot"):
            decode(split.train, 8)
        left, bad = decode(split.train, None, skip_bad=True)
        assert torch.equal(left.images, pictures(2))
        assert bad[1] == "image 3 (no image is stored)"

    def test_another_image_column_is_not_read(self, tmp_path):
        mask = [{"bytes": BROKEN, "path": "mask.png"}] * 4
        table = hub_table([0, 1, 0, 1], mask=mask).cast_column("mask", datasets.Image())
        split = load_split(parquet(tmp_path / "pets", train=table), valid_pct=0.5)
        assert decoded(split.train).shape == (2, 3, 8, 8)


class TestHub:
    def test_a_name_is_loaded_with_its_parts(self, tmp_path):
        folder = parquet(
            tmp_path / "pets", train=hub_table([0, 1, 1]), validation=hub_table([1], start=3)
        )
        split = load_split(f"hf:{folder}")
        assert split.vocab == ["cat", "pug"]
        assert (split.train.labels, split.valid.labels) == ([0, 1, 1], [1])
        assert torch.equal(decoded(split.train), pictures(3))

    def test_a_configuration_may_be_named(self, tmp_path):
        folder = parquet(tmp_path / "pets", small=hub_table([0, 1] * 2), full=hub_table([0, 1] * 5))
        (tmp_path / "pets" / "README.md").write_text(
            "---\nconfigs:\n"
            "- config_name: small\n  data_files: small.parquet\n"
            "- config_name: full\n  data_files: full.parquet\n"
            "---\n"
        )
        split = load_split(f"hf:{folder}:full")
        assert len(split.train) + len(split.valid) == 10
        with pytest.raises(VicinalError, match=r"\['small', 'full'\].*hf:NAME:CONFIGURATION"):
            load_split(f"hf:{folder}")

    @pytest.mark.parametrize("name", ["nobody/has-this", "nothing"])
    def test_a_name_that_cannot_be_reached(self, name):
        start = time.monotonic()
        with pytest.raises(VicinalError, match=rf"^hf:{name} cannot be loaded .*network") as error:
            load_split(f"hf:{name}")
        assert one_sentence(error)
        assert time.monotonic() - start < 5

    def test_no_name(self):
        with pytest.raises(VicinalError, match="hf: names no data set: use hf:NAME"):
            load_split("hf:")


@pytest.fixture
def no_download(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("no network")

    module = inspect.getmodule(torchvision.datasets.OxfordIIITPet)
    monkeypatch.setattr(module, "download_and_extract_archive", refuse)


@pytest.fixture
def pets(tmp_path, no_download):
    """Oxford-IIIT Pet as torchvision lays it out, with two breeds."""
    root = tmp_path / "known" / "OxfordIIITPet" / "oxford-iiit-pet"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for part, numbers in (("trainval", range(6)), ("test", range(6, 9))):
        lines = []
        for number in numbers:
            name = f"{'great_pug' if number % 2 else 'Abyssinian'}_{number}"
            (root / "images" / f"{name}.jpg").write_bytes(encoded(noise(seed=number)))
            lines.append(f"{name} {number % 2 + 1} 1 1\n")
        (root / "annotations" / f"{part}.txt").write_text("".join(lines))
    return root


class Known:
    """What a data set of torchvision has; its splits are those in ``has``."""

    has = ("train", "test")
    labels_of = MappingProxyType({"train": [4, 9, 4], "test": [9, 9]})

    def __init__(self, root, split="train", download=False):
        if split not in self.has:
            raise ValueError(f"Unknown value '{split}' for argument split")
        assert download
        self.labels = self.labels_of[split]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return noise(seed=index), self.labels[index]


class TestTorchvision:
    def test_training_and_test_parts(self, pets):
        split = load_split("torchvision:OxfordIIITPet")
        assert split.vocab == ["Abyssinian", "Great Pug"]
        assert (split.train.labels, split.valid.labels) == ([0, 1] * 3, [0, 1, 0])
        assert torch.equal(decoded(split.train), pictures(6))
        assert torch.equal(decoded(split.valid), pictures(3, start=6))
        assert split.mirrored

    def test_a_corrupt_image_can_be_left_out(self, pets):
        (pets / "images" / "great_pug_1.jpg").write_bytes(BROKEN)
        split = load_split("torchvision:OxfordIIITPet")
        with pytest.raises(BadImage, match=r"^1 of 6 images cannot be read: image 1 .*great_pug_1"):
            decode(split.train, None)
        assert len(decode(split.train, None, skip_bad=True)[0]) == 5

    def test_files_that_cannot_be_had(self, tmp_path, no_download):
        with pytest.raises(VicinalError, match="no network") as error:
            load_split("torchvision:OxfordIIITPet")
        assert str(error.value).endswith(f"into {tmp_path / 'known' / 'OxfordIIITPet'}")
        assert one_sentence(error)

    @pytest.mark.parametrize(
        ("name", "near"),
        [("OxfordPet", "OxfordIIITPet"), ("cifar10", "CIFAR10"), ("Minst", "MNIST")],
    )
    def test_an_unknown_name_offers_a_near_one(self, name, near):
        message = rf"torchvision has no data set {name}, did you mean {near}\?"
        with pytest.raises(VicinalError, match=message):
            load_split(f"torchvision:{name}")

    @pytest.mark.parametrize("name", ["cifar", "folder", "utils", "__name__", "xyzzy"])
    def test_a_module_is_no_data_set(self, name):
        with pytest.raises(VicinalError, match=f"torchvision has no data set {name}"):
            load_split(f"torchvision:{name}")

    @pytest.mark.parametrize("validation", ["val", "valid", "test"])
    def test_the_validation_part_may_have_any_of_its_names(self, monkeypatch, validation):
        monkeypatch.setattr(Known, "has", ("train", validation))
        monkeypatch.setattr(Known, "labels_of", {"train": [4, 9, 4], validation: [9, 9]})
        monkeypatch.setattr(torchvision.datasets, "SVHN", Known)
        split = load_split("torchvision:SVHN")
        assert split.vocab == ["4", "9"]
        assert (split.train.labels, split.valid.labels) == ([0, 1, 0], [1, 1])
        assert torch.equal(decoded(split.train), pictures(3))

    def test_glyphs_mean_something_else_when_they_are_flipped(self, monkeypatch):
        monkeypatch.setattr(torchvision.datasets, "SVHN", Known)
        monkeypatch.setattr(torchvision.datasets, "Food101", Known)
        assert not load_split("torchvision:SVHN").mirrored
        assert load_split("torchvision:Food101").mirrored

    def test_a_random_part_is_held_out_where_there_is_none(self, monkeypatch):
        class Whole(Known):
            classes = ("sea", ("town", "city"))
            targets = [0, 1] * 5

            def __init__(self, root, download=False):
                self.labels = self.targets

        monkeypatch.setattr(torchvision.datasets, "EuroSAT", Whole)
        split = load_split("torchvision:EuroSAT", valid_pct=0.3)
        assert split.vocab == ["sea", "town"]
        assert (len(split.train), len(split.valid)) == (7, 3)
        assert split.notes == ["validation: 3 images held out at random (30%)"]

    def test_targets_that_are_no_classes(self, monkeypatch):
        masks = {name: [Image.new("L", (8, 8))] for name in Known.has}
        monkeypatch.setattr(Known, "labels_of", masks)
        monkeypatch.setattr(torchvision.datasets, "VOCSegmentation", Known)
        with pytest.raises(VicinalError, match="VOCSegmentation have no classes: use a data set"):
            load_split("torchvision:VOCSegmentation")


@pytest.mark.skipif(not IMAGENETTE.is_dir(), reason=f"{IMAGENETTE} is not there")
class TestImagenette:
    @pytest.mark.slow
    def test_trains_on_wrong_labels_and_validates_on_right_ones(self):
        noisy = load_split(str(IMAGENETTE), label="label_noise_50")
        clean = load_split(str(IMAGENETTE))
        assert (len(noisy.train), len(noisy.valid)) == (9469, 3925)
        assert noisy.vocab == clean.vocab
        assert len(noisy.vocab) == 10
        wrong = torch.tensor(noisy.train.labels) != torch.tensor(clean.train.labels)
        assert 0.4 < wrong.double().mean() < 0.55
        assert noisy.valid.labels == clean.valid.labels
        assert noisy.notes[0] == "labels: column label_noise_50"
        assert clean.notes == ["labels: column label", "validation: the data's part validation"]

    def test_images_are_read_right(self):
        split = load_split(str(IMAGENETTE))
        few = split.train.subset(range(0, len(split.train), 500))
        assert decode(few, 64)[0].images.shape == (19, 3, 64, 64)


def test_a_hubs_texts_and_classes_by_their_names():
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["sad", "glad"])
    )
    texts = [f"it was the day number {i} of the year" for i in range(20)]
    table = datasets.Dataset.from_dict({"text": texts, "label": [0, 1] * 10}, features=features)
    tables = datasets.DatasetDict(train=table, test=table.select(range(4)))
    assert not has_images(tables)
    split = split_of_rows(frames_of(tables), DataRequest("hf:x"))
    assert isinstance(split, TextSplit)
    assert split.texts(split.valid) == texts[:4]
    assert [split.vocab[i] for i in split.valid.y.tolist()] == ["sad", "glad"] * 2
