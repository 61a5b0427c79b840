"""AcrossProcesses: partners from the batches of all processes of a distributed training."""

from typing import Any, Unpack

import torch
from torch import Tensor, distributed
from torch.compiler import is_compiling
from torch.utils.data import get_worker_info

from vicinal.mixing.batch import batch_size, leaves, map_leaves
from vicinal.mixing.blend import Blend
from vicinal.mixing.completion import Batch, rows
from vicinal.mixing.inner import complete_inner
from vicinal.mixing.mix import Mix
from vicinal.mixing.mixer import Mixer, MixerOptions
from vicinal.mixing.wrapper import Wrapper
from vicinal.rng import RandomState, derive_seed, rank_and_world_size


class AcrossProcesses(Wrapper):
    """Mix samples with those of all processes, as one process with the whole batch would.

    Without it, each process of a distributed training mixes its own batch with itself. This one
    gathers the batches of all processes, and draws one mix for all of them, so that a partner may
    be in any process. Each process gets the mixed rows of its own batch.

    It costs memory for the batches of all processes in each, and their transfer in each step; and
    a GPU is waited for once in a step. It is for batches that are small, or that have few samples
    of a class in each process, which ``partners="same_class"`` would leave unmixed.

    Args:
        mixer: such as ``MixUp(partners="same_class")``. Partners and all random numbers are drawn
            by this one.
        **options: of :class:`Mixer`: partners, fields, integers, maximum, pixelwise, seed. The seed
            has to be the same in all processes; the integrations and :class:`BatchMixer` see to it.

    Raises:
        TypeError, ValueError: an argument has the wrong type.
        ValueError: the batches or the seeds of the processes differ; a batch is mixed with a second
            one, or in a data loader's worker, which is no process of the group.
        RuntimeError: the call is inside a compiled function.

    All processes have to call it for each batch, with as many samples of the same shapes. A list in
    a batch holds fields, and what is no tensor stays that of the process.

    >>> from vicinal import MixUp
    >>> mixer = AcrossProcesses(MixUp(partners="same_class"), seed=0)
    >>> x, y = mixer(torch.rand(8, 3), torch.arange(8) % 2)  # in a single process, as MixUp
    >>> bool((y.own == y.partner).all())
    True
    """

    def __init__(self, mixer: Mixer, **options: Unpack[MixerOptions]) -> None:
        super().__init__(mixer, **options)
        if mixer.form is not None:
            raise ValueError(f"{mixer!r} mixes no tensors (B, ...): give AcrossProcesses another")
        if self.half:
            raise ValueError("AcrossProcesses cannot mix half a batch into the other: leave it out")
        seed = self.random.seed if self.random.is_seeded else None
        self.random = _SameInAllProcesses(seed)

    @property
    def reads_batch(self) -> bool:
        return self._overrides(AcrossProcesses) or bool(self.mixer.reads_batch)

    def complete(self, mix: Mix, batch: Batch) -> Mix:
        return complete_inner(self.mixer, mix, batch) if self.mixer.reads_batch else mix

    def draw(self, x: Any, y: Any = None, *, other: tuple[Any, Any] | None = None) -> Mix:
        """Draw a mix for the batches of all processes; the part of it for this one.

        Args:
            x, y, other: as for :meth:`Mixer.draw`; a second batch is not supported.

        Returns:
            A mix of B samples, with the partners row by row as ``other``. Its ``partner`` holds
            their indices in the batch of all processes.
        """
        if other is not None:
            raise ValueError("AcrossProcesses takes the partners from the batches: give no second")
        rank, size = rank_and_world_size()
        if get_worker_info() is not None:
            raise ValueError(
                "AcrossProcesses cannot draw in a data loader's worker, which is no process of the "
                "group: mix in the training loop, or set num_workers=0"
            )
        if size == 1:
            return super().draw(x, y)
        if is_compiling():
            raise RuntimeError(
                "AcrossProcesses cannot be compiled: call it outside of the function"
            )
        count = batch_size(x, y)
        self._check_alike(x, y, count)
        whole_x, whole_y = _gathered(x), None if y is None else _gathered(y)
        mix = super().draw(whole_x, whole_y)
        own = slice(rank * count, (rank + 1) * count)
        partner = mix.partner[own]
        if mix.other is None:
            theirs = rows(whole_x, partner), None if y is None else rows(whole_y, partner)
        else:  # from a pool, row by row
            of_own = torch.arange(own.start, own.stop, device=partner.device)
            theirs = rows(mix.other[0], of_own), rows(mix.other[1], of_own)
        patterns = mix.patterns or (Blend(mix.weight),)
        cut = tuple(pattern.map(lambda t: t[own]) for pattern in patterns)
        return Mix(partner, mix.weight[own], cut, theirs, mix.kind)

    def _check_alike(self, x: Any, y: Any, count: int) -> None:
        """Raise a ValueError, in all processes, if their batches or draws differ."""
        shapes = [f"{tuple(leaf.shape)} of {leaf.dtype}" for leaf in _tensors((x, y))]
        state = self.random.state_dict()
        facts = [derive_seed(0, *shapes), derive_seed(state["seed"], state["draws"])]
        device = _tensors((x, y))[0].device
        found = torch.stack(all_gather(torch.tensor(facts, device=device))).tolist()
        if len({batch for batch, _ in found}) > 1:
            raise ValueError(
                f"the batches of the processes differ in their shapes, which here are "
                f"{', '.join(shapes)}: let all have as many samples, of one size"
            )
        if len({drawn for _, drawn in found}) > 1:
            raise ValueError(
                f"the processes draw different numbers (the seed is {state['seed']} here, after "
                f"{state['draws']} draws): give AcrossProcesses the same seed= in all of them"
            )

    def check_inside(self, outer: str) -> None:
        raise ValueError(
            f"a {outer} cannot draw with AcrossProcesses: give the {outer} to AcrossProcesses"
        )


class _SameInAllProcesses(RandomState):
    """A random state from which all ranks draw the same numbers."""

    @property
    def key(self) -> tuple[int, ...]:
        seed, _, worker, loads = super().key
        return seed, 0, worker, loads


def _tensors(batch: Any) -> list[Tensor]:
    return [leaf for _, leaf in leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim]


def _gathered(batch: Any) -> Any:
    """The batches of all processes, one after the other, in their order of rank."""

    def gather(_: Any, leaf: Any) -> Any:
        return torch.cat(all_gather(leaf)) if isinstance(leaf, Tensor) and leaf.ndim else leaf

    return map_leaves(gather, batch)


def all_gather(tensor: Tensor) -> list[Tensor]:
    """A tensor of this shape and dtype from each process, in their order of rank."""
    # As bytes, because not every backend knows every dtype.
    own = tensor.detach().contiguous().view(-1).view(torch.uint8)
    found = [torch.empty_like(own) for _ in range(rank_and_world_size()[1])]
    distributed.all_gather(found, own)
    return [part.view(tensor.dtype).view(tensor.shape) for part in found]
