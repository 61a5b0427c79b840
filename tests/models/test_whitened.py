"""The network that begins with whitened patches."""

import pytest
import torch
import torch.nn.functional as F

from vicinal.models.whitened import WhitenNet


@pytest.fixture
def images():
    """Neighbouring pixels and channels that go together, as in photos."""
    noise = torch.randn(200, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    return F.avg_pool2d(noise, 3, stride=1) + noise.mean(dim=1, keepdim=True)[..., 1:-1, 1:-1]


def test_whitened_patches_are_uncorrelated_and_of_variance_1(images):
    torch.manual_seed(0)
    net = WhitenNet(10)
    net.whiten(images)
    found = F.conv2d(images, net.whitening.weight).movedim(1, 3).flatten(0, 2)
    half = found.shape[1] // 2
    torch.testing.assert_close(found[:, half:], -found[:, :half])
    moments = found[:, :half].T @ found[:, :half] / len(found)
    # The smallest variances are raised a little, so that noise is not made too large.
    torch.testing.assert_close(moments, torch.eye(half), atol=0.05, rtol=0)


def test_filters_begin_as_the_identity_on_the_channels_that_there_are():
    net = WhitenNet(10, widths=(32, 32, 32))
    x = torch.randn(2, 24, 8, 8, generator=torch.Generator().manual_seed(0))
    first = net.groups[0][0]
    torch.testing.assert_close(first(x)[:, :24], x)


def test_what_is_not_learnt_gets_no_gradient(images):
    net = WhitenNet(3)
    net(images).sum().backward()
    without = {name for name, p in net.named_parameters() if p.grad is None}
    assert "whitening.weight" in without
    assert "whitening.bias" not in without
    assert {name for name in without if name != "whitening.weight"} == {
        name for name, p in net.named_parameters() if not p.requires_grad
    } - {"whitening.weight"}


@pytest.mark.parametrize("side", [16, 20, 24, 32, 64])
def test_images_may_have_any_of_these_sizes(side):
    assert WhitenNet(3).eval()(torch.zeros(2, 3, side, side)).shape == (2, 3)
