"""Other data, for ``--ood``: what is read of each kind of data, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from series_files import waves, write_parts, write_ts
from vicinal.cli import run
from vicinal.errors import VicinalError
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.other_data import read_other
from vicinal.study.runner import train_and_measure
from vicinal.study.unknown_samples import MOST
from vicinal.tasks import TrainOptions, find_split, make_task


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def task_of(data, **options):
    options = TrainOptions(data, **options)
    return make_task(options, find_split(options))


def table(name, rows=60, **columns):
    pd.DataFrame(
        {"a": [i % 9 / 2 for i in range(rows)], "b": [i % 7 / 3 for i in range(rows)], **columns}
    ).to_csv(name, index=False)
    return name


def images(folder, count, size=(8, 8)):
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 255, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


@pytest.fixture
def rows():
    return task_of(table("rows.csv", label=[*"xxy"] * 20))


@pytest.fixture
def texts():
    sentences = [
        f"the {word} went over the {other} hill" for word in ("cat", "dog") for other in range(30)
    ]
    pd.DataFrame({"review": sentences, "label": ["good", "bad"] * 30}).to_csv(
        "texts.csv", index=False
    )
    return task_of("texts.csv")


class TestRows:
    def test_labels_are_not_needed(self, rows):
        found = read_other(table("other.csv", 30), rows)
        assert found.text == "30 rows of other.csv"
        assert [row["a"] for row in found.items] == pd.read_csv("other.csv")["a"].tolist()

    def test_columns_must_be_those_of_the_data(self, rows):
        pd.DataFrame({"a": range(30)}).to_csv("lacking.csv", index=False)
        with pytest.raises(VicinalError, match=r"^--ood lacking.csv: this table lacks b, from"):
            read_other("lacking.csv", rows)

    def test_many_are_picked_evenly(self, rows):
        found = read_other(table("many.csv", 3 * MOST), rows)
        assert found.text == "2,000 of 6,000 rows of many.csv"
        frame = pd.read_csv("many.csv")
        assert [row["a"] for row in found.items[::1999]] == frame["a"].iloc[[0, -1]].tolist()

    def test_a_part_of_the_data_is_refused(self, tmp_path):
        (tmp_path / "data").mkdir()
        for part in ("train", "test"):
            table(f"data/{part}.csv", 60, label=[*"xxy"] * 20)
        with pytest.raises(VicinalError, match=r"^--ood data/test.csv is a part of data: name"):
            read_other("data/test.csv", task_of("data"))

    def test_a_folder_of_tables_is_one(self, rows, tmp_path):
        (tmp_path / "parts").mkdir()
        table("parts/1.csv", 30), table("parts/2.csv", 15)
        assert read_other("parts", rows).text == "45 rows of parts"


class TestImages:
    def test_of_a_folder_without_classes_at_the_size_of_the_data(self, tmp_path):
        images(tmp_path / "other" / "deep", 25, size=(20, 30))
        (tmp_path / "other" / "broken.png").write_bytes(b"none")
        found = read_other("other", task_of("digits"))
        assert found.items.shape == (25, 3, 8, 8)
        assert found.items.dtype == torch.uint8
        assert found.text == "25 images of other; 1 more cannot be read"

    def test_of_both_parts_of_data_by_name(self, tmp_path):
        for label in "ab":
            images(tmp_path / "photos" / label, 12)
        found = read_other("digits", task_of("photos"))
        assert found.text == "1,797 images of digits"

    def test_those_of_the_data_are_refused_and_others_beside_them_are_not(self, tmp_path):
        for folder in ("photos/train/a", "photos/train/b", "photos/valid/a", "photos/valid/b"):
            images(tmp_path / folder, 12)
        images(tmp_path / "photos" / "others", 25)
        task = task_of("photos/train")
        assert len(read_other("photos/others", task).items) == 25
        for other in ("photos", "photos/train/a"):
            with pytest.raises(VicinalError, match=f"of --ood {other} is an image of photos/train"):
                read_other(other, task)

    def test_their_content_is_known(self, tmp_path):
        images(tmp_path / "other", 25)
        before = read_other("other", task_of("digits")).digest
        assert read_other("other", task_of("digits")).digest == before
        Image.new("RGB", (8, 8)).save(tmp_path / "other" / "3.png")
        assert read_other("other", task_of("digits")).digest != before


class TestTexts:
    def test_of_a_table_and_of_lines(self, texts, tmp_path):
        pd.DataFrame({"review": [f"text {i}" for i in range(25)]}).to_csv("other.csv", index=False)
        assert read_other("other.csv", texts).items[24] == "text 24"
        (tmp_path / "lines.txt").write_text("\n\n".join(f"line {i}" for i in range(30)))
        assert read_other("lines.txt", texts).text == "30 texts of lines.txt"

    def test_what_does_not_exist_is_no_text(self, texts):
        with pytest.raises(VicinalError, match=r"^--ood no such does not exist"):
            read_other("no such", texts)

    def test_of_a_folder_each_file_is_one_where_it_is_in_the_data(self, tmp_path):
        for folder in ("data/good", "data/bad", "other"):
            (tmp_path / folder).mkdir(parents=True)
            for i in range(25):
                (tmp_path / folder / f"{i}.txt").write_text(
                    f"the first line {i}\nand {folder} more"
                )
        found = read_other("other", task_of("data"))
        assert len(found.items) == 25
        assert all("\n" in text for text in found.items)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ("digits", "--ood digits holds images, and rows.csv rows: name other data of the same"),
        ("texts.csv", "--ood texts.csv: this table lacks"),
        ("rows.csv", "--ood rows.csv names the data themselves: name other data"),
        ("./rows.csv", "--ood ./rows.csv names the data themselves"),
        ("row.csv", "--ood row.csv does not exist, did you mean rows.csv?"),
        ("few.csv", "--ood few.csv has only 19 rows: give 20 or more"),
    ],
)
def test_mistakes_are_reported(rows, texts, other, sentence):
    table("few.csv", 19)
    with pytest.raises(VicinalError) as caught:
        read_other(other, rows)
    assert str(caught.value).startswith(sentence)


def test_values_have_no_confidence(tmp_path):
    values = task_of(table("values.csv", label=[i / 7 for i in range(60)]))
    with pytest.raises(VicinalError, match="--ood is for classes, and these are values"):
        read_other("other.csv", values)


@pytest.mark.slow
def test_a_comparison_measures_them_and_remembers_them(tmp_path, capsys):
    table("rows.csv", 60, label=[*"xxy"] * 20)
    table("other.csv", 30)
    arguments = ["--mix", "none,mixup", "--epochs", "1", "--seeds", "1", "--out", "out"]
    assert run(["compare", "rows.csv", "--ood", "other.csv", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "other data:     30 rows of other.csv" in printed
    runs = pd.read_csv("out/runs.csv")
    assert runs["auroc_ood"].between(0, 1).all()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "--ood other.csv" in page
    assert "30 rows of other.csv" in page
    table("other.csv", 31)
    assert run(["compare", "rows.csv", "--resume", "--out", "out"]) == 2
    assert "the data have changed" in capsys.readouterr().err


class TestExperiment:
    @pytest.fixture
    def made(self):
        table("rows.csv", 60, label=[*"xxy"] * 20)

        def make(ood):
            return Experiment(ExperimentConfig(TrainOptions("rows.csv"), ood=ood))

        return make

    def test_their_passes_count_in_the_budget(self, made):
        found = made(table("other.csv", 48))
        assert found.ood_passes == 48 / len(found.split.valid)
        assert made(None).ood_passes == 0

    def test_they_are_among_the_settings_and_the_samples_that_must_not_change(self, made):
        found = made(table("other.csv", 48))
        assert ("other data", "48 rows of other.csv") in found.settings()
        assert found.fingerprint() == made("other.csv").fingerprint()
        table("other.csv", 49)
        assert found.fingerprint() != made("other.csv").fingerprint()
        # An earlier comparison, without them, is still that of the same data.
        assert made(None).fingerprint() == made(None).task.fingerprint()

    def test_a_run_measures_them(self, made):
        experiment = made(table("other.csv", 48))
        prepared = experiment.prepare(experiment.arms[0], seed=0)
        result = train_and_measure("none", 0, replace(prepared, fit=lambda learn: None))
        assert len(result.values["auroc_ood"]) == len(experiment.split.valid) + 48


class TestSeries:
    @pytest.fixture
    def series(self, tmp_path):
        return task_of(str(write_parts(tmp_path / "waves")))

    def test_labels_are_not_needed(self, series, tmp_path):
        write_ts(tmp_path / "other.ts", waves(24, steps=30, seed=9), label=None)
        other = read_other("other.ts", series)
        assert other.text == "24 series of other.ts"
        assert np.allclose(other.items[3], waves(24, steps=30, seed=9)[3][0])

    def test_what_cannot_be_used_is_named_and_left_out_where_asked(self, series, tmp_path):
        bad = (np.zeros((2, 5)), "fast")
        write_ts(tmp_path / "other.ts", [*waves(24), bad])
        with pytest.raises(VicinalError, match=r"^--ood other\.ts: series 24 has 2 channels"):
            read_other("other.ts", series)
        series.options = replace(series.options, skip_bad=True)
        other = read_other("other.ts", series)
        assert other.text == "24 series of other.ts; 1 more cannot be used"
