"""What ``vicinal bench`` times, against which reference, and the ratio it must not exceed."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.bench.peers import installed
from vicinal.bench.timing import Candidate, interleave
from vicinal.losses import MixLoss
from vicinal.mixing import (
    AttentiveMix,
    CutMix,
    GuidedMixUp,
    KMixUp,
    Mixer,
    MixUp,
    ResizeMix,
    SaliencyMix,
    SnapMix,
    ZetaMixUp,
)

SHAPES = [(512, 3, 32, 32), (64, 3, 224, 224), (256, 3, 224, 224)]
CLASSES = (10, 100, 1000, 10_000, 50_000)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OURS = "vicinal"


@dataclass
class Row:
    """One line of the table.

    Args:
        part: what is timed, a key of ``PARTS``, such as "whole call" or "loss".
        case: the operation and its reference.
        size: the batch, or the number of classes.
        name: the library that was timed.
        seconds: the median time of a call.
        ratio: ``seconds`` over the reference's median; for "draw", microseconds.
        bound: the largest ratio that we allow ourselves, or None.
    """

    part: str
    case: str
    size: str
    name: str
    seconds: float
    ratio: float
    bound: float | None = None

    @property
    def is_met(self) -> bool:
        return self.bound is None or self.ratio <= self.bound

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.is_met}


def apply(device: torch.device, budget: float) -> Iterator[Row]:
    """Apply a mix that is already drawn to a batch."""
    bounds = {
        "MixUp in place": (2.0, 1.15, 1.15),
        "MixUp to a new tensor": (2.0, 1.4, 1.4),
        "CutMix in place": (2.0, 0.8, 0.9),
        "uint8 to normalised float32": (0.33, 0.33, 0.33),
        "uint8 to normalised bfloat16": (0.33, 0.33, 0.33),
    }
    for index, shape in enumerate(SHAPES):
        references, ours = _apply_candidates(shape, device)
        interleave(
            [*references.values(), *(candidate for candidate, _ in ours.values())], budget, device
        )
        for case, (candidate, reference) in ours.items():
            yield Row(
                "apply",
                f"{case} / {reference}",
                _size(shape),
                OURS,
                candidate.median,
                candidate.median / references[reference].median,
                bounds[case][index],
            )


def _apply_candidates(
    shape: tuple[int, ...], device: torch.device
) -> tuple[dict[str, Candidate], dict[str, tuple[Candidate, str]]]:
    source = torch.rand(shape, device=device)
    x, copy = source.clone(), source.clone()
    images = source.mul(255).byte()
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (MEAN, STD))
    mixup, cutmix = MixUp(0.4, seed=0), CutMix(1.0, seed=0)
    mix = {"mixup": mixup.draw(x), "cutmix": cutmix.draw(x)}

    def restore() -> None:
        x.copy_(source)  # mixing in place again and again would average all samples
        mix.update(
            mixup=mixup.draw(x), cutmix=cutmix.draw(x)
        )  # the cost of a box depends on its size

    def by_torch(dtype: torch.dtype) -> Tensor:
        values = (images.float() / 255 - mean) / std
        weight = mix["mixup"].weight[:, None, None, None]
        return torch.lerp(values[mix["mixup"].partner], values, weight).to(dtype)

    def normalized(dtype: torch.dtype) -> Tensor:
        return mix["mixup"].normalized(images, MEAN, STD, dtype=dtype)

    def timed(call: Callable[[], object]) -> Candidate:
        return Candidate("", call, restore)

    references = {
        "plain copy": timed(lambda: copy.copy_(x)),
        "clone": timed(lambda: x.clone()),
        "torch operations, float32": timed(lambda: by_torch(torch.float32)),
        "torch operations, bfloat16": timed(lambda: by_torch(torch.bfloat16)),
    }
    ours = {
        "MixUp in place": (timed(lambda: mix["mixup"](x, inplace=True)), "plain copy"),
        "MixUp to a new tensor": (timed(lambda: mix["mixup"](x)), "clone"),
        "CutMix in place": (timed(lambda: mix["cutmix"](x, inplace=True)), "plain copy"),
        "uint8 to normalised float32": (
            timed(lambda: normalized(torch.float32)),
            "torch operations, float32",
        ),
        "uint8 to normalised bfloat16": (
            timed(lambda: normalized(torch.bfloat16)),
            "torch operations, bfloat16",
        ),
    }
    return references, ours


def whole_call(device: torch.device, budget: float) -> Iterator[Row]:
    """Draw, apply and mix the target in one call, beside the peers: ours in place."""
    mixers: dict[str, Mixer] = {"MixUp": MixUp(0.4, seed=0), "CutMix": CutMix(1.0, seed=0)}
    for method, mixer in mixers.items():
        for shape in SHAPES:
            yield from _whole_call(method, mixer, shape, device, budget)


def _whole_call(
    method: str, mixer: Mixer, shape: tuple[int, ...], device: torch.device, budget: float
) -> Iterator[Row]:
    source = torch.rand(shape, device=device)
    x, copy = source.clone(), source.clone()
    y = torch.arange(len(x), device=device) % 10

    def restore() -> None:
        x.copy_(source)

    reference = Candidate("plain copy", lambda: copy.copy_(x), restore)
    ours = Candidate(OURS, lambda: mixer(x, y, inplace=True), restore)
    calls, _ = installed(method)
    peers = [Candidate(name, partial(call, x, y), restore) for name, call in calls.items()]
    interleave([reference, ours, *peers], budget, device)
    # The goal: twice as fast as the fastest peer, on the large batch five times.
    fraction = 1 / 5 if shape == SHAPES[-1] else 1 / 2
    fastest = min((peer.median for peer in peers), default=None)
    bound = None if fastest is None else fraction * fastest / reference.median
    for candidate in (ours, *peers):
        yield Row(
            "whole call",
            f"{method} / plain copy",
            _size(shape),
            candidate.name,
            candidate.median,
            candidate.median / reference.median,
            bound if candidate is ours else None,
        )


def methods(device: torch.device, budget: float) -> Iterator[Row]:
    """Whole calls of methods that look at the batch, in place, without the pass of a network."""
    for shape in SHAPES[:2]:
        source = torch.rand(shape, device=device)
        x, copy = source.clone(), source.clone()
        y = torch.arange(len(x), device=device) % 10
        restore = partial(x.copy_, source)
        reference = Candidate("plain copy", partial(copy.copy_, x), restore)
        candidates = [
            Candidate(name, partial(mixer, x, y, inplace=True), restore)
            for name, mixer in _that_look(x).items()
        ]
        interleave([reference, *candidates], budget, device)
        for candidate in candidates:
            case, ratio = f"{candidate.name} / plain copy", candidate.median / reference.median
            yield Row("methods", case, _size(shape), OURS, candidate.median, ratio)


def _that_look(x: Tensor) -> dict[str, Mixer]:
    """Mixers that look at batches like ``x``; networks give them maps that are there already."""
    side = max(x.shape[-1] // 32, 4)
    maps = torch.rand(len(x), 512, side, side, device=x.device)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10, device=x.device)
    without = "without the network's pass"
    return {
        "SaliencyMix": SaliencyMix(seed=0),
        "GuidedMixUp": GuidedMixUp(seed=0),
        "ResizeMix, place='plain'": ResizeMix(place="plain", seed=0),
        "KMixUp": KMixUp(seed=0),
        "ZetaMixUp": ZetaMixUp(num_classes=10, seed=0),
        f"AttentiveMix {without}": AttentiveMix(_Kept(maps).eval(), seed=0),
        f"SnapMix {without}": SnapMix(nn.Sequential(_Kept(maps), *head), seed=0),
    }


class _Kept(nn.Module):
    """In place of a network, whose feature maps are always the same."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, x: Tensor) -> Tensor:
        return self.maps


