"""Beside: one network for texts or images and the columns beside them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.data.beside_loaders import IMAGES
from vicinal.models.rescale import Rescale
from vicinal.models.tabular import TableNet

INPUTS, SCORES = "inputs", "scores"  # the layers at which both are mixed together


class Beside(nn.Module):
    """A network for texts or images, and a :class:`TableNet` for columns, whose outputs add up.

    That is a linear layer on the features of both: such a layer is the sum of one on the features
    of the first and one on those of the second, which are the last layers of the two networks.

    Two layers have names, so that mixes can be applied to them. At ``inputs``, the images or the
    embedded words, and the numbers and embedded categories, are mixed together, by the same
    partners and weights. At ``scores``, the sum of both outputs, (B, n_out), is mixed: as it is a
    linear function of the features, so are these.

    Args:
        network: for images, from (B, 3, H, W) to (B, n_out); or one of the networks for texts.
        numeric, cardinalities: the columns, as of :class:`TableNet`.
        n_out: the number of classes, or 1 for a value.
        rescale: for regression, the last layer, which converts standardised values to the units of
            the data.

    Takes a dict of ``"images"`` (B, 3, H, W) floats, or of ``"ids"`` (B, L) int64 and ``"mask"``
    (B, L) bool, and of ``"numbers"`` (B, n) floats and ``"categories"`` (B, m) int64, without the
    one of which there is none; gives (B, n_out).

    >>> from vicinal.models.text import TextCNN
    >>> model = Beside(TextCNN(n_words=10, n_out=3), numeric=2, cardinalities=[4], n_out=3)
    >>> x = {"ids": torch.tensor([[5, 2, 0]]), "mask": torch.tensor([[True, True, False]])}
    >>> x |= {"numbers": torch.zeros(1, 2), "categories": torch.tensor([[1]])}
    >>> model(x).shape
    torch.Size([1, 3])
    """

    def __init__(
        self,
        network: nn.Module,
        numeric: int,
        cardinalities: Sequence[int],
        n_out: int,
        *,
        rescale: Rescale | None = None,
    ) -> None:
        super().__init__()
        self.network: Any = network
        self.columns = TableNet(numeric, cardinalities, n_out)
        self.inputs, self.scores = nn.Identity(), nn.Identity()
        # For ManifoldMixUp: a text may be as long as the batch is large; see mixing/layouts.py.
        self.inputs._batch_is_first = True  # type: ignore[assignment]
        self.rescale = nn.Identity() if rescale is None else rescale

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        """The logits or values, (B, n_out) floats."""
        are_images = IMAGES in x
        first = x[IMAGES] if are_images else self.network.words(x["ids"])
        mixed = self.inputs({"first": first, "columns": self.columns.inputs(x)})
        first = mixed["first"]
        scores = self.network(first) if are_images else self.network.of_words(first, x["mask"])
        # Numbers of a table may need more than the 8 bits of bfloat16.
        with torch.autocast(first.device.type, enabled=False):
            columns = self.columns.of_inputs(mixed["columns"].float())
        out: Tensor = self.rescale(self.scores(scores + columns))
        return out
