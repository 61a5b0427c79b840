"""Resizing: to which size an image is brought when it is read, and how."""

from dataclasses import dataclass
from typing import Literal

from vicinal.errors import VicinalError

Method = Literal["crop", "squish", "pad"]
METHODS: tuple[Method, ...] = ("crop", "squish", "pad")


@dataclass(frozen=True)
class Resizing:
    """To which size an image is brought when it is read, and how.

    Args:
        height, width: in pixels, 1 or more.
        method: ``"crop"`` fills the size and cuts off what is beyond it, at both sides alike;
            ``"squish"`` changes the aspect ratio; ``"pad"`` shows the whole image on black.

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
        if self.method not in METHODS:
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
