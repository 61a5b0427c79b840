"""The verdicts themselves: each is given where it should be, so that a table can be trusted."""

import pytest
import torch
import torch.nn.functional as F

from losses.metrics import OWN, SHARES, Metric, judge_metric
from losses.verdict import DENSE, EXACT, REFUSED, WRONG, Loss, judge
from vicinal import as_tensors


def of_numbers(output, target):
    return F.cross_entropy(output, torch.tensor(target.tolist()))


def halved(output, target):
    """Right for targets of weight 1, but for no others."""
    loss = F.cross_entropy(output, target)
    return loss * (0.5 + target.weight.mean() / 2) if hasattr(target, "weight") else loss


def hardest(output, target):
    return F.cross_entropy(output, target, reduction="none").topk(2)[0].mean()


def batch_dice(output, target):
    hits = (output.sigmoid() * target).sum()
    return 1 - 2 * hits / (output.sigmoid().sum() + target.sum())


@pytest.mark.parametrize(
    ("code", "kind", "verdict"),
    [
        ("torch.nn.CrossEntropyLoss(w)", "classes", EXACT),
        ("of_numbers", "classes", WRONG),
        ("halved", "classes", WRONG),
        ("hardest", "classes", REFUSED),
        ("batch_dice", "labels", DENSE),
    ],
)
def test_of_losses(code, kind, verdict):
    w = torch.tensor([1.0, 5.0, 0.5, 2.0], dtype=torch.float64)
    loss = Loss(code, kind, by_mix_loss=False)
    assert judge(loss, {**globals(), "w": w}).verdicts == (verdict,)


@pytest.mark.parametrize(
    ("metric", "verdict"),
    [
        (lambda o, y: (o.argmax(1) == y).float().mean(), SHARES),
        (lambda o, y: (o.argmax(1).numpy() == y.numpy()).mean(), OWN),
        (lambda o, y: y.bincount(), REFUSED),
        (lambda o, y: (o.argmax(1) == y).float().mean() * (1 + hasattr(y, "partner")), WRONG),
    ],
)
def test_of_metrics(metric, verdict):
    def call(metric, output, target):
        return metric(output, as_tensors(target))

    found = judge_metric(Metric("metric", "classes", call), {"metric": metric})
    assert found.verdicts == (verdict,)
