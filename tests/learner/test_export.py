"""A learner in a file: what is loaded predicts the same, and what the file cannot hold is named."""

import json
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from small_trainings import network
from torch import nn

import vicinal
from vicinal import (
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    DataLoaders,
    ImageBlock,
    ImageDataLoaders,
    Learner,
    MaskBlock,
    MixUp,
    MultiCategoryBlock,
    RandomSplitter,
    RescaledMixUp,
    Resize,
    TabularDataLoaders,
    TextDataLoaders,
    VicinalError,
    accuracy,
    create_model,
    get_image_files,
    load_learner,
    parent_label,
    resnet18,
    tabular_learner,
    text_classifier_learner,
    vision_learner,
)
from vicinal.data.augment import BatchTransform
from vicinal.data.cropping import RandomCropping
from vicinal.data.resizing import Resizing
from vicinal.data.samples import Samples, Split
from vicinal.learner.kept_loss import loss_from_json, loss_to_json
from vicinal.learner.tensor_file import read_tensors, write_tensors
from vicinal.learner.vision import vision_groups
from vicinal.models.made import MAKERS, rebuild


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Twelve noisy pictures of two classes, in folders, which differ in size."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(6):
            pixels = generator.integers(0, 255, (10 + number, 14, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def photos(images, **kwargs):
    kwargs = {"item_size": 12, "size": 8, "seed": 1, "bs": 4, "device": "cpu", **kwargs}
    return ImageDataLoaders.from_folder(images, **kwargs)


def untrained(dls, path, loss_func=None, **kwargs):
    torch.manual_seed(0)
    return Learner(dls, create_model("resnet9", dls.c), loss_func, path=path, **kwargs)


def text_of(file):
    _, metadata = read_tensors(file)
    return json.loads(metadata["vicinal"])


def edited(file, **changes):
    """The file with other JSON in it."""
    tensors, metadata = read_tensors(file)
    text = {**json.loads(metadata["vicinal"]), **changes}
    write_tensors(file, tensors, vicinal=json.dumps(text))
    return file


class TestImages:
    @pytest.mark.parametrize(
        "item_size", [12, (12, 16), Resizing(12, 12, "squish"), Resizing(12, 16, "pad")]
    )
    def test_what_is_loaded_predicts_files_as_before(self, images, tmp_path, item_size):
        learn = untrained(photos(images, item_size=item_size), tmp_path, metrics=accuracy)
        learn.model.train()
        learn.model(torch.randn(4, 3, 8, 8))  # batch norms have seen something
        file = learn.export()
        assert file == tmp_path / "export.safetensors"
        loaded = load_learner(file)
        for picture in sorted(images.rglob("*.png"))[::4]:
            name, index, probabilities = learn.predict(picture)
            found = loaded.predict(picture)
            assert (found[0], found[1]) == (name, index)
            torch.testing.assert_close(found[2], probabilities)
        assert loaded.dls.vocab == ["cat", "dog"]
        assert loaded.path == tmp_path

    def test_random_crops_have_their_middle_in_validation(self, images, tmp_path):
        cropping = RandomCropping(8, 12, min_scale=0.5, val_xtra=0.5)
        learn = untrained(photos(images, item_size=cropping, size=None), tmp_path)
        loaded = load_learner(learn.export())
        assert loaded.dls.item_size == cropping
        picture = images / "cat" / "5.png"
        torch.testing.assert_close(loaded.predict(picture)[2], learn.predict(picture)[2])

    def test_images_of_16_bits(self, tmp_path):
        x = [Image.fromarray(np.full((8, 8), 500 * i, dtype=np.uint16)) for i in range(4)]
        part = Samples(x, [0, 1, 0, 1], pixel_range=4095)
        split = Split(part, part, ["dark", "light"])
        dls = ImageDataLoaders.from_split(split, item_size=8, bs=2, device="cpu")
        learn = untrained(dls, tmp_path)
        seen, expected, _ = learn.get_preds(with_input=True)
        assert seen[3].mean() > seen[1].mean() + 0.5
        loaded = load_learner(learn.export())
        for found in (learn, loaded):
            torch.testing.assert_close(found.predict(x[3])[2], expected[3])
        (both,) = [loaded.get_preds(dl=loaded.dls.test_dl(x))[0]]
        torch.testing.assert_close(both, expected)

    def test_files_after_it_was_loaded(self, images, tmp_path):
        learn = untrained(photos(images), tmp_path)
        loaded = load_learner(learn.export())
        files = get_image_files(images)[:5]
        found, none, decoded = loaded.get_preds(dl=loaded.dls.test_dl(files), with_decoded=True)
        assert none is None
        expected = torch.stack([learn.predict(file)[2] for file in files])
        torch.testing.assert_close(found, expected)
        assert torch.equal(decoded, expected.argmax(1))

    def test_statistics_of_its_own(self, images, tmp_path):
        dls = photos(images).normalized([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
        loaded = load_learner(untrained(dls, tmp_path).export())
        assert loaded.dls.normalize.mean == [0.1, 0.2, 0.3]
        assert loaded.dls.normalize.std == [0.5, 0.6, 0.7]

    def test_a_transform_of_ones_own(self, images, tmp_path):
        class Darker(BatchTransform):
            def valid(self, x):
                return x // 2

        learn = untrained(photos(images, batch_tfms=[Darker()]), tmp_path)
        with pytest.raises(VicinalError, match="the transform Darker changes samples in valid"):
            learn.export()
        assert not list(tmp_path.iterdir())

    def test_one_that_is_of_training_alone_is_no_obstacle(self, images, tmp_path):
        class Noise(BatchTransform):
            def train(self, x, generator):
                return x

        loaded = load_learner(untrained(photos(images, batch_tfms=[Noise()]), tmp_path).export())
        assert len(loaded.dls.valid.transforms) == 1

    def test_images_that_keep_their_size(self, tmp_path):
        x, y = torch.randint(256, (6, 3, 8, 10), dtype=torch.uint8), torch.arange(6) % 2
        split = Split(Samples(x, y.tolist()), Samples(x, y.tolist()), ["cat", "dog"])
        learn = untrained(ImageDataLoaders.from_split(split, bs=2, device="cpu"), tmp_path)
        loaded = load_learner(learn.export())
        picture = Image.fromarray(x[0].permute(1, 2, 0).numpy())
        torch.testing.assert_close(loaded.predict(picture)[2], learn.predict(picture)[2])
        with pytest.raises(VicinalError, match="8x8 pixels, the training images 8x10"):
            loaded.predict(Image.new("RGB", (8, 8)))


class TestNames:
    def test_names_of_pickled_files_stand_for_ours(self, images, tmp_path):
        learn = untrained(photos(images), tmp_path)
        assert learn.export("bears.pkl") == tmp_path / "bears.safetensors"
        assert load_learner(tmp_path / "bears.pkl").dls.c == 2
        assert load_learner(str(tmp_path / "bears")).dls.c == 2

    def test_the_one_of_the_book_by_default(self, images, tmp_path):
        untrained(photos(images), tmp_path).export()
        assert load_learner(tmp_path / "export.pkl").dls.vocab == ["cat", "dog"]

    def test_below_a_folder_that_is_made(self, images, tmp_path):
        assert untrained(photos(images), tmp_path).export("a/b.c").name == "b.c.safetensors"
        assert load_learner(tmp_path / "a" / "b.c").dls.c == 2

    def test_a_pickled_file_is_not_opened(self, images, tmp_path):
        class Runs:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "ran",))

        file = tmp_path / "export.pkl"
        file.write_bytes(pickle.dumps(Runs()))
        with pytest.raises(VicinalError, match=r"export.pkl is no file of learn.export\(\), and"):
            load_learner(file)
        learn = untrained(photos(images), tmp_path)
        learn.export()
        with pytest.raises(VicinalError, match=r"or load .*export.safetensors$"):
            load_learner(file)
        assert not (tmp_path / "ran").exists()

    def test_a_file_that_is_missing_and_a_folder(self, tmp_path):
        with pytest.raises(VicinalError, match=r"export.safetensors does not exist: give the file"):
            load_learner(tmp_path / "export.pkl")
        with pytest.raises(VicinalError, match=r"is a folder: .* or use Predictor.load"):
            load_learner(tmp_path)


class TestBlocks:
    def test_several_labels(self, images, tmp_path):
        block = DataBlock(
            (ImageBlock, MultiCategoryBlock),
            get_items=get_image_files,
            get_y=lambda file: [file.parent.name, f"n{file.stem}"],
            splitter=RandomSplitter(seed=1),
            item_tfms=Resize(8),
        )
        learn = untrained(block.dataloaders(images, bs=4, device="cpu"), tmp_path)
        with torch.no_grad():
            learn.model.head.bias[[0, 2]] += 20.0
        loaded = load_learner(learn.export())
        picture = images / "dog" / "2.png"
        name, decoded, probabilities = learn.predict(picture)
        found = loaded.predict(picture)
        assert found[0] == name
        assert decoded.dtype == torch.bool
        assert decoded.sum() > 1
        assert torch.equal(found[1], decoded)
        torch.testing.assert_close(found[2], probabilities)
        assert isinstance(loaded.loss_func, nn.BCEWithLogitsLoss)

    def test_masks(self, images, tmp_path):
        block = DataBlock(
            (ImageBlock, MaskBlock(codes=["sky", "road"])),
            get_items=get_image_files,
            get_y=lambda file: np.tile([0, 1], (int(file.stem) + 10, 7)).astype(np.uint8),
            splitter=RandomSplitter(seed=1),
            item_tfms=Resize(8),
        )
        dls = block.dataloaders(images, bs=4, device="cpu")
        learn = Learner(dls, nn.Conv2d(3, 2, 3, padding=1), path=tmp_path)
        loaded = load_learner(learn.export(), model=nn.Conv2d(3, 2, 3, padding=1))
        picture = images / "dog" / "2.png"
        torch.testing.assert_close(loaded.predict(picture)[2], learn.predict(picture)[2])
        assert torch.equal(loaded.predict(picture)[1], learn.predict(picture)[1])

    def test_a_block_of_ones_own(self, images, tmp_path):
        class Upper(CategoryBlock):
            pass

        block = DataBlock(
            (ImageBlock, Upper), get_items=get_image_files, get_y=parent_label, item_tfms=Resize(8)
        )
        learn = untrained(block.dataloaders(images, bs=4, device="cpu"), tmp_path)
        with pytest.raises(VicinalError, match="what Upper makes of predictions is code of its"):
            learn.export()

    def test_rows_of_a_table(self, tmp_path):
        frame = pd.DataFrame({"a": range(40), "b": ["x", "y"] * 20, "c": ["no", "yes"] * 20})
        frame["a"] += 0.5
        dls = TabularDataLoaders.from_df(
            frame, y_names="c", cat_names=["b"], cont_names=["a"], bs=8, device="cpu"
        )
        learn = tabular_learner(dls, layers=[4], path=tmp_path)
        loaded = load_learner(learn.export())
        found = loaded.predict(frame.iloc[3])
        expected = learn.predict(frame.iloc[3])
        assert found[-3] == expected[-3] if len(found) == 4 else found[0] == expected[0]
        torch.testing.assert_close(found[-1], expected[-1])

    def test_texts(self, tmp_path):
        frame = pd.DataFrame(
            {"text": ["good day", "bad day", "good sun"] * 8, "label": [1, 0, 1] * 8}
        )
        dls = TextDataLoaders.from_df(frame, bs=4, device="cpu", text_col="text", label_col="label")
        learn = text_classifier_learner(dls, path=tmp_path)
        loaded = load_learner(learn.export())
        assert loaded.predict("good day")[0] == learn.predict("good day")[0]
        torch.testing.assert_close(loaded.predict("bad sun")[2], learn.predict("bad sun")[2])


class Own(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class TestNetworks:
    def test_one_with_fastais_head(self, images, tmp_path):
        torch.manual_seed(0)
        learn = vision_learner(photos(images), resnet18, pretrained=False, path=tmp_path, ps=0.3)
        loaded = load_learner(learn.export())
        assert str(loaded.model) == str(learn.model)
        picture = images / "cat" / "1.png"
        torch.testing.assert_close(loaded.predict(picture)[2], learn.predict(picture)[2])
        assert [len(group) for group in loaded.splitter(loaded.model)] == [
            len(group) for group in learn.splitter(learn.model)
        ]

    @pytest.mark.parametrize("name", ["resnet9", "xresnet18"])
    def test_those_with_a_name_are_made_again(self, name):
        made = create_model(name, 3)
        before = torch.get_rng_state()
        again = rebuild(made.made_from)
        assert torch.equal(torch.get_rng_state(), before)
        assert str(again) == str(made)

    def test_torchs_layers_in_a_sequence(self, dls, tmp_path, capsys):
        learn = Learner(dls, network(), path=tmp_path)
        loaded = load_learner(learn.export())
        assert not capsys.readouterr().out
        x = dls.valid.dataset.x
        torch.testing.assert_close(loaded.predict(x[3])[2], learn.predict(x[3])[2])

    def test_one_of_ones_own_is_given_again(self, dls, tmp_path, capsys):
        learn = Learner(dls, Own(network()), path=tmp_path)
        file = learn.export()
        said = "note: how the Own is made is not in the file, only its weights: load it by"
        assert capsys.readouterr().out.startswith(said)
        with pytest.raises(VicinalError, match=r"weights of the Own alone.* model=…\)$"):
            load_learner(file)
        loaded = load_learner(file, model=Own(network(seed=5)))
        x = dls.valid.dataset.x[3]
        torch.testing.assert_close(loaded.predict(x)[2], learn.predict(x)[2])
        with pytest.raises(
            VicinalError, match=r"another network: bias has .*: give model= as it was"
        ):
            load_learner(file, model=nn.Linear(2, 2))

    def test_one_that_was_changed_since_it_was_made(self, images, tmp_path, capsys):
        learn = untrained(photos(images), tmp_path)
        learn.model.head = nn.Sequential(learn.model.head, nn.Tanh())
        file = learn.export()
        assert "how the ResNet9 is made is not in the file" in capsys.readouterr().out
        assert text_of(file)["network"] is None

    def test_code_that_no_text_tells(self, images, tmp_path):
        learn = untrained(photos(images), tmp_path)
        learn.model.register_forward_hook(lambda module, x, output: output.flip(1))
        with pytest.raises(VicinalError, match="predicts something else, as code has changed"):
            learn.export()
        assert not list(tmp_path.iterdir())

    def test_nothing_is_changed_by_it(self, images, tmp_path):
        learn = untrained(photos(images), tmp_path)
        learn.model.train()
        learn.model.head.eval()
        before = {name: t.clone() for name, t in learn.model.state_dict().items()}
        state, epoch = torch.get_rng_state(), learn.dls.valid.sampler.epoch
        learn.export()
        assert torch.equal(torch.get_rng_state(), state)
        assert learn.dls.valid.sampler.epoch == epoch
        assert learn.model.training
        assert not learn.model.head.training
        assert all(torch.equal(before[name], t) for name, t in learn.model.state_dict().items())

    def test_frozen_parameters_stay_frozen(self, images, tmp_path):
        def trained(learn):
            return [p.requires_grad for p in learn.model.parameters()]

        learn = untrained(photos(images), tmp_path, splitter=vision_groups)
        learn.freeze()
        learn.model.head.bias.requires_grad_(False)
        loaded = load_learner(learn.export())
        assert trained(loaded) == trained(learn)
        for each in (learn, loaded):
            with each.keeping_frozen() as freeze_again:
                each.unfreeze()
                freeze_again()
        assert trained(loaded) == trained(learn)
        assert trained(learn).count(False) == 1

    def test_a_rescaled_one(self, images, tmp_path):
        learn = untrained(photos(images), tmp_path, cbs=RescaledMixUp(MixUp(0.4, seed=0)))
        with learn.no_logging():
            learn.fit(1, 1e-3)
        assert learn.rescaling is not None
        loaded = load_learner(learn.export())
        picture = images / "cat" / "1.png"
        expected = learn.predict(picture)[2]
        torch.testing.assert_close(loaded.predict(picture)[2], expected)
        learn.rescaling = None
        assert not torch.allclose(learn.predict(picture)[2], expected, atol=1e-4)


LOSSES = [
    CrossEntropyLossFlat(label_smoothing=0.1),
    CrossEntropyLossFlat(axis=1, weight=torch.tensor([1.0, 2.0])),
    nn.CrossEntropyLoss(ignore_index=3),
    nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0, 1.0])),
    nn.MSELoss(reduction="sum"),
    nn.HuberLoss(delta=2.0),
    nn.NLLLoss(),
    vicinal.AsymmetricLoss(gamma_neg=2.0),
    vicinal.OrdinalLoss(4),
    vicinal.ScaledMSELoss(3.0),
    vicinal.LabelSmoothingCrossEntropy(0.2, reduction="sum"),
    vicinal.FocalLoss(gamma=1.5, weight=torch.tensor([1.0, 2.0])),
    vicinal.FocalLossFlat(axis=1),
    vicinal.DiceLoss(smooth=1.0, square_in_union=True),
    vicinal.BCEWithLogitsLossFlat(thresh=0.2),
    vicinal.BCELossFlat(),
    vicinal.MSELossFlat(),
    vicinal.L1LossFlat(reduction="sum"),
    vicinal.BCEWithLogitsLossFlat(pos_weight=torch.tensor([2.0])),
    F.cross_entropy,
    F.mse_loss,
]


