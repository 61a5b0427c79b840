"""TableNet: its parts, what they do with unknown categories and units, and that it learns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vicinal import ColumnMix, MixedTarget, MixLoss, MixUp, Rescale, ScaledMSELoss, TableNet
from vicinal.models.tabular import TableInputs, embedding_size


@settings(deadline=None)
@given(
    numeric=st.integers(0, 4),
    cardinalities=st.lists(st.integers(1, 50), max_size=4),
    n_out=st.integers(1, 3),
    hidden=st.lists(st.integers(1, 8), max_size=3),
    count=st.integers(1, 5),
)
def test_any_columns_give_an_output_for_each_row(numeric, cardinalities, n_out, hidden, count):
    if not (numeric or cardinalities):
        return
    x = {}
    if numeric:
        x["numbers"] = torch.randn(count, numeric)
    if cardinalities:
        x["categories"] = torch.stack([torch.randint(n, (count,)) for n in cardinalities], 1)
    model = TableNet(numeric, cardinalities, n_out, hidden=hidden)
    assert model(x).shape == (count, n_out)
    assert model.inputs(x).shape == (count, model.inputs.width)


def test_inputs_are_numbers_beside_embeddings():
    inputs = TableInputs(2, [3, 5])
    x = {"numbers": torch.tensor([[1.0, 2.0]]), "categories": torch.tensor([[2, 4]])}
    first, second = (embedding.weight for embedding in inputs.embeddings)
    assert torch.equal(inputs(x)[0], torch.cat([x["numbers"][0], first[2], second[4]]))


def test_the_unknown_says_nothing_before_training():
    inputs = TableInputs(0, [3, 5])
    assert torch.equal(
        inputs({"categories": torch.zeros(2, 2, dtype=torch.int64)}), torch.zeros(2, 7)
    )


@pytest.mark.parametrize(("cardinality", "size"), [(1, 2), (3, 3), (8, 5), (17, 8), (43, 13)])
def test_embeddings_have_the_sizes_of_fastai(cardinality, size):
    tabular = pytest.importorskip("fastai.tabular.model")
    assert embedding_size(cardinality) == tabular.emb_sz_rule(cardinality) == size


def test_outputs_are_rescaled_to_units_and_the_scale_is_saved_with_the_weights():
    torch.manual_seed(0)
    plain, scaled = TableNet(3, [], 1), TableNet(3, [], 1, rescale=(120.0, 7.0))
    scaled.load_state_dict(plain.state_dict(), strict=False)
    x = {"numbers": torch.randn(5, 3)}
    assert torch.allclose(scaled.eval()(x), plain.eval()(x) * 7 + 120)
    again = TableNet(3, [], 1, rescale=(0.0, 1.0)).eval()
    again.load_state_dict(scaled.state_dict())
    assert torch.equal(again(x), scaled(x))


def test_large_units_fit_into_half_precision():
    model = TableNet(3, [], 1, rescale=(1e6, 1e5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model({"numbers": torch.randn(4, 3)})
    assert out.dtype == torch.float32
    assert bool(out.isfinite().all())


def test_the_digits_of_small_differences_between_large_values_are_kept():
    layer = Rescale(1.7e9, 2.0, dtype=torch.float64)
    values = layer(torch.tensor([0.0, 0.25, 1.0]))
    assert values.tolist() == [1.7e9, 1.7e9 + 0.5, 1.7e9 + 2]
    assert ScaledMSELoss(2.0)(values, values + 2).item() == 1.0
    # A file of an early version holds float32.
    early = {"mean": torch.tensor(120.0), "std": torch.tensor(7.0)}
    layer.load_state_dict(early)
    assert layer(torch.tensor([1.0])).tolist() == [127.0]


def test_a_device_without_float64_rescales_in_float32():
    """As Apple's GPUs: torch raises a TypeError where such a tensor is moved to one."""

    def move(tensor):
        if tensor.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return tensor.clone()

    layer = nn.Sequential(Rescale(120.0, 7.0, dtype=torch.float64))._apply(move)
    values = layer(torch.tensor([1.0]))
    assert (values.dtype, values.item()) == (torch.float32, 127.0)


def test_the_parts_are_named_for_hidden_mixing():
    names = {name for name, _ in TableNet(2, [3], 2, hidden=(8, 8)).named_modules()}
    assert {"inputs", "hidden.0", "hidden.1", "head"} <= names


def fit(model, x, y, loss, mix=None, steps=200):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(steps):
        mixed, target = (x, y) if mix is None else mix(x, y)
        optimizer.zero_grad()
        loss(model(mixed), target).backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("mix", [None, ColumnMix(0.2, seed=0)])
def test_it_learns_classes_that_depend_on_numbers_and_categories(mix):
    torch.manual_seed(0)
    x = {"numbers": torch.randn(256, 2), "categories": torch.randint(1, 4, (256, 2))}
    y = ((x["numbers"][:, 0] > 0) ^ (x["categories"][:, 1] == 2)).long()
    model = fit(
        TableNet(2, [4, 4], 2, hidden=(32, 32), dropout=0.0),
        x,
        y,
        MixLoss(nn.CrossEntropyLoss()),
        mix,
    )
    assert float((model(x).argmax(1) == y).float().mean()) > 0.95


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("mix", [None, MixUp(0.1, seed=0)])
def test_it_learns_values_in_their_units_whichever_they_are(mix, unit):
    torch.manual_seed(0)
    x = {"numbers": torch.randn(256, 2)}
    y = (5 + x["numbers"][:, :1] - x["numbers"][:, 1:]) * unit
    std = float(y.std())
    model = TableNet(2, [], 1, hidden=(32, 32), dropout=0.0, rescale=(float(y.mean()), std))
    fit(model, x, y, MixLoss(ScaledMSELoss(std)), mix)
    with torch.no_grad():
        assert float((model(x) - y).square().mean().sqrt()) < 0.2 * unit


def test_the_scaled_error_has_the_gradients_of_standardised_values():
    torch.manual_seed(0)
    mean, std = 2e6, 3e5
    z, y = torch.randn(8, 1, requires_grad=True), torch.randn(8, 1) * std + mean
    scaled = ScaledMSELoss(std)(Rescale(mean, std)(z), y)
    plain = nn.MSELoss()(z, (y - mean) / std)
    assert torch.allclose(scaled, plain, rtol=1e-4)
    expected, found = (torch.autograd.grad(loss, z)[0] for loss in (plain, scaled))
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_scaled_error_of_a_mixed_target_is_that_of_its_parts():
    output, own, partner = torch.randn(3, 4, 1).unbind()
    target = MixedTarget(own, partner, torch.tensor([0.3, 0.5, 1.0, 0.0]))
    losses = MixLoss(ScaledMSELoss(2.0, reduction="none"))(output, target).flatten()
    errors = [((output - y) / 2).square().flatten() for y in (own, partner)]
    assert torch.allclose(losses, torch.lerp(errors[1], errors[0], target.weight))
