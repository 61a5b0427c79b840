"""A verdict on each mixing method: accuracy, calibration, and the time of a step.

Two cells in which mixing pays: a network that starts from random weights learns few images for many
epochs. Every method that serves images of classes is compared with training without mixing, with
mixup and with cutmix. Everything is measured by ``vicinal compare``, which stores the result of
each run as soon as it ends: the same command goes on where it was stopped, also with new methods.

python benchmarks/methods.py cifar10               # 1,000 images, 150 epochs, five seeds
python benchmarks/methods.py imagenette            # a tenth, at 64 pixels, 100 epochs, three seeds
python benchmarks/methods.py cifar10 --table       # of what is done so far
python benchmarks/methods.py steps                 # the time of a training step of each
python benchmarks/methods.py digits --seeds 2      # some minutes, to see that it works

An interval is that of its own comparison: one in twenty misses. Bold is what all comparisons of its
column show together.
"""

import argparse
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from maps import read

from vicinal import Callback, Learner
from vicinal.formatting import format_percent
from vicinal.methods import NONE, methods_for
from vicinal.study.analysis import Analysis
from vicinal.study.arms import Arm
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.intervals import interval
from vicinal.study.measure import Measure
from vicinal.study.measures import MEASURES
from vicinal.tasks import TrainOptions

ROUNDS = 5  # of one epoch each, by which steps are timed
AGAINST = (NONE, "mixup", "cutmix")
IN_TURNS = "mixup+cutmix"
LEFT_OUT = ("transmix",)  # it needs a vision transformer


@dataclass(frozen=True)
class Setting:
    """What is trained: the words of ``vicinal compare``, and how many seeds."""

    words: str
    seeds: int


SETTINGS = {
    "cifar10": Setting("../shared/data/cifar10 --train-size 1000 --epochs 150", 5),
    "imagenette": Setting("../shared/data/imagenette --train-size 0.1 --size 64 --epochs 100", 3),
    "digits": Setting("digits --size 32 --train-size 0.1 --epochs 20", 2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=[*SETTINGS, "steps"])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="by default, methods-WHAT")
    parser.add_argument("--table", action="store_true", help="train nothing")
    given = parser.parse_args()
    if given.what == "steps":
        time_steps()
        return
    folder = given.out or Path(f"methods-{given.what}")
    if not given.table:
        setting = SETTINGS[given.what]
        train(setting.words, folder, given.seeds or setting.seeds, given.jobs)
    print(table(folder))


def names() -> list[str]:
    """The methods that are tried, those that others are compared with first."""
    found = [entry.name for entry in methods_for("images", "classes")]
    others = [name for name in found if name not in {*AGAINST, *LEFT_OUT}]
    return [*AGAINST, IN_TURNS, *others]


def train(words: str, folder: Path, seeds: int, jobs: int) -> None:
    """Do the runs that are not done yet."""
    data, *options = words.split()
    options += ["--model", "resnet9", "--no-pretrained", "--mix", ",".join(names())]
    options += ["--seeds", str(seeds), "--jobs", str(jobs), "--out", str(folder), "--resume"]
    command = [sys.executable, "-m", "vicinal", "compare", data, *options]
    code = subprocess.run(command, check=False).returncode
    if code:  # the command has said why; what was done is kept
        sys.exit(code)


def table(folder: Path) -> str:
    """A row for each method, of what is done so far."""
    arms, results, _ = read(folder)
    analysis = Analysis(arms, results)
    accuracy, error = MEASURES["accuracy"], MEASURES["ece"]
    baselines = [arm for name in AGAINST for arm in arms if arm.mix == name]
    titles = [f"against {arm.mix}" for arm in baselines]
    titles = ["", "accuracy, %", *titles, "calibration error, %", titles[0]]
    lines = [f"| {' | '.join(titles)} |", "|---" + "|---:" * (len(titles) - 1) + "|"]
    for arm in arms:
        if not analysis.of(arm):
            continue
        cells = [_mean(analysis, arm, accuracy)]
        cells += [_gain(analysis, arm, base, accuracy) for base in baselines]
        cells += [_mean(analysis, arm, error), _gain(analysis, arm, baselines[0], error)]
        lines.append(f"| `{arm.mix}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(analysis: Analysis, arm: Arm, measure: Measure) -> str:
    mean = analysis.mean(arm, measure)
    return "" if mean is None else format_percent(mean)


def _gain(analysis: Analysis, arm: Arm, base: Arm, measure: Measure) -> str:
    """Such as "+1.2 (+0.3 to +2.1)", in points; bold where all of a column show it together."""
    others = {result.seed: result for result in analysis.of(base, measure)}
    pairs = [(run, others[run.seed]) for run in analysis.of(arm, measure) if run.seed in others]
    if arm == base or not pairs:
        return ""
    name = measure.compared
    differences = np.stack([(a.values[name] - b.values[name]).numpy() for a, b in pairs])
    kind = {"paired": measure.paired, "rounded": measure.percent}
    alone = interval(differences, **kind)
    if alone.low is None or alone.high is None:
        return measure.signed(alone.mean)
    mark = "**" if interval(differences, len(analysis.arms) - 1, **kind).significant else ""
    ends = f"{measure.signed(alone.low)} to {measure.signed(alone.high)}"
    text = f"{mark}{measure.signed(alone.mean)}{mark} ({ends})"
    return text.replace("-", "\N{MINUS SIGN}")


class Timer(Callback):
    """The seconds of training of each epoch, without validation."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def before_epoch(self, learn: Learner) -> None:
        self.began = time.perf_counter()

    def before_validate(self, learn: Learner) -> None:
        self.seconds.append(time.perf_counter() - self.began)


def time_steps() -> None:
    """Print the time of a training step of each, as a multiple of that without mixing.

    Digits of 32 pixels, in batches of 64: in turns, as other programs may use the machine.
    """
    options = TrainOptions("digits", model="resnet9", pretrained=False, size=32, batch_size=64)
    experiment = Experiment(ExperimentConfig(options, tuple(names()), epochs=(1,)))
    learners = {arm.mix: experiment.prepare(arm, 0).learn for arm in experiment.arms}
    timers = {name: Timer() for name in learners}
    for _ in range(1 + ROUNDS):
        for name, learn in learners.items():
            with learn.no_logging():
                learn.fit(1, 1e-3, cbs=timers[name])
    medians = {name: statistics.median(timer.seconds[1:]) for name, timer in timers.items()}
    for name, seconds in medians.items():
        print(f"{name:20} {seconds / medians[NONE]:.2f}")


if __name__ == "__main__":
    main()
