"""ExperimentConfig: what the user asked ``vicinal compare`` for."""

import os
import shlex
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any

from vicinal.errors import VicinalError
from vicinal.formatting import format_exact
from vicinal.mixes import parse_mix
from vicinal.tasks import TrainOptions
from vicinal.tasks.options import as_typed, begun_with, option


@dataclass(frozen=True)
class ExperimentConfig:
    """What the user asked for.

    Args:
        options: of every training; its seed is that of the split.
        mixes: the methods to compare; empty for those that suit the data.
        alphas: their strengths; empty for the default of each method.
        epochs: the lengths of training; empty for what suits the data.
        train_sizes: how many training samples, or which share of them; several make a map.
        label_noise: the share of training labels that are replaced by another class.
        ood: the name or path of other data, whose samples are of none of the classes.
        first_seed: from which the seeds of an arm count.
    """

    options: TrainOptions
    mixes: tuple[str, ...] = ()
    alphas: tuple[float, ...] = ()
    epochs: tuple[int, ...] = ()
    train_sizes: tuple[float, ...] = ()
    label_noise: float = 0.0
    ood: str | None = None
    first_seed: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def merged_with(
        self, earlier: dict[str, Any], typed: Collection[str] = ()
    ) -> "ExperimentConfig":
        """This config, with what it leaves open taken from an earlier one; arms may differ.

        Args:
            earlier: the earlier config, as :meth:`to_json` gives it.
            typed: the names of settings that the user typed, so that they are not open even where
                they equal the default.

        Raises:
            VicinalError: a setting contradicts the earlier one.
        """
        settings: dict[str, Any] = {"options": self.options.merged_with(earlier["options"], typed)}
        for field in fields(self)[1:]:
            value, before = getattr(self, field.name), earlier.get(field.name, field.default)
            before = tuple(before) if isinstance(before, list) else before  # JSON has no tuples
            if field.name == "train_sizes":
                value = _beginning_with(before, value)
            if (value == field.default and field.name not in typed) or _same_place(value, before):
                value = before
            elif not (value == before or _may_grow(field.name, before, value)):
                earlier_text = None if before == field.default else _text(before)
                how = begun_with(_option(field.name), earlier_text, _text(value))
                raise VicinalError(
                    f"the comparison was begun {how}: leave that out, or begin another comparison"
                )
            settings[field.name] = value
        mixes = settings["mixes"]
        if mixes and not self.alphas and not any(parse_mix(mix).takes_alpha for mix in mixes):
            settings["alphas"] = ()  # those of before, which the mixes say themselves now
        return ExperimentConfig(**settings)

    def command(self, seeds: int | None = None) -> str:
        """The command line that runs this experiment."""
        words = ["vicinal", "compare", self.options.data]
        settings = {**asdict(self.options), **asdict(self)}
        for name, default in DEFAULTS.items():
            value = settings[name]
            if value == default or name == "data":
                continue
            if isinstance(value, bool):
                words.append(as_typed(_option(name), value))
            else:
                words += [f"--{_option(name)}", _text(value)]
        return shlex.join(words + (["--seeds", str(seeds)] if seeds else []))


ARM_FIELDS = "mixes", "alphas", "epochs"
OPTIONS = {"mixes": "mix", "alphas": "alpha", "train_sizes": "train-size"}
DEFAULTS = {
    field.name: field.default for kind in (TrainOptions, ExperimentConfig) for field in fields(kind)
}
# The arms' own fields take the place of these two options of a single training.
del DEFAULTS["options"], DEFAULTS["mix"], DEFAULTS["alpha"]


def _option(name: str) -> str:
    return OPTIONS.get(name, option(name))


def _may_grow(name: str, before: Any, value: Any) -> bool:
    """Whether a setting may be another one than before, as it only makes more arms."""
    # All samples, with which a comparison was begun, are not named among the sizes of a map.
    return name in ARM_FIELDS or (name == "train_sizes" and before and before[0] in value)


def _beginning_with(before: tuple[float, ...], sizes: tuple[float, ...]) -> tuple[float, ...]:
    """Training sizes in the order in which they were added: the first has its own names.

    >>> _beginning_with((1000.0, 5000.0), (500.0, 1000.0, 5000.0))
    (1000.0, 5000.0, 500.0)
    """
    places = {size: place for place, size in enumerate(before)}
    return tuple(sorted(sizes, key=lambda size: places.get(size, len(places))))


def _same_place(value: Any, before: Any) -> bool:
    """Whether both are paths of the same file or folder: photos, photos/ and ./photos."""
    both = value, before
    return all(isinstance(each, str) for each in both) and len({*map(os.path.realpath, both)}) == 1


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return format_exact(value) if isinstance(value, float) else str(value)
