"""Runs and comparisons of another version, or damaged ones: success, or one sentence."""

import json
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from damage import CONTENTS, VALUES, all_damages, replaced
from run_folders import silent
from vicinal import Predictor, VicinalError, __version__, runs
from vicinal.cli import run
from vicinal.learner.state import load_tree, save_tree
from vicinal.study import command
from vicinal.study.config import ExperimentConfig
from vicinal.tasks import TrainOptions
from vicinal.tasks.run_config import config_digest, read_config

pytestmark = pytest.mark.usefixtures("blank_pictures")

SLOW = pytest.mark.slow
FEW = (None, "x", 10**400, [[[]]], ["a", "a"])


class Enough(Exception):
    """The file was read, and was good."""


def enough(*_, **__):
    raise Enough


def sentence_of(action):
    """What a VicinalError says; None where the action succeeds. Nothing else may be raised."""
    try:
        action()
    except Enough:
        return None
    except VicinalError as error:
        said = str(error)
        assert "\n" not in said
        assert "__init__" not in said
        assert "object has no attribute" not in said
        assert len(said) < 1000, said
        return said
    return None


# ---- runs ----------------------------------------------------------------------------------------


def rows(folder):
    frame = pd.DataFrame({"a": ["1,5", "1.000,5", "<5", "2"] * 10, "b": [*"xy"] * 20})
    frame.assign(c=range(40), label=["u", "v"] * 20).to_csv(folder / "d.csv", sep=";", index=False)
    return TrainOptions(str(folder / "d.csv"), epochs=2, precision="fp32"), "d.csv"


def values(folder):
    frame = pd.DataFrame({"a": [i / 3 for i in range(40)], "label": [i * 1.7 for i in range(40)]})
    frame.to_csv(folder / "d.csv", index=False)
    return TrainOptions(str(folder / "d.csv"), epochs=2), "d.csv"


def texts(folder):
    frame = pd.DataFrame({"text": [f"the {w} cat sat" for w in ["big", "small"] * 20]})
    frame.assign(label=["u", "v"] * 20).to_csv(folder / "d.csv", index=False)
    own = {"text": "text", "model": "text_transformer"}
    return TrainOptions(str(folder / "d.csv"), epochs=2, **own), "d.csv"


def images(folder):
    Image.new("L", (8, 8), 100).save(folder / "a.png")
    return TrainOptions("digits", epochs=2, batch_size=256), "a.png"


class StoppedRun:
    """A run that was stopped after its first epoch, and can be damaged."""

    def __init__(self, folder, make):
        self.options, sample = make(folder)
        self.sample, self.folder = str(folder / sample), folder / "run"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runs.Run, "before_train", self._stop, raising=False)
            with pytest.raises(KeyboardInterrupt):
                runs.train(self.options, self.folder, log=silent)
        self.files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        self.config = json.loads(self.files["config.json"])
        del self.config["digest"]

    @staticmethod
    def _stop(run, learn):
        if learn.epoch:
            raise KeyboardInterrupt

    def restore(self):
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for name, content in self.files.items():
            (self.folder / name).write_bytes(content)

    def write(self, config):
        """Settings with the digest that they would have."""
        text = json.dumps({**config, "digest": config_digest(config)})
        (self.folder / "config.json").write_text(text)

    def predict(self):
        predictor = Predictor.load(self.folder)
        items = [item for _, item in predictor.preprocessing.found([self.sample])]
        for outcome in predictor.outcomes(items):
            if isinstance(outcome, VicinalError):
                raise outcome

    def resume(self):
        runs.train(TrainOptions(self.options.data), self.folder, resume=True, log=silent)


def _made(tmp_path_factory, make):
    return StoppedRun(tmp_path_factory.mktemp(make.__name__), make)


@pytest.fixture(scope="module")
def of_rows(tmp_path_factory):
    return _made(tmp_path_factory, rows)


@pytest.fixture
def stopped(of_rows):
    of_rows.restore()
    return of_rows


