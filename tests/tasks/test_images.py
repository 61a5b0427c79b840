"""What is chosen for images, and hidden mixing of them; the rest of images is in test_cli.py."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vicinal.cli import run
from vicinal.data.images import read_image
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples, Split
from vicinal.data.sources import load_split
from vicinal.data.storage import Storage
from vicinal.errors import VicinalError
from vicinal.learner.events import Callback, CancelFit
from vicinal.study.board import show_board
from vicinal.tasks import TrainOptions, make_task, task_type_of
from vicinal.tasks.images import ImagePreprocessing
from vicinal_cli import fails, rows_of


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "model", ["resnet10t", *(pytest.param(m, marks=pytest.mark.slow) for m in ("resnet9", "vit4"))]
)
def test_mixing_inside_of_a_network(model, tmp_path, capsys):
    options = ["--model", model, "--no-pretrained", "--valid", "0.5", "--epochs", "1"]
    assert run(["train", "digits", "--mix", "manifoldmixup", *options, "--out", "run"]) == 0
    said = capsys.readouterr().out
    assert "ManifoldMixUp(mixer=MixUp(alpha=2.0" in said
    assert "'input'" in said
    assert rows_of("run")[-1]["valid_accuracy"] > 0.2
    assert not (tmp_path / "run" / "mixed_batch.png").exists()  # it would show no mix


@pytest.mark.parametrize(
    ("mix", "how"),
    [
        ("cutmix+manifoldmixup", "CutMix(alpha=1.0, .*ManifoldMixUp(mixer=MixUp(alpha=2.0"),
        ("mixup:2+alignmix:until=0.5", "MixUp(alpha=2.0, .*ManifoldMixUp(.*AlignMix(alpha=2.0"),
        ("multimix:n=50", "MultiMix(n=50, "),
    ],
)
def test_methods_of_the_input_take_turns_with_those_inside(mix, how, capsys):
    options = ["--model", "resnet9", "--valid", "0.5", "--epochs", "1", "--batch-size", "256"]
    assert run(["train", "digits", "--mix", mix, *options, "--out", "run"]) == 0
    assert re.search(how.replace("(", "\\("), capsys.readouterr().out)
    assert np.isfinite(rows_of("run")[-1]["valid_loss"])


def test_a_network_whose_layers_nobody_knows(capsys, tmp_path):
    options = ["--model", "whitennet", "--size", "32"]
    assert "does not know the layers of whitennet" in fails(
        capsys, "train", "digits", "--mix", "manifoldmixup", *options
    )
    assert not (tmp_path / "runs").exists()


def pictures(count=24, height=16, width=24):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator)
    return Samples(
        [Image.fromarray(x.permute(1, 2, 0).numpy()) for x in images], [0, 1] * (count // 2)
    )


def image_split(**kwargs):
    return Split(pictures(24, **kwargs), pictures(4, **kwargs), ["cat", "dog"])


def task_of(split, **options):
    return make_task(TrainOptions("photos", pretrained=False, **options), split)


def reason(task, name):
    return dict(task.reasons).get(name)


@pytest.mark.parametrize(
    ("given", "kept", "pixels"),
    [(32, 32, 32), ("32", 32, 32), ("32x32", 32, 32), ("16x24", "16x24", (16, 24)),
     ((16, 24), "16x24", (16, 24)), ([16, 24], "16x24", (16, 24)), (np.int64(32), 32, 32)],
)  # fmt: skip
def test_a_size_is_a_side_or_height_and_width(given, kept, pixels):
    options = TrainOptions("x", size=given)
    assert (options.size, options.pixels) == (kept, pixels)
    assert TrainOptions(**json.loads(json.dumps(options.to_json()))) == options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": "big"}, "--size must be a side in pixels, or height x width such as 96x128, not"),
        ({"size": "16x24x3"}, "not 16x24x3"),
        ({"size": (16, 24, 3)}, r"a side in pixels or \(height, width\), not \(16, 24, 3\)"),
        ({"size": "7x24"}, "--size must be 8 or more, not 7x24"),
        ({"size": -8}, "--size must be 8 or more, not -8"),
        ({"resize": "stretch"}, "--resize must be crop, squish or pad, not stretch"),
        ({"augment": "heavy"}, "--augment must be none, light or photo, not heavy"),
        ({"augment": "none", "flip": True}, "--augment none and --flip exclude each other"),
    ],
)  # fmt: skip
def test_what_is_no_size_and_no_augmentation(options, said):
    with pytest.raises(VicinalError, match=said):
        TrainOptions("x", **options)


def test_small_images_of_one_oblong_size_keep_it():
    task = task_of(image_split())
    assert (task.size, task.item_size, task.resize) == ((16, 24), (16, 24), "crop")
    assert reason(task, "size") == "16x24 (height x width, as the images are)"
    assert reason(task, "resize") is None
    assert task.loaders().one_batch()[0].shape[1:] == (3, 16, 24)


def test_what_a_crop_cuts_off_is_said():
    wide = image_split(height=16, width=80)
    task = task_of(wide)
    assert task.size == 128
    assert reason(task, "resize") == (
        "crop: 80% of the area of images is cut off, which --resize squish or pad keeps"
    )
    assert reason(task_of(wide, resize="crop"), "resize").startswith("crop (as requested): 80% of")
    assert reason(task_of(wide, resize="pad"), "resize") == "pad (as requested)"
    assert reason(task_of(wide, size="16x80"), "resize") is None


@pytest.mark.parametrize("method", ["squish", "pad"])
def test_images_are_resized_alike_in_training_and_prediction(method):
    split = image_split()
    task = task_of(split, resize=method, size="8x40", augment="none", model="resnet10t")
    learn = task.learner()
    expected = torch.stack([read_image(i, Resizing(8, 40, method)) for i in split.valid.images])
    x, _ = next(iter(learn.dls.valid))
    torch.testing.assert_close(learn.dls.normalize.undo(x), expected / 255)
    how = json.loads(json.dumps(task.preprocessing(learn).to_json()))
    new = ImagePreprocessing(**how).batch(list(split.valid.images))
    torch.testing.assert_close(learn.dls.normalize.undo(new), expected / 255)
    del how["resize"], how["item_size"], how["size"]  # as earlier versions wrote it
    cropped = ImagePreprocessing(**how, item_size=8, size=8).batch(list(split.valid.images))
    read = torch.stack([read_image(i, 8) for i in split.valid.images])
    torch.testing.assert_close(learn.dls.normalize.undo(cropped), read / 255)


@pytest.mark.parametrize(
    ("options", "lr", "why", "decay"),
    [
        ({"model": "vit4"}, 1e-3, "0.001 (a vision transformer from random weights)", 0.05),
        (
            {"model": "vit_tiny_patch16_224"},
            1e-3,
            "0.001 (a vision transformer from random weights)",
            0.05,
        ),
        ({"model": "vit6", "lr": 0.01}, 0.01, "0.01 (as requested)", 0.05),
        ({}, 3e-3, "0.003 (small images)", 0.01),  # resnet9
        ({"model": "vit4", "recipe": "cifar10-best"}, 0.1, "0.1 (the recipe cifar10-best)", 1e-4),
    ],
)
def test_learning_rate_and_weight_decay_of_a_vision_transformer(options, lr, why, decay):
    task = task_of(image_split(), **{"batch_size": 4, **options})
    assert (task.lr, reason(task, "learning rate")) == (lr, why)
    assert (reason(task, "weight decay") == "0.05 (a vision transformer)") == (decay == 0.05)
    for again in (task, make_task(task.resolved(), task.split)):  # as a resumed run has it
        learn = again.learner()
        decays = []
        with learn.no_logging():
            learn.fit(1, lr, cbs=Decays(decays))
        assert decays == [decay, 0.0]


class Decays(Callback):
    """Keeps the weight decays of the optimizer, and ends the training."""

    def __init__(self, found):
        self.found = found

    def before_train(self, learn):
        groups = learn.optimizer.param_groups
        self.found += dict.fromkeys(group["weight_decay"] for group in groups)
        raise CancelFit


def test_a_size_that_is_no_multiple_of_a_patch():
    task = task_of(image_split(), model="vit4", size=30, batch_size=4)
    with pytest.raises(VicinalError, match=r"vit4 does not take images of 30 pixels.*patch size"):
        task.learner()


def kinds_of(task):
    return [type(transform).__name__ for transform in task.transforms]


@pytest.mark.parametrize(
    ("size", "augment", "kinds", "item_size"),
    [
        (32, None, ["Translate"], 32),
        (100, None, ["RandomView", "Lighting"], 115),
        (100, "light", ["Translate"], 100),
        (32, "photo", ["RandomView", "Lighting"], 32),
        ("40x100", "photo", ["RandomView", "Lighting"], (46, 115)),
        (100, "none", [], 100),
    ],
)
def test_augmentation(size, augment, kinds, item_size):
    task = task_of(image_split(), size=size, augment=augment)
    assert (kinds_of(task), task.item_size) == (kinds, item_size)
    assert task.resolved().augment == augment or augment is None
    again = make_task(task.resolved(), task.split)
    assert (kinds_of(again), again.item_size) == (kinds, item_size)


@pytest.mark.parametrize(
    ("vocab", "mirrored", "flip", "flips", "why"),
    [
        (["cat", "dog"], True, None, True, "flips (--no-flip where left and right matter)"),
        (["cat", "dog"], True, False, False, "no flips, as requested"),
        (["3", "7"], False, None, False, "no flips: they would change what is seen"),
        (["3", "7"], False, True, True, "flips"),
        (["left", "right"], True, None, False,
         "no flips: mirrored, left looks like right (--flip flips all the same)"),
        (["left", "right"], True, True, True, "flips"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [32, 100])
def test_flips(vocab, mirrored, flip, flips, why, size):
    split = replace(image_split(), vocab=vocab, mirrored=mirrored)
    task = task_of(split, flip=flip, size=size)
    assert task.transforms[0].flip is flips
    assert task.resolved().flip is flips
    assert reason(task, "augmentation").endswith(f", {why}")


def test_flips_of_a_recipe():
    left_right = replace(image_split(), vocab=["left", "right"])
    task = task_of(left_right, recipe="imagenette", batch_size=4)
    assert reason(task, "augmentation").endswith(
        "flips; flips change what is seen here, so do better without the recipe"
    )
    assert task.resolved().augment is task.resolved().flip is None
    with pytest.raises(VicinalError, match="--no-flip does not apply to the recipe imagenette"):
        task_of(left_right, recipe="imagenette", flip=False)
    with pytest.raises(VicinalError, match="--augment does not apply to the recipe cifar10-fast"):
        task_of(left_right, recipe="cifar10-fast", augment="light")


def streamed(folder):
    import datasets

    table = datasets.Dataset.from_dict({"image": pictures().images, "label": ["cat", "dog"] * 12})
    table.to_parquet(folder / "0.parquet")
    return load_split(folder / "0.parquet", stream=True)


def rows(folder):
    (folder / "rows.csv").write_text(
        "x,label\n" + "".join(f"{i * 7 % 5},{i % 2}\n" for i in range(40))
    )
    return load_split(folder / "rows.csv")


def texts(folder):
    lines = [f"the words of text number {i},{'ab'[i % 2]}\n" for i in range(40)]
    (folder / "texts.csv").write_text("text,label\n" + "".join(lines))
    return load_split(folder / "texts.csv")


SPLITS = {
    "images": lambda folder: image_split(height=40, width=90),
    "streamed images": streamed,
    "rows": rows,
    "texts": texts,
}
OPTIONS = {
    "--size": {"size": "16x40"},
    "--resize": {"resize": "pad"},
    "--augment": {"augment": "photo"},
    "--no-flip": {"flip": False},
}


def seen(task):
    return [vars(t) for t in task.transforms], kinds_of(task), task.loaders().valid.dataset.size


@pytest.mark.parametrize("kind", ["rows", "texts"])
def test_options_of_images_apply_to_nothing_else(kind, tmp_path):
    split = SPLITS[kind](tmp_path)
    for name, options in OPTIONS.items():
        with pytest.raises(VicinalError, match=f"{name} does not apply to {kind}"):
            make_task(TrainOptions("x", batch_size=4, model=None, **options), split)
        with pytest.raises(VicinalError, match=f"holds {kind}, which cannot be drawn"):
            task_type_of(split).show(TrainOptions("x", **options), split)


@pytest.mark.parametrize(
    "kind", ["images", pytest.param("streamed images", marks=pytest.mark.slow)]
)
def test_no_option_is_silently_ignored(kind, tmp_path, monkeypatch):
    """By a training, and so by a comparison and advice; and by a picture of mixing."""
    monkeypatch.setattr("vicinal.data.vision.storage_of", lambda *a, **k: Storage("streamed", ""))
    monkeypatch.setattr("vicinal.tasks.images.storage_of", lambda *a, **k: Storage("streamed", ""))
    split, plain = SPLITS[kind](tmp_path), {"batch_size": 4, "pretrained": False}
    drawn = []
    monkeypatch.setattr("vicinal.plots.mixing", lambda x, *rest, **more: drawn.append(x))

    def outcome(options):
        options = {"size": 32} | options
        task_type_of(split).show(TrainOptions("x", **options), split)
        return seen(make_task(TrainOptions("x", **plain | options), split)), drawn.pop()

    expected, picture = outcome({})
    for name, options in OPTIONS.items():
        found, other = outcome(options)
        assert found != expected, name
        assert not torch.equal(other, picture), name


def test_the_board_takes_none_of_them(tmp_path):
    for name, options in OPTIONS.items():
        with pytest.raises(VicinalError, match=f"{name} does not apply to the board"):
            show_board(TrainOptions("digits", **options), tmp_path / "x.html", open=False)
