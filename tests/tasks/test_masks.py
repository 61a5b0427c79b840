"""Masks by the commands: chosen, trained, shown, predicted, compared and resumed."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mask_folders import many, save
from run_folders import assert_same, left, silent
from vicinal import Predictor, VicinalError, runs
from vicinal.cli import run
from vicinal.cli.written_masks import WrittenMasks
from vicinal.learner.callbacks import StopWhenAsked
from vicinal.mixing import MixedTarget
from vicinal.plots.overlays import painted
from vicinal.tasks import TrainOptions, find_split, make_task
from vicinal.tasks.mask_preprocessing import MaskPreprocessing
from vicinal.tasks.masks import MaskTask

SIDE = 8


class Tiny(nn.Module):
    """As a U-Net has them: an encoder, a decoder and a head."""

    def __init__(self, n_out):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.decoder = nn.Conv2d(4, 4, 1)
        self.segmentation_head = nn.Conv2d(4, n_out, 1)

    def forward(self, x):
        return self.segmentation_head(self.decoder(self.encoder(x)))


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, tmp_path):
    """A network of a few parameters in the place of U-Nets, and a folder of the test's own."""
    for module in ("learner.unet", "tasks.mask_preprocessing", "tasks.masks"):
        monkeypatch.setattr(f"vicinal.{module}.unet", lambda name, n_out, **how: Tiny(n_out))
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def halves(folder, count=10, mode="L", **how):
    """Images that are dark where the mask is 1, and bright where it is 2."""
    rng = np.random.default_rng(0)
    for number in range(count):
        values = np.ones((SIDE, SIDE), dtype=np.uint8)
        values[:, rng.integers(2, 7) :] = 2
        save(folder, values, mode=mode, name=f"n{number}", **how)
        pixels = np.stack([values * 110] * 3, axis=-1)
        Image.fromarray(pixels).save(folder / "images" / f"n{number}.png")
    return folder


@pytest.fixture
def folder(tmp_path):
    return halves(tmp_path / "halves")


def options(folder, **given):
    return TrainOptions(
        str(folder), **{"epochs": 2, "batch_size": 4, "lr": 0.05, "mix": "mixup", **given}
    )


def train(folder, out, **given):
    return runs.train(options(folder, **given), out, log=silent)


SLOW = pytest.mark.slow
MIXES = ["none", "cutmix", "mixup+classmix", "smoothmix",
         *(pytest.param(name, marks=SLOW) for name in ("mixup", "regmixup"))]  # fmt: skip


@pytest.mark.parametrize("mix", MIXES)
def test_each_method_trains(folder, tmp_path, mix):
    task = make_task(options(folder, mix=mix, epochs=1), find_split(options(folder)))
    learn = task.learner()
    learn.add_cbs(task.mixer(learn))
    before = [parameter.clone() for parameter in learn.model.parameters()]
    with learn.no_logging():
        task.fit(learn, 1, task.lr)
    assert any(not p.equal(b) for p, b in zip(learn.model.parameters(), before, strict=True))
    row = learn.history[-1]
    assert np.isfinite(row["train_loss"])
    names = {"valid_accuracy", "valid_mean_iou", "valid_iou_1", "valid_iou_2"}
    assert names < row.keys()
    assert row["valid_mean_iou"] == pytest.approx((row["valid_iou_1"] + row["valid_iou_2"]) / 2)


@pytest.mark.parametrize(("loss", "mix"), [("dice", "mixup+cutmix"), ("ce+dice", "none")])
def test_each_loss_trains(folder, tmp_path, loss, mix):
    found = find_split(options(folder))
    task = make_task(options(folder, loss=loss, mix=mix, epochs=6), found)
    learn = task.learner()
    mixer = task.mixer(learn)
    if mixer is not None:
        learn.add_cbs(mixer)
    with learn.no_logging():
        task.fit(learn, 6, task.lr)
    losses = [row["valid_loss"] for row in learn.history]
    assert losses[-1] < 0.8 * losses[0]
    # The mean over images does not depend on how they are batched.
    whole, _ = learn.validate()[:2]
    assert whole == pytest.approx(losses[-1], rel=1e-5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"loss": "bce"}, r"--loss must be ce, dice, ce\+dice for masks, not bce"),
        ({"loss": "dice", "mix": "smoothmix"}, "--loss dice compares whole masks"),
    ],
)
def test_losses_that_do_not_fit(folder, given, sentence):
    with pytest.raises(VicinalError, match=sentence):
        make_task(options(folder, **given), find_split(options(folder))).batch_mixer()


