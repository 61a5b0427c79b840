"""Mix: what was drawn for one batch, and how to apply it to samples and targets."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vicinal.mixing.apply import apply
from vicinal.mixing.arguments import Fields
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import check_same_structure, map_leaves, path_name, share_memory
from vicinal.mixing.blend import Blend
from vicinal.mixing.listed import check_batch
from vicinal.mixing.move import move
from vicinal.mixing.nested import Integers, apply_nested, is_mixable
from vicinal.mixing.normalize import apply_normalized
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.target import (
    ALREADY_MIXED,
    MixedTarget,
    is_mixed_target,
    one_hot,
    over_rows,
)
from vicinal.mixing.tensors import has_channels_last, is_plain, longest
from vicinal.mixing.unsupported import check_supported


@tensors_as_leaves("partner", "weight", "patterns", "other")
@dataclass(frozen=True, eq=False)
class Mix:
    """Who is mixed with whom, how much, and where: drawn once, applied as often as needed.

    A mix is a pytree of tensors, and can be moved, compiled and passed around like them.

    Args:
        partner: (B,) int64, for each sample the index of the sample mixed into it.
        weight: (B,) floats in [0, 1], the share of itself that each sample keeps: the papers' λ
            (``lam``). It is the weight of the targets; the samples are mixed by the patterns.
        patterns: how samples and partners are combined, one :class:`Pattern` after the other;
            without any, rows are blended by the weights.
        other: ``(x, y)``, the partners row by row, if they come from a pool instead of the batch or
            a second one; ``partner`` then holds their indices in the pool.
        kind: from what regions were cut: "images", "planes" (B, 1, H, W) or "series" (B, C, T). It
            matters for float targets, which are maps of images, but may be anything else beside
            planes and series.

    >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.75]))
    >>> mix(torch.tensor([[0.0], [4.0]]))
    tensor([[1.],
            [3.]])
    >>> mix({"left": torch.tensor([[0.0], [4.0]]), "right": torch.tensor([8.0, 0.0])})
    {'left': tensor([[1.],
            [3.]]), 'right': tensor([6., 2.])}
    >>> mix.target(torch.tensor([5, 6])).partner
    tensor([6, 5])
    """

    partner: Tensor
    weight: Tensor
    patterns: tuple[Any, ...] = ()
    other: tuple[Any, Any] | None = None
    kind: str = "images"

    def __call__(
        self,
        x: Any,
        *,
        other: Any = None,
        inplace: bool = False,
        fields: Fields | None = None,
        integers: Integers = "raise",
        maximum: Fields | None = None,
    ) -> Any:
        """Apply the mix to a tensor, or to the tensors of a nested batch.

        Args:
            x: (B, ...) floats or uint8, or tuples, lists, dicts, dataclasses and other pytrees of
                such tensors.
            other: a second batch of the same structure, whose row i is the partner of row i;
                ``partner`` is then ignored.
            inplace: overwrite the tensors of ``x``. Tensors that share memory with another one in
                ``x`` are not overwritten, but replaced by new ones.
            fields: the dict keys, attributes or positions of what to mix; the rest is unchanged.
                None mixes every tensor; ``fields=()`` mixes none, and only applies ``maximum``.
            integers: what to do with integer tensors other than uint8 images: "raise" an error,
                "leave" them unchanged, or "paste" regions of the partners into them.
            maximum: the dict keys, attributes or positions of attention masks and lengths: (B, ...)
                tensors of any real dtype. They become the elementwise maximum of both samples'
                values, for each sample with a share below 1, whatever ``fields`` and ``integers``
                are. The value of a mask must be larger where there is data: invert a mask that is
                true for padding.

        Returns:
            The mixed batch, with the structure, shapes, dtypes and memory layouts of ``x``.

        Raises:
            TypeError: a tensor holds integers and ``integers`` is "raise", or a leaf is not a
                tensor, but holds data or is named in ``maximum``; the message names the leaf.
            ValueError: a tensor's first dimension is not that of the batch this mix was drawn for,
                a list holds, or may hold, an entry for each sample, ``other`` does not match ``x``,
                there is nothing to mix, or a name in ``maximum`` is not in the batch.

        >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.75]))
        >>> series = torch.tensor([[4.0, 0.0], [4.0, 8.0]])
        >>> mix({"series": series, "length": torch.tensor([1, 2])}, maximum="length")
        {'series': tensor([[4., 2.],
                [4., 6.]]), 'length': tensor([2, 2])}
        """
        if not isinstance(x, Tensor):
            check_batch("x", x, (len(self.weight),), _several(fields))
        return self.apply_to_fields(
            x, other=other, inplace=inplace, fields=fields, integers=integers, maximum=maximum
        )

    def apply_to_fields(
        self,
        x: Any,
        *,
        other: Any = None,
        inplace: bool = False,
        fields: Fields | None = None,
        integers: Integers = "raise",
        maximum: Fields | None = None,
    ) -> Any:
        """Apply the mix as a call does, to a batch whose lists :meth:`Mixer.draw` has checked."""
        if other is None and self.other is not None:
            other = self.other[0]
        patterns = self.patterns or (Blend(self.weight),)
        fields, maximum = _several(fields), _several(maximum)
        if is_plain(x) and fields is None and maximum is None and is_mixable(x, integers):
            other = None if other is None else check_same_structure(x, other)
            return apply(x, self.partner, patterns, other=other, inplace=inplace)
        return apply_nested(
            x,
            self.partner,
            patterns,
            other=other,
            inplace=inplace,
            fields=fields,
            integers=integers,
            maximum=maximum,
        )

    def normalized(
        self,
        x: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        dtype: torch.dtype = torch.float32,
        other: Tensor | None = None,
    ) -> Tensor:
        """Apply the mix to uint8 images and normalise them, on the CPU in one pass over memory.

        Args:
            x: (B, C, H, W) uint8 images.
            mean, std: one number for each channel, for pixels scaled to [0, 1].
            dtype: of the result, which is computed in float32 and rounded once.
            other: a second batch like ``x``, whose row i is the partner of row i.

        Returns:
            ``(x / 255 - mean) / std``, mixed, in the memory layout of ``x``.

        Raises:
            ValueError: ``x`` is not a batch of uint8 images, or the numbers of means, standard
                deviations and channels differ.

        >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.75]))
        >>> x = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
        >>> mix.normalized(x, mean=[0.5], std=[0.5]).flatten()
        tensor([-0.5000,  0.5000])
        """
        patterns = self.patterns or (Blend(self.weight),)
        return apply_normalized(x, self.partner, patterns, mean, std, dtype, other)

    def target(self, y: Any, *, other: Any = None, pixelwise: bool | None = None) -> Any:
        """The mixed target of a tensor, or of every tensor of a nested target.

        Targets that describe a whole sample, such as its class, become a :class:`MixedTarget`.

        Targets that describe each pixel, such as a segmentation mask, follow the images if those
        were mixed by regions. Where a pattern copies pixels, the target's are copied with them, and
        the result is a tensor of the same dtype. Where it blends, the result is a
        :class:`MixedTarget`; for soft masks, with a weight for each pixel.

        Args:
            y: (B, ...) targets, of any dtype: they are paired or copied, never blended.
            other: the targets of the second batch, if the partners come from one.
            pixelwise: whether targets (B, ..., H, W) describe each pixel. None decides by whether
                they have the height and width of the images, and raises an error if not; and for
                floats that may be maps or values, such as the forecast of a series. True allows
                other sizes, on which the mix covers the same part. It only matters if images were
                mixed by regions, for targets of at least three dimensions.

        Returns:
            A :class:`MixedTarget` or a tensor, or a nested target of such.

        Raises:
            TypeError: the targets are mixed already.
            ValueError: a target's first dimension is not that of the batch this mix was drawn for,
                a list holds, or may hold, an entry for each sample, or ``pixelwise`` is needed.

        >>> from vicinal.mixing.paste import Masks
        >>> keep = torch.tensor([[[True, False]], [[True, True]]])
        >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.5, 1.0]), (Masks(keep),))
        >>> mix.target(torch.tensor([[[2, 2]], [[7, 8]]]))
        tensor([[[2, 8]],
        <BLANKLINE>
                [[7, 8]]])
        """
        if not isinstance(y, Tensor):
            check_batch("y", y, (len(self.weight),))
        return self.target_of_fields(y, other, pixelwise)

    def target_of_fields(self, y: Any, other: Any, pixelwise: bool | None) -> Any:
        """The mixed target of targets whose lists :meth:`Mixer.draw` has checked."""
        if is_mixed_target(y):
            raise TypeError(ALREADY_MIXED)
        if other is None and self.other is not None:
            other = self.other[1]

        if isinstance(y, Tensor) and (other is None or isinstance(other, Tensor)):
            return self._target(y, other, pixelwise)

        def mixed(path: Any, leaf: Any, second: Any = None) -> Any:
            if is_mixed_target(leaf):
                raise TypeError(
                    f"the target at {path_name(path)} is mixed already: mix a batch once"
                )
            check_supported(leaf)
            return self._target(leaf, second, pixelwise) if isinstance(leaf, Tensor) else leaf

        return map_leaves(mixed, y, *(() if other is None else (check_same_structure(y, other),)))

    def _target(self, y: Tensor, other: Tensor | None, pixelwise: bool | None) -> Any:
        check_supported(y)
        if y.ndim == 0 or y.shape[0] != self.weight.shape[0]:
            raise ValueError(
                f"the mix was drawn for {len(self.weight)} samples, but the target has shape "
                f"{tuple(y.shape)}: its first dimension must be the batch"
            )
        if self._is_pixelwise(y, pixelwise):
            return self._pixelwise_target(y, other)
        return self._pair(y, y, other, self.weight)

    def _is_pixelwise(self, y: Tensor, pixelwise: bool | None) -> bool:
        if y.ndim < 3 or pixelwise is False:
            return False
        size = self._size()
        if size is None:
            return False
        if pixelwise:
            return True
        if y.ndim <= len(size) or _sides(y, size) != size:
            noun, unit = ("volumes", "voxels") if len(size) > 2 else ("images", "pixels")
            raise ValueError(
                f"the target has shape {tuple(y.shape)}, but the {noun} have "
                f"{' x '.join(map(str, size))} {unit}: set pixelwise=True "
                "if it is a mask or a map of another size, or pixelwise=False if it describes "
                f"whole {noun}"
            )
        may_be_values = self.kind == "series" or (self.kind == "planes" and y.ndim == 3)
        if may_be_values and y.is_floating_point():
            raise ValueError(
                f"the target has shape {tuple(y.shape)}, floats of the size of the inputs: set "
                "pixelwise=True if it is a map, cut in the same places as they, or pixelwise=False "
                "if it holds other values, such as a forecast"
            )
        return True

    def _size(self) -> tuple[int, ...] | None:
        """The sides that regions were drawn for, those of volumes where one was cut in depth."""
        sizes = [tuple(pattern.size) for pattern in self.patterns if pattern.spatial]
        return longest(sizes) if sizes else None

    def _pixelwise_target(self, y: Tensor, other: Tensor | None) -> Tensor | MixedTarget:
        size = self._size()
        assert size is not None
        fits_last = tuple(y.shape[-len(size) :]) != size and _sides(y, size) == size
        if y.ndim > len(size) + 1 and (fits_last or has_channels_last(y, size)):
            return self._target_with_channels_last(y, other)
        # At most one pattern is not neutral for a sample, so that copying and blending patterns can
        # be applied independently.
        copying = tuple(pattern for pattern in self.patterns if pattern.copies)
        blending = [pattern for pattern in self.patterns if not pattern.copies]
        own = apply(y, self.partner, copying, other=other) if copying else y
        if not blending:
            return own
        # The share that each pixel keeps: mix a sample of ones with a partner of zeros.
        soft = max((len(pattern.size) for pattern in blending if pattern.spatial), default=0)
        sides = y.shape[y.ndim - soft :]
        lam = torch.ones(y.shape[0], *sides, dtype=torch.float32, device=y.device)
        for pattern in blending:
            if pattern.spatial:
                lam = pattern.apply(lam, torch.zeros_like(lam))
            else:
                lam = lam * over_rows(move(pattern.weight, y.device), lam)
        if any(type(pattern).moved is not Pattern.moved for pattern in blending):
            partner = move(self.partner, y.device)
            other = y.index_select(0, partner) if other is None else other
            for pattern in blending:
                own, other = pattern.moved(own, other)
        return self._pair(own, y, other, lam)

    def _target_with_channels_last(self, y: Tensor, other: Tensor | None) -> Any:
        second = None if other is None else other.movedim(-1, 1)
        mixed = self._pixelwise_target(y.movedim(-1, 1), second)
        if isinstance(mixed, Tensor):
            return mixed.movedim(1, -1)
        if mixed.weight.ndim == 1:
            own, partner = mixed.own.movedim(1, -1), mixed.partner.movedim(1, -1)
            return MixedTarget(own, partner, mixed.weight)
        raise ValueError(
            f"the target has shape {tuple(y.shape)}, with its channels last, but each pixel a "
            "weight of its own: give the channels first, as y.movedim(-1, 1)"
        )

    def _pair(self, own: Tensor, y: Tensor, other: Tensor | None, weight: Tensor) -> MixedTarget:
        partner = self.partner
        if not (y.is_cpu and weight.is_cpu):  # even a call that moves nothing takes time
            partner, weight = move(partner, y.device), move(weight, y.device)
        if other is None:
            return MixedTarget(own, y.index_select(0, partner), weight)
        if other.is_floating_point() and not own.is_floating_point() and other.ndim > own.ndim:
            own = one_hot(own, other.shape[1], other.dtype)  # the partner is a blend of classes
        return MixedTarget(own, other, weight)

    def is_target(self, x: Any, y: Any) -> bool:
        """Whether the target of a mix by regions is the sample itself, as in autoencoders."""
        if not (self.patterns and isinstance(x, Tensor) and isinstance(y, Tensor)):
            return False
        return x.shape == y.shape and self.patterns[0].spatial and share_memory(x, y)

    def cut_from(self, kind: str) -> "Mix":
        """The mix, of regions that were drawn for this kind of samples."""
        if kind == self.kind:
            return self
        return Mix(self.partner, self.weight, self.patterns, self.other, kind)

    def tensors(self) -> list[Tensor]:
        """All tensors of the draw: partner, weight, and the values of each pattern."""
        return [self.partner, self.weight, *(pattern.values for pattern in self.patterns)]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Mix":
        """The mix with a function applied to each of its tensors, such as a move to a device."""
        patterns = tuple(pattern.map(function) for pattern in self.patterns)
        other = self.other

        def of_leaf(_: Any, leaf: Any) -> Any:
            return function(leaf) if isinstance(leaf, Tensor) else leaf

        if other is not None:
            other = map_leaves(of_leaf, other[0]), map_leaves(of_leaf, other[1])
        return Mix(function(self.partner), function(self.weight), patterns, other, self.kind)


def _sides(y: Tensor, size: tuple[int, ...]) -> tuple[int, ...]:
    """The sides of a target (B, ..., H, W), or of (B, ..., H, W, C) if they fit."""
    count = len(size)
    first, last = tuple(y.shape[-count:]), tuple(y.shape[-count - 1 : -1])
    return last if y.ndim > count + 1 and last == size != first else first


def _several(fields: Fields | None) -> Collection[str | int] | None:
    # A tuple of types, because torch 2.6 cannot compile `str | int`.
    return (fields,) if isinstance(fields, (str, int)) else fields
