"""TrainOptions: what the user asked of a training."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vicinal.errors import VicinalError


@dataclass(frozen=True)
class TrainOptions:
    """What the user asked for; None leaves the choice to the :class:`Task`."""

    data: str
    recipe: str | None = None
    mix: str | None = None
    alpha: float | None = None
    model: str | None = None
    pretrained: bool | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    size: int | None = None
    valid: float = 0.2
    label: str | None = None
    label_pattern: str | None = None
    precision: str = "auto"
    compile: bool = False
    track: str | None = None
    seed: int = 0
    skip_bad: bool = False
    stream: bool = False

    def merged_with(self, asked: dict[str, Any], typed: Collection[str] = ()) -> "TrainOptions":
        """These options, those that are left open as they were in a run before.

        Args:
            asked: what was asked of that run.
            typed: the names of options that are not left open, though they be the default.

        Raises:
            VicinalError: something else is wished than then.
        """
        for field in fields(self):
            wish, before = getattr(self, field.name), asked.get(field.name, field.default)
            if field.name == "data" and Path(wish).resolve() == Path(before).resolve():
                continue  # photos, photos/ and ./photos
            left_open = wish == field.default and field.name not in typed
            if wish != before and not left_open:
                begun = "left open" if before is None else before
                raise VicinalError(
                    f"the run was begun with {option(field.name)} {begun}, not {wish}: leave that "
                    "out, or begin another run"
                )
        return TrainOptions(**asked)

    def refuse(self, names: tuple[str, ...], data: str) -> None:
        """Raise a VicinalError where one of these is asked for, which such data have no use for."""
        for field in fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                raise VicinalError(
                    f"--{option(field.name)} says nothing about {data}: leave it out"
                )

    def __post_init__(self) -> None:
        for name, lowest in (("epochs", 1), ("batch_size", 2), ("size", 8)):
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise VicinalError(f"--{option(name)} must be {lowest} or more, not {value}")
        if not 0 <= self.seed < 2**63:
            raise VicinalError(f"--seed must be between 0 and {2**63 - 1}, not {self.seed}")
        if self.alpha == float("inf"):
            raise VicinalError("--alpha must be a finite number, not inf")
        if self.lr is not None and not 0 < self.lr < float("inf"):
            raise VicinalError(f"--lr must be above 0, not {self.lr}")


def option(field: str) -> str:
    """What a wish is called on the command line."""
    return field.replace("_", "-")
