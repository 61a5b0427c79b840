"""Criteria that people write: in place, re-assigned, with hooks, of the batch, transformed."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal import MixedTarget, MixLoss, mae, mse
from vicinal.metrics import accuracy, sum_and_count

OWN = torch.arange(8) % 4
PARTNER = (OWN + 1) % 4
WEIGHT = torch.linspace(0.55, 1, 8)
MIXED = MixedTarget(OWN, PARTNER, WEIGHT)
UNMIXED = MixedTarget(OWN, PARTNER, torch.ones(8))


def outputs(seed=0):
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))


def each(output, labels):
    return F.cross_entropy(output, labels, reduction="none")


def with_margin(output, labels):
    """As CosFace is usually written."""
    output[torch.arange(len(labels)), labels] -= 0.35
    return each(10 * output, labels)


def tempered(output, labels):
    output /= 2.0
    return each(output, labels)


def shifted(output, labels):
    labels -= 1
    return each(output, labels)


WRITERS = (with_margin, tempered, shifted)


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("criterion", WRITERS)
def test_what_a_criterion_writes_stays_out_of_its_other_calls(criterion, reduced):
    shift = criterion is shifted
    target = MixedTarget(OWN + shift, PARTNER + shift, WEIGHT)
    used = (lambda o, y: criterion(o, y).mean()) if reduced else criterion
    if shift and reduced:
        pytest.skip("a tensor of both targets is not changed in place")
    loss = MixLoss(used)
    weights = outputs(1).requires_grad_()
    own, partner = (criterion(weights * 1, y.clone()) for y in (target.own, target.partner))
    expected = (WEIGHT * own + (1 - WEIGHT) * partner).mean()
    (slope,) = torch.autograd.grad(expected, weights)
    for _ in range(3):  # the first batch is that of the checks
        found = loss(weights * 1, target)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, weights)[0], slope)
    assert target.own.equal(OWN + shift)
    assert target.partner.equal(PARTNER + shift)


def test_what_a_criterion_writes_in_inference_mode():
    with torch.inference_mode():
        loss, target = MixLoss(with_margin), MixedTarget(OWN, PARTNER, WEIGHT)
        own, partner = (with_margin(outputs(), y) for y in (OWN, PARTNER))
        for _ in range(2):
            found = loss(outputs(), target)
            torch.testing.assert_close(found, (WEIGHT * own + (1 - WEIGHT) * partner).mean())


@pytest.mark.slow
def test_what_a_compiled_criterion_writes():
    loss = torch.compile(MixLoss(with_margin))
    expected = MixLoss(with_margin)(outputs(), MIXED)
    torch.testing.assert_close(loss(outputs(), MIXED), expected)


ASSIGNED = {
    "smoothed": lambda: nn.CrossEntropyLoss(label_smoothing=0.3),
    "weighted": lambda: nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 4.0])),
    "of each sample": lambda: lambda o, y: 2 * each(o, y),
    "of a batch": lambda: lambda o, y: 3 * F.cross_entropy(o, y),
}


@pytest.mark.parametrize("before", ASSIGNED)
@pytest.mark.parametrize("after", ASSIGNED)
def test_a_criterion_that_is_assigned_is_used_for_mixed_batches(before, after):
    loss = MixLoss(ASSIGNED[before]())
    loss(outputs(), MIXED)
    loss.criterion = ASSIGNED[after]()
    torch.testing.assert_close(loss(outputs(), UNMIXED), loss(outputs(), OWN))
    torch.testing.assert_close(loss(outputs(), MIXED), MixLoss(loss.criterion)(outputs(), MIXED))


def test_what_is_no_criterion_cannot_be_assigned():
    loss = MixLoss(nn.CrossEntropyLoss())
    with pytest.raises(TypeError, match="call it, MSELoss"):
        loss.criterion = nn.MSELoss
    loss.criterion = MixLoss(nn.L1Loss())
    assert isinstance(loss.criterion, nn.L1Loss)


OF_THE_BATCH = {
    "divided by the largest": lambda loss: loss / loss.detach().max(),
    "without the hardest": lambda loss: loss * (loss < loss.detach().max()),
    "without the easy ones": lambda loss: loss * (loss >= 0.5 * loss.max()),
    "the three hardest": lambda loss: loss * (loss >= loss.topk(3).values[-1]),
}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", OF_THE_BATCH)
def test_losses_that_depend_on_the_batch_are_refused_by_the_first_one(name, seed):
    generator = torch.Generator().manual_seed(seed)
    own, partner = (torch.randint(4, (8,), generator=generator) for _ in range(2))
    target = MixedTarget(own, partner, torch.rand(8, generator=generator))
    loss = MixLoss(lambda o, y: OF_THE_BATCH[name](each(o, y)))
    with pytest.raises(ValueError, match="cannot be mixed exactly"):
        loss(outputs(seed), target)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("shape", [(), (5,), (3, 2)])
def test_losses_of_single_samples_or_pixels_are_not(count, shape):
    output = torch.randn(count, 4, *shape) * 8  # of a network that is sure of itself
    own, partner = torch.randint(4, (2, count, *shape))
    found = MixLoss(each)(output, MixedTarget(own, partner, torch.ones(count)))
    torch.testing.assert_close(found, F.cross_entropy(output, own), equal_nan=True)


@pytest.mark.parametrize("criterion", [nn.MSELoss(), nn.PoissonNLLLoss(), F.l1_loss])
def test_plain_values_of_another_shape_are_refused_as_mixed_ones_are(criterion):
    output, values = torch.arange(4.0)[:, None], torch.arange(4.0)
    for target in (values, MixedTarget(values, values, torch.ones(4))):
        with pytest.raises(ValueError, match=r"the output has shape \(4, 1\), but the target"):
            MixLoss(criterion)(output, target)


def test_a_hook_on_cross_entropy_counts_for_mixed_targets():
    criterion = nn.CrossEntropyLoss()
    criterion.register_forward_hook(lambda module, arguments, result: 2 * result)
    loss = MixLoss(criterion)
    torch.testing.assert_close(loss(outputs(), UNMIXED), loss(outputs(), OWN))
    torch.testing.assert_close(
        loss(outputs(), MIXED), 2 * MixLoss(nn.CrossEntropyLoss())(outputs(), MIXED)
    )


@pytest.mark.parametrize("criterion", [F.cross_entropy, each, lambda o, y: F.cross_entropy(o, y)])
def test_gradients_by_torch_func(criterion):
    output = outputs().requires_grad_()
    MixLoss(criterion)(output, MIXED).backward()
    found = torch.func.grad(lambda o: MixLoss(criterion)(o, MIXED))(outputs())
    torch.testing.assert_close(found, output.grad)


def test_gradients_of_each_sample_by_vmap():
    def loss(output, own, partner, weight):
        target = MixedTarget(own[None], partner[None], weight[None])
        return MixLoss(each)(output[None], target)

    found = torch.func.vmap(torch.func.grad(loss))(outputs(), OWN, PARTNER, WEIGHT)
    output = outputs().requires_grad_()
    (8 * MixLoss(each)(output, MIXED)).backward()
    torch.testing.assert_close(found, output.grad)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:FutureWarning")
def test_a_reduction_that_cannot_be_set_is_an_error_in_words():
    with pytest.raises(ValueError, match="without a reduction"):
        MixLoss(torch.jit.script(nn.CrossEntropyLoss()))(outputs(), MIXED)


class OfEach(nn.Module):
    """Reads its targets as numbers, so a tensor of both cannot serve."""

    @property
    def reduction(self):
        return "none"

    def forward(self, output, labels):
        return each(output, torch.tensor(labels.tolist()))


def test_a_reduction_that_is_none_already_is_not_set():
    expected = (WEIGHT * each(outputs(), OWN) + (1 - WEIGHT) * each(outputs(), PARTNER)).detach()
    torch.testing.assert_close(MixLoss(OfEach())(outputs(), MIXED), expected)


@dataclasses.dataclass
class Answer:
    logits: Tensor


def test_an_output_in_a_dataclass():
    def criterion(output, labels):
        return each(output.logits, torch.tensor(labels.tolist()))

    found = MixLoss(criterion)(Answer(outputs()), MIXED)
    torch.testing.assert_close(found, MixLoss(each)(outputs(), MIXED))


class TestMetrics:
    def test_complex_values(self):
        output, values = torch.tensor([3 + 4j]), torch.tensor([0j])
        assert mae(output, values) == 5
        assert mse(output, values) == 25

    def test_complex_values_are_blended(self):
        target = MixedTarget(torch.tensor([3 + 4j]), torch.tensor([0j]), torch.tensor([0.5]))
        torch.testing.assert_close(target.dense(), torch.tensor([1.5 + 2j]))

    def test_a_missing_value_without_a_share_leaves_no_trace(self):
        values = torch.tensor([1.0, float("nan")])
        target = MixedTarget(torch.ones(2), values, torch.ones(2))
        assert mae(torch.zeros(2), target) == 1

    def test_an_empty_batch_adds_nothing(self):
        total, count = sum_and_count(accuracy, torch.zeros(0, 4), torch.zeros(0).long())
        assert total == count == 0
