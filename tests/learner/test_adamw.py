"""AdamW is torch's: in its fused form where that is right, in the other where it is not."""

import copy
import sys

import pytest
import torch
from torch import nn

from vicinal.learner.adamw import AdamW
from vicinal.learner.optimizer_state import optimizer_state, restore_optimizer

HOW = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-5, "weight_decay": 0.01}


def network(channels_last=False, dtype=torch.float32):
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(20, 3))
    return made.to(dtype, memory_format=torch.channels_last if channels_last else None)


def groups(model):
    """As a Learner makes them: norms and biases do not decay."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": weights, "lr": 0.02}, {"params": rest, "lr": 0.1, "weight_decay": 0.0}]


def by_layer(model):
    layers = zip((model[0], model[1], model[3]), (0.01, 0.0, 0.01), strict=True)
    return [{"params": list(layer.parameters()), "weight_decay": decay} for layer, decay in layers]


def train(model, optimizer, steps=range(6)):
    """By a schedule of rates and momenta, as those of one cycle."""
    for step in steps:
        torch.manual_seed(100 + step)
        x = torch.randn(4, 3, 4, 4).to(next(model.parameters()).dtype)
        for group in optimizer.param_groups:
            group["lr"] *= 0.9
            group["betas"] = (0.95 - 0.02 * step, group["betas"][1])
        with torch.autocast("cpu", torch.bfloat16, enabled=x.dtype == torch.float32):
            loss = model(x).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("channels_last", [False, True])
def test_it_is_torchs_fused_optimizer_on_the_cpu(channels_last):
    own, torchs = network(channels_last), network(channels_last)
    optimizer = AdamW(groups(own))
    weights = train(own, optimizer)
    assert all(group["fused"] for group in optimizer.param_groups)
    expected = train(torchs, torch.optim.AdamW(groups(torchs), **HOW, fused=True))
    assert torch.equal(weights, expected)


def test_groups_of_equal_options_cost_one_call_of_the_kernel(monkeypatch):
    calls, kernel = [], torch._fused_adamw_
    monkeypatch.setattr(
        torch, "_fused_adamw_", lambda *args, **given: calls.append(kernel(*args, **given))
    )
    own, torchs = network(), network()
    optimizer = AdamW(by_layer(own), lr=0.1)
    before = [dict(group) for group in optimizer.param_groups]
    weights = train(own, optimizer, range(1))
    assert len(calls) == 2
    assert [group["params"] for group in optimizer.param_groups] == [g["params"] for g in before]

    expected = train(torchs, torch.optim.AdamW(by_layer(torchs), **HOW, fused=True), range(1))
    assert torch.equal(weights, expected)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_the_kernel_has_nothing_to_copy_in_channels_last(amsgrad, monkeypatch):
    """Torch's kernel copies what is not contiguous, which takes as long as the step."""
    given, kernel = [], torch._fused_adamw_
    monkeypatch.setattr(
        torch, "_fused_adamw_", lambda *args, **how: (given.append(args), kernel(*args, **how))
    )
    own, torchs = network(channels_last=True), network(channels_last=True)
    optimizer = AdamW(groups(own), amsgrad=amsgrad)
    weights = train(own, optimizer)
    lists = [tensors for args in given for tensors in args]
    assert len(given) == 12
    assert all(x.is_contiguous() for tensors in lists for x in tensors)
    convolution = own[0].weight
    assert optimizer.state[convolution]["exp_avg"].stride() == convolution.stride()
    expected = torch.optim.AdamW(groups(torchs), **HOW, amsgrad=amsgrad, fused=True)
    assert torch.equal(weights, train(torchs, expected))


@pytest.mark.parametrize("amsgrad", [False, True])
def test_it_computes_what_torchs_other_form_does(amsgrad):
    own, torchs = network(dtype=torch.float64), network(dtype=torch.float64)
    expected = torch.optim.AdamW(groups(torchs), **HOW, amsgrad=amsgrad, fused=False)
    found = train(own, AdamW(groups(own), amsgrad=amsgrad))
    assert torch.allclose(found, train(torchs, expected), rtol=1e-12, atol=1e-13)


def channels_last(x):
    return x.contiguous(memory_format=torch.channels_last)


