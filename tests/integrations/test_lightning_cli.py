"""Mix on Lightning's command line and in its configuration files."""

import lightning as L
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip("jsonargparse")
from lightning.pytorch.cli import LightningCLI

from vicinal import Choice, CutMix, MixUp

pytestmark = pytest.mark.filterwarnings("ignore")
MIX = "vicinal.integrations.lightning.Mix"
PLAIN = [
    "fit", "--trainer.accelerator=cpu", "--trainer.max_epochs=1", "--trainer.logger=false",
    "--trainer.enable_progress_bar=false", "--trainer.enable_checkpointing=false",
    "--trainer.enable_model_summary=false",
]  # fmt: skip


class Module(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.model, self.weights = nn.Linear(4, 3), []

    def training_step(self, batch, batch_idx):
        self.weights.append(batch[1].weight.flatten())
        return F.cross_entropy(self.model(batch[0].flatten(1)), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Data(L.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.rand(8, 1, 2, 2), torch.arange(8) % 3), 8)


def run(*arguments):
    """A script that ends with LightningCLI(Module, Data)."""
    return LightningCLI(Module, Data, args=[*PLAIN, *arguments], save_config_callback=None)


@pytest.mark.parametrize("target", ["1", "[1]", "-1"])
def test_on_the_command_line(target):
    cli = run(
        f"--trainer.callbacks+={MIX}", "--trainer.callbacks.mixer=MixUp",
        "--trainer.callbacks.mixer.alpha=0.2", "--trainer.callbacks.mixer.seed=3",
        f"--trainer.callbacks.target={target}",
    )  # fmt: skip
    expected = MixUp(0.2, seed=3).draw(torch.rand(8, 1))
    assert torch.equal(cli.model.weights[0], expected.weight)


def test_in_a_configuration_file(tmp_path):
    (tmp_path / "mix.yaml").write_text(f"""
trainer:
  callbacks:
    - class_path: {MIX}
      init_args:
        mixer:
          class_path: vicinal.Choice
          init_args:
            mixers: [{{class_path: vicinal.MixUp}}, {{class_path: vicinal.CutMix}}]
            seed: 3
""")
    cli = run("--config", str(tmp_path / "mix.yaml"))
    expected = Choice([MixUp(), CutMix()], seed=3).draw(torch.rand(8, 1, 2, 2))
    assert torch.equal(cli.model.weights[0], expected.weight)


def test_a_mixer_is_needed(capsys):
    with pytest.raises(SystemExit):
        run(f"--trainer.callbacks+={MIX}")
    assert "the following arguments are required: mixer" in capsys.readouterr().err
