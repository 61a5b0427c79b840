"""Where this process computes, and the others that train the same network with it."""

import os
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object, parse_flag_from_env, reduce
from torch import Tensor, distributed, nn


def processors() -> int:
    """How many processors this process may compute on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_device() -> torch.device:
    """The accelerator, where there is one, else the CPU.

    ``accelerate launch --cpu`` wishes for the CPU.
    """
    if torch.accelerator.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU"):
        return torch.accelerator.current_accelerator() or torch.device("cpu")
    return torch.device("cpu")


def this_process() -> PartialState:
    """Which of them this one is; the first call begins their group, where there are several.

    It is accelerate's PartialState only: an Accelerator would fix the precision for the whole
    process, also for its user's own.
    """
    return PartialState(cpu=default_device().type == "cpu")


def total(values: list[float]) -> list[float]:
    """Sums over all processes."""
    state = this_process()
    if state.num_processes == 1:
        return values
    sums: Tensor = reduce(torch.tensor(values, dtype=torch.float64, device=state.device), "sum")
    return sums.tolist()


def gathered(parts: list[tuple[Any, ...]]) -> list[Tensor]:
    """What the batches of all processes gave, in the order of the data: one tensor of each."""
    return [torch.cat(each) for each in zip(*gather_object(parts), strict=True)]


def share_buffers(model: nn.Module) -> None:
    """Give all processes the main one's buffers, such as the statistics of batch norms."""
    if this_process().num_processes > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, src=0)
