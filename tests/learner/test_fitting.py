"""Ways to train and to freeze: what is refused, and what remains after an error."""

from functools import partial

import pytest
import torch
from small_trainings import network
from torch import nn

from vicinal import Callback, Learner, VicinalError
from vicinal.learner.schedules import Cosines, one_cycle


def thirds(model):
    return [[*model[0].parameters()], [*model[1].parameters()], [*model[3].parameters()]]


def trained(learn):
    return [name for name, p in learn.model.named_parameters() if p.requires_grad]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (lambda learn: learn.fit(1, 0.1, -1), "wd must be a number of 0 or more, not -1"),
        (lambda learn: learn.fit(1, 0.1, [Callback()]), "wd must be a number of 0 or more, not"),
        (lambda learn: learn.fit(1, 0.1, True), "wd must be a number of 0 or more, not True"),
        (
            lambda learn: learn.fit(1, 0.1, float("nan")),
            "wd must be a number of .* not nan",
        ),
        (lambda learn: learn.fit(1, [0.1, 0.2]), "2 learning rates are given, and there are 3"),
        (lambda learn: learn.fit(1, [0.1, -0.2, 1]), "must be numbers above 0, not -0.2"),
        (lambda learn: learn.fit(1, slice(None)), "must be numbers above 0, not None"),
        (lambda learn: learn.fit(1, slice(-1, 1)), "must be numbers above 0, not -1"),
        (lambda learn: learn.fit_one_cycle(1, moms=(0.9, 0.8)), "moms must be three numbers"),
        (lambda learn: learn.fit_one_cycle(1, moms=(0.9, 0.8, 1)), "moms must be three numbers"),
        (lambda learn: learn.fit_one_cycle(1, div=0), "div must be a number above 0, not 0"),
        (
            lambda learn: learn.fit_one_cycle(1, pct_start=1),
            "pct_start must be 0 or more and below",
        ),
        (lambda learn: learn.fit_one_cycle(1, reset_opt=False), "leave reset_opt out"),
        (
            lambda learn: learn.fine_tune(0, freeze_epochs=0),
            "must be a whole number of 1 or more, not 0",
        ),
    ],
)
def test_what_is_refused(dls, train, message):
    learn = Learner(dls, network(), splitter=thirds)
    with pytest.raises(VicinalError, match=message):
        train(learn)


def test_a_weight_decay_that_the_optimizer_lacks_is_refused(dls):
    learn = Learner(dls, network(), opt_func=torch.optim.Rprop)
    learn.fit(1, 0.01)
    learn.fit(1, 0.01, wd=0)
    with pytest.raises(VicinalError, match="Rprop has no weight decay: leave wd out"):
        learn.fit(1, 0.01, wd=0.1)
    with pytest.raises(VicinalError, match="wd must be a number of 0 or more, not -1"):
        Learner(dls, network(), wd=-1)


def test_the_rate_of_a_partial_optimizer_counts(dls):
    learn = Learner(dls, network(), opt_func=partial(torch.optim.SGD, lr=0.3))
    learn.fit(1)
    assert {group["lr"] for group in learn.optimizer.param_groups} == {0.3}
    learn.fit(1, 0.1)
    assert {group["lr"] for group in learn.optimizer.param_groups} == {0.1}


def test_fine_tune_after_freeze_trains_everything(dls):
    learn = Learner(dls, network(), splitter=thirds)
    learn.freeze()
    assert trained(learn) == ["1.weight", "1.bias", "3.weight", "3.bias"]
    before = learn.model[0].weight.detach().clone()
    learn.fine_tune(1)
    assert len(trained(learn)) == 6
    assert not torch.equal(learn.model[0].weight, before)


@pytest.mark.parametrize("phase", [1, 2])
def test_an_interrupted_fine_tune_leaves_frozen_what_was(dls, phase):
    class Stop(Callback):
        def before_epoch(self, learn):
            if len(learn.ended) == phase - 1:
                raise KeyboardInterrupt

    learn = Learner(dls, network(), splitter=thirds)
    learn.freeze()
    learn.model[3].bias.requires_grad_(False)
    with pytest.raises(KeyboardInterrupt):
        learn.fine_tune(1, cbs=Stop())
    first = ["1.weight", "1.bias", "3.weight"]
    assert trained(learn) == (first if phase == 1 else ["0.weight", "0.bias", *first])
    learn.fine_tune(1)  # what was frozen by hand stays so, also now
    assert trained(learn) == ["0.weight", "0.bias", *first]


def test_freezing_everything_warns(dls):
    learn = Learner(dls, network(), splitter=thirds, train_bn=False)
    with pytest.warns(UserWarning, match=r"freeze_to\(3\) freezes the whole model, which has 3"):
        learn.freeze_to(3)
    with pytest.raises(VicinalError, match="no parameter to train: unfreeze one"):
        learn.fit(1)


def test_a_schedule_ends_and_is_restored():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0, momentum=0.5)
    schedule = one_cycle(0.25, 25, 1e5, (0.95, 0.85, 0.9))(optimizer, 4)
    (group,) = optimizer.param_groups
    seen = [(group["lr"], group["momentum"])]
    for _ in range(4):
        schedule.step()
        seen.append((group["lr"], group["momentum"]))
    assert seen[0] == pytest.approx((1 / 25, 0.95))
    assert seen[1] == pytest.approx((1, 0.85))
    assert seen[4] == pytest.approx((1e-5, 0.9))
    with pytest.raises(VicinalError, match="made for 4 steps, and the training takes more"):
        schedule.step()
    # The state of torch's schedules, as checkpoints of earlier versions have it.
    schedule.load_state_dict({"last_epoch": 1, "base_lrs": [1.0], "_step_count": 2})
    assert (group["lr"], group["momentum"]) == seen[1]
    assert schedule.state_dict() == {"last_epoch": 1}


def test_a_schedule_follows_groups_that_a_loaded_state_makes_anew():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = Cosines(optimizer, 2, 0.5, (0.1, 1, 0))
    optimizer.load_state_dict(optimizer.state_dict())
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == 1
