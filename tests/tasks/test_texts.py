"""Texts, from the command line to predictions."""

import json
import random

import pandas as pd
import pytest

from run_folders import assert_same, left, silent
from vicinal import Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal_cli import fails, rows_of

pytestmark = pytest.mark.usefixtures("blank_pictures")

PLACES = ["Aspen", "Rome", "Oslo", "the moon", "Lima", "Cairo"]
PEOPLE = ["Galileo", "Goethe", "Curie", "Ada", "Homer", "Bach"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def questions(tmp_path):
    """Questions about places and people, which the first word nearly gives away."""
    draw = random.Random(0)
    rows = []
    for _ in range(120):
        place, person = draw.choice(PLACES), draw.choice(PEOPLE)
        rows.append((f"How far is it to {place} from {draw.randint(1, 999)} miles north ?", "LOC"))
        rows.append((f"Who met {person} in {place} in {draw.randint(1500, 1999)} ?", "HUM"))
    frame = pd.DataFrame(rows, columns=["question", "label"])
    frame["number"] = range(len(frame))
    frame.to_csv(tmp_path / "questions.csv", index=False)
    return frame


TRAIN = ["train", "questions.csv", "--out", "run", "--precision", "fp32", "--mix", "mixup"]


@pytest.mark.parametrize("mix", ["none", "mixup", "manifoldmixup"])
@pytest.mark.parametrize("model", ["text_cnn", "text_transformer"])
def test_each_network_learns_and_predicts(questions, capsys, mix, model, tmp_path):
    assert run([*TRAIN, "--epochs", "2", "--model", model, "--mix", mix, "--lr", "0.003"]) == 0
    said = capsys.readouterr().out
    assert "192 training and 48 validation texts of 2 classes (HUM, LOC)" in said
    assert "left out:       number (it numbers the rows" in said
    assert said.splitlines()[-1] == "vicinal predict run TEXT..."
    assert rows_of("run")[-1]["valid_accuracy"] > 0.9
    (tmp_path / "new.txt").write_text("How far is Rome ?\n\nWho was Bach ?\n")
    questions.head(3).to_parquet("new.parquet")
    assert run(["predict", "run", "--json", "Who met Homer ?", "new.txt", "new.parquet"]) == 0
    answers = json.loads(capsys.readouterr().out)
    texts = ["Who met Homer ?", "How far is Rome ?", "Who was Bach ?", *questions.question[:3]]
    assert [answer["text"] for answer in answers] == texts
    assert [answer["class"] for answer in answers] == ["HUM", "LOC", "HUM", *questions.label[:3]]


def test_a_text_is_predicted_alike_among_longer_ones(questions):
    assert run([*TRAIN, "--epochs", "1"]) == 0
    predictor = Predictor.load("run")
    first, _ = predictor.predict(["Who met Ada ?", "How far is it to the moon from Oslo or Rome ?"])
    (alone,) = predictor.predict(["Who met Ada ?"])
    assert alone.tolist() == pytest.approx(first.tolist(), abs=1e-6)


def test_any_text_is_predicted_as_it_stands(questions, capsys):
    assert run([*TRAIN, "--epochs", "1"]) == 0
    long = "How far is it to the moon ? " * 40
    capsys.readouterr()
    assert run(["predict", "run", "--json", long, "Who / what : is *.txt ?", "a\0b"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert run(["predict", "run", ""]) == 2
    assert "the text is empty" in capsys.readouterr().err


def test_a_run_that_was_stopped_ends_as_one_that_was_not(questions, tmp_path, monkeypatch):
    options = TrainOptions("questions.csv", epochs=3, mix="manifoldmixup")
    runs.train(options, tmp_path / "whole", log=silent)

    def stop(self, learn):
        if learn.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "before_train", stop, raising=False)
        with pytest.raises(KeyboardInterrupt):
            runs.train(options, tmp_path / "part", log=silent)
    runs.train(options, tmp_path / "part", resume=True, log=silent)
    assert_same(left(tmp_path / "part"), left(tmp_path / "whole"))


def test_texts_beside_columns(questions, capsys):
    questions["source"] = ["web", "book", "talk"] * (len(questions) // 3)
    questions.to_csv("questions.csv", index=False)
    assert "--text question to learn from the texts alone" in fails(capsys, *TRAIN)
    assert run([*TRAIN, "--epochs", "1", "--text", "question"]) == 0
    assert "source (beside the texts in question)" in capsys.readouterr().out
    questions[["question"]].head(2).to_csv("new.csv", index=False)
    assert run(["predict", "run", "--json", "new.csv"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [answer["text"] for answer in answers] == [*questions.question[:2]]


class TestLayers:
    @pytest.mark.parametrize(
        ("layers", "maximum"),
        [("embedding", ("mask",)), ("encoder.layers.0/embedding", ("mask",)), ("sentence", None)],
    )
    def test_the_mask_is_joined_where_words_are_mixed(self, questions, layers, maximum):
        options = TrainOptions(
            "questions.csv", model="text_transformer", mix=f"manifoldmixup:layers={layers}"
        )
        task = make_task(options, find_split(options))
        with task.mixer(task.learner()) as mixer:
            assert mixer.layers == tuple(layers.split("/"))
            assert mixer.maximum == maximum

    @pytest.mark.parametrize(
        ("layers", "sentence"),
        [
            (
                "sentence/embedding",
                "^--mix mixup:layers=sentence/embedding: sentence and head",
            ),
            ("input", "texts are no vectors before the layer embedding: name that in place"),
            ("embeddin", "no layer of the model is 'embeddin': did you mean 'embedding'"),
        ],
    )
    def test_mistakes(self, questions, layers, sentence):
        options = TrainOptions("questions.csv", mix=f"mixup:layers={layers}")
        split = find_split(options)

        def mixer():
            task = make_task(options, split)
            return task.mixer(task.learner())

        with pytest.raises(VicinalError, match=sentence):
            mixer()


def test_values_of_texts(questions, capsys):
    questions["label"] = questions.question.str.len() + 0.5
    questions.to_csv("questions.csv", index=False)
    assert run([*TRAIN, "--epochs", "3"]) == 0
    assert rows_of("run")[-1]["valid_rmse"] < questions.label.std()
    assert run(["predict", "run", "--json", "Who met Ada ?"]) == 0
    answer = capsys.readouterr().out
    assert json.loads(answer[answer.index("[\n") :])[0]["value"] > 0


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--model", "text_cn"], "did you mean text_cnn?"),
            (["--pretrained"], "text_cnn has no pretrained weights"),
            (["--mix", "cutmix"], "--mix cutmix does not go with texts"),
            (["--size", "32"], "--size does not apply to texts"),
            (["--label-pattern", "(.)"], "has columns"),
        ],
    )
    def test_an_option(self, questions, capsys, options, said, tmp_path):
        assert said in fails(capsys, "train", "questions.csv", *options)
        assert not (tmp_path / "runs").exists()

    def test_an_empty_text(self, questions, capsys):
        questions.loc[5, "question"] = "  "
        questions.to_csv("questions.csv", index=False)
        assert "texts in column question" in fails(capsys, *TRAIN)

    def test_a_column_of_texts_that_is_empty(self, questions, capsys):
        questions.assign(question="").drop(columns="number").to_csv("questions.csv", index=False)
        assert "question (empty)" in fails(capsys, *TRAIN)

    def test_two_columns_of_texts(self, questions, capsys):
        questions.assign(answer=questions.question + " yes").to_csv("questions.csv", index=False)
        said = fails(capsys, *TRAIN)
        assert "columns question, answer hold texts" in said
        assert "name it with --text question" in said

    def test_predicting_without_the_column(self, questions, capsys, tmp_path):
        assert run([*TRAIN, "--epochs", "1"]) == 0
        questions.rename(columns={"question": "text"}).to_csv("other.csv", index=False)
        assert "no column question" in fails(capsys, "predict", "run", "other.csv")
        assert "no such file" in fails(capsys, "predict", "run", "none.txt").lower()
        assert "the text is empty" in fails(capsys, "predict", "run", " ")
        (tmp_path / "empty").mkdir()
        assert "empty holds no text file" in fails(capsys, "predict", "run", "empty")
        (tmp_path / "blank.txt").write_text("\n \n")
        assert "blank.txt is empty" in fails(capsys, "predict", "run", "blank.txt")


class TestFiles:
    """A network that learned from files takes each new one as one text, as they were read then."""

    @pytest.fixture
    def reviews(self, tmp_path):
        for i in range(24):
            file = tmp_path / "reviews" / ("bad", "good")[i % 2] / f"{i}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"it is {('awful', 'lovely')[i % 2]}\n\nwatched {i} times\n")
        assert run(["train", "reviews", "--out", "run", "--epochs", "1", "--mix", "none"]) == 0
        return tmp_path / "reviews"

    def test_a_file_is_one_text_of_any_ending_and_encoding(self, reviews, capsys):
        text = "it is lovely\n\nI lived in Zürich"
        (reviews / "A.TXT").write_text(text, encoding="utf-8-sig")
        (reviews / "b.md").write_text(text, encoding="latin-1")
        capsys.readouterr()
        assert run(["predict", "run", "--json", "reviews/A.TXT", "reviews/b.md", text]) == 0
        out, err = capsys.readouterr()
        answers = json.loads(out)
        assert [a["text"] for a in answers] == ["reviews/A.TXT", "reviews/b.md", text]
        assert answers[0]["probabilities"] == answers[1]["probabilities"]
        assert answers[0]["probabilities"] == pytest.approx(answers[2]["probabilities"], abs=1e-6)
        assert "note: reviews/b.md is not in UTF-8, and taken as Latin-1" in err

    def test_the_files_of_a_folder(self, reviews, capsys):
        capsys.readouterr()
        assert run(["predict", "run", "--json", "reviews"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 24


def test_lines_end_where_files_end_them(questions, tmp_path, capsys):
    assert run([*TRAIN, "--epochs", "1"]) == 0
    (tmp_path / "new.txt").write_bytes(b"\xef\xbb\xbfWho met\x0cBach ?\r\nHow far is Rome ?\n")
    capsys.readouterr()
    assert run(["predict", "run", "--json", "new.txt"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [a["text"] for a in answers] == ["Who met\x0cBach ?", "How far is Rome ?"]


def test_rows_without_a_text_are_named_and_the_others_predicted(questions, capsys):
    assert run([*TRAIN, "--epochs", "1"]) == 0
    few = questions.head(4).copy()
    few.loc[1, "question"], few.loc[3, "question"] = None, " "
    few.to_csv("few.csv", index=False)
    capsys.readouterr()
    assert run(["predict", "run", "--json", "few.csv"]) == 1
    out, err = capsys.readouterr()
    assert [a["text"] for a in json.loads(out)] == [
        questions.question[0],
        "row 1",
        questions.question[2],
        "row 3",
    ]
    assert "row 1 of few.csv has no text: fill it in or drop the row" in err


@pytest.mark.slow
def test_a_network_of_the_hub(questions, tmp_path, capsys):
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = sorted({word for text in questions.question for word in text.lower().split()})
    numbers = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=32
    )
    config = transformers.BertConfig(
        vocab_size=len(numbers),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    for save in (transformers.BertForSequenceClassification(config), wrapped):
        save.save_pretrained(tmp_path / "tiny")
    options = ["--model", "./tiny", "--epochs", "4", "--lr", "0.003", "--batch-size", "16"]
    assert run([*TRAIN, *options]) == 0
    assert rows_of("run")[-1]["valid_accuracy"] > 0.9
    # What the run needs is in its folder: the network that it began with may be gone.
    (tmp_path / "tiny").rename(tmp_path / "gone")
    capsys.readouterr()
    assert run(["predict", "run", "--json", "Who met Bach ?"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["class"] == "HUM"
    assert run(["train", "questions.csv", "--out", "run", "--overwrite", "--epochs", "1"]) == 0
    assert not (tmp_path / "run" / "network").exists()
