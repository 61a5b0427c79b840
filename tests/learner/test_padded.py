import pytest
import torch
from torch import nn

from vicinal import DataLoaders, Learner
from vicinal.learner.padded import has_unseen, right_gradients


def gradients(conv, x, precision):
    conv.weight.grad = None
    junk = [torch.full_like(conv.weight, 7.0) for _ in range(8)]
    del junk  # what is not written of the gradient is this
    enabled = precision == "bf16"
    with right_gradients(conv, precision, x.device), torch.autocast("cpu", enabled=enabled):
        output = conv(x)
    output.float().square().sum().backward()
    return conv.weight.grad.clone()


@pytest.mark.parametrize(
    ("conv", "shape"),
    [
        (nn.Conv2d(64, 64, 3, stride=2, padding=1), (1, 1)),
        (nn.Conv2d(256, 128, 5, padding=2), (1, 1)),
        (nn.Conv2d(64, 64, 3, stride=3, padding=1), (2, 2)),
        (nn.Conv2d(64, 64, (3, 1), stride=2, padding=(1, 0)), (1, 4)),
        (nn.Conv2d(64, 64, 3, padding="same"), (1, 1)),
        (nn.Conv2d(64, 64, 3, stride=2, padding=1, groups=64), (1, 1)),
        (nn.Conv1d(64, 64, 3, stride=2, padding=1), (1,)),
        (nn.Conv2d(64, 64, 3, stride=2, padding=1), (8, 8)),
    ],
    ids=lambda value: None,
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_in_bfloat16_are_those_in_float32(conv, shape, layout):
    torch.manual_seed(0)
    x = torch.randn(12, conv.in_channels, *shape)
    if len(shape) == 2:
        conv, x = conv.to(memory_format=layout), x.to(memory_format=layout)
    right = gradients(conv, x, "fp32")
    found = gradients(conv, x, "bf16")
    assert (found - right).abs().max() < 0.03 * right.abs().max()


def test_entries_are_unseen_where_a_gradient_is_zero():
    for side in range(1, 6):
        for kernel in (1, 2, 3, 5):
            for stride in (1, 2, 3):
                for padding in (0, 1, 2):
                    if side + 2 * padding < kernel:
                        continue
                    x, weight = torch.ones(1, 1, side), torch.ones(1, 1, kernel, requires_grad=True)
                    nn.functional.conv1d(x, weight, stride=stride, padding=padding).sum().backward()
                    expected = bool((weight.grad == 0).any())
                    assert has_unseen(side, kernel, stride, padding, 1) == expected


def test_a_training_in_bfloat16_repeats_itself_where_images_become_single_pixels():
    torch.manual_seed(0)
    x, y = torch.rand(16, 3, 2, 2), torch.arange(16) % 2

    def trained():
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 64, 3, 2, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, 2, 1), nn.Flatten())
        model = nn.Sequential(*layers, nn.Linear(64, 2))
        dls = DataLoaders.from_tensors(x, y, x, y, bs=8, device="cpu")
        learn = Learner(dls, model, precision="bf16")
        with learn.no_logging():
            learn.fit(2)
        assert not any(module._forward_hooks for module in model.modules())
        return model[2].weight.detach()

    junk = [torch.full((64, 64, 3, 3), 7.0) for _ in range(8)]
    first = trained()
    del junk
    assert torch.equal(first, trained())
