"""After the training: ours and fastai's say the same of one network and the same images."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai

import vicinal

pytestmark = [pytest.mark.xdist_group("fastai"), pytest.mark.filterwarnings("ignore")]
SIZE, CLASSES = 8, ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of one size, which both read to the same pixels, in folders of both parts."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for part, count in (("train", 6), ("valid", 7)):
        for name in CLASSES:
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 3)).eval()


def their_loaders(folder, **kwargs):
    """In the order of the files' names, as ours are; fastai's are in that of the folder."""
    block = fastai.DataBlock(
        blocks=(fastai.ImageBlock, fastai.CategoryBlock),
        get_items=sorted_files,
        get_y=fastai.parent_label,
        splitter=fastai.GrandparentSplitter(),
        **kwargs,
    )
    return block.dataloaders(folder, bs=4, num_workers=0, device="cpu")


def sorted_files(folder):
    return sorted(fastai.get_image_files(folder))


@pytest.fixture(scope="module")
def theirs(folder, model):
    dls = their_loaders(folder)
    learn = fastai.Learner(dls, model, fastai.CrossEntropyLossFlat(), path=folder)
    learn.remove_cb(fastai.ProgressCallback)
    return learn


@pytest.fixture(scope="module")
def ours(folder, model):
    identity = vicinal.Normalize([0.0] * 3, [1.0] * 3)
    dls = vicinal.ImageDataLoaders.from_folder(
        folder, bs=4, item_size=SIZE, batch_tfms=[], normalize=identity, device="cpu"
    )
    return vicinal.Learner(dls, model, vicinal.CrossEntropyLossFlat())


def close(one, other):
    return torch.allclose(torch.as_tensor(one).float(), other.float(), atol=1e-5)


def test_get_preds(ours, theirs):
    how = {"with_input": True, "with_decoded": True, "with_loss": True}
    found, expected = ours.get_preds(**how), theirs.get_preds(**how)
    assert len(found) == len(expected) == 5
    assert all(map(close, found, expected))
    assert all(map(close, ours.get_preds(ds_idx=0), theirs.get_preds(ds_idx=0)))


def test_get_preds_of_files(folder, ours, theirs):
    files = sorted((folder / "valid").rglob("*.png"))[::3]
    found = ours.get_preds(dl=ours.dls.test_dl(files), with_decoded=True)
    expected = theirs.get_preds(dl=theirs.dls.test_dl(files), with_decoded=True)
    assert found[1] is None
    assert expected[1] is None
    assert close(found[0], expected[0])
    assert close(found[2], expected[2])


def test_predict(folder, ours, theirs):
    file = folder / "valid" / "bee" / "3.png"
    for item in (file, str(file)):
        (name, index, probabilities), expected = ours.predict(item), theirs.predict(item)
        assert name == expected[0]
        assert index == expected[1]
        assert close(probabilities, expected[2])


KINDS = {
    "several labels": ("MultiCategoryBlock", [["cat", "dog"], ["dog"], []] * 4, 2),
    "numbers": ("RegressionBlock", [0.5, 1.5, 2.5] * 4, 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_predict_in_words(kind, tmp_path):
    block, labels, n_out = KINDS[kind]
    files = [tmp_path / f"{number}.png" for number in range(12)]
    for number, file in enumerate(files):
        pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, n_out)).eval()
    with torch.no_grad():
        model[1].weight.normal_()
        model[1].weight -= model[1].weight.mean(dim=1, keepdim=True)  # so that signs differ
    found = []
    for library in (fastai, vicinal):
        dls = library.ImageDataLoaders.from_lists(
            tmp_path, files, labels, valid_pct=0.5, bs=2, seed=2, device="cpu",
            y_block=getattr(library, block)(),
        )  # fmt: skip
        dls = dls.normalized([0.0] * 3, [1.0] * 3) if library is vicinal else dls
        thresh = {"thresh": 0.3} if n_out == 2 else {}
        loss = library.BCEWithLogitsLossFlat if n_out == 2 else library.MSELossFlat
        learn = library.Learner(dls, model, loss_func=loss(**thresh))
        with learn.no_bar():
            found.append([learn.predict(file) for file in files])
            found[-1].append(learn.get_preds(with_decoded=True)[2])
    for expected, own in zip(*found, strict=True):
        if isinstance(own, tuple):
            assert type(own[0]) in (list, tuple)
            assert list(own[0]) == pytest.approx(list(expected[0]))
            assert torch.allclose(own[1].float(), expected[1].float(), atol=1e-5)
    assert len({str(own[0]) for own in found[1][:-1]}) > 2


def test_predict_of_a_mask_and_its_input(tmp_path):
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        Image.fromarray(pixels[..., 0] % 2).save(tmp_path / f"m{number}.gif")
    files, codes = sorted(tmp_path.glob("*.png")), ["sky", "sea"]
    torch.manual_seed(0)
    model, found = nn.Conv2d(3, 2, 1).eval(), []
    for library in (fastai, vicinal):
        dls = library.SegmentationDataLoaders.from_label_func(
            tmp_path, files, lambda file: file.with_name(f"m{file.stem}.gif"), codes=codes, bs=2,
            device="cpu",
        )  # fmt: skip
        if library is vicinal:
            dls = dls.normalized([0.0] * 3, [1.0] * 3)
        learn = library.Learner(dls, model, library.CrossEntropyLossFlat(axis=1))
        with learn.no_bar():
            found.append(learn.predict(files[0], with_input=True))
    for expected, own in zip(*found, strict=True):
        assert close(expected, own)


def test_views_of_files(folder, ours, theirs):
    files = sorted((folder / "valid").rglob("*.png"))[::5]
    ours.dls.train.transforms.append(Brighter())
    try:
        for how in ({}, {"n": 2, "beta": 0.5}, {"use_max": True}):
            found, targets = ours.tta(dl=ours.dls.test_dl(files), **how)
            how["batch_tfms"] = [fastai.IntToFloatTensor(), TheirBrighter()]
            test = theirs.dls.test_dl(files)
            expected, none = theirs.tta(dl=test, item_tfms=[fastai.ToTensor()], **how)
            assert targets is none is None
            assert close(found, expected)
    finally:
        ours.dls.train.transforms.pop()


class Brighter(vicinal.BatchTransform):
    def train(self, x, generator):
        return x + 0.5


class TheirBrighter(fastai.Transform):
    split_idx, order = 0, 20  # in training, after the bytes are numbers

    def encodes(self, x: fastai.TensorImage):
        return x + 0.5


def test_interpretation(capsys, ours, theirs):
    found = vicinal.ClassificationInterpretation.from_learner(ours)
    expected = fastai.ClassificationInterpretation.from_learner(theirs)
    assert np.array_equal(found.confusion_matrix(), expected.confusion_matrix())
    for least in (1, 2, 3):
        assert found.most_confused(least) == expected.most_confused(least)
        assert found.most_confused(min_val=least) == expected.most_confused(min_val=least)
    for how in ({}, {"k": 3}, {"k": 4, "largest": False}):
        (losses, indices), (values, rows) = found.top_losses(**how), expected.top_losses(**how)
        assert close(losses, values)
        assert indices.tolist() == rows.tolist()
    found.print_classification_report()
    said = capsys.readouterr().out
    expected.print_classification_report()
    assert capsys.readouterr().out == said


def test_an_exported_learner(folder, ours, theirs, tmp_path):
    ours.path = theirs.path = tmp_path
    ours.export()
    theirs.export()
    file = folder / "valid" / "cat" / "0.png"
    expected = fastai.load_learner(tmp_path / "export.pkl").predict(file)
    (tmp_path / "export.pkl").unlink()
    found = vicinal.load_learner(tmp_path / "export.pkl").predict(file)
    assert found[0] == expected[0]
    assert close(found[2], expected[2])


class TestDifferences:
    """What we do otherwise on purpose, as docs/fastai.md says."""

    def test_the_training_part_is_predicted_without_augmentation(self, folder, model, ours):
        dls = their_loaders(folder, batch_tfms=fastai.aug_transforms())
        learn = fastai.Learner(dls, model, fastai.CrossEntropyLossFlat())
        learn.remove_cb(fastai.ProgressCallback)
        one, other = (learn.get_preds(ds_idx=0)[0] for _ in range(2))
        assert not torch.equal(one, other)
        plain = ours.get_preds(ds_idx=0)[0]
        ours.dls.train.transforms.insert(0, vicinal.aug_transforms()[0])
        try:
            assert torch.equal(ours.get_preds(ds_idx=0)[0], plain)
        finally:
            del ours.dls.train.transforms[0]

    def test_more_losses_than_samples_are_all(self, ours, theirs):
        found = vicinal.Interpretation.from_learner(ours)
        assert len(found.top_losses(1000)[0]) == 21
        with pytest.raises(RuntimeError, match="out of range"):
            fastai.Interpretation.from_learner(theirs).top_losses(1000)
