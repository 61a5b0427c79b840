"""What a Learner shows: its data, its results, and itself."""

from collections.abc import Callable
from typing import Any

from torch import nn

from vicinal.data.loaders import DataLoaders
from vicinal.data.of_datasets import as_split
from vicinal.data.showing import number_of
from vicinal.formatting import format_number
from vicinal.learner.callbacks import metric_name
from vicinal.learner.parts import part_of
from vicinal.notebook import html_facts

Size = tuple[float, float] | None


class Shown:
    """The part of a Learner that shows samples, and says what it is."""

    dls: DataLoaders
    model: nn.Module
    metrics: list[Any]
    loss_func: Callable[..., Any]
    precision: str

    def show_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Training samples with their targets; see :meth:`DataLoaders.show_batch`."""
        return self.dls.show_batch(*args, **kwargs)

    def show_results(
        self,
        max_n: int | None = None,
        nrows: int | None = None,
        ncols: int | None = None,
        figsize: Size = None,
        *,
        ds_idx: int = 1,
        dl: Any = None,
    ) -> Any:
        """Samples from the whole validation part, each with its target and its prediction.

        Args:
            max_n: how many; None takes as many as ``nrows`` times ``ncols``, or 9.
            nrows, ncols: of the grid; None fits it to the number.
            figsize: width and height of the figure in inches; None fits it to the images.
            ds_idx: 0 shows training samples instead.
            dl: a loader to show samples of instead, such as ``dls.test_dl(files)`` gives, or one of
                torch's.

        Returns:
            A matplotlib figure of images, with the true class above the predicted one; a table of
            other samples.

        Raises:
            VicinalError: the samples cannot be shown, there is no such part, or a number is below
                1.
        """
        learn: Any = self
        number = number_of(max_n, nrows, ncols)
        if dl is None:
            self.dls.check_samples()
        part = part_of(self.dls, ds_idx) if dl is None else as_split(dl, training=False)
        x, y = part.some(number)
        ((output, _),) = learn._outputs([(x, None)])
        predicted = learn.decoded(learn.activation(output))
        return self.dls.show(x, y, predicted, nrows=nrows, ncols=ncols, figsize=figsize)

    # ---- what it says of itself -----------------------------------------------------------

    def __repr__(self) -> str:
        facts = self._facts()
        return f"{type(self).__name__}({facts['network']}; {self.dls!r}; {facts['trained']})"

    def _repr_html_(self) -> str:
        return html_facts(type(self).__name__, self._facts())

    def _facts(self) -> dict[str, str]:
        facts = {
            "network": _network(self.model),
            "data": repr(self.dls),
            "loss": _name_of(self.loss_func),
            "metrics": ", ".join(map(metric_name, self.metrics)) or "none",
        }
        learn: Any = self
        if hasattr(self, "opt_func"):
            facts["optimizer"] = _name_of(learn.opt_func)
            facts["callbacks"] = ", ".join(cb.name for cb in learn.cbs) or "none"
        facts["computes"] = f"on {self.dls.device} in {self.precision}"
        return {**facts, "trained": _trained(getattr(self, "history", []))}


def _network(model: nn.Module) -> str:
    known = getattr(model, "pretrained_cfg", None) or {}  # timm's
    made_from = getattr(model, "made_from", None) or {}  # what makes it again from a file
    name = made_from.get("arch") or made_from.get("name") or known.get("architecture")
    name = name or type(model).__name__
    parameters = list(model.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    frozen = "" if trained == count else f", of which {trained:,} are trained"
    return f"{name} of {count:,} parameters{frozen}"


def _name_of(function: Any) -> str:
    while hasattr(function, "func"):  # a partial
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


def _trained(history: list[dict[str, Any]]) -> str:
    if not history:
        return "not trained"
    row = {n: value for n, value in history[-1].items() if n not in ("epoch", "seconds")}
    epochs = "1 epoch" if len(history) == 1 else f"{len(history)} epochs"
    return f"{epochs}: " + ", ".join(f"{name} {format_number(v)}" for name, v in row.items())
