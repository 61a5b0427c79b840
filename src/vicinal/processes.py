"""Where this process computes, and the others that train the same network with it."""

import atexit
import gc
import os
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object, parse_flag_from_env, reduce
from torch import Tensor, distributed, nn

if distributed.is_available():
    # Its functions have the group as a default, and would keep one that began before for good.
    import torch.distributed.nn.functional


def processors() -> int:
    """How many processors this process may compute on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_device() -> torch.device:
    """The accelerator, where there is one, else the CPU.

    ``accelerate launch --cpu`` options for the CPU.
    """
    if torch.accelerator.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU"):
        return torch.accelerator.current_accelerator() or torch.device("cpu")
    return torch.device("cpu")


def this_process() -> PartialState:
    """Which of them this one is; the first call begins their group, where there are several.

    It is accelerate's PartialState only: an Accelerator would fix the precision for the whole
    process, also for its user's own.
    """
    has_begun = distributed.is_available() and distributed.is_initialized()
    state = PartialState(cpu=default_device().type == "cpu")
    if state.num_processes > 1 and not has_begun:
        atexit.register(_end_group, state)
    return state


def _end_group(state: PartialState) -> None:
    """End the threads of a group while there is an interpreter, which they need for what they hold.

    Without one they abort the process. They end when nothing has the group any more.
    """
    state.destroy_process_group()
    gc.collect()


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
