"""From what ``--mix`` says to what mixes in a training."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import timm.data
import torch
from scipy import stats
from timm.data.mixup import cutmix_bbox_and_lam

from vicinal import (
    AlignMix,
    Callback,
    Choice,
    CMixUp,
    ColumnMix,
    CutMix,
    GridMix,
    MixUp,
    ResizeMix,
    Schedule,
    TransMix,
    VicinalError,
)
from vicinal.learner.callbacks import MixBatches
from vicinal.learner.learner import Learner
from vicinal.method_settings import Setting
from vicinal.methods import METHODS, MethodEntry
from vicinal.mixes import parse_mix
from vicinal.mixing import ManifoldMixUp
from vicinal.mixing.schedule import begin_schedules
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.mixers import ending, make_mixer

FALSE_ALARM = 1e-6  # the probability that a test raises one; seeds are fixed


def made(mix, **options):
    return make_mixer(TrainOptions("digits", mix=mix, **options))


def batch(count, side=24):
    """Images, all one expanded number, as drawing reads no data."""
    return torch.empty(1).expand(count, 1, side, side)


@pytest.mark.parametrize(
    ("mix", "mixer"),
    [
        ("mixup:0.8", MixUp(0.8, seed=3)),
        ("mixup:prob=0.5:mode=batch", MixUp(p=0.5, per="batch", seed=3)),
        ("mixup:mode=pair", MixUp(partners="pairs", seed=3)),
        ("gridmix:cells=2", GridMix(cells=2, seed=3)),
        ("resizemix:place=plain", ResizeMix(place="plain", seed=3)),
        ("cutmix:minmax=0.2/0.8", CutMix(minmax=(0.2, 0.8), seed=3)),
        ("mixup+cutmix", Choice([MixUp(0.4), CutMix(1.0)], seed=3)),
        ("mixup:0.8+cutmix:prob=0.5", Choice([MixUp(0.8), CutMix()], p=[0.25, 0.25], seed=3)),
        ("mixup+cutmix:switch_prob=0.3", Choice([MixUp(), CutMix()], p=[0.7, 0.3], seed=3)),
        (
            "mixup+cutmix:mode=batch",
            Choice([MixUp(per="batch"), CutMix(per="batch")], per="batch", seed=3),
        ),
        ("mixup+cutmix:mode=pair", Choice([MixUp(), CutMix()], partners="pairs", seed=3)),
    ],
)
def test_it_draws_as_the_mixer_that_is_written_in_python(mix, mixer):
    found = made(mix, seed=3)
    assert repr(found) == repr(mixer)
    for _ in range(3):
        one, other = found.draw(batch(8)), mixer.draw(batch(8))
        assert torch.equal(one.partner, other.partner)
        assert torch.equal(one.weight, other.weight)


def test_a_flag_is_true_or_false():
    assert repr(made("transmix:tokens=true", seed=3)) == repr(TransMix(tokens=True, seed=3))


def test_one_alpha_is_that_of_all():
    assert repr(made("mixup+cutmix", alpha=0.8)) == repr(made("mixup:0.8+cutmix:0.8"))


# ---- as timm draws -------------------------------------------------------------------------

TIMM = {"mixup_alpha": 0.8, "cutmix_alpha": 0.6, "prob": 0.7, "switch_prob": 0.3}
DRAWS = 2500


def of_timm(mode):
    """Whether and how a batch (or pair, or sample) is mixed by timm, and with which weight."""
    np.random.seed(0)  # noqa: NPY002 -- timm draws from it
    mixup = timm.data.Mixup(**TIMM, mode=mode)
    if mode == "batch":
        drawn = [mixup._params_per_batch() for _ in range(DRAWS)]
        lam, is_cut = (np.array(column) for column in zip(*drawn, strict=True))
    else:
        lam, is_cut = mixup._params_per_elem(DRAWS)
    size = (1, 24, 24)
    area = [cutmix_bbox_and_lam(size, each)[1] if each < 1 else 1 for each in lam]
    return np.where(is_cut, area, lam), is_cut & (lam < 1)


def of_ours(mode):
    text = f"mixup:0.8+cutmix:0.6:mixup_prob=0.7:mixup_switch_prob=0.3:mixup_mode={mode}"
    mixer = made(text)
    if mode == "batch":
        mixes = [mixer.draw(batch(3)) for _ in range(DRAWS)]
        assert all(bool((mix.weight == mix.weight[0]).all()) for mix in mixes)
        drawn = [[pattern.weight[0] for pattern in mix.patterns] for mix in mixes]
        blend, box = np.array(drawn).T
    else:
        mix = mixer.draw(batch(DRAWS * (2 if mode == "pair" else 1)))
        blend, box = (pattern.weight.numpy() for pattern in mix.patterns)
        if mode == "pair":
            partner = mix.partner.numpy()
            assert (partner[partner] == np.arange(len(partner))).all()
            assert (blend[partner] == blend).all()
            assert (box[partner] == box).all()
            first = partner > np.arange(len(partner))
            blend, box = blend[first], box[first]
    assert not ((blend < 1) & (box < 1)).any()
    return np.minimum(blend, box), box < 1


@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_draws_are_distributed_as_timms(mode):
    (theirs, their_cuts), (ours, our_cuts) = of_timm(mode), of_ours(mode)
    # The share that is mixed, and of it by cutmix; a box of no pixels mixes nothing.
    counts = []
    for weight, cuts in ((theirs, their_cuts), (ours, our_cuts)):
        mixed = weight < 1
        counts.append([(~mixed).sum(), (mixed & ~cuts).sum(), (mixed & cuts).sum()])
    assert abs((ours < 1).mean() - 0.7) < 0.05
    assert stats.chi2_contingency(counts).pvalue > FALSE_ALARM / 3
    # The strengths: ours give a sample the larger part, which is the same mixed batch.
    both = (theirs, their_cuts), (ours, our_cuts)
    folded = [np.maximum(weight, 1 - weight)[(weight < 1) & ~cuts] for weight, cuts in both]
    assert stats.ks_2samp(*folded).pvalue > FALSE_ALARM / 3
    boxes = [weight[(weight < 1) & cuts] for weight, cuts in both]
    assert stats.ks_2samp(*boxes).pvalue > FALSE_ALARM / 3


# ---- the end of mixing ---------------------------------------------------------------------


def mixed_batches(mixer, count):
    return [bool((mixer.draw(batch(4)).weight < 1).any()) for _ in range(count)]


@pytest.mark.parametrize("off_epoch", [1, 2, 3])
def test_off_epoch_is_timms(off_epoch):
    epochs, batches = 4, 7
    spec = parse_mix(f"mixup:1e9:mixup_off_epoch={off_epoch}")
    mixer = ending(made("mixup:1e9"), spec, epochs)
    begin_schedules(mixer, epochs * batches, at=0)
    # timm's train.py: if args.mixup_off_epoch and epoch >= args.mixup_off_epoch, it is off.
    expected = [epoch < off_epoch for epoch in range(epochs) for _ in range(batches)]
    assert mixed_batches(mixer, epochs * batches) == expected


def test_epochs_of_the_head_alone_mix_and_do_not_count():
    mixer = ending(made("mixup:1e9"), parse_mix("mixup:off_epoch=2"), 4, head_epochs=1, batches=5)
    begin_schedules(mixer, 5, at=0)  # of the head; ignored
    found = mixed_batches(mixer, 5)
    begin_schedules(mixer, 20, at=5)
    assert found + mixed_batches(mixer, 20) == [True] * 15 + [False] * 10


def test_without_an_end_the_mixer_stays_as_it_is():
    mixer = MixUp()
    assert ending(mixer, parse_mix("mixup:until=1"), 3) is mixer


# ---- in a task -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split():
    return find_split(TrainOptions("digits"))


def task_of(split, mix, **options):
    return make_task(TrainOptions("digits", mix=mix, **{"epochs": 4, **options}), split)


def test_a_schedule_is_told_the_epochs_that_the_task_chose(split):
    task = task_of(split, "mixup:off_epoch=5", epochs=None)
    assert task.mixer(task.learner()).until == 5 / task.epochs


def test_a_picture_is_drawn_before_the_training_has_a_length(split):
    task = task_of(split, "mixup:1e9:off_epoch=1")
    learn = task.learner()
    mixer = task.mixer(learn)
    assert task.picture(learn, mixer) is not None
    assert mixer.random.draws == 0


def test_training_stops_mixing_after_its_epochs(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("a,b,label\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]}\n" for i in range(40)))
    options = TrainOptions(str(table), mix="mixup:1e9:off_epoch=1", epochs=2, batch_size=8)
    task = make_task(options, find_split(options))
    mixed = []

    class Look(Callback):
        order = 60

        def before_batch(self, learn):
            if learn.training:
                mixed.append(bool((learn.y.weight < 1).any()))

    learn = task.learner()
    learn.add_cbs([task.mixer(learn), Look()])
    task.fit(learn, task.epochs, task.lr)
    assert mixed == [True] * 4 + [False] * 4


class TestLayers:
    def test_they_are_those_that_were_named(self, split):
        task = task_of(split, "manifoldmixup:1:layers=input/features.1:until=0.5", model="resnet9")
        learn = task.learner()
        with task.mixer(learn) as mixer:
            assert isinstance(mixer, ManifoldMixUp)
            assert isinstance(mixer.mixer, Schedule)
            assert mixer.layers == ("input", "features.1")
            assert mixer.mixer.mixer.alpha == 1

    @pytest.mark.parametrize(
        ("mix", "sentence"),
        [
            ("manifoldmixup:layers=nowhere", "no layer of the model is 'nowhere': its layers are"),
            ("mixup:layers=1", "mixup is applied to the images themselves, not to a layer: leave"),
            ("manifoldmixup+alignmix", "--mix manifoldmixup and alignmix are applied to different"),
            ("mixup:off_epoch=4", "off_epoch=4 is not before the end of 4 epochs"),
        ],
    )
    def test_mistakes(self, split, mix, sentence):
        def mixer():
            task = task_of(split, mix)
            return task.mixer(task.learner())

        with pytest.raises(VicinalError, match=sentence):
            mixer()


def test_methods_at_the_same_layers_take_turns(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("a,b,label\n" + "".join(f"{i},{i % 7},{i * 0.5}\n" for i in range(40)))
    options = TrainOptions(str(table), mix="mixup:share=0.3+cmixup", epochs=2)
    task = make_task(options, find_split(options))
    learn = task.learner()
    with task.mixer(learn) as mixer:
        assert mixer.layers == ("inputs",)
        assert mixer.mixer.p == (0.3, 0.7)
    other = replace(options, mix="mixup:layers=hidden.0+cmixup")
    with pytest.raises(VicinalError, match="different layers of the network of rows, so they ca"):
        make_task(other, task.split).mixer(learn)


class TestTurnsOfTheInputAndTheNetwork:
    def mixer(self, split, mix, **options):
        task = task_of(split, mix, **{"model": "resnet9", **options})
        learn = task.learner()
        return learn, task.mixer(learn)

    def test_draw_as_the_mixer_that_is_written_in_python(self, split):
        learn, found = self.mixer(split, "manifoldmixup:1:layers=input/features.3+cutmix", seed=3)
        twin = copy.deepcopy(learn.model)
        inside = ManifoldMixUp(twin, ["input", "features.3"], mixer=MixUp(1.0))
        written = Choice([CutMix(1.0), inside], [0.5, 0.5], per="batch", seed=3)
        x, y = torch.rand(8, 3, 8, 8), torch.arange(8)
        for _ in range(8):
            (mixed, target), (expected, other) = found(x, y), written(x, y)
            assert torch.equal(mixed, expected)
            assert torch.equal(target.weight, other.weight)
            assert torch.equal(target.partner, other.partner)
            torch.testing.assert_close(learn.model.train()(mixed), twin.train()(expected))
        found.release()

    def test_have_the_shares_and_the_strengths_that_are_typed(self, split):
        mix = "cutmix:0.5:share=0.2+manifoldmixup+mixup:share=0.5:prob=0.8:mode=batch"
        _, found = self.mixer(split, mix)
        assert found.per == "batch"
        cut, mixup, inside = found.mixers
        assert (cut.alpha, cut.per, mixup.alpha) == (0.5, "batch", 0.4)
        assert isinstance(inside, ManifoldMixUp)
        assert (inside.mixer.alpha, inside.mixer.per) == (2.0, "batch")
        assert found.p == pytest.approx((0.16, 0.4, 0.24))

    def test_of_pairs_share_one_draw(self, split):
        learn, found = self.mixer(split, "cutmix+manifoldmixup:mode=pair")
        assert found.partners == "pairs"
        x, target = found(torch.rand(8, 3, 8, 8), torch.arange(8))
        learn.model.train()(x)
        assert torch.equal(target.partner[target.partner], torch.arange(8))
        found.release()

    def test_of_several_inside_are_a_choice_there(self, tmp_path):
        table = tmp_path / "rows.csv"
        table.write_text("a,b,label\n" + "".join(f"{i},{i % 7},{i * 0.5}\n" for i in range(40)))
        options = TrainOptions(str(table), mix="mixup+columnmix+cmixup:share=0.4", epochs=1)
        task = make_task(options, find_split(options))
        learn = task.learner()
        found = task.mixer(learn)
        column, inside = found.mixers
        assert isinstance(column, ColumnMix)
        assert [type(mixer) for mixer in inside.mixer.mixers] == [MixUp, CMixUp]
        assert inside.mixer.p == pytest.approx((3 / 7, 4 / 7))
        assert found.p == pytest.approx((0.3, 0.7))
        learn.add_cbs(found)
        task.fit(learn, 1, task.lr)
        assert not any(module._forward_hooks for module in learn.model.modules())

    def test_end_together(self, split):
        learn, found = self.mixer(split, "cutmix+manifoldmixup:off_epoch=1", batch_size=256)
        mixed = []

        class Look(Callback):
            order = 60

            def before_batch(self, learn):
                if learn.training:
                    mixed.append(bool((learn.y.weight < 1).any()))

        learn.add_cbs([found, Look()])
        learn.fit(4)
        assert mixed == [True] * 5 + [False] * 15

    def test_with_aligned_feature_maps(self, split):
        learn, found = self.mixer(split, "mixup:2+alignmix")
        inside = found.mixers[1]
        assert inside.layers == ("features.6",)
        assert isinstance(inside.mixer, AlignMix)
        learn.add_cbs(found)
        learn.fit(1)

    def test_on_transformers_aligned_feature_maps_are_refused(self, split):
        with pytest.raises(VicinalError, match="alignmix needs feature maps of several stages"):
            self.mixer(split, "alignmix", model="vit4")


@pytest.mark.parametrize("labels", ["xy", "12"])
def test_blends_at_the_last_layer_of_classes_and_of_rescaled_values(labels, tmp_path):
    table = tmp_path / "rows.csv"
    rows = (f"{i},{i % 7},{labels[i % 2]}{i if labels == '12' else ''}\n" for i in range(40))
    table.write_text("a,b,label\n" + "".join(rows))
    options = TrainOptions(str(table), mix="multimix:n=33", epochs=2, batch_size=8)
    task = make_task(options, find_split(options))
    sizes = []

    class Look(Callback):
        def after_loss(self, learn):
            if learn.training:
                sizes.append((len(learn.pred), len(learn.y), learn.loss.isfinite().item()))

    learn = task.learner()
    learn.add_cbs([task.mixer(learn), Look()])
    task.fit(learn, task.epochs, task.lr)
    assert sizes == [(33, 33, True)] * 8


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ("multimix:prob=0.5", "multimix mixes every batch as a whole: leave out prob"),
        ("multimix:mode=batch", "multimix mixes every batch as a whole: leave out mode"),
        ("multimix:off_epoch=1", "multimix has to mix in the whole training: leave out off_epoch"),
    ],
)
def test_blends_of_whole_batches_are_of_all_batches(split, mix, sentence):
    with pytest.raises(VicinalError, match=sentence):
        task_of(split, mix).batch_mixer()


class Counted(MixBatches):
    """A method that is more than a mixer."""

    def __init__(self, mixer, eta=1.0):
        super().__init__(mixer)
        self.eta = eta


def test_a_method_may_be_a_callback_around_its_mixer(split, monkeypatch):
    entry = MethodEntry(
        "counted", "MixUp", "counts", METHODS["mixup"].layers, alpha=10.0,
        settings=(Setting("eta", "its weight", 1.0, to="callback"),),
        callback=f"{__name__}:Counted",
    )  # fmt: skip
    monkeypatch.setitem(METHODS, "counted", entry)
    task = task_of(split, "counted:3:eta=0.5:prob=0.5:until=0.5")
    found = task.mixer(task.learner())
    assert isinstance(found, Counted)
    assert found.eta == 0.5
    assert isinstance(found.mixer, Schedule)
    assert (found.mixer.mixer.alpha, found.mixer.mixer.p) == (3.0, 0.5)
    with pytest.raises(VicinalError, match="counted cannot take turns with others"):
        task_of(split, "counted+cutmix")


def test_a_pretrained_network_is_fine_tuned_while_it_mixes(split, monkeypatch):
    task = task_of(split, "mixup:until=0.5")
    monkeypatch.setattr(type(task), "fit", property(lambda self: Learner.fine_tune))
    learn = task.learner()
    mixer = task.mixer(learn)
    assert mixer.steps == 5 * len(learn.dls.train)
    assert mixer.until == pytest.approx(3 / 5)


def test_options_are_those_of_the_earlier_run_in_other_words():
    before = TrainOptions("digits", mix="MixUp+cutmix:prob=0.5", alpha=0.8).to_json()
    typed = TrainOptions("digits", mix="mixup:0.8:mixup_prob=0.5+cutmix:0.8")
    merged = typed.merged_with(before)
    assert (merged.mix, merged.alpha) == (before["mix"], 0.8)
    assert TrainOptions("digits").merged_with(before) == merged
    with pytest.raises(VicinalError, match=r"begun with --mix MixUp\+cutmix:prob=0.5, not with"):
        replace(typed, mix="mixup:0.8+cutmix:0.8").merged_with(before)
