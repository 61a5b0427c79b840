"""MultiMix: many blends of a whole batch, at the last layer of a network."""

import weakref
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.mixing.arguments import number, whole
from vicinal.mixing.as_pytree import tensors_as_leaves
from vicinal.mixing.batch import batch_size, first_tensor, map_leaves
from vicinal.mixing.blocks import next_mix
from vicinal.mixing.combine import combined
from vicinal.mixing.hooks import Hooks, LayerMix
from vicinal.mixing.layers import select_layers
from vicinal.mixing.listed import check_lists
from vicinal.mixing.looking import LooksWithModel
from vicinal.mixing.mix import Mix
from vicinal.mixing.pattern import Drawn
from vicinal.mixing.target import ALREADY_MIXED, is_mixed_target, one_hot


@tensors_as_leaves()
@dataclass(frozen=True, eq=False)
class Shares(Drawn):
    """How much of each sample is in each of n blends of a batch.

    Args:
        shares: (B, n) float32; each column adds up to 1.
    """

    shares: Tensor

    tensors = ("shares",)
    spatial = False
    size_of = None
    dtype = torch.float32

    @property
    def weight(self) -> Tensor:
        """Ones: it mixes no sample with a partner."""
        return torch.ones(len(self.shares), dtype=torch.float32, device=self.shares.device)

    def only(self, chosen: Tensor) -> NoReturn:
        raise ValueError("blends of a whole batch leave no sample as it is")

    def values_shape(self, size: tuple[int, ...]) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(self.shares.shape[1:])


