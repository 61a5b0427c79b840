"""Several labels of each sample, from the command line to predictions."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from run_folders import assert_same, left, silent
from vicinal import AsymmetricLoss, MixLoss, MixUp, Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.learner.events import Callback
from vicinal.learner.union import UnionTargets, union
from vicinal.methods import METHODS, methods_for
from vicinal.mixes import parse_mix
from vicinal.mixing import LooksWithModel, MixedTarget
from vicinal.scores.label_ranking import best_threshold, f1_scores
from vicinal.tasks import TrainOptions, find_split, make_task, task_type_of
from vicinal.tasks.run_config import read_config
from vicinal.tasks.several_labels import as_predictors_compute
from vicinal_cli import fails

NAMES = ("low", "even", "third")


X = [37 * i % 120 for i in range(120)]


def labels(x):
    return [name for name, on in zip(NAMES, (x < 60, x % 2 == 0, x % 3 == 0), strict=True) if on]


def rows():
    return "\n".join(["x,odd,tags", *(f"{x / 8},{x % 2},{'|'.join(labels(x))}" for x in X)])


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(rows())
    flags = (f"{x / 8},{x % 2}," + ",".join(str(int(n in labels(x))) for n in NAMES) for x in X)
    (tmp_path / "flags.csv").write_text("\n".join(["x,odd,low,even,third", *flags]))


def options(**more):
    given = {"label": "tags", "epochs": 2, "precision": "fp32", "batch_size": 20}
    return TrainOptions("t.csv", **(given | more))


def task(**more):
    made = options(**more)
    return make_task(made, find_split(made))


def task_of(data, **more):
    made = TrainOptions(data, **more)
    return make_task(made, find_split(made))


def texts(folder):
    written = (f"number {i} of the many is {' '.join(labels(i)) or 'none'},{'|'.join(labels(i))}"
               for i in range(60))  # fmt: skip
    (folder / "texts.csv").write_text("\n".join(["text,tags", *written]))


def pictures(folder):
    from PIL import Image

    lines = ["file,tags"]
    (folder / "pictures").mkdir()
    for i in range(24):
        place = folder / "pictures" / f"{i:02}.png"
        Image.new("RGB", (16, 16), (10 * i, 90 * (i % 2), 60 * (i % 3))).save(place)
        lines.append(f"{i:02}.png,{'|'.join(labels(5 * i))}")
    (folder / "pictures" / "labels.csv").write_text("\n".join(lines))


# ---- from the command to predictions ------------------------------------------------------------


def test_a_table_is_trained_and_predicted(capsys, recwarn):
    assert (
        run(
            [
                "train",
                "t.csv",
                "--label",
                "tags",
                "--batch-size",
                "16",
                "--epochs",
                "10",
                "--lr",
                "0.01",
                "--out",
                "run",
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "any number of 3 labels each" in out
    assert "several of 3 classes (even, low, third), separated by |" in out
    assert "valid_map   valid_f1" in out
    (line,) = [each for each in out.splitlines() if each.startswith("threshold:")]
    threshold = read_config_of("run")["threshold"]
    assert f"{threshold:g}: the highest micro F1" in line
    assert not any("get_preds" in str(each.message) for each in recwarn)  # no word of fastai's
    assert run(["predict", "run", "t.csv", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    found = [
        {name: p for name, p in each["probabilities"].items() if p > threshold} for each in answers
    ]
    assert [each["labels"] for each in answers] == [
        sorted(f, key=f.get, reverse=True) for f in found
    ]
    hits = [("low" in each["labels"]) == (x < 60) for x, each in zip(X, answers, strict=True)]
    assert sum(hits) > 100  # of 120; 60 by chance


def read_config_of(folder):
    return read_config(Path(folder))["predict"]["how"]


def test_the_table_of_predictions_lists_the_labels_above_the_threshold(capsys):
    runs.train(options(), (folder := Path("run")), log=silent)
    capsys.readouterr()
    assert run(["predict", "run", "t.csv", "--threshold", "0"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["row", "labels", "probability"]
    assert {line[-2] for line in lines[1:4]} == {*NAMES}
    assert run(["predict", "run", "t.csv", "--threshold", "0.9999"]) == 0
    assert "(no label)" in capsys.readouterr().out
    with pytest.raises(VicinalError, match="--threshold must be 0 or more and below 1"):
        Predictor.load(folder, 1.5)


def test_a_threshold_is_for_several_labels(capsys):
    runs.train(options(label="odd"), Path("run"), log=silent)
    assert "threshold" not in read_config_of("run")
    assert "is for networks of several labels" in fails(
        capsys, "predict", "run", "t.csv", "--threshold", "0.4"
    )


def test_texts_are_trained_and_predicted(tmp_path):
    texts(tmp_path)
    made = TrainOptions("texts.csv", label="tags", epochs=1, precision="fp32")
    folder = runs.train(made, tmp_path / "run", log=silent)
    predictor = Predictor.load(folder)
    (output,) = predictor.predict(["number 3 of the many is even"])
    assert output.shape == (3,)
    assert {*predictor.answer(output)} == {"labels", "probabilities"}


def test_images_are_trained_shown_and_predicted(tmp_path):
    pictures(tmp_path)
    made = TrainOptions("pictures", epochs=1, precision="fp32", mix="mixup+cutmix")
    folder = runs.train(made, tmp_path / "run", log=silent)
    (output,) = Predictor.load(folder).predict([tmp_path / "pictures" / "03.png"])
    assert output.shape == (3,)
    figure = task_type_of(split := find_split(made)).show(made, split)
    captions = [axes.get_xlabel() for axes in figure.axes]
    assert any("even, " in each or ", low" in each for each in captions)


def test_images_of_one_label_are_trained_and_predicted(tmp_path):
    pictures(tmp_path)
    table = tmp_path / "pictures" / "labels.csv"
    rows = (f"{i:02}.png,{'low' if i < 12 else ''}" for i in range(24))
    table.write_text("\n".join(["file,tags", *rows]))
    made = TrainOptions("pictures", label_kind="labels", epochs=1, precision="fp32", batch_size=6)
    folder = runs.train(made, tmp_path / "run", log=silent)
    predictor = Predictor.load(folder, 0.0)
    (output,) = predictor.predict([tmp_path / "pictures" / "03.png"])
    assert predictor.answer(output) == {"labels": ["low"], "probabilities": {"low": output.item()}}


def test_the_union_of_labels_is_named_and_drawn(tmp_path):
    pictures(tmp_path)
    made = TrainOptions("pictures", loss="asymmetric", mix="mixup:labels=union", precision="fp32")
    split = find_split(made)
    task = make_task(made, split)
    line = "asymmetric (as requested); a mixed sample has all labels of both"
    assert task.chosen()["loss"] == line
    learn = task.learner()
    drawn = task_type_of(split).show(made, split), task.picture(learn, task.mixer(learn))()
    for figure in drawn:
        captions = [axes.get_xlabel() for axes in figure.axes]
        assert any(each.startswith("100 % ") and ", " in each for each in captions)
        assert not any(" / " in each or "\n" in each for each in captions)


def test_several_columns_are_the_same_data():
    columns = task_of("flags.csv", label="even,low,third")
    assert columns.split.targets.equal(task().split.targets)
    assert columns.split.train.frame.equals(task().split.train.frame)


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_if_it_were_not(monkeypatch):
    whole = runs.train(options(epochs=3), Path("whole"), log=silent)

    class Stop(Callback):
        order = 99

        def before_train(self, learn):
            if learn.epoch == 1:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "StopWhenAsked", Stop)
        with pytest.raises(KeyboardInterrupt):
            runs.train(options(epochs=3), Path("stopped"), log=silent)
    assert read_config_of("stopped")["threshold"] != 0.5  # it can be used as it is
    again = runs.train(options(epochs=3), Path("stopped"), resume=True, log=silent)
    assert_same(left(again), left(whole))
    assert read_config_of("stopped") == read_config_of("whole")


def test_a_damaged_threshold_is_refused():
    folder = runs.train(options(epochs=1), Path("run"), log=silent)
    config = json.loads((folder / "config.json").read_text())
    del config["digest"]
    config["predict"]["how"]["threshold"] = 3.0
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(VicinalError, match="threshold must be from 0 to 1"):
        Predictor.load(folder)


def test_the_threshold_is_chosen_on_what_predictors_compute():
    made = task(precision="bf16", batch_size=30)
    learn = made.learner()
    with learn.no_logging():
        learn.fit(1, 0.03)
    in_training, _ = learn.get_preds(act=learn.activation)
    ((_, text),) = made.after_training(learn)
    assert learn.precision == "bf16"
    with as_predictors_compute(learn):
        assert learn.precision == "fp32"
        conv = getattr(torch.backends.cudnn, "conv", None)  # of torch 2.9 and later
        assert conv is None or conv.fp32_precision == "ieee"
    assert learn.precision == "bf16"
    assert torch.backends.cudnn.allow_tf32  # which is an error if conv and rnn differ
    frame = made.split.valid.frame
    predicted = torch.stack([*Predictor(learn.model, made.preprocessing(learn)).predict(frame)])
    assert not torch.equal(in_training, predicted)
    assert made.threshold == best_threshold(predicted, made.split.valid.y)
    micro, _ = f1_scores(predicted.double() > made.threshold, made.split.valid.y)
    assert f"micro F1 of the validation part, {100 * micro:.1f} %" in text


# ---- losses and mixing --------------------------------------------------------------------------


def test_the_loss_of_mixed_labels_is_that_of_their_shares():
    learn = task().learner()
    x, y = learn.dls.one_batch()
    target = MixUp(0.4, seed=0).draw(x, y).target(y)
    output = torch.randn(y.shape)
    assert isinstance(target, MixedTarget)
    torch.testing.assert_close(
        learn.compute_loss(output, target), nn.BCEWithLogitsLoss()(output, target.dense())
    )
    asymmetric = task(loss="asymmetric").learner()
    assert isinstance(asymmetric.loss_func, AsymmetricLoss)
    torch.testing.assert_close(
        asymmetric.compute_loss(output, target),
        MixLoss(AsymmetricLoss())(output, target),
    )


def test_the_union_of_mixed_labels_is_learned_where_it_is_asked_for():
    made = task(mix="mixup:labels=union")
    seen = []

    class Look(Callback):
        order = 70

        def before_loss(self, learn):
            seen.append(learn.y)

    learn = made.learner()
    learn.add_cbs([made.mixer(learn), Look()])
    with learn.no_logging():
        learn.fit(1, 1e-3)
    assert any(isinstance(each, UnionTargets) for each in learn.cbs)
    assert all(isinstance(each, torch.Tensor) and each.unique().tolist() == [0, 1] for each in seen)
    training = torch.cat(seen[: len(learn.dls.train)])
    assert training.mean() > 1.2 * made.split.targets.mean()


@pytest.mark.parametrize(
    "name",
    [
        method.name
        for method in methods_for("images", "labels")
        if method.alpha and not method.callback and not issubclass(method.mixer, LooksWithModel)
    ],
)
def test_each_method_mixes_labels_by_shares_and_by_union(tmp_path, name):
    pictures(tmp_path)
    made = TrainOptions("pictures", mix=f"{name}:labels=union")
    mixer = make_task(made, find_split(made)).batch_mixer()
    x, y = torch.rand(12, 3, 16, 16), (torch.rand(12, 3) < 0.5).float()
    _, target = mixer(x, y)
    both = union(target)
    assert both.shape == y.shape
    assert (both >= target.dense()).all()
    assert {*both.unique().tolist()} <= {0.0, 1.0}


def test_a_partner_without_a_share_adds_no_label():
    own, partner = torch.tensor([[1.0, 0.0]] * 3), torch.tensor([[0.0, 1.0]] * 3)
    made = union(MixedTarget(own, partner, torch.tensor([0.0, 0.5, 1.0])))
    assert made.tolist() == [[0, 1], [1, 1], [1, 0]]


def test_a_union_of_classes_is_refused():
    with pytest.raises(VicinalError, match="labels=union is for several labels of each sample"):
        task(label="odd", mix="mixup:labels=union").batch_mixer()
    with pytest.raises(VicinalError, match="zeros and ones"):
        union(MixedTarget(torch.tensor([1]), torch.tensor([0]), torch.ones(1)))


def test_how_labels_are_mixed_is_written_and_read_again():
    spec = parse_mix("mixup:0.3:labels=UNION")
    assert (spec.labels, spec.text) == ("union", "mixup:0.3:labels=union")
    assert parse_mix("mixup:labels=shares").text == "mixup"
    assert spec.meaning() != parse_mix("mixup:0.3").meaning()
    with pytest.raises(VicinalError, match="labels must be shares or union, not both"):
        parse_mix("mixup:labels=both")
    with pytest.raises(VicinalError, match="leave out labels=union"):
        parse_mix("regmixup:labels=union")


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.targets == "classes"])
def test_methods_for_classes_are_refused_in_one_sentence(tmp_path, name):
    pictures(tmp_path)
    made = TrainOptions("pictures", mix=name)
    with pytest.raises(VicinalError, match=f"--mix {name} is for classes, and these are several"):
        make_task(made, find_split(made)).batch_mixer()


def test_what_is_named_in_place_of_a_method_serves_labels(tmp_path):
    pictures(tmp_path)
    made = TrainOptions("pictures", mix="columnmix")
    with pytest.raises(VicinalError, match="--mix columnmix does not go with images") as caught:
        make_task(made, find_split(made))
    named = str(caught.value).partition("one of ")[2].split(", ")
    assert [name for name in named if METHODS[name].targets] == []
    assert {"mixup", "cutmix"} <= {*named}


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.targets])
def test_methods_for_classes_are_refused_before_data_are_read(name):
    for given in ({"label_kind": "labels"}, {"label_sep": "|"}, {"loss": "bce"}):
        with pytest.raises(VicinalError, match=f"--mix {name} is for .*leave out one of them"):
            find_split(TrainOptions("there/is/nothing", mix=name, **given))


def test_methods_for_classes_are_refused_before_images_are_decoded(tmp_path, monkeypatch):
    pictures(tmp_path)
    monkeypatch.setattr("vicinal.tasks.images.ImageTask.learner", None)
    with pytest.raises(VicinalError, match="--mix remix is for classes, and these are several"):
        runs.train(TrainOptions("pictures", mix="remix"), tmp_path / "run", log=silent)


@pytest.mark.parametrize("name", ["regmixup", "kernelmixup", "columnmix"])
def test_the_other_methods_train(name):
    made = task(mix=name)
    learn = made.learner()
    learn.add_cbs(made.mixer(learn))
    with learn.no_logging():
        learn.fit(1, 1e-3)
    assert 0 < learn.history[-1]["valid_map"] <= 1


def test_losses_are_for_several_labels():
    with pytest.raises(VicinalError, match=r"--loss bce is for several labels .* classes"):
        task(label="odd", loss="bce")
    with pytest.raises(VicinalError, match="--loss must be bce or asymmetric, not focal"):
        task(loss="focal")


def test_a_recipe_is_for_one_class_of_each_image(tmp_path):
    pictures(tmp_path)
    made = TrainOptions("pictures", recipe="cifar10-fast")
    with pytest.raises(VicinalError, match="--recipe cifar10-fast is for one class of each image"):
        make_task(made, find_split(made))


def test_other_labels_are_other_data():
    assert task().fingerprint() != task(label_kind="classes", drop_missing=True).fingerprint()


def test_the_default_comparison_leaves_out_what_is_for_classes():
    assert task().compared == ("none", "mixup")
