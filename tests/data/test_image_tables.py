"""Images that a table names: which files and which column are meant, and what is said."""

import json

import pytest

from vicinal.data import named_images
from vicinal.data.named_images import NamedImages
from vicinal.data.rows import RowSplit
from vicinal.data.samples import Split
from vicinal.data.sources import load_split
from vicinal.errors import VicinalError

from .pictures import write

IMAGES = [f"images__{i}" for i in range(10)]


def folder(path, *names, **tables):
    """Images by their names, and tables by theirs; ``a__b`` becomes a/b."""
    write(path, **dict.fromkeys(names))
    for name, text in tables.items():
        file = path / (name.replace("__", "/") + ".csv")
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
    return path


def table(header, row, count=10, start=0):
    """A line for each number: ``{i}`` is the number, ``{c}`` one of two classes."""
    rows = [row.format(i=i, c="ab"[i % 2]) for i in range(start, start + count)]
    return "\n".join([header, *rows, ""])


def labelled(split):
    """The class of each image, by its path's last two parts."""
    return {
        "/".join(file.parts[-2:]): split.vocab[label]
        for part in (split.train, split.valid)
        for file, label in zip(part.images, part.labels, strict=True)
    }


EXPECTED = {f"images/{i}.png": "ab"[i % 2] for i in range(10)}


@pytest.mark.parametrize(
    "value",
    [
        "images/{i}.png",
        "{i}.png",
        "{i}.PNG",
        "{i}",
        "images/{i}",
        "pets/images/{i}.png",
        "/mnt/pets/images/{i}.png",
        "C:\\pets\\images\\{i}.png",
        "../input/train_photos/{i}.png",
        "./images/{i}.png",
    ],
)
def test_names_are_paths_names_or_names_without_ending(tmp_path, value):
    text = table("id,diagnosis", value + ",{c}")
    split = load_split(folder(tmp_path, *IMAGES, labels=text), valid_pct=0.3)
    assert labelled(split) == EXPECTED
    assert (len(split.train), len(split.valid)) == (7, 3)
    assert split.notes[:2] == [
        "files: those in column id of labels.csv",
        "labels: column diagnosis",
    ]


def test_a_label_column_is_named_or_found_by_its_name(tmp_path):
    # The ages are names of images by chance, too.
    path = folder(tmp_path, *IMAGES, labels=table("file,age,dx", "{i}.png,{i},{c}"))
    with pytest.raises(VicinalError, match=r"names images, and which column is the label"):
        load_split(path)
    assert labelled(load_split(path, label="dx")) == EXPECTED
    with pytest.raises(VicinalError, match="there is no label column dy among age, dx"):
        load_split(path, label="dy")
    folder(path, labels=table("file,age,Label", "{i}.png,{i},{c}"))
    assert labelled(load_split(path)) == EXPECTED


def test_a_column_of_places_called_y_is_no_label(tmp_path):
    text = table("file,x,y", "cat/{i}.png,{i},{i}")
    path = folder(tmp_path, *[f"{c}__{i}" for c in ("cat", "dog") for i in range(9)], boxes=text)
    split = load_split(path)
    assert split.vocab == ["cat", "dog"]
    assert split.notes[-1] == (
        "left alone: boxes.csv, though it names the images (--label takes x, y)"
    )


def test_classes_are_sorted_as_numbers_or_words(tmp_path):
    path = folder(tmp_path, *IMAGES, labels=table("file,label", "{i}.png,1{i}"))
    (path / "labels.csv").write_text(table("file,label", "{i}.png,{i}").replace(",9", ",11"))
    assert load_split(path).vocab == [*map(str, range(9)), "11"]


@pytest.mark.parametrize(
    ("labels", "vocab"),
    [
        (["001", "010"], ["001", "010"]),
        (["1e5", "1e6"], ["1e5", "1e6"]),
        (["1.1", "1.10"], ["1.1", "1.10"]),
        (["2", "10"], ["2", "10"]),
    ],
)
def test_labels_keep_their_spelling(tmp_path, labels, vocab):
    rows = [f"{i}.png,{labels[i % 2]}" for i in range(10)]
    path = folder(tmp_path, *IMAGES, labels="\n".join(["file,label", *rows]))
    assert load_split(path).vocab == vocab