def named(loss):
    return getattr(loss, "__name__", type(loss).__name__)


class TestLosses:
    @pytest.mark.parametrize("loss", LOSSES, ids=named)
    def test_those_that_a_file_holds(self, loss):
        stored, tensors = loss_to_json(loss)
        again = loss_from_json(json.loads(json.dumps(stored)), tensors)
        assert type(again) is type(loss)
        if not isinstance(loss, nn.Module):
            assert again is loss
            return
        assert repr(again) == repr(loss)
        for name, value in vars(loss).items():
            if not name.startswith("_"):
                assert getattr(again, name) == value
        for one, other in zip(again.buffers(), loss.buffers(), strict=True):
            assert torch.equal(one, other)

    def test_one_with_an_activation_of_its_own_is_given_again(self, tmp_path, capsys):
        class Own(nn.Module):
            def forward(self, output, target):
                return F.cross_entropy(output, target)

            def activation(self, x):
                return (x / 2).softmax(1)

            def decodes(self, x):
                return x.argmin(1)

        x, y = torch.randn(8, 3), torch.arange(8) % 2
        dls = vicinal.DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
        learn = vicinal.Learner(dls, nn.Linear(3, 2), Own(), path=tmp_path)
        learn.export()
        assert "Own is not in the file, nor how it turns outputs into" in capsys.readouterr().out
        file = learn.path / "export.pkl"
        with pytest.raises(VicinalError, match=r"give it to load_learner\(file, loss_func=…\)"):
            load_learner(file).predict(x[0])
        found, expected = load_learner(file, loss_func=Own()).predict(x[0]), learn.predict(x[0])
        assert found[0] == expected[0]
        assert torch.equal(found[2], expected[2])

    def test_those_that_it_does_not(self):
        class Own(nn.CrossEntropyLoss):
            pass

        changed = nn.MSELoss()
        changed.scale = 3
        for loss in (Own(), partial(F.cross_entropy, label_smoothing=0.1), print, changed):
            assert loss_to_json(loss) is None

    def test_one_of_ones_own_is_named_and_its_activation_stays(self, tmp_path, capsys):
        class Own(nn.BCEWithLogitsLoss):
            pass

        x, y = torch.randn(8, 2), torch.rand(8, 2).round()
        dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
        learn = Learner(dls, network(), Own(), path=tmp_path)
        file = learn.export()
        assert "the loss function Own is not in the file, only its" in capsys.readouterr().out
        loaded = load_learner(file)
        torch.testing.assert_close(loaded.predict(x[0])[2], learn.predict(x[0])[2])
        torch.testing.assert_close(loaded.predict(x[0])[2], learn.model.eval()(x[:1])[0].sigmoid())
        with pytest.raises(VicinalError, match="the loss function Own is not in the file that"):
            loaded.loss_func(x, y)
        again = loaded.export("again")
        assert "loss function" not in capsys.readouterr().out
        assert text_of(again)["activation"] == "sigmoid"
        assert load_learner(file, model=network(), loss_func=F.mse_loss).loss_func is F.mse_loss

    def test_values_stay_values(self, tmp_path):
        x = torch.randn(8, 2)
        dls = DataLoaders.from_tensors(x, x[:, 0], x, x[:, 0], bs=4, device="cpu")
        learn = Learner(dls, nn.Linear(2, 1), path=tmp_path)
        loaded = load_learner(learn.export(), model=nn.Linear(2, 1))
        assert loaded.predict(x[0])[0] == learn.predict(x[0])[0]
        assert loaded.dls.vocab is None


