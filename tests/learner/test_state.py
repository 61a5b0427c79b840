"""Trees of tensors and plain values on disk."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.learner.state import load_tree, save_tree

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
trees = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(tree=trees)
def test_plain_values_are_restored(tree, tmp_path_factory):
    file = tmp_path_factory.mktemp("state") / "tree"
    save_tree(file, tree)
    found = load_tree(file)
    assert found == tree
    assert repr(found) == repr(tree)  # types, the order of keys, and the sign of zero


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(3, 4, dtype=torch.float64),
        torch.randn(8).bfloat16(),
        torch.tensor(2**62 + 1),
        torch.tensor([math.nan, math.inf, -0.0]),
        torch.zeros(0, 3),
        torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        torch.arange(6).view(2, 3).t(),
        torch.tensor([True, False]),
        torch.nn.Parameter(torch.ones(2)),
    ],
)
def test_tensors_are_restored_exactly(tensor, tmp_path):
    save_tree(tmp_path / "tree", {"a": [tensor, 1], 5: tensor})
    found = load_tree(tmp_path / "tree")
    for copy in (found["a"][0], found[5]):
        assert copy.dtype == tensor.dtype
        assert torch.equal(copy.nan_to_num(7), tensor.detach().nan_to_num(7))
        assert torch.equal(copy.isnan(), tensor.isnan())


def test_other_values_are_refused_and_the_old_file_remains(tmp_path):
    save_tree(tmp_path / "tree", [1])
    with pytest.raises(TypeError, match="a state of type object cannot be saved"):
        save_tree(tmp_path / "tree", {"a": object()})
    assert load_tree(tmp_path / "tree") == [1]


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04K\x01.", b"\x08" + b"\0" * 20])
def test_another_file_is_refused(content, tmp_path):
    (tmp_path / "tree").write_bytes(content)
    with pytest.raises(VicinalError, match=r"tree cannot be read .* not a checkpoint"):
        load_tree(tmp_path / "tree")


def test_a_weights_file_is_not_a_checkpoint(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "weights")
    with pytest.raises(VicinalError, match="cannot be read"):
        load_tree(tmp_path / "weights")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_tree(tmp_path / "tree")
