"""Which augmentation images get, and whether it flips them."""

from dataclasses import dataclass

from vicinal.data.augment import Lighting, RandomView
from vicinal.data.mirrors import mirrored_classes
from vicinal.data.samples import Split
from vicinal.data.sizes import Size, sides
from vicinal.recipes.recipe import Changes, shifts
from vicinal.tasks.options import AugmentationName


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of a training.

    Args:
        name: ``"none"``; ``"light"`` for shifts; ``"photo"`` for crops, rotation, tilt and light.
        flip: whether half of the images are mirrored left to right.
        why: a reason for or against flips, which follows the word in the description.
    """

    name: AugmentationName
    flip: bool
    why: str = ""

    def changes(self, size: Size, share: float = 0.35) -> Changes:
        """The transforms, and their description.

        Args:
            size: of the images that the network sees.
            share: the smallest share of an image's area that a crop of ``"photo"`` covers.

        >>> Augmentation("light", flip=False, why=", as requested").changes(64)[1]
        'shifts by up to 8 pixels, no flips, as requested'
        """
        if self.name == "none":
            return [], "none (as requested)"
        if self.name == "light":
            transforms, described = shifts(min(sides(size)) // 8, flip=self.flip)
            return transforms, f"{described}{self.why}"
        view = RandomView(size, min_scale=share, flip=self.flip)
        flips = f"{'' if self.flip else 'no '}flips{self.why}"
        described = f"crops of {share:.0%} of the area and more, rotation, tilt, light, {flips}"
        return [view, Lighting()], described


def choose_flip(requested: bool | None, split: Split, *, small: bool) -> tuple[bool, str]:
    """Whether to flip the images of a split, and why.

    Args:
        requested: what the user wants; None takes a look at the images.
        small: whether they are cheap to decode.
    """
    if requested is not None:
        return requested, "" if requested else ", as requested"
    if not split.mirrored:
        return False, ": they would change what is seen"
    # Of streamed images only the first could be looked at, which are often of one class.
    kinds = ("images", "images beside columns")
    are_classes = split.kind in kinds and not split.several
    found = mirrored_classes(split.train, split.vocab, small=small) if are_classes else None
    if found is not None:
        one, other = found
        return False, f": mirrored, {one} looks like {other} (--flip flips all the same)"
    return True, " (--no-flip where left and right matter)"
