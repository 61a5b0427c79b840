"""Mixer: the shape that every mixing method has."""

from abc import ABC, abstractmethod
from typing import Any

from vicinal.mixing.draws import RandomState
from vicinal.mixing.mix import Mix, first_tensor


class Mixer(ABC):
    """Draws mixes. A method of the field is a subclass with a :meth:`draw` of its own.

    Calling a mixer does the three steps in one: ``mix = mixer.draw(x, y)``, ``mix(x)`` and
    ``mix.target(y)``.
    """

    def __init__(self, seed: int | None) -> None:
        self.random = RandomState(seed)

    @abstractmethod
    def draw(self, x: Any, y: Any = None) -> Mix:
        """Draw a mix for a batch: random numbers only, no data is touched.

        Args:
            x: a tensor (B, ...) or a nested batch; only its size and device are read.
            y: its targets; where given, they must have B rows.

        Raises:
            ValueError: x and y do not have the same number of samples.
        """

    def __call__(
        self, x: Any, y: Any, *, other: tuple[Any, Any] | None = None, inplace: bool = False
    ) -> tuple[Any, Any]:
        """Mix a batch and its targets.

        Args:
            x: (B, ...) floats or uint8 images, or a nested batch of them.
            y: (B, ...) targets of any kind, or a nested batch of them.
            other: ``(x, y)`` of a second batch that brings the partners, as in the original
                paper; without it the partners come from the batch itself.
            inplace: the batch is given away and mixed where it lies.

        Returns:
            The mixed batch, and its targets as :class:`MixedTarget`.

        Raises:
            TypeError: the batch holds integers other than uint8.
            ValueError: sizes or structures do not match, or ``inplace`` would spoil the target.
        """
        other_x, other_y = (None, None) if other is None else other
        if inplace and first_tensor(x).data_ptr() == first_tensor(y).data_ptr() != 0:
            raise ValueError("x is also the target, so mixing it in place would spoil the target")
        mix = self.draw(x, y)
        # The target first: should its shape be wrong, an in-place batch is still what it was.
        target = mix.target(y, other=other_y)
        return mix(x, other=other_x, inplace=inplace), target

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on with the same draws: the seed and the number of draws."""
        return self.random.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the mixer that gave this state was."""
        self.random.load_state_dict(state)


def batch_size(x: Any, y: Any = None) -> int:
    """The number of samples in a batch, checked against its targets."""
    count = len(first_tensor(x))
    if y is not None and len(first_tensor(y)) != count:
        raise ValueError(
            f"x has {count} samples, but y has {len(first_tensor(y))}: "
            "a batch needs one target for each sample"
        )
    return count
