"""The effect of mixing on segmentation with few images: two handwritten digits on each.

python benchmarks/masks.py

Two of scikit-learn's 1,797 digits, 8 x 8 with ink from 0 to 16, are placed side by side on 16 x 16
pixels, each at a random height. In the mask, pixels with ink of 8 or more have the digit's class,
1 to 10, those without ink class 0, and those between are ignored. A small convolutional network is
trained by the Learner from random weights on 200 images, drawn for each seed, for 60 epochs; 400
images of other digits are held out. The learning rate is the best of three without mixing, on other
seeds. For each seed, all methods have the same images, initial weights and order of batches.

The intersection over union of each of the 11 classes is computed on all valid pixels held out,
after the last epoch; the unweighted mean over classes is reported.
"""

import contextlib
import io
import statistics
from collections.abc import Callable

import torch
from sklearn.datasets import load_digits
from sklearn.metrics import jaccard_score
from torch import Tensor, nn

from vicinal import ClassMix, CutMix, DataLoaders, Learner, Mixer, MixUp
from vicinal.data.split_loader import Batches, TensorData

MIXERS: dict[str, Callable[[int], Mixer] | None] = {
    "no mixing": None,
    "`MixUp(0.4)`": lambda seed: MixUp(0.4, seed=seed),
    "`CutMix(1.0)`": lambda seed: CutMix(1.0, seed=seed),
    "`ClassMix()`": lambda seed: ClassMix(seed=seed),
}
SEEDS, EPOCHS, BATCH = range(5), 60, 20
TRAINED, HELD_OUT = 200, 400
CLASSES, IGNORED = 11, 255


def canvases(digits: Tensor, labels: Tensor) -> TensorData:
    """Images of two digits, (N, 1, 16, 16) floats in [0, 1], and their (N, 16, 16) masks."""
    ink = torch.zeros(len(digits), 16, 8, dtype=torch.int64)
    for canvas, digit, top in zip(ink, digits, torch.randint(9, (len(digits),)), strict=True):
        canvas[top : top + 8] = digit
    masks = (labels[:, None, None] + 1).where(ink >= 8, IGNORED).where(ink > 0, 0)
    x, y = (torch.cat([t[::2], t[1::2]], dim=2) for t in (ink, masks))
    return TensorData(x.unsqueeze(1) / 16, y)


def data(seed: int) -> DataLoaders:
    digits = load_digits()
    torch.manual_seed(seed)
    order = torch.randperm(len(digits.target))
    images, labels = torch.from_numpy(digits.images).long(), torch.from_numpy(digits.target)
    chosen, others = order[: 2 * TRAINED], order[2 * TRAINED : 2 * (TRAINED + HELD_OUT)]
    train = canvases(images[chosen], labels[chosen])
    valid = canvases(images[others], labels[others])
    return DataLoaders(
        Batches(train, BATCH, training=True, seed=seed, device="cpu"),
        Batches(valid, 100, device="cpu"),
        vocab=None,
        n_out=CLASSES,
    )


def network() -> nn.Sequential:
    """Downsampling by 2, and upsampling again; the receptive field is 19 x 19 pixels."""

    def block(inputs: int, outputs: int, **options: int) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, 3, bias=False, **options)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(1, 32, stride=2, padding=1),
        *block(32, 48, padding=1),
        *block(48, 48, padding=2, dilation=2),
        *block(48, 48, padding=1),
        nn.ConvTranspose2d(48, CLASSES, 2, stride=2),
    )


def overlap(make: Callable[[int], Mixer] | None, seed: int) -> float:
    """Train a network, and return its mean intersection over union, in per cent."""
    dls = data(seed)
    torch.manual_seed(seed)
    criterion = nn.CrossEntropyLoss(ignore_index=IGNORED)
    learn = Learner(dls, network(), criterion, cbs=make(seed) if make else ())
    with contextlib.redirect_stdout(io.StringIO()):
        learn.fit_one_cycle(EPOCHS, 2e-2)
    scores, masks = learn.get_preds()
    valid = masks != IGNORED
    predicted = scores.argmax(dim=1)[valid]
    return 100 * float(jaccard_score(masks[valid], predicted, average="macro"))


def main() -> None:
    print(f"| | {' | '.join(f'seed {seed}' for seed in SEEDS)} | mean | gain, mean ± deviation |")
    print(f"|---|{'---:|' * (len(SEEDS) + 2)}")
    plain: list[float] = []
    for name, make in MIXERS.items():
        found = [overlap(make, seed) for seed in SEEDS]
        plain = plain or found
        gains = [new - old for new, old in zip(found, plain, strict=True)]
        gain = f"{statistics.mean(gains):+.1f} ± {statistics.stdev(gains):.1f}" if make else ""
        runs = " | ".join(f"{percent:.1f} %" for percent in found)
        print(f"| {name} | {runs} | {statistics.mean(found):.1f} % | {gain} |", flush=True)


if __name__ == "__main__":
    main()
