"""Form: how batches are mixed that are no tensors with their samples in the first dimension."""

from typing import Any, Protocol

from vicinal.errors import VicinalError


class Form(Protocol):
    """How batches of one form are mixed, such as lists of images with their boxes.

    A mixer whose ``form`` is not None draws random numbers by sizes alone, as all do; its form
    reads the batch, and makes of these numbers a mix that can be applied to it.
    """

    def draw(self, mixer: Any, x: Any, y: Any, other: Any) -> Any:
        """A mix with ``partner`` and ``weight``, drawn by a mixer for a batch of this form.

        ``mix(x)`` mixes the samples and ``mix.target(y)`` the targets. A batch that is rejected
        uses up no draw.
        """

    def example(self) -> tuple[Any, Any]:
        """A small batch of this form, for :func:`check_mixer`."""


def check_forms(outer: str, mixers: Any) -> None:
    """Raise a VicinalError unless all these mixers mix batches of the same form."""
    first = mixers[0]
    for mixer in mixers[1:]:
        if mixer.form != first.form:
            raise VicinalError(
                f"{first!r} and {mixer!r} do not mix the same kind of batch, with the same options "
                f"for it: give a {outer} mixers that do"
            )
