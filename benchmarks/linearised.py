"""How often the intervals of measures that are no means over samples miss, by simulation.

    python benchmarks/linearised.py [TIMES]

Areas, ratios and quantiles have a value for each sample by linearisation (see ``Measure``). Here
two networks with known, correlated errors are measured on fresh samples, again and again. For the
difference of both in each measure it prints the share of 95 % intervals that miss the truth, and
how large the standard error is on average, in units of the true one.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from vicinal.study import macro, unknown
from vicinal.study.calibration import unbiased_adaptive_gaps, unbiased_gaps
from vicinal.study.selective import risk_coverage_area

FREQUENCIES = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
GAINS = 2.2, 1.8  # of the true class, in the logits of each network
TRUTH = 400_000  # samples, from which the truth is computed


@dataclass(frozen=True)
class Sample:
    """Validation samples: two networks' probabilities, targets, and confidences elsewhere."""

    probabilities: tuple[Tensor, Tensor]
    targets: Tensor
    outside: tuple[Tensor, Tensor]


def draw(count: int, seed: int, outside: int | None = None) -> Sample:
    """Fresh samples of one population, of which the second network knows less.

    Args:
        count: validation samples.
        seed: of all draws.
        outside: unknown samples; None for as many.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(rows: int) -> tuple[Tensor, Tensor]:
        common, own = torch.randn(2, rows, len(FREQUENCIES), generator=generator)
        return common, 0.8 * common + 0.6 * own

    targets = FREQUENCIES.multinomial(count, replacement=True, generator=generator)
    one_hot = torch.nn.functional.one_hot(targets, len(FREQUENCIES))
    scores = [1.5 * (each + gain * one_hot) for each, gain in zip(noise(count), GAINS, strict=True)]
    elsewhere = [1.5 * each for each in noise(outside or count)]
    first, second = (each.double().softmax(1) for each in scores)
    far, farther = (unknown.confidences(each.softmax(1)) for each in elsewhere)
    return Sample((first, second), targets, (far, farther))


Measured = Callable[[Sample, int], Tensor]
MEASURED: dict[str, Measured] = {
    "balanced accuracy": lambda s, k: macro.balanced_accuracy(s.probabilities[k], s.targets),
    "macro F1": lambda s, k: macro.macro_f1(s.probabilities[k], s.targets),
    "calibration error": lambda s, k: unbiased_gaps(s.probabilities[k], s.targets),
    "adaptive calibration": lambda s, k: unbiased_adaptive_gaps(s.probabilities[k], s.targets),
    "AURC": lambda s, k: risk_coverage_area(s.probabilities[k], s.targets),
    "AUROC": lambda s, k: unknown.auroc(unknown.confidences(s.probabilities[k]), s.outside[k]),
    "FPR at 95 % TPR": lambda s, k: unknown.false_positives(
        unknown.confidences(s.probabilities[k]), s.outside[k]
    ),
}


def difference(measured: Measured) -> Callable[[Sample], Tensor]:
    return lambda sample: measured(sample, 0) - measured(sample, 1)


def standard_error(values: Tensor) -> float:
    """Of their mean, as the study has it."""
    return values.std().item() / math.sqrt(len(values))


def missed(
    values_of: Callable[[Sample], Tensor], truth: float, samples: list[Sample]
) -> tuple[float, float]:
    """The share of 95 % intervals without the truth; the mean standard error over the true one."""
    found = [values_of(sample) for sample in samples]
    means = torch.stack([values.mean() for values in found])
    errors = torch.tensor([standard_error(values) for values in found])
    half = stats.t.ppf(0.975, len(found[0]) - 1) * errors
    share = ((means - truth).abs() > half).double().mean().item()
    return share, errors.mean().item() / means.std().item()


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    large = draw(TRUTH, seed=0)
    print(f"{'':22}{'samples':>8}{'missed':>9}{'error':>7}")
    for count in (50, 200, 1000):
        samples = [draw(count, seed) for seed in range(1, times + 1)]
        for name, measured in MEASURED.items():
            values_of = difference(measured)
            share, ratio = missed(values_of, values_of(large).mean().item(), samples)
            print(f"{name:22}{count:8}{100 * share:8.1f}%{ratio:7.2f}", flush=True)


if __name__ == "__main__":
    main()
