"""Where data, mixing, callbacks and files differ from fastai on purpose: rows of docs/fastai.md."""

import math
import tempfile
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from rows import row
from two_learners import cross_entropy, data, fastai, network, steps_of, two_learners

import vicinal
from vicinal import VicinalError


def photos(folder, count=12):
    """Images of two classes in folders of their names, of stripes that grow brighter."""
    for number in range(count):
        place = Path(folder, "ab"[number % 2])
        place.mkdir(exist_ok=True)
        stripes = np.arange(16 * 24 * 3, dtype=np.uint32).reshape(16, 24, 3) * (number + 3) % 256
        Image.fromarray(stripes.astype(np.uint8)).save(place / f"{number}.png")
    return Path(folder)


def both_loaders(folder, **options):
    options = {"valid_pct": 0.5, "seed": 0, "bs": 2, **options}
    theirs = fastai.ImageDataLoaders.from_folder(
        folder, item_tfms=fastai.Resize(8), num_workers=0, **options
    )
    ours = vicinal.ImageDataLoaders.from_folder(
        folder, item_tfms=vicinal.Resize(8), device="cpu", **options
    )
    return theirs, ours


@row(
    "`cbs=MixUp(0.4)`",
    "partners are any permutation of the batch, so some samples are mixed with themselves",
    "partners form a cycle: no sample is mixed with itself",
)
def _():
    x, y = torch.randn(4, 2), torch.arange(4)
    theirs, _ = two_learners(loss_func=fastai.CrossEntropyLossFlat())
    mix = fastai.MixUp(0.4)
    mix.learn, theirs.training = theirs, True
    mix.before_train()
    mixer = vicinal.MixUp(0.4, seed=0)
    torch.manual_seed(0)
    alone = [0, 0]
    for _ in range(30):
        theirs.xb, theirs.yb = (x,), (y,)
        mix.before_batch()
        alone[0] += int((mix.yb1[0] == y).sum())
        alone[1] += int((mixer(x, y)[1].partner == y).sum())
    # Of 120 samples, a permutation leaves 1 of 4 alone: none with a probability below 1e-9.
    assert alone[0] > 0
    assert alone[1] == 0


@row(
    "`Normalize` left out of the loaders",
    "images are not normalised, except by `vision_learner` for pretrained weights",
    "images are normalised by ImageNet's statistics",
)
def _():
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = both_loaders(photos(folder))
        assert 0 <= theirs.one_batch()[0].min() <= theirs.one_batch()[0].max() <= 1
        assert ours.normalize.mean == list(fastai.imagenet_stats[0])
        assert ours.one_batch()[0].min() < 0


@row(
    "`item_tfms=Resize(8)`",
    "crops training images at random along the longer side, in each epoch anew",
    "crops the middle, in training, too, because images are decoded once; `RandomResizedCrop` "
    "crops at random",
)
def _():
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = both_loaders(photos(folder))
        for dls, draws in ((theirs, True), (ours, False)):
            seen = [sorted(float(x.sum()) for xs, _ in dls.train for x in xs) for _ in range(2)]
            assert (seen[0] == pytest.approx(seen[1], rel=1e-4)) != draws


@row(
    "the size of validation batches",
    "is that of training batches",
    "is twice that, unless `val_bs` is given",
)
def _():
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = both_loaders(photos(folder))
        assert len(next(iter(theirs.valid))[1]) == 2
        assert len(next(iter(ours.valid))[1]) == 4


@row(
    "`bs=64` with fewer training samples",
    "gives no training batch, and fails where one is used",
    "is an error that names both numbers",
)
def _():
    with tempfile.TemporaryDirectory() as folder:
        theirs, _ = both_loaders(photos(folder))
        theirs = fastai.ImageDataLoaders.from_folder(
            folder, valid_pct=0.5, item_tfms=fastai.Resize(8), num_workers=0
        )
        assert len(theirs.train) == 0
        with pytest.raises(VicinalError, match=r"6.*64|64.*6"):
            both_loaders(photos(folder), bs=64)[1].one_batch()


@row(
    "`get_image_files(path)`",
    "is in the order of the file system, so a seed splits differently on another machine",
    "is sorted",
)
def _():
    with tempfile.TemporaryDirectory() as folder:
        found = vicinal.get_image_files(photos(folder))
        assert [*found] == sorted(found)
        assert {*map(Path, fastai.get_image_files(folder))} == {*map(Path, found)}


@row(
    "`learn.export('bears.pkl')`",
    "writes a pickle, which can run code when it is loaded",
    "writes `bears.safetensors`: weights and JSON, which cannot run code",
)
def _():
    with tempfile.TemporaryDirectory() as folder:
        loaders, images = both_loaders(photos(folder))
        fastai.Learner(loaders, network(), path=folder).export("bears.pkl")
        assert any(name.endswith(".pkl") for name in ZipFile(Path(folder, "bears.pkl")).namelist())
        learn = vicinal.vision_learner(images, "resnet18", pretrained=False, path=folder)
        assert learn.export("bears.pkl").name == "bears.safetensors"
        assert vicinal.load_learner(Path(folder, "bears.safetensors")).dls.vocab == ["a", "b"]


