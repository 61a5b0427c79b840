"""Measures of masks: the field's numbers, with a value for each image."""

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from vicinal import F1Score
from vicinal.scores.masks import ClassIoU, MeanIoU, overlap_counts
from vicinal.study import mask_scores
from vicinal.study.evaluation import Evaluation
from vicinal.study.measuring import compute_measures, main_measure

CLASSES = 4


@pytest.fixture(params=[0, 1, 2])
def batch(request):
    """Scores of 4 classes, of which the last is no true one, and masks with void pixels."""
    generator = torch.Generator().manual_seed(request.param)
    output = torch.randn(6, CLASSES, 5, 7, generator=generator)
    target = torch.randint(CLASSES - 1, (6, 5, 7), generator=generator)
    output.scatter_add_(1, target[:, None], torch.full((6, 1, 5, 7), 1.5))
    target[:, 0] = 255
    return output, target


def counts(output, target):
    pairs = overlap_counts(output, target)
    return torch.stack([pairs.diagonal(dim1=1, dim2=2), pairs.sum(2), pairs.sum(1)], 1)


def test_pairs_are_counted_for_each_image(batch):
    output, target = batch
    pairs, predicted = overlap_counts(output, target), output.argmax(1)
    for image in range(len(output)):
        for true in range(CLASSES):
            for called in range(CLASSES):
                both = (target[image] == true) & (predicted[image] == called)
                assert pairs[image, true, called] == both.sum()


def test_iou_is_that_of_scikit_learn(batch):
    output, target = batch
    known = target != 255
    true, predicted = target[known].numpy(), output.argmax(1)[known].numpy()
    each = jaccard_score(true, predicted, labels=range(CLASSES - 1), average=None)
    found = [ClassIoU(index, str(index))(output, target) for index in range(CLASSES)]
    assert np.allclose(found[:-1], each)
    assert found[-1] == 0  # predicted, and never true
    assert MeanIoU()(output, target) == pytest.approx(each.mean())
    assert mask_scores.mean_iou(counts(output, target)).mean().item() == pytest.approx(each.mean())


def test_accuracy_is_over_all_pixels(batch):
    output, target = batch
    known = target != 255
    right = (output.argmax(1) == target)[known].double().mean().item()
    values = mask_scores.pixel_accuracy(counts(output, target))
    assert values.mean().item() == pytest.approx(right)


@pytest.mark.parametrize("measure", [mask_scores.mean_iou, mask_scores.pixel_accuracy])
def test_values_are_influences(batch, measure):
    """The value of an image is how the measure changes with its share of the images."""
    outputs, step = counts(*batch).double(), 1e-6
    values = measure(outputs)
    for image in range(len(outputs)):
        share = torch.full((len(outputs), 1, 1), (1 - step) / len(outputs), dtype=torch.float64)
        share[image] += step
        moved = measure(outputs * share).mean()
        slope = (moved - values.mean()) / step
        assert slope.item() == pytest.approx((values[image] - values.mean()).item(), abs=1e-4)


def test_metrics_share_one_count_and_notice_another_batch(batch):
    output, target = batch
    metrics = [ClassIoU(0, "a"), MeanIoU()]
    first = [metric(output, target) for metric in metrics]
    target[:, 1:] = 0  # in place
    assert [metric(output, target) for metric in metrics] != first
    for metric in metrics:
        metric.reset()
        metric.update(output[:3], target[:3])
        metric.update(output[3:], target[3:])
    both = [metric.compute() for metric in metrics]
    assert both == pytest.approx([metric(output, target) for metric in metrics])


def test_a_metric_of_no_batch_is_no_number():
    """Comparisons validate after some of the epochs alone."""
    for metric in (ClassIoU(0, "a"), MeanIoU(), F1Score()):
        metric.reset()
        assert np.isnan(metric.compute())


def test_chance_is_the_largest_class():
    true = torch.tensor([[30, 10, 0], [30, 10, 0]])
    output = torch.zeros(2, 3, 1, 40)
    output[:, 0] = 1
    target = torch.tensor([[[0] * 30 + [1] * 10]] * 2)
    assert counts(output, target)[:, 1].equal(true)
    reached = mask_scores.mean_iou(counts(output, target)).mean().item()
    assert mask_scores.most_frequent_iou(true) == pytest.approx(reached)


def test_what_is_measured(batch):
    outputs = counts(*batch)
    evaluation = Evaluation(outputs, outputs[:, 1], is_classifier=False, has_masks=True)
    assert main_measure(evaluation).name == "mean_iou"
    assert compute_measures(evaluation).keys() == {"mean_iou", "pixel_accuracy"}
