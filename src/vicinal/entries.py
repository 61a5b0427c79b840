"""Which entries of a batch are inputs, which are targets, and what counts with a target.

Sample weights and indices belong to a target: a mixed sample has those of both samples, each for
its own target. As inputs they would be blended, which no loss could undo; so what is unclear is
refused.
"""

import functools
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vicinal.mixing.batch import are_strings, is_blendable, leaves, map_leaves, path_name
from vicinal.mixing.mixer import Mixer
from vicinal.mixing.target import MixedTarget, is_mixed_target

TARGET_NAMES = ("labels", "label", "targets", "target", "y")
# All names as _plain spells them. What weights that belong to a loss are of:
_OWNERS = """sample persample example instance observation case loss pixel label target class
importance"""
WEIGHT_NAMES = {f"{owner}weight{s}" for owner in _OWNERS.split() for s in ("", "s")}
WEIGHT_NAMES |= {"weightmap", "weightmaps", "lossmask", "lossmasks"}
UNCLEAR_NAMES = {"weight", "weights", "w"}  # of a loss, or of a person in a table
INDEX_NAMES = {"index", "idx", "id", "sampleid", "sampleindex", "sampleidx"}
_NAMES = WEIGHT_NAMES | UNCLEAR_NAMES | INDEX_NAMES
# Numbers first: Lightning's command line takes the first kind that fits.
Target = int | str | tuple[int | str, ...]


def target_keys(batch: Any, target: Target | None) -> tuple[Any, ...]:
    """The keys or positions of the targets in a batch.

    Args:
        batch: a tuple, list or dict.
        target: what the user named; None finds the target.

    Raises:
        ValueError: there is none, or it is not clear which entry it is.
    """
    if isinstance(batch, Mapping):
        keys = tuple(batch.keys())  # iterating over a TensorDict gives its rows
        guess = _by_name(keys) if target is None else ()
    elif isinstance(batch, (tuple, list)):
        keys = tuple(range(len(batch)))
        guess = _by_position(batch) if target is None else ()
    else:
        raise ValueError(
            f"the batch is a {type(batch).__name__} without targets, which mixing needs: let "
            "the loader give (x, y), or a dict"
        )
    wanted = guess if target is None else target
    wanted = tuple(wanted) if isinstance(wanted, tuple | list) else (wanted,)
    if isinstance(batch, (tuple, list)):
        wanted = tuple(_position(batch, key) for key in wanted)
    if not wanted or not set(wanted) < set(keys):  # at least one input must remain
        given = "" if target is None else f" {target!r}"
        found = ", ".join(map(str, keys)) or "nothing"
        raise ValueError(
            f"the batch holds {found}, but no target{given} beside inputs: say which it is by "
            "target="
        )
    for key in wanted:
        _check_tensors(key, batch[key])
    return wanted


def _by_name(keys: tuple[Any, ...]) -> tuple[Any, ...]:
    found = tuple(name for name in TARGET_NAMES if name in keys)
    if len(found) > 1:
        raise ValueError(
            f"the batch holds {' and '.join(found)}: say which is the target by target="
        )
    return found


def _by_position(batch: Any) -> tuple[Any, ...]:
    """The second of two; names, such as those of files, do not count."""
    named = _by_name(getattr(batch, "_fields", ()))
    if named:
        return named
    held = [position for position, part in enumerate(batch) if _holds_values(part)]
    if len(held) > 2:
        last = held[-1]
        raise ValueError(
            f"the batch has {len(held)} parts, at {', '.join(map(str, held))}, and it is not clear "
            f"which are targets: say target={last} if the last one alone is, or "
            f"target={tuple(held[-2:])} if it is a sample weight or an index of the one before"
        )
    return tuple(held[1:])


def _holds_values(part: Any) -> bool:
    if isinstance(part, Tensor):
        return True
    return not all(
        leaf is None or isinstance(leaf, str | bytes) or are_strings(leaf)
        for _, leaf in leaves(part)
    )


def _position(batch: Any, key: str | int) -> Any:
    """The position of a name or number in a tuple."""
    if isinstance(key, str):
        fields = getattr(batch, "_fields", ())
        return fields.index(key) if key in fields else key
    return key + len(batch) if key < 0 else key


def _check_tensors(name: Any, part: Any) -> None:
    """A ValueError if a target is a list of numbers: they would stay the sample's own."""
    if isinstance(part, list | tuple) and part and all(isinstance(p, int | float) for p in part):
        raise ValueError(
            f"the targets at {name!r} are a {type(part).__name__} of numbers, which cannot be "
            "mixed: let the collate_fn make a tensor of them"
        )


