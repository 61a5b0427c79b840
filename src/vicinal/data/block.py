"""DataBlock: fastai's mid-level interface to the data, on top of the same loaders."""

import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, Self

from torch import Tensor

from vicinal.absent import BBoxBlock, BBoxLblBlock, PointBlock
from vicinal.activations import noop
from vicinal.data.blocks import (
    InputBlock,
    LabelledItems,
    LoaderOptions,
    TargetBlock,
    as_block,
)
from vicinal.data.described_block import DescribedBlock
from vicinal.data.image_blocks import CategoryBlock, ImageBlock
from vicinal.data.image_files import get_image_files
from vicinal.data.item_transforms import as_list
from vicinal.data.keywords import check_keywords
from vicinal.data.loaders import DataLoaders
from vicinal.data.part_items import PartItems, rows_of
from vicinal.data.paths import Path
from vicinal.data.readers import Getter, in_turn
from vicinal.data.splitters import GroupSplitter, RandomSplitter, SplitItems, Splitter
from vicinal.data.vocab import Vocab
from vicinal.errors import VicinalError


@dataclass(frozen=True)
class BlockDatasets:
    """What :meth:`DataBlock.datasets` makes: both parts, and the names of the classes."""

    train: PartItems
    valid: PartItems
    vocab: Vocab | None