def test_names_of_files_keep_their_spelling(tmp_path):
    names = [f"images__{i:03}" for i in range(10)]
    path = folder(tmp_path, *names, labels=table("id,label", "00{i},{c}"))
    assert labelled(load_split(path)) == {f"images/{i:03}.png": "ab"[i % 2] for i in range(10)}


def test_a_word_for_no_finding_may_be_a_class(tmp_path):
    text = table("file,label", "{i}.png,{c}").replace(",a", ",None")
    path = folder(tmp_path, *IMAGES, labels=text)
    with pytest.raises(VicinalError, match=r"5 of 10 labels .*'None' in row 0: leave"):
        load_split(path)
    assert load_split(path, label_kind="classes").vocab == ["None", "b"]


def test_values_of_images_are_refused(tmp_path):
    path = folder(tmp_path, *IMAGES, labels=table("file,label", "{i}.png,{i}.5"))
    with pytest.raises(VicinalError, match="holds values, and images are learned with a class"):
        load_split(path)


def test_labels_that_a_semicolon_joins_are_asked_about(tmp_path):
    text = table("file,label", "{i}.png,{c}").replace(",a", ",a;b")
    path = folder(tmp_path, *IMAGES, labels=text)
    with pytest.raises(VicinalError, match=r"'a;b', which may be several labels of one image"):
        load_split(path)
    assert load_split(path, label_sep=";").targets_are == "labels"


def test_many_whole_numbers_are_classes_only_where_that_is_said(tmp_path):
    images = [f"{i}" for i in range(30)]
    path = folder(tmp_path, *images, labels=table("file,age", "{i}.png,6{i}", 30))
    with pytest.raises(VicinalError, match="add --label-kind classes"):
        load_split(path)
    assert len(load_split(path, label_kind="classes").vocab) == 30
    folder(path, labels=table("file,label", "{i}.png,{i}", 30))
    assert len(load_split(path).vocab) == 30  # counted from 0
    with pytest.raises(VicinalError, match="holds values"):
        load_split(path, label_kind="values")


def test_columns_of_0_and_1_are_a_class_where_one_of_them_is_1(tmp_path):
    text = table("image,MEL,NV", "{i},0,1").replace("3,0,1", "3,1,0")
    path = folder(tmp_path, *IMAGES, truth=text)
    split = load_split(path)
    assert labelled(split) == dict.fromkeys(EXPECTED, "NV") | {"images/3.png": "MEL"}
    assert "labels: that of MEL, NV which is 1 in a row" in split.notes
    folder(path, truth=text.replace("4,0,1", "4,1,1"))
    with pytest.raises(VicinalError, match=r"columns MEL, NV of .* may be several labels"):
        load_split(path)
    assert load_split(path, label="MEL").vocab == ["0", "1"]
    assert load_split(path, label_kind="labels").targets_are == "labels"


def test_missing_images_are_counted_and_named_and_left_out_on_request(tmp_path):
    path = folder(tmp_path, *IMAGES, labels=table("file,label", "{i}.png,{c}", 12))
    what = "2 of 12 images in column file of labels.csv are missing, first 10.png in row 10"
    with pytest.raises(VicinalError, match=f"{what}: add them, or leave them out with skip_bad"):
        load_split(path)
    split = load_split(path, skip_bad=True)
    assert labelled(split) == EXPECTED
    assert f"left out: {what}" in split.notes


def test_an_image_of_another_folder_does_not_take_the_place_of_a_missing_one(tmp_path):
    names = [f"cat__{i}" for i in range(10)] + ["dog__3"]
    path = folder(tmp_path, *names, labels=table("file,label", "cat/{i}.png,{c}"))
    (path / "cat" / "3.png").unlink()
    with pytest.raises(VicinalError, match=r"1 of 10 images .* missing, first cat/3.png in row 3"):
        load_split(path)


