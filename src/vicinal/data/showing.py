"""Showing samples with their targets, and what loaders say of themselves."""

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vicinal.absent import lacking
from vicinal.data.vocab import Vocab
from vicinal.errors import VicinalError
from vicinal.mixing.batch import first_tensor
from vicinal.mixing.target import MixedTarget
from vicinal.notebook import html_facts, html_table

if TYPE_CHECKING:
    from vicinal.data.loaders import DataLoaders

FEW = 9  # samples that are shown where no number is given
NAMED = 10  # classes that are named


class ShownLoader:
    """What a SplitLoader has to show its samples."""

    dataset: Any
    training: bool
    sampler: Any
    _dls: "weakref.ref[DataLoaders] | None" = None

    if not TYPE_CHECKING:  # else every name would be an attribute

        def __getattr__(self, name: str) -> Any:
            raise lacking(self, name)

    def belong_to(self, dls: "DataLoaders") -> None:
        """Learn the names of the classes from the loaders that this is a part of."""
        # A strong reference would be a cycle, which keeps worker processes alive.
        self._dls = weakref.ref(dls)

    @property
    def vocab(self) -> Vocab | None:
        """The classes of the loaders that this is a part of."""
        dls = None if self._dls is None else self._dls()
        return None if dls is None else dls.vocab

    @property
    def items(self) -> Any:
        """What the samples were made from, such as files: ``dls.valid.items``."""
        held = getattr(self.dataset, "__dict__", {}).get("items")
        dls = None if self._dls is None else self._dls()
        if held is None and dls is not None and self in dls.loaders:
            held = (dls.train_ds if self is dls.train else dls.valid_ds).items
        if held is None:
            raise lacking(self, "items")
        return held

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_dls"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_size_of(self)})"

    def show_batch(
        self,
        max_n: int | None = None,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: tuple[float, float] | None = None,
        unique: bool = False,
    ) -> Any:
        """Samples of this split with their targets; see :meth:`ShownLoaders.show_batch`.

        Raises:
            VicinalError: these are no images, or the loader's DataLoaders no longer exist.
        """
        dls = None if self._dls is None else self._dls()
        if dls is None:
            raise VicinalError(
                "a loader alone does not know its classes: keep the DataLoaders in a variable dls, "
                "and call dls.valid.show_batch()"
            )
        x, y = self.some(number_of(max_n, nrows, ncols), unique)
        return dls.show(x, y, nrows=nrows, ncols=ncols, figsize=figsize)

    def some(self, number: int, unique: bool = False) -> tuple[Any, Any]:
        """Samples as the network sees them; no state changes.

        Args:
            number: how many, if a batch has as many: of training the next ones, of validation
                some from the whole part.
            unique: one sample so many times, augmented anew each time.
        """
        if not len(self.dataset):
            raise VicinalError("these loaders hold no samples that could be shown")
        loader: Any = self
        has_access = hasattr(loader, "_reader")  # unlike a stream
        if unique and not has_access:
            raise VicinalError("unique=True reads a sample again, which a stream cannot: omit it")
        if not has_access or (self.training and not unique):
            x, y = loader.first()
            return first_rows(x, number), first_rows(y, number)
        # Files are often sorted by class, so that the first ones would be all of one.
        last = len(self.dataset) - 1
        picked = torch.linspace(0, last, min(number, last + 1)).round().long().tolist()
        if unique:
            picked = [self._next_sample()] * number
        return next(iter(loader._transformed([self.dataset.__getitems__(picked)])))

    def _next_sample(self) -> int:
        epoch = self.sampler.epoch
        try:
            return int(next(iter(self.sampler))[0])
        finally:
            self.sampler.epoch = epoch


