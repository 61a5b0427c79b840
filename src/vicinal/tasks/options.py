"""TrainOptions: the options of a training, as the user gave them."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from vicinal.data.resizing import METHODS, Method
from vicinal.data.sizes import Size, as_size, parse_size, sides, size_text
from vicinal.errors import VicinalError
from vicinal.learner.events import Callback
from vicinal.methods import MethodEntry
from vicinal.mixes import MixSpec, parse_mix
from vicinal.mixing import Mixer

#: What mixes in a training: a name as ``--mix`` takes it, or in Python a mixer, a callback, or a
#: class or function that makes one (see :func:`vicinal.tasks.mixers.from_python`).
MixLike = str | Mixer | Callback | Callable[..., Any]
AugmentationName = Literal["none", "light", "photo"]
AUGMENTATIONS: tuple[AugmentationName, ...] = get_args(AugmentationName)


@dataclass(frozen=True)
class TrainOptions:
    """The options of a training; None leaves the choice to the :class:`Task`.

    Of ``mix`` it is left to :func:`vicinal.tasks.default_mix.choose_mix` by a training, and is
    mixup elsewhere.

    They are validated when they are made, also by ``dataclasses.replace``.
    """

    data: str
    recipe: str | None = None
    mix: MixLike | None = None
    alpha: float | None = None
    model: str | None = None
    pretrained: bool | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    size: Size | str | None = None  # held as an int or as text such as "96x128"
    valid: float = 0.2
    label: str | None = None
    label_pattern: str | None = None
    text: str | None = None
    columns: str | None = None  # names of columns, separated by commas, or "all"
    drop: str | None = None  # likewise
    categorical: str | None = None  # likewise
    group: str | None = None
    split_column: str | None = None
    label_kind: Literal["classes", "values", "labels"] | None = None
    label_sep: str | None = None
    drop_missing: bool = False
    pixel_range: int | None = None
    legend: str | None = None
    series: bool | None = None
    series_id: str | None = None
    time: str | None = None
    resize: Method | None = None
    augment: AugmentationName | None = None
    flip: bool | None = None
    loss: str | None = None
    precision: str = "auto"
    compile: bool = False
    track: str | None = None
    seed: int = 0
    skip_bad: bool = False
    stream: bool = False

    @cached_property
    def spec(self) -> MixSpec:
        """What ``mix`` and ``alpha`` say; no mixing where ``mix`` is not a text."""
        if self.mix is None or isinstance(self.mix, str):
            return parse_mix(self.mix, self.alpha)
        if self.alpha is not None:
            raise VicinalError("--alpha does not apply to a mixer from Python: leave it out")
        return MixSpec()

    @property
    def methods(self) -> tuple[MethodEntry, ...]:
        """The methods that ``mix`` names; none where it is none, or not a text."""
        return self.spec.methods

    def to_json(self) -> dict[str, Any]:
        """The options as JSON can hold them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "mix": self._mix_name}

    @property
    def _mix_name(self) -> str | None:
        """``mix`` as text; without seeds and addresses, which differ from process to process."""
        if self.mix is None or isinstance(self.mix, str):
            return self.mix
        return re.sub(r"(, )?seed=\d+| at 0x[0-9a-fA-F]+", "", repr(self.mix))

    def merged_with(self, before: dict[str, Any], typed: Collection[str] = ()) -> "TrainOptions":
        """These options merged with those of the earlier run, which fill in what was left open.

        Args:
            before: the options of the earlier run, as :meth:`to_json` gave them.
            typed: the names of options that were given, even if they are the default.

        Raises:
            VicinalError: an option differs from the earlier run's.
        """
        given, mixes_alike = self.to_json(), self._mixes_as(before)
        for field in fields(self):
            value, earlier = given[field.name], before.get(field.name, field.default)
            if field.name in ("mix", "alpha") and mixes_alike:
                continue
            if field.name == "data" and Path(value).resolve() == Path(earlier).resolve():
                continue  # photos, photos/ and ./photos
            left_open = value == field.default and field.name not in typed
            if value != earlier and not left_open:
                raise VicinalError(
                    f"the run was begun {begun_with(option(field.name), earlier, value)}: leave "
                    "that out, or begin another run"
                )
        mix = before.get("mix")
        if mix is not None and not is_text(mix):
            if self.mix is None and before.get("recipe") is None:
                raise VicinalError(f"the run was begun from Python with mix={mix}: pass it again")
            mix = self.mix  # None where the recipe makes it again
        return TrainOptions(**{**before, "mix": mix})

    def _mixes_as(self, before: dict[str, Any]) -> bool:
        """Whether the mix is the earlier run's, perhaps in other words, such as mixup:0.4."""
        earlier = before.get("mix")
        if not isinstance(self.mix, str) or earlier is None or not is_text(earlier):
            return False
        return self.spec.meaning() == parse_mix(earlier, before.get("alpha")).meaning()

    def refuse(self, names: tuple[str, ...], data: str) -> None:
        """Raise a VicinalError where one of these is given, which does not apply to such data."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in names and value != field.default:
                name = as_typed(option(field.name), value).partition(" ")[0]
                raise VicinalError(f"{name} does not apply to {data}: leave it out")

    def __post_init__(self) -> None:
        for name, lowest in (("epochs", 1), ("batch_size", 2)):
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise VicinalError(f"--{option(name)} must be {lowest} or more, not {value}")
        self._check_images()
        if not 0 <= self.seed < 2**63:
            raise VicinalError(f"--seed must be between 0 and {2**63 - 1}, not {self.seed}")
        if self.lr is not None and not 0 < self.lr < float("inf"):
            raise VicinalError(f"--lr must be above 0, not {self.lr}")
        if self.epochs is None:
            self.spec  # noqa: B018 -- parsed, and so validated, here
        else:
            self.spec.mixing_share(self.epochs)

    def _check_images(self) -> None:
        if self.size is not None:
            size = (
                parse_size(self.size) if isinstance(self.size, str) else as_size(*sides(self.size))
            )
            if min(sides(size)) < 8:
                raise VicinalError(f"--size must be 8 or more, not {size_text(size)}")
            # As JSON and the command line have it, so that runs and comparisons can be resumed.
            kept = size if isinstance(size, int) else size_text(size)
            object.__setattr__(self, "size", kept)
        for name, allowed in (("resize", METHODS), ("augment", AUGMENTATIONS)):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                *others, last = allowed
                raise VicinalError(f"--{name} must be {', '.join(others)} or {last}, not {value}")
        if self.augment == "none" and self.flip:
            raise VicinalError("--augment none and --flip exclude each other: leave out one")

    @property
    def pixels(self) -> Size | None:
        """The size of images as a side or (height, width)."""
        return parse_size(str(self.size)) if self.size is not None else None


def is_text(mix: str) -> bool:
    """Whether an earlier run's mix was what ``--mix`` takes, and not an object from Python.

    >>> is_text("mixup:0.8+cutmix:prob=0.5"), is_text("MixUp(alpha=0.4)")
    (True, False)
    """
    return not re.search(r"[\s(<]", mix)


def option(field: str) -> str:
    """The name of an option on the command line."""
    return field.replace("_", "-")


def as_typed(name: str, value: Any) -> str:
    """An option as it is typed.

    >>> as_typed("size", 64), as_typed("flip", False)
    ('--size 64', '--no-flip')
    """
    if isinstance(value, bool):
        return f"--{'' if value else 'no-'}{name}"
    return f"--{name} {value}"


def begun_with(name: str, earlier: Any, value: Any) -> str:
    """How an earlier run was begun, and not, where an option differs; None is one left open.

    >>> begun_with("size", None, 64), begun_with("flip", True, False)
    ('without --size, not with --size 64', 'with --flip, not with --no-flip')
    """
    if name == "data":
        return f"with {earlier}, not {value}"
    before, now = (
        f"without --{name}" if each is None else f"with {as_typed(name, each)}"
        for each in (earlier, value)
    )
    return f"{before}, not {now}"
