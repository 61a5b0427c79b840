"""Accuracy on validation images that are corrupted or attacked.

Source: the kinds of corruption are those of Hendrycks and Dietterich, Benchmarking neural network
robustness (2019); the attack is the fast gradient sign method of Goodfellow et al., Explaining and
harnessing adversarial examples (2015).

The corruptions are those of torchvision, whose import would bring the compiler of torch, too, and
take as long as all measures of a small network.
"""

from collections.abc import Callable

import torch
from accelerate.utils import convert_to_fp32
from torch import Tensor, nn

from vicinal.data.augment import Normalize
from vicinal.learner.learner import Learner
from vicinal.learner.precision import autocast

NOISE = 0.1  # standard deviation, of pixels in [0, 1]
BLUR = 1 / 32  # standard deviation, of the image's side
CONTRAST = 0.3  # of the image's own
GREY = (0.2989, 0.587, 0.114)  # the brightness of red, green and blue, by ITU-R BT.601
EPSILON = 2 / 255  # the largest change of a pixel by the attack

OnBatch = Callable[[Learner, Tensor, Tensor], Tensor]


def noise(x: Tensor) -> Tensor:
    """Add Gaussian noise to (B, 3, H, W) floats in [0, 1]; the same noise at each call."""
    generator = torch.Generator().manual_seed(0)
    return (x + NOISE * torch.randn(x.shape, generator=generator).to(x)).clamp(0, 1)


def blur(x: Tensor) -> Tensor:
    """Blur (B, C, H, W) floats in [0, 1] by a Gaussian, cut off at three standard deviations.

    The images go on beyond their borders as in a mirror.
    """
    sigma = BLUR * min(x.shape[-2:])
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device) / sigma
    line = (-0.5 * offsets.square()).softmax(0)
    kernel = torch.outer(line, line).expand(x.shape[1], 1, -1, -1)
    framed = nn.functional.pad(x, [reach] * 4, mode="reflect")
    return nn.functional.conv2d(framed, kernel, groups=x.shape[1])


def contrast(x: Tensor) -> Tensor:
    """Lower the contrast of (B, C, H, W) floats in [0, 1]: they come closer to their mean grey."""
    grey = torch.einsum("bchw,c->bhw", x, x.new_tensor(GREY)) if x.shape[1] == 3 else x.mean(1)
    mean = grey.mean((-2, -1)).view(-1, 1, 1, 1)
    return (CONTRAST * x + (1 - CONTRAST) * mean).clamp(0, 1)


def accuracy_under(corrupt: Callable[[Tensor], Tensor]) -> OnBatch:
    """Whether each image of a batch is classified correctly once it is corrupted.

    Args:
        corrupt: from (B, 3, H, W) floats in [0, 1] to the same.

    Returns:
        A function of the learner and a batch to (B,) bools. The learner must have a network in
        evaluation mode, and know how its images are normalised.
    """

    def on_batch(learn: Learner, x: Tensor, y: Tensor) -> Tensor:
        normalize = _normalize(learn)
        return _correct(learn, normalize.valid(corrupt(normalize.undo(x))), y)

    return on_batch


def accuracy_under_attack(learn: Learner, x: Tensor, y: Tensor) -> Tensor:
    """The same for images that are attacked by the fast gradient sign method."""
    normalize = _normalize(learn)
    pixels = normalize.undo(x)
    step = EPSILON * _gradient(learn, normalize, pixels, y).sign()
    return _correct(learn, normalize.valid((pixels + step).clamp(0, 1)), y)


def _normalize(learn: Learner) -> Normalize:
    normalize = learn.dls.normalize
    assert normalize is not None
    return normalize


@torch.no_grad()
def _correct(learn: Learner, x: Tensor, y: Tensor) -> Tensor:
    return learn.activation(learn.output(x)).argmax(1) == y


def _gradient(learn: Learner, normalize: Normalize, pixels: Tensor, y: Tensor) -> Tensor:
    """Of the loss with respect to the pixels.

    It is computed in bfloat16 where the learner computes in that, but never in float16, in which
    the gradient of a confident network underflows to 0, and an attack would change nothing.
    """
    pixels = pixels.detach().requires_grad_()
    precision = "bf16" if learn.precision == "bf16" else "fp32"
    with autocast(precision, learn.dls.device):
        output = learn.network(normalize.valid(pixels))
    loss = learn.compute_loss(convert_to_fp32(output), y)
    (gradient,) = torch.autograd.grad(loss, pixels)
    return gradient
