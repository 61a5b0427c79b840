"""The parts of a recipe."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vicinal.data.augment import BatchTransform, Translate
from vicinal.data.sizes import Size
from vicinal.learner.learner import Learner

Changes = tuple[list[BatchTransform], str]


@dataclass(frozen=True)
class Recipe:
    """A training that is known to work, for certain data.

    Args:
        defaults: options that the user may override: ``model``, ``epochs``, ``batch_size``, ``lr``,
            ``size``, ``mix``, and the like; what is left out is chosen as without a recipe.
        changes: from the size of the images (the side of a square, or height and width) to their
            random augmentation, and its description.
        item_scale: images are stored at this multiple of the size that the network sees.
        fit: trains a learner for a number of epochs with a maximum learning rate.
        learner: arguments of the :class:`Learner`, such as its optimizer and its loss.
    """

    defaults: dict[str, Any]
    changes: Callable[[Size], Changes]
    fit: Callable[[Learner, int, float], None]
    learner: dict[str, Any] = field(default_factory=dict)
    item_scale: float = 1.0


def shifts(pixels: int, *, flip: bool = True) -> Changes:
    """Shifts of small images, and their description.

    >>> shifts(2)[1]
    'shifts by up to 2 pixels, flips'
    """
    pixels = max(1, pixels)
    plural = "s" if pixels > 1 else ""
    flips = "flips" if flip else "no flips"
    return [Translate(pixels, flip=flip)], f"shifts by up to {pixels} pixel{plural}, {flips}"