class MultiMix(LooksWithModel):
    """Train a network's last layer on many blends of a whole batch.

    Each of n blends takes a share of every sample of the batch, from a symmetric Dirichlet
    distribution, whose concentration is drawn for each. A call returns the unchanged batch, and its
    targets blended, in n rows. The next forward pass of the model in training mode blends the
    embeddings, by the same shares, before its last layer, and so returns n rows, too. The rest of
    the network sees the plain samples, and its cost does not change::

        x, y = multimix(x, y)
        loss = criterion(model(x), y)

    The outputs of that layer are blended and not its inputs. As the layer is linear and shares add
    up to 1, that is the same, and takes fewer operations.

    Args:
        model: any module whose last layer is linear. None takes the one that a Learner trains. It
            may be compiled or wrapped for distributed training, before or after.
        n: how many blends a batch becomes.
        alpha: the smallest and largest concentration, from 0.01 to 1e6, between which it is drawn
            evenly for each blend; or a number for all. With a small one, few samples have most of
            the shares; with 1, all shares are equally likely.
        layer: the linear layer, by its name in ``model.named_modules()`` or as a module. None takes
            the last one, of which the model has to return the outputs as they are.
        seed: of :class:`Mixer`.

    Class indices (B,) become rows of shares (n, C), with as many classes as the layer has outputs.
    Targets of floats, (B, ...), are blended as they are: values, rows of shares, and labels of
    which a sample has several. The criterion has to take such targets, as cross-entropy does.

    Raises:
        TypeError, ValueError: an argument has the wrong type or is out of range, the model has no
            linear layer or does not return what it gives, or the targets are neither class indices
            (B,) nor floats.
        RuntimeError: a mix is not applied before the next call, or it is called inside a compiled
            function.

    Hooks stay on the model until :meth:`release`, the end of ``with multimix:``, or the end of a
    Learner's training. A forward pass in evaluation mode, or without a call before it, is not
    mixed.

    Source: S. Venkataramanan, E. Kijak, L. Amsaleg, Y. Avrithis, Embedding Space Interpolation
    Beyond Mini-Batch, Beyond Pairs and Beyond Examples, NeurIPS 2023. No code of it is published
    that this could be compared with. Its dense form, which blends each position of a feature map by
    the attention to it, is not included: it needs a classifier for positions.

    >>> from vicinal import MixLoss
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> multimix = MultiMix(model, n=100, seed=0)
    >>> x, y = multimix(torch.rand(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]))
    >>> output = model(x)
    >>> x.shape, output.shape, y.shape
    (torch.Size([6, 4]), torch.Size([100, 3]), torch.Size([100, 3]))
    >>> MixLoss(nn.CrossEntropyLoss())(output, y).backward()
    >>> multimix.release()
    """

    at_layers = True
    partners: Any = "cycle"

    def __init__(
        self,
        model: nn.Module | None = None,
        *,
        n: int = 1000,
        alpha: float | tuple[float, float] = (0.5, 2.0),
        layer: str | nn.Module | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed=seed)
        del self.partners  # every sample is in every blend
        self.n, self.alpha = whole("n", n), _concentrations(alpha)
        self._layer = layer
        self._hooks: Hooks | None = None
        self.take_model(model)

    @property
    def drawn_types(self) -> tuple[Any, ...]:  # type: ignore[override]
        return (Shares(torch.empty(0, self.n, dtype=torch.float32, device="cpu")),)

    def patterns(
        self,
        batches: int,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        step: int,
    ) -> tuple[Drawn, ...]:
        low, high = self.alpha
        alpha = torch.rand(
            batches, 1, self.n, generator=generator, dtype=torch.float64, device="cpu"
        )
        alpha = (low + (high - low) * alpha).expand(batches, count, self.n)
        drawn = torch._standard_gamma(alpha, generator=generator)
        return (Shares((drawn / drawn.sum(1, keepdim=True)).flatten(0, 1).float()),)

    def draw(self, x: Any, y: Any = None, *, other: Any = None) -> NoReturn:
        raise TypeError(
            "MultiMix blends whole batches inside of a model, which is no mix of samples and "
            "partners: call it, multimix(x, y)"
        )

    def __call__(
        self, x: Any, y: Any, *, other: tuple[Any, Any] | None = None, inplace: bool = False
    ) -> tuple[Any, Any]:
        """Draw the blends of the next forward pass, and blend the targets.

        Args:
            x: (B, ...), a tensor or a nested batch, for the model.
            y: (B,) class indices or (B, ...) floats, or a nested batch of them.
            other: not supported.
            inplace: without effect, as the batch does not change.

        Returns:
            The batch as it is, and its targets in n rows of floats.
        """
        if other is not None:
            raise ValueError("MultiMix blends the samples of one batch: give it no second batch")
        model, _ = self.looking
        layer, classifier = _classifier(model, self._layer)
        hooks = self._hooks_on(model, layer)
        check_lists(x, y, None, self._known)
        first = first_tensor(x, "x")
        drawn = self._undone_on_error(self._blends, first, y, classifier.out_features)
        mix, shares, target = drawn
        # Our own last layer, after which blends are still blends by the same shares.
        is_rescaled = any(getattr(module, "_is_affine", False) for module in model.modules())
        is_last = self._layer is None and not is_rescaled
        hooks.pending = LayerMix(layer, mix.partner, (), shares=shares, is_last=is_last)
        return x, target

    def _hooks_on(self, model: nn.Module, layer: str) -> Hooks:
        """The hooks on this model, whose last mix has been applied."""
        if self._hooks is None or self._hooks.model is not model:
            self.release()
            self._hooks = Hooks(model, [layer], weakref.ref(self))
        self._hooks.attach()
        self._hooks.check_applied()
        return self._hooks

    def _blends(self, first: Tensor, y: Any, classes: int) -> tuple[Mix, Tensor, Any]:
        """The next mix, its shares (n, B), and the targets that they blend."""
        mix = next_mix(self, batch_size(first, y), (1, 1), first.device)
        (shares,) = (pattern.values.t() for pattern in mix.patterns)
        return mix, shares, self._blended(shares, y, classes)

    def _blended(self, shares: Tensor, y: Any, classes: int) -> Any:
        def of_leaf(_: Any, leaf: Any) -> Any:
            if is_mixed_target(leaf):
                raise TypeError(ALREADY_MIXED)
            if not isinstance(leaf, Tensor) or not leaf.ndim:
                return leaf
            if len(leaf) != shares.shape[1]:
                raise ValueError(
                    f"there are {shares.shape[1]} samples, but a target of shape "
                    f"{tuple(leaf.shape)}: its first dimension must be the batch"
                )
            if leaf.is_floating_point():
                return combined(shares, leaf)
            if leaf.ndim > 1 or classes < 2:
                kind = f"{str(leaf.dtype).removeprefix('torch.')} {tuple(leaf.shape)}"
                raise TypeError(
                    "MultiMix blends class indices (B,) for several outputs, and floats, and "
                    f"these targets are {kind} for {classes}: give floats"
                )
            return combined(shares, one_hot(leaf, classes, torch.float32))

        return map_leaves(of_leaf, y)

    def check_inside(self, outer: str) -> None:
        raise ValueError(
            f"a {outer} cannot draw with MultiMix, which gives {self.n} blends in place of a "
            "batch: use it alone"
        )

    def release(self) -> None:
        """Remove the hooks from the model, and drop a mix that was not applied.

        The next call attaches them again.
        """
        if self._hooks is not None:
            self._hooks.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_hooks": None}


def _concentrations(alpha: Any) -> tuple[float, float]:
    """The smallest and largest concentration that ``alpha`` says."""
    low, high = alpha if isinstance(alpha, tuple | list) and len(alpha) == 2 else (alpha, alpha)
    low, high = number("alpha", low), number("alpha", high)
    if not 0.01 <= low <= high <= 1e6:  # beyond, shares would be rounded to 0 or be nan
        raise ValueError(
            f"alpha must be from 0.01 to 1e6, or (smallest, largest) in that range, not {alpha!r}"
        )
    return low, high


def _classifier(model: nn.Module, layer: str | nn.Module | None) -> tuple[str, nn.Linear]:
    """The name of a model's last linear layer, or of the one that was given, and the layer."""
    if layer is None or layer is model:
        linear = [pair for pair in model.named_modules() if isinstance(pair[1], nn.Linear)]
        if not linear:
            raise VicinalError(
                f"{type(model).__name__} has no linear layer, whose inputs MultiMix blends: use "
                "ManifoldMixUp"
            )
        return linear[-1]
    names = select_layers(model, layer)
    found = model.get_submodule(names[0]) if names[0] != "input" else None
    if len(names) > 1 or not isinstance(found, nn.Linear):
        raise ValueError(
            f"layer={layer!r} is no linear layer of the model: name the one that gives its scores"
        )
    return names[0], found
