"""Where we differ from fastai on purpose after a training; see :mod:`differences`."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rows import row
from torch import nn
from two_learners import fastai, two_learners

import vicinal
from vicinal import VicinalError


@contextmanager
def in_folder():
    """Within this context an empty folder is the current one."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


@contextmanager
def two_of_images():
    """Both learners of the same images in folders."""
    with in_folder() as folder:
        generator = np.random.default_rng(0)
        for name in "ab":
            (folder / name).mkdir()
            for number in range(6):
                pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{number}.png")
        how = {"valid_pct": 0.5, "seed": 1, "bs": 2, "device": "cpu"}
        how["batch_tfms"] = fastai.aug_transforms()
        theirs = fastai.ImageDataLoaders.from_folder(folder, num_workers=0, **how)
        how["batch_tfms"] = vicinal.aug_transforms()
        ours = vicinal.ImageDataLoaders.from_folder(folder, item_size=8, **how)
        model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
        learn = fastai.Learner(theirs, model, fastai.CrossEntropyLossFlat())
        learn.remove_cb(fastai.ProgressCallback)
        yield learn, vicinal.Learner(ours, model)


@row(
    "`learn.get_preds(ds_idx=0)`",
    "augments the training images, so that each call gives other predictions",
    "predicts them as they are",
)
def _():
    with two_of_images() as (theirs, ours):
        for learn, same in ((theirs, False), (ours, True)):
            one, other = (learn.get_preds(ds_idx=0)[0] for _ in range(2))
            assert torch.equal(one, other) == same


@row(
    "`learn.export()`, `load_learner('export.pkl')`",
    "pickles the learner with its callbacks and metrics to `export.pkl`; loading it can run any "
    "code",
    "writes what predicts to `export.safetensors`, which `load_learner` finds by either name; "
    "opens no pickled file, and names what a file cannot hold",
)
def _():
    with two_of_images() as (theirs, ours):
        ours.path = theirs.path
        theirs.export()
        assert fastai.load_learner(theirs.path / "export.pkl").dls.vocab == ["a", "b"]
        with pytest.raises(VicinalError, match="a pickled file could run any code"):
            vicinal.load_learner(ours.path / "export.pkl")
        (ours.path / "export.pkl").unlink()
        assert ours.export().name == "export.safetensors"
        assert vicinal.load_learner(ours.path / "export.pkl").dls.vocab == ["a", "b"]


@row(
    "`learn.path`, below which `export` and `save` write",
    "the folder of the data",
    "the current folder, or `Learner(…, path=…)`",
)
def _():
    with two_of_images() as (theirs, ours):
        assert theirs.path == Path(theirs.dls.path)
        assert theirs.path != Path()
        assert ours.path == Path()


@row(
    "`learn.save('a')`, `learn.load('a')`",
    "the weights and the state of the optimizer, unless `with_opt=False`",
    "the weights; `with_opt=True` is an error, as each training makes its own optimizer",
)
def _():
    theirs, ours = two_learners()
    theirs.create_opt()
    with in_folder() as folder:
        theirs.path = ours.path = folder
        assert "opt" in torch.load(theirs.save("a"), weights_only=False)
        ours.save("a")
        with pytest.raises(VicinalError, match="makes its own optimizer"):
            ours.save("a", with_opt=True)


@row(
    "`loss_func=F.cross_entropy` or `nn.CrossEntropyLoss()`, and `learn.get_preds()`",
    "gives the network's outputs, as only fastai's own losses know an activation",
    "gives probabilities, as for `CrossEntropyLossFlat()`",
)
def _():
    with two_of_images() as (theirs, ours):
        for learn, same in ((theirs, False), (ours, True)):
            for learn.loss_func in (nn.functional.cross_entropy, nn.CrossEntropyLoss()):
                sums = learn.get_preds()[0].sum(dim=1)
                assert torch.allclose(sums, torch.ones(6)) == same


@row(
    "`learn.predict(file)[0]`, for several labels, a mask or a number",
    "a list of the names, the mask, a tuple of the number",
    "a text, such as `cat;dog`; the next entry is the decoded prediction as a tensor",
)
def _():
    with in_folder() as folder:
        files = [folder / f"{number}.png" for number in range(6)]
        for shade, file in enumerate(files):
            Image.new("RGB", (8, 8), (shade, 9, 9)).save(file)
        for library, expected in ((fastai, ["cat", "dog"]), (vicinal, "cat;dog")):
            dls = library.ImageDataLoaders.from_lists(
                folder, files, [["cat", "dog"]] * 6, valid_pct=0.5, bs=2, seed=2,
                y_block=library.MultiCategoryBlock(), device="cpu",
            )  # fmt: skip
            model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
            nn.init.zeros_(model[1].weight)
            nn.init.constant_(model[1].bias, 9)
            learn = library.Learner(dls, model, loss_func=library.BCEWithLogitsLossFlat())
            with learn.no_bar():
                found = learn.predict(files[0])[0]
            assert found == expected


@row(
    "`LabelSmoothingCrossEntropy(weight=w)`",
    "weights the loss of the label alone",
    "weights the part that is spread over all classes, too, as torch does",
)
def _():
    x, y, weight = torch.randn(8, 3), torch.arange(8) % 3, torch.tensor([1.0, 2.0, 5.0])
    expected = nn.CrossEntropyLoss(weight, label_smoothing=0.1)(x, y)
    for library, same in ((fastai, False), (vicinal, True)):
        loss = library.LabelSmoothingCrossEntropy(weight=weight)(x, y)
        assert torch.allclose(loss, expected) == same


@row(
    "`interp.top_losses(50)` of 20 samples",
    "is an error",
    "gives all of them",
)
def _():
    with two_of_images() as (theirs, ours):
        with pytest.raises(RuntimeError, match="out of range"):
            fastai.Interpretation.from_learner(theirs).top_losses(50)
        assert len(vicinal.Interpretation.from_learner(ours).top_losses(50)[0]) == 6


@row(
    "`interp.plot_top_losses(9)`",
    "gives the probability of the predicted class",
    "gives the probability of the true class, with both names",
)
def _():
    import matplotlib.pyplot as plt

    with two_of_images() as (theirs, ours):
        found = fastai.Interpretation.from_learner(theirs)
        found.plot_top_losses(1)
        shown = float(plt.gcf().axes[0].get_title().split(" / ")[-1])
        plt.close("all")
        assert shown > 0.5
        interp = vicinal.Interpretation.from_learner(ours)
        (worst,) = interp.worst(1)
        assert worst.probability < 0.5
        title = interp.plot_top_losses(1).axes[0].get_title()
        assert title.endswith(f"truth {100 * worst.probability:.1f} %")
