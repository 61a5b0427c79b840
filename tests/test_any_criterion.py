"""MixLoss on criteria that average in their own ways: right for every one, or refused."""

import copy
import functools
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vicinal import CrossEntropyLossFlat, MixedTarget, MixLoss, MixUp, as_tensors
from vicinal.models.rescale import ScaledMSELoss

B, C = 6, 4
BY_CLASS = torch.tensor([1.0, 5.0, 0.5, 2.0])


def drawn(kind, seed=0, count=B):
    """Outputs and targets, whose weights are quarters."""
    g = torch.Generator().manual_seed(seed)
    shape = {"tokens": (7, C), "masks": (C, 8, 8), "maps": (C, 8, 8), "tall": (1, 8, 8)}.get(
        kind, (C,)
    )
    output = torch.randn(count, *shape, generator=g, requires_grad=True)
    if kind == "values":
        own, partner = torch.randn(2, count, C, generator=g)
    elif kind == "labels":
        own, partner = torch.randint(2, (2, count, C), generator=g).float()
    elif kind == "rows":
        own, partner = torch.randn(2, count, C, generator=g).softmax(-1)
    else:
        sizes = {"tokens": (7,), "masks": (8, 8), "maps": (1, 8, 8), "tall": (1, 8, 8)}.get(
            kind, ()
        )
        own, partner = torch.randint(2 if kind == "tall" else C, (2, count, *sizes), generator=g)
        if kind in ("classes", "tokens"):
            own[1] = -100
    weight = torch.randint(5, (count,), generator=g) / 4
    weight[0], weight[2] = 0.75, 0.25
    return output, MixedTarget(own, partner, weight)


def replicated(criterion, output, target):
    """The criterion on four copies of each sample, so many of them with the own target."""
    copies = torch.arange(4).repeat(len(output))
    is_own = copies < target.weight.repeat_interleave(4) * 4
    own, partner = (y.repeat_interleave(4, 0) for y in (target.own, target.partner))
    is_own = is_own.view(-1, *[1] * (own.ndim - 1))
    return criterion(output.repeat_interleave(4, 0), torch.where(is_own, own, partner))


