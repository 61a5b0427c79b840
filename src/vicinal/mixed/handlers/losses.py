"""Handlers of torch's losses."""

import functools
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.known_losses import (
    DIVIDED_BY_WEIGHTS,
    ELEMENTWISE,
    ROW_LOSSES,
    KnownLoss,
    check_same_shape,
    weighted_sum,
)
from vicinal.mixed.call import Call
from vicinal.mixed.handlers.totals import total
from vicinal.mixed.tensor import MixedTensor, as_plain, is_mixed, make_mixed, map_mixed, own_targets
from vicinal.mixed.weights import Unsupported, common_weight
from vicinal.mixing.target import MixedTarget

_LOSS_NAMES = """
    cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits
    mse_loss l1_loss smooth_l1_loss huber_loss kl_div poisson_nll_loss gaussian_nll_loss
    soft_margin_loss multilabel_soft_margin_loss multi_margin_loss multilabel_margin_loss
    hinge_embedding_loss margin_ranking_loss cosine_embedding_loss triplet_margin_loss
    triplet_margin_with_distance_loss ctc_loss linear_cross_entropy
"""
LOSSES = {
    found: inspect.signature(found)
    for name in _LOSS_NAMES.split()
    if (found := getattr(F, name, None)) is not None  # torch 2.6 has no linear_cross_entropy
}
_DEPRECATED = {"size_average", "reduce"}  # they override the reduction
_CLASS_LOSSES = (F.cross_entropy, F.nll_loss)


def loss(call: Call) -> Any:
    """One of torch's losses of (output, target)."""
    settings = _settings(call)
    output, target = settings.pop("input"), settings.pop("target")
    if not is_mixed(target) or (call.func is F.l1_loss and _has_lost_its_weight()):
        raise Unsupported
    if call.func in ELEMENTWISE:
        check_same_shape(output, target)
    criterion = KnownLoss(functools.partial(call.func, **settings), settings)
    reduction = settings.get("reduction", "mean")
    if len(call.mixed) == 1 and reduction != "none" and _rows_match(call.func, output, target):
        return criterion(as_plain(output), _as_target(target))
    unreduced = {**settings, "reduction": "none"}
    each = Call(call.func, call.name, (output, target), unreduced, call.mixed)
    own, partner = each.on_both()
    is_of_classes = call.func in _CLASS_LOSSES
    weight = _weight_of_class_losses(each) if is_of_classes else call.common_weight(own.ndim)
    losses = each.mixed_result(own, partner, weight)
    if reduction == "none":
        return losses
    if is_of_classes and losses.shape == target.shape:
        # Their mean counts labels by class weights and ignore_index, which is known there.
        return criterion.reduce(weighted_sum(own, partner, weight), _as_target(target))
    by_value = settings.get("weight") if call.func in DIVIDED_BY_WEIGHTS else None
    if is_of_classes or reduction not in ("mean", "sum"):
        raise Unsupported
    if reduction == "mean" and by_value is not None:
        return _reduced("sum", losses) / _reduced("sum", by_value)
    return _reduced(reduction, losses)


def _has_lost_its_weight() -> bool:
    """Whether ``l1_loss`` was called with a weight.

    torch (2.6 to 2.14) does not hand it on to a tensor's ``__torch_function__``.
    """
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not F.l1_loss.__code__:
        frame = frame.f_back
    return frame is not None and frame.f_locals.get("weight") is not None


def loss_of_rows(call: Call) -> Any:
    """A loss of (B, D) embeddings for each row, averaged plainly."""
    settings = _settings(call)
    return _of_rows(call, settings, settings.get("reduction", "mean"))


def linear_cross_entropy(call: Call) -> Any:
    """Cross-entropy of a last layer's outputs; not in chunks, which would save memory."""
    settings = _settings(call)
    x, matrix, target = (settings.pop(name) for name in ("input", "linear_weight", "target"))
    bias, _ = settings.pop("linear_bias", None), settings.pop("options", None)
    if any(is_mixed(value) for value in (x, matrix, bias)):
        raise Unsupported
    flat = F.linear(x, matrix.flatten(0, -2), None if bias is None else bias.flatten())
    if settings.get("ignore_index", -100) is None:
        del settings["ignore_index"]
    inner = (flat.view(*x.shape[:-1], *matrix.shape[:-1]), target)
    return loss(Call(F.cross_entropy, "cross_entropy", inner, settings, call.mixed))


