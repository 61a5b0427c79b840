"""fastai's names of a Learner's attributes, its optimizer, and what misspelt ones lead to."""

import pytest
import torch
from torch import nn

from vicinal import (
    Callback,
    CancelFitException,
    DataLoaders,
    Learner,
    VicinalError,
    resnet18,
    vision_learner,
)


def learner(**options):
    x, y = torch.randn(12, 2), torch.arange(12) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    options = {"splitter": lambda m: [list(layer.parameters()) for layer in m], **options}
    learn = Learner(dls, model, **options)
    learn.is_logging = False
    return learn


class TestAttributes:
    def test_in_callbacks(self):
        seen = []

        class Looks(Callback):
            def before_batch(self, learn):
                assert learn.xb[0] is learn.x
                assert learn.yb[0] is learn.y
                learn.xb, learn.yb = (learn.x * 0,), (learn.y * 0,)
                assert not learn.x.any()
                assert not learn.y.any()
                seen.append((learn.n_epoch, learn.epoch, learn.iter, learn.n_iter))

            def after_loss(self, learn):
                assert learn.dl is (learn.dls.train if learn.training else learn.dls.valid)
                learn.loss_grad = learn.loss_grad * 2

            def after_batch(self, learn):
                if learn.epoch and learn.training and learn.iter == 1:
                    raise CancelFitException

        learner(cbs=Looks).fit(2, 0.1)
        assert [each[2] for each in seen] == [0, 1, 2, 0, 1, 0, 1]
        assert seen[0] == (2, 0, 0, 3)

    @pytest.mark.parametrize(("name", "hint"), [
        ("fine_tun", "no attribute 'fine_tun': did you mean fine_tune?"),
        ("get_pred", "did you mean get_preds?"),
        ("create_opt", "'create_opt': each training makes its own optimizer"),
        ("train_iter", "learn.iter counts the batches"),
        ("n_iter", "'n_iter' yet: it is there while fit"),
        ("zzz", "Learner has no attribute 'zzz'$"),
    ])  # fmt: skip
    def test_absent_ones(self, name, hint):
        with pytest.raises(AttributeError, match=hint):
            getattr(learner(), name)


class TestArguments:
    @pytest.mark.parametrize(("call", "hint"), [
        (lambda: learner(metric=[]), r"Learner\(\) has no .* 'metric': did you mean metrics\?"),
        (lambda: learner().fit(1, lrs=1), r"fit\(\) has no argument 'lrs': did you mean lr\?"),
        (lambda: learner().fit_one_cycle(1, lrmax=1), r"did you mean lr_max\?"),
        (lambda: learner().fine_tune(1, base_l=1), "fine_tune.* 'base_l': did you mean base_lr"),
        (lambda: learner().fine_tune(1, zzz=1), "'zzz': it takes base_lr, cbs, div, div_final"),
        (lambda: learner().get_preds(with_losses=True), r"did you mean with_loss\?"),
        (lambda: learner().predict(0, with_inputs=True), r"did you mean with_input\?"),
        (lambda: vision_learner(None, resnet18, metric=[]),
         r"vision_learner\(\) has no argument 'metric': did you mean metrics\?"),
    ])  # fmt: skip
    def test_misspelt_ones(self, call, hint):
        with pytest.raises(TypeError, match=hint):
            call()


class TestOpt:
    def test_there_is_none_before_a_training(self):
        assert learner().opt is None

    def test_its_settings_after_one(self):
        learn = learner()
        learn.fit(1, slice(1e-3, 1e-2), wd=0.1)
        first, last = learn.opt.hypers
        assert dict(last) == {"lr": 1e-2, "wd": 0.1, "mom": 0.9, "sqr_mom": 0.99, "eps": 1e-5}
        assert first["lr"] == pytest.approx(1e-3)
        assert len(learn.opt.param_groups) == 4  # biases have their own
        assert learn.opt.state_dict() == learn.optimizer.state_dict()

    def test_frozen_layers_have_none(self):
        learn = learner()
        learn.freeze()
        learn.fit(1)
        assert len(learn.opt.hypers) == 1

    def test_settings_can_be_set(self):
        found = []

        class Sets(Callback):
            def before_batch(self, learn):
                learn.opt.set_hyper("lr", slice(1e-3, 1e-2))
                learn.opt.set_hyper("mom", 0.5)
                learn.opt.hypers[0]["lr"] = 0.5
                found.extend((group["lr"], group["betas"]) for group in learn.opt.param_groups)

        learner(cbs=Sets).fit(1)
        assert found[:4] == [(0.5, (0.5, 0.99))] * 2 + [(1e-2, (0.5, 0.99))] * 2

    def test_others_are_refused(self):
        learn = learner(opt_func=torch.optim.SGD)
        learn.fit(1)
        assert dict(learn.opt.hypers[0]) == {"lr": 1e-3, "wd": 0, "mom": 0}
        for name in ("wd", "eps", "moms"):
            with pytest.raises(VicinalError, match=f"{name!r} of an optimizer cannot be set here"):
                learn.opt.set_hyper(name, 0.1)
        with pytest.raises(VicinalError, match="cannot be deleted"):
            del learn.opt.hypers[0]["lr"]
