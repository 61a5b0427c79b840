"""tabular_learner: a Learner for rows of tables."""

from collections.abc import Sequence
from typing import Any

from vicinal.data.tabular import TabularDataLoaders
from vicinal.errors import VicinalError
from vicinal.learner.learner import Learner
from vicinal.models.tabular import embedding_size
from vicinal.models.tabular_model import TabularModel


def tabular_config(**kwargs: Any) -> dict[str, Any]:
    """Settings of :class:`TabularModel`, such as ``ps`` and ``embed_p``.

    >>> tabular_config(ps=[0.1, 0.2], embed_p=0.05)
    {'ps': [0.1, 0.2], 'embed_p': 0.05}
    """
    return kwargs


def tabular_learner(
    dls: TabularDataLoaders,
    layers: Sequence[int] | None = None,
    emb_szs: dict[str, int] | None = None,
    config: dict[str, Any] | None = None,
    n_out: int | None = None,
    y_range: tuple[float, float] | None = None,
    **kwargs: Any,
) -> Learner:
    """A Learner for rows of tables, with fastai's network for them.

    Args:
        dls: of :class:`TabularDataLoaders` or :class:`TabularPandas`.
        layers: the width of each hidden layer; None takes 200 and 100.
        emb_szs: the width of the embedding of a column, by its name; others follow from the number
            of its categories.
        config: more settings of the network, by :func:`tabular_config`.
        n_out: how many numbers the network gives; None takes what the data need.
        y_range: lowest and highest value that is predicted.
        **kwargs: of :class:`Learner`.

    Raises:
        VicinalError: the loaders are not of a table, or ``emb_szs`` names another column.
    """
    if not isinstance(dls, TabularDataLoaders):
        raise VicinalError(
            f"tabular_learner takes TabularDataLoaders, not {type(dls).__name__}: make them by "
            "TabularDataLoaders.from_df(df, …)"
        )
    table, widths = dls.procs.table, emb_szs or {}
    for name in widths:
        if name not in table.categories:
            raise VicinalError(
                f"emb_szs names {name}, and the categories are {', '.join(table.categories)}"
            )
    sizes = [
        (count, widths.get(name, embedding_size(count)))
        for name, count in zip(table.categories, table.cardinalities, strict=True)
    ]
    settings = {"y_range": y_range, **(config or {})}
    model = TabularModel(
        sizes, len(table.mean), dls.c if n_out is None else n_out, layers or (200, 100), **settings
    )
    return Learner(dls, model, **kwargs)
