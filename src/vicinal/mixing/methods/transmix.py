"""TransMix: paste a box of another sample, and label by the attention that each part receives."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.mixing.arguments import flag
from vicinal.mixing.completion import Batch
from vicinal.mixing.looking import Context, LooksWithModel, any_mixed, images_of, look
from vicinal.mixing.method import MethodOptions
from vicinal.mixing.methods.cutmix import CutMix
from vicinal.mixing.mix import Mix
from vicinal.mixing.paste import Boxes


class TransMix(LooksWithModel, CutMix):
    """Paste a box of another sample, and label by the attention that each part receives.

    Boxes are those of :class:`CutMix`. The weight of the label is the mean of two shares that a
    sample keeps: that of the pixels, and that of the attention which the class token of a vision
    transformer pays to the patches of the mixed image, in the last layer, averaged over its heads.

    For each batch in which it mixes anything, the model is called once more, in evaluation mode and
    without gradients, which takes about a third of the time of a training step.

    Args:
        model: a vision transformer with a class token, of timm, of transformers, or with layers of
            torch's ``nn.MultiheadAttention``, as torchvision's. None takes the one that a Learner
            trains. It may be compiled or wrapped for distributed training.
        alpha: of the distribution of λ, of which a box has the area 1 - λ; 1 is uniform, 0 mixes
            nothing.
        minmax: the smallest and the largest side of the box; see :class:`CutMix`.
        tokens: whether to round the box to the model's patches, so that every token comes from one
            of both images. A box of less than half a patch then vanishes.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; there is no model,
            or one without a class token; or there is no tensor of images (B, C, H, W).
        RuntimeError: it is called inside a compiled function.

    Source: J.-N. Chen, S. Sun, J. He, P. Torr, A. Yuille, S. Bai, TransMix: Attend to Mix for
    Vision Transformers, CVPR 2022; the mean with the share of pixels is from their
    code, which draws one box for a batch (``per="batch"``), and takes the attention from the
    training pass itself: no pass is added there, but the network has to return it, and what its
    dropout leaves of it is what counts. Boxes of whole tokens are those of TokenMix (J. Liu, B.
    Liu, H. Zhou, H. Li, Y. Liu, ECCV 2022) and of Token-Label Alignment (H. Xiao, W. Zheng, Z. Zhu,
    J. Zhou, J. Lu, ICCV 2023). OpenMixup's version, given a mask, divides the mean of that mask by
    the number of pixels once more, so that the share of pixels is nearly 0.

    >>> from timm.models import VisionTransformer
    >>> model = VisionTransformer(
    ...     img_size=16, patch_size=4, embed_dim=8, depth=1, num_heads=2, num_classes=3
    ... )
    >>> mixer = TransMix(model, tokens=True, seed=0)
    >>> x, y = mixer(torch.rand(6, 3, 16, 16), torch.arange(6) % 3)
    >>> x.shape, y.weight.shape
    (torch.Size([6, 3, 16, 16]), torch.Size([6]))
    """

    def __init__(
        self,
        model: nn.Module | None = None,
        alpha: float = 1.0,
        *,
        minmax: tuple[float, float] | None = None,
        tokens: bool = False,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(alpha, minmax=minmax, **options)
        self.tokens = flag("tokens", tokens)
        self.take_model(model)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (boxes,) = mix.patterns
        model, context = self.looking
        if not any_mixed(boxes.weight):
            return mix
        size = tuple(images_of(batch, "TransMix").shape[-2:])
        patch = _patch_of(model)
        grid = size[0] // patch[0], size[1] // patch[1]
        if self.tokens:
            boxes = _whole_tokens(boxes, patch, grid)
        mix = Mix(mix.partner, boxes.weight, (boxes,))
        mixed = mix.apply_to_fields(
            batch.x,
            other=None if batch.other is None else batch.other[0],
            fields=batch.fields,
            integers=batch.integers,
            maximum=batch.maximum,
        )
        attention = class_attention(model, context, mixed, grid).to(boxes.corners.device)
        own = 1 - _share_inside(attention, boxes)
        return Mix(mix.partner, (boxes.weight + own) / 2, (boxes,))


def _whole_tokens(boxes: Boxes, patch: tuple[int, int], grid: tuple[int, int]) -> Boxes:
    edges = boxes.corners.reshape(-1, 2, 2)  # (B, axis, start and stop)
    side = torch.tensor(patch, device=edges.device)[:, None]
    last = torch.tensor(grid, device=edges.device)[:, None]
    # A stop at the image's end, which need not be that of a patch, stays inside of the grid.
    rounded = (edges / side).round().long().minimum(last) * side
    is_empty = (rounded[..., 0] >= rounded[..., 1]).any(1)
    return Boxes(rounded.flatten(1) * ~is_empty[:, None], boxes.size)


def _share_inside(attention: Tensor, boxes: Boxes) -> Tensor:
    """(B,) the share of the attention (B, h, w) on patches whose first pixel is in the box."""
    inside = []
    sides = zip(attention.shape[1:], boxes.size, boxes.corners.split(2, 1), strict=True)
    for patches, pixels, edges in sides:
        at = torch.arange(patches, device=attention.device) * pixels // patches
        inside.append(((at >= edges[:, :1]) & (at < edges[:, 1:])).to(attention.dtype))
    with torch.autocast(attention.device.type, enabled=False):  # or the shares would be rounded
        share = torch.einsum("bhw,bh,bw->b", attention, *inside) / attention.sum((1, 2))
    return share.clamp(0, 1)


def class_attention(model: nn.Module, context: Context, x: Any, grid: tuple[int, int]) -> Tensor:
    """(B, h, w) float32, what the class token attends to in the last layer, averaged over heads.

    Args:
        model, context, x: as for :func:`look`.
        grid: the number of patches down and across.
    """
    seen: list[Tensor] = []
    with _shown_attention(model, seen.append):
        look(model, context, x)
    name, patches = type(model).__name__, grid[0] * grid[1]
    if not seen:
        raise VicinalError(
            f"TransMix finds no layer of attention in {name}: take a vision transformer of timm, "
            "torchvision or transformers, or CutMix"
        )
    attention = seen[-1]
    prefix = attention.shape[-1] - patches
    if prefix < 1 or not _has_class_token(model):
        raise VicinalError(
            f"TransMix needs a vision transformer with a class token, whose attention shares the "
            f"labels, and {name} has none: take another network, such as deit_tiny_patch16_224, or "
            "CutMix"
        )
    return attention[:, :, 0, prefix:].float().mean(1).view(-1, *grid)


@contextmanager
def _shown_attention(model: nn.Module, show: Callable[[Tensor], None]) -> Iterator[None]:
    """Within this context, the weights (B, heads, N, N) of the attention that is computed last."""
    with ExitStack() as stack:
        fused = [m for m in model.modules() if hasattr(m, "fused_attn") and hasattr(m, "attn_drop")]
        if fused:  # of timm: the last one, by the way that computes weights
            last: Any = fused[-1]
            stack.callback(setattr, last, "fused_attn", last.fused_attn)
            last.fused_attn = False
            hook = last.attn_drop.register_forward_pre_hook(lambda _, args: show(args[0]))
            stack.callback(hook.remove)
        for module in () if fused else model.modules():
            if isinstance(module, nn.MultiheadAttention):
                before = module.register_forward_pre_hook(_with_weights, with_kwargs=True)
                stack.callback(before.remove)
            elif not type(module).__name__.endswith("Attention"):
                continue
            config: Any = getattr(module, "config", None)  # of transformers
            if hasattr(config, "_attn_implementation"):
                stack.callback(setattr, config, "_attn_implementation", config._attn_implementation)
                config._attn_implementation = "eager"

            def after(module: nn.Module, args: Any, output: Any) -> None:
                weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
                if isinstance(weights, Tensor) and weights.ndim == 4:
                    show(weights)

            stack.callback(module.register_forward_hook(after).remove)
        yield


def _with_weights(module: nn.Module, args: Any, options: Any) -> tuple[Any, Any]:
    return args, {**options, "need_weights": True, "average_attn_weights": False}


def _has_class_token(model: nn.Module) -> bool:
    """Whether the first token is one, as far as the model says: register tokens may be first."""
    tokens = [m.cls_token for m in model.modules() if hasattr(m, "cls_token")]
    return not tokens or any(token is not None for token in tokens)


def _patch_of(model: nn.Module) -> tuple[int, int]:
    """Height and width of a vision transformer's patches, in pixels."""
    for module in model.modules():
        embed = getattr(module, "patch_embed", None)  # of timm
        for owner in (embed, getattr(module, "config", None), module):
            patch = getattr(owner, "patch_size", None)
            if isinstance(patch, int):
                return patch, patch
            if isinstance(patch, tuple | list) and len(patch) == 2:
                return int(patch[0]), int(patch[1])
    raise VicinalError(
        f"TransMix finds no patch_size in {type(model).__name__}: take a vision transformer of "
        "timm, torchvision or transformers, or CutMix"
    )
