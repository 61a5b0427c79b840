"""Mixing for scripts that are written for timm: its ``Mixup`` and ``FastCollateMixup``."""

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
    """In the place of ``timm.data.Mixup``: called alike, it gives the same, faster.

    ::

        from vicinal.integrations.timm import Mixup  # for: from timm.data import Mixup

    The random numbers are its own, begun by ``torch.initial_seed()``, so that the script's
    ``--seed`` holds, and each rank and worker draws differently. Partners are drawn, too, where
    timm takes the batch backwards; so batches may be odd. Set ``mixup_enabled`` to False to stop
    mixing; other attributes may be set in the middle of a training, too.

    Args:
        mixup_alpha: of MixUp's Beta(alpha, alpha); 0 for none.
        cutmix_alpha: of CutMix's; 0 for none.
        cutmix_minmax: smallest and largest side of CutMix's boxes, as shares of the image's.
        prob: the probability of mixing a batch, or a sample or pair.
        switch_prob: that of CutMix, where both are on.
        mode: "batch" draws one weight for a batch, "pair" for two samples that are mixed both ways,
            "elem" for each sample; "half", of :class:`FastCollateMixup`, for each and gives half
            as many.
        correct_lam: True: labels count as pixels do.
        label_smoothing: the part of each label that goes to all classes alike.
        num_classes: of class indices.
        multi_label: targets are (B, num_classes) labels, smoothed towards a half.

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
            raise ValueError("labels always count as pixels do: leave correct_lam=False out")
        super().__init__(
            mixup_alpha, cutmix_alpha, cutmix_minmax, prob, switch_prob, mode, correct_lam,
            label_smoothing, num_classes,
        )  # fmt: skip
        self.multi_label = multi_label  # which older versions do not take
        self.made_of: tuple[Any, ...] = ()
        self._follow()

    def _follow(self) -> None:
        """Make the mixer anew where attributes were set since, as timm reads them at each call."""
        made_of = (
            self.mixup_alpha, self.cutmix_alpha, self.cutmix_minmax, self.mix_prob,
            self.switch_prob, self.mode,
        )  # fmt: skip
        if made_of == self.made_of:
            return
        mixer = self._make_mixer()
        if self.made_of:
            mixer.load_state_dict(self.mixer.state_dict())
        self.mixer, self.made_of = mixer, made_of

    def _make_mixer(self) -> Mixer:
        each: dict[str, Any] = {"per": "batch" if self.mode == "batch" else "sample"}
        whole: dict[str, Any] = {
            "partners": "pairs" if self.mode == "pair" else "cycle",
            "half": self.mode == "half",
            "seed": torch.initial_seed(),
        }
        minmax = None if self.cutmix_minmax is None else tuple(self.cutmix_minmax)
        mixup = MixUp(self.mixup_alpha, folded=False, **each)
        cutmix = CutMix(self.cutmix_alpha, minmax=minmax, **each)
        if not mixup.alpha and not cutmix.alpha:
            raise ValueError("mixup_alpha and cutmix_alpha are both 0: give one, or mix nothing")
        share = self.switch_prob if mixup.alpha and cutmix.alpha else float(cutmix.alpha > 0)
        chances = [self.mix_prob * (1 - share), self.mix_prob * share]
        return Choice([mixup, cutmix], p=chances, **each, **whole)

    def __call__(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch where it lies, as timm does.

        Args:
            x: (B, C, H, W) floats or uint8.
            target: (B,) class indices; with multi_label, (B, num_classes).

        Returns:
            x, and (B, num_classes) float32 targets.
        """
        self._follow()
        target = target.float() if self.multi_label else target
        if self.mixup_enabled:
            x, mixed = self.mixer(x, target, inplace=True)
        else:
            x, target = (halves(part)[0] if self.mixer.half else part for part in (x, target))
            mixed = MixedTarget(target, target, torch.ones(len(x), device=x.device))
        even = 0.5 if self.multi_label else 1 / self.num_classes
        dense = mixed.dense(self.num_classes).float()
        return x, dense * (1 - self.label_smoothing) + even * self.label_smoothing


class FastCollateMixup(Mixup, TimmFastCollateMixup):  # type: ignore[misc]
    """In the place of ``timm.data.FastCollateMixup``: mixes while a batch is put together.

    Args: of :class:`Mixup`.

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
            batch: of (C, H, W) uint8 images, NumPy's or torch's, and targets.

        Returns:
            (B, C, H, W) uint8 images, and (B, num_classes) float32 targets; with mode "half", half
            as many.
        """
        x, target = default_collate(batch)
        return super().__call__(x, target)
