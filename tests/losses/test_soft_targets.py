"""Why metrics are not given dense targets."""

import pytest
import torch

from vicinal import MixUp, own_targets

torchmetrics = pytest.importorskip("torchmetrics", "1.9")


@pytest.mark.skipif(
    not torchmetrics.__version__.startswith("1.9"), reason="the page says so of torchmetrics 1.9"
)
@pytest.mark.parametrize("model", [0, 1, 2])
def test_torchmetrics_takes_dense_targets_and_returns_nonsense(model):
    torch.manual_seed(model)
    output = torch.rand(6, 3).softmax(1)
    _, target = MixUp(seed=0)(torch.rand(6, 4), torch.arange(6) % 3)
    for name, nonsense in (("macro", 1.0), ("micro", 0.0)):
        for metric in (torchmetrics.functional.accuracy, torchmetrics.functional.f1_score):
            settings = {"task": "multiclass", "num_classes": 3, "average": name}
            assert metric(output, target.dense(3), **settings) == nonsense
            own = metric(output, own_targets(target), **settings)
            assert own == metric(output, torch.arange(6) % 3, **settings)
