"""Series by the commands: chosen, trained, shown, predicted, compared and resumed."""

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from run_folders import assert_same, left, silent
from series_files import waves, write_parts, write_ts
from vicinal import Predictor, VicinalError, load_learner, runs
from vicinal.cli import run
from vicinal.learner.callbacks import StopWhenAsked
from vicinal.stored import Misfit
from vicinal.tasks import TrainOptions, find_split, make_task

SLOW = pytest.mark.slow


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return write_parts(tmp_path / "waves")


def options(folder, **given):
    return TrainOptions(str(folder), **{"epochs": 2, "batch_size": 4, "mix": "mixup", **given})


def train(folder, out, **given):
    return runs.train(options(folder, **given), out, log=silent)


MIXES = ["none", "cutmix", "mixup+cutmix", "manifoldmixup", "kernelmixup", "multimix",
         "cutmix+manifoldmixup",
         *(pytest.param(name, marks=SLOW) for name in ("mixup", "regmixup", "remix",
                                                       "balancedmixup"))]  # fmt: skip


@pytest.mark.parametrize("mix", MIXES)
def test_each_method_trains(folder, mix):
    task = make_task(options(folder, mix=mix, epochs=1), find_split(options(folder)))
    learn = task.learner()
    learn.add_cbs(task.mixer(learn))
    before = [parameter.clone() for parameter in learn.model.parameters()]
    with learn.no_logging():
        task.fit(learn, 1, task.lr)
    assert any(not p.equal(b) for p, b in zip(learn.model.parameters(), before, strict=True))
    assert np.isfinite(learn.history[-1]["train_loss"])


def test_cutmix_pastes_a_span_of_time_with_all_channels(tmp_path):
    folder = write_parts(tmp_path / "two", channels=2)
    task = make_task(options(folder, mix="cutmix"), find_split(options(folder)))
    x = torch.arange(6.0)[:, None, None].expand(6, 2, 12)
    mix = task.batch_mixer().draw(x, torch.arange(6))
    mixed = mix(x)
    assert mixed[:, 0].equal(mixed[:, 1])
    kept = (mixed[:, 0] == x[:, 0]).float().mean(1)
    assert torch.allclose(kept, mix.weight)
    assert (kept < 1).any()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"mix": "fmix"}, "--mix fmix does not go with series"),
        ({"recipe": "cifar10-fast"}, "--recipe does not apply to series"),
        ({"size": "16x24"}, "--size 16x24 is for images"),
        ({"model": "resnet18"}, "there is no network for series named resnet18"),
        ({"augment": "light"}, "--augment does not apply to series"),
    ],
)
def test_options_that_do_not_apply(folder, given, sentence):
    with pytest.raises(VicinalError, match=sentence):
        make_task(options(folder, **given), find_split(options(folder))).batch_mixer()


