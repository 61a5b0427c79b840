"""Tables, texts, masks and several labels, held against fastai."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from two_loaders import loaders_of_images, network

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.tabular.all as tabular
    import fastai.vision.all as vision

import vicinal

pytestmark = [pytest.mark.xdist_group("fastai"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "age": [20, 30, np.nan, 50, 60, 25.0, 33, np.nan] * 2,
            "rooms": np.arange(16) % 5,
            "work": ["a", "b", None, "a", "c", "b", "a", "d"] * 2,
            "buys": ["no", "yes"] * 8,
            "price": np.arange(16) * 1.5,
        }
    )


def both(frame, procs=("Categorify", "FillMissing", "Normalize"), **options):
    def given():  # anew for each: fastai's FillMissing appends to the caller's list
        names = {"cat_names": ["work"], "cont_names": ["age", "rooms"], "valid_idx": [2, 5, 12]}
        return {"bs": 4, "device": "cpu", **names, **options}

    theirs, ours = (
        words.TabularDataLoaders.from_df(
            frame.copy(), procs=[getattr(words, name) for name in procs], **given()
        )
        for words in (tabular, vicinal)
    )
    return theirs, ours


PROCS = [("Categorify", "FillMissing", "Normalize"), ("Categorify", "FillMissing")]


@pytest.mark.parametrize("procs", PROCS)
def test_rows_become_the_same_numbers(frame, procs):
    theirs, ours = both(frame, procs, y_names="buys")
    for part, loader in ((theirs.train_ds, ours.train), (theirs.valid_ds, ours.valid)):
        x, items = loader.dataset.x, part.items
        categories = items[part.cat_names].to_numpy().astype(int)
        numbers = items[part.cont_names].to_numpy().astype(np.float32)
        assert x["categories"].tolist() == categories.tolist()
        torch.testing.assert_close(x["numbers"], torch.tensor(numbers), rtol=1e-4, atol=1e-5)
        assert loader.dataset.y.tolist() == items["buys"].tolist()
    assert list(theirs.vocab) == ours.vocab


@pytest.mark.parametrize("label", ["buys", "price", "rooms"])
def test_the_same_columns_are_classes_and_values(frame, label):
    theirs, ours = both(frame, y_names=label, cont_names=["age"])
    name = type(vicinal.tabular_learner(ours).loss_func).__name__.replace("Flat", "")
    assert type(theirs.loss_func.func).__name__ == name
    assert theirs.c == ours.c


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layers": [9, 5]},
        {"layers": [9], "y_range": (0, 4)},
        {"layers": [9, 5], "config": {"ps": [0.1, 0.2], "embed_p": 0.3}},
        {"layers": [9], "config": {"use_bn": False, "bn_cont": False}},
        {"layers": [9], "config": {"bn_final": True}},
        {"emb_szs": {"work": 7}},
    ],
)
def test_the_network_of_a_table_is_the_same(frame, options):
    theirs, ours = both(frame, y_names="buys")
    torch.manual_seed(0)
    one = tabular.tabular_learner(theirs, **options)
    torch.manual_seed(0)
    other = vicinal.tabular_learner(ours, **options)
    weights, own = list(one.model.state_dict().values()), other.model.state_dict()
    assert [each.shape for each in weights] == [each.shape for each in own.values()]
    other.model.load_state_dict(dict(zip(own, weights, strict=True)))
    x = ours.train.dataset.x
    for training in (False, True):
        outputs = []
        for learn, inputs in ((one, (x["categories"], x["numbers"])), (other, (x,))):
            torch.manual_seed(0)
            outputs.append(learn.model.cpu().train(training)(*inputs))
        torch.testing.assert_close(*outputs)


def test_initial_weights_are_of_the_same_size(frame):
    theirs, ours = both(frame, y_names="buys")
    one, other = tabular.tabular_learner(theirs).model, vicinal.tabular_learner(ours).model
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        if a.numel() > 500:
            assert float(a.std()) == pytest.approx(float(b.std()), rel=0.1)


@pytest.mark.parametrize("max_card", [1, 4, 20])
def test_columns_are_split_alike(frame, max_card):
    theirs = tabular.cont_cat_split(frame, max_card=max_card, dep_var="buys")
    assert vicinal.cont_cat_split(frame, max_card=max_card, dep_var="buys") == theirs


def test_several_labels_are_encoded_and_trained_alike():
    raw = [["sky", "sea"], [], ["sky"], ["sand", "sea"]]
    block = vision.MultiCategoryBlock()
    steps = [each() if isinstance(each, type) else each for each in block.type_tfms]
    pipeline = vision.TfmdLists(raw, steps)
    targets = vicinal.MultiCategoryBlock().encode(raw, raw)
    assert list(pipeline.vocab) == targets.vocab
    theirs = torch.stack([torch.as_tensor(each) for each in pipeline]).float()
    assert theirs.equal(targets.values)
    scores = torch.randn(4, 3)
    loss = vision.BCEWithLogitsLossFlat()
    assert float(loss(scores, theirs)) == pytest.approx(
        float(vicinal.MultiCategoryBlock().loss_func(scores, targets.values))
    )
    probabilities = loss.activation(scores)
    assert loss.decodes(probabilities).equal(
        vicinal.MultiCategoryBlock().decode(probabilities, targets.vocab)
    )


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for index in range(6):
        mask = rng.integers(0, 3, (8, 8), dtype=np.uint8)
        Image.fromarray(np.stack([mask * 80] * 3, -1)).save(tmp_path / "images" / f"{index}.png")
        Image.fromarray(mask).save(tmp_path / "labels" / f"{index}.png")
    return tmp_path


def test_masks_are_read_and_trained_alike(folder):
    theirs, ours = made = [
        words.SegmentationDataLoaders.from_label_func(
            folder,
            bs=2,
            fnames=words.get_image_files(folder / "images"),
            label_func=lambda file: folder / "labels" / file.name,
            codes=np.array(["sand", "sea", "sky"]),
            seed=0,
        )
        for words in (vision, vicinal)
    ]
    assert vision.get_c(theirs) == ours.c == 3
    for dls in made:
        x, y = dls.train.dataset.__getitems__([0]) if dls is ours else dls.train_ds[0]
        grey = torch.as_tensor(np.array(x)).float().flatten()
        classes = torch.as_tensor(np.array(y)).flatten()
        shown = grey[:64] if dls is ours else grey[::3]
        assert (shown / 80).long().equal(classes.long())
    scores, masks = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
    assert float(theirs.loss_func(scores, masks)) == pytest.approx(
        float(ours.loss_func(scores, masks))
    )
    decoded = theirs.loss_func.decodes(theirs.loss_func.activation(scores))
    assert decoded.equal(ours.decode(scores.softmax(1)))


def test_a_u_net_has_as_many_parameter_groups_and_freezes_the_same_of_them(folder):
    from vicinal.learner import unet as ours
    from vicinal.models.unet import encoder_and_decoder, unet

    theirs = vision.SegmentationDataLoaders.from_label_func(
        folder,
        bs=2,
        fnames=vision.get_image_files(folder / "images"),
        label_func=lambda file: folder / "labels" / file.name,
        codes=["sand", "sea", "sky"],
        item_tfms=vision.Resize(32),
    )
    learn = vision.unet_learner(theirs, vision.resnet18, pretrained=False)
    groups = learn.splitter(learn.model)
    model = unet("resnet18", 3)
    own = encoder_and_decoder(model)
    assert len(groups) == len(own)
    assert ours.encoder_and_decoder is encoder_and_decoder
    # The encoders are the same network, without its classifier.
    count = [sum(p.numel() for group in each[:2] for p in group) for each in (groups, own)]
    assert count[0] == count[1]


@pytest.mark.parametrize(
    "get_y",
    [
        lambda number: float(number),
        pytest.param(lambda number: [float(number)], marks=pytest.mark.slow),
    ],
)
def test_targets_of_one_number_have_the_same_shapes(get_y):
    found = []
    for library in (vision, vicinal):
        dls = loaders_of_images(library, get_y=get_y)
        learn = library.Learner(dls, network(), metrics=[library.mae, library.mse, library.rmse])
        with learn.no_bar(), learn.no_logging():
            learn.fit(1)
        given = [dls.one_batch()[1], dls.train_ds[0][1], *learn.get_preds(with_loss=True)]
        found.append([tuple(tensor.shape) for tensor in given])
        assert [*learn.validate()][1:] == pytest.approx(
            [float(m(*learn.get_preds())) for m in (vision.mae, vision.mse, vision.rmse)], rel=1e-4
        )
    assert found[0] == found[1]


def test_values_of_tables_have_the_same_shapes(frame):
    shapes = [dls.one_batch()[-1].shape for dls in both(frame, y_names="price")]
    assert shapes == [(4, 1), (4, 1)]


@pytest.mark.parametrize("label", ["buys", "price"])
@pytest.mark.parametrize("procs", PROCS)
def test_tables_as_frames_of_numbers(frame, procs, label):
    frame.index = np.arange(16)[::-1] + 100
    theirs, ours = (
        words.TabularPandas(
            frame.copy(),
            procs=[getattr(words, name) for name in procs],
            cat_names=["work"],
            cont_names=["age", "rooms"],
            y_names=label,
            splits=([0, 1, 3, 4, 7, 8, 9, 15], [2, 5, 12]),
        )
        for words in (tabular, vicinal)
    )
    for own, other in ((ours.train, theirs.train), (ours.valid, theirs.valid), (ours, theirs)):
        assert own is ours or len(own) == len(other)
        pairs = [(own.xs, other.xs), (own.ys, other.ys), (own.items, other.items[[*own.items]])]
        if own is not ours:
            pairs.append((own.y.to_frame(), other.y.to_frame()))
        for frames in pairs:
            pd.testing.assert_frame_equal(
                *(each.astype(float) for each in frames), rtol=1e-5, atol=1e-6
            )
    for own, other in ((ours, theirs), (ours.dataloaders(bs=4), theirs.dataloaders(bs=4))):
        assert own.classes["work"] == [*other.classes["work"]]
        assert (own.cat_names, own.cont_names) == ([*other.cat_names], [*other.cont_names])


DATES = pd.DataFrame(
    {
        "saledate": pd.to_datetime(
            ["2011-12-31 00:00", "2004-03-01 13:45", None, "2016-02-29 23:59"]
        ),
        "value": [1, 2, 3, 4],
    }
)


@pytest.mark.parametrize("options", [{}, {"prefix": "d_", "drop": False}, {"time": True}])
@pytest.mark.parametrize("rows", [slice(None), [0, 1, 3]])
def test_parts_of_dates(options, rows):
    dates = DATES.iloc[rows].astype({"saledate": "datetime64[ns]"})
    theirs, ours = (
        words.add_datepart(dates.copy(), "saledate", **options) for words in (tabular, vicinal)
    )
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)


def test_a_data_block_without_blocks_gives_what_the_getters_return():
    frame = pd.DataFrame({"file": [f"{i}.jpg" for i in range(10)], "label": [*"abcdefghij"]})
    for words in (vision, vicinal):
        plain = words.DataBlock(splitter=words.IndexSplitter([3, 1])).datasets(frame)
        assert (len(plain.train), len(plain.valid)) == (8, 2)
        x, y = plain.train[0]
        assert x["file"] == y["file"] == "0.jpg"
        block = words.DataBlock(
            get_x=lambda row: row["file"],
            get_y=lambda row: row["label"],
            splitter=words.IndexSplitter([3, 1]),
        )
        found = block.datasets(frame)
        assert found.train[2] == ("4.jpg", "e")
        assert found.valid[0] == ("3.jpg", "d")
    assert len(vicinal.DataBlock().datasets(frame).valid) == 2


@pytest.mark.parametrize("how", [{"file_type": "image"}, {"file_type": "text"}, {"n_max": 1}])
def test_what_a_folder_holds(tmp_path, how):
    for name in ("a.csv", "b.png", "c.txt", "d", "e.jpg"):
        (tmp_path / name).touch()
    theirs, ours = (words.Path(tmp_path).ls(**how) for words in (vision, vicinal))
    assert len(ours) == len(theirs)
    assert "n_max" in how or ours == sorted(theirs)
    learn = vicinal.Learner(vicinal.DataLoaders.from_dsets(ROWS, ROWS, bs=2), torch.nn.Linear(1, 2))
    assert isinstance(learn.path, vicinal.Path)


ROWS = [(torch.tensor([float(i)]), i % 2) for i in range(4)]


def test_the_items_of_a_part():
    theirs, ours = (loaders_of_images(words) for words in (vision, vicinal))
    for dls in (theirs, ours):
        assert [*dls.train.items] == [*dls.train_ds.items] == [*dls.items]
        assert [*dls.valid.items] == [*dls.valid_ds.items]
    assert [*theirs.items] == [*ours.items]
    assert len(ours.test_dl(ours.valid.items).items) == 2
    interp = vicinal.Interpretation.from_learner(vicinal.Learner(ours, network()))
    assert interp.dl.items == ours.valid.items


def test_a_picture_shows_itself_in_the_notebook():
    import matplotlib.pyplot as plt

    for words in (vision, vicinal):
        words.PILImage.create(np.zeros((4, 6, 3), np.uint8)).show(figsize=(1, 1))
        assert plt.gcf().axes[0].images[0].get_array().shape == (4, 6, 3)
        plt.close("all")


def test_arrays_of_tensors():
    batch = (torch.ones(2, requires_grad=True), [torch.tensor([1])])
    for words in (vision, vicinal):
        x, (y,) = words.to_np(batch)
        assert (type(x), x.tolist(), y.tolist()) == (np.ndarray, [1, 1], [1])


def test_the_largest_losses_of_what_is_no_image(frame):
    _, ours = both(frame, y_names="buys")
    interp = vicinal.tabular_learner(ours, layers=[2]).interpret()
    shown = interp.plot_top_losses(2)
    names = ["work", "age", "rooms", "loss", "probability", "target", "predicted"]
    assert set(names) <= set(shown.columns)
    assert [row["target"] for row in shown.rows] == [each.truth for each in interp.worst(2)]
    assert len(interp.show_results([0]).rows) == 1
    texts = pd.DataFrame({"text": ["a good day", "a bad day"] * 6, "label": ["good", "bad"] * 6})
    dls = vicinal.TextDataLoaders.from_df(texts, label_col="label", bs=4, device="cpu")
    learn = vicinal.text_classifier_learner(dls)
    (row,) = learn.interpret().plot_top_losses(1).rows
    assert row["text"].startswith("a ")
    with pytest.raises(vicinal.VicinalError, match="leave vocab out"):
        vicinal.TextBlock.from_folder(vocab=dls.vocab)
