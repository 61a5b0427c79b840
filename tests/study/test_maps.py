"""benchmarks/maps.py, the published maps: commands, what is kept of them, and what is drawn."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from analyses import failed, result

from vicinal.cli import run
from vicinal.study.analysis import Analysis
from vicinal.study.arms import Cell, comparisons, make_arms
from vicinal.study.config import ExperimentConfig
from vicinal.study.folder import ComparisonFolder
from vicinal.tasks import TrainOptions

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "maps.py"
spec = importlib.util.spec_from_file_location("maps", SCRIPT)
maps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(maps)

MINUS = "\N{MINUS SIGN}"
FEW, MANY = Cell(100.0, 1), Cell(400.0, 5)


@pytest.mark.parametrize("name", maps.MAPS)
def test_a_command_asks_for_a_cell_of_the_map(name, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "vicinal.study.command.compare_data",
        lambda config, **how: asked.append((config, how["seeds"], how["out"], how["resume"])),
    )
    cell = maps.cells_of(name)[-1]
    _, *words = maps.command_of(name, cell, Path("x"), seeds=4, jobs=2)
    run(words)
    ((config, seeds, out, resume),) = asked
    assert (config.epochs, config.train_sizes) == ((cell.epochs,), (cell.train_size,))
    assert (config.options, config.mixes) == (maps.MAPS[name].options, maps.MAPS[name].mixes)
    assert (seeds, out, resume) == (4, Path("x", name, f"{cell.train_size:g}x{cell.epochs}"), True)


@pytest.mark.parametrize("name", maps.MAPS)
def test_a_map_has_cells_with_a_baseline_the_cheapest_first(name):
    config, cells = maps.MAPS[name], maps.cells_of(name)
    assert len(cells) == len(config.epochs) * len(config.train_sizes) >= 2
    assert [cell.work for cell in cells] == sorted(cell.work for cell in cells)
    assert {baseline.mix for _, baseline in comparisons(maps.arms_of(name))} == {"none"}


@dataclass
class Made:
    """Stands for an experiment, as far as a folder keeps it."""

    config: ExperimentConfig
    resolved: TrainOptions = field(default_factory=lambda: TrainOptions("digits"))
    choices: dict = field(default_factory=dict)

    @property
    def arms(self):
        config = self.config
        return make_arms(config.mixes, (), config.epochs, config.options, (), config.train_sizes)

    def fingerprint(self):
        return ""


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A map called small; a function that stores the runs of a cell, and the file of what is kept.

    The function takes for each arm the accuracy of each seed, and returns the folder.
    """
    config = ExperimentConfig(
        TrainOptions("digits"), ("none", "mixup"), epochs=(1, 5), train_sizes=(100.0, 400.0)
    )
    monkeypatch.setitem(maps.MAPS, "small", config)

    def store(cell, **accuracies):
        folder = ComparisonFolder(maps._folder("small", cell, tmp_path / "runs"))
        made = Made(maps.one_cell("small", cell))
        folder.begin(made, seeds=len(accuracies["none"]))
        for arm in made.arms:
            for seed, right in enumerate(accuracies[arm.mix]):
                each = failed(arm, seed) if right is None else result(arm, seed, right)
                each.save(folder.results / f"{arm.name}-seed{seed}.result")
        return folder.path

    return store, tmp_path / "kept" / "small.csv"


def test_what_is_kept_is_drawn(small, capsys):
    store, kept = small
    five = [0.6, 0.61, 0.605, 0.6, 0.61]
    maps.keep(FEW, store(FEW, none=five, mixup=[x + 0.2 for x in five]), kept)
    maps.keep(MANY, store(MANY, none=[0.8, 0.8], mixup=[0.7, 0.7]), kept)
    maps.draw("small", kept)
    baseline, mixup, below = capsys.readouterr().out.split("\n\n", 2)
    assert baseline.splitlines() == [
        "| none: accuracy | 1 epoch | 5 epochs |",
        "|---|---:|---:|",
        "| 100 samples | 60.5 % |  |",
        "| 400 samples |  | 80.0 % |",
    ]
    head, _, few, many = mixup.splitlines()
    assert head == "| mixup α = 0.4 against none, points | 1 epoch | 5 epochs |"
    assert few.startswith("| 100 samples | ▲ +20.0 (+1")
    assert few.endswith(") |  |")
    assert many.startswith(f"| 400 samples |  | ▼ {MINUS}10.0 ({MINUS}")
    assert many.endswith("), 2 seeds |")
    assert below == "(2 of 4 cells)\n\n"
    assert kept.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_what_is_kept_is_what_the_comparison_shows(small):
    store, kept = small
    folder = store(FEW, none=[0.6, 0.65, 0.6], mixup=[0.7, 0.66, 0.8])
    arms, results, _ = maps.read(folder)
    (shown,) = Analysis(arms, results).compare(Analysis(arms, results).main)
    maps.keep(FEW, folder, kept)
    (found,) = maps.read_kept("small", kept)
    assert found.arm == maps.arms_of("small")[1]
    assert found.measure is shown.measure
    assert found.interval.seeds == shown.interval.seeds
    for name in ("mean", "low", "high"):
        assert getattr(found.interval, name) == pytest.approx(
            getattr(shown.interval, name), abs=1e-6
        )
    assert (found.value, found.base) == pytest.approx((shown.value, shown.base), abs=1e-6)
    assert found.is_negligible == shown.is_negligible


