"""How a network stands images that are worse than those it was trained on."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from vicinal.data.augment import Normalize
from vicinal.learner.learner import Learner
from vicinal.losses import MixLoss

NOISE = 0.1  # standard deviation, of pixels in [0, 1]
BLUR = 1 / 32  # standard deviation, of the image's side
CONTRAST = 0.3  # of its own
EPSILON = 2 / 255  # the largest change of a pixel by the attack


def noise(x: Tensor) -> Tensor:
    """Gaussian noise, the same at each call; x: (B, 3, H, W) in [0, 1], as for all of these."""
    generator = torch.Generator().manual_seed(0)
    return (x + NOISE * torch.randn(x.shape, generator=generator).to(x)).clamp(0, 1)


def blur(x: Tensor) -> Tensor:
    sigma = BLUR * min(x.shape[-2:])
    reach = 2 * max(1, round(3 * sigma)) + 1
    return tv.gaussian_blur(x, [reach, reach], [sigma, sigma])


def contrast(x: Tensor) -> Tensor:
    return tv.adjust_contrast(x, CONTRAST)


CORRUPTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
}


def robustness(learn: Learner) -> dict[str, Tensor]:
    """Whether each validation image is recognised when it is corrupted, and when it is attacked.

    Args:
        learn: of images, with their normalising among the transforms.

    Returns:
        For ``noise``, ``blur``, ``contrast`` and ``fgsm`` (N,) float64, 1 where right.

    Source: the kinds of corruption are of Hendrycks and Dietterich, Benchmarking neural network
    robustness (2019); the attack is the fast gradient sign method of Goodfellow et al., Explaining
    and harnessing adversarial examples (2015).
    """
    normalize = learn.dls.normalize
    assert normalize is not None
    right: dict[str, list[Tensor]] = {name: [] for name in (*CORRUPTIONS, "fgsm")}
    with learn.evaluating():
        for x, y in learn.dls.valid:
            pixels = normalize.undo(x)
            for name, corrupt in CORRUPTIONS.items():
                right[name].append(_right(learn, normalize.valid(corrupt(pixels)), y))
            attacked = (pixels + EPSILON * _gradient(learn, normalize, pixels, y).sign()).clamp(
                0, 1
            )
            right["fgsm"].append(_right(learn, normalize.valid(attacked), y))
    return {name: torch.cat(parts).double() for name, parts in right.items()}


@torch.no_grad()
def _right(learn: Learner, x: Tensor, y: Tensor) -> Tensor:
    return (learn.activation(learn.output(x)).argmax(1) == y).cpu()


def _gradient(learn: Learner, normalize: Normalize, pixels: Tensor, y: Tensor) -> Tensor:
    """Of the loss; in full precision, where the gradient of a sure network is not 0."""
    pixels = pixels.detach().requires_grad_()
    loss = MixLoss(learn.loss_func)(learn.model(normalize.valid(pixels)), y)
    (gradient,) = torch.autograd.grad(loss, pixels)
    return gradient
