import pytest
import torch
from torch import nn

from vicinal import DataLoaders, Learner
from vicinal.learner.padded import right_gradients, seen_part


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
        (nn.Conv2d(64, 64, 3, stride=3, padding=2), (2, 2)),  # by no smaller kernel
        (nn.Conv1d(64, 64, 3, stride=2, padding=1), (1,)),
        (nn.Conv3d(8, 64, 3, stride=2, padding=1), (1, 2, 4)),
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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_a_part_lies_in_memory_as_the_kernel_does(layout):
    conv = nn.Conv2d(3, 4, 3, stride=2, padding=1).to(memory_format=layout)
    given = []  # as autograd computes it: what accumulates it would copy it into that order
    conv.weight.register_hook(lambda gradient: given.append(gradient.stride()))
    gradients(conv, torch.randn(2, 3, 1, 1), "bf16")
    assert given == [conv.weight.stride()]


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_the_part_of_a_kernel_that_sees_the_input_gives_the_same(side, kernel, stride, dilation):
    for padding in range(4):
        if side + 2 * padding <= dilation * (kernel - 1):
            continue
        x, weight = torch.rand(2, 3, side), torch.rand(4, 3, kernel, requires_grad=True)
        whole = nn.functional.conv1d(x, weight, None, stride, padding, dilation)
        (gradient,) = torch.autograd.grad(whole.sum(), weight)
        unseen = (gradient == 0).all(dim=(0, 1))
        part = seen_part(side, kernel, stride, padding, dilation)
        if part is None:  # what is seen does not lie together, or no padding gives the same
            assert unseen.any()
            continue
        entries, less = part
        assert not unseen[entries].any()
        assert unseen.sum() == kernel - len(unseen[entries])
        same = nn.functional.conv1d(x, weight[..., entries], None, stride, less, dilation)
        torch.testing.assert_close(same, whole)


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
        assert not any("_conv_forward" in vars(module) for module in model.modules())
        return model[2].weight.detach()

    junk = [torch.full((64, 64, 3, 3), 7.0) for _ in range(8)]
    first = trained()
    del junk
    assert torch.equal(first, trained())


def test_gradients_of_torch_func_are_those_of_autograd():
    torch.manual_seed(0)
    conv, x = nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.rand(2, 3, 1, 1)
    expected = gradients(conv, x, "bf16")

    def loss(weight):
        output = torch.func.functional_call(conv, {"weight": weight}, x)
        return output.float().square().sum()

    with right_gradients(conv, "bf16", x.device), torch.autocast("cpu"):
        found = torch.func.grad(loss)(conv.weight.detach())
    assert torch.equal(found, expected)
