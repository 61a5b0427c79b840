"""Nested batches: dicts, tuples, dataclasses and other pytrees of tensors."""

import dataclasses
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils import _pytree as pytree

from vicinal import MixedTarget, MixUp, halves
from vicinal.mixing.batch import (
    batch_size,
    check_same_structure,
    first_tensor,
    is_named,
    leaves,
    map_leaves,
    path_name,
)

Pair = namedtuple("Pair", ["left", "right"])


@dataclasses.dataclass
class Sample:
    """Nobody has registered it."""

    image: Any
    label: Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    values: Any
    unit: str = "m"
    length: int = dataclasses.field(init=False, default=0)

    def __post_init__(self):
        object.__setattr__(self, "length", 7)


@dataclasses.dataclass
class Known:
    values: Any


class Nameless:
    """Registered as some libraries do it: without names for its parts."""

    def __init__(self, *parts):
        self.parts = parts


pytree.register_pytree_node(Nameless, lambda n: (list(n.parts), None), lambda p, _: Nameless(*p))
pytree.register_pytree_node(
    Known,
    lambda known: ([known.values], None),
    lambda values, _: Known(*values),
    flatten_with_keys_fn=lambda known: ([(pytree.GetAttrKey("values"), known.values)], None),
)


def nests(leaf):
    """Anything that may be built of such leaves."""
    names = st.sampled_from("abcd")
    return st.recursive(
        leaf,
        lambda part: st.one_of(
            st.lists(part, max_size=3),
            st.lists(part, max_size=3).map(tuple),
            st.dictionaries(names, part, max_size=3),
            st.dictionaries(names, part, max_size=3).map(OrderedDict),
            st.builds(Pair, part, part),
            st.builds(Sample, part, part),
            st.builds(Frozen, part),
            st.builds(Known, part),
        ),
        max_leaves=8,
    )


def plain(batch):
    """A nest as lists and tuples with the names of its classes, leaves as they are."""
    if dataclasses.is_dataclass(batch):
        fields = [(f.name, plain(getattr(batch, f.name))) for f in dataclasses.fields(batch)]
        return [type(batch).__name__, *fields]
    if isinstance(batch, dict):
        return [type(batch).__name__, *((key, plain(value)) for key, value in batch.items())]
    if isinstance(batch, list | tuple):
        return [type(batch).__name__, *map(plain, batch)]
    return batch


def flat(batch):
    """The leaves from left to right."""
    if dataclasses.is_dataclass(batch):
        batch = [getattr(batch, f.name) for f in dataclasses.fields(batch) if f.init]
    if isinstance(batch, dict):
        batch = batch.values()
    return (
        [batch] if isinstance(batch, int | str) else [leaf for part in batch for leaf in flat(part)]
    )


class TestMapLeaves:
    @given(nests(st.integers()))
    def test_the_identity_rebuilds_the_same(self, batch):
        assert plain(map_leaves(lambda path, leaf: leaf, batch)) == plain(batch)

    @given(nests(st.integers()))
    def test_each_leaf_is_visited_once_and_in_order(self, batch):
        met = []
        map_leaves(lambda path, leaf: met.append(leaf), batch)
        assert met == [leaf for _, leaf in leaves(batch)] == flat(batch)

    @given(nests(st.integers()))
    def test_a_path_leads_to_its_leaf(self, batch):
        for path, leaf in leaves(batch):
            if isinstance(leaf, int):
                assert eval(f"batch{path_name(path)}", {"batch": batch}) == leaf

    @given(nests(st.integers()))
    def test_several_batches_go_together(self, batch):
        doubled = map_leaves(lambda path, leaf: 2 * leaf, batch)
        added = map_leaves(lambda path, a, b: a + b, batch, doubled)
        assert plain(added) == plain(map_leaves(lambda path, leaf: 3 * leaf, batch))

    def test_fields_that_a_dataclass_makes_itself_are_made_again(self):
        mapped = map_leaves(lambda path, leaf: leaf, Frozen(torch.zeros(3)))
        assert (mapped.length, mapped.unit) == (7, "m")

    def test_mixed_targets_are_leaves(self):
        target = MixedTarget(torch.arange(2), torch.arange(2), torch.ones(2))
        for batch in (target, {"y": [target]}, Sample(target)):
            assert [leaf for _, leaf in leaves(batch) if leaf is not None] == [target]

    def test_classes_registered_without_names(self):
        mapped = map_leaves(lambda path, leaf: 2 * leaf, {"a": Nameless(1, [2]), "b": 3})
        assert mapped["a"].parts == (2, [4])
        assert mapped["b"] == 6

    def test_a_dataclass_itself_is_no_batch(self):
        assert leaves({"kind": Sample}) == [((pytree.MappingKey("kind"),), Sample)]


@pytest.mark.parametrize(
    ("path", "written"),
    [("a", "['a']"), (0, "[0]"), ("b.c", "['b.c']")],
)
def test_paths_are_written_as_in_python(path, written):
    ((found, _),) = leaves({path: 1})
    assert path_name(found) == written


def test_names_are_keys_attributes_and_positions():
    batch = {"a": [1, 2], "b": Sample(3, Pair(4, 5))}
    found = {
        names: [leaf for path, leaf in leaves(batch) if is_named(path, names)]
        for names in [("a",), (1,), ("image",), ("right", "image"), ("label",), ("c",), ()]
    }
    assert list(found.values()) == [[1, 2], [2], [3], [3, 5], [4, 5], [], []]


