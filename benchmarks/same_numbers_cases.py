"""What same_numbers.py computes in the process of one tree: mixers, losses and hidden mixing.

It prints the digests of each case as JSON. The arguments are patterns of names of cases.
"""

import copy
import inspect
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from same_numbers import Digests, is_wanted
from torch import distributed, nn
from torch.utils.data import DataLoader, TensorDataset

import vicinal as v

# -- Names that have changed: the new one first.

RENAMED = {"maximum": ("maximum", "unite")}


def option(name: str, value: Any) -> dict[str, Any]:
    """A mixer's keyword argument by the name that this tree has for it."""
    known = inspect.signature(v.Mixer.__init__).parameters
    return {next((n for n in RENAMED[name] if n in known), name): value}


def draw_with_partners(mixer: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """A mix, and the second batch ``(x, y)`` that its partners are in, or None."""
    if hasattr(mixer, "draw_from_pool") and getattr(mixer, "_pool", None) is not None:
        return mixer.draw_from_pool(x, y)
    mix = mixer.draw(x, y)
    return mix, getattr(mix, "other", None)


# -- Batches and mixers


def generator(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def images(count: int = 8, size: int = 12, dtype: Any = None, seed: int = 0) -> tuple[Any, Any]:
    x = torch.rand(count, 3, size, size, generator=generator(seed), dtype=torch.float64)
    y = torch.randint(5, (count,), generator=generator(seed + 1))
    if dtype == torch.uint8:
        return x.mul(255).to(dtype), y
    return x.to(dtype or torch.float32), y


def vectors(count: int = 9, seed: int = 0) -> tuple[Any, Any]:
    x = torch.randn(count, 6, generator=generator(seed))
    return x, torch.randn(count, 1, generator=generator(seed + 1))


def masks(count: int = 6, seed: int = 0) -> tuple[Any, Any]:
    x, _ = images(count, seed=seed)
    return x, torch.randint(4, (count, 12, 12), generator=generator(seed + 1))


def series(count: int = 7, seed: int = 0) -> tuple[Any, Any]:
    x, _ = vectors(count, seed)
    lengths = torch.randint(1, 7, (count,), generator=generator(seed + 2))
    return {"series": x, "length": lengths}, torch.arange(count) % 5


def table(count: int = 10, seed: int = 0) -> tuple[Any, Any]:
    x, _ = vectors(count, seed)
    categories = torch.randint(5, (count, 2), generator=generator(seed + 2))
    return {"numbers": x, "categories": categories}, torch.arange(count) % 3


def all_images() -> list[tuple[Any, Any]]:
    """Small and large rows, an odd batch, one sample, and dtypes: each takes its own path."""
    dtypes = (torch.float64, torch.float16, torch.bfloat16, torch.uint8)
    channels_last = images(seed=9)[0].contiguous(memory_format=torch.channels_last)
    return [
        images(),
        images(7, 17),
        images(3, 128),
        images(3, 192, torch.bfloat16),
        images(1),
        (channels_last, images(seed=9)[1]),
        *(images(6, dtype=dtype) for dtype in dtypes),
    ]


def mixer_cases() -> dict[str, tuple[Callable[..., Any], list[tuple[Any, Any]]]]:
    """For each case, a mixer's maker (given ``seed=``) and the batches that it mixes."""
    every, some, rows, values = all_images(), [images(), images(7, 17)], [table()], [vectors()]
    classes = [images(), images(7)]
    soft = [(images()[0], torch.rand(8, 5, generator=generator(3)))]
    pixels = [masks(), masks(5)]
    labels = torch.tensor([0] * 30 + [1] * 4 + [2] * 6)
    pool_of_classes = torch.randn(40, 6, generator=generator(5)), labels
    pool_of_values = vectors(40, seed=5)
    imbalanced = [(vectors(12)[0], torch.tensor([0] * 8 + [1] * 3 + [2]))]
    wave = [(torch.randn(6, 400, generator=generator(4)), torch.arange(6))]
    methods = (v.MixUp, v.CutMix, v.ResizeMix, v.FMix, v.GridMix, v.SmoothMix)

    def several() -> list[v.Mixer]:
        return [v.MixUp(0.4), v.CutMix(), v.FMix()]

    cases: dict[str, Any] = {}
    for method in methods:
        name = method.__name__
        cases[name] = method, every
        cases[f"{name} per batch, p"] = partial(method, per="batch", p=0.7), some
        cases[f"{name} p"] = partial(method, p=0.5), some
        cases[f"{name} half"] = partial(method, half=True), some
        cases[f"{name} soft targets"] = method, soft
        cases[f"{name} masks"] = method, pixels
        for partners in ("shuffle", "pairs", "reverse"):
            cases[f"{name} {partners}"] = partial(method, partners=partners), some
    maximum = option("maximum", "length")
    return cases | {
        "MixUp unfolded": (partial(v.MixUp, 1.0, folded=False), every),
        "MixUp alpha 0": (partial(v.MixUp, 0.0), some),
        "MixUp of values": (v.MixUp, values),
        "MixUp maximum": (partial(v.MixUp, **maximum), [series()]),
        "MixUp fields": (partial(v.MixUp, fields="series"), [series()]),
        "MixUp integers left": (partial(v.MixUp, integers="leave"), [table()]),
        "CutMix minmax": (partial(v.CutMix, minmax=(0.2, 0.8)), some),
        "CutMix lines": (partial(v.CutMix, dim=-1), some),
        "ColumnMix": (v.ColumnMix, rows),
        "ColumnMix keep": (partial(v.ColumnMix, keep=0.9), rows),
        "Remix": (partial(v.Remix, [900, 50, 30, 15, 5]), classes),
        "ClassMix": (v.ClassMix, pixels),
        "ClassMix half": (partial(v.ClassMix, half=True), pixels),
        "CMixUp": (partial(v.CMixUp, 0.5), values),
        "CMixUp pool": (partial(v.CMixUp, 0.5, pool=pool_of_values), values),
        "BalancedMixUp": (v.BalancedMixUp, imbalanced),
        "BalancedMixUp pool": (partial(v.BalancedMixUp, pool=pool_of_classes), imbalanced),
        "BetweenClass": (partial(v.BetweenClass, 8000), wave),
        "Choice": (lambda seed: v.Choice(several(), seed=seed), every),
        "Choice per batch, p": (
            lambda seed: v.Choice(several(), [0.2, 0.3, 0.4], per="batch", seed=seed),
            some,
        ),
        "Choice pairs": (
            lambda seed: v.Choice(several(), partners="pairs", seed=seed),
            some,
        ),
        "Schedule": (
            lambda seed: v.Schedule(v.MixUp(), until=0.6, alpha=(0.0, 1.0), steps=12, seed=seed),
            some,
        ),
        "Schedule of a Choice": (
            lambda seed: v.Schedule(
                v.Choice([v.MixUp(), v.CutMix()]), until=0.5, steps=12, seed=seed
            ),
            some,
        ),
    }  # fmt: skip


def run_mixer(make: Callable[..., Any], batches: list[tuple[Any, Any]], digests: Digests) -> None:
    for seed in (0, 1):
        mixer = make(seed=seed)
        for _ in range(5):  # more draws than one block of numbers drawn ahead, for all batches
            for x, y in batches:
                mixed, target = mixer(x, y)
                digests.add("batches", (mixed, target))
                add_losses(digests, target)
        for x, y in batches:
            mix, other = draw_with_partners(mixer, x, y)
            digests.add("draws", (mix.partner, mix.weight))
            if other is not None:
                digests.add("batches", (mix(x, other=other[0]), mix.target(y, other=other[1])))
        state, resumed = mixer.state_dict(), make(seed=99)
        resumed.load_state_dict(state)
        x, y = batches[0]
        digests.add("batches", (resumed(x, y), mixer(copied(x), y, inplace=True)))


def copied(x: Any) -> Any:
    return {name: t.clone() for name, t in x.items()} if isinstance(x, dict) else x.clone()


def add_losses(digests: Digests, target: Any) -> None:
    """The loss, and its gradient, of an output that depends on the target's shape alone."""
    if not isinstance(target, v.MixedTarget):
        return
    own, is_value = target.own, target.own.is_floating_point()
    shape = own.shape if is_value else (len(own), 50, *own.shape[1:])
    output = torch.randn(shape, generator=generator(0)).requires_grad_()
    criterion = nn.MSELoss() if is_value else nn.CrossEntropyLoss()
    loss = v.MixLoss(criterion)(output, target)
    loss.backward()
    digests.add("losses", (loss, output.grad, criterion(output, v.as_tensors(target))))
    if not is_value:
        digests.add("losses", v.accuracy(output, target))


def run_second_batch(digests: Digests) -> None:
    for mixer in (v.MixUp(seed=0), v.CutMix(seed=0), v.FMix(seed=0), v.SmoothMix(seed=0)):
        for x, y in all_images():
            other = images(len(x), x.shape[-1], x.dtype, seed=7)
            digests.add("batches", mixer(x, y, other=other))
    digests.add("batches", v.ClassMix(seed=0)(*masks(), other=masks(seed=7)))
    maximum = option("maximum", "length")
    digests.add("batches", v.MixUp(**maximum, seed=0)(*series(), other=series(seed=7)))


def run_detection(digests: Digests) -> None:
    mixer = v.DetectionMixUp(seed=0)
    for seed in range(3):
        sizes = [(10, 12), (14, 9), (8, 8)]
        pictures = [torch.rand(3, *size, generator=generator(seed)) for size in sizes]
        boxes = torch.tensor([[1.0, 1, 5, 6]])
        targets = [{"boxes": boxes + i, "labels": torch.tensor([i])} for i in range(3)]
        digests.add("batches", mixer(pictures, targets))


def run_collate(digests: Digests) -> None:
    x, y = images(20)
    for workers in (0, 2):
        torch.manual_seed(0)
        loader = DataLoader(
            TensorDataset(x, y),
            batch_size=6,
            collate_fn=v.MixCollate(v.MixUp(seed=0)),
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
        )
        for _ in range(2):
            for mixed, target in loader:
                own = target.as_subclass(torch.Tensor).tolist()
                digests.add("batches", (mixed, own, target.partner, target.weight))


def run_compiled(digests: Digests) -> None:
    for make in (v.MixUp, v.CutMix, v.SmoothMix):
        mixer = make(seed=0)
        step = torch.compile(lambda x, y, mixer=mixer: mixer(x, y), backend="eager")
        for _ in range(3):
            digests.add("batches", step(*images()))


def run_rank(digests: Digests) -> None:
    """The draws of the second of two processes, without a second process."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
    try:
        for mixer in (v.MixUp(seed=0), v.CutMix(seed=0)):
            for _ in range(3):
                digests.add("batches", mixer(*images()))
    finally:
        distributed.destroy_process_group()


def run_hidden(layers: Any, inner: Callable[[], Any], digests: Digests) -> None:
    """Trains a small network by ManifoldMixUp."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(256, 5)
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    criterion = v.MixLoss(nn.CrossEntropyLoss())
    with v.ManifoldMixUp(model, layers, mixer=inner(), seed=0) as mixer:
        for step in range(24):
            x, target = mixer(*images(6, seed=step))
            loss = criterion(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            digests.add("draws", (target.partner, target.weight))
            digests.add("batches", x)
            digests.add("losses", loss)
    digests.add("weights", list(model.state_dict().values()))


def cast(target: Any, dtype: torch.dtype) -> Any:
    return v.MixedTarget(target.own.to(dtype), target.partner.to(dtype), target.weight)


def run_losses(digests: Digests) -> None:
    """Every kind of loss on one mixed target of each kind."""
    _, labels = v.MixUp(1.0, folded=False, seed=0)(*images(16))
    _, values = v.MixUp(seed=0)(*vectors(16))
    _, pixels = v.SmoothMix(seed=0)(*masks())
    class_weights = torch.linspace(0.5, 2, 5)
    of_labels = [
        nn.CrossEntropyLoss(reduction=reduction, label_smoothing=smoothing, **extra)
        for reduction in ("mean", "sum", "none")
        for smoothing in (0.0, 0.1)
        for extra in ({}, {"weight": class_weights, "ignore_index": 2})
    ]
    of_values = [nn.MSELoss(), nn.L1Loss(reduction="sum"), nn.HuberLoss(), F.smooth_l1_loss]
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        for target, shape, criteria in (
            (labels, (16, 5), [*of_labels, nn.MultiMarginLoss(), v.CrossEntropyLossFlat()]),
            (cast(values, dtype), (16, 1), of_values),
            (pixels, (6, 5, 12, 12), of_labels),
        ):
            for criterion in criteria:
                if isinstance(criterion, nn.MultiMarginLoss) and dtype == torch.bfloat16:
                    continue  # torch has none for it
                output = torch.randn(shape, generator=generator(1)).to(dtype).requires_grad_()
                if isinstance(criterion, nn.Module):
                    criterion = copy.deepcopy(criterion).to(dtype)  # its class weights
                loss = v.MixLoss(criterion)(output, target).mean()
                loss.backward()
                digests.add("losses", (loss, output.grad))
    output = torch.randn(16, 5, generator=generator(1))
    for metric in (v.accuracy, v.error_rate, partial(v.top_k_accuracy, k=2)):
        digests.add("losses", metric(output, labels))
    for metric in (v.mae, v.rmse):
        digests.add("losses", metric(output[:, :1], values))
    hits = (output.argmax(1) == v.as_tensors(labels)).float().mean()
    digests.add("losses", hits)
    scores = v.AsymmetricLoss()(output, labels.dense(5)), v.OrdinalLoss(6)(output, labels.own)
    digests.add("losses", scores)


def cases_in_process() -> dict[str, Callable[[Digests], None]]:
    return {
        **{
            name: partial(run_mixer, make, batches)
            for name, (make, batches) in mixer_cases().items()
        },
        "second batch": run_second_batch,
        "DetectionMixUp": run_detection,
        "MixCollate": run_collate,
        "compiled": run_compiled,
        "rank 1 of 2": run_rank,
        "ManifoldMixUp": partial(run_hidden, None, lambda: None),
        "ManifoldMixUp of CutMix": partial(run_hidden, ["0", "2"], v.CutMix),
        "ManifoldMixUp of a Schedule": partial(
            run_hidden, ["input", "0"], lambda: v.Schedule(v.MixUp(), until=0.5, steps=24)
        ),
        "losses": run_losses,
    }


def run_in_process(only: list[str]) -> None:
    """Print the digests of all cases of the tree that this process imports, as JSON."""
    found: dict[str, Any] = {}
    for name, run in cases_in_process().items():
        if not is_wanted(name, only):
            continue
        digests = Digests()
        try:
            run(digests)
            found[name] = digests.result()
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))


if __name__ == "__main__":
    run_in_process(sys.argv[1:])
