"""What each of several processes computes for test_processes.py, and saves to be compared."""

import contextlib
import io
import sys
from pathlib import Path

import torch
from torch import nn

from vicinal import (
    BatchTransform,
    DataLoaders,
    F1Score,
    Learner,
    MixUp,
    RegMixUp,
    RescaledMixUp,
    SaveBest,
    accuracy,
    aug_transforms,
)
from vicinal.processes import this_process

TRAIN, VALID, CLASSES = 100, 37, 3


def data(bs):
    """Every sample has its number in its first column; 37 cannot be divided evenly."""
    x = torch.randn(TRAIN + VALID, 5, generator=torch.Generator().manual_seed(0))
    x[:, 0] = torch.arange(len(x)) / len(x)
    y = (x[:, 1:4]).argmax(dim=1)
    parts = x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]
    return DataLoaders.from_tensors(*parts, bs=bs, device="cpu")


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def learner(bs, **kwargs):
    kwargs.setdefault("model", network())
    kwargs.setdefault("metrics", accuracy)
    return Learner(data(bs), **kwargs)


def numbers(batches):
    return torch.cat([x[:, 0] for x, _ in batches]).mul(TRAIN + VALID).round().int().tolist()


def order():
    dls = data(8)
    return [numbers(dls.train) for _ in range(2)], numbers(dls.valid), len(dls.train)


def as_one(processes):
    """A training without anything that differs between processes."""
    learn = learner(24 // processes)
    learn.fit_one_cycle(3, 0.05)
    return without_seconds(learn.history), learn.model.state_dict()


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def with_batch_norm(folder):
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, CLASSES))
    metrics = [accuracy, F1Score(average="macro")]
    learn = learner(8, model=model, metrics=metrics, cbs=[MixUp(0.4), SaveBest()], path=folder)
    learn.fit(3, 0.05)
    probabilities, targets = learn.get_preds()
    return {
        "weights": model.state_dict(),
        "validated": dict(learn.validate()),
        "row": min(learn.history, key=lambda row: row["valid_loss"]),
        "probabilities": probabilities,
        "targets": targets,
        "worst": [sample.index for sample in learn.interpret().worst(5)],
        "rate": learn.lr_find(num_it=30).suggestion,
    }


class Seen(nn.Linear):
    """Records what it is trained on."""

    def __init__(self):
        super().__init__(2, 2)
        self.batches = []

    def forward(self, x):
        if self.training:
            self.batches.append(x.clone())
        return super().forward(x)


def mixed(mixer):
    """The mixed versions of one batch."""
    x, y = torch.tensor([[0.0, 1.0]]).repeat(64, 1), torch.arange(64) % 2
    x[y == 1] += 2
    learn = Learner(DataLoaders.from_tensors(x, y, x, y, bs=32, device="cpu"), Seen(), cbs=mixer)
    learn.fit(1, 0.0)
    return torch.cat(learn.model.batches)


def remedies():
    rescaled, beside = (learner(8, cbs=each(MixUp(seed=3))) for each in (RescaledMixUp, RegMixUp))
    for learn in (rescaled, beside):
        with learn.no_logging():
            learn.fit(2, 0.05)
    mean, probabilities = rescaled.rescaling.mean_x, rescaled.get_preds()[0]
    return {"mean": mean, "probabilities": probabilities, "weights": beside.model.state_dict()}


def changed():
    """The augmented versions of one image."""
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).repeat(64, 1, 1, 1)
    y, changes = torch.arange(64) % 2, aug_transforms()
    dls = DataLoaders.from_tensors(x, y, x, y, bs=16, transforms=changes, device="cpu")
    return torch.cat([x for x, _ in dls.train])


class Doubled(BatchTransform):
    def train(self, x, generator):
        return 2 * x


def averaged():
    """Test-time augmentation of the seven least confident samples, by views that are not random."""
    dls = data(8)
    dls.train.transforms.append(Doubled())
    return Learner(dls, network()).tta(n=1, uncertain=0.2)


def too_many_processes():
    try:
        learner(60).fit(1, 0.1)
    except Exception as error:
        return str(error)


def main(folder):
    process = this_process()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        results = {
            "order": order(),
            "as_one": as_one(process.num_processes),
            "batch_norm": with_batch_norm(folder),
            "mixed": mixed(MixUp(seed=3)),
            "mixed_without_seed": mixed(MixUp),
            "changed": changed(),
            "remedies": remedies(),
            "averaged": averaged(),
            "too_many": too_many_processes(),
        }
    results["printed"] = printed.getvalue()
    torch.save(results, folder / f"{process.process_index}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
