"""Losses as people write them: on mixed tensors each is exact, or raises."""

import copy
import inspect
import io

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


def arcface(output, y):
    cosine = output.tanh()
    logits = 4 * cosine.clone()
    logits[torch.arange(len(y)), y] = 4 * (cosine.gather(1, y[:, None])[:, 0].acos() + 0.2).cos()
    return F.cross_entropy(logits, y)


def cosface(output, y):
    logits = 4 * output.tanh()
    logits[range(len(y)), y] -= 0.35
    return F.cross_entropy(logits, y)


def causal(output, y):
    """As in transformers: the logits of each token are compared with the next token."""
    shifted, labels = output[..., :-1, :].contiguous(), y[..., 1:].contiguous()
    return F.cross_entropy(shifted.view(-1, CLASSES), labels.view(-1), ignore_index=-100)


def as_losses(*losses):
    return [
        pytest.param(kind, loss, id=f"{kind}-{number}")
        for number, (kind, loss) in enumerate(losses)
    ]


EXACT = as_losses(
    ("classes", lambda o, y: F.cross_entropy(o, hot(y).max(1)[1])),
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
    ("values", lambda o, y: (1 - F.cosine_similarity(o, y)).mean()),
    ("values", lambda o, y: F.cosine_embedding_loss(o, y, (y.sum(1) > 0) * 2.0 - 1)),
    ("values", lambda o, y: F.triplet_margin_loss(o, y, 2 * y)),
    ("values", lambda o, y: F.huber_loss(o, y, weight=1 + y.abs())),
    ("values", lambda o, y: torch.linalg.vector_norm(o - y, ord=1, dim=(0, 1)) / y.numel()),
    ("values", lambda o, y: (o - y).norm(1, dim=0).sum() / y.numel()),
    ("values", lambda o, y: F.margin_ranking_loss(o[:, 0], o[:, 1], y[:, 0].sign(), margin=0.2)),
    ("values", lambda o, y: torch.einsum("bc,bc->", o, y) / len(y) + y[:, 0] @ o[:, 0] / len(y)),
    ("values", lambda o, y: F.mse_loss(o, y.where(y < 1, torch.nan).nan_to_num(0.5))),
    ("values", lambda o, y: -torch.distributions.Normal(o, 2.0).log_prob(y).mean()),
    ("values", lambda o, y: -torch.distributions.Laplace(o, 2.0).log_prob(y).mean()),
    ("values", lambda o, y: -torch.distributions.StudentT(4.0, o).log_prob(y).mean()),
    ("values", lambda o, y: -torch.distributions.Independent(
        torch.distributions.Normal(o, 1.0), 1).log_prob(y).mean()),
    ("values", lambda o, y: -torch.distributions.Gamma(o.exp(), 1.0).log_prob(y.exp()).mean()),
    ("values", lambda o, y: -torch.distributions.LogNormal(o, 1.0).log_prob(y.exp()).mean()),
    ("labels", lambda o, y: -torch.distributions.Bernoulli(logits=o).log_prob(y).mean()),
    ("classes", lambda o, y: -torch.distributions.Categorical(logits=o).log_prob(y).mean()),
    ("classes", lambda o, y: -torch.distributions.Poisson(o[:, 0].exp()).log_prob(y).mean()),
    ("classes", lambda o, y: -torch.distributions.NegativeBinomial(3, logits=o[:, 0]).log_prob(
        y).mean()),
    ("classes", lambda o, y: -o.log_softmax(1)[range(len(y)), y].mean()),
    ("classes", lambda o, y: -o.log_softmax(1)[np.arange(len(y)), y].mean()),
    ("classes", lambda o, y: F.cross_entropy(o.flip(0), y[np.arange(len(y))[::-1].copy()])),
    ("classes", arcface),
    ("classes", cosface),
    ("classes", lambda o, y: F.cross_entropy(o, F.linear(hot(y).float(), NOISE.T))),
    ("classes", lambda o, y: -(hot(y).float() @ NOISE * o.log_softmax(1)).sum(1).mean()),
    ("tokens", lambda o, y: F.cross_entropy(o.transpose(1, 2), F.pad(y, (0, 1))[:, 1:])),
    ("masks", lambda o, y: F.cross_entropy(
        o[..., ::2, ::2], F.interpolate(y[:, None].float(), scale_factor=0.5)[:, 0].long())),
    ("masks", lambda o, y: dice(
        o.softmax(1), -F.max_pool2d(-hot(y).movedim(-1, 1).float(), 3, 1, 1))),
    ("masks", lambda o, y: F.mse_loss(
        F.avg_pool2d(o, 2), F.conv2d(hot(y).movedim(-1, 1).float(), torch.ones(5, 1, 2, 2), None, 2,
            groups=5))),
    ("tokens", causal),
)  # fmt: skip

