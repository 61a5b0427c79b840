"""Learners of masks, tables and texts, and of several labels."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vicinal import (
    ColumnMix,
    CutMix,
    DataBlock,
    ImageBlock,
    Learner,
    ManifoldMixUp,
    MaskBlock,
    MixUp,
    TabularDataLoaders,
    TextDataLoaders,
    VicinalError,
    accuracy,
    resnet18,
    tabular_config,
    tabular_learner,
    text_classifier_learner,
    unet_learner,
)
from vicinal.learner import unet as unet_module
from vicinal.models.unet import unet
from vicinal.models.zoo import WeightsUnavailable


class Tiny(nn.Module):
    """A network for masks of a few parameters."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.decoder, self.segmentation_head = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.segmentation_head(self.decoder(self.encoder(x)))


@pytest.fixture(scope="module")
def masks():
    """Loaders of images of which the bright pixels are of class 1."""
    from PIL import Image

    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(24)]
    return DataBlock(
        (ImageBlock, MaskBlock(["dark", "bright"])),
        get_y=lambda image: np.array(image)[..., 0] > 127,
    ).dataloaders(images, bs=4, device="cpu")


@pytest.fixture
def tiny(monkeypatch):
    """U-Nets are replaced by a tiny network; what was asked for is noted."""
    asked = SimpleNamespace(calls=[])

    def make(name, n_out, *, pretrained=False):
        asked.calls.append((name, n_out, pretrained))
        return Tiny()

    monkeypatch.setattr(unet_module, "unet", make)
    return asked


@pytest.mark.parametrize("mixer", [None, MixUp(seed=0), CutMix(seed=0)])
def test_a_network_learns_masks(masks, tiny, mixer):
    torch.manual_seed(0)
    learn = unet_learner(
        masks, resnet18, pretrained=False, metrics=accuracy, cbs=[mixer] if mixer else []
    )
    with learn.no_logging():
        learn.fit(10, 0.03)
    assert tiny.calls == [("resnet18", 2, False)]
    assert learn.history[-1]["valid_accuracy"] > 0.85
    scores, targets = learn.get_preds()
    assert (scores.shape, targets.shape) == ((5, 2, 8, 8), (5, 8, 8))
    assert scores.sum(1).allclose(torch.ones(5, 8, 8))


def test_pretrained_encoders_are_frozen_until_they_are_fine_tuned(masks, tiny):
    learn = unet_learner(masks, "resnet18")
    assert tiny.calls == [("resnet18", 2, True)]
    trained = {name for name, p in learn.model.named_parameters() if p.requires_grad}
    assert "encoder.0.weight" not in trained
    assert {"decoder.weight", "segmentation_head.weight", "encoder.1.weight"} <= trained
    learn.unfreeze()
    assert all(p.requires_grad for p in learn.model.parameters())


def test_images_are_normalised_as_the_pretrained_weights_need(masks, tiny):
    kept = unet_learner(masks, "resnet18", normalize=False).dls
    learn = unet_learner(masks, "vgg11", n_out=5)
    assert kept is masks
    assert learn.dls.normalize.mean == pytest.approx([0.485, 0.456, 0.406])
    assert tiny.calls[-1] == ("vgg11", 5, True)


def test_weights_that_are_not_available_are_said(masks, monkeypatch):
    def make(name, n_out, *, pretrained=False):
        if pretrained:
            raise WeightsUnavailable("the weights are not here")
        return Tiny()

    monkeypatch.setattr(unet_module, "unet", make)
    with pytest.warns(UserWarning, match="are not here; starting from random weights"):
        learn = unet_learner(masks, "resnet18")
    assert all(p.requires_grad for p in learn.model.parameters())


def test_a_network_in_place_of_its_name_is_refused(masks):
    with pytest.raises(VicinalError, match="Tiny is a network already: use Learner"):
        unet_learner(masks, Tiny())
    with pytest.raises(VicinalError, match="a network's name or a function, not 18"):
        unet_learner(masks, 18)


def test_views_of_masks_are_not_averaged(masks, tiny):
    learn = unet_learner(masks, "resnet18", pretrained=False)
    with pytest.raises(VicinalError, match="masks of several cannot be averaged"):
        learn.tta()


