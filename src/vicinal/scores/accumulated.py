"""AccumMetric: a metric of all samples together, computed once.

An F1 score of a part of the data is no mean over batches. So these objects collect what they need
of each batch in :meth:`AccumMetric.update`, and :meth:`AccumMetric.compute` computes the metric
once, of the samples of all processes.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError

ACTIVATIONS = ("no", "sigmoid", "softmax", "binarysoftmax")
# How scikit-learn's functions take outputs and targets (N, ...): arrays, the true ones first.
OF_SKLEARN: dict[str, Any] = {"to_np": True, "invert_arg": True, "flatten": False}


class AccumMetric:
    """A metric that a function computes once, of all samples.

    Args:
        func: of (predictions, targets), as tensors; or the name of a function in
            ``sklearn.metrics``.
        dim_argmax: the class axis of outputs, of which the class with the highest one is predicted;
            None for outputs that are no scores of classes.
        activation: "sigmoid", "softmax" or "binarysoftmax" (softmax, and the last class's
            probability) of the outputs, or "no".
        thresh: predict 1 for activations of this value or higher, else 0.
        to_np: give NumPy arrays to ``func``.
        invert_arg: give the targets first, as scikit-learn takes them.
        flatten: give one axis of all values.
        name: in tables; None takes that of ``func``.
        **kwargs: of ``func``.

    Raises:
        VicinalError: ``activation`` is none of these; later, if outputs and targets differ in
            number, or ``func`` cannot compute the metric of these samples.

    Source: fastai's class of that name.

    >>> largest_error = AccumMetric(lambda output, target: (output - target).abs().max())
    >>> largest_error.update(torch.tensor([1.0, 2.0]), torch.tensor([1.5, 2.0]))
    >>> largest_error.update(torch.tensor([3.0]), torch.tensor([0.0]))
    >>> largest_error.compute()
    3.0
    """

    def __init__(
        self,
        func: Callable[..., Any] | str,
        dim_argmax: int | None = None,
        activation: str | None = "no",
        thresh: float | None = None,
        to_np: bool = False,
        invert_arg: bool = False,
        flatten: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        activation = "no" if activation is None else str(activation).lower()
        if activation not in ACTIVATIONS:
            raise VicinalError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}"
            )
        self.func, self.kwargs = func, kwargs
        self.dim_argmax, self.activation, self.thresh = dim_argmax, activation, thresh
        self.to_np, self.invert_arg, self.flatten = to_np, invert_arg, flatten
        called = getattr(func, "func", func)  # of a partial
        named = called if isinstance(called, str) else getattr(called, "__name__", "metric")
        self.__name__ = name or named
        self.parts: list[tuple[Tensor, Tensor]] = []

    def reset(self) -> None:
        """Forget all batches."""
        self.parts = []

    @torch.no_grad()
    def update(self, output: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            output: (B, ...), of the network.
            target: (B, ...), plain targets.
        """
        self.parts.append((self._read(output.detach()).cpu(), target.detach().cpu()))

    def compute(self) -> float:
        """The metric of all batches of all processes; every process must call this.

        It is nan where there are none, as in an epoch that is not validated.
        """
        from vicinal.processes import gathered

        columns = gathered(self.parts)
        if not columns:
            return math.nan
        predicted, target = columns
        if self.flatten:
            predicted, target = predicted.flatten(), target.flatten()
        if len(predicted) != len(target):
            raise VicinalError(
                f"{self.__name__} has {len(predicted):,} predictions for {len(target):,} targets: "
                "its class axis (axis=) is another one, or the metric is for other targets"
            )
        return self._of(predicted, target)

    def __call__(self, output: Tensor, target: Tensor) -> float:
        """The metric of one batch; those that were added are not affected."""
        before, self.parts = self.parts, []
        try:
            self.update(output, target)
            return self.compute()
        finally:
            self.parts = before

    def _read(self, output: Tensor) -> Tensor:
        axis = -1 if self.dim_argmax is None else self.dim_argmax
        if output.is_floating_point() and output.itemsize < 4:
            output = output.float()  # NumPy has no bfloat16
        if self.dim_argmax is not None and output.shape[axis] == 1:
            raise VicinalError(
                f"{self.__name__} needs a score for each class, and the outputs have one number: "
                "let the network give two for two classes"
            )
        if self.activation in ("softmax", "binarysoftmax"):
            output = output.softmax(axis)
            if self.activation == "binarysoftmax":
                output = output.select(axis, -1)
        elif self.activation == "sigmoid":
            output = output.sigmoid()
        elif self.dim_argmax is not None:
            output = output.argmax(axis)
        return output if self.thresh is None else (output >= self.thresh).long()

    def _of(self, predicted: Tensor, target: Tensor) -> float:
        pair: list[Any] = [predicted, target]
        if self.to_np:
            pair = [each.numpy() for each in pair]
        if self.invert_arg:
            pair.reverse()
        try:
            value = self._function()(*pair, **self.kwargs)
        except ValueError as error:
            raise VicinalError(f"{self.__name__} cannot be computed: {error}") from None
        return float(getattr(value, "statistic", value))  # SciPy's results have a p-value, too

    def _function(self) -> Callable[..., Any]:
        if not isinstance(self.func, str):
            return self.func
        import sklearn.metrics

        function: Callable[..., Any] = getattr(sklearn.metrics, self.func)
        return function

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__name__})"


def AvgMetric(func: Callable[..., Any]) -> Callable[..., Any]:
    """A function of (output, target) as a metric that is a mean over samples: the function itself.

    Source: fastai's class of that name, which a Learner needs as little there.
    """
    return func


def skm_to_fastai(
    func: Callable[..., Any] | str,
    is_class: bool = True,
    thresh: float | None = None,
    axis: int = -1,
    activation: str | None = None,
    **kwargs: Any,
) -> AccumMetric:
    """A metric from a function of scikit-learn.

    Args:
        func: of (true, predicted), such as ``sklearn.metrics.f1_score``, or its name.
        is_class: it is for classes, and not for values.
        thresh: for several labels of each sample: 1 for a sigmoid of this value or higher.
        axis: the class axis of the outputs.
        activation: of :class:`AccumMetric`; None takes the sigmoid if there is a ``thresh``.
        **kwargs: of :class:`AccumMetric`.

    Source: fastai's function of that name.

    >>> metric = skm_to_fastai("zero_one_loss")
    >>> metric(torch.tensor([[2.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1]))
    0.5
    """
    axis_of_classes = axis if is_class and thresh is None else None
    if activation is None:
        activation = "sigmoid" if is_class and thresh is not None else "no"
    return AccumMetric(
        func, axis_of_classes, activation, thresh, to_np=True, invert_arg=True, **kwargs
    )
