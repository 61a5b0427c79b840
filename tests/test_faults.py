"""Files that go while they are needed: one sentence, and the last good state stays."""

import errno
import os
import re
import tempfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from run_folders import assert_same, left, silent
from vicinal import VicinalError, runs
from vicinal.cli import run
from vicinal.data import cache, storage, vision
from vicinal.data.samples import Split
from vicinal.data.sources import load_split
from vicinal.tasks import TrainOptions
from vicinal.tasks.images import ImageTask

pytestmark = pytest.mark.usefixtures("blank_pictures")

EPOCHS = 3


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _one_thread():
    """So small networks are faster, and the worker processes have the other processors."""
    torch.set_num_threads(1)


@pytest.fixture
def options(tmp_path):
    """For 30 photos of two classes, 24 of them in three training batches of 8."""
    generator = np.random.default_rng(0)
    for number in range(30):
        pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        file = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return TrainOptions("photos", epochs=EPOCHS, batch_size=8, size=8, precision="fp32")


@pytest.fixture
def streaming(monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 0)
    monkeypatch.setattr(storage, "MEMORY_SHARE", 0)
    for module in (storage, vision):
        monkeypatch.setattr(module, "processors", lambda: 0)


def split_of(options: TrainOptions) -> Split:
    return load_split(options.data, valid_pct=options.valid, seed=options.seed)


def at_epoch(monkeypatch, epoch, action):
    """Do something before an epoch is trained, once."""
    left = [action]

    def before_train(self, learn):
        if learn.epoch == epoch and left:
            left.pop()()

    monkeypatch.setattr(runs.Run, "before_train", before_train, raising=False)


def fails(options, folder, **arguments):
    with pytest.raises(VicinalError) as caught:
        runs.train(options, folder, **arguments, log=silent)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def goes_on(options, folder):
    """The run that met a fault ends as one that did not."""
    assert (folder / "checkpoint.safetensors").exists()
    runs.train(options, folder, resume=True, log=silent)
    runs.train(options, folder.with_name("undisturbed"), log=silent)
    assert_same(left(folder), left(folder.with_name("undisturbed")))
    assert len(left(folder)[1]) == 1 + EPOCHS
    names = [{file.name for file in f.iterdir()} for f in (folder, folder.with_name("undisturbed"))]
    assert names[0] == names[1]


class TestImages:
    @pytest.mark.parametrize("part", ["train", pytest.param("valid", marks=pytest.mark.slow)])
    @pytest.mark.parametrize("fault", ["deleted", "cut off"])
    def test_one_that_goes_while_it_is_streamed(
        self, tmp_path, options, streaming, monkeypatch, part, fault
    ):
        file = getattr(split_of(options), part).images[3]
        content = file.read_bytes()
        go = file.unlink if fault == "deleted" else lambda: file.write_bytes(content[:60])
        at_epoch(monkeypatch, 1, go)
        sentence = fails(options, tmp_path / "run")
        reason = r"No such file or directory" if fault == "deleted" else r"[^()]+"
        assert re.match(rf"1 of [68] images cannot be read: {file} \({reason}\); repair", sentence)
        file.write_bytes(content)
        goes_on(options, tmp_path / "run")

    def test_the_command_says_it_in_one_line(
        self, tmp_path, options, streaming, monkeypatch, capsys
    ):
        for module in (storage, vision):
            monkeypatch.setattr(module, "processors", lambda: 1)
        file = split_of(options).train.images[0]
        at_epoch(monkeypatch, 1, file.unlink)
        options = "--epochs 3 --batch-size 8 --size 8 --precision fp32 --out run"
        assert run(["train", "photos", *options.split()]) == 2
        said = capsys.readouterr()
        assert re.search(r"images: +streamed through 1 process: ", said.out)
        assert re.fullmatch(rf"vicinal: 1 of 8 images cannot be read: {file} .*\n", said.err)
        assert (tmp_path / "run" / "checkpoint.safetensors").exists()

    def test_one_that_goes_in_the_first_epoch_leaves_nothing(
        self, tmp_path, options, streaming, monkeypatch
    ):
        file = split_of(options).valid.images[0]
        at_epoch(monkeypatch, 0, file.unlink)
        assert str(file) in fails(options, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("limit", [cache.LIMIT, pytest.param(0, marks=pytest.mark.slow)])
    def test_one_that_goes_before_it_is_decoded(self, tmp_path, options, monkeypatch, limit):
        """Decoding comes before the run folder is touched, so a run that is there stays."""
        monkeypatch.setattr(cache, "LIMIT", limit)
        file = split_of(options).valid.images[0]
        content, original = file.read_bytes(), ImageTask.loaders

        def without_it(task):
            task.split.valid.prefetched.clear()  # a look at some images has read it before
            file.unlink()
            return original(task)

        at_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), 2))
        with pytest.raises(KeyboardInterrupt):
            runs.train(options, tmp_path / "run", log=silent)
        before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
        cache.clear()
        with monkeypatch.context() as patch:
            patch.setattr(ImageTask, "loaders", without_it)
            for folder, resume in ((tmp_path / "run", True), (tmp_path / "other", False)):
                assert f"cannot be read: {file} (" in fails(options, folder, resume=resume)
                file.write_bytes(content)
        assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before
        assert not (tmp_path / "other").exists()
        goes_on(options, tmp_path / "run")