def draw(device: torch.device, budget: float) -> Iterator[Row]:
    """Draw the random numbers for a batch of 512."""
    x = torch.empty(512, 3, 32, 32, device=device)
    for mixer in (MixUp(0.4, seed=0), CutMix(1.0, seed=0)):
        # One call draws for several batches ahead: timed alone, it would be expensive or free.
        candidate = Candidate(OURS, partial(_draw_several, mixer, x, mixer.block_size))
        interleave([candidate], budget / 4, device)
        case = f"{type(mixer).__name__}, microseconds"
        seconds = candidate.median / mixer.block_size
        yield Row("draw", case, "512", OURS, seconds, seconds * 1e6, 150)


def _draw_several(mixer: Mixer, x: Tensor, times: int) -> None:
    for _ in range(times):
        mixer.draw(x)


def loss(device: torch.device, budget: float) -> Iterator[Row]:
    """Cross-entropy of a batch of 512, forward and backward."""
    mixed_loss = MixLoss(F.cross_entropy)
    for classes in CLASSES:
        output = torch.randn(512, classes, device=device, requires_grad=True)
        y = torch.randint(classes, (512,), device=device)
        target = MixUp(0.4, seed=0).draw(output).target(y)

        plain = Candidate("plain", partial(_forward_backward, F.cross_entropy, output, y))
        ours = Candidate(OURS, partial(_forward_backward, mixed_loss, output, target))
        interleave([plain, ours], budget, device)
        ratio = ours.median / plain.median
        case, size = "mixed cross-entropy / plain", f"{classes:,} classes"
        yield Row("loss", case, size, OURS, ours.median, ratio, 1.5)


def _forward_backward(criterion: Callable[..., Tensor], output: Tensor, target: Any) -> None:
    output.grad = None
    criterion(output, target).backward()


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


PARTS = {
    "apply": apply,
    "whole call": whole_call,
    "methods": methods,
    "draw": draw,
    "loss": loss,
}
