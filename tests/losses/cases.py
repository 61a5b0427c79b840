"""Outputs and pairs of targets, small, of each kind that losses and metrics read.

Sizes coincide on purpose: there are as many classes, labels, tokens and rows of a mask as there are
samples in a batch of four, so that an axis that is taken for another one is found out.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vicinal import MixedTarget
from vicinal.mixing.target import over_rows

C = 4  # classes, labels, values, tokens and the height of masks
WIDTH = 6
COPIES = 8  # weights are multiples of 1/8


@dataclass
class Case:
    """A batch: outputs are a function of a leaf whose gradient is compared.

    Attributes:
        leaf: (B, ...) float64.
        activation: from the leaf to the output.
        own, partner: targets of all samples.
        weight: (B,) multiples of 1/8; (B, H, W) for pixels.
        dtype: of outputs, and of targets that are floats.
    """

    leaf: Tensor
    activation: Callable[[Tensor], Tensor]
    own: Tensor
    partner: Tensor
    weight: Tensor
    dtype: torch.dtype

    @property
    def target(self) -> MixedTarget:
        return MixedTarget(self.own.clone(), self.partner.clone(), self.weight.clone())

    def output(self, leaf: Tensor | None = None) -> Tensor:
        output = self.activation(self.leaf if leaf is None else leaf)
        return output.to(self.dtype) if output.is_floating_point() else output

    def copies(self) -> tuple[Tensor, Tensor]:
        """Eight plain copies of each sample, as many with its own target as its weight says."""
        own, partner = (y.repeat_interleave(COPIES, 0) for y in (self.own, self.partner))
        weight = self.weight.repeat_interleave(COPIES, 0)
        number = torch.arange(COPIES).repeat(len(self.own)).view(-1, *[1] * (weight.ndim - 1))
        is_own = over_rows(number < COPIES * weight, own)
        return self.output(self.leaf.repeat_interleave(COPIES, 0)), torch.where(
            is_own, own, partner
        )

    def of_pixels(self) -> "Case":
        """The same masks with a weight for each pixel."""
        g = torch.Generator().manual_seed(len(self.own))
        size = (len(self.own), *self.own.shape[-2:])
        weight = torch.randint(0, COPIES + 1, size, generator=g).double() / COPIES
        return dataclasses.replace(self, weight=weight)


def drawn(kind: str, samples: int, seed: int, dtype: torch.dtype = torch.float64) -> Case:
    """A case of a kind, with both targets of every sample and weights that include 0 and 1."""
    g = torch.Generator().manual_seed(seed)
    shape, target, activation = KINDS[kind]
    leaf = torch.randn(samples, *shape, generator=g, dtype=torch.float64).requires_grad_()
    own, partner = target(samples, g), target(samples, g)
    if own.is_floating_point():
        own, partner = own.to(dtype), partner.to(dtype)
    weight = torch.randint(1, COPIES, (samples,), generator=g).double() / COPIES
    if seed == 0:  # the smallest batch of all has none of these
        weight[0], weight[-1] = 1, 0
    return Case(leaf, activation, own, partner, weight, dtype)


def _labels(*shape: int, classes: int = C) -> Callable[..., Tensor]:
    return lambda samples, g: torch.randint(classes, (samples, *shape), generator=g)


def _floats(*shape: int) -> Callable[..., Tensor]:
    return lambda samples, g: torch.randint(2, (samples, *shape), generator=g).double()


def _signs(*shape: int) -> Callable[..., Tensor]:
    return lambda samples, g: 2 * _floats(*shape)(samples, g) - 1


def _one_hot(*shape: int, last: bool = False) -> Callable[..., Tensor]:
    def draw(samples: int, g: torch.Generator) -> Tensor:
        rows = torch.nn.functional.one_hot(_labels(*shape)(samples, g), C).double()
        return rows if last else rows.movedim(-1, 1).contiguous()

    return draw


def _values(*shape: int) -> Callable[..., Tensor]:
    return lambda samples, g: torch.randn(samples, *shape, generator=g, dtype=torch.float64)


def _positive(*shape: int) -> Callable[..., Tensor]:
    return lambda samples, g: 0.2 + torch.rand(samples, *shape, generator=g, dtype=torch.float64)


def _listed(samples: int, g: torch.Generator) -> Tensor:
    """Lists of labels, ended by -1, as MultiLabelMarginLoss reads them."""
    rows = torch.stack([torch.randperm(C, generator=g) for _ in range(samples)])
    rows[:, 2:] = -1
    return rows


def _spelt(samples: int, g: torch.Generator) -> Tensor:
    return torch.randint(1, C, (samples, 2), generator=g)


def _soft(samples: int, g: torch.Generator) -> Tensor:
    return _values(C)(samples, g).softmax(1)


def _same(leaf: Tensor) -> Tensor:
    return leaf


def _log_softmax(leaf: Tensor) -> Tensor:
    return leaf.log_softmax(1)


def _softmax(leaf: Tensor) -> Tensor:
    return leaf.softmax(1)


MASK = (C, WIDTH)
# The shape of one sample's output, its target, and the activation of the output.
KINDS = {
    "classes": ((C,), _labels(), _same),
    "two classes": ((2,), _labels(classes=2), _same),
    "log-probabilities": ((C,), _labels(), _log_softmax),
    "probabilities": ((C,), _labels(), _softmax),
    "one-hot": ((C,), _one_hot(), _same),
    "one-hot probabilities": ((C,), _one_hot(), _softmax),
    "one-hot log-probabilities": ((C,), _one_hot(), _log_softmax),
    "soft probabilities": ((C,), _soft, _softmax),
    "predicted classes": ((C,), _labels(), lambda leaf: leaf.argmax(1)),
    "predicted labels": ((C,), _labels(C, classes=2), lambda leaf: (leaf > 0).long()),
    "yes or no": ((), _floats(), _same),
    "probability of yes": ((), _floats(), torch.sigmoid),
    "yes or no, a column": ((1,), _floats(1), _same),
    "probability of yes, a column": ((1,), _floats(1), torch.sigmoid),
    "labels": ((C,), _floats(C), _same),
    "probabilities of labels": ((C,), _floats(C), torch.sigmoid),
    "integer labels": ((C,), _labels(C, classes=2), _same),
    "probabilities of integer labels": ((C,), _labels(C, classes=2), torch.sigmoid),
    "lists of labels": ((C,), _listed, _same),
    "signs": ((C,), _signs(C), _same),
    "a sign": ((), _signs(), _same),
    "a sign of pairs": ((2, 3), _signs(), _same),
    "a value": ((), _values(), _same),
    "a column": ((1,), _values(1), _same),
    "values": ((C,), _values(C), _same),
    "positive values": ((C,), _positive(C), torch.nn.functional.softplus),
    "maps of values": ((2, *MASK), _values(2, *MASK), _same),
    "masks": ((C, *MASK), _labels(*MASK), _same),
    "masks with a channel": ((C, *MASK), _labels(1, *MASK), _same),
    "one-hot masks": ((C, *MASK), _one_hot(*MASK), _same),
    "probabilities of one-hot masks": ((C, *MASK), _one_hot(*MASK), _softmax),
    "two-class masks": ((2, *MASK), _labels(*MASK, classes=2), _same),
    "two-class masks with a channel": ((2, *MASK), _labels(1, *MASK, classes=2), _same),
    "binary masks": ((1, *MASK), _floats(1, *MASK), _same),
    "probabilities of binary masks": ((1, *MASK), _floats(1, *MASK), torch.sigmoid),
    "integer binary masks": ((1, *MASK), _labels(1, *MASK, classes=2), _same),
    "predicted masks": ((C, *MASK), _labels(*MASK), lambda leaf: leaf.argmax(1)),
    "probabilities of integer binary masks": (
        (1, *MASK),
        _labels(1, *MASK, classes=2),
        torch.sigmoid,
    ),
    "masks of yes or no": ((1, *MASK), _labels(*MASK, classes=2), _same),
    "tokens": ((C, C), _labels(C), _same),
    "spelt words": ((6, C), _spelt, _same),
}
