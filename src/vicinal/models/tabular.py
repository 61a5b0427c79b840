"""TableNet: a small network for rows of tables."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vicinal.models.rescale import Rescale


def embedding_size(cardinality: int) -> int:
    """The width of the embedding of a column with so many categories, by fastai's rule.

    Source: fastai, ``tabular/model.py``, ``emb_sz_rule``.

    >>> embedding_size(2), embedding_size(42), embedding_size(1_000_000)
    (2, 13, 600)
    """
    return min(600, round(1.6 * cardinality**0.56))


class TableInputs(nn.Module):
    """Concatenates the numbers of each row and the embeddings of its categories.

    Args:
        numeric: the number of numeric columns.
        cardinalities: how many categories each categorical column has.
    """

    def __init__(self, numeric: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self.numeric = numeric
        self.embeddings = nn.ModuleList(_embedding(count) for count in cardinalities)
        self.width = numeric + sum(embedding_size(count) for count in cardinalities)

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        """``"numbers"`` (B, n) floats and ``"categories"`` (B, m) int64 to (B, width)."""
        parts = [x["numbers"]] if self.numeric else []
        if len(self.embeddings):
            columns = x["categories"].unbind(dim=1)
            pairs = zip(self.embeddings, columns, strict=True)
            parts += [embedding(column) for embedding, column in pairs]
        return torch.cat(parts, dim=1)


def _embedding(count: int) -> nn.Embedding:
    embedding = nn.Embedding(count, embedding_size(count))
    bound = embedding.embedding_dim**-0.5
    nn.init.uniform_(embedding.weight, -bound, bound)
    # Unknown categories may not occur in training, and then must not contribute random numbers.
    nn.init.zeros_(embedding.weight[0])
    return embedding


class TableNet(nn.Module):
    """A multilayer perceptron on numbers and embedded categories.

    Its layers are ``inputs``, a :class:`TableInputs`; ``hidden``, of which each block ``hidden.0``,
    ``hidden.1``, … is a linear layer, ReLU and dropout; and ``head``, a linear layer. Hidden mixing
    at ``inputs`` is mixup of the numbers together with mixup of the embeddings.

    Args:
        numeric: the number of numeric columns.
        cardinalities: how many categories each categorical column has, with the unknown one
            (0).
        n_out: the number of classes, or 1 for a value.
        hidden: the width of each block.
        dropout: of each block, in [0, 1).
        rescale: for regression, mean and standard deviation of the values. The head then learns
            standardised values, and a last layer, ``rescale``, converts them to the data's units,
            in which metrics and predictions are. Train it with
            :class:`~vicinal.models.rescale.ScaledMSELoss`. Or that layer itself.

    Takes ``"numbers"`` (B, n) floats and ``"categories"`` (B, m) int64 in a dict, without the one
    of which there is none; gives (B, n_out).

    Source: the network, its initial embeddings and its dropout follow Y. Gorishniy, I. Rubachev, V.
    Khrulkov, A. Babenko, Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021, section
    3.1 (MLP); the sizes of the embeddings are fastai's.

    >>> model = TableNet(numeric=2, cardinalities=[3, 42], n_out=2)
    >>> x = {"numbers": torch.rand(8, 2), "categories": torch.randint(3, (8, 2))}
    >>> model(x).shape
    torch.Size([8, 2])
    """

    def __init__(
        self,
        numeric: int,
        cardinalities: Sequence[int],
        n_out: int,
        *,
        hidden: Sequence[int] = (256, 256),
        dropout: float = 0.1,
        rescale: tuple[float, float] | nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.inputs = TableInputs(numeric, cardinalities)
        widths = [self.inputs.width, *hidden]
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
                for before, after in pairwise(widths)
            )
        )
        self.head = nn.Linear(widths[-1], n_out)
        if rescale is None:
            rescale = nn.Identity()
        self.rescale = rescale if isinstance(rescale, nn.Module) else Rescale(*rescale)

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        return self.of_inputs(self.inputs(x))

    def of_inputs(self, columns: Tensor) -> Tensor:
        """What it gives for the numbers and embedded categories, (B, width)."""
        out: Tensor = self.rescale(self.head(self.hidden(columns)))
        return out
