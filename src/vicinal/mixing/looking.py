"""Methods that look at the batch with a model: whose model it is, and the extra pass through it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.utils.data import get_worker_info

from vicinal.errors import VicinalError
from vicinal.mixing.batch import is_blendable, leaves, map_leaves
from vicinal.mixing.completion import Batch
from vicinal.mixing.layers import unwrap
from vicinal.mixing.mixer import Mixer

Context = Callable[[], AbstractContextManager[Any]]


class LooksWithModel(Mixer):
    """A mixer that calls a model in :meth:`Mixer.complete`, once for each batch.

    A class that derives from it calls :meth:`take_model` in its ``__init__``, and
    :func:`look` in ``complete``, or :func:`look_back` for gradients; where :func:`any_mixed` finds
    nothing to look for, it does without. The pass is in evaluation mode: it updates no statistics
    of batch norm, draws no dropout, and leaves every module in the mode it was in.
    """

    _model: nn.Module | None = None
    _lent: tuple[nn.Module, Context] | None = None

    def take_model(self, model: nn.Module | None) -> None:
        """Keep the model that the user gave; without one, a trainer lends its own."""
        if isinstance(model, int | float):
            name = type(self).__name__
            raise TypeError(f"{name}({model}) gives no model: write {name}(alpha={model})")
        self._model = None if model is None else unwrap(model)

    def lend(self, model: nn.Module | None, context: Context = nullcontext) -> None:
        """Let the mixer look with this model, unless it was given one; None ends that.

        Args:
            model: the one that is trained.
            context: makes the context of a forward pass, such as that of mixed precision.
        """
        self._lent = None if model is None else (unwrap(model), context)

    @property
    def looking(self) -> tuple[nn.Module, Context]:
        """The model to look with, and the context of its forward pass."""
        name = type(self).__name__
        if is_compiling():
            raise RuntimeError(
                f"{name} cannot be compiled: compile the model, and call {name} outside of "
                "compiled functions"
            )
        if get_worker_info() is not None:
            raise VicinalError(
                f"{name} cannot look in a data loader's worker, whose copy of the model is not the "
                "one that is trained: mix in the training loop, or set num_workers=0"
            )
        if self._model is not None and (self._lent is None or self._lent[0] is not self._model):
            return self._model, nullcontext
        if self._lent is None:
            raise VicinalError(
                f"{name} looks with a model and has none: give it the one that is trained, "
                f"{name}(model); a Learner lends its own"
            )
        return self._lent

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_lent": None}  # a copy belongs to another training


def lend(mixer: Mixer, model: nn.Module | None, context: Context = nullcontext) -> None:
    """Lend a model to a mixer and to those that it wraps, as :meth:`LooksWithModel.lend` does."""
    for inner in mixer.nested():
        if isinstance(inner, LooksWithModel):
            inner.lend(model, context)


def any_mixed(share: Tensor) -> bool:
    """Whether any sample keeps less than all of itself, (B,) of 1: else there is nothing to do.

    So it is in the batches that a :class:`Choice` gives to another mixer, after the end of a
    :class:`Schedule`, and by chance with ``p``. A GPU is waited for to know it, which takes less
    time than a pass through a model.
    """
    return bool((share < 1).any())


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Within this context no module of the model is in training mode."""
    training = [module for module in model.modules() if module.training]
    # By the flag and not by eval(), which a module may override to do more.
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def observed(modules: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Within this context, a hook after the forward pass of each module."""
    handles = [module.register_forward_hook(hook) for module, hook in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def look(model: nn.Module, context: Context, x: Any, **options: Any) -> Any:
    """The model's output for a batch, in evaluation mode and without gradients.

    Args:
        model: it is called as ``model(x)``, or, if it is of transformers and the batch a dict, as
            ``model(**x)``. One that takes no such batch gets the only tensor of images in it.
        context: of its forward pass.
        x: the batch, as the training loop passes it to the model.
        **options: further arguments of the model.
    """
    with torch.no_grad(), evaluation(model), context(), _uncached():
        return _call(model, x, **options)


def _call(model: nn.Module, x: Any, **options: Any) -> Any:
    if isinstance(x, Tensor) and x.is_floating_point():
        return model(x, **options)
    if isinstance(x, Tensor):
        try:
            return model(x, **options)
        except RuntimeError as error:
            kind = str(x.dtype).removeprefix("torch.")
            raise VicinalError(
                f"{type(model).__name__} does not take {kind} images "
                f"({str(error).splitlines()[0]}): make them floats before they are mixed"
            ) from error
    try:
        if isinstance(x, Mapping) and hasattr(model, "main_input_name"):  # of transformers
            return model(**x, **options)
        return model(x, **options)
    except TypeError as error:
        images = [leaf for _, leaf in leaves(x) if isinstance(leaf, Tensor) and _are_images(leaf)]
        if len(images) == 1:
            return model(images[0], **options)
        raise VicinalError(
            f"{type(model).__name__} is called with the whole batch, a {type(x).__name__}, and "
            f"does not take it ({str(error).splitlines()[0]}): mix its images alone, or give a "
            "model that takes such a batch"
        ) from error


def _are_images(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_floating_point()


def look_back(
    model: nn.Module,
    context: Context,
    x: Any,
    part: Tensor,
    slope: Callable[[Tensor], Tensor],
) -> Tensor:
    """The gradient of a loss with regard to a tensor of the batch, in evaluation mode.

    It is another forward pass, and a backward pass that computes no gradients of parameters.
    Neither leaves a trace in the model.

    Args:
        model, context, x: as for :func:`look`. The model returns a tensor, or has it as ``logits``.
        part: ``x``, or a tensor in it, of floats.
        slope: from the model's output to the gradient of the loss with regard to it.

    Returns:
        A tensor of the shape and dtype of ``part``.

    Raises:
        TypeError: ``part`` has no floats.
        ValueError: the output is no tensor, or does not depend on ``part`` by differentiable steps;
            or inference mode is on.
    """
    name = type(model).__name__
    if not part.is_floating_point():
        raise TypeError(
            f"{name} has no gradients with regard to {str(part.dtype).removeprefix('torch.')} "
            "images: make them floats before they are mixed"
        )
    if torch.is_inference_mode_enabled():
        raise VicinalError(
            f"the gradients of {name} cannot be had in torch.inference_mode(): mix outside of it"
        )
    leaf = part.detach().requires_grad_()
    given = map_leaves(lambda _, tensor: leaf if tensor is part else tensor, x)
    with torch.enable_grad(), evaluation(model), context(), _uncached():
        output = _call(model, given)
    output = getattr(output, "logits", output)
    if not isinstance(output, Tensor):
        raise VicinalError(f"{name} must return a tensor (B, C), not {type(output).__name__}")
    gradient = None
    if output.requires_grad:
        up = slope(output.detach())
        with evaluation(model):  # in which gradient checkpointing calls layers again
            (gradient,) = torch.autograd.grad(output, leaf, up, allow_unused=True)
    if gradient is None:
        raise VicinalError(
            f"the output of {name} has no gradient with regard to its images: it must be "
            "differentiable"
        )
    return gradient


@contextmanager
def _uncached() -> Iterator[None]:
    """Within this context, autocast keeps no converted weights.

    Those of a pass without gradients may have none, depending on the version of torch, and the
    training pass would use them.
    """
    was_enabled = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(was_enabled)


def images_of(batch: Batch, name: str) -> Tensor:
    """The one tensor (B, C, H, W) of the batch that is mixed.

    Raises:
        ValueError: there is none, or several.
    """
    found = [t for t in batch.mixed() if t.ndim == 4 and is_blendable(t)]
    if len(found) != 1:
        raise ValueError(
            f"{name} needs one tensor of images (B, C, H, W) in the batch, and there are "
            f"{len(found)}: name it with fields="
        )
    return found[0]
