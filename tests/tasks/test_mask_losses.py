"""The losses of masks, against loops over images and classes, also of mixed masks."""

import pytest
import torch
import torch.nn.functional as F

from vicinal import CutMix, DiceLoss, MixedTarget, MixLoss, MixUp, VicinalError
from vicinal.mixes import parse_mix
from vicinal.tasks.mask_losses import LOSSES, OverlapLoss, check_mix, checked_loss, criterion

B, C, SIDE = 4, 5, 6


def drawn(seed=0, ignored=True):
    g = torch.Generator().manual_seed(seed)
    target = torch.randint(3, (B, SIDE, SIDE), generator=g)  # the last two classes are not there
    target[0] = 1
    if ignored:
        target[1, :2], target[3] = 255, 255
    return 3 * torch.randn(B, C, SIDE, SIDE, generator=g), target


def of_image(output, target, cross_entropy):
    """The loss of one image, (C, H, W) and (H, W), by its definition."""
    probabilities, known = output.softmax(0), target != 255
    losses = []
    for number in target[known].unique().tolist():
        p, t = probabilities[number][known], (target[known] == number).float()
        losses.append(1 - 2 * (p * t).sum() / (p.sum() + t.sum()))
    loss = torch.stack(losses).mean() if losses else torch.zeros(())
    if cross_entropy and bool(known.any()):
        loss = loss + F.cross_entropy(output[:, known].T, target[known])
    return loss


def by_hand(output, target, cross_entropy):
    each = [of_image(o, t, cross_entropy) for o, t in zip(output, target, strict=True)]
    return torch.stack(each)


@pytest.mark.parametrize("cross_entropy", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_its_definition(cross_entropy, ignored):
    output, target = drawn(ignored=ignored)
    output.requires_grad_()
    found = OverlapLoss(cross_entropy=cross_entropy)(output, target)
    wanted = by_hand(output, target, cross_entropy).mean()
    torch.testing.assert_close(found, wanted)
    grads = [torch.autograd.grad(loss, output)[0] for loss in (found, wanted)]
    torch.testing.assert_close(*grads)
    assert bool((grads[0][target.unsqueeze(1).expand_as(output) == 255] == 0).all())


@pytest.mark.parametrize("cross_entropy", [False, True])
def test_of_mixed_masks_it_is_the_weighted_sum(cross_entropy):
    output, target = drawn()
    _, mixed = MixUp(1.0, seed=0)(torch.rand(B, 3, SIDE, SIDE), target)
    own, partner = (by_hand(output, y, cross_entropy) for y in (mixed.own, mixed.partner))
    wanted = (mixed.weight * own + (1 - mixed.weight) * partner).mean()
    loss = MixLoss(OverlapLoss(cross_entropy=cross_entropy))
    torch.testing.assert_close(loss(output, mixed), wanted)
    whole = MixedTarget(target, target.flip(0), torch.ones(B))
    torch.testing.assert_close(loss(output, whole), loss(output, target))


def test_of_pasted_masks_it_is_that_of_the_pasted_mask():
    output, target = drawn()
    _, pasted = CutMix(seed=0)(torch.rand(B, 3, SIDE, SIDE), target)
    found = MixLoss(OverlapLoss())(output, pasted)
    torch.testing.assert_close(found, by_hand(output, pasted, False).mean())


def test_a_right_prediction_has_no_loss():
    _, target = drawn(ignored=False)
    output = 50.0 * F.one_hot(target, C).movedim(-1, 1)
    assert OverlapLoss(cross_entropy=True)(output, target) < 1e-4


def test_an_image_that_is_ignored_has_no_loss_and_no_gradient():
    output, target = drawn()
    output = output[3:].requires_grad_()
    loss = OverlapLoss(cross_entropy=True)(output, target[3:])
    loss.backward()
    assert loss == 0
    assert bool((output.grad == 0).all())


def test_dice_losses_skip_what_is_to_be_ignored():
    """As if these pixels were not in the image."""
    output, target = drawn()
    known = target[1] != 255
    wanted = DiceLoss()(output[1:2, :, known], target[1:2, known])
    torch.testing.assert_close(DiceLoss(ignore_index=255)(output[1:2], target[1:2]), wanted)
    assert DiceLoss()(output[1:2], target[1:2]) != wanted


@pytest.mark.parametrize(("typed", "name"), [
    (None, "ce"), ("ce", "ce"), ("dice", "dice"), ("ce+dice", "ce+dice"), ("dice+ce", "ce+dice"),
])  # fmt: skip
def test_names(typed, name):
    assert checked_loss(typed) == name
    assert (criterion(name) is None) == (name == "ce")


@pytest.mark.parametrize("name", ["bce", "Dice", "dice+dice", "focal", "+"])
def test_unknown_names(name):
    with pytest.raises(VicinalError, match=r"--loss must be ce, dice, ce\+dice for masks, not"):
        checked_loss(name)


def test_masks_with_a_weight_for_each_pixel_have_no_overlap():
    for mix in ("smoothmix", "mixup+smoothmix"):
        check_mix("ce", parse_mix(mix))
        with pytest.raises(VicinalError, match="--loss dice compares whole masks, and --mix"):
            check_mix("dice", parse_mix(mix))
    for loss in LOSSES:
        check_mix(loss, parse_mix("mixup+cutmix+classmix"))
