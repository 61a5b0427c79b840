"""timm's Mixup and FastCollateMixup, by their own names and calls."""

import numpy as np
import pytest
import timm.data
import torch
from by_hand import batches, digits, train_by_hand, twins
from timm.data.loader import PrefetchLoader
from timm.loss import BinaryCrossEntropy, SoftTargetCrossEntropy
from torch import nn
from torch.utils.data import DataLoader

from vicinal.integrations.timm import FastCollateMixup, Mixup

MODES = ("batch", "pair", "elem")


def train_as_timm(model, mixup_fn, loader, criterion, epochs=1):
    """The middle of timm's train.py."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    model.train()
    for _ in range(epochs):
        for x, target in loader:
            x, target = mixup_fn(x.clone(), target)
            loss = criterion(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("mode", MODES)
def test_a_script_for_timm_equals_the_loop_by_hand(mode):
    model, other = twins()
    arguments = {"mixup_alpha": 0.8, "cutmix_alpha": 1.0, "mode": mode, "num_classes": 10}
    torch.manual_seed(3)
    found = train_as_timm(model, Mixup(**arguments), batches(), SoftTargetCrossEntropy(), 3)
    torch.manual_seed(3)
    mixer = Mixup(**arguments).mixer
    expected = train_by_hand(
        other, batches(), mixer, nn.CrossEntropyLoss(label_smoothing=0.1), epochs=3
    )
    assert found == pytest.approx(expected, rel=1e-4)
    assert found[-1] < found[0]
    with torch.no_grad():
        x = digits()[0]
        torch.testing.assert_close(model(x), other(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "arguments",
    [
        {"mixup_alpha": 0.4},
        {"mixup_alpha": 0.0, "cutmix_alpha": 1.0},
        {"mixup_alpha": 0.0, "cutmix_minmax": (0.3, 0.6)},
        {"mixup_alpha": 1.0, "cutmix_alpha": 1.0, "switch_prob": 0.2, "prob": 0.7},
    ],
    ids=["mixup", "cutmix", "minmax", "both"],
)
def test_weights_are_distributed_as_timms(mode, arguments):
    """By the means and spreads of many; four deviations, a false alarm in 16,000."""
    arguments = {"mode": mode, "label_smoothing": 0.0, "num_classes": 8} | arguments
    np.random.seed(0)  # noqa: NPY002 (timm draws from it)
    torch.manual_seed(0)

    # timm draws the sides of minmax's boxes from whole numbers below the largest.
    side, count = (224, 800) if "cutmix_minmax" in arguments else (16, 4000)

    def weights(mixup):
        weights = []
        for _ in range(count if mode == "batch" else count // 8):
            y = mixup(torch.rand(8, 1, side, side), torch.arange(8))[1]
            own = y.diagonal()
            weights += [own[0]] if mode == "batch" else list(own[:4] if mode == "pair" else own)
        return torch.stack(weights)

    ours, theirs = weights(Mixup(**arguments)), weights(timm.data.Mixup(**arguments))
    for moment in (lambda w: w, lambda w: (w - 0.5) ** 2, lambda w: (w > 0.999).float()):
        a, b = moment(ours), moment(theirs)
        spread = (a.var() / len(a) + b.var() / len(b)).sqrt()
        # In mode pair, timm's both samples of a pair are the same draw; half of ours may be too.
        assert abs(a.mean() - b.mean()) <= 4 * spread * (1.5 if mode == "pair" else 1) + 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_targets_are_those_of_timm(mode):
    mixup = Mixup(mixup_alpha=0.0, cutmix_alpha=1.0, mode=mode, label_smoothing=0.1, num_classes=4)
    x = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 16, 16).contiguous()
    mixed, y = mixup(x, torch.arange(4))
    assert mixed.data_ptr() == x.data_ptr()  # in place, as in timm
    for row, target in zip(mixed, y, strict=True):
        shares = torch.stack([(row[0] == label).float().mean() for label in range(4)])
        torch.testing.assert_close(target, shares * 0.9 + 0.1 / 4)


def test_several_labels():
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    arguments = {"mixup_alpha": 1.0, "num_classes": 2, "multi_label": True}
    mixed = Mixup(**arguments)(torch.rand(2, 3, 4, 4), y)[1]
    torch.testing.assert_close(mixed.sum(0), torch.tensor([1.0, 1.0]))
    assert 0.05 <= mixed.min() <= mixed.max() <= 0.95
    BinaryCrossEntropy()(torch.zeros(2, 2), mixed)


def test_it_is_switched_off_like_timms():
    mixup = Mixup(num_classes=10)
    x, y = digits(7)
    mixup.mixup_enabled = False
    same, target = mixup(x.clone(), y)
    assert torch.equal(same, x)
    torch.testing.assert_close(target, nn.functional.one_hot(y, 10) * 0.9 + 0.01)
    mixup.mixup_enabled = True
    assert not torch.equal(mixup(x.clone(), y)[0], x)


def test_attributes_may_be_set_later():
    torch.manual_seed(0)
    mixup = Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, num_classes=10)
    x, y = digits(64)
    before = mixup(x.clone(), y)[0]
    mixup.mix_prob = 0.0
    assert torch.equal(mixup(x.clone(), y)[0], x)
    mixup.mix_prob, mixup.switch_prob = 1.0, 1.0
    pasted = mixup(x.clone(), y)[0]
    assert torch.isin(pasted, x).all()  # pasted, not blended
    assert not torch.equal(pasted, x)
    assert mixup.mixer.state_dict()["draws"] == 3
    torch.manual_seed(0)
    again = Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, num_classes=10)
    assert torch.equal(again(x.clone(), y)[0], before)


def images(count=64):
    x, y = digits(count)
    pictures = (x * 255).to(torch.uint8).expand(-1, 3, -1, -1).numpy()
    return [(picture.copy(), int(label)) for picture, label in zip(pictures, y, strict=True)]


@pytest.mark.parametrize("mode", [*MODES, "half"])
def test_collating(mode):
    collate = FastCollateMixup(mixup_alpha=0.4, num_classes=10, mode=mode, label_smoothing=0.0)
    samples = images(16)
    x, y = collate(samples)
    assert x.dtype == torch.uint8
    assert len(x) == len(y) == (8 if mode == "half" else 16)
    # Each image agrees with its targets, if its two classes have one image each.
    whole = np.stack([picture for picture, _ in images(10)]).astype(np.float32)
    x, y = collate(images(10))
    expected = np.einsum("bc,cnhw->bnhw", y.numpy(), whole)
    np.testing.assert_allclose(x.numpy(), expected[: len(x)], atol=0.51)


@pytest.mark.parametrize("workers", [0, 2])
def test_timms_loader_recognises_it(workers):
    def loaded():
        torch.manual_seed(5)
        loader = DataLoader(
            images(), 16, num_workers=workers,
            collate_fn=FastCollateMixup(mixup_alpha=0.8, num_classes=10),
            multiprocessing_context="fork" if workers else None,
        )  # fmt: skip
        return PrefetchLoader(loader, mean=(0.5,) * 3, std=(0.5,) * 3, device=torch.device("cpu"))

    loader = loaded()
    first = [y.clone() for _, y in loader]
    again = [y.clone() for _, y in loaded()]
    assert all(torch.equal(y, y2) for y, y2 in zip(first, again, strict=True))
    assert len({tuple(y.flatten().tolist()) for y in first}) == len(first)
    assert loader.mixup_enabled
    loader.mixup_enabled = False
    for _, y in loader:
        torch.testing.assert_close(y.amax(1), torch.full((len(y),), 0.91))


def test_trains_with_a_network_of_timms():
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=10)
    x, y = digits(64)
    x = nn.functional.interpolate(x, 32).expand(-1, 3, -1, -1)
    loader = [(x, y)] * 12
    losses = train_as_timm(model, Mixup(num_classes=10), loader, SoftTargetCrossEntropy())
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "half"}, "mode must be one of batch, pair, elem, not 'half'"),
        ({"mode": "sample"}, "mode must be one of"),
        ({"correct_lam": False}, "labels are always weighted by area"),
        ({"mixup_alpha": 0.0}, "mixup_alpha and cutmix_alpha are both 0"),
        ({"prob": 1.5}, "p must be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mixup(**arguments)


def test_a_class_out_of_range_raises():
    with pytest.raises(RuntimeError):
        Mixup(num_classes=5)(*digits(64))


def test_a_state_is_restored():
    torch.manual_seed(0)
    mixup = Mixup(num_classes=10)
    x, y = digits(32)
    mixup(x.clone(), y)
    state = mixup.mixer.state_dict()
    _, expected = mixup(x.clone(), y)
    torch.manual_seed(99)
    other = Mixup(num_classes=10)
    other.mixer.load_state_dict(state)
    assert torch.equal(other(x.clone(), y)[1], expected)
