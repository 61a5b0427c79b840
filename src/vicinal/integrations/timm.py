"""Drop-in replacements for timm's ``Mixup`` and ``FastCollateMixup``."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from vicinal.integrations.needs import missing
from vicinal.mixing import Choice, CutMix, MixedTarget, Mixer, MixUp, halves

try:
    from timm.data.mixup import FastCollateMixup as TimmFastCollateMixup
    from timm.data.mixup import Mixup as TimmMixup
except ModuleNotFoundError as error:
    raise missing("timm", error) from None

_MODES = ("batch", "pair", "elem", "half")


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
        TypeError, ValueError: an argument is of the wrong kind or out of its range.

    >>> mixup = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=10)
    >>> x, y = mixup(torch.rand(4, 3, 8, 8), torch.arange(4))
    >>> y.shape, y.sum(1)
    (torch.Size([4, 10]), tensor([1., 1., 1., 1.]))
    """

    mixer: Mixer

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
        if not correct_lam:
            raise ValueError("labels are always weighted by area: omit correct_lam=False")
        super().__init__(
            mixup_alpha, cutmix_alpha, cutmix_minmax, prob, switch_prob, mode, correct_lam,
            label_smoothing, num_classes,
        )  # fmt: skip
        self.multi_label = multi_label  # older versions of timm do not take it
        self.settings: tuple[Any, ...] = ()
        self._update_mixer()

    def _update_mixer(self) -> None:
        """Make a new mixer if attributes have been set: timm reads them at each call."""
        settings = (
            self.mixup_alpha, self.cutmix_alpha, self.cutmix_minmax, self.mix_prob,
            self.switch_prob, self.mode,
        )  # fmt: skip
        if settings == self.settings:
            return
        mixer = self._make_mixer()
        if self.settings:
            mixer.load_state_dict(self.mixer.state_dict())
        self.mixer, self.settings = mixer, settings

    def _make_mixer(self) -> Mixer:
        each: dict[str, Any] = {"per": "batch" if self.mode == "batch" else "sample"}
        whole: dict[str, Any] = {
            "partners": "pairs" if self.mode == "pair" else "cycle",
            "half": self.mode == "half",
        }
        minmax = None if self.cutmix_minmax is None else tuple(self.cutmix_minmax)
        mixup = MixUp(self.mixup_alpha, folded=False, **each)
        cutmix = CutMix(self.cutmix_alpha, minmax=minmax, **each)
        if not mixup.alpha and not cutmix.alpha:
            raise ValueError("mixup_alpha and cutmix_alpha are both 0: give one, or do not mix")
        p_cutmix = self.switch_prob if mixup.alpha and cutmix.alpha else float(cutmix.alpha > 0)
        chances = [self.mix_prob * (1 - p_cutmix), self.mix_prob * p_cutmix]
        return Choice([mixup, cutmix], p=chances, **each, **whole)

    def __call__(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch in place, as timm does.

        Args:
            x: (B, C, H, W) floats or uint8.
            target: (B,) class indices; with multi_label, (B, num_classes).

        Returns:
            x, and (B, num_classes) float32 targets.
        """
        self._update_mixer()
        target = target.float() if self.multi_label else target
        if self.mixup_enabled:
            x, mixed = self.mixer(x, target, inplace=True)
        else:
            x, target = (halves(part)[0] if self.mixer.half else part for part in (x, target))
            mixed = MixedTarget(target, target, torch.ones(len(x), device=x.device))
        uniform = 0.5 if self.multi_label else 1 / self.num_classes
        dense = mixed.dense(self.num_classes).float()
        return x, dense * (1 - self.label_smoothing) + uniform * self.label_smoothing


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
        x, target = default_collate(batch)
        return super().__call__(x, target)