class Focal(nn.Module):
    """It has a reduction, and hands class weights on."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean"):
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, output, target):
        nll = F.cross_entropy(
            output, target, self.weight, ignore_index=self.ignore_index, reduction="none"
        )
        losses = (1 - (-nll).exp()) ** 2 * nll
        if self.reduction == "none":
            return losses
        return losses.sum() / (target != self.ignore_index).sum()


def weighted(output, target, reduction="mean"):
    return F.cross_entropy(output, target, BY_CLASS, reduction=reduction)


def to_numbers(output, target, reduction="mean"):
    """It reads the own targets alone, as numbers."""
    heavy = torch.tensor([BY_CLASS[max(label, 0)].item() for label in target.tolist()])
    losses = heavy * F.cross_entropy(output, target, reduction="none")
    return losses if reduction == "none" else losses.mean()


def batch_dice(output, target):
    there = F.one_hot(target, C).movedim(-1, 1)
    p = output.softmax(1)
    both = (p * there).sum((0, 2, 3))
    return (1 - 2 * both / (p.sum((0, 2, 3)) + there.sum((0, 2, 3)))).mean()


def linear(**options):
    torch.manual_seed(0)
    return nn.LinearCrossEntropyLoss(C, C, **options)


CRITERIA = [
    ("classes", "focal", Focal),
    ("classes", "focal by class", lambda: Focal(BY_CLASS)),
    ("classes", "focal, class 2 ignored", lambda: Focal(ignore_index=2)),
    ("classes", "a function by class", lambda: weighted),
    ("classes", "a partial by class", lambda: functools.partial(F.cross_entropy, weight=BY_CLASS)),
    ("classes", "numbers", lambda: to_numbers),
    ("classes", "a number", lambda: lambda o, y: F.cross_entropy(o, y, BY_CLASS)),
    ("tokens", "flat", lambda: CrossEntropyLossFlat(weight=BY_CLASS)),
    ("tokens", "a flat function", lambda: lambda o, y: F.cross_entropy(
        o.flatten(0, 1), y.flatten(), BY_CLASS)),
    ("masks", "dice of the batch", lambda: batch_dice),
    ("values", "mse", nn.MSELoss),
    ("values", "scaled", lambda: ScaledMSELoss(2.0)),
    ("values", "mse, weighted", lambda: lambda o, y, reduction="mean": F.mse_loss(
        o, y, weight=(1 + y.abs()), reduction=reduction)),
    ("labels", "bce", lambda: nn.BCEWithLogitsLoss(pos_weight=BY_CLASS)),
    pytest.param("classes", "linear", linear, marks=pytest.mark.skipif(
        not hasattr(nn, "LinearCrossEntropyLoss"), reason="this torch has no such loss")),
    pytest.param("classes", "linear by class", lambda: linear(weight=BY_CLASS),
        marks=pytest.mark.skipif(
            not hasattr(nn, "LinearCrossEntropyLoss"), reason="this torch has no such loss")),
]  # fmt: skip


def timm_loss(name, **options):
    return lambda: getattr(pytest.importorskip("timm.loss"), name)(**options)


def fastai_loss(name, **options):
    return lambda: getattr(pytest.importorskip("fastai.losses"), name)(**options)


def monai_loss(name, **options):
    return lambda: getattr(pytest.importorskip("monai.losses"), name)(**options)


def smp_loss(name, **options):
    return lambda: getattr(pytest.importorskip("segmentation_models_pytorch.losses"), name)(
        **options
    )


LIBRARIES = [
    ("labels", "timm soft", timm_loss("SoftTargetCrossEntropy")),
    ("masks", "smp focal", smp_loss("FocalLoss", mode="multiclass")),
    ("masks", "smp dice", smp_loss("DiceLoss", mode="multiclass")),
    ("maps", "monai dice of the batch", monai_loss(
        "DiceLoss", to_onehot_y=True, softmax=True, batch=True)),
    ("classes", "fastai by class", fastai_loss("CrossEntropyLossFlat", weight=BY_CLASS)),
    ("classes", "fastai ignoring", fastai_loss("CrossEntropyLossFlat", ignore_index=2)),
    ("masks", "fastai axis", fastai_loss("CrossEntropyLossFlat", axis=1, weight=BY_CLASS)),
    ("labels", "fastai bce", fastai_loss("BCEWithLogitsLossFlat")),
    ("values", "fastai mse", fastai_loss("MSELossFlat")),
    ("maps", "monai", monai_loss("DiceCELoss", to_onehot_y=True, softmax=True)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "make"), [*CRITERIA, *LIBRARIES])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_criterion_on_copies_of_the_samples(kind, name, make, seed):
    criterion = make()
    output, target = drawn(kind, seed)
    if "ignor" in name or name == "numbers":
        target.own.clamp_(min=0)
    found, expected = MixLoss(criterion)(output, target), replicated(criterion, output, target)
    torch.testing.assert_close(found, expected)
    grads = [torch.autograd.grad(loss, output)[0] for loss in (found, expected)]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-6)
    if name != "numbers":
        torch.testing.assert_close(criterion(output, as_tensors(target)), expected)

    unmixed = MixedTarget(target.own, target.partner, torch.ones(B))
    plain = criterion(output, target.own)
    torch.testing.assert_close(MixLoss(criterion)(output, unmixed), plain, rtol=1e-6, atol=1e-6)


# -- Losses that are not one for each sample


@pytest.mark.parametrize("count", [C, B])
@pytest.mark.parametrize("reduction", [None, "none"])
def test_losses_of_each_class_are_refused(count, reduction):
    def by_class(output, target, **reduction):
        return ((output - target) ** 2).mean(0)

    def with_reduction(output, target, reduction="none"):
        return by_class(output, target)

    output, target = drawn("values", count=count)
    criterion = by_class if reduction is None else with_reduction
    with pytest.raises(ValueError, match=rf"losses of shape \(4,\) for {count} samples"):
        MixLoss(criterion)(output, target)


def test_losses_of_each_class_that_read_numbers_are_refused():
    def by_class(output, target):
        return ((output - torch.tensor(target.tolist())) ** 2).mean(0)

    with pytest.raises(ValueError, match="because its losses are not each of one sample alone"):
        MixLoss(by_class)(*drawn("values", count=C))


def test_a_class_weight_read_as_a_number_cannot_be_averaged():
    def by_numbers(output, target, reduction="mean"):
        heavy = torch.tensor([BY_CLASS[label].item() for label in target.tolist()])
        losses = heavy * F.cross_entropy(output, target, reduction="none")
        return losses if reduction == "none" else losses.sum() / heavy.sum()

    output, target = drawn("values")
    target = MixedTarget(target.own.argmax(1), target.partner.argmax(1), target.weight)
    with pytest.raises(ValueError, match="by_numbers cannot be mixed exactly, because it reads"):
        MixLoss(by_numbers)(output, target)


def test_other_rows_are_tried_once():
    sizes = []

    def losses(output, target):
        sizes.append(len(output))
        return (output - target).square().mean(1)

    loss, (output, target) = MixLoss(losses), drawn("values")
    loss(output, target)
    loss(output, target)
    tried = [B, B // 2, B - B // 2, *[B, B // 2], *[B, 2], *[B, 2]]
    assert sizes == [B, *tried, *[B, B], *[B, B]]


def test_a_single_sample():
    output, target = drawn("values", count=3)
    output, target = output[:1], target[:1]
    found = MixLoss(lambda o, y: (o - y).square().mean(1))(output, target)
    torch.testing.assert_close(found, MixLoss(nn.MSELoss())(output, target))


def test_a_backward_that_sees_the_own_target_alone():
    class Squares(torch.autograd.Function):
        @staticmethod
        def forward(ctx, output, target):
            ctx.save_for_backward(output, target)
            return (output - target).square().mean()

        @staticmethod
        def backward(ctx, gradient):
            output, target = ctx.saved_tensors
            return gradient * 2 * (output - target) / output.numel(), None

    def criterion(output, target):
        return Squares.apply(output, target) + F.mse_loss(output, target)

    output, target = drawn("values")
    with pytest.raises(ValueError, match="criterion cannot be mixed exactly"):
        MixLoss(criterion)(output, target)


def test_no_draw_is_moved_by_the_proof():
    class Noisy(nn.MSELoss):
        def forward(self, output, target):
            return super().forward(output + torch.randn_like(output), target)

    noisy, (output, target) = Noisy(), drawn("values")
    torch.manual_seed(3)
    expected = F.mse_loss(output + torch.randn_like(output), as_tensors(target))
    following = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(MixLoss(noisy)(output, target), expected)
    assert torch.equal(torch.rand(2), following)


# -- Losses of samples that depend on others


def each(output, target, **options):
    return F.cross_entropy(output, target, reduction="none", **options)


def of_its_class(output, target):
    return (torch.cdist(output, output) * (target[:, None] == target)).sum(1)


COUPLED = {
    "others of its class": of_its_class,
    "others of its class, by numbers": lambda o, y: of_its_class(o, torch.tensor(y.tolist())),
    "others of other classes": lambda o, y: (o @ o.T * (y[:, None] != y)).sum(1),
    "how many are of its class": lambda o, y: each(o, y) / torch.bincount(y, minlength=C)[y],
    "a softmax over the batch": lambda o, y: each(o, y) * each(o, y).softmax(0),
    "a rank": lambda o, y: each(o, y) * each(o, y).argsort().argsort(),
}  # fmt: skip


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 3, 2], [0, 1, 2, 3], [1, 1, 1, 1, 1]])
@pytest.mark.parametrize("loss", COUPLED.values(), ids=COUPLED)
def test_losses_of_samples_that_depend_on_others_are_refused(loss, labels):
    output, _ = drawn("classes", count=len(labels))
    own = torch.tensor(labels)
    target = MixedTarget(own, own.roll(1), torch.linspace(0.6, 1, len(own)))
    mixed = MixLoss(lambda o, y: loss(o, y))
    if loss is COUPLED["others of other classes"] and len(own.unique()) == 1:  # there are none yet
        assert mixed(output, target) == 0
        target.own[0] = 2
    with pytest.raises(ValueError, match="cannot be mixed exactly"):
        mixed(output, target)


@pytest.mark.parametrize("loss", [
    lambda o, y: each(o, y) / len(y),  # of the number of samples alone
    lambda o, y: each(o, y) * BY_CLASS[y] / BY_CLASS[y].mean(),
])  # fmt: skip
def test_sums_over_the_batch_are_counted_in_losses_of_samples(loss):
    output, target = drawn("classes")
    target.own.clamp_(min=0)
    scale = 4 if "mean" not in loss.__code__.co_names else 1
    found = MixLoss(loss)(output, target)
    torch.testing.assert_close(found, replicated(loss, output, target).mean() * scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rounding_is_no_dependence(dtype):
    output, target = drawn("classes", count=33)
    table = torch.randn(C, C, generator=torch.Generator().manual_seed(0))
    target.own.clamp_(min=0)

    def losses(o, y):
        return each((o.to(dtype) @ table.to(dtype)).float().log_softmax(1).to(dtype), y)

    expected = target.weight.to(dtype) * losses(output, target.own)
    expected += (1 - target.weight).to(dtype) * losses(output, target.partner)
    torch.testing.assert_close(MixLoss(losses)(output, target), expected.mean())


@pytest.mark.parametrize("draw", [
    lambda o, g: F.dropout(o), lambda o, g: o + torch.randn(o.shape, generator=g),
    lambda o, g: o + torch.from_numpy(np.random.rand(*o.shape)),  # noqa: NPY002
    lambda o, g: o * random.random(),
])  # fmt: skip
def test_random_losses_of_samples_are_mixed(draw):
    generator = torch.Generator().manual_seed(2)
    output, target = drawn("values")

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = generator

        def forward(self, o, y):
            return (draw(o, self.generator) - y).square().mean(1)

    criterion = Noisy()
    draws = [state() for state in STATES]
    before = generator.get_state()
    assert MixLoss(criterion)(output, target).isfinite()
    moved = [state() != draw for state, draw in zip(STATES, draws, strict=True)]
    assert moved.count(True) + int(not torch.equal(generator.get_state(), before)) == 1


STATES = [
    lambda: torch.get_rng_state().tolist(),
    lambda: np.random.get_state()[2],  # noqa: NPY002
    random.getstate,
]


def test_a_criterion_that_takes_gradients_itself():
    def with_penalty(output, target):
        (slope,) = torch.autograd.grad(output.square().sum(), output, create_graph=True)
        return (output - target).square().mean(1) + slope.square().mean(1)

    output, target = drawn("values")
    expected = MixLoss(nn.MSELoss())(output, target) + (2 * output).square().mean()
    torch.testing.assert_close(MixLoss(with_penalty)(output, target), expected)


# -- Criteria that keep a state


class Queue(nn.Module):
    """It compares with what it has seen, in a buffer, a list and a count, and keeps a mean."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.register_buffer("seen", torch.zeros(100, C))
        self.register_buffer("mean", torch.zeros(()))
        self.count, self.sizes, self.inner = 0, [], {"calls": [0]}
        self.how = reduction

    def forward(self, output, target):
        past = self.seen[: self.count].clone()
        self.seen[self.count : self.count + len(output)] = output.detach()
        self.count += len(output)
        self.sizes.append(len(output))
        self.inner["calls"][0] += 1
        self.mean = 0.9 * self.mean + 0.1 * output.detach().mean()
        losses = (output - target - self.mean).square().mean(1)
        losses = losses + (past.sum() if len(past) else 0)
        return losses if self.how == "none" else losses.mean()


