"""Mix: one draw for one batch, and how it is laid."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from vicinal.mixing.blend import blend, check
from vicinal.mixing.target import MixedTarget


@dataclass(frozen=True, eq=False)
class Mix:
    """Who is mixed with whom, and how much: drawn once, laid as often as wanted.

    Args:
        partner: (B,) int64, for each sample the index of the sample mixed into it; a permutation.
        weight: (B,) floats in [0, 1], the share that each sample keeps of itself.

    >>> import torch
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

    def __call__(self, x: Any, *, other: Any = None, inplace: bool = False) -> Any:
        """Lay the mix on a tensor, or on every tensor of a nested batch.

        Args:
            x: (B, ...) floats or uint8, or tuples, lists, dicts and any other pytree of them.
            other: a second batch of the same structure that brings the partners, row i for row i;
                ``partner`` is not looked at then.
            inplace: give the batch away; it is mixed where it lies.

        Returns:
            The mixed batch, of the structure, shapes, dtypes and layouts of ``x``.

        Raises:
            TypeError: a tensor holds integers other than uint8; the sentence names it.
            ValueError: a tensor's first dimension is not the batch this mix was drawn for, or
                ``other`` is not like ``x``.
        """
        if isinstance(x, Tensor):
            return blend(x, self.partner, self.weight, other=other, inplace=inplace)
        leaves, structure = pytree.tree_flatten_with_path(x)
        others = [None] * len(leaves) if other is None else _leaves_like(structure, other)
        # All are checked before one is touched, and one that appears twice is mixed once.
        for (path, leaf), second in zip(leaves, others, strict=True):
            self._check(path, leaf, second, inplace)
        laid: dict[int, Any] = {}
        for (_, leaf), second in zip(leaves, others, strict=True):
            if isinstance(leaf, Tensor) and id(leaf) not in laid:
                laid[id(leaf)] = self(leaf, other=second, inplace=inplace)
        return pytree.tree_unflatten([laid.get(id(leaf), leaf) for _, leaf in leaves], structure)

    def _check(self, path: Any, leaf: Any, other: Any, inplace: bool) -> None:
        if not isinstance(leaf, Tensor):
            return
        try:
            check(leaf, self.partner, other, inplace)
        except (TypeError, ValueError) as error:
            raise type(error)(f"batch{pytree.keystr(path)}: {error}") from None

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
        if isinstance(y, Tensor):
            return self._pair(y, other)
        leaves, structure = pytree.tree_flatten(y)
        others = [None] * len(leaves) if other is None else _leaves_like(structure, other)
        return pytree.tree_unflatten(
            [
                self._pair(leaf, second) if isinstance(leaf, Tensor) else leaf
                for leaf, second in zip(leaves, others, strict=True)
            ],
            structure,
        )

    def _pair(self, y: Tensor, other: Tensor | None) -> MixedTarget:
        if y.ndim == 0 or len(y) != len(self.weight):
            raise ValueError(
                f"the mix was drawn for {len(self.weight)} samples, but the target has shape "
                f"{tuple(y.shape)}: its first dimension must be the batch"
            )
        partner = y[self.partner.to(y.device, non_blocking=True)] if other is None else other
        return MixedTarget(y, partner, self.weight.to(y.device, non_blocking=True))

    def __len__(self) -> int:
        return len(self.weight)


def _leaves_like(structure: Any, other: Any) -> list[Any]:
    leaves, found = pytree.tree_flatten(other)
    if found != structure:
        raise ValueError(
            f"the second batch is built as {found}, the first as {structure}: give both the same"
        )
    return leaves


def first_tensor(batch: Any) -> Tensor:
    """The first tensor of a nested batch: it tells how many samples there are, and where.

    >>> import torch
    >>> first_tensor({"image": torch.zeros(3, 2), "name": ["a", "b", "c"]}).shape
    torch.Size([3, 2])
    """
    for leaf in pytree.tree_leaves(batch):
        if isinstance(leaf, Tensor) and leaf.ndim:
            return leaf
    raise TypeError(f"a batch must hold at least one tensor, not only {type(batch).__name__}")
