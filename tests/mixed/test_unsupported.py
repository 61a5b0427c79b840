"""Losses as people write them: on mixed tensors each is exact, or raises."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import MixedTarget, MixedTensor, MixLoss, as_tensors, own_targets
from vicinal.mixed.tensor import reached_loss

CLASSES = 5
EYE = torch.eye(CLASSES)
NOISE = torch.softmax(3 * EYE + torch.arange(25.0).view(5, 5) / 25, 1)
TABLE = torch.linspace(0.5, 2, CLASSES)


def drawn(kind, count=6):
    torch.manual_seed(0)
    shape = {"classes": (count,), "binary": (count,), "tokens": (count, 7), "masks": (count, 8, 8)}
    highest = 2 if kind in ("binary", "labels") else CLASSES
    if kind == "values":
        own, partner = torch.randn(2, count, CLASSES)
    else:
        own, partner = torch.randint(highest, (2, *shape.get(kind, (count, CLASSES))))
    if kind == "labels":
        own, partner = own.float(), partner.float()
    sizes = {"tokens": (7, CLASSES), "masks": (CLASSES, 8, 8)}.get(kind, (CLASSES,))
    output = torch.randn(count, *sizes, requires_grad=True)
    return output, MixedTarget(own, partner, torch.rand(count))


def one_by_one(loss, output, target):
    each = []
    for row, weight in enumerate(target.weight):
        one, rows = output[row : row + 1], target[row : row + 1]
        each.append(weight * loss(one, rows.own) + (1 - weight) * loss(one, rows.partner))
    return torch.stack(each).mean()


def focal(probabilities):
    return -((1 - probabilities) ** 2 * probabilities.log()).mean()


def dice(found, there):
    axes = tuple(range(1, found.ndim))
    return (
        1 - (2 * (found * there).sum(axes) + 1) / (found.sum(axes) + there.sum(axes) + 1)
    ).mean()


def hot(y):
    return F.one_hot(y, CLASSES)


def as_losses(*losses):
    return [
        pytest.param(kind, loss, id=f"{kind}-{number}")
        for number, (kind, loss) in enumerate(losses)
    ]


EXACT = as_losses(
    ("classes", lambda o, y: F.cross_entropy(o, hot(y).argmax(1))),
    ("classes", lambda o, y: F.cross_entropy(o, EYE[y, :])),
    ("classes", lambda o, y: F.cross_entropy(o, EYE.index_select(0, y), reduction="none").mean()),
    ("classes", lambda o, y: focal((o.softmax(1) * (y[:, None] == torch.arange(5))).sum(1))),
    ("classes", lambda o, y: focal(
        (o.softmax(1) * (y[:, None].repeat(1, 5) == torch.arange(5))).sum(1))),
    ("classes", lambda o, y: focal(
        (o.softmax(1) * torch.stack([y == c for c in range(5)], 1)).sum(1))),
    ("classes", lambda o, y: focal((o.softmax(1).T * hot(y).T).sum(0))),
    ("classes", lambda o, y: F.cross_entropy(o - 0.35 * hot(y), y)),  # CosFace
    ("classes", lambda o, y: F.kl_div(o.log_softmax(1), hot(y).float(), reduction="batchmean")),
    ("classes", lambda o, y: torch.sum(input=F.cross_entropy(o, y, reduction="none")) / len(y)),
    ("classes", lambda o, y: (F.cross_entropy(o, y, reduction="none") * TABLE.gather(0, y)).mean()),
    ("binary", lambda o, y: focal((o[:, :2].softmax(1) * torch.stack([1 - y, y], 1)).sum(1))),
    ("tokens", lambda o, y: F.cross_entropy(o.transpose(1, 2), y)),
    ("tokens", lambda o, y: focal((o.softmax(-1).flatten(0, 1) * hot(y).reshape(-1, 5)).sum(1))),
    ("tokens", lambda o, y: F.cross_entropy(o[:, :-1].flatten(0, 1), y[:, 1:].flatten())),
    ("masks", lambda o, y: dice(o.softmax(1), hot(y).movedim(-1, 1).float())),
    ("masks", lambda o, y: dice(o.softmax(1)[:, 1], (y == 1).flip(1).flip(1).float())),
    ("masks", lambda o, y: dice(
        o.softmax(1)[:, 1].flatten(1), (y == 1).float().view(-1).view(len(y), -1))),
    ("labels", lambda o, y: dice(o.sigmoid(), y)),
    ("labels", lambda o, y: dice(o.sigmoid(), torch.cat([y[:, :2], y[:, 2:]], 1))),
    ("values", lambda o, y: F.mse_loss(o, y, reduction="none").mean(1).sqrt().mean()),
    ("values", lambda o, y: F.mse_loss(o.view_as(y), y)),
    ("values", lambda o, y: F.gaussian_nll_loss(o, y, torch.ones_like(y) * 2)),
    ("values", lambda o, y: (1 - F.cosine_similarity(o, y) if not isinstance(y, MixedTensor) else
        1 - (o * y).sum(1) / (o.norm(dim=1) * y.norm(dim=1))).mean()),
)  # fmt: skip

UNSUPPORTED = as_losses(
    ("classes", lambda o, y: F.cross_entropy(o, hot(y).max(1)[1])),
    ("classes", lambda o, y: -(hot(y).float() @ NOISE * o.log_softmax(1)).sum(1).mean()),
    ("classes", lambda o, y: F.cross_entropy(o, F.linear(hot(y).float(), NOISE.T))),
    ("classes", lambda o, y: o[y != 2].square().mean()),
    ("classes", lambda o, y: F.cross_entropy(o[torch.where(y != 0)[0]], y[torch.where(y != 0)[0]])),
    ("classes", lambda o, y: (o.logsumexp(1) * (1 + torch.isin(y, torch.tensor([1])))).mean()),
    ("classes", lambda o, y: (o[F.cross_entropy(o, y, reduction="none").argsort()[:3]]).mean()),
    ("classes", lambda o, y: sum((o.sum(1) * (y == c)).sum() for c in torch.unique(y))),
    ("classes", lambda o, y: (o.logsumexp(1) / torch.bincount(y)[y]).mean()),
    ("classes", lambda o, y: sum(F.cross_entropy(o, y, reduction="none")) / len(y)),
    ("classes", lambda o, y: sum(-o[i].log_softmax(0)[y[i]] for i in range(len(y))) / len(y)),
    ("classes", lambda o, y: ((y[:, None] == y[None]) * torch.cdist(o, o)).mean()),
    ("classes", lambda o, y: (o.logsumexp(1) * (y != y[torch.arange(5, -1, -1)])).mean()),
    ("classes", lambda o, y: F.cross_entropy(o, torch.zeros_like(y).copy_(y))),
    ("classes", lambda o, y: F.cross_entropy(o, torch.zeros(6, dtype=torch.long).copy_(y))),
    ("classes", lambda o, y: F.cross_entropy(o, torch.zeros(6, 5).scatter_add_(
        1, y[:, None], torch.ones(6, 1)))),
    ("classes", lambda o, y: F.cross_entropy(o, torch.zeros(6, 5).data.scatter_(
        1, y[:, None], 1.0) + torch.zeros(6, 5).view(6, 5).scatter_(1, y[:, None], 1.0))),
    ("classes", lambda o, y: F.cross_entropy(o, F.one_hot(y).float()[:, :5])),
    ("classes", lambda o, y: torch.mul(y, 2.0, out=torch.zeros(6)).sub(o[:, 0]).square().mean()),
    ("masks", lambda o, y: F.cross_entropy(
        o[..., ::2, ::2], F.interpolate(y[:, None].float(), scale_factor=0.5)[:, 0].long())),
    ("tokens", lambda o, y: F.cross_entropy(o.transpose(1, 2), F.pad(y, (0, 1))[:, 1:])),
    ("values", lambda o, y: ((y - y.mean(1, True)) / y.std(1, keepdim=True) - o).square().mean()),
    ("values", lambda o, y: (o - y / y.abs().max(1, keepdim=True)[0]).square().mean()),
    ("values", lambda o, y: sum(((a - b) ** 2).mean() for a, b in zip(o, y, strict=True)) / len(y)),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "loss"), EXACT)
def test_exact(kind, loss):
    output, target = drawn(kind)
    y = as_tensors(target)
    found, expected = loss(output, y), one_by_one(loss, output, target)
    torch.testing.assert_close(found, expected)
    (grad,), (other,) = (torch.autograd.grad(value, output) for value in (found, expected))
    torch.testing.assert_close(grad, other, rtol=1e-4, atol=1e-6)
    assert reached_loss(y)


@pytest.mark.parametrize(("kind", "loss"), UNSUPPORTED)
def test_unsupported(kind, loss):
    output, target = drawn(kind)
    own, partner = target.own.clone(), target.partner.clone()
    y = as_tensors(target)
    with pytest.raises(ValueError, match=r"cannot be computed from mixed targets: build"):
        loss(output, y)
    assert not reached_loss(y)
    assert torch.equal(target.own, own)
    assert torch.equal(target.partner, partner)


def test_backward_of_unreduced_losses():
    output, target = drawn("classes")
    expected = one_by_one(F.cross_entropy, output, target)
    (grad,) = torch.autograd.grad(expected, output)
    y = as_tensors(target)
    F.cross_entropy(output, y, reduction="none").backward(torch.full((6,), 1 / 6))
    torch.testing.assert_close(output.grad, grad)
    assert reached_loss(y)


asks_backward = pytest.mark.skipif(
    "torch_function" not in inspect.getsource(torch.autograd.backward),
    reason="this torch.autograd.backward does not ask tensors what they are",
)


@pytest.mark.parametrize("take", [
    lambda loss, output, each: torch.autograd.grad(loss, output, each)[0],
    lambda loss, output, each: torch.autograd.grad([loss], [output], [each])[0],
    lambda loss, output, each: torch.autograd.grad(
        outputs=loss, inputs=output, grad_outputs=each[None], is_grads_batched=True)[0][0],
    *(pytest.param(take, marks=asks_backward) for take in (
        lambda loss, output, each: torch.autograd.backward(loss, each) or output.grad,
        lambda loss, output, each: torch.autograd.backward([loss], [each]) or output.grad,
        lambda loss, output, each: torch.autograd.backward(
            tensors=(loss,), grad_tensors=each, inputs=[output]) or output.grad,
    )),
])  # fmt: skip
def test_gradients_by_torch_autograd(take):
    output, target = drawn("classes")
    each = torch.rand(6)
    losses = MixLoss(nn.CrossEntropyLoss(reduction="none"))(output, target)
    (expected,) = torch.autograd.grad(losses, output, each)
    y = as_tensors(target)
    grad = take(F.cross_entropy(output, y, reduction="none"), output, each)
    torch.testing.assert_close(grad, expected)
    assert type(grad) is torch.Tensor
    assert reached_loss(y)


def test_mixed_grad_outputs_are_unsupported():
    output, target = drawn("classes")
    y = as_tensors(target)
    loss = F.cross_entropy(output, y, reduction="none")
    for take in (
        lambda: torch.autograd.grad(loss.sum(), loss),
        lambda: torch.autograd.grad(loss, output, loss.detach()),
        lambda: loss.backward(loss.detach()),
    ):
        with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
            take()


def test_a_custom_backward_that_knows_the_own_target_alone():
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, output, y):
            ctx.save_for_backward(output)
            ctx.y = y
            return F.cross_entropy(output, y)

        @staticmethod
        def backward(ctx, grad):
            (output,) = ctx.saved_tensors
            return grad * (output.softmax(1) - hot(own_targets(ctx.y))) / len(output), None

    output, target = drawn("classes")
    y = as_tensors(target)
    Own.apply(output, y)
    assert not reached_loss(y)  # which the integrations refuse


def test_weights_stay_compact_on_another_device():
    _, target = drawn("labels")
    assert as_tensors(target).to("meta").weight.shape == (6, 1)
    assert as_tensors(target.to("meta")).weight.shape == (6, 1)


def test_a_buffer_does_not_become_mixed():
    class Queue(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("labels", torch.zeros(12, dtype=torch.long))

    _, target = drawn("classes")
    queue, y = Queue(), as_tensors(target)
    for write in (
        lambda: queue.labels.__setitem__(slice(6), y),
        lambda: queue.labels[:6].copy_(y),
        lambda: queue.labels[:6].add_(y),
    ):
        with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
            write()
    assert type(queue.labels) is torch.Tensor
    assert not queue.labels.any()


@pytest.mark.parametrize(
    "index", [0, np.int64(1), torch.tensor(2), (..., 0), (0, 0), (..., 1, slice(None)), True]
)
def test_indexing_single_samples_is_unsupported(index):
    kind = "classes" if isinstance(index, tuple) and index == (..., 0) else "values"
    y = as_tensors(drawn(kind)[1])
    with pytest.raises(ValueError, match="__getitem__ cannot be computed from mixed targets"):
        y[index]
    assert y[..., :3].shape[-1] == 3


@pytest.mark.parametrize("function", [
    lambda y: y.softmax(0),
    lambda y: y.log_softmax(0),
    lambda y: y.cumsum(0),
    lambda y: F.normalize(y, dim=0),
    lambda y: F.softmax(y, -2),
    lambda y: y.norm(dim=0, keepdim=True),
    lambda y: y.logsumexp(0, keepdim=True),
    lambda y: y.amax((0, 1), keepdim=True),
    lambda y: y.argmin(0, keepdim=True),
])  # fmt: skip
def test_functions_along_the_samples(function):
    """Own values would be computed from the other samples' own ones, whatever the weights."""
    y = as_tensors(drawn("values")[1])
    with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
        function(y)


