"""Where training differs from fastai on purpose: rows of the table of docs/fastai.md."""

import itertools
from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torchvision
from rows import row
from torch import nn
from two_learners import cross_entropy, fastai, steps_of, two_learners

import vicinal
from vicinal import VicinalError
from vicinal.learner.suggestions import in_longest_fall
from vicinal.models.transfer import known_source


def numbers(step, name="0.0.weight"):
    return SimpleNamespace(**dict(zip(("rate", "momentum", "decay"), step[name], strict=True)))


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return x * self.scale


@row(
    "`learn.fit(1)`, and again",
    "continues with the optimizer's moving averages, unless `reset_opt=True`",
    "starts with a new optimizer each time, so a training depends only on its arguments and "
    "the weights; `reset_opt=False` is an error",
)
def _():
    for options, is_same in (({}, False), ({"reset_opt": True}, True)):
        theirs, ours = two_learners()
        for learn in (theirs, ours):
            learn.fit(1)
            learn.fit(1, **options)
        weights = [learn.model[2][0].weight for learn in (theirs, ours)]
        assert torch.allclose(*weights, atol=1e-6) == is_same
    with pytest.raises(VicinalError, match="starts with a new optimizer: leave reset_opt out"):
        ours.fit(1, reset_opt=False)


@row(
    "`learn.fit(1, wd=0.3)`, then `learn.fit(1)`",
    "the second training uses 0.3, too",
    "the second training uses the learner's own weight decay",
)
def _():
    theirs, ours = two_learners()
    for learn in (theirs, ours):
        learn.fit(1, wd=0.3)
        learn.fit(1)
    assert numbers(steps_of(theirs)[-1]).decay == 0.3
    assert numbers(steps_of(ours)[-1]).decay == 0.01


@row(
    "`learn.fit_one_cycle(1)`, then `learn.fit(1)`",
    "the second training has the momentum with which the first ended, nearly 0.95",
    "the second training has the optimizer's own momentum, 0.9",
)
def _():
    theirs, ours = two_learners()
    for learn in (theirs, ours):
        learn.fit_one_cycle(1)
        learn.fit(1)
    assert 0.92 < numbers(steps_of(theirs)[-1]).momentum < 0.95
    assert numbers(steps_of(ours)[-1]).momentum == 0.9


