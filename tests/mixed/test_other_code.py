"""Code that meets mixed tensors without torch's functions: exact, refused, or own targets alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from vicinal import (
    BalancedMixUp,
    Choice,
    CMixUp,
    CutMix,
    MixedTarget,
    MixedTensor,
    MixLoss,
    MixUp,
    Remix,
    as_tensors,
)
from vicinal.mixed.tensor import own_targets, reached_loss


class Other(torch.Tensor):
    """Another library's subclass, such as MONAI's MetaTensor or fastai's TensorBase."""


def drawn():
    g = torch.Generator().manual_seed(0)
    target = MixedTarget(*torch.rand(2, 4, generator=g), torch.rand(4, generator=g))
    return torch.rand(4, generator=g, requires_grad=True), target


def squares(output, y):
    return (output - y).square()


@pytest.mark.filterwarnings("ignore:To copy construct")  # as torch advises against it
@pytest.mark.parametrize("read", [
    lambda o, y: y.new_tensor(y),
    lambda o, y: torch.as_tensor(y),
    lambda o, y: torch.asarray(y),
    lambda o, y: torch.utils.data.default_collate([y])[0:1].squeeze(0),
    lambda o, y: y == o.detach().as_subclass(Other),
    lambda o, y: o.detach().as_subclass(Other) != y,
    lambda o, y: o.detach().as_subclass(Other) < y,
    lambda o, y: o.detach().as_subclass(Other).eq(y),
    lambda o, y: torch.eq(o.detach().as_subclass(Other), y),
    lambda o, y: o.detach().as_subclass(Other) - y,
    lambda o, y: o.detach().numpy() == y,
])  # fmt: skip
def test_both_targets_are_kept(read):
    output, target = drawn()
    y = read(output, as_tensors(target))
    assert type(y) is MixedTensor
    for found, part in ((own_targets(y), target.own), (y.partner, target.partner)):
        torch.testing.assert_close(
            found, torch.as_tensor(read(output, part)).as_subclass(torch.Tensor)
        )
    assert torch.equal(y.weight.flatten(), target.weight)


@pytest.mark.parametrize("loss", [
    lambda o, y: F.mse_loss(o.as_subclass(Other), y),
    lambda o, y: checkpoint(lambda o, y: F.mse_loss(o, y), o, y, use_reentrant=False),
    lambda o, y: torch.func.functional_call(torch.nn.MSELoss(), {}, (o, y)),
])  # fmt: skip
def test_the_loss_counts_both_targets(loss):
    output, target = drawn()
    y = as_tensors(target)
    expected = MixLoss(F.mse_loss)(output, target)
    found = loss(output, y)
    torch.testing.assert_close(found, expected, check_dtype=False)
    (grad,) = torch.autograd.grad(expected, output)
    found.backward()
    torch.testing.assert_close(output.grad, grad)
    assert reached_loss(y)


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, output, y):
        ctx.save_for_backward(output, y)
        return squares(output, own_targets(y)).sum()

    @staticmethod
    def backward(ctx, gradient):
        output, y = ctx.saved_tensors
        return gradient * 2 * (output - own_targets(y)), None


OWN_ALONE = {
    "new_tensor": lambda o, y: squares(o, o.new_tensor(y)),
    "torch.tensor": lambda o, y: squares(o, torch.tensor(y)),
    "torch.tensor of rows": lambda o, y: squares(o, torch.tensor([y[i : i + 1] for i in range(4)])),
    "another dtype": lambda o, y: squares(o, torch.as_tensor(y, dtype=torch.float64)),
    "torch.Tensor": lambda o, y: squares(o, torch.Tensor(y)),
    "torch.FloatTensor": lambda o, y: squares(o, torch.FloatTensor(y)),
    "new": lambda o, y: squares(o, o.new(y)),
    "torch.sparse_coo_tensor": lambda o, y: squares(
        o, torch.sparse_coo_tensor(torch.arange(4)[None], y, (4,)).to_dense()
    ),
    "numpy": lambda o, y: squares(o, torch.from_numpy(y.numpy())),
    "asarray": lambda o, y: squares(o, torch.from_numpy(np.asarray(y))),
    "on the CPU": lambda o, y: squares(o, torch.from_numpy(y.cpu().numpy())),
    "tolist": lambda o, y: squares(o, torch.tensor(y.tolist())),
    "item": lambda o, y: squares(o, torch.tensor([y[i : i + 1].item() for i in range(4)])),
    "dlpack": lambda o, y: squares(o, torch.from_dlpack(y)),
    "vmap": lambda o, y: torch.func.vmap(squares)(o, y),
    "script": lambda o, y: torch.jit.script(squares)(o, y),
    "a backward of its own": Own.apply,
    "== of a subclass": lambda o, y: o * ((o > 0.5).float().as_subclass(Other) == y.round()),
}


@pytest.mark.parametrize("loss", OWN_ALONE.values(), ids=OWN_ALONE)
def test_where_torch_does_not_ask_a_loss_is_known_to_miss_the_partners(loss):
    """The integrations refuse such a step, and MixLoss takes two calls."""
    output, target = drawn()
    y = as_tensors(target)
    loss(output, y).sum().backward()
    assert not reached_loss(y)
    for reduced in (
        lambda o, y: loss(o, y).sum(),
        lambda o, y: loss(o, y).sum() + squares(o, y).sum(),
    ):
        with pytest.raises(ValueError, match="cannot be mixed exactly, because it reads"):
            MixLoss(reduced)(output.detach().requires_grad_(), target)


@pytest.mark.parametrize("read", [
    lambda y: int(y[0]), list, lambda y: tuple(y), lambda y: dict(enumerate(y)),
    torch.nn.Parameter, lambda y: torch.nn.utils.rnn.pad_sequence([y, y]),
    lambda y: torch.jit.trace(squares, (torch.rand(4), y)), lambda y: torch.zeros(4).copy_(y),
    lambda y: torch.unique(y), lambda y: torch.bincount(y.long()), lambda y: y.nonzero(),
])  # fmt: skip
def test_what_would_read_own_targets_is_refused(read):
    _, target = drawn()
    with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
        read(as_tensors(target))


@pytest.mark.parametrize("convert", [as_tensors, lambda target: target])
@pytest.mark.parametrize("make", [
    MixUp, CutMix, lambda seed: Choice([MixUp()], seed=seed), lambda seed: Remix([2, 3], seed=seed),
    lambda seed: CMixUp(0.5, seed=seed), lambda seed: BalancedMixUp(seed=seed),
])  # fmt: skip
def test_a_batch_that_is_mixed_already_is_refused(make, convert):
    x = torch.rand(4, 3, 6, 6)
    y = torch.rand(4) if "CMixUp" in repr(make(seed=0)) else torch.arange(4) % 2
    mixed, target = MixUp(seed=0)(x, y)
    with pytest.raises(TypeError, match="the targets are mixed already: mix a batch once"):
        make(seed=0)(mixed, convert(target))
