"""Which parameters train: the head alone, the groups from one on, or all."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from vicinal.learner.inference import Inference
from vicinal.models.heads import NORMS


class Freezing(Inference):
    """The part of a :class:`Learner` that says which parameters are trained."""

    splitter: Callable[[nn.Module], list[list[nn.Parameter]]]
    train_bn: bool
    frozen: list[nn.Parameter]  # by freeze_to, and not by the user's requires_grad_(False)

    def freeze(self) -> None:
        """Train the last parameter group alone, and the norms of all, which adapt to the data."""
        self.freeze_to(-1)

    def unfreeze(self) -> None:
        """Train all parameters."""
        self.freeze_to(0)

    def freeze_to(self, n: int) -> None:
        """Train the parameter groups from the one of index ``n`` on; freeze those before it.

        The weights and biases of batch, instance and layer norms are trained in all groups, unless
        the learner was made with ``train_bn=False``. Their running statistics follow the training
        data in any case.

        Args:
            n: an index of the groups that the splitter makes; a negative one counts from the last.

        Source: fastai's ``Learner.freeze_to``.

        >>> from vicinal import DataLoaders, Learner
        >>> import torch
        >>> x, y = torch.randn(20, 2), torch.arange(20) % 2
        >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
        >>> model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
        >>> learn = Learner(dls, model, splitter=lambda m: [list(each.parameters()) for each in m])
        >>> learn.freeze_to(-1)
        >>> [name for name, p in model.named_parameters() if p.requires_grad]
        ['1.weight', '1.bias', '2.weight', '2.bias']
        """
        groups = self.splitter(self.model)
        if n >= len(groups):
            warnings.warn(
                f"freeze_to({n}) freezes the whole model, which has {len(groups)} parameter groups",
                stacklevel=2,
            )
        trained = set(_norms(self.model)) if self.train_bn else set()
        trained.update(parameter for group in groups[n:] for parameter in group)
        self.frozen = []
        for parameter in (parameter for group in groups for parameter in group):
            parameter.requires_grad_(parameter in trained)
            if parameter not in trained:
                self.frozen.append(parameter)

    @contextmanager
    def keeping_frozen(self) -> Iterator[Callable[[], None]]:
        """For phases of a training that freeze and unfreeze by themselves.

        Yields:
            A function that freezes again what the user had frozen by ``requires_grad_(False)``.

        If an error ends it, everything is frozen and trained as before.
        """
        before = {parameter: parameter.requires_grad for parameter in self.model.parameters()}
        frozen = self.frozen
        by_hand = {parameter for parameter, trains in before.items() if not trains} - {*frozen}

        def freeze_again() -> None:
            for parameter in by_hand:
                parameter.requires_grad_(False)

        try:
            yield freeze_again
        except BaseException:
            for parameter, trains in before.items():
                parameter.requires_grad_(trains)
            self.frozen = frozen
            raise


def _norms(model: nn.Module) -> Iterator[nn.Parameter]:
    for module in model.modules():
        if isinstance(module, NORMS):
            yield from module.parameters()
