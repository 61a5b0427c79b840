"""Texts by fastai's names: from folders and tables to batches."""

import pandas as pd
import pytest
import torch

from vicinal import (
    CategoryBlock,
    ColReader,
    DataBlock,
    GrandparentSplitter,
    TextBlock,
    TextDataLoaders,
    VicinalError,
    get_text_files,
    parent_label,
)
from vicinal.data.text_block import TextLoaders
from vicinal.stored import Misfit


@pytest.fixture
def frame():
    texts = ["a good film", "a bad film", "so good", "so bad indeed"] * 5
    return pd.DataFrame(
        {
            "review": texts,
            "label": ["pos", "neg"] * 10,
            "tags": ["short old", "", "new", "old"] * 5,
            "is_valid": [False, False, False, True] * 5,
        }
    )


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "test"):
        for label in ("pos", "neg"):
            (tmp_path / part / label).mkdir(parents=True)
            for index in range(4):
                (tmp_path / part / label / f"{index}.txt").write_text(f"{label} film {index}")
    (tmp_path / "train" / "vocab.dat").write_text("no text")
    return tmp_path


def from_df(frame, **options):
    given = {"text_col": "review", "label_col": "label", "bs": 4, "device": "cpu"}
    return TextDataLoaders.from_df(frame, **(given | options))


def texts_of(dls, part):
    return dls.texts[part]


def test_texts_of_a_data_frame_become_ids(frame):
    dls = from_df(frame)
    x, y = dls.one_batch()
    assert (x["ids"].shape[0], y.shape, dls.vocab) == (4, (4,), ["neg", "pos"])
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (16, 4)
    assert set(dls.tokenizer.words) == {"a", "film", "so", "good", "bad", "indeed"}


def test_the_labels_are_those_of_their_texts(frame):
    dls = from_df(frame)
    for part, loader in enumerate((dls.train, dls.valid)):
        labels = [dls.label(y) for y in loader.dataset.y]
        for text, label in zip(texts_of(dls, part), labels, strict=True):
            assert ("good" in text) == (label == "pos")


def test_columns_may_be_numbered_and_joined(frame):
    assert from_df(frame, text_col=0, label_col=1).texts == from_df(frame).texts
    joined = from_df(frame, text_col=["review", "label"])
    assert all(text.endswith((" pos", " neg")) for text in joined.texts[0])


def test_the_words_are_those_of_the_training_part(frame):
    frame.loc[3::4, "review"] = "unheard unheard words"
    dls = from_df(frame, valid_col="is_valid")
    assert "unheard" not in dls.tokenizer.words
    assert set(texts_of(dls, 1)) == {"unheard unheard words"}


def test_several_labels_of_a_text(frame):
    dls = from_df(frame, label_col="tags", label_delim=" ", valid_col="is_valid")
    assert dls.vocab == ["new", "old", "short"]
    assert dls.train.dataset.y[:3].tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    frame["long"], frame["liked"] = [0, 1] * 10, [1, 0] * 10
    dls = from_df(frame, label_col=["long", "liked"], valid_col="is_valid")
    assert (dls.vocab, dls.train.dataset.y[0].tolist()) == (["long", "liked"], [0, 1])


def test_a_csv_file(frame, tmp_path):
    frame.to_csv(tmp_path / "texts.csv", index=False)
    dls = TextDataLoaders.from_csv(
        tmp_path, "texts.csv", text_col="review", label_col="label", bs=4, device="cpu"
    )
    assert dls.texts == from_df(frame).texts
    with pytest.raises(VicinalError, match=r"labels.csv cannot be read"):
        TextDataLoaders.from_csv(tmp_path)


def test_folders_of_both_parts(folder):
    dls = TextDataLoaders.from_folder(folder, valid="test", bs=4, device="cpu")
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (8, 8)
    for part, loader in enumerate((dls.train, dls.valid)):
        labels = [dls.label(y) for y in loader.dataset.y]
        assert [text.split()[0] for text in texts_of(dls, part)] == labels


def test_a_share_of_a_folder(folder):
    dls = TextDataLoaders.from_folder(folder, valid_pct=0.25, seed=3, bs=4, device="cpu")
    assert (len(dls.train.dataset), len(dls.valid.dataset)) == (12, 4)


