"""Images that are corrupted or attacked."""

import pytest
import torch
from torch import nn

from vicinal import DataLoaders, Learner
from vicinal.study import measuring
from vicinal.study.evaluation import Evaluation
from vicinal.study.measuring import compute_measures
from vicinal.study.robustness import (
    BLUR,
    CONTRAST,
    _gradient,
    _normalize,
    accuracy_under_attack,
    blur,
    contrast,
)


@pytest.fixture(params=["fp32", "bf16"])
def learn(request):
    """A network that is so confident that float16 has no gradient for it."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (8, 3, 4, 4), generator=generator, dtype=torch.uint8)
    y = torch.arange(8) % 2
    dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    with torch.no_grad():
        signs = torch.randn(48, generator=generator).sign() * 0.01
        network[1].weight.copy_(torch.stack([-signs, signs]))
        network[1].bias.copy_(torch.tensor([20.0, -20.0]))
    return Learner(dls, network, precision=request.param)


def test_a_confident_network_has_a_gradient_and_its_sign_in_each_precision(learn):
    """The closed form for a linear network: it points along the weights of the other class."""
    x = torch.rand(4, 3, 4, 4)
    y = torch.zeros(4, dtype=torch.int64)
    gradient = _gradient(learn, _normalize(learn), x, y)
    expected = (learn.model[1].weight[1] - learn.model[1].weight[0]).sign()
    assert torch.equal(gradient.flatten(1).sign(), expected.expand(4, -1))


def test_an_attack_corrects_no_prediction_of_a_linear_network(learn):
    x, y = next(iter(learn.dls.valid))
    learn.model[1].bias.data = torch.zeros(2)
    before = learn.output(x).argmax(1) == y
    assert before.any()
    assert not (accuracy_under_attack(learn, x, y) & ~before).any()


@pytest.mark.parametrize("shape", [(3, 3, 8, 8), (2, 3, 40, 64), (2, 1, 8, 9)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_corruptions_are_those_of_torchvision(shape, channels_last):
    from torchvision.transforms.v2 import functional

    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    sigma = BLUR * min(shape[-2:])
    side = 2 * max(1, round(3 * sigma)) + 1
    blurred = functional.gaussian_blur(x, [side, side], [sigma, sigma])
    assert torch.allclose(blur(x), blurred, rtol=0, atol=1e-6)
    assert torch.allclose(contrast(x), functional.adjust_contrast(x, CONTRAST), rtol=0, atol=1e-6)


def test_of_many_images_some_are_changed_the_same_for_every_network(learn, monkeypatch):
    """Every second batch of four; without a limit, all of them."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (16, 3, 4, 4), generator=generator, dtype=torch.uint8)
    y = torch.arange(16) % 2
    learn = Learner(
        DataLoaders.from_tensors(x, y, x, y, bs=2, device="cpu"), learn.model, precision="fp32"
    )
    learn.model[1].bias.data = torch.zeros(2)
    outputs, targets = learn.get_preds(act=learn.activation)
    every = compute_measures(Evaluation(outputs, targets, learn=learn))
    monkeypatch.setattr(measuring, "CHANGED", 8)
    some = compute_measures(Evaluation(outputs, targets, learn=learn))
    assert len(learn.dls.valid) == 4
    taken = torch.arange(16).view(4, 4)[::2].flatten()
    for name in ("noise", "blur", "contrast", "fgsm"):
        assert len(every[name]) == 16
        if name != "noise":  # which is drawn for each batch, here the same
            assert torch.equal(some[name], every[name][taken])
        assert len(some[name]) == 8
    assert torch.equal(some["accuracy"], every["accuracy"])


def test_a_short_batch_at_the_end_may_leave_fewer_than_were_asked_for(learn, monkeypatch):
    """Every second batch of five, where the last one has a single image."""
    x, y = torch.zeros(17, 3, 4, 4, dtype=torch.uint8), torch.arange(17) % 2
    learn = Learner(DataLoaders.from_tensors(x, y, x, y, bs=2, device="cpu"), learn.model)
    outputs, targets = learn.get_preds(act=learn.activation)
    monkeypatch.setattr(measuring, "CHANGED", 10)
    assert len(compute_measures(Evaluation(outputs, targets, learn=learn))["blur"]) == 9
