"""MixLoss: any criterion on plain and on mixed targets."""

import inspect
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.utils import _pytree as pytree

from vicinal.known_losses import (
    Criterion,
    KnownLoss,
    has_reduction,
    is_known,
    may_be_unreduced,
    name_of,
    no_loss_of_each,
    per_sample,
    reduction_of,
    weighted_sum,
)
from vicinal.mixing.batch import copied, first_tensor
from vicinal.mixing.sides import mixed_targets, sides
from vicinal.mixing.target import MixedTarget, fits_rows
from vicinal.rehearsal import is_transformed, is_written, rehearsed
from vicinal.rows import are_of_single_samples, differ, has_fewer_losses


class MixLoss(nn.Module):
    """Let a criterion read mixed targets, exactly.

    For a criterion L, each sample's loss is ``weight * L(output, own) + (1 - weight) *
    L(output, partner)``, before the reduction; ``weight`` is the papers' λ. Targets with a weight
    for each pixel are mixed per pixel in the same way.

    The reduction is the criterion's own. Where its mean skips labels or weights them by class, so
    does the mean here, with each label also weighted by its share. A target with weight 1 therefore
    has exactly the loss of the plain target.

    - torch's own losses, and ours, are called once for each of the two targets; cross-entropy on
      class indices reads both in one pass over the output.
    - So are functions that return a loss for each sample, and criteria whose ``reduction`` is
      "none". That each loss is of one sample alone is checked once, by calls on other rows.
    - Any other criterion is called on a :class:`MixedTensor`, which counts both targets in every
      sum over samples. That it does is checked at the first batch, by two more calls. Where it
      cannot, the criterion's losses without reduction are mixed, if their mean or sum is what the
      criterion itself returns.

    Calls that check a criterion leave the state of its modules and the random generators as they
    are, so a batch changes a queue or a running mean once.

    Args:
        criterion: a loss module or function of (output, target). Losses that it returns for each
            sample are averaged if it has no ``reduction``. It is not copied: while it is called
            for losses of each sample, its ``reduction`` is "none". Another may be assigned.

    Raises:
        TypeError: the criterion is not callable.

    >>> loss = MixLoss(nn.CrossEntropyLoss())
    >>> output = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> loss(output, torch.tensor([0, 1]))
    tensor(0.2201)
    >>> own, partner, weight = torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.7, 1.0])
    >>> loss(output, MixedTarget(own, partner, weight))
    tensor(0.5201)
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion: Criterion = criterion

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "criterion":
            super().__setattr__(name, value)
            return
        value = _checked_criterion(value)
        self._modules.pop(name, None)  # after a module, torch would refuse a function
        super().__setattr__(name, value)
        self._examine(value)

    def _examine(self, criterion: Criterion) -> None:
        """What is known of the criterion before its first batch, of which more is learned."""
        self._known_loss = KnownLoss(criterion) if is_known(criterion) else None
        self._per_sample = per_sample(criterion)
        self._is_reduced = has_reduction(criterion)
        self._default_reduction = reduction_of(criterion)
        self._returns_number = False  # at its last call, in place of a loss for each sample
        self._proven: set[Any] = set()
        self._is_of_samples = False  # its losses, as a call on fewer samples has shown
        self._depends_on_others = False  # as that call has shown
        self._has_state = False  # which a call changes
        self._writes = False  # into its arguments
        # Not raised before the criterion is called: a Learner may call it in its own way.
        self._others = _other_arguments(criterion)

    def forward(self, output: Any, target: Any) -> Tensor:
        """The loss.

        Args:
            output: the criterion's input, (B, ...) or several of them.
            target: a plain target, passed straight to the criterion, or a :class:`MixedTarget`,
                or a nested batch of them, as the criterion takes it.

        Returns:
            The reduced loss, a scalar; with ``reduction="none"``, losses of the criterion's shape.

        Raises:
            ValueError: the loss of the mixed target cannot be computed exactly; or the output has
                another shape than values that it is compared with.
            TypeError: the criterion takes more than output and target, as CTC takes lengths, or
                returns something else than a tensor.
        """
        if self._others:
            raise TypeError(
                f"{name_of(self.criterion)} takes {', '.join(self._others)}: give MixLoss a "
                "function of (output, target) that calls it"
            )
        if isinstance(target, MixedTarget):
            if self._known_loss is not None:
                return self._known_loss(output, target)
        elif isinstance(target, Tensor) or not mixed_targets(target):
            if self._known_loss is not None and isinstance(target, Tensor):
                self._known_loss.check(output, target)
            loss = self._checked(self.criterion(output, target))
            return loss if self._is_reduced else loss.mean()
        return self._of_any_criterion(output, target)

    def mean_weight(self, target: Any) -> Tensor | int:
        """How much the loss of a batch weighs in the mean over all samples.

        That is the weight of its labels, where the criterion's mean skips labels or weights them by
        class, and otherwise the number of samples.

        Args:
            target: of the batch, plain or mixed.

        >>> MixLoss(nn.CrossEntropyLoss(ignore_index=255)).mean_weight(torch.tensor([0, 255, 1]))
        tensor(2.)
        """
        labels = target.own if isinstance(target, MixedTarget) else target
        if self._known_loss is not None and isinstance(labels, Tensor):
            total = self._known_loss.divisor(target)
            if total is not None:
                return total
        return len(first_tensor(target))

    def _of_any_criterion(self, output: Any, target: Any) -> Tensor:
        reduction = getattr(self.criterion, "reduction", self._default_reduction)
        is_for_each = reduction == "none" or not self._is_reduced
        if is_for_each and not (self._returns_number or self._depends_on_others):
            losses = self._by_two_calls(output, target)
            if losses is not None:
                return losses if self._is_reduced else losses.mean()
        from vicinal.mixed.dispatch import UnsupportedFunction  # it loads torch's compiler

        reason = "it reads its targets past torch's functions, such as by numbers or NumPy"
        if self._depends_on_others:
            reason = "its losses are not each of one sample alone"
        try:
            loss = self._by_tensors(output, target)
            if loss is not None:
                return loss
        except UnsupportedFunction as error:
            reason = str(error).partition(": ")[0]
        if self._is_reduced and reduction in ("mean", "sum") and may_be_unreduced(self.criterion):
            losses = self._by_two_calls(output, target)
            if losses is not None and self._averages_plainly(output, target, reduction):
                return losses.mean() if reduction == "mean" else losses.sum()
        raise ValueError(
            f"{name_of(self.criterion)} cannot be mixed exactly, because {reason}: let it return a "
            "loss for each sample, without a reduction"
        )

    def _by_tensors(self, output: Any, target: Any) -> Tensor | None:
        """By tensors that stand for both targets; None where it would miss the partners'."""
        from vicinal.mixed.criterion import counts_partners, loss_of_tensors

        # Compiled code would see the own values of the tensor alone.
        criterion = self.criterion
        criterion = getattr(criterion, "_orig_mod", criterion)
        criterion = getattr(criterion, "_torchdynamo_orig_callable", criterion)
        leaves = [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]
        parts = mixed_targets(target)
        signature = (
            torch.is_grad_enabled(),
            *((leaf.dtype, leaf.ndim) for leaf in leaves),
            *((part.own.dtype, part.own.ndim, part.weight.ndim) for part in parts),
        )
        if signature not in self._proven:
            if not counts_partners(criterion, output, target):
                return None
            if not all(torch.equal(part.own, part.partner) for part in parts):
                self._proven.add(signature)  # otherwise the two targets cannot be told apart
        loss, is_of_each = loss_of_tensors(criterion, output, target)
        if is_of_each:
            return loss if self._is_reduced else loss.mean()
        if self._checked(loss).ndim:
            raise ValueError(no_loss_of_each(self.criterion, loss.shape, parts[0]))
        return loss

    def _checked(self, loss: Any) -> Tensor:
        if isinstance(loss, Tensor):
            return loss
        raise TypeError(
            f"{name_of(self.criterion)} returned a {type(loss).__name__}: let it return the loss "
            "alone, a tensor"
        )

    def _by_two_calls(self, output: Any, target: Any) -> Tensor | None:
        """Losses for each sample, mixed; None where the criterion does not return those."""
        weight = _common_weight(mixed_targets(target))
        if weight is None:
            return None
        own, partner = sides(target)
        if not (self._is_of_samples or self._returns_losses_of_samples(output, own, weight)):
            return None
        others = None
        if self._has_state and not is_compiling():
            # A batch changes it once, and both calls start from the same.
            with rehearsed(self.criterion, output):
                others = self._losses(output, partner)
        losses = self._losses(output, own)
        if not isinstance(losses, Tensor) or not fits_rows(weight, losses.shape):
            return None
        others = self._losses(output, partner) if others is None else others
        return weighted_sum(losses, others, weight)

    def _losses(self, output: Any, target: Any) -> Tensor:
        """The criterion's losses of one side, of which the other one sees nothing."""
        if self._writes or is_compiling():  # which removes copies that nobody writes into
            output, target = copied(output), copied(target)
        return self._per_sample(output, target)

    def _returns_losses_of_samples(self, output: Any, target: Any, weight: Tensor) -> bool:
        """Whether the criterion returns a loss for each sample, which depends on it alone."""
        if is_compiling() or is_transformed():  # where values may not be looked at
            losses = self._losses(output, target)
            if not isinstance(losses, Tensor) or not fits_rows(weight, losses.shape):
                return False
            return has_fewer_losses(self._per_sample, losses, output, target)
        with rehearsed(self.criterion, output) as has_changed:
            given = copied((output, target))
            losses = self._per_sample(*given)
            self._has_state, self._writes = has_changed(), is_written(given, (output, target))
        if not isinstance(losses, Tensor) or losses.ndim == 0:
            self._returns_number = True
            return False
        if not fits_rows(weight, losses.shape):
            return False
        is_of_samples = are_of_single_samples(self._per_sample, output, target)
        self._depends_on_others = not is_of_samples
        # A batch of one class cannot tell what the losses make of other classes.
        self._is_of_samples = is_of_samples and differ(target, len(losses))
        return is_of_samples

    def _averages_plainly(self, output: Any, target: Any, reduction: str) -> bool:
        """Whether the criterion's own reduction is the plain mean or sum of its losses."""
        for side in sides(target):
            with torch.no_grad(), rehearsed(self.criterion, output):
                losses = self._per_sample(copied(output), copied(side))
            with torch.no_grad(), rehearsed(self.criterion, output):
                reduced = self.criterion(copied(output), copied(side))
            plain = losses.mean() if reduction == "mean" else losses.sum()
            if not isinstance(reduced, Tensor) or reduced.ndim:
                return False
            if not torch.allclose(plain.to(reduced.dtype), reduced, rtol=1e-4, equal_nan=True):
                return False
        return True


def _checked_criterion(criterion: Any) -> Criterion:
    """What was given as a criterion, without a :class:`MixLoss` around it."""
    if isinstance(criterion, MixLoss):
        return criterion.criterion
    if isinstance(criterion, type) or not callable(criterion):
        raise TypeError(
            f"the criterion must be a loss function or module, not {criterion!r}"
            + (f": call it, {criterion.__name__}()" if isinstance(criterion, type) else "")
        )
    return cast(Criterion, criterion)


def _common_weight(parts: list[MixedTarget]) -> Tensor | None:
    """The one weight of all targets; None where they differ, as those of masks and labels do."""
    first = parts[0].weight
    same = all(part.weight is first or torch.equal(part.weight, first) for part in parts[1:])
    return first if same else None


def _other_arguments(criterion: Criterion) -> list[str]:
    """The arguments of a criterion that takes more than output and target; otherwise none."""
    try:
        function = criterion.forward if isinstance(criterion, nn.Module) else criterion
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p.name for p in parameters if p.default is p.empty and p.kind in positional]
    return required if len(required) > 2 else []
