"""MixedTensor: what is computed from it is computed for both targets."""

import copy
import dataclasses
import functools
import io
import multiprocessing
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.functional import f1_score
from torchvision.ops import sigmoid_focal_loss

from vicinal import (
    MixCollate,
    MixedTarget,
    MixedTensor,
    MixLoss,
    MixUp,
    SmoothMix,
    accuracy,
    as_tensors,
    own_targets,
)
from vicinal.mixed.tensor import reached_loss

timm_losses = pytest.importorskip("timm.loss")

CLASSES = 5


def scattered(output, y):
    ones = torch.zeros(output.shape, dtype=output.dtype)
    ones.scatter_(1, y.unsqueeze(1), 1.0)
    return -(ones * output.log_softmax(-1)).sum(-1).mean()


def written(output, y):
    ones = torch.zeros(output.shape, dtype=output.dtype)
    ones[torch.arange(len(y)), y] = 1.0
    return -(ones * output.log_softmax(-1)).sum() / len(y)


def marked(output, y):
    heavy = torch.ones(len(y), dtype=output.dtype)
    heavy[y == 2] = 3.0
    return (heavy * F.cross_entropy(output, y, reduction="none")).mean()


def focal(output, y):
    losses = F.cross_entropy(output, y, reduction="none")
    return ((1 - torch.exp(-losses)) ** 2 * losses).mean()


def of_two(output, y):
    """In place, and from a copy."""
    labels = y.clone()
    labels += 1
    labels %= CLASSES
    return F.cross_entropy(output, labels) + 0.1 * F.cross_entropy(output, y)


def ordinal(output, y):
    levels = (y.unsqueeze(1) > torch.arange(CLASSES)).to(output.dtype)
    return F.binary_cross_entropy_with_logits(output, levels)


def margin(output, y):
    right = output.gather(1, y.view(-1, 1)).squeeze(1)
    others = output.masked_fill(F.one_hot(y, CLASSES).bool(), -1e4).amax(1)
    return F.softplus(others - right).mean()


def weighted_by_class(output, y):
    weight = torch.linspace(0.5, 2, CLASSES, dtype=output.dtype)
    return (weight[y] * F.cross_entropy(output, y, reduction="none")).mean()


OF_CLASSES = {
    "cross entropy": nn.CrossEntropyLoss(),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
    "flattened": lambda output, y: F.cross_entropy(output.view(-1, CLASSES), y.view(-1)),
    "nll": lambda output, y: F.nll_loss(output.log_softmax(1), y),
    "by index": lambda output, y: -output.log_softmax(1)[torch.arange(len(y)), y].mean(),
    "gathered": lambda output, y: -output.log_softmax(1).gather(1, y[:, None]).mean(),
    "taken": lambda output, y: -torch.take_along_dim(output.log_softmax(1), y[:, None], 1).mean(),
    "one hot": lambda output, y: F.mse_loss(output.softmax(1), F.one_hot(y, CLASSES).float()),
    "rows of ones": lambda output, y: F.l1_loss(output.float(), torch.eye(CLASSES)[y]),
    "soft": lambda output, y: F.cross_entropy(output, F.one_hot(y, CLASSES).to(output.dtype)),
    "embedded": lambda output, y: F.embedding(y, torch.eye(CLASSES)).sub(output).square().mean(),
    "multi margin": nn.MultiMarginLoss(),
    "scattered": scattered,
    "written": written,
    "marked": marked,
    "focal": focal,
    "of two": of_two,
    "ordinal": ordinal,
    "margin": margin,
    "weighted by class": weighted_by_class,
    "timm, smoothed": timm_losses.LabelSmoothingCrossEntropy(),
    "timm, binary": timm_losses.BinaryCrossEntropy(),
    "timm, asymmetric": timm_losses.AsymmetricLossSingleLabel(),
}  # fmt: skip
OF_VALUES = {
    "mse": nn.MSELoss(),
    "l1": F.l1_loss,
    "smooth l1": nn.SmoothL1Loss(),
    "huber": nn.HuberLoss(),
    "poisson": nn.PoissonNLLLoss(),
    "by hand": lambda output, y: ((output - y) ** 2).mean(),
    "turned": lambda output, y: (y - output).square().sum() / y.numel(),
    "one of them": lambda output, y: (output[:, 0] - y[:, 0]).abs().mean(),
    "relative": lambda output, y: ((output - y) / (1 + y.abs())).pow(2).mean(),
    "logcosh": lambda output, y: F.softplus(-2 * (output - y)).add(output - y).mean(),
}
OF_LABELS = {
    "bce": nn.BCEWithLogitsLoss(),
    "weighted": nn.BCEWithLogitsLoss(pos_weight=torch.linspace(0.5, 2, CLASSES)),
    "by probability": lambda output, y: F.binary_cross_entropy(output.sigmoid(), y),
    "focal": lambda output, y: sigmoid_focal_loss(output, y, reduction="mean"),
    "soft margin": nn.MultiLabelSoftMarginLoss(),
    "weighted by label": lambda output, y: F.binary_cross_entropy_with_logits(
        output, y, weight=1 + y
    ),
    "dice": lambda output, y: (
        1 - 2 * (output.sigmoid() * y).sum(1) / (output.sigmoid() + y).sum(1)
    ).mean(),
}


