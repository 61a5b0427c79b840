"""Interpretation: the errors of a trained network, and the samples with the largest losses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vicinal.data.loaders import DataLoaders
from vicinal.errors import VicinalError
from vicinal.formatting import format_percent, format_short
from vicinal.known_losses import is_known, per_sample
from vicinal.losses import MixLoss
from vicinal.notebook import html_facts
from vicinal.rehearsal import rehearsed
from vicinal.rows import has_fewer_losses


@dataclass(frozen=True)
class TopLoss:
    """A sample of the validation part and its prediction.

    Args:
        index: in the validation part, ``dls.valid.dataset``.
        loss: of this sample.
        truth, predicted: the names of the true and of the most probable class; for other targets,
            values.
        probability: of the true class; None for other targets.
    """

    index: int
    loss: float
    truth: str
    predicted: str
    probability: float | None


class Interpretation:
    """The errors of a network; :meth:`Learner.interpret` makes it in one pass.

    Args:
        dls: the data.
        probabilities: (N, C) for the validation part, or values.
        targets: (N, ...) the targets.
        losses: (N,) the loss of each sample.

    Raises:
        VicinalError: the network has more or fewer outputs than there are classes.

    >>> from vicinal import Learner
    >>> x, y = torch.eye(3), torch.tensor([0, 1, 1])
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=2, vocab=["ant", "bee", "fly"], device="cpu")
    >>> found = Learner(dls, torch.nn.Identity()).interpret()  # it takes the last bee for a fly
    >>> found.confusion_matrix()
    tensor([[1, 0, 0],
            [0, 1, 1],
            [0, 0, 0]])
    >>> found.most_confused()
    [('bee', 'fly', 1)]
    >>> found.top_losses(1)[0].index
    2
    """

    def __init__(
        self, dls: DataLoaders, probabilities: Tensor, targets: Tensor, losses: Tensor
    ) -> None:
        self.dls, self.probabilities, self.targets = dls, probabilities, targets
        self.losses = losses
        if dls.vocab is not None and probabilities.shape[1] != len(dls.vocab):
            raise VicinalError(
                f"the network has {probabilities.shape[1]} outputs for {len(dls.vocab)} classes: "
                f"give it {len(dls.vocab)}"
            )

    # ---- what it says of itself -----------------------------------------------------------

    def __repr__(self) -> str:
        facts = self._facts()
        return f"{type(self).__name__}({', '.join(f'{n}: {fact}' for n, fact in facts.items())})"

    def _repr_html_(self) -> str:
        facts = self._facts()
        pairs = self.most_confused()[:3] if self._has_classes else []
        if pairs:
            facts["most confused"] = ", ".join(f"{a} as {b} ({n})" for a, b, n in pairs)
        return html_facts(type(self).__name__, facts)

    def _facts(self) -> dict[str, str]:
        count = len(self.losses)
        facts = {"samples": f"{count:,}", "mean loss": format_short(float(self.losses.mean()))}
        if self._has_classes:
            wrong = int((self.probabilities.argmax(dim=1) != self.targets).sum())
            facts["wrong"] = f"{wrong:,} ({format_percent(wrong / max(1, count))} %)"
        return facts

    # ---- which classes --------------------------------------------------------------------

    def confusion_matrix(self) -> Tensor:
        """The number of samples of each true class that were predicted as each class.

        Returns:
            (C, C) int64: a row for each true class, a column for each predicted one.

        Raises:
            VicinalError: the targets are values, or several labels per sample.
        """
        from sklearn.metrics import confusion_matrix

        if not self._has_classes:
            raise VicinalError(
                "a confusion matrix needs one class per sample, but the targets are values or "
                f"several labels ({self.targets.dtype}, shape {tuple(self.targets.shape)}): use "
                "top_losses(), which ranks such samples too"
            )
        truth, predicted = self.targets.numpy(), self.probabilities.argmax(dim=1).numpy()
        counts = confusion_matrix(truth, predicted, labels=range(len(self._vocab)))
        return torch.from_numpy(counts).long()

    def most_confused(self, min_count: int = 1) -> list[tuple[str, str, int]]:
        """Pairs of different (true, predicted) classes with their counts, the most frequent first.

        Args:
            min_count: omit rarer pairs; 1 or more.

        Raises:
            VicinalError: as for :meth:`confusion_matrix`, or ``min_count`` is out of its range.
        """
        if min_count < 1:
            raise VicinalError(f"min_count must be 1 or more, not {min_count}")
        errors = self.confusion_matrix().fill_diagonal_(0)
        pairs = [
            (self._vocab[truth], self._vocab[predicted], int(errors[truth, predicted]))
            for truth, predicted in (errors >= min_count).nonzero().tolist()
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    def plot_confusion_matrix(self, normalize: bool = False) -> Any:
        """A matplotlib figure of the confusion matrix.

        Args:
            normalize: show fractions of each true class instead of counts.

        Raises:
            VicinalError: as for :meth:`confusion_matrix`.
        """
        from vicinal import plots

        return plots.confusion(self.confusion_matrix(), self._vocab, normalize)

    # ---- which samples --------------------------------------------------------------------

    def top_losses(self, k: int = 9) -> list[TopLoss]:
        """The ``k`` samples with the largest losses, the largest first; NaN counts as largest.

        Raises:
            VicinalError: ``k`` is below 1.
        """
        if k < 1:
            raise VicinalError(f"the number of samples must be 1 or more, not {k}")
        indices = self._indices()
        worst = self.losses.topk(min(k, len(self.losses))).indices.tolist()
        return [self._top_loss(row, indices[row]) for row in worst]

    def plot_top_losses(self, k: int = 9) -> Any:
        """A matplotlib figure of the images with the ``k`` largest losses.

        They are shown as the network sees them; the titles give the true and the predicted class,
        the loss, and the probability of the true class.

        Raises:
            VicinalError: the data are not images, or ``k`` is below 1.
        """
        from vicinal import plots

        worst = self.top_losses(k)
        x, _ = self.dls.valid.dataset.__getitems__([sample.index for sample in worst])
        seen = self.dls.test_batch(list(x)) if isinstance(x, Tensor) else x
        return plots.images(self.dls.pictures(seen), [_caption(sample) for sample in worst])

    def _top_loss(self, row: int, index: int) -> TopLoss:
        predicted, target = self.probabilities[row], self.targets[row]
        loss = self.losses[row].item()
        if not self._has_classes:
            return TopLoss(index, loss, self._values(target), self._values(predicted), None)
        names = self._vocab[int(target)], self._vocab[int(predicted.argmax())]
        return TopLoss(index, loss, *names, predicted[target].item())

    def _indices(self) -> Sequence[int]:
        """The index of each loss's sample: images that cannot be read may have been skipped."""
        dataset = self.dls.valid.dataset
        if len(dataset) == len(self.losses):
            return range(len(dataset))
        return [i for i in range(len(dataset)) if len(dataset.__getitems__([i])[1])]

    # ---- what the targets are -------------------------------------------------------------

    @property
    def _has_classes(self) -> bool:
        is_class = self.targets.ndim == 1 and not self.targets.is_floating_point()
        return self.dls.vocab is not None and is_class

    @property
    def _vocab(self) -> list[str]:
        return self.dls.vocab or []

    def _values(self, values: Tensor) -> str:
        if self.dls.vocab is None:
            return self.dls.label(values)
        chosen = (name for name, v in zip(self.dls.vocab, values, strict=True) if v > 0.5)
        return ", ".join(chosen) or "none"


def sample_losses(criterion: Callable[..., Tensor], output: Tensor, target: Tensor) -> Tensor:
    """The loss of each sample, (B,); for criteria with several losses per sample, their mean.

    Raises:
        VicinalError: the criterion returns one number for the whole batch, or losses of classes.

    >>> sample_losses(torch.nn.MSELoss(), torch.tensor([[1.0, 3.0], [0.0, 0.0]]), torch.zeros(2, 2))
    tensor([5., 0.])
    """
    criterion = MixLoss(criterion).criterion
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


def _caption(sample: TopLoss) -> str:
    loss = f"loss {sample.loss:.3g}"
    if sample.probability is not None:
        loss += f", truth {100 * sample.probability:.1f} %"
    return f"truth {sample.truth}\npredicted {sample.predicted}\n{loss}"
