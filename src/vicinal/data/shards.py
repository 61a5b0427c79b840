"""From the name of a data set to shards that are streamed, without storing anything."""

import gc
import hashlib
import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from rich.filesize import decimal
from torch import Tensor

from vicinal.data.column_split import check_class, label_column
from vicinal.data.image_columns import image_column
from vicinal.data.parts import part_names
from vicinal.data.samples import Samples, Split
from vicinal.data.summary import Summary, summary_of
from vicinal.data.tables import (
    first_sentence,
    load_hub,
    load_parquet,
    parquet_rows,
    parts_of,
    silent,
)
from vicinal.errors import VicinalError
from vicinal.processes import processors
from vicinal.rng import rank_and_world_size

BUFFER = 10_000  # encoded images in the shuffle buffers of all workers together
PREVIEWED = 64  # images that are read to find the size of all
NOT_PICKED = "images that are streamed cannot be picked: leave out --train-size and --label-noise"
Load = Callable[..., Any]


@dataclass(frozen=True)
class Shards:
    """One part of the data, which is read from shards.

    Args:
        rows: an IterableDataset of the ``datasets`` library: a column of encoded images, and one of
            labels.
        count: of the rows; if some are held out, an estimate.
        source: the name of the data.
        image, label: the names of the columns.
        classes: from values of the label column to class indices.
    """

    rows: Any
    count: int
    source: str
    image: str
    label: str
    classes: dict[Any, int]

    def __len__(self) -> int:
        return self.count

    def head(self, count: int = PREVIEWED) -> Samples:
        """The first samples."""
        with closing(read_rows(self.source, self.rows)) as read:
            rows = list(itertools.islice(read, count))
        gc.collect()  # frees Arrow's readers, see _free_readers_early
        labels = [self.classes.get(row[self.label], 0) for row in rows]
        return Samples([row[self.image] for row in rows], labels)

    def workers(self, requested: int | None = None) -> int:
        """The number of worker processes, each of which needs a shard."""
        shards = own_shards(self.rows).n_shards
        return min(processors() if requested is None else requested, shards)


@dataclass
class StreamedSplit(Split):
    """Labelled images whose parts are streamed from shards."""

    train: Shards  # type: ignore[assignment]
    valid: Shards  # type: ignore[assignment]

    kind: ClassVar[str] = "streamed images"

    @property
    def targets(self) -> Tensor:
        raise VicinalError(NOT_PICKED)  # they have not been read

    def subset(self, rows: Tensor) -> Self:
        raise VicinalError(NOT_PICKED)

    def relabelled(self, targets: Tensor) -> Self:
        raise VicinalError(NOT_PICKED)

    def summary(self) -> Summary:
        from vicinal.data.image_summary import image_summary

        found = summary_of(self, {}) + Summary([("reading", self.describe())])
        return found + image_summary(self.preview(), self.vocab)

    def preview(self) -> Samples:
        return self.train.head()

    def examples(self, count: int, seed: int) -> Samples:
        """The first training images, to be shown; there is no random access to others."""
        return self.train.head(count)

    def describe(self) -> str:
        """How the images are read, as a line for the user."""
        shards, workers = self.train.rows.n_shards, self.train.workers()
        return (
            f"streamed from {shards} shard{'s' if shards > 1 else ''} through {workers} "
            f"process{'es' if workers > 1 else ''}, shuffled in a buffer of {BUFFER:,}"
        )


def stream_of_parquet(
    files: list[Path], label: str | None, valid_pct: float, seed: int
) -> StreamedSplit:
    """Parquet files as shards; the name of each tells which part it belongs to."""
    rows = {str(file): parquet_rows(file) for file in files}
    counts = {name: sum(rows[file] for file in part) for name, part in parts_of(files).items()}
    load = partial(load_parquet, files)
    return _streamed(str(files[0].parent), load, counts, label, valid_pct, seed)


def stream_of_hub(
    name: str, label: str | None, valid_pct: float, seed: int, reason: str | None = None
) -> StreamedSplit:
    """A hub's data, whose files are the shards; ``reason`` is why they are streamed by default."""
    import datasets

    load = partial(load_hub, name, datasets.load_dataset)
    split = _streamed(f"hf:{name}", load, {}, label, valid_pct, seed)
    if reason is not None:
        split.notes.append(f"stream: {reason}")
    return split


def too_large_for_disk(name: str) -> str | None:
    """Why a hub's data do not fit on the disk; None if they do, or are there already."""
    import datasets

    builder = load_hub(name, datasets.load_dataset_builder)
    needed = (builder.info.download_size or 0) + (builder.info.dataset_size or 0)
    folder = Path(datasets.config.HF_DATASETS_CACHE)
    free = shutil.disk_usage(next(f for f in (folder, *folder.parents) if f.exists())).free
    if needed <= free or Path(builder.cache_dir).exists():
        return None
    return f"{decimal(needed)} are more than the {decimal(free)} free on the disk"


