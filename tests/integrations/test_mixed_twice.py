"""Two mixers of one batch, in each trainer: refused by a sentence that says so."""

import warnings

import keras
import pytest
import skorch
import torch
import transformers
from by_hand import batches, digits, small_network
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from vicinal import DataLoaders, Learner, MixCollate, MixUp
from vicinal.integrations import keras as in_keras
from vicinal.integrations import lightning as in_lightning
from vicinal.integrations import skorch as in_skorch
from vicinal.integrations import timm as in_timm
from vicinal.integrations import transformers as in_transformers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai

    from vicinal.integrations import fastai as in_fastai

pytestmark = pytest.mark.filterwarnings("ignore")
MIXED = "the targets are mixed already: mix a batch once"
TWO = r"Mix\(MixUp\(.*\)\) and Mix\(MixUp\(.*\)\) mix the same batches: remove one of them"


def mixed_batches(size=32):
    return DataLoader(TensorDataset(*digits(size)), size, collate_fn=MixCollate(MixUp()))


def fit_fastai(cbs, loader=None, cbs_of_fit=()):
    loader = loader or batches(64)
    learn = fastai.Learner(
        fastai.DataLoaders(loader, loader), small_network(), nn.CrossEntropyLoss(), cbs=cbs
    )
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, cbs=[*cbs_of_fit])


def test_fastai():
    mix = in_fastai.Mix
    with pytest.raises(TypeError, match=TWO):
        fit_fastai([mix(MixUp())], cbs_of_fit=[mix(MixUp())])
    with pytest.raises(TypeError, match=MIXED):
        fit_fastai([mix(MixUp())], mixed_batches())


@pytest.mark.parametrize("other", [fastai.MixUp, fastai.CutMix])
def test_fastai_beside_its_own(other):
    with pytest.raises(TypeError, match=r"Mix\(MixUp.* and (Cut|Mix).* mix the same"):
        fit_fastai([in_fastai.Mix(MixUp())], cbs_of_fit=[other()])
    with pytest.raises(TypeError, match=r"not fastai\..*: import vicinal's after all else"):
        in_fastai.Mix(other())


def fit_lightning(callbacks, loader):
    class Module(in_lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = small_network()

        def training_step(self, batch, batch_idx):
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    in_lightning.Trainer(
        max_steps=1, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, callbacks=callbacks,
    ).fit(Module(), loader)  # fmt: skip


def test_lightning():
    with pytest.raises(TypeError, match=MIXED):
        fit_lightning([in_lightning.Mix(MixUp())], mixed_batches())
    second = type("Second", (in_lightning.Mix,), {})
    with pytest.raises(TypeError, match=TWO.replace("and Mix", "and Second")):
        fit_lightning([in_lightning.Mix(MixUp()), second(MixUp())], batches(64))
    with pytest.raises(RuntimeError, match="more than one stateful callback"):  # Lightning's own
        fit_lightning([in_lightning.Mix(MixUp()), in_lightning.Mix(MixUp())], batches(64))


def fit_skorch(callbacks, **options):
    skorch.NeuralNetClassifier(
        small_network(), criterion=nn.CrossEntropyLoss, max_epochs=1, train_split=None, verbose=0,
        callbacks=callbacks, **options,
    ).fit(*[part.numpy() for part in digits(64)])  # fmt: skip


def test_skorch():
    mix = in_skorch.Mix
    with pytest.raises(TypeError, match=TWO):
        fit_skorch([mix(MixUp()), ("second", mix(MixUp()))])
    with pytest.raises(TypeError, match=MIXED):
        fit_skorch([mix(MixUp())], iterator_train__collate_fn=MixCollate(MixUp()))


def keras_model():
    keras.backend.clear_session()
    model = keras.Sequential(
        [keras.Input((1, 8, 8)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def test_keras():
    x, y = (part.numpy() for part in digits(64))
    mix, model = in_keras.Mix, keras_model()
    with pytest.raises(TypeError, match=MIXED):
        model.fit(x, y, verbose=0, callbacks=[mix(MixUp()), mix(MixUp())])
    assert "train_step" not in vars(model)
    model.fit(x, y, verbose=0, callbacks=[mix(MixUp())])
    with pytest.raises(TypeError, match=MIXED):
        model.fit(mixed_batches(), verbose=0, callbacks=[mix(MixUp())])


def test_transformers(tmp_path):
    def collate(rows):
        return MixCollate(MixUp())([{"labels": row["labels"], "x": row["x"]} for row in rows])

    arguments = transformers.TrainingArguments(
        str(tmp_path), max_steps=1, use_cpu=True, report_to="none", save_strategy="no",
        remove_unused_columns=False, disable_tqdm=True,
    )  # fmt: skip
    data = [{"x": x, "labels": y} for x, y in zip(*digits(8), strict=True)]
    trainer = in_transformers.MixTrainer(
        small_network(), arguments, train_dataset=data, data_collator=collate, mixer=MixUp()
    )
    with pytest.raises(TypeError, match=MIXED):
        trainer.train()


@pytest.mark.parametrize("options", [{}, {"multi_label": True}])
def test_timm(options):
    x, y = next(iter(mixed_batches()))
    y = nn.functional.one_hot(y, 10) if options else y
    with pytest.raises(TypeError, match=MIXED):
        in_timm.Mixup(num_classes=10, **options)(x, y)


def test_the_learner():
    x, y = digits(64)
    dls = DataLoaders.from_tensors(x, y, x, y, bs=32, device="cpu")
    with pytest.raises(TypeError, match=MIXED):
        Learner(dls, small_network(), cbs=MixUp()).fit(1, 0.1, cbs=MixUp())


def test_keras_own_layer_before():
    """Its targets are plain rows of shares. Each sample is its own label, so both must agree."""
    layer = keras.layers.MixUp(seed=0)

    def collate(rows):
        labels = nn.functional.one_hot(default_collate(rows)[1], 10).float()
        images = labels.view(-1, 1, 10, 1)
        mixed = layer({"images": images, "labels": labels}, training=True)
        return mixed["images"], mixed["labels"]

    rows = [*zip(*digits(16), strict=True)]
    x, y = MixCollate(MixUp(seed=0), collate)(rows)
    output = torch.randn(16, 10)
    torch.testing.assert_close(
        nn.functional.cross_entropy(output, y), nn.functional.cross_entropy(output, x.view(16, 10))
    )
