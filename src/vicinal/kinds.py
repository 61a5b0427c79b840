"""The registry of the kinds of data.

An entry names the classes that do everything for data of its kind: a finder recognises and splits
them, a :class:`~vicinal.data.split.DataSplit` holds them, a :class:`~vicinal.tasks.task.Task`
chooses the settings and trains, and a :class:`~vicinal.tasks.predictor.Preprocessing` prepares new
samples. They are named and not imported, because ``--help`` must not load torch, and because the
packages that define them import this module.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vicinal.data.request import DataRequest
    from vicinal.data.split import DataSplit


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Args:
        name: what its splits have as :attr:`DataSplit.kind`.
        task: where its :class:`Task` is, as ``"module:class"``.
        finder: where the function is that recognises it, from a :class:`DataRequest` to a split or
            None; None where the finder of another kind finds it, too.
        data: what it is found in, for the help.
        samples: what ``vicinal predict`` takes, for the help.
    """

    name: str
    task: str
    finder: str | None = None
    data: str = ""
    samples: str = ""

    def find(self, request: "DataRequest") -> "DataSplit | None":
        """The split, if the data are of this kind, or of another one that shares its finder."""
        split: DataSplit | None = _load(self.finder)(request) if self.finder else None
        return split

    @property
    def task_type(self) -> Any:
        """The subclass of :class:`Task` that trains on such data."""
        return _load(self.task)


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


# The first that recognises the data takes them. Sounds may have a few images beside them, and be
# named by a table. Images may have masks beside them. Other folders of images are images before
# they are anything else, and tables have an image column, or are texts or rows.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "sounds",
            task="vicinal.tasks.sounds:SoundTask",
            finder="vicinal.data.sound_finder:sound_split",
            data="a folder of sounds (WAV, FLAC, Ogg or MP3), in folders of their classes or named "
            "by a table",
            samples="sounds",
        ),
        Kind(
            "series",
            task="vicinal.tasks.series:SeriesTask",
            finder="vicinal.data.series_finder:series_split",
            data="series in .ts files (X_TRAIN.ts and X_TEST.ts), in the arrays of an .npz file, "
            "or in a table with one a row (--series) or one an id (--series-id, --time)",
            samples="files of series (.ts, .npz or tables)",
        ),
        Kind(
            "masks",
            task="vicinal.tasks.masks:MaskTask",
            finder="vicinal.data.mask_finder:mask_split",
            data="a folder with images/ and masks/ of the same names, or a table with a column of "
            "each",
            samples="images",
        ),
        Kind(
            "images",
            task="vicinal.tasks.images:ImageTask",
            finder="vicinal.data.finders:image_split",
            data="digits; a folder of images, in folders of their classes or named by a table; "
            "Parquet files with an image column; MNIST's idx files; an .npz file; a folder of "
            "save_to_disk; torchvision:NAME",
            samples="images",
        ),
        Kind(
            "images beside columns",
            task="vicinal.tasks.beside:ImagesBesideTask",
            samples="tables (CSV, TSV, Parquet, JSON Lines or Excel)",
        ),
        Kind("streamed images", task="vicinal.tasks.streamed:StreamedImageTask"),
        Kind(
            "rows",
            task="vicinal.tasks.tables:TableTask",
            finder="vicinal.data.table_finders:row_split",
            data="a table (CSV, TSV, Parquet, JSON Lines or Excel) or a folder of tables, of texts "
            "or of other rows; a folder of texts, in folders of their classes",
            samples="tables (CSV, TSV, Parquet, JSON Lines or Excel)",
        ),
        Kind(
            "texts", task="vicinal.tasks.texts:TextTask", samples="texts, in files or as they are"
        ),
        Kind(
            "texts beside columns",
            task="vicinal.tasks.beside:TextsBesideTask",
            samples="tables (CSV, TSV, Parquet, JSON Lines or Excel)",
        ),
    )
}


def data_help() -> str:
    """What the help says about DATA, the most common kinds first."""
    common = [KINDS[name].data for name in ("images", "rows")]
    named = dict.fromkeys([*common, *(kind.data for kind in KINDS.values())])
    return "; ".join([*filter(None, named), "a .zip of any of these; hf:NAME, from the hub."])


def samples_help() -> str:
    """What the help says about the samples that ``vicinal predict`` takes."""
    named = "; ".join(dict.fromkeys(kind.samples for kind in KINDS.values() if kind.samples))
    return f"{named}; or folders of files."