@SLOW
def test_a_run_learns_and_predicts(tmp_path, capsys):
    folder = write_parts(tmp_path / "waves", counts=(24, 12), steps=24)
    train(folder, tmp_path / "run", epochs=30, mix="none", lr=0.01)
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["valid_accuracy"] > 0.9
    found = Predictor.load(tmp_path / "run")
    series = waves(10, steps=24, seed=5)
    outputs = list(found.predict([values for values, _ in series]))
    named = [found.answer(output)["class"] for output in outputs]
    assert np.mean([a == b for a, (_, b) in zip(named, series, strict=True)]) > 0.8
    for name in ("mixed_batch.png", "curves.png"):
        assert (tmp_path / "run" / name).exists()
    # Without labels, and of another length.
    write_ts(tmp_path / "new.ts", waves(2, steps=40, seed=6), label=None)
    capsys.readouterr()
    assert run(["predict", "run", "new.ts", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["series"] for row in rows] == ["0", "1"]
    assert {*rows[0]["probabilities"]} == {"fast", "slow"}


@pytest.mark.usefixtures("blank_pictures")
def test_predictions_name_the_series_that_fail(folder, tmp_path, capsys):
    train(folder, tmp_path / "run", epochs=1)
    file = tmp_path / "new.ts"
    (good, name), *_ = waves(1)
    write_ts(file, [(good, name), (np.vstack([good, good]), name)])
    file.write_text(file.read_text() + "1,two,3:fast\n")
    assert run(["predict", "run", "new.ts"]) == 1
    printed = capsys.readouterr()
    assert "fast" in printed.out
    assert "new.ts: series 1 has 2 channels, and not 1: give what" in printed.err
    assert "new.ts: series 2 has 'two' among its values" in printed.err


@pytest.mark.usefixtures("blank_pictures")
def test_a_resumed_run_is_the_same(folder, tmp_path):
    given = {"epochs": 4, "mix": "mixup+cutmix"}
    train(folder, tmp_path / "whole", **given)

    class Stopped(Exception):
        pass

    def stop(self, learn):
        if len(learn.history) == 2:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StopWhenAsked, "after_batch", stop)
        with pytest.raises(Stopped):
            train(folder, tmp_path / "parts", **given)
    runs.train(options(folder, **given), tmp_path / "parts", resume=True, log=silent)
    assert_same(left(tmp_path / "whole"), left(tmp_path / "parts"))


def test_a_changed_value_is_noticed(folder):
    before = make_task(options(folder), find_split(options(folder))).fingerprint()
    file = folder / "Waves_TEST.ts"
    file.write_text(file.read_text().replace(",", ",0.5,", 1).replace(",0.5,", ",", 1))
    assert make_task(options(folder), find_split(options(folder))).fingerprint() == before
    text = file.read_text()
    number = text.split("@data\n")[1].split(",")[0]
    file.write_text(text.replace(f"@data\n{number},", "@data\n7.25,"))
    assert make_task(options(folder), find_split(options(folder))).fingerprint() != before


@pytest.mark.parametrize("mix", ["cutmix", pytest.param("mixup", marks=SLOW)])
def test_show_draws_series_and_mixes(folder, tmp_path, mix):
    runs.show(options(folder, mix=mix), tmp_path / "mixed.png")
    assert Image.open(tmp_path / "mixed.png").width > 400


def test_batches_are_drawn(folder):
    task = make_task(options(folder, mix="mixup"), find_split(options(folder)))
    learn = task.learner()
    figure = learn.show_batch(nrows=1, ncols=3)
    assert [axes.get_xlabel() in ("fast", "slow") for axes in figure.axes] == [True] * 3
    assert len(figure.axes[0].lines[0].get_ydata()) == 12
    figure = learn.show_results(max_n=2)
    assert all(len(axes.get_xlabel().splitlines()) == 2 for axes in figure.axes)
    mixed = task.mixer(learn)(*learn.dls.one_batch())
    assert "%" in learn.dls.show_batch(max_n=4, b=mixed).axes[0].get_xlabel()


def test_a_learner_is_stored_in_a_file(folder, tmp_path):
    learn = make_task(options(folder), find_split(options(folder))).learner()
    file = learn.export(tmp_path / "series")
    again, new = load_learner(file), [values for values, _ in waves(3, steps=20, seed=5)]
    ours = [learn.predict(values)[2] for values in new]
    assert torch.stack([again.predict(values)[2] for values in new]).equal(torch.stack(ours))
    stored = learn.dls.to_json()
    stored["how"]["steps"] = -1
    with pytest.raises(Misfit, match=r"of data\.how, steps must be from 1 to"):
        type(learn.dls).from_json(stored, "cpu")


def test_the_union_of_labels_is_drawn(folder, tmp_path):
    frame = pd.DataFrame([values[0] for values, _ in waves(12)]).add_prefix("t")
    frame.assign(label=["a|b", "b", ""] * 4).to_csv(tmp_path / "t.csv", index=False)
    given = options("t.csv", mix="mixup:labels=union")
    split = find_split(given)
    task = make_task(given, split)
    learn = task.learner()
    drawn = task._figure(learn, *task.mixer(learn)(*learn.dls.one_batch()))
    for figure in (drawn, task.show(given, split)):
        captions = [axes.get_xlabel() for axes in figure.axes if "%" in axes.get_xlabel()]
        assert captions
        assert all(text.startswith("100 % ") and "/" not in text for text in captions)


