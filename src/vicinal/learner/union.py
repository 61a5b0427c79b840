"""UnionTargets: a mixed sample has the labels of both, in full."""

from typing import TYPE_CHECKING

import torch

from vicinal.errors import VicinalError
from vicinal.learner.events import Callback
from vicinal.mixing import MixedTarget
from vicinal.mixing.target import over_rows

if TYPE_CHECKING:
    from vicinal.learner.learner import Learner


class UnionTargets(Callback):
    """Compute the loss of a mixed batch with the labels of both samples, whatever their shares.

    By itself mixing weights the labels of both by their shares. In recordings both sounds are
    heard, and in some pictures both things are seen, so that their taggers are also trained with
    all labels of both. A partner without a share adds none.

    Raises:
        VicinalError: the targets are no zeros and ones of several labels.

    Source: the block mixing of G. Parascandolo, H. Huttunen, T. Virtanen, Recurrent neural networks
    for polyphonic sound event detection in real life recordings, ICASSP 2016.

    >>> from types import SimpleNamespace as Learn
    >>> y = MixedTarget(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([0.9]))
    >>> learn = Learn(y=y, training=True)
    >>> UnionTargets().before_loss(learn)
    >>> learn.y
    tensor([[1., 1.]])
    """

    order = 60  # after what mixes the batch

    def before_loss(self, learn: "Learner") -> None:
        if isinstance(learn.y, MixedTarget):
            learn.y = union(learn.y)


def union(target: MixedTarget) -> torch.Tensor:
    """The labels of both samples, (B, L) floats.

    >>> own, partner = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[0.0, 1.0]] * 2)
    >>> union(MixedTarget(own, partner, torch.tensor([0.7, 1.0])))
    tensor([[1., 1.],
            [1., 0.]])
    """
    own, partner = target.own, target.partner
    if not own.is_floating_point() or own.ndim < 2:
        raise VicinalError(
            f"labels of both samples are zeros and ones, (B, L) floats, not {own.dtype} of shape "
            f"{tuple(own.shape)}: leave out UnionTargets (labels=union)"
        )
    weight = over_rows(target.weight, own)
    both = torch.maximum(own, partner)
    return both.where(weight < 1, own).where(weight > 0, partner)
