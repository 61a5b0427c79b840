"""Prediction: a sample with what was predicted for it, and how it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vicinal.data.showing import SampleTable


@dataclass(frozen=True)
class Prediction:
    """A sample and its prediction.

    Args:
        index: in the part that was predicted, such as ``dls.valid.dataset``.
        loss: of this sample.
        truth, predicted: the names of the true and of the most probable class; for other targets,
            values.
        probability: of the true class; None for other targets.
    """

    index: int
    loss: float
    truth: str
    predicted: str
    probability: float | None


def caption(sample: Prediction) -> str:
    loss = f"loss {sample.loss:.3g}"
    if sample.probability is not None:
        loss += f", truth {100 * sample.probability:.1f} %"
    return f"{names_of(sample)}\n{loss}"


def names_of(sample: Prediction) -> str:
    return f"truth {sample.truth}\npredicted {sample.predicted}"


def as_table(samples: Sequence[Mapping[str, str]], found: Sequence[Prediction]) -> SampleTable:
    """Predictions of samples that are no images, as a table.

    Args:
        samples: of each its columns.
        found: of each its prediction.
    """
    rows = []
    for sample, each in zip(samples, found, strict=True):
        row = {**sample, "loss": f"{each.loss:.3g}"}
        if each.probability is not None:
            row["probability"] = f"{100 * each.probability:.1f} %"
        rows.append(row)
    return SampleTable(rows, [each.truth for each in found], [each.predicted for each in found])