def test_what_was_found_is_printed(folder, capsys):
    assert run(["show", "waves", "--data"]) == 0
    shown = capsys.readouterr().out
    assert "kind:           series" in shown
    assert "12 for training, 8 for validation, of 2 classes" in shown
    assert "series:         1 channel, 12 steps of time" in shown


def test_series_of_values(tmp_path):
    folder = tmp_path / "values"
    rng = np.random.default_rng(0)
    for part in ("TRAIN", "TEST"):
        series = [(rng.normal(size=(1, 9)), round(float(number), 2)) for number in range(8)]
        write_ts(folder / f"V_{part}.ts", series, label="target")
    given = options(folder, mix="cmixup", epochs=1)
    split = find_split(given)
    assert split.targets_are == "values"
    task = make_task(given, split)
    learn = task.learner()
    learn.add_cbs(task.mixer(learn))
    with learn.no_logging():
        task.fit(learn, 1, task.lr)
    assert np.isfinite(learn.history[-1]["valid_rmse"])
    assert task.compared == ("none", "mixup", "cmixup", "cutmix")


# ---- tables -------------------------------------------------------------------------------------


def table_of_rows(tmp_path, name="rows.csv", count=16):
    series = waves(count)
    frame = pd.DataFrame([values[0] for values, _ in series]).add_prefix("t")
    frame.assign(label=[label for _, label in series]).to_csv(tmp_path / name, index=False)
    return tmp_path / name


def table_of_steps(tmp_path, name="steps.csv", count=16):
    rows = [
        {"who": f"p{number}", "t": step, "x": float(values[0, step]), "label": label}
        for number, (values, label) in enumerate(waves(count))
        for step in range(values.shape[1])
    ]
    pd.DataFrame(rows).to_csv(tmp_path / name, index=False)
    return tmp_path / name


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize(
    ("make", "given", "names"),
    [
        (table_of_rows, {}, ["0", "1"]),
        (table_of_steps, {"series_id": "who"}, ["p0", "p1"]),
    ],
)
def test_tables_are_predicted_as_they_were_read(tmp_path, capsys, make, given, names):
    file = make(tmp_path)
    train(file, tmp_path / "run", epochs=1, **given)
    plain = pd.read_csv(file).drop(columns="label")
    plain[::-1].to_csv(tmp_path / "new.csv", index=False)
    capsys.readouterr()
    assert run(["predict", "run", "new.csv", "--csv"]) == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out), dtype={"series": str})
    columns = ["series", "class", "probability of fast", "probability of slow"]
    assert printed.columns.tolist() == columns
    assert {*names} <= {*printed["series"]}
    split = find_split(options(file, **given))
    of_split = Predictor.load("run").predict([*split.train.series, *split.valid.series])
    expected = sorted(float(output[0]) for output in of_split)
    assert sorted(printed["probability of fast"]) == pytest.approx(expected, abs=1e-5)
    if make is table_of_rows:  # series of more steps
        plain.assign(t12=9.0).to_csv(tmp_path / "new.csv", index=False)
        longer = [values for _, values in Predictor.load("run").preprocessing.samples(["new.csv"])]
        assert {each.shape for each in longer} == {(1, 13)}
    plain.rename(columns={"t0": "a", "x": "a"}).to_csv(tmp_path / "other.csv", index=False)
    assert run(["predict", "run", "other.csv"]) == 2
    assert "from which the network learned: name its columns" in capsys.readouterr().err