def ctc_loss(call: Call) -> Any:
    """CTC of (B, S) labels, whose mean divides each loss by the length of its labels."""
    settings = _settings(call)
    targets, lengths = settings["targets"], settings["target_lengths"]
    reduction = settings.get("reduction", "mean")
    if not isinstance(targets, Tensor) or targets.ndim != 2:
        raise Unsupported  # in one row, the labels of a sample have no fixed place
    losses = _of_rows(call, settings, "none")
    if reduction == "mean":
        own, partner = (
            torch.as_tensor(side).to(losses.device).clamp(min=1)
            for side in (own_targets(lengths), map_mixed(lengths, lambda y: y.partner))
        )
        losses = make_mixed(
            as_plain(losses) / own, losses.partner / partner, losses.weight, losses.origin
        )
    return losses if reduction == "none" else _reduced(reduction, losses)


def _settings(call: Call) -> dict[str, Any]:
    """The arguments by name.

    Raises:
        Unsupported: one of them is deprecated.
    """
    arguments = LOSSES[call.func].bind(*call.args, **call.kwargs).arguments
    settings = {k: v for k, v in arguments.items() if k not in _DEPRECATED or v is not None}
    if _DEPRECATED & settings.keys():
        raise Unsupported
    return settings


def _of_rows(call: Call, settings: dict[str, Any], reduction: str) -> Any:
    each = Call(call.func, call.name, (), {**settings, "reduction": "none"}, call.mixed)
    own, partner = each.on_both()
    rows = (len(own),)
    if own.ndim != 1 or any(
        y.weight.numel() != len(own) or y.shape[:1] != rows for y in call.mixed
    ):
        raise Unsupported
    weight = common_weight([tensor.weight.flatten() for tensor in call.mixed], 1)
    losses = each.mixed_result(own, partner, weight)
    return losses if reduction == "none" else _reduced(reduction, losses)


def _reduced(reduction: str, losses: Any) -> Tensor:
    reduce = getattr(Tensor, reduction)
    if not is_mixed(losses):
        plain: Tensor = reduce(losses)
        return plain
    result: Tensor = total(Call(reduce, reduction, (losses,), {}, [losses]))
    return result


def _weight_of_class_losses(call: Call) -> Tensor:
    """The weight of (B, ...) losses, where outputs and soft targets are (B, C, ...)."""
    output, target = call.args
    weights = []
    for tensor in call.mixed:
        has_classes = tensor is output or target.is_floating_point()
        if tensor is not output and tensor is not target:
            raise Unsupported
        if has_classes and (tensor.ndim < 2 or tensor.weight.shape[1] != 1):
            raise Unsupported
        weights.append(tensor.weight.squeeze(1) if has_classes else tensor.weight)
    return common_weight(weights, weights[0].ndim)


def _rows_match(func: Any, output: Tensor, target: Tensor) -> bool:
    """Whether row i of the output belongs to row i of the target, as MixLoss requires."""
    if func in _CLASS_LOSSES:
        return output.ndim >= 2 and output.shape[:1] == target.shape[:1]
    return output.shape == target.shape or (
        func in ROW_LOSSES and output.shape[:1] == target.shape[:1]
    )


def _as_target(tensor: MixedTensor) -> MixedTarget:
    weight = tensor.weight
    if all(size == 1 for size in weight.shape[1:]):
        weight = weight.flatten()
    elif tensor.is_floating_point() and weight.shape[1] == 1 < tensor.shape[1]:
        # Soft maps (B, C, H, W) with a weight for each pixel, the same for all classes.
        weight = weight.squeeze(1).expand(len(tensor), *tensor.shape[2:])
    else:
        weight = weight.expand(tensor.shape)
    return MixedTarget(
        as_plain(tensor), tensor.partner, weight.expand(len(tensor), *weight.shape[1:])
    )
