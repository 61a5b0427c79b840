"""benchmarks/maps.py, the published maps: their commands, and what is drawn of them."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from analyses import failed, result

from vicinal.cli import run
from vicinal.study.arms import comparisons, make_arms
from vicinal.study.config import ExperimentConfig
from vicinal.study.folder import ComparisonFolder
from vicinal.tasks import TrainOptions

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "maps.py"
spec = importlib.util.spec_from_file_location("maps", SCRIPT)
maps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(maps)


@pytest.mark.parametrize("name", maps.MAPS)
def test_a_command_asks_for_the_map(name, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "vicinal.study.command.compare_data",
        lambda config, **how: asked.append((config, how["seeds"], how["out"], how["resume"])),
    )
    _, *words = maps.command_of(name, Path("x"), seeds=4, jobs=2)
    run(words)
    assert asked == [(maps.MAPS[name], 4, Path("x", name), True)]


@pytest.mark.parametrize("name", maps.MAPS)
def test_a_map_has_cells_with_a_baseline(name):
    config = maps.MAPS[name]
    arms = arms_of(config)
    cells = {arm.cell for arm in arms}
    assert len(cells) == len(config.epochs) * len(config.train_sizes) >= 4
    assert {baseline.mix for _, baseline in comparisons(arms)} == {"none"}


def arms_of(config):
    return make_arms(config.mixes, (), config.epochs, config.options, (), config.train_sizes)


@dataclass
class Made:
    """Stands for an experiment, as far as a folder keeps it."""

    config: ExperimentConfig
    resolved: TrainOptions = field(default_factory=lambda: TrainOptions("digits"))
    choices: dict = field(default_factory=dict)

    @property
    def arms(self):
        return arms_of(self.config)

    def fingerprint(self):
        return ""


CONFIG = ExperimentConfig(
    TrainOptions("digits"), ("none", "mixup"), epochs=(1, 5), train_sizes=(100.0, 400.0)
)


@pytest.fixture
def begun(tmp_path):
    """A map of three seeds, and a function that stores the result of a run."""
    folder = ComparisonFolder(tmp_path / "map")
    folder.begin(Made(CONFIG), seeds=3)
    arms = {(arm.mix, arm.train_size, arm.epochs): arm for arm in Made(CONFIG).arms}

    def add(mix, size, epochs, seed, right):
        arm = arms[mix, size, epochs]
        made = failed(arm, seed) if right is None else result(arm, seed, right)
        made.save(folder.results / f"{arm.name}-seed{seed}.result")

    return folder.path, add


def test_what_is_done_of_a_map_is_drawn(begun, capsys):
    path, add = begun
    for seed, noise in enumerate((0.0, 0.01, 0.005)):
        add("none", 100.0, 1, seed, 0.6 + noise)
        add("mixup", 100.0, 1, seed, 0.8 + noise)
    for seed in range(2):  # the third is not done
        add("none", 400.0, 5, seed, 0.8)
        add("mixup", 400.0, 5, seed, 0.7)
    add("none", 100.0, 5, 0, 0.5)
    add("mixup", 100.0, 5, 0, None)
    maps.draw(path)
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{text}\n"
    baseline, mixup, below = text.split("\n\n")
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
    assert many.startswith("| 400 samples |  | ▼ \N{MINUS SIGN}10.0 (\N{MINUS SIGN}")
    assert many.endswith("), 2 seeds |")
    assert below == "(12 of 24 runs, 1 min 50 s of training)\n"
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_map_of_which_nothing_is_done(begun):
    path, add = begun
    maps.draw(path)
    add("none", 100.0, 1, 0, None)
    maps.draw(path)
    assert path.with_suffix(".md").read_text().startswith("(1 of 24 runs, ")
    assert not path.with_suffix(".png").exists()


def test_a_folder_without_a_map(tmp_path):
    with pytest.raises(
        SystemExit, match="holds no comparison: begin it with neither --draw nor --table"
    ):
        maps.draw(tmp_path)
    one = ExperimentConfig(TrainOptions("digits"), ("none", "mixup"), epochs=(1,))
    ComparisonFolder(tmp_path).begin(Made(one), seeds=3)
    with pytest.raises(SystemExit, match="holds no map of named methods"):
        maps.draw(tmp_path)


def test_a_name_that_is_no_map(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["maps.py", "cifar"])
    with pytest.raises(SystemExit):
        maps.main()
    assert "there is no map named cifar: use cifar10, cifar10-noise20" in capsys.readouterr().err


def test_all_commands_are_printed(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["maps.py"])
    maps.main()
    printed = capsys.readouterr().out
    assert printed.count("\nvicinal compare ") == len(maps.MAPS)
    assert "--label-noise 0.4" in printed
