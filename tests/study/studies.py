"""Studies with known results."""

import torch

from vicinal.study.arms import Arm
from vicinal.study.measures import class_measures
from vicinal.study.runner import Result
from vicinal.study.study import Study

NONE = Arm("none", None, 5, mixes=False)
MIXUP, CUTMIX = Arm("mixup", 0.4, 5), Arm("cutmix", 1.0, 5)


def result(arm, seed, right, *, sure=0.9, seconds=10.0, epochs=5, samples=400):
    """A run that is right in such a share of the samples, which differ with the seed."""
    generator = torch.Generator().manual_seed(1000 * seed)
    count = round(right * samples)
    answers = torch.zeros(samples, dtype=torch.int64)
    answers[torch.randperm(samples, generator=generator)[: samples - count]] = 1
    probabilities = torch.full((samples, 2), 1 - sure, dtype=torch.float64)
    probabilities[torch.arange(samples), answers] = sure
    values = class_measures(probabilities, torch.zeros(samples, dtype=torch.int64))
    history = [{"valid_accuracy": right * (n + 1) / epochs} for n in range(epochs)]
    return Result(arm.name, seed, "", history, seconds, 100.0, values)


def failed(arm, seed):
    return Result(arm.name, seed, failed="the training loss became nan in epoch 2")


def study(shares, **options):
    """A study of such shares of right answers for each arm and seed."""
    results = [
        result(arm, seed, right, **options)
        for arm, rights in shares.items()
        for seed, right in enumerate(rights)
    ]
    return Study(list(shares), results)
