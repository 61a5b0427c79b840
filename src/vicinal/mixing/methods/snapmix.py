"""SnapMix: paste a box of another sample, and label by how much of the object each box holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Unpack
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.class_indices import are_shares
from vicinal.mixing.completion import Batch
from vicinal.mixing.looking import Context, LooksWithModel, any_mixed, look, observed
from vicinal.mixing.method import MethodOptions
from vicinal.mixing.methods.cutmix import CutMix
from vicinal.mixing.mix import Mix
from vicinal.mixing.paste import Boxes
from vicinal.mixing.pattern import ApplyRow


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Crops(Boxes):
    """Paste a box of the partner, resized, into another box.

    Args:
        corners: (B, 8) int64: the box that is pasted into, as for :class:`Boxes`, and the box of
            the partner that is pasted.
        size: height and width of the images for which the boxes were drawn.

    Pixels are interpolated bilinearly, between the centres of the corner pixels.
    """

    copies = False

    @property
    def weight(self) -> Tensor:
        return Boxes(self.corners[:, :4], self.size).weight

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        return (8,)

    def apply_compiled(
        self, x: Tensor, partner: Tensor, other: Tensor | None, inplace: bool
    ) -> Tensor | None:
        return None

    def row_function(self, x: Tensor) -> ApplyRow:
        corners = self._corners_for(x).tolist()

        def apply_row(row: Tensor, partner: Tensor, i: int) -> None:
            (top, bottom, left, right), crop = corners[i][:4], corners[i][4:]
            if top >= bottom or left >= right:
                return
            first, last, west, east = crop
            patch = partner[..., first:last, west:east]
            for count, of, axis in (
                (right - left, east - west, -1),
                (bottom - top, last - first, -2),
            ):
                low, share = _positions(torch.arange(count, device=row.device), count, 0, of)
                patch = _between(
                    patch.index_select(axis, low),
                    patch.index_select(axis, (low + 1).clamp(max=of - 1)),
                    share.view(-1, *[1] * (-1 - axis)),
                )
            row[..., top:bottom, left:right].copy_(_like(patch, row))

        return apply_row

    def _corners_for(self, x: Tensor) -> Tensor:
        halves = (Boxes(half, self.size) for half in self.corners.split(4, 1))
        box, crop = (half._corners_for(x) for half in halves)
        # On smaller maps a crop may be rounded to nothing: at least one pixel is there to paste.
        sides = torch.tensor(x.shape[-2:], device=crop.device)
        start = crop[:, ::2].minimum(sides - 1)
        stop = torch.maximum(crop[:, 1::2], start + 1)
        return torch.cat((box, torch.stack((start, stop), 2).flatten(1)), 1)

    def _pasted(self, partners: Tensor, corners: Tensor) -> Tensor:
        pasted = partners
        for first, axis in ((0, -2), (2, -1)):
            start, stop, low_edge, high_edge = corners[
                :, [first, first + 1, first + 4, first + 5]
            ].T
            side = partners.shape[axis]
            at = torch.arange(side, device=corners.device) - start[:, None]
            edges = low_edge[:, None], high_edge[:, None].clamp(min=1)
            low, share = _positions(at, (stop - start)[:, None], *edges)
            last = (edges[1] - 1).clamp(max=side - 1)
            shape = [len(partners), *[1] * (partners.ndim - 1)]
            shape[axis] = side

            def taken(index: Tensor, pasted: Tensor = pasted, axis: int = axis) -> Tensor:
                index = index.view(shape).expand(pasted.shape)  # noqa: B023
                return pasted.gather(axis, index)

            low = torch.minimum(low.clamp(min=0), last)
            high = torch.minimum(low + 1, last)
            pasted = _between(taken(low), taken(high), share.clamp(0, 1).view(shape))
        return _like(pasted, partners)


def _positions(at: Tensor, count: Any, start: Any, stop: Any) -> tuple[Tensor, Tensor]:
    """Where pixels ``at`` of ``count`` in a line lie on a line from ``start`` to ``stop``.

    Returns:
        The index of the pixel at or before each, and how far it is towards the next.
    """
    steps = count - 1
    steps = steps.clamp(min=1) if isinstance(steps, Tensor) else max(steps, 1)
    # Not in the default dtype: bfloat16 would skip pixels of large images.
    place = (at * (stop - start - 1)).float() / steps
    low = place.floor()
    return low.long() + start, place - low


def _between(low: Tensor, high: Tensor, share: Tensor) -> Tensor:
    if low.is_complex() or low.dtype == torch.float64:
        return torch.lerp(low, high, share.to(low.dtype))
    return torch.lerp(low.float(), high.float(), share)


def _like(mixed: Tensor, x: Tensor) -> Tensor:
    return (mixed.round() if x.dtype == torch.uint8 else mixed).to(x.dtype)


class SnapMix(LooksWithModel, CutMix):
    """Paste a box of another sample, and label by how much of the object each box holds.

    Two boxes are drawn as for :class:`CutMix`, independently of each other: the partner's box is
    resized into the sample's. The model's class activation maps, of each sample for its own label,
    then say what part of the sample's object the box covers, and what part of the partner's it
    brings. The weight of the label is the share of what is left of the sample in the sum of both.

    For each batch in which it mixes anything, the model is called once more, in evaluation mode and
    without gradients, which takes about a third of the time of a training step.

    Args:
        model: a network for images whose feature maps (B, C, H, W) are pooled and go into one
            linear layer, as those of timm, torchvision and transformers do. None takes the one that
            a Learner trains. It may be compiled or wrapped for distributed training.
        alpha: of the distribution of λ, of which the boxes' areas are 1 - λ; 1 is uniform, 0 mixes
            nothing.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the targets are
            not class indices (B,) or rows of shares (B, C); there is no model, or one without such
            maps.
        RuntimeError: it is called inside a compiled function.

    Source: S. Huang, X. Wang, D. Tao, SnapMix: Semantically Proportional Mixing for Augmenting
    Fine-grained Data, AAAI 2021. Its code draws one pair of boxes for a batch (``per="batch"``). It
    weighs the losses of both labels by what is left of the sample and what came of the partner,
    without dividing by their sum, so that samples count differently; here each counts once. Where
    sample and partner are of the same class, that code gives the sum of both weights to each of the
    two labels, which counts this class twice. It calls the network in training mode, which updates
    the statistics of batch norm twice for each batch. A map that is the same everywhere tells
    nothing: the share is then that of the area, as in that code.

    >>> model = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ... )
    >>> mixer = SnapMix(model, seed=0)
    >>> x, y = mixer(torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 0, 1, 0, 1]))
    >>> x.shape, y.weight.shape
    (torch.Size([6, 3, 8, 8]), torch.Size([6]))
    """

    drawn_types = (Crops,)  # type: ignore[assignment]

    def __init__(
        self,
        model: nn.Module | None = None,
        alpha: float = 5.0,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(alpha, **options)
        self.take_model(model)

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Crops:
        box, crop = (Boxes(self._corners(count, size, generator), size) for _ in range(2))
        both = Crops(torch.cat((box.corners, crop.corners), 1), size)
        return both.only((box.weight < 1) & (crop.weight < 1))

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (crops,) = mix.patterns
        assert isinstance(crops, Crops)
        model, context = self.looking
        if not any_mixed(crops.weight):
            return mix
        device, partner = crops.corners.device, mix.partner
        maps = activation_maps(model, context, batch.x, batch.y, crops.size).to(device)
        if batch.other is None:
            others = maps.index_select(0, partner)
        else:
            others = activation_maps(model, context, *batch.other, crops.size).to(device)
        area = 1 - crops.weight
        own = 1 - _inside(maps, crops.corners[:, :4], area)
        brought = _inside(others, crops.corners[:, 4:], area)
        total = own + brought
        weight = (own / total).where(total > 0, 1 - area).clamp(0, 1)
        return Mix(partner, weight, (crops,))


def _inside(maps: Tensor, boxes: Tensor, area: Tensor) -> Tensor:
    """(B,) the share of each map (B, H, W) that lies in its box; ``area`` for an empty map."""
    inside = []
    for edges, side in zip(boxes.split(2, 1), maps.shape[1:], strict=True):
        at = torch.arange(side, device=boxes.device)
        inside.append(((at >= edges[:, :1]) & (at < edges[:, 1:])).to(maps.dtype))
    rows, columns = inside
    # The sums of the box's lines and of all lines, in one product.
    with torch.autocast(maps.device.type, enabled=False):
        lines = torch.stack((rows, torch.ones_like(rows)), 1) @ maps
    total = lines[:, 1].sum(1)
    return ((lines[:, 0] * columns).sum(1) / total).where(total > 0, area)


def activation_maps(
    model: nn.Module, context: Context, x: Any, y: Any, size: tuple[int, ...]
) -> Tensor:
    """(B, H, W) where in each image the evidence for its label lies: 0 or more, least 0.

    Args:
        model, context, x: as for :func:`look`.
        y: class indices (B,), or rows of shares (B, C).
        size: height and width of the images.
    """
    layers = _LAYERS.get(model)
    if layers is None:
        layers = _LAYERS[model] = _find_layers(model, context, x)
    features, classifier = (model.get_submodule(layer) for layer in layers)
    seen: dict[str, Tensor] = {}
    with observed({features: lambda _, args, output: seen.__setitem__("features", output)}):
        look(model, context, x)
    assert isinstance(classifier, nn.Linear)
    device = classifier.weight.device.type
    with torch.no_grad(), torch.autocast(device, enabled=False):
        evidence = torch.einsum(
            "bchw,bc->bhw", seen["features"].float().relu(), _rows(classifier, y).float()
        )
        maps = F.interpolate(evidence.unsqueeze(1), size, mode="bilinear").squeeze(1)
        return maps - maps.amin((1, 2), keepdim=True)


def _rows(classifier: nn.Linear, y: Any) -> Tensor:
    """(B, C) the classifier's weights for each label."""
    weight, classes = classifier.weight, classifier.out_features
    if are_shares("SnapMix", y, classes):
        return y.to(weight.dtype) @ weight
    try:
        return weight.index_select(0, y.long().to(weight.device))
    except IndexError:
        raise ValueError(f"a label is out of range for {classes} classes") from None


