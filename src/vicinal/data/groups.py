"""Hold out whole groups: all samples of a patient, a place or a shot are on one side."""

import heapq
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import torch

from vicinal.errors import VicinalError


def hold_out_groups(
    groups: Sequence[Hashable],
    valid_pct: float,
    seed: int,
    classes: Sequence[Any] | None = None,
    *,
    several: bool = False,
) -> tuple[list[int], list[int]]:
    """Hold out random groups, with about a share of all samples and of each class.

    In random order, groups are held out as long as they bring the shares closer to ``valid_pct``;
    at least one is. The last group of a class stays in training. Of several labels, rare ones may
    leave less than half of ``valid_pct`` so: then groups with the last samples of labels are held
    out, too, the fewest labels first, until the share is reached.

    Args:
        groups: the group of each sample.
        valid_pct: the share to hold out, between 0 and 1.
        seed: the same one holds out the same groups.
        classes: the class of each sample; None where there are none.
        several: ``classes`` holds a collection of labels for each sample, which may be empty.

    Returns:
        The indices of the training and of the validation samples, in ascending order.

    Raises:
        VicinalError: there is only one group, or ``valid_pct`` is not between 0 and 1.

    Source: K. Sechidis, G. Tsoumakas, I. Vlahavas, On the stratification of multi-label data, ECML
    PKDD 2011, shares out rare labels first, too, but leaves a label's only sample in the larger
    part, and with it a row that has one such label. Where most rows do, nothing would be held out.

    >>> hold_out_groups(["ann", "bob", "ann", "eve", "bob", "eve"], 0.3, seed=0)
    ([0, 1, 2, 4], [3, 5])
    """
    check_share(valid_pct)
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    if len(members) < 2:
        raise VicinalError(
            f"all {len(groups):,} samples are of the one group {next(iter(members), None)!r}, so "
            "none can be held out: name another group, or give data for validation"
        )
    if classes is None:
        classes = [0] * len(groups)
    own = [each or (None,) for each in classes] if several else [(each,) for each in classes]
    counts = [Counter(name for i in rows for name in own[i]) for rows in members.values()]
    rows = list(members.values())
    sizes = [len(each) for each in rows] if several else None
    held = _choose(counts, valid_pct, seed, sizes)
    valid = sorted(index for number in held for index in rows[number])
    kept = set(range(len(rows))) - held
    return sorted(index for number in kept for index in rows[number]), valid


def _choose(
    counts: list[Counter[Hashable]], share: float, seed: int, sizes: list[int] | None
) -> set[int]:
    """Which groups to hold out, by the number of samples of each class in each.

    With ``sizes``, the numbers of samples, also such as hold a label's last samples.
    """
    totals: Counter[Hashable] = Counter()
    groups_left: Counter[Hashable] = Counter()  # in training, of each class
    for count in counts:
        totals.update(count)
        groups_left.update(count.keys())
    total, held, held_total = sum(totals.values()), Counter[Hashable](), 0

    def change(count: Counter[Hashable]) -> float:
        """Of the squared distance from the share, in all and in each class by its size."""
        after = (held_total + sum(count.values())) / total
        change = (after - share) ** 2 - (held_total / total - share) ** 2
        for name, new in count.items():
            before, all_of_it = held[name], totals[name]
            farther = ((before + new) / all_of_it - share) ** 2 - (before / all_of_it - share) ** 2
            change += farther * all_of_it / total
        return change

    order = torch.randperm(len(counts), generator=torch.Generator().manual_seed(seed)).tolist()
    spare = [n for n in order if all(groups_left[name] > 1 for name in counts[n])]
    # Where each group is the last one of a class, a class has to miss in training.
    first = min(spare or order, key=lambda number: change(counts[number]))
    chosen: set[int] = set()

    def is_below(count: Counter[Hashable]) -> bool:
        return all(held[name] + new <= share * totals[name] + 1e-9 for name, new in count.items())

    # First what takes no class above the share, so that no class takes the place of another.
    for fits in (is_below, lambda count: change(count) < 0):
        for number in order:
            count = counts[number]
            is_last = any(groups_left[name] < 2 for name in count)
            if number not in chosen and not is_last and fits(count):
                chosen.add(number)
                held.update(count)
                held_total += sum(count.values())
                groups_left.subtract(count.keys())
    if sizes is not None:
        _add_rare(chosen, counts, sizes, share, order)
    return chosen or {first}


def _add_rare(
    chosen: set[int],
    counts: list[Counter[Hashable]],
    sizes: list[int],
    share: float,
    order: list[int],
) -> None:
    """Hold out groups with last samples of labels, where less than half of the share is held out.

    First those that take the fewest labels from training, and keep one that training has, too.
    """
    wanted, held = share * sum(sizes), sum(sizes[number] for number in chosen)
    if 2 * held >= wanted:
        return
    remaining = [number for number in order if number not in chosen]
    in_training = Counter(name for number in remaining for name in counts[number])

    def cost(number: int) -> tuple[bool, int]:
        lost = sum(in_training[name] < 2 for name in counts[number])
        return lost == len(counts[number]), lost

    # Costs only grow while groups are taken: what is still the least one, is it.
    heap = [(cost(number), place, number) for place, number in enumerate(remaining)]
    heapq.heapify(heap)
    while heap and len(chosen) + 1 < len(counts):
        known, place, number = heapq.heappop(heap)
        if (now := cost(number)) != known:
            heapq.heappush(heap, (now, place, number))
        elif sizes[number] < 2 * (wanted - held):  # it comes closer to the share
            chosen.add(number)
            held += sizes[number]
            in_training.subtract(counts[number].keys())


def check_share(valid_pct: float) -> None:
    """Raise a VicinalError where a share to hold out is not between 0 and 1."""
    if not 0 < valid_pct < 1:
        raise VicinalError(f"the validation share must lie between 0 and 1, not {valid_pct}")
