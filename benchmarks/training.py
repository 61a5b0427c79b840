"""Training by the Learner, beside the same loop written by hand and fastai's Learner.

One network, one batch size and the same images in memory; all take turns, an epoch each, and
medians are compared. The loop by hand is the fastest that we know to write in plain torch: it
gathers uint8 images, normalises them, and computes in bfloat16 and channels_last where the
processor has it. It does not mix. fastai's Learner mixes, as ours does.

python benchmarks/training.py            # images of 28, 64 and 128 pixels
python benchmarks/training.py 28 5       # one size, for five seconds
"""

import contextlib
import io
import sys

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal import DataLoaders, Learner, MixUp, Normalize
from vicinal.bench.timing import Candidate, interleave
from vicinal.learner.precision import autocast, choose_precision
from vicinal.models.zoo import create_model

CPU = torch.device("cpu")
BATCHES = 20
SIZES = {28: 256, 64: 128, 128: 64}  # pixels, and images in a batch
MEAN, STD = [0.5] * 3, [0.25] * 3
PRECISION, _ = choose_precision("auto", CPU)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return create_model("resnet9", n_out=10, pretrained=False)


def adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), 1e-3)


class ByHand:
    """The loop that people write who want all of the machine."""

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int) -> None:
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.model = network().to(memory_format=torch.channels_last).train()
        self.optimizer = adamw(self.model)
        self.mean, self.std = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (MEAN, STD))

    def epoch(self) -> None:
        for rows in torch.randperm(len(self.images)).split(self.batch_size):
            x = self.images[rows].to(memory_format=torch.channels_last)
            x = (x.float() - self.mean) / self.std
            with autocast(PRECISION, CPU):
                output = self.model(x)
            F.cross_entropy(output.float(), self.labels[rows]).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


class Ours:
    """The Learner, with a mixer or without."""

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int, cbs: list) -> None:
        dls = DataLoaders.from_tensors(
            images, labels, images[:16], labels[:16],
            bs=batch_size, transforms=[Normalize(MEAN, STD)], device="cpu",
        )  # fmt: skip
        opt_func = lambda groups, lr: torch.optim.AdamW(groups, lr)  # noqa: E731
        self.learn = Learner(dls, network(), opt_func=opt_func, cbs=cbs, precision=PRECISION)

    def epoch(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.learn.fit(1, 1e-3)


class Fastai:
    """fastai's Learner with its MixUp, on normalised floats that lie in memory."""

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int) -> None:
        import fastai.callback.progress  # noqa: F401  (gives the Learner no_bar)
        from fastai.callback.mixup import MixUp as Mix
        from fastai.data.core import DataLoaders as Loaders
        from fastai.learner import Learner as Their
        from fastai.losses import CrossEntropyLossFlat

        x = (images.float() / 255 - MEAN[0]) / STD[0]
        samples = list(zip(x, labels, strict=True))
        dls = Loaders.from_dsets(samples, samples[:16], bs=batch_size, num_workers=0, device="cpu")
        self.learn = Their(dls, network(), CrossEntropyLossFlat(), cbs=Mix(0.4))

    def epoch(self) -> None:
        with self.learn.no_bar(), self.learn.no_logging():
            self.learn.fit(1, 1e-3)


def main() -> None:
    sizes = [int(sys.argv[1])] if len(sys.argv) > 1 else list(SIZES)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    print(f"{PRECISION}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for size in sizes:
        batch_size = SIZES[size]
        count = BATCHES * batch_size
        images = torch.randint(256, (count, 3, size, size), dtype=torch.uint8)
        data = images, torch.randint(10, (count,)), batch_size
        trainers = {
            "by hand, no mixing": ByHand(*data),
            "Learner, no mixing": Ours(*data, cbs=[]),
            "Learner, MixUp": Ours(*data, cbs=[MixUp(0.4, seed=0)]),
            "fastai, MixUp": Fastai(*data),
        }
        candidates = [Candidate(name, trainer.epoch) for name, trainer in trainers.items()]
        interleave(candidates, seconds, CPU)
        fastest = candidates[0].median
        print(f"{size} pixels, batches of {batch_size}")
        for candidate in candidates:
            share = fastest / candidate.median
            print(f"  {candidate.name:20} {count / candidate.median:8.0f} images/s  {share:.3f}")


if __name__ == "__main__":
    main()
