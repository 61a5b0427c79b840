"""Custom loops: torchvision's pipelines, Accelerate and Fabric."""

import copy

import pytest
import torch
from accelerate import Accelerator
from by_hand import assert_same_weights, batches, digits, small_network, train_by_hand, twins
from lightning.fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate
from torchvision.transforms import v2

from vicinal import (
    BalancedMixUp,
    Choice,
    CMixUp,
    CutMix,
    MixCollate,
    MixedTarget,
    MixedTensor,
    MixLoss,
    MixUp,
    Remix,
    Schedule,
    accuracy,
)
from vicinal.mixed.tensor import own_targets


def test_in_a_pipeline_of_torchvision():
    x, y = digits(16)
    pipeline = v2.Compose([v2.Normalize([0.5], [0.5]), MixUp(seed=0)])
    mixed, target = pipeline(x, y)
    expected, other = MixUp(seed=0)((x - 0.5) / 0.5, y)
    torch.testing.assert_close(mixed, expected)
    assert isinstance(target, MixedTarget)
    assert torch.equal(target.partner, other.partner)


def test_instead_of_torchvisions_mixup():
    """As in its own examples, in the collate_fn, and by a random choice of both."""
    mix = v2.RandomChoice([CutMix(seed=0), MixUp(seed=0)])

    def collate_fn(batch):
        return mix(*default_collate(batch))

    loader = DataLoader(TensorDataset(*digits(64)), 16, collate_fn=collate_fn)
    for x, y in loader:
        assert x.shape == (16, 1, 8, 8)
        assert isinstance(y, MixedTarget)


def test_a_loader_that_mixes_needs_no_change_of_the_loop():
    model, other = twins()
    data = TensorDataset(*digits(320))
    loader = DataLoader(data, 64, collate_fn=MixCollate(Choice([MixUp(), CutMix()], seed=0)))
    optimizer, criterion, losses = (
        torch.optim.SGD(model.parameters(), lr=0.1),
        nn.CrossEntropyLoss(),
        [],
    )
    model.train()
    for x, y in loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == train_by_hand(other, batches(), Choice([MixUp(), CutMix()], seed=0))
    assert_same_weights(model, other)


@pytest.mark.parametrize(
    "mixer",
    [
        CMixUp(0.5, seed=0),
        CMixUp(0.5, pool=(torch.rand(8, 1, 8, 8), torch.rand(8)), seed=0),
        BalancedMixUp(seed=0),
        Remix([9, 9, 1], seed=0),
        Schedule(Remix([9, 9, 1], seed=0), until=0.9, steps=10),
    ],
    ids=["cmixup", "pool", "balancedmixup", "remix", "scheduled"],
)
def test_mixers_that_read_targets_or_bring_samples(mixer):
    x, y = digits(16)
    reader = mixer.mixer if isinstance(mixer, Schedule) else mixer
    y = y / 10 if isinstance(reader, CMixUp) else y % 3
    expected, target = copy.deepcopy(mixer)(x, y)
    got, found = MixCollate(mixer)(list(zip(x, y, strict=True)))
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert torch.equal(found.partner, target.partner)


@pytest.mark.parametrize("collated", [False, True], ids=["in the loop", "by the loader"])
def test_accelerate(collated, tmp_path):
    def prepared(mixup):
        accelerator, model = Accelerator(cpu=True), small_network()
        collate = MixCollate(mixup) if collated else None
        loader = DataLoader(TensorDataset(*digits(320)), 64, collate_fn=collate)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        accelerator.register_for_checkpointing(mixup)
        return accelerator, *accelerator.prepare(model, optimizer, loader)

    def train(accelerator, model, optimizer, loader, mixup):
        criterion = nn.CrossEntropyLoss() if collated else MixLoss(nn.CrossEntropyLoss())
        losses = []
        model.train()
        for x, y in loader:
            if not collated:
                x, y = mixup(x, y)
            loss = criterion(model(x), y)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    mixup, other = MixUp(seed=0), small_network()
    parts = prepared(mixup)
    losses = train(*parts, mixup)
    parts[0].save_state(tmp_path)
    losses += train(*parts, mixup)
    assert losses == train_by_hand(other, batches(), MixUp(seed=0), epochs=2)

    again = MixUp(seed=99)
    resumed = prepared(again)
    resumed[0].load_state(tmp_path)
    assert train(*resumed, again) == losses[5:]


def test_fabric(tmp_path):
    def train(mixup, model, epochs, file=None):
        fabric = Fabric(accelerator="cpu", devices=1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model, optimizer = fabric.setup(model, optimizer)
        loader = fabric.setup_dataloaders(batches())
        state = {"model": model, "mixup": mixup}
        if file is not None:
            fabric.load(file, state)
        criterion, losses = MixLoss(nn.CrossEntropyLoss()), []
        model.train()
        for _ in range(epochs):
            for x, y in loader:
                x, y = mixup(x, y)
                loss = criterion(model(x), y)
                optimizer.zero_grad()
                fabric.backward(loss)
                optimizer.step()
                losses.append(loss.item())
        fabric.save(tmp_path / f"{epochs}.ckpt", state)
        return losses

    expected = train_by_hand(small_network(), batches(), MixUp(seed=0), epochs=2)
    assert train(MixUp(seed=0), small_network(), 2) == expected
    train(MixUp(seed=0), small_network(), 1)
    assert train(MixUp(seed=9), small_network(), 1, tmp_path / "1.ckpt") == expected[5:]


def test_moved_and_pinned_as_loaders_do():
    x, y = MixCollate(MixUp(seed=0))([(torch.rand(3), index) for index in range(4)])
    moved = y.to("cpu", non_blocking=True)
    assert type(moved) is MixedTensor
    assert torch.equal(moved.weight, y.weight)
    meta = y.to("meta")
    assert meta.partner.device.type == meta.weight.device.type == "meta"
    assert x.shape == (4, 3)


def test_ignite():
    pytest.importorskip("ignite")
    from ignite.engine import Events, create_supervised_trainer
    from ignite.metrics import Accuracy, Loss, Precision

    model, other = twins()
    loader = DataLoader(TensorDataset(*digits(320)), 64, collate_fn=MixCollate(MixUp(seed=0)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
    losses = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: losses.append(e.state.output))
    trainer.run(loader, max_epochs=2)
    assert losses == train_by_hand(other, batches(), MixUp(seed=0), epochs=2)

    output, y = torch.randn(64, 10), next(iter(loader))[1]
    for metric, expected in (
        (Loss(nn.CrossEntropyLoss()), nn.functional.cross_entropy(output, y)),
        (Precision(average="micro"), accuracy(output, y)),  # each label counted by its share
    ):
        metric.update((output, y))
        assert metric.compute() == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises((RuntimeError, ValueError), match=r"Float|float"):  # an integer counter
        Accuracy().update((output, y))
    metric = Accuracy()
    metric.update((output, own_targets(y)))
    assert metric.compute() == pytest.approx(
        float((output.argmax(1) == own_targets(y)).float().mean())
    )
