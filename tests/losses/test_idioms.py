"""Losses and counters of people's own loops: each is right, or refused."""

import functools
import inspect

import pytest
import torch
import torch.nn.functional as F

import vicinal
from losses import counters, criteria, idioms
from losses.cases import drawn
from losses.metrics import OWN, SHARES, Metric, judge_metric
from losses.verdict import DENSE, EXACT, REFUSED, Loss, judge
from vicinal import as_tensors

METRICS = ("accuracy", "accuracy_multi", "error_rate", "mae", "rmse", "top_k_accuracy")
OWN_CRITERIA = ("AsymmetricLoss", "CrossEntropyLossFlat", "OrdinalLoss")

# By mixed tensors; all others are computed.
MAY_BE_REFUSED = """
    balanced_by_bincount balanced_by_unique balanced_by_weight_of_bincount by_bmm
    by_distribution by_einsum by_loop by_mask by_masked_select by_range by_zip
    center_by_embedding contrastive_of_all_pairs contrastive_with_flipped
    contrastive_with_rolled dice_of_einsum gaussian hardest_by_argsort hardest_by_max
    hardest_by_quantile hardest_by_sort hardest_by_threshold hardest_by_topk ignored_by_mask
    ignored_by_nonzero ignored_losses_by_mask interleaved log_cosh margin_by_subtraction
    margins_of_rare_classes penalised_by_deviation quantile ranked standardised_by_the_batch
    triplet_by_expand triplet_of_the_hardest weighted_by_softmax_over_batch
"""


def functions(module):
    found = inspect.getmembers(module, inspect.isfunction)
    return [
        name for name, f in found if f.__module__ == module.__name__ and name not in module.HELPERS
    ]


@pytest.mark.parametrize("name", functions(idioms))
def test_a_loss(name):
    kind, skips_pixels = idioms.KINDS.get(name, "classes"), name == "dice_of_the_union"
    found = judge(Loss(name, kind, skips_pixels=skips_pixels), vars(idioms))
    by_mix_loss, by_tensors = found.verdicts
    assert by_mix_loss in (EXACT, DENSE, REFUSED), found.why
    assert by_tensors in (EXACT, DENSE, *([REFUSED] if name in MAY_BE_REFUSED.split() else [])), (
        found.why
    )


@pytest.mark.parametrize("code", criteria.CRITERIA)
def test_a_criterion_with_a_reduction_of_its_own(code):
    found = judge(Loss(code, criteria.CRITERIA[code]), vars(criteria))
    assert set(found.verdicts) <= {EXACT, DENSE, REFUSED}, found.why


@pytest.mark.parametrize("name", functions(counters))
def test_a_counter(name):
    def call(count, output, target):
        return count(output, as_tensors(target))

    metric = Metric(name, counters.KINDS.get(name, "classes"), call)
    found = judge_metric(metric, vars(counters))
    assert found.verdicts[0] in (SHARES, OWN, REFUSED), found.why


@pytest.mark.parametrize("turned", [
    lambda y: y[torch.tensor([3, 0, 5, 2, 1, 4])], lambda y: y.flip(0), lambda y: y.roll(1, 0),
])  # fmt: skip
def test_mixing_in_the_loss_what_is_mixed_already(turned):
    case = drawn("classes", 6, 0)
    output, y = case.output(), as_tensors(case.target)

    def losses(labels):
        return F.cross_entropy(output, labels, reduction="none")

    own, partner, weight = (turned(part) for part in (case.own, case.partner, case.weight))
    first = case.weight * losses(case.own) + (1 - case.weight) * losses(case.partner)
    second = weight * losses(own) + (1 - weight) * losses(partner)
    found = 0.3 * F.cross_entropy(output, y) + 0.7 * F.cross_entropy(output, turned(y))
    torch.testing.assert_close(found, (0.3 * first + 0.7 * second).mean())
    with pytest.raises(ValueError, match="cannot be computed from mixed targets"):
        F.one_hot(y, 4) * 0.3 + F.one_hot(turned(y), 4) * 0.7


@pytest.mark.parametrize("convert", [as_tensors, lambda target: target])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("accuracy", "classes"),
        ("functools.partial(accuracy, ignore_index=2)", "masks"),
        ("functools.partial(error_rate, ignore_index=2)", "classes"),
        ("functools.partial(top_k_accuracy, k=2)", "masks"),
        ("accuracy_multi", "labels"),
        ("mae", "values"),
        ("rmse", "values"),
    ],
)
def test_metrics_of_vicinal_count_by_shares(code, kind, convert):
    def call(metric, output, target):
        return metric(output, convert(target))

    names = {**{name: getattr(vicinal, name) for name in METRICS}, "functools": functools}
    assert judge_metric(Metric(code, kind, call), names).verdicts == (SHARES,)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AsymmetricLoss()", "labels"),
        ("AsymmetricLoss(reduction='sum')", "labels"),
        ("OrdinalLoss(5)", "classes"),
        ("CrossEntropyLossFlat(weight=w, ignore_index=2)", "tokens"),
        ("CrossEntropyLossFlat(axis=1, weight=w, label_smoothing=0.1)", "masks"),
    ],
)
def test_criteria_of_vicinal_are_exact(code, kind):
    names = {name: getattr(vicinal, name) for name in OWN_CRITERIA}
    found = judge(Loss(code, kind), {**names, "w": criteria.w})
    assert found.verdicts == (EXACT, EXACT), found.why
