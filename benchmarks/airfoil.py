"""Regression with and without mixing: the protocol of C-Mixup on the airfoil data.

As in the code that its authors published: 1,503 rows are shuffled, the five inputs scaled to [0, 1]
over all rows, and split into 1,003, 300 and 200 rows for training, validation and test. A network
with two layers of 128 units (LeakyReLU of slope 0.1) is trained on the unscaled sound pressure in
dB by Adam at 0.01 for 100 epochs of 62 batches of 16. Weights come from Beta(2, 2), one for each
batch; the bandwidth is 1.75 dB. Hidden mixing mixes the first layer's output. The root mean squared
error on the test part is reported of the epoch with the lowest one on the validation part, as in
the paper, and of the last epoch.

python benchmarks/airfoil.py ../shared/data/airfoil/airfoil.csv            # seeds 0 to 4
python benchmarks/airfoil.py ../shared/data/airfoil/airfoil.csv 20         # seeds 0 to 19
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vicinal import CMixUp, MixLoss, MixUp, rmse
from vicinal.mixing.hidden import ManifoldMixUp

EPOCHS, BATCH_SIZE = 100, 16
PAPERS: dict[str, Any] = {"alpha": 2.0, "per": "batch"}
Part = tuple[Tensor, Tensor]
# From a batch to the network's output and the target to compare it with.
Forward = Callable[[Tensor, Tensor], tuple[Tensor, Any]]


def parts(file: str, seed: int) -> list[Part]:
    """Training, validation and test part."""
    rows = torch.from_numpy(np.loadtxt(file, delimiter=",", skiprows=1))
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    x, y = rows[:, :5], rows[:, 5:]
    x = (x - x.amin(0)) / (x.amax(0) - x.amin(0))
    return list(zip(*(t.float().split([1003, 300, 200]) for t in (x, y)), strict=True))


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [nn.Linear(5, 128), nn.LeakyReLU(0.1), nn.Linear(128, 128), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Linear(128, 1))


class HiddenFromTheWholeSet:
    """C-Mixup from the whole training part on the first layer's output, as its authors train."""

    def __init__(self, model: nn.Sequential, train: Part, seed: int) -> None:
        self.first, self.rest = model[:2], model[2:]
        self.mixer = CMixUp(1.75, **PAPERS, pool=train, seed=seed)

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, Any]:
        mix = self.mixer.draw(x, y)
        others, values = mix.other
        hidden = mix(self.first(x), other=self.first(others))
        return self.rest(hidden), mix.target(y, other=values)


def through(mixer_of: Callable[[nn.Sequential, Part, int], Any]) -> Callable[..., Forward]:
    """A batch is mixed, then goes through the network."""

    def make(model: nn.Sequential, train: Part, seed: int) -> Forward:
        mixer = mixer_of(model, train, seed)

        def forward(x: Tensor, y: Tensor) -> tuple[Tensor, Any]:
            x, target = mixer(x, y)
            return model(x), target

        return forward

    return make


METHODS: dict[str, Callable[..., Forward]] = {
    "plain": through(lambda model, train, seed: lambda x, y: (x, y)),
    "mixup": through(lambda model, train, seed: MixUp(folded=False, seed=seed, **PAPERS)),
    "mixup, hidden": through(
        lambda model, train, seed: ManifoldMixUp(
            model, "1", mixer=MixUp(folded=False, **PAPERS), seed=seed
        )
    ),
    "C-Mixup in the batch": through(lambda model, train, seed: CMixUp(1.75, seed=seed, **PAPERS)),
    "C-Mixup in the batch, hidden": through(
        lambda model, train, seed: ManifoldMixUp(
            model, "1", mixer=CMixUp(1.75, **PAPERS), seed=seed
        )
    ),
    "C-Mixup, whole set": through(
        lambda model, train, seed: CMixUp(1.75, pool=train, seed=seed, **PAPERS)
    ),
    "C-Mixup, whole set, hidden": HiddenFromTheWholeSet,
}


def trained(make: Callable[..., Forward], file: str, seed: int) -> tuple[float, float]:
    """Train, and return the test errors of the best epoch and of the last."""
    train, valid, test = parts(file, seed)
    model = network(seed)
    forward, criterion = make(model, train, seed), MixLoss(nn.MSELoss())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    order = torch.Generator().manual_seed(seed)
    best, best_test, last_test = float("inf"), float("nan"), float("nan")
    for _ in range(EPOCHS):
        model.train()
        rows = torch.randperm(len(train[0]), generator=order)
        for batch in rows[: len(rows) // BATCH_SIZE * BATCH_SIZE].split(BATCH_SIZE):
            loss = criterion(*forward(train[0][batch], train[1][batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            error = float(rmse(model(valid[0]), valid[1]))
            last_test = float(rmse(model(test[0]), test[1]))
        if error <= best:
            best, best_test = error, last_test
    return best_test, last_test


def main() -> None:
    file = sys.argv[1]
    seeds = range(int(sys.argv[2]) if len(sys.argv) > 2 else 5)
    print(f"{len(seeds)} seeds, {torch.get_num_threads()} thread(s), torch {torch.__version__}")
    print(f"{'RMSE in dB':30}{'best validation':>18}{'last epoch':>18}{'seconds a run':>16}")
    for name, make in METHODS.items():
        start = time.perf_counter()
        errors = [trained(make, file, seed) for seed in seeds]
        seconds = (time.perf_counter() - start) / len(seeds)
        cells = "".join(
            f"{f'{statistics.mean(each):.3f} ± {statistics.stdev(each):.3f}':>18}"
            for each in zip(*errors, strict=True)
        )
        print(f"{name:30}{cells}{seconds:>16.1f}", flush=True)


if __name__ == "__main__":
    main()
