"""Several labels in smaller training parts: what these lack is named and left out of the scores."""

import json

import pandas as pd
import pytest
import torch

from vicinal import VicinalError
from vicinal.cli import run
from vicinal.data.request import DataRequest
from vicinal.data.rows import split_of_rows
from vicinal.data.samples import Samples, Split
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.known_labels import notes_on_unknown, of_known_labels
from vicinal.study.runner import train_and_measure
from vicinal.tasks import TrainOptions

RARE = 2  # of the training rows have this label


def table(file, count=60):
    """Two labels that a column gives away, and one that few rows have, of both parts."""
    rows = [
        {
            "x": row % 8,
            "labels": "|".join(
                [
                    *(["even"] if row % 2 == 0 else []),
                    *(["low"] if row % 8 < 4 else []),
                    *(["rare"] if row < RARE or row >= count - 2 else []),
                ]
            ),
            "part": "valid" if row >= count - 20 else "train",
        }
        for row in range(count)
    ]
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def experiment(tmp_path, *sizes, **given):
    options = TrainOptions(
        str(table(tmp_path / "table.csv")), split_column="part", epochs=1, batch_size=4, **given
    )
    config = ExperimentConfig(options, ("none", "mixup"), epochs=(1,), train_sizes=sizes)
    return Experiment(config)


def seed_without(made, size):
    """A seed whose training rows lack the rare label, and one whose rows have it."""
    has = {bool(_rows(made, size, seed)): seed for seed in range(20)}
    return has[False], has[True]


def _rows(made, size, seed):
    split = made._data(seed, size).split
    return "rare" in split.vocab


def test_labels_that_a_smaller_part_lacks_are_left_out_of_the_scores(tmp_path):
    made = experiment(tmp_path, 10.0)
    without, with_it = seed_without(made, 10.0)
    results = {}
    for seed in (without, with_it):
        prepared = made.prepare(made.arms[0], seed)
        labels = prepared.learn.dls.vocab
        results[seed] = labels, train_and_measure(made.arms[0].name, seed, prepared)
    assert results[without][0] == ["even", "low"]
    assert results[with_it][0] == ["even", "low", "rare"]
    # The runs are of one validation part all the same.
    assert results[without][1].validated == results[with_it][1].validated
    valid = made.split.valid.y
    for labels, result in results.values():
        assert result.chance == pytest.approx(valid[:, : len(labels)].mean(0).mean().item())


def test_they_are_named_for_the_sizes_and_seeds_that_lack_them(tmp_path):
    made = experiment(tmp_path, 10.0)
    without, with_it = seed_without(made, 10.0)
    (line,) = made.check_subsets([without])
    said = "1 label of the validation part (rare), which no training row has"
    assert line == ("unknown", f"{said}: left out of the scores")
    assert made.check_subsets([with_it]) == []
    (line,) = made.check_subsets(sorted([without, with_it]))
    assert line == ("unknown", f"{said} with seed {without}: left out of the scores")
    many = experiment(tmp_path, 10.0, 40.0)
    (line,) = many.check_subsets([without])
    assert line == ("unknown", f"{said} with 10 training samples: left out of the scores")
    (line,) = many.check_subsets(sorted([without, with_it]))
    assert f"has with 10 training samples and seed {without}: left" in line[1]


def test_all_of_the_training_part_leaves_nothing_out(tmp_path):
    made = experiment(tmp_path)
    assert made.check_subsets(range(3)) == []
    assert made.prepare(made.arms[0], 0).identified is None
    classes = split_of_rows(
        {"train": pd.DataFrame({"x": range(20), "y": ["a", "b"] * 10})},
        DataRequest("t.csv", label="y"),
    )
    assert of_known_labels(classes) is classes


def images(train, valid):
    pixels = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    parts = (Samples(pixels.expand(len(y), -1, -1, -1), y) for y in (train, valid))
    return Split(*parts, ["a", "b", "c"], several=True)


def test_images_are_served_too():
    split = images([(1.0, 0.0, 0.0), (1.0, 0.0, 1.0)], [(1.0, 1.0, 0.0)])
    found = of_known_labels(split)
    assert found.vocab == ["a", "c"]
    assert found.train.labels == [(1.0, 0.0), (1.0, 1.0)]
    assert found.valid.labels == [(1.0, 0.0)]
    ((name, text),) = notes_on_unknown(split, [(2, 0, torch.tensor([0, 1]))])
    assert (name, text[:39]) == ("unknown", "1 label of the validation part (b), whi")
    assert "no training image has" in text


def test_images_with_columns_are_called_images():
    split = images([(1.0, 0.0, 0.0), (1.0, 0.0, 1.0)], [(1.0, 1.0, 0.0)])
    split.kind = "images beside columns"
    ((_, text),) = notes_on_unknown(split, [(2, 0, torch.tensor([0, 1]))])
    assert "no training image has" in text


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ([(0.0, 0.0, 1.0), (0.0, 0.0, 0.0)], "none of the 2 training images of a seed has a label"),
        ([(1.0, 0.0, 0.0)] * 2, "all 2 training images of a seed have the same labels"),
    ],
)
def test_a_part_of_which_nothing_is_learned_is_refused(train, sentence):
    split = images([*train, (0.0, 1.0, 0.0)], [(1.0, 1.0, 0.0)])
    with pytest.raises(VicinalError, match=sentence):
        of_known_labels(split.subset(torch.tensor([0, 1])))
    with pytest.raises(VicinalError, match=sentence):
        notes_on_unknown(split, [(2, 0, torch.tensor([0, 1]))])


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_the_command_says_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "table.csv")
    given = ["--split-column", "part", "--train-size", "10", "--epochs", "1", "--seeds", "3"]
    assert run(["compare", "table.csv", *given, "--jobs", "1", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "unknown:" in printed
    assert "(rare), which no training row has" in printed
    assert "which no training row has" in (tmp_path / "out" / "report.html").read_text()
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert run(["compare", "table.csv", "--resume", "--seeds", "4", "--out", "out"]) == 0
