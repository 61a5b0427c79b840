"""Compute the measures of a trained network that apply to it."""

import itertools

import torch
from torch import Tensor

from vicinal.study.curve_points import stride
from vicinal.study.evaluation import Evaluation
from vicinal.study.measure import Measure
from vicinal.study.measures import MEASURES

CHANGED = 2000  # samples on which the network is run again, or up to twice as many


def main_measure(evaluation: Evaluation) -> Measure:
    """The measure that decides which arm is better: the first one that applies."""
    return next(measure for measure in MEASURES.values() if measure.applies(evaluation))


def compute_measures(evaluation: Evaluation) -> dict[str, Tensor]:
    """The values of all measures that apply.

    Returns:
        For each measure, and for those without bias, (N,) float64; of those that run the network
        again, on about 2,000 samples of many, which narrow an interval enough.

    >>> p = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> values = compute_measures(Evaluation(p, torch.tensor([0, 1])))
    >>> values["accuracy"].tolist(), round(values["nll"].mean().item(), 3)
    ([1.0, 0.0], 0.511)
    """
    measures = [measure for measure in MEASURES.values() if measure.applies(evaluation)]
    samples = len(evaluation.targets)
    again = _samples_again(evaluation, samples)
    on_batches = _on_batches(evaluation, [m for m in measures if m.on_batch is not None])
    values = {}
    for measure in measures:
        found = on_batches.get(measure.name)
        if measure.compute is not None:
            found = measure.compute(evaluation)
        assert found is not None
        values[measure.name] = found
        if measure.unbiased is not None:
            values[measure.compared] = measure.unbiased(evaluation)
        least = samples if measure.on_batch is None else again
        _check_shape(measure, values[measure.name], least, samples)
    return values


def _check_shape(measure: Measure, values: Tensor, least: int, samples: int) -> None:
    """Intervals are computed from the samples: a mean alone would count as one sample."""
    fits = values.ndim == 1 and (
        not measure.paired
        or (len(values) > samples if measure.two_samples else least <= len(values) <= samples)
    )
    if not fits:
        raise ValueError(
            f"the measure {measure.name!r} has the shape {tuple(values.shape)}, but there are "
            f"{samples} validation samples: let it return one number for each"
        )


def _samples_again(evaluation: Evaluation, samples: int) -> int:
    """How many samples there are in the batches on which the network is run again.

    A short batch at the end, which may be among them, leaves less than were asked for.
    """
    if evaluation.learn is None:
        return samples
    valid = evaluation.learn.dls.valid
    starts = range(0, samples, valid.batch_size * stride(valid, CHANGED))
    return sum(min(valid.batch_size, samples - start) for start in starts)


def _on_batches(evaluation: Evaluation, measures: list[Measure]) -> dict[str, Tensor]:
    """The values of those that run the network again, in one pass over the validation part."""
    learn = evaluation.learn
    if learn is None or not measures:
        return {}
    parts: dict[str, list[Tensor]] = {measure.name: [] for measure in measures}
    every = stride(learn.dls.valid, CHANGED)
    with learn.evaluating():
        for x, y in itertools.islice(learn.dls.valid, 0, None, every):
            for measure in measures:
                assert measure.on_batch is not None
                parts[measure.name].append(measure.on_batch(learn, x, y).cpu())
    return {name: torch.cat(part).double() for name, part in parts.items()}
