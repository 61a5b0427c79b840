"""Callbacks are added, removed and found; what a training shows."""

import pytest
import torch
from small_trainings import network

from vicinal import (
    EMA,
    Callback,
    CSVLogger,
    CutMix,
    Learner,
    MixUp,
    Mixup,
    SaveModelCallback,
    Schedule,
    VicinalError,
)
from vicinal.learner.attached import attribute_name


class Quiet(Callback):
    pass


def names(learn):
    return [callback.name.partition("(")[0] for callback in learn.cbs]


def test_the_book_writes_mixup_in_two_ways(dls):
    assert Mixup is MixUp
    assert Learner(dls, network(), cbs=Mixup).mix_up.alpha == 0.4


@pytest.mark.parametrize("given", [Quiet, [Quiet, EMA], Quiet()])
def test_they_are_added(dls, given):
    learn = Learner(dls, network())
    assert learn.add_cb(given) is learn
    assert names(learn) == names(Learner(dls, network()).add_cbs(given))
    assert names(learn)[0] == "Quiet"


@pytest.mark.parametrize("which", ["class", "instance", "several"])
def test_they_are_removed(dls, which):
    mixer, quiet = MixUp(), Quiet()
    learn = Learner(dls, network(), cbs=[mixer, quiet, EMA])
    given = {"class": MixUp, "instance": mixer, "several": [MixUp, quiet]}[which]
    assert learn.remove_cb(given) is learn
    assert names(learn) == (["EMA"] if which == "several" else ["Quiet", "EMA"])


@pytest.mark.parametrize("missing", [CutMix, MixUp(), Quiet])
def test_what_is_not_there_cannot_be_removed(dls, missing):
    learn = Learner(dls, network(), cbs=[Schedule(MixUp(), until=0.5), EMA])
    with pytest.raises(
        VicinalError, match=r"has no callback .* to remove: it has MixBatches\(Sched"
    ):
        learn.remove_cb(missing)
    with pytest.raises(VicinalError, match="to remove, nor any other"):
        Learner(dls, network()).remove_cbs(missing)


def test_removing_none_removes_none(dls):
    assert names(Learner(dls, network(), cbs=EMA).remove_cbs(None)) == ["EMA"]


def test_only_within_a_context(dls):
    learn = Learner(dls, network(), cbs=[MixUp])
    with learn.added_cbs(Quiet), learn.removed_cbs(MixUp):
        assert names(learn) == ["Quiet"]
    assert names(learn) == ["MixBatches"]
    with pytest.raises(KeyError), learn.added_cbs(Quiet):
        raise KeyError
    assert names(learn) == ["MixBatches"]


def test_a_removed_mixer_mixes_no_more(dls):
    seen = []

    class Look(Callback):
        def before_pred(self, learn):
            seen.append(isinstance(learn.y, torch.Tensor))

    learn = Learner(dls, network(), cbs=[MixUp, Look])
    learn.remove_cb(MixUp).fit(1)
    assert all(seen)


def test_they_are_attributes(dls):
    logger, mixer, save = CSVLogger(), CutMix(), SaveModelCallback()
    learn = Learner(dls, network(), cbs=[logger, mixer, save])
    assert learn.csv_logger is logger
    assert learn.cut_mix is mixer
    assert learn.save_model is save
    assert not hasattr(learn.remove_cb(CSVLogger), "csv_logger")


@pytest.mark.parametrize(("name", "expected"), [
    ("EMA", "ema"), ("SaveBest", "save_best"), ("ReduceLROnPlateau", "reduce_lr_on_plateau"),
    ("MixUp", "mix_up"), ("FMix", "f_mix"),
])  # fmt: skip
def test_the_name_of_an_attribute(name, expected):
    assert attribute_name(type(name, (), {})) == expected


def test_an_unknown_attribute_is_named(dls):
    with pytest.raises(AttributeError, match="'fit_onecycle': did you mean fit_one_cycle"):
        Learner(dls, network()).fit_onecycle(1)


def test_without_a_bar_there_is_a_table(dls, capsys):
    learn = Learner(dls, network())
    with learn.no_bar() as same:
        assert same is learn
        assert not learn.shows_bar
        learn.fit(1)
    assert learn.shows_bar
    assert len(capsys.readouterr().out.splitlines()) == 2
    with learn.no_logging():
        learn.fit(1)
    assert not capsys.readouterr().out
    assert learn.is_logging


@pytest.mark.parametrize("way", ["to_bf16", "to_fp32"])
def test_precisions(dls, way):
    learn = Learner(dls, network(), precision="bf16")
    assert getattr(learn, way)() is learn
    assert learn.precision == way[3:]


def test_fp16_on_a_cpu_stays_fp32(dls):
    learn = Learner(dls, network())
    with pytest.warns(UserWarning, match="fp16 is for GPUs: on this CPU the precision is fp32"):
        assert learn.to_fp16() is learn
    learn.fit(1)
    assert learn.precision == "fp32"


@pytest.mark.parametrize("absolute", [False, True])
def test_the_folder_of_the_weights(dls, tmp_path, absolute):
    folder = tmp_path / "else" if absolute else "weights"
    learn = Learner(dls, network(), path=tmp_path, model_dir=folder)
    assert learn.save("a") == tmp_path / ("else" if absolute else "weights") / "a.safetensors"
    assert learn.load("a") is learn
