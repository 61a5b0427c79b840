"""The time of a training step with AlignMix at a layer of a ResNet-18, on one core.

python benchmarks/alignmix.py

16 images of 128 pixels, in float32. ``layer3`` has 64 positions, ``layer2`` 256. The candidates
take turns, so that other programs on the machine slow all of them.
"""

import statistics
import time

import timm
import torch
import torch.nn.functional as F

from vicinal import AlignMix, ManifoldMixUp, Mixer, MixLoss, MixUp

ROUNDS = 7
LAYERS = "layer3", "layer2"


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=10).train()
    made = {"AlignMix": AlignMix(2.0), "MixUp": MixUp(2.0)}
    mixers: dict[str, Mixer | None] = {"plain": None}
    for layer in LAYERS:
        for name, mixer in made.items():
            mixers[f"{name} at {layer}"] = ManifoldMixUp(model, layer, mixer=mixer)
    x, y = torch.randn(16, 3, 128, 128), torch.arange(16) % 10
    seconds: dict[str, list[float]] = {name: [] for name in mixers}
    for _ in range(1 + ROUNDS):  # the first is not counted
        for name, candidate in mixers.items():
            seconds[name].append(step(model, candidate, x, y))
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:20} {1000 * median:6.0f} ms, {median / medians['plain']:.2f} of a plain step")


def step(model: torch.nn.Module, mixer: Mixer | None, x: torch.Tensor, y: torch.Tensor) -> float:
    """The processor time of a call of the mixer, the forward and the backward pass."""
    began = time.process_time()
    given, target = (x, y) if mixer is None else mixer(x, y)
    MixLoss(F.cross_entropy)(model(given), target).backward()
    model.zero_grad()
    return time.process_time() - began


if __name__ == "__main__":
    main()