class ShownLoaders:
    """What DataLoaders have to show their samples.

    Loaders of other data than images have a method ``described(x)``, which gives for each sample of
    a batch what is to be seen of it, as texts by the names of their columns; those of masks have
    ``drawn(pictures, masks)``, which draws them over their pictures; and those of series
    ``plotted(x, texts)``, which makes the figure itself.
    """

    train: Any
    valid: Any
    vocab: Vocab | None

    @property
    def items(self) -> Any:
        """What the training samples were made from, such as files."""
        return self.train.items

    def show_batch(
        self,
        max_n: int | None = None,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: tuple[float, float] | None = None,
        unique: bool = False,
        b: tuple[Any, Any] | None = None,
    ) -> Any:
        """Training samples as the network sees them, with their targets.

        Args:
            max_n: how many; None takes as many as ``nrows`` times ``ncols``, or 9.
            nrows, ncols: of the grid; None fits it to the number.
            figsize: width and height of the figure in inches; None fits it to the images.
            unique: one image again and again, augmented anew each time.
            b: a batch ``(x, y)`` to show instead, also a mixed one:
                ``dls.show_batch(b=MixUp(0.4)(*dls.one_batch()))``.

        Returns:
            A matplotlib figure of images; a table of other samples.

        Raises:
            VicinalError: the samples cannot be shown, or a number is below 1.
        """
        loaders: Any = self
        loaders.check_share()
        number = number_of(max_n, nrows, ncols)
        x, y = b if b is not None else self.train.some(number, unique)
        x, y = first_rows(x, number), y if y is None else y[:number]
        return self.show(x, y, nrows=nrows, ncols=ncols, figsize=figsize)

    def show(
        self,
        x: Any,
        y: Any,
        predicted: Any = None,
        *,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: tuple[float, float] | None = None,
    ) -> Any:
        """Show these samples, with what was predicted for them.

        Args:
            x, y: samples as the network sees them, and their targets; None where they have none.
            predicted: what :meth:`DataLoaders.decode` gives for each; None shows the targets alone.
            nrows, ncols, figsize: as of :meth:`show_batch`.
        """
        loaders: Any = self
        if isinstance(y, MixedTarget) and loaders.is_classes:
            from vicinal import plots

            names = loaders.class_names
            return plots.shown(plots.mixed_batch(loaders.pictures(x), y.to("cpu"), names))
        count = len(first_tensor(x))
        texts = [""] * count if y is None else [loaders.label(target) for target in y]
        guesses = None if predicted is None else [loaders.label(guess) for guess in predicted]
        if hasattr(loaders, "described"):
            return SampleTable(loaders.described(x), texts, guesses)
        from vicinal import plots

        if hasattr(loaders, "plotted"):
            lines = [*map("\n".join, zip(texts, guesses or texts, strict=True))]
            grid = {"nrows": nrows, "ncols": ncols, "figsize": figsize}
            return plots.shown(loaders.plotted(x, lines if guesses else texts, **grid))
        pictures = loaders.pictures(x)
        if hasattr(loaders, "drawn") and y is not None:
            pictures, texts = loaders.drawn(pictures, y), [""] * len(y)
            if predicted is not None:  # the true masks on the left, the predicted on the right
                seen = loaders.drawn(loaders.pictures(x), predicted)
                pictures = torch.stack([pictures, seen], dim=1).flatten(0, 1)
                texts, guesses = ["truth", "predicted"] * len(y), None
                ncols = ncols and 2 * ncols
        if guesses is not None:
            texts = [f"{text}\n{guess}" for text, guess in zip(texts, guesses, strict=True)]
        return plots.shown(plots.images(pictures, texts, nrows, ncols, figsize))

    # ---- what they say of themselves ------------------------------------------------------

    def __repr__(self) -> str:
        facts = [
            f"{len(self.train.dataset):,} training",
            f"{len(self.valid.dataset):,} validation samples",
        ]
        classes = f", {len(self.vocab)} classes" if self.vocab else ""
        return f"{type(self).__name__}({' and '.join(facts)}{classes})"

    def _repr_html_(self) -> str:
        facts = {"training": _size_of(self.train), "validation": _size_of(self.valid)}
        if self.vocab:
            facts["classes"] = f"{len(self.vocab)}: {_some_names(self.vocab)}"
        changes = [type(transform).__name__ for transform in self.train.transforms]
        if changes:
            facts["changed on the device"] = ", ".join(changes)
        facts["device"] = str(self.train.device)
        return html_facts(type(self).__name__, facts)


class SampleTable:
    """Samples that are no images, as a table.

    Args:
        samples: of each its columns.
        targets: of each its target.
        predicted: of each what was predicted; None for none.

    >>> SampleTable([{"text": "well made"}], ["good"], ["bad"])
    text       target  predicted
    well made  good    bad
    """

    def __init__(
        self,
        samples: Sequence[Mapping[str, str]],
        targets: Sequence[str],
        predicted: Sequence[str] | None = None,
    ) -> None:
        self.rows = [dict(sample) for sample in samples]
        for name, column in (("target", targets), ("predicted", predicted)):
            for row, text in zip(self.rows, column or [], strict=bool(column)):
                row[name] = text
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row))

    def __repr__(self) -> str:
        lines = [self.columns, *([row.get(n, "") for n in self.columns] for row in self.rows)]
        short = [[text if len(text) <= 60 else f"{text[:59]}…" for text in line] for line in lines]
        widths = [max(map(len, column)) for column in zip(*short, strict=True)]
        padded = (
            "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True))
            for line in short
        )
        return "\n".join(line.rstrip() for line in padded)

    def _repr_html_(self) -> str:
        rows = [[row.get(name, "") for name in self.columns] for row in self.rows]
        return html_table(self.columns, rows)


def number_of(max_n: int | None, nrows: int | None, ncols: int | None) -> int:
    """How many samples are to be shown.

    >>> number_of(None, 1, 3), number_of(6, None, None), number_of(4, 3, 3)
    (3, 6, 4)
    """
    for name, given in (("max_n", max_n), ("nrows", nrows), ("ncols", ncols)):
        if given is not None and not isinstance(given, int):
            kind = type(given).__name__
            raise VicinalError(
                f"{name} is a number of samples, not a {kind}: a batch is given as b="
            )
        if given is not None and given < 1:
            raise VicinalError(f"{name} must be 1 or more, not {given}")
    places = nrows * ncols if nrows and ncols else None
    return min(max_n or places or FEW, places or max_n or FEW)


def first_rows(x: Any, number: int) -> Any:
    """The first samples of a batch, which may be nested.

    >>> first_rows({"ids": torch.arange(5)}, 2)
    {'ids': tensor([0, 1])}
    """
    if isinstance(x, Tensor):
        return x[:number]
    if isinstance(x, dict):
        return {name: first_rows(value, number) for name, value in x.items()}
    return type(x)(first_rows(value, number) for value in x) if isinstance(x, list | tuple) else x


def _size_of(part: Any) -> str:
    samples, batches = len(part.dataset), len(part)
    plural = "batch" if batches == 1 else "batches"
    return f"{samples:,} samples in {batches:,} {plural} of {part.batch_size}"


def _some_names(vocab: Sequence[Any]) -> str:
    return ", ".join([*map(str, vocab[:NAMED]), *(["…"] if len(vocab) > NAMED else [])])
