"""A second batch that is not like the first, given to methods that look at both."""

import pytest
import torch

from vicinal import (
    Choice,
    CMixUp,
    GuidedMixUp,
    KernelMixUp,
    MixUp,
    Remix,
    ResizeMix,
    SaliencyMix,
)

MAKERS = {
    "CMixUp": lambda: CMixUp(1.0),
    "GuidedMixUp": GuidedMixUp,
    "KernelMixUp": KernelMixUp,
    "Remix": lambda: Remix([2, 1, 1]),
    "ResizeMix": lambda: ResizeMix(place="plain"),
    "SaliencyMix": SaliencyMix,
    "Choice": lambda: Choice([MixUp(), SaliencyMix()]),
}
IMAGES, CLASSES = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            (torch.rand(6, 3, 16, 16), torch.arange(6) % 3),
            r"second batch has shape \(6, 3, 16, 16\)",
        ),
        ((torch.rand(4, 3, 12, 12), CLASSES), r"second batch has shape \(4, 3, 12, 12\)"),
        ((IMAGES.double(), CLASSES), "second batch has .* dtype torch.float64"),
        ((IMAGES, CLASSES[:3]), r"partners' have \(3,\)"),
    ],
)
def test_it_is_refused_in_one_sentence(make, other, message):
    mixer = make()
    targets = CLASSES.double() if isinstance(mixer, CMixUp) else CLASSES
    with pytest.raises(ValueError, match=message):
        mixer(IMAGES, targets, other=other)
    assert mixer.random.count == 0  # and uses up no draw
