"""What is wrong whatever the data are is refused before they are read, which may take long."""

import errno
import os
import tempfile

import pytest

from vicinal import VicinalError
from vicinal.files import check_writable
from vicinal.tasks import TrainOptions, refusals
from vicinal_cli import fails


@pytest.fixture(autouse=True)
def _no_data_are_read(tmp_path, monkeypatch):
    def read(*arguments, **kwargs):
        raise AssertionError("the data were read")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vicinal.tasks.load_split", read)
    (tmp_path / "file").write_text("")
    yield
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


EVERY = [
    ("--valid 2", "--valid must lie between 0 and 1, not 2.0"),
    ("--valid nan", "--valid must lie between 0 and 1, not nan"),
    ("--valid -0.1", "--valid must lie between 0 and 1, not -0.1"),
    ("--label-kind colour", "--label-kind must be classes, values or labels, not colour"),
    (r"--label-pattern (\d", r"'(\\d' is no regular expression"),
    ("--label-pattern .+", "the pattern '.+' has no group"),
    ("--pixel-range 0", "--pixel-range is the value that is white, 1 to 65535, not 0"),
    ("--resize stretch", "--resize must be crop, squish or pad, not stretch"),
    ("--augment much", "--augment must be none, light or photo, not much"),
    ("--augment none --flip", "--augment none and --flip exclude each other"),
]
MIXING = [
    ("--mix mixpu", "mixup"),
    ("--alpha -1", "alpha"),
    ("--alpha nan", "alpha"),
    ("--alpha inf", "alpha"),
    ("--mix none --alpha 1", "alpha"),
]
NETWORK = [
    ("--model resnet43", "there is no network named resnet43: did you mean resnet34"),
    ("--model series_resne", "there is no network named series_resne: did you mean series_resnet"),
    ("--model text_cn", "there is no network named text_cn: did you mean text_cnn"),
    ("--epochs 0", "--epochs must be 1 or more, not 0"),
    ("--epochs -3", "--epochs must be 1 or more, not -3"),
    ("--epochs 1.5", "--epochs"),
]
LEARNING = [
    ("--batch-size 0", "--batch-size must be 2 or more, not 0"),
    ("--batch-size 1", "--batch-size must be 2 or more, not 1"),
    ("--lr nan", "--lr must be above 0, not nan"),
    ("--lr 0", "--lr must be above 0, not 0.0"),
    ("--lr inf", "--lr must be above 0, not inf"),
    ("--precision fp8", "precision must be one of auto, fp32, bf16, fp16, not 'fp8'"),
    ("--recipe cifar10-fats", "did you mean cifar10-fast?"),
    ("--size 4", "--size must be 8 or more, not 4"),
    ("--size 64y64", "--size"),
]
FOLDER = [
    ("--out file", "--out file is a file: name a folder"),
    ("--out file/run", "--out file/run cannot be written: Not a directory"),
    ("--out /proc/run", "--out /proc/run cannot be written"),
    ("--overwrite --resume", "--overwrite and --resume exclude each other"),
]
ONLY = {
    "train": [
        ("--seed -1", "--seed must be between 0 and"),
        ("--track nothing", "there is no tracker named nothing"),
        ("--track comet_ml", "the tracker comet_ml is not installed: pip install comet_ml"),
    ],
    "compare": [
        ("--mix mixup", "is one arm"),
        ("--mix none,mixup,none", "none"),
        ("--alpha 0", "--alpha 0 mixes nothing"),
        ("--alpha much", "--alpha takes numbers, separated by commas, not 'much'"),
        ("--epochs 5,0", "--epochs must be 1 or more, not 0"),
        ("--seeds 0", "--seeds must be 1 or more, not 0"),
        ("--jobs 0", "--jobs must be 1 or more, not 0"),
        ("--jobs 99999", "is more than the"),
        ("--budget nonsense", "--budget takes a duration such as 20m"),
        ("--budget 0s", "--budget takes a duration such as 20m"),
        ("--train-size 0", "--train-size must be a share below 1 or a number"),
        ("--train-size 1.5", "--train-size must be a share below 1 or a number"),
        ("--train-size nan", "--train-size must be a share below 1 or a number"),
        ("--train-size 0.5,100", "--train-size has shares (0.5) and numbers of samples"),
        ("--train-size 100,100", "--train-size names 100 twice"),
        (
            "--train-size 100,many",
            "--train-size takes numbers, separated by commas, not '100,many'",
        ),
        ("--first-seed -1", "--first-seed must be between 0 and 4611686018427387904, not -1"),
        ("--train-size -5", "--train-size must be a share below 1 or a number"),
        ("--label-noise 1", "--label-noise must be 0 or more and below 1, not 1.0"),
        ("--label-noise nan", "--label-noise must be 0 or more and below 1, not nan"),
        ("--label-noise 0.1 --skip-bad", "--skip-bad and --label-noise exclude each other"),
    ],
    "advise": [("--label-noise -1", "--label-noise must be 0 or more and below 1, not -1.0")],
    "show": [
        ("--out mixed.xyz", "mixed.xyz cannot be written: give it the ending .png"),
        ("--out no/mixed.png", "no/mixed.png cannot be written: no is no folder"),
        ("--out /proc/mixed.png", "/proc/mixed.png cannot be written"),
        ("--open --out a.png", "give --out a name that ends in .html"),
        ("--data --mix mixup", "--mix does not apply to --data"),
        ("--size 4", "--size must be 8 or more, not 4"),
    ],
}
OF_COMMANDS = {
    "train": EVERY + MIXING + NETWORK + LEARNING + FOLDER,
    "compare": EVERY + MIXING + NETWORK + LEARNING + FOLDER,
    "advise": EVERY + NETWORK,
    "show": EVERY + MIXING,
}
CASES = [
    pytest.param(command, *case, id=f"{command} {case[0]}")
    for command, cases in OF_COMMANDS.items()
    for case in cases + ONLY[command]
    if case != ("--epochs 1.5", "--epochs") or command != "compare"
]


