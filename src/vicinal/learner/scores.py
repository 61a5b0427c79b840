"""Scores: the numbers of a validation, by their order and by their names."""

from collections.abc import Iterable, Mapping
from typing import Any


class Scores(tuple[float, ...]):
    """Loss and metrics, as a tuple whose numbers have names, too.

    Args:
        means: the numbers by their names.

    >>> scores = Scores({"valid_loss": 0.5, "valid_accuracy": 0.75})
    >>> loss, acc = scores
    >>> loss, scores[1], scores["valid_accuracy"]
    (0.5, 0.75, 0.75)
    >>> dict(scores)
    {'valid_loss': 0.5, 'valid_accuracy': 0.75}
    >>> scores
    Scores(valid_loss=0.5, valid_accuracy=0.75)
    """

    _means: dict[str, float]

    def __new__(cls, means: Mapping[str, float]) -> "Scores":
        scores = super().__new__(cls, means.values())
        scores._means = dict(means)
        return scores

    def __getitem__(self, index: Any) -> Any:
        return self._means[index] if isinstance(index, str) else super().__getitem__(index)

    def __contains__(self, value: object) -> bool:
        return value in self._means if isinstance(value, str) else super().__contains__(value)

    def keys(self) -> Iterable[str]:
        """The names, in the order of the numbers."""
        return self._means.keys()

    def items(self) -> Iterable[tuple[str, float]]:
        """The names with the numbers."""
        return self._means.items()

    def __getnewargs__(self) -> tuple[dict[str, float]]:
        return (self._means,)

    def __repr__(self) -> str:
        return f"Scores({', '.join(f'{name}={value:.6g}' for name, value in self.items())})"
