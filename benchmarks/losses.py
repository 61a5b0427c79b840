"""What the loss of mixed labels costs beside the plain one, forward and backward.

Medians of interleaved steps, by the number of classes; MixLoss reads two labels for each sample,
cross-entropy reads one.

python benchmarks/losses.py
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal import MixedTarget, MixLoss

SIZES = [(512, 10), (512, 100), (512, 1000), (512, 10_000), (64, 50_000), (512, 50_000)]
SECONDS = 4  # for each size


def seconds(loss: Callable[[], Tensor], output: Tensor) -> float:
    output.grad = None
    start = time.perf_counter()
    loss().backward()
    return time.perf_counter() - start


def main() -> None:
    print("batch classes  cross-entropy        MixLoss  ratio")
    for batch, classes in SIZES:
        output = torch.randn(batch, classes, requires_grad=True)
        own, partner = torch.randint(classes, (2, batch))
        target, mix_loss = MixedTarget(own, partner, torch.rand(batch)), MixLoss(F.cross_entropy)
        losses = (lambda: F.cross_entropy(output, own), lambda: mix_loss(output, target))  # noqa: B023
        taken: list[list[float]] = []
        end = time.perf_counter() + SECONDS
        while len(taken) < 15 or time.perf_counter() < end:
            taken.append([seconds(loss, output) for loss in losses])
        plain, mixed = (statistics.median(times) for times in zip(*taken[5:], strict=True))
        times = f"{plain * 1e6:11,.0f} µs {mixed * 1e6:11,.0f} µs"
        print(f"{batch:5} {classes:7,} {times} {mixed / plain:6.2f}")


if __name__ == "__main__":
    main()
