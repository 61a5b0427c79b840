"""The verdict on a metric that is given mixed tensors as they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from losses.cases import COPIES, drawn
from losses.verdict import ERROR, REFUSED, WRONG, Found, is_ours
from vicinal import MixedTensor, as_tensors

BATCHES = ((5, 0), (4, 1), (6, 2))  # samples and seed; four are as many as classes
SHARES, OWN = "by shares", "own labels"


@dataclass
class Metric:
    """A metric as the page names it, and how it is called.

    Args:
        code: the expression that makes it, evaluated among the names of its library.
        kind: of outputs and targets.
        settings: keyword arguments of a function, as code.
        call: (metric, output, target) to its value; the target is plain or a MixedTarget.
        remark: for the page.
    """

    code: str
    kind: str
    call: Callable[..., Any]
    settings: str = ""
    remark: str = ""

    @property
    def name(self) -> str:
        return self.code.split("(")[0]

    @property
    def shown(self) -> str:
        return f"{self.code}(…, {self.settings})" if self.settings else self.code

    def made(self, names: dict[str, Any]) -> Any:
        made = eval(self.code, dict(names))
        if self.settings:
            made = eval(f"functools.partial(made, {self.settings})", {**names, "made": made})
        return made


def judge_metric(metric: Metric, names: dict[str, Any]) -> Found:
    """The verdict over all batches, and why."""
    possible, why = {SHARES, OWN}, ""
    verdicts = set()
    for samples, seed in BATCHES:
        case = drawn(metric.kind, samples, seed)
        output = case.output().detach()

        def value(output: Any, target: Any) -> list[np.ndarray]:
            return _numbers(metric.call(metric.made(names), output, target))

        copies, labels = case.copies()
        own, by_shares = value(output, case.own), value(copies.detach(), labels)
        often = value(*(each.repeat_interleave(COPIES, 0) for each in (output, case.own)))
        by_shares = _rescaled(by_shares, own, often)
        try:
            found = value(output, case.target)
        except Exception as error:
            verdicts.add(REFUSED if is_ours(error) else ERROR)
            why = why or f"{samples}: {type(error).__name__}: {error}"
            continue
        equal = {name for name, value in ((SHARES, by_shares), (OWN, own)) if _equal(found, value)}
        if not equal:
            why += f"{samples}: {found} where own {own}, by shares {by_shares} "
        possible &= equal
        verdicts.add("computed")
    if "computed" not in verdicts:
        return Found((ERROR if ERROR in verdicts else REFUSED,), why)
    if verdicts == {"computed"} and len(possible) == 1:
        return Found((possible.pop(),), why)
    return Found((WRONG,), why or f"{verdicts} {possible}")


def _numbers(value: Any) -> list[np.ndarray]:
    if isinstance(value, MixedTensor):
        raise AssertionError("a metric that is not reduced")
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in _numbers(part)]
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    return [np.asarray(value, dtype=float)]


def _rescaled(
    value: list[np.ndarray], once: list[np.ndarray], often: list[np.ndarray]
) -> list[np.ndarray]:
    """The value of copies as for one of each: metrics that sum over samples grow with copies."""
    return [
        each * _scale(before, after) for each, before, after in zip(value, once, often, strict=True)
    ]


def _scale(once: np.ndarray, often: np.ndarray) -> float:
    """The one ratio of all values that are not 0; 1 where there is none."""
    if once.shape != often.shape:
        return 1.0
    is_known = np.isfinite(once) & np.isfinite(often) & (often != 0)
    ratios = once[is_known] / often[is_known]
    is_one = len(ratios) and np.allclose(ratios, ratios[0], rtol=1e-3)
    return float(ratios[0]) if is_one else 1.0


def updated(metric: Any, output: Any, target: Any, update: Callable[..., Any]) -> None:
    """Update a metric by two batches, which two mixes gave."""
    middle = len(output) // 2
    for rows in (slice(0, middle), slice(middle, None)):
        update(metric, output[rows], as_tensors(target[rows]))


def _equal(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return len(found) == len(expected) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
        for a, b in zip(found, expected, strict=True)
    )