@pytest.mark.parametrize(("command", "options", "sentence"), CASES)
def test_what_no_data_go_with(command, options, sentence, capsys):
    assert sentence in fails(capsys, command, "photos", *options.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--seconds 0", "must be more than 0, not 0.0"),
        ("--seconds nan", "must be more than 0, not nan"),
        ("--device tpu9", "there is no device 'tpu9' here"),
        ("--out file", "--out file cannot be written: Not a directory"),
    ],
)
def test_a_benchmark_that_cannot_be(options, sentence, capsys):
    assert sentence in fails(capsys, "bench", *options.split())


@pytest.mark.parametrize(
    "options",
    [
        {"model": "resnet18"},
        {"model": "xresnet50"},
        {"model": "resnet18.a1_in1k"},
        {"model": "hf:prajjwal1/bert-tiny"},
        {"model": "text_transformer"},
        {"model": "table_net"},
        {"valid": 0.0},  # of data with a validation part
        {"label_pattern": r"(.+)_\d+"},
        {"precision": "bf16"},
        {"recipe": "cifar10-best"},
        {"label_kind": "values"},
        {"pixel_range": 4095},
    ],
    ids=str,
)
def test_what_some_data_go_with_is_not_refused(options):
    refusals.check_options(TrainOptions("photos", **options))


def test_a_network_of_a_kind_of_data_of_ones_own_is_not_refused(monkeypatch):
    class Own:
        def takes_model(name):
            return name == "wavenet"

    class Kind:
        task_type = Own

    with pytest.raises(VicinalError, match="no network named wavenet"):
        refusals.check_options(TrainOptions("sounds", model="wavenet"))
    monkeypatch.setitem(refusals.KINDS, "tones", Kind)
    refusals.check_options(TrainOptions("sounds", model="wavenet"))


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, code):
    def refuse(*_, dir, **__):
        assert dir == tmp_path  # the nearest that is there
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(VicinalError, match=f"^--out run cannot be written: {os.strerror(code)}$"):
        check_writable(tmp_path / "a" / "b", "--out run")


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_name_that_is_too_long(command, capsys):
    assert "File name too long" in fails(capsys, command, "photos", "--out", "n" * 300)
