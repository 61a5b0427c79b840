"""Muon for the matrices, AdamW for the rest, as one optimizer."""

import copy
from functools import partial

import pytest
import torch
from small_trainings import Note
from torch import nn

from vicinal import Learner, VicinalError, muon_adamw
from vicinal.learner.muon import CombinedOptimizer

needs_muon = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch < 2.9")


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 4, 2), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(4, 8), nn.Linear(8, 2)
    )


def gradients(model, seed):
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)


@needs_muon
def test_it_is_muon_for_matrices_and_adamw_for_the_rest():
    combined, apart = network(), network()
    one = muon_adamw(combined.parameters(), 0.1, weight_decay=0.02, momentum=0.9)
    options = {"lr": 0.1, "weight_decay": 0.02}
    matrices = [p for p in apart.parameters() if p.ndim == 2]
    rest = [p for p in apart.parameters() if p.ndim != 2]
    both = [
        torch.optim.Muon(matrices, momentum=0.9, adjust_lr_fn="match_rms_adamw", **options),
        torch.optim.AdamW(rest, betas=(0.9, 0.99), eps=1e-5, fused=True, **options),
    ]
    for seed in range(3):
        for model, optimizers in ((combined, [one]), (apart, both)):
            gradients(model, seed)
            for optimizer in optimizers:
                optimizer.step()
    for found, expected in zip(combined.parameters(), apart.parameters(), strict=True):
        assert torch.equal(found, expected)


@needs_muon
def test_groups_keep_their_rates_and_schedules_reach_both():
    model = network()
    groups = [
        {"params": list(model[0].parameters()), "lr": 0.01, "weight_decay": 0.0},
        {"params": list(model[3].parameters())},
    ]
    optimizer = muon_adamw(groups, 0.1)
    found = {(type(part).__name__, group["lr"], group["weight_decay"]) for part in optimizer.parts
             for group in part.param_groups}  # fmt: skip
    assert found == {("Muon", 0.1, 0.01), ("AdamW", 0.01, 0.0), ("AdamW", 0.1, 0.01)}
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    gradients(model, 0)
    model[4].requires_grad_(False)
    optimizer.step()
    schedule.step()
    rates = sorted(group["lr"] for part in optimizer.parts for group in part.param_groups)
    assert rates == pytest.approx([0.005, 0.05, 0.05])
    optimizer.zero_grad()
    assert all(p.grad is None for p in (*model[0].parameters(), *model[3].parameters()))


@needs_muon
def test_its_state_continues_it_and_schedules_still_reach_both():
    models = [network(), network()]
    first, second = (muon_adamw(model.parameters(), 0.1) for model in models)
    gradients(models[0], 0)
    first.step()
    models[1].load_state_dict(models[0].state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for optimizer, model in zip((first, second), models, strict=True):
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.03
        gradients(model, 1)
        optimizer.step()
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)


@needs_muon
@pytest.mark.parametrize("overflows", [False, True])
def test_a_gradient_scaler_steps_both_or_none(overflows):
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]
    optimizer = muon_adamw(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    loss = model(torch.randn(5, 1, 2)).sum()
    scaler.scale(loss * float("inf") if overflows else loss).backward()
    scaler.step(optimizer)
    scaler.update()
    moved = [not p.equal(b) for p, b in zip(model.parameters(), before, strict=True)]
    assert not any(moved) if overflows else all(moved[i] for i in (0, 4, 6))


@needs_muon
def test_a_learner_trains_by_it_with_one_cycle(dls):
    note = Note()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    opt_func = partial(muon_adamw, weight_decay=0.0)
    Learner(dls, model, opt_func=opt_func).fit_one_cycle(3, 0.02, cbs=note)
    assert max(note.rates) == pytest.approx(0.02, rel=0.02)  # between two steps it is reached
    assert sum(note.losses[-5:]) < 0.85 * sum(note.losses[:5])


def test_more_groups_are_refused():
    parts = [torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1)]
    with pytest.raises(VicinalError, match="takes no more groups"):
        CombinedOptimizer(parts).add_param_group({"params": [nn.Parameter(torch.ones(1))]})


def test_without_muon_it_says_which_torch_has_it(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(VicinalError, match=r"has no torch.optim.Muon: install torch 2\.9 or later"):
        muon_adamw([nn.Parameter(torch.ones(2, 2))])
