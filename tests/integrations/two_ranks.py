"""Run by two processes: trains with the named trainer, and writes what each rank has mixed."""

import gc
import json
import os
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed.nn.functional  # imported later, it would hold on to the group
from by_hand import digits, small_network
from torch import distributed, nn
from torch.utils.data import DataLoader, TensorDataset

from vicinal import MixedTarget, MixLoss, MixUp

warnings.simplefilter("ignore")
# Other trainers' integrations agree on a seed; in a loop of one's own it must be given.
trainer = sys.argv[1] if __name__ == "__main__" else ""
mixer = MixUp(seed=0 if trainer in ("accelerate", "fabric") else None)
seen = []


class Model(nn.Module):
    """Digits to classes."""

    def __init__(self):
        super().__init__()
        self.layers = small_network()
        self.layers[1] = nn.Identity()  # no batch statistics, which differ between ranks

    def forward(self, x):
        return self.layers(x)


def criterion(output, target):
    own = target.own if isinstance(target, MixedTarget) else target
    seen.append([target.weight.tolist(), target.partner.tolist(), own.tolist()])
    return MixLoss(nn.CrossEntropyLoss())(output, target)


def loader(size=16):
    return DataLoader(TensorDataset(*digits(64)), size)


def train(model, optimizer, batches, backward):
    for x, y in batches:
        x, y = mixer(x, y)
        backward(criterion(model(x), y))
        optimizer.step()
        optimizer.zero_grad()


def by_accelerate():
    from accelerate import Accelerator

    accelerator, model = Accelerator(cpu=True), Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model, optimizer, batches = accelerator.prepare(model, optimizer, loader())
    train(model, optimizer, batches, accelerator.backward)
    return accelerator.unwrap_model(model)


def by_fabric():
    from lightning.fabric import Fabric

    fabric = Fabric(accelerator="cpu", devices=2)
    fabric.launch()
    model = Model()
    model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    train(model, optimizer, fabric.setup_dataloaders(loader()), fabric.backward)
    return model.module


def by_timm():
    from torch.nn.parallel import DistributedDataParallel
    from torch.utils.data import DistributedSampler

    from vicinal.integrations.timm import Mixup

    distributed.init_process_group("gloo")
    torch.manual_seed(0)
    mixup = Mixup(mixup_alpha=0.4, mode="elem", num_classes=10)
    mixup.mixer = Spied(mixup.mixer)
    data = TensorDataset(*digits(64))
    model = DistributedDataParallel(Model())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(data, 16, sampler=DistributedSampler(data, shuffle=False)):
        x, y = mixup(x, y)
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.module


class Spied:
    """A mixer that records its draws."""

    half = False

    def __init__(self, mixer):
        self.mixer = mixer

    def __call__(self, *batch, **options):
        x, y = self.mixer(*batch, **options)
        larger = torch.maximum(y.weight, 1 - y.weight)  # timm's are not folded
        seen.append([larger.tolist(), y.partner.tolist(), y.own.tolist()])
        return x, y


def by_lightning():
    import lightning

    from vicinal.integrations.lightning import Mix

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = Model()

        def training_step(self, batch, batch_idx):
            x, y = batch
            return criterion(self.model(x), y)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    module = Module()
    lightning.Trainer(
        max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=Mix(mixer), default_root_dir=sys.argv[2],
    ).fit(module, loader())  # fmt: skip
    return module.model


def by_transformers():
    from transformers import TrainingArguments

    from vicinal.integrations.transformers import MixTrainer

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = Model()

        def forward(self, x, labels=None):
            output = self.model(x)
            return {"loss": criterion(output, labels), "logits": output}

    data = [{"x": x, "labels": y} for x, y in zip(*digits(64), strict=True)]
    model = Own()
    arguments = TrainingArguments(
        sys.argv[2], per_device_train_batch_size=16, num_train_epochs=1, use_cpu=True,
        report_to="none", save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    MixTrainer(model, arguments, train_dataset=data, mixer=mixer).train()
    return model.model


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    model = globals()[f"by_{trainer}"]()
    weights = [value.flatten()[:5].tolist() for value in model.state_dict().values()]
    file = folder / f"{os.environ['RANK']}.json"
    distributed.destroy_process_group()
    gc.collect()  # also what refers to the group, whose threads would abort the process at its end
    file.write_text(json.dumps({"seen": seen, "weights": weights, "seed": mixer.random.seed}))