def _streamed(
    source: str, load: Load, counts: dict[str, int], label: str | None, valid_pct: float, seed: int
) -> StreamedSplit:
    _free_readers_early()
    tables = load(streaming=True)
    train_name, valid_name = part_names(tables)
    names = [train_name] if valid_name is None else [train_name, valid_name]
    features = tables[train_name].features or {}
    image = image_column(tables[train_name])
    label = label_column(features, label, image)
    vocab = getattr(features[label], "names", None)
    values: Sequence[Any] = range(len(vocab or ()))
    counts = {**_known_counts(tables), **counts}
    if vocab is None or not set(names) <= set(counts):
        tallies = _tally_labels(source, load, label, names)
        counts = {name: tally.total() for name, tally in tallies.items()}
        if vocab is None:
            values = sorted(set().union(*tallies.values()))
            vocab = [str(value) for value in values]
    classes = {value: index for index, value in enumerate(values)}
    make = partial(Shards, source=source, image=image, label=label, classes=classes)
    rows = {name: _encoded(tables[name], image, label) for name in names}
    notes = [f"labels: column {label}"]
    if valid_name is not None:
        notes.append(f"validation: the data's part {valid_name}")
        train, valid = (make(_of_part(rows[name], image), count=counts[name]) for name in names)
        return StreamedSplit(train, valid, list(vocab), notes)
    if not 0 < valid_pct < 1:
        raise VicinalError(f"the validation share must lie between 0 and 1, not {valid_pct}")
    count = counts[train_name]
    held = round(valid_pct * count)
    notes.append(
        f"validation: about {held:,} images held out by a hash of each ({valid_pct:.0%}): all "
        "shards are read for them"
    )
    train, valid = (
        make(_of_part(rows[train_name], image, of, valid_pct, seed), count=number)
        for of, number in (("train", count - held), ("valid", held))
    )
    return StreamedSplit(train, valid, list(vocab), notes)


def _free_readers_early() -> None:
    """Let ``datasets`` free a reader of Parquet that is left before its end.

    Otherwise such a reader often keeps Python from exiting (apache/arrow issue 45214). The library
    knows that, but does so up to pyarrow 24 only, and later versions need it, too.
    """
    import datasets
    from packaging.version import Version

    if Version("24.0.0") < datasets.config.PYARROW_VERSION:
        datasets.config.PYARROW_VERSION = Version("24.0.0")


def _known_counts(tables: Any) -> dict[str, int]:
    """The numbers of rows of those tables that have them in their metadata."""
    infos = {name: (table.info.splits or {}).get(name) for name, table in tables.items()}
    return {name: info.num_examples for name, info in infos.items() if info and info.num_examples}


def _tally_labels(
    source: str, load: Load, label: str, names: Sequence[str]
) -> dict[str, Counter[Any]]:
    """Count each label in each part, reading the label column only."""
    try:
        tables = load(streaming=True, columns=[label])
    except VicinalError:
        raise VicinalError(
            f"{source} has no metadata on the number of images or the classes, and its column "
            f"{label} cannot be read alone: train without --stream"
        ) from None
    tallies: dict[str, Counter[Any]] = {name: Counter() for name in names}
    for name, tally in tallies.items():
        for labels in read_rows(source, tables[name].iter(batch_size=1000)):
            known = [value for value in labels[label] if value is not None]
            for value in known[:1]:
                check_class(value, label)
            tally.update(labels[label])
        missing = tally[None] + tally[-1]
        if missing:
            raise VicinalError(
                f"{missing:,} of {tally.total():,} labels in column {label} are missing: fill them "
                "in or drop the rows"
            )
    return tallies


def _encoded(table: Any, image: str, label: str) -> Any:
    """The image and the label column, with images as they are stored."""
    import datasets

    return table.select_columns([image, label]).cast_column(image, datasets.Image(decode=False))


def _of_part(rows: Any, image: str, of: str = "all", share: float = 0.0, seed: int = 0) -> Any:
    """The rows of one part.

    A filter is applied even if it passes all rows: rows then come one by one, and are not shuffled
    as Arrow tables, which fail beyond 2 GB.
    """
    return rows.filter(partial(_is_of_part, of=of, share=share, seed=seed), input_columns=[image])


def _is_of_part(image: Any, of: str, share: float, seed: int) -> bool:
    """Whether an image belongs to a part, by its content: duplicates are in the same part."""
    if of == "all":
        return True
    content = (image or {}).get("bytes") or ((image or {}).get("path") or "").encode()
    digest = hashlib.blake2b(content, digest_size=8, key=str(seed).encode()).digest()
    return (int.from_bytes(digest) < share * 2**64) == (of == "valid")


def read_rows(source: str, rows: Iterable[Any]) -> Generator[Any, None, None]:
    """Iterate over rows, or batches of them, with errors as one sentence."""
    import datasets

    rows = iter(rows)
    while True:
        try:
            with silent(datasets.logging):
                row = next(rows)
        except StopIteration:
            return
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise VicinalError(
                f"{source} cannot be read to its end ({first_sentence(error)}): download it again, "
                "or remove what is damaged"
            ) from None
        yield row


def own_shards(rows: Any) -> Any:
    """The rows that this process reads, of those that all processes divide among them."""
    from datasets.distributed import split_dataset_by_node

    rank, processes = rank_and_world_size()
    return split_dataset_by_node(rows, rank=rank, world_size=processes)
