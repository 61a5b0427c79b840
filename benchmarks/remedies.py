"""What the remedies for miscalibrated mixing do to accuracy, to probabilities, and to time.

Training without mixing, mixup, cutmix, and four remedies: a clean loss beside the mixed one
(regmixup, and a single network of mixupmp), predictions that are rescaled, and weights that follow
the distance of the partners (kernelmixup). Everything is measured by ``vicinal compare``, which
stores the result of each run as soon as it ends: the same command goes on where it was stopped.

python benchmarks/remedies.py cifar10              # 1,000 images for 100 epochs, five seeds
python benchmarks/remedies.py imagenette           # a tenth of the images, at 64 pixels
python benchmarks/remedies.py cifar10 --estimate   # how long that takes here, by short trials
python benchmarks/remedies.py steps                # the time of a training step of each
python benchmarks/remedies.py digits --epochs 2 --seeds 2    # a minute, to see that it works
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vicinal import CutMix, DataLoaders, KernelMixUp, Learner, MixUp, RegMixUp, RescaledMixUp
from vicinal.bench.timing import Candidate, interleave
from vicinal.models.zoo import create_model
from vicinal.processes import default_device
from vicinal.study.budget import measure_cost
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.tasks import TrainOptions

SECONDS = 30  # for which steps are timed
MIXES = ("none", "mixup", "cutmix", "regmixup", "mixupmp", "rescaledmixup", "kernelmixup")
MEASURES = {
    "accuracy": "accuracy, %",
    "ece": "calibration error, %",
    "ece_scaled": "scaled, %",
    "nll": "negative log-likelihood",
    "nll_scaled": "scaled",
}
DATA: dict[str, dict[str, Any]] = {
    "cifar10": {"data": "../shared/data/cifar10", "train_size": 1000.0},
    "imagenette": {"data": "../shared/data/imagenette", "train_size": 0.1, "size": 64},
    "digits": {"data": "digits", "train_size": 0.2},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=[*DATA, "steps"])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="by default, remedies-WHAT")
    parser.add_argument("--estimate", action="store_true", help="train nothing to the end")
    given = parser.parse_args()
    if given.what == "steps":
        time_steps()
    elif given.estimate:
        estimate(DATA[given.what], given.epochs, given.seeds)
    else:
        folder = given.out or Path(f"remedies-{given.what}")
        train(DATA[given.what], folder, given.epochs, given.seeds, given.jobs)
        print(table(folder))


def train(what: dict[str, Any], folder: Path, epochs: int, seeds: int, jobs: int) -> None:
    """Do the runs that are not done yet."""
    words = ["--mix", ",".join(MIXES), "--model", "resnet9", "--no-pretrained"]
    words += ["--train-size", f"{what['train_size']:g}", "--epochs", str(epochs)]
    words += ["--seeds", str(seeds), "--jobs", str(jobs), "--out", str(folder), "--resume"]
    words += ["--size", str(what["size"])] if "size" in what else []
    command = [sys.executable, "-m", "vicinal", "compare", what["data"], *words]
    code = subprocess.run(command, check=False).returncode
    if code:  # the command has said why; what was done is kept
        sys.exit(code)


def table(folder: Path) -> str:
    """The means over the seeds, and the difference to training without mixing with its interval."""
    runs = pd.read_csv(folder / "runs.csv")
    differences = pd.read_csv(folder / "differences.csv")
    means = runs.groupby("mix", sort=False).mean(numeric_only=True)
    seconds = runs.groupby("mix")["seconds"].median()
    against = {
        (row["mix"].partition(" ")[0], row["measure"]): row for _, row in differences.iterrows()
    }
    lines = [
        "| | " + " | ".join([*MEASURES.values(), "time"]) + " |",
        "|---" + "|---:" * (len(MEASURES) + 1) + "|",
    ]
    for mix, row in means.iterrows():
        cells = [_cell(name, row[name], against.get((str(mix), name))) for name in MEASURES]
        ratio = seconds[mix] / seconds["none"]
        lines.append(f"| `{mix}` | {' | '.join(cells)} | {ratio:.2f} |")
    return "\n".join(lines)


def _cell(name: str, value: float, difference: Any) -> str:
    """The mean, and in brackets the interval of the difference, marked where it is significant."""
    scale, digits = (100, 1) if name in ("accuracy", "ece", "ece_scaled") else (1, 3)
    mean = f"{scale * value:.{digits}f}"
    if difference is None:
        return mean
    low, high = (f"{scale * difference[end]:+.{digits}f}" for end in ("low", "high"))
    mark = "**" if difference["significant"] else ""
    return f"{mark}{mean}{mark} ({low} to {high})"


def estimate(what: dict[str, Any], epochs: int, seeds: int) -> None:
    """Print how long all runs take, by a trial of some batches for each method."""
    options = TrainOptions(
        what["data"], model="resnet9", pretrained=False, size=what.get("size"), epochs=epochs
    )
    config = ExperimentConfig(options, MIXES, epochs=(epochs,), train_sizes=(what["train_size"],))
    experiment = Experiment(config)
    hours = []
    for arm in experiment.arms:
        learner = lambda arm=arm: experiment.prepare(arm, 0).learn  # noqa: E731
        hours.append(measure_cost(learner).run(epochs) / 3600)
        print(f"{arm.method:24} {60 * hours[-1]:6.1f} minutes a run")
    print(f"{seeds} seeds of each: {seeds * sum(hours):.1f} hours, one after the other")


class Steps:
    """Training of resnet9 on batches of 128 images of 32 pixels, in memory."""

    def __init__(self, mixing: Any) -> None:
        torch.manual_seed(0)
        x, y = torch.rand(512, 3, 32, 32), torch.arange(512) % 10
        dls = DataLoaders.from_tensors(x, y, x[:8], y[:8], bs=128)
        model = create_model("resnet9", n_out=10, pretrained=False)
        self.learn = Learner(dls, model, cbs=mixing, precision="auto")

    def epoch(self) -> None:
        with self.learn.no_logging():
            self.learn.fit(1, 1e-3)


def time_steps() -> None:
    """Print the time of a training step of each, as a ratio to that without mixing."""
    mixing: dict[str, Any] = {
        "none": [],
        "mixup": MixUp(0.4),
        "cutmix": CutMix(),
        "regmixup, mixupmp": RegMixUp(),
        "rescaledmixup": RescaledMixUp(),
        "kernelmixup": KernelMixUp(),
    }
    candidates = [Candidate(name, Steps(each).epoch) for name, each in mixing.items()]
    interleave(candidates, SECONDS, default_device())
    for each in candidates:
        print(f"{each.name:20} {each.median / candidates[0].median:.2f}")


if __name__ == "__main__":
    main()