#: The names of the layers of each model, which are found by its first forward pass.
_LAYERS: "WeakKeyDictionary[nn.Module, tuple[str, str]]" = WeakKeyDictionary()


def _find_layers(model: nn.Module, context: Context, x: Any) -> tuple[str, str]:
    """The names of the layer that returns feature maps, and of the linear one that follows."""
    called: list[tuple[str, nn.Module, Any, Any]] = []

    def note(name: str) -> Callable[..., None]:
        return lambda module, args, output: called.append((name, module, args, output))

    with observed({module: note(name) for name, module in model.named_modules() if name}):
        look(model, context, x)
    linear = [index for index, call in enumerate(called) if isinstance(call[1], nn.Linear)]
    last = linear[-1] if linear else 0
    for name, module, args, output in reversed(called[:last]):
        if "Pool" in type(module).__name__ and args and _is_point(args[0]):
            break  # the maps are of one pixel, and those of earlier layers are not classified
        if not isinstance(output, Tensor) or output.ndim < 3 or _is_point(output):
            continue
        if output.ndim == 3:
            break  # tokens: the maps before them are not those that are classified
        classifier: Any = called[last][1]
        if output.ndim == 4 and output.shape[1] == classifier.in_features:
            return name, called[last][0]
    raise VicinalError(
        f"SnapMix finds no feature maps (B, C, H, W) in {type(model).__name__} that are pooled and "
        "go into its last linear layer: take another network, larger images, or CutMix"
    )


def _is_point(maps: Any) -> bool:
    """Whether maps (B, C, H, W) are of one pixel, as pooled ones are."""
    return isinstance(maps, Tensor) and maps.ndim == 4 and maps.shape[-2:] == (1, 1)
