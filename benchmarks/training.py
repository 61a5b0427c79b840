"""Training by the Learner, beside the same loop written by hand and fastai's Learner.

One network, one batch size and the same images in memory; all take turns, an epoch each, in
processes of their own, and medians are compared. The loop by hand is the fastest that we know to
write in plain torch: it gathers uint8 images, normalises them, and computes in bfloat16 and
channels_last where the processor has it. It does not mix. fastai's Learner mixes, as ours does.

python benchmarks/training.py            # images of 28, 64 and 128 pixels
python benchmarks/training.py 28 5       # one size, for five seconds
"""

import contextlib
import io
import multiprocessing
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal import DataLoaders, Learner, MixUp, Normalize
from vicinal.bench.timing import Candidate, interleave
from vicinal.learner.precision import autocast, choose_precision
from vicinal.memory import keep_freed_memory
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

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        mixes: bool = False,
        compile: bool = False,
    ) -> None:
        dls = DataLoaders.from_tensors(
            images, labels, images[:16], labels[:16],
            bs=batch_size, transforms=[Normalize(MEAN, STD)], device="cpu",
        )  # fmt: skip
        self.learn = Learner(
            dls,
            network(),
            opt_func=torch.optim.AdamW,
            cbs=[MixUp(0.4, seed=0)] if mixes else [],
            precision=PRECISION,
            compile=compile,
        )

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


class InItsOwnProcess:
    """A trainer in a process of its own, as its users start it; it trains when it is told to.

    ``vicinal train`` keeps the memory that it frees; so do our trainers here and the loop by hand.
    fastai is taken as it comes.
    """

    def __init__(self, make: Callable[..., Any], size: int, keeps_memory: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        work = (there, make, size, keeps_memory)
        self.process = context.Process(target=_work, args=work, daemon=True)
        self.process.start()
        self.pipe.recv()

    def epoch(self) -> None:
        self.pipe.send("epoch")
        self.pipe.recv()

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def _work(pipe: Any, make: Callable[..., Any], size: int, keeps_memory: bool) -> None:
    if keeps_memory:
        keep_freed_memory()
    generator = torch.Generator().manual_seed(0)
    count = BATCHES * SIZES[size]
    shape = (count, 3, size, size)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    trainer = make(images, torch.randint(10, (count,), generator=generator), SIZES[size])
    while True:
        pipe.send("ready")
        pipe.recv()
        trainer.epoch()


TRAINERS: dict[str, tuple[Callable[..., Any], bool]] = {
    "by hand, no mixing": (ByHand, True),
    "Learner, no mixing": (Ours, True),
    "Learner, MixUp": (partial(Ours, mixes=True), True),
    "Learner, MixUp, compiled": (partial(Ours, mixes=True, compile=True), True),
    "fastai, MixUp": (Fastai, False),
}


def main() -> None:
    sizes = [int(sys.argv[1])] if len(sys.argv) > 1 else list(SIZES)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    print(f"{PRECISION}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for size in sizes:
        trainers = {
            name: InItsOwnProcess(make, size, keeps) for name, (make, keeps) in TRAINERS.items()
        }
        candidates = [Candidate(name, trainer.epoch) for name, trainer in trainers.items()]
        interleave(candidates, seconds, CPU)
        print(f"{size} pixels, batches of {SIZES[size]}")
        fastest, slowest = candidates[0].median, candidates[-1].median
        for each in candidates:
            speed = BATCHES * SIZES[size] / each.median
            ratios = f"{fastest / each.median:.3f} of by hand, {slowest / each.median:.2f} fastai's"
            print(f"  {each.name:26}{speed:8.0f} images/s  {ratios}")
        for trainer in trainers.values():
            trainer.end()


if __name__ == "__main__":
    main()
