"""Sounds by the commands: chosen, trained, shown, predicted, compared and resumed."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from run_folders import assert_same, left, silent
from sound_folders import RATE, in_parquet, tone, tones, write
from vicinal import (
    BetweenClass,
    Choice,
    CutMix,
    MixUp,
    Predictor,
    VicinalError,
    load_learner,
    runs,
)
from vicinal.cli import run
from vicinal.data.sound_split import waves_of
from vicinal.learner.callbacks import StopWhenAsked
from vicinal.tasks import TrainOptions, find_split, make_task, task_type_of


class Tiny(nn.Module):
    """As networks for images are: layers of feature maps, and a head."""

    feature_info = ({"module": "features"}, {"module": "pool"})

    def __init__(self, n_out):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d((4, 1))
        self.head = nn.Linear(16, n_out)

    def get_classifier(self):
        return self.head

    def forward(self, x):
        return self.head(self.pool(self.features(x)).flatten(1))


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, tmp_path):
    """A network of a few parameters, and a folder of the test's own."""
    monkeypatch.setattr("vicinal.models.sound.create_model", lambda name, n_out: Tiny(n_out))
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return tones(tmp_path / "tones")


def options(folder, **given):
    return TrainOptions(
        str(folder), **{"epochs": 2, "batch_size": 4, "lr": 0.02, "mix": "mixup", **given}
    )


def task_of(folder, **given):
    return make_task(options(folder, **given), find_split(options(folder)))


def train(folder, out, **given):
    return runs.train(options(folder, **given), out, log=silent)


MIXES = ["none", "mixup", "betweenclass:snr=0/20", "cutmix", "mixup+fmix", "manifoldmixup",
         "regmixup", "betweenclass+mixup", "multimix", "cutmix+manifoldmixup",
         "mixup+manifoldmixup"]  # fmt: skip


@pytest.mark.parametrize("mix", MIXES)
def test_each_method_trains(folder, mix):
    task = task_of(folder, mix=mix, epochs=1)
    learn = task.learner()
    learn.add_cbs(task.mixer(learn))
    before = [parameter.clone() for parameter in learn.model.parameters()]
    x, _ = learn.dls.one_batch()
    assert x.ndim == (4 if "cutmix" in mix or "fmix" in mix else 2)
    with learn.no_logging():
        task.fit(learn, 1, task.lr)
    assert any(not p.equal(b) for p, b in zip(learn.model.parameters(), before, strict=True))
    assert np.isfinite(learn.history[-1]["train_loss"])


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ("betweenclass+cutmix", "betweenclass mixes waves and cutmix spectrograms, so they cannot"),
        ("classmix", "--mix classmix does not go with sounds"),
        ("betweenclass:snr=9/3", "snr must be two numbers from -100 to 100 in order"),
        ("mixup:layers=spectrogram", "mixup is applied to the sounds themselves"),
    ],
)
def test_methods_that_do_not_go(folder, mix, sentence):
    with pytest.raises(VicinalError, match=sentence):
        task_of(folder, mix=mix).batch_mixer()


@pytest.mark.parametrize(("mix", "ndim"), [(MixUp(), 2), (CutMix(), 4), (BetweenClass(RATE), 2)])
def test_mixers_from_python_mix_what_they_can(folder, mix, ndim):
    learn = task_of(folder, mix=mix).learner()
    assert learn.dls.one_batch()[0].ndim == ndim


class MyCutMix(CutMix):
    pass


def test_mixers_from_python_that_take_turns(folder):
    turns = Choice([MixUp(), MyCutMix()])
    assert task_of(folder, mix=turns).learner().dls.one_batch()[0].ndim == 4
    with pytest.raises(VicinalError, match="BetweenClass mixes waves and CutMix spectrograms"):
        task_of(folder, mix=Choice([BetweenClass(RATE), CutMix()])).learner()


def test_the_rate_of_the_data_is_that_of_the_method(folder):
    mixer = task_of(folder, mix="betweenclass").batch_mixer()
    assert isinstance(mixer, BetweenClass)
    assert (mixer.rate, mixer.snr) == (RATE, None)


