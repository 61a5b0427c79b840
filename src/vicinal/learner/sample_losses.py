"""The loss of each sample, from a criterion that reduces the losses of a batch to one number."""

from collections.abc import Callable

from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.known_losses import is_known, per_sample
from vicinal.learner.one_number import Paired
from vicinal.losses import MixLoss
from vicinal.rehearsal import rehearsed
from vicinal.rows import has_fewer_losses


def sample_losses(criterion: Callable[..., Tensor], output: Tensor, target: Tensor) -> Tensor:
    """The loss of each sample, (B,); for criteria with several losses per sample, their mean.

    Raises:
        VicinalError: the criterion returns one number for the whole batch, or losses of classes.

    >>> import torch
    >>> sample_losses(torch.nn.MSELoss(), torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.zeros(2, 2))
    tensor([5., 0.])
    """
    criterion = MixLoss(criterion).criterion
    target = Paired(criterion).target(output, target)
    of_each = per_sample(criterion)
    losses = of_each(output, target)
    is_of_each = losses.ndim > 0 and len(losses) == len(target)
    # Losses of classes may be as many as there are samples.
    if is_of_each and not is_known(criterion):
        with rehearsed(criterion, output):
            is_of_each = has_fewer_losses(of_each, losses, output, target)
    if not is_of_each:
        raise VicinalError(
            f"the loss function returned losses of shape {tuple(losses.shape)} for {len(target)} "
            "samples: let it return a loss for each, or take a reduction argument"
        )
    return losses.detach().reshape(len(losses), -1).mean(dim=1)
