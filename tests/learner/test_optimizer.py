"""Parameter groups and their learning rates."""

import pytest
from small_trainings import network

from vicinal import Learner
from vicinal.learner.optimizer import make_optimizer, spread


def test_norms_and_biases_do_not_decay(dls):
    learn = Learner(dls, network())
    decay = {
        id(p): group["weight_decay"]
        for group in make_optimizer(learn.opt_func, learn.splitter(learn.model), 0.1).param_groups
        for p in group["params"]
    }
    for parameter in learn.model.parameters():
        assert decay[id(parameter)] == (0.01 if parameter.ndim > 1 else 0)


def test_slices_of_rates():
    assert spread(0.1, 2) == [0.1, 0.1]
    assert spread(slice(0.1), 3) == pytest.approx([0.01, 0.01, 0.1])
    assert spread(slice(1e-5, 1e-1), 3) == pytest.approx([1e-5, 1e-3, 1e-1])
    assert spread(slice(1e-5, 1e-1), 1) == [0.1]
