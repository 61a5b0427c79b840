"""TabularModel: fastai's network for rows of tables."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError


class SigmoidRange(nn.Module):
    """A sigmoid between two values, so that no prediction lies outside.

    >>> SigmoidRange(0.0, 10.0)(torch.tensor([-100.0, 0.0, 100.0]))
    tensor([ 0.,  5., 10.])
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * (self.high - self.low) + self.low


class TabularModel(nn.Module):
    """A multilayer perceptron with batch norms, on numbers and embedded categories.

    Args:
        emb_szs: (number of categories, width) of each embedding.
        n_cont: the number of numeric columns.
        out_sz: the number of classes, or of values.
        layers: the width of each hidden layer, which is linear, ReLU, batch norm and dropout.
        ps: the dropout of each hidden layer, or one for all; None for none.
        embed_p: the dropout of the embeddings.
        y_range: lowest and highest value that is predicted.
        use_bn: with batch norms of hidden layers.
        bn_final: with one after the last layer, too.
        bn_cont: with one of the numbers.

    Takes ``"numbers"`` (B, n) floats and ``"categories"`` (B, m) int64 in a dict, without the one
    of which there is none; gives (B, out_sz).

    Raises:
        VicinalError: ``ps`` has more or fewer values than there are hidden layers.

    Source: the network, its widths and its initial values are those of fastai's ``TabularModel``.

    >>> model = TabularModel([(3, 2)], 2, 4, [20, 10])
    >>> x = {"numbers": torch.rand(8, 2), "categories": torch.randint(3, (8, 1))}
    >>> model(x).shape
    torch.Size([8, 4])
    """

    def __init__(
        self,
        emb_szs: Sequence[tuple[int, int]],
        n_cont: int,
        out_sz: int,
        layers: Sequence[int] = (200, 100),
        *,
        ps: float | Sequence[float] | None = None,
        embed_p: float = 0.0,
        y_range: tuple[float, float] | None = None,
        use_bn: bool = True,
        bn_final: bool = False,
        bn_cont: bool = True,
    ) -> None:
        super().__init__()
        self.embeds = nn.ModuleList(_embedding(count, width) for count, width in emb_szs)
        self.emb_drop = nn.Dropout(embed_p)
        self.bn_cont = nn.BatchNorm1d(n_cont) if bn_cont and n_cont else nn.Identity()
        width = n_cont + sum(width for _, width in emb_szs)
        drops = [*ps] if isinstance(ps, Sequence) else [ps or 0.0] * len(layers)
        if len(drops) != len(layers):
            raise VicinalError(f"ps has {len(drops)} values for {len(layers)} hidden layers")
        parts: list[nn.Module] = []
        for after, drop in zip(layers, drops, strict=True):
            parts += [nn.Linear(width, after, bias=not use_bn), nn.ReLU()]
            parts += [nn.BatchNorm1d(after)] if use_bn else []
            parts += [nn.Dropout(drop)] if drop else []
            width = after
        parts.append(nn.Linear(width, out_sz, bias=not bn_final))
        if bn_final:
            parts.append(nn.BatchNorm1d(out_sz))
        if y_range is not None:
            parts.append(SigmoidRange(*y_range))
        self.layers = nn.Sequential(*parts)
        self.made_from: dict[str, Any] = {
            "maker": "tabular_model",
            "emb_szs": [list(size) for size in emb_szs],
            "n_cont": n_cont,
            "out_sz": out_sz,
            "layers": list(layers),
            "ps": ps,
            "embed_p": embed_p,
            "y_range": None if y_range is None else list(y_range),
            "use_bn": use_bn,
            "bn_final": bn_final,
            "bn_cont": bn_cont,
        }

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        parts = []
        if len(self.embeds):
            columns = x["categories"].unbind(dim=1)
            pairs = zip(self.embeds, columns, strict=True)
            embedded = torch.cat([embedding(column) for embedding, column in pairs], dim=1)
            parts.append(self.emb_drop(embedded))
        if "numbers" in x:
            parts.append(self.bn_cont(x["numbers"]))
        out: Tensor = self.layers(torch.cat(parts, dim=1))
        return out


def _embedding(count: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(count, width)
    nn.init.trunc_normal_(embedding.weight, std=0.01, a=-0.02, b=0.02)
    return embedding
