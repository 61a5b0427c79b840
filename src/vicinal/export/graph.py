"""The graph of a trained network, with what comes before and after it, in the formats for it."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.errors import VicinalError
from vicinal.export.forms import BATCH, Form
from vicinal.stored import first_line
from vicinal.tasks.predictor import Predictor

ONE_FILE = 2**31 - 2**20  # bytes of weights; an ONNX file cannot be larger than 2 GB
MOST = 2**31 - 1  # samples; without a limit, torch 2.6 finds that int64's would not do
HALF = (torch.bfloat16, torch.float16)


class Graph(nn.Module):
    """From the inputs of a form to probabilities or values, with tensors alone.

    What was trained is copied; numbers of 16 bits become float32.

    Args:
        predictor: of the run, with its rescaling, if it has one.
        form: of its samples.
    """

    def __init__(self, predictor: Predictor, form: Form) -> None:
        super().__init__()
        self.network = form.network(_in_float32(deepcopy(predictor.model))).eval()
        self.rescaling = deepcopy(predictor.rescaling)
        self.entry, self.form = form.entry(), form

    def forward(self, *tensors: Tensor) -> Tensor:
        x = self.entry(*tensors)
        output: Tensor
        output = self.network(x) if self.rescaling is None else self.rescaling(self.network, x)
        if self.form.target == "labels":
            return output.float().sigmoid()
        return output if self.form.target == "values" else output.softmax(dim=1)


def _in_float32(network: nn.Module) -> nn.Module:
    """With float64 left as it is, of which regression may need every digit."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.dtype in HALF:
            tensor.data = tensor.data.float()
    return network


def traced(graph: Graph, tensors: tuple[Tensor, ...]) -> Any:
    """The graph as a :class:`torch.export.ExportedProgram`, for any number of samples.

    Args:
        tensors: two samples or more: of one, torch would make a constant.

    Raises:
        VicinalError: it does something that torch.export does not know.
    """
    names = sorted({name for axes in graph.form.axes.values() for name in axes.values()})
    dims = {name: torch.export.Dim(name, max=_longest(graph, name)) for name in names}
    axes = tuple(
        {number: dims[name] for number, name in each.items()} for each in graph.form.axes.values()
    )
    with _quietly(), torch.no_grad(), _failing("torch.export"):
        return torch.export.export(graph, tensors, dynamic_shapes={"tensors": axes}, strict=False)


def _longest(graph: Graph, name: str) -> int:
    tokenizer = getattr(graph.form.preprocessing, "tokenizer", None)
    return MOST if name == BATCH or tokenizer is None else tokenizer.max_length


def save_torch(program: Any, form: Form, file: Path) -> None:
    """Write the file that ``torch.export.load`` reads."""
    with _quietly(), _failing("torch.export"):
        torch.export.save(program, file)


def save_onnx(program: Any, form: Form, file: Path) -> None:
    """Write an ONNX file, with the names of a form; weights beyond 2 GB get a file of their own.

    Raises:
        VicinalError: a package is missing, or the graph has an operation that ONNX lacks.
    """
    check_onnx()
    with _quietly(), _failing("ONNX"):
        made: Any = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=list(form.axes),
            output_names=[form.output],
            dynamic_shapes={"tensors": tuple(form.axes.values())},
        )
        size = sum(tensor.nbytes for tensor in program.state_dict.values())
        made.save(file, external_data=size > ONE_FILE)


def check_onnx() -> None:
    """Refuse to write ONNX files where a package for them is missing, before it takes time.

    Raises:
        VicinalError: one is; it is named.
    """
    for package in ("onnx", "onnxruntime", "onnxscript"):
        if find_spec(package) is None:
            raise VicinalError(
                f"ONNX files need {package}: pip install 'vicinal[export]', or leave onnx out of "
                "--format"
            )


@contextlib.contextmanager
def _failing(format: str) -> Iterator[None]:
    """Say in one sentence what an exporter refuses, by errors of nearly any type."""
    try:
        yield
    except (VicinalError, OSError):
        raise
    except Exception as error:
        cause = error.__cause__ or error  # torch.onnx says in which of its steps it failed
        raise VicinalError(
            f"this network cannot be written for {format} ({first_line(cause):.200}): leave that "  # type: ignore[arg-type]
            "format out of --format, update torch, or train another --model"
        ) from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' remarks on their own code."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