@pytest.mark.parametrize("function", [
    lambda y: y.softmax(1),
    lambda y: y.cumsum(-1),
    lambda y: F.normalize(y),
    lambda y: y.norm(dim=1, keepdim=True),
    lambda y: y.amax(1),
])  # fmt: skip
def test_functions_within_each_sample(function):
    _, target = drawn("values")
    found = function(as_tensors(target))
    assert torch.equal(own_targets(found), function(target.own))
    assert torch.equal(found.partner, function(target.partner))
    assert torch.equal(found.weight.flatten(), target.weight)


@pytest.mark.parametrize(
    ("own", "partner", "is_any", "is_all"),
    [(0, 0, False, False), (0, 1, True, False), (1, 0, True, False), (1, 1, True, True)],
)
def test_any_is_of_one_target_and_all_of_both(own, partner, is_any, is_all):
    own, partner = torch.tensor([own] * 3), torch.tensor([partner] * 3)
    y = as_tensors(MixedTarget(own, partner, torch.rand(3))) == 1
    assert (bool(y.any()), bool(torch.any(y))) == (is_any, is_any)
    assert (bool(y.all()), bool(torch.all(y))) == (is_all, is_all)


def test_weights_of_another_order_in_the_same_memory():
    """A square mask and its transpose: one shape, one address, but other weights at each pixel."""
    own, partner = torch.randint(CLASSES, (2, 3, 4, 4))
    weight = torch.rand(3, 4, 4)
    y = as_tensors(MixedTarget(own, partner, weight))
    with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
        y == y.transpose(1, 2)  # noqa: B015
    assert torch.equal((y == y.view(3, 4, 4)).weight, weight)
    symmetric = as_tensors(MixedTarget(own, partner, weight + weight.mT))
    assert own_targets(symmetric == symmetric.transpose(1, 2)).diagonal(dim1=1, dim2=2).all()


def test_setting_data_is_unsupported():
    y = as_tensors(drawn("values")[1])
    with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
        y.data = torch.zeros(6, 5)


@pytest.mark.parametrize("count", [1, 3])
def test_in_place_reshaping_is_unsupported(count):
    _, target = drawn("classes", count)
    with pytest.raises(ValueError, match="unsqueeze_ cannot be computed from mixed targets"):
        as_tensors(target).unsqueeze_(1)
