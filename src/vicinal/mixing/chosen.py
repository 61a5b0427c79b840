"""Partners that are chosen by the targets, in the batch itself or in a pool of samples."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypedDict

import torch
from torch import Tensor

from vicinal.mixing.arguments import Fields
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import batch_size, map_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch, rows
from vicinal.mixing.method import Method, Per
from vicinal.mixing.mix import Mix
from vicinal.mixing.nested import Integers
from vicinal.mixing.pattern import Drawn


@tensors_as_leaves("lam", "uniform")
@dataclass(frozen=True, eq=False)
class PendingBlend(Blend):
    """A blend whose partners are still to be chosen, when the targets are known.

    Args:
        lam: (B,) floats in [0, 1], what each row keeps of itself; 1 is neutral.
        uniform: (B,) floats in [0, 1), drawn evenly: which partner it will be.
    """

    uniform: Tensor

    @classmethod
    def from_values(cls, values: Tensor, size: tuple[int, int]) -> Self:
        return cls(*values.unbind(1))

    @classmethod
    def values_shape(cls, size: tuple[int, int]) -> tuple[int, ...]:
        return (2,)

    @property
    def values(self) -> Tensor:
        return torch.stack((self.lam, self.uniform), 1)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*function(self.values).unbind(1))


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

    drawn_types = (PendingBlend,)
    block_size = 16
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
    def checked_targets(self, y: Any) -> Tensor:
        """The targets, or a TypeError that says what targets the method reads."""

    @abstractmethod
    def log_probs(self, y: Tensor, pool: Tensor | None) -> Tensor:
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
    ) -> tuple[Drawn, ...]:
        (blend,) = super().patterns(batches, count, size, generator, step)
        samples = batches * count
        uniform = torch.rand(samples, generator=generator, dtype=torch.float32, device="cpu")
        return (PendingBlend(blend.weight, uniform),)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if batch.other is not None:
            raise ValueError(
                f"{type(self).__name__} chooses the partners itself, by the targets: give it no "
                "second batch and no half, but pool=(x, y) to take them from elsewhere"
            )
        y = self.checked_targets(batch.y)
        (blend,) = mix.patterns
        assert isinstance(blend, PendingBlend)
        pool = None if self._pool is None else self._pool_for(y, mix.weight.device)
        partner = mix.partner
        if len(y):
            log_probs = self.log_probs(y, None if pool is None else pool[1])
            partner = choose(log_probs, blend.uniform.to(y.device)).to(partner.device)
        other = None if pool is None else (rows(pool[0], partner), rows(pool[1], partner))
        return Mix(partner, mix.weight, (Blend(blend.lam),), other)

    def _pool_for(self, y: Tensor, device: torch.device) -> tuple[Any, Tensor]:
        """The pool, moved to the device of the batch, where it stays."""
        assert self._pool is not None
        own = self._pool[1]
        if y.shape[1:] != own.shape[1:] or y.dtype != own.dtype:
            raise ValueError(
                f"a target of the pool is {_kind(own)}, but one of the batch {_kind(y)}: prepare "
                "both alike"
            )
        if device != own.device:
            self._pool = _of_tensors(lambda t: t.to(device), self._pool)
        return self._pool

    def _checked_pool(self, pool: tuple[Any, Any]) -> tuple[Any, Tensor]:
        if not isinstance(pool, tuple | list) or len(pool) != 2:
            raise TypeError("pool must be a pair, samples and their targets")
        x, y = pool[0], self.checked_targets(pool[1])
        if not batch_size(x, y):
            raise ValueError("the pool holds no sample to choose")
        if not bool(y.isfinite().all()):
            raise ValueError("the targets in the pool must be finite numbers")
        return x, y


def choose(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Choose a column for each row, by the inverse of its distribution function.

    Args:
        log_probs: (B, N), or (N,) for all rows alike: logarithms of the columns' probabilities, up
            to a constant; -inf is never chosen where there is anything else.
        uniform: (B,) floats in [0, 1).

    Returns:
        (B,) int64 columns. Nothing about the numbers has to be known on the host.

    >>> choose(torch.tensor([0.1, 0.7, 0.2]).log(), torch.tensor([0.05, 0.15, 0.75, 0.85]))
    tensor([0, 1, 1, 2])
    """
    risen = log_probs.softmax(-1).cumsum(-1)
    # Below 1 also after rounding, so that the uniform lies below the last step upwards.
    uniform = uniform.to(risen.dtype).clamp(max=1 - torch.finfo(risen.dtype).eps)
    uniform = uniform if risen.ndim == 1 else uniform.unsqueeze(1)
    column = torch.searchsorted(risen, uniform * risen[..., -1:], right=True)
    return column.flatten().clamp(max=risen.shape[-1] - 1)  # which it exceeds where all is nan


def _kind(y: Tensor) -> str:
    return f"{y.dtype} of shape {tuple(y.shape[1:])}"


def _of_tensors(function: Callable[[Tensor], Tensor], batch: Any) -> Any:
    return map_leaves(lambda _, leaf: function(leaf) if isinstance(leaf, Tensor) else leaf, batch)
