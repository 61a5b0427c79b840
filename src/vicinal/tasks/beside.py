"""Texts and images with columns beside them: one network for both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from pandas.util import hash_pandas_object
from torch import Tensor, nn

from vicinal.data.beside import ImagesBesideSplit
from vicinal.data.beside_loaders import IMAGES, BesideLoaders, WithColumns
from vicinal.data.preprocessing import TablePreprocessing
from vicinal.data.rows import Rows, TextsBesideSplit
from vicinal.data.samples import ImageParts, Samples
from vicinal.data.vision import ImageDataLoaders
from vicinal.errors import VicinalError
from vicinal.learner.callbacks import MixBatches
from vicinal.learner.events import Callback
from vicinal.learner.learner import Learner
from vicinal.learner.vision import vision_groups
from vicinal.mixes import MixPart
from vicinal.mixing import Mixer, MixUp
from vicinal.mixing.schedule import begin_schedules
from vicinal.models.beside import INPUTS, SCORES, Beside
from vicinal.models.rescale import Rescale
from vicinal.tasks.beside_preprocessing import ImagesBesidePreprocessing, TextsBesidePreprocessing
from vicinal.tasks.images import ImageTask
from vicinal.tasks.several_labels import of_several
from vicinal.tasks.task import Task
from vicinal.tasks.texts import TextTask

SHOWN_COLUMNS = 3  # under each picture


class BesideTask(Task):
    """What texts and images with columns have in common: where they are mixed."""

    def _layers(self, part: MixPart, learn: Learner) -> list[Any]:
        for layer in part.layers:
            if layer not in (INPUTS, SCORES):
                raise VicinalError(
                    f"--mix {part.text}: at {layer} the columns would not be mixed with the "
                    f"{self.kind.split()[0]}: name {INPUTS} or {SCORES}"
                )
        return [*self._layers_of(part)]


class TextsBesideTask(BesideTask, TextTask):
    """Train a network on texts and columns."""

    kind = "texts beside columns"
    preprocessing_type = TextsBesidePreprocessing
    split: TextsBesideSplit
    preparation: TextsBesidePreprocessing

    def _choose_network(self) -> None:
        super()._choose_network()
        table = TablePreprocessing.fit(self.split.train.frame, self.split.kinds)
        self.preparation = TextsBesidePreprocessing(**vars(self.preparation), table=table)

    def _choose_loading(self) -> None:
        super()._choose_loading()
        for line in self.preparation.table.unknown(self.split.valid.frame):
            self.reasons.append(("validation", line))

    def _labels(self, part: Rows) -> Tensor:
        return torch.arange(len(part))  # of the rows, by which their columns are found

    def _parts(self) -> tuple[WithColumns, WithColumns]:
        return self._with_columns(self.train, self.split.train), self._with_columns(
            self.valid, self.split.valid
        )

    def _with_columns(self, texts: Any, part: Rows) -> WithColumns:
        columns = self.preparation.table.transform(part.frame)
        return WithColumns(texts, columns, self._part_targets(part))

    def _network(self) -> nn.Module:
        scale = self.split.scale
        rescale = Rescale(*scale, dtype=torch.float64) if scale else None
        return self.preparation.beside(self._text_network(), rescale)

    def _maximum(self, part: MixPart) -> str | None:
        layers = {*self._layers_of(part)}
        if len(layers) > 1:
            raise VicinalError(
                f"--mix {part.text}: {SCORES} comes after the words are masked, {INPUTS} before: "
                "name one of them"
            )
        return None if layers == {SCORES} else "mask"


class ImagesBesideTask(BesideTask, ImageTask):
    """Train a network on images and columns."""

    kind = "images beside columns"
    refused = ("recipe", "label_pattern", "stream")
    preprocessing_type = ImagesBesidePreprocessing
    split: ImagesBesideSplit
    table: TablePreprocessing

    def _choose_network(self) -> None:
        super()._choose_network()
        self.table = TablePreprocessing.fit(self.split.rows[0], self.split.kinds)

    def _choose_loading(self) -> None:
        super()._choose_loading()
        for line in self.table.unknown(self.split.rows[1]):
            self.reasons.append(("validation", line))

    def _identity(self) -> list[Any]:
        kinds = self.split.kinds
        read = [*kinds.numeric, *kinds.categorical]
        hashed = [hash_pandas_object(rows[read], index=False) for rows in self.split.rows]
        return [*super()._identity(), read, *(each.tolist() for each in hashed)]

    def loaders(self) -> BesideLoaders:
        split = self.split
        parts = split.train, split.valid
        # In the place of labels the numbers of their rows, by which their columns are found.
        train, valid = (replace(part, labels=range(len(part))) for part in parts)
        images = ImageDataLoaders.from_split(
            ImageParts(train, valid, None, len(split.vocab)),
            storage=self.storage,
            **self._loader_options(split.train.images),
        )
        columns = [self.table.transform(rows) for rows in split.rows]
        made = BesideLoaders.of(
            images, columns, [torch.tensor(part.labels) for part in parts], split.vocab
        )
        made.column, made.table = split.column, self.table
        of_several(made, split)
        return made

    @property
    def _learner_options(self) -> dict[str, Any]:
        return {**super()._learner_options, "around": self._beside, "splitter": beside_groups}

    def _beside(self, network: nn.Module) -> Beside:
        numeric, cardinalities = len(self.table.mean), self.table.cardinalities
        return Beside(network, numeric, cardinalities, len(self.split.vocab))

    def _blank(self) -> Any:
        return {**self.split.rows[0].iloc[0], self.split.column: super()._blank()}

    def count_parameters(self) -> int:
        of_columns = sum(each.numel() for each in self._beside(nn.Identity()).parameters())
        return super().count_parameters() + of_columns

    def preprocessing(self, learn: Learner) -> ImagesBesidePreprocessing:
        split, images = self.split, super().preprocessing(learn)
        about: dict[str, Any] = {"column": split.column, "table": self.table}
        about["reading"] = split.reading
        return ImagesBesidePreprocessing(**vars(images), **about)

    def picture(self, learn: Learner, mixer: Mixer | Callback | None) -> Callable[[], Any] | None:
        """The images of the first batch, as they are mixed together with the columns."""
        if isinstance(mixer, MixBatches):  # such as RegMixUp
            mixer = mixer.mixer
        shown: Any = MixUp(0.0) if mixer is None else mixer
        layers = getattr(shown, "layers", (INPUTS,))
        if not isinstance(shown, Mixer) or {*layers} != {INPUTS}:
            return None
        state = shown.state_dict()
        begin_schedules(shown, self.epochs * len(learn.dls.train), at=shown.random.draws)
        x, y = learn.dls.one_batch()
        mix = shown.draw(x[IMAGES], y)
        shown.load_state_dict(state)  # the training starts with the same draws
        return lambda: self._figure(learn, mix(x[IMAGES]), mix.target(y))

    def _said(self, samples: Samples) -> list[str]:
        """The first columns of the images."""
        from vicinal.plots.layout import fit  # with matplotlib

        place = {str(image): row for row, image in enumerate(self.split.train.images)}
        rows = self.split.rows[0].iloc[[place[str(image)] for image in samples.images]]
        shown = rows[rows.columns[:SHOWN_COLUMNS]]
        each = [[_cell(name, row[name]) for name in shown] for _, row in shown.iterrows()]
        return ["\n".join(map(fit, cells)) for cells in each]

    def mixer_to_show(self) -> Mixer:
        mixer = self.batch_mixer()
        if mixer is not None and self.layers == (INPUTS,):
            return mixer  # whose images can be seen
        return super().mixer_to_show()


def _cell(name: str, value: Any) -> str:
    """A column of a row, as it is written under a picture.

    >>> _cell("age", 45.0), _cell("sex", None)
    ('age: 45', 'sex: -')
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = "-" if pd.isna(value) else f"{value:g}" if number else str(value)
    return f"{name}: {text}"


def beside_groups(model: Any) -> list[list[nn.Parameter]]:
    """The parameter groups of a network for images with columns, which go with the classifier."""
    *body, head = vision_groups(model.network)
    return [*body, [*head, *model.columns.parameters(), *model.rescale.parameters()]]
