"""Lists in a batch: of fields, with all samples in each, or of samples, which cannot be mixed.

``[left, right]`` with tensors (B, ...) are two fields. A list with one tensor (C, H, W) or one dict
for each sample has the same form, and C or the number of boxes may happen to be B: then, nothing
but the sizes elsewhere in the batch tells which it is. What they do not tell raises an error.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor
from torch.utils._pytree import SequenceKey

from vicinal.mixing.batch import each_leaf, is_named, leaves, path_name
from vicinal.mixing.unsupported import why_unsupported

Known = set[tuple[str, int]]

# Classes below are in tuples, because torch 2.6 cannot compile unions of types.


def check_lists(x: Any, y: Any, fields: Any = None, known: Known | None = None) -> None:
    """Raise a ValueError if a list in x or y has an entry for each sample, or may have.

    Args:
        x: the samples, (B, ...) tensors, or a nested batch of them.
        y: their targets, or None.
        fields: of :class:`Mixer`. Lists of which nothing is mixed may hold what they like; one
            whose entries are named by position is a list of fields.
        known: lists, by place and length, that an earlier batch showed to be lists of fields. They
            are it, too, in a last batch of as many samples as there are fields.
    """
    for name, batch, other in (("x", x, y), ("y", y, x)):
        if not _may_hold_lists(batch):  # a traversal would cost more than mixing
            continue
        check_batch(name, batch, _sizes(other), fields if name == "x" else None, known, other)


def check_batch(
    name: str,
    batch: Any,
    sizes: Collection[int],
    fields: Any = None,
    known: Known | None = None,
    other: Any = None,
) -> None:
    """Raise a ValueError if a list in a batch has an entry for each sample, or may have.

    Args:
        name: of the batch, for the message.
        batch: samples or targets.
        sizes: the numbers of samples that the rest of the batch shows.
        fields, known: as for :func:`check_lists`.
        other: the targets of the samples, or the samples of the targets.
    """

    def check(path: Any, part: Any) -> bool:
        if _is_mixed(path, part, fields):
            check_list(path, part)
            return True
        return False

    def check_list(path: Any, part: Any) -> None:
        count, rows, place = len(part), _rows(part), (name + path_name(path), len(part))
        if rows == count:
            is_fields = count == 1 or (known is not None and place in known)
        elif not sizes:  # without targets, nothing but the channels of images tells
            is_fields = rows is not None and not all(_is_image(entry, rows) for entry in part)
            is_fields = is_fields or (rows is not None and known is not None and place in known)
            if is_fields and known is not None:
                known.add(place)
        else:
            is_fields = rows is not None and (rows in sizes or count not in sizes)
            is_fields = is_fields and not _may_be_images(part, rows, other)
            if is_fields and known is not None and rows in sizes:
                known.add(place)
        if not is_fields:
            may_be_fields = rows is not None and (rows == count or rows in sizes or not sizes)
            raise ValueError(_refusal(name + path_name(path), part, may_be_fields))

    _each_list(check, batch)


def lists_of(name: str, batch: Any) -> Known:
    """The lists in a batch, by place and length, as :func:`check_lists` knows them.

    >>> from torch import ones
    >>> lists_of("x", {"views": [ones(2), ones(2)]})
    {("x['views']", 2)}
    """
    found: Known = set()

    def note(path: Any, part: Any) -> bool:
        found.add((name + path_name(path), len(part)))
        return True

    _each_list(note, batch)
    return found


def _each_list(function: Callable[[Any, Any], bool], batch: Any) -> None:
    """Call ``function(path, part)`` for each list in a batch whose entries may be samples.

    Lists inside of its entries follow, where the function returns True.
    """
    if not _may_hold_lists(batch):
        return

    def visit(path: Any, part: Any) -> None:
        if not _is_list_of_like(part) or not function(path, part):
            return
        for position, entry in enumerate(part):
            if not isinstance(entry, Tensor):
                inner = (*path, SequenceKey(position))
                each_leaf(visit, entry, path=inner, is_leaf=_is_list_of_like)

    if _is_list_of_like(batch):  # the usual case, without traversing anything
        visit((), batch)
    else:
        each_leaf(visit, batch, is_leaf=_is_list_of_like)


def _refusal(place: str, part: Any, may_be_fields: bool) -> str:
    kind = type(part).__name__
    entry = f"tensors such as {tuple(part[0].shape)}" if isinstance(part[0], Tensor) else "dicts"
    entry = entry if isinstance(part[0], (Tensor, Mapping)) else f"{type(part[0]).__name__}s"
    found = f"{place} is a {kind} of {len(part)} {entry}"
    detection = "mix images of different sizes, or with boxes, by DetectionMixUp"
    if may_be_fields:
        return (
            f"{found}, which may be {len(part)} samples or {len(part)} fields of all samples: join "
            f"samples into one batch (torch.stack, default_collate), or {detection}; give fields "
            "as a dict"
        )
    return (
        f"{found}, one for each sample: join them into one batch (torch.stack, default_collate), "
        f"or {detection}"
    )


def _may_hold_lists(batch: Any) -> bool:
    if batch is None or isinstance(batch, (Tensor, str, int, float)):
        return False
    return any(map(_may_hold_lists, batch.values())) if type(batch) is dict else True


def _is_list_of_like(part: Any) -> bool:
    """Whether this is a list or tuple whose entries may be samples: all of one kind."""
    if type(part) not in (list, tuple) or not part:
        return False
    if not isinstance(part[0], Tensor) and not _tensors(part[0]):
        return False
    return all(_are_like(part[0], entry) for entry in part[1:])


def _are_like(first: Any, second: Any) -> bool:
    """Whether both may be samples of one data set, whose sizes may differ."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.ndim == second.ndim and first.dtype == second.dtype
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        shared = [key for key in first if key in second]
        return bool(shared) and all(_are_like(first[key], second[key]) for key in shared)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        if len(first) != len(second):
            return False
        return all(_are_like(one, two) for one, two in zip(first, second, strict=True))
    return type(first) is type(second)