@pytest.mark.usefixtures("blank_pictures")
def test_settings_that_were_edited_are_refused(folder, tmp_path):
    train(folder, tmp_path / "run", epochs=1)
    preparation = Predictor.load("run").preprocessing
    for change, sentence in (
        ({"std": [0.0]}, "std must be above 0"),
        ({"mean": [0.0, 1.0]}, "channels, mean and std must be as many"),
        ({"steps": 0}, "steps must be from 1 to"),
        ({"layout": {"kind": "wide", "columns": "t0", "reading": None}}, "columns must be a list"),
    ):
        with pytest.raises(VicinalError, match=sentence):
            replace(preparation, **change).check()


def test_json_and_csv_exclude_each_other(capsys):
    assert run(["predict", "run", "x.ts", "--json", "--csv"]) == 2
    assert "--json and --csv exclude each other" in capsys.readouterr().err


# ---- how series become input --------------------------------------------------------------------


def test_channels_are_standardised_by_the_training_part(tmp_path):
    folder = write_parts(tmp_path / "w", channels=2)
    split = find_split(options(folder))
    task = make_task(options(folder), split)
    x = task.preparation.stacked(split.train.series)
    assert x.shape == (12, 2, 12)
    assert torch.allclose(x.mean((0, 2)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(x.std((0, 2), correction=0), torch.ones(2), atol=1e-5)


def test_lengths_are_brought_to_that_of_the_longest_training_series(tmp_path):
    series = [(values[:, : 6 + number], name) for number, (values, name) in enumerate(waves(6))]
    write_ts(tmp_path / "w" / "W_TRAIN.ts", series[:5])
    write_ts(tmp_path / "w" / "W_TEST.ts", series[5:])
    given = options(tmp_path / "w")
    task = make_task(given, find_split(given))
    assert task.preparation.steps == 10
    reasons = dict(task.reasons)
    assert reasons["length"] == (
        "10 steps (as the longest training series has; all are resampled to it)"
    )
    (train, valid) = task._parts()
    assert (train.x.shape, valid.x.shape) == ((5, 1, 10), (1, 1, 10))
    short = make_task(options(tmp_path / "w", size=8), find_split(given))
    assert short._parts()[0].x.shape == (5, 1, 8)


def test_values_that_are_too_large_are_refused(tmp_path):
    series = [(values * 1e300, name) for values, name in waves(8)]
    folder = write_parts(tmp_path / "huge")
    write_ts(folder / "Waves_TRAIN.ts", series)
    with pytest.raises(VicinalError, match="the values of channel 1 are too large"):
        make_task(options(folder), find_split(options(folder)))


def test_a_channel_that_never_changes_is_named(tmp_path):
    series = [(np.vstack([values, values * 0 + 0.1]), name) for values, name in waves(8)]
    file = write_ts(tmp_path / "w.ts", series)
    task = make_task(options(file), find_split(options(file)))
    assert dict(task.reasons)["constant"] == "channel 2, in all training series"
    assert torch.equal(task._parts()[0].x[:, 1], torch.zeros(6, 12))
    flat = write_ts(tmp_path / "flat.ts", [(values * 0, name) for values, name in waves(8)])
    with pytest.raises(VicinalError, match="all values of the training series are the same"):
        make_task(options(flat), find_split(options(flat)))


@pytest.mark.usefixtures("blank_figures")
@SLOW
def test_series_are_compared(folder, capsys):
    arguments = ["--epochs", "1", "--seeds", "2", "--batch-size", "4", "--jobs", "1"]
    assert run(["compare", "waves", *arguments, "--out", "out"]) == 0
    runs_of = pd.read_csv("out/runs.csv")
    assert runs_of["mix"].tolist() == ["none"] * 2 + ["mixup"] * 2 + ["cutmix"] * 2
    assert {"accuracy", "nll", "ece"} <= {*runs_of}
    capsys.readouterr()
    assert run(["compare", "waves", "--resume", "--out", "out"]) == 0
    assert "done before:    6 of 6 runs" in capsys.readouterr().out


def test_advice_suggests_spans_of_time(folder, capsys):
    assert run(["advise", "waves"]) == 0
    printed = capsys.readouterr().out
    assert "6 training series each" in printed
    assert "--mix none,mixup,cutmix" in printed
