"""The effect of mixing on short series of different lengths: digits, read from left to right.

python benchmarks/series.py

scikit-learn's 1,797 digits become series of their columns, 8 values each, without the empty columns
on both sides. A GRU is trained on a random half of them for 60 epochs, and tested on the other.
"""

import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vicinal import CutMix, Mixer, MixLoss, MixUp

MIXERS: dict[str, Callable[..., Mixer] | None] = {
    "no mixing": None,
    "MixUp": lambda **o: MixUp(0.4, maximum="length", **o),
    "MixUp, lengths as they are": lambda **o: MixUp(0.4, fields="series", **o),
    "CutMix along time": lambda **o: CutMix(1.0, dim=-2, maximum="length", **o),
}
SEEDS, EPOCHS, BATCH = range(3), 60, 64


class Reader(nn.Module):
    """A GRU that classifies by its last state of each series."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 64, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: dict[str, Tensor]) -> Tensor:
        states, _ = self.gru(x["series"])
        return self.head(states[torch.arange(len(states)), x["length"] - 1])


def digits() -> tuple[dict[str, Tensor], Tensor]:
    data = load_digits()
    columns = torch.from_numpy(data.images).float().div(16).transpose(1, 2)
    series = []
    for digit in columns:
        inked = digit.any(1).nonzero().flatten()
        series.append(digit[inked[0] : inked[-1] + 1])
    length = torch.tensor([len(s) for s in series])
    x = {"series": pad_sequence(series, batch_first=True), "length": length}
    return x, torch.from_numpy(data.target)


def rows(x: dict[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    return {name: t[chosen] for name, t in x.items()}


def accuracy(make: Callable[..., Mixer] | None, seed: int, x: Any, y: Tensor) -> float:
    """Train on one half of the data, and return the accuracy on the other, in per cent."""
    torch.manual_seed(seed)
    train, test = torch.randperm(len(y)).tensor_split(2)
    mixer = None if make is None else make(seed=seed)
    model, criterion = Reader(), MixLoss(F.cross_entropy)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    steps = EPOCHS * (len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    for _ in range(EPOCHS):
        order = train[torch.randperm(len(train))]
        for chosen in order[: len(train) // BATCH * BATCH].split(BATCH):
            batch, labels = rows(x, chosen), y[chosen]
            if mixer is not None:
                batch, labels = mixer(batch, labels)
            criterion(model(batch), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    with torch.no_grad():
        correct = model(rows(x, test)).argmax(1) == y[test]
    return 100 * float(correct.double().mean())


def main() -> None:
    x, y = digits()
    for name, make in MIXERS.items():
        found = [accuracy(make, seed, x, y) for seed in SEEDS]
        runs = "  ".join(f"{percent:.1f} %" for percent in found)
        mean, deviation = statistics.mean(found), statistics.stdev(found)
        print(f"{name:28} {runs}   {mean:.1f} ± {deviation:.1f} %", flush=True)


if __name__ == "__main__":
    main()
