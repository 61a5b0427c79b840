"""The Dice loss, against its formula; that it is fastai's is in tests/fastai_words."""

import pytest
import torch

from vicinal import DiceLoss, MixedTarget, MixLoss, VicinalError

OUTPUT = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
TARGET = torch.arange(20).view(4, 5) % 3


def by_hand(output, target):
    probabilities = output.softmax(1)
    losses = torch.zeros(output.shape[:2])
    for sample in range(len(output)):
        for kind in range(output.shape[1]):
            p, t = probabilities[sample, kind], (target[sample] == kind).float()
            losses[sample, kind] = 1 - (2 * (p * t).sum() + 1e-6) / (p.sum() + t.sum() + 1e-6)
    return losses


def test_its_formula():
    expected = by_hand(OUTPUT, TARGET)
    torch.testing.assert_close(DiceLoss(reduction="none")(OUTPUT, TARGET), expected)
    torch.testing.assert_close(DiceLoss()(OUTPUT, TARGET), expected.sum())
    torch.testing.assert_close(DiceLoss(reduction="mean")(OUTPUT, TARGET), expected.mean())


def test_pixels_of_no_class_are_true_for_none():
    target = TARGET.clone()
    target[:, 0] = 255
    expected = by_hand(OUTPUT, target)
    torch.testing.assert_close(DiceLoss(reduction="none")(OUTPUT, target), expected)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_of_mixed_masks(reduction):
    other, weight = TARGET.flip(0), torch.tensor([0.25, 0.5, 0.75, 1.0])
    mixed = MixedTarget(TARGET, other, weight)
    each = by_hand(OUTPUT, other).lerp(by_hand(OUTPUT, TARGET), weight[:, None])
    found = MixLoss(DiceLoss(reduction=reduction))(OUTPUT, mixed)
    torch.testing.assert_close(found, getattr(each, reduction)())


@pytest.mark.parametrize(("call", "message"), [
    (lambda: DiceLoss(axis=2), "the class axis 1 alone, not 2"),
    (lambda: DiceLoss(smooth=-1.0), "smooth must be 0 or more, not -1.0"),
    (lambda: DiceLoss(reduction="max"), "reduction must be"),
    (lambda: DiceLoss()(OUTPUT, TARGET[:, :4]), r"\(4, 4\), but this output needs \(4, 5\)"),
])  # fmt: skip
def test_what_is_refused(call, message):
    with pytest.raises(VicinalError, match=message):
        call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_of_many_pixels_in_small_floats(dtype):
    output, target = torch.zeros(1, 2, 70_000), torch.zeros(1, 70_000, dtype=torch.int64)
    output[:, 0] = 3
    torch.testing.assert_close(DiceLoss()(output.to(dtype), target), DiceLoss()(output, target))
