"""MixLoss is exact for every criterion, and leaves the criterion unchanged."""

import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vicinal import CrossEntropyLossFlat, MixedTarget, MixLoss

B, C = 8, 5


def scores(*shape, dtype=torch.float64):
    return torch.randn(shape or (B, C), dtype=dtype, generator=torch.Generator().manual_seed(1))


def labels(*shape, classes=C):
    g = torch.Generator().manual_seed(2)
    return MixedTarget(
        *torch.randint(classes, (2, *(shape or (B,))), generator=g),
        torch.rand(shape[0] if shape else B, generator=g, dtype=torch.float64),
    )


def values(*shape, dtype=torch.float64):
    g = torch.Generator().manual_seed(3)
    return MixedTarget(
        *torch.rand((2, *(shape or (B, C))), generator=g, dtype=dtype),
        torch.rand(shape[0] if shape else B, generator=g, dtype=dtype),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_the_dense_target(reduction, smoothing):
    criterion = nn.CrossEntropyLoss(reduction=reduction, label_smoothing=smoothing)
    output, y = scores(), labels()
    assert torch.allclose(MixLoss(criterion)(output, y), criterion(output, y.dense(C)))


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_are_those_of_the_dense_target(reduction, smoothing):
    weight = torch.rand(C, dtype=torch.float64) + 0.1
    criterion = nn.CrossEntropyLoss(weight, reduction=reduction, label_smoothing=smoothing)
    output, y = scores(), labels()
    if smoothing:
        # torch smooths indices by class weight, dense rows before weighting: the definition holds.
        per = nn.CrossEntropyLoss(weight, reduction="none", label_smoothing=smoothing)
        expected = y.weight * per(output, y.own) + (1 - y.weight) * per(output, y.partner)
        expected = expected.sum() if reduction == "sum" else expected
    else:
        expected = criterion(output, y.dense(C))
    assert torch.allclose(MixLoss(criterion)(output, y), expected)


def test_the_weighted_mean_weights_each_label_by_its_share():
    weight = torch.rand(C, dtype=torch.float64) + 0.1
    criterion = nn.CrossEntropyLoss(weight)
    output, y = scores(), labels()
    # The criterion on 2B samples, of which each has a share.
    shares = torch.cat([y.weight, 1 - y.weight])
    both = torch.cat([y.own, y.partner])
    nll = F.nll_loss(output.repeat(2, 1).log_softmax(1), both, weight, reduction="none")
    expected = (shares * nll).sum() / (shares * weight[both]).sum()
    assert torch.allclose(MixLoss(criterion)(output, y), expected)


@pytest.mark.parametrize("criterion", [
    nn.CrossEntropyLoss(torch.tensor([0.1, 0.5, 1.0, 2.0, 3.0], dtype=torch.float64)),
    nn.CrossEntropyLoss(ignore_index=2),
    nn.CrossEntropyLoss(torch.arange(1.0, 6.0, dtype=torch.float64), ignore_index=2,
                        label_smoothing=0.1),
    functools.partial(F.cross_entropy, ignore_index=2),
    F.nll_loss,
])  # fmt: skip
def test_with_weight_1_it_is_the_plain_loss(criterion):
    output, y = scores(), labels()
    unmixed = MixedTarget(y.own, y.partner, torch.ones(B, dtype=torch.float64))
    turned = MixedTarget(y.partner, y.own, torch.zeros(B, dtype=torch.float64))
    plain = criterion(output, y.own)
    assert torch.allclose(MixLoss(criterion)(output, y.own), plain)
    assert torch.allclose(MixLoss(criterion)(output, unmixed), plain)
    assert torch.allclose(MixLoss(criterion)(output, turned), plain)


def test_an_infinite_loss_with_share_0_does_not_count():
    output = torch.tensor([[0.0, 1.0, -torch.inf]], requires_grad=True)
    y = MixedTarget(torch.tensor([0]), torch.tensor([2]), torch.ones(1))
    loss = MixLoss(nn.CrossEntropyLoss())(output, y)
    assert torch.allclose(loss, F.cross_entropy(output, y.own))
    (gradient,) = torch.autograd.grad(loss, output)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_infinite_losses_of_any_criterion(share):
    def log_loss(output, target):
        return -(output * target + (1 - output) * (1 - target)).log()

    output = torch.tensor([0.0, 0.5])
    y = MixedTarget(torch.tensor([1.0, 0]), torch.tensor([0.0, 1]), torch.tensor([share, share]))
    turned = MixedTarget(y.partner, y.own, 1 - y.weight)
    expected = torch.inf if share else torch.tensor(0.5).log().neg() / 2
    assert MixLoss(log_loss)(output, y) == expected
    assert MixLoss(log_loss)(output, turned) == expected


@pytest.mark.parametrize("reduction", ["average", "Mean", None])
def test_a_criterion_may_ignore_its_reduction(reduction):
    class Own(nn.MSELoss):
        def forward(self, input, target):
            return (input - target).square()

    criterion, y = Own(reduction=reduction), values()
    expected = MixLoss(nn.MSELoss(reduction="none"))(scores(), y)
    assert torch.allclose(MixLoss(criterion)(scores(), y), expected)


def test_a_subclass_averages_as_it_does_itself():
    class Focal(nn.CrossEntropyLoss):
        def forward(self, input, target):
            losses = F.cross_entropy(input, target, reduction="none") ** 2
            return losses.sum() / (target != -100).sum()

    output, y = scores(), labels()
    y.own[0] = -100
    per = functools.partial(F.cross_entropy, output, reduction="none")
    total = (y.weight * per(y.own) ** 2 + (1 - y.weight) * per(y.partner) ** 2).sum()
    counted = B - y.weight[0]
    assert torch.allclose(MixLoss(Focal())(output, y), total / counted, rtol=1e-14)


def test_a_callable_object_with_a_reduction():
    class Squared:
        reduction = "sum"

        def __call__(self, output, target):
            loss = (output - target).square()
            return {"none": loss, "sum": loss.sum()}[self.reduction]

    output, y = scores(), values()
    expected = MixLoss(nn.MSELoss(reduction="sum"))(output, y)
    assert torch.allclose(MixLoss(Squared())(output, y), expected)


def test_ignored_pixels_of_either_mask_do_not_count():
    output, y = scores(2, C, 3, 4), labels(2, 3, 4)
    y.own[0, 0], y.partner[1, 2] = -100, -100
    w = y.weight.reshape(2, 1, 1)
    per = functools.partial(F.cross_entropy, output, reduction="none")
    total = (w * per(y.own) + (1 - w) * per(y.partner)).sum()
    counted = (w * (y.own != -100) + (1 - w) * (y.partner != -100)).sum()
    assert torch.allclose(MixLoss(nn.CrossEntropyLoss())(output, y), total / counted)


def test_segmentation_without_ignored_pixels_is_the_dense_loss():
    output, y = scores(2, C, 3, 4), labels(2, 3, 4)
    criterion = nn.CrossEntropyLoss()
    assert torch.allclose(MixLoss(criterion)(output, y), criterion(output, y.dense(C)))


def test_one_hot_pairs_are_their_dense_target():
    weight = torch.rand(C, dtype=torch.float64) + 0.1
    criterion = nn.CrossEntropyLoss(weight)
    y = labels()
    rows = MixedTarget(F.one_hot(y.own, C).double(), F.one_hot(y.partner, C).double(), y.weight)
    assert torch.allclose(MixLoss(criterion)(scores(), rows), criterion(scores(), y.dense(C)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("pos_weight", [None, torch.tensor(2.0)])
def test_binary_cross_entropy_is_that_of_the_dense_target(pos_weight, reduction):
    criterion = nn.BCEWithLogitsLoss(pos_weight=pos_weight, reduction=reduction)
    output, y = scores(), values()
    assert torch.allclose(MixLoss(criterion)(output, y), criterion(output, y.dense()))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("criterion", [nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss])
def test_regression_losses_are_two_losses(criterion, reduction):
    output, y = scores(), values()
    none = criterion(reduction="none")
    w = y.weight[:, None]
    expected = w * none(output, y.own) + (1 - w) * none(output, y.partner)
    expected = {"mean": expected.mean(), "sum": expected.sum(), "none": expected}[reduction]
    assert torch.allclose(MixLoss(criterion(reduction=reduction))(output, y), expected)


def test_the_batch_mean_of_the_divergence():
    criterion = nn.KLDivLoss(reduction="batchmean")
    output, y = scores().log_softmax(1), values()
    none = nn.KLDivLoss(reduction="none")
    w = y.weight[:, None]
    expected = (w * none(output, y.own) + (1 - w) * none(output, y.partner)).sum() / B
    assert torch.allclose(MixLoss(criterion)(output, y), expected)


def test_torch_functions_and_partials():
    output, y = scores(), labels()
    assert torch.allclose(
        MixLoss(F.cross_entropy)(output, y), MixLoss(nn.CrossEntropyLoss())(output, y)
    )
    summed = functools.partial(F.cross_entropy, reduction="sum", label_smoothing=0.1)
    assert torch.allclose(
        MixLoss(summed)(output, y),
        MixLoss(nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.1))(output, y),
    )


def focal(output, target):
    nll = F.cross_entropy(output, target, reduction="none")
    return (1 - (-nll).exp()) ** 2 * nll


def test_a_function_that_returns_a_loss_for_each_sample():
    output, y = scores(), labels()
    expected = y.weight * focal(output, y.own) + (1 - y.weight) * focal(output, y.partner)
    assert torch.allclose(MixLoss(focal)(output, y), expected.mean())
    assert torch.allclose(MixLoss(focal)(output, y.own), focal(output, y.own).mean())


def test_a_custom_module_with_a_reduction():
    class Focal(nn.Module):
        def __init__(self, reduction="mean"):
            super().__init__()
            self.reduction = reduction

        def forward(self, output, target):
            loss = focal(output, target)
            return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[self.reduction]

    output, y = scores(), labels()
    assert torch.allclose(MixLoss(Focal())(output, y), MixLoss(focal)(output, y))
    assert torch.allclose(MixLoss(Focal("sum"))(output, y), MixLoss(focal)(output, y) * B)


def test_a_loss_of_the_hardest_samples_raises_for_mixed_targets_alone():
    def hardest(output, target):
        return focal(output, target).topk(3).values.mean()

    assert MixLoss(hardest)(scores(), labels().own) == hardest(scores(), labels().own)
    with pytest.raises(ValueError, match=r"hardest cannot be mixed .*topk cannot be"):
        MixLoss(hardest)(scores(), labels())


def test_a_class_in_place_of_a_criterion_raises():
    with pytest.raises(TypeError, match=r"CrossEntropyLoss\(\)"):
        MixLoss(nn.CrossEntropyLoss)
    with pytest.raises(TypeError, match="not 3"):
        MixLoss(3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_dtype_of_outputs(dtype):
    output, y = scores(dtype=dtype), labels()
    y = MixedTarget(y.own, y.partner, y.weight.float())
    loss = MixLoss(nn.CrossEntropyLoss())(output, y)
    assert loss.dtype == dtype
    exact = nn.CrossEntropyLoss()(output.double(), y.dense(C).double())
    assert torch.allclose(loss.double(), exact, rtol=torch.finfo(dtype).eps * 8)


def test_gradients():
    loss = MixLoss(nn.CrossEntropyLoss(label_smoothing=0.1))
    output, y = scores().requires_grad_(), labels()
    assert torch.autograd.gradcheck(lambda output: loss(output, y), output)


def test_the_criterion_is_never_changed():
    criterion = nn.CrossEntropyLoss(torch.ones(C, dtype=torch.float64))
    before = copy.deepcopy(criterion.__dict__)
    loss = MixLoss(criterion)
    loss(scores(), labels())
    loss(scores(), labels().own)
    assert loss.criterion is criterion
    assert criterion.__dict__.keys() == before.keys()
    assert criterion.reduction == "mean"
    assert MixLoss(loss).criterion is criterion


def test_later_moves_of_buffers_count():
    criterion = nn.CrossEntropyLoss(torch.ones(C))
    loss = MixLoss(criterion).double()
    assert criterion.weight.dtype == torch.float64
    loss(scores(), labels())


class Powered(nn.Module):
    """A focal loss with a plain attribute, which knows how often it was called."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma, self.reduction, self.calls = gamma, "mean", 0

    def forward(self, output, target):
        self.calls += 1
        nll = F.cross_entropy(output, target, reduction="none")
        losses = (1 - (-nll).exp()) ** self.gamma * nll
        return losses.mean() if self.reduction == "mean" else losses


def test_later_changes_of_attributes_count():
    criterion, output, y = Powered(0.0), scores(), labels()
    loss = MixLoss(criterion)
    loss(output, y)
    assert criterion.calls == 1  # those that check it at the first batch leave no trace
    loss(output, y)
    assert criterion.calls == 2
    criterion.gamma = 5.0
    assert torch.equal(loss(output, y), MixLoss(Powered(5.0))(output, y))
    soft, rows = nn.CrossEntropyLoss(), values()
    loss = MixLoss(soft)
    soft.label_smoothing = 0.3
    expected = MixLoss(nn.CrossEntropyLoss(label_smoothing=0.3))(output, rows)
    assert torch.equal(loss(output, rows), expected)


@pytest.mark.parametrize("criterion", [
    nn.CrossEntropyLoss(torch.arange(1.0, 6.0, dtype=torch.float64), ignore_index=2),
    CrossEntropyLossFlat(axis=1),
    nn.MSELoss(),
    Powered(2.0),
], ids=lambda criterion: type(criterion).__name__)  # fmt: skip
def test_a_compiled_criterion_is_that_criterion(criterion):
    output, y = scores(), values() if isinstance(criterion, nn.MSELoss) else labels()
    compiled = torch.compile(criterion, backend="eager")
    loss = MixLoss(compiled)
    if not y.own.is_floating_point():
        y.own[0] = getattr(criterion, "ignore_index", -100)
    assert torch.allclose(loss(output, y), MixLoss(criterion)(output, y))
    assert criterion.reduction == compiled.reduction == "mean"
    assert torch.allclose(loss(output, y.own), criterion(output, y.own))


def test_a_criterion_that_forwards_its_reduction_is_restored():
    class Handing:
        def __init__(self):
            self.func = Powered(2.0)

        @property
        def reduction(self):
            return self.func.reduction

        @reduction.setter
        def reduction(self, value):
            self.func.reduction = value

        def __call__(self, output, target):
            return self.func(output, target)

    criterion, output, y = Handing(), scores(), labels()
    assert torch.equal(MixLoss(criterion)(output, y), MixLoss(Powered(2.0))(output, y))
    assert criterion.reduction == "mean"
    with pytest.raises(IndexError):
        MixLoss(criterion)(output[:, :1], y)
    assert criterion.reduction == "mean"


def test_a_module_of_two_losses_compiles_with_its_target():
    loss, y = MixLoss(nn.MSELoss()), values()
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    for _ in range(2):
        assert torch.allclose(compiled(scores(), y), loss(scores(), y))
    assert loss.criterion.reduction == "mean"


def test_a_function_of_each_sample_compiles_with_its_target():
    loss = MixLoss(focal)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    assert torch.allclose(compiled(scores(), labels()), loss(scores(), labels()))


def test_it_compiles_with_its_target():
    loss = MixLoss(nn.CrossEntropyLoss())
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    assert torch.allclose(compiled(scores(), labels()), loss(scores(), labels()))


class TestCrossEntropyLossFlat:
    def test_classes_come_last(self):
        output, y = scores(B, 7, C), torch.randint(C, (B, 7))
        expected = F.cross_entropy(output.flatten(0, 1), y.flatten())
        assert torch.allclose(CrossEntropyLossFlat()(output, y), expected)

    def test_classes_on_another_axis(self):
        output, y = scores(B, C, 4, 4), torch.randint(C, (B, 4, 4))
        assert torch.allclose(CrossEntropyLossFlat(axis=1)(output, y), F.cross_entropy(output, y))

    def test_mixed_sequences(self):
        output, y = scores(B, 7, C), labels(B, 7)
        expected = F.cross_entropy(output.movedim(-1, 1), y.dense(C))
        assert torch.allclose(MixLoss(CrossEntropyLossFlat())(output, y), expected)

    def test_dense_targets(self):
        output = scores(B, 7, C)
        y = scores(B, 7, C).softmax(-1)
        expected = F.cross_entropy(output.movedim(-1, 1), y.movedim(-1, 1))
        assert torch.allclose(CrossEntropyLossFlat()(output, y), expected)


class TestOneLossOnTheBlend:
    """Two losses, shared, and one loss on the blended values: when they are the same."""

    @settings(deadline=None)
    @given(seed=st.integers(0, 2**31))
    def test_of_squares_they_differ_by_what_no_output_changes(self, seed):
        torch.manual_seed(seed)
        output = torch.randn(B, 2, dtype=torch.float64, requires_grad=True)
        own, partner = torch.randn(2, B, 2, dtype=torch.float64)
        y = MixedTarget(own, partner, torch.rand(B, dtype=torch.float64))
        two = MixLoss(nn.MSELoss())(output, y)
        one = F.mse_loss(output, y.dense())
        w = y.weight[:, None]
        assert torch.allclose(two - one, (w * (1 - w) * (own - partner) ** 2).mean())
        gradients = [torch.autograd.grad(loss, output)[0] for loss in (two, one)]
        assert torch.allclose(*gradients)

    @pytest.mark.parametrize("criterion", [nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(delta=0.1)])
    def test_of_other_distances_they_have_other_gradients(self, criterion):
        output = torch.tensor([1.0], requires_grad=True)
        y = MixedTarget(torch.tensor([0.0]), torch.tensor([4.0]), torch.tensor([0.75]))
        (two,) = torch.autograd.grad(MixLoss(criterion)(output, y), output)
        (one,) = torch.autograd.grad(criterion(output, y.dense()), output)
        assert one == 0  # the output is the blend itself
        assert abs(two) > 0.01