def sample_by_sample(loss, output, target):
    """Each sample alone, with plain targets: what all must come to."""
    each = []
    for row in range(len(output)):
        one, rows = output[row : row + 1], target[row : row + 1]
        weight = rows.weight[0]
        each.append(weight * loss(one, rows.own) + (1 - weight) * loss(one, rows.partner))
    return torch.stack(each).mean()


def batch(seed, count, kind):
    torch.manual_seed(seed)
    x = torch.randn(count, 7)
    y = {
        "classes": torch.randint(CLASSES, (count,)),
        "values": torch.randn(count, CLASSES),
        "labels": torch.rand(count, CLASSES).round(),
    }[kind]
    network = nn.Linear(7, CLASSES)
    mixer = MixUp(1.0, folded=False, p=0.8, seed=seed)
    x, y = mixer(x, y)
    return network(x), y, network


EVERY = [
    *(("classes", name, loss) for name, loss in OF_CLASSES.items()),
    *(("values", name, loss) for name, loss in OF_VALUES.items()),
    *(("labels", name, loss) for name, loss in OF_LABELS.items()),
]


@pytest.mark.parametrize(
    ("kind", "loss"), [(kind, loss) for kind, _, loss in EVERY], ids=[name for _, name, _ in EVERY]
)
@given(seed=st.integers(0, 999), count=st.integers(2, 9))
def test_any_loss_is_exact(kind, loss, seed, count):
    output, target, network = batch(seed, count, kind)
    y = as_tensors(target)
    found = loss(output, y)
    expected = sample_by_sample(loss, output, target)

    assert type(found) is torch.Tensor
    torch.testing.assert_close(found, expected, rtol=2e-5, atol=1e-6)
    (grad,) = torch.autograd.grad(found, network.weight, retain_graph=True)
    (other,) = torch.autograd.grad(expected, network.weight)
    torch.testing.assert_close(grad, other, rtol=2e-4, atol=1e-6)
    assert reached_loss(y)
    assert torch.equal(own_targets(y), target.own)  # nothing was written into the targets
    assert torch.equal(y.partner, target.partner)


@pytest.mark.parametrize(
    "criterion",
    [
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(torch.rand(CLASSES), ignore_index=2, label_smoothing=0.1),
        nn.CrossEntropyLoss(reduction="sum"),
        nn.NLLLoss(torch.rand(CLASSES)),
    ],
    ids=str,
)
def test_class_losses_equal_mixloss_to_the_bit(criterion):
    output, target, _ = batch(0, 32, "classes")
    assert torch.equal(criterion(output, as_tensors(target)), MixLoss(criterion)(output, target))