def test_images_of_two_folders_with_one_name_are_not_guessed(tmp_path):
    names = [*IMAGES, *[f"masks__{i}" for i in range(10)]]
    path = folder(tmp_path, *names, labels=table("file,label", "{i}.png,{c}"))
    with pytest.raises(VicinalError, match=r"0.png in row 0 of .* can be .*images/0.png or .*m"):
        load_split(path)


def test_images_that_no_row_names_are_counted(tmp_path):
    path = folder(tmp_path, *IMAGES, "masks__x", labels=table("file,label", "{i}.png,{c}"))
    assert "left out: 1 image that labels.csv does not name, first masks/x.png" in (
        load_split(path).notes
    )


def test_an_image_named_twice_has_one_label(tmp_path):
    text = table("file,label", "{i}.png,{c}")
    path = folder(tmp_path, *IMAGES, labels=text + "4.png,a\n")
    split = load_split(path)
    assert labelled(split) == EXPECTED
    assert len(split.train) + len(split.valid) == 10
    assert "left out: 1 rows of labels.csv that name an image again" in split.notes
    folder(path, labels=text + "4.png,b\n")
    with pytest.raises(VicinalError, match=r"4.png is named in labels.csv with the labels a and b"):
        load_split(path)


def test_labels_that_are_missing_are_left_out_on_request(tmp_path):
    text = table("file,label", "{i}.png,{c}").replace("4.png,a", "4.png,")
    path = folder(tmp_path, *IMAGES, labels=text)
    with pytest.raises(VicinalError, match="1 of 10 labels in column label are missing"):
        load_split(path)
    split = load_split(path, drop_missing=True)
    assert labelled(split) == {name: c for name, c in EXPECTED.items() if name != "images/4.png"}
    assert "left out: 1 of 10 images of train, without a label" in split.notes


def test_groups_are_held_out_as_a_whole(tmp_path):
    text = table("file,patient,dx", "{i}.png,p{i},{c}").replace("p1,", "p3,").replace("p0", "p2")
    path = folder(tmp_path, *IMAGES, labels=text)
    split = load_split(path, group="patient", label="dx", valid_pct=0.4)
    sides = [{file.stem for file in part.images} for part in (split.train, split.valid)]
    assert any({"1", "3"} <= side for side in sides)
    assert any({"0", "2"} <= side for side in sides)
    assert any(f"{len(split.valid)} images, of " in note for note in split.notes)
    with pytest.raises(VicinalError, match=r"no column pation among .*, did you mean patient"):
        load_split(path, group="pation", label="dx")


