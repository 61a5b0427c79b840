"""Hold out a random share: copies on one side, and one sample of each class in training."""

from collections import Counter
from collections.abc import Sequence

import torch

from vicinal.data.groups import check_share
from vicinal.errors import VicinalError


def random_halves(count: int, valid_pct: float, seed: int) -> tuple[list[int], list[int]]:
    """The indices of the training and of the validation samples, each in random order.

    Raises:
        VicinalError: ``valid_pct`` is not between 0 and 1, or leaves no training sample.
    """
    train, valid = _halves(count, valid_pct, seed)
    if not train and count > 1:
        raise VicinalError(
            f"a share of {valid_pct:g} for validation leaves none of the {count:,} samples for "
            "training: hold out fewer"
        )
    return train, valid


def _halves(count: int, valid_pct: float, seed: int) -> tuple[list[int], list[int]]:
    check_share(valid_pct)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    held = max(1, round(valid_pct * count))
    return order[held:], order[:held]


def hold_out(
    classes: Sequence[int], valid_pct: float, seed: int, copies: Sequence[Sequence[int]] = ()
) -> tuple[list[int], list[int]]:
    """Hold out a random share, as :func:`random_halves` does, and change as little as needed.

    Samples that are the same go where the first of them is. Of a class that would have no training
    sample, one is exchanged for another class's.

    Args:
        classes: the class of each sample.
        valid_pct: the share to hold out, between 0 and 1.
        seed: the same one gives the same split.
        copies: the indices of samples that are the same, for each set of them.

    Returns:
        The indices of the training and of the validation samples.

    >>> hold_out([0, 0, 0, 1], 0.25, seed=2)
    ([1, 3, 2], [0])
    """
    train, valid = _halves(len(classes), valid_pct, seed)
    order = [*valid, *train]
    held = _beside_copies(order, len(valid), copies)
    tied = {index: each for each in copies for index in each}
    learned = Counter(c for index, c in enumerate(classes) if index not in held)
    spare = (index for index in train if index not in held and index not in tied)
    for index in valid:
        moved = tied.get(index, [index])
        if index not in held or learned[classes[index]] or len(held) <= len(moved):
            continue
        held.difference_update(moved)
        learned.update(classes[i] for i in moved)
        other = next((i for i in spare if learned[classes[i]] > 1), None)
        if other is not None:
            held.add(other)
            learned[classes[other]] -= 1
    return [i for i in order if i not in held], [i for i in order if i in held]


def _beside_copies(order: list[int], size: int, copies: Sequence[Sequence[int]]) -> set[int]:
    """What is held out of an order whose first ``size`` were to be: all or none of some copies."""
    held = set(order[:size])
    for each in copies:
        # Very many copies, as of a picture that says "no photo", would fill the validation part.
        if each[0] in held and len(each) <= size:
            held.update(each)
        else:
            held.difference_update(each)
    if not held:
        tied = {index for each in copies for index in each}
        held.add(next((index for index in order if index not in tied), order[0]))
    return held