def test_segmentation():
    torch.manual_seed(0)
    x, y = SmoothMix(seed=0)(torch.rand(6, 3, 8, 8), torch.randint(4, (6, 8, 8)))
    assert y.weight.ndim == 3
    output = nn.Conv2d(3, 4, 1)(x)
    found = F.cross_entropy(output, as_tensors(y), ignore_index=3)
    assert torch.equal(found, MixLoss(nn.CrossEntropyLoss(ignore_index=3))(output, y))
    flat = output.movedim(1, -1).reshape(-1, 4)
    torch.testing.assert_close(F.cross_entropy(flat, as_tensors(y).view(-1), ignore_index=3), found)
    one_by_one = F.cross_entropy(output, as_tensors(y), reduction="none").mean()
    torch.testing.assert_close(one_by_one, MixLoss(nn.CrossEntropyLoss())(output, y))


def test_soft_maps_with_a_weight_for_each_pixel():
    torch.manual_seed(0)
    x, y = SmoothMix(seed=0)(torch.rand(6, 3, 8, 9), torch.rand(6, 5, 8, 9).softmax(1))
    output = nn.Conv2d(3, 5, 1)(x)
    for criterion in (nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss(), nn.MSELoss(reduction="sum")):
        found, expected = criterion(output, as_tensors(y)), MixLoss(criterion)(output, y)
        torch.testing.assert_close(found, expected)
    dense = F.cross_entropy(output, y.dense())
    torch.testing.assert_close(F.cross_entropy(output, as_tensors(y)), dense)
    top = as_tensors(y)[:, :, :1].expand(-1, -1, 8, -1)  # whose weights are (B, 1, 1, W)
    rows = y.dense()[:, :, :1].expand(-1, -1, 8, -1)
    torch.testing.assert_close(F.cross_entropy(output, top), F.cross_entropy(output, rows))


def test_tokens():
    torch.manual_seed(0)
    x, y = MixUp(seed=0)(torch.rand(6, 9, 3), torch.randint(4, (6, 9)))
    y.own[:, 5:] = y.partner[:, 7:] = -100
    output = nn.Linear(3, 4)(x)
    found = F.cross_entropy(output.view(-1, 4), as_tensors(y).view(-1))
    torch.testing.assert_close(found, MixLoss(nn.CrossEntropyLoss())(output.movedim(-1, 1), y))


def test_accuracy_by_hand():
    output, target, _ = batch(0, 64, "classes")
    y, share = as_tensors(target), accuracy(output, target)
    torch.testing.assert_close((output.argmax(1) == y).float().mean(), share)
    torch.testing.assert_close((output.argmax(1) == y).sum() / len(y), share)
    torch.testing.assert_close(accuracy(output, y), share)
    assert not reached_loss(y)


def test_conversions_give_the_own_labels():
    _, target, _ = batch(0, 64, "classes")
    y = as_tensors(target)
    assert y.tolist() == target.own.tolist()
    assert (y.numpy() == target.own.numpy()).all()
    assert len(y) == 64
    assert (y.shape, y.dtype, y.device.type) == (target.own.shape, torch.int64, "cpu")
    assert y.max() == max(target.own.max(), target.partner.max())
    assert torch.aminmax(y, dim=0).max == y.max()
    assert torch.aminmax(y).min == y.min()
    assert bool((y == 3).any()) == bool(((target.own == 3) | (target.partner == 3)).any())


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.view(8, 4),
        lambda y: y.reshape(2, -1).T,
        lambda y: y.unsqueeze(0).expand(3, -1),
        lambda y: y[3:17:2],
        lambda y: y[torch.arange(31, -1, -1)],
        lambda y: y.chunk(4)[1],
        lambda y: torch.cat([y, y]),
        lambda y: torch.stack([y, y], 1),
        lambda y: y.flip(0),
        lambda y: y.to(torch.float64),
        lambda y: y.to("cpu", non_blocking=True).contiguous(),
        lambda y: 7 - 2 * y,
        lambda y: y.clone().mul_(3),
        lambda y: torch.where(y > 2, 1.0, 0.0),
        lambda y: F.one_hot(y, 6).argmax(-1),
        lambda y: -(~(y == 2)).float(),
        lambda y: copy.deepcopy(y),
        lambda y: pickle.loads(pickle.dumps(y)),
    ],
)
def test_operations_apply_to_both_targets(change):
    _, target, _ = batch(0, 32, "classes")
    changed = change(as_tensors(target))
    assert type(changed) is MixedTensor
    for found, part in ((own_targets(changed), target.own), (changed.partner, target.partner)):
        assert torch.equal(found, change(part))
        assert found.dtype == changed.dtype
    assert torch.broadcast_shapes(changed.weight.shape, changed.shape) == changed.shape


