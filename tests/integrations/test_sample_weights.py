"""Sample weights in each trainer: each counts with the target that it belongs to."""

import os
import warnings

os.environ["KERAS_BACKEND"] = "torch"

import keras
import lightning as L
import numpy as np
import pytest
import skorch
import torch
import torch.nn.functional as F
import transformers
from accelerate import Accelerator
from lightning.fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate

from vicinal import MixCollate, MixUp
from vicinal.integrations.keras import Mix as KerasMix
from vicinal.integrations.lightning import Mix as LightningMix
from vicinal.integrations.skorch import Mix as SkorchMix
from vicinal.integrations.transformers import Mixing

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastai.vision.all as fastai

    from vicinal.integrations.fastai import Mix as FastaiMix

pytestmark = pytest.mark.filterwarnings("ignore")

G = torch.Generator().manual_seed(0)
X, Y, WEIGHT = torch.rand(8, 4, generator=G), torch.arange(8) % 3, torch.rand(8, generator=G)
NAMED = [{"x": x, "label": y, "sample_weight": w} for x, y, w in zip(X, Y, WEIGHT, strict=True)]
TRIPLES = TensorDataset(X, Y, WEIGHT)


def network():
    torch.manual_seed(0)
    return nn.Linear(4, 3)


def weighted(output, label, weight):
    return (F.cross_entropy(output, label, reduction="none") * weight).mean()


def by_hand():
    """Sample by sample."""
    mix, total = MixUp(seed=0).draw(X, Y), 0.0
    output = network()(mix(X))
    for i, (lam, j) in enumerate(zip(mix.weight, mix.partner, strict=True)):
        own, partner = (F.cross_entropy(output[i], Y[k]) * WEIGHT[k] for k in (i, j))
        total += lam * own + (1 - lam) * partner
    return total / 8


class Module(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.model, self.losses = network(), []

    def training_step(self, batch, batch_idx):
        named = isinstance(batch, dict)
        x, y, weight = (batch["x"], batch["label"], batch["sample_weight"]) if named else batch
        loss = weighted(self.model(x), y, weight)
        self.losses.append(loss.item())
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def with_lightning(tmp_path, data, **options):
    module = Module()
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, default_root_dir=tmp_path,
        callbacks=LightningMix(MixUp(seed=0), **options),
    )  # fmt: skip
    trainer.fit(module, DataLoader(data, 8))
    return module.losses[0]


def with_transformers(tmp_path):
    class Weighted(transformers.Trainer):
        def compute_loss(self, model, inputs, **_):
            loss = weighted(model(inputs["x"]), inputs["labels"], inputs["sample_weight"])
            found.append(loss.item())
            return loss

    class Trainer(Mixing, Weighted):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    found, data = [], [{"labels": row["label"], **row} for row in NAMED]
    arguments = transformers.TrainingArguments(
        str(tmp_path), max_steps=1, use_cpu=True, report_to="none", save_strategy="no",
        remove_unused_columns=False, disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    Trainer(
        network(), arguments, train_dataset=data, mixer=MixUp(seed=0),
        data_collator=lambda rows: {k: v for k, v in default_collate(rows).items() if k != "label"},
    ).train()  # fmt: skip
    return found[0]


def with_fastai(_):
    loader = fastai.DataLoader([*TRIPLES], bs=8)
    dls, found = fastai.DataLoaders(loader, loader), []
    dls.n_inp = 1

    def loss(*args):
        found.append(weighted(*args))
        return found[-1]

    learn = fastai.Learner(dls, network(), loss, cbs=FastaiMix(MixUp(seed=0)))
    with learn.no_bar(), learn.no_logging():
        learn.fit(1)
    return found[0].item()


def with_skorch(_):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = network()

        def forward(self, x, sample_weight):
            return self.layer(x)

    class Net(skorch.NeuralNet):
        def get_loss(self, y_pred, y_true, X=None, training=False):
            losses = super().get_loss(y_pred, y_true, X=X, training=training)
            found.append((losses * X["sample_weight"]).mean())
            return found[-1]

    found = []
    net = Net(
        Network, nn.CrossEntropyLoss, criterion__reduction="none", max_epochs=1, batch_size=8,
        train_split=None, verbose=0, callbacks=[SkorchMix(MixUp(seed=0))],
    )  # fmt: skip
    net.fit({"x": X.numpy(), "sample_weight": WEIGHT.numpy()}, Y.numpy())
    return found[0].item()


def with_keras(_):
    keras.backend.clear_session()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    layer = network()
    model.set_weights([layer.weight.detach().numpy().T, layer.bias.detach().numpy()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    history = model.fit(
        X.numpy(), Y.numpy(), sample_weight=WEIGHT.numpy(), batch_size=8, shuffle=False, verbose=0,
        callbacks=[KerasMix(MixUp(seed=0))],
    )  # fmt: skip
    return history.history["loss"][0]


def with_loader(prepare):
    loader = DataLoader(TRIPLES, 8, collate_fn=MixCollate(MixUp(seed=0), target=(1, 2)))
    x, y, weight = next(iter(prepare(loader)))
    return weighted(network()(x), y, weight).item()


@pytest.mark.parametrize(
    "loss",
    [
        lambda folder: with_lightning(folder, NAMED),
        lambda folder: with_lightning(folder, TRIPLES, target=(1, 2)),
        with_transformers,
        with_fastai,
        with_skorch,
        with_keras,
        lambda _: with_loader(lambda loader: loader),
        lambda _: with_loader(Accelerator(cpu=True).prepare),
        lambda _: with_loader(Fabric(accelerator="cpu", devices=1).setup_dataloaders),
    ],
    ids=[
        "lightning",
        "triples",
        "transformers",
        "fastai",
        "skorch",
        "keras",
        "pytorch",
        "accelerate",
        "fabric",
    ],
)
def test_a_sample_weight_counts_with_its_target(loss, tmp_path):
    np.testing.assert_allclose(loss(tmp_path), by_hand().item(), rtol=1e-5)


def test_lightning_refuses_a_tuple_that_is_not_clear(tmp_path):
    with pytest.raises(ValueError, match=r"has 3 parts, .*or target=\(1, 2\) if it is a sample we"):
        with_lightning(tmp_path, TRIPLES)


def test_inputs_of_keras_may_be_called_weight():
    """Keras says itself which parts are inputs, and so does fastai."""
    keras.backend.clear_session()
    inputs = {name: keras.Input((1,), name=name) for name in ("height", "weight")}
    both = keras.layers.concatenate([*inputs.values()])
    model = keras.Model(inputs, keras.layers.Dense(1)(both))
    model.compile("sgd", "mse")
    data = {"height": X[:, :1].numpy(), "weight": X[:, 1:2].numpy()}
    model.fit(data, X[:, 2].numpy(), verbose=0, callbacks=[KerasMix(MixUp(seed=0))])
    assert np.isfinite(model.get_weights()[0]).all()


def test_transformers_names_its_own_option(tmp_path):
    row = {"x": X[0], "labels": 1, "weight": 0.5}
    arguments = transformers.TrainingArguments(
        str(tmp_path), report_to="none", use_cpu=True, remove_unused_columns=False, max_steps=1,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    kind = type("Trainer", (Mixing, transformers.Trainer), {})
    trainer = kind(network(), arguments, train_dataset=[row] * 8, mixer=MixUp())
    with pytest.raises(ValueError, match=r"'weight': .* TrainingArguments\(label_names=...\) besi"):
        trainer.train()
