"""The same words train the same: which parameters, at which rates, and to which weights."""

import re
from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from two_learners import assert_same_training, cross_entropy, fastai, two_learners, two_made

import vicinal
from vicinal.learner.suggestions import in_longest_fall
from vicinal.learner.vision import vision_groups
from vicinal.models.transfer import Body, add_head, transfer_model

pytestmark = [pytest.mark.xdist_group("fastai"), pytest.mark.filterwarnings("ignore")]

# Typed for both learners; each starts from the same network.
TRAININGS = """
learn.fit(2)
learn.fit(2, 1e-2, 0.1)
learn.fit(n_epoch=1, lr=1e-2, wd=0.3)
learn.fit(1, slice(1e-2))
learn.fit(1, slice(1e-4, 1e-2))
learn.fit(1, slice(0, 1e-2))
learn.fit(1, [1e-4, 1e-2, 1e-3])
learn.fit_one_cycle(3)
learn.fit_one_cycle(n_epoch=2, lr_max=3e-3)
learn.fit_one_cycle(2, slice(1e-5, 1e-2))
learn.fit_one_cycle(2, 1e-2, div=10, div_final=100, pct_start=0.4)
learn.fit_one_cycle(2, 1e-2, 10, 100, 0.4, 0.2, (0.9, 0.8, 0.7))
learn.fit_one_cycle(2, 1e-2, pct_start=0.01)
learn.fit_one_cycle(2, 1e-2, pct_start=0.99)
learn.fit_one_cycle(1, 1e-2, wd=0.3, moms=(0.8, 0.7, 0.9))
learn.fit_flat_cos(3, 1e-2)
learn.fit_flat_cos(2, slice(1e-4, 1e-2), pct_start=0.3, div_final=10, wd=0.1)
learn.fine_tune(1)
learn.fine_tune(2, base_lr=1e-2, freeze_epochs=2, lr_mult=10, pct_start=0.5, div=3)
learn.fine_tune(1, 1e-2, 2, 50, 0.2, 4.0)
learn.fine_tune(2, freeze_epochs=0)
learn.fine_tune(0)
learn.fine_tune(1, wd=0.3, moms=(0.8, 0.7, 0.9), div_final=100)
learn.freeze(); learn.fit_one_cycle(1, 1e-2)
learn.freeze(); learn.fit_one_cycle(1); learn.unfreeze(); learn.fit_one_cycle(2, slice(1e-5, 1e-3))
learn.freeze(); learn.fine_tune(1)
learn.freeze_to(-2); learn.fit_one_cycle(1, slice(1e-3, 1e-2))
learn.freeze_to(1); learn.fit(1)
learn.freeze_to(-9); learn.fit(1)
learn.freeze_to(3); learn.fit(1)
learn.freeze_to(-1); learn.freeze_to(-2); learn.fit(1)
learn.freeze(); learn.freeze_to(0); learn.fit(1)
learn.unfreeze(); learn.fit(1)
learn.model[1].requires_grad_(False); learn.fit(1)
learn.model.requires_grad_(False); learn.freeze(); learn.fit(1)
learn.model[1].requires_grad_(False); learn.freeze_to(-2); learn.fit(1)
learn.model[1].requires_grad_(False); learn.unfreeze(); learn.fit(1)
""".strip().splitlines()


@pytest.mark.parametrize("typed", TRAININGS)
def test_the_same_words_are_the_same_training(typed):
    theirs, ours = two_learners()
    for learn in (theirs, ours):
        exec(typed, {"learn": learn})
    assert_same_training(theirs, ours)


@pytest.mark.parametrize("typed", ["learn.fit_one_cycle(1)", "learn.fine_tune(1)"])
@pytest.mark.parametrize(
    "options",
    [
        {"lr": 1e-2},
        {"lr": slice(1e-4, 1e-2)},
        {"wd": 0.3},
        {"wd": 0.3, "wd_bn_bias": True},
        {"train_bn": False},
        {"moms": (0.9, 0.8, 0.7)},
        {"splitter": lambda model: [list(model.parameters())]},
        {"splitter": lambda model: [[*model[0].parameters()], [*model[1:].parameters()]]},
    ],
    ids=lambda options: re.sub(r" at 0x\w+", "", str(options)),
)
def test_the_same_options_are_the_same_training(options, typed):
    theirs, ours = two_learners(**options)
    for learn in (theirs, ours):
        exec(typed, {"learn": learn})
    assert_same_training(theirs, ours)


def test_the_test_sees_a_difference():
    theirs, ours = two_learners()
    theirs.fit_one_cycle(1, 1e-2)
    ours.fit_one_cycle(1, 1.001e-2)
    with pytest.raises(AssertionError):
        assert_same_training(theirs, ours)