@row(
    "`def after_batch(self):` in a callback",
    "finds the learner's attributes in `self`",
    "gets the learner as an argument: `def after_batch(self, learn)`",
)
def _():
    class Theirs(fastai.Callback):
        def after_batch(self):
            self.learn.seen = self.loss

    class Ours(vicinal.Callback):
        def after_batch(self, learn):
            learn.seen = learn.loss

    theirs, ours = two_learners()
    theirs.fit(1, cbs=Theirs())
    ours.fit(1, cbs=Ours())
    assert theirs.seen.item() == pytest.approx(ours.seen.item(), rel=1e-4)


@row(
    "`EarlyStoppingCallback(monitor='rmse')`",
    "assumes that higher is better, because the name has neither “loss” nor “error”",
    "knows that lower is better, as for `mae`, `mse` and the like",
)
def _():
    assert fastai.EarlyStoppingCallback(monitor="rmse").comp is np.greater
    assert vicinal.EarlyStoppingCallback(monitor="rmse").mode == "min"


@row(
    "`cbs=GradientAccumulation(n_acc)`, where the batch size does not divide `n_acc`",
    "steps with more than the mean of the gradients, and carries the rest over to the next epoch",
    "steps with their mean, also at the end of an epoch",
)
def _():
    # 5 batches of 6 samples an epoch, of which 2 make 9 samples or more
    theirs, ours = two_learners()
    theirs.fit(2, cbs=fastai.GradientAccumulation(9))
    ours.fit(2, cbs=vicinal.GradientAccumulation(9))
    done = [len([s for s in steps_of(learn) if s]) for learn in (theirs, ours)]
    assert done[1] == 6
    x, y = data()
    model = network()
    sizes = []

    class Gradient(fastai.Callback):
        order = 69

        def before_step(self):
            sizes.append(self.learn.model[2][0].bias.grad.clone())

    theirs, _ = two_learners(model)
    theirs.add_cb(Gradient())
    theirs.fit(1, lr=1e-12, cbs=fastai.GradientAccumulation(9))
    model.train()
    for part in (slice(0, 6), slice(6, 12)):
        cross_entropy(model(x[part]), y[part]).backward()
    mean = model[2][0].bias.grad / 2
    torch.testing.assert_close(sizes[0], mean * 12 / 9, rtol=1e-3, atol=1e-5)


@row(
    "`learn.fit_one_cycle(1, cbs=GradientAccumulation(12))`",
    "each step uses the rate of its last batch",
    "the schedule counts steps, so the first step uses the first rate",
)
def _():
    theirs, ours = two_learners()
    for learn, library in ((theirs, fastai), (ours, vicinal)):
        learn.fit_one_cycle(1, 1e-2, cbs=library.GradientAccumulation(12))
    rates = [steps_of(learn)[0]["0.0.weight"][0] for learn in (theirs, ours)]
    assert rates[0] > 2 * rates[1]
    assert rates[1] == pytest.approx(1e-2 / 25)


@row(
    "`cbs=TerminateOnNaNCallback()`",
    "stops after the step, when weights are NaN",
    "stops before the step",
)
def _():
    theirs, ours = two_learners()
    theirs.loss_func = ours.loss_func = lambda output, y: output.float().sum() * math.nan
    for learn, library in ((theirs, fastai), (ours, vicinal)):
        learn.fit(1, cbs=library.TerminateOnNaNCallback())
        assert learn.model[2][0].weight.isfinite().all() == (learn is ours)


@row(
    "`cbs=CSVLogger()` and `learn.fine_tune(1)`",
    "the file has only the second phase",
    "the file has both phases",
)
def _():
    theirs, ours = two_learners()
    with tempfile.TemporaryDirectory() as folder:
        for learn, library, rows in ((theirs, fastai, 1), (ours, vicinal, 2)):
            learn.path = Path(folder)
            learn.add_cb(library.CSVLogger())
            learn.fine_tune(1)
            assert len(pd.read_csv(Path(folder, "history.csv"))) == rows


@row(
    "`SaveModelCallback(with_opt=True)`",
    "also saves the optimizer, by `torch.save`",
    "is an error: `Checkpoint(file)` saves the optimizer; weights are safetensors",
)
def _():
    assert fastai.SaveModelCallback(with_opt=True).with_opt
    with pytest.raises(VicinalError, match="saves weights alone"):
        vicinal.SaveModelCallback(with_opt=True)


@row(
    "`metrics=F1Score()` with more than two classes",
    "is an error of scikit-learn after the first epoch",
    'is an error at once; use `F1Score(average="macro")`',
)
def _():
    theirs, ours = two_learners()
    theirs.metrics = [fastai.F1Score()]
    with pytest.raises(ValueError, match="average"):
        theirs.fit(1)
    assert len(steps_of(theirs)) == 5
    with pytest.raises(VicinalError, match="average"):
        ours.metrics = vicinal.F1Score()
