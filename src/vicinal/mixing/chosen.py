"""Partners that are chosen by the targets, in the batch itself or in a pool of samples."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypedDict

import torch
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import batch_size, map_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.method import Method, Per
from vicinal.mixing.mix import Fields, Integers, Mix
from vicinal.mixing.pattern import Pattern


@tensors_as_leaves("lam", "uniform")
@dataclass(frozen=True, eq=False)
class OpenBlend(Blend):
    """A blend whose partners are still to be chosen, when the targets are known.

    Args:
        lam: (B,) floats in [0, 1], what each row keeps of itself; 1 is neutral.
        uniform: (B,) floats in [0, 1), drawn evenly: which partner it will be.
    """

    uniform: Tensor

    @classmethod
    def of(cls, drawn: Tensor, size: tuple[int, int]) -> Self:
        return cls(*drawn.unbind(1))

    @classmethod
    def shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        return (2,)

    @property
    def drawn(self) -> Tensor:
        return torch.stack((self.lam, self.uniform), 1)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*function(self.drawn).unbind(1))


class ChosenOptions(TypedDict, total=False):
    """The keyword arguments of methods that choose partners by the targets."""

    pool: tuple[Any, Any] | None
    per: Per
    p: float
    fields: Fields | None
    integers: Integers
    maximum: Fields | None
    seed: int | None


class ChosenPartners(Method):
    """Blends each sample with one that is chosen by the targets.

    A sample may be the partner of several, or of none.

    Args:
        pool: ``(x, y)``, samples that partners are chosen from, such as the whole training part, in
            memory and prepared as the batches are; None chooses them in the batch itself.
        per, p: of :class:`Method`.
        fields, integers, maximum, seed: of :class:`Mixer`.
    """

    kinds = (OpenBlend,)
    ahead = 16
    # Whom a sample meets is not drawn in advance; this order costs nothing, and is not looked at.
    partners: Any = "reverse"

    def __init__(
        self,
        *,
        pool: tuple[Any, Any] | None = None,
        per: Per = "sample",
        p: float = 1.0,
        fields: Fields | None = None,
        integers: Integers = "raise",
        maximum: Fields | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(per=per, p=p, fields=fields, integers=integers, maximum=maximum, seed=seed)
        del self.partners  # no option of this mixer: that of the class holds
        self._pool = None if pool is None else self._checked_pool(pool)

    @abstractmethod
    def readable(self, y: Any) -> Tensor:
        """The targets, or a TypeError that says what targets the method reads."""

    @abstractmethod
    def log_shares(self, y: Tensor, pool: Tensor | None) -> Tensor:
        """The logarithms of the probabilities of being chosen, up to a constant for each row.

        Args:
            y: (B, ...) targets.
            pool: (N, ...) targets of the samples to choose from; None for those of the batch.

        Returns:
            (B, N) floats, or (N,) where they are the same for all.
        """

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Pattern, ...]:
        (blend,) = super().patterns(batches, count, size, generator, step)
        drawn = batches * count
        uniform = torch.rand(drawn, generator=generator, dtype=torch.float32, device="cpu")
        return (OpenBlend(blend.weight, uniform),)

    def for_targets(self, mix: Mix, y: Any, other: Any = None) -> Mix:
        name = type(self).__name__
        if other is not None:
            raise ValueError(
                f"{name} chooses the partners itself, by the targets: give it no second batch and "
                "no half, but pool=(x, y) where they shall come from elsewhere"
            )
        if self._pool is not None:
            raise ValueError(
                f"this {name} takes the partners from its pool: call it, or draw_from_pool(x, y)"
            )
        return self._chosen(mix, y, None)

    def draw_from_pool(self, x: Any, y: Any) -> tuple[Mix, tuple[Any, Any]]:
        """Draw a mix, and take the partners out of the pool.

        Returns:
            The mix, whose ``partner`` are rows of the pool, and the partners ``(x, y)``: the second
            batch to lay it with, as ``other``. The pool stays on the device of the last batch.

        Raises:
            ValueError: the mixer has no pool.
        """
        if self._pool is None:
            raise ValueError(f"this {type(self).__name__} has no pool: give it pool=(x, y)")
        mix = self._drawn_for(x, y)
        if self.readable(y).shape[1:] != self._pool[1].shape[1:] or y.dtype != self._pool[1].dtype:
            raise ValueError(
                f"a target of the pool is {_kind(self._pool[1])}, but one of the batch {_kind(y)}: "
                "prepare both alike"
            )
        device = mix.weight.device
        if device != self._pool[1].device:
            self._pool = _of_tensors(lambda t: t.to(device), self._pool)
        mix = self._chosen(mix, y, self._pool[1])
        return mix, _of_tensors(lambda t: t.index_select(0, mix.partner), self._pool)

    def __call__(
        self, x: Any, y: Any, *, other: tuple[Any, Any] | None = None, inplace: bool = False
    ) -> tuple[Any, Any]:
        if self._pool is None or other is not None:
            return super().__call__(x, y, other=other, inplace=inplace)
        mix, (other_x, other_y) = self.draw_from_pool(x, y)
        if inplace:
            y = self._spared(x, y)
        return self._apply(mix, x, y, other_x, other_y, inplace)

    def _chosen(self, mix: Mix, y: Any, pool: Tensor | None) -> Mix:
        y = self.readable(y)
        (blend,) = mix.patterns
        assert isinstance(blend, OpenBlend)
        partner = mix.partner
        if len(y):
            partner = choose(self.log_shares(y, pool), blend.uniform.to(y.device)).to(
                partner.device
            )
        return Mix(partner, mix.weight, (Blend(blend.lam),))

    def _checked_pool(self, pool: tuple[Any, Any]) -> tuple[Any, Tensor]:
        if not isinstance(pool, tuple | list) or len(pool) != 2:
            raise TypeError("pool must be a pair, samples and their targets")
        x, y = pool[0], self.readable(pool[1])
        if not batch_size(x, y):
            raise ValueError("the pool holds no sample to choose")
        if not bool(y.isfinite().all()):
            raise ValueError("the targets in the pool must be finite numbers")
        return x, y


def choose(log_shares: Tensor, uniform: Tensor) -> Tensor:
    """Choose a column for each row, by the inverse of its distribution function.

    Args:
        log_shares: (B, N), or (N,) for all rows alike: logarithms of the columns' probabilities, up
            to a constant; -inf is never chosen where there is anything else.
        uniform: (B,) floats in [0, 1).

    Returns:
        (B,) int64 columns. Nothing about the numbers has to be known on the host.

    >>> choose(torch.tensor([0.1, 0.7, 0.2]).log(), torch.tensor([0.05, 0.15, 0.75, 0.85]))
    tensor([0, 1, 1, 2])
    """
    risen = log_shares.softmax(-1).cumsum(-1)
    # Below 1 also after rounding, so that the uniform lies below the last step upwards.
    uniform = uniform.to(risen.dtype).clamp(max=1 - torch.finfo(risen.dtype).eps)
    uniform = uniform if risen.ndim == 1 else uniform.unsqueeze(1)
    column = torch.searchsorted(risen, uniform * risen[..., -1:], right=True)
    return column.flatten().clamp(max=risen.shape[-1] - 1)  # which it exceeds where all is nan


def _kind(y: Tensor) -> str:
    return f"{y.dtype} of shape {tuple(y.shape[1:])}"


def _of_tensors(function: Callable[[Tensor], Tensor], batch: Any) -> Any:
    return map_leaves(lambda _, leaf: function(leaf) if isinstance(leaf, Tensor) else leaf, batch)
