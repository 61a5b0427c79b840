"""Sounds: defaults for them, and how new ones are classified."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vicinal.data.sound_loaders import SoundData, ToSpectrogram
from vicinal.data.sound_split import SoundSplit, usual_length, waves_of
from vicinal.data.split_loader import Batches
from vicinal.data.summary import evenly_spaced
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.methods import MethodEntry
from vicinal.mixes import MixPart
from vicinal.mixing import BetweenClass, Mixer, MixUp
from vicinal.mixing.layers import INPUT as NETWORK_INPUT
from vicinal.models.sound import LogMel, SoundNetwork, sound_network, usual_hop
from vicinal.models.zoo import check_name, count_parameters, is_known, stages
from vicinal.tasks.drawn import Drawn
from vicinal.tasks.images import SHOWN, files_of
from vicinal.tasks.options import TrainOptions
from vicinal.tasks.several_labels import add_union, criterion, of_several, shown_target
from vicinal.tasks.signal_loaders import SoundLoaders
from vicinal.tasks.sound_preprocessing import SoundPreprocessing
from vicinal.tasks.task import Default

MOST = 5.0  # seconds that a network hears
MEASURED = 256  # training sounds that give the mean and the deviation of spectrograms
#: The methods that mix waves. Others cut and paste, and mix spectrograms.
OF_WAVES = ("mixup", "betweenclass", "regmixup", "mixupmp", "remix", "balancedmixup")
#: Of these, those that mix spectrograms where they take turns with others that do.
OF_BOTH = tuple(name for name in OF_WAVES if name != "betweenclass")


class SoundTask(Drawn):
    """Train a network for images on spectrograms of sounds.

    Attributes:
        length: of the waves that the network hears, in samples.
        hop: samples from one frame of a spectrogram to the next.
    """

    kind = "sounds"
    refused = ("recipe", "size", "stream", "pretrained", "resize", "flip")
    preprocessing_type = SoundPreprocessing
    layout = ", channels last"
    rechosen_on_resume = ("storage",)  # memory and disk are other ones by then
    split: SoundSplit

    @classmethod
    def takes_model(cls, name: str) -> bool:
        return is_known(name)

    def _choose_network(self) -> None:
        rate, waves = self.split.rate, waves_of(self.split.train)
        self.length, fits = usual_length(waves.lengths, rate, MOST)
        self.hop = usual_hop(self.length, rate)
        seconds = f"{self.length / rate:.3g} s"
        why = "as long as the longest training sound"
        if fits < 1:
            which = f"{fits:.0%} of the training sounds" if fits >= 0.005 else "few training sounds"
            why = f"{which} are not longer; of others a part is heard, in training a random one"
        self.reasons.append(("length", f"{seconds} of {rate:,} Hz ({why})"))
        self.model = self._choose("model", ("resnet9", "for spectrograms"))
        check_name(self.model)

    def _epochs(self) -> Default:
        return 20, "from random weights"

    def _batch_size(self, count: int) -> Default:
        return max(2, min(64, count // 4)), f"{count:,} training sounds"

    def _learning_rate(self) -> Default:
        return 3e-3, "for spectrograms"

    def _choose_loading(self) -> None:
        asked = self.options.augment
        if asked == "photo":
            raise VicinalError("--augment photo is for images: use light or none")
        self.augments = asked != "none"
        masks = "masks in frequency and time (SpecAugment), random places in time"
        described = masks if self.augments else "none (as requested)"
        bands, frames = len(self._layer().filters), 1 + self.length // self.hop
        apart = f"{1000 * self.hop / self.split.rate:.3g} ms"
        self.reasons.append(("spectrograms", f"{bands} mels x {frames:,} frames, {apart} apart"))
        self.reasons.append(("augmentation", described))
        self.reasons.append(("storage", waves_of(self.split.train).text))

    def _layer(self) -> LogMel:
        return LogMel(self.split.rate, self.hop)

    def resolved(self) -> TrainOptions:
        return replace(super().resolved(), augment="light" if self.augments else "none")

    def _identity(self) -> list[Any]:
        parts = (self.split.train, self.split.valid)
        # Of sounds in a table there are no files, but their lengths.
        return [
            (list(part.labels), files_of(part) or waves_of(part).lengths.tolist()) for part in parts
        ]

    # ---- what is mixed --------------------------------------------------------------------------

    @property
    def mixes_spectrograms(self) -> bool:
        """Whether spectrograms are mixed, rather than waves.

        Raises:
            VicinalError: methods that take turns cannot mix the same.
        """
        mix = self.options.mix
        if mix is not None and not isinstance(mix, str):
            mixers = mix.nested() if isinstance(mix, Mixer) else []
            cutters = [each for each in mixers if _cuts(each)]
            if cutters and any(isinstance(each, BetweenClass) for each in mixers):
                raise _no_turns(repr(mix), "BetweenClass", type(cutters[0]).__name__)
            return bool(cutters)
        names = [part.method.name for part in self.options.spec.parts]
        cutting = [name for name in names if name not in (*OF_WAVES, "manifoldmixup", "multimix")]
        of_waves = [name for name in names if name in OF_WAVES and name not in OF_BOTH]
        if cutting and of_waves:
            raise _no_turns(f"--mix {mix}", of_waves[0], cutting[0])
        return bool(cutting)

    def batch_mixer(self) -> Mixer | None:
        self.mixes_spectrograms  # noqa: B018 -- raises
        return super().batch_mixer()

    def _learned(self, method: MethodEntry) -> dict[str, Any]:
        return {"rate": self.split.rate} if method.learned == "rate" else super()._learned(method)

    def _layers(self, part: MixPart, learn: Learner) -> Sequence[str]:
        # Where others mix spectrograms, the network gets these, and makes none.
        is_input = {"spectrogram": NETWORK_INPUT} if self.mixes_spectrograms else {}
        layers = [is_input.get(layer, layer) for layer in self._layers_of(part)]
        modules = stages(learn.model)
        if part.layers or not modules:
            return layers
        return [*layers, *modules[: (len(modules) + 1) // 2]]

    # ---- the training ---------------------------------------------------------------------------

    def _data(self, part: Any, seed: int | None = None) -> SoundData:
        is_several = self.split.targets_are == "labels"
        targets = torch.tensor(part.labels, dtype=torch.float32 if is_several else torch.int64)
        return SoundData(waves_of(part), targets, self.length, seed)

    def learner(self) -> Learner:
        network, device, seed = self._network(), self.device, self.options.seed
        changes = [ToSpectrogram(network.spectrogram)] if self.mixes_spectrograms else []
        data = self._data(self.split.train, seed if self.augments else None)
        how: dict[str, Any] = {"transforms": changes, "device": device}
        train = Batches(data, self.batch_size, training=True, seed=seed, **how)
        valid = Batches(self._data(self.split.valid), 2 * self.batch_size, **how)
        dls = SoundLoaders(train, valid, self.split.vocab, len(self.split.vocab))
        dls.preparation = self._preparation()
        of_several(dls, self.split)
        learn = Learner(
            dls,
            network,
            criterion(self.loss),
            metrics=self.metric,
            precision=self.precision,
            compile=self.options.compile,
        )
        add_union(learn, self.options.spec)
        return learn

    def _network(self) -> SoundNetwork:
        """The network, before it is trained, which normalises by some of the training sounds."""
        network = sound_network(self.model, len(self.split.vocab), self.split.rate, self.hop)
        if not self.augments:
            network.augment = torch.nn.Identity()  # type: ignore[assignment]
        data = self._data(self.split.train)
        x, _ = data.__getitems__(evenly_spaced(len(data), MEASURED))
        with torch.no_grad():
            levels = network.spectrogram(x)
            network.spectrogram.mean.copy_(levels.mean())
            network.spectrogram.std.copy_(levels.std().clamp(min=1e-3))
            try:
                network.eval()(x[:2])
            except (AssertionError, RuntimeError) as error:
                shape = "x".join(map(str, levels.shape[2:]))
                raise VicinalError(
                    f"{self.model} does not take spectrograms of {shape} ({error}): try another "
                    "--model"
                ) from None
        network.train()
        return network

    def count_parameters(self) -> int:
        return count_parameters(self.model, len(self.split.vocab))

    def _preparation(self) -> SoundPreprocessing:
        split = self.split
        return SoundPreprocessing(
            self.model, split.vocab, split.rate, self.length, self.hop, threshold=self.threshold
        )

    def preprocessing(self, learn: Learner) -> SoundPreprocessing:
        return self._preparation()

    # ---- pictures -------------------------------------------------------------------------------

    def _figure(self, learn: Learner, x: Tensor, target: Any) -> Any:
        from vicinal import plots

        target = shown_target(target.to("cpu"), self.options.spec)
        return plots.mixed_batch(learn.dls.pictures(x), target, self.split.vocab)

    @classmethod
    def show(cls, options: TrainOptions, split: SoundSplit) -> Any:
        from vicinal import plots
        from vicinal.plots.spectrograms import as_pictures

        task = cls(replace(options, model="resnet9"), split)
        mixer = task.mixer_to_show()
        layer, data = task._layer(), task._data(split.examples(SHOWN, options.seed))
        x, labels = data.__getitems__(range(len(data)))
        if task.mixes_spectrograms:
            x = layer(x)
        mix = mixer.draw(x, labels)
        alpha = mixer.alpha if isinstance(mixer, MixUp) else None
        waves = (x, x[mix.partner], mix(x))
        levels = [each if task.mixes_spectrograms else layer(each) for each in waves]
        own, theirs, mixed = as_pictures(*levels)
        target = shown_target(mix.target(labels), options.spec)
        return plots.mixing(own, theirs, mixed, target, split.vocab, alpha, sample="sound")


def _no_turns(mix: str, of_waves: str, cutting: str) -> VicinalError:
    return VicinalError(
        f"{mix}: {of_waves} mixes waves and {cutting} spectrograms, so they cannot take turns: "
        "name one of them"
    )


def _cuts(mixer: Mixer) -> bool:
    """Whether a mixer from Python needs height and width, as waves have none."""
    from vicinal.methods import METHODS

    needed = {entry.factory for name, entry in METHODS.items() if name not in OF_WAVES}
    cutting = needed - {METHODS[name].factory for name in OF_WAVES}
    return any(each.__name__ in cutting for each in type(mixer).__mro__)