@pytest.mark.parametrize("wrap", [
    lambda c: c, lambda c: lambda o, y: c(o, y), functools.partial, lambda c: c.forward,
])  # fmt: skip
@pytest.mark.parametrize("how", ["mean", "none"])
def test_each_batch_changes_the_state_once(how, wrap):
    criterion, plain = Queue(how), Queue(how)
    loss = MixLoss(wrap(criterion))
    for seed in range(3):
        output, target = drawn("values", seed)
        at_own, at_partner = copy.deepcopy(plain), copy.deepcopy(plain)
        at_own.how = at_partner.how = "none"
        expected = target.weight * at_own(output, target.own)
        expected += (1 - target.weight) * at_partner(output, target.partner)
        found = loss(output, target)
        torch.testing.assert_close(found, expected.mean())
        found.backward()
        plain(output, target.own)
        assert vars(criterion).keys() == vars(plain).keys()
        assert (criterion.count, criterion.sizes) == (plain.count, plain.sizes)
        assert criterion.inner == plain.inner == {"calls": [seed + 1]}
        assert torch.equal(criterion.seen, plain.seen)
        torch.testing.assert_close(criterion.mean, plain.mean)


# -- Shapes


ELEMENTWISE = [
    F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.kl_div, F.poisson_nll_loss,
    F.soft_margin_loss, F.hinge_embedding_loss, F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits, functools.partial(F.gaussian_nll_loss, var=1.0),
    nn.MSELoss(), nn.HuberLoss(), ScaledMSELoss(2.0),
    lambda o, y: F.mse_loss(o, y), lambda o, y: F.l1_loss(o, y, reduction="none"),
]  # fmt: skip


