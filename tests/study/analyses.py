"""Analyses of made-up results, whose answer is known."""

import torch

from vicinal.study.analysis import Analysis
from vicinal.study.arms import Arm
from vicinal.study.evaluation import Evaluation
from vicinal.study.measuring import compute_measures
from vicinal.study.result import Result

NONE = Arm("none", None, 5, mixes=False)
MIXUP, CUTMIX = Arm("mixup", 0.4, 5), Arm("cutmix", 1.0, 5)


def result(arm, seed, right, *, confidence=0.9, seconds=10.0, epochs=5, samples=400):
    """A run with this accuracy; which samples are right depends on the seed."""
    generator = torch.Generator().manual_seed(1000 * seed)
    count = round(right * samples)
    answers = torch.zeros(samples, dtype=torch.int64)
    answers[torch.randperm(samples, generator=generator)[: samples - count]] = 1
    probabilities = torch.full((samples, 2), 1 - confidence, dtype=torch.float64)
    probabilities[torch.arange(samples), answers] = confidence
    values = compute_measures(Evaluation(probabilities, torch.zeros(samples, dtype=torch.int64)))
    history = [{"valid_accuracy": right * (n + 1) / epochs} for n in range(epochs)]
    return Result(arm.name, seed, "", history, seconds, 100.0, values)


def failed(arm, seed):
    return Result(arm.name, seed, failed="the training loss became nan in epoch 2")


def analysis(accuracies, **options):
    """An analysis of runs with these accuracies, for each arm and seed."""
    results = [
        result(arm, seed, right, **options)
        for arm, each in accuracies.items()
        for seed, right in enumerate(each)
    ]
    return Analysis(list(accuracies), results)
