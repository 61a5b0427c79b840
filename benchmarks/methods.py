"""A verdict on each mixing method: accuracy, calibration, and the time of a step.

Two cells in which mixing pays: a network that starts from random weights learns few images for many
epochs. Every method that serves images of classes is compared with training without mixing, with
mixup and with cutmix. Everything is measured by ``vicinal compare``, which stores the result of
each run as soon as it ends: the same command goes on where it was stopped, also with new methods.
What is shown is kept in docs/methods, from which the table of docs/methods.md is printed.

python benchmarks/methods.py cifar10               # 1,000 images, 150 epochs, five seeds
python benchmarks/methods.py imagenette            # a tenth, at 64 pixels, 100 epochs, three seeds
python benchmarks/methods.py cifar10 --keep        # what is done so far, without training
python benchmarks/methods.py steps                 # the time of a training step of each
python benchmarks/methods.py table                 # tables and pictures of all that is kept
python benchmarks/methods.py digits --seeds 2 --kept kept    # some minutes, to see that it works

An interval is that of its own comparison: one in twenty misses. Bold is what all comparisons of its
column show together.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from maps import read
from methods_figure import differences

from vicinal import Callback, Learner
from vicinal.files import write_file
from vicinal.formatting import format_percent
from vicinal.methods import NONE, methods_for
from vicinal.plots.saving import save_figure
from vicinal.study.analysis import Analysis
from vicinal.study.arms import Arm
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.intervals import interval
from vicinal.study.measure import Measure
from vicinal.study.measures import MEASURES
from vicinal.tasks import TrainOptions

ROUNDS = 5  # of one epoch each, by which steps are timed
KEPT = Path(__file__).parents[1] / "docs" / "methods"
STEPS = "steps"
AGAINST = (NONE, "mixup", "cutmix")
IN_TURNS = "mixup+cutmix"
ALIGNED = "mixup:2+alignmix:mode=batch"  # as in AlignMix' paper: in turns with mixup of the input
LEFT_OUT = ("transmix",)  # it needs a vision transformer
ACCURACY, ERROR = MEASURES["accuracy"], MEASURES["ece"]


@dataclass(frozen=True)
class Setting:
    """What is trained: the words of ``vicinal compare``, and how many seeds."""

    title: str
    words: str
    seeds: int


SETTINGS = {
    "cifar10": Setting("CIFAR-10", "../shared/data/cifar10 --train-size 1000 --epochs 150", 5),
    "imagenette": Setting(
        "Imagenette", "../shared/data/imagenette --train-size 0.1 --size 64 --epochs 100", 3
    ),
    "digits": Setting("digits", "digits --size 32 --train-size 0.1 --epochs 20", 2),
}


@dataclass(frozen=True)
class Fact:
    """What is known about a method without measuring it.

    Args:
        year: in which its paper was presented, or put on arXiv.
        needs: what it takes beside the batch.
        published: its accuracy in percent in OpenMixup's table: CIFAR-10, ResNet-18, 200 epochs
            (docs/en/mixup_benchmarks/Mixup_cifar.md).
    """

    year: int | None = None
    needs: str = ""
    published: float | None = None


BOTH = "the plain batch beside the mixed one"
LOOK = "a forward pass"
FACTS = {
    NONE: Fact(published=94.87),
    "mixup": Fact(2018, published=95.70),
    "cutmix": Fact(2019, published=96.11),
    IN_TURNS: Fact(2021),
    "manifoldmixup": Fact(2019, "layers of the network", 96.04),
    "alignmix": Fact(2022, "feature maps of the network, and transport"),
    ALIGNED: Fact(2022, "feature maps of the network, and transport"),
    "regmixup": Fact(2022, BOTH),
    "mixupmp": Fact(2024, BOTH),
    "rescaledmixup": Fact(2022, "predictions that are rescaled"),
    "kernelmixup": Fact(2025, "B distances"),
    "kmixup": Fact(2023, "B² distances, and an assignment"),
    "zetamixup": Fact(2024, "a product with a matrix (B, B)"),
    "multimix": Fact(2023, "a linear last layer"),
    "remix": Fact(2020, "the classes' counts"),
    "balancedmixup": Fact(2021, "the classes of the batch"),
    "saliencymix": Fact(2021, "saliency", 96.05),
    "guidedmixup": Fact(2023, "saliency, and B² distances"),
    "resizemix": Fact(2020, published=96.16),
    "fmix": Fact(2020, published=96.17),
    "gridmix": Fact(2021, published=95.89),
    "smoothmix": Fact(2020, published=95.29),
    "snapmix": Fact(2021, f"{LOOK}, and a linear layer after a mean"),
    "puzzlemix": Fact(2020, f"{LOOK}, and one back to the images", 96.42),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=[*SETTINGS, STEPS, "table"])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="of the runs; by default, runs/methods-WHAT")
    parser.add_argument("--kept", type=Path, default=KEPT, help="of what they show")
    parser.add_argument("--keep", action="store_true", help="keep what is done, and train nothing")
    given = parser.parse_args()
    kept = given.kept / f"{given.what}.csv"
    if given.what == "table":
        print("\n\n".join(tables(given.kept)))
        draw(given.kept)
    elif given.what == STEPS:
        _write(kept, time_steps())
    else:
        setting = SETTINGS[given.what]
        folder = given.out or Path("runs") / f"methods-{given.what}"
        if not given.keep:
            train(setting.words, folder, given.seeds or setting.seeds, given.jobs)
        _write(kept, pd.DataFrame(rows(folder)))
        print(details(pd.read_csv(kept)))


def names() -> list[str]:
    """The methods that are tried, those that others are compared with first."""
    found = [entry.name for entry in methods_for("images", "classes")]
    others = [name for name in found if name not in {*AGAINST, *LEFT_OUT}]
    return [*AGAINST, IN_TURNS, *others, ALIGNED]


def train(words: str, folder: Path, seeds: int, jobs: int) -> None:
    """Do the runs that are not done yet."""
    data, *options = words.split()
    options += ["--model", "resnet9", "--no-pretrained", "--mix", ",".join(names())]
    options += ["--seeds", str(seeds), "--jobs", str(jobs), "--out", str(folder), "--resume"]
    command = [sys.executable, "-m", "vicinal", "compare", data, *options]
    code = subprocess.run(command, check=False).returncode
    if code:  # the command has said why; what was done is stored
        sys.exit(code)


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """For each method, what is done so far: two measures, and how they differ from others'.

    Where some runs of a seed are done, it counts once all are.
    """
    arms, results, _ = read(folder)
    done = [arm for arm in arms if any(result.arm == arm.name for result in results)]
    if not done:
        sys.exit(f"{folder} holds no finished run: go on without --keep")
    seeds = [{result.seed for result in results if result.arm == arm.name} for arm in done]
    whole = set.intersection(*seeds)
    analysis = Analysis(arms, [result for result in results if result.seed in whole])
    baselines = [arm for name in AGAINST for arm in done if arm.mix == name]
    for measure in (ACCURACY, ERROR):
        for arm in done:
            shown = {"mix": arm.mix, "measure": measure.name, "value": analysis.mean(arm, measure)}
            yield {**shown, "against": "", "seeds": len(analysis.of(arm))}
            for base in (base for base in baselines if base != arm):
                difference = _difference(analysis, arm, base, measure)
                yield {**shown, "against": base.mix, **difference}


def _difference(analysis: Analysis, arm: Arm, base: Arm, measure: Measure) -> dict[str, Any]:
    """By the seeds of both: its own interval, and whether all of its column show it together."""
    others = {result.seed: result for result in analysis.of(base, measure)}
    pairs = [(run, others[run.seed]) for run in analysis.of(arm, measure) if run.seed in others]
    if not pairs:
        return {"seeds": 0}
    name = measure.compared
    differences = np.stack([(a.values[name] - b.values[name]).numpy() for a, b in pairs])
    kind = {"paired": measure.paired, "rounded": measure.percent}
    alone = interval(differences, **kind)
    jointly = interval(differences, len(analysis.arms) - 1, **kind)
    return {
        "seeds": len(pairs),
        "difference": alone.mean,
        "low": alone.low,
        "high": alone.high,
        "significant": jointly.significant,
    }


def _write(file: Path, table: pd.DataFrame) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, table.round(6).to_csv(index=False))


def details(kept: pd.DataFrame) -> str:
    """Markdown of one setting: accuracy against all baselines, and the calibration error."""
    bases = [name for name in AGAINST if name in set(kept.mix)]
    titles = [f"against {name}" for name in bases]
    lines = _header(["", "accuracy, %", *titles, "calibration error, %", titles[0]])
    for mix in kept.mix.drop_duplicates():
        cells = [_value(kept, mix, ACCURACY)]
        cells += [_gain(kept, mix, base, ACCURACY) for base in bases]
        cells += [_value(kept, mix, ERROR), _gain(kept, mix, bases[0], ERROR)]
        lines.append(_line([f"`{mix}`", *cells]))
    return "\n".join(lines)


def tables(folder: Path) -> list[str]:
    """Markdown of all that is kept: the verdict, and the details of each setting."""
    files = {name: folder / f"{name}.csv" for name in SETTINGS}
    kept = {name: pd.read_csv(file) for name, file in files.items() if file.exists()}
    steps = folder / f"{STEPS}.csv"
    multiples = pd.read_csv(steps, index_col="mix").multiple.to_dict() if steps.exists() else {}
    return [verdict(kept, multiples), *map(details, kept.values())]


def verdict(kept: dict[str, pd.DataFrame], multiples: dict[str, float]) -> str:
    """What a method needs and takes, what it gains in each setting, and what it gained elsewhere.

    Args:
        kept: by the names of settings.
        multiples: the time of a step by the names of methods, as a multiple of that without mixing.
    """
    titles = ["", "year", "needs", "a step takes, times none"]
    for name in kept:
        title = SETTINGS[name].title
        titles += [f"{title}: accuracy, %", "against none", "calibration error, %"]
    lines = _header([*titles, "published: accuracy, %"])
    for mix in names():
        fact = FACTS[mix]
        cells = [f"`{mix}`", f"{fact.year or ''}", fact.needs]
        cells.append(f"{multiples[mix]:.2f}" if mix in multiples else "")
        for each in kept.values():
            cells += [_value(each, mix, ACCURACY), _gain(each, mix, NONE, ACCURACY)]
            cells.append(_value(each, mix, ERROR))
        lines.append(_line([*cells, _published(fact.published)]))
    return "\n".join(lines)


def draw(folder: Path) -> None:
    """A picture of each setting, beside what is kept of it."""
    for name, setting in SETTINGS.items():
        file = folder / f"{name}.csv"
        if file.exists():
            save_figure(differences(pd.read_csv(file), setting.title), file.with_suffix(".png"))


def _published(accuracy: float | None) -> str:
    """Such as "95.70 (+0.83)": with what it is above none."""
    none = FACTS[NONE].published
    if accuracy is None or none is None:
        return ""
    return f"{accuracy:.2f}" + (f" ({accuracy - none:+.2f})" if accuracy != none else "")


def _header(titles: list[str]) -> list[str]:
    texts = {"", "year", "needs"}
    return [_line(titles), "|" + "|".join("---" if t in texts else "---:" for t in titles) + "|"]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _value(kept: pd.DataFrame, mix: str, measure: Measure) -> str:
    found = _row(kept, mix, "", measure)
    return "" if found is None else format_percent(found.value)


def _gain(kept: pd.DataFrame, mix: str, base: str, measure: Measure) -> str:
    """Such as "+1.2 (+0.3 to +2.1)", in points; bold where all of a column show it together."""
    found = _row(kept, mix, base, measure)
    if found is None or not found.seeds:
        return ""
    text = measure.signed(found.difference)
    if not np.isnan(found.low):
        mark = "**" if found.significant else ""
        ends = f"{measure.signed(found.low)} to {measure.signed(found.high)}"
        text = f"{mark}{text}{mark} ({ends})"
    return text.replace("-", "\N{MINUS SIGN}")


def _row(kept: pd.DataFrame, mix: str, base: str, measure: Measure) -> Any:
    same = (kept.mix == mix) & (kept.measure == measure.name) & (kept.against.fillna("") == base)
    return next(kept[same].itertuples(), None)


class Timer(Callback):
    """The processor's seconds of each epoch, without validation: other programs may run, too."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def before_epoch(self, learn: Learner) -> None:
        self.began = time.process_time()

    def before_validate(self, learn: Learner) -> None:
        self.seconds.append(time.process_time() - self.began)


def time_steps() -> pd.DataFrame:
    """The time of a training step of each, as a multiple of that without mixing.

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
    table = pd.DataFrame(
        [{"mix": name, "multiple": seconds / medians[NONE]} for name, seconds in medians.items()]
    )
    print(table.to_string(index=False))
    return table


if __name__ == "__main__":
    main()