@pytest.mark.parametrize("criterion", ELEMENTWISE)
@pytest.mark.parametrize(
    ("shape", "other"), [((3, 1), (3,)), ((3,), (3, 1)), ((3, 3, 1), (3, 3)), ((3, 3), (3,))]
)  # fmt: skip
def test_values_are_compared_with_outputs_of_their_shape(criterion, shape, other):
    target = MixedTarget(*torch.rand(2, *other), torch.rand(other[0]))
    output = torch.rand(shape)
    for read in (MixLoss(criterion), lambda o, y: criterion(o, as_tensors(y))):
        with pytest.raises(ValueError, match=r"the output has shape \(\d.*give both the same"):
            read(output, target)


@pytest.mark.parametrize(("shape", "other"), [((3, 5), (3, 1)), ((3, 1), (3, 5)), ((), (3,))])
def test_values_may_be_broadcast_within_each_sample(shape, other):
    target = MixedTarget(*torch.rand(2, *other), torch.rand(3))
    output = torch.rand(shape)
    with pytest.warns(UserWarning, match="target size"):
        found = MixLoss(nn.L1Loss())(output, target)
    expected = (output - target.own).abs() * target.weight.view(-1, *[1] * (len(other) - 1))
    expected += (output - target.partner).abs() * (1 - target.weight).view(
        -1, *[1] * (len(other) - 1)
    )
    torch.testing.assert_close(found, expected.mean())