@row(
    "`learn.fit(1)`, then `learn.freeze()` and `learn.fit(1)`",
    "frozen weights still decay, because their gradients are 0 and not None",
    "frozen weights do not change",
)
def _():
    theirs, ours = two_learners(wd=0.3)
    for learn, changes in ((theirs, True), (ours, False)):
        learn.fit(1)
        before = learn.model[0][0].weight.detach().clone()
        learn.freeze()
        learn.fit(1)
        assert torch.equal(learn.model[0][0].weight, before) != changes
        if changes:
            shrunk = before * (1 - 1e-3 * 0.3) ** (len(steps_of(learn)) // 2)
            torch.testing.assert_close(learn.model[0][0].weight, shrunk)


@row(
    "`learn.model[0].requires_grad_(False)`, then `learn.fine_tune(1)`",
    "trains those parameters, too",
    "keeps frozen what you froze by hand, until `unfreeze()` or `freeze_to()`",
)
def _():
    theirs, ours = two_learners()
    for learn in (theirs, ours):
        learn.model[0].requires_grad_(False)
        before = learn.model[0][0].weight.detach().clone()
        learn.fine_tune(1)
        assert torch.equal(learn.model[0][0].weight, before) == (learn is ours)
    for train_it in (ours.unfreeze, lambda: ours.freeze_to(0)):
        ours.model[0].requires_grad_(False)
        train_it()
        assert all(p.requires_grad for p in ours.model.parameters())


@row(
    "Ctrl-C in the first phase of `learn.fine_tune(1)`",
    "leaves all but the head frozen",
    "restores what was frozen before",
)
def _():
    theirs, ours = two_learners()

    class Stop(fastai.Callback):
        def after_step(self):
            raise KeyboardInterrupt

    class OurStop(vicinal.Callback):
        def after_step(self, learn):
            raise KeyboardInterrupt

    for learn, stop in ((theirs, Stop()), (ours, OurStop())):
        with pytest.raises(KeyboardInterrupt):
            learn.fine_tune(1, cbs=stop)
    assert not theirs.model[0][0].weight.requires_grad
    assert ours.model[0][0].weight.requires_grad


@row(
    "weight decay of group norms, layer scales and other vectors",
    "decays them: only biases, and the batch, instance and layer norms, are left out",
    "leaves out all parameters of one dimension",
)
def _():
    torch.manual_seed(0)
    layers = [nn.Linear(4, 4), nn.GroupNorm(2, 4), Scale(), nn.LayerNorm(4), nn.Linear(4, 3)]
    theirs, ours = two_learners(nn.Sequential(*layers).double())
    for learn, decays in ((theirs, 0.01), (ours, 0)):
        learn.fit(1)
        decay = {name: numbers(steps_of(learn)[0], name).decay for name in steps_of(learn)[0]}
        assert decay["1.weight"] == decay["2.scale"] == decays
        assert decay["0.bias"] == decay["3.weight"] == 0
        assert decay["0.weight"] == decay["4.weight"] == 0.01


@row(
    "`opt_func=torch.optim.SGD`",
    "needs `OptimWrapper`",
    "works, as do other optimizers with torch's interface, with weight decay as they define "
    "it; `OptimWrapper` works, too",
)
def _():
    theirs, _ = two_learners(opt_func=partial(fastai.OptimWrapper, opt=torch.optim.SGD))
    theirs.fit(1)
    theirs, ours = two_learners(opt_func=torch.optim.SGD)
    ours.fit(1)
    with pytest.raises(TypeError):
        theirs.fit(1)
    _, wrapped = two_learners(opt_func=partial(vicinal.OptimWrapper, opt=torch.optim.SGD))
    wrapped.fit(1)
    assert torch.equal(wrapped.model[2][0].weight, ours.model[2][0].weight)


@row(
    "`opt_func=ranger`, `RAdam`, `Lamb`, `Larc`, `QHAdam`",
    "are fastai's own optimizers",
    "are errors that name torch's or timm's; `Adam`, `SGD` and `RMSProp` take the same steps "
    "as fastai's",
)
def _():
    for name in ("ranger", "RAdam", "Lamb", "Larc", "QHAdam"):
        theirs, _ = two_learners(opt_func=getattr(fastai, name))
        theirs.fit(1)
        _, ours = two_learners(opt_func=getattr(vicinal, name))
        with pytest.raises(VicinalError, match=f"fastai's {name} is not here: give opt_func="):
            ours.fit(1)


@row(
    "`opt_func=partial(RMSProp, eps=1e-3)`",
    "uses 1e-8 all the same",
    "uses 1e-3",
)
def _():
    for library, expected in ((fastai, 1e-8), (vicinal, 1e-3)):
        learn = two_learners(opt_func=partial(library.RMSProp, eps=1e-3))[library is vicinal]
        learn.fit(1)
        assert learn.opt.hypers[0]["eps"] == expected


@row(
    "`learn.create_opt()`, and `learn.opt` before a training",
    "makes the optimizer that the next training uses",
    "an error, and None: `learn.opt` is the optimizer of this or the last training, with `hypers` "
    "and `set_hyper`",
)
def _():
    theirs, ours = two_learners()
    theirs.create_opt()
    assert theirs.opt.hypers[-1]["lr"] == 1e-3
    with pytest.raises(AttributeError, match="each training makes its own optimizer"):
        ours.create_opt()
    assert ours.opt is None
    ours.fit(1)
    assert ours.opt.hypers[-1]["lr"] == 1e-3


@row(
    "`learn.fit(0)`",
    "trains nothing",
    "is an error; but `fine_tune` takes 0 for either phase",
)
def _():
    theirs, ours = two_learners()
    theirs.fit(0)
    with pytest.raises(VicinalError, match="whole number of 1 or more, not 0"):
        ours.fit(0)
    ours.fine_tune(1, freeze_epochs=0)


@row(
    "`learn.fit_one_cycle(5, start_epoch=2)`",
    "skips the first epochs of the schedule",
    "does not exist: `cbs=Checkpoint(file, resume=True)` resumes a training that was stopped, "
    "with the state of its optimizer",
)
def _():
    theirs, ours = two_learners()
    theirs.fit_one_cycle(2, start_epoch=1)
    assert len(steps_of(theirs)) == 5
    with pytest.raises(TypeError, match="start_epoch"):
        ours.fit_one_cycle(2, start_epoch=1)


@row(
    "`learn.fit_sgdr(3, 1)`",
    "trains by cosines with restarts",
    "does not exist: write the schedule as a callback",
)
def _():
    assert hasattr(fastai.Learner, "fit_sgdr")
    assert not hasattr(vicinal.Learner, "fit_sgdr")


@row(
    "`learn.lr_find()`, where the loss falls at no rate",
    "suggests the first rate that it tried",
    "is an error, which asks you for another range",
)
def _():
    rising = [float(i) for i in range(20)]
    assert fastai.valley(rising, rising, 100)[0] == 0
    assert in_longest_fall(rising) is None


@row(
    "`learn.lr_find()` of a network that makes few errors",
    "stops after a few batches without a suggestion, if the first of them had a tiny loss",
    "ignores the first tenth of the batches when it decides to stop",
)
def _():
    theirs, ours = two_learners()
    for learn in (theirs, ours):
        calls = itertools.count()
        learn.loss_func = lambda x, y, n=calls: cross_entropy(x, y) * (1e-3 if not next(n) else 1)
    with pytest.raises(IndexError):
        theirs.lr_find(show_plot=False)
    assert len(ours.lr_find().rates) > 20


@row(
    "`learn.lr_find()`, where the longest fall is that of the first two losses",
    "suggests the last rate, because it uses an index of -1",
    "suggests the first rate",
)
def _():
    losses = [2.0, 1.0, 3.0, 4.0]
    assert fastai.valley([0, 1, 2, 3], losses, 100)[0] == 3
    assert in_longest_fall(losses) == 0


@row(
    "`learn.lr_find()`, and the training after it",
    "restores the weights, but not random numbers, so the training differs",
    "restores everything: random numbers, the order of the data, mixers and callbacks",
)
def _():
    theirs, ours = two_learners()
    for learn in (theirs, ours):
        state = torch.get_rng_state()
        learn.lr_find(**({"show_plot": False} if learn is theirs else {}))
        assert torch.equal(torch.get_rng_state(), state) == (learn is ours)


@row(
    "`lr=slice(1e-5, 1e-3)` of the Learner, and `learn.lr_find()`",
    "tries the same rates for all groups",
    "keeps the ratios of the groups",
)
def _():
    theirs, ours = two_learners(lr=slice(1e-5, 1e-3))
    theirs.lr_find(show_plot=False)
    ours.lr_find()
    for learn, ratio in ((theirs, 1), (ours, 100)):
        step = steps_of(learn)[0]
        found = numbers(step, "2.0.weight").rate / numbers(step).rate
        assert found == pytest.approx(ratio)


@row(
    "`vision_learner(dls, resnet34)`",
    "uses torchvision's network and weights",
    "uses timm's weights, in safetensors; for torchvision's write `vision_learner(dls, "
    "torchvision.models.resnet34)`",
)
def _():
    assert fastai.resnet34 is torchvision.models.resnet34
    assert known_source(vicinal.resnet34) == ("timm", True)
    assert known_source(torchvision.models.resnet34) == ("torchvision", True)


@row(
    "`vision_learner(dls, resnet34)` without a network connection",
    "is an error",
    "warns, starts with random weights, and freezes nothing",
)
def _():
    def absent(**options):
        raise OSError("unreachable")

    x, y = torch.randn(6, 3, 32, 32), torch.arange(6) % 3
    dls = vicinal.DataLoaders.from_tensors(x, y, x, y, bs=3, device="cpu")
    weights = torchvision.models.ResNet18_Weights
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "get_state_dict", lambda self, **options: absent())
        with pytest.raises(OSError, match="unreachable"):
            fastai.create_vision_model(fastai.resnet18, 3)
        with pytest.warns(UserWarning, match="starting from random weights"):
            learn = vicinal.vision_learner(dls, torchvision.models.resnet18)
    assert all(p.requires_grad for p in learn.model.parameters())


