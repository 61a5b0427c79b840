"""The ways to make loaders of images by fastai's names, each a DataBlock in a few words."""

import csv
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.data.paths import Path
from vicinal.data.readers import ColReader, ItemGetter, RegexLabeller, using_attr
from vicinal.data.splitters import ColSplitter, RandomSplitter
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.data.vision import ImageDataLoaders

Folder = str | os.PathLike[str]


class ImageFactories:
    """What :class:`ImageDataLoaders` are made from, beside folders.

    All take ``valid_pct`` and ``seed`` (of a random validation part, the order and the
    augmentation), ``item_tfms`` and ``batch_tfms`` (as a :class:`DataBlock`), and ``bs``,
    ``val_bs``, ``device`` and ``num_workers``. Images are augmented by ``batch_tfms`` alone.
    """

    @classmethod
    def from_dblock(
        cls, dblock: Any, source: Any, path: Folder = ".", **kwargs: Any
    ) -> "ImageDataLoaders":
        """From a DataBlock, whose :meth:`~DataBlock.dataloaders` this is."""
        return dblock.dataloaders(source, path, **kwargs)

    @classmethod
    def from_path_func(
        cls,
        path: Folder,
        fnames: Sequence[Any],
        label_func: Callable[[Any], Any],
        valid_pct: float = 0.2,
        seed: int | None = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From image files, with their class by a function of the path.

        Args:
            path: the folder of the data, ``dls.path``.
            fnames: the files.
            label_func: from one of them to its class.

        Raises:
            VicinalError: as :meth:`DataBlock.dataloaders`.
        """
        block = block_of(
            get_y=label_func,
            splitter=RandomSplitter(valid_pct, seed),
            item_tfms=item_tfms,
            batch_tfms=batch_tfms,
        )
        return cls.from_dblock(block, list(fnames), path, **kwargs)

    @classmethod
    def from_name_func(
        cls,
        path: Folder,
        fnames: Sequence[Any],
        label_func: Callable[[str], Any],
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From image files, with their class by a function of the file's name.

        Args:
            path, fnames, kwargs: as for :meth:`from_path_func`.
            label_func: from a name such as ``"pug_7.jpg"`` to its class.
        """
        files = [Path(file) for file in fnames]
        return cls.from_path_func(path, files, using_attr(label_func, "name"), **kwargs)

    @classmethod
    def from_path_re(
        cls, path: Folder, fnames: Sequence[Any], pat: str, **kwargs: Any
    ) -> "ImageDataLoaders":
        r"""From image files, with their class in the path.

        Args:
            path, fnames, kwargs: as for :meth:`from_path_func`.
            pat: a regular expression for the path; its first group is the class.
        """
        return cls.from_path_func(path, fnames, RegexLabeller(pat), **kwargs)

    @classmethod
    def from_lists(
        cls,
        path: Folder,
        fnames: Sequence[Any],
        labels: Sequence[Any],
        valid_pct: float = 0.2,
        seed: int | None = None,
        y_block: Any = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From image files and the list of their targets.

        Args:
            path: the folder of the data, ``dls.path``.
            fnames: the files.
            labels: of each the class; or a list of labels, or a float.
            y_block: of the target; None chooses by the first label.

        Raises:
            VicinalError: the lists differ in length, or as :meth:`DataBlock.dataloaders`.
        """
        files, given = list(fnames), list(labels)
        if len(files) != len(given):
            raise VicinalError(
                f"there are {len(files):,} files, but {len(given):,} labels: give one for each"
            )
        if y_block is None and given:
            y_block = _target_like(given[0])
        block = block_of(
            y_block,
            getters=[ItemGetter(0), ItemGetter(1)],
            splitter=RandomSplitter(valid_pct, seed),
            item_tfms=item_tfms,
            batch_tfms=batch_tfms,
        )
        return cls.from_dblock(block, list(zip(files, given, strict=True)), path, **kwargs)

    @classmethod
    def from_df(
        cls,
        df: Any,
        path: Folder = ".",
        valid_pct: float = 0.2,
        seed: int | None = None,
        fn_col: str | int = 0,
        folder: Folder | None = None,
        suff: str = "",
        label_col: str | int | Sequence[str | int] = 1,
        label_delim: str | None = None,
        y_block: Any = None,
        valid_col: str | int | None = None,
        item_tfms: Any = None,
        batch_tfms: Any = None,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From the rows of a data frame.

        Args:
            df: the frame.
            path, folder: the images are in ``path``, or in ``folder`` in it.
            fn_col: the column of the files' names; ``suff`` follows them, such as ``".jpg"``.
            label_col: the column of the class, or several, of which each is a target.
            label_delim: what separates the labels, where a value has several.
            y_block: of the target; None is one class, or several labels with ``label_delim`` or
                several columns.
            valid_col: the column that is true in rows for validation; None holds out ``valid_pct``.

        Raises:
            VicinalError: there is no such column, or as :meth:`DataBlock.dataloaders`.
        """
        several = not isinstance(label_col, str | int) and len(label_col) > 1
        if y_block is None and (several or label_delim is not None):
            y_block = _target_like([])
        images = Path(path) if folder is None else Path(path) / folder
        drawn = RandomSplitter(valid_pct, seed)
        block = block_of(
            y_block,
            get_x=ColReader(fn_col, pref=images, suff=suff),
            get_y=ColReader(label_col, label_delim=label_delim),
            splitter=drawn if valid_col is None else ColSplitter(valid_col),
            item_tfms=item_tfms,
            batch_tfms=batch_tfms,
        )
        return cls.from_dblock(block, df, path, **{"seed": seed, **kwargs})

    @classmethod
    def from_csv(
        cls,
        path: Folder,
        csv_fname: str = "labels.csv",
        header: Any = "infer",
        delimiter: str | None = None,
        quoting: int = csv.QUOTE_MINIMAL,
        **kwargs: Any,
    ) -> "ImageDataLoaders":
        """From the rows of a CSV file.

        Args:
            path: the folder that it is in.
            csv_fname: its name.
            header, delimiter, quoting: of :func:`pandas.read_csv`.
            **kwargs: of :meth:`from_df`.

        Raises:
            VicinalError: there is no such file, or as :meth:`from_df`.
        """
        import pandas as pd

        file = Path(path) / csv_fname
        if not file.is_file():
            raise VicinalError(f"{file} does not exist: name the table by csv_fname=")
        # With delimiter=None, pandas would guess it.
        separator = {} if delimiter is None else {"sep": delimiter}
        frame = pd.read_csv(file, header=header, quoting=quoting, **separator)
        return cls.from_df(frame, path, **kwargs)


def block_of(y_block: Any = None, **kwargs: Any) -> Any:
    """A DataBlock of images, whose arguments ``kwargs`` are; without ``y_block``, of one class."""
    # These import ImageDataLoaders, which are made here.
    from vicinal.data.block import DataBlock
    from vicinal.data.image_blocks import CategoryBlock, ImageBlock

    return DataBlock((ImageBlock, y_block or CategoryBlock), **kwargs)


def _target_like(label: Any) -> Any:
    """The block of targets like this one."""
    from vicinal.data.image_blocks import CategoryBlock
    from vicinal.data.label_blocks import MultiCategoryBlock, RegressionBlock

    if isinstance(label, list | tuple | set | np.ndarray):
        return MultiCategoryBlock
    return RegressionBlock if isinstance(label, float | np.floating) else CategoryBlock
