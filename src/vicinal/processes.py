"""The device of this process, and the other processes that train the same network."""

import atexit
import gc
import os
from collections.abc import Iterable
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import concatenate, gather_object, parse_flag_from_env, reduce
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

if distributed.is_available():
    # Imported before any group begins: the defaults of its functions hold on to the group that
    # exists at the import, which would then never end.
    import torch.distributed.nn.functional


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_device() -> torch.device:
    """The accelerator if there is one, else the CPU.

    ``accelerate launch --cpu`` selects the CPU.
    """
    if torch.accelerator.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU"):
        return torch.accelerator.current_accelerator() or torch.device("cpu")
    return torch.device("cpu")


def this_process() -> PartialState:
    """The rank and world size of this process; the first call joins the process group, if any.

    It is only accelerate's PartialState: an Accelerator would set the precision for the whole
    process, also of one that the user makes.
    """
    has_begun = distributed.is_available() and distributed.is_initialized()
    state = PartialState(cpu=default_device().type == "cpu")
    if state.num_processes > 1 and not has_begun:
        atexit.register(_end_group, state)
    return state


def _end_group(state: PartialState) -> None:
    """End the threads of a group while the interpreter still runs.

    They hold Python objects, and abort the process if the interpreter ends first. They end when
    nothing refers to the group any more.
    """
    state.destroy_process_group()
    gc.collect()


def total(values: list[float]) -> list[float]:
    """The sums of values over all processes."""
    state = this_process()
    if state.num_processes == 1:
        return values
    sums: Tensor = reduce(torch.tensor(values, dtype=torch.float64, device=state.device), "sum")
    return sums.tolist()


def gathered(parts: list[tuple[Any, ...]]) -> list[Any]:
    """Batches of results from all processes, concatenated in the order of the data, by column.

    A column may be of nested tensors; one of None gives None.
    """
    columns = zip(*gather_object(parts), strict=True)
    return [None if each[0] is None else concatenate(list(each)) for each in columns]


def distributed_model(model: nn.Module, device: torch.device) -> nn.Module:
    """The model inside of DistributedDataParallel if there are several processes, else as it is."""
    if this_process().num_processes == 1:
        return model
    own = None if device.type == "cpu" else [torch.accelerator.current_device_index()]
    return DistributedDataParallel(model, device_ids=own)


def share_buffers(buffers: Iterable[Tensor]) -> None:
    """Copy the main process's buffers, such as batch norm statistics, to all processes."""
    if this_process().num_processes > 1:
        for buffer in buffers:
            distributed.broadcast(buffer, src=0)
