"""Where mixing pays: maps over training sizes and lengths of training, for docs/results.md.

Each cell of a map is a comparison by ``vicinal compare``, the cheapest first. What a finished cell
shows is kept in docs/maps, so that any machine goes on with the cells that are left; the runs of a
cell that was stopped are kept in runs/maps. What a map suggests is confirmed on seeds that it has
not seen, from 100 on.

python benchmarks/maps.py                        # the commands of all cells
python benchmarks/maps.py cifar10 --estimate     # how long what is left takes here, by short trials
python benchmarks/maps.py cifar10                # do the cells that are left, and draw
python benchmarks/maps.py cifar10 --draw         # print cifar10.md and write .png, of what is done
python benchmarks/maps.py cifar10 --confirm      # the command that confirms the best cell
python benchmarks/maps.py digits --kept kept     # some minutes, to see that it works
"""

import argparse
import math
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from vicinal.files import write_file
from vicinal.formatting import pluralize
from vicinal.plots.saving import save_figure
from vicinal.study.analysis import Analysis, Comparison, margin_at
from vicinal.study.arms import Arm, Cell, comparisons, make_arms
from vicinal.study.cells import axes, cell_text, grid, methods
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.study.folder import ComparisonFolder
from vicinal.study.intervals import Interval
from vicinal.study.map_figure import gain_map
from vicinal.study.measures import MEASURES
from vicinal.study.planning import Left, expected_seconds, plan_runs
from vicinal.study.result import Result
from vicinal.study.store import RESULT
from vicinal.tasks import TrainOptions

SHARED = "../shared/data"
CIFAR10 = f"{SHARED}/cifar10"
KEPT = Path(__file__).parents[1] / "docs" / "maps"
MEASURED = ("nll", "ece")  # what is kept beside the main measure
CONFIRMING, FIRST_UNSEEN = 8, 100  # seeds
SEEDS = 5  # with three, what intervals owe to the seeds is more than twice as wide
IN_TURNS = ("none", "mixup", "mixup+cutmix")
STRENGTHS = ("none", "mixup:0.4", "mixup:1", "mixup:8")
# What may gain most where mixing gains: strengths, fewer mixed samples, an end, clean beside mixed.
CANDIDATES = (
    *("none", "mixup:0.2", "mixup:0.4", "mixup:1", "cutmix", "mixup+cutmix"),
    *("mixup+cutmix:prob=0.5", "mixup+cutmix:until=0.8", "regmixup", "rescaledmixup"),
)


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
    "cifar10-candidates": ExperimentConfig(
        images(CIFAR10, "resnet9"), CANDIDATES, epochs=(100,), train_sizes=(250.0, 1000.0)
    ),
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
    parser.add_argument("--jobs", type=int, help="processes that share the runs of a cell")
    parser.add_argument("--out", type=Path, default=Path("runs/maps"), help="of the runs")
    parser.add_argument("--kept", type=Path, default=KEPT, help="of what finished cells show")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--estimate", action="store_true", help="train nothing to the end")
    what.add_argument("--draw", action="store_true", help="train nothing")
    what.add_argument("--confirm", action="store_true", help="print a command")
    given = parser.parse_args()
    if unknown := set(given.maps) - set(MAPS):
        parser.error(f"there is no map named {', '.join(unknown)}: use {', '.join(MAPS)}")
    hours = 0.0
    for name in given.maps or MAPS:
        kept = given.kept / f"{name}.csv"
        if not given.maps:
            print(f"# {name}")
            for cell in cells_of(name):
                print(shlex.join(command_of(name, cell, given.out, given.seeds, given.jobs)))
        elif given.estimate:
            hours += estimate(name, kept, given.seeds, given.jobs or 1)
        elif given.confirm:
            print(confirmation(name, kept))
        else:
            if not given.draw:
                do_what_is_left(name, kept, given.out, given.seeds, given.jobs)
            draw(name, kept)
    if given.estimate:
        print(f"all of these: about {hours:.1f} hours")


def arms_of(name: str) -> list[Arm]:
    """All arms of a map."""
    config = MAPS[name]
    return make_arms(config.mixes, (), config.epochs, config.options, (), config.train_sizes)


def cells_of(name: str) -> list[Cell]:
    """The cells of a map, the cheapest first."""
    return sorted({arm.cell for arm in arms_of(name)}, key=lambda cell: (cell.work, cell))


def one_cell(name: str, cell: Cell) -> ExperimentConfig:
    """The comparison of a cell."""
    return replace(MAPS[name], epochs=(cell.epochs,), train_sizes=(cell.train_size,))


def command_of(name: str, cell: Cell, out: Path, seeds: int, jobs: int | None) -> list[str]:
    """The command that does a cell, and goes on with it."""
    words = shlex.split(one_cell(name, cell).command(seeds))
    words += ["--jobs", str(jobs)] if jobs else []
    return [*words, "--out", str(_folder(name, cell, out)), "--resume"]


def _folder(name: str, cell: Cell, out: Path) -> Path:
    return out / name / f"{cell.train_size:g}x{cell.epochs}"


def do_what_is_left(name: str, kept: Path, out: Path, seeds: int, jobs: int | None) -> None:
    """Do the cells that are not kept with as many seeds, and keep each."""
    for cell in left(name, kept, seeds):
        command = command_of(name, cell, out, seeds, jobs)
        code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
        if code:  # the command has said why; what was done is kept
            sys.exit(code)
        keep(cell, _folder(name, cell, out), kept)


def left(name: str, kept: Path, seeds: int) -> list[Cell]:
    """The cells of a map that are not kept with as many seeds."""
    done = {c.arm.cell for c in read_kept(name, kept, all_cells=True) if c.interval.seeds >= seeds}
    return [cell for cell in cells_of(name) if cell not in done]