@pytest.mark.parametrize(
    ("mix", "sentence"),
    [
        ("remix", "--mix remix does not go with masks"),
        ("balancedmixup", "--mix balancedmixup does not go with masks"),
        ("manifoldmixup", "--mix manifoldmixup does not go with masks"),
        ("columnmix", "--mix columnmix does not go with masks"),
    ],
)
def test_methods_that_need_one_class_of_an_image(folder, mix, sentence):
    with pytest.raises(VicinalError, match=sentence):
        make_task(options(folder, mix=mix), find_split(options(folder))).batch_mixer()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"resize": "crop"}, "--resize crop would leave pixels at the border without a prediction"),
        ({"recipe": "cifar10-fast"}, "--recipe does not apply to masks"),
    ],
)
def test_options_that_do_not_apply(folder, given, sentence):
    with pytest.raises(VicinalError, match=sentence):
        make_task(options(folder, **given), find_split(options(folder)))


@pytest.mark.parametrize(
    ("small", "count", "size"),
    [
        *[(True, 2, 2), (True, 6, 3), (True, 50, 4), (True, 200, 8), (True, 5000, 32)],
        *[(False, 50, 4), (False, 5000, 8)],
    ],
)
def test_of_few_images_batches_are_small(small, count, size):
    """200 images learn digits in 30 epochs of 25 steps, and in none of 6."""
    assert MaskTask._batch_size(SimpleNamespace(small=small), count)[0] == size


@pytest.mark.parametrize(("pretrained", "rate"), [(True, 1e-3), (False, 1e-2)])
def test_random_weights_learn_at_a_higher_rate(pretrained, rate):
    task = SimpleNamespace(pretrained=pretrained, noun="masks of small images")
    assert MaskTask._learning_rate(task)[0] == rate


def test_photos_keep_their_shape(tmp_path):
    photos = many(tmp_path / "photos", np.eye(90, 180, dtype=np.uint8), count=5)
    task = make_task(options(photos, epochs=None), find_split(options(photos)))
    if task.device.type == "cpu":
        assert task.size == (128, 256)
    assert (task.resize, task.small) == ("squish", False)
    x, y = task.loaders().one_batch()
    assert x.shape[2:] == y.shape[1:] == task.size


@pytest.mark.parametrize("resize", ["squish", "pad"])
def test_what_is_padded_has_no_class(tmp_path, resize):
    photos = many(tmp_path / "photos", np.ones((4, 8), dtype=np.uint8) * [[0], [1], [0], [1]])
    task = make_task(
        options(photos, size=8, resize=resize, augment="none"), find_split(options(photos))
    )
    _, y = task.loaders().one_batch()
    assert (y == 255).float().mean() == (0.5 if resize == "pad" else 0)


def test_shares_name_all_classes():
    of_three = SimpleNamespace(preprocessing=SimpleNamespace(vocab=["road", "sky", "car"]))
    shares = Predictor.named_shares(of_three, torch.tensor([0.25, 0.75, 0.0]))
    assert shares == {"sky": 0.75, "road": 0.25, "car": 0.0}


def test_masks_of_one_name_get_names_of_their_own(tmp_path):
    names = [f"{tmp_path}/a.jpg", f"{tmp_path}/a.png", f"{tmp_path}/b/a.png"]
    made = WrittenMasks(None, tmp_path / "out", names)
    found = [file.relative_to(tmp_path / "out").as_posix() for file in made.files]
    assert found == ["a.png", "a.png.png", "b/a.png"]


