"""Random numbers of several batches, drawn at once, and kept on the mixer that drew them.

Where little is drawn for a sample, drawing takes as long as it has operations, for one batch as for
sixteen. A mixer's block is a function of its options, its random state and the sizes of the batch:
what is cached for other ones is drawn anew.
"""

import itertools
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.compiler import is_compiling

from vicinal.mixing.mix import Mix
from vicinal.mixing.move import to_device
from vicinal.mixing.partners import PARTNERS
from vicinal.mixing.pattern import weight_of
from vicinal.mixing.plain import is_transformed

if TYPE_CHECKING:
    from vicinal.mixing.mixer import Mixer

Size = tuple[int, int]


def next_mix(mixer: "Mixer", count: int, size: Size, device: torch.device) -> Mix:
    """The next mix that is drawn for ``count`` samples of this height and width."""
    if not is_compiling():
        return numbered_mix(mixer, mixer.random.next(), count, size, device)
    counter = mixer.random.graph_count
    drawn = torch.ops.vicinal.draw(counter, mixer._handle, count, *size, device)
    counter.copy_(drawn[0])
    return _assembled(mixer, drawn[1:], size)


def numbered_mix(mixer: "Mixer", number: int, count: int, size: Size, device: torch.device) -> Mix:
    """The mix of the draw with this number, from 0 on."""
    block, place = divmod(number, mixer.ahead)
    # Tensors made under a functorch transform die with it, and must not be cached.
    if mixer.ahead == 1 or is_transformed():
        return _block(mixer, block, count, size, device)[place]
    # One block for each kind of batch: the last batch of an epoch, smaller than the others, does
    # not throw away what was drawn for the next epoch's first.
    kind = count, size, device
    state = block, mixer.random.source, mixer.version
    cached, mixes = mixer._blocks.get(kind, (None, []))
    if cached != state:
        with torch.inference_mode(False):  # else these tensors could not be used outside of it
            mixes = _block(mixer, block, count, size, device)
        mixer._blocks.pop(kind, None)
        while len(mixer._blocks) >= 2:
            mixer._blocks.pop(next(iter(mixer._blocks)))
        mixer._blocks[kind] = state, mixes
    return mixes[place]


def _block(mixer: "Mixer", block: int, count: int, size: Size, device: torch.device) -> list[Mix]:
    """Draw the mixes of a block of batches, each of ``count`` samples."""
    batches = mixer.ahead
    # Batches of another size, such as the last one, have numbers of their own.
    generator = mixer.random.generator(block, count)
    partner = PARTNERS[mixer.partners](batches, count, generator)
    patterns = mixer.patterns(batches, count, size, generator, block * batches)
    if mixer.partners == "pairs":  # the first of two draws for both
        rows = torch.arange(batches * count, device="cpu").view(batches, count)
        paired = partner + rows[:, :1]
        leader, is_paired = torch.minimum(rows, paired).flatten(), (paired != rows).flatten()
        patterns = tuple(pattern.map(lambda t: t[leader]).only(is_paired) for pattern in patterns)
    drawn = partner.flatten(), weight_of(patterns), *(pattern.values for pattern in patterns)
    each = (to_device(t, device).view(batches, count, *t.shape[1:]).unbind() for t in drawn)
    return [_assembled(mixer, parts, size) for parts in zip(*each, strict=True)]


def _assembled(mixer: "Mixer", parts: Sequence[Tensor], size: Size) -> Mix:
    """The mix of the tensors that were drawn for it."""
    partner, weight, *values = parts
    kinds = zip(mixer.kinds, values, strict=True)
    return Mix(partner, weight, tuple(kind.of(part, size) for kind, part in kinds))


# torch.compile cannot look into drawing: it sees one operation, which finds its mixer by number.
_HANDLES = itertools.count()
_MIXERS: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def register(mixer: "Mixer") -> int:
    """A number by which compiled code finds a mixer; a copy of a mixer has one of its own."""
    handle = next(_HANDLES)
    _MIXERS[handle] = mixer
    return handle


# A pure function of the counter, which its caller sets to the first tensor that comes back:
# compilers may then copy, move or repeat the call.
@torch.library.custom_op(
    "vicinal::draw",
    mutates_args=(),
    schema="(Tensor counter, int mixer, SymInt count, SymInt height, SymInt width, Device device) "
    "-> Tensor[]",
)
def _draw(
    counter: Tensor, mixer: int, count: int, height: int, width: int, device: torch.device
) -> list[Tensor]:
    drawing, counter = _MIXERS[mixer], counter.clone()
    number = drawing.random.next_in_graph(counter)
    mix = numbered_mix(drawing, number, count, (height, width), device)
    # Results of a custom operation may not alias what is cached.
    return [counter, *(t.clone(memory_format=torch.contiguous_format) for t in mix.tensors())]


@_draw.register_fake
def _(
    counter: Tensor, mixer: int, count: int, height: int, width: int, device: torch.device
) -> list[Tensor]:
    def empty(*shape: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(count, *shape, dtype=dtype, device=device)

    kinds = _MIXERS[mixer].kinds
    parts = [empty(*kind.shape((height, width)), dtype=kind.dtype) for kind in kinds]
    partner, weight = empty(dtype=torch.int64), empty(dtype=torch.float32)
    return [torch.empty_like(counter), partner, weight, *parts]
