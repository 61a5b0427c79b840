"""Mix: one draw for one batch, and how it is applied."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vicinal.mixing.apply import apply
from vicinal.mixing.arguments import Fields
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import check_same_structure, map_leaves, path_name
from vicinal.mixing.blend import Blend
from vicinal.mixing.move import move
from vicinal.mixing.nested import Integers, apply_nested, is_mixable
from vicinal.mixing.normalize import apply_normalized
from vicinal.mixing.target import MixedTarget, over_rows


@tensors_as_leaves("partner", "weight", "patterns", "other")
@dataclass(frozen=True, eq=False)
class Mix:
    """Who is mixed with whom, how much, and where: drawn once, applied as often as wanted.

    Args:
        partner: (B,) int64, for each sample the index of the sample mixed into it.
        weight: (B,) floats in [0, 1], the share that each sample keeps of itself: the papers' λ.
        patterns: what shows of the partners, one :class:`Pattern` after the other; without any,
            rows are blended by the weights.
        other: ``(x, y)``, the partners row by row, where they come from neither the batch nor a
            second one: from a pool, in which ``partner`` then tells their places.

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
        """Lay the mix on a tensor, or on the tensors of a nested batch.

        Args:
            x: (B, ...) floats or uint8, or tuples, lists, dicts, dataclasses and any other pytree
                of them.
            other: a second batch of the same structure that brings the partners, row i for row i;
                ``partner`` is not looked at then.
            inplace: give the batch away; it is mixed where it lies, but for tensors of it that lie
                in the same memory, of which new ones come back.
            fields: mix only what stands under these dict keys, attributes or positions, and leave
                the rest as it is; None mixes every tensor. ``fields=()`` with ``maximum``
                mixes nothing, and only takes maxima.
            integers: what to do with integer tensors other than uint8 images: "raise", "leave"
                them as they are, or "paste" regions of the partners into them, too.
            maximum: dict keys, attributes or positions of attention masks and lengths: (B, ...)
                tensors of any real dtype, in which the larger of both samples' values counts, for
                each sample of which less than all is its own. They are never blended, whatever
                ``fields`` and ``integers`` say. A mask must be larger where there is something:
                turn one that is true where there is padding around.

        Returns:
            The mixed batch, of the structure, shapes, dtypes and layouts of ``x``.

        Raises:
            TypeError: a tensor holds integers, and nothing was said about them, or something that
                is no tensor holds data or is named in ``maximum``; the sentence names it.
            ValueError: a tensor's first dimension is not the batch this mix was drawn for,
                ``other`` is not like ``x``, there is nothing to mix, or a name in ``maximum`` is
                nowhere in the batch.

        >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.75]))
        >>> series = torch.tensor([[4.0, 0.0], [4.0, 8.0]])
        >>> mix({"series": series, "length": torch.tensor([1, 2])}, maximum="length")
        {'series': tensor([[4., 2.],
                [4., 6.]]), 'length': tensor([2, 2])}
        """
        if other is None and self.other is not None:
            other = self.other[0]
        patterns = self.patterns or (Blend(self.weight),)
        fields, maximum = _several(fields), _several(maximum)
        if isinstance(x, Tensor) and fields is None and maximum is None and is_mixable(x, integers):
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
        """Lay the mix on uint8 images and normalise them: on the CPU in one pass over memory.

        Args:
            x: (B, C, H, W) uint8 images.
            mean, std: of each channel, on the scale of [0, 1].
            dtype: of the result; it is computed in float32 and rounded once.
            other: a second batch like ``x`` that brings the partners, row i for row i.

        Returns:
            ``(x / 255 - mean) / std``, mixed, in the layout of ``x``.

        Raises:
            ValueError: ``x`` is no batch of uint8 images, or there is not one mean and one
                deviation for each channel.

        >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 0.75]))
        >>> x = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
        >>> mix.normalized(x, mean=[0.5], std=[0.5]).flatten()
        tensor([-0.5000,  0.5000])
        """
        patterns = self.patterns or (Blend(self.weight),)
        return apply_normalized(x, self.partner, patterns, mean, std, dtype, other)

    def target(self, y: Any, *, other: Any = None, pixelwise: bool | None = None) -> Any:
        """The mixed target of a tensor, or of every tensor of a nested target.

        What is said of a whole sample becomes a :class:`MixedTarget`. What is said of each pixel of
        an image is mixed as the images are, where that was region by region: patterns that copy
        pixels copy those of the target along with them, so that it stays a tensor of its dtype.
        Patterns that blend make a :class:`MixedTarget` of it; soft masks, one with a weight for
        each pixel.

        Args:
            y: (B, ...) targets, of any dtype: they are paired or copied, never blended.
            other: the second batch's targets, where the partners come from a second batch.
            pixelwise: whether targets (B, ..., H, W) are said of pixels, such as (B, H, W) masks.
                None takes them for that if they have the height and width of the images. True also
                takes those of other sizes, on which the mix covers the same part. It matters only
                where regions of images were mixed, and for at least three dimensions.

        Raises:
            TypeError: the targets are mixed already.
            ValueError: a target's first dimension is not the batch this mix was drawn for, or it
                has to be told whether a target is said of pixels.

        >>> from vicinal.mixing.paste import Masks
        >>> kept = torch.tensor([[[True, False]], [[True, True]]])
        >>> mix = Mix(torch.tensor([1, 0]), torch.tensor([0.5, 1.0]), (Masks(kept),))
        >>> mix.target(torch.tensor([[[2, 2]], [[7, 8]]]))
        tensor([[[2, 8]],
        <BLANKLINE>
                [[7, 8]]])
        """
        if isinstance(y, MixedTarget):
            raise TypeError("the targets are mixed already: mix a batch once, by one mixer")
        if other is None and self.other is not None:
            other = self.other[1]

        if isinstance(y, Tensor) and (other is None or isinstance(other, Tensor)):
            return self._target(y, other, pixelwise)

        def mixed(path: Any, leaf: Any, second: Any = None) -> Any:
            if isinstance(leaf, MixedTarget):
                raise TypeError(
                    f"the target at {path_name(path)} is mixed already: mix a batch once"
                )
            return self._target(leaf, second, pixelwise) if isinstance(leaf, Tensor) else leaf

        return map_leaves(mixed, y, *(() if other is None else (check_same_structure(y, other),)))

    def _target(self, y: Tensor, other: Tensor | None, pixelwise: bool | None) -> Any:
        if y.ndim == 0 or y.shape[0] != self.weight.shape[0]:
            raise ValueError(
                f"the mix was drawn for {len(self.weight)} samples, but the target has shape "
                f"{tuple(y.shape)}: its first dimension must be the batch"
            )
        if self._is_of_pixels(y, pixelwise):
            return self._target_of_pixels(y, other)
        return self._pair(y, y, other, self.weight)

    def _is_of_pixels(self, y: Tensor, pixelwise: bool | None) -> bool:
        if y.ndim < 3 or pixelwise is False:
            return False
        sizes = [pattern.size for pattern in self.patterns if pattern.spatial]
        if not sizes:
            return False
        size = sizes[0]
        if pixelwise is None and tuple(y.shape[-2:]) != tuple(size):
            raise ValueError(
                f"the target has shape {tuple(y.shape)}, but the images have {size[0]} x {size[1]} "
                "pixels: say pixelwise=True if it is a mask or a map of another size, or "
                "pixelwise=False if it is said of whole images"
            )
        return True

    def _target_of_pixels(self, y: Tensor, other: Tensor | None) -> Tensor | MixedTarget:
        copying = tuple(pattern for pattern in self.patterns if pattern.copies)
        blending = [pattern for pattern in self.patterns if not pattern.copies]
        own = apply(y, self.partner, copying, other=other) if copying else y
        if not blending:
            return own
        # What is left of ones under zeros is what the patterns keep.
        size = y.shape[-2:] if any(pattern.spatial for pattern in blending) else ()
        kept = torch.ones(y.shape[0], *size, dtype=torch.float32, device=y.device)
        for pattern in blending:
            if pattern.spatial:
                kept = pattern.apply(kept, torch.zeros_like(kept))
            else:
                kept = kept * over_rows(move(pattern.weight, y.device), kept)
        return self._pair(own, y, other, kept)

    def _pair(self, own: Tensor, y: Tensor, other: Tensor | None, weight: Tensor) -> MixedTarget:
        rows = self.partner
        if not (y.is_cpu and weight.is_cpu):
            rows, weight = move(rows, y.device), move(weight, y.device)
        return MixedTarget(own, y.index_select(0, rows) if other is None else other, weight)

    def tensors(self) -> list[Tensor]:
        """All that was drawn: partner, weight, and a tensor for each pattern."""
        return [self.partner, self.weight, *(pattern.values for pattern in self.patterns)]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Mix":
        """Apply a function to each tensor of the mix, such as a move to a device."""
        patterns = tuple(pattern.map(function) for pattern in self.patterns)
        other = self.other

        def of_leaf(_: Any, leaf: Any) -> Any:
            return function(leaf) if isinstance(leaf, Tensor) else leaf

        if other is not None:
            other = map_leaves(of_leaf, other[0]), map_leaves(of_leaf, other[1])
        return Mix(function(self.partner), function(self.weight), patterns, other)


def _several(fields: Fields | None) -> Collection[str | int] | None:
    # In a tuple: torch 2.6 compiles no union.
    return (fields,) if isinstance(fields, (str, int)) else fields
