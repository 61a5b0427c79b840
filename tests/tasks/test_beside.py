"""Texts and images with columns beside them: trained, shown, predicted, compared and resumed."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from run_folders import assert_same, left, silent
from sound_folders import tones
from vicinal import Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.data.augment import IMAGENET_STATS
from vicinal.export.forms import form_of
from vicinal.learner.callbacks import StopWhenAsked
from vicinal.learner.checkpoint import load_weights
from vicinal.mixing import ManifoldMixUp, MixUp
from vicinal.models.beside import Beside
from vicinal.models.text import TextCNN
from vicinal.study.evaluation import Evaluation, images_of_classes
from vicinal.study.scores import memorised
from vicinal.study.training_set import modify_training_set
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.beside import ImagesBesideTask, _cell, beside_groups

SLOW = pytest.mark.slow
WORDS = ["pain", "fever", "cough", "rash"]
KINDS = ["texts", "images"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))


def columns_of(count, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.integers(20, 80, count).astype(float)
    sex = rng.choice(["f", "m"], count).astype(object)
    label = np.where(age > 50, "old", "young")
    age[0], sex[1] = np.nan, None
    return pd.DataFrame({"age": age, "sex": sex, "label": label})


def texts_of(count, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 4)) + f" {number}" for number in range(count)]


def texts(count=24, seed=0, name="notes.csv"):
    frame = columns_of(count, seed).assign(note=texts_of(count, seed))
    frame.to_csv(name, index=False)
    return frame


def images(count=24, seed=0, folder="scans"):
    """Images of 8 pixels in a folder, with a table beside them."""
    rng = np.random.default_rng(seed)
    frame = columns_of(count, seed).assign(file=[f"{number}.png" for number in range(count)])
    (folder_of := runs.Path(folder) / "pictures").mkdir(parents=True, exist_ok=True)
    for name in frame["file"]:
        pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder_of / name)
    frame.to_csv(runs.Path(folder) / "list.csv", index=False)
    return frame


def made(kind, **changes):
    """The name of data of a kind, whose columns may be changed."""
    frame = texts() if kind == "texts" else images()
    file = "notes.csv" if kind == "texts" else "scans/list.csv"
    if changes:
        frame.assign(**changes).to_csv(file, index=False)
    return "notes.csv" if kind == "texts" else "scans"


def options(data, **given):
    return TrainOptions(
        data, **{"columns": "all", "epochs": 1, "batch_size": 4, "mix": "mixup", **given}
    )


def task_of(data, **given):
    chosen = options(data, **given)
    return make_task(chosen, find_split(chosen))


def learner_of(task):
    """A learner of the task that is trained by one epoch."""
    learn = task.learner()
    learn.add_cbs(task.mixer(learn))
    with learn.no_logging():
        task.fit(learn, 1, task.lr)
    return learn


def train(data, out, **given):
    return runs.train(options(data, **given), runs.Path(out), log=silent)


# ---- what is learned from -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("columns", ["all", "age,sex", "sex,age"])
def test_columns_are_learned_from_beside_texts_or_images(kind, columns):
    split = find_split(options(made(kind), columns=columns))
    assert split.kind == f"{kind} beside columns"
    assert (split.kinds.numeric, split.kinds.categorical) == (["age"], ["sex"])


@pytest.mark.parametrize("kind", KINDS)
def test_only_those_that_are_named_are(kind):
    split = find_split(options(made(kind), columns="sex"))
    assert (split.kinds.numeric, split.kinds.categorical) == ([], ["sex"])
    assert split.kinds.left_out["age"] == "not among --columns"


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_named_twice_counts_once(kind):
    split = find_split(options(made(kind), columns="age,age,sex"))
    assert (split.kinds.numeric, split.kinds.categorical) == (["age"], ["sex"])


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_tell_several_labels_are_not_learned_from(kind):
    a, b = np.arange(24) % 2, np.arange(24) // 2 % 2
    lists = ["|".join([*["a"] * x, *["b"] * y]) for x, y in zip(a, b, strict=True)]
    split = find_split(options(made(kind, label=lists, a=a, has_b=b), label_sep="|"))
    assert (split.kinds.numeric, split.kinds.categorical) == (["age"], ["sex"])
    assert split.kinds.left_out["has_b"] == "another name of label"


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_images_that_other_tables_name(ending):
    frame = images()
    file = f"scans/pictures/list.{ending}"
    frame.to_parquet(file) if ending == "parquet" else frame.to_excel(file, index=False)
    assert find_split(options(file)).kind == "images beside columns"
    assert find_split(options(file, columns=None)).kind == "rows"


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_option_a_note_says_how_to_ask(kind):
    data = made(kind)
    text = {"text": "note"} if kind == "texts" else {}
    split = find_split(TrainOptions(data, **text))
    assert split.kind == kind
    note = f"beside the {kind}: age, sex can be learned from, too, by --columns all"
    assert note in split.notes


def test_a_table_of_images_that_is_given_itself_says_how_to_ask(tmp_path):
    made("images")
    split = find_split(TrainOptions("scans/list.csv"))
    assert split.kind == "rows"
    assert any("or --columns all to learn from both" in note for note in split.notes)
    assert find_split(options("scans/list.csv")).kind == "images beside columns"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"columns": "agee"}, "--columns: there is no column agee among .*did you mean age"),
        ({"columns": "age", "drop": "age"}, "--drop and --columns both name the column age"),
        ({"columns": "when"}, r"--columns when: nothing can be learned from that column \(dates\)"),
        ({"columns": "told"}, "--columns told: that column holds texts, and only numbers and"),
        ({"columns": "one"}, r"nothing can be learned from that column \(always 3\)"),
    ],
)
def test_columns_that_cannot_be_learned_from(kind, given, sentence):
    days = pd.date_range("2020-01-01", periods=24).strftime("%Y-%m-%d").tolist()
    told = [f"told {text}" for text in texts_of(24, 7)]
    data = made(kind, when=days, told=told, one=3)
    text = {"text": "note"} if kind == "texts" else {}
    with pytest.raises(VicinalError, match=sentence):
        find_split(options(data, **text, **given))


@pytest.mark.parametrize(
    ("kind", "given", "sentence"),
    [
        ("texts", {"columns": "note"}, "--columns note: that is the column of texts"),
        ("texts", {"columns": "label", "label": "label"}, "--label and --columns both name"),
        ("images", {"columns": "label", "label": "label"}, "--label and --columns both name"),
        ("images", {"columns": "file"}, "--columns file: that column names the images"),
        ("images", {"categorical": "agee"}, "--categorical: there is no column agee"),
        ("images", {"text": "sex"}, "--text sex does not apply"),
        ("images", {"recipe": "cifar10-fast"}, "--recipe does not apply to images beside columns"),
        ("texts", {"mix": "columnmix"}, "--mix columnmix does not go with texts beside columns"),
        ("images", {"mix": "cutmix"}, "--mix cutmix does not go with images beside columns"),
        ("images", {"mix": "mixup:layers=network.head"}, "the columns would not be mixed with the"),
        ("texts", {"mix": "mixup:layers=inputs/scores"}, "scores comes after the words are masked"),
        ("images", {"mix": "mixup:layers=input"}, "are no vectors before the layer inputs"),
    ],
)
def test_what_is_refused(kind, given, sentence):
    def mixer():
        task = task_of(made(kind), **given)
        return task.mixer(task.learner())

    with pytest.raises(VicinalError, match=sentence):
        mixer()


def test_columns_need_texts_or_images():
    columns_of(40).to_csv("rows.csv", index=False)
    with pytest.raises(VicinalError, match="no column holds texts: leave it out to learn from all"):
        find_split(options("rows.csv", columns="age"))
    with pytest.raises(VicinalError, match="--columns all does not apply"):
        find_split(options("digits"))


def test_several_columns_of_texts_have_to_be_named():
    data = made("texts", told=[f"told {text}" for text in texts_of(24, 7)])
    with pytest.raises(VicinalError, match="the columns note, told hold texts"):
        find_split(options(data))
    split = find_split(options(data, text="told"))
    assert (split.column, split.kinds.left_out) == ("told", {"note": "texts"})


def test_codes_are_categories_where_that_is_said():
    codes = [f"1.{10 * (number % 3)}" for number in range(24)]  # 1.0, 1.10 and 1.20
    data = made("images", code=codes)
    split = find_split(options(data, categorical="code"))
    assert split.kinds.categorical == ["sex", "code"]
    assert {*split.rows[0]["code"]} <= {*codes}


def test_a_part_that_lacks_a_column_is_refused():
    frame = images()
    frame[:16].to_csv("scans/train.csv", index=False)
    frame[16:].drop(columns="age").to_csv("scans/valid.csv", index=False)
    runs.Path("scans/list.csv").unlink()
    with pytest.raises(VicinalError, match=r"the validation part lacks columns .*: age: add them"):
        find_split(options("scans"))
    assert len(find_split(options("scans", columns="sex")).rows[1]) == 8


# ---- what the network gets ----------------------------------------------------------------------


def test_each_image_comes_with_its_own_columns():
    frame = images()
    # The label is found by the name of the image, the columns by another way.
    frame["age"] = [float(name.removesuffix(".png")) for name in frame["file"]]
    frame.to_csv("scans/list.csv", index=False)
    task = task_of("scans", columns="age", augment="none", categorical="age")
    split = task.split
    for part, rows in zip((split.train, split.valid), split.rows, strict=True):
        assert [float(image.stem) for image in part.images] == rows["age"].tolist()
    dls = task.loaders()
    names = task.table.categories["age"]
    x, y = dls.valid.first()
    for row, image in enumerate(split.valid.images[: len(y)]):
        pixels = torch.from_numpy(np.asarray(Image.open(image)).copy()).permute(2, 0, 1)
        shown = (dls.pictures(x["images"])[row] * 255).round()
        assert (shown - pixels).abs().max() <= 1
        index = int(x["categories"][row, 0])
        # Those that the training part does not have are 0.
        assert index == 0
        assert image.stem not in [f"{float(name):.0f}" for name in names]
        assert y[row] == split.valid.labels[row]
    x, y = dls.train.first()
    assert x["images"].is_contiguous(memory_format=torch.channels_last)
    assert (x["categories"] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_batches_have_the_targets_and_columns_of_their_rows(kind):
    task = task_of(made(kind), mix="none")
    dls = task.learner().dls
    rows = task.split.valid.frame if kind == "texts" else task.split.rows[1]
    table = task.preparation.table if kind == "texts" else task.table
    expected = table.transform(rows)
    targets = task.split.valid.y if kind == "texts" else torch.tensor(task.split.valid.labels)
    got = [(x["numbers"], x["categories"], y) for x, y in dls.valid]
    numbers, categories, y = (torch.cat(each) for each in zip(*got, strict=True))
    assert numbers.equal(expected["numbers"])
    assert categories.equal(expected["categories"])
    assert y.equal(targets)


def test_an_image_that_cannot_be_read_leaves_its_row_out():
    made("images")
    runs.Path("scans/pictures/5.png").write_bytes(b"no image")
    with pytest.raises(VicinalError, match=r"5\.png"):
        task_of("scans").loaders().prepare()
    task = task_of("scans", skip_bad=True, valid=0.25)
    dls = task.loaders()
    of_train = [image.stem for image in task.split.train.images]
    part, index = (dls.train, 0) if "5" in of_train else (dls.valid, 1)
    assert len(part.dataset) == len((task.split.train, task.split.valid)[index]) - 1
    kept = [row for row, image in enumerate((task.split.train, task.split.valid)[index].images)
            if image.stem != "5"]  # fmt: skip
    x, _ = part.dataset.__getitems__(range(len(part.dataset)))
    expected = task.table.transform(task.split.rows[index].iloc[kept])
    assert x["numbers"].equal(expected["numbers"])


def test_only_images_are_normalised():
    dls = task_of(made("images"), augment="none").loaders()
    assert (dls.normalize.mean, dls.normalize.std) == (IMAGENET_STATS[0], IMAGENET_STATS[1])
    other = dls.normalized([0.5] * 3, [0.25] * 3)
    (x, _), (same, _) = dls.valid.first(), other.valid.first()
    assert other.normalize.mean == [0.5] * 3
    assert torch.allclose(other.pictures(same["images"]), dls.pictures(x["images"]), atol=1e-2)
    assert same["numbers"].equal(x["numbers"])
    row = task_of("scans").split.rows[0].iloc[0].to_dict()
    ((again, _),) = other.test_dl([{**row, "file": "scans/pictures/1.png"}])
    assert again["images"].shape == (1, 3, 8, 8)


def test_noisy_labels_are_measured():
    split = find_split(options(made("images")))
    data = modify_training_set(split, None, 0.3, seed=0)
    task = make_task(options("", mix="none"), data.split)
    learn = learner_of(task)
    evaluation = Evaluation(outputs=None, targets=None, learn=learn, noisy=data.noisy)
    assert not images_of_classes(evaluation)  # what is measured on changed images is left out
    found = memorised(learn, data.noisy)
    assert found.shape == data.noisy.shape
    assert len(found)


def test_columns_beside_sounds_are_refused():
    tones(runs.Path("sounds"), count=4)
    files = [str(each.relative_to("sounds")) for each in runs.Path("sounds").rglob("*.wav")]
    columns_of(len(files)).assign(file=files).to_csv("sounds/list.csv", index=False)
    split = find_split(TrainOptions("sounds", label="label"))
    assert split.kind == "sounds"
    assert "--columns" not in " ".join(split.notes)
    with pytest.raises(VicinalError, match="--columns all does not apply"):
        find_split(options("sounds", label="label"))


# ---- the network --------------------------------------------------------------------------------


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 2)

    def get_classifier(self):
        return self.head

    def forward(self, x):
        return self.head(x.flatten(1))


MASK = {"images": None, "texts": "mask"}


def batch_of(kind="images", count=3):
    x = {"numbers": torch.randn(count, 2), "categories": torch.randint(4, (count, 1))}
    if kind == "images":
        return x | {"images": torch.rand(count, 3, 2, 2)}
    lengths = torch.arange(count)[:, None] + 1
    mask = torch.arange(count) < lengths  # as long as the batch is large
    return x | {"ids": torch.randint(1, 9, (count, count)) * mask, "mask": mask}


def test_it_is_a_linear_layer_on_the_features_of_both():
    model, x = Beside(Flat(), 2, [4], 2).eval(), batch_of()
    features = torch.cat([x["images"].flatten(1), model.columns.hidden(model.columns.inputs(x))], 1)
    heads = model.network.head, model.columns.head
    weight = torch.cat([head.weight for head in heads], 1)
    expected = features @ weight.T + sum(head.bias for head in heads)
    assert torch.allclose(model(x), expected, atol=1e-5)


def test_columns_keep_their_precision_under_autocast():
    model, x = Beside(Flat(), 2, [4], 2).eval(), batch_of()
    nn.init.zeros_(model.network.head.weight)
    nn.init.zeros_(model.network.head.bias)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(x)
    assert low.dtype == torch.float32
    assert low.equal(model(x))


def test_the_columns_are_trained_with_the_classifier():
    model = Beside(Flat(), 2, [4], 2)
    *_, head = beside_groups(model)
    found = {id(parameter) for parameter in head}
    for module in (model.network.head, model.columns):
        assert all(id(parameter) in found for parameter in module.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_mixup_blends_both_by_the_same_partners_and_weights(kind):
    torch.manual_seed(0)
    network = Flat() if kind == "images" else TextCNN(9, 2, width=4, filters=2, dropout=0.0)
    model, x = Beside(network, 2, [4], 2), batch_of(kind, 5)
    mixer = ManifoldMixUp(model, "inputs", mixer=MixUp(1.0), maximum=MASK[kind], seed=0)
    state = mixer.state_dict()
    partner = mixer.draw(x, torch.arange(5)).partner
    mixer.load_state_dict(state)
    mixed, target = mixer(x, torch.arange(5))
    seen = []
    (network if kind == "images" else network.sentence).register_forward_pre_hook(
        lambda _, args: seen.append(args)
    )
    model.columns.hidden.register_forward_pre_hook(lambda _, args: seen.append(args))
    model(mixed)
    (first, *mask), (columns,) = seen
    assert target.partner.equal(partner)
    with torch.no_grad():
        before = x["images"] if kind == "images" else network.words(x["ids"])
        assert torch.allclose(first, blend(before, target), atol=1e-6)
        assert torch.allclose(columns, blend(model.columns.inputs(x), target), atol=1e-6)
    if mask:
        assert mask[0].equal(x["mask"] | x["mask"][partner])


@pytest.mark.parametrize("kind", KINDS)
def test_their_two_last_layers_have_no_blends(kind):
    with pytest.raises(VicinalError, match=r"multimix does not go with \w+ beside columns"):
        task_of(made(kind), mix="multimix").batch_mixer()


def blend(x, target):
    weight = target.weight.view(-1, *[1] * (x.ndim - 1))
    return weight * x + (1 - weight) * x[target.partner]


OTHERS = ("mixupmp", "remix", "balancedmixup", "regmixup")
MIXES = ["none", "mixup", "manifoldmixup", *(pytest.param(name, marks=SLOW) for name in OTHERS)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mix", MIXES)
def test_each_method_trains(kind, mix):
    learn = learner_of(task_of(made(kind), mix=mix, batch_size=8))
    assert np.isfinite(learn.history[-1]["train_loss"])


@pytest.mark.parametrize(
    ("kind", "change", "targets"),
    [
        ("texts", {"label": np.linspace(0.5, 900, 24)}, "values"),
        ("texts", {"label": ["a|b", "b", "a"] * 8}, "labels"),
        ("images", {"label": ["a|b", "b", "a"] * 8}, "labels"),
    ],
)
def test_other_targets(kind, change, targets):
    task = task_of(made(kind, **change), mix="cmixup" if targets == "values" else None)
    assert task.split.targets_are == targets
    assert np.isfinite(learner_of(task).history[-1]["valid_loss"])


def test_a_text_network_of_another_kind():
    learn = learner_of(task_of(made("texts"), model="text_transformer"))
    assert np.isfinite(learn.history[-1]["valid_loss"])


# ---- by the commands ----------------------------------------------------------------------------


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("kind", ["images", pytest.param("texts", marks=SLOW)])
def test_a_resumed_run_is_the_same(kind):
    data = made(kind)
    given = {"epochs": 2, "batch_size": 8}
    train(data, "whole", **given)

    class Stopped(Exception):
        pass

    def stop(self, learn):
        if len(learn.history) == 1:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StopWhenAsked, "after_batch", stop)
        with pytest.raises(Stopped):
            train(data, "parts", **given)
    runs.train(options(data, **given), runs.Path("parts"), resume=True, log=silent)
    assert_same(left(runs.Path("whole")), left(runs.Path("parts")))


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_cell_is_noticed(kind):
    before = task_of(made(kind)).fingerprint()
    assert task_of(made(kind)).fingerprint() == before
    ages = columns_of(24)["age"].tolist()
    assert task_of(made(kind, age=[*ages[:-1], 33.5])).fingerprint() != before
    assert task_of(made(kind), columns="age").fingerprint() != before


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_table_is_predicted(kind, capsys):
    data = made(kind)
    train(data, "run")
    file = "notes.csv" if kind == "texts" else "scans/list.csv"
    frame = pd.read_csv(file).drop(columns="label")
    new = runs.Path("new.csv") if kind == "texts" else runs.Path("scans/new.csv")
    frame[::-1].to_csv(new, index=False)
    capsys.readouterr()
    assert run(["predict", "run", str(new), "--csv"]) == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(printed) == 24
    # As in the training's own validation.
    learn_of = Predictor.load("run")
    task = task_of(data)
    if kind == "texts":
        rows, names = task.split.valid.frame, task.split.valid.frame.index
        found = printed["probability of old"].to_numpy()[::-1][names.to_numpy()]
    else:
        rows = task.split.rows[1].assign(file=[str(image) for image in task.split.valid.images])
        of_file = dict(zip(printed["file"], printed["probability of old"], strict=True))
        found = np.array([of_file[image.name] for image in task.split.valid.images])
    expected = [float(output[0]) for output in learn_of.predict(rows)]
    assert found == pytest.approx(expected, abs=1e-5)
    learn = task.learner()
    load_weights(learn.model, runs.Path("run/model.safetensors"))
    learn.precision = "fp32"
    probabilities, _ = learn.get_preds(act=learn.activation)
    assert probabilities[:, 0].tolist() == pytest.approx(expected, abs=1e-4)
    # A dict, a category that training did not have, and missing cells.
    first = rows.iloc[0].to_dict()
    outputs = list(learn_of.predict([first, {**first, "sex": "x"}, {**first, "sex": None}]))
    assert torch.equal(outputs[1], outputs[2])


@pytest.mark.usefixtures("blank_pictures")
def test_rows_that_cannot_be_predicted_are_named(capsys):
    train(made("images"), "run")
    frame = pd.read_csv("scans/list.csv").drop(columns="label")
    named = ["gone.png", None, *frame["file"][2:]]
    frame.assign(file=named).to_csv("scans/new.csv", index=False)
    capsys.readouterr()
    assert run(["predict", "run", "scans/new.csv"]) == 1
    printed = capsys.readouterr()
    assert "scans/gone.png cannot be read: " in printed.err
    assert "row 1 of scans/new.csv names no image: name one, or drop the row" in printed.err
    assert "23.png" in printed.out
    for change, sentence in (
        ({"columns": "sex"}, "new.csv: this table lacks sex, from which the network learned"),
        ({"columns": "file"}, "new.csv has no column file, which held the images in training"),
    ):
        frame.drop(**change).to_csv("scans/new.csv", index=False)
        assert run(["predict", "run", "scans/new.csv"]) == 2
        assert sentence in capsys.readouterr().err
    assert run(["predict", "run", "scans/pictures/1.png"]) == 2
    assert "1.png is no table: give one" in capsys.readouterr().err
    with pytest.raises(VicinalError, match="a row lacks sex, from which the network learned"):
        list(Predictor.load("run").predict([{"file": "scans/pictures/1.png", "age": 3}]))
    with pytest.raises(VicinalError, match="is no row with file and the columns beside it"):
        list(Predictor.load("run").predict(["scans/pictures/1.png"]))


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_read_as_they_were_written(kind):
    task = task_of(made(kind))
    before = task.preprocessing(task.learner())
    stored = json.loads(json.dumps(before.to_json()))
    model, after = type(before).load(stored, runs.Path())
    assert isinstance(model, Beside)
    assert after.to_json() == before.to_json()
    table = replace(after.table, std={"age": 0.0})
    with pytest.raises(VicinalError, match="std must be above 0"):
        replace(after, table=table).check()
    sentence = f"networks for {kind} beside columns cannot be exported: use vicinal predict"
    with pytest.raises(VicinalError, match=sentence):
        form_of(after, f"{kind} beside columns")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_found_is_printed(kind, capsys):
    assert run(["show", made(kind), "--data", "--columns", "age"]) == 0
    shown = capsys.readouterr().out
    assert f"kind:           {kind} beside columns" in shown
    assert "age     number" in shown


def test_show_draws_images_and_mixes():
    made("images")
    split = find_split(options("scans"))
    figure = ImagesBesideTask.show(options("scans"), split)
    said = [axes.get_xlabel() for axes in figure.axes]
    shown = [str(image) for image in split.examples(8, 0).images]
    names = [str(image) for image in split.train.images]
    first = split.rows[0].iloc[names.index(shown[0])]
    assert said[0].splitlines() == [_cell("age", first["age"]), _cell("sex", first["sex"])]
    # Under the partners, the columns of these.
    own, theirs = said[: len(shown)], said[len(shown) : 2 * len(shown)]
    assert sorted(own) == sorted(theirs)
    assert own != theirs
    with pytest.raises(VicinalError, match="mixes inside the network, of which there is no pictu"):
        runs.show(options("scans", mix="manifoldmixup"), runs.Path("mixed.png"))


def test_there_is_no_picture_of_blends_at_the_last_layer():
    asked = TrainOptions("digits", mix="multimix")
    with pytest.raises(VicinalError, match="mixes inside the network, of which there is no pictu"):
        make_task(asked, find_split(asked)).mixer_to_show()


def test_a_training_draws_its_first_batch():
    task = task_of(made("images"), mix="mixup")
    learn = task.learner()
    mixer = task.mixer(learn)
    before = json.dumps(mixer.state_dict(), default=str)
    figure = task.picture(learn, mixer)()
    assert len(figure.axes) >= 4
    assert json.dumps(mixer.state_dict(), default=str) == before
    assert task.picture(learn, None) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_samples_and_other_labels(kind):
    split = find_split(options(made(kind)))
    fewer = split.subset(torch.arange(6))
    task = make_task(options("", batch_size=2, mix="none"), fewer)
    assert len(fewer.train) == 6
    assert np.isfinite(learner_of(task).history[-1]["train_loss"])
    assert split.relabelled(1 - split.targets).targets.equal(1 - split.targets)


@pytest.mark.usefixtures("blank_figures")
@SLOW
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_compared(kind, capsys):
    arguments = ["--columns", "all", "--epochs", "1", "--seeds", "2", "--batch-size", "4"]
    assert run(["compare", made(kind), *arguments, "--jobs", "1", "--out", "out"]) == 0
    runs_of = pd.read_csv("out/runs.csv")
    assert runs_of["mix"].tolist() == ["none"] * 2 + ["mixup"] * 2
    assert {"accuracy", "nll", "ece"} <= {*runs_of}
    capsys.readouterr()
    assert run(["compare", made(kind), "--columns", "all", "--resume", "--out", "out"]) == 0
    assert "done before:    4 of 4 runs" in capsys.readouterr().out
    data, *_ = made(kind).split("/")
    assert run(["compare", data, *arguments, "--ood", "digits", "--out", "other"]) == 2
    assert f"--ood does not apply to {kind} beside columns" in capsys.readouterr().err


@SLOW
def test_a_network_of_the_hub(capsys):
    transformers = pytest.importorskip("transformers")
    words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])}
    words |= {word: 4 + number for number, word in enumerate(WORDS)}
    runs.Path("vocab.txt").write_text("\n".join(words))
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=len(words), intermediate_size=8, max_position_embeddings=16, **sizes
    )
    transformers.BertForSequenceClassification(config).save_pretrained("tiny")
    transformers.BertTokenizer("vocab.txt").save_pretrained("tiny")
    train(made("texts"), "run", model="tiny")
    capsys.readouterr()
    assert run(["predict", "run", "notes.csv", "--json"]) == 0
    printed = [row["probabilities"]["old"] for row in json.loads(capsys.readouterr().out)]
    rows = pd.read_csv("notes.csv")
    (first,) = Predictor.load("run").predict([rows.iloc[0]])
    assert printed[0] == pytest.approx(float(first[0]), abs=1e-5)
    older = list(Predictor.load("run").predict([{**rows.iloc[0], "age": 79.0}]))
    assert not torch.equal(first, older[0])