def test_running_statistics_of_frozen_norms_follow_the_data():
    theirs, ours = two_learners(train_bn=False)
    for learn in (theirs, ours):
        learn.freeze()
        learn.fit(1)
        assert learn.model[0][1].running_mean.abs().sum() > 0
    assert_same_training(theirs, ours)


@pytest.mark.parametrize("seed", range(20))
def test_the_valley_is_fastais(seed):
    generator = torch.Generator().manual_seed(seed)
    losses = torch.randn(80, generator=generator).sub(0.1 * (seed % 4)).cumsum(0).tolist()
    (expected, _) = fastai.valley(list(range(80)), losses, 80)
    assert in_longest_fall(losses) == expected


def test_lr_find_suggests_fastais_rate(tmp_path):
    theirs, ours = two_learners()
    theirs.path = tmp_path
    expected = theirs.lr_find(show_plot=False)
    found = ours.lr_find()
    assert found.rates == pytest.approx(theirs.recorder.lrs, rel=1e-6)
    assert found.losses == pytest.approx([loss.item() for loss in theirs.recorder.losses], rel=1e-4)
    assert found.suggestion == pytest.approx(expected.valley, rel=1e-5)


class Tiny(nn.Sequential):
    """A network with the parts of a classifier of photos: a body, a pooling, and a layer."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000),
        )  # fmt: skip


def tiny(pretrained=False):
    torch.manual_seed(3)
    return Tiny()


def two_vision_learners(**options):
    x = torch.randn(30, 3, 8, 8, generator=torch.Generator().manual_seed(2)).double()
    y = (x[:, 0].mean((1, 2)) > 0).long() + (x[:, 1].mean((1, 2)) > 0).long()
    options = {"loss_func": cross_entropy, **options}
    theirs, ours = two_made(
        lambda dls, **cbs: fastai.vision_learner(dls, tiny, **options, **cbs),
        lambda dls, **cbs: vicinal.vision_learner(dls, tiny, **options, **cbs),
        x,
        y,
    )
    for learn in (theirs, ours):
        learn.model.double()
    ours.model.load_state_dict(theirs.model.state_dict())
    return theirs, ours


@pytest.mark.parametrize(
    "typed",
    [
        "learn.fit_one_cycle(2, 3e-3)",
        "learn.fit_one_cycle(1, slice(1e-4, 1e-2))",
        "learn.fine_tune(1)",
        "learn.unfreeze(); learn.fit_one_cycle(1, slice(1e-5, 1e-3))",
        "learn.freeze(); learn.fine_tune(1)",
    ],
)
@pytest.mark.parametrize("pretrained", [True, False])
def test_vision_learner_is_the_same_training(typed, pretrained):
    # Without dropout, whose random numbers are other ones.
    theirs, ours = two_vision_learners(pretrained=pretrained, ps=0)
    for learn in (theirs, ours):
        exec(typed, {"learn": learn})
    assert_same_training(theirs, ours)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lin_ftrs": [6, 5], "ps": [0.1, 0.2, 0.3]},
        {"lin_ftrs": []},
        {"concat_pool": False, "first_bn": False, "bn_final": True},
        {"ps": 0.2, "y_range": (-1, 2)},
        {"n_out": 5},
    ],
    ids=str,
)
def test_vision_learner_has_the_same_head(options):
    theirs, ours = two_vision_learners(**options)
    kinds = [
        [(type(m).__name__, getattr(m, "p", None), getattr(m, "momentum", None)) for m in head]
        for head in (theirs.model[1], ours.model[1])
    ]
    assert kinds[0] == kinds[1]
    x = torch.randn(5, 3, 8, 8).double()
    for learn in (theirs, ours):
        learn.model.eval()
    torch.testing.assert_close(ours.model(x), theirs.model(x))


def test_the_head_starts_as_fastais():
    torch.manual_seed(0)
    body = nn.Conv2d(3, 64, 1)
    theirs = fastai.add_head(nn.Sequential(body), 64, 10)[1]
    ours = add_head(Body(body, 64, False, None), 10)
    for name, expected in theirs.state_dict().items():
        found = ours[1].state_dict()[name]
        assert found.shape == expected.shape
        if expected.is_floating_point() and expected.ndim > 1:
            # Each of thousands of draws: 7 standard errors of a standard deviation.
            bound = 7 / (2 * expected.numel()) ** 0.5
            assert found.std().item() == pytest.approx(expected.std().item(), rel=2 * bound)
        else:
            assert torch.equal(found, expected)


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet34", "squeezenet1_1", "densenet121", "vgg11_bn", "alexnet"]
)
def test_bodies_are_cut_and_divided_as_by_fastai(name, monkeypatch):
    with torch.device("meta"):  # without memory, which some take much of
        model = torchvision.models.get_model(name)
    monkeypatch.setattr("torchvision.models.get_model_builder", lambda name: lambda weights: model)
    ours, _ = transfer_model("torchvision", name, 3, pretrained=False, split=True)
    meta = fastai.model_meta[getattr(fastai, name)]
    theirs = nn.Sequential(fastai.create_body(model, cut=meta["cut"]), ours[1])
    expected = [[id(p) for p in group] for group in meta["split"](theirs)]
    assert [[id(p) for p in group] for group in vision_groups(ours)] == expected


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_bodies_compute_what_fastais_do(name):
    ours, _ = transfer_model("torchvision", name, 3, pretrained=False, split=True)
    arch = getattr(fastai, name)
    theirs = fastai.create_vision_model(arch, 3, pretrained=False)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


SUGGESTIONS = ("minimum", "steep", "valley", "slide")


def test_lr_find_takes_fastais_ways_to_suggest(tmp_path):
    theirs, ours = two_learners()
    theirs.path = tmp_path
    expected = theirs.lr_find(
        show_plot=False, suggest_funcs=[getattr(fastai, name) for name in SUGGESTIONS]
    )
    found = ours.lr_find(suggest_funcs=[getattr(vicinal, name) for name in SUGGESTIONS])
    assert [*found] == pytest.approx([*expected], rel=1e-4)
    assert found.steep == pytest.approx(expected.steep)
    lr_min, lr_steep = ours.lr_find(
        stop_div=False, show_plot=False, suggest_funcs=(vicinal.minimum, vicinal.steep)
    )
    assert lr_min > 0
    assert lr_steep > 0
    with pytest.raises(AttributeError, match="no 'slide': it suggests valley"):
        _ = ours.lr_find(num_it=40).slide


@pytest.mark.parametrize("name", SUGGESTIONS)
@pytest.mark.parametrize("seed", range(5))
def test_suggestions_are_fastais(name, seed):
    generator = torch.Generator().manual_seed(seed)
    losses = torch.randn(80, generator=generator).sub(0.1).cumsum(0) / 10
    rates = torch.logspace(-7, 1, 80)
    expected, found = (getattr(m, name)(rates, losses, 80) for m in (fastai, vicinal))
    assert found[0] == pytest.approx(float(expected[0]), rel=1e-5)
    if name != "slide":  # whose height fastai interpolates
        assert found[1] == pytest.approx([float(value) for value in expected[1]], rel=1e-5)


def test_slide_needs_more_losses_than_its_interval():
    with pytest.raises(vicinal.VicinalError, match="15 batches apart, and there are 10"):
        vicinal.slide(torch.ones(10), torch.ones(10))


@pytest.mark.parametrize(("name", "settings"), [
    ("Adam", {}),
    ("Adam", {"mom": 0.8, "sqr_mom": 0.999, "eps": 1e-7, "wd": 0.3}),
    ("Adam", {"wd": 0.3, "decouple_wd": False}),
    ("SGD", {}),
    ("SGD", {"mom": 0.9, "wd": 0.3}),
    ("SGD", {"mom": 0.9, "wd": 0.3, "decouple_wd": False}),
    ("RMSProp", {}),
    ("RMSProp", {"sqr_mom": 0.9, "wd": 0.3}),
    ("RMSProp", {"wd": 0.3, "decouple_wd": False}),
])  # fmt: skip
def test_optimizers_by_name(name, settings):
    made = (partial(getattr(library, name), **settings) for library in (fastai, vicinal))
    learners = two_learners()
    for learn, learn.opt_func in zip(learners, made, strict=True):
        learn.fit(1, 1e-2)
        learn.fit_one_cycle(1, slice(1e-3, 1e-2), reset_opt=True)
    theirs, ours = learners
    for parameter, expected in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-6)


def test_the_settings_of_the_optimizer():
    theirs, ours = two_learners()
    for learn in (theirs, ours):
        assert learn.opt is None
        learn.fit_one_cycle(1, slice(1e-4, 1e-2), wd=0.2)
    assert len(ours.opt.hypers) == len(theirs.opt.hypers) == 3
    for found, expected in zip(ours.opt.hypers, theirs.opt.hypers, strict=True):
        assert found.keys() == expected.keys()
    # fastai's are those of the last step, ours those of the step after it.
    assert ours.opt.hypers[-1]["wd"] == theirs.opt.hypers[-1]["wd"] == 0.2
    for learn in (theirs, ours):
        learn.opt.set_hyper("lr", slice(1e-4, 1e-2))
        learn.opt.set_hyper("mom", 0.7)
    for found, expected in zip(ours.opt.hypers, theirs.opt.hypers, strict=True):
        assert dict(found) == pytest.approx(dict(expected))
