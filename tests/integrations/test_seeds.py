"""The seed that a trainer is given seeds the mixers, too."""

import importlib
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import Callback, DataLoaders, Learner, ManifoldMixUp, MixCollate, MixUp

SEEDING = {
    "torch": ("torch", "manual_seed"),
    "Lightning": ("lightning", "seed_everything"),
    "Fabric": ("lightning.fabric", "seed_everything"),
    "transformers": ("transformers", "set_seed"),
    "Accelerate": ("accelerate.utils", "set_seed"),
    "fastai": ("fastai.torch_core", "set_seed"),
    "Keras": ("keras.utils", "set_random_seed"),
    "timm": ("timm.utils", "random_seed"),
}


@pytest.fixture(params=SEEDING)
def seed(request):
    """A trainer's function that seeds everything."""
    module, name = SEEDING[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(pytest.importorskip(module), name)


def data():
    return TensorDataset(torch.ones(12, 1, 8, 8), torch.arange(12))


def by_hand():
    mixer = MixUp()
    batches = [mixer(x, y) for x, y in DataLoader(data(), 4, shuffle=True)]
    return [(y.partner.tolist(), y.weight.tolist()) for _, y in batches]


def collated():
    loader = DataLoader(data(), 4, shuffle=True, collate_fn=MixCollate(MixUp()))
    return [(y.partner.tolist(), y.weight.tolist()) for _, y in loader]


def hidden():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.ReLU(), nn.Linear(4, 12))
    mixer, results = ManifoldMixUp(model, mixer=MixUp()), []
    for x, y in DataLoader(data(), 4):
        x, y = mixer(x, y)
        results.append((model(x).tolist(), y.weight.tolist()))
    return results


def replacement():
    timm = importlib.import_module("vicinal.integrations.timm")
    mixer = timm.Mixup(0.2, 1.0, num_classes=12)
    return [mixer(x, y)[1].tolist() for x, y in DataLoader(data(), 4)]


@pytest.mark.parametrize("run", [by_hand, collated, hidden, replacement])
def test_a_script_draws_the_same_under_the_same_seed(seed, run):
    """Also if it runs twice in one process, as a cell of a notebook does."""
    seed(42)
    first = run()
    seed(42)
    assert run() == first
    seed(43)
    assert run() != first


class Targets(Callback):
    def __init__(self):
        self.drawn = []

    def after_loss(self, learn):
        if learn.training:
            self.drawn.append((learn.y.partner.tolist(), learn.y.weight.tolist()))


def test_the_learner_does():
    x, y = data().tensors

    def run(seed):
        torch.manual_seed(seed)
        dls = DataLoaders.from_tensors(x, y, x, y, bs=4, device="cpu")
        targets = Targets()
        learn = Learner(dls, nn.Sequential(nn.Flatten(), nn.Linear(64, 12)), cbs=[MixUp(), targets])
        with learn.no_logging():
            learn.fit(1)
        return targets.drawn

    assert run(42) == run(42) != run(43)


def test_transformers_does_by_its_argument(tmp_path):
    transformers = pytest.importorskip("transformers")
    from vicinal.integrations.transformers import MixTrainer

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.drawn = nn.Linear(4, 3), []

        def forward(self, x, labels):
            self.drawn.append((labels.partner.tolist(), labels.weight.tolist()))
            output = self.linear(x)
            return {"loss": nn.functional.cross_entropy(output, labels), "logits": output}

    def run(seed):
        rows = [{"x": torch.ones(4), "labels": torch.tensor(i % 3)} for i in range(16)]
        model = Network()
        arguments = transformers.TrainingArguments(
            tmp_path, max_steps=2, seed=seed, report_to=[], disable_tqdm=True, save_strategy="no",
            use_cpu=True,
        )  # fmt: skip
        MixTrainer(model, arguments, train_dataset=rows, mixer=MixUp()).train()
        return model.drawn

    assert run(42) == run(42) != run(43)
