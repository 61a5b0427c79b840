"""Batches of sounds and of series, which are shown, and stored in a file to predict with."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from vicinal.data.loaders import DataLoaders
from vicinal.data.split_loader import Batches, TensorData
from vicinal.errors import VicinalError
from vicinal.mixing.target import MixedTarget
from vicinal.models.sound import LogMel
from vicinal.stored import Misfit, check_dataclass, check_fields
from vicinal.tasks.predictor import Preprocessing
from vicinal.tasks.series_preprocessing import SeriesPreprocessing
from vicinal.tasks.sound_preprocessing import SoundPreprocessing

FIELDS: dict[str, Any] = {"bs": int, "how": dict[str, Any]}


class PreparedLoaders(DataLoaders):
    """Loaders whose new samples are preprocessed as by ``vicinal predict``.

    Attributes:
        preparation: how.
    """

    preparation_type: ClassVar[type[Preprocessing]]
    preparation: Any

    def stack(self, items: Sequence[Any]) -> Any:
        return self.preparation.batch(list(items))

    def to_json(self) -> dict[str, Any]:
        """What these loaders do to new samples, as JSON values, for :meth:`from_json`."""
        return {"bs": self.bs, "how": self.preparation.to_json()}

    @classmethod
    def from_json(cls, stored: dict[str, Any], device: torch.device | str) -> Self:
        """Loaders without samples, from what :meth:`to_json` returned.

        Raises:
            Misfit: it is something else; the message is a clause.
        """
        check_fields(stored, FIELDS, "data", needed=tuple(FIELDS))
        if not 1 <= stored["bs"] <= 10**6:
            raise Misfit(f"data.bs must be 1 to a million, not {stored['bs']}")
        check_dataclass(stored["how"], cls.preparation_type, "data.how")
        made = cls.preparation_type(**stored["how"])
        try:
            made.check()
        except VicinalError as error:
            raise Misfit(f"of data.how, {error}") from None
        empty = TensorData(torch.empty(0), torch.empty(0, dtype=torch.int64))
        part = Batches(empty, stored["bs"], device=device)
        dls = cls(part, part, made.vocab, made.n_out)
        dls.preparation = made
        return dls


class SoundLoaders(PreparedLoaders):
    """Batches of sounds, which are seen as spectrograms."""

    preparation_type = SoundPreprocessing

    @torch.no_grad()
    def pictures(self, x: Any) -> Tensor:
        """Spectrograms of waves (B, T), or as they are, in colours: (B, 3, mels, frames)."""
        from vicinal.plots.spectrograms import as_pictures

        x = x.float().cpu()
        how = self.preparation
        return as_pictures(LogMel(how.rate, how.hop)(x) if x.ndim == 2 else x)[0]


class SeriesLoaders(PreparedLoaders):
    """Batches of series, which are drawn as lines."""

    preparation_type = SeriesPreprocessing

    def show(self, x: Any, y: Any, predicted: Any = None, **grid: Any) -> Any:
        from vicinal import plots
        from vicinal.plots.series import mixed_series

        if isinstance(y, MixedTarget):
            shown = mixed_series(x.cpu(), y.to("cpu"), self.class_names, limit=len(x))
            return plots.shown(shown)
        return super().show(x, y, predicted, **grid)

    def plotted(self, x: Tensor, texts: Sequence[str], **grid: Any) -> Any:
        """A figure of series, (B, channels, steps), with their texts."""
        from vicinal.plots.series import series

        return series(x, texts, **grid)