class TestFirstTensor:
    @given(nests(st.sampled_from(["text", None, 1.5, torch.tensor(2.0)])))
    def test_it_is_found_wherever_it_is(self, rest):
        first = torch.zeros(3, 2)
        assert first_tensor([rest, {"x": first}, torch.zeros(5)]) is first

    def test_of_a_mixed_target_it_is_the_own_one(self):
        target = MixedTarget(torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(3))
        assert first_tensor({"y": target}) is target.own

    @pytest.mark.parametrize("batch", [None, 3, "text", [], {"a": None}, torch.tensor(1.0)])
    def test_without_any(self, batch):
        with pytest.raises(TypeError, match="at least one tensor, not only"):
            first_tensor(batch)


class TestBatchSize:
    @given(count=st.integers(0, 9))
    def test_it_is_the_number_of_rows(self, count):
        x = {"names": ["a"], "image": torch.zeros(count, 3, 2)}
        assert batch_size(x) == batch_size(x, torch.zeros(count)) == count

    def test_targets_must_have_as_many(self):
        with pytest.raises(
            ValueError, match="x has 3 samples, but y has 4: a batch needs one target"
        ):
            batch_size(torch.zeros(3, 2), {"y": torch.zeros(4)})

    def test_targets_without_tensors(self):
        with pytest.raises(TypeError, match="at least one tensor, not only list"):
            batch_size(torch.zeros(3, 2), ["cat", "dog", "cat"])


class TestLike:
    @given(nests(st.integers()))
    def test_the_same_structure_passes(self, batch):
        other = map_leaves(lambda path, leaf: -1, batch)
        assert check_same_structure(batch, other) is other

    @pytest.mark.parametrize(
        ("first", "second", "message"),
        [
            ({"a": 1}, {"b": 1}, r"of \['b'\], the first of \['a'\]: give both the same"),
            ({"a": 1}, {"a": 1, "b": 2}, r"of \['a'\], \['b'\], the first of \['a'\]"),
            ((1, 2), 3, r"of one tensor, the first of \[0\], \[1\]"),
            ([1], [], r"of nothing, the first of \[0\]"),
            (Sample(1, 2), Pair(1, 2), r"of \.left, \.right, the first of \.image, \.label"),
            (Sample(1), 3, r"of one tensor, the first of \.image"),
        ],
    )
    def test_another_one_is_rejected(self, first, second, message):
        with pytest.raises(ValueError, match=message):
            check_same_structure(first, second)


class TestHalves:
    @given(count=st.integers(0, 9))
    def test_they_meet_in_the_middle(self, count):
        first, second = halves(torch.arange(count))
        assert len(first) == len(second) == (count + 1) // 2
        assert torch.equal(first, torch.arange((count + 1) // 2))
        assert torch.equal(second, torch.arange(count // 2, count))

    @given(count=st.integers(1, 9))
    def test_of_nested_batches(self, count):
        rows = torch.arange(count)
        batch = {"a": rows, "b": Sample(rows, [Pair(rows, "x")]), "n": torch.tensor(5.0)}
        for half, part in zip(halves(batch), halves(rows), strict=True):
            assert torch.equal(half["a"], part)
            assert torch.equal(half["b"].image, part)
            assert torch.equal(half["b"].label[0].left, part)
            assert half["b"].label[0].right == "x"
            assert half["n"] is batch["n"]

    @pytest.mark.parametrize("kind", [list, tuple])
    def test_of_lists_with_an_entry_for_each_sample(self, kind):
        names, labels = kind("abcd"), ["one", "of", "another", "length", "!"]
        first, second = halves({"x": torch.zeros(4, 2), "names": names, "labels": labels})
        assert (first["names"], second["names"]) == (kind("ab"), kind("cd"))
        assert first["labels"] == second["labels"] == labels

    def test_they_are_views(self):
        x = torch.zeros(4, 2)
        first, second = halves({"x": x})
        first["x"].fill_(1)
        second["x"].fill_(2)
        assert x[:, 0].tolist() == [1, 1, 2, 2]

    def test_a_tensor_that_appears_twice_stays_one(self):
        x = torch.zeros(4, 2)
        for half in halves({"a": x, "b": [x]}):
            assert half["a"] is half["b"][0]

    def test_of_mixed_targets(self):
        """Nothing halves them, for nothing mixes them again."""
        target = MixedTarget(torch.arange(4), torch.arange(4), torch.ones(4))
        assert halves({"x": torch.zeros(4), "y": target})[0]["y"] is target

    def test_without_tensors(self):
        with pytest.raises(TypeError, match="at least one tensor"):
            halves(["a", "b"])


@pytest.mark.parametrize("y", [[0, 1, 2], ("a", "b", "c"), np.arange(3)], ids=str)
def test_what_holds_no_tensor_is_named(y):
    with pytest.raises(TypeError, match=r"y must hold .* convert it, by torch\.as_tensor"):
        MixUp()(torch.rand(3, 2), y)
    with pytest.raises(TypeError, match=r"x must hold .* convert it, by torch\.as_tensor"):
        MixUp()(y, torch.arange(3))


def test_a_list_of_names_is_one_leaf():
    """There are as many as samples: to visit each would take longer than mixing."""
    x = {"image": torch.rand(3, 4), "file": ["a", "b", "c"], "split": ("train", "train", "valid")}
    assert [path_name(path) for path, _ in leaves(x)] == ["['image']", "['file']", "['split']"]
    mixed, _ = MixUp(seed=0)(x, torch.arange(3))
    assert mixed["file"] == x["file"]
    assert mixed["split"] == x["split"]