@row(
    "`vision_learner(…, n_in=, cut=, init=, lin_first=, weights=)`",
    "set the channels of the images, where to cut, how to initialise, another order, other weights",
    "do not exist: images have three channels; build other networks yourself, with `create_head`",
)
def _():
    x, y = torch.randn(6, 3, 32, 32), torch.arange(6) % 3
    dls = vicinal.DataLoaders.from_tensors(x, y, x, y, bs=3, device="cpu")
    for name in ("n_in", "cut", "init", "lin_first", "weights"):
        with pytest.raises(TypeError, match=name):
            vicinal.vision_learner(dls, "resnet9", pretrained=False, **{name: None})


@row(
    "`xresnet50(n_out=10)`",
    "is fastai's own network; initial weights are He normal by the inputs of each layer (fan-in)",
    "is timm's `resnet50d`, with as many parameters; initial weights are He normal by the "
    "outputs (fan-out)",
)
def _():
    torch.manual_seed(0)
    theirs, ours = fastai.xresnet18(n_out=10), vicinal.xresnet18(n_out=10)
    shapes = [sorted(tuple(p.shape) for p in model.parameters()) for model in (theirs, ours)]
    assert shapes[0] == shapes[1]
    for model, fan in ((theirs, 3 * 9), (ours, 32 * 9)):
        first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
        # 864 draws: 6 standard errors of a standard deviation are 14%
        assert first.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.15)