# -- Several targets and arguments


def test_criteria_of_more_than_two_arguments_are_refused():
    for criterion in (nn.CTCLoss(), nn.GaussianNLLLoss(), nn.CosineEmbeddingLoss()):
        with pytest.raises(TypeError, match="give MixLoss a function of"):
            MixLoss(criterion)(*drawn("values"))


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_nested_targets(reduction):
    output, classes = drawn("classes")
    found, values = drawn("values", seed=1)
    values.weight = classes.weight
    outputs, targets = {"a": output, "b": [found]}, {"a": classes, "b": [values], "c": "name"}

    def criterion(o, y):
        first = F.cross_entropy(o["a"], y["a"], reduction=reduction)
        second = F.mse_loss(o["b"][0], y["b"][0], reduction=reduction)
        return first + (second.mean(1) if reduction == "none" else second)

    expected = (
        MixLoss(nn.CrossEntropyLoss(reduction=reduction))(output, classes).mean()
        + MixLoss(nn.MSELoss())(found, values)
    )  # fmt: skip
    torch.testing.assert_close(MixLoss(criterion)(outputs, targets), expected)
    own = {"a": classes.own, "b": [values.own], "c": "name"}
    plain = criterion(outputs, own).mean()
    torch.testing.assert_close(MixLoss(criterion)(outputs, own), plain)


def speech(seed):
    """Outputs (B, T, C) of 12 steps, and targets of up to 5 labels with their lengths."""
    g = torch.Generator().manual_seed(seed)
    output = torch.randn(B, 12, C, generator=g, requires_grad=True)
    weight = torch.tensor([0.75, 0.25, 1.0, 0.0, 0.5, 0.25])
    labels = MixedTarget(*torch.randint(1, C, (2, B, 5), generator=g), weight)
    lengths = MixedTarget(*torch.randint(2, 6, (2, B), generator=g), weight)
    return output, {"labels": labels, "lengths": lengths}