# Functions of each value, and within each sample, of (..., 5) values.
FUNCTIONS = {
    "log_sigmoid": F.logsigmoid,
    "cosh": torch.cosh,
    "lgamma": lambda y: torch.lgamma(y.abs() + 1),
    "digamma": lambda y: torch.digamma(y.abs() + 1),
    "logaddexp": lambda y: torch.logaddexp(y, torch.arange(5.0)),
    "xlogy": lambda y: torch.special.xlogy(y.abs(), y.abs() + 1) + torch.xlogy(TABLE, y.abs()),
    "entr": lambda y: torch.special.entr(y.abs()),
    "heaviside": lambda y: torch.heaviside(y, torch.tensor(0.5)),
    "bucketize": lambda y: torch.bucketize(y, torch.tensor([-1.0, 0, 1])),
    "searchsorted": lambda y: torch.searchsorted(torch.tensor([-1.0, 0, 1]), y),
    "isin": lambda y: torch.isin(y.round(), torch.tensor([-1.0, 1.0])),
    "hardsigmoid": F.hardsigmoid,
    "std": lambda y: (y - y.mean(1, True)) / y.std(1, keepdim=True),
    "var": lambda y: y.var(dim=1, correction=0),
    "nanmean": lambda y: y.where(y < 1, torch.nan).nanmean(1),
    "nansum": lambda y: torch.nansum(y.where(y < 1, torch.nan), dim=-1, keepdim=True),
    "diff": lambda y: y.diff(),
    "sort": lambda y: y.sort(1).values + y.argsort(-1) + y.sort(1, descending=True)[1],
    "max": lambda y: y / y.abs().max(1, keepdim=True)[0] + y.min(dim=1, keepdim=True).values,
    "maximum": lambda y: torch.max(y, torch.arange(5.0)) + torch.min(TABLE, y),
    "topk": lambda y: y.topk(2).values + y.topk(2, dim=1)[1] + y.kthvalue(2, 1, True)[0],
    "cummax": lambda y: y.cummax(1).values + y.cumprod(1) + y.logcumsumexp(1),
    "pad": lambda y: F.pad(y, (1, 0)) + F.pad(y[:, None], (0, 1), "replicate")[:, 0],
    "cosine_similarity": lambda y: F.cosine_similarity(y, EYE[0][None]),
    "both": lambda y: F.cosine_similarity(y, y.flip(1), dim=-1) + F.pairwise_distance(y, 2 * y),
    "vector_norm": lambda y: torch.linalg.vector_norm(y, dim=1) + torch.linalg.norm(y, dim=1),
    "matmul": lambda y: y @ NOISE + y.matmul(EYE) + (y @ TABLE)[:, None] + torch.mm(y, NOISE),
    "matmul of matrices": lambda y: NOISE @ y[:, :, None] + y[:, None] @ NOISE,
    "bmm": lambda y: torch.bmm(y[:, None], y[:, :, None]).flatten(1) + y.mv(TABLE)[:, None],
    "linear": lambda y: F.linear(y, NOISE[:3], torch.ones(3)),
    "einsum": lambda y: (
        torch.einsum("bc,cd->bd", y, NOISE) + torch.einsum("bc,bc->b", y, y)[:, None]
    ),
    "broadcast_tensors": lambda y: torch.broadcast_tensors(y[:, :1], EYE[:1])[0],
}

