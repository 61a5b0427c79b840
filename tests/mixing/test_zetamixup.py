"""ZetaMixUp: the weights of the authors' code, and any order of the others as likely."""

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from vicinal import Callback, Choice, DataLoaders, Learner, MixLoss, Schedule, ZetaMixUp

# A row of the matrix that the authors' code draws for a batch of 6, gamma 2.8, in order.
AUTHORS = [
    0.8143286108970642,
    0.11692724376916885,
    0.03757164627313614,
    0.0167892687022686,
    0.008988427929580212,
    0.005394810810685158,
]


def matrix(mixer, count):
    """(B, B) what each sample gets of each."""
    mixed, _ = mixer(torch.eye(count), torch.zeros(count))
    return mixed


def test_weights_are_the_authors():
    found = matrix(ZetaMixUp(seed=0), 6)
    assert torch.allclose(found.diagonal(), torch.tensor(AUTHORS[0]))
    ordered = found.sort(1, descending=True).values
    assert torch.allclose(ordered, torch.tensor(AUTHORS).expand(6, 6))
    assert torch.allclose(found.sum(0), torch.ones(6))  # each sample counts as much as any other


def test_every_order_of_the_others_is_as_likely():
    mixer, count = ZetaMixUp(seed=0), 5
    ranks = torch.stack([matrix(mixer, count)[2].argsort(descending=True)[1:] for _ in range(600)])
    orders = torch.stack([(ranks * 5 ** torch.arange(4)).sum(1)]).unique(return_counts=True)[1]
    assert len(orders) == 24
    assert stats.chisquare(orders).pvalue > 1e-6


def test_samples_and_targets_are_blended_by_the_same_weights():
    x, y = torch.randn(9, 3, 4, 4), torch.arange(9) % 4
    mixed, target = ZetaMixUp(num_classes=4, seed=1)(x, y)
    weights = matrix(ZetaMixUp(seed=1), 9)
    assert torch.allclose(mixed, torch.einsum("ij,jchw->ichw", weights, x), atol=1e-6)
    assert torch.allclose(target.dense(), weights @ F.one_hot(y, 4).float(), atol=1e-6)
    assert torch.allclose(target.dense().sum(1), torch.ones(9))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_the_blended_targets(smoothing):
    x, y = torch.randn(6, 2), torch.arange(6) % 3
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    _, target = ZetaMixUp(num_classes=3, seed=0)(x, y)
    output = torch.randn(6, 3)
    expected = criterion(output, matrix(ZetaMixUp(seed=0), 6) @ F.one_hot(y, 3).float())
    assert torch.allclose(MixLoss(criterion)(output, target), expected)


def test_targets_that_are_floats_stay_as_they_are():
    x, y = torch.randn(6, 2), torch.randn(6, 3)
    _, target = ZetaMixUp(seed=0)(x, y)
    assert torch.equal(target.own, y)
    assert torch.allclose(target.dense(), matrix(ZetaMixUp(seed=0), 6) @ y, atol=1e-6)


def test_nested_batches():
    x = {"a": torch.randn(4, 2), "mask": torch.tensor([[1, 0], [1, 1], [0, 1], [1, 0]]), "n": 3}
    mixed, target = ZetaMixUp(maximum="mask", num_classes=2, seed=0)(x, (torch.arange(4) % 2,))
    weights = matrix(ZetaMixUp(seed=0), 4)
    assert torch.allclose(mixed["a"], weights @ x["a"], atol=1e-6)
    assert torch.equal(mixed["mask"], torch.ones(4, 2, dtype=torch.long))
    assert mixed["n"] == 3
    assert target[0].own.shape == (4, 2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8, torch.complex64])
def test_dtypes(dtype):
    x = (torch.rand(6, 5, generator=torch.Generator().manual_seed(0)) * 200).to(dtype)
    mixed, _ = ZetaMixUp(seed=0)(x, torch.rand(6))
    assert mixed.dtype == dtype
    wide = torch.complex128 if dtype.is_complex else torch.float64
    expected = matrix(ZetaMixUp(seed=0), 6).to(wide) @ x.to(wide)
    atol = {torch.bfloat16: 1.0, torch.uint8: 0.7}.get(dtype, 1e-3)
    assert torch.allclose(mixed.to(wide), expected, atol=atol, rtol=0)


def test_samples_that_are_not_mixed_stay_and_count_in_the_others():
    mixer = ZetaMixUp(p=0.5, seed=0)
    found = matrix(mixer, 40)
    whole = found.diagonal() == 1
    assert 5 < whole.sum() < 35
    assert torch.equal(found[whole], torch.eye(40)[whole])
    assert (found[~whole] > 0).all()


def test_one_sample_is_not_mixed():
    x = torch.rand(1, 3)
    mixed, target = ZetaMixUp(num_classes=2)(x, torch.tensor([1]))
    assert torch.equal(mixed, x)
    assert torch.equal(target.dense(), torch.tensor([[0.0, 1.0]]))


class Weights(Callback):
    def __init__(self):
        self.seen = []

    def after_batch(self, learn):
        if learn.training:
            self.seen.append((learn.y.weight < 1).all().item())


def test_a_learner_trains_and_a_schedule_ends():
    x, y = torch.randn(40, 2), torch.arange(40) % 3
    dls = DataLoaders.from_tensors(x, y, x, y, bs=10, device="cpu")
    mixer, weights = Schedule(ZetaMixUp(num_classes=3), until=0.5, seed=0), Weights()
    Learner(dls, nn.Linear(2, 3), cbs=[mixer, weights]).fit(2, 0.1)
    assert weights.seen == [True] * 4 + [False] * 4
    _, target = ZetaMixUp(num_classes=3, p=0.0)(x, y)
    assert torch.equal(target.dense(), F.one_hot(y, 3).float())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, y: ZetaMixUp()(x, y), TypeError, "these are int64: for class indices, give num"),
        (lambda x, y: ZetaMixUp().draw(x), TypeError, r"give draw\(x, y\)"),
        (lambda x, y: ZetaMixUp()(x, y, other=(x, y)), ValueError, "give it no second batch"),
        (lambda x, y: ZetaMixUp(num_classes=2)(x, y), RuntimeError, "label 2 is none of 2 classes"),
        (lambda x, y: ZetaMixUp(-1.0), ValueError, "gamma"),
        (lambda x, y: ZetaMixUp(partners="pairs"), TypeError, "partners"),
        (lambda x, y: Choice([ZetaMixUp()], partners="near"), ValueError, "partners='near'"),
        (lambda x, y: Schedule(ZetaMixUp(), partners="shuffle"), ValueError, "partners='shuffle'"),
    ],
)
def test_what_is_wrong_is_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.rand(4, 2), torch.tensor([0, 1, 2, 0]))
