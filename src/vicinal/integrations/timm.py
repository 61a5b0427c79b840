"""Drop-in replacements for timm's ``Mixup`` and ``FastCollateMixup``."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from vicinal.integrations.needs import missing
from vicinal.mixing import Choice, CutMix, MixedTarget, Mixer, MixUp, halves
from vicinal.mixing.arguments import number
from vicinal.mixing.paste import Boxes

try:
    from timm.data.mixup import FastCollateMixup as TimmFastCollateMixup
    from timm.data.mixup import Mixup as TimmMixup
except ModuleNotFoundError as error:
    raise missing("timm", error) from None

_MODES = ("batch", "pair", "elem", "half")
# In which timm draws and mixes, and which its subclasses may override.
_METHODS = (
    "_params_per_elem", "_params_per_batch", "_mix_elem", "_mix_pair", "_mix_batch",
    "_mix_elem_collate", "_mix_pair_collate", "_mix_batch_collate",
)  # fmt: skip


class _CutMix(CutMix):
    """CutMix with the sides that timm draws for ``minmax``: whole numbers below the largest."""

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Boxes:
        if self.minmax is None:
            return super().pattern(count, size, generator)
        starts, stops = [], []
        for length in size:
            low, high = (int(length * end) for end in self.minmax)
            side = low + _below(max(high - low, 1), count, generator)
            start = _below(length - side + 1, count, generator)
            starts.append(start)
            stops.append(start + side)
        return Boxes(torch.stack([starts[0], stops[0], starts[1], stops[1]], 1), size)


def _below(limit: int | Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count,) whole numbers from 0 to below the limit, uniformly."""
    uniform = torch.rand(count, generator=generator, dtype=torch.float64, device="cpu")
    return uniform.mul_(limit).long()