# ---- a run --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_run_learns_and_predicts(tmp_path, mode, capsys):
    folder = halves(tmp_path / "data", count=20, mode=mode)
    train(folder, tmp_path / "run", epochs=20, mix="none")
    found = Predictor.load(tmp_path / "run")
    file = folder / "images" / "n0.png"
    (mask,) = found.predict([file])
    truth = torch.from_numpy(np.asarray(Image.open(folder / "masks" / "n0.png")).astype(int))
    assert (mask + 1 == truth).float().mean() > 0.9
    shares = found.answer(mask)["shares"]
    assert sum(shares.values()) == pytest.approx(1)
    large = tmp_path / "large.png"
    Image.open(file).resize((30, 20)).save(large)
    assert run(["predict", "run", str(file), str(large)]) == 0
    shown = capsys.readouterr().out
    assert "share" in shown
    assert "masks: in predicted" in shown
    for name, size in (("data/images/n0.png", (8, 8)), ("large.png", (30, 20))):
        image = Image.open(tmp_path / "predicted" / name)
        assert (image.mode, image.size) == (mode, size)
        assert set(np.unique(np.asarray(image))) == {1, 2}
        if mode == "P":
            stored = Image.open(folder / "masks" / "n0.png")
            assert image.getpalette()[:9] == stored.getpalette()[:9]
    for name in ("mixed_batch.png", "curves.png"):
        assert (tmp_path / "run" / name).exists()


@pytest.mark.usefixtures("blank_pictures")
def test_json_names_the_files(folder, tmp_path, capsys):
    train(folder, tmp_path / "run", epochs=1)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    files = [str(broken), str(folder / "images" / "n1.png")]
    capsys.readouterr()
    assert run(["predict", "run", *files, "--json", "--out", "out"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert "cannot be read" in first["error"]
    assert second["mask"].endswith("n1.png")
    assert Image.open(second["mask"]).size == (SIDE, SIDE)
    assert run(["predict", "run", *files, "--out", "out"]) == 2
    assert "exists already: name another folder by --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["../b/1.jpg", "1.jpg"], ["b/1.png", "here/1.png"]),
        (["a/../1.jpg"], ["1.png"]),
        (["a/1.jpg", "b/1.jpg"], ["a/1.png", "b/1.png"]),
        (["1.jpg", "1.png", "1.png"], ["1.png", "1.png.png", "1.png.png.png"]),
        (["1.png.jpg", "1.jpg", "1.png"], ["1.png.png", "1.png", "1.png.png.png"]),
        (["."], ["here.png"]),
    ],
)
def test_each_mask_has_a_file_of_its_own_in_the_folder(tmp_path, monkeypatch, names, files):
    from vicinal.cli.written_masks import writer_for

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = writer_for(SimpleNamespace(writes=True), tmp_path / "out", names)
    assert found.files == [tmp_path / "out" / file for file in files]


def test_out_is_for_masks(tmp_path):
    from vicinal.cli.written_masks import writer_for

    with pytest.raises(VicinalError, match="--out there is for predicted masks"):
        writer_for(SimpleNamespace(writes=False), tmp_path.relative_to(tmp_path) / "there", [])


@pytest.mark.usefixtures("blank_pictures")
def test_a_resumed_run_is_the_same(folder, tmp_path):
    train(folder, tmp_path / "whole", epochs=4, mix="mixup+classmix")

    class Stopped(Exception):
        pass

    def stop(learn, *rest):
        if len(learn.history) == 2:
            raise Stopped

    patch = pytest.MonkeyPatch()
    patch.setattr(StopWhenAsked, "after_batch", lambda self, learn: stop(learn))
    with pytest.raises(Stopped):
        train(folder, tmp_path / "parts", epochs=4, mix="mixup+classmix")
    patch.undo()
    given = options(folder, epochs=4, mix="mixup+classmix")
    runs.train(given, tmp_path / "parts", resume=True, log=silent)
    assert_same(left(tmp_path / "whole"), left(tmp_path / "parts"))