def test_what_is_chosen_is_said(folder):
    chosen = task_of(folder, epochs=None).chosen()
    assert chosen["length"] == "0.1 s of 8,000 Hz (as long as the longest training sound)"
    assert chosen["spectrograms"] == "64 mels x 11 frames, 10 ms apart"
    assert chosen["augmentation"].startswith("masks in frequency and time (SpecAugment)")
    assert chosen["storage"].startswith("mapped from the cache")
    assert task_of(folder, augment="none").chosen()["augmentation"] == "none (as requested)"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"size": 32}, "--size does not apply to sounds"),
        ({"recipe": "cifar10-fast"}, "--recipe does not apply to sounds"),
        ({"augment": "photo"}, "--augment photo is for images: use light or none"),
    ],
)
def test_options_that_do_not_apply(folder, given, sentence):
    with pytest.raises(VicinalError, match=sentence):
        task_of(folder, **given)


def test_a_network_that_does_not_take_them(folder, monkeypatch):
    wide = nn.Sequential(nn.Conv2d(3, 2, 65), nn.Flatten())
    monkeypatch.setattr("vicinal.models.sound.create_model", lambda name, n_out: wide)
    with pytest.raises(VicinalError, match="resnet9 does not take spectrograms of 64x11"):
        task_of(folder).learner()


def test_training_sounds_are_cut_anew_and_others_in_their_middle(tmp_path):
    wave = np.linspace(-0.5, 0.5, 4000)
    for name in ("a", "b"):
        for number in range(9):
            write(tmp_path / "data" / name / f"{number}.wav", tone(300, 0.05, seed=number))
        write(tmp_path / "data" / name / "long.wav", wave if name == "a" else -wave)
    task = task_of(tmp_path / "data")
    assert task.length == 400
    data = task._data(task.split.train)
    longest = max(range(len(data)), key=lambda row: data.waves.lengths[row])
    middle, _ = data[longest]
    assert middle.abs().max() < 0.06  # around the middle of the ramp
    again = task._data(task.split.train, seed=0)
    begins = {again.__getitems__([longest, other])[0][0, 0].item() for other in range(9)}
    assert len(begins) > 5


# ---- a run --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_learns_shows_and_predicts(folder, tmp_path, capsys):
    train(folder, tmp_path / "run", epochs=40, mix="betweenclass")
    for name in ("mixed_batch.png", "curves.png"):
        assert (tmp_path / "run" / name).exists()
    capsys.readouterr()
    assert run(["predict", "run", "tones/low", "tones/high/0.wav", "--json"]) == 0
    *low, high = json.loads(capsys.readouterr().out)
    assert [each["class"] for each in low] == ["low"] * 8
    assert high["class"] == "high"
    write(tmp_path / "stereo.flac", tone(300, 0.3, rate=44100, channels=2), 44100)
    found = Predictor.load(tmp_path / "run")
    (one,) = found.predict([tmp_path / "stereo.flac"])
    assert found.answer(one)["class"] == "low"


