"""Criteria for several labels and for ordered classes, on plain and mixed targets."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vicinal import (
    AsymmetricLoss,
    BCEWithLogitsLossFlat,
    FocalLoss,
    FocalLossFlat,
    L1LossFlat,
    LabelSmoothingCrossEntropy,
    MixedTarget,
    MixLoss,
    MSELossFlat,
    OrdinalLoss,
    VicinalError,
    accuracy,
    mae,
    ordinal_class,
)

B, L, K = 6, 4, 5


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def multi_hot(seed=1):
    return (random(B, L, seed=seed) > 0).double()


def weight():
    return random(B, seed=9).sigmoid()


class TestAsymmetricLoss:
    @settings(deadline=None)
    @given(
        output=st.floats(-15, 15),  # beyond, 1 - p is not exact enough to compare with
        gamma_pos=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
        gamma_neg=st.sampled_from([0.0, 1.0, 4.0]),
        margin=st.sampled_from([0.0, 0.05, 0.4]),
    )
    def test_it_is_equation_7(self, output, gamma_pos, gamma_neg, margin):
        loss = AsymmetricLoss(gamma_pos, gamma_neg, margin)
        z = torch.tensor([output], dtype=torch.float64)
        p = z.sigmoid()
        q = (p - margin).clamp(min=0)
        there = -((1 - p) ** gamma_pos) * p.log()
        absent = -(q**gamma_neg) * (1 - q).log()
        assert torch.allclose(loss(z, torch.ones(1)), there, rtol=1e-6, atol=1e-12)
        assert torch.allclose(loss(z, torch.zeros(1)), absent, rtol=1e-6, atol=1e-12)

    @pytest.mark.parametrize("gamma_pos", [0.0, 1.0])
    @pytest.mark.parametrize("margin", [0.0, 0.05])
    def test_it_is_that_of_timm(self, gamma_pos, margin):
        timm = pytest.importorskip("timm.loss")
        output, target = random(B, L, seed=2), multi_hot()
        theirs = timm.AsymmetricLossMultiLabel(gamma_neg=4, gamma_pos=gamma_pos, clip=margin)
        theirs.reduction = "sum"  # as all versions did; that of a new one is told by an argument
        ours = AsymmetricLoss(gamma_pos, 4, margin, reduction="sum")
        assert torch.allclose(ours(output, target).float(), theirs(output, target), rtol=1e-5)

    def test_with_all_parameters_0_it_is_binary_cross_entropy(self):
        output, target = random(B, L) * 60, multi_hot()  # where a sigmoid is 0 or 1, too
        for reduction in ("mean", "sum", "none"):
            expected = nn.BCEWithLogitsLoss(reduction=reduction)(output, target)
            assert torch.allclose(AsymmetricLoss(0, 0, 0, reduction)(output, target), expected)

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_a_mixed_target_is_its_blend(self, reduction):
        criterion = AsymmetricLoss(reduction=reduction)
        output, y = random(B, L), MixedTarget(multi_hot(1), multi_hot(2), weight())
        two_losses = MixLoss(criterion)(output, y)
        assert torch.allclose(two_losses, criterion(output, y.dense()))
        none = AsymmetricLoss(reduction="none")
        w = y.weight[:, None]
        expected = w * none(output, y.own) + (1 - w) * none(output, y.partner)
        reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda t: t}[reduction]
        assert torch.allclose(two_losses, reduce(expected))

    @pytest.mark.parametrize("gamma_pos", [0.0, 0.5, 2.0])
    @pytest.mark.parametrize("gamma_neg", [0.0, 1.0, 4.0])
    @pytest.mark.parametrize("margin", [0.0, 0.05])
    def test_gradients(self, gamma_pos, gamma_neg, margin):
        loss = AsymmetricLoss(gamma_pos, gamma_neg, margin)
        output = random(B, L).requires_grad_()
        assert torch.autograd.gradcheck(lambda output: loss(output, multi_hot()), output)
        far = torch.tensor([[-300.0, 300.0], [300.0, -300.0]], requires_grad=True)
        loss(far, torch.tensor([[1.0, 1.0], [0.0, 0.0]])).backward()
        assert bool(far.grad.isfinite().all())

    def test_half_precision_is_computed_in_float32(self):
        output, target = random(B, L).to(torch.bfloat16), multi_hot()
        loss = AsymmetricLoss()(output, target.bool())
        assert loss.dtype == torch.float32
        assert torch.allclose(loss.double(), AsymmetricLoss()(output.double(), target))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"gamma_pos": -1}, "gamma_pos must be 0 or more, and finite, not -1"),
            ({"gamma_neg": float("nan")}, "gamma_neg must be 0 or more, and finite, not nan"),
            ({"margin": 1}, "margin must be between 0 and below 1, not 1"),
            ({"reduction": "average"}, "reduction must be 'mean', 'sum' or 'none', not 'average'"),
        ],
    )
    def test_invalid_settings_raise_one_sentence(self, arguments, message):
        with pytest.raises(VicinalError, match=message):
            AsymmetricLoss(**arguments)

    def test_a_target_of_another_shape_does_not_broadcast(self):
        with pytest.raises(VicinalError, match=r"\(6, 4\), but the target \(6, 1\)"):
            AsymmetricLoss()(random(B, L), torch.ones(B, 1))


LABELS = torch.tensor([0, 1, 2, 3, 4, 2])


class TestOrdinalLoss:
    def test_it_is_the_likelihood_of_being_above_each_threshold(self):
        output = random(B, K - 1)
        losses = OrdinalLoss(K, reduction="none")(output, LABELS)
        p = output.sigmoid()
        for loss, above, label in zip(losses, p, LABELS.tolist(), strict=True):
            right = torch.cat((above[:label], 1 - above[label:]))
            assert torch.allclose(loss, -right.log().sum())

    def test_its_reductions_are_over_samples(self):
        output = random(B, K - 1)
        losses = OrdinalLoss(K, "none")(output, LABELS)
        assert losses.shape == (B,)
        assert torch.allclose(OrdinalLoss(K)(output, LABELS), losses.mean())
        assert torch.allclose(OrdinalLoss(K, "sum")(output, LABELS), losses.sum())

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_a_mixed_target_is_that_of_the_blended_thresholds(self, reduction):
        y = MixedTarget(LABELS, LABELS.flip(0), weight())
        output = random(B, K - 1)
        above = [(labels[:, None] > torch.arange(K - 1)).double() for labels in (y.own, y.partner)]
        blended = MixedTarget(*above, y.weight).dense()
        expected = F.binary_cross_entropy_with_logits(output, blended, reduction="none").sum(1)
        reduce = {"mean": torch.mean, "sum": torch.sum, "none": lambda t: t}[reduction]
        assert torch.allclose(MixLoss(OrdinalLoss(K, reduction))(output, y), reduce(expected))

    def test_missing_by_two_costs_more_than_missing_by_one(self):
        output = torch.tensor([[4.0, 4.0, -4.0, -4.0]]).expand(K, K - 1)  # class 2
        losses = OrdinalLoss(K, "none")(output, torch.arange(K)).tolist()
        assert losses[2] < losses[1] < losses[0]
        assert losses[2] < losses[3] < losses[4]

    def test_two_classes_are_one_binary_cross_entropy(self):
        output, y = random(B, 1), torch.tensor([0, 1, 1, 0, 1, 0])
        expected = F.binary_cross_entropy_with_logits(output[:, 0], y.double())
        assert torch.allclose(OrdinalLoss(2)(output, y), expected)

    def test_the_class_is_the_number_of_thresholds_below(self):
        output = (LABELS[:, None] - torch.arange(K - 1) - 0.5) * 3
        assert torch.equal(ordinal_class(output), LABELS)
        assert mae(ordinal_class(output), LABELS) == 0
        assert accuracy(F.one_hot(ordinal_class(output), K), LABELS) == 1
        assert mae(ordinal_class(-output), LABELS) == pytest.approx((4 + 2 + 0 + 2 + 4 + 0) / 6)

    def test_it_learns_an_order(self):
        x = torch.linspace(-2, 2, 200)[:, None]
        y = (x[:, 0] * K / 4 + K / 2).long().clamp(max=K - 1)
        torch.manual_seed(0)
        model, criterion = nn.Linear(1, K - 1), OrdinalLoss(K)
        optimizer = torch.optim.Adam(model.parameters(), 0.3)
        for _ in range(150):
            criterion(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
        assert mae(ordinal_class(model(x)), y) < 0.1

    def test_its_buffer_moves_and_is_not_saved(self):
        criterion = OrdinalLoss(K).to("meta")
        assert criterion.above.is_meta
        assert not criterion.state_dict()

    @pytest.mark.parametrize("label", [-1, K, -100])
    def test_a_label_out_of_range_raises(self, label):
        with pytest.raises(VicinalError, match=r"not in \[0, 5\)"):
            OrdinalLoss(K)(random(1, K - 1), torch.tensor([label]))

    def test_an_output_for_each_class_raises(self):
        with pytest.raises(VicinalError, match=r"5 ordered classes .* \(B, 4\).*\(6, 5\)"):
            OrdinalLoss(K)(random(B, K), LABELS)
        with pytest.raises(VicinalError, match="num_classes must be 2 or more, not 1"):
            OrdinalLoss(1)


@pytest.mark.parametrize("criterion", [AsymmetricLoss(), OrdinalLoss(L + 1)])
def test_they_compile_with_a_mixed_target(criterion):
    output, labels = random(B, L), torch.tensor([0, 1, 2, 3, 4, 0])
    own = labels if isinstance(criterion, OrdinalLoss) else multi_hot()
    y, loss = MixedTarget(own, own.flip(0), weight()), MixLoss(criterion)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    assert torch.allclose(compiled(output, y), loss(output, y))


def labels(seed):
    return torch.randint(L, (B,), generator=torch.Generator().manual_seed(seed))


CLASS_WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)


class TestFocalLoss:
    def test_is_cross_entropy_without_focus(self):
        found = FocalLoss(gamma=0)(random(B, L), labels(1))
        torch.testing.assert_close(found, F.cross_entropy(random(B, L), labels(1)))

    @pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
    def test_is_the_equation(self, gamma):
        output, y = random(B, L), labels(1)
        p = output.softmax(1)[range(B), y]
        found = FocalLoss(gamma, reduction="none")(output, y)
        torch.testing.assert_close(found, -((1 - p) ** gamma) * p.log())

    def test_a_certain_prediction_has_a_finite_gradient(self):
        output = torch.tensor([[200.0, 0.0]], requires_grad=True)
        FocalLoss(0.5)(output, torch.tensor([0])).backward()
        assert output.grad.isfinite().all()

    def test_classes_along_the_last_axis(self):
        output, y = random(B, 3, L), torch.randint(L, (B, 3))
        found = FocalLossFlat(reduction="none")(output, y)
        expected = FocalLoss(reduction="none")(output.flatten(0, 1), y.flatten())
        torch.testing.assert_close(found.flatten(), expected)

    @pytest.mark.parametrize(
        "kwargs", [{"gamma": -1}, {"gamma": float("nan")}, {"reduction": "no"}]
    )
    def test_what_is_refused(self, kwargs):
        with pytest.raises(VicinalError, match="must be"):
            FocalLoss(**kwargs)


class TestMixedByFastaisNames:
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize(("make", "output", "target"), [
        (FocalLoss, random(B, L), labels),
        (lambda **kw: FocalLoss(1.0, CLASS_WEIGHTS, **kw), random(B, L), labels),
        (FocalLossFlat, random(B, L), labels),
        (LabelSmoothingCrossEntropy, random(B, L), labels),
        (MSELossFlat, random(B, 1), lambda seed: random(B, seed=seed)),
        (L1LossFlat, random(B), lambda seed: random(B, 1, seed=seed)),
        (BCEWithLogitsLossFlat, random(B, L), lambda seed: multi_hot(seed).long()),
    ])  # fmt: skip
    def test_each_target_counts_by_its_share(self, make, output, target, reduction):
        own, partner, share = target(1), target(2), weight()
        found = MixLoss(make(reduction=reduction))(output, MixedTarget(own, partner, share))
        each = [make(reduction="none")(output, y).reshape(B, -1) for y in (own, partner)]
        losses = share[:, None] * each[0] + (1 - share[:, None]) * each[1]
        if reduction == "none":
            torch.testing.assert_close(found.reshape(B, -1), losses)
        else:
            torch.testing.assert_close(found, getattr(losses, reduction)())

    def test_the_default_smoothing_is_a_tenth(self):
        found = LabelSmoothingCrossEntropy()(random(B, L), labels(1))
        torchs = F.cross_entropy(random(B, L), labels(1), label_smoothing=0.1)
        torch.testing.assert_close(found, torchs)
        assert found != LabelSmoothingCrossEntropy(0.2)(random(B, L), labels(1))

    @pytest.mark.parametrize("make", [MSELossFlat, L1LossFlat, BCEWithLogitsLossFlat])
    def test_other_numbers_of_values_are_refused(self, make):
        for shape in ((B, 3), (B - 1, 2), (2, B)):
            with pytest.raises(VicinalError, match="give one number for each target"):
                make()(random(B, 2), random(*shape))