UNSUPPORTED = as_losses(
    ("classes", lambda o, y: (hot(y).float() @ hot(y).float().T * torch.cdist(o, o)).mean()),
    ("classes", lambda o, y: (torch.einsum("bc,dc->bd", hot(y), hot(y)) * (o @ o.T)).mean()),
    ("values", lambda o, y: (o - y.sort(0).values).abs().mean()),
    ("values", lambda o, y: F.l1_loss(o, y, weight=o.detach().abs())),
    ("values", lambda o, y: torch.linalg.vector_norm(o - y, dim=0).sum()),
    ("values", lambda o, y: (o - F.pad(y, (0, 0, 1, 0))[:-1]).abs().mean()),
    ("values", lambda o, y: (o / y.std(0)).mean()),
    ("classes", lambda o, y: o[y != 2].square().mean()),
    ("classes", lambda o, y: F.cross_entropy(o[torch.where(y != 0)[0]], y[torch.where(y != 0)[0]])),
    ("classes", lambda o, y: (o.logsumexp(1) * (1 + torch.isin(torch.arange(6), y))).mean()),
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
    ("masks", lambda o, y: (o[:, 0] * F.conv2d(y.float(), torch.ones(6, 6, 1, 1))).mean()),
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


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_of_each_sample(function):
    _, target = drawn("values")
    y = function(as_tensors(target))
    assert type(y) is MixedTensor
    for found, part in ((own_targets(y), target.own), (y.partner, target.partner)):
        torch.testing.assert_close(found, function(part), rtol=0, atol=0, equal_nan=True)
    assert torch.equal(y.weight.flatten(), target.weight)


@pytest.mark.parametrize("count", [
    lambda hits: torch.tensor(0).add_(hits.sum()),
    lambda hits: torch.zeros(2, dtype=torch.long).__setitem__(0, hits.sum()),
    lambda hits: torch.tensor(0).__iadd__(torch.sum(hits).to("cpu").detach()),
    lambda hits: int(hits.sum()),
    lambda hits: hits.sum().to(torch.int64),
    lambda hits: hits.sum().long(),
    lambda hits: hits.sum().type(torch.int64),
    lambda hits: hits.sum().type(torch.LongTensor),
    lambda hits: hits.sum().type("torch.IntTensor"),
    lambda hits: hits.sum().type_as(torch.tensor(1)),
    lambda hits: torch.zeros(2).long().add_(torch.stack([hits.sum(), 6 - hits.sum()]).view(2)),
    lambda hits: torch.zeros(1, 1).long().__iadd__(torch.tensor(6) - 2 * hits.sum(0)[None]),
])  # fmt: skip
def test_a_count_is_not_cut_to_an_integer(count):
    output, target = drawn("classes")
    with pytest.raises(ValueError, match="no whole number: let the counter"):
        count(output.argmax(1) == as_tensors(target))


def test_a_count_is_printed_copied_and_saved_as_a_float():
    output, target = drawn("classes")
    count = (output.argmax(1) == as_tensors(target)).sum()
    assert f"{count:.3f}" == f"{count.item():.3f}"
    file = io.BytesIO()
    torch.save(count, file)
    file.seek(0)
    for found in (copy.deepcopy(count), torch.load(file, weights_only=True)):
        assert type(found) is torch.Tensor
        assert found == count.item()


def test_a_count_is_a_float():
    output, target = drawn("classes")
    hits = output.argmax(1) == as_tensors(target)
    expected = (hits.float().mean() * 6).item()
    counter, total = torch.tensor(0.0), 0
    counter += hits.sum()
    total += hits.sum()
    for found in (counter, total, torch.tensor(0) + hits.sum(), hits.sum().item()):
        assert found == pytest.approx(expected)
    share = torch.compile(lambda o, y: (o.argmax(1) == y).sum() / len(y), backend="eager")
    assert share(output, as_tensors(target)).item() == pytest.approx(expected / 6)
    assert type(counter) is type(hits.sum() / 6) is torch.Tensor


@pytest.mark.parametrize("name", ["nanmean", "nansum"])
def test_nan_does_not_count_in_either_target(name):
    _, target = drawn("values")
    target.own[0], target.partner[:2, 3] = torch.nan, torch.nan
    y = as_tensors(target)
    weights = torch.stack([target.weight, 1 - target.weight])[:, :, None]
    both = torch.stack([target.own, target.partner])
    total, count = (both * weights).nansum(), (weights * ~both.isnan()).sum()
    expected = total if name == "nansum" else total / count
    torch.testing.assert_close(getattr(torch, name)(y), expected)


@pytest.mark.parametrize("loss", [
    lambda o, y: torch.einsum("bc,bc->", o, y),
    lambda o, y: o[:, 0] @ y[:, 0],
    lambda o, y: torch.linalg.vector_norm(o - y, ord=1, dim=(0, 1)),
    lambda o, y: (o - y).norm(1, dim=0).sum(),
])  # fmt: skip
def test_the_number_of_a_single_sample_is_of_both_targets(loss):
    output, target = drawn("values", 1)
    found = loss(output, as_tensors(target))
    assert type(found) is torch.Tensor
    torch.testing.assert_close(found, one_by_one(loss, output, target))


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