def test_a_changed_mask_is_noticed(folder, tmp_path):
    split = find_split(options(folder))
    before = make_task(options(folder), split).fingerprint()
    Image.fromarray(np.ones((SIDE, SIDE), dtype=np.uint8)).save(folder / "masks" / "n3.png")
    assert make_task(options(folder), find_split(options(folder))).fingerprint() != before


@pytest.mark.parametrize("mix", ["classmix", pytest.param("smoothmix", marks=SLOW)])
def test_show_draws_images_and_masks(folder, tmp_path, mix):
    runs.show(options(folder, mix=mix), tmp_path / "mixed.png")
    assert Image.open(tmp_path / "mixed.png").width > 400


def test_what_was_found_is_printed(folder, capsys):
    assert run(["show", "halves", "--data"]) == 0
    shown = capsys.readouterr().out
    assert "masks:          numbers (without a legend): 1, 2" in shown


def test_many_classes_are_said_after_the_training(tmp_path):
    folder = many(tmp_path / "many", np.arange(16, dtype=np.uint8).reshape(4, 4), count=8)
    split = find_split(options(folder))
    task = make_task(options(folder, epochs=1), split)
    learn = task.learner()
    assert len(learn.metrics) == 2
    ((name, text),) = task.after_training(learn)
    assert name == "IoU"
    assert text.count(",") == 15
    assert len(learn.metrics) == 2


# ---- predictions --------------------------------------------------------------------------------

HOW = MaskPreprocessing("resnet18", ["a", "b"], 8, 8, [0.5] * 3, [0.2] * 3, "squish", None,
                        "numbers", [3, 7])  # fmt: skip


def test_an_output_is_brought_to_the_size_of_its_image():
    output = torch.zeros(2, 8, 8)
    output[0, :, :4], output[1, :, 4:] = 1, 1
    mask = HOW.finished(Image.new("RGB", (32, 16)), output)
    assert (mask.shape, mask.dtype) == ((16, 32), torch.uint8)
    assert mask[:, :16].sum() == 0
    assert mask[:, 16:].float().mean() == 1
    assert HOW.shares(mask).tolist() == [0.5, 0.5]
    assert set(np.unique(np.asarray(HOW.form.image(mask.numpy())))) == {3, 7}


def test_a_photo_on_its_side_gets_an_upright_mask(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # EXIF's orientation
    Image.new("RGB", (32, 16)).save(tmp_path / "side.jpg", exif=exif)
    output = torch.zeros(2, 8, 8)
    output[0, :4], output[1, 4:] = 1, 1
    mask = HOW.finished(tmp_path / "side.jpg", output)
    assert mask.shape == (32, 16)
    assert mask.float().mean(1).tolist() == [0] * 16 + [1] * 16


def test_what_was_padded_is_cut_off():
    output = torch.zeros(2, 8, 8)
    output[0], output[1, 2:6] = 0.5, 1  # the image is in the middle
    mask = replace(HOW, resize="pad").finished(Image.new("RGB", (32, 16)), output)
    assert mask.float().mean() == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"values": [3]}, "values must hold a number or colour for each class"),
        ({"values": [3, 70000]}, "70000 is no number or colour"),
        ({"resize": "crop"}, "resize must not be crop"),
    ],
)
def test_edited_settings_are_refused(change, sentence):
    with pytest.raises(VicinalError, match=sentence):
        replace(HOW, **change).check()


def test_overlays_blend_the_colours_of_mixed_masks():
    pictures, own, partner = torch.zeros(1, 3, 1, 1), torch.tensor([[[0]]]), torch.tensor([[[1]]])
    mixed = MixedTarget(own, partner, torch.tensor([0.75]))
    first, second = painted(pictures, own, 255), painted(pictures, partner, 255)
    assert torch.allclose(painted(pictures, mixed, 255), 0.75 * first + 0.25 * second)
    by_pixel = MixedTarget(own, partner, torch.tensor([[[0.25]]]))
    assert torch.allclose(painted(pictures, by_pixel, 255), 0.25 * first + 0.75 * second)