def test_cells_that_are_kept_with_as_many_seeds_are_not_done_again(small, monkeypatch):
    store, kept = small
    maps.keep(FEW, store(FEW, none=[0.6, 0.6], mixup=[0.7, 0.7]), kept)
    assert maps.left("small", kept, seeds=2) == maps.cells_of("small")[1:]
    assert maps.left("small", kept, seeds=3) == maps.cells_of("small")
    asked = []

    def run_cell(command, check):
        size, length = Path(command[command.index("--out") + 1]).name.split("x")
        cell = Cell(float(size), int(length))
        asked.append(cell)
        store(cell, none=[0.6, 0.6], mixup=[0.7, 0.7])
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(maps.subprocess, "run", run_cell)
    runs = kept.parents[1] / "runs"
    maps.do_what_is_left("small", kept, runs, 2, None)
    assert asked == maps.cells_of("small")[1:]
    assert maps.left("small", kept, seeds=2) == []


def test_a_cell_that_is_done_again_takes_the_place_of_the_one_before(small):
    store, kept = small
    maps.keep(FEW, store(FEW, none=[0.6, 0.6], mixup=[0.7, 0.7]), kept)
    maps.keep(MANY, store(MANY, none=[0.6, 0.6], mixup=[0.7, 0.7]), kept)
    before = maps.read_kept("small", kept)
    maps.keep(FEW, store(FEW, none=[0.6] * 3, mixup=[0.8] * 3), kept)
    few, many = maps.read_kept("small", kept)
    assert many.interval == before[1].interval
    assert (few.interval.seeds, round(few.interval.mean, 6)) == (3, 0.2)


def test_a_cell_in_which_nothing_is_learnt_is_done_but_not_drawn(small, capsys):
    store, kept = small
    maps.keep(FEW, store(FEW, none=[0.01, 0.01], mixup=[0.0, 0.02]), kept)
    maps.draw("small", kept)
    assert capsys.readouterr().out == "(1 of 4 cells)\n\n"
    assert not kept.with_suffix(".png").exists()
    assert FEW not in maps.left("small", kept, seeds=2)


def test_the_cell_whose_interval_lies_highest_is_confirmed_on_other_seeds(small, capsys):
    store, kept = small
    assert maps.confirmation("small", kept) == "# small: no cell is kept"
    # The larger mean has the wider interval.
    maps.keep(FEW, store(FEW, none=[0.6] * 5, mixup=[0.6, 0.9, 0.9, 0.9, 0.9]), kept)
    maps.keep(MANY, store(MANY, none=[0.6] * 5, mixup=[0.8] * 5), kept)
    words = maps.confirmation("small", kept)
    assert words == (
        "vicinal compare digits --epochs 5 --mix none,mixup:0.4 --train-size 400 "
        "--first-seed 100 --seeds 8"
    )


def test_a_folder_without_a_comparison(tmp_path):
    with pytest.raises(SystemExit, match="holds no comparison: begin it without --keep"):
        maps.read(tmp_path)


def test_a_name_that_is_no_map(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["maps.py", "cifar"])
    with pytest.raises(SystemExit):
        maps.main()
    assert "there is no map named cifar: use cifar10, cifar10-noise20" in capsys.readouterr().err


def test_all_commands_are_printed(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["maps.py"])
    maps.main()
    printed = capsys.readouterr().out
    assert printed.count("\nvicinal compare ") == sum(
        len(maps.cells_of(name)) for name in maps.MAPS
    )
    assert "--label-noise 0.4" in printed


def test_what_is_kept_in_the_docs_fits_the_maps():
    for kept in maps.KEPT.glob("*.csv"):
        assert maps.read_kept(kept.stem, kept, all_cells=True)
