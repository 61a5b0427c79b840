"""The table of kinds of data is open: a kind of a test's own is trained, predicted and resumed."""

import json
import wave
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from run_folders import assert_same, left, silent
from vicinal import Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.data.loaders import DataLoaders
from vicinal.data.samples import Samples, Split, held_out, index_labels
from vicinal.data.split_loader import Batches, TensorData
from vicinal.kinds import KINDS, Kind
from vicinal.learner.learner import Learner
from vicinal.tasks import TrainOptions
from vicinal.tasks.predictor import Preprocessing
from vicinal.tasks.run_config import config_digest
from vicinal.tasks.task import Task

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
LENGTH = 400


# ---- all that a kind of data needs: a finder, a split, how to predict, and a task ---------------


class ToneSplit(Split):
    """Sound files; ``train.images`` holds their paths."""

    kind = "tones"

    def preview(self):
        return None


def tone_split(request):
    files = [file for file in request.files if file.suffix == ".tone"]
    if not files:
        return None
    request.accept(reasons={"": "has no columns"})
    labels, vocab = index_labels([file.parent.name for file in files])
    split = held_out(Samples(files, labels), vocab, request.valid_pct, request.seed)
    return ToneSplit(split.train, split.valid, split.vocab, split.notes)


def read(file):
    try:
        with wave.open(str(file)) as opened:
            pixels = np.frombuffer(opened.readframes(LENGTH), np.int16)
    except (OSError, wave.Error) as error:
        raise VicinalError(f"{file} cannot be read: {error}") from None
    return torch.tensor(np.pad(pixels, (0, LENGTH - len(pixels))) / 2**15, dtype=torch.float32)


def network(n_out):
    return nn.Sequential(
        nn.Conv1d(1, 8, 16, 4),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(8, n_out),
    )


@dataclass(frozen=True)
class TonePreprocessing(Preprocessing):
    sample_name = "file"
    argument = "SOUND"

    @classmethod
    def load(cls, stored, folder):
        made = cls(**stored)
        return network(made.n_out), made

    def to_json(self):
        return asdict(self)

    def samples(self, arguments):
        return ((argument, argument) for argument in arguments)

    def batch(self, items):
        return torch.stack([read(item) for item in items])[:, None]


class ToneTask(Task):
    kind = "tones"
    preprocessing_type = TonePreprocessing
    refused = ("recipe", "size", "pretrained", "stream")

    def _choose_network(self):
        self.model = self._choose("model", ("tone_net", "for tones"))
        self.preparation = TonePreprocessing(self.model, self.split.vocab)

    def _epochs(self):
        return 2, "for tones"

    def _batch_size(self, count):
        return 8, f"{count} tones"

    def _learning_rate(self):
        return 1e-2, "for tones"

    def _choose_loading(self):
        pass

    def _identity(self):
        return [
            (part.labels, [(file.name, file.stat().st_size) for file in part.images])
            for part in (self.split.train, self.split.valid)
        ]

    def _part(self, part, batch_size, **options):
        data = TensorData(self.preparation.batch(part.images), torch.tensor(part.labels))
        return Batches(data, batch_size, device=self.device, **options)

    def learner(self):
        train, seed = self.split.train, self.options.seed
        dls = DataLoaders(
            self._part(train, self.batch_size, training=True, seed=seed),
            self._part(self.split.valid, 16),
            self.split.vocab,
            len(self.split.vocab),
        )
        return Learner(dls, network(dls.c), metrics=self.metric, precision=self.precision)

    def preprocessing(self, learn):
        return self.preparation


# ---- and what it gets for that ------------------------------------------------------------------


@pytest.fixture(autouse=True)
def tones(tmp_path, monkeypatch):
    """A folder of tones, low and high ones, and the kind in the table."""
    here = __name__
    kind = Kind("tones", task=f"{here}:ToneTask", finder=f"{here}:tone_split", data="tones")
    monkeypatch.setitem(KINDS, "tones", kind)
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name, pitch in (("low", 0.1), ("high", 0.9)):
        (tmp_path / "tones" / name).mkdir(parents=True)
        for number in range(24):
            signal = np.sin(pitch * np.arange(350 + number) + generator.uniform(0, 6)) * 2**14
            with wave.open(str(tmp_path / "tones" / name / f"{number}.tone"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(signal.astype(np.int16).tobytes())
    return tmp_path / "tones"


def test_it_is_trained_and_predicted(tones, tmp_path, capsys):
    options = TrainOptions(str(tones), epochs=12, mix="mixup")
    lines = []
    runs.train(options, tmp_path / "run", log=lambda *line: lines.append(line))
    assert lines[0] == ("data", "38 training and 10 validation tones of 2 classes (high, low)")
    assert lines[-1][1].startswith("MixUp(alpha=0.4")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert rows[-1]["valid_accuracy"] == 1
    outputs = list(Predictor.load("run").predict(sorted((tones / "low").iterdir())[:3]))
    assert all(output.argmax() == 1 for output in outputs)
    assert run(["predict", "run", str(tones / "high" / "0.tone")]) == 0
    assert "high" in capsys.readouterr().out


def test_it_is_trained_from_the_command_line(capsys):
    assert run(["train", "tones", "--mix", "none", "--epochs", "1", "--out", "run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "vicinal predict run SOUND..."


def test_advice_is_given(capsys):
    assert run(["advise", "tones"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "0.000154 million parameters, 4.1 for each training sample" in printed
    assert "19 training tones each on average" in printed
    assert printed.endswith("--mix none,mixup")  # no layers are known, so no manifoldmixup


def test_a_run_that_was_stopped_is_resumed(tones, tmp_path, monkeypatch):
    options = TrainOptions(str(tones), epochs=3, mix="remix")
    runs.train(options, tmp_path / "whole", log=silent)

    def stop(run, learn):
        if learn.epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "before_train", stop, raising=False)
        with pytest.raises(KeyboardInterrupt):
            runs.train(options, tmp_path / "run", log=silent)
    runs.train(TrainOptions(str(tones)), tmp_path / "run", resume=True, log=silent)
    assert_same(left(tmp_path / "run"), left(tmp_path / "whole"))

    (tones / "low" / "0.tone").unlink()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    edited = {**config, "finished": False}
    edited["digest"] = config_digest(edited)
    (tmp_path / "run" / "config.json").write_text(json.dumps(edited))
    with pytest.raises(VicinalError, match="the data are not what they were"):
        runs.train(TrainOptions(str(tones)), tmp_path / "run", resume=True, log=silent)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show"], "tones holds tones, which cannot be drawn: name a folder of images"),
        (["train", "--mix", "cutmix"], "--mix cutmix does not go with tones: use none, or one of"),
        (["train", "--size", "32"], "--size does not apply to tones"),
        (["train", "--label", "pitch"], "tones has no columns, so --label pitch does not apply"),
        (["show", "--open"], "tones has no images, and only images can be shown"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(arguments, sentence, capsys):
    command, *options = arguments
    assert run([command, "tones", *options]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.samples], ids=str)
def test_the_page_has_the_row_of_each_kind(kind):
    data = f" {kind.data} |" if kind.data else ""
    page = PAGE.read_text()
    assert f"| {kind.name} |{data}" in page
    assert f"| {kind.samples} |\n" in page


@pytest.mark.parametrize("name", [name for name in KINDS if name != "tones"])
def test_a_kind_is_one_entry(name):
    assert KINDS[name].name == name
    task_type = KINDS[name].task_type
    assert issubclass(task_type, Task)
    assert task_type.kind in KINDS  # by which a run folder is predicted
