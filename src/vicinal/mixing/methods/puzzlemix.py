"""PuzzleMix: show of each image the blocks on which its class depends most, moved if need be."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.compiler import is_compiling

from vicinal.errors import VicinalError
from vicinal.mixing.arguments import number, whole
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.beta import sample_lam
from vicinal.mixing.class_indices import are_shares
from vicinal.mixing.completion import Batch
from vicinal.mixing.looking import LooksWithModel, any_mixed, images_of, look_back
from vicinal.mixing.method import Method, MethodOptions
from vicinal.mixing.mix import Mix
from vicinal.mixing.move import move
from vicinal.mixing.moved_blocks import MovedBlocks
from vicinal.mixing.pattern import Drawn
from vicinal.mixing.puzzle import Rules, edges_of, solve
from vicinal.mixing.saliency import Saliency, check_saliency, images_in, maps_of

MOST = 1e6  # of beta and eta: costs of far more would not fit into 64 bits
DRAWN = (2, 4, 8, 16)  # blocks along a side, of at least two pixels


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class PendingPuzzle(Drawn):
    """About how much each sample keeps, and of how many blocks, before its puzzle is solved.

    Args:
        lam: (B,) float32 in [0, 1]; 1 is neutral.
        blocks: (B,) float32, along each side.
    """

    lam: Tensor
    blocks: Tensor

    tensors = ("lam", "blocks")
    dtype = torch.float32
    is_sized = False

    @property
    def weight(self) -> Tensor:
        """Ones: the weight is known only after :meth:`Mixer.complete`."""
        return torch.ones_like(self.lam)

    def only(self, chosen: Tensor) -> Self:
        return type(self)(self.lam.where(chosen, 1.0), self.blocks)


class PuzzleMix(LooksWithModel, Method):
    """Show of each image the blocks on which its class depends most, moved if need be.

    Images are divided into blocks. A minimum cut chooses of which image each block is shown, or how
    much of both: such that little saliency is lost, neighbours are alike, and the sample keeps
    about the share λ. Then, within each image, salient blocks that are not shown move to nearby
    places that are, where these show less. The weight of the target is the share of the blocks that
    are the sample's.

    Saliency is the gradient of the cross-entropy with regard to the pixels. For each batch in which
    anything is mixed, the model is called once more, in evaluation mode, with a backward pass to
    the images but not to the parameters: together, this takes about two thirds of the time of a
    training step.

    Args:
        model: the network that is trained, from images to scores (B, C) of the classes. None takes
            the one that a Learner trains. It may be compiled or wrapped for distributed training.
        alpha: of the distribution of λ; 1 is uniform, 0 mixes nothing.
        blocks: along each side; None draws 2, 4, 8 or 16 of them, of at least two pixels.
        labels: how many shares a block may have, 2 or more. With 3, it is the sample's, the
            partner's, or half of each.
        beta: how alike neighbours are, at most a million.
        gamma: how much less alike they are where the images have edges, at most 1.
        eta: how near to λ the share is, at most a million.
        price: of moving a block along a whole side, in shares of an image's saliency; None moves no
            block.
        pieces: the blocks along a side that are moved, where they are smaller than those that are
            chosen: a multiple of ``blocks``, or without it a power of two.
        edge: how many pixels on both sides of an edge between blocks are compared.
        saliency: a function from images (B, C, H, W), with the values of the batch, to maps
            (B, H, W), 0 or more, in place of the gradients. Then no model is needed.
        **options: of :class:`Method` and :class:`Mixer`: per, p, partners, half, fields, integers,
            maximum, pixelwise, seed.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range; the targets are
            not class indices (B,) or rows of shares (B, C), or the images no floats; there is no
            model; or a side of the images has fewer pixels than blocks.
        RuntimeError: it is called inside a compiled function.
        ModuleNotFoundError: neither numba nor SciPy is installed. They solve the puzzles on the
            CPU, for which a GPU is waited for.

    Source: J.-H. Kim, W. Choo, H. O. Song, Puzzle Mix: Exploiting Saliency and Local Statistics for
    Optimal Mixup, ICML 2020. Its code draws λ and the number of blocks for a batch
    (``per="batch"``), and has ``pieces=8`` for CIFAR. Deviations from that code:

    - The cut here has the least energy. The solver there, gco-wrapper, swaps two labels at a time,
      and ends above it for many images. It also multiplies costs in 32 bits, which overflow for a
      block with more than 21 times the average saliency.
    - Differences of pixels are divided by the range of their channel in the batch, not by that of
      bytes, which a mixer does not know.
    - There, a block without any saliency becomes zeros where it should stay in place.
    - Sides need not be multiples of the blocks, nor images square.
    - The adversarial noise, and the loss of the clean images, are not part of this. (The code
      compares the weight of that loss with 0 where it should be set to 0.)

    OpenMixup's version draws another λ than the one that it is given.

    >>> x = torch.zeros(2, 1, 16, 16)
    >>> x[0, :, 2:6, 2:6] = x[1, :, 9:14, 9:14] = 1.0
    >>> mixer = PuzzleMix(saliency=lambda images: images.mean(1), blocks=4, seed=0)
    >>> mixed, target = mixer(x, torch.arange(2))
    >>> mixed.sum((1, 2, 3))  # both squares show, of 16 and of 25 pixels
    tensor([41., 41.])
    """

    drawn_types = (PendingPuzzle,)
    block_size = 16

    def __init__(
        self,
        model: nn.Module | None = None,
        alpha: float = 1.0,
        *,
        blocks: int | None = None,
        labels: int = 3,
        beta: float = 1.2,
        gamma: float = 0.5,
        eta: float = 0.2,
        price: float | None = 0.8,
        pieces: int | None = None,
        edge: int = 4,
        saliency: Saliency | None = None,
        **options: Unpack[MethodOptions],
    ) -> None:
        super().__init__(**options)
        self.take_model(model)
        self.alpha = number("alpha", alpha)
        self.blocks = None if blocks is None else _several("blocks", blocks)
        self.labels = _several("labels", labels)
        self.beta = number("beta", beta, upper=MOST)
        self.eta = number("eta", eta, upper=MOST)
        self.gamma = number("gamma", gamma, upper=1.0)
        self.price = None if price is None else number("price", price)
        self.pieces = None if pieces is None else _several("pieces", pieces)
        self.edge = whole("edge", edge)
        self.saliency = check_saliency("saliency", saliency)
        _check_pieces(self.blocks, self.pieces)

    def pattern(
        self, count: int, size: tuple[int, int], generator: torch.Generator
    ) -> PendingPuzzle:
        lam = sample_lam(self.alpha, count, generator)
        choices = self._choices(size)
        drawn = torch.randint(len(choices), (count,), generator=generator, device="cpu")
        blocks = torch.tensor(choices, dtype=torch.float32, device="cpu")
        return PendingPuzzle(lam.float(), blocks[drawn])

    def _choices(self, size: tuple[int, ...]) -> list[int]:
        """The numbers of blocks along a side that images of this size may have."""
        side = min(size)
        if self.blocks is not None:
            choices = [self.blocks]
        else:
            choices = [blocks for blocks in DRAWN if 2 * blocks <= max(side, 4)]
        needed = max(*choices, self.pieces or 0)
        if needed > side:
            raise VicinalError(
                f"images of {size[0]} x {size[1]} pixels cannot be divided into {needed} blocks "
                "along each side: set fewer blocks= or pieces=, or take larger images"
            )
        return choices

    @torch.no_grad()
    def complete(self, mix: Mix, batch: Batch) -> Mix:
        (drawn,) = mix.patterns
        assert isinstance(drawn, PendingPuzzle)
        if is_compiling():
            raise RuntimeError(
                "PuzzleMix cannot be compiled: compile the model, and call PuzzleMix outside of "
                "compiled functions"
            )
        images = self._images(batch)
        size = images.shape[-2], images.shape[-1]
        solved = torch.zeros(len(images), 3, 1, 1, dtype=torch.float32, device="cpu")
        if any_mixed(drawn.lam):
            seen = [self._seen(batch)]
            if batch.other is not None:
                there = Batch(*batch.other, None, batch.fields, batch.integers, batch.maximum)
                seen.append(self._seen(there))
            solved = self._solved(seen, mix.partner.cpu(), drawn.values.cpu())
        pattern = MovedBlocks(move(solved, drawn.lam.device), size).only(drawn.lam < 1)
        return Mix(mix.partner, pattern.weight, (pattern,))

    def _images(self, batch: Batch) -> Tensor:
        """The images (B, C, H, W) of which the saliency counts."""
        if self.saliency is not None:
            return images_in(batch.x, batch)
        return images_of(batch, "PuzzleMix")

    def _solved(self, seen: list[tuple[Tensor, Tensor]], partner: Tensor, drawn: Tensor) -> Tensor:
        """(B, 3, n, n) what :class:`MovedBlocks` gets, on the CPU.

        Args:
            seen: images and maps of the samples, and of their partners, if those are others.
            partner: (B,) on the CPU.
            drawn: (B, 2) λ and the numbers of blocks, on the CPU.
        """
        (images, _), *_ = seen
        size = images.shape[-2], images.shape[-1]
        choices = self._choices(size)
        finest = max(*choices, self.pieces or 0)
        rules = Rules(self.labels, self.beta, self.gamma, self.eta, self.price)
        maps = [pooled(each, (finest, finest)).cpu() for _, each in seen]
        lam, blocks = drawn.unbind(1)
        solved = torch.empty(len(drawn), 3, finest, finest, dtype=torch.float32, device="cpu")
        cells: dict[tuple[int, int], list[Tensor]] = {}
        for count in choices:
            rows = (blocks == count).nonzero().flatten()
            if not len(rows):
                continue
            sides = self._cells(count, size)
            if sides not in cells:
                shrunk = [pooled(each, sides).cpu() for each, _ in seen]
                cells[sides] = scaled(shrunk)
            edges = [edges_of(each, count) for each in cells[sides]]
            down, across = (
                torch.stack(_of_both([edge[axis] for edge in edges], 1, rows, partner))
                for axis in (0, 1)
            )
            solved[rows] = solve(
                torch.stack(_of_both(maps, 0, rows, partner)),
                (down, across),
                lam[rows].double(),
                count,
                max(count, self.pieces or 0),
                rules,
            )
        return solved

    def _cells(self, blocks: int, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width to which images are shrunk, so that each edge has several cells."""
        height, width = (blocks * max(side // blocks // self.edge, 1) for side in size)
        return height, width

    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The images (B, C, H, W), and where in them saliency is, (B, h, w) float32."""
        images = self._images(batch)
        if self.saliency is not None:
            return images, maps_of(images, self.saliency)
        model, context = self.looking
        gradient = look_back(model, context, batch.x, images, _slope_for(batch.y))
        return images, gradient.float().square().mean(1).sqrt().nan_to_num(0.0, 0.0, 0.0)


def pooled(images: Tensor, sides: tuple[int, int]) -> Tensor:
    """(B, ..., h, w) float32, the means of the cells, of images (B, ..., H, W)."""
    return F.adaptive_avg_pool2d(images.float(), sides)


def scaled(cells: list[Tensor]) -> list[Tensor]:
    """Cells (B, C, h, w), of which those of each channel span 1 together."""
    cells = [each.nan_to_num(0.0, 0.0, 0.0) for each in cells]
    if not cells[0].numel():
        return cells
    axes = (0, 2, 3)
    low = torch.stack([each.amin(axes) for each in cells]).amin(0)[:, None, None]
    span = torch.stack([each.amax(axes) for each in cells]).amax(0)[:, None, None] - low
    return [((each - low) / span).where(span > 0, 0.0) for each in cells]


def _of_both(values: list[Tensor], axis: int, rows: Tensor, partner: Tensor) -> list[Tensor]:
    """Of these rows, what is of the samples, and what is of their partners."""
    index = rows if len(values) > 1 else partner[rows]
    return [values[0].index_select(axis, rows), values[-1].index_select(axis, index)]


def _slope_for(y: Any) -> Callable[[Tensor], Tensor]:
    """From scores (B, C) to the gradient of their cross-entropy, scaled to 1 for each sample.

    As maps are divided by their sum, its size does not matter; near 1, it does not vanish in 16
    bits.
    """

    def slope(scores: Tensor) -> Tensor:
        classes = scores.shape[1] if scores.ndim == 2 else 0
        is_dense = are_shares("PuzzleMix", y, classes)
        expected = y.float() if is_dense else _one_hot(y, classes)
        expected = expected.to(scores.device)
        difference = scores.float().softmax(1) * expected.sum(1, keepdim=True) - expected
        largest = difference.abs().amax(1, keepdim=True)
        return (difference / largest).where(largest > 0, 0.0).to(scores.dtype)

    return slope


def _one_hot(y: Tensor, classes: int) -> Tensor:
    if len(y) and not 0 <= int(y.amin()) <= int(y.amax()) < classes:
        raise ValueError(f"a label is out of range for {classes} classes")
    return F.one_hot(y.long(), classes).float()


def _several(name: str, value: int) -> int:
    if whole(name, value) < 2:
        raise ValueError(f"{name} must be 2 or more, not {value}")
    return value


def _check_pieces(blocks: int | None, pieces: int | None) -> None:
    if pieces is None:
        return
    is_power = pieces & (pieces - 1) == 0
    if (blocks is None and not is_power) or (blocks is not None and pieces % blocks):
        needed = "a power of two" if blocks is None else f"a multiple of blocks={blocks}"
        raise VicinalError(f"pieces must be {needed}, not {pieces}")
