"""ClassMix: paste half of the classes of another sample's mask on each."""

from dataclasses import dataclass
from typing import Self, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import find_masks
from vicinal.mixing.completion import Batch
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move
from vicinal.mixing.paste import Masks
from vicinal.mixing.pattern import Drawn
from vicinal.mixing.tensors import sizes_of_masks

CLASSES = 256  # as segmentation masks are usually stored as bytes


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Classes(Drawn):
    """A random order of the classes for each sample, of which the first half will be pasted.

    Args:
        order: (B, 256) numbers by which classes are sorted. Classes with infinity are never pasted;
            infinity for all classes is neutral.
    """

    order: Tensor

    tensors = ("order",)
    dtype = torch.float32
    is_sized = False

    def masks(self, partners: Tensor) -> Masks:
        """The keep masks for partners with these segmentation masks, (B, ..., H, W) classes."""
        # Column 0 is for pixels without a class. For classes from 256 on there is no column, and
        # scatter_ raises an error.
        index = partners.long().clamp(min=-1).flatten(1) + 1
        order = F.pad(self.order, (1, 0), value=torch.inf)
        present = torch.zeros_like(order, dtype=torch.bool).scatter_(1, index, True)
        order = order.where(present, torch.inf)
        half = order.isfinite().sum(1, keepdim=True) // 2
        rank = order.argsort(1).argsort(1)
        is_pasted = rank < half
        return Masks(~is_pasted.gather(1, index).view_as(partners))

    @property
    def weight(self) -> Tensor:
        """Ones: the weight is known only after :meth:`ClassMix.complete`, from the masks."""
        return torch.ones_like(self.order[:, 0])

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.order.where(chosen.unsqueeze(1), torch.inf))

    @classmethod
    def values_shape(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        return (CLASSES,)


class ClassMix(Method):
    """Paste half of the classes in another sample's mask on each, for semantic segmentation.

    Of the n classes in the partner's mask, n / 2 are chosen at random, rounded down. All their
    pixels are pasted, in the image and in the mask. The targets must be or contain masks: integers
    (B, H, W) of the height and width of the images, or (B, D, H, W) of volumes (B, C, D, H, W), of
    which the first are used; also with one channel, (B, 1, H, W). Classes are 0 to 255. Pixels with
    ``ignore_index`` or a negative number have no class, and are never pasted.

    Without labels, use the network's own predictions as masks. To paste from another dataset, pass
    its images and masks as ``other=``.

    Args:
        ignore_index: the number in the masks for pixels without a class, at most 255.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the batch holds
            no images (B, ..., H, W), or the targets no masks.
        RuntimeError: a class is above 255; on a GPU, the error may surface later.

    Source: V. Olsson, W. Tranheden, J. Pinto, L. Svensson, ClassMix: Segmentation-Based Data
    Augmentation for Semi-Supervised Learning, WACV 2021, algorithm 1; rounding half of an odd
    number down is from the authors' code.

    >>> masks = torch.tensor([[[0, 0], [0, 0]], [[1, 1], [2, 2]]])
    >>> x, y = ClassMix(seed=0)(masks.unsqueeze(1).float(), masks)
    >>> y  # one of the classes 1 and 2 was pasted; half of class 0 alone is none
    tensor([[[0, 0],
             [2, 2]],
    <BLANKLINE>
            [[1, 1],
             [2, 2]]])
    >>> bool((x.squeeze(1) == y).all())
    True
    """

    drawn_types = (Classes,)

    def __init__(self, *, ignore_index: int = 255, **options: Unpack[MethodOptions]) -> None:
        super().__init__(**options)
        if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
            raise TypeError(f"ignore_index must be a whole number, not {ignore_index!r}")
        if ignore_index >= CLASSES:
            raise ValueError(f"ignore_index must be below {CLASSES}, not {ignore_index}")
        self.ignore_index = ignore_index

    def pattern(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Classes:
        order = torch.rand(count, CLASSES, generator=generator, dtype=torch.float32, device="cpu")
        if 0 <= self.ignore_index < CLASSES:
            order[:, self.ignore_index] = torch.inf
        return Classes(order)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (classes,) = mix.patterns
        assert isinstance(classes, Classes)
        source = batch.y if batch.other is None else batch.other[1]
        masks = move(find_masks(source, sizes_of_masks(batch.mixed())), mix.partner.device)
        if batch.other is None:
            masks = masks.index_select(0, mix.partner)
        pasted = classes.masks(masks)
        return Mix(mix.partner, pasted.weight, (pasted,))