class TestParts:
    def test_by_tables_and_folders_of_the_same_names(self, tmp_path):
        """As Kaggle has them: the names of training and test images are the same."""
        names = [f"{part}__{i}" for part in ("train", "test") for i in range(10)]
        path = folder(
            tmp_path,
            *names,
            train=table("id,label", "{i},{c}"),
            test=table("id", "{i}"),
            sample_submission=table("id,label", "{i},a"),
        )
        split = load_split(path)
        assert labelled(split) == {f"train/{i}.png": "ab"[i % 2] for i in range(10)}
        assert (len(split.train), len(split.valid)) == (8, 2)
        assert split.notes[2:5] == [
            "left out: 10 images that train.csv does not name, first test/0.png",
            "left alone: sample_submission.csv, beside the images",
            "left alone: test.csv, which names images without a label",
        ]

    def test_by_tables_beside_one_folder_of_images(self, tmp_path):
        path = folder(
            tmp_path,
            *IMAGES,
            train=table("file,label", "{i}.png,{c}", 7),
            val=table("file,label", "{i}.png,{c}", 3, start=7),
        )
        split = load_split(path)
        assert labelled(split) == EXPECTED
        assert [file.stem for file in split.valid.images] == ["7", "8", "9"]
        assert "validation: the data's part val" in split.notes

    def test_words_for_training_are_one_part(self, tmp_path):
        path = folder(
            tmp_path,
            *IMAGES,
            train_1=table("file,label", "{i}.png,{c}", 3),
            training_2=table("file,label", "{i}.png,{c}", 4, start=3),
            val=table("file,label", "{i}.png,{c}", 3, start=7),
            test=table("file,label", "{i}.png,{c}", 3),
        )
        split = load_split(path)
        assert (len(split.train), len(split.valid)) == (7, 3)
        assert "left alone: test.csv, which names images, too" in split.notes

    def test_by_a_table_in_each_folder(self, tmp_path):
        """As ``datasets`` reads a folder of images with metadata."""
        names = [f"{part}__{i}" for part in ("train", "test") for i in range(4)]
        text = table("file_name,label", "{i}.png,{c}", 4)
        path = folder(tmp_path, *names, train__metadata=text, test__metadata=text)
        split = load_split(path)
        assert [str(file.relative_to(path)) for file in split.valid.images] == [
            f"test/{i}.png" for i in range(4)
        ]
        assert (len(split.train), split.train.labels) == (4, [0, 1, 0, 1])

    @pytest.mark.parametrize(
        ("header", "row", "options"),
        [
            ("file,label,split", "{i}.png,{c},{part}", {}),
            ("file,label,is_valid", "{i}.png,{c},{flag}", {}),
            ("file,dx,half", "{i}.png,{c},{part}", {"split_column": "half"}),
        ],
    )
    def test_by_a_column(self, tmp_path, header, row, options):
        rows = [
            row.format(i=i, c="ab"[i % 2], part="dev" if i > 6 else "training", flag=i > 6)
            for i in range(10)
        ]
        path = folder(tmp_path, *IMAGES, labels="\n".join([header, *rows]))
        split = load_split(path, **options)
        assert labelled(split) == EXPECTED
        assert [file.stem for file in split.valid.images] == ["7", "8", "9"]
        assert any(note.startswith("parts: column ") for note in split.notes)
        with pytest.raises(VicinalError, match="--split-column: there is no column haf among"):
            load_split(path, label=header.split(",")[1], split_column="haf")

    def test_images_of_both_parts_are_not_learned(self, tmp_path):
        text = table("file,label", "{i}.png,{c}")
        part = table("file,label", "{i}.png,{c}", 4)
        path = folder(tmp_path, *IMAGES, labels=text, valid=part)
        split = load_split(path)
        assert [file.stem for file in split.train.images] == ["4", "5", "6", "7", "8", "9"]
        assert "left out of train: 4 images that valid names, too" in split.notes

    def test_groups_in_both_parts_are_refused(self, tmp_path):
        rows = "file,label,patient", "{i}.png,{c},p{c}"
        path = folder(
            tmp_path, *IMAGES, train=table(*rows, count=7), val=table(*rows, count=3, start=7)
        )
        with pytest.raises(VicinalError, match="parts train and val both hold images of patient p"):
            load_split(path, group="patient")


CLASSES = [f"{'ab'[i % 2]}__{i}" for i in range(10)]