class Mixup(TimmMixup):
    """A drop-in replacement for ``timm.data.Mixup``: the same call and kind of result, faster.

    ::

        from vicinal.integrations.timm import Mixup  # for: from timm.data import Mixup

    It has its own random state, which follows ``torch.manual_seed`` as every mixer's does: the
    script's ``--seed`` takes effect, and each rank and worker draws differently. Partners are drawn
    at random, where timm pairs the batch with its reverse; so batches may have an odd size. Set
    ``mixup_enabled`` to False to stop mixing; other attributes may be set during the training too.

    Args:
        mixup_alpha: of MixUp's Beta(alpha, alpha); 0 turns it off.
        cutmix_alpha: of CutMix's; 0 turns it off.
        cutmix_minmax: smallest and largest side of CutMix's boxes, as fractions of the image's.
        prob: the probability of mixing a batch, or a sample or pair.
        switch_prob: the probability of CutMix, if both are on.
        mode: "batch" draws one weight per batch, "pair" one per two samples that are mixed with
            each other, "elem" one per sample; "half", only for :class:`FastCollateMixup`, one per
            sample, and returns half as many samples.
        correct_lam: must be True: labels are weighted by the area of pixels.
        label_smoothing: the fraction of each label that is spread over all classes.
        num_classes: the number of classes.
        multi_label: targets are (B, num_classes) labels, smoothed towards 0.5.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind or out of its range, or a subclass
            overrides one of timm's methods that draw, which are not called.

    >>> mixup = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=10)
    >>> x, y = mixup(torch.rand(4, 3, 8, 8), torch.arange(4))
    >>> y.shape, y.sum(1)
    (torch.Size([4, 10]), tensor([1., 1., 1., 1.]))
    """

    mixer: Mixer | None  # None if both alphas are 0

    def __init__(
        self,
        mixup_alpha: float = 1.0,
        cutmix_alpha: float = 0.0,
        cutmix_minmax: Sequence[float] | None = None,
        prob: float = 1.0,
        switch_prob: float = 0.5,
        mode: str = "batch",
        correct_lam: bool = True,
        label_smoothing: float = 0.1,
        num_classes: int = 1000,
        multi_label: bool = False,
    ) -> None:
        modes = _MODES if isinstance(self, TimmFastCollateMixup) else _MODES[:3]
        if mode not in modes:
            raise ValueError(f"mode must be one of {', '.join(modes)}, not {mode!r}")
        super().__init__(
            mixup_alpha, cutmix_alpha, cutmix_minmax, prob, switch_prob, mode, correct_lam,
            label_smoothing, num_classes,
        )  # fmt: skip
        self.multi_label = multi_label  # older versions of timm do not take it
        self.mixer = None
        self.settings: tuple[Any, ...] = ()
        self._update_mixer()

    def _update_mixer(self) -> None:
        """Make a new mixer if attributes have been set: timm reads them at each call."""
        self._check_methods()
        minmax = None if self.cutmix_minmax is None else tuple(self.cutmix_minmax)
        settings = (
            self.mixup_alpha, self.cutmix_alpha, minmax, self.mix_prob, self.switch_prob, self.mode,
            self.correct_lam,
        )  # fmt: skip
        if settings == self.settings:
            return
        mixer = self._make_mixer(minmax)
        if mixer is not None and self.mixer is not None:
            mixer.load_state_dict(self.mixer.state_dict())
        self.mixer, self.settings = mixer, settings

    def _check_methods(self) -> None:
        timms = TimmFastCollateMixup if isinstance(self, TimmFastCollateMixup) else TimmMixup
        for name in _METHODS:
            own = vars(self).get(name, getattr(type(self), name, None))
            if own is not getattr(timms, name, None):
                raise TypeError(
                    f"{type(self).__name__} overrides {name}, which is never called here: derive "
                    f"it from timm.data.{timms.__name__}"
                )

    def _make_mixer(self, minmax: Any) -> Mixer | None:
        if not self.correct_lam:
            raise ValueError("labels are always weighted by area: omit correct_lam=False")
        each: dict[str, Any] = {"per": "batch" if self.mode == "batch" else "sample"}
        whole: dict[str, Any] = {
            "partners": "pairs" if self.mode == "pair" else "cycle",
            "half": self.mode == "half",
        }
        prob = number("prob", self.mix_prob, upper=1.0)
        switch = number("switch_prob", self.switch_prob, upper=1.0)
        mixup = MixUp(self.mixup_alpha, folded=False, **each)
        cutmix = _CutMix(self.cutmix_alpha, minmax=minmax, **each)
        if not mixup.alpha and not cutmix.alpha:
            return None
        p_cutmix = switch if mixup.alpha and cutmix.alpha else float(cutmix.alpha > 0)
        # Not with a probability of 0: CutMix needs images, which MixUp alone does not.
        chances = {mixup: prob * (1 - p_cutmix), cutmix: prob * p_cutmix}
        chances = {mixer: p for mixer, p in chances.items() if p} or {mixup: 0.0}
        return Choice([*chances], p=[*chances.values()], **each, **whole)

    def __call__(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch in place, as timm does.

        Args:
            x: (B, C, H, W) floats or uint8; (B, ...) if ``cutmix_alpha`` is 0.
            target: (B,) or (B, 1) class indices; with multi_label, (B, num_classes).

        Returns:
            x, and (B, num_classes) float32 targets.

        Raises:
            ValueError: the targets have another shape, or both alphas are 0.
        """
        self._update_mixer()
        target = self._checked(target)
        if self.mixup_enabled and self.mix_prob and self.mixer is None:
            raise ValueError("mixup_alpha and cutmix_alpha are both 0: give one, or do not mix")
        if self.mixup_enabled and self.mixer is not None:
            x, mixed = self.mixer(x, target, inplace=True)
        else:
            x, target = (halves(part)[0] if self.mode == "half" else part for part in (x, target))
            mixed = MixedTarget(target, target, torch.ones(len(x), device=x.device))
        uniform = 0.5 if self.multi_label else 1 / self.num_classes
        dense = mixed.dense(self.num_classes).float()
        return x, dense * (1 - self.label_smoothing) + uniform * self.label_smoothing

    def _checked(self, target: Tensor) -> Tensor:
        if self.multi_label:
            if target.ndim != 2 or target.shape[1] != self.num_classes:
                raise ValueError(
                    f"with multi_label, targets have shape (B, {self.num_classes}), not "
                    f"{tuple(target.shape)}"
                )
            return target.float()
        if target.shape[1:].numel() != 1:
            raise ValueError(
                f"class indices have shape (B,), not {tuple(target.shape)}: set multi_label=True "
                "if each row has several labels"
            )
        return target.flatten().long()


class FastCollateMixup(Mixup, TimmFastCollateMixup):  # type: ignore[misc]
    """A drop-in replacement for ``timm.data.FastCollateMixup``: mixes when a batch is collated.

    Args: as for :class:`Mixup`.

    >>> collate = FastCollateMixup(num_classes=10)
    >>> image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    >>> x, y = collate([(image, 3), (image, 4)])
    >>> x.dtype, y.shape
    (torch.uint8, torch.Size([2, 10]))
    """

    def __call__(  # type: ignore[override]
        self, batch: list[Any], _: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Mix a list of (image, target) pairs.

        Args:
            batch: of (C, H, W) uint8 images, as NumPy arrays or tensors, and targets.

        Returns:
            (B, C, H, W) uint8 images, and (B, num_classes) float32 targets; with mode "half", half
            as many.
        """
        x, target = (default_collate([sample[part] for sample in batch]) for part in (0, 1))
        return super().__call__(x, target)
