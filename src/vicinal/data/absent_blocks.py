"""Blocks of fastai that are not here, each with a sentence on what to take instead."""

from typing import Any

from vicinal.errors import VicinalError


class PointBlock:
    """Points in images, which would have to move when an image is augmented: this is an error.

    Raises:
        VicinalError: always; it says what to take instead.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise VicinalError(
            "PointBlock is not here, as points do not move with augmented images: take "
            "RegressionBlock, let get_y give the coordinates in a list, scaled to [-1, 1], and "
            "leave out transforms that move images"
        )


class BBoxBlock:
    """Boxes in images: this is an error.

    Raises:
        VicinalError: always; it says what to take instead.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise VicinalError(
            "BBoxBlock is not here, as the loaders have no boxes: detect objects in a training "
            "loop of your own, with vicinal.DetectionMixUp"
        )


class BBoxLblBlock(BBoxBlock):
    """The classes of boxes: an error, as :class:`BBoxBlock` is."""