class TestFoldersOfClasses:
    def test_stay_classes_where_the_table_says_the_same(self, tmp_path):
        path = folder(tmp_path, *CLASSES, labels=table("file,label", "{i}.png,{c}"))
        split = load_split(path)
        assert "left alone: labels.csv, though it names the images (--label takes label)" in (
            split.notes
        )
        assert "files: those in column file of labels.csv" in load_split(path, label="label").notes

    def test_stay_classes_where_the_table_holds_sizes(self, tmp_path):
        path = folder(tmp_path, *CLASSES, sizes=table("file,size", "{i}.png,7{i}.5"))
        assert load_split(path).vocab == ["a", "b"]

    def test_are_no_classes_where_a_table_gives_others(self, tmp_path):
        path = folder(tmp_path, *CLASSES, labels=table("file,label", "{i}.png,x{c}"))
        split = load_split(path)
        assert split.vocab == ["xa", "xb"]
        assert split.notes[0] == "classes: by labels.csv, not by the folders (a, b)"

    def test_are_no_classes_where_they_are_numbered_parts(self, tmp_path):
        names = [f"HAM_images_part_{1 + i % 2}__{i}" for i in range(10)]
        text = table("lesion,image_id,dx,age", "L{i},{i},{c},{i}.5")
        path = folder(tmp_path, *names, metadata=text)
        with pytest.raises(VicinalError, match="use --label with one of lesion, dx, age"):
            load_split(path)
        assert load_split(path, label="dx").vocab == ["a", "b"]

    def test_and_tables_of_the_parts_of_the_data(self, tmp_path):
        path = folder(
            tmp_path,
            *CLASSES,
            train=table("file,label", "{i}.png,{c}", 7),
            valid=table("file,label", "{i}.png,{c}", 3, start=7),
        )
        assert sorted(file.stem for file in load_split(path).valid.images) == ["7", "8", "9"]


def test_a_table_that_is_given_itself(tmp_path):
    path = folder(tmp_path, *IMAGES, labels=table("file,label", "{i}.png,{c}"))
    assert labelled(load_split(path / "labels.csv")) == EXPECTED
    folder(path, labels=table("file,label,size", "{i}.png,{c},{i}"))
    split = load_split(path / "labels.csv")
    assert isinstance(split, RowSplit)
    assert split.notes[-1] == (
        f"left alone: the images that column file names (give the folder {path} to learn from "
        "them, or --columns all to learn from both)"
    )


def test_two_columns_of_images_are_not_guessed(tmp_path):
    text = table("left,right,label", "{i}.png,r{i}.png,{c}")
    path = folder(tmp_path, *IMAGES, *[f"right__r{i}" for i in range(10)], labels=text)
    with pytest.raises(VicinalError, match=r"the columns left, right of .* name images: leave out"):
        load_split(path)
    assert labelled(load_split(path, drop=["right"])) == EXPECTED
    with pytest.raises(VicinalError, match="--drop"):
        load_split(path, drop=["right", "wrong"])


@pytest.mark.parametrize("names", [["overview"], ["plots__a", "plots__b"]])
def test_tables_without_names_of_images_are_rows(tmp_path, names):
    """A plot beside a table is no image to learn from."""
    path = folder(tmp_path, *names, flowers=table("x,label", "{i},{c}", 30))
    split = load_split(path)
    assert isinstance(split, RowSplit)
    count = len(names)
    assert split.notes[-1] == f"left alone: {count} images, which no column of the tables names"


def test_captions_are_no_classes(tmp_path):
    names = [f"images__{i}" for i in range(30)]
    path = folder(tmp_path, *names, metadata=table("file_name,text", "{i}.png,A photo of {i}", 30))
    with pytest.raises(VicinalError, match="column text seems to hold no classes, such as A photo"):
        load_split(path)
    assert len(load_split(path, label="text").vocab) == 30


def test_an_option_that_does_not_apply(tmp_path):
    path = folder(tmp_path, *IMAGES, labels=table("file,label", "{i}.png,{c}"))
    with pytest.raises(VicinalError, match="holds images that a table names, so --text file does"):
        load_split(path, text="file")


def test_umlauts_are_the_same_in_both_spellings(tmp_path):
    names = [f"images__bär{i}" for i in range(10)]
    path = folder(tmp_path, *names, labels=table("file,label", "ba\u0308r{i}.png,{c}"))
    assert isinstance(load_split(path), Split)