def _rows(part: Any) -> int | None:
    """The first size that all tensors have in common; None if they have none."""
    tensors = [leaf for entry in part for leaf in _tensors(entry)]
    found = {leaf.shape[0] if leaf.ndim else -1 for leaf in tensors}
    return found.pop() if len(found) == 1 and -1 not in found else None


def _sizes(batch: Any) -> set[int]:
    """The numbers of samples that a batch may have: by its tensors, and by the length of lists."""
    if isinstance(batch, Tensor):
        return {batch.shape[0]} if batch.ndim and not why_unsupported(batch) else set()
    found: set[int] = set()

    def collect(_: Any, part: Any) -> None:
        if _is_list_of_like(part):
            found.add(len(part))
        found.update(leaf.shape[0] for leaf in _tensors(part) if leaf.ndim)

    each_leaf(collect, batch, is_leaf=_is_list_of_like)
    return found


def _may_be_images(part: Any, rows: int | None, other: Any) -> bool:
    """Whether the entries may be images or dicts, as the other list of the same length has, too.

    Then the sizes elsewhere prove nothing: images of three channels, with three boxes each.
    """
    if not _is_list_of_like(other) or len(other) != len(part):
        return False
    return any(
        isinstance(entry, Mapping) or _is_image(entry, rows) for entry in (part[0], other[0])
    )


def _is_image(entry: Any, rows: int | None) -> bool:
    """Whether an entry of so many rows may be an image (C, H, W)."""
    return isinstance(entry, Tensor) and entry.ndim == 3 and rows in (1, 3, 4)


def _is_mixed(path: Any, part: Any, fields: Any) -> bool:
    if fields is None:
        return True
    if not is_named(path, fields) and any(position in fields for position in range(len(part))):
        return False
    return is_named(path, fields) or any(is_named(inner, fields) for inner, _ in leaves(part))


def _tensors(part: Any) -> list[Tensor]:
    return [
        leaf for _, leaf in leaves(part) if isinstance(leaf, Tensor) and not why_unsupported(leaf)
    ]
