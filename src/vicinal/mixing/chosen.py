"""Methods that choose partners themselves, by the targets or by distances.

Only a uniform number for each sample can be drawn by sizes alone. Once the targets are known, in
``complete``, it selects a partner by the inverse of the cumulative distribution of its candidates,
or gives the batch a random order.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from vicinal.mixing.arguments import Fields
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import batch_size, map_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch, rows
from vicinal.mixing.listed import check_lists
from vicinal.mixing.method import Method, Per
from vicinal.mixing.mix import Mix
from vicinal.mixing.nested import Integers
from vicinal.mixing.pattern import Drawn


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class PendingBlend(Blend):
    """A blend whose partners are still to be chosen.

    Args:
        lam: (B,) floats in [0, 1], the share of itself that each row keeps; 1 is neutral.
        number: (B,) uniform floats in [0, 1), each of which will select a partner.
    """

    number: Tensor

    tensors = ("lam", "number")


class OwnPartnersOptions(TypedDict, total=False):
    """The keyword arguments of methods that choose partners themselves.

    There is no ``partners`` and no ``half``, which would determine the partners, and no
    ``pixelwise``, as these methods blend.
    """

    per: Per
    p: float
    fields: Fields | None
    integers: Integers
    maximum: Fields | None
    seed: int | None


class OwnPartners(Method):
    """Blend each sample with one that the method chooses, once the batch is known.

    Subclasses implement :meth:`Method.pattern`, which draws a blend, and :meth:`Mixer.complete`.

    Args:
        **options: of :class:`Method` and :class:`Mixer`: per, p, fields, integers, maximum, seed.
    """

    drawn_types = (PendingBlend,)
    block_size = 16
    # complete() replaces the partners: the order that costs nothing to draw.
    partners: Any = "reverse"

    def __init__(self, **options: Unpack[OwnPartnersOptions]) -> None:
        super().__init__(**options)
        # Not an option of this mixer: without an attribute of its own, the repr does not show it,
        # and wrappers do not adopt it.
        del self.partners

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


class ChosenOptions(OwnPartnersOptions, total=False):
    """The keyword arguments of methods that choose partners by the targets.

    :class:`ChosenPartners` documents them.
    """

    pool: tuple[Any, Any] | None


class ChosenPartners(OwnPartners):
    """Blend each sample with one that is chosen by the targets.

    A sample may be the partner of several others, or of none. Subclasses implement
    :meth:`Method.pattern`, which draws a blend, :meth:`checked_targets` and :meth:`log_probs`.

    Args:
        pool: ``(x, y)``, the samples to choose partners from, such as the whole training set, in
            memory and transformed like the batches; None chooses them from the batch itself.
        per, p: of :class:`Method`.
        fields, integers, maximum, seed: of :class:`Mixer`.
    """

    def __init__(
        self, *, pool: tuple[Any, Any] | None = None, **options: Unpack[OwnPartnersOptions]
    ) -> None:
        super().__init__(**options)
        self._pool = None if pool is None else self._checked_pool(pool)

    @abstractmethod
    def checked_targets(self, y: Any) -> Tensor:
        """The targets as a tensor; a TypeError if the method cannot use them."""

    @abstractmethod
    def log_probs(self, y: Tensor, pool: Tensor | None) -> Tensor:
        """The log-probabilities of all candidates, up to a constant for each row.

        Args:
            y: (B, ...) targets.
            pool: (N, ...) targets of the candidates; None if they are the batch itself.

        Returns:
            (B, N) floats, or (N,) if they are the same for all rows.
        """

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        if batch.other is not None:
            raise ValueError(
                f"{type(self).__name__} chooses the partners itself, by the targets: give it no "
                "second batch and no half, but pool=(x, y) to choose them from elsewhere"
            )
        y = self.checked_targets(batch.y)
        (blend,) = mix.patterns
        assert isinstance(blend, PendingBlend)
        pool = None if self._pool is None else self._pool_for(y, mix.weight.device)
        partner = mix.partner
        if len(y):
            log_probs = self.log_probs(y, None if pool is None else pool[1])
            partner = choose(log_probs, blend.number.to(y.device)).to(partner.device)
        other = None if pool is None else (rows(pool[0], partner), rows(pool[1], partner))
        return Mix(partner, mix.weight, (Blend(blend.lam),), other)

    def _pool_for(self, y: Tensor, device: torch.device) -> tuple[Any, Tensor]:
        """The pool, which is moved to the device of the batch and stays there."""
        assert self._pool is not None
        own = self._pool[1]
        if y.shape[1:] != own.shape[1:] or y.dtype != own.dtype:
            raise ValueError(
                f"a target of the pool is {_kind(own)}, but one of the batch {_kind(y)}: transform "
                "both in the same way"
            )
        if device != own.device:
            self._pool = map_leaves(
                lambda _, leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, self._pool
            )
        return self._pool

    def _checked_pool(self, pool: tuple[Any, Any]) -> tuple[Any, Tensor]:
        if not isinstance(pool, tuple | list) or len(pool) != 2:
            raise TypeError("pool must be a pair, samples and their targets")
        x, y = pool[0], self.checked_targets(pool[1])
        check_lists(x, y, self.fields)
        if not batch_size(x, y):
            raise ValueError("the pool is empty: give it at least one sample")
        if not bool(y.isfinite().all()):
            raise ValueError("the targets in the pool must be finite: remove samples without one")
        return x, y


def choose(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Choose a column for each row, by the inverse of the cumulative distribution.

    Args:
        log_probs: (B, N), or (N,) for all rows: the columns' log-probabilities, up to a constant.
            Columns of -inf are never chosen, unless all are.
        uniform: (B,) floats in [0, 1).

    Returns:
        (B,) int64 columns. No value is read on the CPU, and no generator is needed, as it would be
        for ``torch.multinomial``.

    >>> choose(torch.tensor([0.1, 0.7, 0.2]).log(), torch.tensor([0.05, 0.15, 0.75, 0.85]))
    tensor([0, 1, 1, 2])
    """
    cumulative = log_probs.softmax(-1).cumsum(-1)
    # A uniform that was rounded up to 1 would select a column after the last of any probability.
    uniform = uniform.to(cumulative.dtype).clamp(max=1 - torch.finfo(cumulative.dtype).eps)
    uniform = uniform if cumulative.ndim == 1 else uniform.unsqueeze(1)
    # Rounding makes the sum differ from 1: scale the uniform by the sum instead.
    column = torch.searchsorted(cumulative, uniform * cumulative[..., -1:], right=True)
    return column.flatten().clamp(max=cumulative.shape[-1] - 1)  # if all probabilities are nan


def _kind(y: Tensor) -> str:
    return f"{y.dtype} of shape {tuple(y.shape[1:])}"
