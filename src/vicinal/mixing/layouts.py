"""Which axes of a layer's output are the batch, height and width.

Shapes alone don't tell: a sequence may be as long as the batch is large, and a feature map as wide
as it has channels. What is known about torch's own layers decides, then what the sizes prove, and
what neither of them tells is rejected.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.modules import activation, conv, dropout, pooling
from torch.nn.modules.batchnorm import _NormBase

#: Layers that take (B, C, ...) alone.
_CHANNELS_FIRST = (
    conv._ConvNd, _NormBase, nn.GroupNorm, nn.LocalResponseNorm, nn.PixelShuffle,
    nn.PixelUnshuffle, nn.Upsample, nn.AdaptiveAvgPool1d, pooling._AvgPoolNd, pooling._MaxPoolNd,
    pooling._AdaptiveAvgPoolNd, pooling._AdaptiveMaxPoolNd,
)  # fmt: skip
_TRANSFORMERS = (
    nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.TransformerEncoder,
    nn.TransformerDecoder, nn.Transformer,
)  # fmt: skip
_KNOWN_FORWARDS = {
    kind.forward for kind in (*_TRANSFORMERS, nn.MultiheadAttention, nn.RNN, nn.LSTM, nn.GRU)
}


@dataclass(frozen=True)
class Layout:
    """What is known of a layer's output before it is called.

    Args:
        batch: the axis of the batch, in the first output and in all others, such as attention
            weights and recurrent states; None if unknown.
        is_sequence: whether the output is a sequence (B, T, C) or (T, B, C).
        is_embedding: whether the layer embeds integers, be it of samples or of positions.
        may_be_second: whether the model holds layers whose batch is the second axis, so that its
            other layers may have it there, too.
        channels: "first" or "last", in outputs of at least four dimensions, if that is likely.
        is_certain: whether it is not only likely.
        width: the number of channels, if the layer is one of convolutions.
    """

    batch: tuple[int, int] | None = None
    is_sequence: bool = False
    is_embedding: bool = False
    may_be_second: bool = False
    channels: str | None = None
    is_certain: bool = False
    width: int | None = None


def layout_of(model: nn.Module, layer: str) -> Layout:
    """The layout of the output of a layer, by its name in the model.

    >>> layout_of(nn.Sequential(nn.LSTM(3, 4)), "0").batch
    (1, 1)
    >>> layout_of(nn.TransformerEncoderLayer(4, 2, batch_first=True), "linear1").batch
    (0, 0)
    """
    module = model.get_submodule(layer)
    batch, is_sequence = _batch_of(module), True
    if batch is None:
        for parent in _parents(model, layer):
            if isinstance(parent, _TRANSFORMERS):
                batch = _batch_of(parent)
                break
    # Our own networks and tasks say so of layers that would be unknown here.
    is_first = getattr(module, "_batch_is_first", False)
    may_be_second = any(_has_batch_second(inner) for inner in model.modules())
    channels, is_certain = _channels_of(module)
    if not may_be_second:  # else, a block of convolutions may take sequences, and move their axes
        is_first = is_first or channels == "first" or _keeps_up_to(model, layer)
    if batch is None and (is_first or _is_channels_first(module)):
        batch, is_sequence = (0, 0), False
    return Layout(
        batch=batch,
        is_sequence=batch is not None and is_sequence,
        is_embedding=isinstance(module, nn.Embedding),
        may_be_second=may_be_second,
        channels=channels,
        is_certain=is_certain,
        width=_width_of(module) if channels == "first" else None,
    )


def _parents(model: nn.Module, layer: str) -> Iterator[nn.Module]:
    """The modules around a layer, the innermost first."""
    parts = layer.split(".")
    for length in range(len(parts) - 1, -1, -1):
        yield model.get_submodule(".".join(parts[:length]))


def _batch_of(module: nn.Module) -> tuple[int, int] | None:
    """The batch's axis in the first output of one of torch's sequence layers, and in the others."""
    module = _last_of(module)
    if type(module).forward not in _KNOWN_FORWARDS:  # a subclass may return anything
        return None
    if isinstance(module, nn.RNNBase):
        return (0 if module.batch_first else 1), 1  # states are (layers, B, C) in any case
    if isinstance(module, nn.MultiheadAttention):
        return (0 if module.batch_first else 1), 0  # attention weights are (B, T, T) in any case
    if isinstance(module, nn.Transformer):
        return (0, 0) if module.batch_first else (1, 1)
    if isinstance(module, nn.TransformerEncoder | nn.TransformerDecoder):
        return _batch_of(module.layers[0])
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        return (0, 0) if module.self_attn.batch_first else (1, 1)
    return None


def _has_batch_second(module: nn.Module) -> bool:
    is_second = isinstance(module, nn.MultiheadAttention) and not module.batch_first
    return is_second or isinstance(module, nn.RNNBase)


def _is_elementwise(module: nn.Module) -> bool:
    if isinstance(module, nn.MultiheadAttention):
        return False
    return isinstance(module, nn.Identity) or type(module).__module__ in (
        activation.__name__,
        dropout.__name__,
    )


def _last_of(module: nn.Module) -> nn.Module:
    """The layer of a chain that determines the layout of its output."""
    while isinstance(module, nn.Sequential):
        inner = [each for each in module if not _is_elementwise(each)]
        if not inner:
            break
        module = inner[-1]
    return module


def _keeps_up_to(model: nn.Module, layer: str) -> bool:
    """Whether a chain of layers, up to this one, leaves the batch the first axis as in its input.

    >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LSTM(4, 2))
    >>> [_keeps_up_to(net, layer) for layer in "012"]
    [True, True, False]
    """
    module, parts = model, layer.split(".")
    for number, part in enumerate(parts):
        if type(module).forward is not nn.Sequential.forward:
            return False
        for name, child in module.named_children():
            if name == part and number < len(parts) - 1:
                module = child  # of which only a part comes before the layer
                break
            if not _keeps_batch_first(child):
                return False
            if name == part:
                return True
    return False


def _keeps_batch_first(module: nn.Module) -> bool:
    if type(module).forward is nn.Sequential.forward:
        return all(_keeps_batch_first(inner) for inner in module.children())
    if isinstance(module, nn.Flatten):
        return module.start_dim > 0
    is_plain = type(module) in (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding)
    return is_plain or _is_elementwise(module) or isinstance(module, _CHANNELS_FIRST)


def _is_channels_first(module: nn.Module) -> bool:
    return isinstance(_last_of(module), _CHANNELS_FIRST)


def _is_channels_last(module: nn.Module) -> bool:
    # Not their subclasses: timm's and torchvision's LayerNorm2d are for (B, C, H, W).
    is_norm = type(module) is nn.LayerNorm and len(module.normalized_shape) == 1
    return type(module) is nn.Linear or is_norm


def _channels_of(module: nn.Module) -> tuple[str | None, bool]:
    """Where the channels of feature maps probably are, and whether that is certain."""
    fmt = getattr(module, "output_fmt", None)  # of timm
    if getattr(fmt, "value", fmt) in ("NCHW", "NHWC"):
        return ("first" if getattr(fmt, "value", fmt) == "NCHW" else "last"), True
    last = _last_of(module)
    if isinstance(last, _CHANNELS_FIRST):
        return "first", True
    if _is_channels_last(last):
        return "last", False
    inner = [each for each in last.modules() if not list(each.children())]
    if any(isinstance(each, _CHANNELS_FIRST) for each in inner) and all(
        isinstance(each, _CHANNELS_FIRST) or _is_elementwise(each) for each in inner
    ):
        return "first", False
    return None, False


def _width_of(module: nn.Module) -> int | None:
    """The number of channels that the last convolution or batch norm of a layer returns."""
    widths = [
        inner.num_features if isinstance(inner, _NormBase) else inner.out_channels
        for inner in module.modules()
        if isinstance(inner, _NormBase | conv._ConvNd)
    ]
    return widths[-1] if widths else None


def are_channels_last(x: Tensor, size: tuple[int, ...], layout: Layout) -> bool:
    """Whether a feature map is (B, ..., H, W, C) rather than (B, C, ..., H, W).

    Args:
        x: of at least four dimensions.
        size: height and width of the images, or depth, height and width of volumes.
        layout: of the layer that has returned it.

    Raises:
        ValueError: it is unknown.
    """
    if layout.is_certain:
        return layout.channels == "last"
    count = len(size)
    first, last = _fits(x.shape[-count:], size), _fits(x.shape[-count - 1 : -1], size)
    by_size = None if first == last else ("first" if first else "last")
    by_type = layout.channels
    found = by_size or by_type
    if layout.is_sequence or (by_type and by_type != found):
        found = None
    if found is None:
        shown = " x ".join(map(str, size)) + (" images" if count == 2 else " volumes")
        which = "height and width" if count == 2 else "depth, height and width"
        raise ValueError(
            f"a tensor of shape {tuple(x.shape)} does not tell where the {which} of {shown} are, "
            "by which boxes and masks are cut: choose layers such as convolutions, which return "
            "feature maps (B, C, H, W)"
        )
    return found == "last"


def _fits(sides: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Whether sides may be those of images of this size, scaled down."""
    return all(
        side == other
        if full == other_full
        # Each side was rounded to a pixel.
        else abs(side * other_full - other * full) <= max(full, other_full)
        for (side, full), (other, other_full) in pairwise(zip(sides, size, strict=True))
    )
