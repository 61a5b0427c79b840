"""Images that are streamed from shards, which have no labels in advance and no random access."""

from dataclasses import replace
from typing import Any

from torch import Tensor

from vicinal.data.shards import StreamedSplit
from vicinal.data.stream import streamed_loaders
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError
from vicinal.tasks.images import ImageTask
from vicinal.tasks.options import TrainOptions


class StreamedImageTask(ImageTask):
    """Train a network on images that are read from one shard after the other."""

    split: StreamedSplit

    def __init__(self, options: TrainOptions, split: StreamedSplit) -> None:
        # Set also where the disk was too small: a resumed run may find it larger.
        super().__init__(replace(options, stream=True), split)

    def _choose_storage(self) -> str:
        return self.split.describe()

    def _identity(self) -> list[Any]:
        # The labels are not known, as they have not been read.
        return [(len(part), part.rows.n_shards) for part in (self.split.train, self.split.valid)]

    def loaders(self) -> ImageDataLoaders:
        return streamed_loaders(self.split, **self._loader_options(None))

    def _targets(self) -> Tensor:
        raise VicinalError(
            "--mix remix counts the classes, which are not known of streamed images: use "
            "balancedmixup"
        )