class TestTraining:
    def test_on_other_data_it_goes_on(self, images, tmp_path):
        learn = untrained(photos(images), tmp_path, cbs=MixUp)
        loaded = load_learner(learn.export())
        loaded.dls = learn.dls
        with loaded.no_logging():
            loaded.fit(1, 1e-3)
        assert len(loaded.history) == 1

    def test_without_data_it_is_one_sentence(self, images, tmp_path):
        loaded = load_learner(untrained(photos(images), tmp_path).export())
        for used in (
            lambda: loaded.fit(1),
            loaded.get_preds,
            loaded.interpret,
            loaded.summary,
            loaded.validate,
        ):
            with pytest.raises(VicinalError, match=r"has no samples: set learn\.dls"):
                used()

    def test_a_splitter_of_ones_own_is_asked_for(self, images, tmp_path, capsys):
        def halves(model):
            parameters = list(model.parameters())
            return [parameters[:3], parameters[3:]]

        learn = untrained(photos(images), tmp_path, splitter=halves)
        loaded = load_learner(learn.export())
        assert "the splitter halves is not in the file" in capsys.readouterr().out
        assert text_of(loaded.export("again"))["splitter"] == "halves"
        loaded.dls = learn.dls
        with pytest.raises(VicinalError, match="the splitter halves is not in the file"):
            loaded.fit(1)
        loaded.splitter = halves
        with loaded.no_logging():
            loaded.fit(1)