class TestTheSettingsOfARun:
    @pytest.mark.parametrize(
        ("values", "make"),
        [
            (FEW, rows),
            *(pytest.param(VALUES, m, marks=SLOW) for m in (rows, values, texts, images)),
        ],
        ids=lambda each: each.__name__ if callable(each) else f"{len(each)} values",
    )
    def test_with_any_damage(self, tmp_path_factory, monkeypatch, of_rows, values, make):
        damaged = of_rows if values is FEW else _made(tmp_path_factory, make)
        damaged.restore()
        monkeypatch.setattr(runs, "_prepare", enough)
        said = []
        for name, config in all_damages(damaged.config, values):
            damaged.write(config)
            if values is not FEW or name.startswith(("predict", "without predict", "vicinal")):
                said.append(sentence_of(damaged.predict))
            if values is not FEW or "predict" not in name:
                said.append(sentence_of(damaged.resume))
        assert len(said) > 200
        assert sum(each is not None for each in said) > len(said) / 2

    @pytest.mark.parametrize("name", CONTENTS)
    def test_with_any_content(self, stopped, name):
        (stopped.folder / "config.json").write_bytes(CONTENTS[name])
        for action in (stopped.predict, stopped.resume):
            assert sentence_of(action).startswith((str(stopped.folder), "--out"))

    def test_a_folder_in_their_place(self, stopped):
        (stopped.folder / "config.json").unlink()
        (stopped.folder / "config.json").mkdir()
        for action in (stopped.predict, stopped.resume):
            assert "config.json cannot be read: Is a directory" in sentence_of(action)

    def test_an_option_of_a_newer_version_is_named_with_the_version(self, stopped):
        config = replaced(stopped.config, ("options", "sharpness"), 0.1)
        stopped.write({**config, "vicinal": "99.1"})
        for action in (stopped.predict, stopped.resume):
            assert sentence_of(action) == (
                f"{stopped.folder / 'config.json'} cannot be used, as options.sharpness is unknown "
                f"to vicinal {__version__}: it was written by vicinal 99.1, so use that version"
            )

    @pytest.mark.parametrize(
        ("place", "value", "clause"),
        [
            (("options", "epochs"), "5", "options.epochs must be a whole number or null, not '5'"),
            (("options", "epochs"), 0, "in options, --epochs must be 1 or more, not 0"),
            (("resolved", "lr"), float("nan"), "resolved.lr must be a number or null, not nan"),
            (("predict", "kind"), "smells", "data of the kind smells are unknown here"),
            (("predict", "how", "vocab"), ["a", "a"], "vocab must name each class once, not a, a"),
            (
                ("predict", "how", "table", "std", "c"),
                None,
                "predict.how.table.std.c must be a number, not null",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, stopped, place, value, clause):
        stopped.write(replaced(stopped.config, place, value))
        said = sentence_of(stopped.predict)
        assert f"config.json cannot be used, as {clause}: it is damaged or was edited" in said

    def test_those_of_earlier_versions_lack_options_that_came_later(self, stopped, monkeypatch):
        config = stopped.config
        for name in ("options", "resolved"):
            config = {**config, name: dict(config[name])}
            del config[name]["pixel_range"]
        stopped.write(config)
        monkeypatch.setattr(runs, "_prepare", enough)
        assert sentence_of(stopped.resume) is None
        assert sentence_of(stopped.predict) is None

    def test_a_mixer_from_python_is_no_name(self, stopped):
        stopped.write(replaced(stopped.config, ("options", "mix"), "MixUp(alpha=0.4)"))
        read_config(stopped.folder)
        assert sentence_of(stopped.predict) is None


def _integers(file):
    save_file({name: t.to(torch.int64) for name, t in load_file(file).items()}, file)


def _of_another(file):
    save_file(torch.nn.Linear(3, 4).state_dict(), file)


def _folder(file):
    file.unlink()
    file.mkdir()


def _cut(file):
    file.write_bytes(file.read_bytes()[:-100])


class TestTheFilesOfARun:
    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            (_integers, "is of torch.int64 there, and of torch.float32 in this one"),
            (_of_another, "holds the weights of another network"),
            (_folder, "cannot be read (it is a folder)"),
            (_cut, "cannot be read ("),
            (Path.unlink, "holds a run that was killed before its network was saved: go on with"),
        ],
    )
    def test_of_weights(self, stopped, damage, sentence):
        damage(stopped.folder / "model.safetensors")
        assert sentence in sentence_of(stopped.predict)

    @pytest.mark.parametrize("damage", [_of_another, _folder, _cut])
    def test_of_a_checkpoint(self, stopped, damage):
        damage(stopped.folder / "checkpoint.safetensors")
        assert "checkpoint.safetensors " in sentence_of(stopped.resume)

    @pytest.mark.parametrize("name", ["model.safetensors", "checkpoint.safetensors"])
    @pytest.mark.parametrize("seed", range(3))
    def test_with_other_bytes(self, stopped, monkeypatch, name, seed):
        monkeypatch.setattr(runs, "Run", enough)
        content, chance = stopped.files[name], random.Random(seed)
        action = stopped.predict if name.startswith("model") else stopped.resume
        for _ in range(5):
            bytes_of = bytearray(content)
            bytes_of[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            (stopped.folder / name).write_bytes(bytes_of)
            assert sentence_of(action) is not None
        for other in (b"", chance.randbytes(300), chance.randbytes(8) + content[8:]):
            (stopped.folder / name).write_bytes(other)
            assert sentence_of(action) is not None

    @pytest.mark.parametrize("part", ["ended", "model", "optimizer", "random", "history", "epoch"])
    @pytest.mark.parametrize(
        "value",
        ["missing", [[1]], *(pytest.param(v, marks=SLOW) for v in (None, [], {}, 7, {"a": 1}))],
        ids=str,
    )
    def test_of_another_version(self, stopped, part, value):
        """The digest is right: it was written so."""
        file = stopped.folder / "checkpoint.safetensors"
        tree = load_tree(file)
        if value == "missing":
            del tree[part]
        else:
            tree[part] = value
        save_tree(file, tree)
        said = sentence_of(stopped.resume)
        assert said is not None or (part, value) in HARMLESS


#: What a checkpoint of this version may hold, too.
HARMLESS = [("ended", []), ("history", []), ("epoch", 7)]


# ---- comparisons ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    frame = pd.DataFrame({"a": range(60), "label": [i % 7 > 3 for i in range(60)]})
    frame.to_csv(folder / "d.csv", index=False)
    data = str(folder / "d.csv")
    quick = ["--mix", "none,mixup", "--epochs", "1", "--seeds", "1"]
    assert run(["compare", data, *quick, "--out", str(folder / "out")]) == 0
    return data, folder / "out"


@pytest.fixture
def compared(finished, tmp_path):
    """The folder of a finished comparison, and its resumption."""
    data, folder = finished
    folder = Path(shutil.copytree(folder, tmp_path / "out"))

    def resume():
        config, how = ExperimentConfig(TrainOptions(data)), {"resume": True, "overwrite": False}
        command.compare_data(
            config, seeds=None, budget=None, out=folder, jobs=None, **how, log=silent
        )

    return folder, resume


class TestAComparison:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "values", [(None,), pytest.param(VALUES, marks=SLOW)], ids=["few", "all"]
    )
    def test_with_any_damage_of_its_settings(self, compared, monkeypatch, values):
        folder, resume = compared
        monkeypatch.setattr(command, "_run", enough)
        file = folder / "comparison.json"
        said = []
        for _, settings in all_damages(json.loads(file.read_text()), values):
            file.write_text(json.dumps(settings))
            said.append(sentence_of(resume))
        assert sum(each is not None for each in said) > 20

    @pytest.mark.parametrize("name", CONTENTS)
    def test_with_any_content(self, compared, name):
        folder, resume = compared
        (folder / "comparison.json").write_bytes(CONTENTS[name])
        assert sentence_of(resume).startswith(f"{folder / 'comparison.json'} ")

    def test_an_option_of_a_newer_version_is_named_with_the_version(self, compared):
        folder, resume = compared
        file = folder / "comparison.json"
        settings = replaced(json.loads(file.read_text()), ("config", "nights"), 3)
        file.write_text(json.dumps({**settings, "vicinal": "99.1"}))
        assert sentence_of(resume) == (
            f"{file} cannot be used, as config.nights is unknown to vicinal {__version__}: it was "
            "written by vicinal 99.1, so use that version"
        )

    @pytest.mark.parametrize("damage", [_folder, _cut, lambda file: file.write_bytes(b"")])
    def test_with_a_damaged_result(self, compared, damage):
        folder, resume = compared
        damage(min((folder / "results").glob("*.result")))
        assert ".result cannot be read (" in sentence_of(resume)
