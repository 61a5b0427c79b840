"""Where we differ from fastai on purpose after a training; see :mod:`differences`."""

import os
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from rows import row
from torch import nn
from two_learners import fastai, two_learners

import vicinal
from vicinal import VicinalError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.collab as fastai_collab
    import fastai.tabular.all as fastai_tables


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
    "augments the training images, so each call gives other predictions",
    "predicts without augmentation",
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
    "writes what prediction needs to `export.safetensors`, which `load_learner` finds by "
    "either name; never opens a pickle, and names what a file cannot hold",
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
    "`learn.path`, where `export` and `save` write",
    "is the folder of the data",
    "is the current folder, or `Learner(…, path=…)`",
)
def _():
    with two_of_images() as (theirs, ours):
        assert theirs.path == Path(theirs.dls.path)
        assert theirs.path != Path()
        assert ours.path == Path()


@row(
    "`learn.save('a')`, `learn.load('a')`",
    "keep the weights and the optimizer's state, unless `with_opt=False`",
    "keep the weights; `with_opt=True` is an error, because each training makes its own optimizer",
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
    "gives the network's outputs, because only fastai's own losses have an activation",
    "gives probabilities, as for `CrossEntropyLossFlat()`, and warns once; "
    "`get_preds(act=noop)` gives outputs in both",
)
def _():
    with two_of_images() as (theirs, ours):
        for learn, same in ((theirs, False), (ours, True)):
            for learn.loss_func in (nn.functional.cross_entropy, nn.CrossEntropyLoss()):
                sums = learn.get_preds()[0].sum(dim=1)
                assert torch.allclose(sums, torch.ones(6)) == same
        outputs = [learn.get_preds(act=vicinal.noop)[0] for learn in (theirs, ours)]
        assert all(not torch.allclose(each.sum(dim=1), torch.ones(6)) for each in outputs)


@row(
    "`loss_func=nn.CrossEntropyLoss()`, and `learn.predict(file)` or "
    "`ClassificationInterpretation`",
    "takes the outputs for labels, or is an error",
    "work: they give the class with the probabilities, and the confusion matrix",
)
def _():
    with two_of_images() as (theirs, ours):
        file = next(Path(theirs.path).rglob("*.png"))
        theirs.loss_func = ours.loss_func = nn.CrossEntropyLoss()
        with theirs.no_bar():
            assert theirs.predict(file)[0] not in ("a", "b")
        assert ours.predict(file)[0] in ("a", "b")
        with pytest.raises(AssertionError):
            fastai.ClassificationInterpretation.from_learner(theirs).confusion_matrix()
        found = vicinal.ClassificationInterpretation.from_learner(ours)
        assert found.confusion_matrix().sum() == 6


@row(
    "`learn.predict(row)[0]` of a table",
    "is the whole row, as the network sees it",
    "is the name of the class, or a tuple with the value",
)
def _():
    import pandas as pd

    frame = pd.DataFrame({"age": [1.0, 2, 3, 4] * 4, "paid": ["no", "yes"] * 8})
    found = {}
    for library in (fastai_tables, vicinal):
        dls = library.TabularDataLoaders.from_df(
            frame, y_names="paid", cont_names=["age"], procs=[], valid_idx=[1, 2], bs=2,
            device="cpu",
        )  # fmt: skip
        learn = library.tabular_learner(dls, layers=[2])
        with learn.no_bar():
            found[library] = learn.predict(frame.iloc[0])[0]
    assert "age" in found[fastai_tables].items.columns
    assert found[vicinal] in ("no", "yes")


@row(
    "`learn.tta()` without random augmentation",
    "predicts the same thing several times",
    "is an error",
)
def _():
    with two_of_images() as (theirs, ours):
        ours.dls.train.transforms.clear()
        with pytest.raises(VicinalError, match="no random augmentation"):
            ours.tta()
        theirs.dls.train.after_batch.fs.clear()
        assert len(theirs.tta(n=1)[0]) == 6


