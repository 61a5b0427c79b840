"""The Dice loss: 1 minus the overlap of predicted and true masks."""

import torch
from torch import Tensor, nn

from vicinal.criteria import checked_reduction, reduced
from vicinal.cross_entropy import OfClasses
from vicinal.errors import VicinalError
from vicinal.known_losses import averages_plainly


class DiceLoss(nn.Module, OfClasses):
    """1 minus the Dice coefficient of each class in each sample, by probabilities.

    The coefficient is ``2 * sum(p * t) / (sum(p) + sum(t))`` over the pixels, of the probability p
    of the class and 1 or 0 for its presence t.

    Args:
        axis: must be 1, the class axis of the output.
        smooth: added to both sides of the fraction, so that a class that is neither there nor
            predicted has no loss.
        reduction: "sum" (over samples and classes, the default as in fastai), "mean" or "none".
        square_in_union: p² in place of p below the fraction's line.
        ignore_index: the number of pixels that count nowhere, such as 255; None has none.

    Raises:
        VicinalError: an argument is out of its range, or the target's shape does not match.

    Source: F. Milletari, N. Navab, S.-A. Ahmadi, V-Net: Fully Convolutional Neural Networks for
    Volumetric Medical Image Segmentation, 3DV 2016, in the form of fastai's ``DiceLoss``.

    >>> output = torch.tensor([[[9.0, -9.0]], [[-9.0, 9.0]]]).permute(1, 0, 2)
    >>> target = torch.tensor([[0, 1]])
    >>> DiceLoss()(output, target) < 0.01, DiceLoss()(-output, target) > 1.99
    (tensor(True), tensor(True))
    """

    def __init__(
        self,
        axis: int = 1,
        smooth: float = 1e-6,
        reduction: str = "sum",
        square_in_union: bool = False,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__()
        if axis != 1:
            raise VicinalError(f"DiceLoss takes the class axis 1 alone, not {axis}")
        if smooth < 0:
            raise VicinalError(f"smooth must be 0 or more, not {smooth}")
        self.axis, self.smooth, self.square_in_union = axis, smooth, square_in_union
        self.ignore_index = ignore_index
        self.reduction = checked_reduction(reduction)

    @averages_plainly
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            output: (B, C, ...) logits.
            target: (B, ...) class indices. Pixels of other numbers are of no class; so each class
                that is predicted there is wrong, but for those of ``ignore_index``.

        Returns:
            The reduced loss; with ``reduction="none"``, (B, C) losses.
        """
        if output.shape[:1] + output.shape[2:] != target.shape:
            raise VicinalError(
                f"the masks have shape {tuple(target.shape)}, but this output needs "
                f"{tuple(output.shape[:1] + output.shape[2:])}"
            )
        if output.dtype in (torch.float16, torch.bfloat16):  # whose sums of pixels overflow
            output = output.float()
        classes = torch.arange(output.shape[1], device=target.device)
        truth = (target.unsqueeze(1) == classes.view(-1, *[1] * (target.ndim - 1))).to(output.dtype)
        predicted = output.softmax(1)
        if self.ignore_index is not None:
            predicted = predicted * (target != self.ignore_index).unsqueeze(1)
            truth = truth * (target != self.ignore_index).unsqueeze(1)
        inside = predicted.square() if self.square_in_union else predicted
        both = (predicted * truth).flatten(2).sum(2)
        either = (inside + truth).flatten(2).sum(2)
        return reduced(1 - (2 * both + self.smooth) / (either + self.smooth), self.reduction)

    def extra_repr(self) -> str:
        return f"smooth={self.smooth}, reduction={self.reduction!r}"