def test_text_files_of_some_folders(folder):
    assert len(get_text_files(folder)) == 16
    assert len(get_text_files(folder, folders=["train"])) == 8
    assert get_text_files(folder / "train", recurse=False) == []
    with pytest.raises(VicinalError, match="no folder"):
        get_text_files(folder / "none")


def test_a_data_block_of_files_as_the_book_types_it(folder):
    dls = DataBlock(
        blocks=(TextBlock.from_folder(folder), CategoryBlock),
        get_y=parent_label,
        get_items=lambda path: get_text_files(path, folders=["train", "test"]),
        splitter=GrandparentSplitter(valid_name="test"),
    ).dataloaders(folder, path=folder, bs=4, seq_len=72, device="cpu")
    assert (dls.vocab, len(dls.valid.dataset)) == (["neg", "pos"], 8)
    x, _ = dls.one_batch()
    assert x["ids"].shape == (4, 3)


def test_a_data_block_of_a_data_frame(frame):
    dls = DataBlock(
        (TextBlock.from_df("review", min_freq=6), CategoryBlock),
        get_x=ColReader("review"),
        get_y=ColReader("label"),
    ).dataloaders(frame, bs=4, device="cpu")
    assert "indeed" not in dls.tokenizer.words
    assert "indeed" in from_df(frame).tokenizer.words


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: from_df(f, text_col="text"), "no column 'text': the data frame has review"),
        (lambda f: from_df(f, label_col=9), "no column 9"),
        (lambda f: from_df("reviews.csv"), "must be a data frame"),
        (lambda f: from_df(f.assign(review=None)), "missing or not text"),
        (lambda f: from_df(f, text_vocab=["a"]), "no option 'text_vocab', but bs, seed, val_bs"),
        (lambda f: from_df(f, is_lm=True), "no option 'is_lm'"),
        (lambda f: TextBlock.from_df("review", is_lm=True), "no language models"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(frame, call, message):
    with pytest.raises(VicinalError, match=message):
        call(frame)


def test_folders_that_are_not_there_are_named(folder):
    with pytest.raises(VicinalError, match="no folder 'valid': name both parts"):
        TextDataLoaders.from_folder(folder)
    (folder / "empty").mkdir()
    with pytest.raises(VicinalError, match=r"no \.txt files"):
        TextDataLoaders.from_folder(folder / "empty", valid_pct=0.2)


def test_other_texts_are_read_as_validation_was(frame, tmp_path):
    dls = from_df(frame, valid_col="is_valid")
    ((x, _),) = dls.valid
    ((again, none),) = dls.test_dl(frame[frame["is_valid"]])
    assert (again["ids"].equal(x["ids"]), none) == (True, None)
    ((again, _),) = dls.test_dl(texts_of(dls, 1))
    assert again["ids"].equal(x["ids"])
    (tmp_path / "one.txt").write_text("so bad indeed\n")
    assert dls.test_batch([tmp_path / "one.txt"])["ids"].equal(x["ids"][:1])


def test_another_tokenizer_reads_the_same_texts(frame):
    from vicinal import WordTokenizer

    dls = from_df(frame)
    own = dls.tokenized(WordTokenizer.of(["film film"]))
    assert len(own.tokenizer) == 3
    assert own.train.dataset.y.equal(dls.train.dataset.y)
    assert (own.bs, own.vocab, own.target_block) == (4, dls.vocab, dls.target_block)


def test_texts_are_shown_with_their_classes(frame):
    dls = from_df(frame)
    shown = dls.show_batch(3)
    assert shown.columns == ["text", "target"]
    assert all(("good" in row["text"]) == (row["target"] == "pos") for row in shown.rows)
    assert dls.described(dls.test_batch(["so unheard"])) == [{"text": "so xxunk"}]


def test_what_is_done_to_texts_is_kept_as_json(frame):
    dls = from_df(frame)
    kept = TextLoaders.from_json(dls.to_json(), "cpu")
    one, other = (each.test_batch(["a good one"]) for each in (dls, kept))
    assert one["ids"].equal(other["ids"])
    for damage in ({"words": {"words": ["a", "a"], "max_length": 3}}, {"bs": "4"}):
        with pytest.raises(Misfit):
            TextLoaders.from_json({**dls.to_json(), **damage}, torch.device("cpu"))
