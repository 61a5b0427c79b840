"""Rows of tables, from the command line to predictions."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine

from run_folders import assert_same, left, silent
from vicinal import Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.formatting import format_number
from vicinal.learner.events import Callback
from vicinal.tasks import TrainOptions
from vicinal.tasks.run_config import config_digest
from vicinal_cli import fails, rows_of

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def wine(tmp_path):
    """178 wines: 13 numbers, one category that follows from one of them, and three growers."""
    wine = load_wine(as_frame=True)
    frame = wine.frame.drop(columns="target")
    frame["strength"] = np.where(frame["alcohol"] > 13, "strong", "light")
    frame.loc[::20, "ash"] = np.nan
    frame["grower"] = [f"grower {kind}" for kind in wine.target]
    frame.to_csv(tmp_path / "wine.csv", index=False)
    return frame


@pytest.fixture
def diabetes(tmp_path):
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame.to_csv(tmp_path / "diabetes.csv", index=False)
    return frame


WINE = ["train", "wine.csv", "--label", "grower", "--mix", "mixup", "--out", "run"]
DIABETES = ["train", "diabetes.csv", "--label", "target", "--mix", "mixup", "--out", "run"]


class TestClasses:
    @pytest.mark.parametrize(
        "mix",
        [
            "mixup",
            "manifoldmixup",
            *(
                pytest.param(mix, marks=pytest.mark.slow)
                for mix in ("none", "columnmix", "featmix", "hidmix")
            ),
        ],
    )
    def test_each_mix_learns_and_predicts(self, wine, capsys, mix):
        assert run([*WINE, "--epochs", "8", "--mix", mix]) == 0
        said = capsys.readouterr().out
        assert "142 training and 36 validation rows of 3 classes (grower 0, grower 1," in said
        assert "13 numeric (alcohol," in said
        assert "1 categorical (strength)" in said
        assert said.splitlines()[-1] == "vicinal predict run TABLE..."
        assert run(["predict", "run", "--json", "wine.csv"]) == 0
        answers = json.loads(capsys.readouterr().out)
        assert [answer["row"] for answer in answers] == [str(i) for i in range(len(wine))]
        right = [a["class"] == grower for a, grower in zip(answers, wine["grower"], strict=True)]
        assert np.mean(right) > 0.9
        assert sum(answers[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)

    def test_a_row_is_predicted_alike_alone_and_in_another_format(self, wine, capsys):
        assert run([*WINE, "--epochs", "2"]) == 0
        predictor = Predictor.load("run")
        whole = torch.stack(list(predictor.predict(row for _, row in wine.iterrows())))
        alone = next(predictor.predict([wine.iloc[70].drop("grower").to_dict()]))
        torch.testing.assert_close(alone, whole[70])
        wine.sample(frac=1, axis=1, random_state=0).to_parquet("wine.parquet")
        capsys.readouterr()
        assert run(["predict", "run", "--json", "wine.parquet"]) == 0
        answers = json.loads(capsys.readouterr().out)
        found = torch.tensor(
            [list(dict(sorted(a["probabilities"].items())).values()) for a in answers]
        )
        torch.testing.assert_close(found, whole)

    def test_what_was_never_seen_counts_as_unknown_and_is_reported(self, wine, capsys):
        assert run([*WINE, "--epochs", "1"]) == 0
        wine.loc[3, "strength"] = "fortified"
        wine.loc[4, "strength"] = np.nan
        wine.to_csv("new.csv", index=False)
        capsys.readouterr()
        assert run(["predict", "run", "--json", "new.csv"]) == 0
        out, err = capsys.readouterr()
        assert len(json.loads(out)) == len(wine)
        assert "strength: 1 value that the training data do not have (fortified)" in err

    def test_a_run_that_was_stopped_ends_as_one_that_was_not(self, wine, tmp_path, monkeypatch):
        options = TrainOptions("wine.csv", label="grower", epochs=2, mix="manifoldmixup")
        runs.train(options, tmp_path / "whole", log=silent)

        class Stop(Callback):
            def before_train(self, learn):
                if learn.epoch == 1:
                    raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(runs.Run, "before_train", Stop.before_train, raising=False)
            with pytest.raises(KeyboardInterrupt):
                runs.train(options, tmp_path / "part", log=silent)
        runs.train(options, tmp_path / "part", resume=True, log=silent)
        assert_same(left(tmp_path / "part"), left(tmp_path / "whole"))

    @pytest.mark.parametrize("changed", ["rows", "number", "name"])
    def test_the_data_must_be_the_same_to_go_on(self, wine, tmp_path, changed):
        options = TrainOptions("wine.csv", label="grower", epochs=2)
        runs.train(options, tmp_path / "run", log=silent)
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        edited = {**config, "finished": False}
        edited["digest"] = config_digest(edited)
        (tmp_path / "run" / "config.json").write_text(json.dumps(edited))
        if changed == "rows":
            wine = wine.iloc[:-1]
        elif changed == "number":
            wine.loc[5, "alcohol"] += 0.01
        else:
            wine.loc[[5, 6], "strength"] = ["light", "strong"]
        wine.to_csv("wine.csv", index=False)
        with pytest.raises(VicinalError, match="the data are not what they were"):
            runs.train(options, tmp_path / "run", resume=True, log=silent)


class TestColumns:
    OPTIONS = (
        *("--drop", "ash,hue", "--categorical", "vintage", "--group", "estate"),
        *("--label-kind", "classes", "--drop-missing", "--epochs", "1"),
    )

    @pytest.fixture
    def wine(self, wine):
        wine["vintage"] = [1990 + i % 7 for i in range(len(wine))]
        wine["estate"] = [f"estate {i % 30}" for i in range(len(wine))]
        wine.loc[::50, "grower"] = None
        wine.to_csv("wine.csv", index=False)
        return wine

    def test_options_for_columns_are_kept_with_the_run(self, wine, capsys, tmp_path):
        assert run([*WINE, *self.OPTIONS]) == 0
        said = capsys.readouterr().out
        assert "4 of 178 rows in the part train, which have no label" in said
        assert "2 categorical (strength, vintage)" in said
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        table = config["predict"]["how"]["table"]
        assert not {"ash", "hue", "estate"} & {*table["mean"], *table["categories"]}
        assert table["categories"]["vintage"] == [str(1990 + i) for i in range(7)]
        kept = {name: config["resolved"][name] for name in ("drop", "categorical", "group")}
        assert kept == {"drop": "ash,hue", "categorical": "vintage", "group": "estate"}
        wine.drop(columns=["ash", "hue", "estate", "grower"]).to_csv("new.csv", index=False)
        assert run(["predict", "run", "--json", "new.csv"]) == 0
        out, err = capsys.readouterr()
        assert len(json.loads(out)) == 178
        assert "count as unknown" not in err
        assert TrainOptions("wine.csv").merged_with(config["options"]).categorical == "vintage"
        said = fails(capsys, "train", "wine.csv", "--drop", "ash", "--out", "run", "--resume")
        assert "the run was begun with --drop ash,hue, not with --drop ash" in said


class TestValues:
    def test_the_error_is_in_units_and_so_are_predictions(self, diabetes, capsys):
        assert run([*DIABETES, "--epochs", "20", "--mix", "none"]) == 0
        assert "442" not in capsys.readouterr().err
        last = rows_of("run")[-1]
        # A mean for everybody errs by the deviation of the targets, 77; a linear model by 55.
        assert last["valid_rmse"] < 65
        assert last["valid_loss"] < 1  # a share of the targets' variance
        assert run(["predict", "run", "--json", "diabetes.csv"]) == 0
        values = [answer["value"] for answer in json.loads(capsys.readouterr().out)]
        assert np.corrcoef(values, diabetes["target"])[0, 1] > 0.6
        assert abs(np.mean(values) - diabetes["target"].mean()) < 15

    @pytest.mark.slow
    def test_the_unit_of_the_values_does_not_matter(self, capsys):
        """However small or large, or far from 0: results are the same in units of the deviation."""
        x = np.random.default_rng(0).standard_normal((60, 2))
        y = x[:, 0] + 0.25 * x[:, 1] ** 2
        found = {}
        for factor, offset in ((1.0, 0.0), (1e-12, 0.0), (1e30, 0.0), (1.0, 1.7e9)):
            table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": factor * y + offset})
            table.to_csv("y.csv", index=False)
            args = ["train", "y.csv", "--label", "y", "--epochs", "1", "--mix", "cmixup"]
            assert run([*args, "--out", "run", "--overwrite"]) == 0
            said = capsys.readouterr().out
            last = rows_of("run")[-1]
            assert format_number(last["valid_rmse"]) in said
            assert run(["predict", "run", "y.csv"]) == 0
            lines = capsys.readouterr().out.split()[2:]
            values = np.array(lines[1::2], dtype=float)
            found[factor, offset] = [
                last["valid_loss"],
                last["valid_rmse"] / factor,
                *(values - offset) / factor,
            ]
        one, *others = found.values()
        for other in others:
            assert other == pytest.approx(one, rel=2e-3, abs=2e-2)  # of printed digits
            assert other[:2] == pytest.approx(one[:2], rel=1e-4)

    @pytest.mark.parametrize(
        "mix",
        ["mixup", "columnmix", "manifoldmixup", "cmixup"]
        + [pytest.param(mix, marks=pytest.mark.slow) for mix in ("featmix", "hidmix")],
    )
    def test_each_mix_trains(self, diabetes, mix):
        assert run([*DIABETES, "--epochs", "1", "--mix", mix]) == 0
        assert rows_of("run")[-1]["valid_rmse"] > 0

    def test_the_answers_are_a_table(self, diabetes, capsys):
        assert run([*DIABETES, "--epochs", "1"]) == 0
        capsys.readouterr()
        assert run(["predict", "run", "diabetes.csv"]) == 0
        assert capsys.readouterr().out.split()[:3] == ["row", "value", "0"]


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--label", "growr"], "no label column growr"),
            (["--label", "growr"], "did you mean grower?"),
            ([], "which column is the label?"),
            (["--label", "grower", "--mix", "cutmix"], "--mix cutmix does not go with rows"),
            (["--label", "grower", "--mix", "cmixup"], "vicinal: --mix cmixup is for values"),
            (["--label", "grower", "--mix", "colummix"], "did you mean columnmix?"),
            (["--label", "grower", "--mix", ""], "--mix must be none"),
            (["--label", "grower", "--mix", "columnmix:layers=inputs"], "to the input alone"),
            (["--label", "grower", "--mix", "mixup:layers=hiden.1"], "did you mean 'hidden.1'"),
            (
                ["--label", "grower", "--mix", "mixup:layers=input"],
                "rows are no vectors before the layer inputs: name that in place of input",
            ),
            (["--label", "grower", "--size", "32"], "--size does not apply to rows"),
            (["--label", "grower", "--recipe", "imagenette"], "--recipe does not apply to rows"),
            (["--label", "grower", "--model", "resnet18"], "resnet18 does not take tables"),
            (["--label", "grower", "--stream"], "--stream does not apply"),
            (["--label", "grower", "--drop", "hue,flavanoid"], "did you mean flavanoids?"),
            (["--label", "grower", "--label-kind", "value"], "must be classes, values or labels"),
            (["--label", "grower", "--label-kind", "values"], "'grower 0' in row"),
            (["--label", "grower", "--batch-size", "500"], "larger than the 142 training rows"),
        ],
    )
    def test_an_option(self, wine, capsys, options, said, tmp_path):
        assert said in fails(capsys, "train", "wine.csv", *options)
        assert not (tmp_path / "runs").exists()

    def test_a_label_that_is_missing_or_no_number(self, diabetes, capsys):
        for value, said in (
            ("?", "labels in column target are missing, first in row 7"),
            ("lots", "'lots' in row 7"),
        ):
            frame = diabetes.astype({"target": object})
            frame.loc[7, "target"] = value
            frame.to_csv("diabetes.csv", index=False)
            assert said in fails(capsys, *DIABETES)

    def test_columns_that_prediction_lacks(self, wine, capsys, tmp_path):
        assert run([*WINE, "--epochs", "1"]) == 0
        wine.drop(columns=["ash", "strength"]).to_csv("short.csv", index=False)
        assert "this table lacks ash, strength" in fails(capsys, "predict", "run", "short.csv")
        wine.astype({"ash": object}).assign(ash="high").to_csv("odd.csv", index=False)
        assert "column ash holds 'high'" in fails(capsys, "predict", "run", "odd.csv")
        assert "none.csv does not exist" in fails(capsys, "predict", "run", "none.csv")
        (tmp_path / "empty").mkdir()
        assert "empty holds no table file" in fails(capsys, "predict", "run", "empty")
        assert "hello does not exist" in fails(capsys, "predict", "run", "hello")

    def test_nothing_to_be_drawn(self, wine, capsys):
        assert "holds rows, which cannot be drawn" in fails(
            capsys, "show", "wine.csv", "--label", "grower"
        )


def test_a_table_of_one_part_in_two_files(wine, capsys):
    wine.iloc[::2].to_csv("train-0.csv", index=False)
    wine.iloc[1::2].to_csv("train-1.csv", index=False)
    (pd.DataFrame(wine)).to_csv("test.csv", index=False)
    # The folder holds wine.csv as well, which belongs to the training part by its name.
    assert run(["train", ".", "--label", "grower", "--epochs", "1", "--out", "run"]) == 0
    assert "356 training and 178 validation rows" in capsys.readouterr().out


def test_numbers_with_a_decimal_comma(diabetes, tmp_path):
    diabetes.to_csv("diabetes.csv", sep=";", decimal=",", index=False)
    assert run([*DIABETES, "--epochs", "1"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    table = config["predict"]["how"]["table"]
    assert sorted(table["mean"]) == sorted(diabetes.columns.drop("target"))
    assert not table["categories"]
    assert table["median"]["bmi"] == pytest.approx(diabetes["bmi"].median(), rel=0.05)


def test_a_word_among_numbers_is_named(wine, capsys):
    wine = wine.astype({"hue": object})
    wine.loc[9, "hue"] = "abc"
    wine.to_csv("wine.csv", index=False)
    assert "column hue holds 'abc' in row 9" in fails(capsys, *WINE)


def test_two_columns_of_one_name(wine, capsys):
    pd.concat([wine, wine[["ash"]]], axis=1).to_csv("wine.csv", index=False)
    assert "has two columns named ash" in fails(capsys, *WINE)


def test_classes_that_floats_could_not_tell_apart(wine, capsys):
    wine["grower"] = 2**53 + np.arange(len(wine)) % 3
    wine.to_csv("wine.csv", index=False)
    assert run([*WINE, "--epochs", "1"]) == 0
    assert "of 3 classes (9007199254740992, 9007199254740993," in capsys.readouterr().out


def test_columnmix_that_takes_turns(wine):
    assert run([*WINE, "--epochs", "1", "--mix", "columnmix+columnmix"]) == 0


def test_what_a_predictor_takes(wine):
    assert run([*WINE, "--epochs", "1"]) == 0
    predictor = Predictor.load("run")
    rows = wine.drop(columns="grower").to_dict("records")
    expected = torch.stack(list(predictor.predict(rows)))
    torch.testing.assert_close(torch.stack(list(predictor.predict(wine))), expected)
    for one in ("wine.csv", rows[0], 5):
        with pytest.raises(VicinalError, match="predict takes several samples"):
            predictor.predict(one)
    short = {name: value for name, value in rows[1].items() if name != "ash"}
    with pytest.raises(VicinalError, match="lacks ash"):
        list(predictor.predict([rows[0], short]))
    with pytest.raises(VicinalError, match="is no row"):
        list(predictor.predict(["wine"]))


def test_ids_beyond_the_floats_keep_their_categories(wine, capsys):
    """A row of numbers alone must not become one of floats, which cannot hold these ids."""
    wine["grower"] = wine["grower"].astype("category").cat.codes
    wine["id"] = 1_700_000_000_000_000_001 + 100 * wine["grower"].astype("int64")
    wine[["id", "ash", "grower"]].to_csv("wine.csv", index=False)
    assert run([*WINE, "--categorical", "id", "--mix", "none", "--epochs", "5"]) == 0
    capsys.readouterr()
    assert run(["predict", "run", "--json", "wine.csv"]) == 0
    answers = json.loads(capsys.readouterr().out)
    predictor, frame = Predictor.load("run"), pd.read_csv("wine.csv")
    expected = torch.stack(list(predictor.predict(frame.to_dict("records"))))
    torch.testing.assert_close(torch.stack(list(predictor.predict(frame))), expected)
    said = torch.tensor([list(answer["probabilities"].values()) for answer in answers])
    torch.testing.assert_close(said.sort(1).values, expected.sort(1).values, atol=1e-5, rtol=0)
