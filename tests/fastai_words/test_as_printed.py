"""Lines of the book run as printed, on 120 tiny images of four classes and on tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import printed
import pytest
import torchvision
from PIL import Image
from printed import Line, run
from torch import nn

import vicinal

CLASSES = ("ant", "bee", "cat", "dog")


def typed(given):
    """A case for each line."""
    return pytest.mark.parametrize("line", given, ids=lambda line: line.name[:90])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Folders of images as in Imagenette, a table of them, and a mask for each."""
    folder = tmp_path_factory.mktemp("data") / "imagenette2"
    generator = np.random.default_rng(0)
    rows = []
    for number in range(120):
        place, each = number % 4, number // 4
        part = "val" if each >= 24 else "train"
        file = folder / part / CLASSES[place] / f"{CLASSES[place]}_{each}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 60, (24, 24, 3)) + 60 * np.eye(4, 3, dtype=int)[place] + 40
        Image.fromarray(pixels.astype(np.uint8)).save(file)
        tags = f"{CLASSES[place]} {'big' if number % 3 else 'small'}"
        name = file.relative_to(folder).as_posix()
        rows.append((name, CLASSES[place], tags, float(place), part == "val"))
        mask = folder.parent / "masks" / f"{file.stem}.png"
        mask.parent.mkdir(exist_ok=True)
        Image.fromarray((pixels[..., 0] > 100).astype(np.uint8)).save(mask)
    columns = ["name", "label", "tags", "value", "is_valid"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "labels.csv", index=False)
    return vicinal.Path(folder)


@pytest.fixture(scope="module")
def star():
    """What the import line brings."""
    names = {}
    exec("from vicinal.all import *", names)
    return names


@pytest.fixture(scope="module")
def dls(path):
    return vicinal.ImageDataLoaders.from_folder(path, size=24, item_size=24, bs=16, device="cpu")


def net():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 4),
    )  # fmt: skip


@pytest.fixture
def names(star, path, dls, tmp_path, monkeypatch):
    """A notebook in which the data are loaded, and a Learner is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VICINAL_DATA", str(path.parent))
    learn = vicinal.Learner(dls, net(), metrics=vicinal.accuracy, path=tmp_path)
    files = vicinal.get_image_files(path)
    return {
        **star, "path": path, "masks": path.parent / "masks", "files": files, "dls": dls,
        "net": net, "learn": learn, "torchvision": torchvision,
        "df": pd.read_csv(path / "labels.csv"),
    }  # fmt: skip


@typed(printed.NAMES)
def test_names(line, names):
    run(line, names)


@typed(printed.ITEMS)
def test_transforms(line, names):
    call = "DataBlock((ImageBlock, CategoryBlock), get_items=get_image_files, get_y=parent_label"
    run(Line(f"{call}, {line.typed}).dataloaders(path)", "len(_.train_ds) == 96"), names)


@typed(printed.BLOCKS)
def test_data_blocks(line, names):
    names["dblock"] = vicinal.DataBlock(
        blocks=(vicinal.ImageBlock, vicinal.CategoryBlock),
        get_y=vicinal.parent_label,
        item_tfms=vicinal.Resize(24),
    )
    run(line, names)


@typed(printed.LOADERS)
def test_loaders(line, names):
    run(Line(line.typed, "_.vocab == ['ant', 'bee', 'cat', 'dog']"), names)


@typed(printed.LEARNER)
def test_the_learner(line, names):
    run(line, names)


@typed(printed.METRICS)
def test_metrics(line, names):
    metrics = Line(f"learn = Learner(dls, net(), metrics={line.typed})\nlearn.validate()")
    run(metrics, names)
    assert all(0 <= value <= 1 for value in list(names["_"])[1:])


@typed(printed.BOOK)
def test_other_chapters(line, names):
    run(line, names)


@pytest.fixture(scope="module")
def trained(dls, tmp_path_factory):
    folder = tmp_path_factory.mktemp("learner")
    learn = vicinal.Learner(dls, net(), metrics=vicinal.accuracy, path=folder)
    with learn.no_logging():
        learn.fit_one_cycle(1, 3e-3)
    return learn


@typed(printed.AFTER)
def test_after_the_training(line, names, trained):
    names["learn"] = trained
    if "interp" in line.typed and "from_learner" not in line.typed:
        names["interp"] = names["ClassificationInterpretation"].from_learner(trained)
    run(line, names)


def texts():
    given = ["a good day for all", "a bad night for all"] * 60
    return pd.DataFrame({"text": given, "label": ["good", "bad"] * 60})


@typed(printed.OTHERS)
def test_other_data(line, names):
    generator = np.random.default_rng(0)
    width, height = generator.normal(size=(2, 120))
    colour = np.array(["red", "green"])[np.arange(120) % 2]
    label = np.where(width + height > 0, "big", "small")
    names["table"] = pd.DataFrame(
        {"width": width, "height": height, "colour": colour, "label": label}
    )
    names["texts"] = texts()
    names["df"] = names["df"][::3].reset_index(drop=True)
    run(line, names)


def test_what_is_not_there_is_said_in_a_sentence(names):
    dls = "dls = TextDataLoaders.from_df(texts, text_col='text', label_col='label')\n"
    names["texts"] = texts()
    with pytest.raises(vicinal.VicinalError, match=r'AWD_LSTM is no network .* "text_cnn"'):
        run(Line(dls + "text_classifier_learner(dls, AWD_LSTM, drop_mult=0.5)"), names)


@pytest.mark.slow
@pytest.mark.parametrize("text", [printed.CHAPTER, printed.PETS], ids=["chapter", "pets"])
def test_from_the_first_line_to_the_last(text, names):
    run(Line(printed.shortened(text)), names)
    plt.close("all")
