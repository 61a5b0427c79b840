"""Where mixing pays: maps over training sizes and lengths of training, for docs/results.md.

A map is a comparison by ``vicinal compare``, which keeps the result of each run as soon as it ends:
the same command goes on where it was stopped, the cheapest cells first. Everything is written to
runs/maps. What a map suggests is confirmed on seeds that it has not seen, from 100 on.

python benchmarks/maps.py                        # the commands
python benchmarks/maps.py cifar10 --estimate     # how long it takes here, by short trials
python benchmarks/maps.py cifar10                # do the runs that are not done yet, and draw
python benchmarks/maps.py cifar10 --draw         # cifar10.md and .png, of what is done so far
python benchmarks/maps.py digits                 # some minutes, to see that it works
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

from vicinal.files import write_file
from vicinal.plots.saving import save_figure
from vicinal.study.analysis import Analysis, Comparison
from vicinal.study.arms import Arm, Cell, make_arms
from vicinal.study.cells import axes, cell_text, grid, methods
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.folder import ComparisonFolder
from vicinal.study.formatting import format_duration, pluralize
from vicinal.study.map_figure import gain_map
from vicinal.study.planning import Left, expected_seconds, plan_runs
from vicinal.study.result import Result
from vicinal.study.store import RESULT
from vicinal.tasks import TrainOptions

SHARED = "../shared/data"
CIFAR10 = f"{SHARED}/cifar10"
SEEDS = 5  # with three, what intervals owe to the seeds is more than twice as wide
IN_TURNS = ("none", "mixup", "mixup+cutmix")
STRENGTHS = ("none", "mixup:0.4", "mixup:1", "mixup:8")


def images(data: str, model: str, size: int | None = None) -> TrainOptions:
    """A network that starts from random weights."""
    return TrainOptions(data, model=model, pretrained=False, size=size)


MAPS = {
    "cifar10": ExperimentConfig(
        images(CIFAR10, "resnet9"),
        IN_TURNS,
        epochs=(10, 30, 100, 300),
        train_sizes=(250.0, 500.0, 1000.0, 2000.0, 5000.0),
    ),
    **{
        f"cifar10-noise{100 * share:.0f}": ExperimentConfig(
            images(CIFAR10, "resnet9"),
            STRENGTHS,
            epochs=(30, 100),
            train_sizes=(1000.0, 5000.0),
            label_noise=share,
        )
        for share in (0.2, 0.4)
    },
    "cifar10-wide": ExperimentConfig(
        images(CIFAR10, "resnet9_wide"), IN_TURNS, epochs=(30, 100), train_sizes=(250.0, 1000.0)
    ),
    "cifar10-vit": ExperimentConfig(
        images(CIFAR10, "vit4"), IN_TURNS, epochs=(30, 100, 300), train_sizes=(500.0, 2000.0)
    ),
    "imagenette": ExperimentConfig(
        images(f"{SHARED}/imagenette", "resnet9", size=64),
        IN_TURNS,
        epochs=(20, 80),
        train_sizes=(0.1, 0.33),
    ),
    "trec": ExperimentConfig(
        TrainOptions(f"{SHARED}/trec"),
        ("none", "mixup", "manifoldmixup"),
        epochs=(10, 30, 100),
        train_sizes=(500.0, 5000.0),
    ),
    "adult": ExperimentConfig(
        TrainOptions(f"{SHARED}/adult", label="income"),
        ("none", "mixup", "manifoldmixup"),
        epochs=(12, 50, 200),
        train_sizes=(1000.0, 10_000.0),
    ),
    "airfoil": ExperimentConfig(
        TrainOptions(f"{SHARED}/airfoil", label="sound_pressure_db"),
        ("none", "cmixup", "mixup"),
        epochs=(30, 100, 300),
        train_sizes=(300.0, 1000.0),
    ),
    "digits": ExperimentConfig(
        images("digits", "resnet9"), ("none", "mixup"), epochs=(5, 20), train_sizes=(100.0, 400.0)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", nargs="*", help=f"{', '.join(MAPS)}; none prints all commands")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, help="processes that share the runs")
    parser.add_argument("--out", type=Path, default=Path("runs/maps"), help="of all maps")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--estimate", action="store_true", help="train nothing to the end")
    what.add_argument("--draw", action="store_true", help="train nothing")
    given = parser.parse_args()
    if unknown := set(given.maps) - set(MAPS):
        parser.error(f"there is no map named {', '.join(unknown)}: use {', '.join(MAPS)}")
    hours = 0.0
    for name in given.maps or MAPS:
        command = command_of(name, given.out, given.seeds, given.jobs)
        if not given.maps:
            print(f"# {name}\n{shlex.join(command)}")
        elif given.estimate:
            hours += estimate(name, given.out, given.seeds, given.jobs or 1)
        else:
            if not given.draw:
                run(command)
            draw(given.out / name)
    if given.estimate:
        print(f"all of these: about {hours:.1f} hours")


def command_of(name: str, out: Path, seeds: int, jobs: int | None) -> list[str]:
    """The command that does a map, and goes on with it."""
    words = shlex.split(MAPS[name].command(seeds))
    words += ["--jobs", str(jobs)] if jobs else []
    return [*words, "--out", str(out / name), "--resume"]


def run(command: list[str]) -> None:
    """Do the runs that are not done yet."""
    code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
    if code:  # the command has said why; what was done is kept
        sys.exit(code)


def estimate(name: str, out: Path, seeds: int, jobs: int) -> float:
    """Print how long the runs of a map take that are not done, and return the hours."""
    experiment = Experiment(MAPS[name])
    store = experiment.store(ComparisonFolder(out / name).results)
    left = Left(experiment, expected_seconds(experiment, None), seeds, store)
    print(f"# {name}")
    plan_runs(left, 0, time.monotonic(), None, jobs, lambda what, text: print(f"{what}: {text}"))
    return sum(map(sum, left.by_seed())) / jobs / 3600


def draw(folder: Path) -> None:
    """Write FOLDER.md and FOLDER.png, the map of what is done so far, and print the former."""
    analysis, seeds = read_map(folder)
    seconds = sum(result.seconds for result in analysis.results)
    runs = f"{len(analysis.results)} of {seeds * len(analysis.arms)} runs"
    below = f"({runs}, {format_duration(seconds)} of training)"
    text = "\n\n".join([*(tables(analysis, seeds) if analysis.measures else ()), below])
    write_file(folder.with_name(f"{folder.name}.md"), text + "\n")
    if analysis.measures:
        save_figure(gain_map(analysis, methods(analysis)), folder.with_name(f"{folder.name}.png"))
    print(f"{text}\n")


def read_map(folder: Path) -> tuple[Analysis, int]:
    """What is done of the map in a folder, also while others work there; and its seeds."""
    arms, results, seeds = read(folder)
    if len({arm.cell.train_size for arm in arms}) < 2:
        sys.exit(f"{folder} holds no map of named methods and lengths")
    return Analysis(arms, results), seeds


def read(folder: Path) -> tuple[list[Arm], list[Result], int]:
    """The arms of a comparison, what is done of it, and how many seeds it has."""
    found = ComparisonFolder(folder)
    settings = found.settings()
    if settings is None:
        sys.exit(f"{folder} holds no comparison: begin it with neither --draw nor --table")
    config = settings["config"]
    if not config["mixes"] or not config["epochs"]:
        sys.exit(f"{folder} holds no comparison of named methods and lengths")
    arms = make_arms(
        *(config[field] for field in ("mixes", "alphas", "epochs")),
        TrainOptions(**config["options"]),
        settings["arms"],
        config["train_sizes"],
    )
    results = [Result.load(file) for file in sorted(found.results.glob(f"*{RESULT}"))]
    return arms, results, settings["seeds"]


def tables(analysis: Analysis, seeds: int) -> list[str]:
    """Markdown: the baseline's measure, and for each method its difference with the interval.

    ▲ marks a difference that is shown to be better, ▼ one that is shown to be worse. A cell is
    empty where the baseline is no better than chance, or nothing is done yet.

    Args:
        analysis: of a map.
        seeds: of a finished map.
    """
    made = analysis.compare(analysis.main)
    measure, names = analysis.main, methods(analysis)
    found = {name: grid(analysis, name) for name in names}
    unit = "points" if measure.percent else measure.title
    bases = {comparison.arm.cell: measure.text(comparison.base) for comparison in made}
    baseline = made[0].baseline.method if made else "the baseline"
    texts = [_table(analysis, f"{baseline}: {measure.title}", bases)]
    for name in names:
        cells = {cell: _cell(comparison, seeds) for cell, comparison in found[name].items()}
        texts.append(_table(analysis, f"{name} against {baseline}, {unit}", cells))
    return texts


def _table(analysis: Analysis, title: str, cells: dict[Cell, str]) -> str:
    sizes, lengths = axes(analysis.arms)
    lines = [
        f"| {title} | " + " | ".join(pluralize(length, "epoch") for length in lengths) + " |",
        "|---" + "|---:" * len(lengths) + "|",
    ]
    for size in sizes:
        row = [cells.get(Cell(size, length), "") for length in lengths]
        lines.append(f"| {_size(size)} | {' | '.join(row)} |")
    return "\n".join(lines)


def _size(size: float) -> str:
    return f"{100 * size:g} % of the samples" if size < 1 else f"{size:,.0f} samples"


def _cell(comparison: Comparison, seeds: int) -> str:
    """Such as "▲ +3.7 (+1.9 to +5.5)", and the number of seeds where some are not done."""
    interval, signed = comparison.interval, comparison.measure.signed
    text = cell_text(comparison)
    if interval.low is not None and interval.high is not None:
        text += f" ({signed(interval.low)} to {signed(interval.high)})"
    if interval.seeds < seeds:
        text += f", {pluralize(interval.seeds, 'seed')}"
    return text.replace("-", "\N{MINUS SIGN}")


if __name__ == "__main__":
    main()
