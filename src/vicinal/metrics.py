"""Metrics that read plain and mixed targets: each label counts by its weight.

Every metric here is a mean over samples, a 0-dimensional float tensor on the output's device.
"""

from torch import Tensor

from vicinal.mixing.target import MixedTarget, over_rows


def accuracy(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The share of right answers.

    Args:
        output: (B, C, ...) scores of C classes.
        target: (B, ...) class indices, or a :class:`MixedTarget` of them: an answer then counts
            by the shares of the labels that it matches.

    Raises:
        ValueError: the target's shape does not go with the output's.

    >>> import torch
    >>> scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    >>> accuracy(scores, torch.tensor([0, 0]))
    tensor(0.5000)
    >>> y = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    >>> accuracy(scores, y)
    tensor(0.8750)
    """
    return top_k_accuracy(output, target, k=1)


def error_rate(output: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """The share of wrong answers, ``1 - accuracy``.

    >>> import torch
    >>> error_rate(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([0, 0]))
    tensor(0.5000)
    """
    return 1 - accuracy(output, target)


def top_k_accuracy(output: Tensor, target: Tensor | MixedTarget, k: int = 5) -> Tensor:
    """The share of samples whose label is among the ``k`` highest scores.

    Args:
        output, target: as for :func:`accuracy`.
        k: from 1 to C.

    Raises:
        ValueError: ``k`` is out of its range, or shapes do not match.

    >>> import torch
    >>> scores = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(scores, torch.tensor([1, 2]), k=2)
    tensor(0.5000)
    """
    if not 1 <= k <= output.shape[1]:
        raise ValueError(f"k must be between 1 and the {output.shape[1]} classes, not {k}")
    best = output.topk(k, dim=1).indices
    if not isinstance(target, MixedTarget):
        return _hits(best, target).mean()
    own, partner = _hits(best, target.own), _hits(best, target.partner)
    return partner.lerp(own, over_rows(target.weight, own).to(own.dtype)).mean()


def _hits(best: Tensor, labels: Tensor) -> Tensor:
    if best[:, 0].shape != labels.shape:
        raise ValueError(
            f"the labels have shape {tuple(labels.shape)}, but this output needs "
            f"{tuple(best[:, 0].shape)}"
        )
    return (best == labels.unsqueeze(1)).any(dim=1).float()
