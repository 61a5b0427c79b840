"""Systematic damage to files of settings."""

import copy
import json

#: What a field may become; the last two are only valid JSON.
VALUES = (
    None, True, -1, 0, 10**30, 10**400, 1e308, float("nan"), "", "x", "9" * 300, "\ud800", [],
    [[[]]], {}, {"a": {"b": 1}}, [None], ["a", "a"],
)  # fmt: skip


def places(tree, limit=3):
    """The path of every field of a tree; of long lists, those of the first items."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree[:limit])
    for name, value in inner:
        yield (name,)
        if isinstance(value, dict | list):
            yield from ((name, *rest) for rest in places(value, limit))


def deleted(tree, place):
    """A copy of a tree without a field."""
    return _changed(tree, place, lambda holder, name: holder.pop(name))


def replaced(tree, place, value):
    """A copy of a tree with another value of a field."""
    return _changed(tree, place, lambda holder, name: holder.__setitem__(name, value))


def _changed(tree, place, change):
    found = tree = copy.deepcopy(tree)
    for name in place[:-1]:
        found = found[name]
    change(found, place[-1])
    return tree


def all_damages(tree, values=VALUES):
    """Copies of a tree, each with one damage, with what it is."""
    for place in places(tree):
        name = ".".join(map(str, place))
        yield f"without {name}", deleted(tree, place)
        for value in values:
            yield f"{name} = {_short(value)}", replaced(tree, place, value)
    for name in ("a_newer_option", ""):
        for place in [(), *(p for p in places(tree) if isinstance(at(tree, p), dict))]:
            yield f"{'.'.join(map(str, place))} has {name!r}", replaced(tree, (*place, name), 1)


def at(tree, place):
    for name in place:
        tree = tree[name]
    return tree


def _short(value):
    return "10**400" if value == 10**400 else json.dumps(value)[:20]


#: What a file may hold instead of settings.
CONTENTS = {
    "empty": b"",
    "blank": b" \n",
    "garbage": bytes(range(256)) * 4,
    "zeros": bytes(1000),
    "a list": b"[1, 2]",
    "a text": b'"settings"',
    "null": b"null",
    "an object": b"{}",
    "NaN": b"NaN",
    "cut off": b'{"options": {"data": "dig',
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "closed deep list": b'{"options": ' + b"[" * 900 + b"]" * 900 + b"}",
    "many digits": b'{"epochs_done": ' + b"9" * 5000 + b"}",
    "half a surrogate pair": b'{"vicinal": "\\ud800"}',
    "utf-16": '{"vicinal": "1"}'.encode("utf-16"),
}