@pytest.mark.slow
def test_a_real_u_net_learns_masks(masks):
    learn = Learner(masks, unet("resnet18", 2), metrics=accuracy)
    with learn.no_logging():
        learn.fit(2, 1e-3)
    assert learn.history[-1]["train_loss"] < learn.history[0]["train_loss"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    size, colour = rng.normal(size=120), rng.choice(["red", "blue"], 120)
    grows = (size > 0) ^ (colour == "red")
    return pd.DataFrame(
        {"size": size, "colour": colour, "grows": np.where(grows, "yes", "no"), "value": size + 5}
    )


def rows(table, **options):
    given = {"cat_names": ["colour"], "cont_names": ["size"], "y_names": "grows", "bs": 24}
    return TabularDataLoaders.from_df(table, device="cpu", **(given | options))


def test_a_network_learns_a_table(table):
    torch.manual_seed(0)
    learn = tabular_learner(rows(table), layers=[20, 10], metrics=accuracy)
    with learn.no_logging():
        learn.fit(15, 0.02)
    assert learn.history[-1]["valid_accuracy"] > 0.8
    named, index, probabilities = learn.predict(table.iloc[0])
    assert named == ["no", "yes"][int(index)]
    assert probabilities.shape == (2,)


def test_a_network_learns_values_in_their_range(table):
    torch.manual_seed(0)
    learn = tabular_learner(rows(table, y_names="value"), [10], y_range=(0, 10))
    assert isinstance(learn.loss_func, nn.MSELoss)
    with learn.no_logging():
        learn.fit(10, 0.05)
    assert learn.history[-1]["valid_loss"] < 0.5
    assert learn.get_preds()[0].max() <= 10


def test_settings_of_the_network_of_a_table(table):
    learn = tabular_learner(
        rows(table),
        emb_szs={"colour": 7},
        config=tabular_config(ps=[0.1, 0.2], embed_p=0.3),
        n_out=5,
    )
    model = learn.model
    assert model.embeds[0].weight.shape == (3, 7)
    assert model.emb_drop.p == 0.3
    assert [each.p for each in model.layers if isinstance(each, nn.Dropout)] == [0.1, 0.2]
    sizes = [each.out_features for each in model.layers if isinstance(each, nn.Linear)]
    assert sizes == [200, 100, 5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda dls, texts: tabular_learner(texts), "takes TabularDataLoaders, not TextLoaders"),
        (lambda dls, texts: unet_learner(texts, "resnet18"), "takes images with masks, not Text"),
        (lambda dls, texts: tabular_learner(dls, emb_szs={"color": 3}), "names color.*are colour"),
        (lambda dls, texts: text_classifier_learner(dls), "not TabularDataLoaders"),
        (lambda dls, texts: text_classifier_learner(texts, "text_cn"), "did you mean text_cnn"),
        (
            lambda dls, texts: text_classifier_learner(texts, nn.LSTM),
            "LSTM is no network for texts",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(table, texts, make, message):
    with pytest.raises(VicinalError, match=message):
        make(rows(table), texts)


@pytest.fixture
def texts():
    words = ["good", "fine", "bad", "awful"]
    frame = pd.DataFrame(
        {
            "text": [f"a {words[row % 4]} film about {words[row % 3]}s" for row in range(48)],
            "label": ["pos", "pos", "neg", "neg"] * 12,
        }
    )
    return TextDataLoaders.from_df(frame, text_col="text", label_col="label", bs=8, device="cpu")


@pytest.mark.parametrize("arch", ["text_cnn", "text_transformer"])
def test_a_network_learns_texts(texts, arch):
    torch.manual_seed(0)
    learn = text_classifier_learner(texts, arch, metrics=accuracy)
    with learn.no_logging():
        learn.fit(8, 0.003)
    assert learn.history[-1]["valid_accuracy"] > 0.8
    assert learn.predict("a good film about fines")[0] == "pos"


def test_dropout_is_multiplied(texts):
    full, half = (text_classifier_learner(texts, drop_mult=mult).model for mult in (1.0, 0.5))
    (first,), (second,) = (
        [m.p for m in model.modules() if isinstance(m, nn.Dropout)] for model in (full, half)
    )
    assert second == first / 2


def test_a_network_of_the_hub_brings_its_tokenizer(texts, monkeypatch):
    from vicinal import WordTokenizer
    from vicinal.learner import text

    class Own(WordTokenizer):
        """A tokenizer that is not of the data's words."""

    network = nn.Linear(1, 2)
    made = lambda name, n_out, *, pretrained: (network, Own(["film"]))  # noqa: E731
    monkeypatch.setattr(text, "hub_text_model", made)
    learn = text_classifier_learner(texts, "hf:tiny")
    assert learn.model is network
    assert type(learn.dls.tokenizer) is Own
    assert set(learn.dls.one_batch()[0]["ids"].unique().tolist()) <= {0, 1, 2}
    assert type(texts.tokenizer) is WordTokenizer


def test_nothing_is_warned_of(texts, table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text_classifier_learner(texts)
        tabular_learner(rows(table))


@pytest.mark.parametrize("mixing", ["layers.0", "columns"])
def test_tables_are_mixed(table, mixing):
    torch.manual_seed(0)
    learn = tabular_learner(rows(table), layers=[20, 10], metrics=accuracy)
    mixer = ColumnMix(alpha=0.2, seed=0)
    if mixing != "columns":
        mixer = ManifoldMixUp(learn.model, mixing, mixer=MixUp(0.2, seed=0))
    with learn.no_logging():
        learn.fit(15, 0.02, cbs=mixer)
    assert learn.history[-1]["valid_accuracy"] > 0.75


def test_categories_are_not_blended(table):
    learn = tabular_learner(rows(table))
    with learn.no_logging(), pytest.raises((ValueError, TypeError), match=r"categories"):
        learn.fit(1, cbs=MixUp(seed=0))


def test_texts_are_mixed_by_sentences(texts):
    torch.manual_seed(0)
    learn = text_classifier_learner(texts, metrics=accuracy)
    with learn.no_logging():
        learn.fit(8, 0.003, cbs=ManifoldMixUp(learn.model, "sentence", mixer=MixUp(0.4, seed=0)))
    assert learn.history[-1]["valid_accuracy"] > 0.8