def keep(cell: Cell, folder: Path, kept: Path) -> None:
    """Write what the comparison in a folder shows, in place of what was kept of that cell."""
    arms, results, _ = read(folder)
    analysis = Analysis(arms, results)
    wanted = (analysis.main.name, *MEASURED)
    rows = [
        {"train_size": cell.train_size, **row}
        for row in analysis.differences()
        if row["measure"] in wanted
    ]
    table = pd.DataFrame(rows)
    if kept.exists():
        before = pd.read_csv(kept)
        is_other = (before.train_size != cell.train_size) | (before.epochs != cell.epochs)
        table = pd.concat([before[is_other], table])
    table = table.sort_values(["train_size", "epochs"], kind="stable").round(6)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_file(kept, table.to_csv(index=False))


def read_kept(name: str, kept: Path, *, all_cells: bool = False) -> list[Comparison]:
    """The comparisons by the main measure that are kept of a map.

    Args:
        name: of the map.
        kept: the file; it may be missing.
        all_cells: also those whose baseline is no better than chance.
    """
    if not kept.exists():
        return []
    pairs = {(arm.method, arm.cell): (arm, base) for arm, base in comparisons(arms_of(name))}
    table = pd.read_csv(kept)
    table = table[table.measure == table.measure.iloc[0]]
    rows: Iterable[Any] = table.itertuples()
    return [
        _comparison(*pairs[row.mix, Cell(row.train_size, row.epochs)], row)
        for row in rows
        if row.learnt or all_cells
    ]


def _comparison(arm: Arm, baseline: Arm, row: Any) -> Comparison:
    measure = MEASURES[row.measure]
    low, high = (None if math.isnan(each) else each for each in (row.low, row.high))
    found = Interval(row.difference, low, high, row.seeds)
    margin = margin_at(measure, row.against_value)
    negligible = -margin <= row.low and row.high <= margin  # not where one seed gives nan
    both = row.value, row.against_value
    return Comparison(arm, baseline, measure, found, *both, not row.difference, negligible, None)


def estimate(name: str, kept: Path, seeds: int, jobs: int) -> float:
    """Print how long the cells of a map take that are not kept, and return the hours."""
    print(f"# {name}")
    wanted = set(left(name, kept, seeds))
    experiment = Experiment(MAPS[name])
    experiment.arms = [arm for arm in experiment.arms if arm.cell in wanted]
    every = Left(experiment, expected_seconds(experiment, None), seeds, None)
    plan_runs(every, 0, time.monotonic(), None, jobs, lambda what, text: print(f"{what}: {text}"))
    return sum(map(sum, every.by_seed())) / jobs / 3600


def confirmation(name: str, kept: Path) -> str:
    """The command that compares the best cell once more, on seeds that no map has seen."""
    made = read_kept(name, kept)
    if not made:
        return f"# {name}: no cell is kept"
    best = max(made, key=_least_gain)
    config = replace(
        one_cell(name, best.arm.cell),
        mixes=("none", best.arm.typed),
        first_seed=FIRST_UNSEEN,
    )
    return config.command(CONFIRMING)


def _least_gain(made: Comparison) -> float:
    """The end of the interval at which the method is worst."""
    low, high = made.interval.low, made.interval.high
    if low is None or high is None:
        return -math.inf
    return min(made.measure.gain(low), made.measure.gain(high))


def draw(name: str, kept: Path) -> None:
    """Print the tables of what is kept of a map, and write its picture beside it."""
    made, arms = read_kept(name, kept), arms_of(name)
    done = len({c.arm.cell for c in read_kept(name, kept, all_cells=True)})
    parts = tables(made, arms) if made else []
    print("\n\n".join([*parts, f"({done} of {len(cells_of(name))} cells)"]) + "\n")
    if made:
        save_figure(gain_map(made, arms, methods(arms)), kept.with_suffix(".png"))


def read(folder: Path) -> tuple[list[Arm], list[Result], int]:
    """The arms of a comparison, what is done of it, and how many seeds it has."""
    found = ComparisonFolder(folder)
    settings = found.settings()
    if settings is None:
        sys.exit(f"{folder} holds no comparison: begin it without --keep")
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


def tables(made: list[Comparison], arms: list[Arm]) -> list[str]:
    """Markdown: the baseline's measure, and for each method its difference with the interval.

    ▲ marks a difference that is shown to be better, ▼ one that is shown to be worse. A cell is
    empty where the baseline is no better than chance, or nothing is done yet.

    Args:
        made: comparisons by one measure; not empty.
        arms: of the whole map.
    """
    measure, baseline = made[0].measure, made[0].baseline.method
    unit = "points" if measure.percent else measure.title
    bases = {comparison.arm.cell: measure.text(comparison.base) for comparison in made}
    texts = [_table(arms, f"{baseline}: {measure.title}", bases)]
    for name in methods(arms):
        cells = {cell: _cell(comparison) for cell, comparison in grid(made, name).items()}
        texts.append(_table(arms, f"{name} against {baseline}, {unit}", cells))
    return texts


def _table(arms: list[Arm], title: str, cells: dict[Cell, str]) -> str:
    sizes, lengths = axes(arms)
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


def _cell(comparison: Comparison) -> str:
    """Such as "▲ +3.7 (+1.9 to +5.5)", and the number of seeds where they are not the usual."""
    interval, signed = comparison.interval, comparison.measure.signed
    text = cell_text(comparison)
    if interval.low is not None and interval.high is not None:
        text += f" ({signed(interval.low)} to {signed(interval.high)})"
    if interval.seeds != SEEDS:
        text += f", {pluralize(interval.seeds, 'seed')}"
    return text.replace("-", "\N{MINUS SIGN}")


if __name__ == "__main__":
    main()
