"""The command line: what people type, see and get; and each way to get it wrong."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import typer
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

from vicinal import Predictor
from vicinal.cli import app, run
from vicinal_cli import fails

FILES = {
    "config.json", "metrics.csv", "metrics.jsonl", "model.safetensors",
    "mixed_batch.png", "curves.png",
}  # fmt: skip


def files_in(folder):
    return {file.name for file in folder.iterdir() if not file.name.startswith(".")}


def command(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "vicinal", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **kwargs,
    )


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    """Default run folders are made where the command is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    """Photos in class folders: 30 crops of each of scikit-learn's two."""
    generator = np.random.default_rng(0)
    for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            top, left = generator.integers(0, (427 - 90, 640 - 120))
            crop = photo[top : top + 90, left : left + 120]
            Image.fromarray(crop).save(tmp_path / "photos" / name / f"{number}.jpg")
    return tmp_path / "photos"


# The options of all commands that read DATA.
READING = """\
        --valid = 0.2
        --label = None
        --label-pattern = None
        --label-kind = None
        --label-sep = None
        --legend = None
        --drop-missing --no-drop-missing = False
        --text = None
        --columns = None
        --drop = None
        --categorical = None
        --split-column = None
        --group = None
        --series --no-series = None
        --series-id = None
        --time = None
        --resize = None
        --augment = None
        --flip --no-flip = None
        --pixel-range = None
    """

FLAGS = {
    "train": """
        DATA = None
        --recipe = None
        --mix = None
        --alpha = None
        --model = None
        --pretrained --no-pretrained = None
        --epochs = None
        --batch-size = None
        --lr = None
        --size = None
        --loss = None
        --precision = auto
        --compile --no-compile = False
        --track = None
        --seed = 0
        --out = None
        --overwrite --no-overwrite = False
        --resume --no-resume = False
        --skip-bad --no-skip-bad = False
        --stream --no-stream = False
    """
    + READING,
    "compare": """
        DATA = None
        --mix = None
        --alpha = None
        --epochs = None
        --seeds = None
        --first-seed = 0
        --train-size = None
        --label-noise = 0.0
        --ood = None
        --budget = None
        --recipe = None
        --model = None
        --pretrained --no-pretrained = None
        --batch-size = None
        --lr = None
        --size = None
        --loss = None
        --precision = auto
        --skip-bad --no-skip-bad = False
        --out = None
        --overwrite --no-overwrite = False
        --resume --no-resume = False
        --jobs = None
        --ray = None
    """
    + READING,
    "advise": """
        DATA = None
        --epochs = None
        --model = None
        --pretrained --no-pretrained = None
        --label-noise = 0.0
        --skip-bad --no-skip-bad = False
    """
    + READING,
    "predict": """
        RUN = None
        SAMPLES = None
        --json = False
        --csv = False
        --out = None
        --threshold = None
    """,
    "export": """
        RUN = None
        SAMPLES = None
        --format = onnx,torch
        --out = None
        --overwrite --no-overwrite = False
        --push-to-hub = None
    """,
    "show": """
        DATA = None
        --mix = None
        --alpha = None
        --size = None
        --seed = 0
        --out = None
        --open --no-open = False
        --data = False
        --skip-bad --no-skip-bad = False
        --stream --no-stream = False
    """
    + READING,
    "cache": """
        --clear --no-clear = False
    """,
    "bench": """
        --seconds = 3.0
        --device = cpu
        --out = None
    """,
}


def test_the_flags_and_their_defaults_are_frozen():
    """Scripts depend on them: who changes one says so in the changelog, and here."""
    found = {}
    for name, each in typer.main.get_command(app).commands.items():
        if each.hidden:  # for processes of ours
            continue
        lines = [
            f"{' '.join([*p.opts, *p.secondary_opts])} = {p.default}"
            if p.param_type_name == "option"
            else f"{p.name.upper()} = {p.default}"
            for p in each.params
        ]
        found[name] = sorted(lines)
    expected = {
        name: sorted(line.strip() for line in t.strip().split("\n")) for name, t in FLAGS.items()
    }
    assert found == expected


