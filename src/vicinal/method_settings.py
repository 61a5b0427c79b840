"""What can be set of a mixing method in ``--mix``, beside its strength, and how it is read."""

import math
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Setting:
    """A setting of a method in ``--mix``, such as the cells in ``gridmix:cells=8``.

    Args:
        name: what is typed, which is also the argument of the class.
        summary: what it sets, for the docs.
        default: the class's; None where the class computes it.
        low, high: the range of each number.
        above: whether ``low`` itself is out of the range.
        kind: "number"; "whole" for whole numbers; "pair" for two in order, typed ``0.2/0.8``;
            "word" for one of ``words``; "flag" for true or false.
        words: what can be typed.
        to: the class that takes it, the method's mixer or its callback.
        replaces_alpha: whether the method ignores alpha where this is given.
    """

    name: str
    summary: str
    default: Any
    low: float = 0.0
    high: float = math.inf
    above: bool = False
    kind: Literal["number", "whole", "pair", "word", "flag"] = "number"
    words: tuple[str, ...] = ()
    to: Literal["mixer", "callback"] = "mixer"
    replaces_alpha: bool = False

    def parse(self, text: str) -> Any:
        """The value that was typed.

        Raises:
            ValueError: it is none, or out of its range; the message says what would be one.

        >>> from vicinal.methods import METHODS
        >>> METHODS["gridmix"].settings[0].parse("8")
        8
        """
        if self.kind in ("word", "flag"):
            word = text.lower()
            if word not in self._words:
                raise ValueError(f"must be {self.range_text}, not {text or 'nothing'}")
            return word == "true" if self.kind == "flag" else word
        try:
            read = int if self.kind == "whole" else float
            values = [read(word) for word in text.split("/")]
        except ValueError:
            values = []
        inside = all(self._allows(value) for value in values)
        if len(values) != (2 if self.kind == "pair" else 1) or values != sorted(values):
            inside = False
        if not inside:
            raise ValueError(f"must be {self.range_text}, not {text or 'nothing'}")
        return tuple(values) if self.kind == "pair" else values[0]

    def _allows(self, value: float) -> bool:
        is_low = value > self.low if self.above else value >= self.low
        return math.isfinite(value) and is_low and value <= self.high

    @property
    def range_text(self) -> str:
        """The values that it takes, in words.

        >>> from vicinal.methods import METHODS
        >>> METHODS["cutmix"].settings[0].range_text
        'two numbers from 0 to 1 in order, such as 0.2/0.8'
        """
        if self.kind in ("word", "flag"):
            *others, last = self._words
            return f"{', '.join(others)} or {last}"
        if self.kind == "pair":
            return f"two numbers from {self.low:g} to {self.high:g} in order, such as 0.2/0.8"
        noun = "a whole number" if self.kind == "whole" else "a number"
        if math.isinf(self.high):
            low = f"{self.low:g}"
            return f"{noun} above {low}" if self.above else f"{noun}, {low} or more"
        if self.above:
            return f"{noun} above {self.low:g} and up to {self.high:g}"
        return f"{noun} from {self.low:g} to {self.high:g}"

    @property
    def _words(self) -> tuple[str, ...]:
        return ("true", "false") if self.kind == "flag" else self.words
