"""The code that people know from fastai, unchanged, on real photos."""

import json
import warnings

import pytest
import timm
import torch
import torchvision

from vicinal import *  # noqa: F403
from vicinal import (
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    DataLoaders,
    ImageBlock,
    ImageDataLoaders,
    Learner,
    MixUp,
    RandomSplitter,
    RegexLabeller,
    Resize,
    VicinalError,
    accuracy,
    aug_transforms,
    cnn_learner,
    create_head,
    error_rate,
    get_image_files,
    resnet18,
    resnet34,
    using_attr,
    vision_learner,
    xresnet18,
    xresnet50,
)
from vicinal.models.transfer import rebuild


@pytest.fixture
def path(photos):
    return photos


@pytest.fixture
def images():
    x, y = torch.randn(8, 3, 32, 32), torch.arange(8) % 4
    return DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")


@pytest.fixture
def _offline(monkeypatch, tmp_path):
    """No cached weights and no network, as on an offline machine."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.invalid")
    monkeypatch.setattr("vicinal.models.zoo.getproxies", dict)


@pytest.mark.slow
def test_the_learner_as_in_the_article(path):
    dls = ImageDataLoaders.from_name_re(path, r'(.+)_\d+.jpg$', valid_pct=0.2, seed=42, item_size=460, size=224, min_scale=0.9)  # fmt: skip  # noqa: E501
    learn = Learner(dls, xresnet50(n_out=dls.c), loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=MixUp)  # fmt: skip  # noqa: E501
    learn.fit_one_cycle(1, 3e-3)  # five in the article, which take a minute and a half here
    assert dls.vocab == ["china", "flower"]
    assert len(learn.history) == 1
    assert learn.history[-1]["train_loss"] < 2


@pytest.mark.usefixtures("_offline")
def test_the_one_line_form_warns_if_weights_are_not_available(path):
    dls = ImageDataLoaders.from_name_re(path, r"(.+)_\d+.jpg$", seed=42, size=32)
    with pytest.warns(UserWarning, match="resnet18.*starting from random weights"):
        learn = vision_learner(dls, "resnet18", metrics=error_rate).mixup()
    learn.fine_tune(4)
    assert [len(g) for g in learn.splitter(learn.model)] == [60, 6]
    assert all(p.requires_grad for p in learn.model.parameters())
    assert learn.history[-1]["train_loss"] < learn.history[0]["train_loss"]
    assert 0 <= learn.history[-1]["valid_error_rate"] <= 1
    name, _, probabilities = learn.predict(path / "china_0.jpg")
    assert name in dls.vocab
    assert probabilities.sum() == pytest.approx(1)
    for figure in (learn.show_batch(), learn.show_results()):
        assert len(figure.axes) == 9


@pytest.mark.usefixtures("_offline")
def test_the_mid_level_form(path):
    pets = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=get_image_files,
        splitter=RandomSplitter(valid_pct=0.2, seed=42),
        get_y=using_attr(RegexLabeller(r"(.+)_\d+.jpg$"), "name"),
        item_tfms=Resize(80),
        batch_tfms=aug_transforms(min_scale=0.9, size=64),
    )
    dls = pets.dataloaders(path)
    assert (dls.vocab, dls.c) == (["china", "flower"], 2)
    assert dls.one_batch()[0].shape == (64, 3, 64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learn = cnn_learner(dls, resnet34, cbs=MixUp)
    learn.fit_one_cycle(1, 1e-3)
    assert len(learn.history) == 1


def test_weights_from_the_hub_come_with_their_normalisation(path, monkeypatch, tmp_path):
    """A local stand-in in the hub's format: safetensors under timm's name for them."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(1)
    given = timm.create_model("resnet18", num_classes=1000)
    save_file(given.state_dict(), tmp_path / "model.safetensors")
    config = timm.models.get_pretrained_cfg("resnet18")
    local = {**config.to_dict(), "file": str(tmp_path / "model.safetensors"), "hf_hub_id": None}
    local |= {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.5, 0.5), "url": ""}
    original = timm.models.get_pretrained_cfg
    stand_in = type(config)(**{k: v for k, v in local.items() if k in vars(config)})
    monkeypatch.setattr(
        "timm.models.get_pretrained_cfg", lambda n: stand_in if n == "resnet18" else original(n)
    )
    monkeypatch.setattr(
        "timm.models._builder.get_pretrained_cfg", lambda *a, **k: stand_in, raising=False
    )
    dls = ImageDataLoaders.from_name_re(path, r"(.+)_\d+.jpg$", seed=42, size=64)
    before = dls.normalize.mean
    learn = vision_learner(dls, "resnet18")
    body, head = learn.model
    assert torch.equal(body[0].weight, given.conv1.weight)
    assert head[-1].out_features == 2
    trained = {name for name, p in learn.model.named_parameters() if p.requires_grad}
    assert "0.0.weight" not in trained  # frozen, as the weights are pretrained
    assert {"0.1.weight", "1.8.weight"} <= trained
    assert learn.dls.normalize.mean == [0.1, 0.2, 0.3]
    assert dls.normalize.mean == before  # another network's
    x, _ = next(iter(dls.valid))
    own, _ = next(iter(learn.dls.valid))
    torch.testing.assert_close(dls.normalize.undo(x), learn.dls.normalize.undo(own))