@pytest.mark.usefixtures("blank_pictures")
def test_predictions_are_those_of_validation(folder, tmp_path, capsys):
    train(folder, tmp_path / "run", epochs=1, precision="fp32")
    task = task_of(folder, precision="fp32")
    learn = task.learner()
    found = Predictor.load(tmp_path / "run")
    learn.model.load_state_dict(found.model.state_dict())
    probabilities, _ = learn.get_preds(act=learn.activation)
    files = list(waves_of(task.split.valid))
    torch.testing.assert_close(torch.stack([*found.predict(files)]), probabilities)
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    capsys.readouterr()
    assert run(["predict", "run", "broken.wav", str(files[0]), "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert "broken.wav cannot be used: it cannot be decoded" in first["error"]
    assert second["class"] in ("high", "low")
    for item in (torch.zeros(2, 8), b"abc", None):
        with pytest.raises(VicinalError, match="a sound is a file, or a wave"):
            list(found.predict([item]))


@pytest.mark.usefixtures("blank_pictures")
@pytest.mark.parametrize("mix", ["betweenclass", "cutmix"])
def test_a_resumed_run_is_the_same(folder, tmp_path, mix):
    train(folder, tmp_path / "whole", epochs=4, mix=mix)

    class Stopped(Exception):
        pass

    def stop(learn, *rest):
        if len(learn.history) == 2:
            raise Stopped

    patch = pytest.MonkeyPatch()
    patch.setattr(StopWhenAsked, "after_batch", lambda self, learn: stop(learn))
    with pytest.raises(Stopped):
        train(folder, tmp_path / "parts", epochs=4, mix=mix)
    patch.undo()
    runs.train(options(folder, epochs=4, mix=mix), tmp_path / "parts", resume=True, log=silent)
    assert_same(left(tmp_path / "whole"), left(tmp_path / "parts"))


@pytest.mark.parametrize("mix", ["betweenclass", pytest.param("cutmix", marks=pytest.mark.slow)])
def test_show_draws_spectrograms(folder, mix):
    figure = task_type_of(find_split(options(folder))).show(
        options(folder, mix=mix), find_split(options(folder))
    )
    assert figure.axes[0].get_ylabel() == "sound"


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_batches_are_seen_as_spectrograms(folder, mix):
    dls = task_of(folder, mix=mix).learner().dls
    x, _ = dls.one_batch()
    pictures = dls.pictures(x)
    assert pictures.shape == (4, 3, 64, 11)
    assert 0 <= pictures.min() < pictures.max() <= 1
    figure = dls.show_batch(2)
    assert {axes.get_title() for axes in figure.axes} <= {"high", "low"}


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_a_learner_is_stored_in_a_file(folder, tmp_path, mix):
    learn = task_of(folder, mix=mix).learner()
    file = learn.export(tmp_path / "sounds")
    again, files = load_learner(file, model=learn.model), [*folder.rglob("*.wav")][:3]
    assert again.dls.preparation == learn.dls.preparation
    for each in files:
        assert again.predict(each)[2].allclose(learn.predict(each)[2], atol=1e-6)
    assert len(again.show_results(dl=again.dls.test_dl(files)).axes) == 3


def test_the_union_of_labels_is_drawn(folder):
    (folder / "high" / "both.wav").symlink_to(folder / "low" / "0.wav")
    task = task_of(folder, mix="mixup:labels=union")
    learn = task.learner()
    drawn = task._figure(learn, *task.mixer(learn)(*learn.dls.one_batch()))
    for figure in (drawn, task.show(task.options, task.split)):
        captions = [axes.get_xlabel() for axes in figure.axes if "%" in axes.get_xlabel()]
        assert captions
        assert all(text.startswith("100 % ") for text in captions)


def test_sounds_in_a_table_are_trained_on_and_predicted(tmp_path):
    data = in_parquet(tmp_path / "hub")
    task = task_of(data)
    learn = task.learner()
    (held,) = [file for file in waves_of(task.split.valid) if file.row == 0]
    of_file = tmp_path / "hub" / "files" / task.split.vocab[task.split.valid.labels[0]] / held.name
    x, _ = learn.dls.valid.dataset.__getitems__([0])
    assert learn.dls.preparation.batch([held]).equal(x)
    assert learn.dls.preparation.batch([of_file]).equal(x)
    assert task.fingerprint() == task_of(data).fingerprint()

    def change(records):
        records[1]["bytes"] = records[2]["bytes"]

    assert task.fingerprint() != task_of(in_parquet(tmp_path / "b", change=change)).fingerprint()


def test_what_cannot_be_shown(folder):
    split = find_split(options(folder))
    for mix, sentence in (("none", "mixes nothing"), ("manifoldmixup", "inside the network")):
        with pytest.raises(VicinalError, match=sentence):
            task_type_of(split).show(options(folder, mix=mix), split)


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_methods_are_compared(folder, tmp_path):
    given = ["--epochs", "1", "--seeds", "2", "--batch-size", "4", "--out", "study"]
    assert run(["compare", str(folder), *given]) == 0
    assert (tmp_path / "study" / "report.html").exists()
    assert run(["advise", str(folder)]) == 0
    other = tones(tmp_path / "other", count=10, rate=16000)
    given = ["--mix", "none,cutmix", *given[:-1], "other-study", "--ood", str(other)]
    assert run(["compare", str(folder), *given]) == 0
    assert run(["compare", str(folder), *given[:-1], str(folder / "low")]) == 2


@pytest.mark.usefixtures("blank_pictures")
def test_several_labels_by_links(folder, tmp_path):
    (folder / "high" / "both.wav").symlink_to(folder / "low" / "0.wav")
    task = task_of(folder)
    assert task.split.several
    learn = task.learner()
    learn.add_cbs(task.mixer(learn))
    with learn.no_logging():
        task.fit(learn, 1, task.lr)
    assert "valid_map" in learn.history[-1]