class TestDamagedFiles:
    @pytest.fixture
    def file(self, images, tmp_path):
        return untrained(photos(images), tmp_path).export()

    @pytest.mark.parametrize("share", [0.001, 0.01, 0.5, 0.99])
    def test_a_flipped_bit(self, file, share):
        content = bytearray(file.read_bytes())
        content[int(share * len(content))] ^= 1
        file.write_bytes(bytes(content))
        with pytest.raises(VicinalError, match=r"export\.safetensors (is damaged|cannot be read)"):
            load_learner(file)

    def test_weights_alone(self, images, tmp_path):
        learn = untrained(photos(images), tmp_path)
        with pytest.raises(VicinalError, match="holds weights alone: give the file"):
            load_learner(learn.save("a"))

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"network": {"maker": "os.system", "command": "id"}}, "no network is made by 'os.sys"),
            ({"network": {"maker": "create_model", "name": "resnet9", "n_out": 2, "pretrained": 1}},
             "pretrained is no setting"),
            ({"network": {"maker": "create_model", "name": "resnet9"}}, "cannot be made"),
            ({"network": {"maker": "create_model", "name": "resnet9", "n_out": 5}},
             "weights are of another network: head"),
            ({"network": {"maker": "create_model", "name": "resnet99", "n_out": 2}},
             "no network named resnet99"),
            ({"loss": {"name": "eval"}}, "there is no loss function eval"),
            ({"loss": {"name": "MSELoss", "settings": {"a": 1}}}, "MSELoss cannot be made"),
            ({"loss": None, "activation": "exec"}, "there is no activation exec"),
            ({"precision": "fp8"}, "there is no precision fp8"),
            ({"other": 1}, "other is unknown"),
            ({"data": {"kind": "os"}}, "data.vocab is missing"),
        ],
    )  # fmt: skip
    def test_other_text_in_it(self, file, changes, said):
        with pytest.raises(VicinalError, match=f"export.safetensors cannot be used, as .*{said}"):
            load_learner(edited(file, **changes))

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"kind": "subprocess"}, "there is no loaders 'subprocess'"),
            ({"vocab": ["cat"]}, "vocab names 1 classes, and data.n_out is 2"),
            ({"bs": 0}, "data.bs must be"),
            ({"shape": [0, 1, 1]}, "data.shape is none"),
            ({"item_size": [10**6, 5, "crop"]}, "sizes must be up to"),
            ({"item_size": [5, 5, "cut"]}, "item_size"),
            ({"transforms": [{"eval": 1}]}, "eval is unknown"),
            ({"transforms": [{"resize": 10**6}]}, "sizes must be 2 to"),
            ({"transforms": [{"normalize": [[0.5] * 3, [0.0] * 3]}]}, "deviations must be above 0"),
            ({"target_block": {"name": "Popen"}}, "there is no target block 'Popen'"),
        ],
    )
    def test_other_data_in_it(self, file, changes, said):
        data = {**text_of(file)["data"], **changes}
        with pytest.raises(VicinalError, match=f"export.safetensors cannot be used, as .*{said}"):
            load_learner(edited(file, data=data))

    def test_the_makers_are_functions(self):
        assert all(where.startswith("vicinal.models.") for where in MAKERS.values())
