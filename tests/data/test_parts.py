"""Parts of the data by the names of folders, files and tables."""

import pytest

from vicinal.data.parts import is_only_part, part_names, part_of, part_word, rank, words_of


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("images_train", "train"),
        ("Training Data", "train"),
        ("training_set", "train"),
        ("seg_train", "train"),
        ("train-00000-of-00001.parquet", "train"),
        ("trainval", "train"),
        ("TrainingSet", "train"),
        ("train2017", "train"),
        ("trainA", "train"),
        ("x_train.npy", "train"),
        ("trainset", "train"),
        ("dev.tsv", "valid"),
        ("eval", "valid"),
        ("val2017", "valid"),
        ("validation_matched", "valid"),
        ("Hold-Out", "valid"),
        ("held_out", "valid"),
        ("holdout", "valid"),
        ("test_unknown", "test"),
        ("testB", "test"),
        ("Testing", "test"),
        ("contest", None),
        ("latest", None),
        ("strain", None),
        ("trains", None),
        ("values", None),
        ("device", None),
        ("evaluate_me", None),
        ("2019", None),
        ("fold_1", None),
        ("", None),
    ],
)
def test_the_part_that_a_name_belongs_to(name, part):
    assert part_of(name) == part


def test_of_several_words_the_last_one_counts():
    assert part_word("test_train") == "train"
    assert part_word("train/valid") == "valid"


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("seg_test", True),
        ("Training Data", True),
        ("test_unknown", True),
        ("images_train", True),
        ("testA", True),
        ("train_2", True),
        ("train stations", False),
        ("crash test", False),
        ("training_fake", False),
        ("photos", False),
        ("unknown", False),
    ],
)
def test_names_that_say_the_part_and_no_class(name, only):
    assert is_only_part(name) == only


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["test", "train", "dev"], ("train", "dev")),
        (["train", "test", "sample_submission"], ("train", "test")),
        (["train"], ("train", None)),
        (["photos"], ("photos", None)),
        (["a", "test"], ("a", "test")),
        (["train", "eval", "validation"], ("train", "validation")),
    ],
)
def test_the_parts_that_are_used(names, parts):
    assert part_names(names) == parts


def test_names_that_are_no_part_for_validation_come_last():
    assert sorted(["photos", "test", "holdout", "val"], key=rank) == [
        *("val", "holdout", "test", "photos"),
    ]


def test_words_of_other_scripts():
    assert words_of("Été_2020 СОБАКА") == ["été", "собака"]