LAYOUTS = {
    "a gradient of another format": (torch.Tensor.clone, channels_last),
    "a parameter of another format": (channels_last, torch.Tensor.clone),
    "a transposed gradient": (torch.Tensor.clone, lambda x: x.mT.contiguous().mT),
    "a gradient of one number": (torch.Tensor.clone, lambda x: x[:1, :1, :1, :1].expand_as(x)),
    "every other column": (lambda x: torch.cat((x, x), -1)[..., ::2], torch.Tensor.clone),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_other_orders_in_memory_change_nothing(name):
    lay, lay_gradient = LAYOUTS[name]
    generator = torch.Generator().manual_seed(0)
    start, *gradients = torch.randn(5, 4, 3, 6, 5, generator=generator)
    stepped = []
    for make in (AdamW, lambda params: torch.optim.AdamW(params, **HOW | {"lr": 1e-3})):
        weight = nn.Parameter(lay(start))
        optimizer = make([weight])
        for gradient in gradients:
            weight.grad = lay_gradient(gradient)
            optimizer.step()
        stepped.append(weight.detach().clone())
    assert torch.equal(*stepped)


def test_moments_of_another_order_in_memory_change_nothing():
    """As those of a checkpoint of a network in the other format."""
    start, first, second = torch.randn(3, 4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    expected = None
    for form in (torch.Tensor.clone, channels_last):
        weight = nn.Parameter(start.clone())
        optimizer = AdamW([weight], lr=0.1)
        weight.grad = first.clone()
        optimizer.step()
        other = nn.Parameter(form(weight.detach()))
        resumed = AdamW([other], lr=0.1)
        resumed.load_state_dict(optimizer.state_dict())
        other.grad = form(second)
        resumed.step()
        expected = other.detach() if expected is None else expected
        assert torch.allclose(other.detach(), expected, rtol=1e-6)


def test_parameters_that_torch_fuses_otherwise_are_left_to_it():
    for parameter, options in (
        (torch.ones(2, dtype=torch.bfloat16), {}),  # which the other form rounds at each operation
        (torch.ones(2, dtype=torch.complex64), {}),
        (torch.ones(2, device="meta"), {}),
        (torch.ones(2), {"foreach": True}),
        (torch.ones(2), {"fused": False}),
        (torch.ones(2), {"differentiable": True}),
    ):
        (group,) = AdamW([nn.Parameter(parameter)], **options).param_groups
        assert not group["fused"]


def test_sparse_gradients_are_refused_as_by_torch():
    embedding = nn.Embedding(3, 2, sparse=True)
    optimizer = AdamW(embedding.parameters())
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse"):
        optimizer.step()


def test_a_state_of_torchs_optimizer_goes_on_as_it_would_have():
    """As runs of earlier versions, whose checkpoints hold such states."""
    before, own = network(), network()
    optimizer = torch.optim.AdamW(groups(before), **HOW)
    train(before, optimizer, range(3))
    own.load_state_dict(before.state_dict())
    resumed = AdamW(groups(own))
    restore_optimizer(resumed, copy.deepcopy(optimizer_state(optimizer)))
    expected = train(before, optimizer, range(3, 6))
    assert torch.equal(train(own, resumed, range(3, 6)), expected)


def test_its_own_state_goes_on_bit_by_bit():
    before, own = network(), network()
    optimizer = AdamW(groups(before))
    train(before, optimizer, range(3))
    own.load_state_dict(before.state_dict())
    resumed = AdamW(groups(own))
    restore_optimizer(resumed, copy.deepcopy(optimizer_state(optimizer)))
    expected = train(before, optimizer, range(3, 6))
    assert torch.equal(train(own, resumed, range(3, 6)), expected)


def test_scaled_gradients_are_unscaled_before_the_step():
    stepped = []
    for scale in (1.0, 1024.0):
        weight = nn.Parameter(torch.ones(3))
        optimizer = AdamW([weight], lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        scaler.scale((weight * torch.arange(3.0)).sum()).backward()
        scaler.step(optimizer)
        stepped.append(weight.detach().clone())
    assert torch.equal(*stepped)


def test_a_closure_gives_the_gradients_and_hooks_are_called_once():
    weight = nn.Parameter(torch.ones(2))
    optimizer = AdamW([weight], lr=0.1, weight_decay=0.0)
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))

    def closure():
        loss = weight.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    assert torch.allclose(weight, torch.tensor(0.9))
    assert calls == [1]


class NoCompiler:
    """A finder that refuses to import it."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        assert not name.startswith("torch._dynamo"), "the compiler is imported"


def test_it_does_without_the_compiler(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("torch._dynamo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoCompiler, *sys.meta_path])
    model = network()
    optimizer = AdamW(groups(model))
    train(model, optimizer)
    optimizer.load_state_dict(optimizer.state_dict())