def ctc(output, target, reduction="mean"):
    """A wrapper: it divides by the lengths of both targets."""
    log_probs = output.log_softmax(-1).transpose(0, 1)
    steps = torch.full((len(output),), 12)
    return F.ctc_loss(
        log_probs, target["labels"], steps, target["lengths"], reduction=reduction
    )  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc_of_mixed_labels_and_lengths(reduction):
    output, target = speech(0)
    found = MixLoss(functools.partial(ctc, reduction=reduction))(output, target)
    losses = []
    for labels, lengths in (
        (target["labels"].own, target["lengths"].own),
        (target["labels"].partner, target["lengths"].partner),
    ):
        each = ctc(output, {"labels": labels, "lengths": lengths}, "none")
        losses.append(each / lengths if reduction == "mean" else each)
    weight = target["labels"].weight
    expected = weight * losses[0] + (1 - weight) * losses[1]
    expected = {"mean": expected.mean(), "sum": expected.sum(), "none": expected}[reduction]
    torch.testing.assert_close(found, expected)
    (grad,), (other,) = (torch.autograd.grad(x.sum(), output) for x in (found, expected))
    torch.testing.assert_close(grad, other)


def test_two_ctc_losses_of_one_mix():
    """As of letters and of syllables, from two heads."""
    (letters, first), (syllables, second) = speech(0), speech(2)

    def both(output, target, reduction="mean"):
        pairs = zip(output, target, strict=True)
        return sum(ctc(one, y, reduction) for one, y in pairs)

    found = MixLoss(both)((letters, syllables), (first, second))
    expected = MixLoss(ctc)(letters, first) + MixLoss(ctc)(syllables, second)
    torch.testing.assert_close(found, expected)


def test_ctc_with_lengths_of_the_batch():
    output, target = speech(1)
    steps, lengths = torch.full((B,), 12), torch.tensor([5, 3, 2, 5, 4, 1])
    criterion = functools.partial(ctc_of_labels, steps=steps, lengths=lengths)
    expected = criterion(output, target["labels"], mixed=True)
    torch.testing.assert_close(MixLoss(criterion)(output, target["labels"]), expected)


def ctc_of_labels(output, target, steps, lengths, mixed=False):
    log_probs = output.log_softmax(-1).transpose(0, 1)
    if not mixed:
        return F.ctc_loss(log_probs, target, steps, lengths)
    own, partner = (
        F.ctc_loss(log_probs, side, steps, lengths, reduction="none") / lengths
        for side in (target.own, target.partner)
    )
    return (target.weight * own + (1 - target.weight) * partner).mean()


def test_ctc_of_labels_in_one_row_is_refused():
    output, target = speech(0)

    def one_row(output, target):
        return ctc(output, {k: y.flatten() for k, y in target.items()})

    with pytest.raises(ValueError, match="ctc_loss cannot be computed from mixed targets"):
        one_row(output, as_tensors(target))


def test_a_compiled_step_of_any_criterion():
    output, target = drawn("classes")
    loss = MixLoss(Focal(BY_CLASS))
    compiled = torch.compile(loss, backend="eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(output, target), loss(output, target))


def test_overlaps_of_masks_with_a_weight_for_each_pixel():
    """A number for the batch is that of the dense masks; a loss for each sample is refused."""
    output, target = drawn("masks")
    pixels = MixedTarget(target.own, target.partner, torch.rand(B, 8, 8))

    def dice(output, there):
        both, axes = output.softmax(1) * there, (1, 2, 3)
        return 1 - 2 * both.sum(axes) / (output.softmax(1).sum(axes) + there.sum(axes))

    def overlap(output, y):
        return dice(output, F.one_hot(y, C).movedim(-1, 1)).mean()

    expected = dice(output, pixels.dense(C)).mean()
    torch.testing.assert_close(MixLoss(overlap)(output, pixels), expected)
    torch.testing.assert_close(overlap(output, as_tensors(pixels)), expected)
    with pytest.raises(ValueError, match="let it return a loss for each pixel"):
        MixLoss(lambda o, y: dice(o, F.one_hot(y, C).movedim(-1, 1)))(output, pixels)


@pytest.mark.parametrize("returned", [dict, tuple])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_a_criterion_returns_the_loss_alone(returned, is_mixed):
    def parts(output, y):
        loss = F.cross_entropy(output, y)
        return {"loss": loss} if returned is dict else (loss, loss)

    labels = torch.arange(6) % 3
    target = MixUp(seed=0)(torch.rand(6, 2), labels)[1] if is_mixed else labels
    with pytest.raises(TypeError, match=f"parts returned a {returned.__name__}: let it return"):
        MixLoss(parts)(torch.randn(6, 3), target)
