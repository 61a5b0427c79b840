"""Interpretation: the errors of a trained network, and the samples with the largest losses."""

from collections.abc import Callable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal.data.loaders import DataLoaders
from vicinal.errors import VicinalError
from vicinal.formatting import format_percent, format_short
from vicinal.learner.prediction import Prediction, as_table, caption, names_of
from vicinal.notebook import html_facts

if TYPE_CHECKING:
    from vicinal.learner.inference import Inference


class Interpretation:
    """The errors of a network; :meth:`from_learner` makes it in one pass.

    ``ClassificationInterpretation`` is the same class by fastai's longer name.

    Args:
        dls: the data.
        probabilities: (N, C) for a part of them, or values.
        targets: (N, ...) the targets.
        losses: (N,) the loss of each sample.
        part: the part; None for the validation part.
        decode: from probabilities (B, ...) to predicted targets; None for that of ``dls``.

    Raises:
        VicinalError: the network has more or fewer outputs than there are classes.

    >>> from vicinal import Learner
    >>> x, y = torch.eye(3), torch.tensor([0, 1, 1])
    >>> dls = DataLoaders.from_tensors(x, y, x, y, bs=2, vocab=["ant", "bee", "fly"], device="cpu")
    >>> learn = Learner(dls, torch.nn.Identity())  # it takes the last bee for a fly
    >>> interp = Interpretation.from_learner(learn)
    >>> interp.confusion_matrix()
    tensor([[1, 0, 0],
            [0, 1, 1],
            [0, 0, 0]])
    >>> interp.most_confused()
    [('bee', 'fly', 1)]
    >>> losses, indices = interp.top_losses(1)
    >>> indices
    tensor([2])
    """

    def __init__(
        self,
        dls: DataLoaders,
        probabilities: Tensor,
        targets: Tensor,
        losses: Tensor,
        part: Any = None,
        decode: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.dls, self.probabilities, self.targets = dls, probabilities, targets
        self.losses, self.part, self.decode = losses, part or dls.valid, decode or dls.decode
        if dls.vocab is not None and probabilities.shape[1] != len(dls.vocab):
            raise VicinalError(
                f"the network has {probabilities.shape[1]} outputs for {len(dls.vocab)} classes: "
                f"give it {len(dls.vocab)}"
            )

    @classmethod
    def from_learner(cls, learn: "Inference", ds_idx: int = 1, dl: Any = None) -> "Interpretation":
        """The errors of a learner's network.

        Args:
            learn: the learner.
            ds_idx, dl: the part, as for :meth:`Learner.get_preds`: by default, validation.

        Raises:
            VicinalError: the loss function gives no loss for each sample, or there are no targets.
        """
        return learn.interpret(ds_idx, dl)

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

    @property
    def dl(self) -> Any:
        """The part that was predicted, by fastai's name."""
        return self.part

    @property
    def vocab(self) -> Any:
        """The classes, as ``dls.vocab``; None for values."""
        return self.dls.vocab

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
                "worst(), which ranks such samples too"
            )
        truth, predicted = self.targets.numpy(), self.probabilities.argmax(dim=1).numpy()
        counts = confusion_matrix(truth, predicted, labels=range(len(self._vocab)))
        return torch.from_numpy(counts).long()

    def most_confused(self, min_val: int = 1) -> list[tuple[str, str, int]]:
        """Pairs of different (true, predicted) classes with their counts, the most frequent first.

        Args:
            min_val: omit pairs with a lower count; 0 or more.

        Raises:
            VicinalError: as for :meth:`confusion_matrix`, or ``min_val`` is out of its range.
        """
        if min_val < 0:
            raise VicinalError(f"min_val must be 0 or more, not {min_val}")
        errors = self.confusion_matrix().fill_diagonal_(-1)  # a class is not confused with itself
        pairs = [
            (self._vocab[truth], self._vocab[predicted], int(errors[truth, predicted]))
            for truth, predicted in (errors >= min_val).nonzero().tolist()
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    def plot_confusion_matrix(
        self,
        normalize: bool = False,
        title: str | None = None,
        cmap: str = "Blues",
        norm_dec: int = 2,
        plot_txt: bool = True,
        *,
        figsize: tuple[float, float] | None = None,
        dpi: float | None = None,
    ) -> Any:
        """A matplotlib figure of the confusion matrix.

        Args:
            normalize: show fractions of each true class instead of counts.
            title: above it; None says what the numbers are.
            cmap: the name of a colour map of matplotlib's.
            norm_dec: the decimals of fractions.
            plot_txt: write the numbers, if they fit; False shows a colour bar.
            figsize: width and height in inches; None for what the names and numbers need.
            dpi: dots an inch.

        Raises:
            VicinalError: as for :meth:`confusion_matrix`.
        """
        from vicinal import plots

        look: dict[str, Any] = {
            "title": title,
            "cmap": cmap,
            "decimals": norm_dec,
            "write": plot_txt,
        }
        counts = self.confusion_matrix()
        return plots.shown(
            plots.confusion(counts, self._vocab, normalize, figsize=figsize, dpi=dpi, **look)
        )

    def print_classification_report(self) -> None:
        """Print precision, recall and F1 score of each class, by scikit-learn.

        Raises:
            VicinalError: as for :meth:`confusion_matrix`.
        """
        from sklearn.metrics import classification_report

        self.confusion_matrix()  # refuses what has no classes
        truth, predicted = self.targets.numpy(), self.probabilities.argmax(dim=1).numpy()
        labels = range(len(self._vocab))
        report = classification_report(
            truth, predicted, labels=labels, target_names=self._vocab, zero_division=0
        )
        print(report)

    # ---- which samples --------------------------------------------------------------------

    def top_losses(
        self, k: int | None = None, largest: bool = True, items: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The ``k`` largest losses and their samples, the largest first; NaN counts as largest.

        Args:
            k: how many; None for all.
            largest: False for the smallest ones, the smallest first.
            items: must be False, as :meth:`worst` gives samples.

        Returns:
            (k,) float losses and (k,) int64 indices in the part that was predicted.

        Raises:
            VicinalError: ``k`` is below 1, or ``items`` is set.
        """
        if items:
            raise VicinalError(
                "top_losses() gives losses and indices: leave out items, and look up samples as "
                "dls.valid_ds.items[index], or take worst(k), with names and probabilities"
            )
        rows = self._ranked(k, largest)
        return self.losses[rows], torch.tensor(self._indices())[rows]

    def worst(self, k: int = 9) -> list[Prediction]:
        """The ``k`` samples with the largest losses, with names and probabilities.

        Raises:
            VicinalError: ``k`` is below 1.
        """
        return self._predictions(self._ranked(k).tolist())

    def plot_top_losses(
        self,
        k: int | Sequence[int] = 9,
        largest: bool = True,
        *,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Any:
        """The samples with the ``k`` largest losses: a matplotlib figure of images, else a table.

        They are shown as the network sees them, with the true and the predicted class, the loss,
        and the probability of the true class.

        Args:
            k: how many, or the indices of the samples, which are then shown in this order.
            largest: False for the smallest losses.
            nrows, ncols: of the grid.
            figsize: width and height in inches.

        Raises:
            VicinalError: the data cannot be shown, ``k`` is below 1, or an index is none.
        """
        rows = self._ranked(k, largest).tolist() if isinstance(k, int) else self._rows(k)
        return self._plot(rows, caption, nrows=nrows, ncols=ncols, figsize=figsize)

    def show_results(
        self,
        idxs: Sequence[int],
        *,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Any:
        """Chosen samples with their true and predicted classes: a figure of images, else a table.

        Args:
            idxs: indices in the part that was predicted.
            nrows, ncols, figsize: as for :meth:`plot_top_losses`.

        Raises:
            VicinalError: the data cannot be shown, or an index is none.
        """
        rows = self._rows(idxs)
        return self._plot(rows, names_of, nrows=nrows, ncols=ncols, figsize=figsize)

    def _plot(self, rows: list[int], title: Callable[[Prediction], str], **how: Any) -> Any:
        from vicinal import plots

        if not hasattr(self.part, "dataset"):
            raise VicinalError(
                "a list of batches is not kept, so its samples cannot be shown: give loaders, such "
                "as of dls.test_dl(files, with_labels=True)"
            )
        chosen = self._predictions(rows)
        x, _ = self.part.dataset.__getitems__([sample.index for sample in chosen])
        if hasattr(self.dls, "described"):
            return as_table(self.dls.described(x), chosen)
        seen = self.dls.test_batch(list(x)) if isinstance(x, Tensor) else x
        titles = [title(sample) for sample in chosen]
        return plots.shown(plots.images(self.dls.pictures(seen), titles, **how))

    def _ranked(self, k: int | None, largest: bool = True) -> Tensor:
        """The rows of the ``k`` largest or smallest losses."""
        count = len(self.losses) if k is None else k
        if count < 1:
            raise VicinalError(f"the number of samples must be 1 or more, not {count}")
        return self.losses.topk(min(count, len(self.losses)), largest=largest).indices

    def _rows(self, idxs: Sequence[int]) -> list[int]:
        """The rows of samples that are given by their indices in the part.

        Raises:
            VicinalError: one is out of range, or is of an image that could not be read.
        """
        row_of = {found: row for row, found in enumerate(self._indices())}
        given = [index(each) for each in idxs]
        unknown = [each for each in given if each not in row_of]
        if unknown or not given:
            raise VicinalError(
                f"there is no prediction for sample {unknown[0]}: indices are 0 to {max(row_of)}"
                if unknown
                else "give the index of one sample or more"
            )
        return [row_of[each] for each in given]

    def _predictions(self, rows: list[int]) -> list[Prediction]:
        indices = self._indices()
        return [self._prediction(row, indices[row]) for row in rows]

    def _prediction(self, row: int, index: int) -> Prediction:
        predicted, target = self.probabilities[row], self.targets[row]
        loss = self.losses[row].item()
        if not self._has_classes:
            decoded = self.decode(predicted[None])[0] if self.dls.target_block else predicted
            return Prediction(index, loss, self._values(target), self._values(decoded), None)
        names = self._vocab[int(target)], self._vocab[int(predicted.argmax())]
        return Prediction(index, loss, *names, predicted[target].item())

    def _indices(self) -> list[int]:
        """The index of each loss's sample: images that cannot be read may have been skipped."""
        dataset: Any = getattr(self.part, "dataset", self.losses)
        if len(dataset) == len(self.losses):
            return list(range(len(dataset)))
        return [i for i in range(len(dataset)) if len(dataset.__getitems__([i])[1])]

    # ---- what the targets are -------------------------------------------------------------

    @property
    def _has_classes(self) -> bool:
        is_class = self.targets.ndim == 1 and not self.targets.is_floating_point()
        return self.dls.is_classes and is_class

    @property
    def _vocab(self) -> list[str]:
        return self.dls.class_names or []

    def _values(self, values: Tensor) -> str:
        if self.dls.vocab is None or self.dls.target_block is not None:
            return self.dls.label(values)
        chosen = (name for name, v in zip(self._vocab, values, strict=True) if v > 0.5)
        return ", ".join(chosen) or "none"


ClassificationInterpretation = Interpretation  # fastai's name
