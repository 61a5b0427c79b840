"""How much each column of a table says about the target: its mutual information with it."""

import numpy as np
import torch
from torch import Tensor

ROWS = 4000  # at most: the neighbours of more take long, and shares hardly change


def importance(x: dict[str, Tensor], y: Tensor, *, values: bool) -> Tensor:
    """The mutual information of each column with the targets, in nats.

    Args:
        x: "numbers" (N, n) floats and "categories" (N, m) integers, or one of them.
        y: (N,) classes, (N, 1) values, or (N, L) zeros and ones of several labels, whose
            information is added up.
        values: whether the targets are values.

    Returns:
        (n + m,) float64, 0 or more: of the numbers, then of the categories. Of tables with more
        than 4,000 rows, as many are taken at equal distances.

    Source: scikit-learn's ``mutual_info_classif`` and ``mutual_info_regression``: for numbers by
    the distances to the three nearest neighbours.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    count = len(y)
    rows = torch.linspace(0, count - 1, min(count, ROWS)).long()
    parts = [x[name][rows] for name in ("numbers", "categories") if name in x]
    columns = np.concatenate([part.double().cpu().numpy() for part in parts], axis=1)
    is_category = np.repeat([not p.is_floating_point() for p in parts], [p.shape[1] for p in parts])
    targets = y[rows].cpu().reshape(len(rows), -1).numpy().T
    measure = mutual_info_regression if values else mutual_info_classif
    neighbours = max(min(3, len(rows) - 2), 1)
    found = sum(
        measure(
            columns, label, discrete_features=is_category, n_neighbors=neighbours, random_state=0
        )
        for label in targets
    )
    return torch.from_numpy(np.asarray(found, dtype=np.float64)).clamp(min=0)
