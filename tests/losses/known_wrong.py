"""What is wrong today, each with the reason. The lists are strict: what is put right must leave."""

import pytest

MEAN = "MixLoss takes the plain mean, where the criterion takes another"
CLASSES = "MixLoss takes losses of classes for losses of samples, where there are as many"
COUPLED = "MixLoss takes losses of samples for independent ones, though others' outputs enter them"
INTEGERS = "a count by shares is no integer: it is truncated, or an integer counter refuses it"

# By section of the page, and the name there.
TABLES = {
    "of_torch": {"LinearCrossEntropyLoss(4, 4, weight=w, ignore_index=2)": MEAN},
    "of_monai": {
        "DiceLoss(to_onehot_y=True, softmax=True, batch=True)": CLASSES,
        "MCCLoss(to_onehot_y=True, softmax=True, batch=True)": CLASSES,
        "LogHausdorffDTLoss(to_onehot_y=True, softmax=True)": MEAN,
    },
    "of_kornia": {"HausdorffERLoss()": CLASSES},
    "of_fastai": {
        "CrossEntropyLossFlat(weight=w)": MEAN,
        "CrossEntropyLossFlat(ignore_index=2)": MEAN,
        "LabelSmoothingCrossEntropy(weight=w)": MEAN,
    },
    "of_torchmetrics": {
        "CriticalSuccessIndex(threshold=0.0)": INTEGERS,
        "critical_success_index(…, threshold=0.0)": INTEGERS,
    },
    "metrics_of_ignite": {
        "Accuracy()": INTEGERS,
        "Accuracy(is_multilabel=True)": INTEGERS,
        "TopKCategoricalAccuracy(k=2)": INTEGERS,
        "Perplexity()": INTEGERS,
        "MultiLabelConfusionMatrix(4)": INTEGERS,
    },
}
# Of criteria.py.
CRITERIA = {
    "MeanOfValid(ignore_index=2)": MEAN,
    "MeanOfWeights(weight=w)": MEAN,
    "PlainMean(w)": MEAN,
    "PlainMean(ignore_index=2)": MEAN,
    "Root()": MEAN,
    "DividedByCount()": MEAN,
    "SumOfLabels()": MEAN,
    "with_weights": MEAN,
    "Transposed()": CLASSES,
    "OfClasses()": CLASSES,
    "of_classes": CLASSES,
    "of_all_pairs": COUPLED,
    "of_same_class": COUPLED,
    "balanced_in_the_batch": COUPLED,
    "by_softmax_over_the_batch": COUPLED,
}
# Of counters.py.
COUNTERS = {
    "by_int": INTEGERS,
    "by_int_method": INTEGERS,
    "of_classes_as_integers": INTEGERS,
    "by_integer_counter": INTEGERS,
}
# Of test_operations.py.
ORDER = "a gather along the samples keeps their weights in the old order"
OPERATIONS = {
    "y.gather(0, perm[:, None].expand(4, 4))": ORDER,
    "y[:, 0].gather(0, perm)": ORDER,
}


NUMBERS = "what is no tensor is of the own labels alone"
QUESTIONS = {
    "torch.equal(y, torch.tensor([0, 1, 2]))": NUMBERS,
    "torch.allclose(y, torch.tensor([0, 1, 2]))": NUMBERS,
    "5 in y": NUMBERS,
}


def with_known(names, known):
    """Each name as a parameter of a test; those that are known to be wrong have to fail."""
    assert known.keys() <= set(names)
    return [
        pytest.param(
            name,
            marks=pytest.mark.xfail(name in known, reason=known.get(name, ""), strict=True),
        )
        for name in names
    ]
