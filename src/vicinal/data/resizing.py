"""Resizing: to which size an image is brought when it is read, and how."""

from dataclasses import dataclass
from typing import Literal, get_args

from vicinal.errors import VicinalError

Method = Literal["crop", "squish", "pad", "pad_border", "pad_reflection"]
Box = tuple[float, float, float, float]
METHODS: tuple[Method, ...] = ("crop", "squish", "pad")  # that the command line has


@dataclass(frozen=True)
class Resizing:
    """To which size an image is brought when it is read, and how.

    Args:
        height, width: in pixels, 1 or more.
        method: ``"crop"`` fills the size and cuts off what is beyond it, at both sides alike;
            ``"squish"`` changes the aspect ratio; ``"pad"`` shows the whole image on black,
            ``"pad_border"`` amid the pixels of its border, ``"pad_reflection"`` amid its mirror
            image.

    Raises:
        VicinalError: a size below 1, or another method.
    """

    height: int
    width: int
    method: Method = "crop"

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            if getattr(self, name) < 1:
                raise VicinalError(f"the {name} must be 1 pixel or more, not {getattr(self, name)}")
        if self.method not in get_args(Method):
            raise VicinalError(
                f"{self.method!r} is no way to resize: use {', '.join(METHODS[:-1])} or "
                f"{METHODS[-1]}"
            )

    @classmethod
    def of(cls, size: "Resizing | int") -> "Resizing":
        """A side in pixels as a square to which images are cropped; a Resizing as it is.

        >>> Resizing.of(224)
        Resizing(height=224, width=224, method='crop')
        """
        return size if isinstance(size, Resizing) else cls(size, size)

    def turned(self) -> "Resizing":
        """The same of an image that lies on its side."""
        return Resizing(self.width, self.height, self.method)

    def least(self, height: int, width: int) -> tuple[int, int]:
        """The height and width that an image of this size needs, lest it has to be enlarged."""
        return self.placed(height, width)[1]

    def placed(self, height: float, width: float) -> tuple[Box, tuple[int, int]]:
        """What is shown of an image of this size, and the size that it gets.

        Returns:
            Left, top, right and bottom of what is shown; its height and width afterwards, which
            ``"pad"`` and its kin fill up to the size at both sides alike.

        >>> Resizing(10, 10).placed(20, 30), Resizing(10, 10, "pad").placed(20, 30)
        (((5.0, 0.0, 25.0, 20.0), (10, 10)), ((0.0, 0.0, 30, 20), (7, 10)))
        """
        if self.method == "crop":
            # As products, so that what is shown is never larger than the image by a rounding.
            wide = width * self.height >= height * self.width
            shown_height = height if wide else width * self.height / self.width
            shown_width = height * self.width / self.height if wide else width
            left, top = (width - shown_width) / 2, (height - shown_height) / 2
            box = (left, top, left + shown_width, top + shown_height)
            return box, (self.height, self.width)
        size = (self.height, self.width)
        if self.method.startswith("pad"):
            scale = min(self.height / height, self.width / width)
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
        return (0.0, 0.0, width, height), size
