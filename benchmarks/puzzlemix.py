"""PuzzleMix beside its authors' code: the time of a call, the energies of the cuts, and a step.

python benchmarks/puzzlemix.py                       # ours, beside CutMix
python benchmarks/puzzlemix.py --theirs PuzzleMix    # a clone of github.com/snu-mllab/PuzzleMix
python benchmarks/puzzlemix.py --step                # a training step of resnet18 at 128 pixels

Their code needs gco-wrapper. Both get the same images, saliency, λ and partners, in their settings
for each size, and take turns on one thread. Times are medians of the processor's time, as other
programs may use the machine; ours include draw and target.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal import CutMix, Mix, MixLoss, PuzzleMix
from vicinal.mixing import Batch
from vicinal.mixing.graph_cut import least_labels
from vicinal.mixing.methods.puzzlemix import PendingPuzzle, pooled, scaled
from vicinal.mixing.puzzle import Rules, costs, edges_of, shares_of

LAM = 0.4


@dataclass(frozen=True)
class Setting:
    """A batch, and what their code sets for images of its size."""

    shape: tuple[int, int, int, int]
    edge: int
    t_size: int = -1
    rounds: int = 5

    def pieces(self, blocks: int) -> int | None:
        """Ours, for the side of a moved piece in pixels."""
        side = self.shape[-1]
        return None if self.t_size < 0 else side // min(self.t_size, side // blocks)


SETTINGS = (
    Setting((100, 3, 32, 32), edge=4, t_size=4),
    Setting((64, 3, 64, 64), edge=4),
    Setting((16, 3, 224, 224), edge=2, rounds=3),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--theirs", type=Path, help="the folder of their code")
    parser.add_argument("--step", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.step:
        time_step()
        return
    theirs = None
    if given.theirs:
        sys.path.insert(0, str(given.theirs))
        theirs = import_module("mixup")
    print(
        "| batch | blocks | theirs, ms | ours, ms | ratio | cutmix, ms | above the least energy |"
    )
    print("|---|---:|---:|---:|---:|---:|---|")
    for setting in SETTINGS:
        for blocks in (2, 4, 8, 16):
            print(row(setting, blocks, theirs), flush=True)


def batch_of(setting: Setting) -> tuple[Tensor, Tensor]:
    """Images of smooth patches, and saliency that some spots have more of."""
    generator = torch.Generator().manual_seed(0)
    count, channels, side, _ = setting.shape
    x = torch.rand(count, channels, 8, 8, generator=generator)
    x = F.interpolate(x, size=(side, side), mode="bilinear")
    x[0], x[1] = 0, 1  # so that each channel spans what bytes do
    spots = torch.rand(count, 1, 6, 6, generator=generator) ** 4
    saliency = F.interpolate(spots, size=(side, side), mode="bilinear")[:, 0]
    return x, saliency + 0.02 * torch.rand(count, side, side, generator=generator)


def row(setting: Setting, blocks: int, theirs: object) -> str:
    x, saliency = batch_of(setting)
    count, y = len(x), torch.arange(len(x))
    partner = torch.arange(count).roll(1)
    mixer = PuzzleMix(
        saliency=lambda images: saliency,
        blocks=blocks,
        pieces=setting.pieces(blocks),
        edge=setting.edge,
        per="batch",
        partners=lambda y: partner,
        seed=0,
    )
    cutmix = CutMix(seed=0)
    calls = {"ours": lambda: mixer(x, y), "cutmix": lambda: cutmix(x, y)}
    if theirs is not None:
        calls["theirs"] = lambda: mixed_by(theirs, setting, blocks, x, saliency, partner)
    found = medians(calls, setting.rounds)
    shown = {name: f"{1e3 * seconds:.1f}" for name, seconds in found.items()}
    ratio = f"{found['theirs'] / found['ours']:.0f}" if theirs is not None else ""
    above = energies(theirs, setting, blocks, x, saliency, partner) if theirs is not None else ""
    batch = " \N{MULTIPLICATION SIGN} ".join(map(str, setting.shape))
    cells = [batch, str(blocks), shown.get("theirs", ""), shown["ours"], ratio, shown["cutmix"]]
    return f"| {' | '.join([*cells, above])} |"


def medians(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each, in turns, after one call that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            began = time.process_time()
            call()
            if number:
                seconds[name].append(time.process_time() - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


@torch.no_grad()
def mixed_by(
    theirs: object, setting: Setting, blocks: int, x: Tensor, saliency: Tensor, partner: Tensor
) -> tuple[Tensor, Tensor]:
    options = {"beta": 1.2, "gamma": 0.5, "eta": 0.2, "n_labels": 3, "t_eps": 0.8}
    return theirs.mixup_graph(
        x.clone(),
        saliency.clone(),
        partner,
        block_num=blocks,
        alpha=LAM,
        neigh_size=setting.edge,
        mean=torch.zeros(1, 3, 1, 1),
        std=torch.ones(1, 3, 1, 1),
        transport=True,
        t_size=setting.t_size,
        device="cpu",
        **options,
    )


def energies(
    theirs: object, setting: Setting, blocks: int, x: Tensor, saliency: Tensor, partner: Tensor
) -> str:
    """For how many images their labels cost more than the least, and by how much at most.

    A line of an error says that ours cost more, or that the same labels gave other pixels.
    """
    masks, original = [], theirs.graphcut_multi
    theirs.graphcut_multi = lambda *args: masks.append(original(*args)) or masks[-1]
    try:
        their_mix, _ = mixed_by(theirs, setting, blocks, x, saliency, partner)
    finally:
        theirs.graphcut_multi = original
    drawn = PendingPuzzle(torch.full((len(x),), LAM), torch.full((len(x),), float(blocks)))
    options = {"blocks": blocks, "pieces": setting.pieces(blocks), "edge": setting.edge}
    mixer = PuzzleMix(saliency=lambda images: saliency, **options)
    our_mix = mixer.complete(Mix(partner, torch.ones(len(x)), (drawn,)), Batch(x))(x)
    arguments = problem(mixer, blocks, x, saliency, partner)
    ours = least_labels(*arguments)
    others = ((1 - torch.from_numpy(np.stack(masks))) * 2).round().long()
    excess = energy(*arguments, others) - energy(*arguments, ours)
    same = (ours == others).flatten(1).all(1)
    differ = (our_mix - their_mix).abs().flatten(1).amax(1) > 1e-4
    assert (excess >= 0).all()
    assert not (same & differ).any()
    most = (excess / energy(*arguments, ours)).max()
    return f"{int((excess > 0).sum())} of {len(x)} images, by up to {100 * most:.1f} %"


def problem(
    mixer: PuzzleMix, blocks: int, x: Tensor, saliency: Tensor, partner: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What the cut gets."""
    sides = mixer._cells(blocks, (x.shape[-2], x.shape[-1]))
    (cells,) = scaled([pooled(x, sides)])
    down, across = (torch.stack((edge, edge[:, partner])) for edge in edges_of(cells, blocks))
    own = pooled(saliency, (blocks, blocks))
    shares = shares_of(torch.stack((own, own[partner])), blocks)
    rules = Rules(mixer.labels, mixer.beta, mixer.gamma, mixer.eta, mixer.price)
    lam = torch.full((len(x),), LAM, dtype=torch.float64)
    return costs(shares, (down, across), lam, rules)