@row(
    "`interp.most_confused(0)`",
    "also lists each class with itself, as confused 0 times",
    "lists only pairs of different classes",
)
def _():
    with two_of_images() as (theirs, ours):
        pairs = fastai.ClassificationInterpretation.from_learner(theirs).most_confused(0)
        assert len(pairs) == 4
        pairs = vicinal.ClassificationInterpretation.from_learner(ours).most_confused(0)
        assert len(pairs) == 2


@row(
    "`LabelSmoothingCrossEntropy(weight=w)`",
    "weights only the loss of the label",
    "also weights the part that is spread over all classes, as torch does",
)
def _():
    x, y, weight = torch.randn(8, 3), torch.arange(8) % 3, torch.tensor([1.0, 2.0, 5.0])
    expected = nn.CrossEntropyLoss(weight, label_smoothing=0.1)(x, y)
    for library, same in ((fastai, False), (vicinal, True)):
        loss = library.LabelSmoothingCrossEntropy(weight=weight)(x, y)
        assert torch.allclose(loss, expected) == same


@row(
    "`LabelSmoothingCrossEntropyFlat(axis=1).activation(x)`, which `get_preds()` uses for masks",
    "is a softmax along the last axis all the same",
    "is a softmax along the axis of the classes",
)
def _():
    x = torch.randn(2, 3, 4, 5)
    for library, axis in ((fastai, -1), (vicinal, 1)):
        loss = library.LabelSmoothingCrossEntropyFlat(axis=1)
        torch.testing.assert_close(loss.activation(x), x.softmax(axis))


@row(
    "`accuracy`, `error_rate` and `top_k_accuracy` of outputs with more than two axes",
    "take the classes from the last axis, and for masks need `axis=1`",
    "take them from axis 1, and need `axis=-1` where the loss takes the last one",
)
def _():
    output, target = torch.randn(2, 3, 3, 3), torch.randint(3, (2, 3, 3))
    for name in ("accuracy", "error_rate", "top_k_accuracy"):
        more = {"k": 2} if name == "top_k_accuracy" else {}
        theirs, ours = getattr(fastai, name), getattr(vicinal, name)
        for axis in (1, -1):
            found = ours(output, target, axis=axis, **more)
            turned = output.movedim(axis, -1)
            if not more:
                torch.testing.assert_close(found, theirs(output, target, axis=axis))
            torch.testing.assert_close(found, ours(turned, target, axis=-1, **more))
        torch.testing.assert_close(
            ours(output, target, **more), ours(output, target, axis=1, **more)
        )
    torch.testing.assert_close(
        fastai.accuracy(output, target), vicinal.accuracy(output, target, axis=-1)
    )


@row(
    "`BrierScore()`",
    "scores the predicted classes, so for two classes it is the error rate",
    "scores the probabilities",
)
def _():
    output, target = torch.randn(30, 2), torch.arange(30) % 2
    probabilities = output.softmax(1)[:, 1]
    expected = {
        fastai: float((output.argmax(1) != target).float().mean()),
        vicinal: float((probabilities - target).square().mean()),
    }
    metric = fastai.BrierScore()
    metric.reset()
    metric.accumulate(SimpleNamespace(pred=output, y=target, yb=(target,), to_detach=lambda x: x))
    assert float(metric.value) == pytest.approx(expected[fastai])
    assert vicinal.BrierScore()(output, target) == pytest.approx(expected[vicinal])


@row(
    "`CollabDataLoaders.from_df(ratings)`, `collab_learner(dls)`",
    "recommend by embeddings of users and items, or by a network",
    "are errors that say how to build that network by `tabular_learner`",
)
def _():
    assert callable(fastai_collab.collab_learner)
    for call in (vicinal.CollabDataLoaders.from_df, vicinal.collab_learner):
        with pytest.raises(VicinalError, match="and tabular_learner"):
            call(None)


@row(
    "`interp.top_losses(50)` of 20 samples",
    "is an error",
    "gives all 20",
)
def _():
    with two_of_images() as (theirs, ours):
        with pytest.raises(RuntimeError, match="out of range"):
            fastai.Interpretation.from_learner(theirs).top_losses(50)
        assert len(vicinal.Interpretation.from_learner(ours).top_losses(50)[0]) == 6


@row(
    "`interp.plot_top_losses(9)`",
    "shows the probability of the predicted class",
    "shows the probability of the true class, and both names",
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