def test_an_unknown_network_suggests_similar_names(path):
    dls = ImageDataLoaders.from_name_re(path, r"(.+)_\d+.jpg$", seed=42, size=32)
    with pytest.raises(VicinalError, match=r"no network named resnet43: did you mean .*resnet34"):
        vision_learner(dls, "resnet43")
    with pytest.raises(VicinalError, match="must be a network's name or a function, not 3"):
        vision_learner(dls, 3)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (xresnet50, r"xresnet50 makes a network and is none itself: call it, xresnet50\(n_out"),
        (torch.nn.Flatten, r"Flatten makes a network and is none itself: call it, Flatten\(…\)"),
        ("resnet18", r"'resnet18' is only the name .*: use vision_learner\(dls, \"resnet18\"\)"),
        (None, "the model must be a network, an nn.Module, not None"),
    ],
)
def test_what_only_makes_a_network_is_no_network(dls, model, said):
    with pytest.raises(VicinalError, match=said):
        Learner(dls, model)


def test_what_makes_no_network_by_fastais_arguments_is_no_arch(dls):
    def small(width=8):
        raise AssertionError

    with pytest.raises(VicinalError, match=r"small takes neither n_out .* in quotes, or make"):
        vision_learner(dls, small, pretrained=False)
    with pytest.raises(VicinalError, match=r"the Linear is a network already: use Learner\(dls"):
        vision_learner(dls, torch.nn.Linear(2, 2))

    def broken(n_out, pretrained):
        return len(n_out)

    with pytest.raises(TypeError, match="has no len"):  # the user's own mistake
        vision_learner(dls, broken)


@pytest.mark.parametrize(
    ("arch", "groups", "source"),
    [
        ("resnet18", 2, "timm"),
        (resnet18, 3, "timm"),
        (xresnet18, 3, "timm"),
        (torchvision.models.resnet18, 3, "torchvision"),
        (torchvision.models.squeezenet1_1, 3, "torchvision"),
        (torchvision.models.shufflenet_v2_x0_5, 2, "torchvision"),
        (timm.models.resnet18, 2, "timm"),
        ("levit_128s", 2, "timm"),  # vectors, and no maps
    ],
)
def test_any_librarys_network_gets_the_head(images, arch, groups, source):
    learn = vision_learner(images, arch, pretrained=False, ps=0.25)
    head = learn.model[1]
    assert [layer.p for layer in head if isinstance(layer, torch.nn.Dropout)] == [0.125, 0.25]
    parts = learn.splitter(learn.model)
    assert len(parts) == groups
    assert [id(p) for part in parts for p in part] == [id(p) for p in learn.model.parameters()]
    assert learn.model.made_from["source"] == source
    again = rebuild(**{k: v for k, v in learn.model.made_from.items() if k != "maker"})
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in learn.model.state_dict().items()
    }
    json.dumps(learn.model.made_from)
    if arch != "levit_128s":
        assert learn.output(images.one_batch()[0]).shape == (4, 4)


def test_a_network_with_a_head_of_its_own_keeps_it(images):
    learn = vision_learner(images, "resnet9", pretrained=False)
    assert learn.model.head.out_features == 4
    with pytest.raises(VicinalError, match="resnet9 has a head of its own: leave ps out"):
        vision_learner(images, "resnet9", pretrained=False, ps=0.1)


def test_a_network_without_a_body_is_no_arch(images):
    with pytest.raises(VicinalError, match="layers of vit_b_16 cannot be divided"):
        vision_learner(images, torchvision.models.vit_b_16, pretrained=False)


def test_torchvisions_weights_come_with_their_normalisation(monkeypatch, path):
    torch.manual_seed(1)
    given = torchvision.models.resnet18().state_dict()
    weights = torchvision.models.ResNet18_Weights
    asked = []
    monkeypatch.setattr(
        weights, "get_state_dict", lambda self, **options: asked.append(options) or given
    )
    dls = ImageDataLoaders.from_name_re(path, r"(.+)_\d+.jpg$", seed=42, size=32)
    dls = dls.normalized([0.1] * 3, [0.5] * 3)
    learn = vision_learner(dls, torchvision.models.resnet18)
    assert torch.equal(learn.model[0][0].weight, given["conv1.weight"])
    assert learn.dls.normalize.mean == [0.485, 0.456, 0.406]
    assert asked[0]["weights_only"]
    assert not learn.model[0][0].weight.requires_grad
    kept = vision_learner(dls, torchvision.models.resnet18, normalize=False)
    assert kept.dls is dls


def test_a_custom_head_and_another_number_of_outputs(images):
    learn = vision_learner(images, "resnet18", pretrained=False, n_out=7, y_range=(0, 1))
    assert learn.output(images.one_batch()[0]).shape == (4, 7)
    head = create_head(512, 4, lin_ftrs=[16])
    assert vision_learner(images, "resnet18", pretrained=False, custom_head=head).model[1] is head