class DataBlock(DescribedBlock):
    """Describes how to get the data; :meth:`dataloaders` then does it.

    Args:
        blocks: one input and one target, such as ``(ImageBlock, CategoryBlock)``; None is that, and
            lets :meth:`datasets` give what ``get_x`` and ``get_y`` return.
        get_items: from a source to the list of items, by default from a folder to its image files;
            a list is taken as it is, and of a data frame the rows are the items.
        get_x: from an item to its image: a path, encoded bytes or a PIL image; None where items
            are images. A list of functions is applied one after the other.
        get_y: from an item to its target; None where items are the targets, too.
        getters: ``[get_x, get_y]`` in one list.
        splitter: from the items, or the data frame, to two lists of indices, for training and for
            validation; by default :class:`RandomSplitter`.
        item_tfms: :class:`Resize` or :class:`RandomResizedCrop`, or None where all images have one
            size.
        batch_tfms: such as :func:`aug_transforms` returns, and :class:`Normalize` for other
            statistics than ImageNet's.

    Raises:
        VicinalError: blocks or item transforms of another kind.
    """

    def __init__(
        self,
        blocks: Sequence[Any] | None = None,
        *,
        get_items: Callable[[Any], Any] | None = None,
        get_x: Getter | None = None,
        get_y: Getter | None = None,
        getters: Sequence[Getter] | None = None,
        splitter: Splitter | None = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        **unknown: Any,
    ) -> None:
        if {"n_inp", "dl_type"} & unknown.keys():
            raise VicinalError(
                "a DataBlock has one input and one target, and chooses the loaders by them: leave "
                f"out {', '.join(unknown)}"
            )
        known = list(inspect.signature(DataBlock).parameters)[:-1]
        check_keywords("DataBlock", unknown, known)
        self.is_plain = blocks is None
        self.inputs, self.target = _input_and_target(
            (ImageBlock, CategoryBlock) if blocks is None else blocks
        )
        if getters is not None:
            if get_x is not None or get_y is not None or len(getters) != 2:
                raise VicinalError(
                    "getters are two functions, in the place of get_x and get_y: give one or the "
                    "other"
                )
            get_x, get_y = getters
        self.get_items, self.splitter = get_items, splitter or RandomSplitter()
        self.get_x, self.get_y = in_turn(get_x), in_turn(get_y)
        self.item_tfms, self.batch_tfms = as_list(item_tfms), as_list(batch_tfms)
        self.inputs.check(self.item_tfms)

    def new(self, item_tfms: Any = None, batch_tfms: Any = None) -> Self:
        """The same with other transforms; with None, the ones that there are stay."""
        made = type(self)(
            None if self.is_plain else (self.inputs, self.target),
            get_items=self.get_items,
            get_x=self.get_x,
            get_y=self.get_y,
            splitter=self.splitter,
            item_tfms=self.item_tfms if item_tfms is None else item_tfms,
            batch_tfms=self.batch_tfms if batch_tfms is None else batch_tfms,
        )
        return made

    def dataloaders(
        self,
        source: Any,
        path: str | os.PathLike[str] = ".",
        *,
        bs: int = 64,
        seed: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Find the items, then label, split and decode them.

        Args:
            source: what ``get_items`` takes, a list of items or a data frame.
            path: the folder of the data, ``dls.path``.
            bs: batch size in training.
            seed: of the order and the augmentation; None for that of the splitter.
            **kwargs: for images, of :meth:`ImageDataLoaders.from_split`; its ``workers`` may be
                called ``num_workers``.

        Raises:
            VicinalError: an item has no class, or several; the splitter gives no two parts; or as
                in :meth:`ImageDataLoaders.from_split`.
        """
        if seed is None:
            seed = getattr(self.splitter, "seed", None)
        options = LoaderOptions(self.item_tfms, self.batch_tfms, bs, seed, kwargs)
        data = self.labelled(source)
        dls: DataLoaders = self.target.loaders(self.inputs, data, options)
        dls.target_block, dls.loss_func = self.target, self.target.loss_func
        dls.vocab = None if data.targets.vocab is None else Vocab(data.targets.vocab)
        dls.path, dls.block, dls.data = Path(path), self, data
        return dls

    def summary(self, source: Any, bs: int = 4, show_batch: bool = False, **kwargs: Any) -> None:
        """Print step by step what becomes of a source, to the first batch.

        Args:
            source: as for :meth:`dataloaders`.
            bs: samples in that batch.
            show_batch: draw it, too; ``kwargs`` are of ``dls.show_batch``.

        Raises:
            VicinalError: as :meth:`dataloaders`, after the steps before it are printed.
        """
        from vicinal.data.block_summary import summarize

        summarize(self, source, bs, show_batch, **kwargs)

    def datasets(self, source: Any) -> "BlockDatasets":
        """Both parts as sequences of (input, target), ``.train`` and ``.valid``.

        A DataBlock without blocks gives what ``get_x`` and ``get_y`` make of the items.

        Args:
            source: as for :meth:`dataloaders`.
        """
        if self.is_plain:
            return self._plain_datasets(source)
        data = self.labelled(source)

        def part(rows: Sequence[int]) -> PartItems:
            def read(place: int) -> tuple[Any, Any]:
                return self.inputs.opened(data.x[rows[place]]), data.targets.values[rows[place]]

            return PartItems([data.items[row] for row in rows], read, vocab)

        vocab = None if data.targets.vocab is None else Vocab(data.targets.vocab)
        return BlockDatasets(part(data.train), part(data.valid), vocab)

    def _plain_datasets(self, source: Any) -> "BlockDatasets":
        items, found = self._items(source)
        get_x, get_y = self.get_x or noop, self.get_y or noop

        def part(rows: Sequence[int]) -> PartItems:
            chosen = [items[row] for row in rows]
            return PartItems(chosen, lambda row: (get_x(chosen[row]), get_y(chosen[row])), None)

        train, valid = self._split(found, items, [0] * len(items), [])
        return BlockDatasets(part(train), part(valid), None)

    def labelled(self, source: Any) -> LabelledItems:
        """The items of a source with their inputs and targets, split into two parts.

        Args:
            source: as for :meth:`dataloaders`.
        """
        items, found = self._items(source)
        is_frame = hasattr(found, "iterrows")
        if is_frame and self.get_x is None:
            raise VicinalError(
                "the items are rows of a data frame: give get_x, from a row to a file"
            )
        if self.get_y is None and (is_frame or isinstance(items[0], os.PathLike)):
            raise VicinalError("give get_y, from an item to its class, such as parent_label")
        x = items if self.get_x is None else [self.get_x(item) for item in items]
        y = items if self.get_y is None else [self.get_y(item) for item in items]
        targets = self.target.encode(y, items)
        is_class = self.target.is_classes and targets.vocab is not None
        classes = targets.values.tolist() if is_class else [0] * len(items)
        train, valid = self._split(found, items, classes, x)
        return LabelledItems(items, x, self.target.arranged(targets, train), train, valid)

    def _items(self, source: Any) -> tuple[list[Any], Any]:
        """The items of a source; and what they were found as, which may be a data frame."""
        found = self._found(source)
        items = [*rows_of(found)] if hasattr(found, "iterrows") else list(found)
        if not items:
            raise VicinalError("there are no items: give a source with some, or other get_items")
        return items, found

    def _split(
        self, found: Any, items: Sequence[Any], classes: Sequence[int], x: Sequence[Any]
    ) -> tuple[list[int], list[int]]:
        if isinstance(self.splitter, type):
            kind = self.splitter.__name__
            raise VicinalError(f"splitter={kind} is not called: give splitter={kind}(…)")
        at_random = isinstance(self.splitter, RandomSplitter | GroupSplitter)
        if hasattr(found, "iterrows") and not at_random:
            return _parts(self.splitter(found), len(items))
        copies = self.inputs.copies(x) if len(x) else []
        return _parts(self.splitter(SplitItems(items, classes, copies)), len(items))

    def inputs_of(self, items: Any, dls: DataLoaders) -> list[Any]:
        """The inputs of further items, such as those that are to be predicted.

        Args:
            items: as the training had them, such as rows of a data frame; or if they are of another
                type, the inputs themselves, such as files.
            dls: of the training.
        """
        found = [*rows_of(items)] if hasattr(items, "iterrows") else list(items)
        trained = dls.data.items[0] if dls.data else None
        if self.get_x is None or (trained is not None and found and not _alike(found[0], trained)):
            return found
        return [self.get_x(item) for item in found]

    def targets_of(self, items: Any, dls: DataLoaders) -> Tensor:
        """The targets of further items, as the training's were made.

        Raises:
            VicinalError: one is of a class that the training does not have, or they are read with
                their inputs, as masks are.
        """
        found = [*rows_of(items)] if hasattr(items, "iterrows") else list(items)
        y = found if self.get_y is None else [self.get_y(item) for item in found]
        values = self.target.encode_more(y, found, dls.class_names)
        if not isinstance(values, Tensor):
            raise VicinalError(
                f"test_dl has no labels of {type(self.target).__name__}: leave out with_labels"
            )
        return values

    def _found(self, source: Any) -> Any:
        if self.get_items is None:
            return self.inputs.items_of(source)
        if self.get_items is get_image_files and not isinstance(source, str | os.PathLike):
            return self.inputs.items_of(source)
        return self.get_items(source)


def _input_and_target(blocks: Any) -> tuple[InputBlock, TargetBlock]:
    given = list(blocks) if isinstance(blocks, Iterable) else [blocks]
    for block in given:
        if isinstance(block, type) and issubclass(block, PointBlock | BBoxBlock | BBoxLblBlock):
            block()  # which says what to take instead
    if len(given) == 2:
        inputs, target = map(as_block, given)
        if isinstance(inputs, InputBlock) and isinstance(target, TargetBlock):
            return inputs, target
    names = ", ".join(map(_block_name, given))
    raise VicinalError(
        "blocks must be an input and a target of vicinal, such as (ImageBlock, CategoryBlock), "
        f"not ({names})"
    )


def _block_name(block: Any) -> str:
    """The name of a block in a message, with its package where it is another's."""
    kind = block if hasattr(block, "__name__") else type(block)
    package = (getattr(kind, "__module__", None) or "builtins").partition(".")[0]
    name = str(kind.__name__)
    return name if package in ("vicinal", "builtins") else f"{package}'s {name}"


def _alike(item: Any, other: Any) -> bool:
    """Whether two items are of one type; all paths are."""
    if isinstance(other, os.PathLike):
        return isinstance(item, os.PathLike)
    return isinstance(item, type(other))


def _parts(parts: Any, count: int) -> tuple[list[int], list[int]]:
    """The indices of training and validation items, from what a splitter gave.

    Raises:
        VicinalError: it gave no two lists of indices of the items.
    """
    given = list(parts) if isinstance(parts, Iterable) else []
    if len(given) != 2:
        raise VicinalError(
            "a splitter gives two parts, for training and for validation, not "
            f"{len(given) or repr(parts)}"
        )
    train, valid = (_indices(part, count) for part in given)
    both = set(train) & set(valid)
    if both:
        warnings.warn(
            f"{len(both):,} samples are in the training and in the validation part, so that "
            "validation says nothing of new ones",
            stacklevel=5,
        )
    return train, valid


def _indices(part: Any, count: int) -> list[int]:
    try:
        given = list(part)
        if any(isinstance(row, bool) for row in given):  # a mask, not indices
            raise TypeError
        rows = [index(row) for row in given]
    except TypeError:
        raise VicinalError(
            f"a splitter gives the indices of each part, as whole numbers, not {part!r:.80}"
        ) from None
    outside = [row for row in rows if not 0 <= row < count]
    if outside:
        raise VicinalError(
            f"the splitter gives the index {outside[0]}, and there are {count:,} samples, from 0 on"
        )
    return rows