class TestDamageInTheMiddle:
    """Of a file that begins and ends as it should: it is found when it is decoded."""

    @staticmethod
    def damage(file):
        content = file.read_bytes()
        file.write_bytes(content[:60] + bytes(40) + content[100:])
        return content

    @pytest.mark.parametrize("part", ["train", "valid"])
    def test_it_ends_the_first_epoch_and_leaves_nothing(self, tmp_path, options, part):
        images = getattr(split_of(options), part).images
        for file in images[2:4]:
            self.damage(file)
        expected = f"2 of {len(images)} images cannot be read, the first is {images[2]} ("
        assert fails(options, tmp_path / "run").startswith(expected)
        assert not (tmp_path / "run").exists()
        assert fails(options, tmp_path / "run").startswith(expected)  # before the training

    def test_a_run_that_is_there_is_not_replaced(self, tmp_path, options):
        runs.train(replace(options, epochs=1), tmp_path / "run", log=silent)
        before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
        file = split_of(options).train.images[2]
        self.damage(file)
        sentence = fails(replace(options, epochs=1), tmp_path / "run", overwrite=True)
        assert sentence.startswith(f"1 of 24 images cannot be read: {file} (")
        assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before

    def test_a_run_that_is_resumed_stays(self, tmp_path, options, monkeypatch):
        at_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), 2))
        with pytest.raises(KeyboardInterrupt):
            runs.train(options, tmp_path / "run", log=silent)
        cache.clear()
        file = split_of(options).train.images[2]
        content = self.damage(file)
        sentence = fails(options, tmp_path / "run", resume=True)
        assert sentence.startswith(f"1 of 24 images cannot be read: {file} (")
        file.write_bytes(content)
        goes_on(options, tmp_path / "run")


class Disk:
    """A disk on which from some moment on nothing can be changed, also not by root."""

    def __init__(self, monkeypatch, code):
        self.patch, self.code = monkeypatch, code

    def fail(self):
        def refuse(*_, **__):
            raise OSError(self.code, os.strerror(self.code))

        if self.code == errno.EROFS:
            for owner, name in ((tempfile, "mkstemp"), (os, "unlink"), (os, "rmdir")):
                self.patch.setattr(owner, name, refuse)
        else:
            self.patch.setattr(os, "fsync", refuse)


SLOW = pytest.mark.slow
CODES = [errno.ENOSPC, *(pytest.param(code, marks=SLOW) for code in (errno.EROFS, errno.EDQUOT))]


@pytest.mark.parametrize("code", CODES)
class TestRunFolder:
    def test_that_cannot_be_written_any_more(self, tmp_path, options, monkeypatch, code):
        with monkeypatch.context() as patch:
            at_epoch(patch, 1, Disk(patch, code).fail)
            sentence = fails(options, tmp_path / "run")
        assert sentence.startswith(f"{tmp_path / 'run'}")
        assert "cannot be written" in sentence
        assert os.strerror(code) in sentence
        assert len(rows(tmp_path / "run")) == 2
        goes_on(options, tmp_path / "run")

    def test_that_cannot_be_written_from_the_first_epoch_on(
        self, tmp_path, options, monkeypatch, code
    ):
        with monkeypatch.context() as patch:
            at_epoch(patch, 0, Disk(patch, code).fail)
            sentence = fails(options, tmp_path / "run")
        assert sentence.startswith(f"{tmp_path / 'run'}")
        assert os.strerror(code) in sentence
        # Nothing was trained to the end of an epoch, so the same line begins again.
        runs.train(options, tmp_path / "run", resume=True, log=silent)
        assert len(rows(tmp_path / "run")) == 1 + EPOCHS


def rows(folder):
    return (folder / "metrics.csv").read_text().splitlines()


@pytest.mark.parametrize(
    "change",
    ["one in its place", *(pytest.param(each, marks=SLOW) for each in ("another", "one less"))],
)
def test_other_files_are_not_what_a_run_goes_on_with(tmp_path, options, monkeypatch, change):
    """They would be split in another way, so that images trained on would be validated with."""
    at_epoch(monkeypatch, 1, lambda: os.kill(os.getpid(), 2))
    with pytest.raises(KeyboardInterrupt):
        runs.train(options, tmp_path / "run", log=silent)
    file = tmp_path / "photos" / "cat" / "0.png"
    moved = file.with_name("99.png") if change == "another" else tmp_path / "0.png"
    content = file.read_bytes()
    moved.write_bytes(content)
    if change == "one less":
        file.unlink()
    if change == "one in its place":
        moved.unlink()
        file.write_bytes(content[:-4])
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    sentence = fails(options, tmp_path / "run", resume=True)
    assert sentence.startswith("the data are not what they were when the run in")
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before
    moved.unlink(missing_ok=True)
    file.write_bytes(content)
    goes_on(options, tmp_path / "run")
