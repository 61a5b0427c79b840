"""The speed of training by the Learner, beside the same loop written by hand and fastai's Learner.

All use the same network, batch size and image files; they take turns, an epoch each, and medians
are compared. The loop by hand is the fastest that we can write in plain torch: it reads the files
once, gathers uint8 images, normalises them, and computes in bfloat16 and channels_last if the
processor supports it. It does not mix. fastai's Learner mixes, as ours does; it is timed on files
and on normalised floats in memory, without worker processes, which on few cores only compete with
the training.

python benchmarks/training.py            # images of 28, 64 and 128 pixels
python benchmarks/training.py 28 5       # one size, for five seconds
"""

import contextlib
import io
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torchvision.io import decode_image, write_jpeg

from vicinal import ImageDataLoaders, Learner, MixUp, Normalize
from vicinal.bench.timing import Candidate, interleave
from vicinal.learner.precision import autocast, choose_precision
from vicinal.memory import keep_freed_memory
from vicinal.models.zoo import create_model

Maker = Callable[[Path, int], Any]  # from a folder of images and a batch size to a trainer
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


def write_images(folder: Path, size: int) -> None:
    """Write JPEG files of ten classes: as many as the batches need, and a few for validation."""
    generator = torch.Generator().manual_seed(0)
    for part, count in ("train", BATCHES * SIZES[size]), ("valid", 20):
        for number in range(count):
            class_folder = folder / part / str(number % 10)
            class_folder.mkdir(parents=True, exist_ok=True)
            coarse = torch.rand(1, 3, 8, 8, generator=generator) * 255
            image = F.interpolate(coarse, size=(size, size), mode="bicubic")[0].clamp(0, 255)
            write_jpeg(image.byte(), str(class_folder / f"{number}.jpg"), quality=90)


class ByHand:
    """A hand-written training loop, optimised for speed."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        files = list((folder / "train").glob("*/*.jpg"))
        self.images = torch.stack([decode_image(str(file)) for file in files])
        self.labels = torch.tensor([int(file.parent.name) for file in files])
        self.batch_size = batch_size
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
    """The Learner with or without a mixer."""

    def __init__(
        self, folder: Path, batch_size: int, mixes: bool = False, compile: bool = False
    ) -> None:
        dls = ImageDataLoaders.from_folder(
            folder, bs=batch_size, batch_tfms=[], normalize=Normalize(MEAN, STD), device="cpu"
        )
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
    """fastai's Learner with its MixUp."""

    def __init__(self, folder: Path, batch_size: int, in_memory: bool = False) -> None:
        import fastai.callback.progress  # noqa: F401  (gives the Learner no_bar)
        from fastai.callback.mixup import MixUp as Mix
        from fastai.data.core import DataLoaders as Loaders
        from fastai.data.transforms import Normalize as Normalized
        from fastai.learner import Learner as Their
        from fastai.losses import CrossEntropyLossFlat
        from fastai.vision.data import ImageDataLoaders as Images

        dls = Images.from_folder(
            folder,
            bs=batch_size,
            batch_tfms=Normalized.from_stats(MEAN, STD, cuda=False),
            device="cpu",
            num_workers=0,
        )
        if in_memory:
            pairs = [pair for x, y in dls.train for pair in zip(x, y, strict=True)]
            samples = [(torch.Tensor(x), torch.tensor(int(y))) for x, y in pairs]
            dls = Loaders.from_dsets(
                samples, samples[:20], bs=batch_size, num_workers=0, device="cpu"
            )
        self.learn = Their(dls, network(), CrossEntropyLossFlat(), cbs=Mix(0.4))

    def epoch(self) -> None:
        with self.learn.no_bar(), self.learn.no_logging():
            self.learn.fit(1, 1e-3)


OURS: dict[str, Maker] = {
    "by hand, no mixing": ByHand,
    "Learner, no mixing": Ours,
    "Learner, MixUp": partial(Ours, mixes=True),
    "Learner, MixUp, compiled": partial(Ours, mixes=True, compile=True),
}
IN_MEMORY: dict[str, Maker] = {"fastai, MixUp, in memory": partial(Fastai, in_memory=True)}
FROM_FILES: dict[str, Maker] = {"fastai, MixUp, from files": Fastai}


class TrainingProcess:
    """Trainers in a process of their own, each of which trains an epoch on request.

    ``vicinal train`` does not return freed memory to the system; nor do our trainers and the loop
    by hand here. fastai runs with its defaults.
    """

    def __init__(
        self, makers: dict[str, Maker], folder: Path, size: int, keeps_memory: bool
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other_end = context.Pipe()
        arguments = (other_end, makers, folder, size, keeps_memory)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        self.pipe.recv()

    def epoch(self, name: str) -> None:
        self.pipe.send(name)
        self.pipe.recv()

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def _serve(
    pipe: Any, makers: dict[str, Maker], folder: Path, size: int, keeps_memory: bool
) -> None:
    if keeps_memory:
        keep_freed_memory()
    trainers = {name: make(folder, SIZES[size]) for name, make in makers.items()}
    while True:
        pipe.send("ready")
        trainers[pipe.recv()].epoch()


def race(size: int, seconds: float) -> None:
    """Time all trainers on images of one size, and print how they compare."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        write_images(Path(folder), size)
        candidates = []
        for makers in (OURS, IN_MEMORY, FROM_FILES):
            process = TrainingProcess(makers, Path(folder), size, keeps_memory=makers is OURS)
            running.callback(process.end)
            candidates += [Candidate(name, partial(process.epoch, name)) for name in makers]
        interleave(candidates, seconds, CPU)
    print(f"{size} pixels, batches of {SIZES[size]}")
    by_hand, *_, in_memory, from_files = (each.median for each in candidates)
    for each in candidates:
        print(
            f"  {each.name:26}{BATCHES * SIZES[size] / each.median:8.0f} images/s, "
            f"{by_hand / each.median:.3f} of by hand, {in_memory / each.median:.2f} of fastai's "
            f"in memory, {from_files / each.median:.2f} from files"
        )


def main() -> None:
    sizes = [int(sys.argv[1])] if len(sys.argv) > 1 else list(SIZES)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    print(f"{PRECISION}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for size in sizes:
        race(size, seconds)


if __name__ == "__main__":
    main()
