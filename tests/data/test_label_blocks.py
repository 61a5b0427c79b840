"""Several labels of a sample, and values, as blocks of a DataBlock."""

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal import (
    ColReader,
    DataBlock,
    ImageBlock,
    IndexSplitter,
    MultiCategoryBlock,
    RegressionBlock,
    VicinalError,
)

ITEMS = ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("kind", [list, set, tuple, np.array])
def test_labels_become_zeros_and_ones(kind):
    raw = [kind(["sky", "sea"]), kind([]), kind(["sky"])]
    targets = MultiCategoryBlock().encode(raw, ITEMS)
    assert targets.values.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert targets.values.dtype == torch.float32
    assert (targets.vocab, targets.n_out) == (["sea", "sky"], 2)


def test_the_order_of_vocab_is_kept():
    targets = MultiCategoryBlock(vocab=["sky", "sea", "sand"]).encode([["sea"], ["sky"]], ITEMS)
    assert targets.values.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert targets.vocab == ["sky", "sea", "sand"]


def test_numbers_of_numpy_and_torch_are_labels():
    targets = MultiCategoryBlock().encode([[np.int64(2), torch.tensor(1)], [2]], ITEMS)
    assert targets.values.tolist() == [[1, 1], [0, 1]]
    assert (targets.vocab, targets.names) == ([1, 2], ["1", "2"])
    more = MultiCategoryBlock().encode_more([[2]], ITEMS, targets.names)
    assert more.tolist() == [[0, 1]]


def test_encoded_labels_stay_as_they_are():
    block = MultiCategoryBlock(encoded=True, vocab=["sky", "sea"])
    targets = block.encode([[0, 1], np.array([True, False])], ITEMS)
    assert targets.values.tolist() == [[0, 1], [1, 0]]
    assert targets.vocab == ["sky", "sea"]


def test_what_is_predicted_of_labels():
    block, vocab = MultiCategoryBlock(), ["sand", "sea", "sky"]
    decoded = block.decode(torch.tensor([[0.9, 0.5, 0.6], [0.1, 0.2, 0.3]]), vocab)
    assert decoded.tolist() == [[True, False, True], [False, False, False]]
    assert [block.text(row, vocab) for row in decoded] == ["sand;sky", ""]
    assert block.text(torch.tensor([0.0, 1.0, 0.0]), vocab) == "sea"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (["sky sea", "sea"], "'sky sea' for a.png.*split it"),
        ([["sky"], None], "None for b.png"),
        ([["sky"], float("nan")], "nan for b.png"),
        ([[], []], "no label for any of 2 items"),
        ([["sky"], [1]], "different types"),
    ],
)
def test_what_is_no_list_of_labels_is_refused(raw, message):
    with pytest.raises(VicinalError, match=message):
        MultiCategoryBlock().encode(raw, ITEMS)


def test_labels_that_vocab_lacks_are_refused():
    with pytest.raises(VicinalError, match=r"'see' for b.png, which vocab lacks.*sky, sea"):
        MultiCategoryBlock(vocab=["sky", "sea"]).encode([["sky"], ["see"]], ITEMS)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([[0, 1], [0, 2]], r"\[0.0, 2.0\] for b.png"),
        ([[0, 1, 1]], "gives 3 numbers.*names 2 labels"),
        ([[0, 1], ["sky", "sea"]], "b.png"),
    ],
)
def test_encoded_labels_that_are_none_are_refused(raw, message):
    with pytest.raises(VicinalError, match=message):
        MultiCategoryBlock(encoded=True, vocab=["sky", "sea"]).encode(raw, ITEMS)


def test_encoded_labels_need_names():
    with pytest.raises(VicinalError, match="needs vocab"):
        MultiCategoryBlock(encoded=True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([1, 2.5], [1.0, 2.5]),
        ([[1], [2.5]], [[1.0], [2.5]]),
        ([(1, 2), [3, 4]], [[1.0, 2.0], [3.0, 4.0]]),
        ([np.float64(1), torch.tensor(2)], [1.0, 2.0]),
        ([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])], [[1.0, 2.0], [3.0, 4.0]]),
    ],
)
def test_values_become_rows_but_plain_numbers(raw, expected):
    targets = RegressionBlock().encode(raw, ITEMS)
    assert targets.values.tolist() == expected
    assert targets.values.dtype == torch.float32
    assert (targets.vocab, targets.n_out) == (None, np.size(expected[0]))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([1.0, "two"], "'two' for b.png"),
        ([1.0, float("nan")], "nan for b.png"),
        ([None, 1.0], "None for a.png"),
        ([[1, 2], [1]], "1 numbers for b.png and 2 for those before"),
    ],
)
def test_what_is_no_value_is_refused(raw, message):
    with pytest.raises(VicinalError, match=message):
        RegressionBlock().encode(raw, ITEMS)


def test_another_number_of_values_is_refused():
    with pytest.raises(VicinalError, match=r"2 numbers.*made for 3"):
        RegressionBlock(n_out=3).encode([[1, 2]], ITEMS)


@pytest.mark.parametrize("block", [MultiCategoryBlock, RegressionBlock])
def test_images_come_with_their_own_targets(block, tmp_path):
    pd = pytest.importorskip("pandas")
    shades = [10 * place for place in range(8)]
    for shade in shades:
        Image.new("RGB", (8, 8), (shade,) * 3).save(tmp_path / f"{shade}.png")
    labels = [f"s{shade} all" for shade in shades] if block is MultiCategoryBlock else shades
    frame = pd.DataFrame({"name": [f"{shade}.png" for shade in shades], "label": labels})
    get_y = ColReader("label", label_delim=" ") if block is MultiCategoryBlock else None
    dls = DataBlock(
        (ImageBlock, block),
        get_x=ColReader("name", pref=tmp_path),
        get_y=get_y or ColReader("label"),
        splitter=IndexSplitter([1, 6]),
    ).dataloaders(frame, bs=2, device="cpu")
    assert len(dls.train.dataset) == 6
    assert dls.c == (9 if block is MultiCategoryBlock else 1)
    for part in (dls.train, dls.valid):
        for x, y in part:
            for picture, target in zip(dls.pictures(x), y, strict=True):
                shade = round(float(picture[0, 0, 0] * 255))
                expected = f"all;s{shade}" if block is MultiCategoryBlock else f"{shade}"
                assert dls.label(target) == expected
