"""MixedTarget: a pair that behaves like a tensor with B rows."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.utils import _pytree as pytree
from torch.utils.data._utils.pin_memory import pin_memory

from vicinal import MixedTarget


def target(count=4, classes=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    own, partner = torch.randint(classes, (2, count), generator=g)
    return MixedTarget(own, partner, torch.rand(count, generator=g))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(fields(a), fields(b), strict=True))


def fields(t):
    return t.own, t.partner, t.weight


@given(count=st.integers(0, 8), classes=st.integers(2, 20), seed=st.integers(0, 99))
def test_dense_rows_hold_each_share_and_sum_to_one(count, classes, seed):
    t = target(count, classes, seed)
    w = t.weight[:, None]
    expected = w * F.one_hot(t.own, classes) + (1 - w) * F.one_hot(t.partner, classes)
    assert torch.allclose(t.dense(classes), expected)
    assert torch.allclose(t.dense(classes).sum(1), torch.ones(count))


def test_dense_masks_have_their_classes_second():
    own, partner = torch.randint(3, (2, 4, 6, 7))
    dense = MixedTarget(own, partner, torch.rand(4)).dense(3)
    assert dense.shape == (4, 3, 6, 7)
    assert torch.allclose(dense.sum(1), torch.ones(4, 6, 7))


def test_dense_values_are_blended():
    own, partner = torch.rand(2, 4, 3, dtype=torch.float64)
    t = MixedTarget(own, partner, torch.rand(4))
    w = t.weight.double()[:, None]
    assert torch.allclose(t.dense(), w * own + (1 - w) * partner)
    assert torch.allclose(t.dense(3), t.dense())


def test_dense_names_what_it_needs():
    with pytest.raises(ValueError, match="num_classes"):
        target().dense()
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        MixedTarget(torch.rand(2, 3), torch.rand(2, 3), torch.rand(2)).dense(10)


def test_shapes_that_do_not_match_are_rejected():
    with pytest.raises(ValueError, match=r"\(3,\).*\(4,\)"):
        MixedTarget(torch.zeros(3), torch.zeros(4), torch.ones(3))
    with pytest.raises(ValueError, match="2 weights"):
        MixedTarget(torch.zeros(3), torch.zeros(3), torch.ones(2))


@pytest.mark.parametrize(
    "rows", [slice(1, 3), torch.tensor([2, 0]), torch.tensor([True, False, True, False])]
)
def test_it_is_indexed_by_rows(rows):
    t = target()
    assert same(t[rows], MixedTarget(t.own[rows], t.partner[rows], t.weight[rows]))


@pytest.mark.parametrize("row", [1, -3, np.int64(1), torch.tensor(1)])
@pytest.mark.parametrize(
    ("own", "weight"),
    [
        (torch.rand(4), torch.rand(4)),
        (torch.rand(4, 6), torch.rand(4)),
        (torch.rand(4, 6, 6, 6), torch.rand(4, 6, 6)),
        (torch.arange(4), torch.rand(4)),
        (torch.randint(5, (4, 6, 6)), torch.rand(4)),
        (torch.randint(5, (4, 6, 6)), torch.rand(4, 6, 6)),
    ],
    ids=["values", "rows", "soft maps", "labels", "masks", "masks by pixel"],
)
def test_one_row_is_a_target_of_one(row, own, weight):
    t = MixedTarget(own, own.flip(0), weight)
    classes = None if own.is_floating_point() else 5
    assert torch.equal(t[row].dense(classes), t.dense(classes)[1:2])


def test_it_is_iterated_over():
    t = target()
    assert [len(row) for row in t] == [1, 1, 1, 1]
    assert torch.equal(torch.cat([row.dense(5) for row in t]), t.dense(5))
    with pytest.raises(IndexError):
        t[4]


def test_it_has_a_length_and_a_device():
    assert len(target(7)) == 7
    assert target().device == torch.device("cpu")


def test_it_moves_and_keeps_its_dtypes():
    moved = target().to("meta", non_blocking=True)
    assert [f.device.type for f in fields(moved)] == ["meta"] * 3
    assert [f.dtype for f in fields(moved)] == [torch.int64, torch.int64, torch.float32]


def test_it_is_a_pytree():
    t = target()
    leaves, structure = pytree.tree_flatten({"y": t, "n": 1})
    assert len(leaves) == 4
    assert same(pytree.tree_unflatten(leaves, structure)["y"], t)
    assert same(pytree.tree_map(lambda leaf: leaf[:2], t), t[:2])


def test_it_is_gathered_by_mapping():
    from accelerate import Accelerator

    t = target()
    assert same(pytree.tree_map(Accelerator(cpu=True).gather, t), t)


def test_accelerate_moves_it():
    from accelerate.utils import send_to_device

    assert send_to_device(target(), torch.device("meta")).device.type == "meta"


def test_the_data_loader_pins_it(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: self + 0)
    assert same(pin_memory(target()), target())


def test_it_is_copied_and_pickled():
    assert same(copy.deepcopy(target()), target())
    assert same(pickle.loads(pickle.dumps(target())), target())


def test_it_passes_through_compiled_functions():
    @torch.compile(fullgraph=True, backend="eager")
    def step(t, scale):
        return t.dense(5) * scale, t[1:], MixedTarget(t.partner, t.own, 1 - t.weight)

    t = target()
    dense, rest, turned = step(t, 2.0)
    assert torch.allclose(dense, 2 * t.dense(5))
    assert same(rest, t[1:])
    assert same(turned, MixedTarget(t.partner, t.own, 1 - t.weight))


@pytest.mark.parametrize("label", [255, -100, 5])
def test_a_label_to_ignore_has_no_place_in_a_dense_target(label):
    for own, partner in ((0, label), (label, 0)):
        t = MixedTarget(torch.tensor([[1, own]]), torch.tensor([[2, partner]]), torch.rand(1))
        with pytest.raises(RuntimeError, match=f"the label {label} is none of 5 classes: labels"):
            t.dense(5)


def test_a_value_without_a_share_leaves_no_trace():
    own, partner = torch.tensor([torch.nan, 1.0, torch.inf]), torch.tensor([2.0, torch.inf, 3.0])
    dense = MixedTarget(own, partner, torch.tensor([0.0, 1.0, 1.0])).dense()
    assert dense.tolist() == [2.0, 1.0, torch.inf]
