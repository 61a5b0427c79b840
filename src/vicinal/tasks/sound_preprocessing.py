"""How new sounds are brought to a network."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from vicinal.data.sound_columns import HeldSound
from vicinal.data.sound_files import is_sound, read_named
from vicinal.data.sound_loaders import put
from vicinal.errors import VicinalError
from vicinal.models.sound import sound_network
from vicinal.stored import check_dataclass
from vicinal.tasks.predictor import Preprocessing

LONGEST = 2**28  # samples, three hours at 22,050 Hz


@dataclass(frozen=True)
class SoundPreprocessing(Preprocessing):
    """How validation sounds were preprocessed.

    Args:
        model, vocab: as in :class:`Preprocessing`.
        rate: samples per second of the waves.
        length: of the waves, in samples; longer ones are cut to their middle, shorter ones are
            padded with silence.
        hop: samples from one frame of a spectrogram to the next.
    """

    rate: int
    length: int
    hop: int

    sample_name = "file"
    argument = "SOUND"

    @classmethod
    def load(cls, stored: dict[str, Any], folder: Path) -> tuple[nn.Module, Self]:
        check_dataclass(stored, cls, "predict.how")
        made = cls(**stored)
        made.check()
        return sound_network(made.model, made.n_out, made.rate, made.hop), made

    def check(self) -> None:
        super().check()
        if not 1 <= self.rate <= 10**6:
            raise VicinalError(f"rate must be 1 to 1,000,000 samples per second, not {self.rate}")
        for name, value in (("length", self.length), ("hop", self.hop)):
            if not 1 <= value <= LONGEST:
                raise VicinalError(f"{name} must be 1 to {LONGEST:,} samples, not {value}")

    def to_json(self) -> dict[str, Any]:
        rest = {name: value for name, value in asdict(self).items() if name != "threshold"}
        return {**rest, **self._threshold()}

    def samples(self, arguments: Iterable[str]) -> Iterator[tuple[str, Any]]:
        return ((str(argument), Path(argument)) for argument in arguments)

    @staticmethod
    def takes(file: Path) -> bool:
        return is_sound(file.suffix)

    def batch(self, items: list[Any]) -> Tensor:
        """Sound files, or waves (T,) of the rate, to (B, length) floats.

        Raises:
            BadSound: a file cannot be used; it is named.
        """
        x = torch.zeros(len(items), self.length)
        for row, item in zip(x, items, strict=True):
            put(row, self._wave(item))
        return x

    def _wave(self, item: Any) -> Tensor:
        item = Path(item) if isinstance(item, str) else item
        if isinstance(item, Path | HeldSound):
            # As they are stored in training.
            return torch.from_numpy(read_named(item, self.rate).wave).half().float()
        try:
            wave = torch.as_tensor(item)
        except (RuntimeError, TypeError, ValueError):
            raise VicinalError(
                f"a sound is a file, or a wave (T,) of floats, not {item!r:.60}"
            ) from None
        if wave.ndim != 1 or not len(wave) or not wave.is_floating_point():
            raise VicinalError(
                f"a sound is a file, or a wave (T,) of floats, not {tuple(wave.shape)} of "
                f"{str(wave.dtype).removeprefix('torch.')}"
            )
        return wave.float()
