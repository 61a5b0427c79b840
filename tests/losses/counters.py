"""Accuracies and counts as people write them in their own loops: functions of (output, y)."""

import torch
import torch.nn.functional as F

C = 4


def right(o, y):
    return o.argmax(1) == y


def by_item(o, y):
    return right(o, y).sum().item() / len(y)


def by_view(o, y):
    predicted = o.argmax(dim=1, keepdim=True)
    return predicted.eq(y.view_as(predicted)).sum().item() / len(y)


def by_type(o, y):
    return right(o, y).type(torch.float).sum().item() / len(y)


def by_long(o, y):
    return right(o, y).long().sum() / len(y)


def by_int(o, y):
    return int(right(o, y).sum()) / len(y)


def by_int_method(o, y):
    return right(o, y).sum().int() / len(y)


def by_zero(o, y):
    correct = 0
    correct += right(o, y).sum()
    return correct / len(y)


def by_float_counter(o, y):
    correct = torch.zeros(1)
    correct += right(o, y).sum()
    return correct / len(y)


def by_integer_counter(o, y):
    correct = torch.tensor(0)
    correct += right(o, y).sum()
    return correct / len(y)


def by_count_nonzero(o, y):
    return torch.count_nonzero(right(o, y)) / len(y)


def errors(o, y):
    return (o.argmax(1) != y).float().mean()


def of_top_two(o, y):
    predicted = o.topk(2, 1, True, True)[1].t()
    correct = predicted.eq(y.view(1, -1).expand_as(predicted))
    return [correct[:k].reshape(-1).float().sum(0) / len(y) for k in (1, 2)]


def in_top_two(o, y):
    return (o.topk(2, 1)[1] == y[:, None]).any(1).float().mean()


def of_classes(o, y):
    return [((o.argmax(1) == c) & (y == c)).sum() for c in range(C)]


def of_classes_as_integers(o, y):
    return [int(((o.argmax(1) == c) & (y == c)).sum()) for c in range(C)]


def recall(o, y):
    return [((o.argmax(1) == c) & (y == c)).sum() / ((y == c).sum() + 1e-9) for c in range(C)]


def recall_by_mask(o, y):
    return [(o.argmax(1)[y == c] == c).float().mean() for c in range(C)]


def valid(o, y):
    return (right(o, y) & (y != 2)).sum() / (y != 2).sum()


def valid_by_mask(o, y):
    return right(o, y)[y != 2].float().mean()


def kappa(o, y):
    p, t = F.one_hot(o.argmax(1), C).double(), F.one_hot(y, C).double()
    agreed, expected = (p * t).sum() / len(y), (p.mean(0) * t.mean(0)).sum()
    return (agreed - expected) / (1 - expected)


def confusion_by_loop(o, y):
    matrix = torch.zeros(C, C)
    for t, p in zip(y.view(-1), o.argmax(1).view(-1), strict=True):
        matrix[t.long(), p.long()] += 1
    return matrix


def confusion_by_index(o, y):
    matrix = torch.zeros(C, C)
    matrix[y, o.argmax(1)] += 1
    return matrix


def confusion_by_bincount(o, y):
    return torch.bincount(C * y + o.argmax(1), minlength=C * C)


def confusion_by_product(o, y):
    return F.one_hot(y, C).double().T @ F.one_hot(o.argmax(1), C).double()


def confusion_by_einsum(o, y):
    return torch.einsum("bi,bj->ij", F.one_hot(y, C).double(), F.one_hot(o.argmax(1), C).double())


def loss_so_far(o, y):
    return F.cross_entropy(o, y).item() * len(y)


def f1(o, y):
    p = (o > 0).double()
    return 2 * (p * y).sum() / (p.sum() + y.sum())


def f1_of_integers(o, y):
    p, t = (o > 0).long(), y.long()
    return 2 * (p * t).sum() / (p.sum() + t.sum())


def all_labels(o, y):
    return ((o > 0).double() == y).all(1).double().mean()


def overlap(o, y):
    return torch.logical_and(o > 0, y > 0.5).sum() / torch.logical_or(o > 0, y > 0.5).sum()


def hamming(o, y):
    return ((o > 0) ^ (y > 0.5)).double().mean()


def iou_of_images(o, y):
    p, t = o > 0, y.bool()
    return ((p & t).sum((1, 2, 3)).double() / (p | t).sum((1, 2, 3)).double()).mean()


def iou_of_the_batch(o, y):
    p, t = o > 0, y.bool()
    return (p & t).sum() / (p | t).sum()


def of_pixels(o, y):
    return right(o, y).float().mean((1, 2)).mean()


def r2(o, y):
    return 1 - ((o - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def within_half(o, y):
    return ((o - y).abs() < 0.5).float().mean()


KINDS = {
    **dict.fromkeys(("f1", "f1_of_integers", "all_labels", "overlap", "hamming"), "labels"),
    **dict.fromkeys(("iou_of_images", "iou_of_the_batch"), "integer binary masks"),
    "of_pixels": "masks",
    **dict.fromkeys(("r2", "within_half"), "a value"),
}  # all others are of classes
HELPERS = {"right"}
