"""Series: defaults for them, and how they are shown."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal.data.samples import listed
from vicinal.data.series import SeriesPart, SeriesSplit
from vicinal.data.series_values import Array
from vicinal.data.split_loader import TensorData
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.methods import MethodEntry
from vicinal.mixes import MixPart
from vicinal.models.series import OWN, check_series_model
from vicinal.tasks.drawn import Drawn
from vicinal.tasks.options import TrainOptions
from vicinal.tasks.rows import RowTask
from vicinal.tasks.series_preprocessing import SeriesPreprocessing
from vicinal.tasks.several_labels import shown_target
from vicinal.tasks.signal_loaders import SeriesLoaders
from vicinal.tasks.task import Default

STEPS = 1000  # of training on few series
LONG = 512  # steps of time: longer series are resampled to so many
SHORTEST = 8  # that --size takes
SHOWN = 8  # series in a picture of mixing


class SeriesTask(Drawn, RowTask):
    """Train a convolutional network on series."""

    kind = "series"
    refused = tuple(name for name in RowTask.refused if name not in ("size", "skip_bad"))
    preprocessing_type = SeriesPreprocessing
    loaders_type = SeriesLoaders
    split: SeriesSplit  # type: ignore[assignment]
    preparation: SeriesPreprocessing

    @classmethod
    def takes_model(cls, name: str) -> bool:
        return name in OWN

    def _choose_network(self) -> None:
        split = self.split
        self.model = self._choose("model", (OWN[0], "for series"))
        check_series_model(self.model)
        steps, why = self._length()
        self.reasons.append(("length", f"{steps:,} steps ({why})"))
        mean, std = moments(split.train.series)
        huge = [n for n, each in zip(split.channels, std, strict=True) if not math.isfinite(each)]
        if huge:
            raise VicinalError(
                f"the values of channel {listed(huge)} are too large for their deviation to be "
                "computed: scale them, or leave such series out"
            )
        constant = [name for name, each in zip(split.channels, std, strict=True) if not each]
        if len(constant) == len(std):
            raise VicinalError(
                "all values of the training series are the same: there is nothing to learn"
            )
        if constant:
            self.reasons.append(("constant", f"channel {listed(constant)}, in all training series"))
        self.preparation = SeriesPreprocessing(
            self.model,
            split.vocab,
            list(split.channels),
            steps,
            mean,
            [each or 1.0 for each in std],
            split.layout,
        )

    def _length(self) -> tuple[int, str]:
        """To how many steps series are resampled, and why."""
        lengths = self.split.train.lengths
        longest, same = max(lengths), {*lengths, *self.split.valid.lengths}
        size = self.options.size
        if size is not None:
            if not str(size).isdigit():
                raise VicinalError(
                    f"--size {size} is for images: of series it is a number of steps"
                )
            return int(str(size)), "as requested; series are resampled to it"
        if longest > LONG:
            return LONG, f"series of up to {longest:,} are resampled to it; --size sets it"
        if len(same) == 1:
            return longest, "as the series are"
        return longest, "as the longest training series has; all are resampled to it"

    def resolved(self) -> TrainOptions:
        steps = self.preparation.steps
        return replace(super().resolved(), size=steps if steps >= SHORTEST else None)

    def _epochs(self) -> Default:
        count = len(self.split.train)
        steps = max(1, count // (self.options.batch_size or self._batch_size(count)[0]))
        return max(20, STEPS // steps), f"about {STEPS:,} steps, and 20 epochs or more"

    def _batch_size(self, count: int) -> Default:
        return max(2, min(64, max(16, count // 16), count // 2)), f"{count:,} training series"

    def _learning_rate(self) -> Default:
        return 1e-3, "for series"

    def _precision(self) -> Default:
        if self.options.precision == "auto":
            return "fp32", "small differences in series may need more than 8 bits"
        return super()._precision()

    def _choose_loading(self) -> None:
        pass

    def _identity(self) -> list[Any]:
        parts = self.split.train, self.split.valid
        hashed = hashlib.blake2b(digest_size=16)
        for part in parts:
            for values in part.series:
                hashed.update(repr(values.shape).encode())
                hashed.update(np.ascontiguousarray(values).tobytes())
        return [*(part.y.tolist() for part in parts), hashed.hexdigest()]

    def _parts(self) -> tuple[TensorData, TensorData]:
        return self._data(self.split.train), self._data(self.split.valid)

    def _data(self, part: SeriesPart) -> TensorData:
        y = part.y.float() if self.split.scale and self.device.type == "mps" else part.y
        return TensorData(self.preparation.stacked(part.series), y)

    def _network(self) -> nn.Module:
        return self.preparation.network(self.split.scale)

    def _learned(self, method: MethodEntry) -> dict[str, Any]:
        # A box would be cut across the channels, too.
        cut = {"dim": -1} if method.name == "cutmix" else {}
        return super()._learned(method) | cut

    def _layers(self, part: MixPart, learn: Learner) -> Sequence[Any]:
        layers = self._layers_of(part)
        if part.layers:
            return layers
        names = {name for name, _ in learn.model.named_children()}
        return [layer for layer in layers if layer in names or layer == "input"]

    def _figure(self, learn: Learner, x: Tensor, target: Any) -> Any:
        from vicinal.plots.series import mixed_series

        target = shown_target(target.to("cpu"), self.options.spec)
        return mixed_series(x.cpu(), target, self.split.vocab)

    @classmethod
    def show(cls, options: TrainOptions, split: SeriesSplit) -> Any:
        from vicinal.plots.series import series_mixing

        task = cls(options, split)
        mixer = task.mixer_to_show()
        rows = torch.randperm(
            len(split.train), generator=torch.Generator().manual_seed(options.seed)
        )[:SHOWN]
        x = task.preparation.stacked([split.train.series[row] for row in rows.tolist()])
        y = split.train.y[rows]
        mix = mixer.draw(x, y)
        target = shown_target(mix.target(y), options.spec)
        return series_mixing(x, x[mix.partner], mix(x), target, split.vocab)


def moments(series: Sequence[Array]) -> tuple[list[float], list[float]]:
    """The mean and the standard deviation of each channel over all values of all series.

    >>> moments([np.array([[1.0, 3.0]]), np.array([[2.0]])])
    ([2.0], [0.816496580927726])
    """
    joined = np.concatenate(list(series), axis=1)
    # Of equal values, mean and deviation are mostly a little off, by rounding.
    constant = np.ptp(joined, axis=1) == 0
    with np.errstate(over="ignore", invalid="ignore"):  # of huge values, they are not finite
        measured, deviation = joined.mean(axis=1), joined.std(axis=1)
    mean = np.where(constant, joined[:, 0], measured)
    return mean.tolist(), np.where(constant, 0.0, deviation).tolist()