@pytest.mark.parametrize(
    "move",
    [
        lambda y: y.view(8, 4),
        lambda y: y.reshape(2, -1).T,
        lambda y: y[torch.arange(31, -1, -1)],
        lambda y: torch.cat([y, y]),
        lambda y: y.unsqueeze(1).expand(-1, 3),
        lambda y: y.repeat(2).chunk(3)[1],
    ],
)
def test_weights_follow_their_values(move):
    weight = torch.rand(32)
    moved = move(as_tensors(MixedTarget(torch.arange(32), torch.arange(32).flip(0), weight)))
    assert torch.equal(moved.weight.expand(moved.shape), weight[own_targets(moved)])
    assert torch.equal(moved.partner, 31 - own_targets(moved))


def test_save_and_load():
    _, target, _ = batch(0, 8, "classes")
    file = io.BytesIO()
    torch.save(as_tensors(target), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(loaded.weight, target.weight)


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled(backend):
    output, target, _ = batch(0, 8, "classes")

    @functools.partial(torch.compile, backend=backend)
    def loss(output, y):
        return F.cross_entropy(output * 2, y) * 3

    expected = MixLoss(F.cross_entropy)(output * 2, target) * 3
    torch.testing.assert_close(loss(output, as_tensors(target)), expected)


def test_created_inside_a_compiled_function():
    output, target, _ = batch(0, 8, "classes")

    @functools.partial(torch.compile, backend="eager")
    def loss(output, target):
        return F.cross_entropy(output, as_tensors(target))

    torch.testing.assert_close(loss(output, target), MixLoss(F.cross_entropy)(output, target))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast(dtype):
    output, target, _ = batch(0, 8, "classes")
    with torch.autocast("cpu", dtype):
        found = F.cross_entropy(output.to(dtype), as_tensors(target))
        expected = MixLoss(nn.CrossEntropyLoss())(output.to(dtype), target)
    assert torch.equal(found, expected)


def test_several_targets_of_one_mix():
    _, (first, second) = MixUp(seed=0)(torch.rand(8, 3), (torch.arange(8), torch.rand(8)))
    first, second = as_tensors((first, second))
    assert torch.equal((first * second).partner, first.partner * second.partner)


# -- Unsupported operations


def test_unsupported_operations():
    output, target, _ = batch(0, 8, "classes")
    y = as_tensors(target)
    for wrong in (
        lambda: F.cross_entropy(output, y, reduction="none").topk(3).values.mean(),
        lambda: output[y != 2].mean(),
        lambda: F.cross_entropy(output, y, reduction="none").sort().values.mean(),
    ):
        with pytest.raises(
            ValueError, match="cannot be computed from mixed targets: build the loss"
        ):
            wrong()
    assert not reached_loss(y)


def test_targets_of_two_mixes():
    output, target, _ = batch(0, 8, "classes")
    with pytest.raises(ValueError, match="got targets of two mixes: compute a loss for each"):
        as_tensors(target) + as_tensors(target)
    both = F.cross_entropy(output, as_tensors(target)) + F.cross_entropy(output, as_tensors(target))
    torch.testing.assert_close(both, 2 * MixLoss(F.cross_entropy)(output, target))


def test_writing_into_shared_memory():
    _, target, _ = batch(0, 8, "classes")
    table = torch.zeros(8, 5)
    with pytest.raises(ValueError, match="scatter_ cannot be computed from mixed targets"):
        table[:, :4].scatter_(1, as_tensors(target).clamp(max=3)[:, None], 1.0)
    with pytest.raises(ValueError, match="scatter_ cannot be computed from mixed targets"):
        table.data.scatter_(1, as_tensors(target)[:, None], 1.0)
    assert not table.any()
    assert type(table) is torch.Tensor


# -- As a collate_fn


def first_batches(workers, seed=0, count=64):
    torch.manual_seed(seed)
    data = TensorDataset(torch.rand(count, 3), torch.arange(count))
    collate = MixCollate(MixUp(seed=0))
    context = multiprocessing.get_context("fork") if workers else None
    loader = DataLoader(
        data, 8, collate_fn=collate, num_workers=workers, multiprocessing_context=context
    )
    return [(x, y) for _ in range(2) for x, y in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_mixes(workers):
    found = first_batches(workers)
    again = first_batches(workers)
    for (x, y), (x2, y2) in zip(found, again, strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y.weight, y2.weight)
        assert torch.equal(y.partner, y2.partner)
    weights = [tuple(y.weight.tolist()) for _, y in found]
    assert len(set(weights)) == len(weights)  # each batch, worker and epoch draws its own


def test_collate_other_batches():
    samples = [{"a": torch.rand(3), "kind": index % 2} for index in range(6)]
    with pytest.raises(ValueError, match="holds a, kind, but no target beside inputs: say which"):
        MixCollate(MixUp())(samples)
    with pytest.raises(ValueError, match="holds label and y: say which is the target by target="):
        MixCollate(MixUp())([{"x": torch.rand(3), "label": 1, "y": 2}] * 2)
    mixed = MixCollate(MixUp(seed=0), target="kind")(samples)
    assert type(mixed["kind"]) is MixedTensor

    def reversed_batch(samples):
        return {
            "y": torch.stack([y for _, y in samples]),
            "x": torch.stack([x for x, _ in samples]),
        }

    mixed = MixCollate(MixUp(seed=0), reversed_batch)([(torch.rand(2), torch.tensor(3))] * 4)
    assert list(mixed) == ["y", "x"]
    assert type(mixed["y"]) is MixedTensor


def test_repr():
    y = as_tensors(MixedTarget(torch.tensor([1]), torch.tensor([2]), torch.tensor([0.5])))
    assert repr(y) == ("MixedTensor(own=tensor([1]), partner=tensor([2]), weight=tensor([0.5000]))")


@dataclasses.dataclass
class Answers:
    kind: object
    size: object


def test_own_targets_of_any_nested_batch():
    _, target = MixUp(seed=0)(
        torch.rand(6, 3), {"kind": torch.arange(6) % 3, "size": torch.rand(6)}
    )
    plain, name = torch.rand(6), "batch"
    for converted in (target, as_tensors(target)):
        answers = Answers(converted["kind"], converted["size"])
        (first, same, text), inner = own_targets(((converted["size"], plain, name), answers))
        assert type(first) is type(inner.kind) is torch.Tensor
        assert torch.equal(first, target["size"].own)
        assert torch.equal(inner.kind, target["kind"].own)
        assert same is plain
        assert text == name
    assert own_targets(plain) is plain


def test_a_metric_that_is_refused_reads_own_targets():
    output, y = (
        torch.randn(6, 3),
        as_tensors(MixUp(seed=0)(torch.rand(6, 3), torch.arange(6) % 3)[1]),
    )
    macro = functools.partial(f1_score, task="multiclass", num_classes=3, average="macro")
    with pytest.raises(ValueError, match=r"give a metric own_targets\(y\)"):
        macro(output, y)
    assert macro(output, own_targets(y)) == macro(output, torch.arange(6) % 3)
