"""Whether exported files answer as the run does: both are run on samples, and compared."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vicinal.errors import VicinalError
from vicinal.export.forms import Form
from vicinal.models.rescale import Rescale
from vicinal.tasks.predictor import Predictor

SAMPLES = 64  # that are compared
ENDS = (1, 4)  # where batches of them end, so that several sizes are tried
#: Of probabilities; of values, in units of the training values' standard deviation.
TOLERANCE = 1e-4
Runner = Callable[..., Tensor]  # from the inputs of the graph to its output


@dataclass(frozen=True)
class Reference:
    """What the run itself says of samples, in batches.

    Args:
        inputs: of each batch, as the graph takes them.
        outputs: of each batch, (B, C, ...).
        form: of the samples.
        unit: of differences.
    """

    inputs: list[tuple[Tensor, ...]]
    outputs: list[Tensor]
    form: Form
    unit: float

    @classmethod
    def of(cls, predictor: Predictor, form: Form, items: list[Any]) -> "Reference":
        """The run's own answers.

        Args:
            items: a sample or more.

        Raises:
            VicinalError: one cannot be read, or has no finite output.
        """
        ends = [0, *(end for end in ENDS if end < len(items)), len(items)]
        batches = [items[start:end] for start, end in pairwise(ends)]
        outputs = [predictor.outputs(batch) for batch in batches]
        return cls([form.tensors(batch) for batch in batches], outputs, form, _unit(predictor))

    @property
    def example(self) -> tuple[Tensor, ...]:
        """Inputs to trace the graph with: no side that may differ is 1, which would be fixed."""
        largest = max(self.inputs, key=lambda each: len(each[0]))
        return tuple(
            _twice_where_single(tensor, axes)
            for tensor, axes in zip(largest, self.form.axes.values(), strict=True)
        )

    def compare(self, run: Runner, file: str) -> "Agreement":
        """Run a file on the same samples.

        Raises:
            VicinalError: the difference is beyond the tolerance.
        """
        with torch.no_grad():
            theirs = [run(*each) for each in self.inputs]
        pairs = list(zip(self.outputs, theirs, strict=True))
        for ours, others in pairs:
            if ours.shape != others.shape:
                raise VicinalError(
                    f"{file} gives {tuple(others.shape)} where the run gives {tuple(ours.shape)}: "
                    "report it, and leave that format out of --format"
                )
        # Written so that NaN, which compares to nothing, is beyond the tolerance.
        worst = max((_difference(*pair) / self.unit for pair in pairs), key=_nan_last)
        if not worst <= TOLERANCE:
            raise VicinalError(
                f"{file} would answer otherwise than the run: {self.form.output} differ by up to "
                f"{worst:.1e}{self._of_unit}, and at most {TOLERANCE:.0e} is allowed; leave that "
                "format out of --format, and report it"
            )
        same, of = self._same(pairs)
        return Agreement(sum(map(len, self.outputs)), worst, same, of, self.form.target)

    @property
    def _of_unit(self) -> str:
        return " standard deviations" if self.form.target == "values" else ""

    def _same(self, pairs: list[tuple[Tensor, Tensor]]) -> tuple[int, int]:
        """How many predictions are the same, and of how many: samples, labels or pixels."""
        if self.form.target == "values":
            return 0, 0
        threshold = self.form.preprocessing.threshold
        same = [
            (ours > threshold) == (theirs > threshold)
            if self.form.target == "labels"
            else ours.argmax(1) == theirs.argmax(1)
            for ours, theirs in pairs
        ]
        return sum(int(each.sum()) for each in same), sum(each.numel() for each in same)


@dataclass(frozen=True)
class Agreement:
    """How far a file agrees with its run.

    Args:
        samples: how many were compared.
        difference: the largest.
        same, of: how many predictions are the same, and of how many; 0 of values.
        target: what is predicted.
    """

    samples: int
    difference: float
    same: int
    of: int
    target: str

    def __str__(self) -> str:
        noun = {"classes": "classes", "labels": "labels", "masks": "pixels"}.get(self.target)
        unit = "" if noun else " standard deviations"
        text = f"differs by {self.difference:.1e}{unit} at most"
        return f"{text}, {self.same:,} of {self.of:,} {noun} the same" if noun else text

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"samples": self.samples, "largest_difference": self.difference}
        return found | ({"same": self.same, "of": self.of} if self.of else {})


def _twice_where_single(tensor: Tensor, axes: dict[int, str]) -> Tensor:
    for number in axes:
        if tensor.shape[number] == 1:
            tensor = torch.cat([tensor, tensor], dim=number)
    return tensor


def _difference(ours: Tensor, theirs: Tensor) -> float:
    return (ours.double() - theirs.double()).abs().max().item()


def _nan_last(value: float) -> float:
    return float("inf") if value != value else value


def _unit(predictor: Predictor) -> float:
    """The standard deviation of the training values; 1 of probabilities."""
    deviations = (m.std.item() for m in predictor.model.modules() if isinstance(m, Rescale))
    return next(deviations, 1.0)


def torch_runner(file: Path) -> Runner:
    """What runs the file of ``torch.export.save``."""
    module: Runner = torch.export.load(file).module()
    return module


def onnx_runner(file: Path) -> Runner:
    """What runs an ONNX file by onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(*tensors: Tensor) -> Tensor:
        arrays = {n: each.numpy() for n, each in zip(names, tensors, strict=True)}
        return torch.from_numpy(session.run(None, arrays)[0])

    return run
