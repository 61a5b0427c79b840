"""Trees of tensors and plain values on disk."""

import json
import math
from collections import OrderedDict, deque, namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vicinal import VicinalError
from vicinal.learner.state import check_tree, load_tree, save_tree

plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=5)
    | st.complex_numbers(allow_nan=False)
    | st.sampled_from([torch.float16, torch.int8, torch.device("cuda:1"), torch.Size([2, 0])])
)
keys = st.recursive(plain, lambda inner: st.tuples(inner, inner), max_leaves=4)
trees = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(keys, max_size=4)
        | st.builds(deque, st.lists(inner, max_size=3), maxlen=st.none() | st.integers(3, 5))
    ),
    max_leaves=20,
)


@given(tree=trees)
def test_plain_values_are_restored(tree, tmp_path_factory):
    file = tmp_path_factory.mktemp("state") / "tree"
    save_tree(file, tree)
    found = load_tree(file)
    assert found == tree
    if "{" not in repr(tree):  # sets have no order
        assert repr(found) == repr(tree)  # types, and the sign of zero


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
        torch.rand(3, 1, 2, 2).contiguous(memory_format=torch.channels_last),
        torch.rand(1, 4, 1, 3).permute(3, 2, 0, 1),
        torch.rand(4, 6)[1:3, 2:5],
        torch.rand(5)[::2],
        torch.rand(3, 1).expand(3, 4),
        torch.rand(3, dtype=torch.complex128).conj(),
        torch.rand(3, dtype=torch.complex64).imag,
        torch.tensor(1.5).half(),
        torch.randn(4).to(torch.float8_e5m2),
        torch.tensor([True, False]),
        torch.nn.Parameter(torch.ones(2)),
    ],
)
def test_tensors_are_restored_exactly(tensor, tmp_path):
    save_tree(tmp_path / "tree", {"a": [tensor, 1], 5: tensor})
    found = load_tree(tmp_path / "tree")
    for copy in (found["a"][0], found[5]):
        assert copy.dtype == tensor.dtype
        assert copy.shape == tensor.shape
        expected = tensor.detach().to(torch.complex128)
        assert torch.equal(torch.view_as_real(copy.to(torch.complex128)).nan_to_num(7),
                           torch.view_as_real(expected.resolve_conj()).nan_to_num(7))  # fmt: skip


@pytest.mark.parametrize(
    "tensor",
    [
        torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        torch.rand(3, 1, 2, 2).contiguous(memory_format=torch.channels_last),
        torch.arange(6).view(2, 3).t(),
        torch.rand(8, 6)[2:4, :].t(),
    ],
)
def test_strides_are_restored(tensor, tmp_path):
    """A matrix product of a transposed matrix may be rounded otherwise."""
    save_tree(tmp_path / "tree", tensor)
    copy = load_tree(tmp_path / "tree")
    assert torch.equal(copy, tensor)
    assert copy.stride() == tensor.stride()


@pytest.mark.parametrize(
    "value", [np.float32(0.1), np.int64(-3), np.bool_(True), np.float64(math.pi), np.complex64(1j)]
)
def test_numbers_of_numpy_are_restored(value, tmp_path):
    save_tree(tmp_path / "tree", {value: [value]})
    ((key, (copy,)),) = load_tree(tmp_path / "tree").items()
    assert key == copy == value
    assert type(key) is type(copy) is type(value)


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=np.int16).reshape(2, 3), np.array(0.5), np.zeros((0, 2)),
              np.asfortranarray(np.random.default_rng(0).random((3, 2)))]
)  # fmt: skip
def test_arrays_are_restored(array, tmp_path):
    save_tree(tmp_path / "tree", [array, np.random.RandomState(0).get_state()])
    copy, state = load_tree(tmp_path / "tree")
    assert copy.dtype == array.dtype
    assert np.array_equal(copy, array)
    copy[...] = 1  # it may be written to
    assert np.random.RandomState().set_state(state) is None


Pair = namedtuple("Pair", "a b")
OTHERS = {
    "object": object(),
    "Pair": Pair(1, 2),
    "function": math.sin,
    "torch.sparse_coo": torch.eye(2).to_sparse(),
    "meta": torch.empty(2, device="meta"),
    "ndarray": np.array([object()]),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_values_are_refused_by_their_place_and_the_old_file_remains(kind, tmp_path):
    save_tree(tmp_path / "tree", [1])
    tree = {"a": [0, {5: OTHERS[kind]}]}
    for refuses in (check_tree, lambda tree: save_tree(tmp_path / "tree", tree)):
        with pytest.raises(
            TypeError, match=rf"of type .*{kind}.* no plain value, at \['a'\]\[1\]\[5\]$"
        ):
            refuses(tree)
    assert load_tree(tmp_path / "tree") == [1]


def test_a_state_that_contains_itself_is_refused():
    state = {"a": []}
    state["a"].append(state)
    with pytest.raises(TypeError, match="contains itself"):
        check_tree(state)


def test_of_subclasses_of_dict_the_items_remain(tmp_path):
    save_tree(tmp_path / "tree", OrderedDict(b=1, a=2))
    assert list(load_tree(tmp_path / "tree").items()) == [("b", 1), ("a", 2)]


def test_a_long_text_can_be_read_again(tmp_path):
    """The header of such a file holds 100 MB at most."""
    from safetensors import safe_open

    save_tree(tmp_path / "tree", ["x" * 10_000])
    with safe_open(tmp_path / "tree", "pt") as opened:
        assert len(json.dumps(opened.metadata())) < 1000
    assert load_tree(tmp_path / "tree") == ["x" * 10_000]


def test_files_of_earlier_versions_are_read(tmp_path):
    from safetensors.torch import save_file

    text = json.dumps({"dict": [["a", {"tensor": "0"}], [5, {"tuple": [1, None]}]]})
    save_file({"0": torch.ones(2)}, tmp_path / "tree", metadata={"tree": text})
    found = load_tree(tmp_path / "tree")
    assert found["a"].equal(torch.ones(2))
    assert found[5] == (1, None)


def test_equal_trees_give_equal_files(tmp_path):
    for name in "ab":
        save_tree(tmp_path / name, {"a": torch.ones(3), "b": [1, 2.5]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_flipped_bit_is_seen(tmp_path):
    file = tmp_path / "tree"
    tree = {"a": torch.arange(3.0), "b": "text"}
    save_tree(file, tree)
    content = file.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        file.write_bytes(bytes(changed))
        with pytest.raises(VicinalError, match=rf"{file} (is damaged|cannot be read)"):
            load_tree(file)


@pytest.mark.parametrize("dtype", ["|O", "V8", "f4,f4"])
def test_arrays_of_objects_are_not_read(dtype, tmp_path):
    from vicinal.learner import state

    with pytest.raises((ValueError, TypeError)):
        state._decoded({"number": [dtype, "00" * 8]}, {})


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