def companions(
    inputs: dict[Any, Any], mixer: Mixer, names: tuple[str, ...], option: str
) -> dict[str, Tensor]:
    """What counts with a target among the inputs, by its path: sample weights and indices.

    Args:
        inputs: the entries of a batch that are no targets, by key or position.
        mixer: what its ``fields`` or ``maximum`` name is an input.
        names: of the entries of a named tuple, whose keys are positions.
        option: where the user names targets, for the message.

    Raises:
        ValueError: an entry may be either, by its name.
    """
    if not _has_names(inputs, names):  # the usual case
        return {}
    inner = mixer.nested()
    given = [name for one in inner for part in (one.fields, one.maximum) for name in part or ()]
    told = {_plain(name) if isinstance(name, str) else name for name in given}
    takes_integers = any(one.integers != "raise" for one in inner)
    found: dict[str, Tensor] = {}
    for path, leaf in leaves(inputs):
        on_path = {_plain(str(_name(key))) for key in path}
        position = _name(path[0])
        if names and isinstance(position, int):
            on_path.add(_plain(names[position]))
        on_path &= _NAMES
        # By its own name: that of a dict around it says nothing about a sample weight inside.
        if on_path & told or (names and position in told):
            continue
        is_number = isinstance(leaf, int | float) and hasattr(path[-1], "idx")  # one of a list
        if not isinstance(leaf, Tensor) and not is_number:
            continue
        if isinstance(leaf, Tensor) and not is_blendable(leaf):
            on_path.discard("w")  # whole numbers are a width
        unclear = " or ".join(sorted(on_path & UNCLEAR_NAMES))
        if unclear:
            raise ValueError(
                f"the batch holds {unclear!r}: call it sample_weight if it weighs the loss, or "
                f"name it in {option}; if it is an input, name all inputs to be mixed in the "
                "mixer's fields="
            )
        is_weight = not on_path.isdisjoint(WEIGHT_NAMES)
        is_index = not on_path.isdisjoint(INDEX_NAMES) and not takes_integers
        if is_number and is_weight:
            _check_tensors(path_name(path[:-1]), [leaf])
        elif isinstance(leaf, Tensor) and (is_weight or (is_index and not is_blendable(leaf))):
            found[path_name(path)] = leaf
    return found


def _has_names(part: Any, names: tuple[str, ...] = ()) -> bool:
    """Whether the names in a batch need a look; without paths, as that is done for each batch."""
    if not _NAMES.isdisjoint(map(_plain, names)):
        return True
    if isinstance(part, Mapping):
        is_named = any(isinstance(key, str) and _plain(key) in _NAMES for key in part.keys())  # noqa: SIM118
        return is_named or any(map(_has_names, part.values()))
    if type(part) in (tuple, list):
        return any(map(_has_names, part))
    return not (part is None or isinstance(part, Tensor | str | bytes | int | float))


@functools.lru_cache(1024)
def _plain(name: str) -> str:
    """A name as all spell it: sampleweight for sample_weight, sample-weight and sampleWeight."""
    return name.lower().replace("_", "").replace("-", "")


def _name(key: Any) -> Any:
    return getattr(key, "key", getattr(key, "name", getattr(key, "idx", None)))


def is_mixed_already(part: Any) -> bool:
    """Whether a nested batch holds a mixed target."""
    if isinstance(part, Tensor | MixedTarget):
        return is_mixed_target(part)
    if part is None or isinstance(part, str | bytes | int | float):  # such as the names of files
        return False
    if type(part) in (dict, tuple, list):
        return any(map(is_mixed_already, part.values() if type(part) is dict else part))
    return any(is_mixed_target(leaf) for _, leaf in leaves(part))


def without(inputs: Any, taken: dict[str, Any]) -> Any:
    """The inputs with None in place of those at these paths, which a mixer leaves alone."""
    return _with(inputs, dict.fromkeys(taken))


def put_back(inputs: Any, taken: dict[str, Any]) -> Any:
    """The inverse of :func:`without`, with new values."""
    return _with(inputs, taken)


def _with(inputs: Any, values: dict[str, Any]) -> Any:
    if not values:
        return inputs
    return map_leaves(lambda path, leaf: values.get(path_name(path), leaf), inputs)