def test_lines_of_json_name_images(tmp_path):
    path = folder(tmp_path, *IMAGES)
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2]} for i in range(10)]
    (path / "images" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert labelled(load_split(path)) == EXPECTED


class TestNumbers:
    """Whole numbers that happen to equal the names of files are no names of files."""

    @pytest.mark.parametrize("row", ["{i},1", "{i},{i}", "{i},{c}"])
    def test_beside_class_folders_with_equal_names(self, tmp_path, row):
        names = [f"{c}__{i}" for c in ("cat", "dog") for i in range(10)]
        split = load_split(folder(tmp_path, *names, prices=table("a,b", row)))
        assert split.vocab == ["cat", "dog"]
        assert split.notes[-1] == "left alone: prices.csv, beside the images"

    @pytest.mark.parametrize("images", [10, 19])
    def test_that_name_most_images(self, tmp_path, images):
        names = [f"images__{i}" for i in range(images)]
        split = load_split(folder(tmp_path, *names, labels=table("number,label", "{i},{c}")))
        assert labelled(split) == EXPECTED

    @pytest.mark.parametrize("row", ["{i}", "{i},7{i}"])
    def test_of_few_images_only_where_the_column_is_called_so(self, tmp_path, row):
        names = [f"images__{i}" for i in range(30)]
        header = "label,{}" + ",age" * row.count(",")
        path = folder(tmp_path, *names, labels=table(header.format("id"), "{c}," + row))
        assert labelled(load_split(path, label="label")) == EXPECTED
        folder(path, labels=table(header.format("weight"), "{c}," + row))
        assert isinstance(load_split(path, label="label"), RowSplit)

    def test_of_two_columns_one_has_to_be_chosen(self, tmp_path):
        rows = [f"{i},{9 - i},{'ab'[i % 2]}" for i in range(10)]
        path = folder(tmp_path, *IMAGES, labels="\n".join(["a,b,label", *rows]))
        with pytest.raises(VicinalError, match=r"columns a, b of .* name images: leave out all"):
            load_split(path)


class TestColumnsOfParts:
    TEXT = table("file,label,origin", "{i}.png,{c},train").replace("7.png,b,train", "7.png,b,test")

    def test_of_another_name_are_asked_about(self, tmp_path):
        path = folder(tmp_path, *IMAGES, labels=self.TEXT)
        question = "origin holds train, test.*--split-column origin, or leave it out with --drop o"
        with pytest.raises(VicinalError, match=question):
            load_split(path)
        assert len(load_split(path, split_column="origin").valid) == 1
        assert len(load_split(path, drop=["origin"]).valid) == 2

    def test_numbers_of_folds_are_mentioned(self, tmp_path):
        path = folder(tmp_path, *IMAGES, labels=table("file,label,fold", "{i}.png,{c},{i}"))
        note = "parts: not by column fold, numbers of folds: --split-column fold holds out the lo"
        assert any(each.startswith(note) for each in load_split(path).notes)

    def test_numbers_of_parts_are_no_classes(self, tmp_path):
        text = table("image,partition", "{i}.png,1").replace("2.png,1", "2.png,0")
        path = folder(tmp_path, *IMAGES, list_eval_partition=text)
        with pytest.raises(VicinalError, match="names images and has no column of their classes"):
            load_split(path)
        folder(path, list_attr=table("image,Male,Young", "{i}.png,1,-1"))
        with pytest.raises(VicinalError, match=r"columns Male, Young of .* several labels of each"):
            load_split(path)
        assert load_split(path, label="partition").vocab == ["0", "1"]


def test_the_table_that_trains_is_asked_about(tmp_path):
    path = folder(tmp_path, *IMAGES, test=table("id,width", "{i},{i}", 5))
    folder(path, train=table("id,species,width", "{i},{c},{i}", 5, start=5))
    with pytest.raises(VicinalError, match=r"train\.csv names images.* one of species, width"):
        load_split(path)


class TestLinks:
    """Annotation tools write links, with blanks as %20."""

    @pytest.mark.parametrize(
        "value",
        ["/data/upload/1/my%20{i}.png", "/data/local-files/?d=images/my%20{i}.png", "my%20{i}.png"],
    )
    def test_lead_to_files(self, tmp_path, value):
        names = [f"images__my {i}" for i in range(10)]
        path = folder(tmp_path, *names, export=table("image,choice", value + ",{c}"))
        assert labelled(load_split(path)) == {f"images/my {i}.png": "ab"[i % 2] for i in range(10)}

    def test_a_file_may_be_called_so(self, tmp_path):
        names = [f"images__{i}%20" for i in range(10)]
        path = folder(tmp_path, *names, export=table("image,choice", "images/{i}%20.png,{c}"))
        assert len(labelled(load_split(path))) == 10


def test_names_that_no_image_has_are_refused(tmp_path):
    path = folder(tmp_path, *IMAGES, labels=table("image,width,label", "x{i}.png,{i}.5,{c}"))
    with pytest.raises(VicinalError, match=r"column image names images such as x0.png, and none"):
        load_split(path)
    assert isinstance(load_split(path, drop=["image"]), RowSplit)
    folder(path, labels=table("image,width,label", "x{i}.png,{i}.5,{c}", 30))
    assert isinstance(load_split(path), RowSplit)  # the images may be others


def test_a_template_of_what_to_hand_in_is_no_table(tmp_path):
    path = folder(tmp_path, "train__cat.1", "train__dog.1", "train__cat.2", "train__dog.2")
    folder(path, sampleSubmission=table("id,label", "{i},0"))
    with pytest.raises(VicinalError, match="is in no class folder"):
        load_split(path / "train")
    with pytest.raises(VicinalError, match=r"--label-pattern"):
        load_split(path)
    assert load_split(path, label_pattern=r"^(\w+)\.").vocab == ["cat", "dog"]


class TestPartsOfFolders:
    """A table of all images, which lie in folders of the parts."""

    NAMES = tuple(f"{p}__{c}__{p}{i}" for p in ("train", "valid") for c in "37" for i in "12")
    ROWS = tuple(f"{name.replace('__', '/')}.png,{int('7' in name)}" for name in NAMES)

    def test_are_used(self, tmp_path):
        path = folder(tmp_path, *self.NAMES, labels="\n".join(["name,label", *self.ROWS]))
        split = load_split(path)
        assert {file.parts[-3] for file in split.valid.images} == {"valid"}
        assert (split.train.labels, split.valid.labels) == ([0, 0, 1, 1], [0, 0, 1, 1])
        assert "parts: by the folders of the images (train, valid)" in split.notes

    def test_but_not_against_a_column(self, tmp_path):
        rows = [f"{row},{i % 2 == 0}" for i, row in enumerate(self.ROWS)]
        path = folder(tmp_path, *self.NAMES, labels="\n".join(["name,label,is_valid", *rows]))
        split = load_split(path, label="label")
        assert {file.stem[-1] for file in split.valid.images} == {"1"}


def test_a_table_that_repeats_the_folders_of_images_with_equal_names(tmp_path):
    names = [f"{c}__{i}" for c in ("cat", "dog") for i in range(5)]
    rows = [f"{c},{i}.png,f" for c in ("cat", "dog") for i in range(5)]
    path = folder(tmp_path, *names, meta="\n".join(["class,file,view", *rows]))
    assert load_split(path).vocab == ["cat", "dog"]


@pytest.mark.parametrize("row", ["{p}/{i}.png", "{i}.png"])
def test_many_folders_with_equal_names_take_no_quadratic_time(tmp_path, row, monkeypatch):
    files = [tmp_path / f"p{p}" / f"{i}.png" for p in range(60) for i in range(5)]
    named, looked = NamedImages(tmp_path, files), []
    agree = named_images._agree
    monkeypatch.setattr(named_images, "_agree", lambda *each: looked.append(1) or agree(*each))
    rows = [row.format(p=file.parent.name, i=file.stem) for file in files]
    found = named.find(rows, tmp_path / "labels.csv")
    assert [*map(len, found)] == [60 if row == "{i}.png" else 1] * 300
    assert len(looked) <= 300
