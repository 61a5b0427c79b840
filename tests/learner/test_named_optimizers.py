"""fastai's optimizers by name; that their steps are equal is in tests/fastai_words."""

from functools import partial

import pytest
import timm.optim
import torch
from torch import nn

import vicinal
from vicinal import SGD, Adam, DataLoaders, Learner, OptimWrapper, RMSProp, VicinalError
from vicinal.absent import OPTIMIZERS as INSTEAD


def trained(opt_func, **how):
    torch.manual_seed(0)
    x, y = torch.randn(12, 2), torch.arange(12) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, seed=0, device="cpu")
    learn = Learner(dls, nn.Linear(2, 2), opt_func=opt_func)
    learn.is_logging = False
    learn.fit_one_cycle(1, 0.1, **how)
    return learn


def test_adam_is_the_default():
    assert torch.equal(
        trained(Adam).model.weight, trained(vicinal.learner.learner.AdamW).model.weight
    )


@pytest.mark.parametrize("name", INSTEAD)
def test_an_absent_one_says_what_to_give(name):
    with pytest.raises(VicinalError) as error:
        trained(getattr(vicinal, name))
    assert str(error.value) == f"fastai's {name} is not here: give opt_func={INSTEAD[name]}"
    names = {"partial": partial, "timm": timm, "torch": torch}
    before = trained(torch.optim.SGD).model.weight
    assert not torch.equal(trained(eval(INSTEAD[name], names)).model.weight, before)


def test_a_wrapped_one_is_the_optimizer():
    learn = trained(partial(OptimWrapper, opt=torch.optim.Adagrad))
    assert type(learn.optimizer) is torch.optim.Adagrad
    assert torch.equal(learn.model.weight, trained(torch.optim.Adagrad).model.weight)


@pytest.mark.parametrize("opt_func", [SGD, RMSProp])
def test_the_decay_stays_and_decays(opt_func):
    learn = trained(opt_func, wd=0.5)
    assert learn.optimizer.param_groups[0]["weight_decay"] == 0.5
    assert not torch.equal(learn.model.weight, trained(opt_func, wd=0.0).model.weight)


def test_weights_without_a_gradient_do_not_decay():
    weight = torch.ones(2, requires_grad=True)
    SGD([weight], lr=0.1, wd=0.5).step()
    assert weight.tolist() == [1, 1]


def test_rmsprop_has_no_momentum():
    with pytest.raises(VicinalError, match=r"momentum=0.5, alpha=0.99\)"):
        trained(partial(RMSProp, mom=0.5))
