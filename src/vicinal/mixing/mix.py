"""Mix: one draw for one batch, and how it is laid."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import is_blendable, is_named, like, map_leaves, name
from vicinal.mixing.blend import Blend
from vicinal.mixing.lay import check, lay
from vicinal.mixing.normalize import lay_normalized
from vicinal.mixing.pattern import Pattern
from vicinal.mixing.target import MixedTarget

Fields = str | int | Collection[str | int]
Integers = Literal["raise", "leave", "paste"]


@tensors_as_leaves("partner", "weight", "patterns")
@dataclass(frozen=True, eq=False)
class Mix:
    """Who is mixed with whom, how much, and where: drawn once, laid as often as wanted.

    Args:
        partner: (B,) int64, for each sample the index of the sample mixed into it; a permutation.
        weight: (B,) floats in [0, 1], the share that each sample keeps of itself.
        patterns: what shows of the partners; without any, rows are blended by the weights.

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
    patterns: tuple[Pattern, ...] = ()

    def __call__(
        self,
        x: Any,
        *,
        other: Any = None,
        inplace: bool = False,
        fields: Fields | None = None,
        integers: Integers = "raise",
    ) -> Any:
        """Lay the mix on a tensor, or on the tensors of a nested batch.

        Args:
            x: (B, ...) floats or uint8, or tuples, lists, dicts, dataclasses and any other pytree
                of them.
            other: a second batch of the same structure that brings the partners, row i for row i;
                ``partner`` is not looked at then.
            inplace: give the batch away; it is mixed where it lies.
            fields: mix only what stands under these dict keys, attributes or positions, and leave
                the rest as it is; None mixes every tensor.
            integers: what to do with integer tensors other than uint8 images: "raise", "leave"
                them as they are, or "paste" regions of the partners into them, too.

        Returns:
            The mixed batch, of the structure, shapes, dtypes and layouts of ``x``.

        Raises:
            TypeError: a tensor holds integers, and nothing was said about them, or something that
                is no tensor holds data; the sentence names it.
            ValueError: a tensor's first dimension is not the batch this mix was drawn for,
                ``other`` is not like ``x``, or there is nothing to mix.
        """
        patterns = self.patterns or (Blend(self.weight),)
        # In a tuple: torch 2.6 compiles no union.
        fields = (fields,) if isinstance(fields, (str, int)) else fields
        if isinstance(x, Tensor) and fields is None and _is_mixable(x, integers):
            other = None if other is None else like(x, other)
            return lay(x, self.partner, patterns, other=other, inplace=inplace)

        def is_mixed(path: Any, leaf: Any, second: Any = None) -> bool:
            if fields is not None and not is_named(path, fields):
                return False
            try:
                if not _is_mixable(leaf, integers):
                    return False
                check(leaf, self.partner, patterns, second, inplace)
            except (TypeError, ValueError) as error:
                raise type(error)(f"batch{name(path)}: {error}" if path else str(error)) from None
            return True

        # All are checked before one is touched, and one that appears twice is mixed once.
        others = () if other is None else (like(x, other),)
        found: list[bool] = []
        map_leaves(lambda *leaf: found.append(is_mixed(*leaf)), x, *others)
        if not any(found):
            under = "" if fields is None else f" under {', '.join(map(repr, fields))}"
            raise ValueError(f"there is nothing to mix in this batch{under}")
        taken = iter(found)
        laid: list[tuple[Any, Any, Tensor]] = []

        def lay_leaf(path: Any, leaf: Any, second: Any = None) -> Any:
            if not next(taken):
                return leaf
            # By `is`, not by id(), for which torch.compile would make a graph for every batch.
            for own, partners, mixed in laid:
                if own is leaf and partners is second:
                    return mixed
            mixed = lay(leaf, self.partner, patterns, other=second, inplace=inplace)
            laid.append((leaf, second, mixed))
            return mixed

        return map_leaves(lay_leaf, x, *others)

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
        return lay_normalized(x, self.partner, patterns, mean, std, dtype, other)

    def target(self, y: Any, *, other: Any = None) -> Any:
        """The mixed target: a :class:`MixedTarget`, or one for every tensor of a nested target.

        Args:
            y: (B, ...) targets, of any dtype: they are paired, never blended.
            other: the second batch's targets, where the partners come from a second batch.

        Raises:
            TypeError: the targets are mixed already.
            ValueError: a target's first dimension is not the batch this mix was drawn for.
        """
        if isinstance(y, MixedTarget):
            raise TypeError("the targets are mixed already: mix a batch once, by one mixer")

        if isinstance(y, Tensor) and (other is None or isinstance(other, Tensor)):
            return self._pair(y, other)

        def pair(path: Any, leaf: Any, second: Any = None) -> Any:
            if isinstance(leaf, MixedTarget):
                raise TypeError(f"the target at {name(path)} is mixed already: mix a batch once")
            return self._pair(leaf, second) if isinstance(leaf, Tensor) else leaf

        return map_leaves(pair, y, *(() if other is None else (like(y, other),)))

    def _pair(self, y: Tensor, other: Tensor | None) -> MixedTarget:
        if y.ndim == 0 or y.shape[0] != self.weight.shape[0]:
            raise ValueError(
                f"the mix was drawn for {len(self.weight)} samples, but the target has shape "
                f"{tuple(y.shape)}: its first dimension must be the batch"
            )
        rows, weight = self.partner, self.weight
        if not (y.is_cpu and weight.is_cpu):
            rows, weight = (t.to(y.device, non_blocking=True) for t in (rows, weight))
        return MixedTarget(y, y.index_select(0, rows) if other is None else other, weight)

    def tensors(self) -> list[Tensor]:
        """All that was drawn: partner, weight, and a tensor for each pattern."""
        return [self.partner, self.weight, *(pattern.drawn for pattern in self.patterns)]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Mix":
        """Apply a function to each tensor that was drawn, such as a move to a device."""
        patterns = tuple(pattern.map(function) for pattern in self.patterns)
        return Mix(function(self.partner), function(self.weight), patterns)


def _is_mixable(leaf: Any, integers: Integers) -> bool:
    if isinstance(leaf, MixedTarget):
        raise TypeError("this is a mixed target, not samples: mix the samples")
    if not isinstance(leaf, Tensor):
        if leaf is None or isinstance(leaf, (str, bytes, int, float, complex)):
            return False
        raise TypeError(
            f"a {type(leaf).__name__} cannot be mixed: give tensors, or name the fields to mix"
        )
    if leaf.is_floating_point() or is_blendable(leaf) or integers == "paste":
        return True
    if integers == "leave":
        return False
    raise TypeError(
        f"{str(leaf.dtype).removeprefix('torch.')} values cannot be blended: give floats or uint8 "
        "images (for token ids, mix their embeddings), or say integers='leave' or "
        "integers='paste'"
    )
