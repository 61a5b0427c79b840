"""What test-time augmentation of only the least confident samples gives, and what it costs.

A network is trained, by default for a short time; then the validation part is predicted without
test-time augmentation, with it for several shares of the samples, and with it for all.

python benchmarks/tta.py ../shared/data/cifar10                     # all images
python benchmarks/tta.py ../shared/data/cifar10 --train-size 5000   # some minutes
python benchmarks/tta.py digits --epochs 2                          # some seconds
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from vicinal.learner.learner import Learner
from vicinal.study.config import ExperimentConfig
from vicinal.study.experiment import Experiment
from vicinal.tasks import TrainOptions

SHARES = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
REPEATS = 2  # of which the fastest is told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--train-size", type=float, default=1.0, help="samples, or a share")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--model", default=None)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    learn = trained(given.data, given.train_size, given.epochs, given.model, given.seed)
    for line in table(learn, given.views):
        print(line, flush=True)


def trained(data: str, size: float, epochs: int, model: str | None, seed: int) -> Learner:
    """A learner that was trained without mixing."""
    options = TrainOptions(data, model=model, pretrained=False, epochs=epochs)
    sizes = () if size == 1 else (size,)
    experiment = Experiment(ExperimentConfig(options, ("none", "mixup"), train_sizes=sizes))
    (arm,) = (arm for arm in experiment.arms if not arm.mixes)
    run = experiment.prepare(arm, seed)
    run.fit(run.learn)
    return run.learn


def table(learn: Learner, views: int) -> Iterator[str]:
    """Accuracy, negative log-likelihood and processor time for each share: lines of Markdown."""
    yield "| samples with views | accuracy | negative log-likelihood | processor time |"
    yield "|---:|---:|---:|---:|"
    plain = 0.0
    for share in SHARES:
        predict = partial(_predicted, learn, views, share)
        (probabilities, targets), seconds = timed(predict)
        plain = plain or seconds
        right = (probabilities.argmax(dim=1) == targets).double().mean()
        likelihood = probabilities.gather(1, targets[:, None]).clamp(min=1e-12).log().mean()
        cells = f"{100 * right:.2f} % | {-likelihood:.3f} | {seconds / plain:.2f}"
        yield f"| {100 * share:g} % | {cells} |"


def _predicted(learn: Learner, views: int, share: float) -> tuple[Tensor, Tensor]:
    return learn.tta(n=views, uncertain=share) if share else learn.get_preds()


def timed(predict: Callable[[], tuple[Tensor, Tensor]]) -> tuple[tuple[Tensor, Tensor], float]:
    """A result, and the least processor time that it took: others may use the machine, too."""
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        found = predict()
        seconds.append(time.process_time() - began)
    return found, min(seconds)


if __name__ == "__main__":
    torch.set_num_threads(1)  # so that threads that wait cost no time
    main()