class TestTrain:
    def test_digits_from_the_command_to_a_model_that_is_used(self, tmp_path, capsys):
        assert run(["train", "digits", "--out", "run", "--epochs", "6"]) == 0
        said = capsys.readouterr().out
        assert files_in(tmp_path / "run") == FILES
        assert "1,438 training and 359 validation images of 10 classes" in said
        for chosen in (
            "size:",
            "model:",
            "weights:",
            "batch size:",
            "learning rate:",
            "precision:",
        ):
            assert chosen in said
        assert said.splitlines()[-1] == "vicinal predict run IMAGE..."

        with (tmp_path / "run" / "metrics.csv").open() as file:
            table = list(csv.DictReader(file))
        lines = [json.loads(s) for s in (tmp_path / "run" / "metrics.jsonl").open()]
        assert len(table) == len(lines) == 6
        assert list(table[0]) == list(lines[0])
        assert [float(row["valid_accuracy"]) for row in table] == [
            row["valid_accuracy"] for row in lines
        ]
        assert lines[-1]["valid_accuracy"] >= 0.97

        digits = load_digits()
        files = []
        for index in range(20):
            pixels = (digits.images[index] / 16 * 255).round().astype(np.uint8)
            files.append(tmp_path / f"{digits.target[index]}_{index}.png")
            Image.fromarray(pixels).save(files[-1])
        assert run(["predict", "run", "--json", *map(str, files)]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert [row["file"] for row in rows] == [str(f) for f in files]
        right = sum(row["class"] == f.name[0] for row, f in zip(rows, files, strict=True))
        assert right >= 19
        assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)

        assert run(["predict", "run", str(files[0])]) == 0
        printed = capsys.readouterr().out
        assert re.search(r"file +class +probability", printed)
        assert "%" in printed

        probabilities = next(Predictor.load("run").predict([files[0]]))
        assert probabilities.max().item() == pytest.approx(
            max(rows[0]["probabilities"].values()), abs=1e-5
        )

    @pytest.mark.usefixtures("few_digits")
    def test_names_with_brackets_are_shown_as_they_are(self, tmp_path, capsys):
        assert run(["train", "digits", "--epochs", "1", "--out", "run"]) == 0
        Image.new("L", (8, 8)).save(tmp_path / "a[bold]:cat:.png")
        capsys.readouterr()
        assert run(["predict", "run", "a[bold]:cat:.png"]) == 0
        assert "a[bold]:cat:.png" in capsys.readouterr().out

    @pytest.mark.slow
    def test_the_same_seed_gives_the_same_metrics(self, tmp_path):
        results = []
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            options = ["--valid", "0.8", "--epochs", "1", "--seed", f"{seed}"]
            assert run(["train", "digits", *options, "--out", name]) == 0
            row = json.loads((tmp_path / name / "metrics.jsonl").read_text())
            row.pop("seconds")
            results.append(row)
        assert results[0] == results[1]
        assert results[0] != results[2]

    def test_a_folder_of_photos(self, folder, tmp_path, capsys):
        arguments = ["train", str(folder), "--size", "32", "--epochs", "3", "--seed", "3"]
        assert run(arguments) == 0
        made = tmp_path / "runs" / "photos"
        assert files_in(made) == FILES
        assert json.loads((made / "config.json").read_text())["predict"]["how"]["vocab"] == [
            "china", "flower"
        ]  # fmt: skip
        assert run(arguments) == 0  # the next free folder, nothing overwritten
        assert (tmp_path / "runs" / "photos-2").is_dir()
        capsys.readouterr()
        assert run(["predict", str(made), str(folder / "china" / "0.jpg")]) == 0
        assert "china" in capsys.readouterr().out

    def test_without_mixing_and_by_file_names(self, folder, tmp_path):
        flat = tmp_path / "flat"
        flat.mkdir()
        for file in folder.rglob("*.jpg"):
            file.rename(flat / f"{file.parent.name}_{file.name}")
        arguments = ["--label-pattern", r"(.+)_\d+", "--mix", "none", "--epochs", "1"]
        options = ["--size", "32", "--model", "resnet9", "--precision", "fp32", "--valid", "0.5"]
        assert run(["train", str(flat), *arguments, *options, "--out", "run"]) == 0
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        assert config["options"]["mix"] == "none"
        assert config["finished"]

    @pytest.mark.slow
    def test_photos_at_full_size_with_a_network_of_timms(self, folder, tmp_path):
        options = ["--size", "96", "--model", "resnet10t", "--no-pretrained", "--epochs", "1"]
        assert run(["train", str(folder), *options, "--batch-size", "16", "--out", "run"]) == 0
        predict = json.loads((tmp_path / "run" / "config.json").read_text())["predict"]["how"]
        assert (predict["size"], predict["item_size"]) == (96, 110)

    @pytest.mark.slow
    def test_shards_that_are_streamed(self, folder, tmp_path, capsys):
        import datasets

        files = sorted(folder.rglob("*.jpg"))
        for number in range(2):
            own = files[number::2]
            table = {"image": list(map(str, own)), "label": [file.parent.name for file in own]}
            table = datasets.Dataset.from_dict(table).cast_column("image", datasets.Image())
            table.to_parquet(tmp_path / "shards" / f"{number}.parquet")
        options = ["--stream", "--size", "32", "--epochs", "1", "--batch-size", "16"]
        capsys.readouterr()
        assert run(["train", str(tmp_path / "shards"), *options, "--out", "run"]) == 0
        assert "images:         streamed from 2 shards through " in capsys.readouterr().out
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        assert config["options"]["stream"]
        assert config["predict"]["how"]["vocab"] == ["china", "flower"]

    @pytest.mark.slow  # tests/test_asked_to_end.py interrupts one in this process
    def test_interrupting_saves_what_was_trained(self, tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-m", "vicinal", "train", "digits", "--epochs", "500", "--out", "run"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        metrics = tmp_path / "run" / "metrics.jsonl"
        deadline = time.monotonic() + 120
        checkpoint = tmp_path / "run" / "checkpoint.safetensors"  # the last thing of an epoch
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert re.search(r"stopped: +after \d+ epochs?; saved to run", out)
        assert files_in(tmp_path / "run") == FILES | {"checkpoint.safetensors"}
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        assert not config["finished"]
        assert config["epochs_done"] == len(metrics.read_text().splitlines())
        Predictor.load("run")

    @pytest.mark.slow
    @pytest.mark.usefixtures("few_digits")
    def test_an_existing_run_is_replaced_only_on_request(self, tmp_path, capsys):
        quick = ["train", "digits", "--epochs", "1", "--out", "run"]
        assert run(quick) == 0
        before = (tmp_path / "run" / "metrics.csv").read_bytes()
        assert "already holds a run" in fails(capsys, *quick)
        assert (tmp_path / "run" / "metrics.csv").read_bytes() == before
        # A mistake beside --overwrite costs nothing of the old run, either.
        fails(capsys, *quick, "--overwrite", "--model", "resnet99")
        assert (tmp_path / "run" / "metrics.csv").read_bytes() == before
        assert run([*quick, "--overwrite", "--seed", "9"]) == 0
        assert (tmp_path / "run" / "metrics.csv").read_bytes() != before


class TestMistakes:
    """Each gets one sentence and exit code 2, and leaves nothing behind."""

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self, tmp_path):
        yield
        assert not (tmp_path / "runs").exists()

    def test_a_path_that_is_not_there(self, folder, capsys):
        sentence = fails(capsys, "train", folder.parent / "photo")
        assert "photo does not exist, did you mean" in sentence
        assert "photos?" in sentence

    def test_a_folder_without_images(self, tmp_path, capsys):
        (tmp_path / "empty").mkdir()
        assert "empty holds no images" in fails(capsys, "train", tmp_path / "empty")

    def test_one_class_only(self, folder, capsys):
        for file in (folder / "flower").iterdir():
            file.unlink()
        assert "only the class 'china'" in fails(capsys, "train", folder)

    def test_a_corrupt_image_is_named(self, folder, capsys):
        bad = folder / "china" / "7.jpg"
        bad.write_bytes(bad.read_bytes()[:500])
        sentence = fails(capsys, "train", folder, "--size", 32)
        assert str(bad) in sentence
        assert "1 of " in sentence
        assert "--skip-bad" in sentence

    def test_a_label_column_that_is_not_there(self, tmp_path, capsys):
        import datasets

        images = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(20)]
        table = {"picture": images, "kind": ["a", "b"] * 10, "grade": ["x", "y"] * 10}
        features = datasets.Features(
            picture=datasets.Image(), kind=datasets.Value("string"), grade=datasets.Value("string")
        )
        datasets.Dataset.from_dict(table, features=features).to_parquet(tmp_path / "d.parquet")
        capsys.readouterr()
        sentence = fails(capsys, "train", tmp_path / "d.parquet", "--label", "kinds")
        assert "no label column kinds among kind, grade, did you mean kind?" in sentence
        assert "kind, grade" in fails(capsys, "train", tmp_path / "d.parquet")

    def test_labels_that_are_missing(self, tmp_path, capsys):
        import datasets

        images = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(20)]
        table = {"image": images, "label": ["a", None] * 10}
        features = datasets.Features(image=datasets.Image(), label=datasets.Value("string"))
        datasets.Dataset.from_dict(table, features=features).to_parquet(tmp_path / "d.parquet")
        capsys.readouterr()
        assert "10 of 20 labels in column label are missing, first in row 1" in fails(
            capsys, "train", tmp_path / "d.parquet"
        )

    @pytest.mark.parametrize(
        ("option", "value", "said"),
        [
            ("--model", "resnet43", "no network named resnet43: did you mean resnet34"),
            ("--alpha", "-1", "--alpha must be 0 or more, not -1"),
            ("--alpha", "nan", "--alpha must be 0 or more, not nan"),
            ("--alpha", "strong", "'--alpha'"),
            ("--batch-size", "1", "--batch-size must be 2 or more, not 1"),
            ("--batch-size", "5000", "--batch-size 5000 is larger than the 1,438"),
            ("--mix", "mixdown", "--mix must be none, or some of mixup, manifoldmixup,"),
            ("--mix", "mixup+none", "joined by +, not mixup+none"),
            ("--mix", "", "joined by +, not nothing"),
            ("--epochs", "0", "--epochs must be 1 or more, not 0"),
            ("--lr", "-0.1", "--lr must be above 0, not -0.1"),
            ("--seed", "-1", "--seed must be between 0 and"),
            ("--alpha", "inf", "--alpha must be a finite number, not inf"),
            ("--size", "4", "--size must be 8 or more, not 4"),
            ("--valid", "1.5", "between 0 and 1, not 1.5"),
            ("--precision", "fp8", "precision must be one of auto, fp32, bf16, fp16, not 'fp8'"),
            ("--label-pattern", r"(\d)", "digits is no folder, so --label-pattern"),
            ("--label", "digit", "digits has no columns, so --label digit"),
            ("--epoch", "3", "--epochs"),
        ],
    )
    def test_an_option(self, option, value, said, capsys):
        assert said in fails(capsys, "train", "digits", option, value)

    def test_streaming_what_has_no_shards(self, folder, capsys):
        for data in ("digits", folder):
            assert "has no Parquet shards" in fails(capsys, "train", data, "--stream")

    def test_a_pattern_without_a_group(self, folder, capsys):
        assert "has no group" in fails(capsys, "train", folder, "--label-pattern", r".+")

    def test_an_out_folder_with_other_files(self, tmp_path, capsys):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "letter.txt").write_text("dear")
        sentence = fails(capsys, "train", "digits", "--out", "mine", "--overwrite")
        assert "holds other files" in sentence
        assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"

    def test_an_out_folder_that_cannot_be_made(self, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        assert "cannot be written" in fails(capsys, "train", "digits", "--out", "file/run")
        assert "is a file" in fails(capsys, "train", "digits", "--out", "file")

    def test_an_out_folder_with_another_programs_model(self, tmp_path, capsys):
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
        sentence = fails(capsys, "train", "digits", "--out", "model", "--overwrite")
        assert "holds other files" in sentence

    def test_a_network_that_takes_no_such_images(self, tmp_path, capsys):
        options = ["--model", "vit_tiny_patch16_224", "--size", "32", "--out", "run"]
        sentence = fails(capsys, "train", "digits", *options)
        assert "vit_tiny_patch16_224 does not take images of 32 pixels" in sentence
        assert not (tmp_path / "run").exists()

    def test_no_data_and_no_such_command(self, capsys):
        assert "data" in fails(capsys, "train").lower()
        assert "train" in fails(capsys, "tran", "digits")

    def test_predicting_with_what_is_not_there(self, tmp_path, capsys):
        assert "holds no run" in fails(capsys, "predict", tmp_path, "x.png")

    def test_a_mistake_as_a_process_has_the_exit_code(self):
        done = command("train", "nowhere")
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == (
            "vicinal: nowhere does not exist: give a path, or digits to try it out\n"
        )


def test_bad_images_are_skipped_on_request(folder, tmp_path, capsys):
    for name in ("3.jpg", "4.jpg"):
        (folder / "china" / name).write_bytes(b"no image")
    options = ["--size", "32", "--epochs", "1", "--out", "run", "--skip-bad", "--valid", "0.3"]
    assert run(["train", str(folder), *options]) == 0
    said = capsys.readouterr().out
    assert "3.jpg" in said or "4.jpg" in said
    assert "left out:" in said


@pytest.mark.usefixtures("few_digits")
def test_predict_names_a_bad_image(tmp_path, capsys):
    assert run(["train", "digits", "--epochs", "1", "--out", "run"]) == 0
    (tmp_path / "bad.png").write_bytes(b"no image")
    capsys.readouterr()
    assert "bad.png cannot be read" in fails(capsys, "predict", "run", "bad.png")
    assert "none.png cannot be read" in fails(capsys, "predict", "run", "none.png")


class TestShowData:
    """What was found, before anything is drawn or trained."""

    def test_a_folder(self, folder, tmp_path, capsys):
        (folder / "flower" / "0.jpg").unlink()
        assert run(["show", str(folder), "--data", "--valid", "0.1"]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"data:           {folder}\nkind:           images\n")
        assert re.search(r"samples: +53 for training, 6 for validation", printed)
        assert re.search(r"formats: +of 53 training images: JPEG in colour \(53\)", printed)
        assert re.search(r"^flower +\d+ +\d$", printed, re.MULTILINE)
        assert list(tmp_path.iterdir()) == [folder]

    def test_a_table(self, tmp_path, capsys):
        rows = "".join(f"[i],{i},{'ab'[i % 2]}\n" for i in range(30))
        (tmp_path / "t.csv").write_text(f"name,x,label\n{rows}")
        assert run(["show", "t.csv", "--data"]) == 0
        assert re.search(r"^x +number +0% +24", capsys.readouterr().out, re.MULTILINE)

    @pytest.mark.parametrize(
        "options",
        [
            ["--mix", "mixup"],
            ["--alpha", "1"],
            ["--size", "64"],
            ["--no-flip"],
            ["--out", "a.png"],
            ["--open"],
        ],
    )
    def test_options_of_pictures_are_refused(self, options, tmp_path, capsys):
        assert f"{options[0]} does not apply" in fails(capsys, "show", "digits", "--data", *options)
        assert list(tmp_path.iterdir()) == []


class TestShow:
    @pytest.mark.parametrize("options", [
        ["--alpha", "0"], pytest.param(["--alpha", "8"], marks=pytest.mark.slow), ["--mix", "remix"]
    ])  # fmt: skip
    def test_digits(self, tmp_path, options):
        assert run(["show", "digits", *options, "--out", "mixed.png"]) == 0
        picture = Image.open(tmp_path / "mixed.png")
        assert min(picture.size) > 400

    def test_photos(self, folder, tmp_path):
        assert run(["show", str(folder), "--out", "mixed.pdf"]) == 0
        assert (tmp_path / "mixed.pdf").read_bytes().startswith(b"%PDF")

    def test_mistakes(self, tmp_path, capsys):
        assert "mixed.xyz cannot be written" in fails(
            capsys, "show", "digits", "--out", "mixed.xyz"
        )
        assert "cannot be written" in fails(capsys, "show", "digits", "--out", "no/mixed.png")
        assert "--size must be 8" in fails(capsys, "show", "digits", "--size", "-5")
        assert "mixes nothing" in fails(capsys, "show", "digits", "--mix", "none")
        assert list(tmp_path.iterdir()) == []
