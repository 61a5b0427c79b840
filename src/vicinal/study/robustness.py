"""Accuracy on validation images that are corrupted or attacked.

Source: the kinds of corruption are those of Hendrycks and Dietterich, Benchmarking neural network
robustness (2019); the attack is the fast gradient sign method of Goodfellow et al., Explaining and
harnessing adversarial examples (2015).
"""

from collections.abc import Callable

import torch
from accelerate.utils import convert_to_fp32
from torch import Tensor

from vicinal.data.augment import Normalize
from vicinal.learner.learner import Learner
from vicinal.learner.precision import autocast

NOISE = 0.1  # standard deviation, of pixels in [0, 1]
BLUR = 1 / 32  # standard deviation, of the image's side
CONTRAST = 0.3  # of the image's own
EPSILON = 2 / 255  # the largest change of a pixel by the attack

OnBatch = Callable[[Learner, Tensor, Tensor], Tensor]


def noise(x: Tensor) -> Tensor:
    """Add Gaussian noise to (B, 3, H, W) floats in [0, 1]; the same noise at each call."""
    generator = torch.Generator().manual_seed(0)
    return (x + NOISE * torch.randn(x.shape, generator=generator).to(x)).clamp(0, 1)


def blur(x: Tensor) -> Tensor:
    """Blur (B, 3, H, W) floats in [0, 1]."""
    from torchvision.transforms.v2.functional import gaussian_blur

    sigma = BLUR * min(x.shape[-2:])
    kernel = 2 * max(1, round(3 * sigma)) + 1
    return gaussian_blur(x, [kernel, kernel], [sigma, sigma])


def contrast(x: Tensor) -> Tensor:
    """Lower the contrast of (B, 3, H, W) floats in [0, 1]."""
    from torchvision.transforms.v2.functional import adjust_contrast

    return adjust_contrast(x, CONTRAST)


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
