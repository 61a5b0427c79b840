"""Blocks: the random numbers of several batches, drawn at once and cached on their mixer.

A mix of a thousand samples needs some thousand random numbers, which is so few that calling torch's
operations takes most of the time. Drawn for 16 batches at once, they cost about a sixteenth each.

A block is a pure function of the mixer's options, of its random state and of the batch's size and
device, and these are the cache's keys. A mixer that is changed, restored or moved to another rank
between two batches therefore never returns a mix of its former self: the block is drawn again, and
a run that was resumed in the middle of a block continues with the same numbers.
"""

import itertools
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.compiler import is_compiling

from vicinal.mixing.mix import Mix
from vicinal.mixing.move import pin_and_move
from vicinal.mixing.partners import PARTNERS
from vicinal.mixing.partners_by import drawn_as
from vicinal.mixing.pattern import weight_of
from vicinal.mixing.plain import in_transform

if TYPE_CHECKING:
    from vicinal.mixing.mixer import Mixer

Size = Any  # (height, width), or (depth, height, width)


def next_mix(mixer: "Mixer", count: int, size: Size, device: torch.device) -> Mix:
    """The next mix that a mixer draws for ``count`` samples of this size."""
    if not is_compiling():
        return numbered_mix(mixer, mixer.random.next(), count, size, device)
    # A Python integer would be a constant of the graph, and every call would draw the same mix: in
    # compiled code the draws are counted in a tensor, which the graph updates.
    counter = mixer.random.graph_count
    drawn = torch.ops.vicinal.draw(counter, mixer._op_id, count, [*size], device)
    counter.copy_(drawn[0])
    return _assemble(mixer, drawn[1:], size)


def numbered_mix(mixer: "Mixer", number: int, count: int, size: Size, device: torch.device) -> Mix:
    """The mix of the draw with this number, from 0 on."""
    block, index = divmod(number, mixer.block_size)
    # Tensors made inside torch.func's grad or vmap belong to that call and are unusable after it:
    # they must not be cached.
    if mixer.block_size == 1 or in_transform():
        return _draw_block(mixer, block, count, size, device)[index]
    # One block for each size of a batch, two at most. With a single one, the last batch of every
    # epoch, which is smaller, would evict a block of which most is still to be used.
    key = count, size, device
    state = block, mixer.random.key, mixer.version
    cached_state, mixes = mixer._blocks.get(key, (None, []))
    if cached_state != state:
        # Tensors made in inference mode cannot take part in autograd afterwards; the next batch of
        # the block may be one of training.
        with torch.inference_mode(False):
            mixes = _draw_block(mixer, block, count, size, device)
        mixer._blocks.pop(key, None)
        while len(mixer._blocks) >= 2:
            mixer._blocks.pop(next(iter(mixer._blocks)))
        mixer._blocks[key] = state, mixes
    return mixes[index]


def _draw_block(
    mixer: "Mixer", block: int, count: int, size: Size, device: torch.device
) -> list[Mix]:
    """Draw the mixes of a block of batches, each of ``count`` samples."""
    batches = mixer.block_size
    # The batch size is part of the seed. Without it, a last batch of 3 samples would get the first
    # weights of the block that was drawn for full batches.
    generator = mixer.random.generator(block, count)
    partner = PARTNERS[drawn_as(mixer.partners)](batches, count, generator)
    patterns = mixer.patterns(batches, count, size, generator, block * batches)
    if mixer.partners == "pairs":  # both samples of a pair use the draw of the first
        rows = torch.arange(batches * count, device="cpu").view(batches, count)
        paired = partner + rows[:, :1]
        leader, is_paired = torch.minimum(rows, paired).flatten(), (paired != rows).flatten()
        patterns = tuple(pattern.map(lambda t: t[leader]).only(is_paired) for pattern in patterns)
    # Moved to the device in one piece for all batches, then split.
    drawn = partner.flatten(), weight_of(patterns), *(pattern.values for pattern in patterns)
    each = (pin_and_move(t, device).view(batches, count, *t.shape[1:]).unbind() for t in drawn)
    return [_assemble(mixer, parts, size) for parts in zip(*each, strict=True)]


def _assemble(mixer: "Mixer", parts: Sequence[Tensor], size: Size) -> Mix:
    """Make a mix of its tensors: partner, weight, and the values of each pattern."""
    partner, weight, *values = parts
    typed = zip(mixer.drawn_types, values, strict=True)
    return Mix(partner, weight, tuple(drawn.from_values(part, size) for drawn, part in typed))


# torch.compile cannot trace a draw, which hashes seeds and makes generators. It sees one custom
# operation, whose arguments must be tensors and numbers: so mixers are passed by number.
_NUMBERS = itertools.count()
_MIXERS: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def register(mixer: "Mixer") -> int:
    """Register a mixer, and return the number that the custom operation knows it by.

    A copy of a mixer must be registered itself, or compiled code would draw with the original.
    """
    op_id = next(_NUMBERS)
    _MIXERS[op_id] = mixer
    return op_id


# A pure function of the counter: it returns the new count, and the caller writes it back. An
# operation that changed its argument, or the mixer, would break when a compiler reorders, repeats
# or caches the call.
@torch.library.custom_op(
    "vicinal::draw",
    mutates_args=(),
    schema="(Tensor counter, int mixer, SymInt count, SymInt[] size, Device device) -> Tensor[]",
)
def _draw(
    counter: Tensor, mixer: int, count: int, size: list[int], device: torch.device
) -> list[Tensor]:
    drawing, counter = _MIXERS[mixer], counter.clone()
    number = drawing.random.next_in_graph(counter)
    mix = numbered_mix(drawing, number, count, tuple(size), device)
    # The results of a custom operation must not alias each other, as the mixes of a block do, nor
    # memory that outlives the call, as the cache does.
    return [counter, *(t.clone(memory_format=torch.contiguous_format) for t in mix.tensors())]


@_draw.register_fake
def _(
    counter: Tensor, mixer: int, count: int, size: list[int], device: torch.device
) -> list[Tensor]:
    def empty(*shape: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(count, *shape, dtype=dtype, device=device)

    drawn_types = _MIXERS[mixer].drawn_types
    shapes = [(drawn.values_shape(tuple(size)), drawn.dtype) for drawn in drawn_types]
    parts = [empty(*shape, dtype=dtype) for shape, dtype in shapes]
    partner, weight = empty(dtype=torch.int64), empty(dtype=torch.float32)
    return [torch.empty_like(counter), partner, weight, *parts]