def energy(each: Tensor, down: Tensor, across: Tensor, labels: Tensor) -> Tensor:
    """(B,) of three labels, times 4."""
    own = 4 * each.gather(1, labels[:, None]).flatten(1).sum(1)
    both = ((down, labels.diff(dim=1)), (across, labels.diff(dim=2)))
    return own + sum((weight * step.square()).flatten(1).sum(1) for weight, step in both)


def time_step() -> None:
    """Print how many times as long a training step takes with each mixer."""
    import timm

    torch.manual_seed(0)
    model = timm.create_model("resnet18", num_classes=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    criterion = MixLoss(torch.nn.CrossEntropyLoss())
    source, y = torch.randn(32, 3, 128, 128), torch.arange(32) % 10

    def step(mixer: Callable[..., tuple[Tensor, object]] | None) -> None:
        x, target = (source, y) if mixer is None else mixer(source.clone(), y, inplace=True)
        loss = criterion(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    mixers = {"none": None, "cutmix": CutMix(seed=0), "puzzlemix": PuzzleMix(model, seed=0)}
    calls = {name: lambda mixer=mixer: step(mixer) for name, mixer in mixers.items()}
    found = medians(calls, rounds=5)
    for name, seconds in found.items():
        print(f"{name:10} {seconds / found['none']:.2f}")


if __name__ == "__main__":
    main()
