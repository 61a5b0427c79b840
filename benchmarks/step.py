"""The cost of mixing in a training step of ResNet-50: its share, its kernels, and no host sync.

python benchmarks/step.py            # on the GPU, 256 images of 224 pixels, bfloat16
python benchmarks/step.py cpu 4      # a dry run

On a GPU, draw, apply, target and loss run under torch's sync debug mode, which raises at any
operation that makes the host wait for the device; kernels are counted by torch's profiler.
"""

import statistics
import sys
import time
from contextlib import contextmanager

import timm
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from vicinal import CutMix, Mixer, MixLoss, MixUp

ROUNDS = 20


class Step:
    """A training step with or without a mixer."""

    def __init__(self, device: torch.device, count: int) -> None:
        self.device = device
        self.model = timm.create_model("resnet50").to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.source = torch.randn(count, 3, 224, 224, device=device)
        self.source = self.source.to(memory_format=torch.channels_last)
        self.labels = torch.randint(1000, (count,), device=device)
        self.criterion = MixLoss(F.cross_entropy)

    def run(self, mixer: Mixer | None) -> float:
        """Run a step and return its seconds."""
        x, y = self.source.clone(), self.labels
        self._synchronize()
        start = time.perf_counter()
        with no_host_sync(self.device):
            if mixer is not None:
                x, y = mixer(x, y, inplace=True)
            with torch.autocast(self.device.type, torch.bfloat16):
                output = self.model(x)
            loss = self.criterion(output.float(), y)
            loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._synchronize()
        return time.perf_counter() - start

    def kernels(self, mixer: Mixer) -> int:
        """How many kernels and copies a whole call of the mixer launches."""
        x = self.source.clone()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
            mixer(x, self.labels, inplace=True)
        return sum(event.device_type.name == "CUDA" for event in profiled.events())

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@contextmanager
def no_host_sync(device: torch.device):
    """Raise at any operation that makes the host wait for the GPU."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def main() -> None:
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cuda")
    step = Step(device, int(sys.argv[2]) if len(sys.argv) > 2 else 256)
    mixers = {"plain": None, "MixUp": MixUp(0.4, seed=0), "CutMix": CutMix(1.0, seed=0)}
    seconds: dict[str, list[float]] = {name: [] for name in mixers}
    for round_ in range(ROUNDS + 3):
        for name, mixer in mixers.items():
            duration = step.run(mixer)
            if round_ >= 3:  # cuDNN chooses its kernels in the first ones
                seconds[name].append(duration)
    plain = statistics.median(seconds["plain"])
    for name, mixer in mixers.items():
        median = statistics.median(seconds[name])
        launched = "" if mixer is None else f"  {step.kernels(mixer)} kernels and copies"
        print(f"{name:8} {median * 1e3:8.1f} ms  {median / plain - 1:+7.2%} of the step{launched}")


if __name__ == "__main__":
    main()
